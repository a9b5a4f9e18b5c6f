/* SPDX-License-Identifier: MIT */
/*
 * Errors as values. The text is cut at the end of its buffer, never overrun; a prefix that leaves
 * no room for the text keeps the beginning, which says what was being done.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int (err_set)(struct err *err, enum err_kind kind, int status, const char *fmt, ...)
{
    va_list ap;

    if (err == NULL)
        return -1;
    err->kind = kind;
    err->status = status;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return -1;
}

/* What may pass by itself is worth another try; a wrong path or a missing right is not. */
static enum err_kind kind_of_errno(int e)
{
    switch (e) {
    case EACCES:
    case EPERM:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EROFS:
        return ERR_PERMANENT;
    default:
        return ERR_TEMPORARY;
    }
}

int (err_errno)(struct err *err, int status, const char *fmt, ...)
{
    int e = errno;
    va_list ap;
    size_t len;

    if (err == NULL)
        return -1;
    err->kind = kind_of_errno(e);
    err->status = status;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    len = strlen(err->text);
    (void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(e));
    errno = e;
    return -1;
}

int (err_prefix)(struct err *err, const char *fmt, ...)
{
    char before[sizeof(err->text)];
    char text[sizeof(err->text)];
    va_list ap;

    if (err == NULL)
        return -1;
    va_start(ap, fmt);
    (void)vsnprintf(before, sizeof(before), fmt, ap);
    va_end(ap);
    memcpy(text, err->text, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    if (snprintf(err->text, sizeof(err->text), "%s: %s", before, text) < 0)
        err->text[0] = '\0';
    return -1;
}

void err_clear(struct err *err)
{
    if (err != NULL)
        memset(err, 0, sizeof(*err));
}

const char *err_kind_name(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return "none";
    case ERR_TEMPORARY:
        return "temporary";
    case ERR_PERMANENT:
        return "permanent";
    case ERR_PROTOCOL:
        return "protocol";
    case ERR_DENIED:
        return "denied";
    case ERR_UNCERTAIN:
        return "uncertain";
    }
    return "unknown";
}
