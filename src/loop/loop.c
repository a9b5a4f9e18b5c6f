/* SPDX-License-Identifier: MIT */
/*
 * The turns of the loop around libevent's base.
 *
 * The invariant is the order of a turn: everything that came in is handled, then the turn-end
 * hook commits, and only then does anything leave (stream_flush_all). libevent knows no such
 * order, so each turn is one event_base_loop(EVLOOP_ONCE), and our own steps come after it.
 *
 * A turn's budget is kept by event_base_loopbreak(): what was ready and has not run stays in the
 * base's queue, in order, and runs first in the next turn. Deferred calls and timers have at most
 * half of a turn, so that neither they nor a flood of input can starve the other. The budget is
 * real time even where the clock is a fake one.
 */
#include "config.h"

#include "loop/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/mem.h"

#include "loop/loop_private.h"

struct loop_watch {
    struct loop *loop;
    struct event *event;
    loop_fn *fn;
    void *ctx;
};

struct loop_signal {
    struct loop *loop;
    struct event *event;
    int signo;
    loop_fn *fn;
    void *ctx;
};

static int64_t real_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- creation ---- */

/* libevent would write to standard error, which may be nobody's. */
static void on_libevent_message(int severity, const char *text)
{
    (void)severity;
    log_debug("loop.libevent text=%s", log_quote(text));
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    /* It only ends the wait: the timers run in the turn itself. */
    (void)fd;
    (void)what;
    (void)arg;
}

/* A buffer that cannot grow would lose bytes of a stream without a word: rather end, as we do. */
static void set_memory(void)
{
    event_set_mem_functions(mem_alloc, mem_realloc, free);
}

struct loop *loop_create(const struct clock *clock, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct loop *lp = mem_zalloc(sizeof(*lp));
    struct event_config *cfg;

    (void)pthread_once(&once, set_memory);
    cfg = event_config_new();
    event_set_log_callback(on_libevent_message);
    lp->clock = clock;
    lp->now_ms = clock_mono_ms(clock);
    lp->turn_ns = (int64_t)LOOP_TURN_MS * 1000000;
    lp->scratch = mem_alloc(LOOP_READ_CHUNK);
    if (cfg != NULL) {
        (void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
        lp->base = event_base_new_with_config(cfg);
        event_config_free(cfg);
    }
    if (lp->base != NULL)
        lp->alarm = event_new(lp->base, -1, 0, on_alarm, NULL);
    if (lp->alarm == NULL) {
        (void)err_errno(err, 0, "no event loop");
        loop_destroy(&lp);
        return NULL;
    }
    /* A peer that has gone is an error of the write that meets it, not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    return lp;
}

void loop_destroy(struct loop **lpp)
{
    struct loop *lp = *lpp;

    if (lp == NULL)
        return;
    stream_drop_closing(lp);
    stream_reap(lp);
    while (lp->jobs != NULL) {
        struct loop_job *job = lp->jobs;

        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is out of the list */
        loop_job_cancel(lp, job);
    }
    for (size_t i = 0; i < lp->n_signals; i++) {
        event_free(lp->signals[i]->event);
        free(lp->signals[i]);
    }
    free(lp->signals);
    loop_timers_clear(lp);
    if (lp->alarm != NULL)
        event_free(lp->alarm);
    if (lp->base != NULL)
        event_base_free(lp->base);
    free(lp->scratch);
    free(lp);
    *lpp = NULL;
}

const struct clock *loop_clock(const struct loop *lp)
{
    return lp->clock;
}

/* ---- the budget ---- */

void loop_enter(struct loop *lp)
{
    if (lp->deadline_ns != 0)
        return;
    /* The first call after the wait: only now does the turn's time run. */
    lp->deadline_ns = real_ns() + lp->turn_ns - lp->spent_ns;
    lp->now_ms = clock_mono_ms(lp->clock);
}

bool loop_is_spent(const struct loop *lp)
{
    return lp->bytes >= LOOP_TURN_BYTES || (lp->deadline_ns != 0 && real_ns() >= lp->deadline_ns);
}

void loop_leave(struct loop *lp, size_t bytes)
{
    lp->bytes += bytes;
    if (loop_is_spent(lp))
        (void)event_base_loopbreak(lp->base);
}

/* ---- deferred calls ---- */

void loop_job_queue(struct loop *lp, struct loop_job *job)
{
    if (job->is_queued)
        return;
    job->is_queued = true;
    job->turn = lp->turn;
    job->next = NULL;
    job->prev = lp->jobs_tail;
    if (lp->jobs_tail != NULL)
        lp->jobs_tail->next = job;
    else
        lp->jobs = job;
    lp->jobs_tail = job;
}

static void job_unlink(struct loop *lp, struct loop_job *job)
{
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        lp->jobs = job->next;
    if (job->next != NULL)
        job->next->prev = job->prev;
    else
        lp->jobs_tail = job->prev;
    job->is_queued = false;
}

void loop_job_cancel(struct loop *lp, struct loop_job *job)
{
    if (!job->is_queued)
        return;
    job_unlink(lp, job);
    if (job->is_owned)
        free(job);
}

void loop_defer(struct loop *lp, loop_fn *fn, void *ctx)
{
    struct loop_job *job = mem_zalloc(sizeof(*job));

    job->fn = fn;
    job->ctx = ctx;
    job->is_owned = true;
    loop_job_queue(lp, job);
}

