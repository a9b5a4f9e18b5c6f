/* SPDX-License-Identifier: MIT */
/*
 * See fake_transport.h. Each node has a list of packets under a lock and an eventfd that its loop
 * watches, so that worlds in threads of their own meet nowhere else.
 */
#include "config.h"

#include "lib/fake_transport.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/outbound.h"
#include "wire/status.h"

#define NODES_MAX 256

struct taken;

struct fake_node {
    struct fake_net *net;
    struct mail *m;
    struct transport transport;
    bool is_up;
    bool is_gone;                /* of a world that is no more; kept for who still answers it */
    struct taken *taken;
    int event_fd;
    struct loop_watch *watch;
    pthread_mutex_t lock;
    struct fake_packet *first, **last;
};

struct fake_net {
    struct fake_node *nodes[NODES_MAX];
    size_t n;
    fake_hook *hook;
    void *ctx;
    pthread_mutex_t lock;        /* of what follows */
    struct fake_packet *held;    /* newest first */
    size_t sent[FAKE_RECEIPT + 1];
};

/* ---- packets ---- */

static struct fake_packet *packet_new(enum fake_kind kind, const char *origin,
                                      const char *destination, uint64_t token, void *fn, void *ctx)
{
    struct fake_packet *p = mem_zalloc(sizeof(*p));

    p->kind = kind;
    p->origin = mem_strdup(origin);
    p->destination = mem_strdup(destination);
    p->token = token;
    p->fn = fn;
    p->ctx = ctx;
    (void)snprintf(p->text, sizeof(p->text), "remote-server-not-found");
    return p;
}

static void packet_free(struct fake_packet *p)
{
    free(p->origin);
    free(p->destination);
    free(p->address);
    free(p->bundle);
    free(p->seal_origin);
    free(p->seal_destination);
    free(p->at);
    free(p->sign_pem);
    free(p->encrypt_pem);
    free(p->endorsement);
    str_clear(&p->armor);
    free(p);
}

static struct fake_packet *packet_copy(const struct fake_packet *p)
{
    struct fake_packet *c = packet_new(p->kind, p->origin, p->destination, p->token, p->fn, p->ctx);

    c->address = mem_strdup(p->address);
    c->max_stanza = p->max_stanza;
    c->bundle = mem_strdup(p->bundle);
    c->seal_origin = mem_strdup(p->seal_origin);
    c->seal_destination = mem_strdup(p->seal_destination);
    c->at = mem_strdup(p->at);
    c->is_vouched = p->is_vouched;
    str_addn(&c->armor, p->armor.s, p->armor.len);
    c->sign_pem = mem_strdup(p->sign_pem);
    c->encrypt_pem = mem_strdup(p->encrypt_pem);
    c->endorsement = mem_strdup(p->endorsement);
    c->is_error = p->is_error;
    memcpy(c->text, p->text, sizeof(c->text));
    c->from = p->from;
    c->to = p->to;
    return c;
}

/* ---- on the way ---- */

static void arrive(struct fake_packet *p)
{
    struct fake_node *node = p->to;
    const uint64_t one = 1;

    p->next = NULL;
    (void)pthread_mutex_lock(&node->lock);
    if (node->is_gone) {
        (void)pthread_mutex_unlock(&node->lock);
        packet_free(p);
        return;
    }
    *node->last = p;
    node->last = &p->next;
    (void)pthread_mutex_unlock(&node->lock);
    if (write(node->event_fd, &one, sizeof(one)) < 0)
        abort();
}

/* An error comes to who has asked, whatever it was. */
static void turn_into_error(struct fake_packet *p)
{
    if (p->kind == FAKE_SEAL) {
        struct fake_node *from = p->from;

        p->kind = FAKE_RECEIPT;
        p->from = p->to;
        p->to = from;
    }
    p->is_error = true;
}

static void post(struct fake_packet *p)
{
    struct fake_net *n = p->to->net;
    enum fake_action action = n->hook != NULL ? n->hook(n->ctx, p) : FAKE_PASS;

    (void)pthread_mutex_lock(&n->lock);
    n->sent[p->kind]++;
    if (action == FAKE_HOLD) {
        p->next = n->held;
        n->held = p;
    }
    (void)pthread_mutex_unlock(&n->lock);
    switch (action) {
    case FAKE_HOLD:
        return;
    case FAKE_LOSE:
        packet_free(p);
        return;
    case FAKE_FAIL:
        turn_into_error(p);
        break;
    case FAKE_TWICE:
        arrive(packet_copy(p));
        break;
    case FAKE_PASS:
        break;
    }
    arrive(p);
}

