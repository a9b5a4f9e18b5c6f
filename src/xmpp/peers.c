/* SPDX-License-Identifier: MIT */
/*
 * The walk that finds a peer, and what it found.
 *
 * A domain that could not be found is never a permanent failure: a server that restarts answers
 * just like one that has no gateway. While our own link is down nothing is learnt, so nothing is
 * remembered.
 */
#include "xmpp/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/status.h"
#include "xmpp/pending.h"

#define MAX_STANZA_LEAST 4096  /* who says less does not mean it */

enum stage {
    STAGE_KNOWN = 0,   /* the answer is there, until expires_ms */
    STAGE_ROUTE,       /* the configured address was asked what it takes */
    STAGE_USUAL,       /* immp.DOMAIN was asked */
    STAGE_ITEMS,       /* DOMAIN was asked for its items */
    STAGE_WALK,        /* the items are being asked */
};

struct found {
    char *address;     /* NULL: err says why not */
    size_t max_stanza;
    struct err err;
};

struct waiter {
    struct waiter *next;
    uint64_t token;
    transport_found_fn *fn;
    void *ctx;
    struct found found;  /* its own copy: the entry may have changed when it is told */
};

struct entry {
    char *destination;
    enum stage stage;
    unsigned round;           /* of finding; answers to an earlier one are late */
    struct found found;
    int64_t expires_ms;       /* monotonic */
    char *items[PEERS_ITEMS_MAX];
    size_t n_items, next_item, n_asked;
    struct waiter *waiters;
};

/* A question that is out. */
struct probe {
    char *destination;
    char *address;
    unsigned round;
};

struct peers {
    struct component *c;
    struct map *entries;
    struct idmap *probes;
    struct waiter *ready, **ready_tail;
};

static void on_info(void *ctx, uint64_t token, const struct stanza *answer, const struct err *err);
static void on_items(void *ctx, uint64_t token, const struct stanza *answer, const struct err *err);
static void tell_ready(void *ctx);

/* ---- life ---- */

struct peers *peers_create(struct component *c)
{
    struct peers *p = mem_zalloc(sizeof(*p));

    p->c = c;
    p->entries = map_create();
    p->probes = idmap_create();
    p->ready_tail = &p->ready;
    return p;
}

static void items_clear(struct entry *e)
{
    for (size_t i = 0; i < e->n_items; i++)
        free(e->items[i]);
    e->n_items = e->next_item = e->n_asked = 0;
}

static void waiters_free(struct waiter *w)
{
    while (w != NULL) {
        struct waiter *next = w->next;

        free(w->found.address);
        free(w);
        w = next;
    }
}

static int entry_drop(void *ctx, const char *key, void *value)
{
    struct peers *p = ctx;
    struct entry *e = value;

    (void)map_del(p->entries, key);
    items_clear(e);
    waiters_free(e->waiters);
    free(e->found.address);
    free(e->destination);
    free(e);
    return 0;
}

static int probe_drop(void *ctx, uint64_t id, void *value)
{
    struct peers *p = ctx;
    struct probe *pr = value;

    (void)idmap_del(p->probes, id);
    free(pr->destination);
    free(pr->address);
    free(pr);
    return 0;
}

void peers_destroy(struct peers **pp)
{
    struct peers *p = *pp;

    if (p == NULL)
        return;
    loop_undefer(p->c->mail->loop, tell_ready, p);
    (void)map_each(p->entries, entry_drop, p);
    (void)idmap_each(p->probes, probe_drop, p);
    waiters_free(p->ready);
    map_destroy(&p->entries);
    idmap_destroy(&p->probes);
    free(p);
    *pp = NULL;
}

/* ---- telling ---- */

static void tell_ready(void *ctx)
{
    struct peers *p = ctx;
    struct waiter *list = p->ready;

    p->ready = NULL;
    p->ready_tail = &p->ready;
    for (struct waiter *w = list; w != NULL; w = w->next) {
        struct transport_peer peer = { w->found.address, w->found.max_stanza };

        w->fn(w->ctx, w->token, peer.address != NULL ? &peer : NULL,
              peer.address != NULL ? NULL : &w->found.err);
    }
    waiters_free(list);
}

/* All who wait for e get its answer, in the next turn. */
static void release(struct peers *p, struct entry *e)
{
    if (e->waiters == NULL)
        return;
    if (p->ready == NULL)
        loop_defer(p->c->mail->loop, tell_ready, p);
    for (struct waiter *w = e->waiters; w != NULL; w = w->next) {
        w->found = e->found;
        w->found.address = mem_strdup(e->found.address);
    }
    *p->ready_tail = e->waiters;
    while (*p->ready_tail != NULL)
        p->ready_tail = &(*p->ready_tail)->next;
    e->waiters = NULL;
}

static void finish(struct peers *p, struct entry *e, int64_t keep_ms)
{
    e->stage = STAGE_KNOWN;
    e->expires_ms = clock_mono_ms(p->c->mail->clock) + keep_ms;
    items_clear(e);
    release(p, e);
}

