/* SPDX-License-Identifier: MIT */
/*
 * The keys of other domains: asked for, pinned, and remembered.
 *
 * Invariant: what keys_pinned() gives is what the store has pinned. A key gets there at first
 * contact if the policy of the domain of ours that asked allows it, by an endorsement of the key
 * that was pinned before, or by the operator; never by being offered again. The encryption key is
 * pinned as strictly as the signing key: who could change it alone could read the mail.
 *
 * A row may hold keys that nobody has verified (trust none): offered under a policy that asks the
 * operator first. They wait there for keys_trust() and are given out as not verified. A row with
 * a fingerprint and no certificate is the operator's word about a key not seen yet.
 *
 * Asks for the same thing are one query. Answers to callers are given from one list, so that
 * keys_forget() is exact even from within an answer.
 */
#include "mail/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "seal/seal.h"
#include "store/peer.h"
#include "wire/status.h"

#include "mail/notice.h"

#define KEYS_CACHED_MAX 4096   /* parsed pairs in memory, about 10 KB each */
#define KEYS_ASKS_MAX   1024   /* queries under way */

struct waiter {
    uint64_t token;
    keys_fn *fn;
    void *ctx;
    bool is_ok;
    struct err err;
    struct waiter *next;
};

struct waiters {
    struct waiter *first, **last;
};

struct ask {
    char *key;               /* in keys.by_key */
    char *origin, *domain;
    struct waiters waiters;
};

struct keys {
    struct mail *m;
    const struct transport *transport;
    struct map *pins;        /* domain -> struct keys_pair */
    struct idmap *asks;      /* token of the transport -> struct ask */
    struct map *by_key;      /* "origin domain address" -> struct ask */
    struct waiters due;      /* answered, to be called */
};

/* What a peer has sent. */
struct offer {
    struct certificate *sign, *encrypt;
    const char *endorsement;
};

/* ---- pairs in memory ---- */

static void pair_destroy(struct keys_pair *pair)
{
    certificate_unref(&pair->sign);
    certificate_unref(&pair->encrypt);
    free(pair);
}

static int drop_pin(void *ctx, const char *domain, void *value)
{
    struct keys *k = ctx;

    (void)value;
    pair_destroy(map_del(k->pins, domain));
    return 0;
}

void keys_changed(struct keys *k, const char *domain)
{
    struct keys_pair *pair;

    if (domain == NULL) {
        (void)map_each(k->pins, drop_pin, k);
        return;
    }
    pair = map_del(k->pins, domain);
    if (pair != NULL)
        pair_destroy(pair);
}

static struct certificate *parse_stored(const char *pem, const char *domain, struct err *err)
{
    struct certificate *c = certificate_parse(pem, strlen(pem), err);

    if (c == NULL)
        err_prefix(err, "stored key of %s", domain);
    return c;
}

static int load_pin(const char *domain, const struct peer *p, struct keys_pair **pair_r,
                    struct err *err)
{
    struct keys_pair *pair;

    if (p->sign_pem == NULL || p->encrypt_pem == NULL) {
        if (!p->is_blocked)
            return 0;
        *pair_r = mem_zalloc(sizeof(**pair_r));
        (*pair_r)->is_blocked = true;
        return 1;
    }
    pair = mem_zalloc(sizeof(*pair));
    pair->is_blocked = p->is_blocked;
    pair->is_verified = p->trust != PEER_TRUST_NONE;
    if ((pair->sign = parse_stored(p->sign_pem, domain, err)) == NULL ||
        (pair->encrypt = parse_stored(p->encrypt_pem, domain, err)) == NULL) {
        pair_destroy(pair);
        return -1;
    }
    *pair_r = pair;
    return 1;
}

int keys_pinned(struct keys *k, const char *domain, struct keys_pair *pair_r, struct err *err)
{
    struct keys_pair *pair = map_get(k->pins, domain);
    struct peer p = { 0 };
    int rc;

    memset(pair_r, 0, sizeof(*pair_r));
    if (pair == NULL) {
        rc = peer_get(k->m->store, domain, &p, err);
        if (rc == 1)
            rc = load_pin(domain, &p, &pair, err);
        peer_clear(&p);
        if (rc < 1)
            return rc;
        assert(pair != NULL);
        if (map_size(k->pins) >= KEYS_CACHED_MAX)
            keys_changed(k, NULL);
        map_put(k->pins, domain, pair);
    }
    *pair_r = *pair;
    return 1;
}

