/* SPDX-License-Identifier: MIT */
/*
 * DONE: a finished submission goes to mailboxes here and into the queue for other domains, all in
 * one savepoint: either every answer holds, or nothing was stored and no answer is given.
 *
 * One content is stored, whoever gets it: the mailboxes here, the sender's SENT, and a queue
 * entry per destination domain refer to it. Its header line is that of the copy that stays: its
 * destination is the first domain of ours that has recipients (else the first at all), `to` is
 * who is there, and `for` names everybody as the sender wrote them. With +BLIND `for` is left
 * out, unless the only copy that stays is the sender's own. Each queue entry has a header of its
 * own, made once, because it is what gets signed and must be the same at every attempt.
 *
 * The record of the answers is written in the same savepoint, under the account and the id. So a
 * submission that is repeated, on this or on another connection, gets the first answers, and its
 * octets are dropped. A submission that nobody got is not recorded: repeating it tries again.
 */
#include "mail/submit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/account.h"
#include "store/entry.h"
#include "store/queue.h"
#include "store/record.h"
#include "wire/imid.h"
#include "wire/status.h"

#include "mail/mailbox.h"
#include "mail/notice.h"
#include "mail/outbound.h"
#include "mail/submit_private.h"

#define TYPE_CONTENT "text/plain; charset=utf-8"
#define TYPE_DATA    "application/octet-stream"

/* What is built for one call of submit_done(). */
struct done {
    struct submit *s;
    struct submit_result *results;
    char **to;         /* scratch: recipients of one destination, borrowed */
    char **shown;      /* all as written, borrowed */
    struct str header; /* scratch: a queue entry's line */
    int64_t now_ms;
    size_t n_good; /* recipients with a 2xx */
};

/* ---- results and their record ---- */

static void set_result(struct done *d, size_t i, int code, const char *text)
{
    struct submit_result *r = &d->results[i];

    r->to = mem_strdup(d->s->to[i].written);
    r->code = code;
    r->text = mem_strdup(text);
    if (status_is_success(code))
        d->n_good++;
}

static void set_success(struct done *d, size_t i, enum status code)
{
    struct str st = STR_INIT;

    str_addf(&st, "id=%s %s", d->s->message.id, code == STATUS_DELIVERED ? "delivered" : "queued");
    set_result(d, i, code, str_c(&st));
    str_clear(&st);
}

void submit_results_free(struct submit_result **rp, size_t n)
{
    struct submit_result *r = *rp;

    if (r == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        free(r[i].to);
        free(r[i].text);
    }
    free(r);
    *rp = NULL;
}

/* A line per recipient: code TAB recipient TAB text. None of them can hold a TAB or a LF. */
static void format_results(struct str *out, const struct submit_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_addf(out, "%d\t%s\t%s\n", r[i].code, r[i].to, r[i].text);
}

static int parse_results(char *text, struct submit_result **results_r, size_t *n_r)
{
    struct submit_result *r = NULL;
    size_t n = 0;

    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *to, *why;
        uint64_t code;

        *end = '\0';
        to = strchr(line, '\t');
        why = to != NULL ? strchr(to + 1, '\t') : NULL;
        if (why == NULL)
            break;
        *to++ = '\0';
        *why++ = '\0';
        if (n == MESSAGE_RECIPIENTS_MAX || str_to_u64(line, &code) < 0 || code > 999)
            break;
        r = mem_realloc(r, (n + 1) * sizeof *r);
        r[n++] = (struct submit_result){ .to = mem_strdup(to),
                                         .code = (int)code,
                                         .text = mem_strdup(why) };
    }
    *results_r = r;
    *n_r = n;
    return n > 0 ? 0 : -1;
}

/* Was this id answered before? 1 with the first answers, 0, -1. */
static int recall(const struct submit *s, struct submit_result **results_r, size_t *n_r,
                  struct err *err)
{
    struct record rec = { 0 };
    int rc = record_get(s->mail->store, s->scope, s->message.id, &rec, err);

