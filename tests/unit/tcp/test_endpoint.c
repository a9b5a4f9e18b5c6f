/* SPDX-License-Identifier: MIT */
/*
 * The endpoint with a real session, store and TLS (docs/immp.md, "Connections and states"): what
 * may not survive an upgrade, limits, times, slow and hostile clients, and failing commits.
 */
#include "config.h"

#include "tcp/endpoint.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <openssl/ssl.h>

#include "base/macros.h"

#include "lib/store_failing.h"
#include "lib/test.h"
#include "tcp/connection_private.h"
#include "unit/tcp/caller.h"

static int setup(void **state)
{
    *state = desk_open(0, 0, 0);
    return 0;
}

static int teardown(void **state)
{
    desk_close((struct desk **)state);
    return 0;
}

#define DELIVER "DELIVER TO bob@a.com SUBJECT \"Hi\"\nDATA t.txt LENGTH 5\nHello"
#define DELIVER_SAYS                                                                               \
    "270 Ok, ready to deliver. Give me your DATA.\n"                                               \
    "271 t.txt Saving part\n272 t.txt Part saved\n"

/* ---- the main dialog ---- */

static void both_versions_and_both_keys_lead_to_the_mailbox(void **state)
{
    struct desk *d = *state;

    for (int i = 0; i < 4; i++) {
        struct caller *c = caller_open(d);

        caller_secure(c, i < 2 ? CONTEXT_TLS2 : CONTEXT_TLS3);
        caller_expect(c, "MBOX CHECK /inbox\n", "403 MBOX CHECK cannot be said before AUTH\n");
        caller_login(c, "alice@a.com", i % 2 == 1);
        caller_write(c, DELIVER "DONE\n");
        assert_true(str_starts(str_c(&c->got), DELIVER_SAYS "201 bob@a.com id="));
        str_truncate(&c->got, 0);
        caller_expect(c, "QUIT\n", "205 Closing the connection.\n");
        desk_turns(d, 4);
        assert_true(c->is_closed);
        assert_int_equal(c->why.kind, ERR_NONE);
        caller_close(&c);
        assert_int_equal(endpoint_connections(d->endpoint), 0);
    }
    assert_int_equal(hall_total(d->hall, "bob@a.com", "INBOX"), 4);
}

/* ---- nothing of the clear text survives ---- */

static void clear_bytes_behind_upgrade_are_750_and_never_run(void **state)
{
    static const char *const rows[] = {
        "UPGRADE TLS3\nNOOP\n",
        "UPGRADE TLS3\nAUTH SECRET alice@a.com\n",
        "UPGRADE TLS3\nN",
        "UPGRADE TLS3\n\n",
        "UPGRADE TLS3; NOOP\n",
        "UPGRADE TLS2\r\n\r\n",
        "UPGRADE TLS3\n\x16\x03\x01\x02", /* a handshake that did not wait for the 204 */
    };
    struct desk *d = *state;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct caller *c = caller_open(d);

        caller_greeted(c);
        caller_write(c, rows[i]);
        desk_turns(d, 4);
        assert_non_null(strstr(str_c(&c->got), "750 "));
        assert_null(strstr(str_c(&c->got), "302"));
        assert_null(strstr(str_c(&c->got), "200 "));
        assert_true(c->is_closed);
        caller_close(&c);
        assert_int_equal(endpoint_connections(d->endpoint), 0);
    }
}

/* The bytes are in the kernel when the 204 has not left: the stream finds them, not the session. */
static void clear_bytes_that_overtake_the_204_are_750_too(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_open(d);

    caller_greeted(c);
    stream_write(c->stream, "UPGRADE TLS3\n", 13);
    desk_turns(d, 1); /* sent in this turn's end; read in the next */
    stream_write(c->stream, "NOOP\n", 5);
    desk_turns(d, 6);
    assert_true(str_starts(str_c(&c->got), "204 Upgrading to TLS3.\n750 ") ||
                str_starts(str_c(&c->got), "204 Upgrading to TLS3.\n\x15"));
    desk_turns(d, 4);
    assert_true(c->is_closed);
    caller_close(&c);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
}

