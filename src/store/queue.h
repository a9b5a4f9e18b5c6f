/* SPDX-License-Identifier: MIT */
/*
 * The outbound queue: one entry per message and destination domain. An entry is QUEUED, or
 * CLAIMED until its lease runs out, after which it counts as QUEUED again; it ends by queue_del()
 * only, which the owner does when a signed receipt, or a bounce on disk, has settled every recipient.
 * HELD entries wait for the operator.
 *
 *   QUEUED -> CLAIMED (lease) -> deleted
 *      ^         |
 *      +---------+  queue_defer(), or the lease ran out
 *   QUEUED <-> HELD
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "base/uuid.h"
#include "store/store.h"

enum queue_state {
    QUEUE_NONE = 0,
    QUEUE_QUEUED,   /* waits for due_ms */
    QUEUE_CLAIMED,  /* in a bundle that is under way, until lease_ms */
    QUEUE_HELD,     /* by the operator */
};

struct queue_entry {
    int64_t id;              /* grows with time */
    char message[UUID_SIZE];
    char *origin;            /* our domain */
    char *destination;       /* the peer's */
    char *sender;            /* address that gets notices; its domain is origin */
    int64_t content;
    char *header;            /* the line that is signed and sent, the same at every attempt */
    char *settled;           /* recipients (of "to") that are settled, LF after each; "" none */
    enum queue_state state;
    int attempts;
    int64_t due_ms;
    int64_t lease_ms;
    int64_t created_ms;
    int64_t expires_ms;      /* then a bounce */
    int64_t size;            /* octets */
    bool is_secure;          /* +SECURE */
    char *last_error;        /* NULL: none yet */
};

void queue_entry_clear(struct queue_entry *q);

/* Insert QUEUED; the content gets a reference. 1 with q->id set. */
int queue_put(struct store *st, struct queue_entry *q, struct err *err);
int queue_get(struct store *st, int64_t id, struct queue_entry *q_r, struct err *err);

/*
 * Claim for lease_ms from now what is due for a path, due longest first: at most max_entries, and
 * no more than max_bytes of octets and headers together (the first is always taken). attempts is
 * counted up. fn gets the entry as claimed; it may keep copies, it may not write, and stops after
 * this entry by non-zero. Returns how many, or -1 (nothing is claimed).
 */
int queue_claim(struct store *st, const char *origin, const char *destination, int64_t now_ms,
                int64_t lease_ms, int max_entries, int64_t max_bytes,
                int (*fn)(void *ctx, const struct queue_entry *q), void *ctx, struct err *err);
/* Back to QUEUED, due at due_ms, with what went wrong. 1, or 0 no such id. */
int queue_defer(struct store *st, int64_t id, int64_t due_ms, const char *error, struct err *err);
/* Note recipients as settled (LF after each). 1, or 0. */
int queue_settle(struct store *st, int64_t id, const char *settled, struct err *err);
int queue_hold(struct store *st, int64_t id, bool hold, struct err *err);
/* Remove; the content loses a reference. 1, or 0. */
int queue_del(struct store *st, int64_t id, struct err *err);

/* Every path with entries that are QUEUED or whose lease has run out: the earliest due and how many. */
struct queue_path {
    const char *origin, *destination;
    int64_t due_ms;
    int64_t entries, bytes;
};
int queue_each_path(struct store *st, int64_t now_ms,
                    int (*fn)(void *ctx, const struct queue_path *p), void *ctx, struct err *err);
/*
 * When the next entry of a path is due, or the lease of one runs out, whichever is first: 1 with
 * *at_ms_r, 0 it has none that is QUEUED or CLAIMED.
 */
int queue_next(struct store *st, const char *origin, const char *destination, int64_t *at_ms_r,
               struct err *err);
/*
 * All that is CLAIMED is QUEUED again, due as it was before. For a process that is the only one on
 * its queue, at its start. Returns how many, or -1.
 */
int queue_release(struct store *st, struct err *err);
/* Entries by id; destination NULL: all. */
int queue_each(struct store *st, const char *destination,
               int (*fn)(void *ctx, const struct queue_entry *q), void *ctx, struct err *err);
/* Entries past expires_ms and not under a running lease, oldest first, at most limit. */
int queue_each_expired(struct store *st, int64_t now_ms, int limit,
                       int (*fn)(void *ctx, const struct queue_entry *q), void *ctx,
                       struct err *err);
/* Make due now what of a destination's entries (NULL: of all) is due later. Returns how many, or -1. */
int queue_hurry(struct store *st, const char *destination, int64_t now_ms, struct err *err);

#endif
