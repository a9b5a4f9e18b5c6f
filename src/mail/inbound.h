/* SPDX-License-Identifier: MIT */
/*
 * The way in: a seal from another domain is checked, opened, stored, and answered by a signed
 * receipt after the commit. The order of the checks is docs/xmpp.md's; each failure has its code,
 * its counter and its log line.
 */
#ifndef MAIL_INBOUND_H
#define MAIL_INBOUND_H

#include "mail/mail.h"
#include "wire/receipt.h"

#define INBOUND_AGE_MS   (7LL * 24 * 3600 * 1000)   /* older is expired */
#define INBOUND_AHEAD_MS (10LL * 60 * 1000)         /* a clock may be so much ahead */
#define INBOUND_ARMOR_MAX (1024u * 1024)            /* larger is too-large */
/* What is being opened at once; more is `busy`. */
#define INBOUND_OPENING_MAX   512                   /* seals */
#define INBOUND_OPENING_PEER  128                   /* of one address: twice a sender's window */
#define INBOUND_OPENING_BYTES (128u * 1024 * 1024)  /* of armor */

struct inbound;
struct inbound *inbound_create(struct mail *m);
void inbound_destroy(struct inbound **ip);

struct inbound_seal {
    const char *at;            /* our domain whose link it came over; NULL: the destination's */
    const char *bundle;        /* attributes of the element, as they came */
    const char *origin;
    const char *destination;
    const char *address;       /* the stanza's from: who to ask for keys */
    bool is_vouched;           /* that address may speak for origin (its JID is it or below it, or listed) */
    const char *armor;         /* copied */
    size_t len;
};

/*
 * The answer: a receipt's armor, or err (no receipt can be made: a temporary stanza error). It
 * comes once, after the commit, unless inbound_forget(ctx).
 */
typedef void inbound_answer_fn(void *ctx, uint64_t token, const char *receipt, size_t len,
                               const struct err *err);
void inbound_take(struct inbound *in, const struct inbound_seal *seal, uint64_t token,
                  inbound_answer_fn *fn, void *ctx);
void inbound_forget(struct inbound *in, void *ctx);

struct inbound_counters {
    uint64_t seals, messages, delivered, repeats;
    uint64_t refused[REFUSED_COUNT];
    uint64_t failed;           /* answered by no receipt: no keys, store trouble */
};
const struct inbound_counters *inbound_counters(const struct inbound *in);

#endif
