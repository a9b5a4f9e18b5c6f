/* SPDX-License-Identifier: MIT */
/*
 * A file of SQLite's that lies on another one: what it does not do itself, the one below does.
 * The store's file system stands on it (sqlite_vfs.c), and so do the failing disks of the tests.
 */
#ifndef STORE_SQLITE_PASS_H
#define STORE_SQLITE_PASS_H

#include <sqlite3.h>
#include <stddef.h>

struct sqlite_pass {
    sqlite3_file base;   /* first member: what SQLite sees */
    sqlite3_file *under; /* open as long as this is */
};

static inline sqlite3_file *sqlite_pass_under(sqlite3_file *file)
{
    return ((struct sqlite_pass *)file)->under;
}

/*
 * Every method passes on. Copy it and put your own ones in. Nothing is ever mapped into memory
 * (version 2), so that all reading and writing comes by here.
 */
extern const sqlite3_io_methods sqlite_pass_methods;

/*
 * A file system over the default one, with files of `size` bytes and those below behind them. Put
 * your own functions in and register it; it must stay as long as the process. Returns the one
 * below, NULL if there is none.
 */
sqlite3_vfs *sqlite_pass_over(sqlite3_vfs *vfs_r, const char *name, size_t size);

#endif