    if (rc == 1 && parse_results(rec.results, results_r, n_r) < 0)
        rc = err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "the record of %s cannot be read",
                     s->message.id);
    record_clear(&rec);
    return rc;
}

static int put_record(const struct done *d, struct err *err)
{
    struct str text = STR_INIT;
    struct record rec = { .scope = d->s->scope, .seen_ms = d->now_ms };
    int rc;

    format_results(&text, d->results, d->s->n_to);
    memcpy(rec.uuid, d->s->message.id, sizeof rec.uuid);
    rec.results = text.s;
    rc = record_put(d->s->mail->store, &rec, err);
    str_clear(&text);
    return rc < 0 ? -1 : 0;
}

/* ---- the message ---- */

/* docs/immp.md, "Delivering": one part must be content; a single one without flags counts as it. */
static int finish_parts(struct submit *s, struct err *err)
{
    struct message *m = &s->message;
    bool has_content = false;

    if (m->n_parts == 1)
        m->parts[0].is_content = true;
    for (size_t i = 0; i < m->n_parts; i++) {
        struct part *p = &m->parts[i];

        has_content = has_content || p->is_content;
        if (p->type == NULL)
            p->type = mem_strdup(p->is_content ? TYPE_CONTENT : TYPE_DATA);
    }
    if (!has_content)
        return err_set(err, ERR_PROTOCOL, STATUS_NO_CONTENT, "no part is the message's content");
    return 0;
}

static bool is_repeat(const struct submit *s, size_t i, size_t *first_r)
{
    for (size_t j = 0; j < i; j++) {
        if (strcmp(s->to[j].address, s->to[i].address) == 0) {
            *first_r = j;
            return true;
        }
    }
    return false;
}

static bool is_local(const struct submit *s, const struct submit_recipient *r)
{
    return mail_domain_get(s->mail, r->domain) != NULL;
}

/* The message as one domain gets it. Everything in it is borrowed. */
static struct message message_for(struct done *d, const char *domain, bool with_shown)
{
    struct submit *s = d->s;
    struct message m = s->message;
    size_t first;

    m.destination = (char *)domain;
    m.to = d->to;
    m.n_to = 0;
    for (size_t i = 0; i < s->n_to; i++)
        if (strcmp(s->to[i].domain, domain) == 0 && !is_repeat(s, i, &first))
            m.to[m.n_to++] = s->to[i].address;
    m.shown = with_shown ? d->shown : NULL;
    m.n_shown = with_shown ? s->n_to : 0;
    return m;
}

/* The copy that stays here. */
static struct message message_to_keep(struct done *d)
{
    struct submit *s = d->s;
    const char *domain = s->to[0].domain;
    bool is_blind = (s->message.flags & MESSAGE_BLIND) != 0;
    bool has_local = false;

    for (size_t i = 0; i < s->n_to && !has_local; i++) {
        has_local = is_local(s, &s->to[i]);
        if (has_local)
            domain = s->to[i].domain;
    }
    return message_for(d, domain, !is_blind || !has_local);
}

static int store_content(struct done *d, struct err *err)
{
    struct submit *s = d->s;
    struct message m = message_to_keep(d);

    if (s->content == 0 && submit_store_memory(s, err) < 0)
        return -1;
    str_truncate(&d->header, 0);
    message_format(&d->header, &m);
    if (d->header.len > MESSAGE_HEADER_MAX)
        return err_set(err, ERR_PERMANENT, STATUS_LIMIT,
                       "recipients and parts make a header of more than %d bytes",
                       MESSAGE_HEADER_MAX);
    if (content_finish(s->mail->store, s->content, &m, d->header.s, NULL, NULL, err) < 0)
        return -1;
    return 0;
}

/* ---- to a mailbox here ---- */

static int tell_delivered(struct done *d, size_t i, struct err *err)
{
    if ((d->s->message.flags & MESSAGE_RECEIPT) == 0)
        return 0;
    return notice_send(d->s->mail, NOTICE_DELIVERED, &d->s->message, d->s->sender,
                       d->s->to[i].written, STATUS_DELIVERED, "delivered", err);
}

