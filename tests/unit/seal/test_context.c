/* SPDX-License-Identifier: MIT */
/* TLS by docs/immp.md, "Connections and states", over a pair of sockets. */
#include "config.h"

#include "seal/context.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/macros.h"
#include "base/str.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"
#include "unit/seal/forge.h"

struct server {
    struct ssl_st *ssl;
    int fd;
    int accepted;               /* of SSL_accept */
    int exported;               /* of context_exporter */
    uint8_t exporter[32];
    bool is_echo, is_rude;
};

/* Accepts, exports, echoes one message, says goodbye unless rude. */
static void *serve(void *p)
{
    struct server *s = p;
    char buf[100];
    int n;

    SSL_set_fd(s->ssl, s->fd);
    s->accepted = SSL_accept(s->ssl);
    if (s->accepted == 1) {
        s->exported = context_exporter(s->ssl, s->exporter, NULL);
        if (s->is_echo && (n = SSL_read(s->ssl, buf, sizeof buf)) > 0)
            SSL_write(s->ssl, buf, n);
    }
    if (s->is_rude)
        SSL_free(s->ssl);
    else
        context_close(&s->ssl);
    close(s->fd);
    return NULL;
}

static struct context *a_server(const char *domain)
{
    struct err err = { 0 };
    struct context *c = context_server(domain, fixture_folder(), NULL, NULL, &err);

    if (c == NULL)
        fail_msg("%s", err.text);
    return c;
}

static void start(struct server *s, struct context *c, enum context_version version, int *fd_r,
                  pthread_t *thread_r)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    s->fd = fds[0];
    s->ssl = context_session(c, version, NULL);
    assert_non_null(s->ssl);
    *fd_r = fds[1];
    assert_int_equal(pthread_create(thread_r, NULL, serve, s), 0);
}

static void both_versions_connect_and_both_ends_export_the_same(void **state)
{
    static const struct {
        enum context_version version;
        const char *name;
    } rows[] = { { CONTEXT_TLS2, "TLSv1.2" }, { CONTEXT_TLS3, "TLSv1.3" } };
    struct context *server = a_server("a.example"), *client = context_client(NULL);

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct server s = { .is_echo = true };
        struct ssl_st *ssl = context_session(client, rows[i].version, NULL);
        uint8_t exporter[32];
        char fingerprint[FINGERPRINT_SIZE], buf[100];
        pthread_t thread;
        int fd;

        start(&s, server, rows[i].version, &fd, &thread);
        assert_int_equal(context_exporter(ssl, exporter, NULL), -1);  /* not before the handshake */
        assert_int_equal(context_connect(ssl, fd, "a.example", NULL), 0);
        assert_string_equal(SSL_get_version(ssl), rows[i].name);
        assert_int_equal(SSL_CIPHER_is_aead(SSL_get_current_cipher(ssl)), 1);
        assert_int_equal(context_peer_fingerprint(ssl, fingerprint, NULL), 0);
        assert_string_equal(fingerprint, context_fingerprint(server));
        assert_int_equal(context_exporter(ssl, exporter, NULL), 0);
        assert_int_equal(context_write(ssl, "hello", 5, NULL), 0);
        assert_int_equal(context_read(ssl, buf, sizeof buf, NULL), 5);
        assert_memory_equal(buf, "hello", 5);
        assert_int_equal(context_read(ssl, buf, sizeof buf, NULL), 0);
        pthread_join(thread, NULL);
        assert_int_equal(s.exported, 0);
        assert_memory_equal(s.exporter, exporter, sizeof exporter);
        context_close(&ssl);
        assert_null(ssl);
        close(fd);
    }
    context_destroy(&server);
    context_destroy(&client);
    assert_null(server);
    context_destroy(&server);
}

static void a_session_speaks_exactly_the_version_asked_for(void **state)
{
    struct context *server = a_server("a.example"), *client = context_client(NULL);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct server s = { 0 };
        struct ssl_st *ssl = context_session(client, i == 0 ? CONTEXT_TLS3 : CONTEXT_TLS2, NULL);
        struct err err = { 0 };
        pthread_t thread;
        int fd;

        start(&s, server, i == 0 ? CONTEXT_TLS2 : CONTEXT_TLS3, &fd, &thread);
        assert_int_equal(context_connect(ssl, fd, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_TEMPORARY);
        pthread_join(thread, NULL);
        assert_int_not_equal(s.accepted, 1);
        context_close(&ssl);
        close(fd);
    }
    context_destroy(&server);
    context_destroy(&client);
}

