/* SPDX-License-Identifier: MIT */
/*
 * The end of a bundle: what its answer means for each entry.
 *
 * Invariant: an entry is removed only when every recipient is settled, by a permanent or a good
 * code in a receipt whose signature, bundle and digest hold, or by a bounce that stands in the same
 * transaction. Whatever else comes (a stanza error, silence, a receipt that does not hold) leaves
 * the mail in the queue: a server between the domains can delay it and nothing more.
 *
 *   receipt with results   each recipient by its code: 2xx settled, 4xx and 75x settled and bounced,
 *                          anything else, also no result at all, tried again by the schedule
 *   refused busy           a short rest
 *   refused unknown-key    the peer's keys are asked for again, once until something succeeds
 *   refused otherwise      each message once more, alone, so that a bad one does not sink the
 *                          others; refused alone, it bounces
 *
 * A bundle is settled in one savepoint. If the store fails in the middle, nothing of it is; the
 * entries come again when their leases run out, and are answered from the peer's record.
 */
#include "mail/outbound_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "wire/status.h"

#include "mail/keys.h"
#include "mail/notice.h"

#define RECEIPT_MAX (1024u * 1024)   /* bytes of armor */

/* ---- leaving ---- */

/* The transport has no more to say about it. */
static void heard(struct flight *f)
{
    f->path->under_way--;
    f->path->silent -= f->is_silent;
    f->is_silent = false;
}

/* It is not under way any more. Its path has room. */
static void leave(struct flight *f)
{
    (void)idmap_del(f->o->flights, f->token);
    f->path->in_flight--;
    if (f->phase == FLIGHT_SENT)
        heard(f);
    f->path->active_ms = clock_mono_ms(f->o->m->clock);
    outbound_ready(f->path);
}

static int defer_all(struct flight *f, int64_t due_ms, const char *why, struct err *err)
{
    for (size_t i = 0; i < f->n; i++)
        if (queue_defer(f->o->m->store, f->items[i].entry, due_ms, why, err) < 0)
            return -1;
    return 0;
}

/*
 * All its entries are due again at due_ms. Where the store cannot even note that, their leases
 * run out.
 */
static void put_back(struct flight *f, int64_t due_ms, const char *why)
{
    struct store *st = f->o->m->store;
    struct err err;
    int rc = store_savepoint(st, &err);

    if (rc == 0) {
        rc = defer_all(f, due_ms, why, &err);
        if (rc < 0)
            store_undo(st);
        else
            rc = store_release(st, &err);
    }
    if (rc < 0)
        log_error("outbound.defer bundle=%s error=%s", f->bundle, log_quote(err.text));
    f->path->has_deferred = true;
    f->path->has_more = true;
    outbound_wrote(f->o);
}

void outbound_settle_return(struct flight *f, const char *why)
{
    struct path *p = f->path;

    put_back(f, MAX(clock_wall_ms(f->o->m->clock), p->rests_until_ms), why);
    leave(f);
    outbound_bundle_destroy(f);
}

void outbound_settle_failed(struct flight *f, const struct err *err)
{
    struct path *p = f->path;
    struct outbound *o = f->o;

    /* What was sent after it is answered: it is lost, perhaps with the daemon that had it. */
    bool is_lost = f->is_silent && p->good_ms > f->sent_ms;

    /* docs/xmpp.md, "Sizes": a stream that dies with a large stanza in flight. Nobody says which. */
    if (f->phase != FLIGHT_SEALING && !is_lost && pace_died(&p->pace, f->stanza))
        outbound_path_persist(p);
    leave(f);
    if (is_lost) {
        o->counters.failures++;
        outbound_later(o);
    } else {
        outbound_path_fail(p, err);
    }
    put_back(f, MAX(p->rests_until_ms, clock_wall_ms(o->m->clock)), err->text);
    outbound_bundle_destroy(f);
}

/* ---- settled recipients: LF after each ---- */

static bool is_settled(const char *settled, const char *to)
{
    size_t n = strlen(to);

    while (settled != NULL && *settled != '\0') {
        size_t line = strcspn(settled, "\n");

        if (line == n && memcmp(settled, to, n) == 0)
            return true;
        settled += line + (settled[line] == '\n');
    }
    return false;
}

/*
 * Tell the sender about one recipient. A notice that cannot be stored for good reason (the sender
 * is gone, its mailbox full) must not keep the message in the queue for ever; trouble may pass.
 */
