/* SPDX-License-Identifier: MIT */
/*
 * The schema, as numbered steps: step n makes version n of version n - 1, in a transaction of its
 * own, and is never changed once released. The number stands in user_version, and ours in
 * application_id, so that neither a newer schema nor somebody else's database is touched.
 *
 * Why it looks so: a delivery should be few rows and few index entries. Chunks have one integer
 * key made of content and number (sqlite_content.c), so that they are appended and need no second
 * index. Entries are stored in the order in which a folder is walked. References to contents are
 * counted in the same transaction, not declared: a declared one would need an index to delete by.
 * Ids come from one counter and are never given twice.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <stdio.h>

#include "wire/status.h"

#define APPLICATION_ID 0x696d6d70  /* "immp" */
#define STRING(x)      #x
#define NUMBER(x)      STRING(x)

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE state ("
    " id INTEGER PRIMARY KEY CHECK (id = 1), last_id INTEGER NOT NULL,"
    " accounts INTEGER NOT NULL, messages INTEGER NOT NULL, queued INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL);"
    "INSERT INTO state VALUES (1, 0, 0, 0, 0, 0);"

    "CREATE TABLE accounts ("
    " id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, domain TEXT NOT NULL,"
    " salt BLOB NOT NULL, n INTEGER NOT NULL, r INTEGER NOT NULL, p INTEGER NOT NULL,"
    " verifier BLOB NOT NULL, quota_bytes INTEGER NOT NULL, used_bytes INTEGER NOT NULL,"
    " saves_sent INTEGER NOT NULL, created_ms INTEGER NOT NULL);"

    "CREATE TABLE folders ("
    " id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id),"
    " path TEXT NOT NULL, path_key TEXT NOT NULL, unread INTEGER NOT NULL,"
    " total INTEGER NOT NULL, UNIQUE (account, path_key));"

    /* Contents that nothing refers to yet: being uploaded, or finished in this turn. */
    "CREATE TABLE drafts (content INTEGER PRIMARY KEY, created_ms INTEGER NOT NULL);"

    "CREATE TABLE certificates (id INTEGER PRIMARY KEY, pem TEXT NOT NULL UNIQUE);"

    "CREATE TABLE contents ("
    " id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, size INTEGER NOT NULL,"
    " chunks INTEGER NOT NULL, certificate INTEGER, uuid BLOB NOT NULL, sender TEXT NOT NULL,"
    " header TEXT NOT NULL, signature TEXT);"

    /* id: content * 2^20 + number of the chunk */
    "CREATE TABLE chunks (id INTEGER PRIMARY KEY, octets BLOB NOT NULL);"

    "CREATE TABLE entries ("
    " folder INTEGER NOT NULL REFERENCES folders (id), id INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, received_ms INTEGER NOT NULL, content INTEGER NOT NULL,"
    " size INTEGER NOT NULL, uuid BLOB NOT NULL, PRIMARY KEY (folder, id)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX entries_uuid ON entries (folder, uuid);"
    "CREATE INDEX entries_unread ON entries (folder, id) WHERE flags & 1 = 0;"

    "CREATE TABLE paths ("
    " id INTEGER PRIMARY KEY, origin TEXT NOT NULL, destination TEXT NOT NULL,"
    " UNIQUE (destination, origin));"

    /* at_ms: when it is due (QUEUED, HELD), or until when the lease runs (CLAIMED) */
    "CREATE TABLE queue ("
    " id INTEGER PRIMARY KEY, path INTEGER NOT NULL REFERENCES paths (id),"
    " state INTEGER NOT NULL, at_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, content INTEGER NOT NULL, size INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, is_secure INTEGER NOT NULL,"
    " message BLOB NOT NULL, sender TEXT NOT NULL, settled TEXT NOT NULL, last_error TEXT,"
    " header TEXT NOT NULL);"
    "CREATE INDEX queue_path ON queue (path, state, at_ms, size);"
    "CREATE INDEX queue_expiry ON queue (expires_ms);"

    "CREATE TABLE peers ("
    " domain TEXT PRIMARY KEY, component TEXT, sign_pem TEXT, encrypt_pem TEXT,"
    " sign_fingerprint TEXT, encrypt_fingerprint TEXT, trust INTEGER NOT NULL,"
    " offered_sign TEXT, is_blocked INTEGER NOT NULL, max_stanza INTEGER NOT NULL,"
    " first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL);"

    /* In the order of their making, so that the oldest go first without an index of times. */
    "CREATE TABLE records ("
    " id INTEGER PRIMARY KEY, seen_ms INTEGER NOT NULL, uuid BLOB NOT NULL,"
    " scope TEXT NOT NULL, digest TEXT NOT NULL, results TEXT NOT NULL,"
    " UNIQUE (uuid, scope));",

    /*
     * 2: search. Of each folder the entries up to `indexed` are in texts, under their own ids. What
     * is deleted of these waits in trash, with its reference, until its words are taken out.
     */
    "CREATE VIRTUAL TABLE texts USING fts5 (folder, sender, subject, body, content = '',"
    " columnsize = 0, tokenize = 'unicode61 remove_diacritics 2');"
    "ALTER TABLE folders ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE folders ADD COLUMN is_stale INTEGER NOT NULL DEFAULT 0;"
    "UPDATE folders SET is_stale = 1 WHERE total > 0;"
    "CREATE INDEX folders_stale ON folders (id) WHERE is_stale = 1;"
    "CREATE TABLE trash ("
    " entry INTEGER PRIMARY KEY, folder INTEGER NOT NULL, content INTEGER NOT NULL);",

    /* 3: what an index shows of a message (wire/rows.h). NULL: stored before; made from its header. */
    "ALTER TABLE contents ADD COLUMN summary TEXT;"
    /* Entries that are due at once (a link came back) leave in their order without a sort. */
    "DROP INDEX queue_path;"
    "CREATE INDEX queue_path ON queue (path, state, at_ms, id, size);",

    /* 4: uuids grow with time, so what arrives together, in whichever folders, is indexed together. */
    ("DROP INDEX entries_uuid;"
     "CREATE UNIQUE INDEX entries_uuid ON entries (uuid, folder);"),
};

