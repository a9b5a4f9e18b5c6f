/* SPDX-License-Identifier: MIT */
/*
 * The SQLite backend: opening, its settings, closing, and the table of its functions.
 *
 * The settings are what durability and one fsync a turn ask for: a write-ahead log, synced at
 * each commit (synchronous=FULL: NORMAL may lose the last commits in a power cut), copied into
 * the database by a thread of its own (sqlite_wal.c), and a bounded page cache.
 */
#include "config.h"

#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/status.h"

#include "store/sqlite_private.h"

#define BUSY_MS 2000

static const char settings[] =
    "PRAGMA page_size = 2048;"  /* a delivery changes a row in each of several pages: small ones are less to log */
    "PRAGMA synchronous = FULL;"  /* sqlite_vfs.c relies on it */
    "PRAGMA journal_mode = WAL;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA secure_delete = FAST;"
    "PRAGMA wal_autocheckpoint = 0;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cache_size = -4096;"  /* 4 MiB */
    "PRAGMA journal_size_limit = 134217728;";

static void close_db(struct store *st)
{
    struct sqlite *db = sqlite_of(st);

    if (db->h != NULL) {
        sqlite_txn_rollback(st);
        sqlite_wal_stop(db);
        for (size_t i = 0; i < STMT_COUNT; i++)
            (void)sqlite3_finalize(db->stmts[i]);
        (void)sqlite3_close(db->h);
    }
    if (db->disk != NULL)
        sqlite_disk_watch(db->disk, NULL, NULL);
    sqlite_disk_unref(&db->disk);
    free(db->fresh.drafts);
    free(db->kept_fresh.drafts);
    free(db->path);
    free(db);
}

static void on_broken(struct store *st, store_broken_fn *fn, void *ctx)
{
    sqlite_disk_watch(sqlite_of(st)->disk, fn, ctx);
}

static const struct store_ops ops = {
    .name = "sqlite",
    .close = close_db,
    .on_broken = on_broken,
    .is_dirty = sqlite_txn_is_dirty,
    .commit = sqlite_txn_commit,
    .rollback = sqlite_txn_rollback,
    .savepoint = sqlite_txn_savepoint,
    .release = sqlite_txn_release,
    .undo = sqlite_txn_undo,
    .check = sqlite_check,
    .totals = sqlite_txn_totals,
    .tidy = sqlite_tidy,
    .account_put = sqlite_account_put,
    .account_get = sqlite_account_get,
    .account_get_by_id = sqlite_account_get_by_id,
    .account_update = sqlite_account_update,
    .account_del = sqlite_account_del,
    .account_each = sqlite_account_each,
    .folder_get = sqlite_folder_get,
    .folder_get_by_id = sqlite_folder_get_by_id,
    .folder_put = sqlite_folder_put,
    .folder_each = sqlite_folder_each,
    .content_begin = sqlite_content_begin,
    .content_append = sqlite_content_append,
    .content_finish = sqlite_content_finish,
    .content_drop = sqlite_content_drop,
    .content_get = sqlite_content_get,
    .content_chunk = sqlite_content_chunk,
    .entry_put = sqlite_entry_put,
    .entry_get = sqlite_entry_get,
    .entry_flag = sqlite_entry_flag,
    .entry_del = sqlite_entry_del,
    .entry_each = sqlite_entry_each,
    .entry_index = sqlite_search_index,
    .queue_put = sqlite_queue_put,
    .queue_get = sqlite_queue_get,
    .queue_claim = sqlite_queue_claim,
    .queue_defer = sqlite_queue_defer,
    .queue_settle = sqlite_queue_settle,
    .queue_hold = sqlite_queue_hold,
    .queue_del = sqlite_queue_del,
    .queue_each_path = sqlite_queue_each_path,
    .queue_next = sqlite_queue_next,
    .queue_release = sqlite_queue_release,
    .queue_each = sqlite_queue_each,
    .queue_each_expired = sqlite_queue_each_expired,
    .queue_hurry = sqlite_queue_hurry,
    .peer_get = sqlite_peer_get,
    .peer_put = sqlite_peer_put,
    .peer_del = sqlite_peer_del,
    .peer_each = sqlite_peer_each,
    .record_get = sqlite_record_get,
    .record_put = sqlite_record_put,
};

static int sync_folder(const char *path, struct err *err)
{
    char *copy = mem_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0
                 ? 0 : err_errno(err, STATUS_STORAGE, "sync the folder of %s", path);

    if (fd >= 0)
        (void)close(fd);
    free(copy);
    return rc;
}

/*
 * Made by us, so that nobody else can read it; SQLite gives its log the same mode. An existing
 * file is not even opened here: closing it again would drop the locks that another connection
 * of this process has on it.
 */
static int make_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? 0 : err_errno(err, STATUS_STORAGE, "create %s", path);
    (void)close(fd);
    return sync_folder(path, err);
}

static int open_db(struct sqlite *db, struct err *err)
{
    int rc;

    if (make_file(db->path, err) < 0 || sqlite_recover(db, err) < 0)
        return -1;
    rc = sqlite3_open_v2(db->path, &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                         sqlite_vfs());
    if (rc != SQLITE_OK)
        return sqlite_err(db, rc, "open", err);
    db->disk = sqlite_disk_ref(sqlite3_db_filename(db->h, "main"));
    (void)sqlite3_extended_result_codes(db->h, 1);
    (void)sqlite3_busy_timeout(db->h, BUSY_MS);
    /* Before anything is set: another program's database stays as it is. */
    if (sqlite_schema_check(db, err) < 0 || sqlite_exec(db, settings, "open", err) < 0 ||
        sqlite_schema_migrate(db, err) < 0)
        return -1;
    return sqlite_wal_start(db, err);
}

/* Before the library's first use, or without effect: its count of bytes costs a lock per malloc. */
static void tune_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int sqlite_open(const char *path, struct store **st_r, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sqlite *db = mem_zalloc(sizeof(*db));

    (void)pthread_once(&once, tune_library);
    db->store.ops = &ops;
    db->path = mem_strdup(path);
    if (open_db(db, err) < 0) {
        close_db(&db->store);
        return -1;
    }
    *st_r = &db->store;
    return 0;
}
