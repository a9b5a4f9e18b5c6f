/* SPDX-License-Identifier: MIT */
/*
 * mail/transport.h over XMPP: each call goes to the component of its origin and becomes a question
 * there. A seal is written as text around its armor, never as a tree, and the armor is copied once,
 * into the stream.
 */
#include "xmpp/component.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/status.h"
#include "xmpp/component_private.h"
#include "xmpp/peers.h"
#include "xmpp/pending.h"

#define KEYS_ANSWER_MS  30000
#define SEAL_ANSWER_MS  90000
#define SEAL_BYTE_RATE  4      /* bytes a millisecond: a default Prosody grants 30, to all together */

struct component_set {
    struct transport transport;
    struct map *components;      /* by domain */
    struct component *first;
};

/* Who asked; the answer goes there in its own form, by one of the three. */
struct call {
    transport_found_fn *found;
    transport_keys_fn *keys;
    transport_receipt_fn *receipt;
    void *ctx;
    uint64_t token;
    char *domain;                /* keys: whose */
};

static struct call *call_create(void *ctx, uint64_t token)
{
    struct call *call = mem_zalloc(sizeof(*call));

    call->ctx = ctx;
    call->token = token;
    return call;
}

static void call_drop(void *ctx)
{
    struct call *call = ctx;

    free(call->domain);
    free(call);
}

/* rq may be NULL where origin is known to be none of ours. */
static void ask_or_refuse(struct component_set *cs, const char *origin,
                          const struct pending_request *rq, pending_fn *fn, struct call *call)
{
    struct component *c = map_get(cs->components, origin);
    struct pending_asker who = { .fn = fn, .ctx = call, .drop = call_drop };
    struct err err = { 0 };

    if (c != NULL) {
        pending_ask(c->pending, rq, &who);
        return;
    }
    (void)err_set(&err, ERR_TEMPORARY, STATUS_NO_ROUTE, "no component serves %s", origin);
    pending_refuse(cs->first->pending, &err, &who);
}

/* ---- find ---- */

static void on_not_served(void *ctx, uint64_t token, const struct stanza *answer,
                          const struct err *err)
{
    struct call *call = ctx;

    (void)token;
    (void)answer;
    call->found(call->ctx, call->token, NULL, err);
    call_drop(call);
}

static void transport_find(void *self, const char *origin, const char *destination, uint64_t token,
                           transport_found_fn *fn, void *ctx)
{
    struct component_set *cs = self;
    struct component *c = map_get(cs->components, origin);
    struct call *call;

    if (c != NULL) {
        peers_find(c->peers, destination, token, fn, ctx);
        return;
    }
    call = call_create(ctx, token);
    call->found = fn;
    ask_or_refuse(cs, origin, NULL, on_not_served, call);
}

static int forget_at(void *ctx, const char *key, void *value)
{
    struct component *c = value;

    (void)key;
    peers_forget(c->peers, ctx);
    return 0;
}

static void transport_forget(void *self, const char *destination)
{
    struct component_set *cs = self;
    char *key = mem_strdup(destination);

    (void)map_each(cs->components, forget_at, key);
    free(key);
}

/* ---- keys ---- */

static const char *certificate_for(xmpp_stanza_t *key, const char *use)
{
    xmpp_stanza_t *el = stanza_child(key, NS_IMMP, "certificate");

    for (; el != NULL; el = stanza_next(el, NS_IMMP, "certificate")) {
        const char *is = stanza_attr(el, "use");

        if (is != NULL && strcmp(is, use) == 0)
            return stanza_text(el);
    }
    return "";
}

static void on_keys(void *ctx, uint64_t token, const struct stanza *answer, const struct err *err)
{
    struct call *call = ctx;
    xmpp_stanza_t *key = answer != NULL ? stanza_child(answer->dom, NS_IMMP, "key") : NULL;
    const char *domain = stanza_attr(key, "domain"), *sign, *encrypt, *endorsement;
    struct err bad = { 0 };

    (void)token;
    assert(err != NULL || answer != NULL);
    sign = certificate_for(key, "sign");
    encrypt = certificate_for(key, "encrypt");
    if (err == NULL && (domain == NULL || strcmp(domain, call->domain) != 0 || *sign == '\0' ||
                        *encrypt == '\0')) {
        (void)err_set(&bad, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE,
                      "%.100s answered without the two certificates of %.100s", answer->from,
                      call->domain);
        err = &bad;
    }
    endorsement = stanza_text(stanza_child(key, NS_IMMP, "endorsement"));
    if (err != NULL)
        call->keys(call->ctx, call->token, NULL, NULL, NULL, err);
    else
        call->keys(call->ctx, call->token, sign, encrypt,
                   *endorsement != '\0' ? endorsement : NULL, NULL);
    call_drop(call);
}

