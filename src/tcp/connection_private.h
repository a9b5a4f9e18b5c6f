/* SPDX-License-Identifier: MIT */
/*
 * A connection of the endpoint: joins a stream to a session and carries TLS between them. It ends
 * by itself when either of them does, and then leaves its endpoint's list.
 */
#ifndef TCP_CONNECTION_PRIVATE_H
#define TCP_CONNECTION_PRIVATE_H

#include "loop/stream.h"
#include "mail/mail.h"
#include "seal/context.h"
#include "wire/status.h"

#include "tcp/backlog_private.h"

#include <stdbool.h>
#include <stdint.h>

#define CONNECTION_HANDSHAKE_MS   30000
#define CONNECTION_SLICE_BYTES    (4u * 1024)   /* of input between two looks at the clock */
#define CONNECTION_SLICE_MS       1             /* of a turn, for what one connection has sent */
#define CONNECTION_BULK_MS        2000          /* so long, what comes after a backlog is put off too */
#define CONNECTION_UNSENT_BYTES   (128u * 1024) /* of output in the kernel beyond what it can send */
#define CONNECTION_PROGRESS_BYTES 4096u         /* before login: input that counts like a line */

struct endpoint;
struct session;

#define ORIGIN_KEY_SIZE 48

/* Connections that share an address, and with IPv6 a /64. */
struct origin {
    size_t n;
    char key[ORIGIN_KEY_SIZE];
};

struct connection {
    struct endpoint *endpoint;
    struct connection *prev, *next;    /* the endpoint's list */
    struct origin *origin;
    struct mail *mail;
    struct context *context;           /* borrowed until the upgrade */
    struct stream *stream;
    struct session *session;           /* NULL: not started */

    int upgrade_to;                    /* start_tls was asked for in session_input(): 2 or 3 */
    bool is_upgrading;                 /* from the 204 to the end of the handshake */
    bool is_ending;                    /* `later` closes it */
    bool is_dropped;                   /* with what has not left yet */
    bool wants_offer;                  /* `later` offers the input that was left */
    bool has_ended;                    /* by the peer, and there was input left */
    bool has_later;                    /* `later` is deferred */
    int64_t bulk_until_ms;             /* it sends more than a turn can take */

    struct loop_timer *login;          /* before login: time for the next line, or the handshake */
    int64_t login_ms, login_until_ms;
    size_t unlined;                    /* bytes since the last line */
    uint64_t bytes_out;                /* when the idle time passed the last time */
    struct backlog_item backlog;
};

/* Takes the descriptor over; nothing is said yet. */
struct connection *connection_create(struct endpoint *e, struct mail *mail, struct context *context,
                                     int fd);
void connection_start(struct connection *c);   /* greets */
/* Say only this and end. Frees c, which was not started. */
void connection_refuse(struct connection *c, enum status why, const char *text);
/* Say why, if that can be said, and end: in a later turn, by endpoint_gone(). */
void connection_end(struct connection *c, enum status why);
/* Without a word, and without what has not left: he does not read it. In a later turn. */
void connection_drop(struct connection *c);
void connection_destroy(struct connection *c, bool flush);

/* ---- endpoint.c ---- */

/* Out of the list and the counts; the connection destroys itself after it. */
void endpoint_gone(struct endpoint *e, struct connection *c);
struct backlog *endpoint_backlog(struct endpoint *e);
/* What an address is counted as: itself, or the /64 that it is in. */
void endpoint_origin_key(const char *address, char key[ORIGIN_KEY_SIZE]);

#endif
