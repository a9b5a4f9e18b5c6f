/* SPDX-License-Identifier: MIT */
/*
 * The paths of the queue, in SQLite: one of our domains and one destination, kept once and named by
 * a number. A path stays when its last entry goes, and sqlite_tidy.c removes it later; so the walk
 * over all paths with work goes from path to path in the queue's own index, by which it counts too.
 */
#include "config.h"

#include "store/sqlite_private.h"

int sqlite_path_id(struct sqlite *db, const char *origin, const char *destination, bool make,
                   int64_t *id_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_PATH_GET,
                     "SELECT id FROM paths WHERE destination = ?1 AND origin = ?2", err) < 0)
        return -1;
    sqlite_bind_text(&q, 1, destination);
    sqlite_bind_text(&q, 2, origin);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *id_r = sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    if (rc != 0 || !make)
        return rc;
    *id_r = sqlite_txn_next_id(db);
    if (sqlite_query(db, &q, STMT_PATH_PUT,
                     "INSERT INTO paths (id, origin, destination) VALUES (?1, ?2, ?3)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, *id_r);
    sqlite_bind_text(&q, 2, origin);
    sqlite_bind_text(&q, 3, destination);
    return sqlite_query_run(&q, err);
}

struct sum {
    int64_t due_ms, entries, bytes;
};

/* What of a path is QUEUED, or CLAIMED with a lease that has run out. 0 or -1. */
static int sum_path(struct sqlite *db, int64_t path, int64_t now_ms, struct sum *s_r,
                    struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_PATH_SUM,
                     "SELECT min(at_ms), count(*), total(size) FROM queue INDEXED BY queue_path"
                     " WHERE path = ?1 AND (state = ?2 OR (state = ?3 AND at_ms <= ?4))", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, path);
    sqlite_bind_int(&q, 2, QUEUE_QUEUED);
    sqlite_bind_int(&q, 3, QUEUE_CLAIMED);
    sqlite_bind_int(&q, 4, now_ms);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *s_r = (struct sum){
            .due_ms = sqlite_column_int(&q, 0),
            .entries = sqlite_column_int(&q, 1),
            .bytes = sqlite_column_int(&q, 2),
        };
    sqlite_query_end(&q);
    return rc < 0 ? -1 : 0;
}

/* The next path after one, in the queue. 1, 0 no more, -1. */
static int next_path(struct sqlite *db, int64_t after, int64_t *path_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_PATH_NEXT,
                     "SELECT path FROM queue INDEXED BY queue_path WHERE path > ?1"
                     " ORDER BY path LIMIT 1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, after);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *path_r = sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    return rc;
}

/* Give one path to fn, if it has work: 1 seen, 0 nothing there, 2 seen and fn wants no more, -1. */
static int show_path(struct sqlite *db, int64_t path, int64_t now_ms, store_path_fn *fn,
                     void *ctx, struct err *err)
{
    struct sum s = { 0 };
    struct sqlite_query q;
    struct queue_path p;
    int rc;

    if (sum_path(db, path, now_ms, &s, err) < 0)
        return -1;
    if (s.entries == 0)
        return 0;
    if (sqlite_query(db, &q, STMT_PATH_NAMES,
                     "SELECT origin, destination FROM paths WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, path);
    rc = sqlite_query_row(&q, err);
    if (rc > 0) {
        p = (struct queue_path){
            .origin = sqlite_column_text(&q, 0),
            .destination = sqlite_column_text(&q, 1),
            .due_ms = s.due_ms,
            .entries = s.entries,
            .bytes = s.bytes,
        };
        rc = fn(ctx, &p) != 0 ? 2 : 1;
    }
    sqlite_query_end(&q);
    return rc;
}

int sqlite_queue_each_path(struct store *st, int64_t now_ms, store_path_fn *fn, void *ctx,
                           struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    int64_t path = 0;
    int rc, shown, seen = 0;

    while ((rc = next_path(db, path, &path, err)) > 0) {
        shown = show_path(db, path, now_ms, fn, ctx, err);
        if (shown < 0)
            return -1;
        seen |= shown > 0;
        if (shown == 2)
            break;
    }
    return rc < 0 ? -1 : seen;
}