void fake_release(struct fake_net *n, bool is_reversed)
{
    struct fake_packet *p = n->held, *ordered = NULL;

    n->held = NULL;
    while (p != NULL && !is_reversed) {
        struct fake_packet *next = p->next;

        p->next = ordered;
        ordered = p;
        p = next;
    }
    for (p = is_reversed ? p : ordered; p != NULL;) {
        struct fake_packet *next = p->next;

        arrive(p);
        p = next;
    }
}

size_t fake_held(const struct fake_net *n)
{
    size_t count = 0;

    for (const struct fake_packet *p = n->held; p != NULL; p = p->next)
        count++;
    return count;
}

/* ---- arriving ---- */

/* A seal that a node has taken waits here for its answer. */
struct taken {
    struct fake_node *here, *back;
    char *origin, *destination, *bundle;
    uint64_t token;
    void *fn, *ctx;
    struct taken *next, **at;
};

static void taken_free(struct taken *t)
{
    free(t->origin);
    free(t->destination);
    free(t->bundle);
    free(t);
}

static void answered(void *ctx, uint64_t token, const char *receipt, size_t len,
                     const struct err *err)
{
    struct taken *t = (struct taken *)(uintptr_t)token;
    struct fake_packet *p = packet_new(FAKE_RECEIPT, t->origin, t->destination, t->token, t->fn,
                                       t->ctx);

    (void)ctx;
    p->from = t->here;
    p->to = t->back;
    p->bundle = mem_strdup(t->bundle);
    p->is_error = err != NULL;
    if (err != NULL)
        (void)snprintf(p->text, sizeof(p->text), "%.99s", err->text);
    else
        str_addn(&p->armor, receipt, len);
    *t->at = t->next;
    if (t->next != NULL)
        t->next->at = t->at;
    taken_free(t);
    post(p);
}

static void take_seal(struct fake_node *node, const struct fake_packet *p)
{
    struct taken *t = mem_zalloc(sizeof(*t));
    struct inbound_seal seal = {
        .at = p->at,
        .bundle = p->bundle,
        .origin = p->seal_origin,
        .destination = p->seal_destination,
        .address = p->address,
        .is_vouched = p->is_vouched,
        .armor = str_c(&p->armor),
        .len = p->armor.len,
    };

    t->here = node;
    t->back = p->from;
    t->origin = mem_strdup(p->origin);
    t->destination = mem_strdup(p->destination);
    t->bundle = mem_strdup(p->bundle);
    t->token = p->token;
    t->fn = p->fn;
    t->ctx = p->ctx;
    t->next = node->taken;
    t->at = &node->taken;
    if (t->next != NULL)
        t->next->at = &t->next;
    node->taken = t;
    inbound_take(node->m->inbound, &seal, (uint64_t)(uintptr_t)t, answered, node);
}

static void hand_over(struct fake_node *node, const struct fake_packet *p)
{
    struct transport_peer peer = { .address = p->address, .max_stanza = p->max_stanza };
    struct err err, *failed = NULL;

    if (p->is_error) {
        err_set(&err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "%s", p->text);
        failed = &err;
    }
    switch (p->kind) {
    case FAKE_FIND:
        ((transport_found_fn *)p->fn)(p->ctx, p->token, failed ? NULL : &peer, failed);
        break;
    case FAKE_KEYS:
        ((transport_keys_fn *)p->fn)(p->ctx, p->token, failed ? NULL : p->sign_pem,
                                     failed ? NULL : p->encrypt_pem,
                                     failed ? NULL : p->endorsement, failed);
        break;
    case FAKE_SEAL:
        take_seal(node, p);
        break;
    case FAKE_RECEIPT:
        ((transport_receipt_fn *)p->fn)(p->ctx, p->token, failed ? NULL : p->armor.s,
                                        failed ? 0 : p->armor.len, failed);
        break;
    }
}

static void readable(void *ctx)
{
    struct fake_node *node = ctx;
    struct fake_packet *p, *next;
    uint64_t count;

    if (read(node->event_fd, &count, sizeof(count)) < 0)
        return;
    (void)pthread_mutex_lock(&node->lock);
    p = node->first;
    node->first = NULL;
    node->last = &node->first;
    (void)pthread_mutex_unlock(&node->lock);
    for (; p != NULL; p = next) {
        next = p->next;
        hand_over(node, p);
        packet_free(p);
    }
}

/* ---- the transport ---- */

static struct fake_node *node_of(struct fake_net *n, const char *domain)
{
    for (size_t i = 0; i < n->n; i++)
        if (!n->nodes[i]->is_gone && strcmp(n->nodes[i]->m->domains[0].name, domain) == 0)
            return n->nodes[i];
    return NULL;
}

static void find(void *self, const char *origin, const char *destination, uint64_t token,
                 transport_found_fn *fn, void *ctx)
{
    struct fake_node *node = self, *peer = node_of(node->net, destination);
    struct fake_packet *p = packet_new(FAKE_FIND, origin, destination, token, (void *)fn, ctx);

    p->from = p->to = node;
    p->is_error = peer == NULL;
    p->address = mem_strdup(peer != NULL ? peer->m->domains[0].component : "");
    p->max_stanza = 256u * 1024;
    post(p);
}

