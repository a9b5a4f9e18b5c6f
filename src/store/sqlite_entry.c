/* SPDX-License-Identifier: MIT */
/*
 * Entries in SQLite. Whoever changes one here also changes, in the same transaction, the folder's
 * unread and total, the account's used bytes, the content's references and the store's total, so
 * that nobody ever counts.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/prep.h"
#include "wire/rows.h"
#include "wire/status.h"

#define COLUMNS "e.id, e.folder, e.content, e.uuid, e.flags, e.received_ms, e.size"

static bool is_unread(unsigned flags)
{
    return (flags & ENTRY_READ) == 0;
}

static void read_row(const struct sqlite_query *q, struct entry *e)
{
    e->id = sqlite_column_int(q, 0);
    e->folder = sqlite_column_int(q, 1);
    e->content = sqlite_column_int(q, 2);
    sqlite_column_uuid(q, 3, e->uuid);
    e->flags = (unsigned)sqlite_column_int(q, 4);
    e->received_ms = sqlite_column_int(q, 5);
    e->size = sqlite_column_int(q, 6);
}

/* 1 inserted, 0 that uuid is there. */
static int insert(struct sqlite *db, const struct entry *e, int64_t id, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_ENTRY_PUT,
                     "INSERT INTO entries (folder, id, flags, received_ms, content, size, uuid)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (folder, uuid) DO NOTHING",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, e->folder);
    sqlite_bind_int(&q, 2, id);
    sqlite_bind_int(&q, 3, e->flags);
    sqlite_bind_int(&q, 4, e->received_ms);
    sqlite_bind_int(&q, 5, e->content);
    sqlite_bind_int(&q, 6, e->size);
    if (sqlite_bind_uuid(&q, 7, e->uuid) < 0) {
        sqlite_query_end(&q);
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "\"%s\" is no message id", e->uuid);
    }
    return sqlite_query_run(&q, err);
}

/* There is an entry that is not in the index of texts. */
static int make_stale(struct sqlite *db, int64_t folder, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_FOLDER_STALE, "UPDATE folders SET is_stale = 1 WHERE id = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

int sqlite_entry_put(struct store *st, struct entry *e, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_folder_facts f = { 0 };
    int64_t id;
    int rc;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    rc = sqlite_folder_facts(db, e->folder, &f, err);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "the folder is gone");
    if (rc < 0)
        return -1;
    id = sqlite_txn_next_id(db);
    rc = insert(db, e, id, err);
    if (rc <= 0)
        return rc;
    if (sqlite_content_ref(db, e->content, err) < 0 ||
        sqlite_folder_count(db, e->folder, is_unread(e->flags), 1, err) < 0 ||
        sqlite_account_use(db, f.account, e->size, err) < 0 ||
        (!f.is_stale && make_stale(db, e->folder, err) < 0))
        return -1;
    db->state.messages++;
    e->id = id;
    return 1;
}

int sqlite_entry_get(struct store *st, int64_t folder, const char *uuid, struct entry *e_r,
                     struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(sqlite_of(st), &q, STMT_ENTRY_GET,
                     "SELECT " COLUMNS " FROM entries e WHERE e.folder = ?1 AND e.uuid = ?2",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    rc = sqlite_bind_uuid(&q, 2, uuid) < 0 ? 0 : sqlite_query_row(&q, err);
    if (rc > 0)
        read_row(&q, e_r);
    sqlite_query_end(&q);
    return rc;
}

int sqlite_entry_flag(struct store *st, int64_t folder, const char *uuid, unsigned set,
                      unsigned clear, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;
    struct entry e = { 0 };
    unsigned flags;
    int rc;

    rc = sqlite_entry_get(st, folder, uuid, &e, err);
    if (rc <= 0)
        return rc;
    flags = (e.flags | set) & ~clear;
    if (flags == e.flags)
        return 0;
    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_ENTRY_FLAG,
                     "UPDATE entries SET flags = ?3 WHERE folder = ?1 AND id = ?2", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    sqlite_bind_int(&q, 2, e.id);
    sqlite_bind_int(&q, 3, flags);
    rc = sqlite_query_run(&q, err);
    if (rc > 0 && is_unread(flags) != is_unread(e.flags) &&
        sqlite_folder_count(db, folder, is_unread(flags) ? 1 : -1, 0, err) < 0)
        return -1;
    return rc;
}

static int del(struct sqlite *db, const struct entry *e, const struct sqlite_folder_facts *f,
               struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_ENTRY_DEL, "DELETE FROM entries WHERE folder = ?1 AND id = ?2",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, e->folder);
    sqlite_bind_int(&q, 2, e->id);
    rc = sqlite_query_run(&q, err);
    if (rc <= 0)
        return rc;
    if (e->id <= f->indexed)
        rc = sqlite_trash_put(db, e->id, e->folder, e->content, err);
    else
        rc = sqlite_content_unref(db, e->content, err);
    if (rc < 0 || sqlite_folder_count(db, e->folder, is_unread(e->flags) ? -1 : 0, -1, err) < 0 ||
        sqlite_account_use(db, f->account, -e->size, err) < 0)
        return -1;
    db->state.messages--;
    return 1;
}

