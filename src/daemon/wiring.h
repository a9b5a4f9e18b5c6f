/* SPDX-License-Identifier: MIT */
/*
 * The daemon as one thing: every room created, joined and destroyed in the right order. The only
 * place that knows all of them.
 */
#ifndef DAEMON_WIRING_H
#define DAEMON_WIRING_H

#include "daemon/settings.h"
#include "mail/mail.h"
#include "tcp/endpoint.h"
#include "xmpp/component.h"

struct control;

struct wiring {
    struct settings *settings;
    struct mail mail;                /* and in it: store, turn, loop, worker, accounts, keys, … */
    struct context *context;         /* TLS of the endpoint */
    struct endpoint *endpoint;
    struct component **components;   /* one a domain, in the order of mail.domains */
    struct component_set *set;
    struct control *control;
    struct loop_timer *tidy;
    struct loop_timer *watchdog;
    struct loop_timer *stopping;
    int64_t started_ms;              /* wall */
    int64_t watchdog_ms;             /* 0: none wanted */
    int64_t stop_until_ms;           /* monotonic; 0: not stopping */
};

/*
 * Before privileges are dropped: the loop and the listening sockets. Then, as the user: everything
 * else. Takes over settings on success of wiring_open(). Both: 0, or -1 and wiring_close() is due.
 */
int wiring_listen(struct wiring *w, struct settings *settings, struct err *err);
int wiring_open(struct wiring *w, struct err *err);
void wiring_run(struct wiring *w);            /* until a signal ends it */
void wiring_close(struct wiring *w);

/*
 * Read the file again and take over what can change while running: log, limits, retry, routes,
 * trust, administrators, TLS certificate. What needs a restart is logged. -1: the old settings stay.
 */
int wiring_reload(struct wiring *w, struct err *err);

#endif
