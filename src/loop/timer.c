/* SPDX-License-Identifier: MIT */
/*
 * Timers: a binary heap by due time.
 *
 * libevent has one too, but its timers go by the system's clock, and here time is injected: a
 * retry in five minutes or an idle limit of half an hour is tested by moving a fake clock and
 * taking a turn. The base only gets one alarm, for the earliest of them (loop.c).
 *
 * A timer that is set while a turn runs has a later sequence number than the turn's limit and
 * waits for the next turn, so a timer that sets itself with no delay cannot hold the turn.
 */
#include "config.h"

#include "loop/loop.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

#include "loop/loop_private.h"

#define NOT_SET SIZE_MAX

struct loop_timer {
    struct loop *loop;
    loop_fn *fn;
    void *ctx;
    int64_t due_ms;
    uint64_t seq;
    size_t at; /* in the heap */
};

static bool is_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void place(struct loop *lp, size_t at, struct loop_timer *t)
{
    lp->heap[at] = t;
    t->at = at;
}

static void sift_up(struct loop *lp, size_t at, struct loop_timer *t)
{
    while (at > 0 && is_before(t, lp->heap[(at - 1) / 2])) {
        place(lp, at, lp->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(lp, at, t);
}

static void sift_down(struct loop *lp, size_t at, struct loop_timer *t)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= lp->n_timers)
            break;
        if (child + 1 < lp->n_timers && is_before(lp->heap[child + 1], lp->heap[child]))
            child++;
        if (!is_before(lp->heap[child], t))
            break;
        place(lp, at, lp->heap[child]);
        at = child;
    }
    place(lp, at, t);
}

struct loop_timer *loop_timer_create(struct loop *lp, loop_fn *fn, void *ctx)
{
    struct loop_timer *t = mem_alloc(sizeof(*t));

    *t = (struct loop_timer){ .loop = lp, .fn = fn, .ctx = ctx, .at = NOT_SET };
    return t;
}

void loop_timer_destroy(struct loop_timer **tp)
{
    if (*tp == NULL)
        return;
    loop_timer_stop(*tp);
    free(*tp);
    *tp = NULL;
}

void loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
    struct loop *lp = t->loop;

    loop_timer_stop(t);
    t->due_ms = clock_mono_ms(lp->clock) + MAX(delay_ms, 0);
    t->seq = lp->timer_seq++;
    if (lp->n_timers == lp->heap_cap) {
        lp->heap_cap = lp->heap_cap == 0 ? 16 : lp->heap_cap * 2;
        lp->heap = mem_realloc(lp->heap, lp->heap_cap * sizeof(struct loop_timer *));
    }
    sift_up(lp, lp->n_timers++, t);
}

void loop_timer_stop(struct loop_timer *t)
{
    struct loop *lp = t->loop;
    struct loop_timer *last;
    size_t at = t->at;

    if (at == NOT_SET)
        return;
    t->at = NOT_SET;
    last = lp->heap[--lp->n_timers];
    if (last == t)
        return;
    if (at > 0 && is_before(last, lp->heap[(at - 1) / 2]))
        sift_up(lp, at, last);
    else
        sift_down(lp, at, last);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->at != NOT_SET;
}

bool loop_timers_run(struct loop *lp)
{
    bool has_run = false;

    while (lp->n_timers > 0) {
        struct loop_timer *t = lp->heap[0];

        if (t->due_ms > lp->now_ms || t->seq >= lp->timer_limit || loop_is_spent(lp))
            break;
        loop_timer_stop(t);
        t->fn(t->ctx); /* may set or destroy it */
        has_run = true;
    }
    return has_run;
}

int64_t loop_timers_wait_ms(const struct loop *lp)
{
    if (lp->n_timers == 0)
        return -1;
    return MAX(lp->heap[0]->due_ms - lp->now_ms, 0);
}

void loop_timers_clear(struct loop *lp)
{
    /* All must be gone by now; one that is not would call into freed memory if it ran. */
    assert(lp->n_timers == 0);
    free(lp->heap);
    lp->heap = NULL;
}
