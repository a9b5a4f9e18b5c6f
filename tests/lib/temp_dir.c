/* SPDX-License-Identifier: MIT */
/* See temp_dir.h. */
#include "config.h"

#include "lib/temp_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void temp_dir_make(char path[TEMP_DIR_SIZE])
{
    const char *below = getenv("TMPDIR");

    /* In memory where that can be had: an fsync there costs nothing, and no test pulls the plug. */
    if (below == NULL || *below == '\0')
        below = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    if (snprintf(path, TEMP_DIR_SIZE, "%s/immpd-test-XXXXXX", below) >= TEMP_DIR_SIZE ||
        mkdtemp(path) == NULL) {
        perror("no directory for the test");
        abort();
    }
}

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

void temp_dir_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
