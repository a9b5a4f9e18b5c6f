/* SPDX-License-Identifier: MIT */
/* TLS on streams (docs/immp.md, "Connections and states"): both ends in one loop, or one of them
 * raw. */
#include "config.h"

#include "loop/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "seal/context.h"

#include "lib/test.h"
#include "pair.h"
#include "unit/seal/fixture.h"

static const struct stream_tls_hooks hooks = { context_goodbye, context_explain };
static struct context *server_context, *client_context;

/* A server's stream, and in the same loop a client's or the test's raw end. */
struct link {
    struct pair *server;
    struct pair client;
};

static struct ssl_st *server_tls(enum context_version version)
{
    struct ssl_st *ssl = context_session(server_context, version, NULL);

    assert_non_null(ssl);
    return ssl;
}

static struct link *link_create(int type)
{
    struct link *l = calloc(1, sizeof(*l));
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
    l->server = pair_of(sv[0], -1);
    l->client = (struct pair){ .loop = l->server->loop, .peer = -1, .takes = true, .closes = true };
    l->client.stream = stream_accept(l->server->loop, sv[1], &pair_events, &l->client);
    stream_set_tls_hooks(l->server->loop, &hooks);
    return l;
}

static void link_destroy(struct link *l)
{
    stream_close(&l->client.stream, false);
    str_clear(&l->client.got);
    str_clear(&l->client.trail);
    pair_destroy(&l->server);
    free(l);
}

static void secure(struct link *l, enum context_version version)
{
    struct ssl_st *ssl = context_session(client_context, version, NULL);

    assert_int_equal(stream_start_tls(l->server->stream, server_tls(version), true), 0);
    assert_int_equal(stream_start_tls(l->client.stream, ssl, false), 0);
    pair_turns(l->server, 10);
    assert_string_equal(str_c(&l->server->trail), "S");
    assert_string_equal(str_c(&l->client.trail), "S");
    assert_non_null(stream_tls(l->server->stream));
}

static struct link *secured(enum context_version version)
{
    struct link *l = link_create(SOCK_STREAM);

    secure(l, version);
    return l;
}

/* ---- the handshake ---- */

static void both_versions_carry_both_ways(void **state)
{
    (void)state;
    for (enum context_version v = CONTEXT_TLS2; v <= CONTEXT_TLS3; v++) {
        struct link *l = secured(v);

        stream_write(l->client.stream, "AUTH SECRET", 11);
        pair_turns(l->server, 3);
        assert_string_equal(str_c(&l->server->got), "AUTH SECRET");
        stream_write(l->server->stream, "303 n1", 6);
        pair_turns(l->server, 3);
        assert_string_equal(str_c(&l->client.got), "303 n1");
        link_destroy(l);
    }
}

static void a_version_that_is_not_the_other_s_fails_with_words(void **state)
{
    struct link *l = link_create(SOCK_STREAM);

    (void)state;
    l->server->closes = l->client.closes = false;
    assert_int_equal(stream_start_tls(l->server->stream, server_tls(CONTEXT_TLS3), true), 0);
    assert_int_equal(stream_start_tls(l->client.stream,
                                      context_session(client_context, CONTEXT_TLS2, NULL), false),
                     0);
    pair_turns(l->server, 10);
    assert_string_equal(str_c(&l->server->trail), "X");
    assert_string_equal(str_c(&l->client.trail), "X");
    assert_int_equal(l->server->why.kind, ERR_PROTOCOL);
    assert_string_equal(l->server->why.text, "TLS handshake failed: unsupported protocol");
    assert_non_null(strstr(l->client.why.text, "alert")); /* so ours has reached it */
    link_destroy(l);
}

static void data_that_comes_with_the_handshake_s_end_comes_after_secured(void **state)
{
    struct link *l = link_create(SOCK_STREAM);

    (void)state;
    assert_int_equal(stream_start_tls(l->server->stream, server_tls(CONTEXT_TLS3), true), 0);
    assert_int_equal(stream_start_tls(l->client.stream,
                                      context_session(client_context, CONTEXT_TLS3, NULL), false),
                     0);
    stream_write(l->client.stream, "early bird", 10); /* leaves with the client's Finished */
    pair_turns(l->server, 10);
    assert_string_equal(str_c(&l->server->trail), "SD");
    assert_string_equal(str_c(&l->server->got), "early bird");
    link_destroy(l);
}

