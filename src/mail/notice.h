/* SPDX-License-Identifier: MIT */
/*
 * Messages from mailer-daemon@domain: undeliverable mail, receipts that +RECEIPT asked for, and
 * what the administrators must know. Text for people and a JSON part "reason.json" for programs;
 * never in answer to a mailer-daemon's own message.
 */
#ifndef MAIL_NOTICE_H
#define MAIL_NOTICE_H

#include "mail/mail.h"
#include "wire/message.h"

enum notice_kind { NOTICE_FAILED = 1, NOTICE_DELIVERED };

/*
 * Tell the sender (local address) about one recipient of its message. 0, or -1 store trouble. No
 * notice where original->kind is MESSAGE_NOTICE or the sender is a mailer-daemon, or no account any
 * more. It goes to /INBOX whatever the quota: a full mailbox must not hide that mail was lost.
 * Of the original id, kind and subject are read. Several writes: within the caller's savepoint,
 * or with the caller's turn lost on failure. Not committed yet.
 */
int notice_send(struct mail *m, enum notice_kind kind, const struct message *original,
                const char *sender, const char *recipient, int code, const char *text,
                struct err *err);

/* To each administrator of the domain that is a local account. 0, or -1. */
int notice_admins(struct mail *m, const struct mail_domain *d, const char *subject,
                  const char *text, struct err *err);

#endif