static int tell(struct outbound *o, enum notice_kind kind, const struct message *m,
                const char *sender, const char *to, int code, const char *text, struct err *err)
{
    if (kind == NOTICE_FAILED) {
        o->counters.bounces++;
        log_info("outbound.bounce msg=%s to=%s code=%d text=%s", m->id, log_quote(to), code,
                 log_quote(text));
    }
    if (notice_send(o->m, kind, m, sender, to, code, text, err) == 0)
        return 0;
    if (err->kind == ERR_TEMPORARY)
        return -1;
    log_warn("outbound.notice msg=%s to=%s error=%s", m->id, log_quote(sender),
             log_quote(err->text));
    return 0;
}

static int bounce(struct outbound *o, const struct queue_entry *q, const struct message *m,
                  int code, const char *text, struct err *err)
{
    for (size_t i = 0; i < m->n_to; i++)
        if (!is_settled(q->settled, m->to[i]) &&
            tell(o, NOTICE_FAILED, m, q->sender, m->to[i], code, text, err) < 0)
            return -1;
    return queue_del(o->m->store, q->id, err) < 0 ? -1 : 0;
}

int outbound_settle_bounce(struct outbound *o, const struct queue_entry *q, int code,
                           const char *text, struct err *err)
{
    struct message m;
    int rc;

    if (message_parse(q->header, strlen(q->header), &m, err) < 0) {
        if (err->kind == ERR_TEMPORARY)
            return -1;
        log_error("outbound.broken entry=%lld error=%s", (long long)q->id, log_quote(err->text));
        outbound_wrote(o);
        return queue_hold(o->m->store, q->id, true, err) < 0 ? -1 : 0;
    }
    rc = store_savepoint(o->m->store, err);
    if (rc == 0) {
        rc = bounce(o, q, &m, code, text, err);
        if (rc < 0)
            store_undo(o->m->store);
        else
            rc = store_release(o->m->store, err);
        outbound_wrote(o);
    }
    message_clear(&m);
    return rc;
}

/* ---- results ---- */

/* Walks a receipt's results, which come in the order of the bundle if the peer is well-behaved. */
struct walk {
    const struct receipt *receipt;
    size_t at;
    size_t steps;   /* left for results that stand elsewhere: bounds what a hostile receipt costs */
};

static const struct receipt_result *result_of(struct walk *w, const char *id, const char *to)
{
    const struct receipt *r = w->receipt;

    for (size_t i = 0; i < r->n; i++) {
        const struct receipt_result *x = &r->results[(w->at + i) % r->n];

        if (strcmp(x->id, id) == 0 && strcmp(x->to, to) == 0) {
            w->at = (w->at + i + 1) % r->n;
            return x;
        }
        if (w->steps == 0)
            return NULL;
        w->steps--;
    }
    return NULL;
}

/* Everybody has it, and nobody has to be told: the common case, one delete. */
static bool is_plain(const struct flying *it, struct walk *w)
{
    if ((it->message.flags & MESSAGE_RECEIPT) != 0)
        return false;
    for (size_t i = 0; i < it->message.n_to; i++) {
        const struct receipt_result *x;

        if (is_settled(it->settled, it->message.to[i]))
            continue;
        x = result_of(w, it->uuid, it->message.to[i]);
        if (x == NULL || !status_is_success(x->code))
            return false;
    }
    return true;
}

struct pending {
    size_t n;             /* recipients to be tried again */
    const char *text;     /* why the last of them was not settled */
};

static int settle_recipient(struct outbound *o, const struct message *m, const char *sender,
                            const char *to, const struct receipt_result *x, struct str *settled,
                            struct pending *pending, struct err *err)
{
    const char *text = x != NULL && x->text != NULL ? x->text : NULL;

    if (x == NULL || !(status_is_success(x->code) || status_is_permanent(x->code))) {
        pending->n++;
        pending->text = text != NULL ? text : x != NULL ? status_text(x->code)
                                                        : "its receipt says nothing of it";
        return 0;
    }
    str_add(settled, to);
    str_addc(settled, '\n');
    if (text == NULL)
        text = status_text(x->code);
    if (status_is_permanent(x->code))
        return tell(o, NOTICE_FAILED, m, sender, to, x->code, text, err);
    if ((m->flags & MESSAGE_RECEIPT) != 0)
        return tell(o, NOTICE_DELIVERED, m, sender, to, x->code, text, err);
    return 0;
}