static void what_was_written_before_leaves_in_clear_and_first(void **state)
{
    struct pair *p = pair_create();
    char heard[64];

    (void)state;
    stream_write(p->stream, "204 Upgrading to TLS3.\n", 23);
    assert_int_equal(stream_start_tls(p->stream, server_tls(CONTEXT_TLS3), true), 0);
    assert_null(stream_tls(p->stream));
    stream_write(p->stream, "210 sealed", 10); /* belongs into TLS */
    pair_turns(p, 2);
    assert_int_equal(read(p->peer, heard, sizeof(heard)), 23);
    assert_memory_equal(heard, "204 Upgrading to TLS3.\n", 23);
    assert_int_equal(read(p->peer, heard, sizeof(heard)), -1);
    assert_non_null(stream_tls(p->stream));
    assert_int_equal(stream_pending(p->stream), 10);
    pair_destroy(&p);
}

/* ---- nothing in clear survives ---- */

static void unread_clear_input_stops_tls(void **state)
{
    struct pair *p = pair_create();
    size_t n;

    (void)state;
    p->takes = false;
    pair_say(p, "UPGRADE TLS3\nAUTH SECRET");
    pair_turns(p, 1);
    (void)stream_peek(p->stream, &n);
    stream_take(p->stream, 13);
    assert_int_equal(stream_start_tls(p->stream, server_tls(CONTEXT_TLS3), true), -1);
    assert_null(stream_tls(p->stream));
    assert_memory_equal(stream_peek(p->stream, &n), "AUTH SECRET", 11);
    pair_destroy(&p);
}

static void clear_input_before_the_answer_has_left_stops_tls(void **state)
{
    struct pair *p = pair_create();

    (void)state;
    stream_write(p->stream, "204 go\n", 7);
    assert_int_equal(stream_start_tls(p->stream, server_tls(CONTEXT_TLS3), true), 0);
    pair_say(p, "AUTH SECRET"); /* sent by one who cannot have read the 204 */
    pair_turns(p, 3);
    assert_null(stream_tls(p->stream));
    assert_string_equal(str_c(&p->trail), "D");
    assert_string_equal(str_c(&p->got), "AUTH SECRET");
    assert_string_equal(pair_hear(p), "204 go\n");
    stream_write(p->stream, "750 no\n", 7);
    pair_turns(p, 1);
    assert_string_equal(pair_hear(p), "750 no\n");
    pair_destroy(&p);
}

static void clear_input_after_it_is_no_data(void **state)
{
    static const char *const rows[] = {
        "AUTH SECRET alice\nMBOX CHECK /inbox\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x00\x05hello",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct pair *p = pair_create();

        stream_set_tls_hooks(p->loop, &hooks);
        assert_int_equal(stream_start_tls(p->stream, server_tls(CONTEXT_TLS3), true), 0);
        pair_turns(p, 1);
        assert_int_equal(write(p->peer, rows[i], i == 2 ? 10 : strlen(rows[i])),
                         i == 2 ? 10 : strlen(rows[i]));
        pair_turns(p, 4);
        assert_string_equal(str_c(&p->trail), "X");
        assert_string_equal(str_c(&p->got), "");
        assert_int_equal(p->why.kind, ERR_PROTOCOL);
        assert_true(str_starts(p->why.text, "TLS handshake failed: "));
        if (i < 2)
            assert_string_equal(pair_hear(p) + 0, "<end>");
        else
            assert_int_equal(pair_hear(p)[0], 0x15); /* an alert */
        pair_destroy(&p);
    }
}

static void a_failure_without_hooks_still_has_a_code(void **state)
{
    struct pair *p = pair_create();

    (void)state;
    assert_int_equal(stream_start_tls(p->stream, server_tls(CONTEXT_TLS2), true), 0);
    pair_turns(p, 1);
    pair_say(p, "garbage garbage garbage");
    pair_turns(p, 3);
    assert_true(str_starts(p->why.text, "TLS handshake failed: error "));
    pair_destroy(&p);
}