static void garbage_for_a_handshake_ends_the_connection(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_open(d);

    caller_greeted(c);
    caller_expect(c, "UPGRADE TLS3\n", "204 Upgrading to TLS3.\n");
    caller_write(c, "AUTH SECRET alice@a.com\nAUTH SECRET alice@a.com\n");
    desk_turns(d, 4);
    assert_true(c->is_closed);
    assert_null(strstr(str_c(&c->got), "302"));
    caller_close(&c);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
}

static void another_version_than_asked_for_ends_the_connection(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_open(d);

    caller_greeted(c);
    caller_expect(c, "UPGRADE TLS3\n", "204 Upgrading to TLS3.\n");
    assert_int_equal(
        stream_start_tls(c->stream, context_session(d->client, CONTEXT_TLS2, NULL), false), 0);
    desk_turns(d, 10);
    assert_true(c->is_closed);
    assert_false(c->is_secured);
    caller_close(&c);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
}

static void http_gets_refusals_and_no_harm(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_open(d);

    caller_greeted(c);
    caller_write(c, "GET / HTTP/1.1\r\nHost: a.com:1025\r\n\r\n");
    assert_true(str_starts(str_c(&c->got), "401 "));
    str_truncate(&c->got, 0);
    caller_expect(c, "UPGRADE SSLv3\n", "405 SSLv3 is not offered, TLS2 and TLS3 are\n");
    caller_close(&c);
}

/* SSL_OP_NO_RENEGOTIATION: the server says no and goes on, or the connection ends; nothing else. */
static void renegotiation_is_refused(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_open(d), *other;
    struct ssl_st *ssl;

    caller_secure(c, CONTEXT_TLS2);
    ssl = stream_tls(c->stream);
    for (int i = 0; i < 3 && !c->is_closed; i++) {
        (void)SSL_renegotiate(ssl);
        (void)SSL_do_handshake(ssl);
        stream_write(c->stream, "NOOP\n", 5);
        desk_turns(d, 6);
        if (c->stream != NULL)
            assert_int_equal(SSL_num_renegotiations(ssl) > 0 && SSL_is_init_finished(ssl), 0);
    }
    caller_close(&c);
    desk_turns(d, 4);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    other = caller_enter(d, "bob@a.com");
    caller_close(&other);
}

/* ---- times ---- */

static void silence_is_answered_by_704_in_each_state(void **state)
{
    static const struct {
        int step;
        int64_t limit_ms;
    } rows[] = {
        {0,  30000         },
        { 1, 60000         },
        { 2, 30 * 60 * 1000},
    };
    struct desk *d = *state;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct caller *c = caller_open(d);

        if (rows[i].step > 0)
            caller_secure(c, CONTEXT_TLS3);
        if (rows[i].step > 1)
            caller_login(c, "alice@a.com", true);
        str_truncate(&c->got, 0);
        desk_pass(d, rows[i].limit_ms - 1);
        assert_string_equal(str_c(&c->got), "");
        caller_write(c, "NOOP\n"); /* begins it anew */
        desk_pass(d, rows[i].limit_ms - 1);
        assert_int_equal(endpoint_connections(d->endpoint), 1);
        assert_string_equal(str_c(&c->got), "200 Done.\n");
        desk_pass(d, 1);
        desk_turns(d, 4);
        assert_true(str_starts(str_c(&c->got), "200 Done.\n704 "));
        assert_true(c->is_closed);
        caller_close(&c);
        assert_int_equal(endpoint_connections(d->endpoint), 0);
    }
}

static void a_byte_a_second_is_silence_before_login(void **state)
{
    struct desk *d = *state;

    for (int step = 0; step < 2; step++) {
        struct caller *c = caller_open(d);
        int seconds = 0;

        if (step > 0)
            caller_secure(c, CONTEXT_TLS3);
        str_truncate(&c->got, 0);
        while (!c->is_closed && seconds < 100) {
            stream_write(c->stream, "N", 1);
            desk_pass(d, 1000);
            seconds++;
        }
        assert_in_range(seconds, step == 0 ? 30 : 60, step == 0 ? 31 : 61);
        assert_true(str_starts(str_c(&c->got), "704 "));
        caller_close(&c);
    }
}

