/* SPDX-License-Identifier: MIT */
/*
 * Delivering what came sealed, message by message, each in a savepoint of its own.
 *
 * Invariant: what the record says of (origin, id) is what was answered and what is in the
 * mailboxes, because they are written together. A repeat is answered from the record; only
 * recipients whose answer was temporary are tried again. The same id with another header line is
 * not a repeat: it is refused and what stands in the record stays.
 *
 * What is wrong with one message is the result of that message: its neighbours in the bundle are
 * delivered. An id that was reused refuses the seal where it is alone in it, since then there is no
 * neighbour, and the sender learns the code that docs/xmpp.md has for it.
 */
#include "mail/inbound_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/content.h"
#include "store/record.h"
#include "wire/status.h"

#include "mail/mailbox.h"

/* One message on its way into the store. */
struct delivery {
    struct inbound *in;
    struct opening *op;
    const struct inbound_item *item;
    struct record before;      /* of its first time; uuid "" none */
    struct str record;         /* "code TAB to TAB text LF" for each recipient */
    size_t first_result;       /* of it in opening.results */
    int64_t content;           /* 0: not stored yet */
    size_t delivered;
};

/* ---- the record ---- */

static void add_record(struct str *out, const char *to, int code, const char *text)
{
    str_addf(out, "%d\t%s\t", code, to);
    for (const char *c = text != NULL ? text : ""; *c != '\0'; c++)
        str_addc(out, *c == '\n' || *c == '\t' ? ' ' : *c);
    str_addc(out, '\n');
}

/* What was answered for a recipient: its code, 0 nothing. text_r: caller frees; NULL if none. */
static int recorded(const struct record *r, const char *to, char **text_r)
{
    size_t n = strlen(to);
    const char *line = r->results;

    *text_r = NULL;
    while (line != NULL && *line != '\0') {
        const char *end = strchr(line, '\n'), *name = strchr(line, '\t');

        if (end == NULL || name == NULL || name > end)
            return 0;
        name++;
        if ((size_t)(end - name) > n && memcmp(name, to, n) == 0 && name[n] == '\t') {
            if (end > name + n + 1)
                *text_r = mem_strndup(name + n + 1, (size_t)(end - name - n - 1));
            return atoi(line);
        }
        line = end + 1;
    }
    return 0;
}

/* ---- results ---- */

static void result(struct delivery *d, const char *to, int code, const char *text)
{
    receipt_add(&d->op->results, d->item->b.message.id, to, code, text);
    add_record(&d->record, to, code, text);
}

static void result_of_all(struct delivery *d, int code, const char *text)
{
    const struct message *m = &d->item->b.message;

    for (size_t i = 0; i < m->n_to; i++)
        result(d, m->to[i], code, text);
}

/* Take back the results of this message. */
static void take_back(struct delivery *d)
{
    struct receipt *r = &d->op->results;

    while (r->n > d->first_result) {
        r->n--;
        free(r->results[r->n].to);
        free(r->results[r->n].text);
    }
    str_truncate(&d->record, 0);
}

/* ---- content ---- */

static int append_part(struct delivery *d, const uint8_t *p, uint64_t left, uint32_t *chunk,
                       struct err *err)
{
    while (left > 0) {
        size_t n = (size_t)MIN(left, CONTENT_CHUNK);

        if (content_append(d->in->m->store, d->content, (*chunk)++, p, n, err) < 0)
            return -1;
        p += n;
        left -= n;
    }
    return 0;
}

static int store_content(struct delivery *d, struct err *err)
{
    const struct bundle_item *b = &d->item->b;
    struct store *st = d->in->m->store;
    const uint8_t *p = b->octets;
    uint32_t chunk = 0;

    if (content_begin(st, d->op->now_ms, &d->content, err) < 0)
        return -1;
    for (size_t i = 0; i < b->message.n_parts; i++) {
        if (append_part(d, p, b->message.parts[i].length, &chunk, err) < 0)
            return -1;
        p += b->message.parts[i].length;
    }
    return content_finish(st, d->content, &b->message, b->header, b->signature,
                          certificate_pem(d->op->signer), err) < 0
               ? -1
               : 0;
}

/* ---- recipients ---- */

