/* SPDX-License-Identifier: MIT */
/*
 * Stanzas: what the stream's reader delivers becomes a libstrophe tree that handlers look at, and
 * what we say is written as text. Errors go both ways by one table.
 *
 * A namespaced attribute is found in the tree under its prefix:name, as in the source.
 */
#ifndef XMPP_STANZA_H
#define XMPP_STANZA_H

#include "base/err.h"
#include "base/str.h"
#include "wire/xml.h"

#include <stdbool.h>
#include <stddef.h>
#include <strophe.h>

#define NS_COMPONENT "jabber:component:accept"
#define NS_STREAM    "http://etherx.jabber.org/streams"
#define NS_STREAMS   "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZAS   "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_IMMP      "urn:immp:xmpp:1"
#define NS_LIMITS    "urn:immp:limits"
#define NS_INFO      "http://jabber.org/protocol/disco#info"
#define NS_ITEMS     "http://jabber.org/protocol/disco#items"
#define NS_DATA      "jabber:x:data"
#define NS_CAPS      "http://jabber.org/protocol/caps"

#define STANZA_DEPTH_MAX    64     /* elements within each other, the stanza itself is 1 */
#define STANZA_ATTRS_MAX    64     /* of one element */
#define STANZA_ELEMENTS_MAX 2000   /* of one stanza: libstrophe walks all siblings to add one */
#define STANZA_ID_MAX       1023   /* bytes of an id that we send back */
#define STANZA_JID_MAX      3071   /* RFC 7622 */

/* One stanza that came. All of it is borrowed for the call that delivers it. */
struct stanza {
    xmpp_stanza_t *dom;
    xmpp_stanza_t *payload;   /* its first child element; NULL none */
    size_t n_payloads;        /* child elements */
    const char *kind;         /* local name: "iq", "message", "presence" */
    const char *ns;           /* NULL none */
    const char *type;         /* attributes; NULL: not there */
    const char *id;
    const char *from;
    const char *to;
    /*
     * The text directly within a payload of NS_IMMP (a seal, a receipt): it is kept out of the tree,
     * in one piece, because it may be a quarter of a megabyte in four thousand lines.
     */
    const char *text;
    size_t text_len;
    const char *raw;          /* its exact bytes */
    size_t raw_len;
    const char *excess;       /* it went beyond one of the limits above: which; the tree is cut */
};

/* ---- reading: the reader's events in, a stanza out ---- */

struct stanza_builder;
struct stanza_builder *stanza_builder_create(void);
void stanza_builder_destroy(struct stanza_builder **bp);
void stanza_builder_start(struct stanza_builder *b, size_t depth, const char *ns, const char *name,
                          const struct xml_attr *attrs, size_t n);
void stanza_builder_text(struct stanza_builder *b, size_t depth, const char *s, size_t n);
/* At depth 1 the finished stanza, valid until the next start at depth 1; else NULL. */
const struct stanza *stanza_builder_end(struct stanza_builder *b, size_t depth, const char *raw,
                                        size_t raw_len);

/* ---- looking ---- */

/* An attribute without namespace, or "prefix:name"; NULL. el may be NULL. */
const char *stanza_attr(xmpp_stanza_t *el, const char *name);
bool stanza_is(xmpp_stanza_t *el, const char *ns, const char *name);
/* The first child so named, or the next sibling so named. NULL. */
xmpp_stanza_t *stanza_child(xmpp_stanza_t *el, const char *ns, const char *name);
xmpp_stanza_t *stanza_next(xmpp_stanza_t *el, const char *ns, const char *name);
/* The text directly within el; "" none. Borrowed. */
const char *stanza_text(xmpp_stanza_t *el);

/* ---- writing ---- */

struct stanza_head {
    const char *kind;  /* "iq", "message", "presence" */
    const char *type;  /* NULL none */
    const char *from;
    const char *to;
    const char *id;    /* NULL none */
};
/* "<iq type='…' from='…' to='…' id='…'>". */
void stanza_add_head(struct str *out, const struct stanza_head *h);
/* " name='value'", so that the value comes back as it is. */
void stanza_add_attr(struct str *out, const char *name, const char *value);
/* Text that may hold anything: what XML cannot carry becomes "?". */
void stanza_add_text(struct str *out, const char *s);

/* ---- errors ---- */

/* "<error type='…'><condition …/><text …>…</text></error>" of kind, status and text. */
void stanza_add_error(struct str *out, const struct err *err);
/*
 * What an error stanza says, as an err: always ERR_TEMPORARY, because servers make any of them while a
 * peer restarts (docs/xmpp.md, "The seal"). Returns -1.
 */
int stanza_read_error(const struct stanza *st, struct err *err);

#endif
