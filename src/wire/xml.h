/* SPDX-License-Identifier: MIT */
/*
 * XMPP stream reader over expat. Bytes in, events out, with every limit enforced while parsing:
 * size, depth and attributes of a stanza, no DTD, no processing instructions, no comments
 * (RFC 6120 §11.1). It keeps the exact source bytes of the stanza that is being read, so that
 * payloads can be stored as they came (a re-serialised tree would lose prefixes).
 *
 * Depth: the stream's root is 0, a stanza 1, its children 2.
 */
#ifndef WIRE_XML_H
#define WIRE_XML_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

struct xml_attr {
    const char *ns;      /* NULL: no namespace */
    const char *prefix;  /* NULL: none */
    const char *name;
    const char *value;
};

struct xml_limits {
    size_t stanza_bytes;  /* 1 MiB */
    size_t depth;         /* 64 */
    size_t attrs;         /* 64 */
};

/*
 * All strings are borrowed for the call. An event function returns 0, or -1 to stop the reader
 * for good (xml_feed then returns -1 with ERR_PROTOCOL). It must not destroy or feed the reader.
 * Any of them may be NULL. An element in no namespace has ns "". Attributes are without namespace
 * declarations; the limit counts both. Text may come in pieces; its depth is its element's.
 */
struct xml_events {
    int (*open)(void *ctx, const char *ns, const char *name, const struct xml_attr *attrs, size_t n);
    int (*start)(void *ctx, size_t depth, const char *ns, const char *prefix, const char *name,
                 const struct xml_attr *attrs, size_t n);
    int (*text)(void *ctx, size_t depth, const char *s, size_t n);  /* inside stanzas only */
    /* raw, raw_len: the stanza's exact bytes when depth is 1, else NULL, 0 */
    int (*end)(void *ctx, size_t depth, const char *raw, size_t raw_len);
    int (*close)(void *ctx);  /* </stream:stream> */
};

struct xml_reader;
struct xml_reader *xml_reader_create(const struct xml_limits *limits,
                                     const struct xml_events *events, void *ctx);
void xml_reader_destroy(struct xml_reader **rp);

/*
 * Read some bytes. 0, or -1: ERR_PROTOCOL with a text that says what was wrong and err->status
 * STATUS_LIMIT for a limit, STATUS_NOT_ALLOWED for what XMPP restricts (a DTD, an instruction, a
 * comment), STATUS_SYNTAX for XML that is not well formed. After -1 every further call returns -1.
 */
int xml_feed(struct xml_reader *r, const char *p, size_t n, struct err *err);

/*
 * The namespace declarations in scope at depth 1 (the stream's), as attribute text:
 * " xmlns='jabber:component:accept' xmlns:stream='…'".
 */
const char *xml_scope(const struct xml_reader *r);

/*
 * Is p one well-formed element in a namespace, without DTD? For payloads to be published. 0 or -1.
 */
int xml_check_element(const char *p, size_t n, const struct xml_limits *limits, struct err *err);

#endif
