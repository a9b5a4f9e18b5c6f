/* SPDX-License-Identifier: MIT */
/* Plain streams: the order of truth, back-pressure, half-open ends, idle time, closing. */
#include "config.h"

#include "loop/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"

#include "lib/test.h"
#include "loop/loop_private.h"
#include "pair.h"

static int setup(void **state)
{
    *state = pair_create();
    return 0;
}

static int teardown(void **state)
{
    pair_destroy((struct pair **)state);
    return 0;
}

/* ---- the order of truth ---- */

static struct pair *hook_pair;
static char *hook_heard;

static void listen_in_hook(void *ctx)
{
    (void)ctx;
    free(hook_heard);
    hook_heard = strdup(pair_hear(hook_pair));
}

static void answer(struct pair *p)
{
    size_t n;

    (void)stream_peek(p->stream, &n);
    stream_take(p->stream, n);
    stream_write(p->stream, "202 queued\n", 11);
}

static void nothing_leaves_before_the_hook_has_run(void **state)
{
    struct pair *p = *state;

    hook_pair = p;
    p->on_data = answer;
    loop_on_turn_end(p->loop, listen_in_hook, NULL);
    pair_say(p, "DONE\n");
    loop_turn(p->loop, true);
    assert_string_equal(hook_heard, "");
    assert_string_equal(pair_hear(p), "202 queued\n");
    assert_int_equal(stream_bytes_out(p->stream), 11);
    free(hook_heard);
    hook_heard = NULL;
}

static void discard_in_hook(void *ctx)
{
    struct pair *p = ctx;

    assert_int_equal(stream_held(p->stream), 11);
    stream_discard_held(p->stream);
    assert_int_equal(stream_held(p->stream), 0);
    stream_write(p->stream, "702 disk\n", 9);
}

static void what_a_failed_turn_has_said_is_taken_back(void **state)
{
    struct pair *p = *state;

    p->on_data = answer;
    loop_on_turn_end(p->loop, discard_in_hook, p);
    pair_say(p, "DONE\n");
    loop_turn(p->loop, true);
    assert_string_equal(pair_hear(p), "702 disk\n");
}

static void all_that_a_turn_writes_leaves_in_it(void **state)
{
    struct pair *p = *state;

    for (int i = 0; i < 1000; i++)
        stream_write(p->stream, "0123456789", 10);
    assert_int_equal(stream_held(p->stream), 10000);
    assert_int_equal(stream_pending(p->stream), 10000);
    loop_turn(p->loop, true); /* which does not wait: something is to leave */
    assert_int_equal(stream_pending(p->stream), 0);
    assert_int_equal(strlen(pair_hear(p)), 10000);
}

/* ---- output and its end ---- */

static void output_that_the_kernel_does_not_take_is_pending_until_drained(void **state)
{
    struct pair *p = *state;
    char *big = malloc(4 << 20);
    size_t heard = 0;

    for (size_t i = 0; i < 4 << 20; i++)
        big[i] = (char)('a' + i % 23);
    stream_write(p->stream, big, 4 << 20);
    pair_turns(p, 2);
    assert_true(stream_pending(p->stream) > STREAM_LOW);
    assert_string_equal(str_c(&p->trail), "");
    for (int i = 0; i < 1000 && heard < 4 << 20; i++) {
        const char *s = pair_hear(p);
        size_t n = strlen(s);

        assert_memory_equal(s, big + heard, n);
        heard += n;
        pair_turns(p, 1);
    }
    pair_turns(p, 1);
    assert_int_equal(heard, 4 << 20);
    assert_int_equal(stream_pending(p->stream), 0);
    assert_string_equal(str_c(&p->trail), "R"); /* once */
    assert_int_equal(stream_bytes_out(p->stream), 4 << 20);
    free(big);
}

static void a_large_answer_that_leaves_at_once_drains_too(void **state)
{
    struct pair *p = *state;
    static char big[STREAM_LOW + 1];

    memset(big, 'x', sizeof(big));
    stream_write(p->stream, big, sizeof(big));
    loop_turn(p->loop, false);
    assert_string_equal(str_c(&p->trail), "");
    assert_int_equal(strlen(pair_hear(p)), sizeof(big));
    pair_turns(p, 2);
    assert_string_equal(str_c(&p->trail), "R");
    stream_write(p->stream, big, STREAM_LOW);
    pair_turns(p, 2);
    assert_string_equal(str_c(&p->trail), "R"); /* it was never above the mark */
}

