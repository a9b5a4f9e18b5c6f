/* SPDX-License-Identifier: MIT */
/* Timers, by a clock that the test moves. */
#include "config.h"

#include "loop/loop.h"

#include <stdlib.h>

#include "base/macros.h"
#include "base/str.h"

#include "lib/test.h"
#include "loop/loop_private.h"

struct fixture {
    struct clock clock;
    struct loop *loop;
};

static struct str trail = STR_INIT;

static void say(void *ctx)
{
    str_add(&trail, ctx);
}

/* A context that say() only reads. */
static void *text(const char *s)
{
    return (void *)(uintptr_t)s;
}

static void assert_trail(const char *expected)
{
    assert_string_equal(str_c(&trail), expected);
    str_clear(&trail);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->clock = clock_fake(1000000);
    f->loop = loop_create(&f->clock, NULL);
    f->loop->turn_ns = 1000000000;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    loop_destroy(&f->loop);
    str_clear(&trail);
    free(f);
    return 0;
}

static void timers_run_in_the_order_of_their_times(void **state)
{
    static const int64_t delays[] = { 50, 10, 30, 10, 90, 0, 70 };
    static const char *const names[] = { "e", "b", "d", "c", "g", "a", "f" };
    struct fixture *f = *state;
    struct loop_timer *t[N_ELEMENTS(delays)];

    for (size_t i = 0; i < N_ELEMENTS(delays); i++) {
        t[i] = loop_timer_create(f->loop, say, text(names[i]));
        assert_false(loop_timer_is_set(t[i]));
        loop_timer_set(t[i], delays[i]);
        assert_true(loop_timer_is_set(t[i]));
    }
    loop_turn(f->loop, false);
    assert_trail("a");
    f->clock.fake_ms += 9;
    loop_turn(f->loop, false);
    assert_trail("");
    f->clock.fake_ms += 1;
    loop_turn(f->loop, false);
    assert_trail("bc");
    f->clock.fake_ms += 1000;
    loop_turn(f->loop, false);
    assert_trail("defg");
    for (size_t i = 0; i < N_ELEMENTS(delays); i++) {
        assert_false(loop_timer_is_set(t[i]));
        loop_timer_destroy(&t[i]);
        loop_timer_destroy(&t[i]);
    }
}

static void a_timer_can_be_stopped_and_replaced(void **state)
{
    struct fixture *f = *state;
    struct loop_timer *a = loop_timer_create(f->loop, say, text("a"));
    struct loop_timer *b = loop_timer_create(f->loop, say, text("b"));

    loop_timer_set(a, 10);
    loop_timer_set(b, 20);
    loop_timer_stop(a);
    loop_timer_stop(a);
    loop_timer_set(b, 200);
    f->clock.fake_ms += 100;
    loop_turn(f->loop, false);
    assert_trail("");
    loop_timer_set(b, 5);
    f->clock.fake_ms += 5;
    loop_turn(f->loop, false);
    assert_trail("b");
    loop_timer_set(a, 5);
    loop_timer_destroy(&a);
    loop_timer_destroy(&b);
    f->clock.fake_ms += 500;
    loop_turn(f->loop, false);
    assert_trail("");
}

static struct loop_timer *again;

static void set_again(void *ctx)
{
    say(ctx);
    loop_timer_set(again, 0);
}

static void a_timer_that_sets_itself_does_not_hold_the_turn(void **state)
{
    struct fixture *f = *state;

    again = loop_timer_create(f->loop, set_again, text("x"));
    loop_timer_set(again, 0);
    for (int i = 0; i < 3; i++)
        loop_turn(f->loop, true); /* one that is due does not let it wait */
    assert_trail("xxx");
    loop_timer_destroy(&again);
}

static struct loop_timer *victim;

static void destroy_victim(void *ctx)
{
    say(ctx);
    loop_timer_destroy(&victim);
}

static void a_timer_may_destroy_another_that_is_due_and_itself(void **state)
{
    struct fixture *f = *state;
    struct loop_timer *killer = loop_timer_create(f->loop, destroy_victim, text("k"));

    victim = loop_timer_create(f->loop, say, text("v"));
    loop_timer_set(killer, 1);
    loop_timer_set(victim, 2);
    f->clock.fake_ms += 10;
    loop_turn(f->loop, false);
    assert_trail("k");
    victim = killer;
    loop_timer_set(killer, 0);
    loop_turn(f->loop, false);
    assert_trail("k");
    assert_null(victim);
}

static int64_t fired_at[1000];
static size_t n_fired;
static const struct clock *order_clock;

static void note(void *ctx)
{
    (void)ctx;
    fired_at[n_fired++] = clock_mono_ms(order_clock);
}

/* The heap keeps its order through any mixture of setting, stopping and running. */
static void a_thousand_timers_keep_their_order(void **state)
{
    struct fixture *f = *state;
    struct loop_timer *t[1000];
    int64_t due[1000];
    uint32_t seed = 12345;
    size_t expected = 0;

    order_clock = &f->clock;
    n_fired = 0;
    for (size_t i = 0; i < 1000; i++) {
        t[i] = loop_timer_create(f->loop, note, NULL);
        seed = seed * 1664525u + 1013904223u;
        due[i] = seed >> 24;
        loop_timer_set(t[i], due[i]);
    }
    for (size_t i = 0; i < 1000; i += 3) {
        loop_timer_stop(t[i]);
        due[i] = -1;
    }
    for (int64_t now = 0; now < 256; now++) {
        loop_turn(f->loop, false);
        for (size_t i = 0; i < 1000; i++)
            expected += due[i] == now;
        /* More than a turn has time for may be left to the next. */
        for (int i = 0; i < 100 && n_fired < expected; i++)
            loop_turn(f->loop, false);
        assert_int_equal(n_fired, expected);
        f->clock.fake_ms++;
    }
    for (size_t i = 0; i < 1000; i++)
        loop_timer_destroy(&t[i]);
}

static void a_turn_that_waits_ends_when_a_timer_is_due(void **state)
{
    struct loop *lp = loop_create(clock_system(), NULL);
    struct loop_timer *t = loop_timer_create(lp, say, text("t"));
    int64_t from = clock_mono_ms(clock_system());

    (void)state;
    loop_timer_set(t, 20);
    for (int i = 0; i < 20 && loop_timer_is_set(t); i++)
        loop_turn(lp, true);
    assert_trail("t");
    assert_in_range(clock_mono_ms(clock_system()) - from, 20, 200);
    loop_timer_destroy(&t);
    loop_destroy(&lp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_run_in_the_order_of_their_times, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_can_be_stopped_and_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_that_sets_itself_does_not_hold_the_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_timer_may_destroy_another_that_is_due_and_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_thousand_timers_keep_their_order, setup, teardown),
        cmocka_unit_test(a_turn_that_waits_ends_when_a_timer_is_due),
    };

    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
