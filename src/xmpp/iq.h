/* SPDX-License-Identifier: MIT */
/*
 * IQ requests: a table of what is answered, by namespace, element, type and whom it is sent to. The
 * dispatcher answers, a handler only says what; so each get and set has exactly one result or error.
 * The features of disco#info are read off this table, so they cannot lie.
 */
#ifndef XMPP_IQ_H
#define XMPP_IQ_H

#include "xmpp/component_private.h"

#define IQ_GET  1u
#define IQ_SET  2u
#define IQ_HOST 4u   /* to the component itself */
#define IQ_USER 8u   /* to node@component */

struct iq {
    struct component *c;
    const struct stanza *in;
    const struct jid *from, *to;  /* prepared */
};

/*
 * Handle a request. 1: `out` has the result's content ("" is fine); 0: iq_hold() was called and
 * iq_answer() will be; -1: err says why not.
 */
typedef int iq_fn(struct iq *q, struct str *out, struct err *err);

struct iq_entry {
    const char *ns;
    const char *name;
    unsigned allows;         /* IQ_… */
    const char *feature;     /* NULL none */
    iq_fn *run;
};
/* The i-th entry, NULL past the end. */
const struct iq_entry *iq_entry_at(size_t i);

/* A stanza of kind iq whose addresses hold. */
void iq_take(struct component *c, const struct stanza *in, const struct jid *from,
             const struct jid *to);
/* Answer any stanza with an error, if one is due: never for an error, a result, a headline, a presence. */
void iq_refuse_stanza(struct component *c, const struct stanza *in, const struct err *err);

/* Answer later: keeps the request's addresses; note is copied and comes back. Returns the token. */
uint64_t iq_hold(struct iq *q, const char *note);
/* The note, NULL: unknown token. */
const char *iq_held_note(struct component *c, uint64_t token);
/* Answer what was held: pieces, or (err not NULL) an error. Unknown tokens are ignored. */
void iq_answer(struct component *c, uint64_t token, const struct piece *pieces, size_t n,
               const struct err *err);
void iq_drop_held(struct component *c);

/* 1 the node of a JID at our component is a local account, 0 it is not, -1 err. */
int iq_account_exists(struct component *c, const struct jid *to, struct err *err);

/* ---- handlers: disco.c, info.c, seals.c ---- */

iq_fn disco_info, disco_items;
iq_fn info_version, info_ping, info_time, info_last, info_vcard, info_vcard4;
iq_fn seals_key, seals_take, seals_cookie;

/* Hand a seal in; token is what iq_hold() gave for it. */
struct inbound_seal;
void seals_receive(struct component *c, const struct inbound_seal *seal, uint64_t token);

/* Presence's <c/> (XEP-0115). */
void disco_add_caps(struct component *c, struct str *out);

#endif