static void a_peer_that_is_gone_is_told_in_a_turn_not_in_the_flush(void **state)
{
    struct pair *p = *state;

    close(p->peer);
    p->peer = -1;
    p->closes = false;
    stream_write(p->stream, "x", 1);
    /* The flush of this turn meets the closed socket, unless its end was read before. */
    loop_turn(p->loop, false);
    pair_turns(p, 2);
    assert_string_equal(str_c(&p->trail), "X");
    stream_write(p->stream, "y", 1);
    pair_turns(p, 2);
    assert_string_equal(str_c(&p->trail), "X");
}

/* ---- input ---- */

static void input_comes_as_it_came(void **state)
{
    struct pair *p = *state;

    pair_say(p, "one ");
    pair_turns(p, 1);
    pair_say(p, "two ");
    pair_say(p, "three");
    pair_turns(p, 1);
    assert_string_equal(str_c(&p->got), "one two three");
    assert_string_equal(str_c(&p->trail), "DD");
}

static void what_is_not_taken_stays_and_is_contiguous(void **state)
{
    struct pair *p = *state;
    size_t n;

    p->takes = false;
    for (int i = 0; i < 300; i++) {
        pair_say(p, "0123456789");
        pair_turns(p, 1);
    }
    (void)stream_peek(p->stream, &n);
    assert_int_equal(n, 3000);
    stream_take(p->stream, 5);
    assert_memory_equal(stream_peek(p->stream, &n), "567890", 6);
    assert_int_equal(n, 2995);
    stream_take(p->stream, n);
    assert_string_equal(stream_peek(p->stream, &n), "");
    assert_int_equal(n, 0);
    stream_take(p->stream, 0);
}

/* Writes as much as the socket takes; returns how much. */
static size_t flood(struct pair *p)
{
    static char chunk[16384];
    size_t sent = 0;
    ssize_t n;

    memset(chunk, 'f', sizeof(chunk));
    while ((n = write(p->peer, chunk, sizeof(chunk))) > 0)
        sent += (size_t)n;
    return sent;
}

static void a_flood_fills_the_buffer_and_no_more(void **state)
{
    struct pair *p = *state;
    size_t sent = 0, n;

    p->takes = false;
    for (int i = 0; i < 50; i++) {
        sent += flood(p);
        pair_turns(p, 1);
        (void)stream_peek(p->stream, &n);
        assert_true(n <= STREAM_IN_MAX);
    }
    assert_int_equal(n, STREAM_IN_MAX);
    assert_true(sent > STREAM_IN_MAX);
    /* Taking makes room, and reading goes on. */
    stream_take(p->stream, n);
    p->takes = true;
    for (int i = 0; i < 50; i++)
        pair_turns(p, 1);
    assert_int_equal(p->got.len + n, sent);
}

static void held_input_brings_no_events_until_released(void **state)
{
    struct pair *p = *state;

    stream_hold_input(p->stream, true);
    pair_say(p, "hold");
    pair_turns(p, 3);
    assert_string_equal(str_c(&p->trail), "");
    stream_hold_input(p->stream, false);
    assert_string_equal(str_c(&p->trail), ""); /* not in the call itself */
    pair_turns(p, 1);
    assert_string_equal(str_c(&p->got), "hold");
    pair_turns(p, 2);
    assert_string_equal(str_c(&p->trail), "D");
}

static void the_end_waits_for_held_input(void **state)
{
    struct pair *p = *state;

    stream_hold_input(p->stream, true);
    pair_say(p, "last words");
    shutdown(p->peer, SHUT_WR);
    pair_turns(p, 4);
    assert_string_equal(str_c(&p->trail), "");
    stream_hold_input(p->stream, false);
    pair_turns(p, 2);
    assert_string_equal(str_c(&p->trail), "DX");
    assert_string_equal(str_c(&p->got), "last words");
    assert_int_equal(p->why.kind, ERR_NONE);
}

static void a_half_open_peer_still_gets_its_answer(void **state)
{
    struct pair *p = *state;

    p->on_data = answer;
    pair_say(p, "DONE\n");
    shutdown(p->peer, SHUT_WR);
    pair_turns(p, 4);
    assert_null(p->stream);
    assert_string_equal(str_c(&p->trail), "DX");
    assert_string_equal(pair_hear(p), "202 queued\n<end>");
}

