/* SPDX-License-Identifier: MIT */
/*
 * The component of one domain: joins the link to what answers (iq.c, presence.c) and to what asks
 * (pending.c, peers.c), and is the one that sends.
 *
 * Liveness: a ping to our own JID goes through the server and back, so its answer proves the whole
 * loop. It is dead when no answer comes in ping_ms after the ping has left us; while it has not
 * left, because much waits before it, it is enough that the kernel takes bytes.
 *
 * What anybody out there can make us write is bounded: while many answers wait, only short ones are
 * given, and then nothing is read until they have gone. Our own seals are bounded by who sends them.
 */
#include "xmpp/component_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/stream.h"
#include "wire/status.h"
#include "xmpp/iq.h"
#include "xmpp/peers.h"
#include "xmpp/pending.h"
#include "xmpp/vouch.h"

/* ---- sending ---- */

bool component_owns(const struct component *c, const char *jid)
{
    const char *host = jid, *at = strchr(jid, '@');
    size_t n = strcspn(jid, "/");

    if (at != NULL && (size_t)(at - jid) < n) {
        host = at + 1;
        n -= (size_t)(host - jid);
    }
    return n == strlen(c->jid) && memcmp(host, c->jid, n) == 0;
}

/* Forget the answers that have left. */
static size_t answers_waiting(struct component *c)
{
    struct meter *m = &c->meter;
    uint64_t left = link_written(c->link);

    if (left >= m->written) {
        m->now = m->before = 0;
    } else if (left >= m->mark) {
        m->before = m->now;
        m->now = 0;
        m->mark = m->written;
    }
    return m->now + m->before;
}

bool component_is_terse(struct component *c)
{
    return answers_waiting(c) > COMPONENT_TERSE;
}

int component_send(struct component *c, const struct stanza_head *h, const struct piece *pieces,
                   size_t n, struct err *err)
{
    struct stanza_head head = *h;
    struct str st = STR_INIT;
    size_t size = 0;

    if (head.from == NULL)
        head.from = c->jid;
    if (head.to == NULL || head.to[0] == '\0' || !component_owns(c, head.from))
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "a stanza from %.100s to %.100s may not be sent by %.100s", head.from,
                       head.to != NULL ? head.to : "nobody", c->jid);
    if (link_state(c->link) != LINK_UP)
        return err_set(err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "the link of %.200s is down",
                       c->jid);
    stanza_add_head(&st, &head);
    for (size_t i = 0; i < n; i++)
        size += pieces[i].n;
    if (st.len + size > COMPONENT_SEND_MAX) {
        str_clear(&st);
        return err_set(err, ERR_PERMANENT, STATUS_TOO_LARGE,
                       "a stanza of %zu bytes is more than servers take", size);
    }
    size += st.len;
    link_write(c->link, st.s, st.len);
    for (size_t i = 0; i < n; i++)
        link_write(c->link, pieces[i].p, pieces[i].n);
    str_truncate(&st, 0);
    str_addf(&st, "</%s>", head.kind);
    link_write(c->link, st.s, st.len);
    c->meter.written += size + st.len;
    str_clear(&st);
    c->stanzas_out++;
    return 0;
}

int component_send_answer(struct component *c, const struct stanza_head *h,
                          const struct piece *pieces, size_t n, struct err *err)
{
    uint64_t before = c->meter.written;

    if (component_send(c, h, pieces, n, err) < 0)
        return -1;
    c->meter.now += c->meter.written - before;
    if (answers_waiting(c) > COMPONENT_HOLD)
        link_hold(c->link);
    return 0;
}

struct piece component_uneven(struct component *c)
{
    return (struct piece){ "\n\n\n", c->armors++ % 4 };
}

/* ---- liveness ---- */

static void on_pong(void *ctx, uint64_t token, const struct stanza *answer, const struct err *err)
{
    struct component *c = ctx;

    (void)err;
    if (answer == NULL || token != c->ping_token)
        return;
    c->ping_is_out = false;
    c->last_pong_ms = clock_wall_ms(c->mail->clock);
}

