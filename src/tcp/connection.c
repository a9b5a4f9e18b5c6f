/* SPDX-License-Identifier: MIT */
/*
 * One connection: a stream and a session, joined. Bytes go from the one to the other and back;
 * what they mean is the session's business, when they leave is the stream's.
 *
 * UPGRADE: the session asks for TLS after its 204. A byte that the client has sent in clear behind
 * that line, seen now or before the 204 has left, ends the connection with 750, so that nothing
 * said in clear is ever taken for something said in TLS.
 *
 * The session may ask for the close in the midst of a call of ours into it, so the connection is
 * released in the next turn; until then it has no stream.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "seal/context.h"
#include "session/session.h"

#include "tcp/endpoint_private.h"

#define HANDSHAKE_MS   30000  /* from the 204 to the end of the handshake, however slowly it dribbles */
#define REFUSED_LOG_MS 60000  /* one line a minute about connections over a limit */

struct address_count {
    size_t open;
};

struct connection {
    struct connection *next, *prev;
    struct endpoint *endpoint;
    struct stream *stream;             /* NULL: closed */
    struct session *session;
    struct loop_timer *handshake;      /* runs from 204 to secured only */
    char *address;
    int wants_tls;                     /* 2 or 3: asked for by the session, not yet begun */
    bool is_in_input;                  /* within session_input() */
    bool is_closing;
};

/* ---- limits ------------------------------------------------------------------------------ */

static bool count_address(struct endpoint *e, const char *address)
{
    struct address_count *n = map_get(e->addresses, address);

    if (n == NULL) {
        n = mem_zalloc(sizeof(*n));
        map_put(e->addresses, address, n);
    }
    if (n->open >= e->max_per_address)
        return false;
    n->open++;
    return true;
}

static void uncount_address(struct endpoint *e, const char *address)
{
    struct address_count *n = map_get(e->addresses, address);

    if (n != NULL && --n->open == 0)
        free(map_del(e->addresses, address));
}

static void refuse(struct endpoint *e, const char *address)
{
    int64_t now = clock_mono_ms(e->mail->clock);

    e->n_refused++;
    if (e->refused_logged_ms != 0 && now - e->refused_logged_ms < REFUSED_LOG_MS)
        return;
    log_warn("endpoint.full refused=%llu open=%zu last=%s", (unsigned long long)e->n_refused,
             e->n_connections, address);
    e->n_refused = 0;
    e->refused_logged_ms = now;
}

/* ---- closing ------------------------------------------------------------------------------ */

void connection_destroy(struct connection *c)
{
    struct endpoint *e = c->endpoint;

    session_destroy(&c->session);
    stream_close(&c->stream, false);
    loop_timer_destroy(&c->handshake);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        e->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    e->n_connections--;
    uncount_address(e, c->address);
    free(c->address);
    free(c);
}

static void reap(void *ctx)
{
    struct connection *c = ctx;

    /* What was written has been handed to the stream, whose turn has ended: it may close now. */
    stream_close(&c->stream, true);
    connection_destroy(c);
}

static void close_soon(struct connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    stream_hold_input(c->stream, true);
    loop_defer(c->endpoint->mail->loop, reap, c);
}

void connection_end(struct connection *c, int status)
{
    if (!c->is_closing)
        session_end(c->session, (enum status)status);
}

struct connection *connection_next(const struct connection *c)
{
    return c->next;
}

/* ---- TLS ---------------------------------------------------------------------------------- */

static void handshake_late(void *ctx)
{
    struct connection *c = ctx;

    log_debug("tls.slow address=%s", c->address);
    close_soon(c);
}

static void begin_tls(struct connection *c)
{
    enum context_version version = (enum context_version)c->wants_tls;
    struct mail *m = c->endpoint->mail;
    struct err err = { 0 };
    struct ssl_st *ssl;

    c->wants_tls = 0;
    ssl = context_session(c->endpoint->context, version, &err);
    if (ssl == NULL) {
        log_error("tls.unavailable address=%s: %s", c->address, err.text);
        session_end(c->session, STATUS_INTERNAL);
        return;
    }
    if (stream_start_tls(c->stream, ssl, true) < 0) {
        session_end(c->session, STATUS_PROTOCOL);
        return;
    }
    c->handshake = loop_timer_create(m->loop, handshake_late, c);
    loop_timer_set(c->handshake, HANDSHAKE_MS);
}