static void a_handshake_has_thirty_seconds_however_it_dribbles(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_open(d);
    int seconds = 0;

    caller_greeted(c);
    caller_expect(c, "UPGRADE TLS3\n", "204 Upgrading to TLS3.\n");
    stream_write(c->stream, "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11);
    while (!c->is_closed && seconds < 100) {
        stream_write(c->stream, "\n", 1); /* not even with line feeds in it */
        desk_pass(d, 1000);
        seconds++;
    }
    assert_in_range(seconds, 30, 31);
    caller_close(&c);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
}

static void a_long_upload_before_login_is_progress(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_open(d);
    static char chunk[4097];

    caller_secure(c, CONTEXT_TLS3);
    memset(chunk, 'x', sizeof(chunk) - 1);
    for (int i = 0; i < 5; i++) {
        caller_write(c, chunk);
        desk_pass(d, 40000);
        assert_false(c->is_closed);
    }
    caller_close(&c);
}

/* ---- how many ---- */

static void connections_are_limited_by_address(void **state)
{
    struct desk *d = desk_open(0, 3, 0);
    struct caller *c[4], *again;

    (void)state;
    for (int i = 0; i < 4; i++)
        c[i] = caller_open(d);
    for (int i = 0; i < 3; i++)
        caller_greeted(c[i]);
    assert_string_equal(str_c(&c[3]->got), "703 too many connections from your address\n");
    assert_true(c[3]->is_closed);
    assert_int_equal(endpoint_connections(d->endpoint), 3);
    caller_close(&c[0]);
    again = caller_open(d);
    caller_greeted(again);
    caller_close(&again);
    for (int i = 1; i < 4; i++)
        caller_close(&c[i]);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    desk_close(&d);
}

static void an_address_of_ipv6_is_counted_as_its_network(void **state)
{
    static const struct { const char *address, *key; } rows[] = {
        { "192.0.2.1", "192.0.2.1" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
        { "2001:db8:1:2:ffff::1", "2001:db8:1:2::" },
        { "2001:db8:1:3::1", "2001:db8:1:3::" },
        { "::1", "::" },
        { "unix", "unix" },
    };
    char key[ORIGIN_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        endpoint_origin_key(rows[i].address, key);
        assert_string_equal(key, rows[i].key);
    }
}

static void connections_are_limited_in_all(void **state)
{
    struct desk *d = desk_open(2, 0, 0);
    struct caller *c[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        c[i] = caller_open(d);
    assert_string_equal(str_c(&c[2]->got), "703 too many connections, try again later\n");
    for (int i = 0; i < 3; i++)
        caller_close(&c[i]);
    desk_close(&d);
}

static void a_thousand_who_say_nothing_are_sent_away(void **state)
{
    struct desk *d = *state;
    enum { N = 1000 };
    struct caller **c = calloc(N, sizeof(*c));
    struct rlimit rl;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
    if (rl.rlim_cur < 2 * N + 100) {
        rl.rlim_cur = 2 * N + 100;
        if (setrlimit(RLIMIT_NOFILE, &rl) < 0) {
            free(c);
            skip();
        }
    }
    for (int i = 0; i < N; i++)
        c[i] = caller_open(d);
    assert_int_equal(endpoint_connections(d->endpoint), N);
    desk_pass(d, 30000);
    desk_turns(d, 20);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    for (int i = 0; i < N; i++) {
        assert_non_null(strstr(str_c(&c[i]->got), "704 "));
        assert_true(c[i]->is_closed);
        str_clear(&c[i]->got);
        free(c[i]);
    }
    free(c);
}

/* ---- slow and greedy ---- */

static const char *big_message(struct desk *d, size_t size)
{
    char *text = malloc(size + 1);
    const char *id;

    memset(text, 'b', size);
    text[size] = '\0';
    id = hall_message(d->hall, "alice@a.com", "big", text);
    free(text);
    return id;
}

static void a_reader_who_does_not_read_costs_a_bounded_buffer(void **state)
{
    struct desk *d = *state;
    const char *id = big_message(d, 900000);
    struct caller *c = caller_enter(d, "alice@a.com");
    struct str say = STR_INIT;
    const char *p;
    size_t n, used;

    c->reads = false;
    used = mallinfo2().uordblks;
    for (int i = 0; i < 20; i++)
        str_addf(&say, "MBOX FETCH /inbox#%s -READ\n", id);
    str_add(&say, "NOOP\n");
    stream_write(c->stream, say.s, say.len);
    desk_turns(d, 200);
    (void)stream_peek(c->stream, &n);
    assert_true(n <= STREAM_IN_MAX);
    /* 18 MB are asked for; there are his own 256 KiB of them, ours, and a chunk being rendered. */
    assert_true(mallinfo2().uordblks < used + (2u << 20));
    /* It goes on when he reads again: all 20 answers come, whole. */
    c->reads = true;
    p = stream_peek(c->stream, &n);
    str_addn(&c->got, p, n);
    stream_take(c->stream, n);
    for (int i = 0; i < 4000 && strcmp(c->got.s + c->got.len - 10, "200 Done.\n") != 0; i++)
        desk_turns(d, 1);
    assert_true(c->got.len > 20 * 900000);
    n = 0;
    for (const char *at = c->got.s; (at = strstr(at, "251 ")) != NULL; at += 4)
        n++;
    assert_int_equal(n, 20);
    str_clear(&say);
    caller_close(&c);
}

/* Take about that much of what has come, and let more come. */
static void read_some(struct caller *c, size_t size)
{
    size_t n;

    for (size_t taken = 0; taken < size; taken += n) {
        (void)stream_peek(c->stream, &n);
        assert_true(n > 0);
        stream_take(c->stream, n);
        desk_turns(c->desk, 6);
    }
}

static void a_reader_who_takes_his_answer_slowly_is_not_idle(void **state)
{
    struct desk *d = *state;
    struct caller *c;
    struct str say = STR_INIT;
    const char *id = big_message(d, 900000);

    c = caller_enter(d, "alice@a.com");
    c->reads = false;
    for (int i = 0; i < 60; i++)
        str_addf(&say, "MBOX FETCH /inbox#%s -READ\n", id);
    stream_write(c->stream, say.s, say.len);
    desk_turns(d, 200);
    for (int i = 0; i < 4; i++) {
        desk_pass(d, 30 * 60 * 1000);
        read_some(c, 6u << 20); /* so much that the kernel's buffers between us move */
        assert_int_equal(endpoint_connections(d->endpoint), 1);
    }
    /* And then no more; the kernel may still have moved something meanwhile. */
    for (int i = 0; i < 4 && endpoint_connections(d->endpoint) > 0; i++)
        desk_pass(d, 30 * 60 * 1000);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    desk_pass(d, 5000);
    str_clear(&say);
    caller_close(&c);
}

/* Asks for much, and reads none of it. */
static struct caller *caller_asleep(struct desk *d, const char *id)
{
    struct caller *c = caller_enter(d, "alice@a.com");
    struct str say = STR_INIT;

    c->reads = false;
    for (int i = 0; i < 300; i++)
        str_addf(&say, "MBOX FETCH /inbox#%s -READ\n", id);
    stream_write(c->stream, say.s, say.len);
    desk_turns(d, 200);
    str_clear(&say);
    return c;
}

static void callers_close(struct caller **callers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        caller_close(&callers[i]);
}

/* They cost 192 to 480 KB each: five are more than 800 KB together, and less than four times that.
 */
static void readers_who_take_nothing_go_when_they_hold_too_much_together(void **state)
{
    struct desk *d = desk_open(0, 0, 800000);
    const char *id = big_message(d, 900000);
    struct caller *slow = caller_asleep(d, id), *polite = caller_enter(d, "alice@a.com");
    struct caller *asleep[4];
    int i;

    (void)state;
    for (size_t j = 0; j < N_ELEMENTS(asleep); j++)
        asleep[j] = caller_asleep(d, id);
    for (i = 0; i < 30 && endpoint_connections(d->endpoint) == 6; i++) {
        read_some(slow, 6u << 20); /* so much that the kernel's buffers between us move */
        desk_pass(d, 1000);
        caller_expect(polite, "NOOP\n", "200 Done.\n");
    }
    assert_in_range(i, BACKLOG_PATIENCE / 1000, 29);
    desk_turns(d, 4);
    assert_in_range(endpoint_connections(d->endpoint), 2, 5);
    assert_false(slow->is_closed);
    caller_expect(polite, "NOOP\n", "200 Done.\n");
    read_some(slow, 6u << 20);
    callers_close(asleep, N_ELEMENTS(asleep));
    caller_close(&slow);
    caller_close(&polite);
    desk_close(&d);
}

static void what_is_far_too_much_is_not_waited_for(void **state)
{
    struct desk *d = desk_open(0, 0, 100000);
    const char *id = big_message(d, 900000);
    struct caller *asleep[4], *polite = caller_enter(d, "alice@a.com");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(asleep); i++)
        asleep[i] = caller_asleep(d, id);
    for (int i = 0; i < 10 && endpoint_connections(d->endpoint) > 3; i++)
        desk_pass(d, 200);
    assert_in_range(endpoint_connections(d->endpoint), 1, 3); /* with the polite one */
    caller_expect(polite, "NOOP\n", "200 Done.\n");
    callers_close(asleep, N_ELEMENTS(asleep));
    caller_close(&polite);
    desk_close(&d);
}

static void a_flood_of_commands_is_all_answered(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_enter(d, "alice@a.com");
    struct str say = STR_INIT;
    size_t n = 0;

    for (int i = 0; i < 50000; i++)
        str_add(&say, "NOOP\n");
    stream_write(c->stream, say.s, say.len);
    for (int i = 0; i < 500 && c->got.len < 50000 * 10; i++)
        desk_turns(d, 1);
    for (const char *at = c->got.s; (at = strstr(at, "200 Done.\n")) != NULL; at += 10)
        n++;
    assert_int_equal(n, 50000);
    str_clear(&say);
    caller_close(&c);
}

/* A clock on which each look costs a millisecond. */
static int64_t hasty_ms(const struct clock *c)
{
    static int64_t looks;

    return c->fake_ms + looks++;
}

static void a_backlog_is_taken_in_slices_over_several_turns(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_enter(d, "alice@a.com"), *other = caller_enter(d, "bob@a.com");
    struct str say = STR_INIT;
    int turns = 0;

    for (int i = 0; i < 40000; i++)
        str_add(&say, "NOOP\n");
    d->hall->clock.mono_ms = hasty_ms;
    stream_write(c->stream, say.s, say.len);
    desk_turns(d, 2);
    stream_write(other->stream, "NOOP\n", 5);
    desk_turns(d, 4);
    assert_string_equal(str_c(&other->got), "200 Done.\n"); /* he does not wait for the other */
    assert_true(c->got.len < 40000 * 10);
    for (; turns < 500 && c->got.len < 40000 * 10; turns++)
        desk_turns(d, 1);
    assert_int_equal(c->got.len, 40000 * 10);
    str_clear(&say);
    caller_close(&c);
    caller_close(&other);
}

/* Also after as long as a hundred others take for their slices. */
static void who_had_a_backlog_goes_behind_who_asks_one_thing(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_enter(d, "alice@a.com"), *other = caller_enter(d, "bob@a.com");
    int64_t (*real)(const struct clock *) = d->hall->clock.mono_ms;
    struct str say = STR_INIT;

    for (int i = 0; i < 10000; i++)
        str_add(&say, "NOOP\n");
    d->hall->clock.mono_ms = hasty_ms;
    stream_write(c->stream, say.s, say.len);
    for (int turns = 0; turns < 500 && c->got.len < 10000 * 10; turns++)
        desk_turns(d, 1);
    d->hall->clock.fake_ms = hasty_ms(&d->hall->clock);
    d->hall->clock.mono_ms = real;
    for (int ms = 200; ms <= 4000; ms *= 20) {
        d->hall->clock.fake_ms += ms;
        str_truncate(&c->got, 0);
        str_truncate(&other->got, 0);
        stream_write(c->stream, "NOOP\n", 5);
        stream_write(other->stream, "NOOP\n", 5);
        for (int turns = 0; turns < 20 && other->got.len == 0; turns++)
            desk_turns(d, 1);
        assert_string_equal(str_c(&other->got), "200 Done.\n");
        assert_string_equal(str_c(&c->got), ms < 2000 ? "" : "200 Done.\n");
        desk_turns(d, 4);
        assert_string_equal(str_c(&c->got), "200 Done.\n");
    }
    str_clear(&say);
    caller_close(&c);
    caller_close(&other);
}

/* ---- what is said is on disk ---- */

/* Let the n-th store call of the delivery fail, for each n; n_r: at which it passed. */
static void a_failing_store_never_lets_a_false_answer_leave(void **state)
{
    struct desk *d = *state;
    static const char *const endings[] = { "DONE\n", "DONE\nQUIT\n", "DONE; NOOP\n" };
    int64_t before = 0;

    for (size_t e = 0; e < N_ELEMENTS(endings); e++) {
        bool failed = true;

        for (size_t n = 1; failed && n < 200; n++) {
            struct caller *c = caller_enter(d, "alice@a.com");
            bool said_yes;

            store_failing_nth(d->hall->mail.store, n);
            stream_write(c->stream, DELIVER, strlen(DELIVER));
            stream_write(c->stream, endings[e], strlen(endings[e]));
            if (n % 2 == 0)
                stream_close(&c->stream, true); /* half of them do not even wait */
            desk_turns(d, 10);
            failed = store_failing_has_failed(d->hall->mail.store);
            store_failing_nth(d->hall->mail.store, 0);
            said_yes = strstr(str_c(&c->got), "201 bob@a.com id=") != NULL;
            if (n % 2 == 1)
                assert_int_equal(hall_total(d->hall, "bob@a.com", "INBOX"), before + said_yes);
            before = hall_total(d->hall, "bob@a.com", "INBOX");
            if (n % 2 == 1 && e != 1) {
                str_truncate(&c->got, 0);
                caller_expect(c, "NOOP\n", "200 Done.\n"); /* and the connection lives on */
            }
            caller_close(&c);
            desk_turns(d, 4);
            assert_int_equal(endpoint_connections(d->endpoint), 0);
        }
        assert_false(failed);
        hall_sound(d->hall);
    }
}

static void who_has_gone_after_done_is_delivered_for_all_the_same(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_enter(d, "alice@a.com");

    stream_write(c->stream, DELIVER "DONE\n", strlen(DELIVER "DONE\n"));
    stream_close(&c->stream, true);
    desk_turns(d, 10);
    assert_int_equal(hall_total(d->hall, "bob@a.com", "INBOX"), 1);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    caller_close(&c);
}

/* Also where that is the end of more than one turn takes. */
static void what_came_before_the_end_is_taken_to_the_last(void **state)
{
    struct desk *d = *state;
    struct caller *c = caller_enter(d, "alice@a.com");
    struct str say = STR_INIT;

    for (int i = 0; i < 20000; i++)
        str_add(&say, "NOOP\n");
    str_add(&say, DELIVER "DONE\n");
    d->hall->clock.mono_ms = hasty_ms;
    stream_write(c->stream, say.s, say.len);
    stream_close(&c->stream, true);
    desk_turns(d, 100);
    assert_int_equal(hall_total(d->hall, "bob@a.com", "INBOX"), 1);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    str_clear(&say);
    caller_close(&c);
}

/* ---- the end ---- */

static void all_are_told_that_the_daemon_stops(void **state)
{
    struct desk *d = *state;
    struct caller *plain = caller_open(d), *guest = caller_open(d), *hand = caller_open(d);
    struct caller *local = caller_enter(d, "alice@a.com");
    struct err err;

    caller_secure(guest, CONTEXT_TLS3);
    caller_greeted(plain);
    caller_greeted(hand);
    caller_expect(hand, "UPGRADE TLS3\n", "204 Upgrading to TLS3.\n");
    endpoint_stop(d->endpoint);
    endpoint_stop(d->endpoint);
    desk_turns(d, 8);
    assert_true(str_starts(str_c(&plain->got), "701 "));
    assert_true(str_starts(str_c(&guest->got), "701 "));
    assert_true(str_starts(str_c(&local->got), "701 "));
    assert_string_equal(str_c(&hand->got), ""); /* it would not understand */
    assert_true(hand->is_closed);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    assert_int_equal(endpoint_port(d->endpoint), 0);
    (void)err;
    caller_close(&plain);
    caller_close(&guest);
    caller_close(&hand);
    caller_close(&local);
}

static void an_endpoint_may_go_with_connections_in_any_state(void **state)
{
    struct desk *d = desk_open(0, 0, 0);
    struct caller *c[4];

    (void)state;
    c[0] = caller_open(d);
    c[1] = caller_open(d);
    caller_greeted(c[1]);
    caller_expect(c[1], "UPGRADE TLS3\n", "204 Upgrading to TLS3.\n");
    c[2] = caller_enter(d, "bob@a.com");
    stream_write(c[2]->stream, DELIVER, strlen(DELIVER));
    desk_turns(d, 4);
    c[3] = caller_open(d);
    str_truncate(&c[3]->got, 0);
    stream_write(c[3]->stream, "QUIT\n", 5);
    loop_turn(d->hall->mail.loop, false);
    endpoint_destroy(&d->endpoint);
    desk_turns(d, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(c[i]->is_closed);
        caller_close(&c[i]);
    }
    desk_close(&d);
}

static void a_new_context_serves_those_who_upgrade_from_then_on(void **state)
{
    struct desk *d = *state;
    struct caller *old = caller_open(d), *c;
    struct context *other = context_server("other.com", d->hall->dir, NULL, NULL, NULL);
    char fingerprint[FINGERPRINT_SIZE];

    assert_non_null(other);
    endpoint_set_context(d->endpoint, other);
    context_destroy(&d->server);
    d->server = other;
    c = caller_open(d);
    caller_secure(c, CONTEXT_TLS3);
    assert_int_equal(context_peer_fingerprint(stream_tls(c->stream), fingerprint, NULL), 0);
    assert_string_equal(fingerprint, context_fingerprint(other));
    caller_secure(old, CONTEXT_TLS3); /* he was connected before, and upgrades with the new one */
    assert_int_equal(context_peer_fingerprint(stream_tls(old->stream), fingerprint, NULL), 0);
    assert_string_equal(fingerprint, context_fingerprint(other));
    caller_close(&c);
    caller_close(&old);
}

static void without_a_context_nobody_is_served(void **state)
{
    struct desk *d = *state;
    struct caller *c;

    endpoint_set_context(d->endpoint, NULL);
    c = caller_open(d);
    desk_turns(d, 2);
    assert_true(c->is_closed);
    assert_int_equal(endpoint_connections(d->endpoint), 0);
    caller_close(&c);
}

static void a_port_in_use_is_said(void **state)
{
    struct desk *d = *state;
    struct err err;

    assert_int_equal(endpoint_listen(d->endpoint, "127.0.0.1", endpoint_port(d->endpoint), &err),
                     -1);
    assert_true(str_starts(err.text, "the IMMP endpoint: listen on 127.0.0.1 port "));
    assert_non_null(strstr(err.text, "in use"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_versions_and_both_keys_lead_to_the_mailbox),
        T(clear_bytes_behind_upgrade_are_750_and_never_run),
        T(clear_bytes_that_overtake_the_204_are_750_too),
        T(garbage_for_a_handshake_ends_the_connection),
        T(another_version_than_asked_for_ends_the_connection),
        T(http_gets_refusals_and_no_harm),
        T(renegotiation_is_refused),
        T(silence_is_answered_by_704_in_each_state),
        T(a_byte_a_second_is_silence_before_login),
        T(a_handshake_has_thirty_seconds_however_it_dribbles),
        T(a_long_upload_before_login_is_progress),
        cmocka_unit_test(connections_are_limited_by_address),
        cmocka_unit_test(an_address_of_ipv6_is_counted_as_its_network),
        cmocka_unit_test(connections_are_limited_in_all),
        T(a_thousand_who_say_nothing_are_sent_away),
        T(a_reader_who_does_not_read_costs_a_bounded_buffer),
        T(a_reader_who_takes_his_answer_slowly_is_not_idle),
        cmocka_unit_test(readers_who_take_nothing_go_when_they_hold_too_much_together),
        cmocka_unit_test(what_is_far_too_much_is_not_waited_for),
        T(a_flood_of_commands_is_all_answered),
        T(a_backlog_is_taken_in_slices_over_several_turns),
        T(who_had_a_backlog_goes_behind_who_asks_one_thing),
        T(a_failing_store_never_lets_a_false_answer_leave),
        T(who_has_gone_after_done_is_delivered_for_all_the_same),
        T(what_came_before_the_end_is_taken_to_the_last),
        T(all_are_told_that_the_daemon_stops),
        cmocka_unit_test(an_endpoint_may_go_with_connections_in_any_state),
        T(a_new_context_serves_those_who_upgrade_from_then_on),
        T(without_a_context_nobody_is_served),
        T(a_port_in_use_is_said),
    };

    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
