/* SPDX-License-Identifier: MIT */
/*
 * Mailboxes as a session sees them: folders by name with their rules, delivery into them, and
 * who is watching. Thin over store; what a folder name means is decided here only.
 */
#ifndef MAIL_MAILBOX_H
#define MAIL_MAILBOX_H

#include "mail/mail.h"
#include "store/account.h"
#include "store/entry.h"
#include "store/folder.h"

/* The folder that a delivery to an address with +folder goes to (docs/immp.md, "IMIDs"). 1 or -1. */
int mailbox_target(struct mail *m, int64_t account, const char *plus_folder,
                   struct folder *f_r, struct err *err);

/*
 * Deliver a finished content to a local recipient ("alice+lists@b.com", prepared). 0 delivered, or
 * already there; -1: ERR_PERMANENT STATUS_NO_ACCOUNT, STATUS_QUOTA, STATUS_PARAMETER (another
 * message of that id stands there); store trouble. Not committed yet.
 */
int mailbox_deliver(struct mail *m, const char *recipient, int64_t content, const char *uuid,
                    int64_t size, bool is_important, struct err *err);
/*
 * Put a copy into an account's folder, made if it is not there (SENT: flags ENTRY_READ). The quota
 * is not looked at. 0 or -1.
 */
int mailbox_copy(struct mail *m, int64_t account, const char *path, int64_t content,
                 const char *uuid, int64_t size, unsigned flags, struct err *err);
/* Is there such a local account? 1, 0, -1. For DELIVER's early answer. */
int mailbox_exists(struct mail *m, const char *recipient, struct err *err);

/*
 * The folder that an MBOX argument names for a session of account. The owner must be the account
 * itself (or below it): ERR_DENIED STATUS_NOT_FOUND otherwise. 1 with f_r, 0 no such folder (the
 * root "" is none; f_r->account is the owner's id all the same), -1.
 */
int mailbox_open(struct mail *m, const char *account, const struct folder_arg *arg,
                 struct folder *f_r, struct err *err);

/* What an account may hold: its own quota, or its domain's. */
int64_t mailbox_quota(const struct mail *m, const struct account *a);

#endif