static void ping_self(struct component *c)
{
    static const struct piece ping[] = { { "<ping xmlns='urn:xmpp:ping'/>", 29 } };
    struct pending_request rq = {
        .type = "get", .to = c->jid, .pieces = ping, .n_pieces = 1,
        /* The timer decides, not the deadline of the question. */
        .deadline_ms = 100 * c->ping_ms,
    };

    struct pending_asker who = { .fn = on_pong, .ctx = c, .token = ++c->ping_token };

    c->ping_is_out = true;
    pending_ask(c->pending, &rq, &who);
    c->ping_seen = link_written(c->link);
    c->ping_mark = c->meter.written;
    c->ping_is_leaving = link_pending(c->link) > STREAM_LOW;
    loop_timer_set(c->ping, c->ping_ms);
}

static void on_ping_timer(void *ctx)
{
    struct component *c = ctx;
    uint64_t left = link_written(c->link);

    if (link_state(c->link) != LINK_UP)
        return;
    if (!c->ping_is_out) {
        ping_self(c);
    } else if ((c->ping_is_leaving || link_is_held(c->link)) && left > c->ping_seen) {
        c->ping_is_leaving = left < c->ping_mark;
        c->ping_seen = left;
        loop_timer_set(c->ping, c->ping_ms);
    } else {
        link_fail(c->link, "no answer to a ping to ourselves");
    }
}

/* ---- the link's events ---- */

static void on_up(void *ctx)
{
    struct component *c = ctx;

    c->meter = (struct meter){ .written = link_written(c->link) + link_pending(c->link) };
    c->meter.mark = c->meter.written;
    c->has_told_foreign = c->has_told_broken = false;
    peers_link_up(c->peers);
    ping_self(c);
    if (c->changed != NULL)
        c->changed(c->changed_ctx, c->domain, true);
}

static void on_down(void *ctx, const struct err *why)
{
    struct component *c = ctx;

    loop_timer_stop(c->ping);
    c->ping_is_out = false;
    pending_fail_all(c->pending, why);
    if (c->changed != NULL)
        c->changed(c->changed_ctx, c->domain, false);
}

/* Who sends what is not for us is the server: it is told, and the operator once a link. */
static void refuse_foreign(struct component *c, const struct stanza *in)
{
    if (c->has_told_foreign)
        return;
    c->has_told_foreign = true;
    log_warn("stanza.foreign component=%s to=%s: the server sends us what is for another component; "
             "with ejabberd set global_routes: false at that listener", c->jid, log_quote(in->to));
}

static void tell_broken(struct component *c, const struct stanza *in, const char *what)
{
    if (c->has_told_broken)
        return;
    c->has_told_broken = true;
    log_warn("stanza.broken component=%s from=%s to=%s reason=%s", c->jid,
             log_quote(in->from != NULL ? in->from : ""), log_quote(in->to != NULL ? in->to : ""),
             log_quote(what));
}

/*
 * The addresses must be there and hold (RFC 6120 §8.1): without a sender that can be written
 * back to, what came is the server's own fault, and it is the server that gets the error.
 */
static int check_addresses(struct component *c, const struct stanza *in, struct jid *from,
                           struct jid *to, struct err *err)
{
    if (in->from == NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "the stanza has no from");
    if (strlen(in->from) > STANZA_JID_MAX || jid_parse(in->from, from, NULL) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "the stanza's from is no JID");
    if (in->to == NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "the stanza has no to");
    if (strlen(in->to) > STANZA_JID_MAX || jid_parse(in->to, to, NULL) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "the stanza's to is no JID");
    if (strcmp(to->host, c->jid) != 0)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "%.100s is not served here", to->host);
    return 0;
}

static void on_stanza(void *ctx, const struct stanza *in)
{
    struct component *c = ctx;
    struct jid from = { 0 }, to = { 0 };
    struct err err = { 0 };

    c->stanzas_in++;
    if (in->ns == NULL || strcmp(in->ns, NS_COMPONENT) != 0)
        return;
    if (in->id != NULL && strlen(in->id) > STANZA_ID_MAX) {
        /* To echo it could make a stanza that is too large for the server, which ends the stream. */
        tell_broken(c, in, "its id is too long to be answered");
        return;
    }
    if (check_addresses(c, in, &from, &to, &err) < 0) {
        struct stanza broken = *in;

        if (err.status == STATUS_NOT_FOUND)
            refuse_foreign(c, in);
        else
            tell_broken(c, in, err.text);
        if (from.host == NULL)
            broken.from = c->domain->name;
        iq_refuse_stanza(c, &broken, &err);
    } else if (in->excess != NULL) {
        (void)err_set(&err, ERR_PROTOCOL, STATUS_LIMIT, "%s", in->excess);
        iq_refuse_stanza(c, in, &err);
    } else if (strcmp(in->kind, "iq") == 0) {
        iq_take(c, in, &from, &to);
    } else if (strcmp(in->kind, "message") == 0) {
        message_take(c, in);
    } else if (strcmp(in->kind, "presence") == 0) {
        presence_take(c, in, &to);
    }
    jid_clear(&from);
    jid_clear(&to);
}

