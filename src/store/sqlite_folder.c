/* SPDX-License-Identifier: MIT */
/*
 * Folders in SQLite. A folder is found by path_key: its path folded, with U+0001 for each slash,
 * which no name can hold and which sorts before everything else, so that what lies below a folder
 * is one range right behind it.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prep.h"
#include "wire/status.h"

#define COLUMNS "id, account, path, unread, total"

/* The key of a path. 0, or -1: no folder can have that name. */
static int key_of(const char *path, char **key_r, struct err *err)
{
    bool is_ascii = true;
    char *key;

    for (const char *p = path; *p != '\0'; p++)
        is_ascii = is_ascii && (unsigned char)*p < 0x80;
    if (!is_ascii) {
        if (prep_fold(path, &key, err) < 0)
            return -1;
    } else {
        key = mem_strdup(path);  /* its fold is lower case */
        for (char *p = key; *p != '\0'; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p += 'a' - 'A';
    }
    for (char *p = key; *p != '\0'; p++)
        if (*p == '/')
            *p = '\1';
    *key_r = key;
    return 0;
}

/* The path is borrowed from the row. */
static void read_row(const struct sqlite_query *q, struct folder *f)
{
    *f = (struct folder){
        .id = sqlite_column_int(q, 0),
        .account = sqlite_column_int(q, 1),
        .path = sqlite_column_text(q, 2),
        .unread = sqlite_column_int(q, 3),
        .total = sqlite_column_int(q, 4),
    };
}

static int get(struct sqlite_query *q, struct folder *f_r, struct err *err)
{
    int rc = sqlite_query_row(q, err);

    if (rc > 0) {
        read_row(q, f_r);
        f_r->path = mem_strdup(f_r->path);
    }
    sqlite_query_end(q);
    return rc;
}

static int get_by_key(struct sqlite *db, int64_t account, const char *key, struct folder *f_r,
                      struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_FOLDER_GET,
                     "SELECT " COLUMNS " FROM folders WHERE account = ?1 AND path_key = ?2",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, account);
    sqlite_bind_text(&q, 2, key);
    return get(&q, f_r, err);
}

int sqlite_folder_get(struct store *st, int64_t account, const char *path, struct folder *f_r,
                      struct err *err)
{
    char *key;
    int rc;

    if (key_of(path, &key, NULL) < 0)
        return 0;
    rc = get_by_key(sqlite_of(st), account, key, f_r, err);
    free(key);
    return rc;
}

int sqlite_folder_get_by_id(struct store *st, int64_t id, struct folder *f_r, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(sqlite_of(st), &q, STMT_FOLDER_GET_BY_ID,
                     "SELECT " COLUMNS " FROM folders WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    return get(&q, f_r, err);
}

static int insert(struct sqlite *db, int64_t account, const char *path, const char *key,
                  struct folder *f_r, struct err *err)
{
    int64_t id = sqlite_txn_next_id(db);
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_FOLDER_PUT,
                     "INSERT INTO folders (id, account, path, path_key, unread, total)"
                     " VALUES (?1, ?2, ?3, ?4, 0, 0)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_int(&q, 2, account);
    sqlite_bind_text(&q, 3, path);
    sqlite_bind_text(&q, 4, key);
    if (sqlite_query_run(&q, err) < 0)
        return -1;
    *f_r = (struct folder){ .id = id, .account = account, .path = mem_strdup(path) };
    return 1;
}

/* The folder of that path: 1 made, 0 it was there, -1. f_r is filled in both cases. */
static int put_one(struct sqlite *db, int64_t account, const char *path, struct folder *f_r,
                   struct err *err)
{
    char *key = NULL;
    int rc;

    if (key_of(path, &key, err) < 0)
        return -1;
    rc = get_by_key(db, account, key, f_r, err);
    if (rc == 0)
        rc = insert(db, account, path, key, f_r, err);
    else if (rc > 0)
        rc = 0;
    free(key);
    return rc;
}

int sqlite_folder_put(struct store *st, int64_t account, const char *path, struct folder *f_r,
                      struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct str here = STR_INIT;
    int rc;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    for (;;) {
        size_t n = strcspn(path, "/");

        /* Below the parent's name as it stands there: "inbox/x" makes "INBOX/x". */
        str_addn(&here, path, n);
        folder_clear(f_r);
        rc = put_one(db, account, str_c(&here), f_r, err);
        if (rc < 0 || path[n] == '\0')
            break;
        str_truncate(&here, 0);
        str_addf(&here, "%s/", f_r->path);
        path += n + 1;
    }
    str_clear(&here);
    return rc;
}

int sqlite_folder_each(struct store *st, int64_t account, const char *path, bool recursive,
                       store_folder_fn *fn, void *ctx, struct err *err)
{
    struct sqlite_query q;
    struct folder f;
    char *key = NULL;
    int rc, seen = 0;

    if (key_of(path, &key, NULL) < 0)
        return 0;
    if (sqlite_query(sqlite_of(st), &q, STMT_FOLDER_EACH,
                     "SELECT " COLUMNS " FROM folders WHERE account = ?1 AND"
                     " (?2 = '' OR path_key = ?2 OR"
                     "  (?3 AND path_key > ?2 || char(1) AND path_key < ?2 || char(2)))"
                     " ORDER BY path_key <> 'inbox' AND substr(path_key, 1, 6) <> 'inbox'||char(1),"
                     " path_key", err) < 0) {
        free(key);
        return -1;
    }
    sqlite_bind_int(&q, 1, account);
    sqlite_bind_text(&q, 2, key);
    sqlite_bind_int(&q, 3, recursive);
    while ((rc = sqlite_query_row(&q, err)) > 0) {
        seen = 1;
        read_row(&q, &f);
        if (fn(ctx, &f) != 0)
            break;
    }
    sqlite_query_end(&q);
    free(key);
    return rc < 0 ? -1 : seen;
}

int sqlite_folder_facts(struct sqlite *db, int64_t folder, struct sqlite_folder_facts *f_r,
                        struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_FOLDER_FACTS,
                     "SELECT account, indexed, is_stale FROM folders WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *f_r = (struct sqlite_folder_facts){
            .account = sqlite_column_int(&q, 0),
            .indexed = sqlite_column_int(&q, 1),
            .is_stale = sqlite_column_int(&q, 2) != 0,
        };
    sqlite_query_end(&q);
    return rc;
}

int sqlite_folder_count(struct sqlite *db, int64_t folder, int unread, int total,
                        struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_FOLDER_COUNT,
                     "UPDATE folders SET unread = unread + ?2, total = total + ?3 WHERE id = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    sqlite_bind_int(&q, 2, unread);
    sqlite_bind_int(&q, 3, total);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}
