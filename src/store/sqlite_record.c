/* SPDX-License-Identifier: MIT */
/*
 * The replay record in SQLite. Rows stand in the order of their making, so that the old ones are
 * the first ones (sqlite_tidy.c) and only the index of ids takes its entries at random places.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <stdio.h>

#include "base/mem.h"
#include "wire/status.h"

int sqlite_record_get(struct store *st, const char *scope, const char *uuid,
                      struct record *r_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(sqlite_of(st), &q, STMT_RECORD_GET,
                     "SELECT scope, uuid, digest, results, seen_ms FROM records"
                     " WHERE uuid = ?1 AND scope = ?2", err) < 0)
        return -1;
    sqlite_bind_text(&q, 2, scope);
    rc = sqlite_bind_uuid(&q, 1, uuid) < 0 ? 0 : sqlite_query_row(&q, err);
    if (rc > 0) {
        r_r->scope = sqlite_column_dup(&q, 0);
        sqlite_column_uuid(&q, 1, r_r->uuid);
        (void)snprintf(r_r->digest, sizeof(r_r->digest), "%s", sqlite_column_text(&q, 2));
        r_r->results = sqlite_column_dup(&q, 3);
        r_r->seen_ms = sqlite_column_int(&q, 4);
    }
    sqlite_query_end(&q);
    return rc;
}

int sqlite_record_put(struct store *st, const struct record *r, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_RECORD_PUT,
                     "INSERT OR REPLACE INTO records (id, seen_ms, uuid, scope, digest, results)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, sqlite_txn_next_id(db));
    sqlite_bind_int(&q, 2, r->seen_ms);
    if (sqlite_bind_uuid(&q, 3, r->uuid) < 0) {
        sqlite_query_end(&q);
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "\"%s\" is no message id", r->uuid);
    }
    sqlite_bind_text(&q, 4, r->scope);
    sqlite_bind_text(&q, 5, r->digest);
    sqlite_bind_text(&q, 6, r->results == NULL ? "" : r->results);
    return sqlite_query_run(&q, err) < 0 ? -1 : 1;
}
