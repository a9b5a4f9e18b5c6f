/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, as a value. The kind decides what the program does, the status is what an
 * IMMP reply says, the text is for people. It is filled where the failure is first known; on
 * the way up a caller may prefix the text, never change the kind.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/macros.h"

enum err_kind {
    ERR_NONE = 0,   /* no error */
    ERR_TEMPORARY,  /* try again later: disk full, peer away, overload */
    ERR_PERMANENT,  /* trying again is useless: no such account, too large */
    ERR_PROTOCOL,   /* the other side broke a grammar or a limit */
    ERR_DENIED,     /* understood, and not allowed */
    ERR_UNCERTAIN,  /* it may have happened; repeat under the same id */
};

struct err {
    enum err_kind kind;
    int status;      /* an IMMP status (wire/status.h), 0 where none is meant */
    char text[256];  /* for people: what happened, to what, what to do */
};

/*
 * Fill err (which may be NULL) and return -1, so that the failing line is the returning line:
 *     return err_set(err, ERR_PERMANENT, STATUS_NO_ACCOUNT, "no account %s", imid);
 */
int err_set(struct err *err, enum err_kind kind, int status, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* As err_set(ERR_TEMPORARY or ERR_PERMANENT by errno), the text ended by strerror(errno). */
int err_errno(struct err *err, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put "prefix: " before the text, keeping kind and status. Returns -1. err may be NULL. */
int err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * An analyser sees one file at a time and would follow ways on which these have not failed. The
 * scripts that run one define ANALYSED.
 */
#ifdef ANALYSED
#define err_set(...)    ((void)err_set(__VA_ARGS__), -1)
#define err_errno(...)  ((void)err_errno(__VA_ARGS__), -1)
#define err_prefix(...) ((void)err_prefix(__VA_ARGS__), -1)
#endif

void err_clear(struct err *err);

/* "temporary", "permanent", … for logs. */
const char *err_kind_name(enum err_kind kind);

#endif
