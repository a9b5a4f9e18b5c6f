/* SPDX-License-Identifier: MIT */
/*
 * Reading: the descriptor that is read is the one whose mode was looked at, so that a file cannot
 * be exchanged between the two. A key that others can read is refused, not mended: whoever could
 * read it may have done so, and that is for the operator to judge.
 *
 * Creating: written to a temporary name in the same folder, synced, then linked to its own name.
 * link() fails where the name exists: a key that exists is never lost to a second process or to a
 * second start.
 */
#include "config.h"

#include "seal/keyfile_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "wire/status.h"

#define FILE_MAX ((size_t)64 * 1024)

static int check_owner(const char *path, const struct stat *st, enum keyfile_owner owner,
                       struct err *err)
{
    mode_t closed_to = owner == KEYFILE_OURS ? 0077 : owner == KEYFILE_OPERATOR ? 0007 : 0002;

    if (!S_ISREG(st->st_mode))
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "%s is no file", path);
    if ((st->st_mode & closed_to) != 0)
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                       "%s has mode %03o: others can %s it; chmod %s %s", path,
                       (unsigned)st->st_mode & 0777, owner == KEYFILE_PUBLIC ? "change" : "read",
                       owner == KEYFILE_OURS       ? "600"
                       : owner == KEYFILE_OPERATOR ? "o="
                                                   : "o-w",
                       path);
    /* root reads everybody's files: it starts us, and we drop to the file's owner later. */
    if (owner != KEYFILE_PUBLIC && st->st_uid != geteuid() && st->st_uid != 0 && geteuid() != 0)
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                       "%s belongs to user %lu and not to us (%lu); chown it", path,
                       (unsigned long)st->st_uid, (unsigned long)geteuid());
    return 0;
}

static int read_all(int fd, const char *path, struct str *out, struct err *err)
{
    size_t before = out->len;

    /* All room first: growing would leave copies of the key in released memory. */
    str_reserve(out, FILE_MAX + 1);
    for (;;) {
        ssize_t n = read(fd, out->s + out->len, FILE_MAX + 1 - (out->len - before));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, STATUS_INTERNAL, "cannot read %s", path);
        if (n == 0)
            break;
        out->len += (size_t)n;
        if (out->len - before > FILE_MAX)
            return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "%s is larger than 64 KiB", path);
    }
    out->s[out->len] = '\0';
    return 1;
}

int keyfile_read(const char *path, enum keyfile_owner owner, struct str *out, struct err *err)
{
    size_t before = out->len;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int rc = -1;

    if (fd < 0) {
        rc = errno == ENOENT ? 0 : -1;
        err_errno(err, STATUS_INTERNAL, "cannot open %s", path);
        return rc;
    }
    if (fstat(fd, &st) < 0) {
        err_errno(err, STATUS_INTERNAL, "cannot look at %s", path);
        goto out;
    }
    if (check_owner(path, &st, owner, err) < 0)
        goto out;
    rc = read_all(fd, path, out, err);
out:
    if (rc != 1 && out->s != NULL)
        str_truncate(out, before);
    close(fd);
    return rc;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        p += done;
        n -= (size_t)done;
    }
    return fsync(fd);
}

static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? mem_strdup(".")
                   : slash == path ? mem_strdup("/")
                                   : mem_strndup(path, (size_t)(slash - path));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = -1;

    if (fd >= 0) {
        rc = fsync(fd);
        close(fd);
    }
    free(folder);
    return rc;
}

static int put_in_place(const char *temporary, const char *path)
{
    struct stat st;

    if (link(temporary, path) == 0)
        return 0;
    /* A file system without hard links: the window between look and rename is the price. */
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return -1;
    if (lstat(path, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(temporary, path);
}

int keyfile_create(const char *path, const void *p, size_t n, struct err *err)
{
    struct str temporary = STR_INIT;
    char uuid[UUID_SIZE];
    int fd, rc = -1;

    uuid_generate(uuid);
    str_addf(&temporary, "%s.%s.tmp", path, uuid);
    fd = open(temporary.s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(err, STATUS_INTERNAL, "cannot create %s", path);
        goto out;
    }
    if (write_all(fd, p, n) < 0)
        err_errno(err, STATUS_INTERNAL, "cannot write %s", path);
    else if (put_in_place(temporary.s, path) == 0)
        rc = sync_folder(path) == 0 ? 1 : err_errno(err, STATUS_INTERNAL, "cannot sync %s", path);
    else if (errno == EEXIST)
        rc = 0;
    else
        err_errno(err, STATUS_INTERNAL, "cannot create %s", path);
    close(fd);
    (void)unlink(temporary.s);
out:
    str_clear(&temporary);
    return rc;
}
