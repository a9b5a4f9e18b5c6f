/* SPDX-License-Identifier: MIT */
/*
 * The component's stream as a state machine:
 *
 *   stopped -> connecting -> handshake -> up -> waiting -> connecting -> …
 *
 * Whatever ends a connection goes through link_end(), which says why once, closes, and sets the
 * time of the next try. The back-off starts anew only after a link that held for a while: a
 * server that lets us in and throws us out at once must not be hammered once a second.
 *
 * The reader calls us back while it reads; what it calls may want the connection gone. Then the
 * end is only noted (is_over) and done when the reader has returned.
 */
#include "xmpp/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "loop/stream.h"
#include "seal/digest.h"
#include "wire/status.h"

#define SLICE_BYTES (32u * 1024)  /* read before the turn's time is looked at */

/* Why a connection ended, as far as it changes what we do. */
enum cause {
    CAUSE_LOST = 0,  /* closed, broken, silent: the usual back-off */
    CAUSE_STOP,      /* link_stop() */
    CAUSE_REFUSED,   /* wrong secret, unknown host, conflict: the slow back-off */
};

struct link {
    struct link_config cfg;  /* its strings are ours */
    char *server, *jid, *secret;
    struct link_events ev;
    void *ctx;
    enum link_state state;
    struct stream *stream;
    struct xml_reader *reader;
    struct stanza_builder *builder;
    struct loop_timer *timer;  /* the deadline of connecting and handshake, or the next try */
    bool is_reading;           /* within xml_feed() */
    bool is_over;              /* … and it has ended meanwhile */
    bool is_held;
    bool has_header;           /* ours is sent */
    bool has_shaken;           /* our handshake is sent */
    bool has_been_up;
    enum cause cause;
    char *why;                 /* of the last end; NULL never */
    char *logged;              /* the reason that was last logged, so that each is said once */
    unsigned tries;            /* since the last proven link, for the back-off */
    unsigned refusals;
    unsigned conflicts;        /* since it was last up */
    int64_t up_since_mono_ms;
    struct link_status status;
};

static void on_connected(void *ctx);
static void on_data(void *ctx);
static void on_drained(void *ctx);
static void on_closed(void *ctx, const struct err *why);
static void on_timer(void *ctx);

static const struct stream_events stream_events = {
    .connected = on_connected,
    .data = on_data,
    .drained = on_drained,
    .closed = on_closed,
};

struct link *link_create(const struct link_config *cfg, const struct link_events *ev, void *ctx)
{
    struct link *l = mem_zalloc(sizeof(*l));

    l->cfg = *cfg;
    l->cfg.server = l->server = mem_strdup(cfg->server);
    l->cfg.jid = l->jid = mem_strdup(cfg->jid);
    l->cfg.secret = l->secret = mem_strdup(cfg->secret);
    l->ev = *ev;
    l->ctx = ctx;
    l->builder = stanza_builder_create();
    l->timer = loop_timer_create(cfg->loop, on_timer, l);
    return l;
}

void link_destroy(struct link **lp)
{
    struct link *l = *lp;

    if (l == NULL)
        return;
    link_stop(l);
    loop_timer_destroy(&l->timer);
    stanza_builder_destroy(&l->builder);
    free(l->server);
    free(l->jid);
    secret_free(&l->secret);
    free(l->why);
    free(l->logged);
    free(l);
    *lp = NULL;
}

/* ---- the end of a connection ---- */

/* Between 2/3 and all of the step, never below the least: many links do not come back in step. */
static int64_t back_off(int64_t least, int64_t most, unsigned tries)
{
    int64_t step = least + least / 2;
    uint32_t r;

    while (tries-- > 0 && step < most)
        step *= 2;
    step = MIN(step, most);
    random_bytes(&r, sizeof(r));
    return MAX(least, step - (int64_t)(r % ((uint64_t)step / 3 + 1)));
}

static void log_end(struct link *l, bool was_up, int64_t delay_ms)
{
    const char *event = was_up ? "link.down" : "link.failed";

    if (l->logged != NULL && strcmp(l->logged, l->why) == 0 && !was_up) {
        log_debug("%s component=%s retry_ms=%lld reason=%s", event, l->jid, (long long)delay_ms,
                  log_quote(l->why));
        return;
    }
    free(l->logged);
    l->logged = mem_strdup(l->why);
    if (l->cause == CAUSE_REFUSED)
        log_error("%s component=%s server=%s retry_ms=%lld reason=%s", event, l->jid, l->server,
                  (long long)delay_ms, log_quote(l->why));
    else
        log_warn("%s component=%s server=%s retry_ms=%lld reason=%s", event, l->jid, l->server,
                 (long long)delay_ms, log_quote(l->why));
}

