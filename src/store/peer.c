/* SPDX-License-Identifier: MIT */
/* Peers: the front of store/peer.h. */
#include "config.h"

#include "store/peer.h"

#include <stdlib.h>

#include "base/macros.h"

#include "store/store_private.h"

void peer_clear(struct peer *p)
{
    free(p->domain);
    free(p->component);
    free(p->sign_pem);
    free(p->encrypt_pem);
    free(p->sign_fingerprint);
    free(p->encrypt_fingerprint);
    free(p->offered_sign);
    *p = (struct peer){ 0 };
}

int peer_get(struct store *st, const char *domain, struct peer *p_r, struct err *err)
{
    *p_r = (struct peer){ 0 };
    return st->ops->peer_get(st, domain, p_r, err);
}

int peer_put(struct store *st, const struct peer *p, struct err *err)
{
    return st->ops->peer_put(st, p, err);
}

int peer_del(struct store *st, const char *domain, struct err *err)
{
    return st->ops->peer_del(st, domain, err);
}

int peer_each(struct store *st, int (*fn)(void *ctx, const struct peer *p), void *ctx,
              struct err *err)
{
    return st->ops->peer_each(st, fn, ctx, err);
}

const char *peer_trust_name(enum peer_trust t)
{
    static const char *const names[] = {
        [PEER_TRUST_NONE]     = "none",
        [PEER_TRUST_TOFU]     = "tofu",
        [PEER_TRUST_OPERATOR] = "operator",
        [PEER_TRUST_PKIX]     = "pkix",
        [PEER_TRUST_ENDORSED] = "endorsed",
    };

    return (size_t)t < N_ELEMENTS(names) ? names[t] : "unknown";
}
