/* SPDX-License-Identifier: MIT */
/*
 * The endpoint: its listeners, its limits and the list of its connections. What happens on a
 * connection is connection.c's.
 */
#include "tcp/endpoint.h"

#include <stdlib.h>

#include "base/mem.h"
#include "seal/context.h"
#include "wire/status.h"

#include "tcp/endpoint_private.h"

#define CONNECTIONS_DEFAULT 10000
#define PER_ADDRESS_DEFAULT 1000

static const struct stream_tls_hooks tls_hooks = { context_goodbye, context_explain };

struct endpoint *endpoint_create(const struct endpoint_config *cfg, struct err *err)
{
    struct endpoint *e = mem_zalloc(sizeof(*e));

    (void)err;
    e->mail = cfg->mail;
    e->context = cfg->context;
    e->max_connections = cfg->max_connections != 0 ? cfg->max_connections : CONNECTIONS_DEFAULT;
    e->max_per_address = cfg->max_per_address != 0 ? cfg->max_per_address : PER_ADDRESS_DEFAULT;
    e->addresses = map_create();
    stream_set_tls_hooks(cfg->mail->loop, &tls_hooks);
    return e;
}

static void on_accept(void *ctx, int fd)
{
    connection_accept(ctx, fd);
}

int endpoint_listen(struct endpoint *e, const char *address, uint16_t port, struct err *err)
{
    struct stream_listener *l = stream_listen(e->mail->loop, address, port, 0600, on_accept, e, err);

    if (l == NULL)
        return err_prefix(err, "the IMMP endpoint");
    e->listeners = mem_realloc(e->listeners, (e->n_listeners + 1) * sizeof(struct stream_listener *));
    e->listeners[e->n_listeners++] = l;
    return 0;
}

uint16_t endpoint_port(const struct endpoint *e)
{
    return e->n_listeners > 0 ? stream_listener_port(e->listeners[0]) : 0;
}

void endpoint_set_context(struct endpoint *e, struct context *context)
{
    e->context = context;
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
    struct connection *next;

    e->is_stopping = true;
    close_listeners(e);
    for (struct connection *c = e->first; c != NULL; c = next) {
        next = connection_next(c);
        connection_end(c, STATUS_SHUTTING_DOWN);
    }
}

size_t endpoint_connections(const struct endpoint *e)
{
    return e->n_connections;
}

static int free_count(void *ctx, const char *key, void *value)
{
    (void)ctx;
    (void)key;
    free(value);
    return 0;
}

void endpoint_destroy(struct endpoint **ep)
{
    struct endpoint *e = *ep;

    if (e == NULL)
        return;
    close_listeners(e);
    while (e->first != NULL)
        connection_destroy(e->first);
    (void)map_each(e->addresses, free_count, NULL);
    map_destroy(&e->addresses);
    free(e);
    *ep = NULL;
}
