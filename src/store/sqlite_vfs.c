/* SPDX-License-Identifier: MIT */
/*
 * The files below a database, as the store wants them.
 *
 * The write-ahead log in few system calls: SQLite writes a commit's log as two small writes for
 * each page; here they are gathered and leave as one, which for a delivery is a third of its CPU.
 * It changes nothing that can be observed: the log is only ever read as far as the index in shared
 * memory says, and that is moved after the log was synced (synchronous=FULL); the sync writes what
 * was gathered first. A write that fails then fails the sync, and with it the commit. Whatever
 * else asks for the file (reading, size, truncation) writes first, too.
 *
 * The database synced before a checkpoint counts: SQLite itself syncs only when a checkpoint has
 * reached the log's end, but takes from each what it has copied for copied, and reads it from the
 * database from then on. A sync that failed later could not tell what of that is lost. So each
 * checkpoint syncs what it has copied (SQLITE_FCNTL_CKPT_DONE comes before it is counted), and if
 * that fails the disk is broken (sqlite_disk.c) and both files refuse everything.
 *
 * Writes that fail are another thing, a full disk above all: SQLite copies those pages again.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"

#include "store/sqlite_pass.h"

#define GATHER_BYTES (120 * 1024)  /* the system's xWrite takes less than 128 KiB at once */

struct log_file {
    struct sqlite_pass pass; /* first member; the system's is behind this struct */
    struct sqlite_disk *disk;
    uint8_t *bytes;          /* gathered, to be written at `at` */
    int n;
    sqlite3_int64 at;
};

struct db_file {
    struct sqlite_pass pass; /* first member; the system's is behind this struct */
    struct sqlite_disk *disk;
    bool is_copied_to; /* only checkpoints write it from here on: it has a log */
    bool is_dirty;     /* written since the last sync */
    bool has_failed;   /* a write of this checkpoint */
};

/* Set once, before any use. */
static sqlite3_vfs *system_vfs;
static sqlite3_io_methods log_methods, db_methods;

/* ---- the log ---- */

static struct log_file *of(sqlite3_file *f)
{
    return (struct log_file *)f;
}

static int flush(struct log_file *f)
{
    int n = f->n;

    f->n = 0;
    if (sqlite_disk_is_broken(f->disk))
        return SQLITE_IOERR;
    return n == 0 ? SQLITE_OK : sqlite_pass_methods.xWrite(&f->pass.base, f->bytes, n, f->at);
}

static int log_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    struct log_file *f = of(file);
    int rc = SQLITE_OK;

    if (f->n > 0 && (at != f->at + f->n || f->n + n > GATHER_BYTES))
        rc = flush(f);
    if (rc != SQLITE_OK || n > GATHER_BYTES)
        return rc != SQLITE_OK ? rc : sqlite_pass_methods.xWrite(file, p, n, at);
    if (f->n == 0)
        f->at = at;
    memcpy(f->bytes + f->n, p, (size_t)n);
    f->n += n;
    return SQLITE_OK;
}

static int log_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    int rc = flush(of(file));

    return rc != SQLITE_OK ? rc : sqlite_pass_methods.xRead(file, p, n, at);
}

static int log_sync(sqlite3_file *file, int flags)
{
    int rc = flush(of(file));

    return rc != SQLITE_OK ? rc : sqlite_pass_methods.xSync(file, flags);
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = flush(of(file));

    return rc != SQLITE_OK ? rc : sqlite_pass_methods.xTruncate(file, size);
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size_r)
{
    int rc = flush(of(file));

    return rc != SQLITE_OK ? rc : sqlite_pass_methods.xFileSize(file, size_r);
}

static int log_close(sqlite3_file *file)
{
    struct log_file *f = of(file);
    int rc = flush(f), closed = sqlite_pass_methods.xClose(file);

    sqlite_disk_unref(&f->disk);
    free(f->bytes);
    return rc != SQLITE_OK ? rc : closed;
}

static int log_open(const char *name, sqlite3_file *file, int flags, int *flags_r)
{
    struct log_file *f = of(file);
    int rc;

    *f = (struct log_file){ .pass.under = (sqlite3_file *)(f + 1) };
    rc = system_vfs->xOpen(system_vfs, name, f->pass.under, flags, flags_r);
    if (rc != SQLITE_OK)
        return rc;
    f->disk = sqlite_disk_ref(sqlite3_filename_database(name));
    f->bytes = mem_alloc(GATHER_BYTES);
    f->pass.base.pMethods = &log_methods;
    return SQLITE_OK;
}

