/* SPDX-License-Identifier: MIT */
/* Tests of mail/outbound.h: what goes right, and what a path does when it does not. */
#include "lib/test.h"

#include "mail/outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/mail/scene.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/inbound.h"
#include "mail/keys.h"
#include "mail/outbound_private.h"
#include "store/peer.h"
#include "store/queue.h"
#include "wire/message.h"

static const struct outbound_counters *out(struct scene *s)
{
    return outbound_counters(s->a->mail.outbound);
}

static size_t bobs(struct scene *s)
{
    return world_count(s->b, "bob@b.test", "INBOX");
}

/* Time passes in both domains. */
static void pass(struct scene *s, int64_t ms)
{
    world_shift(s->a, ms);
    world_shift(s->b, ms);
}

/* ---- it works ---- */

static void message_is_delivered_and_leaves_the_queue(void **state)
{
    struct scene *s = *state;
    const char *id = world_send(s->a, "alice@a.test", "bob@b.test", 4096, 0);

    scene_deliver(s);
    assert_int_equal(bobs(s), 1);
    assert_true(world_text(s->b, "bob@b.test", id)[0] != '\0');
    assert_int_equal(out(s)->receipts, 1);
    assert_int_equal(out(s)->bad_receipts + out(s)->failures + out(s)->bounces, 0);
    assert_string_equal(scene_state(s), "idle");
    assert_int_equal(scene_path(s)->in_flight, 0);
    assert_string_equal(scene_path(s)->address, "immp.b.test");
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 0);
}

static void empty_part_and_several_recipients_are_delivered(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "alice@a.test", "bob@b.test carol@b.test bob+lists@b.test", 0, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 1);   /* the same message does not stand twice in a folder */
    assert_int_equal(world_count(s->b, "carol@b.test", "INBOX"), 1);
}

/* docs/xmpp.md, "The seal": many small messages share one seal. */
static void what_waits_together_goes_as_few_bundles(void **state)
{
    struct scene *s = *state;

    for (int i = 0; i < 200; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 300, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 200);
    assert_int_equal(out(s)->messages, 200);
    assert_true(out(s)->bundles <= 30);
    assert_true(s->largest < 64 * 1024);
}

static void messages_of_all_sizes_pass(void **state)
{
    static const size_t sizes[] = { 1, 100, 5000, 20000, 60000, 100000, 150000 };
    struct scene *s = *state;

    for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
        world_send(s->a, "alice@a.test", "bob@b.test", sizes[i], 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), N_ELEMENTS(sizes));
    assert_int_equal(out(s)->bounces, 0);
    assert_true(s->largest < 256 * 1024);
}

/* +RECEIPT: a notice when it is delivered. */
static void receipt_flag_brings_a_notice(void **state)
{
    struct scene *s = *state;
    const char *id = world_send(s->a, "alice@a.test", "bob@b.test", 10, MESSAGE_RECEIPT);

    scene_deliver(s);
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 1);
    assert_true(world_text(s->a, "alice@a.test", id)[0] != '\0');
    assert_true(world_text(s->a, "alice@a.test", "\"delivered\"")[0] != '\0');
}

/* ---- recipients that fail ---- */

static void unknown_recipient_bounces_and_the_others_have_it(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "alice@a.test", "nobody@b.test bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(out(s)->bounces, 1);
    assert_true(world_text(s->a, "alice@a.test", "nobody@b.test")[0] != '\0');
    assert_true(world_text(s->a, "alice@a.test", "440")[0] != '\0');
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 1);
}

static void sender_that_is_gone_does_not_keep_its_mail_in_the_queue(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "gone@a.test", "nobody@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(out(s)->bounces, 1);
}

/* ---- a path that fails ---- */