static void close_stream(struct link *l)
{
    if (l->stream != NULL) {
        /* What is said last (a stream error, the end tag) is worth sending. */
        l->status.bytes_out += stream_bytes_out(l->stream);
        stream_close(&l->stream, true);
    }
    xml_reader_destroy(&l->reader);
    l->is_held = false;
    l->has_header = l->has_shaken = false;
}

static void wait_for_retry(struct link *l, bool was_up)
{
    int64_t now = clock_mono_ms(l->cfg.clock), delay;

    if (was_up && now - l->up_since_mono_ms >= l->cfg.proven_ms)
        l->tries = l->refusals = 0;
    if (l->cause == CAUSE_REFUSED)
        delay = back_off(l->cfg.refused_min_ms, l->cfg.refused_max_ms, l->refusals++);
    else
        delay = back_off(l->cfg.retry_min_ms, l->cfg.retry_max_ms, l->tries++);
    l->status.next_try_ms = clock_wall_ms(l->cfg.clock) + delay;
    loop_timer_set(l->timer, delay);
    log_end(l, was_up, delay);
}

static void tear_down(struct link *l)
{
    bool was_up = l->state == LINK_UP;
    struct err why = { 0 };

    l->is_over = false;
    loop_timer_stop(l->timer);
    close_stream(l);
    l->status.up_since_ms = 0;
    if (l->cause == CAUSE_STOP) {
        l->state = LINK_STOPPED;
        return;
    }
    l->state = LINK_WAITING;
    wait_for_retry(l, was_up);
    (void)err_set(&why, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "the link of %s is down: %s",
                  l->jid, l->why);
    if (was_up)
        l->ev.down(l->ctx, &why);
}

/* The one way that a connection ends. condition: the stream error that we send, or NULL. */
static void PRINTF_LIKE(4, 5)
link_end(struct link *l, enum cause cause, const char *condition, const char *fmt, ...)
{
    struct str st = STR_INIT;
    va_list ap;

    if (l->is_over || l->state == LINK_STOPPED || l->state == LINK_WAITING)
        return;
    va_start(ap, fmt);
    str_vaddf(&st, fmt, ap);
    va_end(ap);
    free(l->why);
    l->why = str_take(&st);
    l->cause = cause;
    if (l->has_header) {
        if (condition != NULL)
            str_addf(&st, "<stream:error><%s xmlns='" NS_STREAMS "'/></stream:error>", condition);
        str_add(&st, "</stream:stream>");
        stream_write(l->stream, st.s, st.len);
        str_clear(&st);
    }
    if (l->is_reading)
        l->is_over = true;
    else
        tear_down(l);
}

void link_fail(struct link *l, const char *why)
{
    link_end(l, CAUSE_LOST, NULL, "%s", why);
}

/* ---- connecting ---- */

static void try_now(struct link *l)
{
    struct err err = { 0 };

    l->state = LINK_CONNECTING;
    l->status.next_try_ms = 0;
    loop_timer_set(l->timer, l->cfg.patience_ms);
    l->stream = stream_connect(l->cfg.loop, l->server, l->cfg.port, &stream_events, l, &err);
    if (l->stream == NULL)
        link_end(l, CAUSE_LOST, NULL, "%s", err.text);
    else
        stream_acknowledge_at_once(l->stream);
}

void link_start(struct link *l)
{
    if (l->state != LINK_STOPPED)
        return;
    l->state = LINK_WAITING;
    loop_timer_set(l->timer, 0);
}

void link_stop(struct link *l)
{
    if (l->state == LINK_WAITING) {
        loop_timer_stop(l->timer);
        l->state = LINK_STOPPED;
        l->status.next_try_ms = 0;
        return;
    }
    if (l->is_over)
        l->cause = CAUSE_STOP;
    link_end(l, CAUSE_STOP, NULL, "stopped");
}

static void on_timer(void *ctx)
{
    struct link *l = ctx;

    if (l->state == LINK_WAITING)
        try_now(l);
    else if (l->state == LINK_CONNECTING)
        link_end(l, CAUSE_LOST, NULL, "the connection was not made in %lld ms",
                 (long long)l->cfg.patience_ms);
    else
        link_end(l, CAUSE_LOST, "connection-timeout", "no %s in %lld ms",
                 l->has_shaken ? "answer to our handshake" : "stream id for the handshake",
                 (long long)l->cfg.patience_ms);
}

