/* SPDX-License-Identifier: MIT */
/* Turns: their order, their budget, deferred calls, signals and watched descriptors. */
#include "config.h"

#include "loop/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#include "lib/test.h"
#include "loop/loop_private.h"

static struct str trail = STR_INIT; /* what has run, a letter each */

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

#define TURN_NS ((int64_t)LOOP_TURN_MS * 1000000)

struct fixture {
    struct loop *loop;
    int pipe[2];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->loop = loop_create(clock_system(), NULL);
    assert_non_null(f->loop);
    f->loop->turn_ns = 1000000000;
    assert_int_equal(pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC), 0);
    str_clear(&trail);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close(f->pipe[0]);
    close(f->pipe[1]);
    loop_destroy(&f->loop);
    loop_destroy(&f->loop);
    str_clear(&trail);
    free(f);
    return 0;
}

static void spin_ms(int ms)
{
    struct timespec from, now;

    clock_gettime(CLOCK_MONOTONIC, &from);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
}

/* ---- deferred calls ---- */

static struct loop *defer_loop;

static void say_and_defer(void *ctx)
{
    say(ctx);
    loop_defer(defer_loop, say, text("later "));
}

static void a_deferred_call_runs_once_in_the_next_turn(void **state)
{
    struct fixture *f = *state;

    defer_loop = f->loop;
    loop_defer(f->loop, say_and_defer, text("first "));
    loop_defer(f->loop, say, text("second "));
    loop_turn(f->loop, true); /* a turn with deferred calls does not wait */
    assert_trail("first second ");
    loop_turn(f->loop, true);
    assert_trail("later ");
    loop_turn(f->loop, false);
    assert_trail("");
}

static void a_forgotten_call_does_not_run(void **state)
{
    struct fixture *f = *state;
    char a[] = "a", b[] = "b", c[] = "c";

    loop_defer(f->loop, say, a);
    loop_defer(f->loop, say, b);
    loop_defer(f->loop, say, c);
    loop_undefer(f->loop, say, b);
    loop_undefer(f->loop, say, b);
    loop_turn(f->loop, false);
    assert_trail("ac");
    loop_defer(f->loop, say, c);
    loop_undefer(f->loop, say, c);
    loop_defer(f->loop, say, a);
    loop_turn(f->loop, false);
    assert_trail("a");
    loop_defer(f->loop, say, a); /* left to loop_destroy() */
}

static void slow_job(void *ctx)
{
    spin_ms(2);
    say(ctx);
}

/* The machine may be slow, so only bounds can be told: none starves the other. */
static void deferred_calls_have_half_a_turn_and_then_others_run(void **state)
{
    struct fixture *f = *state;
    struct loop_watch *w = loop_watch(f->loop, f->pipe[1], true, say, text("w"));
    int turns = 0, jobs = 0;

    f->loop->turn_ns = TURN_NS;
    for (int i = 0; i < 5; i++)
        loop_defer(f->loop, slow_job, text("j"));
    while (jobs < 5 && turns < 10) {
        size_t n;

        loop_turn(f->loop, false);
        n = strspn(str_c(&trail), "j");
        assert_in_range(n, 1, 2); /* 2.5 ms are over within the second of 2 ms */
        assert_string_equal(str_c(&trail) + n, "w");
        str_clear(&trail);
        jobs += (int)n;
        turns++;
    }
    assert_int_equal(jobs, 5);
    loop_unwatch(&w);
    loop_unwatch(&w);
}

/* ---- the order of a turn ---- */

static void a_turn_runs_what_is_ready_and_then_the_hook(void **state)
{
    struct fixture *f = *state;
    struct loop_watch *w = loop_watch(f->loop, f->pipe[1], true, say, text("watched "));
    struct loop_timer *t = loop_timer_create(f->loop, say, text("timer "));

    loop_on_turn_end(f->loop, say, text("hook "));
    loop_timer_set(t, 0);
    loop_defer(f->loop, say, text("deferred "));
    loop_turn(f->loop, true);
    assert_trail("deferred timer watched hook ");
    loop_turn(f->loop, true);
    assert_trail("watched hook ");
    loop_on_turn_end(f->loop, NULL, NULL);
    loop_unwatch(&w);
    loop_timer_destroy(&t);
    loop_turn(f->loop, false);
    assert_trail("");
}

static struct loop *stop_loop;

static void stop(void *ctx)
{
    say(ctx);
    loop_stop(stop_loop);
}

static void the_turn_that_stops_the_loop_ends_in_full(void **state)
{
    struct fixture *f = *state;

    stop_loop = f->loop;
    loop_on_turn_end(f->loop, say, text("hook "));
    loop_defer(f->loop, stop, text("stop "));
    loop_run(f->loop);
    assert_trail("stop hook ");
    loop_defer(f->loop, stop, text("again ")); /* and it may be run again */
    loop_run(f->loop);
    assert_trail("again hook ");
}

