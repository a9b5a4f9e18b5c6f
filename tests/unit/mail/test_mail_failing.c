/* SPDX-License-Identifier: MIT */
/*
 * The store fails, at every call once, on either side of the way: whatever was accepted arrives
 * exactly once, nobody is told what is not so, and nothing is half there.
 */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/store_failing.h"
#include "unit/mail/scene.h"

#include "base/log.h"
#include "mail/inbound.h"
#include "mail/outbound.h"
#include "wire/message.h"

#define LEASE_MS (5 * 60 * 1000 + 1000)

static size_t bobs(struct scene *s)
{
    return world_count(s->b, "bob@b.test", "INBOX");
}

/* Turn until all is settled; where it waits for a lease to run out, let the time pass. */
static void settle(struct scene *s)
{
    for (int i = 0; i < 60; i++) {
        if (world_run(s->worlds, scene_is_sent, s, 50))
            return;
        world_shift(s->a, LEASE_MS);
        world_shift(s->b, LEASE_MS);
    }
    fail_msg("%zu still queued, path is %s", world_queued(s->a), scene_state(s));
}

/* One of each kind: plain, with a receipt, to several of whom one does not exist. */
static void send_some(struct scene *s)
{
    world_send(s->a, "alice@a.test", "bob@b.test", 300, 0);
    world_send(s->a, "alice@a.test", "bob@b.test", 300, MESSAGE_RECEIPT);
    world_send(s->a, "alice@a.test", "bob@b.test nobody@b.test", 300, 0);
    loop_turn(s->a->mail.loop, false);   /* committed: what fails from here is ours to bear */
}

static void each_store_call_fails_once(struct scene *s, struct world *w)
{
    size_t n;

    w->is_failing = true;
    world_restart(w);
    for (n = 1; n < 1000; n++) {
        send_some(s);
        (void)store_failing_nth(w->mail.store, n);
        settle(s);
        world_turns(s->worlds, 3);
        if (!store_failing_has_failed(w->mail.store))
            break;
        (void)store_failing_nth(w->mail.store, 0);
        assert_int_equal(bobs(s), 3 * n);
        /* A notice of the receipt and one of the bounce, for each round. */
        assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 2 * n);
        world_check(s->a);
        world_check(s->b);
    }
    print_message("%zu calls of the store of %s\n", n - 1, w->domain.name);
    assert_true(n > 20 && n < 1000);
}

static void senders_store_may_fail_at_any_call(void **state)
{
    struct scene *s = *state;

    each_store_call_fails_once(s, s->a);
}

static void receivers_store_may_fail_at_any_call(void **state)
{
    struct scene *s = *state;

    each_store_call_fails_once(s, s->b);
}

/* Until the first contact is pinned, too. */
static void first_contact_may_fail_at_any_call(void **state)
{
    for (size_t n = 1; n < 1000; n++) {
        struct scene *s;
        bool has_failed;

        (void)scene_setup(state);
        s = *state;
        s->a->is_failing = s->b->is_failing = true;
        world_restart(s->a);
        world_restart(s->b);
        send_some(s);
        (void)store_failing_nth(s->a->mail.store, n);
        (void)store_failing_nth(s->b->mail.store, n);
        settle(s);
        has_failed = store_failing_has_failed(s->a->mail.store) ||
                     store_failing_has_failed(s->b->mail.store);
        (void)store_failing_nth(s->a->mail.store, 0);
        (void)store_failing_nth(s->b->mail.store, 0);
        assert_int_equal(bobs(s), 3);
        (void)scene_teardown(state);
        if (!has_failed)
            return;
        if (n > 12)
            n += 4;   /* the calls behind are those of the tests above */
    }
    fail_msg("it never passed");
}

/*
 * A turn in which a message is put and claimed at once, and whose commit fails: its client was told
 * 702, so it must not leave; and the entry's number is the next message's, which must not leave the
 * queue by the other's receipt.
 */
static void what_a_failed_turn_took_back_never_leaves(void **state)
{
    struct scene *s = *state;
    size_t kept, failed = 0;

    s->a->is_failing = true;
    world_restart(s->a);
    send_some(s);
    settle(s);
    kept = bobs(s);
    /* From the last call, the commit, to the first: after a claim that fails a turn does less. */
    for (size_t n = 8; n > 0; n--) {
        world_send(s->a, "alice@a.test", "bob@b.test", 300, 0);
        (void)store_failing_nth(s->a->mail.store, n);
        loop_turn(s->a->mail.loop, false);
        failed += store_failing_has_failed(s->a->mail.store);
        (void)store_failing_nth(s->a->mail.store, 0);
        kept += world_queued(s->a);
        /* At once, and under the number that was given back. */
        world_send(s->a, "alice@a.test", "bob@b.test", 400, 0);
        loop_turn(s->a->mail.loop, false);
        kept++;
        settle(s);
        world_turns(s->worlds, 3);
        assert_int_equal(bobs(s), kept);
    }
    assert_true(failed >= 3 && failed < 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(senders_store_may_fail_at_any_call, scene_setup,
                                        scene_teardown),
        cmocka_unit_test_setup_teardown(receivers_store_may_fail_at_any_call, scene_setup,
                                        scene_teardown),
        cmocka_unit_test_setup_teardown(what_a_failed_turn_took_back_never_leaves, scene_setup,
                                        scene_teardown),
        cmocka_unit_test(first_contact_may_fail_at_any_call),
    };

    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
