/* SPDX-License-Identifier: MIT */
/*
 * One path: from one of our domains to one destination.
 *
 *   IDLE -> FINDING -> KEYS -> SENDING -> IDLE
 *             |          |        |
 *             +----------+--------+--> RESTING -> (timer, link up, operator) -> IDLE
 *
 * A path fails as a whole: whatever says that the peer cannot be reached, or cannot be trusted,
 * holds for all that waits for it. So it rests by the domain's schedule, and what was under way
 * is due again when the rest ends. A receipt that holds ends the rest early: the path works.
 *
 * What is learned about the path (its pace, how often it failed) outlives its idle times.
 */
#include "mail/outbound_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "store/peer.h"
#include "wire/status.h"

#include "mail/keys.h"

#define AVERAGE_START 2048   /* bytes of a message, until one was seen */

static const char *const names[] = {
    [PATH_NONE] = "none",
    [PATH_IDLE] = "idle",
    [PATH_FINDING] = "finding",
    [PATH_KEYS] = "keys",
    [PATH_SENDING] = "sending",
    [PATH_RESTING] = "resting",
};

const char *outbound_path_state(const struct path *p)
{
    return names[p->state];
}

static void enter(struct path *p, enum path_state state)
{
    if (p->state == state)
        return;
    log_trace("outbound.path origin=%s destination=%s from=%s to=%s", p->origin, p->destination,
              names[p->state], names[state]);
    p->state = state;
    p->active_ms = clock_mono_ms(p->o->m->clock);
}

static void set_error(struct path *p, const struct err *err)
{
    free(p->last_error);
    p->last_error = err != NULL ? mem_strdup(err->text) : NULL;
}

static void stop_asking(struct path *p)
{
    if (p->asked != 0)
        (void)idmap_del(p->o->asks, p->asked);
    p->asked = 0;
}

/* ---- resting ---- */

int64_t outbound_path_retry_ms(const struct path *p, int nth)
{
    const struct mail_domain *d = p->domain;
    int64_t ms = OUTBOUND_RETRY_MS;
    uint32_t dice;

    if (d->n_retry > 0)
        ms = d->retry_ms[MIN((size_t)MAX(nth, 1), d->n_retry) - 1];
    /* ±10 %, so that a thousand paths that failed together do not come back together. */
    random_bytes(&dice, sizeof(dice));
    return ms - ms / 10 + (int64_t)((double)dice / UINT32_MAX * (double)ms / 5);
}

/* What waits in memory goes back, so that its lease does not run out here. */
static void give_back(struct path *p, int64_t due_ms, const char *why)
{
    struct err err;

    for (size_t i = 0; i < p->n_held; i++)
        if (queue_defer(p->o->m->store, p->held[i].entry, due_ms, why, &err) < 0)
            log_warn("outbound.defer entry=%lld error=%s", (long long)p->held[i].entry,
                     log_quote(err.text));
    if (p->n_held > 0)
        outbound_wrote(p->o);
    p->n_held = 0;
}

static void rest(struct path *p, int64_t ms, const struct err *err)
{
    int64_t now = clock_wall_ms(p->o->m->clock);

    set_error(p, err);
    stop_asking(p);
    free(p->address);
    p->address = NULL;
    p->is_key_asked = false;
    p->rests_until_ms = ms < 0 ? 0 : now + ms;
    give_back(p, now + MAX(ms, 0), err->text);
    p->has_deferred = true;
    if (ms < 0)
        loop_timer_stop(p->timer);
    else
        loop_timer_set(p->timer, ms);
    enter(p, PATH_RESTING);
    outbound_bundle_next(p);
}

/* The link of our domain is down: nothing is tried, and nothing counts as a failure of the peer. */
static void rest_without_link(struct path *p)
{
    struct err err;

    err_set(&err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "the link of %s is down", p->origin);
    rest(p, -1, &err);
}

static bool is_link_up(const struct path *p)
{
    const struct transport *t = p->o->transport;

    return t != NULL && t->is_up(t->self, p->origin);
}

void outbound_path_fail(struct path *p, const struct err *err)
{
    int64_t ms;

    if (p->state == PATH_RESTING)
        return;
    if (!is_link_up(p)) {
        rest_without_link(p);
        return;
    }
    p->failures++;
    p->o->counters.failures++;
    ms = outbound_path_retry_ms(p, p->failures);
    pace_failed(&p->pace);
    rest(p, ms, err);
    p->o->transport->forget(p->o->transport->self, p->destination);
    log_warn("outbound.rest origin=%s destination=%s failures=%d for_ms=%lld error=%s", p->origin,
             p->destination, p->failures, (long long)ms, log_quote(err->text));
}

