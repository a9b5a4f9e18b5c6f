/* SPDX-License-Identifier: MIT */
/*
 * How many messages a second go from one domain to another, and what CPU each costs, with all of
 * mail/, seal/ and store/ on both sides and a network in memory between them: what is left of a
 * path when no XMPP server limits it.
 *
 *   path_bench [-n MESSAGES] [-s OCTETS] [-r RATE]
 *
 * -r 0 (the default): all are queued first, and the time is that of sending them alone.
 * -r RATE: they are queued while others are sent, so many a second; queueing is counted, too.
 * The stores are where $TMPDIR says: on a disk, fsync counts.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "lib/world.h"
#include "mail/inbound.h"
#include "mail/outbound.h"

#define TICK_MS 2

struct side {
    struct world *w;
    pthread_t thread;
    struct loop_timer *timer;
    double cpu_ms;          /* of its loop thread */
};

struct bench {
    struct side a, b;
    size_t messages, octets, rate;
    size_t queued;
    double started_ms, ended_ms;
    atomic_bool is_over;
    struct outbound_path path;
};

static struct bench the;

static double clock_ms(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double process_ms(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void keep_path(void *ctx, const struct outbound_path *p)
{
    (void)ctx;
    if (p->sent_messages > 0)
        the.path = *p;
}

/* In the sender's thread: queue what is due, and see whether all is done. */
static void tick_a(void *ctx)
{
    struct side *s = ctx;
    size_t due = the.messages;

    if (the.rate > 0)
        due = MIN(due, (size_t)((clock_ms(CLOCK_MONOTONIC) - the.started_ms) * (double)the.rate / 1e3));
    while (the.queued < due) {
        (void)world_send(s->w, "alice@a.test", "bob@b.test", the.octets, 0);
        the.queued++;
    }
    outbound_each(s->w->mail.outbound, keep_path, NULL);
    if (the.queued == the.messages && the.path.sent_messages >= the.messages &&
        the.path.in_flight == 0) {
        the.ended_ms = clock_ms(CLOCK_MONOTONIC);
        the.is_over = true;
    }
    loop_timer_set(s->timer, TICK_MS);
}

static void tick_b(void *ctx)
{
    loop_timer_set(((struct side *)ctx)->timer, 20);
}

static void *run_side(void *arg)
{
    struct side *s = arg;

    while (!the.is_over)
        loop_turn(s->w->mail.loop, true);
    s->cpu_ms = clock_ms(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

static void start(struct side *s, loop_fn *tick)
{
    s->timer = loop_timer_create(s->w->mail.loop, tick, s);
    loop_timer_set(s->timer, 1);
    if (pthread_create(&s->thread, NULL, run_side, s) != 0)
        abort();
}

/* The first contact, so that keys are known and files are warm; then what is to be queued first. */
static void prepare(void)
{
    struct world *worlds[] = { the.a.w, the.b.w, NULL };
    struct err err;

    world_account(the.b.w, "bob@b.test");
    (void)world_send(the.a.w, "alice@a.test", "bob@b.test", 10, 0);
    while (world_queued(the.a.w) > 0)
        world_turns(worlds, 1);
    while (the.rate == 0 && the.queued < the.messages) {
        (void)world_send(the.a.w, "alice@a.test", "bob@b.test", the.octets, 0);
        if (++the.queued % 1000 == 0 && store_commit(the.a.w->mail.store, &err) < 0)
            abort();
    }
    if (store_commit(the.a.w->mail.store, &err) < 0)
        abort();
}

static void report(double cpu_ms)
{
    double ms = the.ended_ms - the.started_ms, n = (double)the.messages;

    printf("%zu messages of %zu octets: %.0f a second, %.1f us of CPU each (%.1f loop a, %.1f loop b, "
           "%.1f workers)\n",
           the.messages, the.octets, n * 1e3 / ms, cpu_ms * 1e3 / n, the.a.cpu_ms * 1e3 / n,
           the.b.cpu_ms * 1e3 / n, (cpu_ms - the.a.cpu_ms - the.b.cpu_ms) * 1e3 / n);
    printf("%llu bundles, %.1f messages each; window %zu, %zu bytes, round trip %lld ms\n",
           (unsigned long long)the.path.sent_bundles,
           (double)the.path.sent_messages / (double)the.path.sent_bundles, the.path.window,
           the.path.stanza_bytes, (long long)the.path.round_trip_ms);
}

int main(int argc, char **argv)
{
    struct fake_net *net;
    double cpu_ms;
    int c;

    the.messages = 20000;
    the.octets = 4096;
    while ((c = getopt(argc, argv, "n:s:r:")) != -1) {
        size_t v = strtoul(optarg, NULL, 10);

        *(c == 'n' ? &the.messages : c == 's' ? &the.octets : &the.rate) = v;
    }
    mem_tune();
    log_setup(LOG_T_NONE, LOG_L_WARN);
    net = fake_net_create();
    the.a.w = world_create(net, "a.test");
    the.b.w = world_create(net, "b.test");
    prepare();
    cpu_ms = process_ms();
    the.started_ms = clock_ms(CLOCK_MONOTONIC);
    start(&the.a, tick_a);
    start(&the.b, tick_b);
    (void)pthread_join(the.a.thread, NULL);
    (void)pthread_join(the.b.thread, NULL);
    cpu_ms = process_ms() - cpu_ms;
    report(cpu_ms);
    loop_timer_destroy(&the.a.timer);
    loop_timer_destroy(&the.b.timer);
    world_destroy(&the.a.w);
    world_destroy(&the.b.w);
    fake_net_destroy(&net);
    return 0;
}