int sqlite_entry_del(struct store *st, int64_t folder, const char *uuid, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_folder_facts f = { 0 };
    struct entry e = { 0 };
    int rc;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    rc = sqlite_folder_facts(db, folder, &f, err);
    if (rc > 0)
        rc = sqlite_entry_get(st, folder, uuid, &e, err);
    return rc > 0 ? del(db, &e, &f, err) : rc;
}

/* Any entry of a folder: 1, 0 it is empty, -1. */
static int get_any(struct sqlite *db, int64_t folder, struct entry *e_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_ENTRY_ANY,
                     "SELECT " COLUMNS " FROM entries e WHERE e.folder = ?1 ORDER BY e.id LIMIT 1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        read_row(&q, e_r);
    sqlite_query_end(&q);
    return rc;
}

int sqlite_entry_del_all(struct sqlite *db, int64_t folder, struct err *err)
{
    struct sqlite_folder_facts f = { 0 };
    struct entry e = { 0 };
    int rc = sqlite_folder_facts(db, folder, &f, err);

    while (rc > 0) {
        rc = get_any(db, folder, &e, err);
        if (rc > 0)
            rc = del(db, &e, &f, err);
    }
    return rc;
}

/* ---- walking ---- */

#define PLAIN(compare, order) \
    "SELECT " COLUMNS ", coalesce(c.summary, c.header) FROM entries e" \
    " CROSS JOIN contents c ON c.id = e.content WHERE e.folder = ?1 AND e.id " compare " ?2" \
    FILTER " ORDER BY e.id " order " LIMIT ?8"
#define UNREAD(compare, order) \
    "SELECT " COLUMNS ", coalesce(c.summary, c.header) FROM entries e INDEXED BY entries_unread" \
    " CROSS JOIN contents c ON c.id = e.content WHERE e.folder = ?1 AND e.id " compare " ?2" \
    " AND e.flags & 1 = 0" FILTER " ORDER BY e.id " order " LIMIT ?8"
/* An entry's text stands under its id, so what is found comes in the order of the walk. */
#define SEARCH(compare, order) \
    "SELECT " COLUMNS ", coalesce(c.summary, c.header) FROM texts" \
    " CROSS JOIN entries e ON e.folder = ?1 AND e.id = texts.rowid" \
    " CROSS JOIN contents c ON c.id = e.content WHERE texts MATCH ?9" \
    " AND texts.rowid " compare " ?2" FILTER " ORDER BY texts.rowid " order " LIMIT ?8"
#define FILTER \
    " AND (e.flags & ?3) = ?4 AND e.received_ms >= ?5 AND e.received_ms < ?6" \
    " AND (?7 IS NULL OR instr(c.sender, ?7) > 0)"

static const struct walk {
    enum sqlite_stmt number;
    const char *sql;
} walks[3][2] = {  /* [all, only unread, by text][newest first] */
    {
        { STMT_ENTRY_EACH,        PLAIN(">", "ASC")   },
        { STMT_ENTRY_EACH_DOWN,   PLAIN("<", "DESC")  },
    },
    {
        { STMT_ENTRY_UNREAD,      UNREAD(">", "ASC")  },
        { STMT_ENTRY_UNREAD_DOWN, UNREAD("<", "DESC") },
    },
    {
        { STMT_ENTRY_SEARCH,      SEARCH(">", "ASC")  },
        { STMT_ENTRY_SEARCH_DOWN, SEARCH("<", "DESC") },
    },
};