/* ---- the budget ---- */

static int flood_calls;

static void flood(void *ctx)
{
    (void)ctx;
    flood_calls++;
    spin_ms(2);
}

static void what_a_turn_has_no_time_for_runs_in_the_next(void **state)
{
    struct fixture *f = *state;
    struct loop_watch *w[8];
    int fd[8];

    f->loop->turn_ns = TURN_NS;
    flood_calls = 0;
    for (int i = 0; i < 8; i++) {
        fd[i] = dup(f->pipe[1]);
        w[i] = loop_watch(f->loop, fd[i], true, flood, NULL);
    }
    for (int turns = 1, before = 0; before < 8; turns++, before = flood_calls) {
        assert_in_range(turns, 1, 8);
        loop_turn(f->loop, true);
        assert_in_range(flood_calls - before, 1, 3); /* LOOP_TURN_MS, of 2 ms each */
    }
    for (int i = 0; i < 8; i++) {
        loop_unwatch(&w[i]);
        close(fd[i]);
    }
}

static void a_flood_does_not_starve_a_timer(void **state)
{
    struct fixture *f = *state;
    struct loop_watch *w[8];
    struct loop_timer *t = loop_timer_create(f->loop, say, text("t"));
    int fd[8];

    f->loop->turn_ns = TURN_NS;
    for (int i = 0; i < 8; i++) {
        fd[i] = dup(f->pipe[1]);
        w[i] = loop_watch(f->loop, fd[i], true, flood, NULL);
    }
    loop_timer_set(t, 5);
    flood_calls = 0;
    for (int i = 0; i < 3 && trail.len == 0; i++)
        loop_turn(f->loop, true);
    assert_trail("t");
    loop_timer_destroy(&t);
    for (int i = 0; i < 8; i++) {
        loop_unwatch(&w[i]);
        close(fd[i]);
    }
}

/* ---- signals and descriptors ---- */

static void a_signal_becomes_a_call_in_a_turn(void **state)
{
    struct fixture *f = *state;
    struct err err;

    assert_int_equal(loop_on_signal(f->loop, SIGUSR1, say, text("one "), &err), 0);
    assert_int_equal(loop_on_signal(f->loop, SIGUSR2, say, text("two "), &err), 0);
    loop_on_turn_end(f->loop, say, text("hook "));
    raise(SIGUSR1);
    assert_trail("");
    loop_turn(f->loop, true);
    assert_trail("one hook ");
    assert_int_equal(loop_on_signal(f->loop, SIGUSR1, say, text("other "), &err), 0);
    raise(SIGUSR1);
    raise(SIGUSR1); /* as the system does, two may come as one */
    loop_turn(f->loop, true);
    assert_true(str_starts(str_c(&trail), "other "));
    str_clear(&trail);
    assert_int_equal(loop_on_signal(f->loop, 4000, say, text(""), &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
}

static void a_write_to_a_closed_pipe_does_not_end_the_process(void **state)
{
    int p[2];

    (void)state;
    assert_int_equal(pipe(p), 0);
    close(p[0]);
    assert_int_equal(write(p[1], "x", 1), -1);
    close(p[1]);
}

static struct loop_watch *self;

static void unwatch_self(void *ctx)
{
    say(ctx);
    loop_unwatch(&self);
}

static void a_descriptor_may_be_unwatched_in_its_own_call(void **state)
{
    struct fixture *f = *state;

    self = loop_watch(f->loop, f->pipe[0], false, unwatch_self, text("r"));
    loop_turn(f->loop, false);
    assert_trail("");
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    loop_turn(f->loop, true);
    assert_trail("r");
    loop_turn(f->loop, false);
    assert_trail("");
}

static void a_regular_file_cannot_be_watched(void **state)
{
    struct fixture *f = *state;
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_null(loop_watch(f->loop, fileno(file), false, say, text("x")));
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_deferred_call_runs_once_in_the_next_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_forgotten_call_does_not_run, setup, teardown),
        cmocka_unit_test_setup_teardown(deferred_calls_have_half_a_turn_and_then_others_run, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_turn_runs_what_is_ready_and_then_the_hook, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_turn_that_stops_the_loop_ends_in_full, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_turn_has_no_time_for_runs_in_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_flood_does_not_starve_a_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signal_becomes_a_call_in_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_to_a_closed_pipe_does_not_end_the_process, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_descriptor_may_be_unwatched_in_its_own_call, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_regular_file_cannot_be_watched, setup, teardown),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
