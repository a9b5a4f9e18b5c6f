/* SPDX-License-Identifier: MIT */
/*
 * The IMMP endpoint on TCP: listens, and joins each connection (loop/stream.h, TLS by
 * seal/context.h) to a session. Bytes that a client sent in clear after UPGRADE (what session_input()
 * left when start_tls was called) are dropped and the connection is closed with 750.
 */
#ifndef TCP_ENDPOINT_H
#define TCP_ENDPOINT_H

#include "mail/mail.h"
#include "seal/context.h"

struct endpoint;

struct endpoint_config {
    struct mail *mail;
    struct context *context;     /* TLS, of the default domain */
    size_t max_connections;      /* 0: 10,000 */
    size_t max_per_address;      /* 0: 1,000 */
    size_t max_backlog;          /* bytes that clients do not take, together; 0: 64 MiB */
};

struct endpoint *endpoint_create(const struct endpoint_config *cfg, struct err *err);
/* Add a listening address; before privileges are dropped. 0, or -1 (says address and port). */
int endpoint_listen(struct endpoint *e, const char *address, uint16_t port, struct err *err);
uint16_t endpoint_port(const struct endpoint *e);  /* of the first listener */
void endpoint_set_context(struct endpoint *e, struct context *context);  /* after a reload */
void endpoint_stop(struct endpoint *e);            /* no new connections; 701 to those there are */
size_t endpoint_connections(const struct endpoint *e);
void endpoint_destroy(struct endpoint **ep);

#endif
