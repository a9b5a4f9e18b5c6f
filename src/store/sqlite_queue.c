/* SPDX-License-Identifier: MIT */
/*
 * The outbound queue in SQLite. The domains of a path are kept once (paths), so that the one index
 * that is changed at every step of an entry's life (path, state, time) is small.
 *
 * at_ms is the time that the state waits for: due when QUEUED, the end of the lease when CLAIMED.
 * So "due" is one range of the index for each of the two states, and a lease that has run out
 * needs nobody to notice it.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <stdlib.h>

#include "base/mem.h"
#include "wire/status.h"

#define CLAIM_MAX 10000  /* entries in one claim */

#define COLUMNS \
    "q.id, q.message, p.origin, p.destination, q.sender, q.content, q.header, q.settled, q.state," \
    " q.attempts, q.due_ms, q.at_ms, q.created_ms, q.expires_ms, q.size, q.is_secure," \
    " q.last_error"
#define FROM " FROM queue q CROSS JOIN paths p ON p.id = q.path "

/* Texts are borrowed from the row. */
static void read_row(const struct sqlite_query *q, struct queue_entry *e)
{
    *e = (struct queue_entry){
        .id = sqlite_column_int(q, 0),
        .origin = sqlite_column_text(q, 2),
        .destination = sqlite_column_text(q, 3),
        .sender = sqlite_column_text(q, 4),
        .content = sqlite_column_int(q, 5),
        .header = sqlite_column_text(q, 6),
        .settled = sqlite_column_text(q, 7),
        .state = (enum queue_state)sqlite_column_int(q, 8),
        .attempts = (int)sqlite_column_int(q, 9),
        .due_ms = sqlite_column_int(q, 10),
        .created_ms = sqlite_column_int(q, 12),
        .expires_ms = sqlite_column_int(q, 13),
        .size = sqlite_column_int(q, 14),
        .is_secure = sqlite_column_int(q, 15) != 0,
        .last_error = sqlite_column_text(q, 16),
    };
    sqlite_column_uuid(q, 1, e->message);
    if (e->state == QUEUE_CLAIMED)
        e->lease_ms = sqlite_column_int(q, 11);
}

static int insert(struct sqlite *db, const struct queue_entry *e, int64_t id, int64_t path,
                  struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_QUEUE_PUT,
                     "INSERT INTO queue (id, path, state, at_ms, due_ms, attempts, content, size,"
                     " created_ms, expires_ms, is_secure, message, sender, settled, last_error,"
                     " header) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                     " ?14, ?15)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_int(&q, 2, path);
    sqlite_bind_int(&q, 3, QUEUE_QUEUED);
    sqlite_bind_int(&q, 4, e->due_ms);
    sqlite_bind_int(&q, 5, e->attempts);
    sqlite_bind_int(&q, 6, e->content);
    sqlite_bind_int(&q, 7, e->size);
    sqlite_bind_int(&q, 8, e->created_ms);
    sqlite_bind_int(&q, 9, e->expires_ms);
    sqlite_bind_int(&q, 10, e->is_secure);
    if (sqlite_bind_uuid(&q, 11, e->message) < 0) {
        sqlite_query_end(&q);
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "\"%s\" is no message id", e->message);
    }
    sqlite_bind_text(&q, 12, e->sender);
    sqlite_bind_text(&q, 13, e->settled == NULL ? "" : e->settled);
    sqlite_bind_text(&q, 14, e->last_error);
    sqlite_bind_text(&q, 15, e->header);
    return sqlite_query_run(&q, err);
}

int sqlite_queue_put(struct store *st, struct queue_entry *e, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    int64_t path = 0, id;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_path_id(db, e->origin, e->destination, true, &path, err) < 0)
        return -1;
    id = sqlite_txn_next_id(db);
    if (insert(db, e, id, path, err) < 0 || sqlite_content_ref(db, e->content, err) < 0)
        return -1;
    db->state.queued++;
    e->id = id;
    e->state = QUEUE_QUEUED;
    return 1;
}