const int sqlite_schema_version = (int)N_ELEMENTS(steps);

const char *sqlite_schema_step(int n)
{
    return n >= 1 && n <= sqlite_schema_version ? steps[n - 1] : NULL;
}

int sqlite_pragma(struct sqlite *db, const char *sql, int64_t *v_r, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db->h, sql, -1, &s, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *v_r = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    return rc == SQLITE_ROW ? 0 : sqlite_err(db, rc, "open", err);
}

int sqlite_schema_check(struct sqlite *db, struct err *err)
{
    int64_t id = 0, tables = 0, version = 0;

    if (sqlite_pragma(db, "PRAGMA application_id", &id, err) < 0 ||
        sqlite_pragma(db, "PRAGMA user_version", &version, err) < 0 ||
        sqlite_pragma(db, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
        return -1;
    if (id != APPLICATION_ID && (id != 0 || tables != 0))
        return err_set(err, ERR_PERMANENT, STATUS_STORAGE,
                       "%s is a database of another program; choose another file", db->path);
    if (version > sqlite_schema_version)
        return err_set(err, ERR_PERMANENT, STATUS_STORAGE,
                       "%s has schema %lld, this program knows up to %d; use a newer immpd",
                       db->path, (long long)version, sqlite_schema_version);
    return 0;
}

static int migrate_to(struct sqlite *db, int64_t n, struct err *err)
{
    char number[64];
    int64_t version = 0;
    int rc = -1;

    if (sqlite_exec(db, "BEGIN IMMEDIATE", "migrate", err) < 0)
        return -1;
    /* Another process may have been faster. */
    if (sqlite_pragma(db, "PRAGMA user_version", &version, err) < 0)
        goto out;
    (void)snprintf(number, sizeof(number), "PRAGMA user_version = %lld", (long long)n);
    if (version < n &&
        (sqlite_exec(db, steps[n - 1], "migrate", err) < 0 ||
         sqlite_exec(db, "PRAGMA application_id = " NUMBER(APPLICATION_ID), "migrate", err) < 0 ||
         sqlite_exec(db, number, "migrate", err) < 0))
        goto out;
    rc = sqlite_exec(db, "COMMIT", "migrate", err);
out:
    if (rc < 0) {
        if (!sqlite3_get_autocommit(db->h))
            (void)sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
        return err_prefix(err, "schema %lld", (long long)n);
    }
    return 0;
}

int sqlite_schema_migrate(struct sqlite *db, struct err *err)
{
    int64_t version = 0;

    if (sqlite_pragma(db, "PRAGMA user_version", &version, err) < 0)
        return -1;
    for (int64_t n = version + 1; n <= sqlite_schema_version; n++)
        if (migrate_to(db, n, err) < 0)
            return -1;
    return 0;
}