/* Why no recipient of this message can have it: its code, or 0. */
static int refusal_of_message(const struct delivery *d, const char **text_r)
{
    const struct message *m = &d->item->b.message;

    if (m->expires_ms != 0 && m->expires_ms < d->op->now_ms) {
        *text_r = "expired";
        return STATUS_NOT_FOUND;
    }
    switch (m->kind) {
    case MESSAGE_MAIL:
    case MESSAGE_NOTICE:
        return 0;
    case MESSAGE_PUSH:
        *text_r = "no push is taken here";
        return STATUS_PUSH_REFUSED;
    case MESSAGE_EVENT:
        *text_r = "no such subscription";
        return STATUS_NO_SUBSCRIPTION;
    default:
        *text_r = "this kind of message is not taken here";
        return STATUS_NOT_ALLOWED;
    }
}

/* 0, or -1 the store failed: nothing of this message may stand. */
static int deliver_to(struct delivery *d, const char *to, struct err *err)
{
    const struct message *m = &d->item->b.message;

    if (d->content == 0 && store_content(d, err) < 0)
        return -1;
    if (mailbox_deliver(d->in->m, to, d->content, m->id, (int64_t)d->item->b.octets_len,
                        (m->flags & MESSAGE_IMPORTANT) != 0, err) == 0) {
        d->delivered++;
        result(d, to, STATUS_DELIVERED, NULL);
        return 0;
    }
    if (err->kind == ERR_TEMPORARY)
        return -1;
    result(d, to, status_of_err(err), err->text);
    return 0;
}

static int deliver_all(struct delivery *d, struct err *err)
{
    const struct message *m = &d->item->b.message;
    const char *why = NULL;
    int refused = refusal_of_message(d, &why);

    for (size_t i = 0; i < m->n_to; i++) {
        char *text = NULL;
        int code = recorded(&d->before, m->to[i], &text), rc = 0;

        if (code != 0 && !status_is_temporary(code))
            result(d, m->to[i], code, text);
        else if (refused != 0)
            result(d, m->to[i], refused, why);
        else
            rc = deliver_to(d, m->to[i], err);
        free(text);
        if (rc < 0)
            return -1;
    }
    if (d->content != 0 && d->delivered == 0)
        return content_drop(d->in->m->store, d->content, err) < 0 ? -1 : 0;
    return 0;
}

/* ---- the message ---- */

static int write_record(struct delivery *d, struct err *err)
{
    struct record r = {
        .scope = d->op->origin,
        .results = (char *)str_c(&d->record),
        .seen_ms = d->op->now_ms,
    };

    /* A repeat that changed nothing is not written again, and keeps its age. */
    if (d->before.results != NULL && strcmp(d->before.results, r.results) == 0)
        return 0;
    memcpy(r.uuid, d->item->b.message.id, sizeof(r.uuid));
    memcpy(r.digest, d->item->digest, sizeof(r.digest));
    return record_put(d->in->m->store, &r, err) < 0 ? -1 : 0;
}

static int deliver(struct delivery *d, bool *reused_r, struct err *err)
{
    const char *id = d->item->b.message.id;
    int rc = record_get(d->in->m->store, d->op->origin, id, &d->before, err);

    if (rc < 0)
        return -1;
    if (rc == 1 && strcmp(d->before.digest, d->item->digest) != 0) {
        *reused_r = true;
        return 0;
    }
    if (deliver_all(d, err) < 0 || write_record(d, err) < 0)
        return -1;
    d->op->repeats += rc == 1;
    return 0;
}

int inbound_store_item(struct inbound *in, struct opening *op)
{
    struct store *st = in->m->store;
    struct delivery d = {
        .in = in,
        .op = op,
        .item = &op->items[op->at],
        .first_result = op->results.n,
    };
    bool is_reused = false;
    struct err err;
    int rc = store_savepoint(st, &err);

    if (rc == 0) {
        rc = deliver(&d, &is_reused, &err);
        if (rc < 0)
            store_undo(st);
        else
            rc = store_release(st, &err);
    }
    if (rc < 0) {
        log_error("inbound.store msg=%s origin=%s error=%s", d.item->b.message.id, op->origin,
                  log_quote(err.text));
        take_back(&d);
        d.delivered = 0;
        result_of_all(&d, STATUS_STORAGE, status_text(STATUS_STORAGE));
    }
    op->delivered += d.delivered;
    rc = 0;
    if (is_reused && op->n == 1) {
        op->why = REFUSED_ID_REUSED;
        rc = err_set(&op->err, ERR_PROTOCOL, STATUS_PARAMETER,
                     "message %s was seen with other content", d.item->b.message.id);
    } else if (is_reused) {
        result_of_all(&d, STATUS_PARAMETER, "id-reused: the id was seen with other content");
    }
    record_clear(&d.before);
    str_clear(&d.record);
    return rc;
}
