/* SPDX-License-Identifier: MIT */
/* A folder of its own for each test program of this room, and files in it and in tests/vectors. */
#ifndef TESTS_UNIT_SEAL_FIXTURE_H
#define TESTS_UNIT_SEAL_FIXTURE_H

#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

/* cmocka group fixtures: makes and removes the folder. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

const char *fixture_folder(void);
/* A path below the folder; valid until the eighth next call. */
const char *fixture_path(const char *name);
/* A path below tests/ of the sources; valid likewise. */
const char *fixture_source(const char *name);

void fixture_write(const char *path, const void *p, size_t n, mode_t mode);
void fixture_read(const char *path, struct str *out);  /* appends; fails the test */
bool fixture_exists(const char *path);
mode_t fixture_mode(const char *path);
size_t fixture_count_files(void);                      /* in the folder */
/* A command of the shell, run in the folder; its exit status. */
int fixture_run(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