/* ---- life ---- */

static const struct link_events link_events = { on_up, on_down, on_stanza };

static int check_config(const struct component_config *cfg, struct err *err)
{
    const char *what = NULL;

    if (cfg->domain->component == NULL || cfg->domain->component[0] == '\0')
        what = "jid";
    else if (cfg->server == NULL || cfg->server[0] == '\0')
        what = "server";
    else if (cfg->secret == NULL || cfg->secret[0] == '\0')
        what = "secret";
    if (what != NULL)
        return err_set(err, ERR_PERMANENT, STATUS_PARAMETER, "it needs a %s", what);
    return 0;
}

struct component *component_create(const struct component_config *cfg, struct err *err)
{
    struct component *c;
    struct link_config lc = {
        .loop = cfg->mail->loop, .clock = cfg->mail->clock, .server = cfg->server,
        .port = cfg->port, .jid = cfg->domain->component, .secret = cfg->secret,
        .patience_ms = cfg->ping_ms > 0 ? cfg->ping_ms : COMPONENT_PING_MS,
        .retry_min_ms = LINK_RETRY_MIN_MS, .retry_max_ms = LINK_RETRY_MAX_MS,
        .refused_min_ms = LINK_REFUSED_MIN_MS, .refused_max_ms = LINK_REFUSED_MAX_MS,
        .proven_ms = LINK_PROVEN_MS,
    };

    if (check_config(cfg, err) < 0)
        return NULL;
    c = mem_zalloc(sizeof(*c));
    c->mail = cfg->mail;
    c->domain = cfg->domain;
    c->jid = cfg->domain->component;
    c->version = mem_strdup(cfg->version != NULL ? cfg->version : "");
    c->ping_ms = lc.patience_ms;
    c->changed = cfg->changed;
    c->changed_ctx = cfg->ctx;
    c->started_ms = clock_mono_ms(cfg->mail->clock);
    c->link = link_create(&lc, &link_events, c);
    c->pending = pending_create(c);
    c->held = idmap_create();
    c->peers = peers_create(c);
    c->vouch = vouch_create(c);
    c->ping = loop_timer_create(cfg->mail->loop, on_ping_timer, c);
    return c;
}

void component_start(struct component *c)
{
    link_start(c->link);
}

void component_stop(struct component *c)
{
    struct err err = { 0 };

    loop_timer_stop(c->ping);
    link_stop(c->link);
    (void)err_set(&err, ERR_TEMPORARY, STATUS_SHUTTING_DOWN, "the link of %s is stopped", c->jid);
    pending_fail_all(c->pending, &err);
}

void component_destroy(struct component **cp)
{
    struct component *c = *cp;

    if (c == NULL)
        return;
    link_destroy(&c->link);
    loop_timer_destroy(&c->ping);
    iq_drop_held(c);
    idmap_destroy(&c->held);
    vouch_destroy(&c->vouch);
    peers_destroy(&c->peers);
    pending_destroy(&c->pending);
    free(c->version);
    free(c->caps);
    free(c);
    *cp = NULL;
}

void component_status(const struct component *c, struct component_status *st_r)
{
    static const char *const names[] = {
        [LINK_STOPPED] = "stopped", [LINK_CONNECTING] = "connecting",
        [LINK_HANDSHAKE] = "handshake", [LINK_UP] = "up", [LINK_WAITING] = "waiting",
    };
    struct link_status ls;

    link_status(c->link, &ls);
    *st_r = (struct component_status){
        .is_up = link_state(c->link) == LINK_UP,
        .state = names[link_state(c->link)],
        .up_since_ms = ls.up_since_ms,
        .last_pong_ms = c->last_pong_ms,
        .next_try_ms = ls.next_try_ms,
        .last_error = ls.last_error,
        .stanzas_in = c->stanzas_in,
        .stanzas_out = c->stanzas_out,
        .bytes_in = ls.bytes_in,
        .bytes_out = ls.bytes_out,
        .reconnects = ls.reconnects,
    };
}
