/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "unit/seal/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

#include "lib/test.h"

static char folder[200];
static char paths[8][400];
static size_t next_path;

int fixture_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/immp-seal-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int each_file(void (*fn)(const char *path))
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    int n = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fn != NULL)
            fn(fixture_path(e->d_name));
        n++;
    }
    closedir(dir);
    return n;
}

static void remove_one(const char *path)
{
    if (unlink(path) < 0)
        (void)rmdir(path);
}

int fixture_teardown(void **state)
{
    (void)state;
    each_file(remove_one);
    return rmdir(folder);
}

const char *fixture_folder(void)
{
    return folder;
}

const char *fixture_path(const char *name)
{
    char *p = paths[next_path++ % N_ELEMENTS(paths)];

    (void)snprintf(p, sizeof paths[0], "%s/%s", folder, name);
    return p;
}

const char *fixture_source(const char *name)
{
    char *p = paths[next_path++ % N_ELEMENTS(paths)];
    const char *top = getenv("top_srcdir");

    (void)snprintf(p, sizeof paths[0], "%s/tests/%s", top != NULL ? top : ".", name);
    return p;
}

void fixture_write(const char *path, const void *p, size_t n, mode_t mode)
{
    int fd;

    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

void fixture_read(const char *path, struct str *out)
{
    char buf[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        print_error("cannot open %s\n", path);
    assert_true(fd >= 0);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        str_addn(out, buf, (size_t)n);
    assert_int_equal(n, 0);
    close(fd);
}

bool fixture_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

mode_t fixture_mode(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

size_t fixture_count_files(void)
{
    return (size_t)each_file(NULL);
}

int fixture_run(const char *fmt, ...)
{
    struct str line = STR_INIT;
    va_list ap;
    int rc;

    str_addf(&line, "cd '%s' && ", folder);
    va_start(ap, fmt);
    str_vaddf(&line, fmt, ap);
    va_end(ap);
    rc = system(line.s);
    str_clear(&line);
    return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}
