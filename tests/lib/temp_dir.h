/* SPDX-License-Identifier: MIT */
/* A directory for one test, and its removal. */
#ifndef TESTS_LIB_TEMP_DIR_H
#define TESTS_LIB_TEMP_DIR_H

#define TEMP_DIR_SIZE 64

/* Make one below $TMPDIR, /dev/shm or /tmp; ends the program if that cannot be done. */
void temp_dir_make(char path[TEMP_DIR_SIZE]);
/* Remove it with all that is in it. */
void temp_dir_remove(const char *path);

#endif