static void finish_good(struct peers *p, struct entry *e, const char *address, size_t max_stanza,
                        int64_t keep_ms)
{
    e->found.address = mem_strdup(address);
    e->found.max_stanza = max_stanza;
    finish(p, e, keep_ms);
}

/* Nothing can be learnt while our own link is down. Was it that? */
static bool finish_if_down(struct peers *p, struct entry *e, const struct err *err)
{
    if (link_state(p->c->link) == LINK_UP)
        return false;
    e->found.err = *err;
    finish(p, e, 0);
    return true;
}

/* ---- asking ---- */

static void ask(struct peers *p, struct entry *e, const char *address, bool for_items)
{
    const char *query = for_items ? "<query xmlns='" NS_ITEMS "'/>" : "<query xmlns='" NS_INFO "'/>";
    const struct piece piece = { query, strlen(query) };
    struct pending_request rq = {
        .type = "get", .to = address, .pieces = &piece, .n_pieces = 1,
        .deadline_ms = PEERS_ANSWER_MS,
    };
    struct pending_asker who = { .fn = for_items ? on_items : on_info, .ctx = p };
    struct probe *pr = mem_zalloc(sizeof(*pr));

    pr->destination = mem_strdup(e->destination);
    pr->address = mem_strdup(address);
    pr->round = e->round;
    who.token = idmap_add(p->probes, pr);
    pending_ask(p->c->pending, &rq, &who);
}

/* The entry that a probe was sent for, if it still wants to know. The probe is freed by the caller. */
static struct entry *entry_of(struct peers *p, uint64_t token, struct probe **pr_r)
{
    struct probe *pr = idmap_get(p->probes, token);
    struct entry *e = pr != NULL ? map_get(p->entries, pr->destination) : NULL;

    *pr_r = pr;
    return e != NULL && e->stage != STAGE_KNOWN && e->round == pr->round ? e : NULL;
}

static void find_by_route(struct peers *p, struct entry *e, const struct mail_route *route)
{
    if (route->via == MAIL_VIA_XMPP) {
        e->stage = STAGE_ROUTE;
        ask(p, e, route->to, false);
        return;
    }
    if (route->via == MAIL_VIA_REJECT)
        (void)err_set(&e->found.err, ERR_PERMANENT, STATUS_NO_ROUTE, "mail to %s is not sent from here",
                      e->destination);
    else
        (void)err_set(&e->found.err, ERR_TEMPORARY, STATUS_NO_ROUTE,
                      "the route to %s is not one over XMPP", e->destination);
    finish(p, e, 0);
}

static void find(struct peers *p, struct entry *e)
{
    const struct mail_route *route = mail_route_get(p->c->domain, e->destination);
    struct str address = STR_INIT;

    free(e->found.address);
    e->found = (struct found){ 0 };
    e->round++;
    if (route != NULL && route->via != MAIL_VIA_NONE) {
        find_by_route(p, e, route);
        return;
    }
    e->stage = STAGE_USUAL;
    str_addf(&address, "immp.%s", e->destination);
    ask(p, e, address.s, false);
    str_clear(&address);
}

static void walk(struct peers *p, struct entry *e)
{
    while (e->n_asked < PEERS_PARALLEL && e->next_item < e->n_items) {
        e->n_asked++;
        ask(p, e, e->items[e->next_item++], false);
    }
    if (e->n_asked > 0)
        return;
    (void)err_set(&e->found.err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE,
                  "no IMMP gateway was found at %.100s (asked immp.%.100s and %zu more)",
                  e->destination, e->destination, e->n_items);
    finish(p, e, PEERS_BAD_MS);
}

/* ---- answers ---- */

/* max-stanza of the form urn:immp:limits; 0 it does not say. */
static size_t read_limits(xmpp_stanza_t *query)
{
    xmpp_stanza_t *form = stanza_child(query, NS_DATA, "x");

    for (; form != NULL; form = stanza_next(form, NS_DATA, "x")) {
        xmpp_stanza_t *field = stanza_child(form, NS_DATA, "field");
        bool is_limits = false;
        uint64_t max = 0;

        for (; field != NULL; field = stanza_next(field, NS_DATA, "field")) {
            const char *var = stanza_attr(field, "var");
            const char *value = stanza_text(stanza_child(field, NS_DATA, "value"));

            if (var != NULL && strcmp(var, "FORM_TYPE") == 0)
                is_limits = strcmp(value, NS_LIMITS) == 0;
            else if (var != NULL && strcmp(var, "max-stanza") == 0)
                (void)str_to_u64(value, &max);
        }
        if (is_limits && max >= MAX_STANZA_LEAST)
            return (size_t)MIN(max, (uint64_t)MAIL_STANZA_MAX);
    }
    return 0;
}

static bool speaks_immp(xmpp_stanza_t *query)
{
    xmpp_stanza_t *f = stanza_child(query, NS_INFO, "feature");

    for (; f != NULL; f = stanza_next(f, NS_INFO, "feature")) {
        const char *var = stanza_attr(f, "var");

        if (var != NULL && strcmp(var, NS_IMMP) == 0)
            return true;
    }
    return false;
}

