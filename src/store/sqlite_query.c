/* SPDX-License-Identifier: MIT */
/*
 * One use of a prepared statement: taken, bound, stepped, ended. A statement is prepared once and
 * kept for the life of the connection; only when an outer walk is in the middle of it (a callback
 * that walks the same thing) a spare one is prepared for that use.
 *
 * Errors are made here, from SQLite's code: what can pass (full disk, I/O, a lock) is temporary,
 * a damaged file is permanent, and anything else is a bug of ours and says so.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <string.h>

#include "base/mem.h"
#include "wire/status.h"

static const struct failure {
    int code;
    enum err_kind kind;
    const char *advice;
} failures[] = {
    { SQLITE_FULL,     ERR_TEMPORARY, "make room on its disk; work goes on by itself" },
    { SQLITE_IOERR,    ERR_TEMPORARY, "check the disk and the kernel's log" },
    { SQLITE_BUSY,     ERR_TEMPORARY, "another process holds it; tried again later" },
    { SQLITE_LOCKED,   ERR_TEMPORARY, "another process holds it; tried again later" },
    { SQLITE_NOMEM,    ERR_TEMPORARY, "out of memory" },
    { SQLITE_PROTOCOL, ERR_TEMPORARY, "another process holds it; tried again later" },
    { SQLITE_CANTOPEN, ERR_TEMPORARY, "check that its folder exists and may be written" },
    { SQLITE_READONLY, ERR_TEMPORARY, "check that it and its folder may be written" },
    { SQLITE_PERM,     ERR_TEMPORARY, "check that it and its folder may be written" },
    { SQLITE_CORRUPT,  ERR_PERMANENT, "it is damaged: restore a backup" },
    { SQLITE_NOTADB,   ERR_PERMANENT, "it is no database of immpd: move it away" },
};

int sqlite_err(struct sqlite *db, int rc, const char *doing, struct err *err)
{
    const char *why = db->h != NULL ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc);

    for (size_t i = 0; i < N_ELEMENTS(failures); i++)
        if (failures[i].code == (rc & 0xff))
            return err_set(err, failures[i].kind, STATUS_STORAGE, "%s: %s: %s; %s", db->path,
                           doing, why, failures[i].advice);
    return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "%s: %s: %s (%d)", db->path, doing, why,
                   rc);
}

int sqlite_exec(struct sqlite *db, const char *sql, const char *doing, struct err *err)
{
    int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : sqlite_err(db, rc, doing, err);
}

int sqlite_query(struct sqlite *db, struct sqlite_query *q, enum sqlite_stmt number,
                 const char *sql, struct err *err)
{
    sqlite3_stmt **kept = &db->stmts[number];
    int rc;

    *q = (struct sqlite_query){ .db = db };
    if (*kept == NULL) {
        rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
        if (rc != SQLITE_OK)
            return sqlite_err(db, rc, "prepare", err);
    }
    q->s = *kept;
    if (sqlite3_stmt_busy(*kept)) {
        rc = sqlite3_prepare_v3(db->h, sql, -1, 0, &q->s, NULL);
        if (rc != SQLITE_OK)
            return sqlite_err(db, rc, "prepare", err);
        q->is_spare = true;
    }
    return 0;
}

void sqlite_query_end(struct sqlite_query *q)
{
    if (q->is_spare) {
        (void)sqlite3_finalize(q->s);
    } else if (q->s != NULL) {
        (void)sqlite3_reset(q->s);
        (void)sqlite3_clear_bindings(q->s);  /* what was bound is the caller's */
    }
    q->s = NULL;
    q->is_spare = false;
}

static const char *verb_of(const struct sqlite_query *q)
{
    return sqlite3_column_count(q->s) > 0 ? "read" : "write";
}

int sqlite_query_row(struct sqlite_query *q, struct err *err)
{
    struct err own;
    int rc = sqlite3_step(q->s);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    (void)sqlite_err(q->db, rc, verb_of(q), &own);
    sqlite_txn_failed(q->db, &own);
    if (err != NULL)
        *err = own;
    return -1;
}

int sqlite_query_run(struct sqlite_query *q, struct err *err)
{
    int rc = sqlite_query_row(q, err);

    if (rc >= 0)
        rc = sqlite3_changes(q->db->h);
    sqlite_query_end(q);
    return rc;
}

void sqlite_bind_int(struct sqlite_query *q, int i, int64_t v)
{
    (void)sqlite3_bind_int64(q->s, i, v);
}

void sqlite_bind_text(struct sqlite_query *q, int i, const char *s)
{
    (void)sqlite3_bind_text(q->s, i, s, -1, SQLITE_STATIC);
}

void sqlite_bind_blob(struct sqlite_query *q, int i, const void *p, size_t n)
{
    if (n == 0)
        (void)sqlite3_bind_zeroblob(q->s, i, 0);
    else
        (void)sqlite3_bind_blob64(q->s, i, p, n, SQLITE_STATIC);
}

int sqlite_bind_uuid(struct sqlite_query *q, int i, const char *uuid)
{
    uint8_t bytes[UUID_BYTES];

    if (uuid_to_bytes(uuid, bytes) < 0)
        return -1;
    (void)sqlite3_bind_blob(q->s, i, bytes, sizeof(bytes), SQLITE_TRANSIENT);
    return 0;
}

int64_t sqlite_column_int(const struct sqlite_query *q, int i)
{
    return sqlite3_column_int64(q->s, i);
}

char *sqlite_column_text(const struct sqlite_query *q, int i)
{
    return (char *)sqlite3_column_text(q->s, i);
}

char *sqlite_column_dup(const struct sqlite_query *q, int i)
{
    const char *s = sqlite_column_text(q, i);

    return s == NULL ? NULL : mem_strndup(s, (size_t)sqlite3_column_bytes(q->s, i));
}

void sqlite_column_uuid(const struct sqlite_query *q, int i, char out[UUID_SIZE])
{
    const uint8_t *p = sqlite3_column_blob(q->s, i);

    out[0] = '\0';
    if (p != NULL && sqlite3_column_bytes(q->s, i) == UUID_BYTES)
        uuid_from_bytes(p, out);
}
