/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a client's connection: TCP, then TLS over it; lines and octets out of one buffer.
 * Blocking, each wait bounded by the timeout. Errors carry no status: no server said them.
 */
#ifndef CLIENT_TRANSPORT_PRIVATE_H
#define CLIENT_TRANSPORT_PRIVATE_H

#include "base/err.h"
#include "base/str.h"
#include "seal/context.h"

#include <stddef.h>

struct transport;

/* Connect to one of the host's addresses. NULL: err, ERR_PERMANENT if there is no such host. */
struct transport *transport_open(const char *host, const char *port, int timeout_ms,
                                 struct err *err);
void transport_close(struct transport **tp);

/*
 * TLS of exactly that version from here on. Bytes that came in clear and were not read are a
 * failure: somebody put them there. 0, or -1.
 */
int transport_start_tls(struct transport *t, enum context_version version, struct err *err);
/* The fingerprint of the server's certificate. */
int transport_fingerprint(struct transport *t, char out[FINGERPRINT_SIZE], struct err *err);
int transport_exporter(struct transport *t, uint8_t out[32], struct err *err);

int transport_write(struct transport *t, const void *p, size_t n, struct err *err);  /* all: 0, or -1 */

/*
 * Next line, without its LF or CR LF; writable, ended by NUL, valid until the next call. Returns
 * 0, or -1: failure, end of the connection, a line over max bytes, or one with a NUL in it.
 */
int transport_line(struct transport *t, size_t max, char **line_r, struct err *err);
/* Some of the next at most n octets, valid until the next call: how many, or -1. */
long transport_octets(struct transport *t, size_t n, const void **p_r, struct err *err);

#endif