/* ---- judging an offer ---- */

static void set(char **field, const char *value)
{
    char *copy = mem_strdup(value);

    free(*field);
    *field = copy;
}

static bool is_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void committed(void *ctx, bool ok, const struct err *err)
{
    (void)err;
    if (!ok)
        keys_changed(ctx, NULL);
}

static int put(struct keys *k, struct peer *p, struct err *err)
{
    p->last_seen_ms = clock_wall_ms(k->m->clock);
    if (peer_put(k->m->store, p, err) < 0)
        return -1;
    keys_changed(k, p->domain);
    turn_join(k->m->turn, committed, k);
    return 0;
}

static int pin(struct keys *k, struct peer *p, const struct offer *o, enum peer_trust trust,
               struct err *err)
{
    bool is_new = !is_same(p->sign_fingerprint, certificate_fingerprint(o->sign)) ||
                  !is_same(p->encrypt_fingerprint, certificate_fingerprint(o->encrypt)) ||
                  p->trust != trust;

    set(&p->sign_pem, certificate_pem(o->sign));
    set(&p->encrypt_pem, certificate_pem(o->encrypt));
    set(&p->sign_fingerprint, certificate_fingerprint(o->sign));
    set(&p->encrypt_fingerprint, certificate_fingerprint(o->encrypt));
    set(&p->offered_sign, NULL);
    p->trust = trust;
    if (put(k, p, err) < 0)
        return -1;
    if (is_new)
        log_notice("keys.pinned domain=%s trust=%s sign=%s encrypt=%s", p->domain,
                   peer_trust_name(trust), p->sign_fingerprint, p->encrypt_fingerprint);
    return 0;
}

static void tell_admins(struct keys *k, const char *origin, const struct peer *p,
                        const struct offer *o)
{
    const struct mail_domain *d = mail_domain_get(k->m, origin);
    struct str subject = STR_INIT, text = STR_INIT;
    struct err err = { .text = "no such domain" };
    int rc = -1;

    str_addf(&subject, "The keys of %s are not verified", p->domain);
    str_addf(&text,
             "%s offers keys that nothing vouches for. Mail to it waits, and its mail is not taken.\n\n"
             "offered  sign    sha256:%s\n         encrypt sha256:%s\n",
             p->domain, certificate_fingerprint(o->sign), certificate_fingerprint(o->encrypt));
    if (p->trust != PEER_TRUST_NONE && p->sign_fingerprint != NULL)
        str_addf(&text, "pinned   sign    sha256:%s\n         encrypt sha256:%s\n",
                 p->sign_fingerprint,
                 p->encrypt_fingerprint != NULL ? p->encrypt_fingerprint : "(not seen yet)");
    str_addf(&text, "\nAsk its operator, by another way than this link, whether the offered keys are "
                    "right. If so:\n    immpctl peer trust %s\n",
             certificate_fingerprint(o->sign));
    if (d != NULL && store_savepoint(k->m->store, &err) == 0) {
        rc = notice_admins(k->m, d, str_c(&subject), str_c(&text), &err);
        if (rc < 0)
            store_undo(k->m->store);
        else
            rc = store_release(k->m->store, &err);
    }
    if (rc < 0)
        log_warn("keys.notice domain=%s error=%s", p->domain, log_quote(err.text));
    str_clear(&subject);
    str_clear(&text);
}

/* The offer is not taken: note it, and tell the administrators if they have not been told of it. */
static int refuse(struct keys *k, const char *origin, struct peer *p, const struct offer *o,
                  const char *why, struct err *err)
{
    const char *fp = certificate_fingerprint(o->sign);

    if (is_same(p->sign_fingerprint, fp) && p->encrypt_fingerprint != NULL &&
        !is_same(p->encrypt_fingerprint, certificate_fingerprint(o->encrypt)))
        fp = certificate_fingerprint(o->encrypt);
    if (!is_same(p->offered_sign, fp)) {
        set(&p->offered_sign, fp);
        if (put(k, p, err) < 0)
            return -1;
        log_error("keys.refused domain=%s offered=%s pinned=%s reason=%s", p->domain, fp,
                  p->sign_fingerprint != NULL ? p->sign_fingerprint : "-", log_quote(why));
        tell_admins(k, origin, p, o);
    }
    return err_set(err, ERR_DENIED, STATUS_NOT_SECURE, "the keys of %s are not verified: %s",
                   p->domain, why);
}

