/* SPDX-License-Identifier: MIT */
/*
 * May a component speak for a domain whose name it does not bear? Yes if that domain lists it
 * (docs/xmpp.md, "Finding the peer"): its disco#items are asked, once an hour, and the seal waits.
 */
#ifndef XMPP_VOUCH_H
#define XMPP_VOUCH_H

#include "mail/inbound.h"
#include "xmpp/component_private.h"

#define VOUCH_WAITING_MAX  64                  /* seals that wait, all together */
#define VOUCH_WAITING_SIZE (8u * 1024 * 1024)  /* and their bytes */
#define VOUCH_KEPT_MAX     1024                /* answers remembered */

struct vouch;
struct vouch *vouch_create(struct component *c);
void vouch_destroy(struct vouch **vp);

/*
 * host sent a seal of origin (both prepared). true: the seal is copied and waits: seals_receive() will
 * be called with it, or its sender gets a temporary error if origin cannot be asked. false: go on now; seal->is_vouched says what is known (too many wait: no).
 * Where origin's key is pinned nothing is asked, for the signature will tell.
 */
bool vouch_ask(struct vouch *v, struct inbound_seal *seal, const char *origin, const char *host,
               uint64_t token);

#endif
