/* SPDX-License-Identifier: MIT */
/*
 * What tests of this room stand on: a real store in a directory of its own, behind one that fails
 * when told to (store_failing_nth), a loop with a clock that stands still, the turn, and two
 * domains that we serve: a.com and a.org. b.com, c.com and the like are elsewhere.
 * outbound_kick() is replaced by a note of what was kicked.
 */
#ifndef TESTS_UNIT_MAIL_DESK_H
#define TESTS_UNIT_MAIL_DESK_H

#include "lib/temp_dir.h"
#include "mail/mail.h"
#include "mail/submit.h"
#include "store/account.h"
#include "store/entry.h"
#include "store/folder.h"

#define DESK_NOW INT64_C(1795000000000)   /* 2026-11-18 */

struct desk {
    char dir[TEMP_DIR_SIZE];
    struct clock clock;
    struct mail mail;
    struct mail_domain domains[2];
    struct str kicked;      /* "a.com>b.com " for each call */
};

struct desk *desk_open(void);
void desk_close(struct desk **dp);

int64_t desk_account(struct desk *d, const char *address);
void desk_quota(struct desk *d, const char *address, int64_t bytes);
void desk_turn(struct desk *d);          /* one turn of the loop: commits */
void desk_sound(struct desk *d);         /* store_check() holds */
int64_t desk_total(struct desk *d, const char *address, const char *path);   /* -1: no such folder */
int64_t desk_unread(struct desk *d, const char *address, const char *path);
int64_t desk_queued(struct desk *d);
/* The only (or newest) entry of a folder. */
struct entry desk_newest(struct desk *d, const char *address, const char *path);

/* A message with one content part, submitted by alice@a.com to one or two recipients. */
struct submit *desk_submit(struct desk *d, const char *to, const char *to2, const char *id);
void desk_part(struct submit *s, const char *name, const char *type, bool is_content,
               const void *p, size_t n);
/* Done: the results as "201 bob@a.com id=… delivered|…", or "-442" for an error. Caller frees. */
char *desk_done(struct submit **sp);

#endif