/* No certificate is pinned: the operator's word, or first contact. */
static int judge_first(struct keys *k, const char *origin, struct peer *p, const struct offer *o,
                       struct err *err)
{
    const struct mail_domain *d = mail_domain_get(k->m, origin);
    const char *offered = certificate_fingerprint(o->sign);

    if (p->trust == PEER_TRUST_OPERATOR && p->sign_fingerprint != NULL) {
        if (is_same(p->sign_fingerprint, offered))
            return pin(k, p, o, PEER_TRUST_OPERATOR, err);
        return refuse(k, origin, p, o, "not the key that the operator trusts", err);
    }
    if (d != NULL && d->trust == MAIL_TRUST_TOFU)
        return pin(k, p, o, PEER_TRUST_TOFU, err);
    /* Kept beside, so that keys_trust() has them at hand. */
    set(&p->sign_pem, certificate_pem(o->sign));
    set(&p->encrypt_pem, certificate_pem(o->encrypt));
    set(&p->sign_fingerprint, offered);
    set(&p->encrypt_fingerprint, certificate_fingerprint(o->encrypt));
    p->trust = PEER_TRUST_NONE;
    return refuse(k, origin, p, o, "the policy wants the operator's word", err);
}

static int judge_pinned(struct keys *k, const char *origin, struct peer *p, const struct offer *o,
                        struct err *err)
{
    struct certificate *old;
    int rc;

    if (is_same(p->sign_fingerprint, certificate_fingerprint(o->sign)) &&
        is_same(p->encrypt_fingerprint, certificate_fingerprint(o->encrypt)))
        return pin(k, p, o, p->trust, err);
    if (o->endorsement == NULL)
        return refuse(k, origin, p, o, "they differ from the pinned ones and bring no endorsement",
                      err);
    old = parse_stored(p->sign_pem, p->domain, err);
    if (old == NULL)
        return -1;
    rc = seal_check_endorsement(old, p->domain, o->sign, o->encrypt, o->endorsement,
                                strlen(o->endorsement), NULL);
    certificate_unref(&old);
    if (rc < 0)
        return refuse(k, origin, p, o, "their endorsement is not by the pinned key", err);
    return pin(k, p, o, PEER_TRUST_ENDORSED, err);
}

static int judge(struct keys *k, const struct ask *a, const struct offer *o, struct err *err)
{
    struct peer p = { 0 };
    int rc = peer_get(k->m->store, a->domain, &p, err);

    if (rc < 0)
        return -1;
    if (rc == 0) {
        p.domain = mem_strdup(a->domain);
        p.first_seen_ms = clock_wall_ms(k->m->clock);
    }
    if (p.is_blocked)
        rc = err_set(err, ERR_DENIED, STATUS_NOT_ALLOWED, "%s is blocked by the operator", a->domain);
    else if (p.sign_pem == NULL || p.encrypt_pem == NULL || p.trust == PEER_TRUST_NONE)
        rc = judge_first(k, a->origin, &p, o, err);
    else
        rc = judge_pinned(k, a->origin, &p, o, err);
    peer_clear(&p);
    return rc;
}

static int check_certificate(const struct keys *k, const char *pem, const char *domain,
                             const char *use, struct certificate **c_r, struct err *err)
{
    int64_t now = clock_wall_ms(k->m->clock);

    if (pem == NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_NOT_SECURE, "no key to %s", use);
    *c_r = certificate_parse(pem, strlen(pem), err);
    if (*c_r == NULL)
        return err_prefix(err, "key to %s", use);
    if (!certificate_covers(*c_r, domain))
        return err_set(err, ERR_PROTOCOL, STATUS_NOT_SECURE,
                       "the certificate to %s does not name %s", use, domain);
    if (certificate_expires_ms(*c_r) <= now)
        return err_set(err, ERR_PROTOCOL, STATUS_NOT_SECURE, "the certificate to %s has expired",
                       use);
    return 0;
}

