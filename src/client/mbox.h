/* SPDX-License-Identifier: MIT */
/* What the commands on a mailbox share: folder arguments as people write them, and indexes. */
#ifndef CLIENT_MBOX_H
#define CLIENT_MBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <immp/client.h>

#include "base/str.h"
#include "wire/json.h"

/*
 * Append the folder argument of MBOX (docs/immp.md) for what a person wrote: "inbox/Lists:unread"
 * means "/inbox/Lists:unread"; what begins with "/" or ":" or has an owner stays. NULL: def.
 */
void mbox_add_argument(struct str *out, const char *written, const char *def);
/* The same without its selector: the folder alone. */
void mbox_add_folder(struct str *out, const char *written, const char *def);

/*
 * MBOX INDEX of an argument, newest first, at most limit rows: *rows_r is a JSON list, the
 * caller's. 0, or -1: err.
 */
int mbox_index(struct immp_client *c, const char *argument, uint64_t limit, struct json **rows_r,
               struct immp_error *err);

/* Append a command line with one token: "before \"token\" after". 0, or -1: err. */
int mbox_add_command(struct str *out, const char *before, const char *token, const char *after,
                     struct immp_error *err);

/* An error of our own. -1. */
int mbox_error(struct immp_error *err, enum immp_kind kind, const char *text);

#endif