int sqlite_queue_get(struct store *st, int64_t id, struct queue_entry *q_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(sqlite_of(st), &q, STMT_QUEUE_GET, "SELECT " COLUMNS FROM "WHERE q.id = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    rc = sqlite_query_row(&q, err);
    if (rc > 0) {
        read_row(&q, q_r);
        q_r->origin = mem_strdup(q_r->origin);
        q_r->destination = mem_strdup(q_r->destination);
        q_r->sender = mem_strdup(q_r->sender);
        q_r->header = mem_strdup(q_r->header);
        q_r->settled = mem_strdup(q_r->settled);
        q_r->last_error = mem_strdup(q_r->last_error);
    }
    sqlite_query_end(&q);
    return rc;
}

/* ---- claiming ---- */

struct claim {
    const struct queue_claim_request *req;
    int64_t path;
    int64_t lease_until_ms;
    int64_t bytes;
    int64_t *ids;
    int max;
    int n;
    bool is_full;
};

/* Hand out what is due in one state, without changing it yet: the walk goes over that index. */
static int take_due(struct sqlite *db, struct claim *c, enum queue_state state,
                    store_queue_fn *fn, void *ctx, struct err *err)
{
    struct sqlite_query q;
    struct queue_entry e;
    int64_t bytes;
    int rc = 0;

    if (sqlite_query(db, &q, STMT_QUEUE_DUE,
                     "SELECT " COLUMNS FROM "WHERE q.path = ?1 AND q.state = ?2 AND q.at_ms <= ?3"
                     " ORDER BY q.at_ms, q.id LIMIT ?4", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, c->path);
    sqlite_bind_int(&q, 2, state);
    sqlite_bind_int(&q, 3, c->req->now_ms);
    sqlite_bind_int(&q, 4, c->max - c->n);
    while (!c->is_full && c->n < c->max && (rc = sqlite_query_row(&q, err)) > 0) {
        read_row(&q, &e);
        bytes = e.size + sqlite3_column_bytes(q.s, 6);
        if (c->n > 0 && c->bytes + bytes > c->req->max_bytes) {
            c->is_full = true;
            break;
        }
        e.state = QUEUE_CLAIMED;
        e.lease_ms = c->lease_until_ms;
        e.attempts++;
        c->bytes += bytes;
        c->ids[c->n++] = e.id;
        c->is_full = fn(ctx, &e) != 0;
    }
    sqlite_query_end(&q);
    return rc < 0 ? -1 : 0;
}

static int mark_claimed(struct sqlite *db, const struct claim *c, struct err *err)
{
    struct sqlite_query q;

    for (int i = 0; i < c->n; i++) {
        if (sqlite_query(db, &q, STMT_QUEUE_CLAIM,
                         "UPDATE queue SET state = ?2, at_ms = ?3, attempts = attempts + 1"
                         " WHERE id = ?1", err) < 0)
            return -1;
        sqlite_bind_int(&q, 1, c->ids[i]);
        sqlite_bind_int(&q, 2, QUEUE_CLAIMED);
        sqlite_bind_int(&q, 3, c->lease_until_ms);
        if (sqlite_query_run(&q, err) < 0)
            return -1;
    }
    return 0;
}

int sqlite_queue_claim(struct store *st, const struct queue_claim_request *req,
                       store_queue_fn *fn, void *ctx, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct claim c = {
        .req = req,
        .lease_until_ms = req->now_ms + req->lease_ms,
        .max = MIN(req->max_entries, CLAIM_MAX),
    };
    int rc = sqlite_path_id(db, req->origin, req->destination, false, &c.path, err);

    if (rc <= 0 || c.max <= 0)
        return rc < 0 ? -1 : 0;
    /* The write lock before looking, so that no other process claims the same. */
    if (sqlite_txn_write(db, err) < 0)
        return -1;
    c.ids = mem_alloc((size_t)c.max * sizeof(*c.ids));
    rc = take_due(db, &c, QUEUE_CLAIMED, fn, ctx, err);
    if (rc == 0)
        rc = take_due(db, &c, QUEUE_QUEUED, fn, ctx, err);
    if (rc == 0)
        rc = mark_claimed(db, &c, err);
    free(c.ids);
    return rc < 0 ? -1 : c.n;
}

/* ---- the rest of an entry's life ---- */

int sqlite_queue_defer(struct store *st, int64_t id, int64_t due_ms, const char *error,
                       struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    /* An entry that the operator holds stays held, due then when it is let go. */
    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_QUEUE_DEFER,
                     "UPDATE queue SET state = CASE state WHEN ?4 THEN ?4 ELSE ?5 END,"
                     " at_ms = ?2, due_ms = ?2, last_error = coalesce(?3, last_error)"
                     " WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_int(&q, 2, due_ms);
    sqlite_bind_text(&q, 3, error);
    sqlite_bind_int(&q, 4, QUEUE_HELD);
    sqlite_bind_int(&q, 5, QUEUE_QUEUED);
    return sqlite_query_run(&q, err);
}

int sqlite_queue_settle(struct store *st, int64_t id, const char *settled, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_QUEUE_SETTLE,
                     "UPDATE queue SET settled = settled || ?2 WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_text(&q, 2, settled);
    return sqlite_query_run(&q, err);
}

int sqlite_queue_hold(struct store *st, int64_t id, bool hold, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;
    int rc;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    if (hold)
        rc = sqlite_query(db, &q, STMT_QUEUE_HOLD,
                          "UPDATE queue SET state = ?2, at_ms = due_ms WHERE id = ?1", err);
    else
        rc = sqlite_query(db, &q, STMT_QUEUE_UNHOLD,
                          "UPDATE queue SET state = ?2, at_ms = due_ms WHERE id = ?1 AND"
                          " state = ?3", err);
    if (rc < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_int(&q, 2, hold ? QUEUE_HELD : QUEUE_QUEUED);
    if (!hold)
        sqlite_bind_int(&q, 3, QUEUE_HELD);
    return sqlite_query_run(&q, err);
}

int sqlite_queue_del(struct store *st, int64_t id, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;
    int64_t content = 0;
    int rc;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_QUEUE_DEL_GET, "SELECT content FROM queue WHERE id = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        content = sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    if (rc <= 0)
        return rc;
    if (sqlite_query(db, &q, STMT_QUEUE_DEL, "DELETE FROM queue WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    if (sqlite_query_run(&q, err) < 0 || sqlite_content_unref(db, content, err) < 0)
        return -1;
    db->state.queued--;
    return 1;
}

int sqlite_queue_hurry(struct store *st, const char *destination, int64_t now_ms,
                       struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;
    int rc;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    if (destination == NULL)
        rc = sqlite_query(db, &q, STMT_QUEUE_HURRY,
                          "UPDATE queue SET at_ms = ?1, due_ms = ?1 WHERE state = ?2 AND at_ms > ?1"
                          " AND path IN (SELECT id FROM paths)", err);
    else
        rc = sqlite_query(db, &q, STMT_QUEUE_HURRY_TO,
                          "UPDATE queue SET at_ms = ?1, due_ms = ?1 WHERE state = ?2 AND at_ms > ?1"
                          " AND path IN (SELECT id FROM paths WHERE destination = ?3)", err);
    if (rc < 0)
        return -1;
    sqlite_bind_int(&q, 1, now_ms);
    sqlite_bind_int(&q, 2, QUEUE_QUEUED);
    if (destination != NULL)
        sqlite_bind_text(&q, 3, destination);
    return sqlite_query_run(&q, err);
}

int sqlite_queue_next(struct store *st, const char *origin, const char *destination,
                      int64_t *at_ms_r, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;
    int64_t path = 0;
    int rc = sqlite_path_id(db, origin, destination, false, &path, err);

    if (rc <= 0)
        return rc;
    /* Two ends of one index; an aggregate over both at once would walk all of it. */
    if (sqlite_query(db, &q, STMT_QUEUE_NEXT,
                     "SELECT at_ms FROM (SELECT min(at_ms) AS at_ms FROM queue"
                     " WHERE path = ?1 AND state = ?2 UNION ALL SELECT min(at_ms) FROM queue"
                     " WHERE path = ?1 AND state = ?3) WHERE at_ms NOT NULL ORDER BY at_ms LIMIT 1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, path);
    sqlite_bind_int(&q, 2, QUEUE_QUEUED);
    sqlite_bind_int(&q, 3, QUEUE_CLAIMED);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *at_ms_r = sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    return rc;
}

int sqlite_queue_release(struct store *st, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_QUEUE_RELEASE,
                     "UPDATE queue SET state = ?1, at_ms = due_ms WHERE state = ?2 AND"
                     " path IN (SELECT id FROM paths)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, QUEUE_QUEUED);
    sqlite_bind_int(&q, 2, QUEUE_CLAIMED);
    return sqlite_query_run(&q, err);
}

/* ---- walking ---- */

static int walk(struct sqlite_query *q, store_queue_fn *fn, void *ctx, struct err *err)
{
    struct queue_entry e;
    int rc, seen = 0;

    while ((rc = sqlite_query_row(q, err)) > 0) {
        seen = 1;
        read_row(q, &e);
        if (fn(ctx, &e) != 0)
            break;
    }
    sqlite_query_end(q);
    return rc < 0 ? -1 : seen;
}

int sqlite_queue_each(struct store *st, const char *destination, store_queue_fn *fn, void *ctx,
                      struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;
    int rc;

    if (destination == NULL)
        rc = sqlite_query(db, &q, STMT_QUEUE_EACH, "SELECT " COLUMNS FROM "ORDER BY q.id", err);
    else
        rc = sqlite_query(db, &q, STMT_QUEUE_EACH_TO,
                          "SELECT " COLUMNS FROM "WHERE q.path IN"
                          " (SELECT id FROM paths WHERE destination = ?1) ORDER BY q.id", err);
    if (rc < 0)
        return -1;
    if (destination != NULL)
        sqlite_bind_text(&q, 1, destination);
    return walk(&q, fn, ctx, err);
}

int sqlite_queue_each_expired(struct store *st, int64_t now_ms, int limit, store_queue_fn *fn,
                              void *ctx, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(sqlite_of(st), &q, STMT_QUEUE_EXPIRED,
                     "SELECT " COLUMNS " FROM queue q INDEXED BY queue_expiry"
                     " CROSS JOIN paths p ON p.id = q.path"
                     " WHERE q.expires_ms <= ?1 AND NOT (q.state = ?2 AND q.at_ms > ?1)"
                     " ORDER BY q.expires_ms, q.id LIMIT ?3", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, now_ms);
    sqlite_bind_int(&q, 2, QUEUE_CLAIMED);
    sqlite_bind_int(&q, 3, limit);
    return walk(&q, fn, ctx, err);
}
