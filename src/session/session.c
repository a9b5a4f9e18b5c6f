/* SPDX-License-Identifier: MIT */
/*
 * The session as its owner sees it: bytes in, bytes out, and the phase it is in.
 *
 *   PLAIN --session_secured()--> GUEST --AUTH--> LOCAL | REMOTE        any --QUIT, 75x--> CLOSED
 *
 * Every call ends by handing to the owner what it has given; nothing is written in between, so a
 * call costs one write whatever it answers.
 */
#include "session/session_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "wire/reply.h"

static void greet(struct session *s)
{
    session_reply(s, NULL, STATUS_LOGON_TEXT, s->phase == PHASE_PLAIN, "IMMP/1.0 Server at %s",
                  s->domain);
    if (s->phase == PHASE_PLAIN) {
        session_reply_text(s, NULL, STATUS_LOGON_TEXT, true,
                           "Please upgrade the connection to one of the following:");
        session_reply_text(s, NULL, STATUS_LOGON_TEXT, false, "TLS2 TLS3");
    }
    session_reply(s, NULL, STATUS_SERVER_INFO, false, "p=IMMP v=1.0 d=%s", s->domain);
}

struct session *session_create(const struct session_config *cfg, const struct session_owner *owner,
                               void *ctx)
{
    struct session *s = mem_zalloc(sizeof *s);

    s->domain = mem_strdup(cfg->domain);
    s->remote = mem_strdup(cfg->remote != NULL ? cfg->remote : "");
    s->mail = cfg->mail;
    s->owner = owner;
    s->ctx = ctx;
    s->lines = linebuf_create();
    session_enter(s, cfg->is_plain ? PHASE_PLAIN : PHASE_GUEST);
    greet(s);
    output_flush(s);
    return s;
}

void session_destroy(struct session **sp)
{
    struct session *s = *sp;

    if (s == NULL)
        return;
    input_clear(s);
    jobs_clear(s);
    auth_clear(s);
    output_clear(s);
    linebuf_destroy(&s->lines);
    secret_wipe(s->exporter, sizeof s->exporter);
    free(s->domain);
    free(s->remote);
    free(s->account);
    free(s->peer);
    free(s);
    *sp = NULL;
}

/* ---- phases ---- */

static const char *phase_name(enum phase phase)
{
    switch (phase) {
    case PHASE_PLAIN:
        return "plain";
    case PHASE_GUEST:
        return "guest";
    case PHASE_LOCAL:
        return "local";
    case PHASE_REMOTE:
        return "remote";
    case PHASE_CLOSED:
        return "closed";
    }
    return "none";
}

void session_enter(struct session *s, enum phase phase)
{
    static const struct {
        enum phase to;
        unsigned from;
        int64_t idle_ms;
    } ways[] = {
        { PHASE_PLAIN,  0,             SESSION_IDLE_PLAIN_MS },
        { PHASE_GUEST,  PHASE_PLAIN,   SESSION_IDLE_GUEST_MS },
        { PHASE_LOCAL,  PHASE_GUEST,   SESSION_IDLE_MS },
        { PHASE_REMOTE, PHASE_GUEST,   SESSION_IDLE_MS },
        { PHASE_CLOSED, ~(unsigned)PHASE_CLOSED, 0 },
    };

    for (size_t i = 0; i < N_ELEMENTS(ways); i++) {
        if (ways[i].to != phase)
            continue;
        assert(s->phase == 0 || (ways[i].from & (unsigned)s->phase) != 0);
        log_trace("session.phase remote=%s from=%s to=%s", s->remote, phase_name(s->phase),
                  phase_name(phase));
        s->phase = phase;
        if (ways[i].idle_ms > 0)
            s->owner->set_idle(s->ctx, ways[i].idle_ms);
    }
}

enum phase session_phase(const struct session *s)
{
    return s->phase;
}

const char *session_account(const struct session *s)
{
    return s->account != NULL ? s->account : "";
}

/* ---- what the owner calls ---- */

size_t session_input(struct session *s, const char *p, size_t n)
{
    size_t taken = input_take(s, p, n);

    output_flush(s);
    return taken;
}

void session_drained(struct session *s)
{
    jobs_run(s);
    output_flush(s);
}

void session_rest(struct session *s)
{
    const struct job *j = s->streaming;

    if (j != NULL && j->row->rest != NULL)
        j->row->rest(s->streaming);
}

void session_secured(struct session *s, const uint8_t *exporter)
{
    assert(s->phase == PHASE_PLAIN && s->wants_tls);
    /* Nothing of the clear text survives (docs/immp.md, "Connections and states"). */
    input_clear(s);
    s->wants_tls = false;
    s->has_exporter = exporter != NULL;
    if (exporter != NULL)
        memcpy(s->exporter, exporter, sizeof s->exporter);
    session_enter(s, PHASE_GUEST);
}

void session_stop(struct session *s, enum status why, const char *text)
{
    if (s->phase == PHASE_CLOSED)
        return;
    log_debug("session.stop remote=%s account=%s code=%d why=%s", s->remote,
              s->account != NULL ? s->account : "-", (int)why, log_quote(text));
    /* Within a block a line would be taken for octets. */
    if (s->streaming == NULL)
        session_reply_text(s, NULL, why, false, text);
    session_enter(s, PHASE_CLOSED);
    s->is_closing = true;
}

void session_end(struct session *s, enum status why)
{
    session_stop(s, why, status_text(why));
    output_flush(s);
}
