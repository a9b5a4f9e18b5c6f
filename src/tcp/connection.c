/* SPDX-License-Identifier: MIT */
/*
 * The glue between a stream and a session.
 *
 * Two rules are kept here. No byte that came in clear behind UPGRADE is ever a command or a part of
 * the handshake: what the session leaves untaken, and what the stream finds before the 204 has left
 * (loop/stream.h), ends the connection with 750. And a connection never goes within the turn in
 * which its session has answered: the commit of that turn may take back what was said, so the end
 * is put off to the next one, when what is held is true.
 *
 * Who has sent more than what takes a millisecond has the rest taken in later turns, and for a while
 * all that comes after it: such backlogs share the half of a turn that is kept for what was put off.
 * So a client that asks one thing at a time waits a turn, however many there are of the others.
 *
 * Time before login is counted from line to line, not from byte to byte: who sends a byte a second
 * has said nothing. After login any byte will do, and so does a reader who takes his output.
 */
#include "config.h"

#include "tcp/connection_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "session/session.h"
#include "wire/reply.h"

static void offer(struct connection *c);
static void end_soon(struct connection *c);

/* ---- what is put off to the next turn ---- */

static void later(void *ctx)
{
    struct connection *c = ctx;

    c->has_later = false;
    if (c->is_ending) {
        endpoint_gone(c->endpoint, c);
        connection_destroy(c, !c->is_dropped);
        return;
    }
    if (c->wants_offer) {
        c->wants_offer = false;
        offer(c);
    }
    if (c->has_ended && !c->wants_offer)
        end_soon(c);
}

static void put_off(struct connection *c)
{
    if (c->has_later)
        return;
    c->has_later = true;
    loop_defer(c->mail->loop, later, c);
}

static void offer_later(struct connection *c)
{
    c->wants_offer = true;
    put_off(c);
}

static void end_soon(struct connection *c)
{
    c->is_ending = true;
    put_off(c);
}

/* ---- time before login ---- */

static bool is_known(const struct connection *c)
{
    return c->session != NULL && (session_phase(c->session) & (PHASE_LOCAL | PHASE_REMOTE)) != 0;
}

static void set_login_limit(struct connection *c, int64_t ms)
{
    c->login_ms = ms;
    c->login_until_ms = clock_mono_ms(c->mail->clock) + ms;
    c->unlined = 0;
    if (!loop_timer_is_set(c->login))
        loop_timer_set(c->login, ms);
}

static void on_login_time(void *ctx)
{
    struct connection *c = ctx;
    int64_t left = c->login_until_ms - clock_mono_ms(c->mail->clock);

    if (left > 0)
        loop_timer_set(c->login, left);
    else
        connection_end(c, STATUS_TIMEOUT);
}

/* Has the client said something, or is it only dribbling? */
static void note_progress(struct connection *c, const char *p, size_t n)
{
    if (c->login == NULL || c->is_upgrading)
        return;
    c->unlined += n;
    if (memchr(p, '\n', n) != NULL || c->unlined >= CONNECTION_PROGRESS_BYTES)
        set_login_limit(c, c->login_ms);
}

/* ---- TLS ---- */

/* Bytes in clear behind UPGRADE (docs/immp.md, "Connections and states"). */
static void refuse_clear_bytes(struct connection *c)
{
    size_t n;

    (void)stream_peek(c->stream, &n);
    stream_take(c->stream, n);
    log_debug("endpoint.injection remote=%s bytes=%zu", stream_address(c->stream), n);
    c->is_upgrading = false;
    session_end(c->session, STATUS_PROTOCOL);
}

static void begin_tls(struct connection *c)
{
    enum context_version version = c->upgrade_to == 2 ? CONTEXT_TLS2 : CONTEXT_TLS3;
    struct ssl_st *ssl;
    struct err err;
    size_t n;

    c->upgrade_to = 0;
    (void)stream_peek(c->stream, &n);
    if (n > 0) {
        refuse_clear_bytes(c);
        return;
    }
    ssl = context_session(c->context, version, &err);
    if (ssl == NULL) {
        log_warn("endpoint.tls remote=%s why=%s", stream_address(c->stream), log_quote(err.text));
        session_end(c->session, STATUS_INTERNAL);
        return;
    }
    (void)stream_start_tls(c->stream, ssl, true);
    set_login_limit(c, CONNECTION_HANDSHAKE_MS);
    c->is_upgrading = true;
}

static void on_secured(void *ctx)
{
    struct connection *c = ctx;
    uint8_t exporter[32];
    bool has = context_exporter(stream_tls(c->stream), exporter, NULL) == 0;

    c->is_upgrading = false;
    if (c->is_ending)
        return;
    session_secured(c->session, has ? exporter : NULL);
    secret_wipe(exporter, sizeof(exporter));
}

/* ---- input ---- */

