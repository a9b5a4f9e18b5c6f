/* SPDX-License-Identifier: MIT */
/*
 * The event loop: one thread that owns all state. A turn is
 *
 *   1. wait, then run what is ready: input, timers, signals, finished work,
 *      for at most LOOP_TURN_MS or LOOP_TURN_BYTES of input; what is left runs next turn
 *   2. the turn-end hook (the store's commit; docs/architecture.md, "A turn")
 *   3. only then hand to the sockets what the turn has written (loop/stream.h)
 *
 * All functions: loop thread only.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_TURN_MS    5
#define LOOP_TURN_BYTES (4u * 1024 * 1024)

struct loop;
typedef void loop_fn(void *ctx);

struct loop *loop_create(const struct clock *clock, struct err *err);
void loop_destroy(struct loop **lp);  /* streams, timers and pools must be gone */
const struct clock *loop_clock(const struct loop *lp);

void loop_run(struct loop *lp);       /* until loop_stop(); the stopping turn ends in full */
void loop_stop(struct loop *lp);
/* One turn; wait: sleep until something is ready, else return at once. For tests and for stopping. */
void loop_turn(struct loop *lp, bool wait);

/* The one turn-end hook. It may write to streams: that still leaves in this turn. */
void loop_on_turn_end(struct loop *lp, loop_fn *fn, void *ctx);

/* Run fn once, in the next turn, before it waits. */
void loop_defer(struct loop *lp, loop_fn *fn, void *ctx);
void loop_undefer(struct loop *lp, loop_fn *fn, void *ctx);  /* forget it, if still waiting */

/* A signal that ends up as a call of fn in a turn. SIGPIPE is ignored by loop_create(). */
int loop_on_signal(struct loop *lp, int signo, loop_fn *fn, void *ctx, struct err *err);

/*
 * Readable or (write) writable descriptor, until unwatched (from within the call too). For what
 * is no stream. NULL: it cannot be watched (a regular file).
 */
struct loop_watch;
struct loop_watch *loop_watch(struct loop *lp, int fd, bool write, loop_fn *fn, void *ctx);
void loop_unwatch(struct loop_watch **wp);

/* ---- timers: one shot, set again from within their own call if wanted ---- */

struct loop_timer;
/* They go by the loop's clock: a fake one that is moved makes them due in the next turn. */
struct loop_timer *loop_timer_create(struct loop *lp, loop_fn *fn, void *ctx);
void loop_timer_destroy(struct loop_timer **tp);
void loop_timer_set(struct loop_timer *t, int64_t delay_ms);  /* replaces; delay 0 is the next turn */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);

#endif