/* Is it the store's failure, and not this recipient's? Then nothing of it may be kept. */
static bool is_trouble(const struct err *err)
{
    return err->kind == ERR_TEMPORARY || status_is_temporary(err->status);
}

/* 0 it has its result, -1 the store failed. */
static int deliver_local(struct done *d, size_t i, struct err *err)
{
    struct submit *s = d->s;
    struct err why = { ERR_NONE };

    if (mailbox_deliver(s->mail, s->to[i].address, s->content, s->message.id, (int64_t)s->size,
                        (s->message.flags & MESSAGE_IMPORTANT) != 0, &why) == 0) {
        set_success(d, i, STATUS_DELIVERED);
        return tell_delivered(d, i, err);
    }
    if (is_trouble(&why)) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    set_result(d, i, status_of_err(&why), why.text);
    return 0;
}

/* ---- into the queue ---- */

static int put_in_queue(struct done *d, const char *domain, struct err *err)
{
    struct submit *s = d->s;
    struct queue_entry q = {
        .origin = (char *)s->domain->name,
        .destination = (char *)domain,
        .sender = s->sender,
        .content = s->content,
        .header = d->header.s,
        .settled = (char *)"",
        .state = QUEUE_QUEUED,
        .due_ms = d->now_ms,
        .created_ms = d->now_ms,
        .expires_ms = d->now_ms + s->domain->expire_ms,
        .size = (int64_t)s->size,
        .is_secure = (s->message.flags & MESSAGE_SECURE) != 0,
    };

    if (s->message.expires_ms != 0 && s->message.expires_ms < q.expires_ms)
        q.expires_ms = s->message.expires_ms;
    memcpy(q.message, s->message.id, sizeof q.message);
    return queue_put(s->mail->store, &q, err) < 0 ? -1 : 0;
}

/* The i-th recipient is the first of its domain: settle them all. 0, -1 the store failed. */
static int queue_domain(struct done *d, size_t i, struct err *err)
{
    struct submit *s = d->s;
    const char *domain = s->to[i].domain;
    bool is_blind = (s->message.flags & MESSAGE_BLIND) != 0;
    struct message m = message_for(d, domain, !is_blind);
    struct err why = { ERR_NONE };
    size_t bytes;

    str_truncate(&d->header, 0);
    message_format(&d->header, &m);
    bytes = mail_stanza_size(d->header.len, s->size);
    if (submit_route(s, &s->to[i], &why) == 0 && bytes > MAIL_STANZA_MAX)
        err_set(&why, ERR_PERMANENT, STATUS_TOO_LARGE,
                "too large for another domain: %llu bytes make a seal of more than %u KiB, "
                "which is what this build sends in one piece",
                (unsigned long long)s->size, MAIL_STANZA_MAX / 1024);
    if (why.kind == ERR_NONE && put_in_queue(d, domain, err) < 0)
        return -1;
    for (size_t j = i; j < s->n_to; j++) {
        if (strcmp(s->to[j].domain, domain) != 0)
            continue;
        if (why.kind == ERR_NONE)
            set_success(d, j, STATUS_QUEUED);
        else
            set_result(d, j, status_of_err(&why), why.text);
    }
    return 0;
}

/* After the savepoint: paths to look at once the turn is committed. */
static void kick_paths(const struct done *d)
{
    const struct submit *s = d->s;

    for (size_t i = 0; i < s->n_to; i++) {
        bool is_first = d->results[i].code == STATUS_QUEUED;

        for (size_t j = 0; j < i && is_first; j++)
            is_first = strcmp(s->to[j].domain, s->to[i].domain) != 0;
        if (is_first)
            outbound_kick(s->mail->outbound, s->domain->name, s->to[i].domain);
    }
}

/* ---- all of it ---- */

