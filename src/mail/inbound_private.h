/* SPDX-License-Identifier: MIT */
/*
 * What the files of the way in share:
 *
 *   inbound.c        a seal comes; keys; the answer after the commit; the outside
 *   inbound_open.c   on a worker: open it, and all checks that need no store
 *   inbound_store.c  each message: seen before? deliver, record
 */
#ifndef MAIL_INBOUND_PRIVATE_H
#define MAIL_INBOUND_PRIVATE_H

#include "base/map.h"
#include "base/str.h"
#include "base/uuid.h"
#include "loop/worker.h"
#include "mail/inbound.h"
#include "seal/certificate.h"
#include "seal/identity.h"
#include "seal/seal.h"
#include "wire/bundle.h"
#include "wire/receipt.h"

struct inbound_item {
    struct bundle_item b;            /* points into opening.bundle */
    char digest[SEAL_SHA256_SIZE];   /* of its header line */
};

enum opening_phase {
    OPENING_NONE = 0,
    OPENING_KEYS,     /* the origin's keys were asked for */
    OPENING_WORK,     /* on a worker */
    OPENING_STORE,    /* in inbound.storing: its messages are being delivered */
    OPENING_COMMIT,   /* in inbound.committing: answered after the commit */
};

/* One seal, from its arrival to its answer. */
struct opening {
    struct work work;                /* first member */
    struct inbound *in;              /* NULL: nobody wants it any more */
    enum opening_phase phase;
    uint64_t id;                     /* in inbound.openings */
    uint64_t job;                    /* on the worker; 0 none */
    inbound_answer_fn *fn;           /* NULL: forgotten */
    void *ctx;
    uint64_t token;
    char bundle_id[UUID_SIZE];
    char *origin, *address;
    const struct mail_domain *domain;  /* ours; for the loop */
    bool is_vouched;
    bool is_asked;                   /* its origin's keys were asked for because of it */
    struct opening *next;            /* in storing or committing */
    /* for the worker, which sees nothing else */
    struct identity *ours;           /* counted */
    struct certificate *signer;      /* counted */
    int64_t now_ms;
    struct str armor;
    struct str bundle;
    /* from the worker */
    char sha256[SEAL_SHA256_SIZE];
    enum refusal why;                /* NONE: items hold */
    struct err err;
    struct inbound_item *items;
    size_t n;
    struct str receipt;              /* the refusal, signed */
    /* delivering */
    size_t at;                       /* the next item */
    struct receipt results;
    uint64_t delivered, repeats;
};

struct openings {
    struct opening *first, **last;
};

struct inbound {
    struct mail *m;
    struct idmap *openings;          /* id -> struct opening */
    struct map *peers;               /* address -> count, as a pointer's value */
    size_t bytes;                    /* of armor in openings */
    struct openings storing, committing;
    struct inbound_counters counters;
};

/* ---- inbound_open.c: any thread ---- */

void inbound_open_run(struct work *w);
/* Make the signed refusal. 0, or -1 (err set: no receipt can be made). */
int inbound_open_refuse(struct opening *op, enum refusal why, const char *text, struct err *err);
/* Digest of the armor's DER; zeros where it cannot be read. */
void inbound_open_digest(const char *armor, size_t len, char sha256[SEAL_SHA256_SIZE]);

/* ---- inbound_store.c ---- */

/*
 * Deliver the item that opening.at names, in a savepoint, and add its results. 0; or -1: the seal
 * is refused as a whole, with opening.why and err set.
 */
int inbound_store_item(struct inbound *in, struct opening *op);

#endif