/* Recipient by recipient, from the entry as it stands in the store. */
static int settle_entry(struct flight *f, struct flying *it, struct walk *w, struct err *err)
{
    struct outbound *o = f->o;
    struct queue_entry q = { 0 };
    struct str settled = STR_INIT;
    struct pending pending = { 0 };
    int rc = queue_get(o->m->store, it->entry, &q, err);

    for (size_t i = 0; rc == 1 && i < it->message.n_to; i++) {
        const char *to = it->message.to[i];

        if (!is_settled(q.settled, to) &&
            settle_recipient(o, &it->message, q.sender, to, result_of(w, it->uuid, to), &settled,
                             &pending, err) < 0)
            rc = -1;
    }
    if (rc == 1 && pending.n == 0) {
        rc = queue_del(o->m->store, it->entry, err);
    } else if (rc == 1) {
        if (settled.len > 0)
            rc = queue_settle(o->m->store, it->entry, str_c(&settled), err);
        if (rc >= 0)
            rc = queue_defer(o->m->store, it->entry,
                             clock_wall_ms(o->m->clock) +
                                 outbound_path_retry_ms(f->path, it->attempts), pending.text, err);
        f->path->has_deferred = true;
        log_info("outbound.deferred msg=%s destination=%s recipients=%zu text=%s", it->uuid,
                 f->path->destination, pending.n, log_quote(pending.text));
    }
    str_clear(&settled);
    queue_entry_clear(&q);
    return rc < 0 ? -1 : 0;
}

static int settle_items(struct flight *f, struct err *err)
{
    struct outbound *o = f->o;
    struct walk w = { .receipt = &f->receipt, .steps = 10000 + 4 * f->receipt.n };
    int64_t now_ms = clock_wall_ms(o->m->clock);

    for (size_t i = 0; i < f->n; i++) {
        struct flying *it = &f->items[i];
        size_t at = w.at;

        if (is_plain(it, &w)) {
            if (queue_del(o->m->store, it->entry, err) < 0)
                return -1;
            log_info("outbound.delivered msg=%s destination=%s bundle=%s ms=%lld", it->uuid,
                     f->path->destination, f->bundle, (long long)(now_ms - it->created_ms));
            continue;
        }
        w.at = at;
        if (settle_entry(f, it, &w, err) < 0)
            return -1;
    }
    return 0;
}

static void settle_results(struct flight *f)
{
    struct outbound *o = f->o;
    struct path *p = f->path;
    struct err err;
    int rc;

    o->counters.receipts++;
    leave(f);
    if (pace_answered(&p->pace, clock_mono_ms(o->m->clock),
                      clock_mono_ms(o->m->clock) - f->sent_ms, f->stanza, f->bytes, p->in_flight,
                      p->has_more && p->is_long))
        outbound_path_persist(p);
    outbound_path_good(p);
    rc = store_savepoint(o->m->store, &err);
    if (rc == 0) {
        rc = settle_items(f, &err);
        if (rc < 0)
            store_undo(o->m->store);
        else
            rc = store_release(o->m->store, &err);
    }
    outbound_wrote(o);
    if (rc < 0) {
        p->has_deferred = true;
        log_error("outbound.settle bundle=%s error=%s", f->bundle, log_quote(err.text));
    }
    outbound_bundle_destroy(f);
}

/* ---- refusals ---- */

/* Refused alone, and for the second time. */
static int bounce_refused(struct flight *f, struct err *err)
{
    struct outbound *o = f->o;
    struct queue_entry q = { 0 };
    struct str text = STR_INIT;
    int rc = queue_get(o->m->store, f->items[0].entry, &q, err);

    if (rc == 1) {
        str_addf(&text, "%s refused it: %s", f->path->destination,
                 refusal_name(f->receipt.refused));
        if (f->receipt.refused_text != NULL)
            str_addf(&text, " (%.300s)", f->receipt.refused_text);
        rc = outbound_settle_bounce(o, &q,
                                    f->receipt.refused == REFUSED_TOO_LARGE ? STATUS_TOO_LARGE
                                    : f->receipt.refused == REFUSED_NOT_AUTHORISED
                                        ? STATUS_NOT_ALLOWED
                                        : STATUS_PROTOCOL,
                                    str_c(&text), err);
    }
    str_clear(&text);
    queue_entry_clear(&q);
    return rc < 0 ? -1 : 0;
}

static void settle_rebuild(struct flight *f)
{
    struct path *p = f->path;
    struct err err;

    leave(f);
    if (f->is_solo) {
        if (bounce_refused(f, &err) < 0) {
            p->has_deferred = true;
            log_error("outbound.settle bundle=%s error=%s", f->bundle, log_quote(err.text));
        }
    } else if (p->state == PATH_RESTING) {
        put_back(f, p->rests_until_ms, refusal_name(f->receipt.refused));
    } else {
        for (size_t i = 0; i < f->n; i++)
            outbound_path_hold(p, f->items[i].entry, true);
    }
    outbound_bundle_destroy(f);
}