static int deliver_all(struct done *d, struct err *err)
{
    const struct submit *s = d->s;
    size_t first;

    for (size_t i = 0; i < s->n_to; i++) {
        int rc = 0;

        if (d->results[i].to != NULL)
            continue; /* its domain was settled with an earlier one */
        if (!is_local(s, &s->to[i]))
            rc = queue_domain(d, i, err);
        else if (is_repeat(s, i, &first))
            set_result(d, i, d->results[first].code, d->results[first].text);
        else
            rc = deliver_local(d, i, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* The sender's own copy. A full mailbox refuses the message whole: better than a copy missing. */
static int keep_copy(const struct done *d, struct err *err)
{
    const struct submit *s = d->s;
    struct account a = { 0 };
    int64_t quota;
    int rc;

    if (s->account == NULL || s->message.kind != MESSAGE_MAIL)
        return 0;
    rc = account_get(s->mail->store, s->account, &a, err);
    if (rc == 1 && a.saves_sent) {
        quota = mailbox_quota(s->mail, &a);
        if (quota > 0 && a.used_bytes + (int64_t)s->size > quota)
            rc = err_set(err, ERR_PERMANENT, STATUS_QUOTA,
                         "your own mailbox is full, SENT cannot take the copy: remove mail, "
                         "or SET GLOBAL SAVESENT=OFF");
        else
            rc = mailbox_copy(s->mail, a.id, "SENT", s->content, s->message.id, (int64_t)s->size,
                              ENTRY_READ, err);
    }
    account_clear(&a);
    return rc < 0 ? -1 : 0;
}

/* Within the savepoint. 1 stored, 0 nobody got it, -1. */
static int store_all(struct done *d, struct err *err)
{
    if (store_content(d, err) < 0 || deliver_all(d, err) < 0)
        return -1;
    if (d->n_good == 0)
        return 0;
    if (keep_copy(d, err) < 0 || put_record(d, err) < 0)
        return -1;
    return 1;
}

static int run(struct done *d, struct err *err)
{
    struct submit *s = d->s;
    int64_t draft = s->content;
    int rc;

    if (store_savepoint(s->mail->store, err) < 0)
        return -1;
    rc = store_all(d, err);
    if (rc == 1 && store_release(s->mail->store, err) == 0) {
        s->content = 0; /* it is theirs now, not ours to drop */
        kick_paths(d);
        return 0;
    }
    if (rc < 1)
        store_undo(s->mail->store);
    s->content = draft;
    return rc == 0 ? 0 : -1;
}

int submit_done(struct submit *s, struct submit_result **results_r, size_t *n_r, struct err *err)
{
    struct done d = { .s = s, .now_ms = clock_wall_ms(s->mail->clock) };
    int rc;

    *results_r = NULL;
    *n_r = 0;
    if (s->state == SUBMIT_BROKEN && err != NULL)
        *err = s->broken;
    if (s->state == SUBMIT_BROKEN)
        return -1;
    if (s->state != SUBMIT_OPEN)
        return err_set(err, ERR_PROTOCOL, STATUS_NO_MESSAGE, "%s",
                       s->state == SUBMIT_DONE ? "the message is done already"
                                               : "a part is in progress");
    rc = recall(s, results_r, n_r, err);
    if (rc == 0 && finish_parts(s, err) < 0)
        return -1;
    s->state = SUBMIT_DONE;
    if (rc != 0)
        return rc < 0 ? -1 : 0;

    s->message.date_ms = d.now_ms;
    s->message.expires_ms = s->expires_s > 0 ? d.now_ms + s->expires_s * 1000 : 0;
    d.results = mem_zalloc(s->n_to * sizeof *d.results);
    d.to = mem_alloc(s->n_to * sizeof *d.to);
    d.shown = mem_alloc(s->n_to * sizeof *d.shown);
    for (size_t i = 0; i < s->n_to; i++)
        d.shown[i] = s->to[i].written;
    rc = run(&d, err);
    if (rc == 0) {
        *results_r = d.results;
        *n_r = s->n_to;
    } else {
        submit_results_free(&d.results, s->n_to);
    }
    str_clear(&d.header);
    free(d.shown);
    free(d.to);
    return rc;
}