static void on_info(void *ctx, uint64_t token, const struct stanza *answer, const struct err *err)
{
    struct peers *p = ctx;
    struct probe *pr;
    struct entry *e = entry_of(p, token, &pr);
    xmpp_stanza_t *query = answer != NULL ? stanza_child(answer->dom, NS_INFO, "query") : NULL;

    if (e == NULL || (err != NULL && finish_if_down(p, e, err)))
        goto out;
    if (query != NULL && speaks_immp(query)) {
        finish_good(p, e, pr->address, read_limits(query), PEERS_GOOD_MS);
    } else if (e->stage == STAGE_ROUTE) {
        /* The operator knows better than an answer that did not come. */
        finish_good(p, e, pr->address, 0, PEERS_BAD_MS);
    } else if (e->stage == STAGE_USUAL) {
        e->stage = STAGE_ITEMS;
        ask(p, e, e->destination, true);
    } else {
        e->n_asked--;
        walk(p, e);
    }
out:
    if (pr != NULL)
        (void)probe_drop(p, token, pr);
}

/* Worth asking: a host, not us, not the one that was asked first, not listed twice. */
static bool is_candidate(const struct peers *p, const struct entry *e, const char *jid)
{
    if (jid == NULL || *jid == '\0' || strlen(jid) > STANZA_JID_MAX || strpbrk(jid, "@/") != NULL)
        return false;
    if (strcmp(jid, p->c->jid) == 0 || strcmp(jid, e->destination) == 0)
        return false;
    if (strncmp(jid, "immp.", 5) == 0 && strcmp(jid + 5, e->destination) == 0)
        return false;
    for (size_t i = 0; i < e->n_items; i++)
        if (strcmp(e->items[i], jid) == 0)
            return false;
    return true;
}

static void on_items(void *ctx, uint64_t token, const struct stanza *answer, const struct err *err)
{
    struct peers *p = ctx;
    struct probe *pr;
    struct entry *e = entry_of(p, token, &pr);
    xmpp_stanza_t *item;

    if (e == NULL || (err != NULL && finish_if_down(p, e, err)))
        goto out;
    e->stage = STAGE_WALK;
    item = answer != NULL ? stanza_child(answer->dom, NS_ITEMS, "query") : NULL;
    item = stanza_child(item, NS_ITEMS, "item");
    for (; item != NULL && e->n_items < PEERS_ITEMS_MAX; item = stanza_next(item, NS_ITEMS, "item")) {
        const char *jid = stanza_attr(item, "jid");

        if (stanza_attr(item, "node") == NULL && is_candidate(p, e, jid))
            e->items[e->n_items++] = mem_strdup(jid);
    }
    walk(p, e);
out:
    if (pr != NULL)
        (void)probe_drop(p, token, pr);
}

/* ---- the calls ---- */

struct sweep {
    struct peers *p;
    int64_t now_ms;
    bool all;          /* also what has not expired */
};

static int sweep_one(void *ctx, const char *key, void *value)
{
    struct sweep *s = ctx;
    struct entry *e = value;

    if (e->stage == STAGE_KNOWN && (s->all || e->expires_ms <= s->now_ms))
        (void)entry_drop(s->p, key, e);
    return 0;
}

/* Our users choose the destinations, so there may be any number. */
static void make_room(struct peers *p)
{
    struct sweep s = { p, clock_mono_ms(p->c->mail->clock), false };

    if (map_size(p->entries) < PEERS_KEPT_MAX)
        return;
    (void)map_each(p->entries, sweep_one, &s);
    s.all = true;
    if (map_size(p->entries) >= PEERS_KEPT_MAX)
        (void)map_each(p->entries, sweep_one, &s);
}

void peers_find(struct peers *p, const char *destination, uint64_t token, transport_found_fn *fn,
                void *ctx)
{
    struct entry *e = map_get(p->entries, destination);
    struct waiter *w = mem_zalloc(sizeof(*w));

    if (e == NULL) {
        make_room(p);
        e = mem_zalloc(sizeof(*e));
        e->destination = mem_strdup(destination);
        map_put(p->entries, destination, e);
    }
    *w = (struct waiter){ .next = e->waiters, .token = token, .fn = fn, .ctx = ctx };
    e->waiters = w;
    if (e->stage != STAGE_KNOWN)
        return;
    if (e->expires_ms > clock_mono_ms(p->c->mail->clock))
        release(p, e);
    else
        find(p, e);
}

void peers_forget(struct peers *p, const char *destination)
{
    struct entry *e = map_get(p->entries, destination);

    if (e != NULL)
        e->expires_ms = 0;
}

static int forget_bad(void *ctx, const char *key, void *value)
{
    struct entry *e = value;

    (void)ctx;
    (void)key;
    if (e->found.address == NULL)
        e->expires_ms = 0;
    return 0;
}

void peers_link_up(struct peers *p)
{
    (void)map_each(p->entries, forget_bad, p);
}