static void forget(void *self, const char *destination)
{
    (void)self;
    (void)destination;
}

static void keys(void *self, const char *origin, const char *domain, const char *address,
                 uint64_t token, transport_keys_fn *fn, void *ctx)
{
    struct fake_node *node = self, *peer = node_of(node->net, domain);
    struct fake_packet *p = packet_new(FAKE_KEYS, origin, domain, token, (void *)fn, ctx);

    p->from = p->to = node;
    p->address = mem_strdup(address);
    p->is_error = peer == NULL;
    if (peer != NULL) {
        const struct identity *id = peer->m->domains[0].identity;

        p->sign_pem = mem_strdup(certificate_pem(identity_sign_certificate(id)));
        p->encrypt_pem = mem_strdup(certificate_pem(identity_encrypt_certificate(id)));
    }
    post(p);
}

static void seal(void *self, const char *origin, const char *destination, const char *address,
                 const char *bundle, const char *armor, size_t len, uint64_t token,
                 transport_receipt_fn *fn, void *ctx)
{
    struct fake_node *node = self, *peer = node_of(node->net, destination);
    struct fake_packet *p = packet_new(FAKE_SEAL, origin, destination, token, (void *)fn, ctx);

    (void)address;
    p->from = node;
    p->to = peer != NULL ? peer : node;
    p->address = mem_strdup(node->m->domains[0].component);
    p->bundle = mem_strdup(bundle);
    p->seal_origin = mem_strdup(origin);
    p->seal_destination = mem_strdup(destination);
    p->at = mem_strdup(destination);
    p->is_vouched = true;
    str_addn(&p->armor, armor, len);
    if (peer == NULL || !node->is_up)
        turn_into_error(p);
    post(p);
}

static bool is_up(void *self, const char *origin)
{
    struct fake_node *node = self;

    (void)origin;
    return node->is_up;
}

/* ---- the outside ---- */

struct fake_net *fake_net_create(void)
{
    struct fake_net *n = mem_zalloc(sizeof(*n));

    (void)pthread_mutex_init(&n->lock, NULL);
    return n;
}

void fake_net_destroy(struct fake_net **np)
{
    struct fake_net *n = *np;

    for (struct fake_packet *p = n->held, *next; p != NULL; p = next) {
        next = p->next;
        packet_free(p);
    }
    for (size_t i = 0; i < n->n; i++) {
        struct fake_node *node = n->nodes[i];

        for (struct taken *t = node->taken, *next; t != NULL; t = next) {
            next = t->next;
            taken_free(t);
        }
        (void)pthread_mutex_destroy(&node->lock);
        free(node);
    }
    (void)pthread_mutex_destroy(&n->lock);
    free(n);
    *np = NULL;
}

struct fake_node *fake_connect(struct fake_net *n, struct mail *m)
{
    struct fake_node *node = mem_zalloc(sizeof(*node));

    assert(n->n < NODES_MAX);
    node->net = n;
    node->m = m;
    node->is_up = true;
    node->last = &node->first;
    node->transport = (struct transport){
        .name = "fake",
        .self = node,
        .find = find,
        .forget = forget,
        .keys = keys,
        .seal = seal,
        .is_up = is_up,
    };
    (void)pthread_mutex_init(&node->lock, NULL);
    node->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    node->watch = loop_watch(m->loop, node->event_fd, false, readable, node);
    n->nodes[n->n++] = node;
    return node;
}

const struct transport *fake_transport(struct fake_node *node)
{
    return &node->transport;
}

void fake_disconnect(struct fake_node **nodep)
{
    struct fake_node *node = *nodep;
    struct fake_packet *p, *next;

    if (node == NULL)
        return;
    inbound_forget(node->m->inbound, node);
    loop_unwatch(&node->watch);
    (void)pthread_mutex_lock(&node->lock);
    node->is_gone = true;
    p = node->first;
    node->first = NULL;
    (void)pthread_mutex_unlock(&node->lock);
    for (; p != NULL; p = next) {
        next = p->next;
        packet_free(p);
    }
    (void)close(node->event_fd);
    *nodep = NULL;
}

void fake_set_up(struct fake_node *node, bool up)
{
    node->is_up = up;
    outbound_link_changed(node->m->outbound, node->m->domains[0].name, up);
}

void fake_set_hook(struct fake_net *n, fake_hook *fn, void *ctx)
{
    n->hook = fn;
    n->ctx = ctx;
}

size_t fake_sent(const struct fake_net *n, enum fake_kind kind)
{
    return n->sent[kind];
}
