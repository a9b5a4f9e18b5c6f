/* SPDX-License-Identifier: MIT */
/*
 * One bundle on its way: claimed from the queue, read from the store, signed and sealed on a
 * worker, handed to the transport.
 *
 * How much goes into it: what waits, oldest first, until the stanza would pass the size at which
 * the path moves most. There is no waiting for more: while the window is full, messages gather by
 * themselves. The claim counts headers and octets only, so what it gives beyond the size (the
 * signatures' share is a guess) is held for the next bundle.
 *
 * A message that is bigger than that size goes alone, if the peer takes it at all.
 *
 * No bundle leaves before the claim of its entries is on disk (its seal is mostly still being made
 * then): where that commit fails, an entry may be one that its client was told is not accepted.
 *
 * One more than the window has room for is sealed ahead while more waits than a bundle holds, so
 * that it leaves in the moment in which another is answered. A path whose best window is one
 * bundle would stand still otherwise, for as long as reading, signing and sealing take.
 *
 * The worker gets bytes and keys only. It never sees the path, and the path never waits for it:
 * a flight whose path or owner is gone is dropped by its id.
 */
#include "mail/outbound_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/content.h"
#include "wire/bundle.h"
#include "wire/status.h"

#include "mail/keys.h"

#define HEAD_BYTES    256   /* the bundle's header line without names and pad */
#define ELEMENT_BYTES 384   /* <iq …><seal …></seal></iq> without names */

/* ---- sizes ---- */

/* Bytes of the stanza that carries so many bytes of headers, signatures and octets. */
static size_t stanza_size(const struct path *p, size_t bytes)
{
    size_t names = strlen(p->origin) + strlen(p->destination);

    bytes += HEAD_BYTES + names;
    return ELEMENT_BYTES + 2 * names + strlen(p->address != NULL ? p->address : "") +
           seal_armor_size(bytes + bundle_pad(bytes));
}

