/* SPDX-License-Identifier: MIT */
/*
 * The worker pool. The only locks of the program are here.
 *
 * A work goes QUEUED -> RUNNING -> FINISHED (run or skipped) -> back on the loop thread, where it
 * is done or dropped, and is the caller's again. Which of the two is decided on the loop thread, at
 * the last moment, by a mark that worker_cancel() sets: so a cancelled work never comes as done,
 * however far it was. The map from ids is the loop thread's own; what threads share (both lists,
 * and each work's state) is only touched under the lock.
 *
 * Finished work comes back in the order of finishing. One byte count in an eventfd wakes the loop,
 * however many have finished.
 */
#include "config.h"

#include "loop/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"

#include "loop/loop_private.h"

#define THREADS_MAX 16
#define STACK_BYTES (1024u * 1024)

enum work_state {
    WORK_QUEUED = 1,        /* waits for a thread */
    WORK_RUNNING,           /* a thread has it */
    WORK_FINISHED,          /* waits for the loop */
    WORK_CANCELLED = 0x100, /* mark: not wanted any more */
};

struct work_list {
    struct work *head, *tail;
};

struct worker {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct work_list queue, finished; /* under the lock */
    bool is_ending;                   /* under the lock */
    struct work_list ready;           /* loop thread: taken from finished, in this turn or later */
    struct idmap *works;              /* loop thread: id to struct work */
    int event_fd;
    struct loop_watch *watch;
    struct loop_job rest; /* what the turn's budget has left over */
    pthread_t *threads;
    size_t n_threads;
};

static void list_add(struct work_list *l, struct work *w)
{
    w->next = NULL;
    if (l->tail != NULL)
        l->tail->next = w;
    else
        l->head = w;
    l->tail = w;
}

static struct work *list_take(struct work_list *l)
{
    struct work *w = l->head;

    if (w == NULL)
        return NULL;
    l->head = w->next;
    if (l->head == NULL)
        l->tail = NULL;
    w->next = NULL;
    return w;
}

/* ---- threads ---- */

static void *thread_main(void *arg)
{
    struct worker *wk = arg;
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&wk->lock);
    for (;;) {
        struct work *w;
        bool was_idle;

        while (wk->queue.head == NULL && !wk->is_ending)
            (void)pthread_cond_wait(&wk->wake, &wk->lock);
        if (wk->is_ending)
            break;
        w = list_take(&wk->queue);
        if (!(w->state & WORK_CANCELLED)) {
            w->state = WORK_RUNNING;
            (void)pthread_mutex_unlock(&wk->lock);
            w->run(w);
            (void)pthread_mutex_lock(&wk->lock);
        }
        w->state = WORK_FINISHED | (w->state & WORK_CANCELLED);
        was_idle = wk->finished.head == NULL;
        list_add(&wk->finished, w);
        if (was_idle) {
            /* The counter of an eventfd cannot be full of ones. */
            if (write(wk->event_fd, &one, sizeof(one)) < 0)
                abort();
        }
    }
    (void)pthread_mutex_unlock(&wk->lock);
    return NULL;
}

static size_t default_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : MIN((size_t)n, THREADS_MAX);
}

/* Signals are the loop's: a worker takes none. */
static int start_threads(struct worker *wk, size_t n, struct err *err)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int rc = 0;

    wk->threads = mem_alloc(n * sizeof(pthread_t));
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    while (rc == 0 && wk->n_threads < n) {
        rc = pthread_create(&wk->threads[wk->n_threads], &attr, thread_main, wk);
        if (rc == 0)
            wk->n_threads++;
    }
    (void)pthread_attr_destroy(&attr);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        errno = rc;
        return err_errno(err, 0, "worker thread");
    }
    return 0;
}

/* ---- the loop's side ---- */

static void hand_back(struct worker *wk, struct work *w)
{
    bool is_cancelled = w->state & WORK_CANCELLED;

    (void)idmap_del(wk->works, w->id);
    if (is_cancelled)
        w->drop(w);
    else
        w->done(w);
}