/* ---- asking ---- */

static void waiters_init(struct waiters *w)
{
    w->first = NULL;
    w->last = &w->first;
}

static void waiters_add(struct waiters *w, struct waiter *x)
{
    x->next = NULL;
    *w->last = x;
    w->last = &x->next;
}

static struct waiter *waiters_take(struct waiters *w)
{
    struct waiter *x = w->first;

    if (x != NULL) {
        w->first = x->next;
        if (w->first == NULL)
            w->last = &w->first;
    }
    return x;
}

static void waiters_forget(struct waiters *w, const void *ctx)
{
    struct waiters kept;
    struct waiter *x;

    waiters_init(&kept);
    while ((x = waiters_take(w)) != NULL) {
        if (ctx == NULL || x->ctx == ctx)
            free(x);
        else
            waiters_add(&kept, x);
    }
    waiters_init(w);
    while ((x = waiters_take(&kept)) != NULL)
        waiters_add(w, x);
}

static void ask_destroy(struct ask *a)
{
    waiters_forget(&a->waiters, NULL);
    free(a->key);
    free(a->origin);
    free(a->domain);
    free(a);
}

/* Answer all that is due. Callbacks may ask and forget. */
static void flush(void *ctx)
{
    struct keys *k = ctx;
    struct waiter *x;

    while ((x = waiters_take(&k->due)) != NULL) {
        struct waiter w = *x;

        free(x);
        w.fn(w.ctx, w.token, w.is_ok ? NULL : &w.err);
    }
}

static void answered(void *ctx, uint64_t token, const char *sign_pem, const char *encrypt_pem,
                     const char *endorsement, const struct err *failed)
{
    struct keys *k = ctx;
    struct ask *a = idmap_del(k->asks, token);
    struct offer o = { .endorsement = endorsement };
    struct err err = { 0 };
    struct waiter *x;
    int rc = -1;

    if (a == NULL)
        return;
    (void)map_del(k->by_key, a->key);
    if (failed != NULL)
        err = *failed;
    else if (check_certificate(k, sign_pem, a->domain, "sign", &o.sign, &err) == 0 &&
             check_certificate(k, encrypt_pem, a->domain, "encrypt", &o.encrypt, &err) == 0)
        rc = judge(k, a, &o, &err);
    if (rc < 0)
        log_info("keys.failed domain=%s error=%s", a->domain, log_quote(err.text));
    /* Nonsense in place of keys is no verdict about them: they may be right next time. */
    if (rc < 0 && err.kind != ERR_DENIED)
        err.kind = ERR_TEMPORARY;
    certificate_unref(&o.sign);
    certificate_unref(&o.encrypt);
    while ((x = waiters_take(&a->waiters)) != NULL) {
        x->is_ok = rc == 0;
        x->err = err;
        waiters_add(&k->due, x);
    }
    ask_destroy(a);
    flush(k);
}

static struct ask *ask_create(struct keys *k, const char *key, const char *origin,
                              const char *domain, const char *address)
{
    struct ask *a = mem_zalloc(sizeof(*a));
    uint64_t token = idmap_add(k->asks, a);

    a->key = mem_strdup(key);
    a->origin = mem_strdup(origin);
    a->domain = mem_strdup(domain);
    waiters_init(&a->waiters);
    map_put(k->by_key, key, a);
    k->transport->keys(k->transport->self, origin, domain, address, token, answered, k);
    return a;
}

void keys_ask(struct keys *k, const char *origin, const char *domain, const char *address,
              uint64_t token, keys_fn *fn, void *ctx)
{
    struct waiter *x = mem_zalloc(sizeof(*x));
    struct str key = STR_INIT;
    struct ask *a;

    x->token = token;
    x->fn = fn;
    x->ctx = ctx;
    str_addf(&key, "%s %s %s", origin, domain, address);
    a = map_get(k->by_key, str_c(&key));
    if (a != NULL) {
        waiters_add(&a->waiters, x);
    } else if (k->transport == NULL || idmap_size(k->asks) >= KEYS_ASKS_MAX) {
        err_set(&x->err, ERR_TEMPORARY, STATUS_OVERLOADED, "the keys of %s cannot be asked for now",
                domain);
        waiters_add(&k->due, x);
        loop_defer(k->m->loop, flush, k);
    } else {
        a = ask_create(k, str_c(&key), origin, domain, address);
        waiters_add(&a->waiters, x);
    }
    str_clear(&key);
}

