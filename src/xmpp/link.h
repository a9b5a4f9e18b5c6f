/* SPDX-License-Identifier: MIT */
/*
 * The XEP-0114 stream of one component: connects, shakes hands, reads stanzas, writes, and comes
 * back after every loss, for ever. It knows nothing of what the stanzas mean.
 *
 * Nothing is written before the server's <handshake/> and nothing is kept while the link is down:
 * who wants to say something later keeps it.
 */
#ifndef XMPP_LINK_H
#define XMPP_LINK_H

#include "base/err.h"
#include "loop/loop.h"
#include "xmpp/stanza.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_STANZA_MAX (1024 * 1024)  /* bytes of a stanza that comes */

enum link_state {
    LINK_STOPPED = 0,  /* not started, or stopped for good */
    LINK_CONNECTING,   /* the connection is being made */
    LINK_HANDSHAKE,    /* our stream header is sent; awaits <handshake/> */
    LINK_UP,           /* stanzas flow */
    LINK_WAITING,      /* lost or refused; the next try is due at next_try_ms */
};

struct link_config {
    struct loop *loop;
    const struct clock *clock;
    const char *server;        /* host, or unix:/path */
    uint16_t port;
    const char *jid;           /* the component's host */
    const char *secret;
    int64_t patience_ms;       /* for connecting, and for the handshake */
    int64_t retry_min_ms;      /* back-off: doubles from min to max, with jitter */
    int64_t retry_max_ms;
    int64_t refused_min_ms;    /* the slower one: wrong secret, unknown host, conflict */
    int64_t refused_max_ms;
    int64_t proven_ms;         /* up for so long, the back-off starts anew */
};
#define LINK_RETRY_MIN_MS   1000
#define LINK_RETRY_MAX_MS   60000
#define LINK_REFUSED_MIN_MS 60000
#define LINK_REFUSED_MAX_MS 600000
#define LINK_PROVEN_MS      60000
#define LINK_CONFLICTS      4   /* that are waited out quickly, before it was up */

struct link_events {
    void (*up)(void *ctx);
    void (*down)(void *ctx, const struct err *why);   /* it was up */
    void (*stanza)(void *ctx, const struct stanza *st);
};

struct link;
struct link *link_create(const struct link_config *cfg, const struct link_events *ev, void *ctx);
void link_destroy(struct link **lp);  /* not from within an event */
void link_start(struct link *l);
void link_stop(struct link *l);       /* </stream:stream>, then no more; no down event */

enum link_state link_state(const struct link *l);
/* Only while it is up; elsewhere nothing happens. Whole stanzas, in any number of pieces. */
void link_write(struct link *l, const void *p, size_t n);
/* Written, and not yet handed to the kernel; handed to the kernel on this connection. */
size_t link_pending(const struct link *l);
uint64_t link_written(const struct link *l);
/* The owner holds it for dead: close, and try again. */
void link_fail(struct link *l, const char *why);
/* Read nothing more until what is pending has gone. */
void link_hold(struct link *l);
bool link_is_held(const struct link *l);

struct link_status {
    int64_t up_since_ms, next_try_ms;  /* wall; 0 */
    const char *last_error;            /* NULL none */
    uint64_t bytes_in, bytes_out;
    uint64_t reconnects;               /* times it came up again */
};
void link_status(const struct link *l, struct link_status *st_r);

#endif
