/* SPDX-License-Identifier: MIT */
/*
 * The way out: all paths, and whose turn it is.
 *
 * Invariant: whatever is in the queue has a path in memory, or is past the next rescan; so nothing
 * waits for ever. Memory may be lost at any time without harm: entries are removed by a signed
 * receipt only, and a message that goes twice is answered from the peer's record. But what memory
 * says of an entry is only true once the turn that said so is on disk: a turn that is lost may give
 * its entries' numbers away again, so what it has claimed is forgotten, and none of it has left.
 *
 * Paths that may have something to do stand in one list and get one bundle each in turn, as long
 * as the loop's turn lasts; so a path with a great backlog does not keep the others waiting.
 */
#include "mail/outbound_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "wire/status.h"

#include "mail/keys.h"

#define EXPIRE_SLICE 32   /* entries at once */

/* ---- whose turn it is ---- */

void outbound_later(struct outbound *o)
{
    loop_defer(o->m->loop, outbound_pump, o);
}

void outbound_ready(struct path *p)
{
    struct outbound *o = p->o;

    if (p->is_ready)
        return;
    p->is_ready = true;
    p->next_ready = NULL;
    *o->ready_last = p;
    o->ready_last = &p->next_ready;
}

static struct path *take_ready(struct outbound *o)
{
    struct path *p = o->ready;

    if (p == NULL)
        return NULL;
    o->ready = p->next_ready;
    if (o->ready == NULL)
        o->ready_last = &o->ready;
    p->is_ready = false;
    return p;
}

/* More may not be under way: every flight that ends pumps again. */
static bool is_full(const struct outbound *o)
{
    return idmap_size(o->flights) >= OUTBOUND_WINDOW_TOTAL || o->sealing >= OUTBOUND_SEALING_BYTES;
}

void outbound_pump(void *ctx)
{
    struct outbound *o = ctx;
    int64_t since_ms = clock_mono_ms(o->m->clock);
    struct path *p;

    while (!is_full(o) && (p = take_ready(o)) != NULL) {
        if (outbound_path_step(p))
            outbound_ready(p);
        if (clock_mono_ms(o->m->clock) - since_ms >= LOOP_TURN_MS) {
            if (o->ready != NULL)
                outbound_later(o);
            return;
        }
    }
}

/* ---- paths ---- */

static struct path *get_path(struct outbound *o, const char *origin, const char *destination,
                             bool is_made)
{
    struct str key = STR_INIT;
    struct path *p;

    str_add(&key, origin);
    str_addc(&key, ' ');
    str_add(&key, destination);
    p = map_get(o->paths, str_c(&key));
    if (p == NULL && is_made)
        p = outbound_path_create(o, str_c(&key), origin, destination);
    str_clear(&key);
    return p;
}

void outbound_kick(struct outbound *o, const char *origin, const char *destination)
{
    struct path *p = get_path(o, origin, destination, true);

    if (p == NULL)
        return;
    p->has_more = true;
    outbound_ready(p);
    outbound_later(o);   /* the next turn: what was put is committed by then */
}

struct scan {
    struct outbound *o;
    const char *destination;   /* whose entries are counted; NULL: any */
    int64_t n;
};

static int look_at(void *ctx, const struct queue_path *qp)
{
    struct scan *sc = ctx;
    struct path *p = get_path(sc->o, qp->origin, qp->destination, true);

    if (sc->destination == NULL || strcmp(qp->destination, sc->destination) == 0)
        sc->n += qp->entries;
    if (p != NULL) {
        p->has_more = true;
        p->has_deferred = true;
        outbound_ready(p);
    }
    return 0;
}

static int doubt(void *ctx, const char *key, void *value)
{
    struct path *p = value;

    (void)ctx;
    (void)key;
    p->has_more = true;
    p->has_deferred = true;
    outbound_ready(p);
    return 0;
}

static int scan_queue(struct scan *sc, struct err *err)
{
    struct outbound *o = sc->o;

    if (!o->is_started) {
        /* This process is the only one on its queue, so whatever is claimed was claimed before it. */
        if (queue_release(o->m->store, err) < 0)
            return -1;
        o->is_started = true;
    }
    if (queue_each_path(o->m->store, clock_wall_ms(o->m->clock), look_at, sc, err) < 0)
        return -1;
    (void)map_each(o->paths, doubt, o);
    outbound_later(o);
    return 0;
}

int outbound_rescan(struct outbound *o, struct err *err)
{
    return scan_queue(&(struct scan){ .o = o }, err);
}

static void rescan(void *ctx)
{
    struct outbound *o = ctx;
    struct err err;

    if (outbound_rescan(o, &err) < 0) {
        log_error("outbound.rescan error=%s", log_quote(err.text));
        loop_timer_set(o->rescan, OUTBOUND_STORE_MS);
    }
}

/* What the lost turn has claimed is not ours; the number may be another entry's from now on. */
static int forget_held(void *ctx, const char *key, void *value)
{
    struct outbound *o = ctx;
    struct path *p = value;
    size_t kept = 0;

    (void)key;
    for (size_t i = 0; i < p->n_held; i++)
        if (p->held[i].turn != o->turns)
            p->held[kept++] = p->held[i];
    p->n_held = kept;
    return 0;
}

