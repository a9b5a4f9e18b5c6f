/* SPDX-License-Identifier: MIT */
/*
 * Accounts in SQLite. used_bytes is the sum of the sizes of an account's entries, kept by those
 * who put and delete them (sqlite_entry.c) in the same transaction.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <string.h>

#include "base/mem.h"

static const char *const first_folders[] = { "INBOX", "DRAFTS", "SENT", "JUNK", "TRASH" };

#define COLUMNS "id, address, salt, n, r, p, verifier, quota_bytes, used_bytes, saves_sent, created_ms"

static void copy_blob(const struct sqlite_query *q, int i, uint8_t *out, size_t max, size_t *n_r)
{
    size_t n = (size_t)sqlite3_column_bytes(q->s, i);

    n = MIN(n, max);
    if (n > 0)
        memcpy(out, sqlite3_column_blob(q->s, i), n);
    *n_r = n;
}

/* The address is borrowed from the row. */
static void read_row(const struct sqlite_query *q, struct account *a)
{
    size_t n;

    *a = (struct account){
        .id = sqlite_column_int(q, 0),
        .address = sqlite_column_text(q, 1),
        .n = (uint32_t)sqlite_column_int(q, 3),
        .r = (uint32_t)sqlite_column_int(q, 4),
        .p = (uint32_t)sqlite_column_int(q, 5),
        .quota_bytes = sqlite_column_int(q, 7),
        .used_bytes = sqlite_column_int(q, 8),
        .saves_sent = sqlite_column_int(q, 9) != 0,
        .created_ms = sqlite_column_int(q, 10),
    };
    copy_blob(q, 2, a->salt, sizeof(a->salt), &n);
    copy_blob(q, 6, a->verifier, sizeof(a->verifier), &a->verifier_len);
}

static int get(struct sqlite_query *q, struct account *a_r, struct err *err)
{
    int rc = sqlite_query_row(q, err);

    if (rc > 0) {
        read_row(q, a_r);
        a_r->address = mem_strdup(a_r->address);
    }
    sqlite_query_end(q);
    return rc;
}

int sqlite_account_get(struct store *st, const char *address, struct account *a_r,
                       struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(sqlite_of(st), &q, STMT_ACCOUNT_GET,
                     "SELECT " COLUMNS " FROM accounts WHERE address = ?1", err) < 0)
        return -1;
    sqlite_bind_text(&q, 1, address);
    return get(&q, a_r, err);
}

