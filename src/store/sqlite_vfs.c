/* SPDX-License-Identifier: MIT */
/*
 * The write-ahead log in few system calls. SQLite writes a commit's log as two small writes for
 * each page; here they are gathered and leave as one, which for a delivery is a third of its CPU.
 *
 * It changes nothing that can be observed: the log is only ever read as far as the index in shared
 * memory says, and that is moved after the log was synced (synchronous=FULL); the sync writes what
 * was gathered first. A write that fails then fails the sync, and with it the commit. Whatever
 * else asks for the file (reading, size, truncation) writes first, too.
 *
 * All files but the log are the system's own, untouched.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "store/sqlite_pass.h"

#define GATHER_BYTES (120 * 1024)  /* the system's xWrite takes less than 128 KiB at once */

struct log_file {
    struct sqlite_pass pass; /* first member; the system's is behind this struct */
    uint8_t *bytes;          /* gathered, to be written at `at` */
    int n;
    sqlite3_int64 at;
};

/* Set once, before any use. */
static sqlite3_vfs *system_vfs;
static sqlite3_io_methods log_methods;

static struct log_file *of(sqlite3_file *f)
{
    return (struct log_file *)f;
}

static int flush(struct log_file *f)
{
    int n = f->n;

    f->n = 0;
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

    free(f->bytes);
    return rc != SQLITE_OK ? rc : closed;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *flags_r)
{
    struct log_file *f = of(file);
    int rc;

    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return system_vfs->xOpen(system_vfs, name, file, flags, flags_r);
    *f = (struct log_file){ .pass.under = (sqlite3_file *)(f + 1) };
    rc = system_vfs->xOpen(system_vfs, name, f->pass.under, flags, flags_r);
    if (rc != SQLITE_OK)
        return rc;
    f->bytes = mem_alloc(GATHER_BYTES);
    f->pass.base.pMethods = &log_methods;
    return SQLITE_OK;
}

static void start(void)
{
    static sqlite3_vfs gathering;

    system_vfs = sqlite3_vfs_find(NULL);
    if (system_vfs == NULL)
        return;
    log_methods = sqlite_pass_methods;
    log_methods.xClose = log_close;
    log_methods.xRead = log_read;
    log_methods.xWrite = log_write;
    log_methods.xTruncate = log_truncate;
    log_methods.xSync = log_sync;
    log_methods.xFileSize = log_size;
    gathering = *system_vfs;
    gathering.zName = "immpd";
    gathering.pNext = NULL;
    gathering.szOsFile = (int)sizeof(struct log_file) + system_vfs->szOsFile;
    gathering.xOpen = open_file;
    (void)sqlite3_vfs_register(&gathering, 0);
}

const char *sqlite_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, start);
    return system_vfs == NULL ? NULL : "immpd";
}
