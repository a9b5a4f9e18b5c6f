/* SPDX-License-Identifier: MIT */
/*
 * See disk_failing.h. Each method counts itself, fails if it is its turn, or is forwarded. The
 * codes are those that SQLite's own VFS returns where the kernel says ENOSPC or EIO: a full disk
 * is SQLITE_FULL from a write alone, from a sync it is an I/O error.
 *
 * A write that fails may have written the first half, as write(2) may: SQLite must not mind.
 */
#include "config.h"

#include "lib/disk_failing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_pass.h"

#define NAME_MAX_BYTES 512

enum call { CALL_ROOM = 1, CALL_OTHER };  /* needs room on the disk, or not */

struct file {
    struct sqlite_pass pass; /* first member; the system's is behind this struct */
    char name[NAME_MAX_BYTES];
};

static sqlite3_vfs *below_vfs;
static sqlite3_io_methods methods;

/* The checkpoint's thread calls too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char below[NAME_MAX_BYTES];
    enum disk_fault fault;
    size_t n, calls;
    bool is_sticky, has_failed;
} plan;

static bool fails(const char *name, enum call call)
{
    bool is_hit = false;

    (void)pthread_mutex_lock(&lock);
    if (plan.fault != DISK_WELL && (plan.fault == DISK_BROKEN || call == CALL_ROOM) &&
        name != NULL && strncmp(name, plan.below, strlen(plan.below)) == 0) {
        plan.calls++;
        is_hit = plan.n > 0 && (plan.calls == plan.n || (plan.is_sticky && plan.calls > plan.n));
        plan.has_failed = plan.has_failed || is_hit;
    }
    (void)pthread_mutex_unlock(&lock);
    return is_hit;
}

static bool is_full(void)
{
    bool is;

    (void)pthread_mutex_lock(&lock);
    is = plan.fault == DISK_FULL;
    (void)pthread_mutex_unlock(&lock);
    return is;
}

static struct file *of(sqlite3_file *f)
{
    return (struct file *)f;
}

/* ---- a file ---- */

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return fails(of(f)->name, CALL_OTHER) ? SQLITE_IOERR_READ
                                          : sqlite_pass_methods.xRead(f, p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (!fails(of(f)->name, CALL_ROOM))
        return sqlite_pass_methods.xWrite(f, p, n, at);
    if (n > 1)
        (void)sqlite_pass_methods.xWrite(f, p, n / 2, at);
    return is_full() ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fails(of(f)->name, CALL_OTHER) ? SQLITE_IOERR_TRUNCATE
                                          : sqlite_pass_methods.xTruncate(f, size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    return fails(of(f)->name, CALL_ROOM) ? SQLITE_IOERR_FSYNC : sqlite_pass_methods.xSync(f, flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size_r)
{
    return fails(of(f)->name, CALL_OTHER) ? SQLITE_IOERR_FSTAT
                                          : sqlite_pass_methods.xFileSize(f, size_r);
}

static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **p_r)
{
    if (extend && fails(of(f)->name, CALL_ROOM))
        return SQLITE_IOERR_SHMSIZE;
    return sqlite_pass_methods.xShmMap(f, region, size, extend, p_r);
}

/* ---- the VFS ---- */

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *flags_r)
{
    struct file *f = of(file);
    int rc;

    (void)vfs;
    f->pass.base.pMethods = NULL;
    if (fails(name, (flags & SQLITE_OPEN_CREATE) != 0 ? CALL_ROOM : CALL_OTHER))
        return SQLITE_CANTOPEN;
    f->pass.under = (sqlite3_file *)(f + 1);
    rc = below_vfs->xOpen(below_vfs, name, f->pass.under, flags, flags_r);
    if (rc != SQLITE_OK)
        return rc;
    f->name[0] = '\0';
    if (name != NULL && strlen(name) < sizeof(f->name))
        memcpy(f->name, name, strlen(name) + 1);
    f->pass.base.pMethods = &methods;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    return fails(name, CALL_OTHER) ? SQLITE_IOERR_DELETE
                                   : below_vfs->xDelete(below_vfs, name, sync_folder);
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *result_r)
{
    (void)vfs;
    return fails(name, CALL_OTHER) ? SQLITE_IOERR_ACCESS
                                   : below_vfs->xAccess(below_vfs, name, flags, result_r);
}

void disk_failing_install(void)
{
    static sqlite3_vfs failing;

    if (below_vfs != NULL)
        return;
    below_vfs = sqlite_pass_over(&failing, "failing", sizeof(struct file));
    if (below_vfs == NULL)
        abort();
    methods = sqlite_pass_methods;
    methods.xRead = file_read;
    methods.xWrite = file_write;
    methods.xTruncate = file_truncate;
    methods.xSync = file_sync;
    methods.xFileSize = file_size;
    methods.xShmMap = file_shm_map;
    failing.xOpen = open_file;
    failing.xDelete = delete_file;
    failing.xAccess = access_file;
    if (sqlite3_vfs_register(&failing, 1) != SQLITE_OK)
        abort();
}

/* ---- the plan ---- */

void disk_failing_nth(const char *below, enum disk_fault fault, size_t n, bool is_sticky)
{
    (void)pthread_mutex_lock(&lock);
    if (strlen(below) >= sizeof(plan.below))
        abort();
    memcpy(plan.below, below, strlen(below) + 1);
    plan.fault = fault;
    plan.n = n;
    plan.calls = 0;
    plan.is_sticky = is_sticky;
    plan.has_failed = false;
    (void)pthread_mutex_unlock(&lock);
}

size_t disk_failing_heal(void)
{
    size_t calls;

    (void)pthread_mutex_lock(&lock);
    calls = plan.calls;
    plan.fault = DISK_WELL;
    (void)pthread_mutex_unlock(&lock);
    return calls;
}

bool disk_failing_has_failed(void)
{
    bool has;

    (void)pthread_mutex_lock(&lock);
    has = plan.has_failed;
    (void)pthread_mutex_unlock(&lock);
    return has;
}
