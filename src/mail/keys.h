/* SPDX-License-Identifier: MIT */
/*
 * The keys of other domains: pinned ones from the store, or asked for and then pinned by the
 * domain's trust policy (TOFU). A key that does not match the pin, and is not endorsed by it, is
 * never used: the pin stays, the offer is noted (peer.offered_sign) and the administrators are told once.
 */
#ifndef MAIL_KEYS_H
#define MAIL_KEYS_H

#include "mail/mail.h"
#include "mail/transport.h"
#include "seal/certificate.h"

struct keys;
struct keys *keys_create(struct mail *m);
void keys_destroy(struct keys **kp);
void keys_set_transport(struct keys *k, const struct transport *t);

struct keys_pair {
    struct certificate *sign;
    struct certificate *encrypt;
    bool is_verified;        /* pinned before, endorsed, or by the operator; at first contact: by policy.
                                Not verified is what waits for the operator: never used */
    bool is_blocked;
};

/*
 * The pinned pair, from memory or store. 1 (certificates borrowed until the next call; NULL only
 * where is_blocked), 0 none, -1.
 */
int keys_pinned(struct keys *k, const char *domain, struct keys_pair *pair_r, struct err *err);

/*
 * Ask address for domain's keys on behalf of our domain origin, and pin them or refuse. The answer
 * comes once, in a later turn, unless keys_forget(ctx): err NULL and keys_pinned() will have them;
 * else ERR_TEMPORARY (no answer) or ERR_DENIED STATUS_NOT_SECURE (mismatch, or policy).
 */
typedef void keys_fn(void *ctx, uint64_t token, const struct err *err);
void keys_ask(struct keys *k, const char *origin, const char *domain, const char *address,
              uint64_t token, keys_fn *fn, void *ctx);
void keys_forget(struct keys *k, void *ctx);

/* ---- the operator; all in this turn, durable after its commit ---- */

/*
 * Trust the domain's key of this signing fingerprint, whatever was pinned. 1 it has been offered and
 * is pinned now, 0 it will be as soon as it is offered (until then the domain has no keys), -1.
 */
int keys_trust(struct keys *k, const char *domain, const char *fingerprint, struct err *err);
/* Drop the pin: as on first contact again. A block stays. 1, 0 unknown domain, -1. */
int keys_unpin(struct keys *k, const char *domain, struct err *err);
/* Take and send nothing from and to that domain, or do again. 0 or -1. */
int keys_block(struct keys *k, const char *domain, bool is_blocked, struct err *err);
/* Somebody else wrote the domain's peer row: what is in memory is void. NULL: all domains. */
void keys_changed(struct keys *k, const char *domain);

#endif
