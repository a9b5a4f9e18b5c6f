/* SPDX-License-Identifier: MIT */
/* See temp_dir.h. */
#include "config.h"

#include "lib/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn static void end(const char *what)
{
    perror(what);
    abort();
}

void temp_dir_make(char path[TEMP_DIR_SIZE])
{
    const char *below = getenv("TMPDIR");

    /* In memory where that can be had: an fsync there costs nothing, and no test pulls the plug. */
    if (below == NULL || *below == '\0')
        below = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    if (snprintf(path, TEMP_DIR_SIZE, "%s/immpd-test-XXXXXX", below) >= TEMP_DIR_SIZE ||
        mkdtemp(path) == NULL)
        end("no directory for the test");
}

static int open_in(const char *dir, const char *name, int flags)
{
    char path[TEMP_DIR_SIZE + 32];

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        end("a name too long for the test");
    return open(path, flags | O_CLOEXEC, 0600);
}

bool temp_dir_copy(const char *from_dir, const char *to_dir, const char *name)
{
    static char buf[1 << 16];
    ssize_t n;
    int in, out;

    in = open_in(from_dir, name, O_RDONLY);
    if (in < 0 && errno == ENOENT)
        return false;
    out = open_in(to_dir, name, O_WRONLY | O_CREAT | O_EXCL);
    if (in < 0 || out < 0)
        end("no copy for the test");
    while ((n = read(in, buf, sizeof(buf))) > 0)
        if (write(out, buf, (size_t)n) != n)
            end("no copy for the test");
    if (n < 0)
        end("no copy for the test");
    (void)close(in);
    (void)close(out);
    return true;
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
