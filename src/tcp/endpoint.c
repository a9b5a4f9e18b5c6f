/* SPDX-License-Identifier: MIT */
/*
 * The IMMP endpoint: listeners, and how many may be connected.
 *
 * Who is one too many is told so (703) and closed, instead of being left in the listen queue: an
 * operator sees at once what is wrong, and those who may come in do not wait behind the others.
 * Addresses are counted by the network that one customer has: IPv6 by its /64.
 */
#include "config.h"

#include "tcp/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include "tcp/connection_private.h"

#define MAX_CONNECTIONS 10000
#define MAX_PER_ADDRESS 1000
#define FULL_LOG_MS     60000 /* one line a minute about those who were too many */

struct endpoint {
    struct endpoint_config cfg;
    struct stream_listener **listeners;
    size_t n_listeners;
    struct connection *connections;
    size_t n_connections;
    struct map *origins;    /* key to struct origin */
    struct backlog *backlog;
    uint64_t n_refused;     /* since the last line about it */
    int64_t refused_log_ms; /* when that was; 0: never */
    bool is_stopped;
};

/* ---- counting ---- */

void endpoint_origin_key(const char *address, char key[ORIGIN_KEY_SIZE])
{
    struct in6_addr in6;

    if (inet_pton(AF_INET6, address, &in6) == 1) {
        memset(&in6.s6_addr[8], 0, 8);
        (void)inet_ntop(AF_INET6, &in6, key, ORIGIN_KEY_SIZE);
    } else {
        (void)snprintf(key, ORIGIN_KEY_SIZE, "%s", address);
    }
}

static struct origin *origin_get(struct endpoint *e, const char *address)
{
    char key[ORIGIN_KEY_SIZE];
    struct origin *o;

    endpoint_origin_key(address, key);
    o = map_get(e->origins, key);
    if (o == NULL) {
        o = mem_zalloc(sizeof(*o));
        memcpy(o->key, key, sizeof(key));
        map_put(e->origins, key, o);
    }
    return o;
}

static void origin_settle(struct endpoint *e, struct origin *o)
{
    if (o->n > 0)
        return;
    (void)map_del(e->origins, o->key);
    free(o);
}

static void link_connection(struct endpoint *e, struct connection *c, struct origin *o)
{
    c->origin = o;
    o->n++;
    e->n_connections++;
    c->next = e->connections;
    if (c->next != NULL)
        c->next->prev = c;
    e->connections = c;
}

void endpoint_gone(struct endpoint *e, struct connection *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        e->connections = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    e->n_connections--;
    backlog_forget(e->backlog, c);
    c->origin->n--;
    origin_settle(e, c->origin);
}

struct backlog *endpoint_backlog(struct endpoint *e)
{
    return e->backlog;
}

/* ---- accepting ---- */

static void refuse(struct endpoint *e, struct connection *c, struct origin *o, const char *text)
{
    int64_t now_ms = clock_mono_ms(e->cfg.mail->clock);

    e->n_refused++;
    if (e->refused_log_ms == 0 || now_ms - e->refused_log_ms >= FULL_LOG_MS) {
        log_warn("endpoint.full refused=%llu remote=%s connections=%zu same_address=%zu",
                 (unsigned long long)e->n_refused, stream_address(c->stream), e->n_connections,
                 o->n);
        e->n_refused = 0;
        e->refused_log_ms = now_ms;
    }
    origin_settle(e, o);
    connection_refuse(c, STATUS_OVERLOADED, text);
}

static void on_accepted(void *ctx, int fd)
{
    struct endpoint *e = ctx;
    struct connection *c;
    struct origin *o;

    if (e->cfg.context == NULL) {
        (void)close(fd); /* nobody can upgrade yet */
        return;
    }
    c = connection_create(e, e->cfg.mail, e->cfg.context, fd);
    o = origin_get(e, stream_address(c->stream));
    if (e->n_connections >= e->cfg.max_connections) {
        refuse(e, c, o, "too many connections, try again later");
    } else if (o->n >= e->cfg.max_per_address) {
        refuse(e, c, o, "too many connections from your address");
    } else {
        link_connection(e, c, o);
        connection_start(c);
    }
}

/* ---- the outside ---- */

struct endpoint *endpoint_create(const struct endpoint_config *cfg, struct err *err)
{
    static const struct stream_tls_hooks hooks = { context_goodbye, context_explain, context_shake,
                                                   context_hold, context_release };
    struct endpoint *e = mem_zalloc(sizeof(*e));

    (void)err;
    e->cfg = *cfg;
    if (e->cfg.max_connections == 0)
        e->cfg.max_connections = MAX_CONNECTIONS;
    if (e->cfg.max_per_address == 0)
        e->cfg.max_per_address = MAX_PER_ADDRESS;
    e->origins = map_create();
    e->backlog = backlog_create(cfg->mail->loop, cfg->max_backlog);
    stream_set_tls_hooks(cfg->mail->loop, &hooks);
    return e;
}

int endpoint_listen(struct endpoint *e, const char *address, uint16_t port, struct err *err)
{
    struct stream_listener *l =
        stream_listen(e->cfg.mail->loop, address, port, 0, on_accepted, e, err);

    if (l == NULL)
        return err_prefix(err, "the IMMP endpoint");
    e->listeners =
        mem_realloc(e->listeners, (e->n_listeners + 1) * sizeof(struct stream_listener *));
    e->listeners[e->n_listeners++] = l;
    return 0;
}

uint16_t endpoint_port(const struct endpoint *e)
{
    return e->n_listeners > 0 ? stream_listener_port(e->listeners[0]) : 0;
}

void endpoint_set_context(struct endpoint *e, struct context *context)
{
    e->cfg.context = context;
    for (struct connection *c = e->connections; c != NULL; c = c->next)
        c->context = context;
}

static void close_listeners(struct endpoint *e)
{
    for (size_t i = 0; i < e->n_listeners; i++)
        stream_listener_close(&e->listeners[i]);
    free(e->listeners);
    e->listeners = NULL;
    e->n_listeners = 0;
}

void endpoint_stop(struct endpoint *e)
{
    if (e->is_stopped)
        return;
    e->is_stopped = true;
    close_listeners(e);
    /* They leave the list in a later turn, not while it is walked. */
    for (struct connection *c = e->connections; c != NULL; c = c->next)
        connection_end(c, STATUS_SHUTTING_DOWN);
}

size_t endpoint_connections(const struct endpoint *e)
{
    return e->n_connections;
}

void endpoint_destroy(struct endpoint **ep)
{
    struct endpoint *e = *ep;

    if (e == NULL)
        return;
    close_listeners(e);
    while (e->connections != NULL) {
        struct connection *c = e->connections;

        endpoint_gone(e, c);
        connection_destroy(c, false);
    }
    backlog_destroy(&e->backlog);
    map_destroy(&e->origins);
    free(e);
    *ep = NULL;
}