void loop_undefer(struct loop *lp, loop_fn *fn, void *ctx)
{
    struct loop_job *next;

    for (struct loop_job *job = lp->jobs; job != NULL; job = next) {
        next = job->next;
        if (job->fn == fn && job->ctx == ctx)
            loop_job_cancel(lp, job);
    }
}

static bool run_jobs(struct loop *lp)
{
    bool has_run = false;

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is out of the list */
    while (lp->jobs != NULL && lp->jobs->turn != lp->turn && !loop_is_spent(lp)) {
        struct loop_job *job = lp->jobs;
        loop_fn *fn = job->fn;
        void *ctx = job->ctx;

        loop_job_cancel(lp, job);
        fn(ctx);
        has_run = true;
    }
    return has_run;
}

/* ---- the turn ---- */

void loop_on_turn_end(struct loop *lp, loop_fn *fn, void *ctx)
{
    lp->turn_end = fn;
    lp->turn_end_ctx = ctx;
}

static void set_alarm(struct loop *lp, int64_t wait_ms)
{
    struct timeval tv = { .tv_sec = (time_t)(wait_ms / 1000),
                          .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 };

    if (wait_ms >= 0)
        (void)event_add(lp->alarm, &tv);
    else
        (void)event_del(lp->alarm);
}

static void poll_events(struct loop *lp, bool wait)
{
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
    int64_t next_ms = loop_timers_wait_ms(lp);

    if (!wait || next_ms == 0 || lp->jobs != NULL || lp->dirty != NULL || lp->doomed != NULL)
        flags |= EVLOOP_NONBLOCK;
    else
        set_alarm(lp, next_ms);
    (void)event_base_loop(lp->base, flags);
}

void loop_turn(struct loop *lp, bool wait)
{
    int64_t begun_ns = real_ns();
    bool has_run;

    lp->turn++;
    lp->bytes = 0;
    lp->now_ms = clock_mono_ms(lp->clock);
    lp->timer_limit = lp->timer_seq;

    lp->deadline_ns = begun_ns + lp->turn_ns / 2;
    has_run = run_jobs(lp);
    has_run |= loop_timers_run(lp);

    lp->spent_ns = MIN(real_ns() - begun_ns, lp->turn_ns / 2);
    lp->deadline_ns = 0;
    /* What has run may have written the store: its commit does not wait for the next event. */
    poll_events(lp, wait && !has_run && !lp->is_stopping);
    lp->now_ms = clock_mono_ms(lp->clock);
    if (!loop_is_spent(lp))
        (void)loop_timers_run(lp);

    if (lp->turn_end != NULL)
        lp->turn_end(lp->turn_end_ctx);
    stream_flush_all(lp);
    stream_reap(lp);
}

void loop_run(struct loop *lp)
{
    while (!lp->is_stopping)
        loop_turn(lp, true);
    lp->is_stopping = false;
}

void loop_stop(struct loop *lp)
{
    lp->is_stopping = true;
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct loop_signal *sg = arg;
    struct loop *lp = sg->loop;

    (void)signo;
    (void)what;
    loop_enter(lp);
    sg->fn(sg->ctx);
    loop_leave(lp, 0);
}

int loop_on_signal(struct loop *lp, int signo, loop_fn *fn, void *ctx, struct err *err)
{
    struct loop_signal *sg;

    for (size_t i = 0; i < lp->n_signals; i++) {
        if (lp->signals[i]->signo == signo) {
            lp->signals[i]->fn = fn;
            lp->signals[i]->ctx = ctx;
            return 0;
        }
    }
    sg = mem_alloc(sizeof(*sg));
    *sg = (struct loop_signal){ .loop = lp, .signo = signo, .fn = fn, .ctx = ctx };
    sg->event = evsignal_new(lp->base, signo, on_signal, sg);
    if (sg->event == NULL || event_add(sg->event, NULL) < 0) {
        if (sg->event != NULL)
            event_free(sg->event);
        free(sg);
        return err_set(err, ERR_PERMANENT, 0, "signal %d cannot be caught", signo);
    }
    lp->signals = mem_realloc(lp->signals, (lp->n_signals + 1) * sizeof(struct loop_signal *));
    lp->signals[lp->n_signals++] = sg;
    return 0;
}

/* ---- descriptors ---- */

static void on_watched(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *w = arg;
    struct loop *lp = w->loop;

    (void)fd;
    (void)what;
    loop_enter(lp);
    w->fn(w->ctx); /* may unwatch: w is not touched after it */
    loop_leave(lp, 0);
}

struct loop_watch *loop_watch(struct loop *lp, int fd, bool write, loop_fn *fn, void *ctx)
{
    struct loop_watch *w = mem_alloc(sizeof(*w));

    *w = (struct loop_watch){ .loop = lp, .fn = fn, .ctx = ctx };
    w->event =
        event_new(lp->base, fd, (short)((write ? EV_WRITE : EV_READ) | EV_PERSIST), on_watched, w);
    if (w->event == NULL || event_add(w->event, NULL) < 0) {
        if (w->event != NULL)
            event_free(w->event);
        free(w);
        return NULL;
    }
    return w;
}

void loop_unwatch(struct loop_watch **wp)
{
    if (*wp == NULL)
        return;
    event_free((*wp)->event);
    free(*wp);
    *wp = NULL;
}
