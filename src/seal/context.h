/* SPDX-License-Identifier: MIT */
/*
 * TLS contexts and what a session asks of a TLS connection. Server side for the listener, client
 * side for immp and for peers. TLS 1.2 and 1.3 only, AEAD suites only, no renegotiation, no
 * compression; read and write buffers are released while idle.
 */
#ifndef SEAL_CONTEXT_H
#define SEAL_CONTEXT_H

#include "base/err.h"
#include "base/str.h"
#include "seal/certificate.h"

#include <stdint.h>

struct ssl_st;

struct context;
/*
 * A server's context for a domain: the operator's certificate and key, or (both NULL)
 * DOMAIN.tls.pem below directory, made self-signed when missing. NULL: err.
 */
struct context *context_server(const char *domain, const char *directory, const char *certificate,
                               const char *key, struct err *err);
struct context *context_client(struct err *err);
void context_destroy(struct context **cp);
const char *context_fingerprint(const struct context *c);  /* server's own; "" for a client's */

enum context_version { CONTEXT_TLS2 = 2, CONTEXT_TLS3 = 3 };  /* the draft's names for TLS 1.2 and 1.3 */
/* A connection's TLS state, exactly that version. For stream_start_tls(). NULL: err. */
struct ssl_st *context_session(struct context *c, enum context_version version, struct err *err);

/* RFC 9266 tls-exporter of an established connection. 0, or -1 (TLS 1.2 without extended master secret). */
int context_exporter(struct ssl_st *ssl, uint8_t out[32], struct err *err);
/* Fingerprint of the peer's certificate. 0, or -1 (it sent none). */
int context_peer_fingerprint(struct ssl_st *ssl, char out[FINGERPRINT_SIZE], struct err *err);

/* ---- what loop/stream.h asks of TLS (struct stream_tls_hooks) ---- */

void context_goodbye(struct ssl_st *ssl);  /* writes the close_notify, if the handshake was done */
void context_explain(unsigned long code, char *text, size_t size);  /* OpenSSL's error code in words */
/* The handshake goes on with all that `in` holds; `out` is for the peer. Any one thread at a time. */
int context_shake(struct ssl_st *ssl, const struct str *in, struct str *out, unsigned long *code_r);
void context_hold(struct ssl_st *ssl);
void context_release(struct ssl_st *ssl);

/* ---- blocking use, for client tools: over a connected descriptor ---- */

int context_connect(struct ssl_st *ssl, int fd, const char *server_name, struct err *err);  /* handshake */
long context_read(struct ssl_st *ssl, void *p, size_t n, struct err *err);   /* >0 bytes, 0 end, -1 */
int context_write(struct ssl_st *ssl, const void *p, size_t n, struct err *err);  /* all, or -1 */
void context_close(struct ssl_st **sslp);

#endif
