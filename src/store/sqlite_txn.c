/* SPDX-License-Identifier: MIT */
/*
 * Transactions. A turn that only reads never begins one: the first write does (BEGIN IMMEDIATE,
 * so that the write lock is had before anything is changed), and with it the savepoint that the
 * command asked for, if there is one.
 *
 * The row of table state (ids, totals) is read at the begin and written at the commit: between
 * the two we hold the write lock, so no other process can have changed it, and counting costs
 * nothing per message.
 *
 * SQLite may take a whole transaction back when a statement fails (disk full, I/O). Then what
 * earlier commands of this turn have written is gone although they were told that it was
 * written; so from there every write and the commit fail, until the turn is rolled back.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/status.h"

static int run(struct sqlite *db, enum sqlite_stmt number, const char *sql, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, number, sql, err) < 0)
        return -1;
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

static int read_state(struct sqlite *db, struct sqlite_state *state_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_STATE_GET,
                     "SELECT last_id, accounts, messages, queued, bytes FROM state", err) < 0)
        return -1;
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *state_r = (struct sqlite_state){
            .last_id = sqlite_column_int(&q, 0),
            .accounts = sqlite_column_int(&q, 1),
            .messages = sqlite_column_int(&q, 2),
            .queued = sqlite_column_int(&q, 3),
            .bytes = sqlite_column_int(&q, 4),
        };
    sqlite_query_end(&q);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_STORAGE,
                       "%s: its row of counters is missing: restore a backup", db->path);
    return rc < 0 ? -1 : 0;
}

static bool state_is(const struct sqlite_state *a, const struct sqlite_state *b)
{
    return a->last_id == b->last_id && a->accounts == b->accounts &&
           a->messages == b->messages && a->queued == b->queued && a->bytes == b->bytes;
}

static int write_state(struct sqlite *db, struct err *err)
{
    struct sqlite_query q;

    if (state_is(&db->state, &db->disk_state))
        return 0;
    if (sqlite_query(db, &q, STMT_STATE_PUT,
                     "UPDATE state SET last_id = ?1, accounts = ?2, messages = ?3, queued = ?4,"
                     " bytes = ?5", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, db->state.last_id);
    sqlite_bind_int(&q, 2, db->state.accounts);
    sqlite_bind_int(&q, 3, db->state.messages);
    sqlite_bind_int(&q, 4, db->state.queued);
    sqlite_bind_int(&q, 5, db->state.bytes);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

int sqlite_txn_flush(struct sqlite *db, struct err *err)
{
    if (db->txn != TXN_OPEN)
        return 0;
    return sqlite_content_put_fresh(db, err) < 0 ? -1 : write_state(db, err);
}

/* Copies are small: few contents are begun in one turn and referred to in a later one. */
static void copy_fresh(struct sqlite_fresh *to, const struct sqlite_fresh *from)
{
    if (to->max < from->n) {
        to->max = from->max;
        to->drafts = mem_realloc(to->drafts, to->max * sizeof(*to->drafts));
    }
    if (from->n > 0)
        memcpy(to->drafts, from->drafts, from->n * sizeof(*to->drafts));
    to->n = from->n;
}

