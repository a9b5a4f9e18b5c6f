/* SPDX-License-Identifier: MIT */
/*
 * Who speaks for a domain (docs/xmpp.md, "Finding the peer"): a route of the configuration; else
 * immp.DOMAIN, if it has our feature; else the items that DOMAIN lists. What was found is kept for
 * an hour, what was not for five minutes; those who ask meanwhile share the answer.
 */
#ifndef XMPP_PEERS_H
#define XMPP_PEERS_H

#include "xmpp/component_private.h"

#define PEERS_GOOD_MS    (60LL * 60 * 1000)
#define PEERS_BAD_MS     (5LL * 60 * 1000)
#define PEERS_ITEMS_MAX  20
#define PEERS_PARALLEL   4
#define PEERS_KEPT_MAX   4096    /* domains remembered */
#define PEERS_ANSWER_MS  20000   /* for one question: servers connect to each other meanwhile */

struct peers;
struct peers *peers_create(struct component *c);
void peers_destroy(struct peers **pp);
/* As transport.find. */
void peers_find(struct peers *p, const char *destination, uint64_t token, transport_found_fn *fn,
                void *ctx);
void peers_forget(struct peers *p, const char *destination);
/* The link is up anew: what was not found before may be there now. */
void peers_link_up(struct peers *p);

#endif
