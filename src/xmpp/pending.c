/* SPDX-License-Identifier: MIT */
/*
 * The table of questions. An id is "nonce.number" in hex: the number finds the question, the
 * nonce keeps answers to what an earlier process asked from being taken for ours.
 *
 * Failures that are known at once are still told in the next turn, so that nobody who asks is
 * called back from within his own call.
 */
#include "xmpp/pending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "wire/status.h"

struct question {
    struct question *next;   /* in the list of failed ones */
    char *to;
    int64_t deadline_ms;     /* monotonic */
    struct pending_asker who;
    struct err err;          /* failed: why */
};

struct pending {
    struct component *c;
    struct idmap *questions;
    struct question *failed, **failed_tail;
    struct loop_timer *timer;      /* the next deadline */
    int64_t timer_due_ms;          /* monotonic; when it is set */
    char nonce[9];
};

static void on_deadline(void *ctx);
static void tell_failed(void *ctx);

struct pending *pending_create(struct component *c)
{
    struct pending *p = mem_zalloc(sizeof(*p));
    uint32_t r;

    p->c = c;
    p->questions = idmap_create();
    p->failed_tail = &p->failed;
    p->timer = loop_timer_create(c->mail->loop, on_deadline, p);
    random_bytes(&r, sizeof(r));
    (void)snprintf(p->nonce, sizeof(p->nonce), "%08x", (unsigned)r);
    return p;
}

static void question_free(struct question *q)
{
    free(q->to);
    free(q);
}

static void question_drop(struct question *q)
{
    if (q->who.drop != NULL)
        q->who.drop(q->who.ctx);
    question_free(q);
}

static int drop_one(void *ctx, uint64_t id, void *value)
{
    struct pending *p = ctx;

    (void)idmap_del(p->questions, id);
    question_drop(value);
    return 0;
}

void pending_destroy(struct pending **pp)
{
    struct pending *p = *pp;
    struct question *q;

    if (p == NULL)
        return;
    (void)idmap_each(p->questions, drop_one, p);
    idmap_destroy(&p->questions);
    while ((q = p->failed) != NULL) {
        p->failed = q->next;
        question_drop(q);
    }
    loop_undefer(p->c->mail->loop, tell_failed, p);
    loop_timer_destroy(&p->timer);
    free(p);
    *pp = NULL;
}

/* ---- failing ---- */

static void fail_later(struct pending *p, struct question *q, const struct err *err)
{
    if (p->failed == NULL)
        loop_defer(p->c->mail->loop, tell_failed, p);
    q->err = *err;
    /* Whatever it was, the same question may be asked again. */
    q->err.kind = ERR_TEMPORARY;
    q->next = NULL;
    *p->failed_tail = q;
    p->failed_tail = &q->next;
}

static void tell_failed(void *ctx)
{
    struct pending *p = ctx;
    struct question *list = p->failed, *q;

    /* What fails while these are told is told in the turn after. */
    p->failed = NULL;
    p->failed_tail = &p->failed;
    while ((q = list) != NULL) {
        list = q->next;
        q->who.fn(q->who.ctx, q->who.token, NULL, &q->err);
        question_free(q);
    }
}

struct fail_ctx {
    struct pending *p;
    const struct err *err;
    int64_t now_ms, next_ms;   /* for deadlines */
};

static int fail_one(void *ctx, uint64_t id, void *value)
{
    struct fail_ctx *f = ctx;

    (void)idmap_del(f->p->questions, id);
    fail_later(f->p, value, f->err);
    return 0;
}

void pending_fail_all(struct pending *p, const struct err *err)
{
    struct fail_ctx f = { .p = p, .err = err };

    (void)idmap_each(p->questions, fail_one, &f);
}

static int fail_late(void *ctx, uint64_t id, void *value)
{
    struct fail_ctx *f = ctx;
    struct question *q = value;
    struct err err = { 0 };

    if (q->deadline_ms > f->now_ms) {
        f->next_ms = MIN(f->next_ms, q->deadline_ms);
        return 0;
    }
    (void)err_set(&err, ERR_TEMPORARY, STATUS_TIMEOUT, "%.200s did not answer in time", q->to);
    (void)idmap_del(f->p->questions, id);
    fail_later(f->p, q, &err);
    return 0;
}

