/* SPDX-License-Identifier: MIT */
/*
 * The folder argument of MBOX (docs/immp.md, "MBOX"):
 *
 *   [owner-imid]/path[:selector | ::selector | #uuid]
 *
 *   /inbox   /inbox:*   /inbox::unread   :inbox/Lists   /inbox:unread,from=bob@b.com
 *   helpdesk@d/inbox:since=2026-11-01    /inbox#9507ce26-d34e-41cb-9f14-4eeff943e25e   /:*
 *
 * Selectors: * unread read important flagged from= since= before= text=, joined by "," for and.
 * text= takes the rest of its item; a token with spaces is quoted as a whole on the command line.
 */
#ifndef WIRE_FOLDER_H
#define WIRE_FOLDER_H

#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define FOLDER_PATH_MAX 512

enum {
    SELECT_UNREAD    = 1 << 0,
    SELECT_READ      = 1 << 1,
    SELECT_IMPORTANT = 1 << 2,
    SELECT_FLAGGED   = 1 << 3,
};

struct selector {
    unsigned flags;     /* SELECT_…, all must hold; 0 selects all */
    char *from;         /* prepared address or a part of one, lower case; NULL if none */
    char *text;         /* words, as written; NULL if none */
    int64_t since_ms;   /* received at or after; INT64_MIN if none */
    int64_t before_ms;  /* received before; INT64_MAX if none */
};

struct folder_arg {
    char *owner;            /* prepared address; NULL: the session's own account */
    char *path;             /* "inbox/Lists", as written, no leading slash; "" is the root */
    bool has_selector;
    struct selector select; /* all, if none was given */
    char uuid[UUID_SIZE];   /* "" if none; never together with a selector */
};

/* 0 (folder_arg_clear), or -1 (ERR_PROTOCOL, STATUS_PARAMETER). */
int folder_arg_parse(const char *s, struct folder_arg *arg_r, struct err *err);
void folder_arg_clear(struct folder_arg *arg);

/*
 * A folder's name: 1..16 segments, none empty, "." or "..", no controls, none of : # " , at most
 * FOLDER_PATH_MAX bytes. 0, or -1 (ERR_PROTOCOL, STATUS_PARAMETER).
 */
int folder_path_check(const char *path, struct err *err);

#endif