/* ---- order, size, pressure ---- */

static struct link *hook_link;
static uint64_t hook_bytes_out;

static void look_at_bytes_out(void *ctx)
{
    (void)ctx;
    hook_bytes_out = stream_bytes_out(hook_link->server->stream);
}

static void nothing_leaves_before_the_hook_has_run(void **state)
{
    struct link *l = secured(CONTEXT_TLS3);
    uint64_t before = stream_bytes_out(l->server->stream);

    (void)state;
    hook_link = l;
    loop_on_turn_end(l->server->loop, look_at_bytes_out, NULL);
    stream_write(l->server->stream, "201 stored", 10);
    assert_int_equal(stream_pending(l->server->stream), 10);
    pair_turns(l->server, 1);
    assert_int_equal(hook_bytes_out, before);
    assert_true(stream_bytes_out(l->server->stream) > before + 10);
    loop_on_turn_end(l->server->loop, NULL, NULL);
    pair_turns(l->server, 2);
    stream_write(l->server->stream, "never", 5);
    stream_discard_held(l->server->stream);
    pair_turns(l->server, 2);
    assert_string_equal(str_c(&l->client.got), "201 stored");
    link_destroy(l);
}

/* A socket of packets shows each write of the other end as one. */
static void a_turn_s_output_leaves_in_one_write(void **state)
{
    struct link *l = link_create(SOCK_SEQPACKET);
    static char packet[1 << 20];
    int sv[2], packets = 0;
    struct pair raw = { .takes = true, .closes = true };

    (void)state;
    secure(l, CONTEXT_TLS3);
    /* The client ends here; the test reads what the server sends it. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
    raw.stream = stream_accept(l->server->loop, sv[0], &pair_events, &raw);
    for (int i = 0; i < 1000; i++)
        stream_write(raw.stream, "twenty bytes of text", 20);
    pair_turns(l->server, 1);
    assert_int_equal(recv(sv[1], packet, sizeof(packet), 0), 20000);
    assert_int_equal(recv(sv[1], packet, sizeof(packet), 0), -1);
    stream_close(&raw.stream, false);
    close(sv[1]);
    str_clear(&raw.trail);

    /* With TLS: 50,000 bytes are four records, and one packet brings them all. */
    str_truncate(&l->client.trail, 0);
    for (int i = 0; i < 2500; i++)
        stream_write(l->server->stream, "twenty bytes of text", 20);
    for (int i = 0; i < 5; i++) {
        size_t before = l->client.got.len;

        pair_turns(l->server, 1);
        packets += l->client.got.len > before;
    }
    assert_int_equal(l->client.got.len, 50000);
    assert_int_equal(packets, 1);
    assert_string_equal(str_c(&l->client.trail), "D");
    link_destroy(l);
}

static void megabytes_pass_both_ways_unharmed(void **state)
{
    const size_t size = 3u << 20;
    char *big = malloc(size);

    (void)state;
    for (size_t i = 0; i < size; i++)
        big[i] = (char)(i * 31 + (i >> 10));
    for (enum context_version v = CONTEXT_TLS2; v <= CONTEXT_TLS3; v++) {
        struct link *l = secured(v);

        stream_write(l->server->stream, big, size);
        stream_write(l->client.stream, big, size);
        for (int i = 0; i < 2000 && (l->server->got.len < size || l->client.got.len < size); i++)
            pair_turns(l->server, 1);
        assert_int_equal(l->server->got.len, size);
        assert_int_equal(l->client.got.len, size);
        assert_memory_equal(l->server->got.s, big, size);
        assert_memory_equal(l->client.got.s, big, size);
        link_destroy(l);
    }
    free(big);
}