int sqlite_account_get_by_id(struct store *st, int64_t id, struct account *a_r, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(sqlite_of(st), &q, STMT_ACCOUNT_GET_BY_ID,
                     "SELECT " COLUMNS " FROM accounts WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    return get(&q, a_r, err);
}

/* 1 inserted, 0 the address is taken. */
static int insert(struct sqlite *db, const struct account *a, int64_t id, struct err *err)
{
    const char *domain = strrchr(a->address, '@');
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_ACCOUNT_PUT,
                     "INSERT INTO accounts (" COLUMNS ", domain) VALUES"
                     " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11)"
                     " ON CONFLICT (address) DO NOTHING", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_text(&q, 2, a->address);
    sqlite_bind_blob(&q, 3, a->salt, sizeof(a->salt));
    sqlite_bind_int(&q, 4, a->n);
    sqlite_bind_int(&q, 5, a->r);
    sqlite_bind_int(&q, 6, a->p);
    sqlite_bind_blob(&q, 7, a->verifier, a->verifier_len);
    sqlite_bind_int(&q, 8, a->quota_bytes);
    sqlite_bind_int(&q, 9, a->saves_sent);
    sqlite_bind_int(&q, 10, a->created_ms);
    sqlite_bind_text(&q, 11, domain == NULL ? "" : domain + 1);
    return sqlite_query_run(&q, err);
}

int sqlite_account_put(struct store *st, struct account *a, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct folder f = { 0 };
    int64_t id;
    int rc;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    id = sqlite_txn_next_id(db);
    rc = insert(db, a, id, err);
    if (rc <= 0)
        return rc;
    for (size_t i = 0; i < N_ELEMENTS(first_folders); i++) {
        rc = sqlite_folder_put(st, id, first_folders[i], &f, err);
        folder_clear(&f);
        if (rc < 0)
            return -1;
    }
    db->state.accounts++;
    a->id = id;
    a->used_bytes = 0;
    return 1;
}

int sqlite_account_update(struct store *st, const struct account *a, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_ACCOUNT_UPDATE,
                     "UPDATE accounts SET salt = ?2, n = ?3, r = ?4, p = ?5, verifier = ?6,"
                     " quota_bytes = ?7, saves_sent = ?8 WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, a->id);
    sqlite_bind_blob(&q, 2, a->salt, sizeof(a->salt));
    sqlite_bind_int(&q, 3, a->n);
    sqlite_bind_int(&q, 4, a->r);
    sqlite_bind_int(&q, 5, a->p);
    sqlite_bind_blob(&q, 6, a->verifier, a->verifier_len);
    sqlite_bind_int(&q, 7, a->quota_bytes);
    sqlite_bind_int(&q, 8, a->saves_sent);
    return sqlite_query_run(&q, err);
}

int sqlite_account_use(struct sqlite *db, int64_t account, int64_t bytes, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_ACCOUNT_USED,
                     "UPDATE accounts SET used_bytes = used_bytes + ?2 WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, account);
    sqlite_bind_int(&q, 2, bytes);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

static int del_entries(struct sqlite *db, int64_t account, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_ACCOUNT_FOLDERS, "SELECT id FROM folders WHERE account = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, account);
    while ((rc = sqlite_query_row(&q, err)) > 0)
        if (sqlite_entry_del_all(db, sqlite_column_int(&q, 0), err) < 0) {
            rc = -1;
            break;
        }
    sqlite_query_end(&q);
    return rc;
}

static int del_rows(struct sqlite *db, int64_t account, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_ACCOUNT_DEL_FOLDERS, "DELETE FROM folders WHERE account = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, account);
    if (sqlite_query_run(&q, err) < 0 ||
        sqlite_query(db, &q, STMT_ACCOUNT_DEL, "DELETE FROM accounts WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, account);
    return sqlite_query_run(&q, err);
}

int sqlite_account_del(struct store *st, const char *address, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct account a = { 0 };
    int rc;

    /* The write lock first: nothing is put into its folders between reading and deleting. */
    if (sqlite_txn_write(db, err) < 0)
        return -1;
    rc = sqlite_account_get(st, address, &a, err);
    if (rc > 0) {
        rc = del_entries(db, a.id, err) < 0 ? -1 : del_rows(db, a.id, err);
        if (rc > 0)
            db->state.accounts--;
    }
    account_clear(&a);
    return rc;
}

int sqlite_account_each(struct store *st, const char *domain, store_account_fn *fn, void *ctx,
                        struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;
    struct account a;
    int rc, seen = 0;

    if (domain == NULL)
        rc = sqlite_query(db, &q, STMT_ACCOUNT_EACH,
                          "SELECT " COLUMNS " FROM accounts ORDER BY address", err);
    else
        rc = sqlite_query(db, &q, STMT_ACCOUNT_EACH_DOMAIN,
                          "SELECT " COLUMNS " FROM accounts WHERE domain = ?1 ORDER BY address",
                          err);
    if (rc < 0)
        return -1;
    if (domain != NULL)
        sqlite_bind_text(&q, 1, domain);
    while ((rc = sqlite_query_row(&q, err)) > 0) {
        seen = 1;
        read_row(&q, &a);
        if (fn(ctx, &a) != 0)
            break;
    }
    sqlite_query_end(&q);
    return rc < 0 ? -1 : seen;
}
