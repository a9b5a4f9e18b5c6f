/* SPDX-License-Identifier: MIT */
/*
 * Pins. Trust on first use is only worth its second use, so a file that cannot be read is a
 * failure and not an empty file, and a pin is on disk before anything is said to the server.
 * A line is appended by one write, so that two programs at once cannot harm each other's.
 */
#include "config.h"

#include "client/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define LINE_SIZE 1024

/* The pin of a line for this server, or NULL. */
static const char *pin_of(char *line, const char *server)
{
    char *save = NULL;
    const char *name = strtok_r(line, " \t\r\n", &save);
    const char *pin = strtok_r(NULL, " \t\r\n", &save);

    if (name == NULL || pin == NULL || name[0] == '#' || !str_ieq(name, server))
        return NULL;
    return str_starts(pin, "sha256:") ? pin + strlen("sha256:") : pin;
}

int pins_check(const char *path, const char *server, const char *fingerprint, struct err *err)
{
    FILE *f = fopen(path, "re");
    char line[LINE_SIZE];
    int found = PIN_NEW;

    if (f == NULL)
        return errno == ENOENT ? PIN_NEW : err_errno(err, 0, "%s", path);
    /* Several lines for one server: each of its keys is good. */
    while (found != PIN_SAME && fgets(line, sizeof(line), f) != NULL) {
        const char *pin = pin_of(line, server);

        if (pin != NULL)
            found = str_ieq(pin, fingerprint) ? PIN_SAME : PIN_CHANGED;
    }
    if (ferror(f))
        found = err_errno(err, 0, "%s", path);
    (void)fclose(f);
    return found;
}

/* The folder of path, and those above it. */
static int make_folders(const char *path, struct err *err)
{
    char *copy = mem_strdup(path);
    int rc = 0;

    for (char *slash = strchr(copy + 1, '/'); slash != NULL && rc == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            rc = err_errno(err, 0, "%s", copy);
        *slash = '/';
    }
    free(copy);
    return rc;
}

/* Somebody edited it and left the last line open? */
static bool is_open_ended(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char last;

    return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

int pins_add(const char *path, const char *server, const char *fingerprint, struct err *err)
{
    struct str line = STR_INIT;
    int fd, rc = 0;

    if (make_folders(path, err) < 0)
        return -1;
    fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, 0, "%s", path);
    str_addf(&line, "%s%s sha256:%s\n", is_open_ended(fd) ? "\n" : "", server, fingerprint);
    if (write(fd, line.s, line.len) != (ssize_t)line.len || fsync(fd) < 0)
        rc = err_errno(err, 0, "%s", path);
    str_clear(&line);
    if (close(fd) < 0 && rc == 0)
        rc = err_errno(err, 0, "%s", path);
    return rc;
}