static void a_flood_fills_the_buffer_and_no_more(void **state)
{
    struct link *l = secured(CONTEXT_TLS3);
    const size_t size = 3u << 20;
    char *big = calloc(1, size);
    size_t n = 0, taken;

    (void)state;
    l->server->takes = false;
    stream_write(l->client.stream, big, size);
    for (int i = 0; i < 100; i++) {
        pair_turns(l->server, 1);
        (void)stream_peek(l->server->stream, &n);
        assert_true(n <= STREAM_IN_MAX);
    }
    assert_true(n > STREAM_IN_MAX - 40000); /* room is kept for a record that is not whole */
    taken = n;
    stream_take(l->server->stream, n);
    l->server->takes = true;
    for (int i = 0; i < 500; i++)
        pair_turns(l->server, 1);
    assert_int_equal(l->server->got.len + taken, size);
    free(big);
    link_destroy(l);
}

/* ---- the end ---- */

static void an_end_with_and_without_goodbye_is_closed(void **state)
{
    (void)state;
    for (int polite = 0; polite <= 1; polite++) {
        struct link *l = secured(CONTEXT_TLS3);

        stream_write(l->client.stream, "QUIT", 4);
        pair_turns(l->server, 1);
        stream_close(&l->client.stream, polite);
        pair_turns(l->server, 4);
        assert_string_equal(str_c(&l->server->trail), "SDX");
        assert_int_equal(l->server->why.kind, ERR_NONE);
        assert_null(l->server->stream);
        link_destroy(l);
    }
}

static void a_client_that_said_goodbye_still_gets_its_answer(void **state)
{
    struct link *l = secured(CONTEXT_TLS3);

    (void)state;
    l->server->closes = false;
    stream_close(&l->client.stream, true);
    pair_turns(l->server, 4);
    assert_string_equal(str_c(&l->server->trail), "SX");
    stream_write(l->server->stream, "201 stored", 10);
    pair_turns(l->server, 2);
    assert_int_equal(stream_pending(l->server->stream), 0);
    link_destroy(l);
}

struct blocking_client {
    int fd;
    long end; /* context_read()'s last answer: 0 is a clean end */
    char got[64];
};

static void *blocking_client(void *arg)
{
    struct blocking_client *c = arg;
    struct ssl_st *ssl = context_session(client_context, CONTEXT_TLS3, NULL);
    size_t len = 0;

    c->end = -2;
    if (context_connect(ssl, c->fd, "a.test", NULL) == 0)
        while ((c->end = context_read(ssl, c->got + len, sizeof(c->got) - 1 - len, NULL)) > 0)
            len += (size_t)c->end;
    context_close(&ssl);
    close(c->fd);
    return NULL;
}

