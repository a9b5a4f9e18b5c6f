/* SPDX-License-Identifier: MIT */
/* Secrets: compared in constant time, wiped when released, read from files that only we can read. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

void secret_wipe(void *p, size_t n);
bool secret_equal(const void *a, const void *b, size_t n);  /* constant time */
void secret_free(char **sp);                                /* wipe to the NUL, free, set NULL */

/*
 * First line of a file, without its LF; 1..1024 bytes. *s_r is the caller's: secret_free().
 * Returns 0, or -1 (no file, empty, too long).
 */
int secret_read_file(const char *path, char **s_r, struct err *err);

#endif
