/* SPDX-License-Identifier: MIT */
/*
 * TLS contexts. What is chosen here: TLS 1.2 and 1.3, AEAD suites with ephemeral keys, SHA-256
 * before SHA-384 (a handshake is mostly key schedule, and costs its server 15 % less so), buffers
 * that exist only while a record is under way (an idle connection then costs 14 KB instead of
 * 24), and no early data, which could be replayed.
 *
 * Nothing is resumed: each handshake is a full one. A ticket costs every handshake 30 us of the
 * server's, a tenth, to spare 70 to those who come back with it; ours never do, and sessions are
 * long. And the key that seals tickets lives as long as the process, so that with TLS 1.2 it would
 * open all that was said meanwhile. The certificate is sent with the chain that its file holds:
 * OpenSSL need not look for one in a store that is empty.
 *
 * Nobody's certificate is verified here: a client pins the fingerprint of the server that it
 * knows, and a domain is known by its seal key (docs/immp.md, "Fingerprints").
 */
#include "config.h"

#include "seal/context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "wire/status.h"

#include "seal/certificate_private.h"
#include "seal/keypair_private.h"
#include "seal/library_private.h"

#define SUITES_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define SUITES_1_3 \
    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define GROUPS     "X25519:P-256:P-384"
#define EXPORTER   "EXPORTER-Channel-Binding"

struct context {
    SSL_CTX *ssl;
    bool is_server;
    char fingerprint[FINGERPRINT_SIZE];
};

static struct context *create(bool is_server, struct err *err)
{
    static const unsigned char id[] = "immp";
    struct context *c = mem_zalloc(sizeof *c);

    c->is_server = is_server;
    c->ssl = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (c->ssl == NULL || SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(c->ssl, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(c->ssl, SUITES_1_2) != 1 ||
        SSL_CTX_set_ciphersuites(c->ssl, SUITES_1_3) != 1 ||
        SSL_CTX_set1_groups_list(c->ssl, GROUPS) != 1 ||
        SSL_CTX_set_session_id_context(c->ssl, id, sizeof id - 1) != 1) {
        library_err(err, ERR_PERMANENT, STATUS_INTERNAL, "TLS cannot be set up");
        context_destroy(&c);
        return NULL;
    }
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                    SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY |
                                 SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(c->ssl, 0);
    SSL_CTX_set_num_tickets(c->ssl, 0);
    return c;
}

/* certificate NULL: ours below directory. The operator's file may hold a chain. */
static int use_keys(struct context *c, const char *domain, const char *directory,
                    const char *certificate, const char *key, struct err *err)
{
    struct keypair pair;
    int ok, rc;

    if (certificate == NULL && key != NULL)
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                       "the key %s is given without its certificate", key);
    rc = certificate != NULL ? keypair_load(certificate, key, &pair, err)
                             : keypair_open(directory, domain, KEYPAIR_TLS, &pair, err);
    if (rc < 0)
        return -1;
    ok = certificate != NULL ? SSL_CTX_use_certificate_chain_file(c->ssl, certificate)
                             : SSL_CTX_use_certificate(c->ssl, pair.certificate);
    if (ok != 1 || SSL_CTX_use_PrivateKey(c->ssl, pair.key) != 1 ||
        SSL_CTX_check_private_key(c->ssl) != 1)
        rc = library_err(err, ERR_PERMANENT, STATUS_INTERNAL,
                         "the TLS certificate of %s cannot be used", domain);
    else
        rc = certificate_fingerprint_x509(pair.certificate, c->fingerprint, err);
    keypair_clear(&pair);
    return rc;
}

struct context *context_server(const char *domain, const char *directory, const char *certificate,
                               const char *key, struct err *err)
{
    struct context *c = create(true, err);

    if (c != NULL && use_keys(c, domain, directory, certificate, key, err) < 0)
        context_destroy(&c);
    return c;
}

struct context *context_client(struct err *err)
{
    return create(false, err);
}

void context_destroy(struct context **cp)
{
    if (*cp == NULL)
        return;
    SSL_CTX_free((*cp)->ssl);
    free(*cp);
    *cp = NULL;
}

const char *context_fingerprint(const struct context *c)
{
    return c->fingerprint;
}

struct ssl_st *context_session(struct context *c, enum context_version version, struct err *err)
{
    int wire = version == CONTEXT_TLS2 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL *ssl = SSL_new(c->ssl);

    if (ssl == NULL || SSL_set_min_proto_version(ssl, wire) != 1 ||
        SSL_set_max_proto_version(ssl, wire) != 1) {
        SSL_free(ssl);
        library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "no TLS connection can be set up");
        return NULL;
    }
    if (c->is_server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

int context_exporter(struct ssl_st *ssl, uint8_t out[32], struct err *err)
{
    /* RFC 9266 §3: not defined for TLS 1.2 without the extended master secret. */
    if (!SSL_is_init_finished(ssl) ||
        (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1))
        return err_set(err, ERR_PERMANENT, STATUS_PARAMETER,
                       "this TLS connection has no channel binding");
    /* RFC 9266 §2: the context value is the empty string, which TLS 1.2 tells from none. */
    if (SSL_export_keying_material(ssl, out, 32, EXPORTER, sizeof EXPORTER - 1,
                                   (const unsigned char *)"", 0, 1) != 1)
        return library_err(err, ERR_TEMPORARY, STATUS_INTERNAL,
                           "the TLS channel binding cannot be had");
    return 0;
}

int context_peer_fingerprint(struct ssl_st *ssl, char out[FINGERPRINT_SIZE], struct err *err)
{
    X509 *x509 = SSL_get0_peer_certificate(ssl);

    out[0] = '\0';
    if (x509 == NULL)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_SECURE, "the peer sent no certificate");
    return certificate_fingerprint_x509(x509, out, err);
}

