/* SPDX-License-Identifier: MIT */
/* What endpoint.c and connection.c share. */
#ifndef TCP_ENDPOINT_PRIVATE_H
#define TCP_ENDPOINT_PRIVATE_H

#include "base/map.h"
#include "loop/stream.h"
#include "tcp/endpoint.h"

struct connection;

struct endpoint {
    struct mail *mail;
    struct context *context;          /* borrowed; NULL until it is known: nobody is served before */
    size_t max_connections, max_per_address;
    struct stream_listener **listeners;
    size_t n_listeners;
    struct connection *first;         /* all that are open */
    size_t n_connections;
    struct map *addresses;            /* address -> struct address_count */
    bool is_stopping;
    uint64_t n_refused;               /* over a limit, since the last line about it */
    int64_t refused_logged_ms;        /* monotonic */
};

/* Takes over the descriptor. Over a limit it is closed, and counted. */
void connection_accept(struct endpoint *e, int fd);
void connection_end(struct connection *c, int status);  /* says it and closes */
void connection_destroy(struct connection *c);
struct connection *connection_next(const struct connection *c);

#endif
