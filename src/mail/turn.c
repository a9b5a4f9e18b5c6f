/* SPDX-License-Identifier: MIT */
/*
 * The turn: joins the loop's turn end to the store's commit.
 *
 * Invariant: no participant hears ok before everything that was written until then is on disk,
 * and nobody hears anything twice for one join.
 *
 * It goes in rounds: commit, then call all who have joined since; what their callbacks write is
 * committed by the next round, and who joined meanwhile is called there. The rounds of one turn
 * are bounded, so that two participants who wake each other cannot keep the loop from its
 * sockets: after the last one what has been written is committed all the same, and those who
 * wait for that commit hear its result first thing in the next turn, which comes at once.
 */
#include "config.h"

#include "mail/turn.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

#define TURN_ROUNDS_MAX 16

struct join {
    turn_fn *fn; /* NULL: has left */
    void *ctx;
};

struct joins {
    struct join *at;
    size_t n, cap;
    uint32_t *slots; /* open addressing over (fn, ctx): index + 1, 0 free */
    size_t n_slots;  /* a power of two, at least twice cap */
};

struct turn {
    struct loop *loop;
    struct store *store;
    struct joins open;  /* of the round that is being collected */
    struct joins round; /* being called, or waiting with a result for the next turn */
    bool has_late;      /* round waits for the next turn with late_ok and late_err */
    bool late_ok;
    struct err late_err;
    struct turn_counters counters;
};

/* ---- a round's joins ---- */

static size_t slot_of(const struct joins *j, turn_fn *fn, const void *ctx)
{
    uint64_t h = ((uint64_t)(uintptr_t)ctx >> 4) * 0x9e3779b97f4a7c15u;
    size_t i;

    h ^= ((uint64_t)(uintptr_t)fn >> 4) * 0xc2b2ae3d27d4eb4fu;
    i = (size_t)(h >> 32) & (j->n_slots - 1);
    while (j->slots[i] != 0) {
        const struct join *e = &j->at[j->slots[i] - 1];

        if (e->fn == fn && e->ctx == ctx)
            break;
        i = (i + 1) & (j->n_slots - 1);
    }
    return i;
}

static void joins_grow(struct joins *j)
{
    j->cap = j->cap == 0 ? 16 : j->cap * 2;
    j->at = mem_realloc(j->at, j->cap * sizeof *j->at);
    free(j->slots);
    j->n_slots = j->cap * 2;
    j->slots = mem_zalloc(j->n_slots * sizeof *j->slots);
    for (size_t i = 0; i < j->n; i++)
        if (j->at[i].fn != NULL)
            j->slots[slot_of(j, j->at[i].fn, j->at[i].ctx)] = (uint32_t)i + 1;
}

static void joins_add(struct joins *j, turn_fn *fn, void *ctx)
{
    size_t slot;

    if (j->n == j->cap)
        joins_grow(j);
    slot = slot_of(j, fn, ctx);
    if (j->slots[slot] != 0)
        return;
    j->at[j->n] = (struct join){ .fn = fn, .ctx = ctx };
    j->slots[slot] = (uint32_t)++j->n;
}

static void joins_forget(struct joins *j, const void *ctx)
{
    /* The slot stays taken by an entry that equals nothing: probing goes on behind it. */
    for (size_t i = 0; i < j->n; i++)
        if (j->at[i].ctx == ctx)
            j->at[i].fn = NULL;
}

static void joins_empty(struct joins *j)
{
    if (j->n > 0)
        for (size_t i = 0; i < j->n_slots; i++)
            j->slots[i] = 0;
    j->n = 0;
}

static void joins_clear(struct joins *j)
{
    free(j->at);
    free(j->slots);
    *j = (struct joins){ .n = 0 };
}

/* ---- the rounds ---- */

static bool commit(struct turn *t, struct err *err)
{
    err_clear(err);
    if (!store_is_dirty(t->store))
        return true;
    if (store_commit(t->store, err) < 0) {
        t->counters.failures++;
        return false;
    }
    t->counters.commits++;
    return true;
}

/* Everybody who has joined by now is of this round; who joins from here on is of the next. */
static void take_round(struct turn *t)
{
    struct joins empty = t->round;

    assert(empty.n == 0);
    t->round = t->open;
    t->open = empty;
}

static void call_round(struct turn *t, bool ok, const struct err *err)
{
    for (size_t i = 0; i < t->round.n; i++) {
        struct join *j = &t->round.at[i];
        turn_fn *fn = j->fn;

        j->fn = NULL;
        if (fn != NULL)
            fn(j->ctx, ok, ok ? NULL : err);
    }
    joins_empty(&t->round);
}

static void nudge(void *ctx)
{
    (void)ctx; /* that the loop turns is all that is wanted */
}

static void turn_end(void *ctx)
{
    struct turn *t = ctx;
    struct err err;
    bool ok;

    if (t->has_late) {
        t->has_late = false;
        err = t->late_err;
        call_round(t, t->late_ok, &err);
    }
    for (int round = 0; round < TURN_ROUNDS_MAX; round++) {
        if (t->open.n == 0 && !store_is_dirty(t->store))
            return;
        ok = commit(t, &err);
        take_round(t);
        call_round(t, ok, &err);
    }
    if (t->open.n == 0 && !store_is_dirty(t->store))
        return;
    t->late_ok = commit(t, &t->late_err);
    take_round(t);
    t->has_late = t->round.n > 0;
    if (t->has_late)
        loop_defer(t->loop, nudge, t);
}

/* ---- the outside ---- */

struct turn *turn_create(struct loop *lp, struct store *st)
{
    struct turn *t = mem_zalloc(sizeof *t);

    t->loop = lp;
    t->store = st;
    loop_on_turn_end(lp, turn_end, t);
    return t;
}

void turn_destroy(struct turn **tp)
{
    struct turn *t = *tp;

    if (t == NULL)
        return;
    loop_on_turn_end(t->loop, NULL, NULL);
    loop_undefer(t->loop, nudge, t);
    joins_clear(&t->open);
    joins_clear(&t->round);
    free(t);
    *tp = NULL;
}

void turn_join(struct turn *t, turn_fn *fn, void *ctx)
{
    joins_add(&t->open, fn, ctx);
}

void turn_leave(struct turn *t, void *ctx)
{
    joins_forget(&t->open, ctx);
    joins_forget(&t->round, ctx);
}

const struct turn_counters *turn_counters(const struct turn *t)
{
    return &t->counters;
}