/* The most bytes of messages that a stanza of that size carries. */
static size_t capacity(const struct path *p, size_t stanza)
{
    size_t low = 0, high = stanza;

    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;

        if (stanza_size(p, middle) <= stanza)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* What an entry takes in a bundle: header LF signature LF octets. */
static size_t entry_size(const struct outbound *o, const struct queue_entry *q)
{
    return strlen(q->header) + 1 + o->signature + 1 + (size_t)q->size;
}

/* ---- taking entries ---- */

struct taking {
    struct path *path;
    struct flight *flight;
    size_t capacity;
    int64_t now_ms;
    int64_t *bounced;      /* entries that cannot go at all */
    size_t n_bounced;
};

static void add_entry(struct flight *f, const struct queue_entry *q, size_t bytes)
{
    struct flying *it;

    if (f->n == f->cap) {
        f->cap = f->cap == 0 ? 8 : f->cap * 2;
        f->items = mem_realloc(f->items, f->cap * sizeof(*f->items));
    }
    it = &f->items[f->n++];
    memset(it, 0, sizeof(*it));
    it->entry = q->id;
    it->content = q->content;
    memcpy(it->uuid, q->message, sizeof(it->uuid));
    it->attempts = q->attempts;
    it->created_ms = q->created_ms;
    it->settled = q->settled != NULL && q->settled[0] != '\0' ? mem_strdup(q->settled) : NULL;
    it->octets_len = (size_t)q->size;
    it->header_at = f->data.len;
    it->header_len = strlen(q->header);
    str_addn(&f->data, q->header, it->header_len);
    message_init(&it->message);
    f->bytes += bytes;
}

static bool is_rejected(const struct path *p)
{
    const struct mail_route *route = mail_route_get(p->domain, p->destination);

    return route != NULL && route->via == MAIL_VIA_REJECT;
}

static int take(void *ctx, const struct queue_entry *q)
{
    struct taking *t = ctx;
    struct path *p = t->path;
    size_t bytes = entry_size(p->o, q);

    if (is_rejected(p) || (q->expires_ms > 0 && q->expires_ms <= t->now_ms) ||
        (uint64_t)q->size > p->pace.limit || stanza_size(p, bytes) > p->pace.limit) {
        t->bounced = mem_realloc(t->bounced, (t->n_bounced + 1) * sizeof(*t->bounced));
        t->bounced[t->n_bounced++] = q->id;
        return 0;
    }
    p->average = (p->average * 7 + bytes) / 8;
    if (t->flight->n > 0 && (t->flight->bytes + bytes > t->capacity ||
                             t->flight->n >= BUNDLE_MESSAGES_MAX))
        outbound_path_hold(p, q->id, false);
    else
        add_entry(t->flight, q, bytes);
    return 0;
}

/* Entries that are claimed already come first. 0 or -1. */
static int take_held(struct taking *t, struct err *err)
{
    struct path *p = t->path;
    struct held *held = p->held;
    size_t n = p->n_held, i;
    int rc = 0;

    p->held = NULL;   /* take() may hold some again, in their order */
    p->n_held = 0;
    for (i = 0; i < n && rc == 0; i++) {
        struct queue_entry q = { 0 };

        if (t->flight->n > 0 && (held[i].is_solo || t->flight->is_solo || p->n_held > 0)) {
            outbound_path_hold(p, held[i].entry, held[i].is_solo);
            continue;
        }
        rc = queue_get(p->o->m->store, held[i].entry, &q, err);
        if (rc == 1) {
            (void)take(t, &q);
            t->flight->is_solo = held[i].is_solo && t->flight->n == 1;
            rc = 0;
        }
        queue_entry_clear(&q);
    }
    free(held);
    return rc;
}

static int take_due(struct taking *t, struct err *err)
{
    struct path *p = t->path;
    struct outbound *o = p->o;
    size_t room = t->capacity > t->flight->bytes ? t->capacity - t->flight->bytes : 0;
    size_t octets;
    int n;

    /* Signatures are not counted by the claim: leave them their share. */
    octets = (size_t)((double)room * (double)p->average / (double)(p->average + o->signature));
    n = queue_claim(o->m->store, p->origin, p->destination, t->now_ms, OUTBOUND_LEASE_MS,
                    (int)(BUNDLE_MESSAGES_MAX - t->flight->n), (int64_t)MAX(octets, 1), take, t, err);
    if (n > 0)
        outbound_wrote(o);
    return n;
}

/* ---- what cannot go ---- */

static int bounce_entry(struct path *p, int64_t id, struct err *err)
{
    struct outbound *o = p->o;
    struct queue_entry q = { 0 };
    struct str text = STR_INIT;
    int rc = queue_get(o->m->store, id, &q, err);

    if (rc == 1 && is_rejected(p)) {
        str_addf(&text, "mail to %s is refused by the configuration", p->destination);
        rc = outbound_settle_bounce(o, &q, STATUS_NO_ROUTE, str_c(&text), err);
    } else if (rc == 1 && q.expires_ms > 0 && q.expires_ms <= clock_wall_ms(o->m->clock)) {
        rc = outbound_settle_bounce(o, &q, STATUS_TIMEOUT, "it could not be delivered in time", err);
        if (rc == 0)
            o->counters.expired++;
    } else if (rc == 1) {
        str_addf(&text, "%lld octets are more than %s takes at once", (long long)q.size,
                 p->destination);
        rc = outbound_settle_bounce(o, &q, STATUS_TOO_LARGE, str_c(&text), err);
    }
    str_clear(&text);
    queue_entry_clear(&q);
    return rc < 0 ? -1 : 0;
}

static int bounce_all(struct taking *t, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < t->n_bounced && rc == 0; i++)
        rc = bounce_entry(t->path, t->bounced[i], err);
    free(t->bounced);
    t->bounced = NULL;
    return rc;
}