static void hand_back_ready(void *ctx)
{
    struct worker *wk = ctx;
    struct work *w;

    while ((w = list_take(&wk->ready)) != NULL) {
        hand_back(wk, w);
        if (loop_is_spent(wk->loop))
            break;
    }
    if (wk->ready.head != NULL)
        loop_job_queue(wk->loop, &wk->rest);
}

static void take_finished(struct worker *wk)
{
    struct work *w;

    (void)pthread_mutex_lock(&wk->lock);
    while ((w = list_take(&wk->finished)) != NULL)
        list_add(&wk->ready, w);
    (void)pthread_mutex_unlock(&wk->lock);
}

static void on_finished(void *ctx)
{
    struct worker *wk = ctx;
    uint64_t n;

    if (read(wk->event_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
        abort();
    take_finished(wk);
    hand_back_ready(wk);
}

struct worker *worker_create(struct loop *lp, size_t threads, struct err *err)
{
    struct worker *wk = mem_zalloc(sizeof(*wk));

    wk->loop = lp;
    wk->works = idmap_create();
    wk->rest.fn = hand_back_ready;
    wk->rest.ctx = wk;
    (void)pthread_mutex_init(&wk->lock, NULL);
    (void)pthread_cond_init(&wk->wake, NULL);
    wk->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wk->event_fd < 0) {
        (void)err_errno(err, 0, "eventfd");
        worker_destroy(&wk);
        return NULL;
    }
    wk->watch = loop_watch(lp, wk->event_fd, false, on_finished, wk);
    if (start_threads(wk, threads == 0 ? default_threads() : MIN(threads, THREADS_MAX), err) < 0)
        worker_destroy(&wk);
    return wk;
}

static void drop_list(struct worker *wk, struct work_list *l)
{
    struct work *w;

    while ((w = list_take(l)) != NULL) {
        (void)idmap_del(wk->works, w->id);
        w->drop(w);
    }
}

void worker_destroy(struct worker **wkp)
{
    struct worker *wk = *wkp;

    if (wk == NULL)
        return;
    (void)pthread_mutex_lock(&wk->lock);
    wk->is_ending = true;
    (void)pthread_cond_broadcast(&wk->wake);
    (void)pthread_mutex_unlock(&wk->lock);
    for (size_t i = 0; i < wk->n_threads; i++)
        (void)pthread_join(wk->threads[i], NULL);
    /* Threads are gone: what follows needs no lock. */
    loop_job_cancel(wk->loop, &wk->rest);
    loop_unwatch(&wk->watch);
    drop_list(wk, &wk->ready);
    drop_list(wk, &wk->finished);
    drop_list(wk, &wk->queue);
    if (wk->event_fd >= 0)
        (void)close(wk->event_fd);
    (void)pthread_cond_destroy(&wk->wake);
    (void)pthread_mutex_destroy(&wk->lock);
    idmap_destroy(&wk->works);
    free(wk->threads);
    free(wk);
    *wkp = NULL;
}

uint64_t worker_submit(struct worker *wk, struct work *w)
{
    uint64_t id = idmap_add(wk->works, w);

    w->id = id;
    (void)pthread_mutex_lock(&wk->lock);
    w->state = WORK_QUEUED;
    list_add(&wk->queue, w);
    (void)pthread_cond_signal(&wk->wake);
    (void)pthread_mutex_unlock(&wk->lock);
    return id;
}

void worker_cancel(struct worker *wk, uint64_t id)
{
    struct work *w = idmap_get(wk->works, id);

    if (w == NULL)
        return;
    (void)pthread_mutex_lock(&wk->lock);
    w->state |= WORK_CANCELLED;
    (void)pthread_mutex_unlock(&wk->lock);
}

size_t worker_queued(const struct worker *wk)
{
    return idmap_size(wk->works);
}