static void committed(void *ctx, bool ok, const struct err *err)
{
    struct outbound *o = ctx;

    (void)err;
    if (!ok) {
        (void)map_each(o->paths, forget_held, o);
        loop_timer_set(o->rescan, OUTBOUND_STORE_MS);
    }
    o->turns++;
    outbound_bundle_committed(o, ok);
}

void outbound_wrote(struct outbound *o)
{
    turn_join(o->m->turn, committed, o);
}

struct link_change {
    struct outbound *o;
    const char *origin, *destination;   /* NULL: any */
};

static int wake(void *ctx, const char *key, void *value)
{
    struct link_change *c = ctx;
    struct path *p = value;
    struct err err;

    (void)key;
    if ((c->origin != NULL && strcmp(p->origin, c->origin) != 0) ||
        (c->destination != NULL && strcmp(p->destination, c->destination) != 0))
        return 0;
    if (p->state == PATH_RESTING && c->origin != NULL) {
        if (queue_hurry(c->o->m->store, p->destination, clock_wall_ms(c->o->m->clock), &err) < 0)
            log_warn("outbound.hurry destination=%s error=%s", p->destination, log_quote(err.text));
        outbound_wrote(c->o);
    }
    outbound_path_wake(p);
    return 0;
}

void outbound_link_changed(struct outbound *o, const char *origin, bool is_up)
{
    struct link_change c = { .o = o, .origin = origin };

    if (!is_up)
        return;   /* what is under way is answered by the transport; the rest finds out by itself */
    (void)map_each(o->paths, wake, &c);
    outbound_later(o);
}

int outbound_retry(struct outbound *o, const char *destination, struct err *err)
{
    struct link_change c = { .o = o, .destination = destination };
    struct scan sc = { .o = o, .destination = destination };

    if (queue_hurry(o->m->store, destination, clock_wall_ms(o->m->clock), err) < 0 ||
        scan_queue(&sc, err) < 0)
        return -1;
    outbound_wrote(o);
    if (o->transport != NULL && destination != NULL)
        o->transport->forget(o->transport->self, destination);
    (void)map_each(o->paths, wake, &c);
    return (int)MIN(sc.n, INT_MAX);
}

/* ---- the sweep: expiry, bundles without an answer, idle paths ---- */

struct expired {
    int64_t ids[EXPIRE_SLICE];
    int n;
};

static int note_expired(void *ctx, const struct queue_entry *q)
{
    struct expired *x = ctx;

    if (x->n == EXPIRE_SLICE)
        return 1;
    x->ids[x->n++] = q->id;
    return 0;
}

static int expire_entry(struct outbound *o, int64_t id, struct err *err)
{
    struct queue_entry q = { 0 };
    struct str text = STR_INIT;
    const char *why;
    int rc = queue_get(o->m->store, id, &q, err);

    if (rc == 1) {
        const struct path *p = get_path(o, q.origin, q.destination, false);

        /* Where the peer was never reached, only the path knows why. */
        why = q.last_error != NULL ? q.last_error : p != NULL ? p->last_error : NULL;
        str_add(&text, "it could not be delivered in time");
        if (why != NULL)
            str_addf(&text, "; the last attempt: %s", why);
        rc = outbound_settle_bounce(o, &q, STATUS_TIMEOUT, str_c(&text), err);
        if (rc == 0)
            o->counters.expired++;
    }
    str_clear(&text);
    queue_entry_clear(&q);
    return rc;
}

/* True if there is more. */
static bool expire(struct outbound *o)
{
    struct expired x = { .n = 0 };
    struct err err;

    if (queue_each_expired(o->m->store, clock_wall_ms(o->m->clock), EXPIRE_SLICE, note_expired, &x,
                           &err) < 0) {
        log_error("outbound.expire error=%s", log_quote(err.text));
        return false;
    }
    for (int i = 0; i < x.n; i++) {
        if (expire_entry(o, x.ids[i], &err) < 0) {
            log_error("outbound.expire entry=%lld error=%s", (long long)x.ids[i],
                      log_quote(err.text));
            return false;
        }
    }
    return x.n == EXPIRE_SLICE;
}

struct overdue {
    int64_t before_ms;
    struct flight *found;
};

static int find_overdue(void *ctx, uint64_t token, void *value)
{
    struct overdue *x = ctx;
    struct flight *f = value;

    (void)token;
    if (f->phase != FLIGHT_SENT || f->begun_ms > x->before_ms)
        return 0;
    x->found = f;
    return 1;
}

static void give_up_overdue(struct outbound *o)
{
    struct overdue x = { .before_ms = clock_mono_ms(o->m->clock) - OUTBOUND_ANSWER_MS };
    struct err err;

    while (idmap_each(o->flights, find_overdue, &x) != 0) {
        err_set(&err, ERR_TEMPORARY, STATUS_TIMEOUT, "no answer to bundle %s", x.found->bundle);
        outbound_settle_failed(x.found, &err);
    }
}

