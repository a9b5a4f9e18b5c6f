/* SPDX-License-Identifier: MIT */
/*
 * What we asked by IQ and await: by id, with a deadline. An answer counts only if it comes from
 * whom was asked. Every question gets exactly one answer, in a later turn than it was asked,
 * also when the link is down, goes down, or the deadline passes.
 */
#ifndef XMPP_PENDING_H
#define XMPP_PENDING_H

#include "xmpp/component_private.h"

/* answer: the result stanza, err NULL; or NULL and err (ERR_TEMPORARY): an error came, or nothing. */
typedef void pending_fn(void *ctx, uint64_t token, const struct stanza *answer,
                        const struct err *err);

struct pending_request {
    const char *type;            /* "get", "set" */
    const char *to;
    const struct piece *pieces;
    size_t n_pieces;
    int64_t deadline_ms;         /* from now */
};

/* Who is told. */
struct pending_asker {
    pending_fn *fn;
    void *ctx;
    uint64_t token;
    void (*drop)(void *ctx);     /* called in place of fn by pending_destroy(); NULL: nothing to free */
};

struct pending *pending_create(struct component *c);
void pending_destroy(struct pending **pp);  /* what is awaited is forgotten */
void pending_ask(struct pending *p, const struct pending_request *rq,
                 const struct pending_asker *who);
/* Answer in a later turn, with err, without asking. */
void pending_refuse(struct pending *p, const struct err *err, const struct pending_asker *who);
/* A result or error came. Ignored if nobody awaits it. */
void pending_take(struct pending *p, const struct stanza *in, const struct jid *from);
/* The link went down: all fail, in the next turn. */
void pending_fail_all(struct pending *p, const struct err *err);
size_t pending_count(const struct pending *p);

#endif