/* The flags that must be as given. 0, or -1: they contradict each other. */
static int flags_of(const struct selector *s, int64_t *mask_r, int64_t *want_r)
{
    static const struct {
        unsigned select, mask, want;
    } rows[] = {
        { SELECT_UNREAD,    ENTRY_READ,      0               },
        { SELECT_READ,      ENTRY_READ,      ENTRY_READ      },
        { SELECT_IMPORTANT, ENTRY_IMPORTANT, ENTRY_IMPORTANT },
        { SELECT_FLAGGED,   ENTRY_FLAGGED,   ENTRY_FLAGGED   },
    };

    *mask_r = 0;
    *want_r = 0;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if ((s->flags & rows[i].select) != 0) {
            *mask_r |= rows[i].mask;
            *want_r |= rows[i].want;
        }
    return (s->flags & SELECT_UNREAD) != 0 && (s->flags & SELECT_READ) != 0 ? -1 : 0;
}

/* 0 goes on, 1 the caller has enough. A header is of a message that was stored before schema 3. */
static int show(const struct entry *e, const char *text, store_entry_fn *fn, void *ctx)
{
    struct str summary = STR_INIT;
    struct message m;
    int rc;

    if (row_is_summary(text))
        return fn(ctx, e, text);
    if (message_parse(text, strlen(text), &m, NULL) < 0) {
        log_error("store.unreadable folder=%lld msg=%s", (long long)e->folder, e->uuid);
        return 0;
    }
    row_summarize(&summary, &m);
    message_clear(&m);
    rc = fn(ctx, e, str_c(&summary));
    str_clear(&summary);
    return rc;
}

static int walk(struct sqlite_query *q, store_entry_fn *fn, void *ctx, struct err *err)
{
    struct entry e;
    int rc, seen = 0;

    while ((rc = sqlite_query_row(q, err)) > 0) {
        seen = 1;
        read_row(q, &e);
        if (show(&e, sqlite_column_text(q, 7), fn, ctx) != 0)
            break;
    }
    return rc < 0 ? -1 : seen;
}

static void bind_walk(struct sqlite_query *q, const struct entry_query *eq,
                      const struct selector *s, int64_t mask, int64_t want)
{
    sqlite_bind_int(q, 1, eq->folder);
    sqlite_bind_int(q, 2, eq->after == 0 && eq->newest_first ? INT64_MAX : eq->after);
    sqlite_bind_int(q, 3, mask);
    sqlite_bind_int(q, 4, want);
    sqlite_bind_int(q, 5, s->since_ms);
    sqlite_bind_int(q, 6, s->before_ms);
    sqlite_bind_int(q, 8, eq->limit > 0 ? eq->limit : -1);
}

int sqlite_entry_each(struct store *st, const struct entry_query *eq, store_entry_fn *fn,
                      void *ctx, struct err *err)
{
    static const struct selector all = { .since_ms = INT64_MIN, .before_ms = INT64_MAX };
    const struct selector *s = eq->select != NULL ? eq->select : &all;
    size_t kind = s->text != NULL ? 2 : (s->flags & SELECT_UNREAD) != 0;
    const struct walk *w = &walks[kind][eq->newest_first];
    struct str words = STR_INIT;
    struct sqlite_query q;
    int64_t mask, want;
    char *from = NULL;
    int rc;

    if (flags_of(s, &mask, &want) < 0)
        return 0;
    /* Senders are stored prepared, that is, folded. What cannot be folded is in none. */
    if (s->from != NULL && prep_fold(s->from, &from, NULL) < 0)
        return 0;
    rc = s->text != NULL ? sqlite_search_index(st, eq->folder, INT64_MAX, err) : 0;
    if (rc == 0)
        rc = sqlite_query(sqlite_of(st), &q, w->number, w->sql, err);
    if (rc == 0) {
        bind_walk(&q, eq, s, mask, want);
        sqlite_bind_text(&q, 7, from);
        if (s->text != NULL) {
            sqlite_search_words(&words, eq->folder, s->text);
            sqlite_bind_text(&q, 9, str_c(&words));
        }
        rc = walk(&q, fn, ctx, err);
        sqlite_query_end(&q);
    }
    str_clear(&words);
    free(from);
    return rc;
}
