/* SPDX-License-Identifier: MIT */
/* The SQLite backend's door, for store.c. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "base/err.h"

struct store;

/* path is absolute or below the working directory. 0, or -1 as store_open(). */
int sqlite_open(const char *path, struct store **st_r, struct err *err);

#endif