/* ---- reading ---- */

/* The octets of a message, chunk by chunk. 1, 0 they are not all there, -1. */
static int read_octets(struct store *st, struct flying *it, struct str *out, struct err *err)
{
    it->octets_at = out->len;
    for (uint32_t chunk = 0; out->len - it->octets_at < it->octets_len; chunk++) {
        int rc = content_chunk(st, it->content, chunk, out, err);

        if (rc < 1)
            return rc;
    }
    return out->len - it->octets_at == it->octets_len;
}

static int read_all(struct flight *f, struct err *err)
{
    struct store *st = f->o->m->store;
    size_t octets = 0;

    for (size_t i = 0; i < f->n; i++)
        octets += f->items[i].octets_len;
    str_reserve(&f->data, octets);
    for (size_t i = 0; i < f->n; i++) {
        int rc = read_octets(st, &f->items[i], &f->data, err);

        if (rc < 0)
            return -1;
        if (rc == 0)
            f->items[i].is_broken = true;
    }
    return 0;
}

/* ---- the worker's part ---- */

/* Append one message; a header that cannot be read leaves it out. */
static int add_message(struct flight *f, struct flying *it, struct str *bundle,
                       struct str *signature, struct err *err)
{
    const char *header = f->data.s + it->header_at;

    if (!it->is_broken && message_parse(header, it->header_len, &it->message, err) < 0) {
        if (err->kind == ERR_TEMPORARY)
            return -1;
        it->is_broken = true;
    }
    if (it->is_broken)
        return 0;
    str_truncate(signature, 0);
    if (seal_sign_message(f->identity, header, it->header_len, signature, err) < 0)
        return -1;
    f->signature = MAX(f->signature, signature->len);
    bundle_add_message(bundle, header, it->header_len, str_c(signature));
    str_addn(bundle, f->data.s + it->octets_at, it->octets_len);
    return 1;
}

static int seal(struct flight *f, struct err *err)
{
    struct bundle_head head = { .time_ms = f->time_ms };
    struct str messages = STR_INIT, signature = STR_INIT, bundle = STR_INIT;
    int rc = 0;

    str_reserve(&messages, f->bytes + 1024);
    for (size_t i = 0; i < f->n && rc >= 0; i++) {
        rc = add_message(f, &f->items[i], &messages, &signature, err);
        head.messages += rc > 0;
    }
    if (rc >= 0 && head.messages > 0) {
        memcpy(head.id, f->bundle, sizeof(head.id));
        head.origin = (char *)identity_domain(f->identity);
        head.destination = f->destination;
        str_reserve(&bundle, messages.len + bundle_pad(messages.len) + 1024);
        bundle_add_head(&bundle, &head, bundle_pad(messages.len));
        str_addn(&bundle, messages.s, messages.len);
        str_reserve(&f->armor, seal_armor_size(bundle.len));
        rc = seal_make(f->identity, f->encrypt, bundle.s, bundle.len, &f->armor, f->sha256, err);
    }
    str_clear(&messages);
    str_clear(&signature);
    str_clear(&bundle);
    return rc < 0 ? -1 : 0;
}

static void run(struct work *w)
{
    struct flight *f = (struct flight *)w;

    f->rc = seal(f, &f->err);
}

/* Given up by outbound_destroy(), or the pool is going before us. */
static void drop(struct work *w)
{
    struct flight *f = (struct flight *)w;

    if (f->o != NULL) {
        (void)idmap_del(f->o->flights, f->token);
        f->path->in_flight--;
    }
    outbound_bundle_destroy(f);
}

