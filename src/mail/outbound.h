/* SPDX-License-Identifier: MIT */
/*
 * The way out: takes what waits in the queue for a domain as bundles, has them sealed, sends them
 * and takes an entry off only for a signed receipt that holds (docs/flow.md).
 *
 * A path is one of our domains and one destination. It finds the peer, has its keys, then keeps a
 * window of bundles under way that grows and shrinks with its round trips; a bundle closes when
 * nothing more waits or it reaches the size that the path takes. A path that fails rests by the
 * retry schedule. State in memory is only that: after a restart everything comes from the queue.
 */
#ifndef MAIL_OUTBOUND_H
#define MAIL_OUTBOUND_H

#include "mail/mail.h"
#include "mail/transport.h"

#define OUTBOUND_WINDOW_PEER  64
#define OUTBOUND_WINDOW_TOTAL 256

struct outbound;
struct outbound *outbound_create(struct mail *m);
void outbound_destroy(struct outbound **op);
void outbound_set_transport(struct outbound *o, const struct transport *t);

/* Entries were put for that path; it is looked at after the commit. Cheap, often. */
void outbound_kick(struct outbound *o, const char *origin, const char *destination);
/* Start: look at every path of the queue. Also after a failed commit. */
int outbound_rescan(struct outbound *o, struct err *err);
/* The link of a domain came up or went down. */
void outbound_link_changed(struct outbound *o, const char *origin, bool is_up);
/* The operator: try now, whatever the schedule says; NULL: all. Returns how many entries, or -1. */
int outbound_retry(struct outbound *o, const char *destination, struct err *err);

struct outbound_path {
    const char *origin, *destination;
    const char *state;        /* "idle", "finding", "keys", "sending", "resting" */
    const char *address;      /* the peer's component; NULL unknown */
    size_t in_flight, window;
    size_t stanza_bytes;      /* what it sends at most now */
    int64_t rests_until_ms;   /* wall; 0 */
    int failures;             /* in a row */
    const char *last_error;   /* NULL none */
    uint64_t sent_bundles, sent_messages;
    int64_t round_trip_ms;    /* smoothed */
};
void outbound_each(struct outbound *o, void (*fn)(void *ctx, const struct outbound_path *p),
                   void *ctx);

struct outbound_counters {
    uint64_t bundles, messages, receipts, refused, bad_receipts, failures, bounces, expired;
};
const struct outbound_counters *outbound_counters(const struct outbound *o);

#endif