static void on_secured(void *ctx)
{
    struct connection *c = ctx;
    uint8_t exporter[PASSWORD_EXPORTER_BYTES];
    struct err err = { 0 };
    bool has_exporter;

    if (c->is_closing)
        return;
    loop_timer_destroy(&c->handshake);
    has_exporter = context_exporter(stream_tls(c->stream), exporter, &err) == 0;
    session_secured(c->session, has_exporter ? exporter : NULL);
}

/* ---- bytes -------------------------------------------------------------------------------- */

static void on_data(void *ctx)
{
    struct connection *c = ctx;

    while (!c->is_closing && !c->is_in_input) {
        size_t n, taken;
        const char *p = stream_peek(c->stream, &n);

        if (n == 0)
            return;
        if (c->handshake != NULL) {
            /* They came in clear before our 204 had left (loop/stream.h). */
            session_end(c->session, STATUS_PROTOCOL);
            return;
        }
        c->is_in_input = true;
        taken = session_input(c->session, p, n);
        c->is_in_input = false;
        stream_take(c->stream, taken);
        if (c->wants_tls != 0)
            begin_tls(c);
        else if (taken == 0)
            return;
    }
}

static void on_drained(void *ctx)
{
    struct connection *c = ctx;

    if (!c->is_closing)
        session_drained(c->session);
}

static void on_idle(void *ctx)
{
    struct connection *c = ctx;

    if (!c->is_closing)
        session_end(c->session, STATUS_TIMEOUT);
}

static void on_closed(void *ctx, const struct err *why)
{
    struct connection *c = ctx;

    if (why->kind != ERR_NONE)
        log_debug("connection.lost address=%s: %s", c->address, why->text);
    close_soon(c);
}

/* ---- what the session asks ------------------------------------------------------------------ */

static void owner_write(void *ctx, const void *p, size_t n)
{
    struct connection *c = ctx;

    stream_write(c->stream, p, n);
}

static size_t owner_pending(void *ctx)
{
    struct connection *c = ctx;

    return stream_pending(c->stream);
}

static void owner_start_tls(void *ctx, int version)
{
    struct connection *c = ctx;

    c->wants_tls = version;
}

static void owner_close(void *ctx)
{
    close_soon(ctx);
}

static void owner_set_idle(void *ctx, int64_t ms)
{
    struct connection *c = ctx;

    stream_set_idle(c->stream, ms);
}

static void owner_resume(void *ctx)
{
    on_data(ctx);
}

/* ---- accepting ------------------------------------------------------------------------------ */

static const struct stream_events stream_events = {
    .secured = on_secured,
    .data = on_data,
    .drained = on_drained,
    .idle = on_idle,
    .closed = on_closed,
};

static const struct session_owner session_owner = {
    .write = owner_write,
    .pending = owner_pending,
    .start_tls = owner_start_tls,
    .close = owner_close,
    .set_idle = owner_set_idle,
    .resume = owner_resume,
};

void connection_accept(struct endpoint *e, int fd)
{
    struct connection *c = mem_zalloc(sizeof(*c));
    struct session_config cfg = { .mail = e->mail, .is_plain = true };

    c->endpoint = e;
    c->stream = stream_accept(e->mail->loop, fd, &stream_events, c);
    c->address = mem_strdup(stream_address(c->stream));
    if (e->is_stopping || e->context == NULL || e->n_connections >= e->max_connections ||
        !count_address(e, c->address)) {
        refuse(e, c->address);
        stream_close(&c->stream, false);
        free(c->address);
        free(c);
        return;
    }
    c->next = e->first;
    if (e->first != NULL)
        e->first->prev = c;
    e->first = c;
    e->n_connections++;
    cfg.domain = e->mail->domains[0].name;
    cfg.remote = c->address;
    c->session = session_create(&cfg, &session_owner, c);
}
