/* SPDX-License-Identifier: MIT */
/* What we know of other domains: their pinned keys, since when, and how they were verified. */
#ifndef STORE_PEER_H
#define STORE_PEER_H

#include "store/store.h"

enum peer_trust {
    PEER_TRUST_NONE = 0,
    PEER_TRUST_TOFU,      /* pinned at first contact */
    PEER_TRUST_OPERATOR,  /* the operator said so */
    PEER_TRUST_PKIX,      /* chains to a trusted CA */
    PEER_TRUST_ENDORSED,  /* rotated, endorsed by the pinned key */
};

struct peer {
    char *domain;
    char *component;          /* the JID that speaks for it; NULL unknown */
    char *sign_pem;           /* pinned certificates */
    char *encrypt_pem;
    char *sign_fingerprint;
    char *encrypt_fingerprint;
    enum peer_trust trust;
    char *offered_sign;       /* fingerprint that was offered and does not match; NULL none */
    bool is_blocked;
    int64_t max_stanza;       /* bytes that its path has proved to take; 0 unknown */
    int64_t first_seen_ms;
    int64_t last_seen_ms;
};

void peer_clear(struct peer *p);
int peer_get(struct store *st, const char *domain, struct peer *p_r, struct err *err);
int peer_put(struct store *st, const struct peer *p, struct err *err);  /* insert or replace */
int peer_del(struct store *st, const char *domain, struct err *err);
int peer_each(struct store *st, int (*fn)(void *ctx, const struct peer *p), void *ctx,
              struct err *err);
const char *peer_trust_name(enum peer_trust t);

#endif
