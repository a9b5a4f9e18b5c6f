/* SPDX-License-Identifier: MIT */
/*
 * A disk that fails when it is told to, under SQLite: a VFS over the system's, which the store's
 * own stands on. lib/store_failing.h fails calls of the store's interface; this fails what the
 * store itself asks of the disk, in the loop's thread and in the one that copies the log.
 *
 * Whoever writes is tested so: for n from 1 until the scenario passes, let the n-th call fail, once
 * or from there on until the disk is healed, and then look that nobody was promised anything and
 * that nothing is half there.
 */
#ifndef TESTS_LIB_DISK_FAILING_H
#define TESTS_LIB_DISK_FAILING_H

#include <stdbool.h>
#include <stddef.h>

enum disk_fault {
    DISK_WELL = 0,
    DISK_FULL,       /* ENOSPC: what needs room fails (write, sync, create, grow), the rest works */
    DISK_BROKEN,     /* EIO: everything fails: open, read, write, sync, truncate, size, delete */
};

/* Before the first store is opened. */
void disk_failing_install(void);

/*
 * Count from now on the calls that this fault can meet for files below a folder, and let the n-th
 * (from 1; 0 none) fail; sticky: and all that come after it, until disk_failing_heal().
 */
void disk_failing_nth(const char *below, enum disk_fault fault, size_t n, bool is_sticky);
/* From here on nothing fails. Returns how many calls were counted. */
size_t disk_failing_heal(void);
/* Has a call failed since disk_failing_nth()? */
bool disk_failing_has_failed(void);

#endif
