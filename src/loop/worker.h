/* SPDX-License-Identifier: MIT */
/*
 * Worker threads for pure slow work (seal, open, sign, TLS hellos) on data handed to them. They touch
 * no state of the loop and report by id: if the id is gone, so is the result.
 *
 * A job embeds struct work as its first member. run() is called on a worker, then done() on the
 * loop thread, in a turn; or, if the work was cancelled, drop() on the loop thread instead.
 */
#ifndef LOOP_WORKER_H
#define LOOP_WORKER_H

#include "base/err.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

struct work {
    void (*run)(struct work *w);    /* worker thread */
    void (*done)(struct work *w);   /* loop thread; owns w from here */
    void (*drop)(struct work *w);   /* loop thread: cancelled, or the pool is being destroyed */
    uint64_t id;                    /* set by worker_submit() */
    struct work *next;              /* private */
    int state;                      /* private */
};

struct worker;
/* threads 0: as many as there are processors, at least 1, at most 16. NULL: err. */
struct worker *worker_create(struct loop *lp, size_t threads, struct err *err);
/* Waits for what is running, drops the rest. Not from within done() or drop(). */
void worker_destroy(struct worker **wkp);

/* Queue; taken over. Returns its id, never 0. */
uint64_t worker_submit(struct worker *wk, struct work *w);
/* The result is not wanted any more. Unknown ids are ignored. */
void worker_cancel(struct worker *wk, uint64_t id);
size_t worker_queued(const struct worker *wk);  /* submitted and not yet done or dropped */

#endif
