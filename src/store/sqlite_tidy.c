/* SPDX-License-Identifier: MIT */
/*
 * Housekeeping in slices. Each kind of work is asked for a little at a time until the budget is
 * used up; what is left comes at the next call. Everything is found by a key that is kept for other
 * reasons anyway, so that a call with nothing to do costs a few look-ups and writes nothing.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include "base/clock.h"

#define RECORDS_A_STEP 100
#define PATHS_A_STEP   100

struct tidy {
    struct sqlite *db;
    int64_t drafts_before_ms;
    int64_t records_before_ms;
};

/* A step does a little: 1 there may be more, 0 nothing was left, -1. */
typedef int step_fn(struct tidy *t, struct err *err);

static int drop_some(struct sqlite *db, int64_t id, struct err *err)
{
    int rc = sqlite_content_is_finished(db, id, err);

    if (rc > 0)
        return sqlite_content_drop(&db->store, id, err);
    return rc < 0 ? -1 : sqlite_content_wear(db, id, err);
}

/* A little of the first thing that nothing refers to and that is old enough. */
static int drop_draft(struct tidy *t, struct err *err)
{
    struct sqlite_query q;
    int64_t id = 0;
    int rc;

    if (sqlite_query(t->db, &q, STMT_TIDY_DRAFTS,
                     "SELECT content FROM drafts WHERE created_ms < ?1 ORDER BY content LIMIT 1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, t->drafts_before_ms);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        id = sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    if (rc <= 0)
        return rc;
    if (sqlite_txn_write(t->db, err) < 0)
        return -1;
    return drop_some(t->db, id, err) < 0 ? -1 : 1;
}

/* Words of entries that are gone. */
static int empty_trash(struct tidy *t, struct err *err)
{
    return sqlite_trash_some(t->db, err);
}

/* Texts of any folder that are not indexed yet. */
static int index_texts(struct tidy *t, struct err *err)
{
    struct sqlite_query q;
    int64_t folder = 0;
    int rc;

    if (sqlite_query(t->db, &q, STMT_FOLDER_ANY_STALE,
                     "SELECT id FROM folders INDEXED BY folders_stale WHERE is_stale = 1 LIMIT 1",
                     err) < 0)
        return -1;
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        folder = sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    if (rc <= 0)
        return rc;
    return sqlite_search_some(t->db, folder, err) < 0 ? -1 : 1;
}

/* Deleting needs the write lock: is there anything to delete at all? */
static int drop_records(struct tidy *t, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(t->db, &q, STMT_TIDY_RECORD_OLDEST,
                     "SELECT seen_ms < ?1 FROM records ORDER BY id LIMIT 1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, t->records_before_ms);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        rc = (int)sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    if (rc <= 0)
        return rc;
    if (sqlite_txn_write(t->db, err) < 0 ||
        sqlite_query(t->db, &q, STMT_TIDY_RECORDS,
                     "DELETE FROM records WHERE id IN (SELECT id FROM records ORDER BY id LIMIT ?2)"
                     " AND seen_ms < ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, t->records_before_ms);
    sqlite_bind_int(&q, 2, RECORDS_A_STEP);
    return sqlite_query_run(&q, err) < 0 ? -1 : 1;
}

/* Paths that no entry uses. */
static int drop_paths(struct tidy *t, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(t->db, &q, STMT_TIDY_PATH_ANY,
                     "SELECT 1 FROM paths p WHERE NOT EXISTS"
                     " (SELECT 1 FROM queue q WHERE q.path = p.id) LIMIT 1", err) < 0)
        return -1;
    rc = sqlite_query_row(&q, err);
    sqlite_query_end(&q);
    if (rc <= 0)
        return rc;
    if (sqlite_txn_write(t->db, err) < 0 ||
        sqlite_query(t->db, &q, STMT_TIDY_PATHS,
                     "DELETE FROM paths WHERE id IN (SELECT p.id FROM paths p WHERE NOT EXISTS"
                     " (SELECT 1 FROM queue q WHERE q.path = p.id) LIMIT ?1)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, PATHS_A_STEP);
    return sqlite_query_run(&q, err) < 0 ? -1 : 1;
}

int sqlite_tidy(struct store *st, int64_t drafts_before_ms, int64_t records_before_ms,
                int64_t budget_ms, struct err *err)
{
    static step_fn *const steps[] = {
        drop_draft, empty_trash, drop_records, drop_paths, index_texts,
    };
    struct tidy t = {
        .db = sqlite_of(st),
        .drafts_before_ms = drafts_before_ms,
        .records_before_ms = records_before_ms,
    };
    const struct clock *clock = clock_system();
    int64_t until_ms = clock_mono_ms(clock) + budget_ms;

    for (size_t i = 0; i < N_ELEMENTS(steps);) {
        int rc = steps[i](&t, err);

        if (rc < 0)
            return -1;
        if (rc == 0)
            i++;
        else if (clock_mono_ms(clock) >= until_ms)
            return 1;
    }
    return 0;
}
