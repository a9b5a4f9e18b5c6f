/* SPDX-License-Identifier: MIT */
/*
 * Output: reply lines and octets on their way to the owner, in the order in which they were given.
 *
 * Two buffers. `out` goes to the owner when the current call ends. From the first reply on that
 * depends on what is not committed yet (its command writes or reads the store, and the turn has
 * written), everything goes to `held` instead, which the owner gets in the turn's end if the
 * commit succeeds. If it fails, every reply in it that was at stake becomes one line: 702.
 *
 * Invariant: while a job is in the midst of a block that began in an earlier turn, held is empty,
 * because nobody else runs. So neither an octet block nor a line is ever cut.
 */
#include "session/session_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/reply.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES 512  /* an empty buffer of this size is not worth giving back */

bool output_has_room(const struct session *s)
{
    return s->owner->pending(s->ctx) + s->out.len + s->held.len < SESSION_OUT_HIGH;
}

static void empty(struct str *st)
{
    if (st->cap > KEEP_BYTES)
        str_clear(st);
    else
        str_truncate(st, 0);
}

void output_flush(struct session *s)
{
    if (s->out.len > 0) {
        s->mark.is_good = false;
        if (!s->is_closed)
            s->owner->write(s->ctx, s->out.s, s->out.len);
    }
    empty(&s->out);
    if (s->is_closing && s->held.len == 0 && !s->is_closed) {
        s->is_closed = true;
        s->owner->close(s->ctx);
    }
}

void output_clear(struct session *s)
{
    turn_leave(s->mail->turn, s);
    str_clear(&s->out);
    str_clear(&s->held);
    free(s->pieces);
    s->pieces = NULL;
    s->n_pieces = s->cap_pieces = 0;
}

/* ---- the turn's end ---- */

/* What was held goes out as it is, or with 702 for all that was at stake. */
static void release(struct session *s, const struct err *err)
{
    for (size_t i = 0; i < s->n_pieces; i++) {
        const struct held *h = &s->pieces[i];
        size_t end = i + 1 < s->n_pieces ? s->pieces[i + 1].at : s->held.len;

        if (err == NULL || !h->is_at_stake)
            str_addn(&s->out, s->held.s + h->at, end - h->at);
        else if (h->is_last)
            reply_add(&s->out, h->pipeline, STATUS_STORAGE, false, err->text);
    }
    s->n_pieces = 0;
    s->mark.is_good = false;
    empty(&s->held);
}

static void forget_commit(struct session *s)
{
    for (struct pipeline *p = &s->main; p != NULL; p = p->next) {
        p->draft.waits_commit = false;
        for (struct job *j = p->head; j != NULL; j = j->next)
            j->waits_commit = false;
    }
}

static void turn_failed(struct session *s, const struct err *why)
{
    struct err err = { .kind = ERR_TEMPORARY, .status = STATUS_STORAGE };

    (void)err_set(&err, ERR_TEMPORARY, STATUS_STORAGE, "nothing was kept: %s",
                  why != NULL ? why->text : "the store failed");
    log_warn("session.rollback remote=%s account=%s why=%s", s->remote,
             s->account != NULL ? s->account : "-", log_quote(err.text));
    release(s, &err);
    jobs_turn_failed(s, &err);
    forget_commit(s);
    jobs_run(s);
}

static void turn_ended(void *ctx, bool ok, const struct err *why)
{
    struct session *s = ctx;

    if (ok) {
        release(s, NULL);
        forget_commit(s);
    } else {
        turn_failed(s, why);
    }
    output_flush(s);
    if (!ok && s->owner->resume != NULL && !s->is_closed)
        s->owner->resume(s->ctx);
}

/* ---- taking it back ---- */

void output_mark(struct session *s)
{
    s->mark = (struct mark){
        .is_good = true, .out = s->out.len, .held = s->held.len, .n_pieces = s->n_pieces,
    };
}

bool output_retract(struct session *s)
{
    if (!s->mark.is_good)
        return false;
    str_truncate(&s->out, s->mark.out);
    str_truncate(&s->held, s->mark.held);
    s->n_pieces = s->mark.n_pieces;
    s->mark.is_good = false;
    return true;
}

/* ---- giving output ---- */

static void add_piece(struct session *s, struct job *j, bool is_at_stake, bool is_last)
{
    struct held *h;

    if (s->n_pieces == s->cap_pieces) {
        s->cap_pieces = s->cap_pieces > 0 ? s->cap_pieces * 2 : 8;
        s->pieces = mem_realloc(s->pieces, s->cap_pieces * sizeof *s->pieces);
    }
    h = &s->pieces[s->n_pieces++];
    *h = (struct held){ .at = s->held.len, .is_at_stake = is_at_stake, .is_last = is_last };
    if (j != NULL)
        memcpy(h->pipeline, j->pipeline->name, sizeof h->pipeline);
}

/* Is what j says now untrue if the commit fails? */
static bool is_at_stake(const struct session *s, const struct job *j)
{
    if (j == NULL || j->row == NULL || (j->row->flags & COMMAND_STORE) == 0)
        return false;
    /* A block goes where its beginning went: it was on disk then, or it waits with it. */
    if (s->streaming == j)
        return j->waits_commit;
    return store_is_dirty(s->mail->store);
}

struct str *output_for(struct session *s, struct job *j, bool is_last)
{
    bool at_stake = is_at_stake(s, j);

    if (j != NULL && is_last)
        j->is_answered = true;
    if (!at_stake && s->held.len == 0)
        return &s->out;
    if (at_stake) {
        turn_join(s->mail->turn, turn_ended, s);
        j->waits_commit = true;
    }
    add_piece(s, j, at_stake, is_last);
    return &s->held;
}

static void add_line(struct session *s, struct job *j, enum status code, bool has_dash,
                     bool is_last, const char *text)
{
    struct str *out = output_for(s, j, is_last);

    reply_add(out, j != NULL ? j->pipeline->name : "", (int)code, has_dash, text);
}

void session_reply_text(struct session *s, struct job *j, enum status code, bool has_more,
                        const char *text)
{
    add_line(s, j, code, has_more, !has_more, text);
}

void session_progress(struct session *s, struct job *j, enum status code, const char *text)
{
    add_line(s, j, code, false, false, text);
}

void session_reply(struct session *s, struct job *j, enum status code, bool has_more,
                   const char *fmt, ...)
{
    struct str text = STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    session_reply_text(s, j, code, has_more, str_c(&text));
    str_clear(&text);
}

/* An error repeats what the client wrote, and may have cut it within a character. */
static void make_clean(char *text)
{
    bool is_utf8 = str_is_utf8(text, strlen(text));

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
            *text = '?';
    }
}

enum step session_fail(struct session *s, struct job *j, const struct err *err)
{
    enum status code = status_of_err(err);
    struct err clean = *err;

    make_clean(clean.text);
    log_debug("session.refused remote=%s account=%s code=%d why=%s", s->remote,
              s->account != NULL ? s->account : "-", (int)code, log_quote(clean.text));
    session_reply_text(s, j, code, false, *clean.text != '\0' ? clean.text : status_text(code));
    return STEP_DONE;
}
