/* SPDX-License-Identifier: MIT */
/*
 * What carries seals between domains. The rooms above implement it (xmpp; tcp later); outbound
 * and keys use it. Every call is asynchronous: it returns at once and exactly one answer with its
 * token comes later, in another turn, also when the link dies or the deadline passes (ERR_TEMPORARY).
 */
#ifndef MAIL_TRANSPORT_H
#define MAIL_TRANSPORT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport_peer {
    const char *address;    /* what speaks for the domain: a component JID */
    size_t max_stanza;      /* what it says it takes (urn:immp:limits); 0: it does not say */
};

/* Answers. err NULL: it worked. Strings are borrowed for the call. */
typedef void transport_found_fn(void *ctx, uint64_t token, const struct transport_peer *peer,
                                const struct err *err);
/* PEM of the two certificates; endorsement armor or NULL. */
typedef void transport_keys_fn(void *ctx, uint64_t token, const char *sign_pem,
                               const char *encrypt_pem, const char *endorsement,
                               const struct err *err);
/* receipt: armor. */
typedef void transport_receipt_fn(void *ctx, uint64_t token, const char *receipt, size_t len,
                                  const struct err *err);

struct transport {
    const char *name;       /* "xmpp" */
    void *self;
    /* Who speaks for destination? Cached: 1 h what is good, 5 min what is bad. */
    void (*find)(void *self, const char *origin, const char *destination, uint64_t token,
                 transport_found_fn *fn, void *ctx);
    /* Forget the cached answer. */
    void (*forget)(void *self, const char *destination);
    /* Ask address for the keys of domain. */
    void (*keys)(void *self, const char *origin, const char *domain, const char *address,
                 uint64_t token, transport_keys_fn *fn, void *ctx);
    /* Send a seal; armor is copied. */
    void (*seal)(void *self, const char *origin, const char *destination, const char *address,
                 const char *bundle, const char *armor, size_t len, uint64_t token,
                 transport_receipt_fn *fn, void *ctx);
    /* Is the link of that domain of ours up? */
    bool (*is_up)(void *self, const char *origin);
};

#endif