/* What cannot be read is kept aside for the operator: never thrown away, never tried for ever. */
static void put_aside_broken(struct flight *f)
{
    struct outbound *o = f->o;
    size_t kept = 0;
    struct err err;

    for (size_t i = 0; i < f->n; i++) {
        struct flying *it = &f->items[i];

        if (!it->is_broken) {
            f->items[kept++] = *it;
            continue;
        }
        log_error("outbound.broken entry=%lld msg=%s error=\"its header or content cannot be read; "
                  "it is held\"", (long long)it->entry, it->uuid);
        if (queue_hold(o->m->store, it->entry, true, &err) < 0)
            log_error("outbound.hold entry=%lld error=%s", (long long)it->entry,
                      log_quote(err.text));
        outbound_wrote(o);
        free(it->settled);
        message_clear(&it->message);
    }
    f->n = kept;
}

/* On the list of those whose claim is not yet on disk. */
static void set_fresh(struct flight *f, bool is_fresh)
{
    struct outbound *o = f->o;

    if (is_fresh) {
        f->next_fresh = o->fresh;
        f->fresh_at = &o->fresh;
        o->fresh = f;
        if (f->next_fresh != NULL)
            f->next_fresh->fresh_at = &f->next_fresh;
    } else if (f->fresh_at != NULL) {
        *f->fresh_at = f->next_fresh;
        if (f->next_fresh != NULL)
            f->next_fresh->fresh_at = f->fresh_at;
        f->fresh_at = NULL;
    }
}

/* The window has room for it. */
static void depart(struct flight *f)
{
    struct path *p = f->path;
    struct outbound *o = f->o;

    f->phase = FLIGHT_SENT;
    f->sent_ms = clock_mono_ms(o->m->clock);
    p->under_way++;
    f->stanza = ELEMENT_BYTES + f->armor.len;
    o->counters.bundles++;
    o->counters.messages += f->n;
    p->sent_bundles++;
    p->sent_messages += f->n;
    log_debug("outbound.sent bundle=%s destination=%s messages=%zu bytes=%zu", f->bundle,
              p->destination, f->n, f->armor.len);
    o->transport->seal(o->transport->self, p->origin, p->destination, p->address, f->bundle,
                       f->armor.s, f->armor.len, f->token, outbound_settle_answer, o);
    str_clear(&f->armor);
}

void outbound_bundle_next(struct path *p)
{
    struct flight *f;

    while ((f = p->waiting) != NULL) {
        bool is_sending = p->state == PATH_SENDING && p->address != NULL;

        if (is_sending && p->under_way - p->silent >= pace_window(&p->pace))
            return;
        p->waiting = f->next_waiting;
        if (p->waiting == NULL)
            p->waiting_last = &p->waiting;
        if (is_sending)
            depart(f);
        else
            outbound_settle_return(f, p->last_error);
    }
}

/* Sealed, and its claim is on disk. */
static void sealed(struct flight *f)
{
    struct path *p = f->path;

    f->phase = FLIGHT_SEALED;
    f->next_waiting = NULL;
    *p->waiting_last = f;
    p->waiting_last = &f->next_waiting;
    outbound_bundle_next(p);
}

/* Its entries are as they were before the claim, or were never there: nothing is to be put back. */
static void forget(struct flight *f)
{
    struct path *p = f->path;

    p->has_more = true;
    if (f->job != 0) {
        worker_cancel(f->o->m->worker, f->job); /* its drop() releases it */
        return;
    }
    (void)idmap_del(f->o->flights, f->token);
    p->in_flight--;
    outbound_ready(p);
    outbound_bundle_destroy(f);
}

void outbound_bundle_committed(struct outbound *o, bool ok)
{
    struct flight *f;

    while ((f = o->fresh) != NULL) {
        set_fresh(f, false);
        if (!ok)
            forget(f);
        else if (f->phase == FLIGHT_SEALED)
            sealed(f);
    }
}