static void set_timer(struct pending *p, int64_t due_ms)
{
    int64_t now = clock_mono_ms(p->c->mail->clock);

    p->timer_due_ms = due_ms;
    loop_timer_set(p->timer, MAX(due_ms - now, 10));
}

static void on_deadline(void *ctx)
{
    struct pending *p = ctx;
    struct fail_ctx f = { .p = p, .now_ms = clock_mono_ms(p->c->mail->clock), .next_ms = INT64_MAX };

    (void)idmap_each(p->questions, fail_late, &f);
    if (f.next_ms != INT64_MAX)
        set_timer(p, f.next_ms);
}

/* ---- asking and being answered ---- */

void pending_refuse(struct pending *p, const struct err *err, const struct pending_asker *who)
{
    struct question *q = mem_zalloc(sizeof(*q));

    q->who = *who;
    fail_later(p, q, err);
}

void pending_ask(struct pending *p, const struct pending_request *rq,
                 const struct pending_asker *who)
{
    struct stanza_head h = { .kind = "iq", .type = rq->type, .to = rq->to };
    struct question *q = mem_zalloc(sizeof(*q));
    struct err err = { 0 };
    char id[40];
    uint64_t number;

    q->to = mem_strdup(rq->to);
    q->who = *who;
    q->deadline_ms = clock_mono_ms(p->c->mail->clock) + rq->deadline_ms;
    number = idmap_add(p->questions, q);
    (void)snprintf(id, sizeof(id), "%s.%llx", p->nonce, (unsigned long long)number);
    h.id = id;
    if (component_send(p->c, &h, rq->pieces, rq->n_pieces, &err) < 0) {
        (void)idmap_del(p->questions, number);
        fail_later(p, q, &err);
        return;
    }
    if (!loop_timer_is_set(p->timer) || q->deadline_ms < p->timer_due_ms)
        set_timer(p, q->deadline_ms);
}

static uint64_t number_of(const struct pending *p, const char *id)
{
    size_t n = strlen(p->nonce);
    uint64_t number = 0;

    if (id == NULL || strncmp(id, p->nonce, n) != 0 || id[n] != '.' || strlen(id) > n + 17)
        return 0;
    for (const char *s = id + n + 1; *s != '\0'; s++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, *s);

        if (at == NULL)
            return 0;
        number = number << 4 | (uint64_t)(at - digits);
    }
    return number;
}

/* Is that whom we asked? Servers prepare JIDs, and we may have been given one that was not. */
static bool is_from(const struct question *q, const struct stanza *in, const struct jid *from)
{
    struct jid to = { 0 };
    bool same;

    if (strcmp(q->to, in->from) == 0)
        return true;
    if (jid_parse(q->to, &to, NULL) < 0)
        return false;
    same = strcmp(to.node, from->node) == 0 && strcmp(to.host, from->host) == 0 &&
           strcmp(to.resource, from->resource) == 0;
    jid_clear(&to);
    return same;
}

void pending_take(struct pending *p, const struct stanza *in, const struct jid *from)
{
    uint64_t number = number_of(p, in->id);
    struct question *q = number != 0 ? idmap_get(p->questions, number) : NULL;
    struct err err = { 0 };

    if (q == NULL || !is_from(q, in, from)) {
        log_debug("answer.unasked component=%s from=%s id=%s", p->c->jid, log_quote(in->from),
                  log_quote(in->id != NULL ? in->id : ""));
        return;
    }
    (void)idmap_del(p->questions, number);
    if (strcmp(in->type, "result") == 0) {
        q->who.fn(q->who.ctx, q->who.token, in, NULL);
    } else {
        (void)stanza_read_error(in, &err);
        q->who.fn(q->who.ctx, q->who.token, NULL, &err);
    }
    question_free(q);
}

size_t pending_count(const struct pending *p)
{
    return idmap_size(p->questions);
}