static int forget_in(void *ctx, uint64_t token, void *value)
{
    struct ask *a = value;

    (void)token;
    waiters_forget(&a->waiters, ctx);
    return 0;
}

void keys_forget(struct keys *k, void *ctx)
{
    (void)idmap_each(k->asks, forget_in, ctx);
    waiters_forget(&k->due, ctx);
}

/* ---- the operator ---- */

int keys_trust(struct keys *k, const char *domain, const char *fingerprint, struct err *err)
{
    struct peer p = { 0 };
    int rc = peer_get(k->m->store, domain, &p, err);
    bool is_known;

    if (rc < 0)
        return -1;
    if (rc == 0) {
        p.domain = mem_strdup(domain);
        p.first_seen_ms = clock_wall_ms(k->m->clock);
    }
    /* A pin that something else was offered against is asked for anew: the other key may have changed. */
    is_known = p.sign_pem != NULL && is_same(p.sign_fingerprint, fingerprint) &&
               (p.trust == PEER_TRUST_NONE || p.offered_sign == NULL);
    if (!is_known) {
        set(&p.sign_pem, NULL);
        set(&p.encrypt_pem, NULL);
        set(&p.encrypt_fingerprint, NULL);
        set(&p.sign_fingerprint, fingerprint);
    }
    p.trust = PEER_TRUST_OPERATOR;
    set(&p.offered_sign, NULL);
    rc = put(k, &p, err);
    peer_clear(&p);
    return rc < 0 ? -1 : is_known;
}

int keys_unpin(struct keys *k, const char *domain, struct err *err)
{
    struct peer p = { 0 };
    int rc = peer_get(k->m->store, domain, &p, err);

    if (rc == 1 && p.is_blocked) {
        set(&p.sign_pem, NULL);
        set(&p.encrypt_pem, NULL);
        set(&p.sign_fingerprint, NULL);
        set(&p.encrypt_fingerprint, NULL);
        set(&p.offered_sign, NULL);
        p.trust = PEER_TRUST_NONE;
        rc = put(k, &p, err) < 0 ? -1 : 1;
    } else if (rc == 1) {
        rc = peer_del(k->m->store, domain, err);
        keys_changed(k, domain);
        turn_join(k->m->turn, committed, k);
    }
    peer_clear(&p);
    return rc;
}

int keys_block(struct keys *k, const char *domain, bool is_blocked, struct err *err)
{
    struct peer p = { 0 };
    int rc = peer_get(k->m->store, domain, &p, err);

    if (rc < 0)
        return -1;
    if (rc == 0) {
        p.domain = mem_strdup(domain);
        p.first_seen_ms = clock_wall_ms(k->m->clock);
    }
    p.is_blocked = is_blocked;
    rc = put(k, &p, err);
    peer_clear(&p);
    return rc;
}

/* ---- life ---- */

struct keys *keys_create(struct mail *m)
{
    struct keys *k = mem_zalloc(sizeof(*k));

    k->m = m;
    k->pins = map_create();
    k->asks = idmap_create();
    k->by_key = map_create();
    waiters_init(&k->due);
    return k;
}

static int drop_ask(void *ctx, uint64_t token, void *value)
{
    struct keys *k = ctx;

    (void)idmap_del(k->asks, token);
    ask_destroy(value);
    return 0;
}

void keys_destroy(struct keys **kp)
{
    struct keys *k = *kp;

    if (k == NULL)
        return;
    loop_undefer(k->m->loop, flush, k);
    turn_leave(k->m->turn, k);
    (void)idmap_each(k->asks, drop_ask, k);
    waiters_forget(&k->due, NULL);
    keys_changed(k, NULL);
    idmap_destroy(&k->asks);
    map_destroy(&k->by_key);
    map_destroy(&k->pins);
    free(k);
    *kp = NULL;
}

void keys_set_transport(struct keys *k, const struct transport *t)
{
    k->transport = t;
}