static void done(struct work *w)
{
    struct flight *f = (struct flight *)w;
    struct outbound *o = f->o;

    f->job = 0;
    o->sealing -= f->sealing;
    f->sealing = 0;
    o->signature = MAX(o->signature, f->signature);
    str_clear(&f->data);
    if (f->rc == 0)
        put_aside_broken(f);
    if (f->rc < 0) {
        err_prefix(&f->err, "sealing");
        outbound_settle_failed(f, &f->err);
    } else if (f->n == 0) {
        outbound_settle_return(f, f->path->last_error);
    } else if (f->fresh_at != NULL) {
        f->phase = FLIGHT_SEALED;
    } else {
        sealed(f);
    }
    outbound_pump(o);
}

/* ---- beginning ---- */

static struct flight *flight_create(struct path *p)
{
    struct flight *f = mem_zalloc(sizeof(*f));

    f->o = p->o;
    f->path = p;
    f->destination = mem_strdup(p->destination);
    uuid_generate(f->bundle);
    f->time_ms = clock_wall_ms(p->o->m->clock);
    f->begun_ms = clock_mono_ms(p->o->m->clock);
    f->work.run = run;
    f->work.done = done;
    f->work.drop = drop;
    return f;
}

static int launch(struct flight *f, struct err *err)
{
    struct path *p = f->path;
    struct outbound *o = f->o;
    struct keys_pair pair;
    int rc = keys_pinned(o->m->keys, p->destination, &pair, err);

    if (rc == 0 || (rc == 1 && (pair.is_blocked || !pair.is_verified)))
        rc = err_set(err, ERR_DENIED, STATUS_NOT_SECURE, "the keys of %s are not verified",
                     p->destination);
    if (rc < 0)
        return -1;
    f->identity = identity_ref(p->domain->identity);
    f->encrypt = certificate_ref(pair.encrypt);
    f->sealing = f->data.len + f->bytes * 4;   /* messages, bundle, DER, armor */
    o->sealing += f->sealing;
    f->phase = FLIGHT_SEALING;
    f->token = idmap_add(o->flights, f);
    f->number = ++o->begun;
    p->in_flight++;
    set_fresh(f, true);
    outbound_wrote(o);
    f->job = worker_submit(o->m->worker, &f->work);
    return 0;
}

int outbound_bundle_begin(struct path *p, struct err *err)
{
    struct flight *f = flight_create(p);
    struct taking t = {
        .path = p,
        .flight = f,
        .capacity = capacity(p, pace_size(&p->pace)),
        .now_ms = clock_wall_ms(p->o->m->clock),
    };
    int n = 0, rc;

    rc = p->n_held > 0 ? take_held(&t, err) : 0;
    if (rc == 0 && p->has_more && p->n_held == 0 && !f->is_solo &&
        (f->n == 0 || f->bytes + p->average < t.capacity)) {
        n = take_due(&t, err);
        rc = n < 0 ? -1 : 0;
    }
    p->is_long = p->n_held > 0 || f->n >= BUNDLE_MESSAGES_MAX ||
                 f->bytes + p->average >= t.capacity;
    if (rc == 0)
        rc = bounce_all(&t, err);
    if (rc == 0 && f->n > 0)
        rc = read_all(f, err);
    if (rc == 0 && f->n > 0)
        rc = launch(f, err);
    if (rc == 0 && f->phase == FLIGHT_SEALING)
        return 1;
    /* Nothing for a bundle: but if something was taken and bounced, there may be more behind it. */
    rc = rc < 0 ? -1 : n > 0 || p->n_held > 0;
    free(t.bounced);
    outbound_bundle_destroy(f);
    return rc;
}

void outbound_bundle_destroy(struct flight *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->items[i].settled);
        message_clear(&f->items[i].message);
    }
    if (f->o != NULL) {
        set_fresh(f, false);
        f->o->sealing -= f->sealing;
    }
    free(f->items);
    free(f->destination);
    identity_unref(&f->identity);
    certificate_unref(&f->encrypt);
    certificate_unref(&f->sign);
    receipt_clear(&f->receipt);
    str_clear(&f->data);
    str_clear(&f->armor);
    free(f);
}
