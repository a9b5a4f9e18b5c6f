/* SPDX-License-Identifier: MIT */
/*
 * What a process that did not end cleanly has left in the log is copied into the database before
 * anything is built on it.
 *
 * SQLite by itself would read the log and go on behind its last whole transaction. But the log is
 * read through the system's cache, and there may stand what is not on disk: a transaction whose
 * sync failed (whoever sent it heard that it failed) and whose pages the system took for clean
 * after that. What is written behind it and synced would be lost with it when the power fails, for
 * reading ends at the first gap. And of what was copied into the database before, some may be lost
 * in the same way (sqlite_disk.c). Copying it all again makes each page new, so that it has to
 * reach the disk, and says so if it does not.
 *
 * For that nobody else may have the database open; then SQLite keeps the index of the log in
 * memory of its own and makes it anew from the log's first frame. If somebody has (an operator's
 * sqlite3), there is nothing to do: the index in shared memory lives on, and counts only what was
 * synced.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <stdlib.h>

#include "base/mem.h"
#include "wire/status.h"

/* Is there a log with something in it? SQLITE_OK or not. */
static int find_log(const char *path, bool *is_there_r)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(sqlite_vfs());
    struct str name = STR_INIT;
    char *full = mem_zalloc((size_t)vfs->mxPathname + 1);
    int rc = vfs->xFullPathname(vfs, path, vfs->mxPathname, full), is_there = 0;

    str_addf(&name, "%s-wal", full);
    if ((rc & 0xff) == SQLITE_OK) /* SQLITE_OK_SYMLINK */
        rc = vfs->xAccess(vfs, str_c(&name), SQLITE_ACCESS_EXISTS, &is_there);
    *is_there_r = is_there != 0;
    str_clear(&name);
    free(full);
    return rc;
}

static int copy_log(sqlite3 *h)
{
    int rc;

    (void)sqlite3_extended_result_codes(h, 1);
    /* The read opens the log; a checkpoint by itself does not in each version. */
    rc = sqlite3_exec(h,
                      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
                      "SELECT count(*) FROM sqlite_master",
                      NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc;
}

int sqlite_recover(struct sqlite *db, struct err *err)
{
    bool is_there;
    int rc = find_log(db->path, &is_there);

    if (rc == SQLITE_OK && !is_there)
        return 0;
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(db->path, &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             sqlite_vfs());
    if (rc == SQLITE_OK)
        rc = copy_log(db->h);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        return sqlite_err(db, rc, "recover what its log holds", err);
    (void)sqlite3_close(db->h);
    db->h = NULL;
    return 0;
}
