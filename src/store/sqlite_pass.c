/* SPDX-License-Identifier: MIT */
/* See sqlite_pass.h. */
#include "config.h"

#include "store/sqlite_pass.h"

#define PASS(file, method, ...)                                                                    \
    (sqlite_pass_under(file)->pMethods->method(sqlite_pass_under(file), __VA_ARGS__))

static int pass_close(sqlite3_file *file)
{
    return sqlite_pass_under(file)->pMethods->xClose(sqlite_pass_under(file));
}

static int pass_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    return PASS(file, xRead, p, n, at);
}

static int pass_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    return PASS(file, xWrite, p, n, at);
}

static int pass_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return PASS(file, xTruncate, size);
}

static int pass_sync(sqlite3_file *file, int flags)
{
    return PASS(file, xSync, flags);
}

static int pass_size(sqlite3_file *file, sqlite3_int64 *size_r)
{
    return PASS(file, xFileSize, size_r);
}

static int pass_lock(sqlite3_file *file, int kind)
{
    return PASS(file, xLock, kind);
}

static int pass_unlock(sqlite3_file *file, int kind)
{
    return PASS(file, xUnlock, kind);
}

static int pass_check_lock(sqlite3_file *file, int *is_locked_r)
{
    return PASS(file, xCheckReservedLock, is_locked_r);
}

static int pass_control(sqlite3_file *file, int op, void *arg)
{
    return PASS(file, xFileControl, op, arg);
}

static int pass_sector_size(sqlite3_file *file)
{
    return sqlite_pass_under(file)->pMethods->xSectorSize(sqlite_pass_under(file));
}

static int pass_characteristics(sqlite3_file *file)
{
    return sqlite_pass_under(file)->pMethods->xDeviceCharacteristics(sqlite_pass_under(file));
}

static int pass_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **p_r)
{
    return PASS(file, xShmMap, region, size, extend, p_r);
}

static int pass_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
    return PASS(file, xShmLock, at, n, flags);
}

static void pass_shm_barrier(sqlite3_file *file)
{
    sqlite_pass_under(file)->pMethods->xShmBarrier(sqlite_pass_under(file));
}

static int pass_shm_unmap(sqlite3_file *file, int is_deleted)
{
    return PASS(file, xShmUnmap, is_deleted);
}

const sqlite3_io_methods sqlite_pass_methods = {
    .iVersion = 2,
    .xClose = pass_close,
    .xRead = pass_read,
    .xWrite = pass_write,
    .xTruncate = pass_truncate,
    .xSync = pass_sync,
    .xFileSize = pass_size,
    .xLock = pass_lock,
    .xUnlock = pass_unlock,
    .xCheckReservedLock = pass_check_lock,
    .xFileControl = pass_control,
    .xSectorSize = pass_sector_size,
    .xDeviceCharacteristics = pass_characteristics,
    .xShmMap = pass_shm_map,
    .xShmLock = pass_shm_lock,
    .xShmBarrier = pass_shm_barrier,
    .xShmUnmap = pass_shm_unmap,
};

sqlite3_vfs *sqlite_pass_over(sqlite3_vfs *vfs_r, const char *name, size_t size)
{
    sqlite3_vfs *below = sqlite3_vfs_find(NULL);

    if (below == NULL)
        return NULL;
    *vfs_r = *below;
    vfs_r->zName = name;
    vfs_r->pNext = NULL;
    vfs_r->szOsFile = (int)size + below->szOsFile;
    return below;
}
