/* SPDX-License-Identifier: MIT */
/*
 * See backlog_private.h. Who has more than a little output that has not left is in the list, and
 * the list is looked at ten times a second while anybody is in it; so all that costs those who read
 * is the putting in and taking out. Whose output stands for a second has what his answer can read
 * again from the store given back.
 *
 * When they hold too much together, some have to go. How slow somebody is, is how long his oldest
 * byte waits: that is independent of how much he asked for, and a few seconds for anybody who reads
 * at all, over however slow a line. Who has waited longest goes first, and nobody who has not
 * waited for BACKLOG_PATIENCE: until then there is room for some times as much. Only when that is
 * used up in so short a time, it is taken from whoever waits longest.
 */
#include "config.h"

#include "tcp/backlog_private.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/session.h"

#include "tcp/connection_private.h"

#define LITTLE_BYTES (16u * 1024)  /* more than that, and it is looked at */
#define BESIDE_BYTES (128u * 1024) /* measured: input that waits, TLS, buffers half full */
#define LOOK_MS      100
#define REST_MS      1000

struct backlog {
    const struct clock *clock;
    struct loop_timer *look;
    size_t max_bytes;
    struct connection *first;
    size_t n;
};

static void put(struct backlog *b, struct connection *c, size_t pending)
{
    c->backlog = (struct backlog_item){
        .next = b->first,
        .is_in = true,
        .mark = stream_bytes_out(c->stream) + pending,
        .mark_ms = clock_mono_ms(b->clock),
    };
    if (b->first != NULL)
        b->first->backlog.prev = c;
    b->first = c;
    b->n++;
}

void backlog_forget(struct backlog *b, struct connection *c)
{
    struct backlog_item *i = &c->backlog;

    if (!i->is_in)
        return;
    if (i->prev != NULL)
        i->prev->backlog.next = i->next;
    else
        b->first = i->next;
    if (i->next != NULL)
        i->next->backlog.prev = i->prev;
    i->is_in = false;
    b->n--;
}

void backlog_note(struct backlog *b, struct connection *c)
{
    size_t pending;

    if (c->backlog.is_in)
        return;
    pending = stream_pending(c->stream);
    if (pending < LITTLE_BYTES)
        return;
    put(b, c, pending);
    if (!loop_timer_is_set(b->look))
        loop_timer_set(b->look, LOOK_MS);
}

/* Those who have caught up leave the list; how much the others hold. */
static size_t take_stock(struct backlog *b, int64_t now_ms)
{
    size_t total = 0;

    for (struct connection *c = b->first, *next; c != NULL; c = next) {
        size_t pending = stream_pending(c->stream);
        uint64_t out = stream_bytes_out(c->stream);

        next = c->backlog.next;
        if (pending < LITTLE_BYTES) {
            backlog_forget(b, c);
            continue;
        }
        if (out >= c->backlog.mark) {
            c->backlog.mark = out + pending;
            c->backlog.mark_ms = now_ms;
        } else if (now_ms - c->backlog.mark_ms >= REST_MS) {
            session_rest(c->session);
        }
        total += pending + BESIDE_BYTES;
    }
    return total;
}

static int by_age(const void *x, const void *y)
{
    const struct connection *a = *(const struct connection *const *)x;
    const struct connection *b = *(const struct connection *const *)y;

    return (a->backlog.mark_ms > b->backlog.mark_ms) - (a->backlog.mark_ms < b->backlog.mark_ms);
}

static void shed(struct backlog *b, size_t total, int64_t now_ms)
{
    struct connection **all = mem_alloc(b->n * sizeof(struct connection *));
    size_t n = 0;

    for (struct connection *c = b->first; c != NULL; c = c->backlog.next)
        all[n++] = c;
    qsort(all, n, sizeof(struct connection *), by_age);
    for (size_t i = 0; i < n && total > b->max_bytes; i++) {
        struct connection *c = all[i];
        int64_t waits_ms = now_ms - c->backlog.mark_ms;
        size_t pending = stream_pending(c->stream);

        if (waits_ms < BACKLOG_PATIENCE && total / BACKLOG_FACTOR <= b->max_bytes)
            break;
        log_warn("endpoint.slow remote=%s account=%s bytes=%zu waits_ms=%lld together=%zu: closed",
                 stream_address(c->stream), session_account(c->session), pending,
                 (long long)waits_ms, total);
        total -= pending + BESIDE_BYTES;
        backlog_forget(b, c);
        connection_drop(c);
    }
    free(all);
}

static void look(void *ctx)
{
    struct backlog *b = ctx;
    int64_t now_ms = clock_mono_ms(b->clock);
    size_t total = take_stock(b, now_ms);

    if (total > b->max_bytes)
        shed(b, total, now_ms);
    if (b->first != NULL)
        loop_timer_set(b->look, LOOK_MS);
}

struct backlog *backlog_create(struct loop *lp, size_t max_bytes)
{
    struct backlog *b = mem_zalloc(sizeof(*b));

    b->clock = loop_clock(lp);
    b->max_bytes = max_bytes > 0 ? max_bytes : BACKLOG_MAX;
    b->look = loop_timer_create(lp, look, b);
    return b;
}

void backlog_destroy(struct backlog **bp)
{
    if (*bp == NULL)
        return;
    loop_timer_destroy(&(*bp)->look);
    free(*bp);
    *bp = NULL;
}
