/* SPDX-License-Identifier: MIT */
/*
 * The way in: a seal from its arrival to its answer.
 *
 *   arrives -> (keys of its origin) -> worker -> store -> commit -> signed receipt
 *        \___________\__________________\__________\-> refused, signed; or an error where no
 *                                                      receipt can be made
 *
 * Invariant: a receipt with results leaves only after the commit that made them true. If that
 * commit fails, all who wait for it get a temporary error instead, and repeat.
 *
 * A peer may send what it likes: seals under way are bounded in number, for each address and in
 * bytes, and what is beyond is `busy`. Storing is cut into slices, so that a bundle of a
 * thousand messages does not hold up the loop.
 */
#include "mail/inbound_private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/prep.h"
#include "wire/status.h"

#include "mail/keys.h"

static void store_slice(void *ctx);
static void open_it(struct opening *op);

/* ---- lists ---- */

static void openings_init(struct openings *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void openings_add(struct openings *l, struct opening *op)
{
    op->next = NULL;
    *l->last = op;
    l->last = &op->next;
}

static struct opening *openings_take(struct openings *l)
{
    struct opening *op = l->first;

    if (op != NULL) {
        l->first = op->next;
        if (l->first == NULL)
            openings_init(l);
    }
    return op;
}

/* ---- how many of one peer ---- */

static size_t count_of(const struct inbound *in, const char *address)
{
    return (size_t)(uintptr_t)map_get(in->peers, address);
}

static void set_count(struct inbound *in, const char *address, size_t n)
{
    if (n == 0)
        (void)map_del(in->peers, address);
    else
        map_put(in->peers, address, (void *)(uintptr_t)n);
}

/* ---- life of an opening ---- */

static void opening_destroy(struct opening *op)
{
    for (size_t i = 0; i < op->n; i++)
        message_clear(&op->items[i].b.message);
    free(op->items);
    free(op->origin);
    free(op->address);
    identity_unref(&op->ours);
    certificate_unref(&op->signer);
    receipt_clear(&op->results);
    str_clear(&op->armor);
    str_clear(&op->bundle);
    str_clear(&op->receipt);
    free(op);
}

static void leave(struct opening *op)
{
    struct inbound *in = op->in;

    (void)idmap_del(in->openings, op->id);
    in->bytes -= op->armor.len;
    set_count(in, op->address, count_of(in, op->address) - 1);
}

/* The answer; err NULL: the receipt. Takes the opening. */
static void answer(struct opening *op, const struct err *err)
{
    inbound_answer_fn *fn = op->fn;

    leave(op);
    if (err != NULL)
        op->in->counters.failed++;
    if (fn != NULL && err != NULL)
        fn(op->ctx, op->token, NULL, 0, err);
    else if (fn != NULL)
        fn(op->ctx, op->token, op->receipt.s, op->receipt.len, NULL);
    opening_destroy(op);
}

/* No receipt can be made: whatever was wrong, the peer learns nothing that is signed. */
static void answer_error(struct opening *op, int status, const char *text)
{
    struct err err;

    err_set(&err, ERR_TEMPORARY, status, "%s", text);
    log_info("inbound.failed origin=%s bundle=%s error=%s", log_quote(op->origin), op->bundle_id,
             log_quote(text));
    answer(op, &err);
}

static void note_refusal(struct inbound *in, enum refusal why, const char *origin,
                         const char *bundle, const char *address, const char *text)
{
    in->counters.refused[why]++;
    log_warn("inbound.refused code=%s origin=%s bundle=%s from=%s text=%s", refusal_name(why),
             log_quote(origin), log_quote(bundle), log_quote(address), log_quote(text));
}

/* Refuse it here, on the loop. Takes the opening. */
static void refuse(struct opening *op, enum refusal why, const char *text)
{
    struct err err;

    note_refusal(op->in, why, op->origin, op->bundle_id, op->address, text);
    if (inbound_open_refuse(op, why, text, &err) < 0)
        answer_error(op, STATUS_INTERNAL, err.text);
    else
        answer(op, NULL);
}

/* ---- after the commit ---- */

static int make_receipt(struct opening *op, struct err *err)
{
    struct str line = STR_INIT;
    int rc;

    memcpy(op->results.bundle, op->bundle_id, sizeof(op->results.bundle));
    memcpy(op->results.sha256, op->sha256, sizeof(op->results.sha256));
    receipt_format(&line, &op->results);
    rc = seal_make_receipt(op->ours, line.s, line.len, &op->receipt, err);
    str_clear(&line);
    return rc;
}

static void answer_results(struct inbound *in, struct opening *op)
{
    struct err err;

    if (make_receipt(op, &err) < 0) {
        answer_error(op, STATUS_INTERNAL, err.text);
        return;
    }
    in->counters.messages += op->n;
    in->counters.delivered += op->delivered;
    in->counters.repeats += op->repeats;
    for (size_t i = 0; i < op->results.n; i++)
        log_info("inbound.result msg=%s origin=%s to=%s code=%d bundle=%s", op->results.results[i].id,
                 op->origin, log_quote(op->results.results[i].to), op->results.results[i].code,
                 op->bundle_id);
    answer(op, NULL);
}

/* What was written of a bundle that is only half stored is gone as well: it begins anew. */
static void start_over(struct inbound *in)
{
    for (struct opening *op = in->storing.first; op != NULL; op = op->next) {
        op->at = 0;
        op->delivered = op->repeats = 0;
        receipt_clear(&op->results);
    }
}

static void committed(void *ctx, bool ok, const struct err *err)
{
    struct inbound *in = ctx;
    struct openings done = in->committing;
    struct opening *op;

    if (done.first == NULL)
        done.last = &done.first;
    openings_init(&in->committing);
    if (!ok)
        start_over(in);
    while ((op = openings_take(&done)) != NULL) {
        if (ok)
            answer_results(in, op);
        else
            answer_error(op, STATUS_STORAGE, err->text);
    }
}

/* ---- storing ---- */

/* Its next messages, until the time is up. True if it is through, one way or the other. */
static bool store_some(struct inbound *in, struct opening *op, int64_t until_ms)
{
    turn_join(in->m->turn, committed, in);
    while (op->at < op->n) {
        if (inbound_store_item(in, op) < 0) {
            (void)openings_take(&in->storing);
            refuse(op, op->why, op->err.text);
            return true;
        }
        op->at++;
        if (clock_mono_ms(in->m->clock) >= until_ms)
            break;
    }
    if (op->at < op->n)
        return false;
    (void)openings_take(&in->storing);
    op->phase = OPENING_COMMIT;
    openings_add(&in->committing, op);
    return true;
}

static void store_slice(void *ctx)
{
    struct inbound *in = ctx;
    int64_t until_ms = clock_mono_ms(in->m->clock) + LOOP_TURN_MS;

    while (in->storing.first != NULL) {
        if (!store_some(in, in->storing.first, until_ms) ||
            clock_mono_ms(in->m->clock) >= until_ms) {
            if (in->storing.first != NULL)
                loop_defer(in->m->loop, store_slice, in);
            return;
        }
    }
}

/* ---- opening ---- */

static void keys_answered(void *ctx, uint64_t id, const struct err *err)
{
    struct inbound *in = ctx;
    struct opening *op = idmap_get(in->openings, id);

    if (op == NULL || op->phase != OPENING_KEYS)
        return;
    op->is_asked = true;
    if (err == NULL)
        open_it(op);
    else if (err->kind == ERR_DENIED && err->status == STATUS_NOT_ALLOWED)
        refuse(op, REFUSED_NOT_AUTHORISED, err->text);
    else if (err->kind == ERR_DENIED)
        refuse(op, REFUSED_UNKNOWN_KEY, err->text);
    else
        answer_error(op, err->status, err->text);
}

static void ask_keys(struct opening *op)
{
    op->phase = OPENING_KEYS;
    keys_ask(op->in->m->keys, op->domain->name, op->origin, op->address, op->id, keys_answered,
             op->in);
}

static void done(struct work *w)
{
    struct opening *op = (struct opening *)w;
    struct inbound *in = op->in;

    op->job = 0;
    if (op->why == REFUSED_NONE) {
        op->phase = OPENING_STORE;
        openings_add(&in->storing, op);
        if (in->storing.first == op)
            store_slice(in);
        return;
    }
    /* Perhaps its keys were changed: its gateway says so, and endorses the new ones. */
    if (op->why == REFUSED_UNKNOWN_KEY && op->is_vouched && !op->is_asked) {
        ask_keys(op);
        return;
    }
    note_refusal(in, op->why, op->origin, op->bundle_id, op->address, op->err.text);
    if (op->receipt.len == 0)
        answer_error(op, STATUS_INTERNAL, op->err.text);
    else
        answer(op, NULL);
}

static void drop(struct work *w)
{
    struct opening *op = (struct opening *)w;

    if (op->in != NULL)
        leave(op);
    opening_destroy(op);
}

/* The keys are there, or there is no way to have them. Takes the opening. */
static void open_it(struct opening *op)
{
    struct inbound *in = op->in;
    struct keys_pair pair;
    struct err err;
    int rc = keys_pinned(in->m->keys, op->origin, &pair, &err);

    if (rc < 0) {
        answer_error(op, STATUS_STORAGE, err.text);
    } else if (rc == 1 && pair.is_blocked) {
        refuse(op, REFUSED_NOT_AUTHORISED, "blocked by the operator");
    } else if (rc == 1 && pair.is_verified) {
        certificate_unref(&op->signer);
        op->signer = certificate_ref(pair.sign);
        op->phase = OPENING_WORK;
        op->sha256[0] = '\0';
        op->now_ms = clock_wall_ms(in->m->clock);
        op->work = (struct work){ .run = inbound_open_run, .done = done, .drop = drop };
        op->job = worker_submit(in->m->worker, &op->work);
    } else if (!op->is_vouched) {
        refuse(op, REFUSED_NOT_AUTHORISED, "that component may not speak for the origin");
    } else if (op->is_asked) {
        refuse(op, REFUSED_UNKNOWN_KEY, "the keys of the origin are not verified");
    } else {
        ask_keys(op);
    }
}

/* ---- arriving ---- */

static struct opening *opening_create(struct inbound *in, const struct inbound_seal *seal,
                                      const struct mail_domain *d, uint64_t token,
                                      inbound_answer_fn *fn, void *ctx)
{
    struct opening *op = mem_zalloc(sizeof(*op));

    op->in = in;
    op->id = idmap_add(in->openings, op);
    op->fn = fn;
    op->ctx = ctx;
    op->token = token;
    op->domain = d;
    op->ours = identity_ref(d->identity);
    op->origin = mem_strdup(seal->origin);
    op->address = mem_strdup(seal->address);
    op->is_vouched = seal->is_vouched;
    set_count(in, op->address, count_of(in, op->address) + 1);
    return op;
}

static bool is_busy(const struct inbound *in, const struct inbound_seal *seal)
{
    return idmap_size(in->openings) > INBOUND_OPENING_MAX ||
           count_of(in, seal->address) > INBOUND_OPENING_PEER ||
           in->bytes + seal->len > INBOUND_OPENING_BYTES;
}

/* Size and rate, and the names that can be read without opening it. NONE: go on. */
static enum refusal check_arrival(const struct inbound *in, const struct inbound_seal *seal,
                                  const struct opening *op, const char **text_r)
{
    char *origin = NULL;
    bool is_domain;

    if (seal->len > INBOUND_ARMOR_MAX) {
        *text_r = "the seal is larger than 1 MiB";
        return REFUSED_TOO_LARGE;
    }
    if (is_busy(in, seal)) {
        *text_r = "too many seals are being opened";
        return REFUSED_BUSY;
    }
    if (strcmp(seal->destination, op->domain->name) != 0) {
        *text_r = "it is not for the domain that it was sent to";
        return REFUSED_WRONG_DESTINATION;
    }
    is_domain = prep_domain(seal->origin, &origin, NULL) == 0 && strcmp(origin, seal->origin) == 0;
    free(origin);
    if (!is_domain) {
        *text_r = "the origin is no prepared domain";
        return REFUSED_MISMATCH;
    }
    return REFUSED_NONE;
}

/* There is nobody to sign a refusal, or nothing to name in it. */
static void fail_arrival(struct inbound *in, uint64_t token, inbound_answer_fn *fn, void *ctx,
                         int status, const char *text)
{
    struct err err;

    in->counters.failed++;
    err_set(&err, ERR_PROTOCOL, status, "%s", text);
    fn(ctx, token, NULL, 0, &err);
}

void inbound_take(struct inbound *in, const struct inbound_seal *seal, uint64_t token,
                  inbound_answer_fn *fn, void *ctx)
{
    const struct mail_domain *d =
        mail_domain_get(in->m, seal->at != NULL ? seal->at : seal->destination);
    const char *text = NULL;
    char bundle[UUID_SIZE];
    struct opening *op;
    enum refusal why;

    in->counters.seals++;
    if (d == NULL) {
        note_refusal(in, REFUSED_WRONG_DESTINATION, seal->origin, seal->bundle, seal->address,
                     "no such domain here");
        fail_arrival(in, token, fn, ctx, STATUS_NO_ROUTE, "no such domain here");
        return;
    }
    if (uuid_parse(seal->bundle, bundle) < 0) {
        note_refusal(in, REFUSED_MALFORMED, seal->origin, seal->bundle, seal->address,
                     "the bundle's id is no UUID");
        fail_arrival(in, token, fn, ctx, STATUS_PARAMETER, "the bundle's id is no UUID");
        return;
    }
    op = opening_create(in, seal, d, token, fn, ctx);
    memcpy(op->bundle_id, bundle, sizeof(op->bundle_id));
    why = check_arrival(in, seal, op, &text);
    /* The digest that a refusal names is of the armor, so it is taken before it is known to be used. */
    if (why == REFUSED_NONE) {
        str_addn(&op->armor, seal->armor, seal->len);
        in->bytes += op->armor.len;
        open_it(op);
    } else {
        inbound_open_digest(seal->armor, seal->len, op->sha256);
        refuse(op, why, text);
    }
}

/* ---- life ---- */

static int forget(void *ctx, uint64_t id, void *value)
{
    struct opening *op = value;

    (void)id;
    if (op->ctx == ctx)
        op->fn = NULL;
    return 0;
}

/* What is under way goes on, so that the peer's repeat finds its answer; only nobody is told. */
void inbound_forget(struct inbound *in, void *ctx)
{
    (void)idmap_each(in->openings, forget, ctx);
}

struct inbound *inbound_create(struct mail *m)
{
    struct inbound *in = mem_zalloc(sizeof(*in));

    in->m = m;
    in->openings = idmap_create();
    in->peers = map_create();
    openings_init(&in->storing);
    openings_init(&in->committing);
    return in;
}

static int drop_opening(void *ctx, uint64_t id, void *value)
{
    struct inbound *in = ctx;
    struct opening *op = value;
    uint64_t job = op->job;

    (void)idmap_del(in->openings, id);
    op->in = NULL;
    if (job != 0)
        worker_cancel(in->m->worker, job);   /* its drop() releases it */
    else
        opening_destroy(op);
    return 0;
}

void inbound_destroy(struct inbound **ip)
{
    struct inbound *in = *ip;

    if (in == NULL)
        return;
    loop_undefer(in->m->loop, store_slice, in);
    turn_leave(in->m->turn, in);
    if (in->m->keys != NULL)
        keys_forget(in->m->keys, in);
    (void)idmap_each(in->openings, drop_opening, in);
    idmap_destroy(&in->openings);
    map_destroy(&in->peers);
    free(in);
    *ip = NULL;
}

const struct inbound_counters *inbound_counters(const struct inbound *in)
{
    return &in->counters;
}
