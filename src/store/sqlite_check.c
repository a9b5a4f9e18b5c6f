/* SPDX-License-Identifier: MIT */
/*
 * Is the store sound? SQLite's own check, its foreign keys, and then what this room promises: every
 * counter is the count that it stands for, every reference is counted, nothing is left over. Each
 * promise is one query that gives a sentence for the first thing that breaks it, and nothing if it
 * holds.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include "wire/status.h"

static const char *const promises[] = {
    "SELECT 'folder ' || f.id || ' counts unread ' || f.unread || ' and total ' || f.total"
    " || ', but has other entries' FROM folders f"
    " LEFT JOIN (SELECT folder, count(*) AS n, sum(flags & 1 = 0) AS u FROM entries"
    " GROUP BY folder) e ON e.folder = f.id"
    " WHERE f.total <> coalesce(e.n, 0) OR f.unread <> coalesce(e.u, 0) LIMIT 1",

    "SELECT 'account ' || a.address || ' counts ' || a.used_bytes || ' bytes, its entries have '"
    " || coalesce(s.n, 0) FROM accounts a LEFT JOIN (SELECT f.account, sum(e.size) AS n"
    " FROM folders f JOIN entries e ON e.folder = f.id GROUP BY f.account) s"
    " ON s.account = a.id WHERE a.used_bytes <> coalesce(s.n, 0) LIMIT 1",

    "SELECT 'content ' || c.id || ' counts ' || c.refs || ' references, there are '"
    " || coalesce(r.n, 0) FROM contents c LEFT JOIN (SELECT content, count(*) AS n FROM"
    " (SELECT content FROM entries UNION ALL SELECT content FROM queue UNION ALL"
    " SELECT content FROM trash) GROUP BY content) r"
    " ON r.content = c.id WHERE c.refs <> coalesce(r.n, 0) LIMIT 1",

    "SELECT 'content ' || c.id || ' is referred to by nothing, and is no draft' FROM contents c"
    " WHERE c.refs = 0 AND c.id NOT IN (SELECT content FROM drafts) LIMIT 1",

    "SELECT 'entry ' || id || ' refers to content ' || content || ', which is not there'"
    " FROM entries WHERE content NOT IN (SELECT id FROM contents) LIMIT 1",

    "SELECT 'queue entry ' || id || ' refers to content ' || content || ', which is not there'"
    " FROM queue WHERE content NOT IN (SELECT id FROM contents) LIMIT 1",

    "SELECT 'content ' || c.id || ' has other chunks than its header says' FROM contents c"
    " LEFT JOIN (SELECT id >> 20 AS content, count(*) AS n, sum(length(octets)) AS size,"
    " max(id & 1048575) AS last FROM chunks GROUP BY id >> 20) k ON k.content = c.id"
    " WHERE c.chunks <> coalesce(k.n, 0) OR c.size <> coalesce(k.size, 0)"
    " OR c.chunks <> coalesce(k.last + 1, 0) LIMIT 1",

    "SELECT 'chunks of content ' || (id >> 20) || ', which is not there' FROM chunks"
    " WHERE id >> 20 NOT IN (SELECT id FROM contents UNION ALL SELECT content FROM drafts)"
    " LIMIT 1",

    "SELECT 'content ' || id || ' names a certificate that is not there' FROM contents"
    " WHERE certificate IS NOT NULL AND certificate NOT IN (SELECT id FROM certificates)"
    " LIMIT 1",

    "SELECT 'the totals are not those of the tables' FROM state WHERE"
    " accounts <> (SELECT count(*) FROM accounts) OR"
    " messages <> (SELECT count(*) FROM entries) OR"
    " queued <> (SELECT count(*) FROM queue) OR"
    " bytes <> (SELECT coalesce(sum(size), 0) FROM contents)",

    "SELECT 'an id is beyond the counter of ids' FROM state WHERE last_id <"
    " (SELECT max(n) FROM (SELECT max(id) AS n FROM contents UNION ALL"
    " SELECT max(id) FROM entries UNION ALL SELECT max(id) FROM queue UNION ALL"
    " SELECT max(content) FROM drafts))",
};

/* 1 it gave no row (or the row "ok"), 0 it did, -1. */
static int holds(struct sqlite *db, const char *sql, struct err *err)
{
    sqlite3_stmt *s = NULL;
    const char *found;
    int rc = sqlite3_prepare_v2(db->h, sql, -1, &s, NULL), result = 1;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        found = (const char *)sqlite3_column_text(s, 0);
        if (found == NULL || sqlite3_stricmp(found, "ok") != 0) {
            (void)err_set(err, ERR_PERMANENT, STATUS_STORAGE, "%s: %s", db->path,
                          found == NULL ? "unknown fault" : found);
            result = 0;
        }
    } else if (rc != SQLITE_DONE) {
        result = sqlite_err(db, rc, "check", err);
        /* A file too damaged to be read through is an answer, not a failure to answer. */
        if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
            result = 0;
    }
    (void)sqlite3_finalize(s);
    return result;
}

int sqlite_check(struct store *st, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    int rc;

    if (sqlite_txn_flush(db, err) < 0)
        return -1;
    rc = holds(db, "PRAGMA integrity_check(1)", err);
    if (rc == 1)
        rc = holds(db,
                   "SELECT 'table ' || \"table\" || ': a row refers to one of ' || parent ||"
                   " ' that is not there' FROM pragma_foreign_key_check LIMIT 1", err);
    if (rc == 1)  /* an INSERT only by its form */
        rc = holds(db, "INSERT INTO texts (texts) VALUES ('integrity-check')", err);
    for (size_t i = 0; rc == 1 && i < N_ELEMENTS(promises); i++)
        rc = holds(db, promises[i], err);
    return rc;
}