static void temporary_error_is_tried_again_under_the_same_id(void **state)
{
    struct scene *s = *state;

    scene_hook(s, FAKE_SEAL, 3, FAKE_FAIL, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(out(s)->failures, 3);
    assert_int_equal(scene_path(s)->failures, 0);
    assert_null(scene_path(s)->last_error);
}

static void receipt_that_is_lost_brings_a_repeat_and_nothing_twice(void **state)
{
    struct scene *s = *state;

    scene_hook(s, FAKE_RECEIPT, 2, FAKE_FAIL, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test nobody@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(inbound_counters(s->b->mail.inbound)->repeats, 2);
    assert_int_equal(out(s)->bounces, 1);
}

static bool is_resting(void *scene)
{
    return strcmp(scene_state(scene), "resting") == 0;
}

static void unreachable_peer_rests_by_the_schedule(void **state)
{
    struct scene *s = *state;
    int64_t now;

    s->a->retry_ms[0] = 5 * 60 * 1000;
    scene_hook(s, FAKE_FIND, 1, FAKE_FAIL, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    assert_true(world_run(s->worlds, is_resting, s, 5000));
    now = clock_wall_ms(&s->a->clock);
    /* ±10 % */
    assert_true(scene_path(s)->rests_until_ms > now + 5 * 60 * 1000 * 88 / 100);
    assert_true(scene_path(s)->rests_until_ms <= now + 5 * 60 * 1000 * 111 / 100);
    assert_int_equal(scene_path(s)->failures, 1);
    assert_string_equal(scene_path(s)->last_error, "remote-server-not-found");
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    world_turns(s->worlds, 20);
    assert_int_equal(world_queued(s->a), 2);   /* what comes meanwhile waits too */
    /* The operator need not wait. */
    assert_int_equal(outbound_retry(s->a->mail.outbound, "b.test", NULL), 2);
    scene_deliver(s);
    assert_int_equal(bobs(s), 2);
}

static void schedule_goes_on_with_each_failure_and_its_last_step_repeats(void **state)
{
    struct scene *s = *state;
    int64_t now = clock_mono_ms(clock_system());

    s->a->domain.n_retry = 3;
    s->a->retry_ms[0] = 10;
    s->a->retry_ms[1] = 20;
    s->a->retry_ms[2] = 100;
    scene_hook(s, FAKE_FIND, 5, FAKE_FAIL, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    now = clock_mono_ms(clock_system()) - now;
    assert_true(now >= (10 + 20 + 300) * 9 / 10);
    assert_int_equal(out(s)->failures, 5);
}

static void link_that_is_down_costs_nothing_and_its_return_is_used_at_once(void **state)
{
    struct scene *s = *state;

    s->a->retry_ms[0] = 5 * 60 * 1000;
    fake_set_up(s->a->node, false);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    WORLD_UNTIL(s->worlds, is_resting(s));
    assert_int_equal(scene_path(s)->failures, 0);
    fake_set_up(s->a->node, true);
    scene_deliver(s);
    assert_int_equal(bobs(s), 1);

    /* It goes down with a bundle under way. */
    scene_hook(s, FAKE_SEAL, 1, FAKE_HOLD, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    WORLD_UNTIL(s->worlds, fake_held(s->net) == 1);
    fake_set_up(s->a->node, false);
    scene_hook(s, FAKE_RECEIPT, 1, FAKE_FAIL, NULL);
    fake_release(s->net, false);
    assert_true(world_run(s->worlds, is_resting, s, 5000));
    assert_int_equal(world_queued(s->a), 1);
    fake_set_up(s->a->node, true);
    scene_deliver(s);
    assert_int_equal(bobs(s), 2);
    assert_int_equal(out(s)->failures, 0);
}

/* From the next start. Entries keep their own time. */
static void sweep_often(struct scene *s)
{
    s->a->domain.expire_ms = 40;
    world_restart(s->a);
    s->a->domain.expire_ms = 5LL * 24 * 3600 * 1000;
}

/* A bundle that nobody answers is given up before its leases end. */
static void silence_is_a_failure(void **state)
{
    struct scene *s = *state;

    sweep_often(s);
    scene_hook(s, FAKE_SEAL, 1, FAKE_LOSE, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    WORLD_UNTIL(s->worlds, s->times == 0);
    assert_int_equal(scene_path(s)->in_flight, 1);
    world_shift(s->a, 3 * 60 * 1000);
    s->a->domain.expire_ms = 40;
    world_turns(s->worlds, 50);
    assert_int_equal(scene_path(s)->in_flight, 1);
    world_shift(s->a, 61 * 1000);
    world_shift(s->b, 4 * 60 * 1000);
    scene_deliver(s);
    assert_int_equal(out(s)->failures, 1);
    assert_int_equal(bobs(s), 1);
}

static void answers_may_come_twice_and_out_of_order(void **state)
{
    struct scene *s = *state;
    size_t window;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);   /* keys are known, the path is open */
    window = scene_path(s)->window;
    assert_true(window > 1);
    scene_hook(s, FAKE_RECEIPT, (int)window, FAKE_HOLD, NULL);
    for (size_t i = 0; i < window; i++) {
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        WORLD_UNTIL(s->worlds, fake_held(s->net) == i + 1);
    }
    fake_release(s->net, true);
    scene_deliver(s);
    scene_hook(s, FAKE_RECEIPT, 3, FAKE_TWICE, NULL);
    for (int i = 0; i < 3; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    scene_hook(s, FAKE_SEAL, 3, FAKE_TWICE, NULL);
    for (int i = 0; i < 3; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 1 + window + 3 + 3);
    assert_int_equal(out(s)->bad_receipts, 0);
}

/* docs/xmpp.md, "Throughput": no more than the window is under way; the rest gathers. */
static void window_bounds_what_is_under_way(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    scene_hook(s, FAKE_SEAL, 1000, FAKE_HOLD, NULL);
    for (int i = 0; i < 40; i++) {
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        world_turns(s->worlds, 3);
    }
    WORLD_UNTIL(s->worlds, fake_held(s->net) >= scene_path(s)->window);
    world_turns(s->worlds, 10);
    assert_int_equal(fake_held(s->net), scene_path(s)->window);
    assert_int_equal(scene_path(s)->in_flight, scene_path(s)->window);
    scene_hook(s, FAKE_SEAL, 0, FAKE_PASS, NULL);
    fake_release(s->net, false);
    scene_deliver(s);
    assert_int_equal(bobs(s), 41);
    /* What had to wait went together. */
    assert_true(out(s)->bundles <= 1 + 8 + 5);
}

static int count_claimed(void *ctx, const struct queue_entry *q)
{
    *(size_t *)ctx += q->lease_ms > 0;
    return 0;
}

static size_t claimed(struct scene *s)
{
    size_t n = 0;
    struct err err;

    assert_true(queue_each(s->a->mail.store, NULL, count_claimed, &n, &err) >= 0);
    return n;
}

/* Ten messages, each as much as a bundle holds; as many as the window has room for are under way. */
static void fill_the_window(struct scene *s)
{
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    scene_hook(s, FAKE_SEAL, 1000, FAKE_HOLD, NULL);
    for (int i = 0; i < 10; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 40000, 0);
    WORLD_UNTIL(s->worlds, fake_held(s->net) >= scene_path(s)->window);
    world_turns(s->worlds, 50);
    assert_int_equal(fake_held(s->net), scene_path(s)->window);
}

static void one_more_is_sealed_ahead_of_a_full_window(void **state)
{
    struct scene *s = *state;
    size_t window;

    fill_the_window(s);
    window = scene_path(s)->window;
    assert_int_equal(scene_path(s)->in_flight, window);
    assert_int_equal(out(s)->bundles, 1 + window);
    WORLD_UNTIL(s->worlds, claimed(s) == window + 1);
    world_turns(s->worlds, 50);
    assert_int_equal(claimed(s), window + 1);
    scene_hook(s, FAKE_SEAL, 0, FAKE_PASS, NULL);
    fake_release(s->net, false);
    scene_deliver(s);
    assert_int_equal(bobs(s), 11);
    assert_int_equal(out(s)->bundles, 11);
}

/* A wide window is for a backlog: small ones that come one by one share the third bundle. */
static void where_less_waits_than_a_bundle_holds_two_are_under_way(void **state)
{
    struct scene *s = *state;
    struct path *p;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    p = map_get(s->a->mail.outbound->paths, "a.test b.test");
    p->pace.window = p->pace.home_window = 3;
    assert_int_equal(scene_path(s)->window, 8);
    scene_hook(s, FAKE_SEAL, 1000, FAKE_HOLD, NULL);
    for (int i = 0; i < 40; i++) {
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        world_turns(s->worlds, 3);
    }
    WORLD_UNTIL(s->worlds, fake_held(s->net) == OUTBOUND_SHORT);
    world_turns(s->worlds, 50);
    assert_int_equal(fake_held(s->net), OUTBOUND_SHORT);
    scene_hook(s, FAKE_SEAL, 0, FAKE_PASS, NULL);
    fake_release(s->net, false);
    scene_deliver(s);
    assert_int_equal(bobs(s), 41);
    assert_true(out(s)->bundles <= 1 + OUTBOUND_SHORT + 2);
    /* … and what fills bundles has all of it. */
    scene_hook(s, FAKE_SEAL, 1000, FAKE_HOLD, NULL);
    for (int i = 0; i < 10; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 40000, 0);
    WORLD_UNTIL(s->worlds, fake_held(s->net) == 8);
    scene_hook(s, FAKE_SEAL, 0, FAKE_PASS, NULL);
    fake_release(s->net, false);
    scene_deliver(s);
    assert_int_equal(bobs(s), 51);
}

static void what_was_sealed_ahead_goes_back_when_the_path_fails(void **state)
{
    struct scene *s = *state;

    sweep_often(s);
    fill_the_window(s);
    WORLD_UNTIL(s->worlds, claimed(s) == scene_path(s)->window + 1);
    s->a->domain.expire_ms = 40;
    s->a->retry_ms[0] = 60 * 1000;
    pass(s, 4 * 60 * 1000 + 1000);
    WORLD_UNTIL(s->worlds, out(s)->failures > 0);
    world_turns(s->worlds, 20);
    assert_string_equal(scene_state(s), "resting");
    assert_int_equal(claimed(s), 0);
    assert_int_equal(scene_path(s)->in_flight, 0);
    assert_int_equal(world_queued(s->a), 10);
    scene_hook(s, FAKE_SEAL, 0, FAKE_PASS, NULL);
    fake_release(s->net, false);
    pass(s, 70 * 1000);
    scene_deliver(s);
    assert_int_equal(bobs(s), 11);
}

/* As when the other daemon is killed with two bundles that it never answers. */
static void what_is_never_answered_does_not_hold_up_the_rest(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    scene_hook(s, FAKE_SEAL, 2, FAKE_LOSE, NULL);
    for (int i = 0; i < 2; i++) {
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        WORLD_UNTIL(s->worlds, s->times == 1 - i);
    }
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    world_turns(s->worlds, 50);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(scene_path(s)->in_flight, 2);
    /* At the next look one goes beside them; it is answered, and all is as before. */
    pass(s, OUTBOUND_SILENT_MS + OUTBOUND_SWEEP_MS);
    WORLD_UNTIL(s->worlds, bobs(s) == 2);
    for (int i = 0; i < 20; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    WORLD_UNTIL(s->worlds, bobs(s) == 22 && scene_path(s)->in_flight == 2);
    assert_string_equal(scene_state(s), "sending");
    /* They are given up at their time, go again, and the path never rested. */
    pass(s, OUTBOUND_SWEEP_MS);
    world_turns(s->worlds, 20);
    pass(s, OUTBOUND_ANSWER_MS);
    WORLD_UNTIL(s->worlds, out(s)->failures == 2);
    assert_string_not_equal(scene_state(s), "resting");
    scene_deliver(s);
    assert_int_equal(bobs(s), 24);
}

/* "No server's queue is filled": who answers nothing at all gets one more, and not again. */
static void who_answers_nothing_gets_one_bundle_more(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    scene_hook(s, FAKE_SEAL, 1000, FAKE_LOSE, NULL);
    for (int i = 0; i < 40; i++) {
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        world_turns(s->worlds, 3);
    }
    WORLD_UNTIL(s->worlds, scene_path(s)->in_flight == 2);
    for (int i = 0; i < 5; i++) {
        world_shift(s->a, OUTBOUND_SILENT_MS + OUTBOUND_SWEEP_MS);
        world_shift(s->b, OUTBOUND_SILENT_MS + OUTBOUND_SWEEP_MS);
        world_turns(s->worlds, 50);
    }
    assert_int_equal(scene_path(s)->in_flight, 3);
    assert_int_equal(out(s)->failures, 0);
}

/* ---- expiry ---- */

static void expired_mail_bounces_also_while_its_path_rests(void **state)
{
    struct scene *s = *state;

    s->a->domain.expire_ms = 100;
    world_restart(s->a);
    s->a->retry_ms[0] = 5 * 60 * 1000;
    scene_hook(s, FAKE_FIND, 1000, FAKE_FAIL, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test carol@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(out(s)->expired, 1);
    assert_int_equal(out(s)->bounces, 2);
    assert_int_equal(bobs(s), 0);
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 2);
    assert_true(world_text(s->a, "alice@a.test", "remote-server-not-found")[0] != '\0');
}

/* ---- a new start ---- */

static void claimed_entries_go_again_after_a_restart(void **state)
{
    struct scene *s = *state;

    scene_hook(s, FAKE_SEAL, 1, FAKE_LOSE, NULL);
    for (int i = 0; i < 5; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    WORLD_UNTIL(s->worlds, s->times == 0);
    assert_int_equal(world_queued(s->a), 5);
    world_restart(s->a);
    scene_deliver(s);
    assert_int_equal(bobs(s), 5);
}

static void nothing_is_delivered_twice_when_the_sender_dies_before_the_receipt(void **state)
{
    struct scene *s = *state;

    scene_hook(s, FAKE_RECEIPT, 1, FAKE_LOSE, NULL);
    for (int i = 0; i < 5; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    WORLD_UNTIL(s->worlds, s->times == 0);
    world_turns(s->worlds, 5);
    assert_int_equal(world_queued(s->a), 5);
    assert_int_equal(bobs(s), 5);
    world_restart(s->a);
    scene_deliver(s);
    assert_int_equal(bobs(s), 5);
}

static void receiver_may_die_at_any_time(void **state)
{
    struct scene *s = *state;

    for (int i = 0; i < 20; i++) {
        world_send(s->a, "alice@a.test", "bob@b.test", 100, 0);
        for (int k = 0; k <= i; k++)
            world_turns(s->worlds, 1);
        scene_hook(s, FAKE_SEAL, i % 2, FAKE_FAIL, NULL);
        world_restart(s->b);
        /* What was under way is answered by the network. */
        world_restart(s->a);
    }
    scene_deliver(s);
    assert_int_equal(bobs(s), 20);
}

static void destroying_with_everything_under_way_is_safe(void **state)
{
    struct scene *s = *state;

    for (int i = 0; i < 30; i++) {
        for (int k = 0; k < 10; k++)
            world_send(s->a, "alice@a.test", "bob@b.test", 2000, 0);
        for (int k = 0; k <= i; k++)   /* the first one commits them */
            loop_turn(s->worlds[k % 2]->mail.loop, false);
        world_restart(s->a);
        if (i % 3 == 0)
            world_restart(s->b);
    }
    scene_deliver(s);
    assert_int_equal(bobs(s), 300);
}

/* ---- what the peer takes ---- */

static void announce_little(struct scene *s, struct fake_packet *p)
{
    p->max_stanza = *(size_t *)s->extra;
}

/* docs/xmpp.md, "Sizes": no stanza is larger than what the peer says it takes. */
static void stanza_stays_below_what_the_peer_announces(void **state)
{
    struct scene *s = *state;
    size_t limit = 20000;

    s->extra = &limit;
    scene_hook(s, FAKE_FIND, 1000, FAKE_PASS, announce_little);
    for (int i = 0; i < 100; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 3000, 0);
    world_send(s->a, "alice@a.test", "bob@b.test", 30000, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 100);
    assert_true(s->largest > 10000 && s->largest < limit);
    /* What cannot go at all comes back at once. */
    assert_int_equal(out(s)->bounces, 1);
    assert_true(world_text(s->a, "alice@a.test", "443")[0] != '\0');
}

static void death_of_a_large_stanza_is_remembered(void **state)
{
    struct scene *s = *state;
    struct peer p = { 0 };

    scene_hook(s, FAKE_SEAL, 1, FAKE_FAIL, NULL);
    world_send(s->a, "alice@a.test", "bob@b.test", 40000, 0);
    scene_deliver(s);
    assert_int_equal(peer_get(s->a->mail.store, "b.test", &p, NULL), 1);
    assert_true(p.max_stanza >= 20000 && p.max_stanza < 40000);
    assert_string_equal(p.component, "immp.b.test");
    peer_clear(&p);
}

/* ---- routes, keys ---- */

static void rejected_destination_bounces(void **state)
{
    struct scene *s = *state;
    struct mail_route route = { .domain = (char *)"b.test", .via = MAIL_VIA_REJECT };

    s->a->domain.routes = &route;
    s->a->domain.n_routes = 1;
    for (int i = 0; i < 3; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 0);
    assert_int_equal(out(s)->bounces, 3);
    assert_true(world_text(s->a, "alice@a.test", "444")[0] != '\0');
    s->a->domain.n_routes = 0;
}

static void blocked_domain_gets_nothing_until_it_is_unblocked(void **state)
{
    struct scene *s = *state;

    assert_int_equal(keys_block(s->a->mail.keys, "b.test", true, NULL), 0);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    world_turns(s->worlds, 50);
    assert_int_equal(fake_sent(s->net, FAKE_SEAL), 0);
    assert_int_equal(world_queued(s->a), 1);
    assert_int_equal(keys_block(s->a->mail.keys, "b.test", false, NULL), 0);
    scene_deliver(s);
}

/* docs/immp.md, "+SECURE": nothing is sealed to a key that is not verified; it stays queued. */
static void no_mail_goes_to_keys_that_are_not_verified(void **state)
{
    struct scene *s = *state;

    s->a->domain.trust = MAIL_TRUST_PINNED;
    world_send(s->a, "alice@a.test", "bob@b.test", 10, MESSAGE_SECURE);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    world_turns(s->worlds, 60);
    assert_int_equal(fake_sent(s->net, FAKE_SEAL), 0);
    assert_int_equal(world_queued(s->a), 2);
    assert_int_equal(
        keys_trust(s->a->mail.keys, "b.test",
                   certificate_fingerprint(identity_sign_certificate(s->b->domain.identity)), NULL),
        1);
    scene_deliver(s);
    assert_int_equal(bobs(s), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
        T(message_is_delivered_and_leaves_the_queue),
        T(empty_part_and_several_recipients_are_delivered),
        T(what_waits_together_goes_as_few_bundles),
        T(messages_of_all_sizes_pass),
        T(receipt_flag_brings_a_notice),
        T(unknown_recipient_bounces_and_the_others_have_it),
        T(sender_that_is_gone_does_not_keep_its_mail_in_the_queue),
        T(temporary_error_is_tried_again_under_the_same_id),
        T(receipt_that_is_lost_brings_a_repeat_and_nothing_twice),
        T(unreachable_peer_rests_by_the_schedule),
        T(schedule_goes_on_with_each_failure_and_its_last_step_repeats),
        T(link_that_is_down_costs_nothing_and_its_return_is_used_at_once),
        T(silence_is_a_failure),
        T(answers_may_come_twice_and_out_of_order),
        T(window_bounds_what_is_under_way),
        T(one_more_is_sealed_ahead_of_a_full_window),
        T(where_less_waits_than_a_bundle_holds_two_are_under_way),
        T(what_was_sealed_ahead_goes_back_when_the_path_fails),
        T(what_is_never_answered_does_not_hold_up_the_rest),
        T(who_answers_nothing_gets_one_bundle_more),
        T(expired_mail_bounces_also_while_its_path_rests),
        T(claimed_entries_go_again_after_a_restart),
        T(nothing_is_delivered_twice_when_the_sender_dies_before_the_receipt),
        T(receiver_may_die_at_any_time),
        T(destroying_with_everything_under_way_is_safe),
        T(stanza_stays_below_what_the_peer_announces),
        T(death_of_a_large_stanza_is_remembered),
        T(rejected_destination_bounces),
        T(blocked_domain_gets_nothing_until_it_is_unblocked),
        T(no_mail_goes_to_keys_that_are_not_verified),
#undef T
    };

    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