void outbound_path_busy(struct path *p, const struct err *err)
{
    int64_t longest = outbound_path_retry_ms(p, 1), ms;

    if (p->state == PATH_RESTING)
        return;
    ms = MIN((int64_t)OUTBOUND_BUSY_MS << MIN(p->busy, 16), longest);
    p->busy++;
    p->o->counters.failures++;
    pace_failed(&p->pace);
    rest(p, ms, err);
    log_info("outbound.busy origin=%s destination=%s for_ms=%lld", p->origin, p->destination,
             (long long)ms);
}

void outbound_path_wake(struct path *p)
{
    if (p->state == PATH_RESTING) {
        loop_timer_stop(p->timer);
        p->rests_until_ms = 0;
        enter(p, PATH_IDLE);
    }
    p->has_more = true;
    outbound_ready(p);
}

void outbound_path_good(struct path *p)
{
    p->failures = 0;
    p->busy = 0;
    p->is_key_asked = false;
    p->good_ms = clock_mono_ms(p->o->m->clock);
    set_error(p, NULL);
    if (p->state == PATH_RESTING)
        outbound_path_wake(p);
}

static void timer_fired(void *ctx)
{
    struct path *p = ctx;

    outbound_path_wake(p);
    outbound_pump(p->o);
}

/* ---- finding the peer and its keys ---- */

/* Size and address as they were last known; the address as it is known now. */
static void remember(struct path *p)
{
    struct store *st = p->o->m->store;
    size_t start = p->domain->stanza_bytes;
    struct peer peer = { 0 };
    struct err err;
    int rc = peer_get(st, p->destination, &peer, &err);

    if (rc == 1 && peer.max_stanza > 0)
        start = (size_t)peer.max_stanza;
    pace_set_limit(&p->pace, start, p->advertised != 0 ? p->advertised : p->domain->stanza_bytes);
    if (rc == 1 && (peer.component == NULL || strcmp(peer.component, p->address) != 0)) {
        free(peer.component);
        peer.component = mem_strdup(p->address);
        rc = peer_put(st, &peer, &err);
        outbound_wrote(p->o);
    }
    if (rc < 0)
        log_warn("outbound.peer destination=%s error=%s", p->destination, log_quote(err.text));
    peer_clear(&peer);
}

void outbound_path_persist(struct path *p)
{
    struct store *st = p->o->m->store;
    struct peer peer = { 0 };
    struct err err;
    int rc = peer_get(st, p->destination, &peer, &err);

    log_info("outbound.stanza destination=%s max=%zu", p->destination, p->pace.ceiling);
    if (rc == 1) {
        peer.max_stanza = (int64_t)p->pace.ceiling;
        rc = peer_put(st, &peer, &err);
        outbound_wrote(p->o);
    }
    if (rc < 0)
        log_warn("outbound.peer destination=%s error=%s", p->destination, log_quote(err.text));
    peer_clear(&peer);
}

static struct path *take_asked(struct outbound *o, uint64_t token)
{
    struct path *p = idmap_del(o->asks, token);

    if (p == NULL || p->asked != token)
        return NULL;
    p->asked = 0;
    return p;
}

static void keys_answered(void *ctx, uint64_t token, const struct err *err)
{
    struct outbound *o = ctx;
    struct path *p = take_asked(o, token);

    if (p == NULL)
        return;
    if (err != NULL) {
        outbound_path_fail(p, err);
        return;
    }
    p->keyed = o->begun;
    remember(p);
    enter(p, PATH_SENDING);
    outbound_path_wake(p);
    outbound_pump(o);
}

static void ask_keys(struct path *p)
{
    struct outbound *o = p->o;

    enter(p, PATH_KEYS);
    stop_asking(p);
    p->asked = idmap_add(o->asks, p);
    keys_ask(o->m->keys, p->origin, p->destination, p->address, p->asked, keys_answered, o);
}

bool outbound_path_rekey(struct path *p, const struct err *err)
{
    if (p->state == PATH_KEYS)
        return true;
    if (p->is_key_asked || p->address == NULL || p->state == PATH_RESTING)
        return false;
    set_error(p, err);
    p->is_key_asked = true;
    ask_keys(p);
    return true;
}

static void found(void *ctx, uint64_t token, const struct transport_peer *peer,
                  const struct err *err)
{
    struct outbound *o = ctx;
    struct path *p = take_asked(o, token);

    if (p == NULL)
        return;
    if (err != NULL) {
        outbound_path_fail(p, err);
        return;
    }
    free(p->address);
    p->address = mem_strdup(peer->address);
    p->advertised = peer->max_stanza;
    remember(p);
    enter(p, PATH_SENDING);
    outbound_path_wake(p);
    outbound_pump(o);
}

static void find(struct path *p)
{
    struct outbound *o = p->o;

    enter(p, PATH_FINDING);
    stop_asking(p);
    p->asked = idmap_add(o->asks, p);
    o->transport->find(o->transport->self, p->origin, p->destination, p->asked, found, o);
}

