/* SPDX-License-Identifier: MIT */
/*
 * The component of one served domain: its XEP-0114 link, what it answers, and the seals that go
 * over it. It implements mail/transport.h.
 *
 * The link never gives up: back-off 1 s to 60 s with jitter; wrong secret, unknown host and
 * conflict each have their own log line and a slower back-off (60 s to 10 min), but the first
 * conflicts of a start, which may be with the connection of a daemon that has crashed.
 */
#ifndef XMPP_COMPONENT_H
#define XMPP_COMPONENT_H

#include "mail/mail.h"
#include "mail/transport.h"

struct component;

struct component_config {
    struct mail *mail;
    const struct mail_domain *domain;
    const char *server;         /* host, or unix:/path */
    uint16_t port;
    const char *secret;
    const char *version;        /* for XEP-0092 */
    int64_t ping_ms;            /* 30000; both the interval and the deadline */
    /* The link came up or went down. */
    void (*changed)(void *ctx, const struct mail_domain *d, bool is_up);
    void *ctx;
};

struct component *component_create(const struct component_config *cfg, struct err *err);
void component_start(struct component *c);
void component_stop(struct component *c);          /* </stream:stream>, then no more */
void component_destroy(struct component **cp);

struct component_status {
    bool is_up;
    const char *state;          /* "connecting", "handshake", "up", "waiting" */
    int64_t up_since_ms;        /* wall; 0 */
    int64_t last_pong_ms;       /* wall; 0 */
    int64_t next_try_ms;        /* wall; 0 */
    const char *last_error;     /* NULL none */
    uint64_t stanzas_in, stanzas_out, bytes_in, bytes_out, reconnects;
};
void component_status(const struct component *c, struct component_status *st_r);

/* One transport over all components: each call goes to the component of its `origin`. */
struct component_set;
struct component_set *component_set_create(void);
void component_set_add(struct component_set *cs, struct component *c);
void component_set_destroy(struct component_set **csp);
const struct transport *component_set_transport(struct component_set *cs);

#endif
