/* SPDX-License-Identifier: MIT */
/* Entries: a message standing in a folder. The same content may stand in several. */
#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include "base/uuid.h"
#include "store/store.h"
#include "wire/folder.h"

enum {
    ENTRY_READ      = 1 << 0,
    ENTRY_FLAGGED   = 1 << 1,
    ENTRY_IMPORTANT = 1 << 2,  /* copied from the message, for selectors */
};

struct entry {
    int64_t id;              /* grows with arrival within the store */
    int64_t folder;
    int64_t content;
    char uuid[UUID_SIZE];
    unsigned flags;          /* ENTRY_… */
    int64_t received_ms;
    int64_t size;
};

/*
 * Put a finished content into a folder; counters and the account's used bytes follow. 1 with
 * e->id set, 0 that uuid stands there already (nothing changed).
 */
int entry_put(struct store *st, struct entry *e, struct err *err);
int entry_get(struct store *st, int64_t folder, const char *uuid, struct entry *e_r,
              struct err *err);
/* Set and clear flags; counters follow. 1 changed, 0 no such entry or no change. */
int entry_flag(struct store *st, int64_t folder, const char *uuid, unsigned set, unsigned clear,
               struct err *err);
/*
 * 1, or 0 no such entry. The content goes with its last reference: at once, or, if it is big or
 * its words are in the index of texts, by store_tidy().
 */
int entry_del(struct store *st, int64_t folder, const char *uuid, struct err *err);

struct entry_query {
    int64_t folder;
    const struct selector *select;  /* NULL: all */
    int64_t after;                  /* entry id to start behind, in walking order; 0: from the start */
    bool newest_first;
    int64_t limit;                  /* 0: no limit */
};

/*
 * Walk. summary is the content's (wire/rows.h), borrowed for the call. A selector with text finds
 * whole words, all of which must stand in sender, subject or text parts of at most 256 KiB; what of
 * the folder is not indexed yet is indexed first, which writes the store.
 */
int entry_each(struct store *st, const struct entry_query *q,
               int (*fn)(void *ctx, const struct entry *e, const char *summary), void *ctx,
               struct err *err);

/*
 * Index texts of a folder for about budget_ms, so that a search in it need not do so in one go:
 * 1 there is more to do, 0 all are indexed, -1. store_tidy() does the same for all folders.
 */
int entry_index(struct store *st, int64_t folder, int64_t budget_ms, struct err *err);

#endif
