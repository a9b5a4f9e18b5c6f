/* SPDX-License-Identifier: MIT */
/* A directory for one test, copies of files between them, and its removal. */
#ifndef TESTS_LIB_TEMP_DIR_H
#define TESTS_LIB_TEMP_DIR_H

#include <stdbool.h>

#define TEMP_DIR_SIZE 64

/* Make one below $TMPDIR, /dev/shm or /tmp; ends the program if that cannot be done. */
void temp_dir_make(char path[TEMP_DIR_SIZE]);
/* Copy a file that is not yet in to_dir; false: it is not in from_dir. Ends the program if it fails. */
bool temp_dir_copy(const char *from_dir, const char *to_dir, const char *name);
/* Remove it with all that is in it. */
void temp_dir_remove(const char *path);

#endif
