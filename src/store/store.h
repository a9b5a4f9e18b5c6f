/* SPDX-License-Identifier: MIT */
/*
 * The store: accounts, folders, messages, queue, peers, records. One interface; the backend is
 * chosen by URL ("sqlite:immp.db"). No SQL and no SQLite outside this room, and nothing here
 * assumes that one process owns the data: ids are UUIDs, claims are leases.
 *
 * Transactions: the first write of a turn begins one by itself; store_commit() at the turn's end
 * makes it durable (one fsync) or loses it whole. Each command runs in a savepoint of its own.
 * Reads see the turn's own writes.
 *
 * Results everywhere: 1 found or done, 0 no such thing, -1 err (ERR_TEMPORARY, STATUS_STORAGE: a
 * full disk, an I/O error, a lock; ERR_PERMANENT, STATUS_STORAGE: the file is damaged;
 * ERR_PERMANENT, STATUS_INTERNAL: our own bug; others are named). Loop thread only. Nothing calls
 * back but the `each` functions (1 at least one was seen, 0 none), whose callback may read but not
 * write the store, and stops the walk by returning non-zero. What it gets is borrowed for the call.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/*
 * Open, create or migrate (numbered migrations, each in a transaction). A newer schema than ours
 * and a file that is no database are ERR_PERMANENT. Relative names are below data_dir.
 */
int store_open(const char *url, const char *data_dir, struct store **st_r, struct err *err);
void store_close(struct store **stp);  /* rolls back what was not committed */
const char *store_backend(const struct store *st);  /* "sqlite" */

/*
 * The disk has failed in a way that cannot be mended here: what was committed and copied on could
 * not be synced, and the system may have lost it. It still stands in the log, which the next
 * store_open() reads anew; from now on everything fails (ERR_TEMPORARY), and store_close() leaves
 * all as it is. fn is called once, on any thread, while it happens: it should end the process,
 * and must not call the store.
 */
typedef void store_broken_fn(void *ctx, const struct err *err);
void store_on_broken(struct store *st, store_broken_fn *fn, void *ctx);

bool store_is_dirty(const struct store *st);         /* has this turn written? */
/* 0: nothing to commit, or it is on disk. -1: everything since the last commit is gone. */
int store_commit(struct store *st, struct err *err);
void store_rollback(struct store *st);

/*
 * One level: begin, then release or undo. Nothing is begun on disk before the first write, so a
 * command that only reads leaves the store as clean as it was. A release that fails has undone
 * what was written since; an undo without a savepoint does nothing.
 */
int store_savepoint(struct store *st, struct err *err);
int store_release(struct store *st, struct err *err);
void store_undo(struct store *st);

/* PRAGMA integrity_check and our own invariants (counters = counts, refs, orphans). 1 sound, 0 not (err says what), -1. */
int store_check(struct store *st, struct err *err);

/* The counted sizes that status shows. */
struct store_totals { int64_t accounts, messages, queued, bytes; };
int store_totals(struct store *st, struct store_totals *t_r, struct err *err);

/*
 * Housekeeping in slices, between turns: index new texts for search, drop what nothing refers to
 * (drafts of sessions that are gone, before drafts_before_ms), records older than records_before_ms.
 * Takes about budget_ms. Writes like any other call: the caller commits. 1 there is more to do,
 * 0 not, -1.
 */
int store_tidy(struct store *st, int64_t drafts_before_ms, int64_t records_before_ms,
               int64_t budget_ms, struct err *err);

#endif