/* As much as the session takes, in slices, until the time is up: the rest comes in a later turn. */
static void offer(struct connection *c)
{
    int64_t now_ms = clock_mono_ms(c->mail->clock), until_ms = now_ms + CONNECTION_SLICE_MS;
    const char *p;
    size_t n, slice, taken;

    do {
        p = stream_peek(c->stream, &n);
        slice = MIN(n, CONNECTION_SLICE_BYTES);
        if (slice == 0)
            return;
        taken = session_input(c->session, p, slice);
        note_progress(c, p, taken);
        stream_take(c->stream, taken);
        if (c->upgrade_to != 0) {
            begin_tls(c);
            return;
        }
        now_ms = clock_mono_ms(c->mail->clock);
        if (taken < slice) {
            /* resume() or drained will tell when it takes more */
            c->bulk_until_ms = now_ms + CONNECTION_BULK_MS;
            return;
        }
    } while (now_ms <= until_ms);
    if (taken < n) {
        c->bulk_until_ms = now_ms + CONNECTION_BULK_MS;
        offer_later(c);
    }
}

/* At once, but for who has lately sent more than a slice. */
static void take_input(struct connection *c)
{
    if (c->wants_offer || clock_mono_ms(c->mail->clock) < c->bulk_until_ms)
        offer_later(c);
    else
        offer(c);
}

static void on_data(void *ctx)
{
    struct connection *c = ctx;

    if (c->is_upgrading)
        refuse_clear_bytes(c);
    else
        take_input(c);
}

static void on_drained(void *ctx)
{
    struct connection *c = ctx;

    session_drained(c->session);
    if (!c->is_upgrading)
        take_input(c);
}

/* ---- the end ---- */

static void on_idle(void *ctx)
{
    struct connection *c = ctx;
    uint64_t out = stream_bytes_out(c->stream);

    /* A client that is still taking a long answer says nothing meanwhile. */
    if (stream_pending(c->stream) > 0 && out != c->bytes_out) {
        c->bytes_out = out;
        return;
    }
    connection_end(c, STATUS_TIMEOUT);
}

static void on_closed(void *ctx, const struct err *why)
{
    struct connection *c = ctx;

    if (why->kind != ERR_NONE)
        log_debug("endpoint.broken remote=%s why=%s", stream_address(c->stream),
                  log_quote(why->text));
    /* What was said before the end, and put off, is still to be heard. */
    if (why->kind == ERR_NONE && c->wants_offer)
        c->has_ended = true;
    else
        end_soon(c);
}

void connection_end(struct connection *c, enum status why)
{
    /* In the midst of a handshake nothing can be said that would be understood. */
    if (c->is_upgrading || c->is_ending)
        end_soon(c);
    else
        session_end(c->session, why);
}

void connection_drop(struct connection *c)
{
    c->is_dropped = true;
    end_soon(c);
}

/* ---- what the session asks for ---- */

static void session_write(void *ctx, const void *p, size_t n)
{
    struct connection *c = ctx;

    stream_write(c->stream, p, n);
    if (!c->is_ending)
        backlog_note(endpoint_backlog(c->endpoint), c);
}

static size_t session_pending(void *ctx)
{
    struct connection *c = ctx;

    return stream_pending(c->stream);
}

static void session_start_tls(void *ctx, int version)
{
    struct connection *c = ctx;

    c->upgrade_to = version;
}

static void session_close(void *ctx)
{
    end_soon(ctx);
}

static void session_resume(void *ctx)
{
    offer_later(ctx);
}

static void session_set_idle(void *ctx, int64_t ms)
{
    struct connection *c = ctx;

    if (is_known(c)) {
        loop_timer_destroy(&c->login);
        stream_set_idle(c->stream, ms);
    } else {
        set_login_limit(c, ms);
    }
}

/* ---- life ---- */

struct connection *connection_create(struct endpoint *e, struct mail *mail, struct context *context,
                                     int fd)
{
    static const struct stream_events events = {
        .secured = on_secured,
        .data = on_data,
        .drained = on_drained,
        .idle = on_idle,
        .closed = on_closed,
    };
    struct connection *c = mem_zalloc(sizeof(*c));

    c->endpoint = e;
    c->mail = mail;
    c->context = context;
    c->stream = stream_accept(mail->loop, fd, &events, c);
    stream_bound_unsent(c->stream, CONNECTION_UNSENT_BYTES);
    return c;
}

void connection_start(struct connection *c)
{
    static const struct session_owner owner = {
        .write = session_write,
        .pending = session_pending,
        .start_tls = session_start_tls,
        .close = session_close,
        .set_idle = session_set_idle,
        .resume = session_resume,
    };
    const struct session_config cfg = {
        .mail = c->mail,
        .domain = c->mail->domains[0].name,
        .remote = stream_address(c->stream),
        .is_plain = true,
    };

    c->login = loop_timer_create(c->mail->loop, on_login_time, c);
    c->session = session_create(&cfg, &owner, c);
}

void connection_refuse(struct connection *c, enum status why, const char *text)
{
    struct str line = STR_INIT;

    reply_add(&line, "", (int)why, false, text);
    stream_write(c->stream, line.s, line.len);
    str_clear(&line);
    connection_destroy(c, true);
}

void connection_destroy(struct connection *c, bool flush)
{
    if (c->has_later)
        loop_undefer(c->mail->loop, later, c);
    session_destroy(&c->session);
    loop_timer_destroy(&c->login);
    stream_close(&c->stream, flush);
    free(c);
}