static void a_reset_is_a_failure_with_a_reason(void **state)
{
    struct pair *p = *state;

    stream_write(p->stream, "unread", 6);
    pair_turns(p, 1);
    close(p->peer); /* with unread input: the kernel tells of it as a reset */
    p->peer = -1;
    pair_turns(p, 3);
    assert_string_equal(str_c(&p->trail), "X");
    assert_int_not_equal(p->why.kind, ERR_NONE);
    assert_non_null(strstr(p->why.text, "read: "));
}

/* ---- the budget ---- */

static int calls;

static void count_call(void *ctx)
{
    (void)ctx;
    calls++;
}

static void a_flood_on_one_stream_starves_neither_timers_nor_others(void **state)
{
    struct pair *p = *state;
    int sv[2];
    struct pair other = { .loop = p->loop, .takes = true };
    struct loop_timer *t = loop_timer_create(p->loop, count_call, NULL);

    calls = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
    other.stream = stream_accept(p->loop, sv[0], &pair_events, &other);
    for (int i = 0; i < 20; i++) {
        flood(p);
        if (i == 5)
            assert_int_equal(write(sv[1], "hello", 5), 5);
        loop_timer_set(t, 0);
        pair_turns(p, 1);
        assert_int_equal(calls, i + 1);
        str_truncate(&p->got, 0);
        if (i >= 7)
            assert_string_equal(str_c(&other.got), "hello");
    }
    loop_timer_destroy(&t);
    stream_close(&other.stream, false);
    close(sv[1]);
    str_clear(&other.got);
    str_clear(&other.trail);
}

static size_t bytes_of_turn;

static void count_bytes(struct pair *p)
{
    size_t n;

    (void)stream_peek(p->stream, &n);
    stream_take(p->stream, n);
    bytes_of_turn += n;
}

