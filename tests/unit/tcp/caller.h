/* SPDX-License-Identifier: MIT */
/*
 * An endpoint over the hall of the session's tests, and clients that call it through real sockets,
 * all in one loop whose clock stands still.
 */
#ifndef TESTS_UNIT_TCP_CALLER_H
#define TESTS_UNIT_TCP_CALLER_H

#include "loop/stream.h"
#include "seal/context.h"
#include "tcp/endpoint.h"
#include "unit/session/hall.h"

struct desk {
    struct hall *hall;
    struct context *server, *client;
    struct endpoint *endpoint;
};

struct desk *desk_open(size_t max_connections, size_t max_per_address, size_t max_backlog);
void desk_close(struct desk **dp);
void desk_turns(struct desk *d, int n);
void desk_pass(struct desk *d, int64_t ms);  /* time passes; then turns */

struct caller {
    struct desk *desk;
    struct stream *stream;   /* NULL: closed */
    struct str got;          /* what came and is not read */
    bool reads;              /* takes what comes */
    bool is_secured;
    bool is_closed;
    struct err why;
};

struct caller *caller_open(struct desk *d);   /* connected; the greeting is in got */
void caller_close(struct caller **cp);
void caller_write(struct caller *c, const char *s);  /* and turns, until all has come to rest */
/* Say, and all replies must be these. */
void caller_expect(struct caller *c, const char *say, const char *replies);
void caller_greeted(struct caller *c);        /* reads the greeting, which must be right */
void caller_secure(struct caller *c, enum context_version version);  /* the same, UPGRADE and TLS */
void caller_login(struct caller *c, const char *address, bool use_exporter);
/* caller_open(), secure TLS3, login. */
struct caller *caller_enter(struct desk *d, const char *address);

#endif
