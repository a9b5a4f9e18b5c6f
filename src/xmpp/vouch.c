/* SPDX-License-Identifier: MIT */
/*
 * One question per pair of origin and component, its answer remembered, and the seals that wait for
 * it. Whoever sends seals in the name of many domains makes us ask as many; so what waits is bounded,
 * and beyond that a stranger is simply not vouched for.
 */
#include "xmpp/vouch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/keys.h"
#include "wire/status.h"
#include "xmpp/iq.h"
#include "xmpp/peers.h"
#include "xmpp/pending.h"

struct waiting {
    struct waiting *next;
    struct inbound_seal seal;   /* its strings are ours */
    uint64_t token;
};

struct pair {
    char *host;
    bool is_asked;              /* the answer has not come yet */
    bool is_listed;
    int64_t expires_ms;         /* monotonic */
    struct waiting *seals;
};

struct vouch {
    struct component *c;
    struct map *pairs;          /* "origin host" */
    struct idmap *asked;        /* token of the question: the pair's key */
    size_t n_waiting, size_waiting;
};

struct vouch *vouch_create(struct component *c)
{
    struct vouch *v = mem_zalloc(sizeof(*v));

    v->c = c;
    v->pairs = map_create();
    v->asked = idmap_create();
    return v;
}

static void waiting_free(struct waiting *w)
{
    free((char *)w->seal.bundle);
    free((char *)w->seal.origin);
    free((char *)w->seal.destination);
    free((char *)w->seal.address);
    free((char *)w->seal.armor);
    free(w);
}

static int pair_drop(void *ctx, const char *key, void *value)
{
    struct vouch *v = ctx;
    struct pair *pr = value;
    struct waiting *w;

    (void)map_del(v->pairs, key);
    while ((w = pr->seals) != NULL) {
        pr->seals = w->next;
        waiting_free(w);
    }
    free(pr->host);
    free(pr);
    return 0;
}

static int key_drop(void *ctx, uint64_t id, void *value)
{
    struct vouch *v = ctx;

    (void)idmap_del(v->asked, id);
    free(value);
    return 0;
}

void vouch_destroy(struct vouch **vp)
{
    struct vouch *v = *vp;

    if (v == NULL)
        return;
    (void)map_each(v->pairs, pair_drop, v);
    (void)idmap_each(v->asked, key_drop, v);
    map_destroy(&v->pairs);
    idmap_destroy(&v->asked);
    free(v);
    *vp = NULL;
}

/* ---- the answer ---- */

static bool lists(const struct stanza *answer, const char *host)
{
    xmpp_stanza_t *item = stanza_child(stanza_child(answer->dom, NS_ITEMS, "query"), NS_ITEMS, "item");

    for (; item != NULL; item = stanza_next(item, NS_ITEMS, "item")) {
        const char *jid = stanza_attr(item, "jid");

        if (jid != NULL && strcmp(jid, host) == 0)
            return true;
    }
    return false;
}

static void on_items(void *ctx, uint64_t token, const struct stanza *answer, const struct err *err)
{
    struct vouch *v = ctx;
    char *key = idmap_del(v->asked, token);
    struct pair *pr = key != NULL ? map_get(v->pairs, key) : NULL;
    struct waiting *list, *w;
    bool is_listed;

    free(key);
    if (pr == NULL)
        return;
    pr->is_asked = false;
    pr->is_listed = is_listed = answer != NULL && lists(answer, pr->host);
    /* No answer says nothing, so nothing is remembered, and the seal is to come again. */
    if (err == NULL)
        pr->expires_ms = clock_mono_ms(v->c->mail->clock) + (is_listed ? PEERS_GOOD_MS : PEERS_BAD_MS);
    list = pr->seals;
    pr->seals = NULL;
    while ((w = list) != NULL) {
        list = w->next;
        v->n_waiting--;
        v->size_waiting -= w->seal.len;
        w->seal.is_vouched = is_listed;
        if (err != NULL)
            iq_answer(v->c, w->token, NULL, 0, err);
        else
            seals_receive(v->c, &w->seal, w->token);
        waiting_free(w);
    }
}

/* ---- the question ---- */

static int forget_one(void *ctx, const char *key, void *value)
{
    struct vouch *v = ctx;
    struct pair *pr = value;

    return pr->is_asked ? 0 : pair_drop(v, key, value);
}

static void ask(struct vouch *v, const char *origin, const char *key)
{
    static const char query[] = "<query xmlns='" NS_ITEMS "'/>";
    const struct piece piece = { query, sizeof(query) - 1 };
    struct pending_request rq = {
        .type = "get", .to = origin, .pieces = &piece, .n_pieces = 1,
        .deadline_ms = PEERS_ANSWER_MS,
    };

    struct pending_asker who = { .fn = on_items, .ctx = v };

    who.token = idmap_add(v->asked, mem_strdup(key));
    pending_ask(v->c->pending, &rq, &who);
}

static void keep(struct vouch *v, struct pair *pr, const struct inbound_seal *seal, uint64_t token)
{
    struct waiting *w = mem_zalloc(sizeof(*w)), **tail = &pr->seals;

    w->seal = *seal;
    w->seal.bundle = mem_strdup(seal->bundle);
    w->seal.origin = mem_strdup(seal->origin);
    w->seal.destination = mem_strdup(seal->destination);
    w->seal.address = mem_strdup(seal->address);
    w->seal.armor = mem_dup(seal->armor, seal->len);
    w->token = token;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = w;
    v->n_waiting++;
    v->size_waiting += seal->len;
}

bool vouch_ask(struct vouch *v, struct inbound_seal *seal, const char *origin, const char *host,
               uint64_t token)
{
    struct keys_pair pinned;
    struct str key = STR_INIT;
    struct pair *pr;
    bool waits = false;

    str_addf(&key, "%s %s", origin, host);
    pr = map_get(v->pairs, key.s);
    if (pr != NULL && !pr->is_asked && pr->expires_ms > clock_mono_ms(v->c->mail->clock)) {
        seal->is_vouched = pr->is_listed;
        goto out;
    }
    if (v->n_waiting >= VOUCH_WAITING_MAX || v->size_waiting + seal->len > VOUCH_WAITING_SIZE ||
        keys_pinned(v->c->mail->keys, origin, &pinned, NULL) != 0)
        goto out;
    if (pr == NULL) {
        if (map_size(v->pairs) >= VOUCH_KEPT_MAX)
            (void)map_each(v->pairs, forget_one, v);
        pr = mem_zalloc(sizeof(*pr));
        pr->host = mem_strdup(host);
        map_put(v->pairs, key.s, pr);
    }
    if (!pr->is_asked)
        ask(v, origin, key.s);
    pr->is_asked = true;
    keep(v, pr, seal, token);
    waits = true;
out:
    str_clear(&key);
    return waits;
}