/* ---- reading ---- */

static int on_open(void *ctx, const char *ns, const char *name, const struct xml_attr *attrs,
                   size_t n)
{
    struct link *l = ctx;
    struct str st = STR_INIT;
    const char *id = NULL;
    char digest[41];

    for (size_t i = 0; i < n; i++)
        if (attrs[i].ns == NULL && strcmp(attrs[i].name, "id") == 0)
            id = attrs[i].value;
    if (ns == NULL || strcmp(ns, NS_STREAM) != 0 || strcmp(name, "stream") != 0) {
        link_end(l, CAUSE_LOST, "invalid-namespace",
                 "what answers there is no XMPP server: its first element is %.40s", name);
        return -1;
    }
    /* Prosody says host-unknown after a header without an id. */
    if (id == NULL || *id == '\0')
        return 0;
    /* XEP-0114 §3: SHA-1 of the stream's id and the secret, in hex. */
    str_add(&st, id);
    str_add(&st, l->secret);
    digest_sha1_hex(st.s, st.len, digest);
    str_wipe(&st);
    str_addf(&st, "<handshake>%s</handshake>", digest);
    stream_write(l->stream, st.s, st.len);
    str_clear(&st);
    l->has_shaken = true;
    return 0;
}

static int on_start(void *ctx, size_t depth, const char *ns, const char *prefix, const char *name,
                    const struct xml_attr *attrs, size_t n)
{
    struct link *l = ctx;

    (void)prefix;
    stanza_builder_start(l->builder, depth, ns, name, attrs, n);
    return 0;
}

static int on_text(void *ctx, size_t depth, const char *s, size_t n)
{
    struct link *l = ctx;

    stanza_builder_text(l->builder, depth, s, n);
    return 0;
}

static void come_up(struct link *l)
{
    loop_timer_stop(l->timer);
    l->state = LINK_UP;
    l->conflicts = 0;
    l->up_since_mono_ms = clock_mono_ms(l->cfg.clock);
    if (l->has_been_up)
        l->status.reconnects++;
    l->has_been_up = true;
    l->status.up_since_ms = clock_wall_ms(l->cfg.clock);
    free(l->logged);
    l->logged = NULL;
    log_notice("link.up component=%s server=%s", l->jid, l->server);
    l->ev.up(l->ctx);
}

/* What an operator must do is known for three of the stream errors; each has its own line. */
static const struct {
    const char *condition;
    const char *advice;
} refusals[] = {
    { "not-authorized", "the server refuses our secret: component { secret } must be what the server "
                        "has (Prosody: component_secret, ejabberd: password)" },
    { "host-unknown", "the server knows no component of that name: add it to the server's configuration "
                      "(Prosody: Component, ejabberd: listen, hosts)" },
    { "conflict", "another connection has that component's name: does a second immpd run with it?" },
};

/*
 * The first conflicts are with ourselves: after a crash the server holds our last connection until
 * it has read what we had sent.
 */
static bool is_predecessor(struct link *l, const char *condition)
{
    return l->state != LINK_UP && strcmp(condition, "conflict") == 0 &&
           l->conflicts++ < LINK_CONFLICTS;
}

static void stream_error(struct link *l, const struct stanza *st)
{
    xmpp_stanza_t *el = xmpp_stanza_get_children(st->dom);
    const char *condition = "undefined-condition", *text = "", *ns;

    for (; el != NULL; el = xmpp_stanza_get_next(el)) {
        if ((ns = xmpp_stanza_get_ns(el)) == NULL || strcmp(ns, NS_STREAMS) != 0)
            continue;
        if (stanza_is(el, NS_STREAMS, "text"))
            text = stanza_text(el);
        else
            condition = xmpp_stanza_get_name(el);
    }
    for (size_t i = 0; i < N_ELEMENTS(refusals); i++) {
        if (strcmp(refusals[i].condition, condition) == 0) {
            link_end(l, is_predecessor(l, condition) ? CAUSE_LOST : CAUSE_REFUSED, NULL, "%s: %s",
                     condition, refusals[i].advice);
            return;
        }
    }
    link_end(l, CAUSE_LOST, NULL, "the server closed the stream: %.40s %.150s", condition, text);
}