/* ---- stepping ---- */

/* Nothing to do now. Later? */
static void idle(struct path *p)
{
    int64_t now = clock_wall_ms(p->o->m->clock), due = 0;
    struct err err;
    int rc;

    enter(p, PATH_IDLE);
    if (!p->has_deferred)
        return;
    rc = queue_next(p->o->m->store, p->origin, p->destination, &due, &err);
    if (rc < 0) {
        log_error("outbound.queue origin=%s destination=%s error=%s", p->origin, p->destination,
                  log_quote(err.text));
        loop_timer_set(p->timer, OUTBOUND_STORE_MS);
        return;
    }
    p->has_deferred = rc == 1;
    if (rc == 1)
        loop_timer_set(p->timer, MAX(due - now, 1));
}

/* May bundles be sent? If not, what has to come first is under way, or the path rests. */
static bool is_open(struct path *p)
{
    struct outbound *o = p->o;
    const struct mail_route *route = mail_route_get(p->domain, p->destination);
    struct keys_pair pair;
    struct err err;
    int rc;

    if (route != NULL && route->via == MAIL_VIA_REJECT)
        return true;   /* to be bounced */
    if (!is_link_up(p)) {
        rest_without_link(p);
        return false;
    }
    if (p->address == NULL) {
        find(p);
        return false;
    }
    rc = keys_pinned(o->m->keys, p->destination, &pair, &err);
    if (rc == 1 && pair.is_blocked) {
        err_set(&err, ERR_DENIED, STATUS_NOT_ALLOWED, "%s is blocked by the operator",
                p->destination);
        rc = -1;
    }
    if (rc < 0) {
        outbound_path_fail(p, &err);
        return false;
    }
    /* docs/immp.md, "+SECURE": no message, flagged or not, is sealed to a key that is not verified. */
    if (rc == 0 || !pair.is_verified) {
        ask_keys(p);
        return false;
    }
    return true;
}

/*
 * May one more bundle be begun? Ahead of the window while more waits than one holds. Where less
 * does, two under way are enough: what comes meanwhile shares the signatures of the next one, which
 * waits for an answer and for nothing else.
 */
static bool has_room(const struct path *p)
{
    size_t window = pace_window(&p->pace);
    size_t most = p->is_long ? window + OUTBOUND_AHEAD : MIN(window, OUTBOUND_SHORT);

    return p->in_flight - p->silent < most;
}

bool outbound_path_step(struct path *p)
{
    struct err err;
    int rc;

    if (p->state != PATH_IDLE && p->state != PATH_SENDING)
        return false;
    if (!p->has_more && p->n_held == 0) {
        if (p->in_flight == 0)
            idle(p);
        return false;
    }
    if (!has_room(p) || !is_open(p))
        return false;
    enter(p, PATH_SENDING);
    rc = outbound_bundle_begin(p, &err);
    if (rc < 0) {
        outbound_path_fail(p, &err);
        return false;
    }
    if (rc == 0) {
        p->has_more = false;
        if (p->in_flight == 0)
            idle(p);
        return false;
    }
    return has_room(p);
}

void outbound_path_hold(struct path *p, int64_t entry, bool is_solo)
{
    p->held = mem_realloc(p->held, (p->n_held + 1) * sizeof(*p->held));
    p->held[p->n_held++] = (struct held){ .entry = entry, .is_solo = is_solo, .turn = p->o->turns };
}

/* ---- life ---- */

struct path *outbound_path_create(struct outbound *o, const char *key, const char *origin,
                                  const char *destination)
{
    const struct mail_domain *d = mail_domain_get(o->m, origin);
    struct path *p;

    if (d == NULL) {
        log_error("outbound.path origin=%s destination=%s error=\"no such domain is served; its "
                  "entries wait in the queue\"", origin, destination);
        return NULL;
    }
    p = mem_zalloc(sizeof(*p));
    p->o = o;
    p->key = mem_strdup(key);
    p->origin = mem_strdup(origin);
    p->destination = mem_strdup(destination);
    p->domain = d;
    p->state = PATH_IDLE;
    p->average = AVERAGE_START;
    p->waiting_last = &p->waiting;
    p->active_ms = clock_mono_ms(o->m->clock);
    p->timer = loop_timer_create(o->m->loop, timer_fired, p);
    pace_init(&p->pace, d->stanza_bytes, 0);
    map_put(o->paths, key, p);
    return p;
}

void outbound_path_destroy(struct path *p)
{
    stop_asking(p);
    (void)map_del(p->o->paths, p->key);
    loop_timer_destroy(&p->timer);
    free(p->key);
    free(p->origin);
    free(p->destination);
    free(p->address);
    free(p->last_error);
    free(p->held);
    free(p);
}
