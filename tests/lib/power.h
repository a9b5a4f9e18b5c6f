/* SPDX-License-Identifier: MIT */
/*
 * A disk whose power can fail, as a file system of SQLite's (a VFS) above the system's. What is
 * written stays in this process, shared by all connections to a file, as in the cache of an
 * operating system; only a sync brings it to the real file. The same goes for truncation, for the
 * removal of a file and for a new one. So the real files are at every moment what a machine would
 * find after its power had failed, and kill -9 of such a process is the failing of its power.
 *
 * Disks also write on their own, sectors in any order: power_leak().
 *
 * A directory is a machine of its own. Any thread. A partly written sector leaks as just the bytes
 * that were written, as SQLite expects of disks by default (SQLITE_POWERSAFE_OVERWRITE).
 */
#ifndef TESTS_LIB_POWER_H
#define TESTS_LIB_POWER_H

#include <stdbool.h>
#include <stddef.h>

/* Become SQLite's default. Before the first store is opened. */
void power_register(void);

/*
 * Power fails at the n-th (from 1) write, truncation, sync or removal in that directory from now
 * on, before it does anything; 0 never. From there every call fails. Returns how many such calls
 * were made since this was last asked.
 */
size_t power_cut_at(const char *dir, size_t n);
void power_cut(const char *dir);   /* now */
bool power_is_cut(const char *dir);
/* Power is back: who opens now finds what was left. Files that are still open stay dead. */
void power_restore(const char *dir);

/* Each sector that is written reaches the disk by itself with that probability. */
void power_leak(const char *dir, unsigned percent, unsigned seed);
/* A sync says that it is done and does nothing: what a test that looks for loss has to notice. */
void power_lie(const char *dir, bool lies);

/* Full: writes fail and change nothing. */
void power_fill(const char *dir, bool is_full);
/*
 * The n-th sync (from 1; 0 never) from now on of the file of that name fails, and the system takes
 * what it had to write for written: unless that is written anew, it never gets to the disk. Until
 * then it can be read, as from a cache; or (drops) it reads as what is on the disk.
 */
void power_fail_sync(const char *dir, const char *name, size_t n, bool drops);
bool power_has_failed_sync(const char *dir); /* since power_fail_sync() */

/* The directory is going away, with nothing open in it. */
void power_forget(const char *dir);

#endif
