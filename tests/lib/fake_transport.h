/* SPDX-License-Identifier: MIT */
/*
 * A network in memory that carries seals between whole worlds (lib/world.h), each with its loop,
 * in one thread or in one of its own. It does what a hostile or a broken server could: it loses,
 * delays, repeats, alters and reorders, as the test's hook says.
 */
#ifndef TESTS_LIB_FAKE_TRANSPORT_H
#define TESTS_LIB_FAKE_TRANSPORT_H

#include "base/str.h"
#include "mail/inbound.h"
#include "mail/mail.h"
#include "mail/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fake_kind {
    FAKE_FIND = 1,  /* the answer to find */
    FAKE_KEYS,      /* the answer to keys */
    FAKE_SEAL,      /* a seal on its way to its destination */
    FAKE_RECEIPT,   /* its answer on the way back */
};

enum fake_action {
    FAKE_PASS = 0,
    FAKE_FAIL,      /* a stanza error: ERR_TEMPORARY with packet.text */
    FAKE_LOSE,      /* nothing comes, ever */
    FAKE_TWICE,
    FAKE_HOLD,      /* until fake_release() */
};

/* What is on the way. A hook may change it. */
struct fake_packet {
    enum fake_kind kind;
    char *origin, *destination;  /* of the question */
    char *address;               /* FIND: answer; SEAL: of the sender's component */
    size_t max_stanza;           /* FIND: answer */
    char *bundle;
    char *seal_origin, *seal_destination, *at;  /* SEAL: what the receiver is told */
    bool is_vouched;
    struct str armor;            /* SEAL, RECEIPT */
    char *sign_pem, *encrypt_pem, *endorsement;  /* KEYS */
    bool is_error;               /* RECEIPT: a stanza error came */
    char text[100];
    /* private */
    uint64_t token;
    void *fn, *ctx;
    struct fake_node *from, *to;
    struct fake_packet *next;
};

typedef enum fake_action fake_hook(void *ctx, struct fake_packet *p);

struct fake_net;
struct fake_net *fake_net_create(void);
void fake_net_destroy(struct fake_net **np);   /* when no world turns any more */

/* Connect a world: it is reached as the domain and the component of m->domains[0]. */
struct fake_node *fake_connect(struct fake_net *n, struct mail *m);
const struct transport *fake_transport(struct fake_node *node);
void fake_disconnect(struct fake_node **nodep);  /* before the world goes; its answers are lost */
void fake_set_up(struct fake_node *node, bool is_up);  /* tells its outbound */
/* Called for each packet, in the thread of who sends it. NULL: all pass. */
void fake_set_hook(struct fake_net *n, fake_hook *fn, void *ctx);
void fake_release(struct fake_net *n, bool is_reversed);  /* what is held goes on */
size_t fake_held(const struct fake_net *n);
/* How many of that kind were sent. */
size_t fake_sent(const struct fake_net *n, enum fake_kind kind);

#endif
