/* SPDX-License-Identifier: MIT */
/* The outbound queue: the front of store/queue.h. */
#include "config.h"

#include "store/queue.h"

#include <stdlib.h>

#include "store/store_private.h"

void queue_entry_clear(struct queue_entry *q)
{
    free(q->origin);
    free(q->destination);
    free(q->sender);
    free(q->header);
    free(q->settled);
    free(q->last_error);
    *q = (struct queue_entry){ 0 };
}

int queue_put(struct store *st, struct queue_entry *q, struct err *err)
{
    q->id = 0;
    return st->ops->queue_put(st, q, err);
}

int queue_get(struct store *st, int64_t id, struct queue_entry *q_r, struct err *err)
{
    *q_r = (struct queue_entry){ 0 };
    return st->ops->queue_get(st, id, q_r, err);
}

int queue_claim(struct store *st, const char *origin, const char *destination, int64_t now_ms,
                int64_t lease_ms, int max_entries, int64_t max_bytes,
                int (*fn)(void *ctx, const struct queue_entry *q), void *ctx, struct err *err)
{
    struct queue_claim_request req = {
        .origin = origin,
        .destination = destination,
        .now_ms = now_ms,
        .lease_ms = lease_ms,
        .max_entries = max_entries,
        .max_bytes = max_bytes,
    };

    return st->ops->queue_claim(st, &req, fn, ctx, err);
}

int queue_defer(struct store *st, int64_t id, int64_t due_ms, const char *error, struct err *err)
{
    return st->ops->queue_defer(st, id, due_ms, error, err);
}

int queue_settle(struct store *st, int64_t id, const char *settled, struct err *err)
{
    return st->ops->queue_settle(st, id, settled, err);
}

int queue_hold(struct store *st, int64_t id, bool hold, struct err *err)
{
    return st->ops->queue_hold(st, id, hold, err);
}

int queue_del(struct store *st, int64_t id, struct err *err)
{
    return st->ops->queue_del(st, id, err);
}

int queue_each_path(struct store *st, int64_t now_ms,
                    int (*fn)(void *ctx, const struct queue_path *p), void *ctx, struct err *err)
{
    return st->ops->queue_each_path(st, now_ms, fn, ctx, err);
}

int queue_next(struct store *st, const char *origin, const char *destination, int64_t *at_ms_r,
               struct err *err)
{
    *at_ms_r = 0;
    return st->ops->queue_next(st, origin, destination, at_ms_r, err);
}

int queue_release(struct store *st, struct err *err)
{
    return st->ops->queue_release(st, err);
}

int queue_each(struct store *st, const char *destination,
               int (*fn)(void *ctx, const struct queue_entry *q), void *ctx, struct err *err)
{
    return st->ops->queue_each(st, destination, fn, ctx, err);
}

int queue_each_expired(struct store *st, int64_t now_ms, int limit,
                       int (*fn)(void *ctx, const struct queue_entry *q), void *ctx,
                       struct err *err)
{
    return st->ops->queue_each_expired(st, now_ms, limit, fn, ctx, err);
}

int queue_hurry(struct store *st, const char *destination, int64_t now_ms, struct err *err)
{
    return st->ops->queue_hurry(st, destination, now_ms, err);
}