static void transport_keys(void *self, const char *origin, const char *domain, const char *address,
                           uint64_t token, transport_keys_fn *fn, void *ctx)
{
    struct call *call = call_create(ctx, token);
    struct str st = STR_INIT;
    struct piece piece;
    struct pending_request rq = {
        .type = "get", .to = address, .pieces = &piece, .n_pieces = 1,
        .deadline_ms = KEYS_ANSWER_MS,
    };

    call->keys = fn;
    call->domain = mem_strdup(domain);
    str_add(&st, "<key xmlns='" NS_IMMP "'");
    stanza_add_attr(&st, "domain", domain);
    str_add(&st, "/>");
    piece = (struct piece){ st.s, st.len };
    ask_or_refuse(self, origin, &rq, on_keys, call);
    str_clear(&st);
}

/* ---- seals ---- */

static void on_receipt(void *ctx, uint64_t token, const struct stanza *answer,
                       const struct err *err)
{
    struct call *call = ctx;
    struct err bad = { 0 };

    (void)token;
    if (err == NULL && (!stanza_is(answer->payload, NS_IMMP, "receipt") || answer->text_len == 0)) {
        (void)err_set(&bad, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE,
                      "%.200s answered without a receipt", answer->from);
        err = &bad;
    }
    if (err != NULL)
        call->receipt(call->ctx, call->token, NULL, 0, err);
    else
        call->receipt(call->ctx, call->token, answer->text, answer->text_len, NULL);
    call_drop(call);
}

static void transport_seal(void *self, const char *origin, const char *destination,
                           const char *address, const char *bundle, const char *armor, size_t len,
                           uint64_t token, transport_receipt_fn *fn, void *ctx)
{
    struct component_set *cs = self;
    struct component *c = map_get(cs->components, origin);
    struct call *call = call_create(ctx, token);
    struct str head = STR_INIT, escaped = STR_INIT;
    struct piece pieces[4];
    struct pending_request rq = {
        .type = "set", .to = address, .pieces = pieces, .n_pieces = N_ELEMENTS(pieces),
        .deadline_ms = SEAL_ANSWER_MS + (int64_t)len / SEAL_BYTE_RATE,
    };

    call->receipt = fn;
    str_add(&head, "<seal xmlns='" NS_IMMP "'");
    stanza_add_attr(&head, "bundle", bundle);
    stanza_add_attr(&head, "origin", origin);
    stanza_add_attr(&head, "destination", destination);
    str_addc(&head, '>');
    pieces[0] = (struct piece){ head.s, head.len };
    pieces[1] = (struct piece){ armor, len };
    pieces[2] = c != NULL ? component_uneven(c) : (struct piece){ "", 0 };
    pieces[3] = (struct piece){ "</seal>", 7 };
    /* Armor has none of these; should it ever, it must still be XML. */
    if (memchr(armor, '<', len) != NULL || memchr(armor, '&', len) != NULL) {
        str_addn_xml(&escaped, armor, len);
        pieces[1] = (struct piece){ escaped.s, escaped.len };
    }
    ask_or_refuse(self, origin, &rq, on_receipt, call);
    str_clear(&head);
    str_clear(&escaped);
}

static bool transport_is_up(void *self, const char *origin)
{
    struct component_set *cs = self;
    struct component *c = map_get(cs->components, origin);

    return c != NULL && link_state(c->link) == LINK_UP;
}

/* ---- the set ---- */

struct component_set *component_set_create(void)
{
    struct component_set *cs = mem_zalloc(sizeof(*cs));

    cs->components = map_create();
    cs->transport = (struct transport){
        .name = "xmpp", .self = cs, .find = transport_find, .forget = transport_forget,
        .keys = transport_keys, .seal = transport_seal, .is_up = transport_is_up,
    };
    return cs;
}

void component_set_add(struct component_set *cs, struct component *c)
{
    map_put(cs->components, c->domain->name, c);
    if (cs->first == NULL)
        cs->first = c;
}

void component_set_destroy(struct component_set **csp)
{
    if (*csp == NULL)
        return;
    map_destroy(&(*csp)->components);
    free(*csp);
    *csp = NULL;
}

const struct transport *component_set_transport(struct component_set *cs)
{
    return &cs->transport;
}