static void closed_in_order_the_peer_reads_all_and_a_clean_end(void **state)
{
    (void)state;
    for (int flush = 0; flush <= 1; flush++) {
        struct blocking_client c = { 0 };
        struct pair *p;
        pthread_t thread;
        int sv[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
        p = pair_of(sv[0], -1);
        stream_set_tls_hooks(p->loop, &hooks);
        c.fd = sv[1];
        assert_int_equal(stream_start_tls(p->stream, server_tls(CONTEXT_TLS3), true), 0);
        pair_turns(p, 1); /* a client that speaks before would be refused */
        assert_int_equal(pthread_create(&thread, NULL, blocking_client, &c), 0);
        while (p->trail.len == 0)
            loop_turn(p->loop, true);
        stream_write(p->stream, "205 bye", 7);
        stream_close(&p->stream, flush);
        for (int i = 0; i < 3; i++) {
            pair_turns(p, 1);
            usleep(1000);
        }
        pthread_join(thread, NULL);
        assert_string_equal(c.got, flush ? "205 bye" : "");
        assert_int_equal(c.end, flush ? 0 : -1);
        pair_destroy(&p);
    }
}

static void close_now(struct pair *p)
{
    stream_write(p->stream, "750", 3);
    stream_close(&p->stream, true);
}

static void a_stream_may_be_closed_in_its_data_event(void **state)
{
    struct link *l = secured(CONTEXT_TLS3);

    (void)state;
    l->server->on_data = close_now;
    stream_write(l->client.stream, "bad", 3);
    pair_turns(l->server, 6);
    assert_string_equal(str_c(&l->server->trail), "SD");
    assert_string_equal(str_c(&l->client.got), "750");
    assert_string_equal(str_c(&l->client.trail), "SDX");
    link_destroy(l);
}

static void a_stream_may_be_closed_at_each_step_of_the_handshake(void **state)
{
    (void)state;
    for (int step = 0; step < 6; step++) {
        for (int flush = 0; flush <= 1; flush++) {
            struct link *l = link_create(SOCK_STREAM);
            struct ssl_st *ssl = context_session(client_context, CONTEXT_TLS3, NULL);

            stream_write(l->server->stream, "204", 3);
            assert_int_equal(stream_start_tls(l->server->stream, server_tls(CONTEXT_TLS3), true),
                             0);
            pair_turns(l->server, 2);
            assert_int_equal(stream_start_tls(l->client.stream, ssl, false), 0);
            pair_turns(l->server, step);
            stream_close(&l->server->stream, flush);
            pair_turns(l->server, 6);
            assert_null(l->client.stream);
            link_destroy(l);
        }
    }
}

static void a_broken_record_ends_the_stream(void **state)
{
    struct blocking_client c = { 0 };
    struct pair *p;
    pthread_t thread;
    int sv[2], raw;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    p = pair_of(sv[0], -1);
    stream_set_tls_hooks(p->loop, &hooks);
    c.fd = sv[1];
    raw = dup(sv[1]);
    assert_int_equal(stream_start_tls(p->stream, server_tls(CONTEXT_TLS3), true), 0);
    pair_turns(p, 1);
    assert_int_equal(pthread_create(&thread, NULL, blocking_client, &c), 0);
    while (p->trail.len == 0)
        loop_turn(p->loop, true);
    /* A record of application data that no key has made. */
    assert_int_equal(write(raw, "\x17\x03\x03\x00\x14twenty bytes of lies", 25), 25);
    pair_turns(p, 4);
    assert_string_equal(str_c(&p->trail), "SX");
    assert_int_equal(p->why.kind, ERR_PROTOCOL);
    assert_true(str_starts(p->why.text, "TLS failed: "));
    assert_int_equal(p->got.len, 0);
    shutdown(raw, SHUT_RDWR);
    close(raw);
    pthread_join(thread, NULL);
    pair_destroy(&p);
}

static int setup_group(void **state)
{
    struct err err = { 0 };

    if (fixture_setup(state) < 0)
        return -1;
    server_context = context_server("a.test", fixture_folder(), NULL, NULL, &err);
    client_context = context_client(&err);
    return server_context != NULL && client_context != NULL ? 0 : -1;
}

static int teardown_group(void **state)
{
    context_destroy(&server_context);
    context_destroy(&client_context);
    return fixture_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_carry_both_ways),
        cmocka_unit_test(a_version_that_is_not_the_other_s_fails_with_words),
        cmocka_unit_test(data_that_comes_with_the_handshake_s_end_comes_after_secured),
        cmocka_unit_test(what_was_written_before_leaves_in_clear_and_first),
        cmocka_unit_test(unread_clear_input_stops_tls),
        cmocka_unit_test(clear_input_before_the_answer_has_left_stops_tls),
        cmocka_unit_test(clear_input_after_it_is_no_data),
        cmocka_unit_test(a_failure_without_hooks_still_has_a_code),
        cmocka_unit_test(nothing_leaves_before_the_hook_has_run),
        cmocka_unit_test(a_turn_s_output_leaves_in_one_write),
        cmocka_unit_test(megabytes_pass_both_ways_unharmed),
        cmocka_unit_test(a_flood_fills_the_buffer_and_no_more),
        cmocka_unit_test(an_end_with_and_without_goodbye_is_closed),
        cmocka_unit_test(a_client_that_said_goodbye_still_gets_its_answer),
        cmocka_unit_test(closed_in_order_the_peer_reads_all_and_a_clean_end),
        cmocka_unit_test(a_stream_may_be_closed_in_its_data_event),
        cmocka_unit_test(a_stream_may_be_closed_at_each_step_of_the_handshake),
        cmocka_unit_test(a_broken_record_ends_the_stream),
    };

    return cmocka_run_group_tests_name("stream_tls", tests, setup_group, teardown_group);
}