static int begin(struct sqlite *db, struct err *err)
{
    if (run(db, STMT_BEGIN, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    if (read_state(db, &db->disk_state, err) < 0) {
        (void)run(db, STMT_ROLLBACK, "ROLLBACK", NULL);
        return -1;
    }
    db->state = db->disk_state;
    db->txn = TXN_OPEN;
    if (db->savepoint == SAVEPOINT_WANTED)
        db->savepoint = SAVEPOINT_FIRST;
    return 0;
}

int sqlite_txn_write(struct sqlite *db, struct err *err)
{
    if (db->txn == TXN_LOST) {
        if (err != NULL)
            *err = db->lost;
        return -1;
    }
    if (db->txn == TXN_NONE)
        return begin(db, err);
    if (db->savepoint == SAVEPOINT_WANTED) {
        if (run(db, STMT_SAVEPOINT, "SAVEPOINT command", err) < 0)
            return -1;
        db->kept_state = db->state;
        copy_fresh(&db->kept_fresh, &db->fresh);
        db->savepoint = SAVEPOINT_SET;
    }
    return 0;
}

void sqlite_txn_failed(struct sqlite *db, const struct err *err)
{
    if (db->txn != TXN_OPEN || !sqlite3_get_autocommit(db->h))
        return;
    db->txn = TXN_LOST;
    db->lost = *err;
}

int64_t sqlite_txn_next_id(struct sqlite *db)
{
    assert(db->txn == TXN_OPEN);
    return ++db->state.last_id;
}

bool sqlite_txn_is_dirty(const struct store *st)
{
    return ((const struct sqlite *)st)->txn != TXN_NONE;
}

void sqlite_txn_rollback(struct store *st)
{
    struct sqlite *db = sqlite_of(st);

    if (!sqlite3_get_autocommit(db->h))
        (void)run(db, STMT_ROLLBACK, "ROLLBACK", NULL);
    db->txn = TXN_NONE;
    db->savepoint = SAVEPOINT_NONE;
    db->fresh.n = 0;
}

int sqlite_txn_commit(struct store *st, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    int rc = -1;

    assert(db->savepoint == SAVEPOINT_NONE);
    if (db->txn == TXN_NONE)
        return 0;
    if (db->txn == TXN_LOST) {
        if (err != NULL)
            *err = db->lost;
    } else if (sqlite_txn_flush(db, err) == 0) {
        rc = run(db, STMT_COMMIT, "COMMIT", err);
    }
    if (rc < 0)
        sqlite_txn_rollback(st);
    db->txn = TXN_NONE;
    return rc;
}

int sqlite_txn_savepoint(struct store *st, struct err *err)
{
    struct sqlite *db = sqlite_of(st);

    assert(db->savepoint == SAVEPOINT_NONE);
    (void)err;
    db->savepoint = SAVEPOINT_WANTED;
    return 0;
}

static void undo(struct sqlite *db, enum sqlite_savepoint was)
{
    struct err err;

    if (was == SAVEPOINT_FIRST) {
        sqlite_txn_rollback(&db->store);
    } else if (was == SAVEPOINT_SET && db->txn == TXN_OPEN) {
        db->state = db->kept_state;
        copy_fresh(&db->fresh, &db->kept_fresh);
        if (run(db, STMT_UNDO, "ROLLBACK TO command", &err) == 0 &&
            run(db, STMT_RELEASE, "RELEASE command", &err) == 0)
            return;
        /* What the command wrote cannot be told from the rest any more: give up the turn. */
        if (!sqlite3_get_autocommit(db->h))
            (void)run(db, STMT_ROLLBACK, "ROLLBACK", NULL);
        sqlite_txn_failed(db, &err);
    }
}

int sqlite_txn_release(struct store *st, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    enum sqlite_savepoint was = db->savepoint;

    assert(was != SAVEPOINT_NONE);
    db->savepoint = SAVEPOINT_NONE;
    if (db->txn == TXN_LOST) {
        if (err != NULL)
            *err = db->lost;
        return -1;
    }
    if (was != SAVEPOINT_SET || run(db, STMT_RELEASE, "RELEASE command", err) == 0)
        return 0;
    undo(db, was);
    return -1;
}

void sqlite_txn_undo(struct store *st)
{
    struct sqlite *db = sqlite_of(st);
    enum sqlite_savepoint was = db->savepoint;

    db->savepoint = SAVEPOINT_NONE;
    undo(db, was);
}

int sqlite_txn_totals(struct store *st, struct store_totals *t_r, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_state s = db->state;

    if (db->txn != TXN_OPEN && read_state(db, &s, err) < 0)
        return -1;
    *t_r = (struct store_totals){
        .accounts = s.accounts,
        .messages = s.messages,
        .queued = s.queued,
        .bytes = s.bytes,
    };
    return 1;
}