void context_goodbye(struct ssl_st *ssl)
{
    /* One-sided: says it, does not wait for the answer. After a failure it may not be said. */
    if (SSL_is_init_finished(ssl))
        (void)SSL_shutdown(ssl);
    ERR_clear_error();
}

void context_explain(unsigned long code, char *text, size_t size)
{
    const char *reason = ERR_reason_error_string(code);

    (void)snprintf(text, size, "%s", reason != NULL ? reason : "no reason given");
}

void context_hold(struct ssl_st *ssl)
{
    (void)SSL_up_ref(ssl);
}

void context_release(struct ssl_st *ssl)
{
    SSL_free(ssl);
}

int context_shake(struct ssl_st *ssl, const struct str *in, struct str *out, unsigned long *code_r)
{
    BIO *from, *to, *was = SSL_get_rbio(ssl);
    int rc, why;
    char *p;
    long n;

    *code_r = 0;
    ERR_clear_error();
    from = BIO_new(BIO_s_mem());
    to = BIO_new(BIO_s_mem());
    /* Its own way is put by, not freed. */
    if (from == NULL || to == NULL || BIO_write(from, in->s, (int)in->len) != (int)in->len ||
        (was != NULL && BIO_up_ref(was) != 1)) {
        *code_r = ERR_get_error(); /* there was no memory */
        ERR_clear_error();
        BIO_free(from);
        BIO_free(to);
        return -1;
    }
    SSL_set_bio(ssl, from, to);
    rc = SSL_do_handshake(ssl);
    why = SSL_get_error(ssl, rc);
    if (rc != 1 && why != SSL_ERROR_WANT_READ)
        *code_r = ERR_get_error();
    n = BIO_get_mem_data(to, &p);
    if (n > 0)
        str_addn(out, p, (size_t)n);
    SSL_set_bio(ssl, was, was);
    ERR_clear_error();
    return rc == 1 || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* ---- blocking use ---- */

/* After a call that returned rc <= 0: 1 call again, 0 the peer has closed, -1. */
static int after(SSL *ssl, int rc, int saved_errno, const char *what, struct err *err)
{
    int why = SSL_get_error(ssl, rc);

    if ((why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) && saved_errno == EINTR)
        return 1;
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return err_set(err, ERR_TEMPORARY, STATUS_TIMEOUT, "%s: the server took too long", what);
    if (why == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) {
        errno = saved_errno != 0 ? saved_errno : ECONNRESET;
        return err_set(err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "%s: %s", what,
                       strerror(errno));
    }
    return library_err(err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "%s", what);
}

static bool is_address(const char *name)
{
    unsigned char any[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, any) == 1 || inet_pton(AF_INET6, name, any) == 1;
}

int context_connect(struct ssl_st *ssl, int fd, const char *server_name, struct err *err)
{
    int rc, again;

    ERR_clear_error();
    /* RFC 6066 §3: no literal addresses. */
    if (SSL_set_fd(ssl, fd) != 1 || (server_name != NULL && !is_address(server_name) &&
                                     SSL_set_tlsext_host_name(ssl, server_name) != 1))
        return library_err(err, ERR_PERMANENT, STATUS_INTERNAL, "TLS cannot be started");
    do {
        errno = 0;
        rc = SSL_connect(ssl);
        if (rc == 1)
            return 0;
        again = after(ssl, rc, errno, "TLS handshake", err);
    } while (again == 1);
    if (again == 0)
        err_set(err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE,
                "TLS handshake: the server closed the connection");
    return -1;
}

long context_read(struct ssl_st *ssl, void *p, size_t n, struct err *err)
{
    int rc, again;

    ERR_clear_error();
    do {
        errno = 0;
        rc = SSL_read(ssl, p, n < INT_MAX ? (int)n : INT_MAX);
        if (rc > 0)
            return rc;
        again = after(ssl, rc, errno, "reading", err);
    } while (again == 1);
    return again;
}

int context_write(struct ssl_st *ssl, const void *p, size_t n, struct err *err)
{
    const char *from = p;

    ERR_clear_error();
    while (n > 0) {
        int rc, again;

        errno = 0;
        rc = SSL_write(ssl, from, n < INT_MAX ? (int)n : INT_MAX);
        if (rc > 0) {
            from += rc;
            n -= (size_t)rc;
            continue;
        }
        again = after(ssl, rc, errno, "writing", err);
        if (again == 0)
            err_set(err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE,
                    "writing: the server closed the connection");
        if (again != 1)
            return -1;
    }
    return 0;
}

void context_close(struct ssl_st **sslp)
{
    if (*sslp == NULL)
        return;
    context_goodbye(*sslp);
    SSL_free(*sslp);
    *sslp = NULL;
}
