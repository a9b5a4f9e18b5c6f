/* SPDX-License-Identifier: MIT */
/*
 * The TLS of the load generators: 1.3 alone, X25519 and AES-128-GCM, the client's side, without
 * waiting. It asks of a server all that a full handshake is, and spares itself what is only the
 * client's: its key share is made once for all connections, and it looks at no certificate and at
 * no signature. So a client that shares the cores with its server costs a login 230 us, with
 * OpenSSL 760.
 * For measuring only: nobody is who he says.
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_EXPORTER_BYTES 32

struct tls;

void tls_setup(void);
struct tls *tls_open(int fd);    /* connected; the hello is on its way */
void tls_close(struct tls **tp); /* says goodbye; the descriptor stays the caller's */

/* 1 done, 0 more is to come, -1 it failed. Our end of it leaves with the first tls_write(). */
int tls_shake(struct tls *t);
/* Some bytes, 0 would block, -1 the peer has gone. n: a record's 16 KB at least. */
long tls_read(struct tls *t, void *p, size_t n);
bool tls_has_record(const struct tls *t); /* received and not yet read: epoll does not tell */
/* How many were taken; what the kernel did not take is owed. n 0: only send that. -1: broken. */
long tls_write(struct tls *t, const void *p, size_t n);
bool tls_owes(const struct tls *t);

/* RFC 9266's channel binding. */
void tls_exporter(struct tls *t, uint8_t out[TLS_EXPORTER_BYTES]);

#endif
