/* SPDX-License-Identifier: MIT */
/*
 * Whatever lies between the stores fails at every step once, from the first contact on: the n-th thing
 * that crosses the network is refused, lost, doubled or late, or takes the link or one of the two
 * daemons with it; the n-th job of a worker has no memory, or takes longer than everybody waits. In
 * the end all has arrived exactly once, one notice of each receipt, and nothing is stuck.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/test.h"
#include "unit/mail/scene.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/worker.h"
#include "mail/outbound.h"
#include "wire/message.h"

#define LEASE_MS (5 * 60 * 1000 + 1000)
#define MAILS    3
#define MANY     400

/* ---- the n-th packet ---- */

enum harm {
    HARM_REFUSED = 0,  /* a stanza error */
    HARM_LOST,         /* nothing comes; questions have a deadline, so there an error comes */
    HARM_TWICE,
    HARM_LATE,         /* after everything else; a question's answer not after its deadline */
    HARM_DOWN_A,       /* the link of a goes down with it, and comes back later */
    HARM_DOWN_B,
    HARM_RESTART_A,    /* a dies at that moment, and starts again */
    HARM_RESTART_B,
    HARM_COUNT,
};

static const char *const harms[] = {
    "refused", "lost", "twice", "late", "link of a down", "link of b down", "a dies", "b dies",
};

struct between {
    enum harm harm;
    size_t n, count;
    bool has_come;
    bool is_waited_for;
    bool is_due;       /* what cannot be done within the hook is done after the turn */
};

static enum fake_action harm_one(void *ctx, struct fake_packet *p)
{
    struct between *b = ctx;
    bool is_question = p->kind == FAKE_FIND || p->kind == FAKE_KEYS;

    if (++b->count != b->n)
        return FAKE_PASS;
    b->has_come = true;
    switch (b->harm) {
    case HARM_REFUSED:
        return FAKE_FAIL;
    case HARM_TWICE:
        return FAKE_TWICE;
    case HARM_LATE:
        b->is_waited_for = is_question;
        return FAKE_HOLD;
    default:
        b->is_due = b->harm >= HARM_DOWN_A;
        return is_question ? FAKE_FAIL : FAKE_LOSE;
    }
}

static void send_some(struct scene *s)
{
    world_send(s->a, "alice@a.test", "bob@b.test", 300, MESSAGE_RECEIPT);
    world_send(s->a, "alice@a.test", "bob@b.test nobody@b.test", 300, 0);
    world_send(s->a, "alice@a.test", "bob@b.test", 30000, 0);
    loop_turn(s->a->mail.loop, false);
}

/* A daemon that dies takes its own messages' answers with it; the other one waits for them. */
static void do_harm(struct scene *s, enum harm harm)
{
    switch (harm) {
    case HARM_DOWN_A:
        fake_set_up(s->a->node, false);
        break;
    case HARM_DOWN_B:
        fake_set_up(s->b->node, false);
        break;
    case HARM_RESTART_A:
        world_restart(s->a);
        break;
    case HARM_RESTART_B:
        world_restart(s->b);
        break;
    default:
        break;
    }
}

static void settle(struct scene *s)
{
    for (int i = 0; i < 40; i++) {
        if (world_run(s->worlds, scene_is_sent, s, 25))
            return;
        world_shift(s->a, LEASE_MS);
        world_shift(s->b, LEASE_MS);
    }
    fail_msg("%zu still queued, path is %s", world_queued(s->a), scene_state(s));
}

/* Everything has arrived once, whatever has happened. */
static void check_all(struct scene *s, const char *what, size_t n)
{
    size_t bobs, alices;

    world_turns(s->worlds, 2);
    bobs = world_count(s->b, "bob@b.test", "INBOX");
    alices = world_count(s->a, "alice@a.test", "INBOX");
    if (bobs != MAILS || alices != 2)   /* a receipt, and a bounce */
        fail_msg("%s, step %zu: bob has %zu, alice %zu", what, n, bobs, alices);
    world_check(s->a);
    world_check(s->b);
}

static bool play_link(struct scene *s, enum harm harm, size_t n)
{
    struct between b = { .harm = harm, .n = n };

    fake_set_hook(s->net, harm_one, &b);
    log_debug("%s at step %zu", harms[harm], n);
    send_some(s);
    for (int i = 0; i < 60 && !b.is_due && world_queued(s->a) > 0; i++)
        world_turns(s->worlds, 1);
    if (b.is_due) {
        do_harm(s, harm);
        world_turns(s->worlds, 2);
        fake_set_up(s->a->node, true);
        fake_set_up(s->b->node, true);
    }
    if (b.is_waited_for)
        fake_release(s->net, false);
    settle(s);
    if (harm == HARM_LATE) {
        fake_release(s->net, false);
        world_turns(s->worlds, 5);
    }
    check_all(s, harms[harm], n);
    fake_set_hook(s->net, NULL, NULL);
    return b.has_come;
}