static void a_turn_takes_four_megabytes_of_input_at_most(void **state)
{
    enum { N = 100 };
    static char chunk[LOOP_READ_CHUNK];
    struct pair *p = *state;
    struct pair others[N] = { { .peer = 0 } };
    int peers[N];
    size_t total = 0;

    for (int i = 0; i < N; i++) {
        int sv[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
        others[i] = (struct pair){ .loop = p->loop, .on_data = count_bytes };
        others[i].stream = stream_accept(p->loop, sv[0], &pair_events, &others[i]);
        peers[i] = sv[1];
        assert_int_equal(write(sv[1], chunk, sizeof(chunk)), sizeof(chunk));
    }
    for (int turns = 0; total < N * sizeof(chunk); turns++) {
        assert_in_range(turns, 0, 10);
        bytes_of_turn = 0;
        pair_turns(p, 1);
        assert_true(bytes_of_turn <= LOOP_TURN_BYTES);
        total += bytes_of_turn;
    }
    for (int i = 0; i < N; i++) {
        stream_close(&others[i].stream, false);
        str_clear(&others[i].trail);
        close(peers[i]);
    }
}

/* ---- idle ---- */

static void idle_time_starts_anew_with_each_input(void **state)
{
    struct pair *p = *state;

    stream_set_idle(p->stream, 1000);
    p->clock.fake_ms += 999;
    pair_turns(p, 1);
    pair_say(p, "x");
    pair_turns(p, 1);
    p->clock.fake_ms += 999;
    pair_turns(p, 1);
    assert_string_equal(str_c(&p->trail), "D");
    p->clock.fake_ms += 1;
    pair_turns(p, 1);
    assert_string_equal(str_c(&p->trail), "DI");
    p->clock.fake_ms += 1000; /* and comes again if the owner lets it */
    pair_turns(p, 1);
    assert_string_equal(str_c(&p->trail), "DII");
    stream_set_idle(p->stream, 500);
    p->clock.fake_ms += 500;
    pair_turns(p, 1);
    assert_string_equal(str_c(&p->trail), "DIII");
    stream_set_idle(p->stream, 0);
    p->clock.fake_ms += 1000000;
    pair_turns(p, 1);
    assert_string_equal(str_c(&p->trail), "DIII");
}

static void an_owner_without_an_idle_event_gets_closed(void **state)
{
    struct pair *p = *state;
    struct stream_events events = pair_events;
    int sv[2];
    struct pair other = { .loop = p->loop, .closes = true };

    events.idle = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
    other.stream = stream_accept(p->loop, sv[0], &events, &other);
    stream_set_idle(other.stream, 2000);
    p->clock.fake_ms += 2000;
    pair_turns(p, 2);
    assert_string_equal(str_c(&other.trail), "X");
    assert_int_equal(other.why.kind, ERR_TEMPORARY);
    assert_string_equal(other.why.text, "nothing came for 2 s");
    close(sv[1]);
    str_clear(&other.trail);
}

/* ---- closing ---- */

static void close_and_look(struct pair *p)
{
    stream_write(p->stream, "750 closing\n", 12);
    stream_close(&p->stream, true);
    assert_null(p->stream);
    stream_close(&p->stream, true);
}

static void a_stream_may_be_closed_in_its_data_event(void **state)
{
    struct pair *p = *state;

    p->on_data = close_and_look;
    pair_say(p, "BAD\n");
    pair_say(p, "WORSE\n");
    pair_turns(p, 3);
    assert_string_equal(str_c(&p->trail), "D"); /* no event after it */
    assert_string_equal(pair_hear(p), "750 closing\n<end>");
}

static void drop(struct pair *p)
{
    stream_write(p->stream, "never said", 10);
    stream_close(&p->stream, false);
}

static void closed_without_flush_nothing_leaves(void **state)
{
    struct pair *p = *state;

    p->on_data = drop;
    pair_say(p, "x");
    pair_turns(p, 2);
    assert_string_equal(pair_hear(p), "<end>");
}

static void a_closing_stream_hears_the_peer_out(void **state)
{
    struct pair *p = *state;

    stream_write(p->stream, "205 bye\n", 8);
    stream_close(&p->stream, true);
    pair_turns(p, 1);
    pair_say(p, "more that nobody reads"); /* would be a reset on a closed socket */
    pair_turns(p, 2);
    assert_string_equal(pair_hear(p), "205 bye\n<end>");
    shutdown(p->peer, SHUT_WR);
    pair_turns(p, 2);
    assert_int_equal(write(p->peer, "x", 1), -1);
}

static void patience_with_a_closing_peer_ends(void **state)
{
    struct pair *p = *state;

    stream_write(p->stream, "bye", 3);
    stream_close(&p->stream, true);
    pair_turns(p, 3);
    assert_int_equal(write(p->peer, "still here", 10), 10);
    p->clock.fake_ms += 5000;
    pair_turns(p, 2);
    assert_int_equal(write(p->peer, "x", 1), -1);
}

static void a_closing_stream_does_not_swallow_a_flood(void **state)
{
    struct pair *p = *state;
    size_t sent = 0, n;

    stream_close(&p->stream, true);
    do {
        n = flood(p);
        sent += n;
        pair_turns(p, 1);
    } while (n > 0 && sent < 100u << 20);
    assert_true(sent < 4u << 20);
}

static void a_slow_reader_gets_the_rest_after_the_close(void **state)
{
    struct pair *p = *state;
    static char big[2 << 20];
    size_t heard = 0;

    memset(big, 'z', sizeof(big));
    stream_write(p->stream, big, sizeof(big));
    stream_close(&p->stream, true);
    for (int i = 0; i < 200 && heard < sizeof(big) + strlen("<end>"); i++) {
        pair_turns(p, 1);
        heard += strlen(pair_hear(p));
    }
    assert_int_equal(heard, sizeof(big) + strlen("<end>"));
}

static void a_loop_that_ends_drops_what_still_closes(void **state)
{
    struct pair *p = *state;

    stream_write(p->stream, "bye", 3);
    stream_close(&p->stream, true);
    pair_turns(p, 1);
    /* teardown destroys the loop: nothing may leak or call back */
}

static void a_thousand_closing_streams_are_enough(void **state)
{
    struct pair *p = *state;
    enum { N = 1100 };
    int *peers = calloc(N, sizeof(int));
    int open = 0;

    for (int i = 0; i < N; i++) {
        int sv[2];
        struct stream *s;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
        peers[i] = sv[1];
        s = stream_accept(p->loop, sv[0], &pair_events, p);
        stream_close(&s, true);
    }
    pair_turns(p, 1);
    for (int i = 0; i < N; i++) {
        open += send(peers[i], "x", 1, MSG_NOSIGNAL) == 1;
        close(peers[i]);
    }
    assert_int_equal(open, 1024);
    free(peers);
    pair_turns(p, 40);
}

static void the_peer_of_a_unix_socket_is_known(void **state)
{
    struct pair *p = *state;
    uint32_t uid;

    assert_string_equal(stream_address(p->stream), "unix");
    assert_int_equal(stream_peer_uid(p->stream, &uid), 0);
    assert_int_equal(uid, getuid());
    assert_null(stream_tls(p->stream));
}

/* ---- acknowledging ---- */

/* Two ends of a TCP connection over loopback. */
static void tcp_pair(int sv[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    sv[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(sv[0], (struct sockaddr *)&at, sizeof(at)), 0);
    sv[1] = accept(listener, NULL, NULL);
    assert_true(sv[1] >= 0);
    close(listener);
}

/* Does the kernel wait for an answer to carry the acknowledgement of what was just read? */
static bool is_put_off(int fd)
{
    int at_once = -1;
    socklen_t len = sizeof(at_once);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &at_once, &len), 0);
    return at_once == 0;
}