/*
 * What a daemon had when it died is never answered, and the transport gives it up after a minute and
 * a half. Meanwhile the path goes on beside it: with one bundle more, and where that is answered
 * with as many as before. A peer that answers nothing at all gets no more than the one.
 */
static int note_silent(void *ctx, uint64_t token, void *value)
{
    struct outbound *o = ctx;
    struct flight *f = value;
    struct path *p = f->path;
    int64_t patience_ms = OUTBOUND_SILENT_MS + 8 * (int64_t)p->pace.trip_ms;

    (void)token;
    if (f->phase != FLIGHT_SENT || f->is_silent ||
        clock_mono_ms(o->m->clock) - f->sent_ms < patience_ms ||
        (p->silent > 0 && p->good_ms <= f->sent_ms))
        return 0;
    f->is_silent = true;
    p->silent++;
    outbound_ready(p);
    outbound_later(o);
    return 0;
}

static int forget_idle(void *ctx, const char *key, void *value)
{
    struct outbound *o = ctx;
    struct path *p = value;

    (void)key;
    if (p->state == PATH_IDLE && p->in_flight == 0 && p->n_held == 0 && !p->is_ready &&
        !p->has_more && !p->has_deferred &&
        clock_mono_ms(o->m->clock) - p->active_ms > OUTBOUND_IDLE_MS)
        outbound_path_destroy(p);
    return 0;
}

/* Often enough for the shortest expiry that is configured. */
static int64_t sweep_ms(const struct outbound *o)
{
    int64_t ms = OUTBOUND_SWEEP_MS;

    for (size_t i = 0; i < o->m->n_domains; i++)
        if (o->m->domains[i].expire_ms > 0)
            ms = MIN(ms, MAX(o->m->domains[i].expire_ms / 4, 10));
    return ms;
}

static void sweep(void *ctx)
{
    struct outbound *o = ctx;
    bool has_more = expire(o);

    give_up_overdue(o);
    (void)idmap_each(o->flights, note_silent, o);
    (void)map_each(o->paths, forget_idle, o);
    loop_timer_set(o->sweep, has_more ? 0 : sweep_ms(o));
}

/* ---- life ---- */

struct outbound *outbound_create(struct mail *m)
{
    struct outbound *o = mem_zalloc(sizeof(*o));

    o->m = m;
    o->paths = map_create();
    o->asks = idmap_create();
    o->flights = idmap_create();
    o->ready_last = &o->ready;
    o->signature = 512;   /* until one was seen */
    o->sweep = loop_timer_create(m->loop, sweep, o);
    o->rescan = loop_timer_create(m->loop, rescan, o);
    loop_timer_set(o->sweep, sweep_ms(o));
    return o;
}

static int drop_flight(void *ctx, uint64_t token, void *value)
{
    struct outbound *o = ctx;
    struct flight *f = value;
    uint64_t job = f->job;

    (void)idmap_del(o->flights, token);
    f->o = NULL;
    if (job != 0)
        worker_cancel(o->m->worker, job);   /* its drop() releases it */
    else
        outbound_bundle_destroy(f);
    return 0;
}

static int drop_path(void *ctx, const char *key, void *value)
{
    (void)ctx;
    (void)key;
    outbound_path_destroy(value);
    return 0;
}

void outbound_destroy(struct outbound **op)
{
    struct outbound *o = *op;

    if (o == NULL)
        return;
    loop_undefer(o->m->loop, outbound_pump, o);
    turn_leave(o->m->turn, o);
    if (o->m->keys != NULL)
        keys_forget(o->m->keys, o);
    (void)idmap_each(o->flights, drop_flight, o);
    (void)map_each(o->paths, drop_path, o);
    loop_timer_destroy(&o->sweep);
    loop_timer_destroy(&o->rescan);
    idmap_destroy(&o->flights);
    idmap_destroy(&o->asks);
    map_destroy(&o->paths);
    free(o);
    *op = NULL;
}

void outbound_set_transport(struct outbound *o, const struct transport *t)
{
    o->transport = t;
}

struct each {
    void (*fn)(void *ctx, const struct outbound_path *p);
    void *ctx;
};

static int show(void *ctx, const char *key, void *value)
{
    struct each *e = ctx;
    struct path *p = value;
    struct outbound_path view = {
        .origin = p->origin,
        .destination = p->destination,
        .state = outbound_path_state(p),
        .address = p->address,
        .in_flight = p->under_way,
        .window = pace_window(&p->pace),
        .stanza_bytes = pace_size(&p->pace),
        .rests_until_ms = p->rests_until_ms,
        .failures = p->failures,
        .last_error = p->last_error,
        .sent_bundles = p->sent_bundles,
        .sent_messages = p->sent_messages,
        .round_trip_ms = (int64_t)(p->pace.trip_ms + 0.5),
    };

    (void)key;
    e->fn(e->ctx, &view);
    return 0;
}

void outbound_each(struct outbound *o, void (*fn)(void *ctx, const struct outbound_path *p),
                   void *ctx)
{
    struct each e = { .fn = fn, .ctx = ctx };

    (void)map_each(o->paths, show, &e);
}

const struct outbound_counters *outbound_counters(const struct outbound *o)
{
    return &o->counters;
}