/* RFC 9266 §3. */
static void tls_1_2_without_extended_master_secret_has_no_exporter(void **state)
{
    struct context *server = a_server("a.example"), *client = context_client(NULL);
    struct server s = { 0 };
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS2, NULL);
    uint8_t exporter[32];
    struct err err = { 0 };
    pthread_t thread;
    int fd;

    (void)state;
    SSL_set_options(ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    start(&s, server, CONTEXT_TLS2, &fd, &thread);
    assert_int_equal(context_connect(ssl, fd, NULL, NULL), 0);
    assert_int_equal(context_exporter(ssl, exporter, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    pthread_join(thread, NULL);
    assert_int_equal(s.exported, -1);
    context_close(&ssl);
    close(fd);
    context_destroy(&server);
    context_destroy(&client);
}

static void a_cbc_suite_is_never_agreed_on(void **state)
{
    struct context *server = a_server("a.example"), *client = context_client(NULL);
    struct server s = { 0 };
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS2, NULL);
    pthread_t thread;
    int fd;

    (void)state;
    assert_int_equal(SSL_set_cipher_list(ssl, "ECDHE-ECDSA-AES128-SHA256"), 1);
    start(&s, server, CONTEXT_TLS2, &fd, &thread);
    assert_int_equal(context_connect(ssl, fd, NULL, NULL), -1);
    pthread_join(thread, NULL);
    context_close(&ssl);
    close(fd);
    context_destroy(&server);
    context_destroy(&client);
}

static void an_idle_connection_holds_no_buffers_and_cannot_renegotiate(void **state)
{
    struct context *server = a_server("a.example");
    struct ssl_st *ssl = context_session(server, CONTEXT_TLS3, NULL);

    (void)state;
    assert_true((SSL_get_mode(ssl) & SSL_MODE_RELEASE_BUFFERS) != 0);
    assert_true((SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION) != 0);
    assert_true((SSL_get_options(ssl) & SSL_OP_NO_COMPRESSION) != 0);
    assert_int_equal(SSL_get_max_early_data(ssl), 0);
    context_close(&ssl);
    context_destroy(&server);
}

/* A cut is not an end: what was read so far may be half. */
static void an_end_without_goodbye_is_an_error(void **state)
{
    struct context *server = a_server("a.example"), *client = context_client(NULL);
    struct server s = { .is_rude = true };
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS3, NULL);
    struct err err = { 0 };
    char buf[10];
    pthread_t thread;
    int fd;

    (void)state;
    start(&s, server, CONTEXT_TLS3, &fd, &thread);
    assert_int_equal(context_connect(ssl, fd, NULL, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(context_read(ssl, buf, sizeof buf, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    context_close(&ssl);
    close(fd);
    context_destroy(&server);
    context_destroy(&client);
}

static void a_server_that_says_nothing_is_a_timeout(void **state)
{
    struct context *client = context_client(NULL);
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS3, NULL);
    struct timeval soon = { 0, 20000 };
    struct err err = { 0 };
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
    assert_int_equal(context_connect(ssl, fds[1], "127.0.0.1", &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(err.text, "too long"));
    context_close(&ssl);
    close(fds[0]);
    close(fds[1]);
    context_destroy(&client);
}

static void what_is_no_tls_fails_the_handshake(void **state)
{
    struct context *client = context_client(NULL);
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS3, NULL);
    struct err err = { 0 };
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[0], "100 TLS2 TLS3\n", 14), 14);
    assert_int_equal(context_connect(ssl, fds[1], NULL, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    context_close(&ssl);
    close(fds[0]);
    close(fds[1]);
    context_destroy(&client);
}

static void writing_to_one_who_has_gone_fails(void **state)
{
    struct context *server = a_server("a.example"), *client = context_client(NULL);
    struct server s = { .is_rude = true };
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS3, NULL);
    struct err err = { 0 };
    pthread_t thread;
    int fd;

    (void)state;
    start(&s, server, CONTEXT_TLS3, &fd, &thread);
    assert_int_equal(context_connect(ssl, fd, NULL, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(context_write(ssl, "hello", 5, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    context_close(&ssl);
    close(fd);
    context_destroy(&server);
    context_destroy(&client);
}

static void a_connection_that_is_closed_fails_the_handshake(void **state)
{
    struct context *client = context_client(NULL);
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS2, NULL);
    struct err err = { 0 };
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    close(fds[0]);
    assert_int_equal(context_connect(ssl, fds[1], NULL, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    context_close(&ssl);
    close(fds[1]);
    context_destroy(&client);
}

static void before_a_handshake_there_is_no_peer_and_an_error_has_words(void **state)
{
    struct context *client = context_client(NULL);
    struct ssl_st *ssl = context_session(client, CONTEXT_TLS3, NULL);
    char fingerprint[FINGERPRINT_SIZE] = "x", text[100];
    struct err err = { 0 };

    (void)state;
    assert_int_equal(context_peer_fingerprint(ssl, fingerprint, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_string_equal(fingerprint, "");
    context_goodbye(ssl);  /* nothing is written before the handshake */
    context_explain(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_WRONG_VERSION_NUMBER), text, sizeof text);
    assert_string_equal(text, "wrong version number");
    context_explain(0, text, sizeof text);
    assert_string_equal(text, "no reason given");
    context_close(&ssl);
    context_close(&ssl);
    context_destroy(&client);
}

static void the_made_certificate_stays_and_is_the_domains(void **state)
{
    struct context *one = a_server("b.example"), *two = a_server("b.example"), *other =
                                                                       a_server("c.example");

    (void)state;
    assert_int_equal(fixture_mode(fixture_path("b.example.tls.pem")), 0600);
    assert_string_equal(context_fingerprint(one), context_fingerprint(two));
    assert_string_not_equal(context_fingerprint(one), context_fingerprint(other));
    assert_int_equal(strlen(context_fingerprint(one)), 64);
    context_destroy(&one);
    context_destroy(&two);
    context_destroy(&other);
    one = context_client(NULL);
    assert_string_equal(context_fingerprint(one), "");
    context_destroy(&one);
}

/* A certificate authority's keys may be of any kind that TLS takes; only seals want P-256. */
static void the_operators_certificate_and_key_are_used(void **state)
{
    struct forge_certificate spec = { .type = "RSA", .bits = 2048, .names = { "mx.a.example" } };
    struct forged f = forge_certificate(&spec);
    const char *certificate = fixture_path("op.crt"), *key = fixture_path("op.key");
    struct context *c;
    struct err err = { 0 };

    (void)state;
    fixture_write(certificate, f.certificate, strlen(f.certificate), 0644);
    fixture_write(key, f.key, strlen(f.key), 0640);
    c = context_server("a.example", fixture_folder(), certificate, key, NULL);
    assert_non_null(c);
    context_destroy(&c);
    assert_int_equal(chmod(key, 0644), 0);
    assert_null(context_server("a.example", fixture_folder(), certificate, key, &err));
    assert_non_null(strstr(err.text, "op.key"));
    assert_null(context_server("a.example", fixture_folder(), NULL, key, &err));
    assert_null(context_server("a.example", fixture_folder(), fixture_path("none.crt"), key, &err));
    assert_non_null(strstr(err.text, "none.crt"));
    forge_clear(&f);
}

static void nothing_is_left_that_could_be_resumed(void **state)
{
    static const enum context_version versions[] = { CONTEXT_TLS2, CONTEXT_TLS3 };
    struct context *server = a_server("a.example"), *client = context_client(NULL);
    SSL_SESSION *session = NULL;

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct server s = { .is_echo = true };
        struct ssl_st *ssl = context_session(client, versions[i / 2], NULL);
        pthread_t thread;
        char buf[10];
        int fd;

        /* A client that wants to, unlike ours. */
        SSL_clear_options(ssl, SSL_OP_NO_TICKET);
        start(&s, server, versions[i / 2], &fd, &thread);
        if (i % 2 == 1)
            assert_int_equal(SSL_set_session(ssl, session), 1);
        assert_int_equal(context_connect(ssl, fd, NULL, NULL), 0);
        assert_int_equal(context_write(ssl, "x", 1, NULL), 0);
        assert_int_equal(context_read(ssl, buf, sizeof buf, NULL), 1);
        assert_false(SSL_session_reused(ssl));
        SSL_SESSION_free(session);
        session = i % 2 == 0 ? SSL_get1_session(ssl) : NULL;
        assert_true(session == NULL || !SSL_SESSION_has_ticket(session));
        pthread_join(thread, NULL);
        context_close(&ssl);
        close(fd);
    }
    context_destroy(&server);
    context_destroy(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_connect_and_both_ends_export_the_same),
        cmocka_unit_test(a_session_speaks_exactly_the_version_asked_for),
        cmocka_unit_test(tls_1_2_without_extended_master_secret_has_no_exporter),
        cmocka_unit_test(a_cbc_suite_is_never_agreed_on),
        cmocka_unit_test(an_idle_connection_holds_no_buffers_and_cannot_renegotiate),
        cmocka_unit_test(an_end_without_goodbye_is_an_error),
        cmocka_unit_test(a_server_that_says_nothing_is_a_timeout),
        cmocka_unit_test(what_is_no_tls_fails_the_handshake),
        cmocka_unit_test(writing_to_one_who_has_gone_fails),
        cmocka_unit_test(a_connection_that_is_closed_fails_the_handshake),
        cmocka_unit_test(before_a_handshake_there_is_no_peer_and_an_error_has_words),
        cmocka_unit_test(the_made_certificate_stays_and_is_the_domains),
        cmocka_unit_test(the_operators_certificate_and_key_are_used),
        cmocka_unit_test(nothing_is_left_that_could_be_resumed),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
