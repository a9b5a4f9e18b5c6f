/* SPDX-License-Identifier: MIT */
/* What the files of this room share: the loop's inside, and how they account for its turns. */
#ifndef LOOP_LOOP_PRIVATE_H
#define LOOP_LOOP_PRIVATE_H

#include "loop/loop.h"

#define LOOP_READ_CHUNK (64u * 1024)

struct event;
struct event_base;
struct stream;
struct worker;

/* A deferred call. Lies inside its owner, so that queueing and forgetting cost nothing. */
struct loop_job {
    loop_fn *fn;
    void *ctx;
    struct loop_job *prev, *next;
    uint64_t turn;    /* in which it was queued: it runs in a later one */
    bool is_queued;
    bool is_owned;    /* made by loop_defer(): released when it has run */
};

struct loop {
    const struct clock *clock;
    struct event_base *base;
    struct event *alarm;          /* ends a wait when the next timer is due */

    uint64_t turn;                /* number of the turn */
    int64_t now_ms;               /* monotonic, as of the turn's last look */
    int64_t turn_ns;              /* LOOP_TURN_MS; tests that count turns have more of it */
    int64_t spent_ns;             /* of the turn's time, before it waited */
    int64_t deadline_ns;          /* of the running phase; 0: nothing has run yet */
    size_t bytes;                 /* of input in this turn */
    bool is_stopping;

    struct loop_job *jobs, *jobs_tail;

    struct loop_timer **heap;     /* by due time, then by when it was set */
    size_t n_timers, heap_cap;
    uint64_t timer_seq, timer_limit;  /* timers set in this turn wait for the next */

    loop_fn *turn_end;
    void *turn_end_ctx;

    struct loop_signal **signals;
    size_t n_signals;

    struct stream *dirty, *dirty_tail;  /* have something for the flush */
    struct stream *closing;             /* closed by their owners, and still writing or lingering */
    size_t n_closing;
    struct stream *doomed;              /* released at the end of the turn */
    char *scratch;                      /* LOOP_READ_CHUNK bytes: what one read may bring */
    const struct stream_tls_hooks *tls_hooks;
    struct worker *tls_worker;          /* NULL: handshakes are made in the turn */
};

/* Around each call that the event base makes: start the turn's time, and end the turn if it is spent. */
void loop_enter(struct loop *lp);
void loop_leave(struct loop *lp, size_t bytes);
bool loop_is_spent(const struct loop *lp);

/* Queue a job that its owner keeps; queueing it twice is once. */
void loop_job_queue(struct loop *lp, struct loop_job *job);
void loop_job_cancel(struct loop *lp, struct loop_job *job);

/* Run the timers that are due and were set before this turn, until the phase's time is spent. Any? */
bool loop_timers_run(struct loop *lp);
/* How long until the next one; -1: there is none. */
int64_t loop_timers_wait_ms(const struct loop *lp);
void loop_timers_clear(struct loop *lp);

/* ---- filled by stream.c ---- */
void stream_flush_all(struct loop *lp);   /* step 3 of a turn */
void stream_reap(struct loop *lp);        /* release what was closed */
void stream_drop_closing(struct loop *lp);

#endif