/* ---- the database ---- */

static struct db_file *db_of(sqlite3_file *f)
{
    return (struct db_file *)f;
}

static int db_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    return sqlite_disk_is_broken(db_of(file)->disk) ? SQLITE_IOERR_READ
                                                    : sqlite_pass_methods.xRead(file, p, n, at);
}

static int db_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    struct db_file *f = db_of(file);
    int rc = SQLITE_IOERR_WRITE;

    if (!sqlite_disk_is_broken(f->disk))
        rc = sqlite_pass_methods.xWrite(file, p, n, at);
    f->is_dirty = true;
    f->has_failed = f->has_failed || rc != SQLITE_OK;
    return rc;
}

/* A checkpoint at its end does it to the size that the file has anyway. */
static int db_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_int64 now;

    if (sqlite_disk_is_broken(db_of(file)->disk))
        return SQLITE_IOERR_TRUNCATE;
    if (sqlite_pass_methods.xFileSize(file, &now) == SQLITE_OK && now == size)
        return SQLITE_OK;
    db_of(file)->is_dirty = true;
    return sqlite_pass_methods.xTruncate(file, size);
}

static int db_sync(sqlite3_file *file, int flags)
{
    struct db_file *f = db_of(file);
    int rc = SQLITE_IOERR_FSYNC;

    if (sqlite_disk_is_broken(f->disk))
        return rc;
    if (f->is_copied_to && !f->is_dirty)
        return SQLITE_OK;
    rc = sqlite_pass_methods.xSync(file, flags);
    if (rc == SQLITE_OK)
        f->is_dirty = false;
    else if (f->is_copied_to)
        sqlite_disk_break(f->disk, "the sync of what was copied from its log failed");
    return rc;
}

static int db_control(sqlite3_file *file, int op, void *arg)
{
    struct db_file *f = db_of(file);

    if (op == SQLITE_FCNTL_CKPT_START) {
        f->is_copied_to = true;
        f->has_failed = false;
    } else if (op == SQLITE_FCNTL_CKPT_DONE && f->is_copied_to && !f->has_failed) {
        (void)db_sync(file, SQLITE_SYNC_NORMAL);
    }
    return sqlite_pass_methods.xFileControl(file, op, arg);
}

static int db_close(sqlite3_file *file)
{
    sqlite_disk_unref(&db_of(file)->disk);
    return sqlite_pass_methods.xClose(file);
}

static int db_open(const char *name, sqlite3_file *file, int flags, int *flags_r)
{
    struct db_file *f = db_of(file);
    int rc;

    *f = (struct db_file){ .pass.under = (sqlite3_file *)(f + 1) };
    rc = system_vfs->xOpen(system_vfs, name, f->pass.under, flags, flags_r);
    if (rc != SQLITE_OK)
        return rc;
    f->disk = sqlite_disk_ref(name);
    f->pass.base.pMethods = &db_methods;
    return SQLITE_OK;
}

/* ---- the file system ---- */

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *flags_r)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) != 0)
        return log_open(name, file, flags, flags_r);
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0 && name != NULL)
        return db_open(name, file, flags, flags_r);
    return system_vfs->xOpen(system_vfs, name, file, flags, flags_r);
}

static void make_methods(void)
{
    log_methods = sqlite_pass_methods;
    log_methods.xClose = log_close;
    log_methods.xRead = log_read;
    log_methods.xWrite = log_write;
    log_methods.xTruncate = log_truncate;
    log_methods.xSync = log_sync;
    log_methods.xFileSize = log_size;
    db_methods = sqlite_pass_methods;
    db_methods.xClose = db_close;
    db_methods.xRead = db_read;
    db_methods.xWrite = db_write;
    db_methods.xTruncate = db_truncate;
    db_methods.xSync = db_sync;
    db_methods.xFileControl = db_control;
}

static void start(void)
{
    static sqlite3_vfs ours;

    system_vfs =
        sqlite_pass_over(&ours, "immpd", MAX(sizeof(struct log_file), sizeof(struct db_file)));
    if (system_vfs == NULL)
        return;
    make_methods();
    ours.xOpen = open_file;
    (void)sqlite3_vfs_register(&ours, 0);
}

const char *sqlite_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, start);
    return system_vfs == NULL ? NULL : "immpd";
}
