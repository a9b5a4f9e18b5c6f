/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "unit/mail/desk.h"

static struct desk *desk;
static struct str said;   /* what the participants heard, in order */

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&desk);
    str_clear(&said);
    return 0;
}

static void hear(void *ctx, bool ok, const struct err *err)
{
    assert_true(ok == (err == NULL));
    str_addf(&said, "%s%s ", (const char *)ctx, ok ? "+" : "-");
}

static void hear_too(void *ctx, bool ok, const struct err *err)
{
    (void)err;
    str_addf(&said, "%s%s ", (const char *)ctx, ok ? "2+" : "2-");
}

static char *const one = (char[]){ "one" }, *const two = (char[]){ "two" };

static void participants_are_called_in_the_order_of_joining(void **state)
{
    (void)state;
    desk_account(desk, "alice@a.com");
    turn_join(desk->mail.turn, hear, two);
    turn_join(desk->mail.turn, hear, one);
    assert_string_equal(str_c(&said), "");
    desk_turn(desk);
    assert_string_equal(str_c(&said), "two+ one+ ");
    assert_int_equal(turn_counters(desk->mail.turn)->commits, 1);
    desk_turn(desk);
    assert_string_equal(str_c(&said), "two+ one+ ");
}

static void joining_twice_is_one_call(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        turn_join(desk->mail.turn, hear, one);
        turn_join(desk->mail.turn, hear_too, one);
        turn_join(desk->mail.turn, hear, two);
    }
    desk_turn(desk);
    assert_string_equal(str_c(&said), "one+ one2+ two+ ");
}

static void hundreds_may_join_and_each_is_called_once(void **state)
{
    static char names[700][8];

    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        for (size_t i = 0; i < N_ELEMENTS(names); i++) {
            snprintf(names[i], sizeof names[i], "%zu", i);
            turn_join(desk->mail.turn, hear, names[i]);
        }
    }
    turn_leave(desk->mail.turn, names[1]);
    desk_turn(desk);
    assert_true(str_starts(str_c(&said), "0+ 2+ 3+ "));
    assert_int_equal(said.len, 10 * 3 + 90 * 4 + 600 * 5 - 3);
}

static void a_turn_that_wrote_nothing_commits_nothing(void **state)
{
    (void)state;
    turn_join(desk->mail.turn, hear, one);
    desk_turn(desk);
    assert_string_equal(str_c(&said), "one+ ");
    assert_int_equal(turn_counters(desk->mail.turn)->commits, 0);
}

static void who_has_left_is_not_called(void **state)
{
    (void)state;
    turn_join(desk->mail.turn, hear, one);
    turn_join(desk->mail.turn, hear, two);
    turn_leave(desk->mail.turn, one);
    desk_turn(desk);
    assert_string_equal(str_c(&said), "two+ ");
}

static void who_has_left_may_join_again(void **state)
{
    (void)state;
    turn_join(desk->mail.turn, hear, one);
    turn_leave(desk->mail.turn, one);
    turn_join(desk->mail.turn, hear, one);
    desk_turn(desk);
    assert_string_equal(str_c(&said), "one+ ");
}

static void send_away(void *ctx, bool ok, const struct err *err)
{
    hear(one, ok, err);
    turn_leave(desk->mail.turn, ctx);
}

static void one_may_leave_for_another_during_the_calls(void **state)
{
    (void)state;
    turn_join(desk->mail.turn, send_away, two);
    turn_join(desk->mail.turn, hear, two);
    desk_turn(desk);
    assert_string_equal(str_c(&said), "one+ ");
}

static void write_and_join(void *ctx, bool ok, const struct err *err)
{
    hear(ctx, ok, err);
    desk_account(desk, "bob@a.com");
    turn_join(desk->mail.turn, hear, two);
}

static void what_a_callback_writes_is_committed_in_the_same_turn(void **state)
{
    (void)state;
    desk_account(desk, "alice@a.com");
    turn_join(desk->mail.turn, write_and_join, one);
    desk_turn(desk);
    assert_string_equal(str_c(&said), "one+ two+ ");
    assert_false(store_is_dirty(desk->mail.store));
    assert_int_equal(turn_counters(desk->mail.turn)->commits, 2);
}

static int pings;

static void ping(void *ctx, bool ok, const struct err *err)
{
    (void)err;
    assert_true(ok);
    assert_false(store_is_dirty(desk->mail.store));
    if (++pings < 100) {
        char address[32];

        snprintf(address, sizeof address, "a%d@a.com", pings);
        desk_account(desk, address);
        turn_join(desk->mail.turn, ping, ctx);
    }
}

/* Two that wake each other may not hold up the sockets: the rounds of a turn are bounded. */
static void rounds_are_bounded_and_go_on_in_the_next_turn(void **state)
{
    int after_one;

    (void)state;
    pings = 0;
    turn_join(desk->mail.turn, ping, one);
    desk_turn(desk);
    after_one = pings;
    assert_in_range(after_one, 2, 50);
    assert_false(store_is_dirty(desk->mail.store));
    for (int i = 0; i < 50; i++)
        desk_turn(desk);
    assert_int_equal(pings, 100);
    assert_int_equal(turn_counters(desk->mail.turn)->commits, 99);
}

static void who_leaves_between_turns_is_not_called_late(void **state)
{
    int after_one;

    (void)state;
    pings = 0;
    turn_join(desk->mail.turn, ping, one);
    desk_turn(desk);
    after_one = pings;
    turn_leave(desk->mail.turn, one);
    desk_turn(desk);
    assert_int_equal(pings, after_one);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(participants_are_called_in_the_order_of_joining),
        CASE(joining_twice_is_one_call),
        CASE(hundreds_may_join_and_each_is_called_once),
        CASE(a_turn_that_wrote_nothing_commits_nothing),
        CASE(who_has_left_is_not_called),
        CASE(who_has_left_may_join_again),
        CASE(one_may_leave_for_another_during_the_calls),
        CASE(what_a_callback_writes_is_committed_in_the_same_turn),
        CASE(rounds_are_bounded_and_go_on_in_the_next_turn),
        CASE(who_leaves_between_turns_is_not_called_late),
    };

    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