static void each_step_of_the_way_fails(void **state)
{
    enum harm harm = *(enum harm *)*state;
    size_t n = 1;
    bool has_come = true;

    for (; has_come; n++) {
        void *scene = NULL;

        assert_true(n < MANY);
        (void)scene_setup(&scene);
        has_come = play_link(scene, harm, n);
        (void)scene_teardown(&scene);
    }
    /* find, keys and seal; keys of the other side; receipt */
    assert_true(n - 2 >= 5);
}

/* ---- the n-th job ---- */

static struct {
    size_t n, count;
    void (*run)(struct work *w);
    atomic_bool may_end, has_begun;
    bool is_short;      /* ends by itself soon: who waits for the pool's end waits for it */
} slow;

static void run_slowly(struct work *w)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    atomic_store(&slow.has_begun, true);
    for (int i = 0; !atomic_load(&slow.may_end) && (!slow.is_short || i < 15); i++)
        (void)nanosleep(&pause, NULL);
    slow.run(w);
}

uint64_t __real_worker_submit(struct worker *wk, struct work *w);
uint64_t __wrap_worker_submit(struct worker *wk, struct work *w);

uint64_t __wrap_worker_submit(struct worker *wk, struct work *w)
{
    if (++slow.count == slow.n) {
        slow.run = w->run;
        w->run = run_slowly;
    }
    return __real_worker_submit(wk, w);
}

static void slow_at(size_t n, bool is_short)
{
    slow.n = n;
    slow.count = 0;
    slow.is_short = is_short;
    atomic_store(&slow.may_end, false);
    atomic_store(&slow.has_begun, false);
}

/* Longer than the lease of what it carries, and the pool behind it is full meanwhile. */
static bool play_slow(struct scene *s, size_t n)
{
    slow_at(n, false);
    send_some(s);
    for (int i = 0; i < 200 && !atomic_load(&slow.has_begun) && world_queued(s->a) > 0; i++)
        world_turns(s->worlds, 1);
    world_send(s->a, "alice@a.test", "bob@b.test", 500, 0);
    world_turns(s->worlds, 5);
    if (slow.count >= n)
        for (int i = 0; i < 3; i++) {
            world_shift(s->a, LEASE_MS);
            world_shift(s->b, LEASE_MS);
            world_turns(s->worlds, 3);
        }
    atomic_store(&slow.may_end, true);
    settle(s);
    world_turns(s->worlds, 2);
    assert_int_equal(world_count(s->b, "bob@b.test", "INBOX"), MAILS + 1);
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 2);
    return slow.count >= n;
}

static void a_worker_may_be_slow_at_any_job(void **state)
{
    size_t n = 1;
    bool has_come = true;

    (void)state;
    for (; has_come; n++) {
        void *scene = NULL;

        assert_true(n < MANY);
        (void)scene_setup(&scene);
        has_come = play_slow(scene, n);
        (void)scene_teardown(&scene);
    }
    slow_at(0, false);
    assert_true(n - 2 >= 3);   /* sealing, opening, the receipt */
}

/* The owner goes while its job runs: what comes of it then is nobody's. */
static bool play_gone(struct scene *s, struct world *w, size_t n)
{
    slow_at(n, true);
    send_some(s);
    for (int i = 0; i < 200 && !atomic_load(&slow.has_begun) && world_queued(s->a) > 0; i++)
        world_turns(s->worlds, 1);
    if (atomic_load(&slow.has_begun))
        world_restart(w);
    atomic_store(&slow.may_end, true);
    settle(s);
    check_all(s, "owner gone", n);
    return slow.count >= n;
}

static void results_may_come_when_their_owner_has_gone(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        size_t n = 1;
        bool has_come = true;

        for (; has_come; n++) {
            void *scene = NULL;
            struct scene *s;

            assert_true(n < MANY);
            (void)scene_setup(&scene);
            s = scene;
            has_come = play_gone(s, side == 0 ? s->a : s->b, n);
            (void)scene_teardown(&scene);
        }
        assert_true(n - 2 >= 3);
    }
    slow_at(0, false);
}

/* No memory for what a peer has sized, once: on either side, in whatever job. */
static void a_job_may_have_no_memory(void **state)
{
    size_t calls = 1, n = 1;

    (void)state;
    for (; calls >= n; n++) {
        void *scene = NULL;
        struct scene *s;

        assert_true(n < MANY);
        (void)scene_setup(&scene);
        s = scene;
        (void)mem_fail_nth(n);
        send_some(s);
        settle(s);
        calls = mem_fail_nth(0);
        check_all(s, "no memory", n);
        (void)scene_teardown(&scene);
        if (calls < n)
            break;
    }
    assert_true(n > 3);
}

int main(void)
{
    static enum harm each[HARM_COUNT];
    struct CMUnitTest tests[HARM_COUNT + 3] = { { 0 } };
    size_t n = 0;

    for (; n < HARM_COUNT; n++) {
        each[n] = (enum harm)n;
        tests[n] = (struct CMUnitTest){ .name = harms[n], .test_func = each_step_of_the_way_fails,
                                        .initial_state = &each[n] };
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_worker_may_be_slow_at_any_job);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(results_may_come_when_their_owner_has_gone);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_job_may_have_no_memory);
    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