/* Say it, and turn until it is read. */
static void say_over_tcp(struct pair *p, const char *s)
{
    size_t all = p->got.len + strlen(s);

    pair_say(p, s);
    for (int i = 0; i < 1000 && p->got.len < all; i++) {
        pair_turns(p, 1);
        (void)usleep(i * 10);
    }
    assert_int_equal(p->got.len, all);
}

/* A conversation makes the kernel put acknowledgements off; so it must be told behind each read. */
static void what_is_read_is_acknowledged_at_once_where_that_is_asked(void **state)
{
    (void)state;
    for (int is_asked = 0; is_asked < 2; is_asked++) {
        struct pair *p;
        int sv[2];

        tcp_pair(sv);
        p = pair_of(sv[0], sv[1]);
        if (is_asked)
            stream_acknowledge_at_once(p->stream);
        for (int i = 0; i < 5; i++) {
            say_over_tcp(p, "one");
            stream_write(p->stream, "two", 3);
            pair_turns(p, 1);
            say_over_tcp(p, "three");
        }
        assert_int_equal(is_put_off(sv[0]), !is_asked);
        pair_destroy(&p);
    }
}

/* What the kernel takes of 16 MB for a peer that reads nothing. */
static size_t taken_for_who_does_not_read(bool is_bounded)
{
    const size_t all = 16u * 1024 * 1024;
    char *p = mem_zalloc(all);
    struct pair *pair;
    size_t taken;
    int sv[2];

    tcp_pair(sv);
    pair = pair_of(sv[0], sv[1]);
    if (is_bounded)
        stream_bound_unsent(pair->stream, 128u * 1024);
    stream_write(pair->stream, p, all);
    for (int i = 0; i < 100; i++) {
        pair_turns(pair, 1);
        (void)usleep(1000);
    }
    taken = all - stream_pending(pair->stream);
    pair_destroy(&pair);
    free(p);
    return taken;
}

static void who_does_not_read_keeps_little_in_the_kernel(void **state)
{
    size_t bounded = taken_for_who_does_not_read(true);

    (void)state;
    print_message("%zu bytes\n", bounded);
    assert_in_range(bounded, 1, 1024 * 1024);
    assert_true(taken_for_who_does_not_read(false) > 2 * bounded);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nothing_leaves_before_the_hook_has_run),
        T(what_a_failed_turn_has_said_is_taken_back),
        T(all_that_a_turn_writes_leaves_in_it),
        T(output_that_the_kernel_does_not_take_is_pending_until_drained),
        T(a_large_answer_that_leaves_at_once_drains_too),
        T(a_peer_that_is_gone_is_told_in_a_turn_not_in_the_flush),
        T(input_comes_as_it_came),
        T(what_is_not_taken_stays_and_is_contiguous),
        T(a_flood_fills_the_buffer_and_no_more),
        T(held_input_brings_no_events_until_released),
        T(the_end_waits_for_held_input),
        T(a_half_open_peer_still_gets_its_answer),
        T(a_reset_is_a_failure_with_a_reason),
        T(a_flood_on_one_stream_starves_neither_timers_nor_others),
        T(a_turn_takes_four_megabytes_of_input_at_most),
        T(idle_time_starts_anew_with_each_input),
        T(an_owner_without_an_idle_event_gets_closed),
        T(a_stream_may_be_closed_in_its_data_event),
        T(closed_without_flush_nothing_leaves),
        T(a_closing_stream_hears_the_peer_out),
        T(patience_with_a_closing_peer_ends),
        T(a_closing_stream_does_not_swallow_a_flood),
        T(a_slow_reader_gets_the_rest_after_the_close),
        T(a_loop_that_ends_drops_what_still_closes),
        T(a_thousand_closing_streams_are_enough),
        T(the_peer_of_a_unix_socket_is_known),
        cmocka_unit_test(what_is_read_is_acknowledged_at_once_where_that_is_asked),
        cmocka_unit_test(who_does_not_read_keeps_little_in_the_kernel),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
