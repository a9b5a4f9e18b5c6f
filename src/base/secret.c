/* SPDX-License-Identifier: MIT */
/* Secrets: wiped so that the compiler cannot leave it out, compared without an early end. */
#include "config.h"

#include "base/secret.h"

#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MAX 1024

void secret_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    unsigned diff = 0;

    for (size_t i = 0; i < n; i++)
        diff |= (unsigned)(x[i] ^ y[i]);
    return diff == 0;
}

void secret_free(char **sp)
{
    if (*sp == NULL)
        return;
    secret_wipe(*sp, strlen(*sp));
    free(*sp);
    *sp = NULL;
}

int secret_read_file(const char *path, char **s_r, struct err *err)
{
    char line[SECRET_MAX + 2];
    FILE *f = fopen(path, "re");
    size_t n;
    int rc = -1;

    *s_r = NULL;
    if (f == NULL)
        return err_errno(err, 0, "%s", path);
    if (fgets(line, sizeof(line), f) == NULL) {
        if (ferror(f))
            err_errno(err, 0, "%s", path);
        else
            err_set(err, ERR_PERMANENT, 0, "%s: the file is empty", path);
        goto out;
    }
    n = strcspn(line, "\r\n");
    if (n == 0 || n > SECRET_MAX) {
        err_set(err, ERR_PERMANENT, 0, "%s: its first line is %s", path,
                n == 0 ? "empty" : "longer than 1024 bytes");
        goto out;
    }
    *s_r = mem_strndup(line, n);
    rc = 0;
out:
    secret_wipe(line, sizeof(line));
    (void)fclose(f);
    return rc;
}
