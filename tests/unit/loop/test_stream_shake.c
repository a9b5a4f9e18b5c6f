/* SPDX-License-Identifier: MIT */
/* Handshakes on workers: who has the TLS state meanwhile, and what becomes of what happens then. */
#include "config.h"

#include "loop/stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "loop/worker.h"
#include "seal/context.h"

#include "lib/test.h"
#include "pair.h"
#include "unit/seal/fixture.h"

static struct context *server_context, *client_context;

/* ---- a worker that waits until it may go on ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut;
    int n_here;      /* came to the gate so far */
    int n_elsewhere; /* of them not on the test's thread */
    pthread_t self;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void gate_reset(bool is_shut)
{
    gate.is_shut = is_shut;
    gate.n_here = gate.n_elsewhere = 0;
    gate.self = pthread_self();
}

static void gate_open(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_shut = false;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_pass(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.n_here++;
    gate.n_elsewhere += !pthread_equal(gate.self, pthread_self());
    pthread_cond_broadcast(&gate.changed);
    while (gate.is_shut)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

/* Turns are taken until a worker stands at the gate. */
static void await_worker(struct loop *lp)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.n_here == 0) {
        pthread_mutex_unlock(&gate.lock);
        loop_turn(lp, false);
        pthread_mutex_lock(&gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
}

static int shake(struct ssl_st *ssl, const struct str *in, struct str *out, unsigned long *code_r)
{
    gate_pass();
    return context_shake(ssl, in, out, code_r);
}

static const struct stream_tls_hooks hooks = { context_goodbye, context_explain, shake,
                                               context_hold, context_release };

/* ---- a server's stream and a client's in one loop, and one worker ---- */

struct link {
    struct pair *server;
    struct pair client;
    struct worker *workers;
};

static struct link *link_create(bool is_shut)
{
    struct link *l = mem_zalloc(sizeof(*l));
    int sv[2];

    gate_reset(is_shut);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
    l->server = pair_of(sv[0], -1);
    l->client = (struct pair){ .loop = l->server->loop, .peer = sv[1], .takes = true };
    l->workers = worker_create(l->server->loop, 1, NULL);
    stream_set_tls_hooks(l->server->loop, &hooks);
    stream_set_tls_worker(l->server->loop, l->workers);
    return l;
}

static void server_starts(struct link *l, enum context_version version)
{
    struct ssl_st *ssl = context_session(server_context, version, NULL);

    assert_int_equal(stream_start_tls(l->server->stream, ssl, true), 0);
    pair_turns(l->server, 1); /* a client that speaks before would be refused */
}

static void client_starts(struct link *l, enum context_version version)
{
    struct ssl_st *ssl = context_session(client_context, version, NULL);

    l->client.stream = stream_accept(l->server->loop, l->client.peer, &pair_events, &l->client);
    l->client.peer = -1;
    assert_int_equal(stream_start_tls(l->client.stream, ssl, false), 0);
}

static void end_workers(struct link *l)
{
    stream_set_tls_worker(l->server->loop, NULL);
    worker_destroy(&l->workers);
}

static void link_destroy(struct link *l)
{
    stream_close(&l->client.stream, false);
    if (l->client.peer >= 0)
        close(l->client.peer);
    stream_close(&l->server->stream, false);
    gate_open();
    end_workers(l);
    str_clear(&l->client.got);
    str_clear(&l->client.trail);
    pair_destroy(&l->server);
    free(l);
}

static void turns_until(struct link *l, const struct str *what, size_t len)
{
    while (what->len < len)
        loop_turn(l->server->loop, true);
}

static void a_hello_is_answered_elsewhere_in_both_versions(void **state)
{
    (void)state;
    for (enum context_version v = CONTEXT_TLS2; v <= CONTEXT_TLS3; v++) {
        struct link *l = link_create(false);

        server_starts(l, v);
        client_starts(l, v);
        turns_until(l, &l->server->trail, 1);
        turns_until(l, &l->client.trail, 1);
        assert_string_equal(str_c(&l->server->trail), "S");
        assert_int_equal(gate.n_here, 1);
        assert_int_equal(gate.n_elsewhere, 1);
        stream_write(l->client.stream, "AUTH SECRET", 11);
        turns_until(l, &l->server->got, 11);
        stream_write(l->server->stream, "303 n1", 6);
        turns_until(l, &l->client.got, 6);
        assert_string_equal(str_c(&l->server->got), "AUTH SECRET");
        assert_string_equal(str_c(&l->client.got), "303 n1");
        link_destroy(l);
    }
}

static void a_hello_that_cannot_be_answered_fails_with_words_and_an_alert(void **state)
{
    struct link *l = link_create(false);

    (void)state;
    server_starts(l, CONTEXT_TLS3);
    client_starts(l, CONTEXT_TLS2);
    l->server->closes = false;
    turns_until(l, &l->server->trail, 1);
    assert_string_equal(str_c(&l->server->trail), "X");
    assert_string_equal(l->server->why.text, "TLS handshake failed: unsupported protocol");
    turns_until(l, &l->client.trail, 1);
    assert_non_null(strstr(l->client.why.text, "alert"));
    assert_int_equal(gate.n_elsewhere, 1);
    link_destroy(l);
}

static void what_is_written_meanwhile_leaves_after_the_handshake(void **state)
{
    struct link *l = link_create(true);

    (void)state;
    server_starts(l, CONTEXT_TLS3);
    client_starts(l, CONTEXT_TLS3);
    await_worker(l->server->loop);
    stream_write(l->server->stream, "750 going down", 14);
    pair_turns(l->server, 3);
    assert_string_equal(str_c(&l->client.trail), ""); /* a byte in clear would have ended it */
    assert_int_equal(stream_pending(l->server->stream), 14);
    gate_open();
    turns_until(l, &l->client.got, 14);
    assert_string_equal(str_c(&l->client.got), "750 going down");
    assert_string_equal(str_c(&l->server->trail), "S");
    link_destroy(l);
}

/* The client's end by hand: the server gets the first n of these bytes, and the others meanwhile.
 */
static void shake_in_two_pieces(struct link *l, struct ssl_st *client, const struct str *hello,
                                size_t n)
{
    struct str in = STR_INIT, out = STR_INIT;
    unsigned long code;
    char buf[8192];

    assert_int_equal(write(l->client.peer, hello->s, n), n);
    await_worker(l->server->loop);
    assert_int_equal(write(l->client.peer, hello->s + n, hello->len - n), hello->len - n);
    pair_turns(l->server, 3);
    assert_int_equal(gate.n_here, 1);
    gate_open();
    while (l->server->trail.len == 0) {
        ssize_t got;

        loop_turn(l->server->loop, true);
        got = read(l->client.peer, buf, sizeof(buf));
        if (got <= 0)
            continue;
        str_addn(&in, buf, (size_t)got);
        str_truncate(&out, 0);
        assert_int_equal(context_shake(client, &in, &out, &code), 0);
        str_truncate(&in, 0);
        assert_int_equal(write(l->client.peer, out.s, out.len), out.len);
    }
    assert_string_equal(str_c(&l->server->trail), "S");
    str_clear(&in);
    str_clear(&out);
}

static void what_comes_meanwhile_is_behind_what_came_before(void **state)
{
    (void)state;
    for (int behind = 0; behind <= 1; behind++) {
        struct link *l = link_create(true);
        struct ssl_st *client = context_session(client_context, CONTEXT_TLS3, NULL);
        struct str in = STR_INIT, hello = STR_INIT;
        unsigned long code;
        size_t len;

        server_starts(l, CONTEXT_TLS3);
        assert_int_equal(context_shake(client, &in, &hello, &code), 0);
        len = hello.len;
        assert_true(len > 100);
        /* RFC 8446 appendix D.4: a record that says nothing may come at any time from here. */
        str_addn(&hello, "\x14\x03\x03\x00\x01\x01", 6);
        shake_in_two_pieces(l, client, &hello, behind ? len + 2 : 50);
        str_clear(&hello);
        str_clear(&in);
        context_release(client);
        link_destroy(l);
    }
}

static void a_stream_may_go_while_a_worker_has_it(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct link *l = link_create(true);

        server_starts(l, CONTEXT_TLS3);
        client_starts(l, CONTEXT_TLS3);
        await_worker(l->server->loop);
        if (how < 2) {
            stream_close(&l->server->stream, how == 1);
            pair_turns(l->server, 2);
            gate_open();
            turns_until(l, &l->client.trail, 1);
            while (worker_queued(l->workers) > 0)
                loop_turn(l->server->loop, true);
            assert_string_equal(str_c(&l->client.trail), "X");
        } else {
            /* The pool goes first: the stream is told, and may go later. */
            gate_open();
            end_workers(l);
            if (how == 3)
                stream_close(&l->server->stream, true);
            pair_turns(l->server, 2);
        }
        link_destroy(l);
    }
}

static void run_gated(struct work *w)
{
    (void)w;
    gate_pass();
}

static void finish_gated(struct work *w)
{
    free(w);
}

static void a_busy_pool_is_not_waited_for(void **state)
{
    struct link *l = link_create(true);

    (void)state;
    for (int i = 0; i < 32; i++) {
        struct work *w = mem_zalloc(sizeof(*w));

        *w = (struct work){ .run = run_gated, .done = finish_gated, .drop = finish_gated };
        (void)worker_submit(l->workers, w);
    }
    await_worker(l->server->loop);
    server_starts(l, CONTEXT_TLS3);
    client_starts(l, CONTEXT_TLS3);
    turns_until(l, &l->server->trail, 1);
    assert_string_equal(str_c(&l->server->trail), "S");
    assert_int_equal(gate.n_here, 1); /* none but the first of those works */
    link_destroy(l);
}

static int setup_group(void **state)
{
    if (fixture_setup(state) < 0)
        return -1;
    server_context = context_server("a.test", fixture_folder(), NULL, NULL, NULL);
    client_context = context_client(NULL);
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
        cmocka_unit_test(a_hello_is_answered_elsewhere_in_both_versions),
        cmocka_unit_test(a_hello_that_cannot_be_answered_fails_with_words_and_an_alert),
        cmocka_unit_test(what_is_written_meanwhile_leaves_after_the_handshake),
        cmocka_unit_test(what_comes_meanwhile_is_behind_what_came_before),
        cmocka_unit_test(a_stream_may_go_while_a_worker_has_it),
        cmocka_unit_test(a_busy_pool_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