static void settle_unknown_key(struct flight *f, const struct err *err)
{
    struct path *p = f->path;

    /* Sealed before the keys were answered: the answer may have mended it. */
    if (f->number > p->keyed && !outbound_path_rekey(p, err)) {
        outbound_settle_failed(f, err);
        return;
    }
    outbound_settle_return(f, err->text);
}

static void settle_refused(struct flight *f)
{
    struct path *p = f->path;
    struct outbound *o = f->o;
    enum refusal why = f->receipt.refused;
    struct err err;

    o->counters.receipts++;
    o->counters.refused++;
    log_warn("outbound.refused bundle=%s destination=%s code=%s messages=%zu text=%s", f->bundle,
             p->destination, refusal_name(why), f->n,
             log_quote(f->receipt.refused_text != NULL ? f->receipt.refused_text : ""));
    err_set(&err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "%s refused a bundle: %s", p->destination,
            refusal_name(why));
    switch (why) {
    case REFUSED_BUSY:
        leave(f);
        outbound_path_busy(p, &err);
        put_back(f, MAX(p->rests_until_ms, clock_wall_ms(o->m->clock)), err.text);
        outbound_bundle_destroy(f);
        break;
    case REFUSED_UNKNOWN_KEY:
        settle_unknown_key(f, &err);
        break;
    case REFUSED_TOO_LARGE:
        if (pace_died(&p->pace, f->stanza))
            outbound_path_persist(p);
        settle_rebuild(f);
        break;
    default:
        settle_rebuild(f);
    }
}

/* ---- the answer ---- */

static int check(struct flight *f, struct err *err)
{
    struct str text = STR_INIT;
    int rc = seal_open_receipt(f->sign, f->armor.s, f->armor.len, &text, err);

    if (rc == 0)
        rc = receipt_parse(str_c(&text), text.len, &f->receipt, err);
    str_clear(&text);
    if (rc == 0 && strcmp(f->receipt.bundle, f->bundle) != 0)
        rc = err_set(err, ERR_PROTOCOL, STATUS_PROTOCOL, "it is for bundle %s", f->receipt.bundle);
    if (rc == 0 && strcmp(f->receipt.sha256, f->sha256) != 0)
        rc = err_set(err, ERR_PROTOCOL, STATUS_PROTOCOL, "it is for another seal: sha256 %s",
                     f->receipt.sha256);
    return rc;
}

static void run(struct work *w)
{
    struct flight *f = (struct flight *)w;

    f->rc = check(f, &f->err);
}

static void done(struct work *w)
{
    struct flight *f = (struct flight *)w;
    struct outbound *o = f->o;

    f->job = 0;
    if (f->rc < 0) {
        o->counters.bad_receipts++;
        log_warn("outbound.bad_receipt bundle=%s destination=%s error=%s", f->bundle,
                 f->path->destination, log_quote(f->err.text));
        err_prefix(&f->err, "a receipt that does not hold");
        outbound_settle_failed(f, &f->err);
    } else if (f->receipt.refused != REFUSED_NONE) {
        settle_refused(f);
    } else {
        settle_results(f);
    }
    outbound_pump(o);
}

static int take_receipt(struct flight *f, const char *receipt, size_t len, struct err *err)
{
    struct outbound *o = f->o;
    struct keys_pair pair;
    int rc;

    if (len > RECEIPT_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_LIMIT, "a receipt of %zu bytes", len);
    rc = keys_pinned(o->m->keys, f->path->destination, &pair, err);
    if (rc == 0 || (rc == 1 && pair.sign == NULL))
        rc = err_set(err, ERR_TEMPORARY, STATUS_NOT_SECURE, "the keys of %s are gone",
                     f->path->destination);
    if (rc < 0)
        return -1;
    f->sign = certificate_ref(pair.sign);
    str_addn(&f->armor, receipt, len);
    heard(f);
    f->phase = FLIGHT_CHECKING;
    f->work.run = run;
    f->work.done = done;
    f->job = worker_submit(o->m->worker, &f->work);
    return 0;
}

void outbound_settle_answer(void *ctx, uint64_t token, const char *receipt, size_t len,
                            const struct err *err)
{
    struct outbound *o = ctx;
    struct flight *f = idmap_get(o->flights, token);
    struct err bad;

    if (f == NULL || f->phase != FLIGHT_SENT)
        return;   /* given up long ago, or answered twice */
    if (err == NULL && take_receipt(f, receipt, len, &bad) == 0) {
        outbound_bundle_next(f->path);
        return;
    }
    if (err == NULL)
        o->counters.bad_receipts++;
    outbound_settle_failed(f, err != NULL ? err : &bad);
    outbound_pump(o);
}