static int on_end(void *ctx, size_t depth, const char *raw, size_t raw_len)
{
    struct link *l = ctx;
    const struct stanza *st = stanza_builder_end(l->builder, depth, raw, raw_len);

    if (st == NULL)
        return 0;
    if (stanza_is(st->dom, NS_STREAM, "error"))
        stream_error(l, st);
    else if (l->state == LINK_UP)
        l->ev.stanza(l->ctx, st);
    else if (l->has_shaken && stanza_is(st->dom, NS_COMPONENT, "handshake"))
        come_up(l);
    else
        link_end(l, CAUSE_LOST, "not-authorized", "the server sent %.40s before the handshake",
                 st->kind);
    return l->is_over ? -1 : 0;
}

static int on_close(void *ctx)
{
    link_end(ctx, CAUSE_LOST, NULL, "the server closed the stream");
    return -1;
}

static const struct xml_events xml_events = {
    .open = on_open,
    .start = on_start,
    .text = on_text,
    .end = on_end,
    .close = on_close,
};

static void on_connected(void *ctx)
{
    /* Depth and attributes are the builder's: see stanza.c. */
    static const struct xml_limits limits = { LINK_STANZA_MAX, LINK_STANZA_MAX, LINK_STANZA_MAX };
    struct link *l = ctx;
    struct str st = STR_INIT;

    l->state = LINK_HANDSHAKE;
    loop_timer_set(l->timer, l->cfg.patience_ms);
    l->reader = xml_reader_create(&limits, &xml_events, l);
    str_add(&st, "<?xml version='1.0'?><stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM
                 "'");
    stanza_add_attr(&st, "to", l->jid);
    str_addc(&st, '>');
    stream_write(l->stream, st.s, st.len);
    str_clear(&st);
    l->has_header = true;
}

static const char *stream_condition(const struct err *err)
{
    if (err->status == STATUS_LIMIT)
        return "policy-violation";
    return err->status == STATUS_NOT_ALLOWED ? "restricted-xml" : "not-well-formed";
}

/* Read what there is; until_ms: the monotonic time at which the rest is left for the next turn. */
static void read_input(struct link *l, int64_t until_ms)
{
    struct err err = { 0 };
    const char *p;
    size_t n;

    while (l->stream != NULL && !l->is_held && (p = stream_peek(l->stream, &n)) != NULL && n > 0) {
        if (clock_mono_ms(l->cfg.clock) >= until_ms) {
            stream_hold_input(l->stream, false);  /* brings the data event again */
            return;
        }
        n = MIN(n, SLICE_BYTES);
        l->status.bytes_in += n;
        l->is_reading = true;
        if (xml_feed(l->reader, p, n, &err) < 0)
            link_end(l, CAUSE_LOST, stream_condition(&err), "what the server sent: %s", err.text);
        l->is_reading = false;
        if (l->is_over) {
            tear_down(l);
            return;
        }
        stream_take(l->stream, n);
    }
}

static void on_data(void *ctx)
{
    struct link *l = ctx;

    read_input(l, clock_mono_ms(l->cfg.clock) + LOOP_TURN_MS);
}

static void on_closed(void *ctx, const struct err *why)
{
    struct link *l = ctx;

    /* The last that was said (a stream error) is the reason that counts. */
    read_input(l, INT64_MAX);
    /* Nobody is there to read our end tag. */
    l->has_header = false;
    link_end(l, CAUSE_LOST, NULL, "%s", why != NULL ? why->text : "the connection was closed");
}

/* ---- writing ---- */

enum link_state link_state(const struct link *l)
{
    return l->state;
}

void link_write(struct link *l, const void *p, size_t n)
{
    if (l->state == LINK_UP && !l->is_over)
        stream_write(l->stream, p, n);
}

size_t link_pending(const struct link *l)
{
    return l->stream != NULL ? stream_pending(l->stream) : 0;
}

uint64_t link_written(const struct link *l)
{
    return l->stream != NULL ? stream_bytes_out(l->stream) : 0;
}

void link_hold(struct link *l)
{
    if (l->stream == NULL || l->is_held)
        return;
    l->is_held = true;
    stream_hold_input(l->stream, true);
}

bool link_is_held(const struct link *l)
{
    return l->is_held;
}

static void on_drained(void *ctx)
{
    struct link *l = ctx;

    if (!l->is_held)
        return;
    l->is_held = false;
    stream_hold_input(l->stream, false);
}

void link_status(const struct link *l, struct link_status *st_r)
{
    *st_r = l->status;
    st_r->last_error = l->why;
    if (l->stream != NULL)
        st_r->bytes_out += stream_bytes_out(l->stream);
    if (l->state != LINK_WAITING)
        st_r->next_try_ms = 0;
}
