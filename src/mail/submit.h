/* SPDX-License-Identifier: MIT */
/*
 * A message in progress: DELIVER, then its parts, then done (docs/immp.md, "Delivering"). Routes
 * each recipient to a mailbox here or to the queue. Parts up to 256 KiB stay in memory until
 * done; larger ones become chunk rows of a draft as they come, so a message of any allowed size
 * costs at most one chunk of memory.
 *
 * Nothing is delivered before submit_done(), and nothing is on disk before the turn's commit.
 */
#ifndef MAIL_SUBMIT_H
#define MAIL_SUBMIT_H

#include "mail/mail.h"
#include "wire/message.h"

struct submit;

struct submit_request {
    const char *account;        /* who submits: prepared address of the session's account … */
    const char *domain;         /* … or the remote domain that is authenticated; one of the two */
    const char **to;            /* as written */
    size_t n_to;
    const char *from;           /* as written; NULL: the account */
    const char *subject;        /* NULL none */
    const char *id;             /* UUID text; NULL: made here */
    const char *in_reply_to;    /* UUID text; NULL none */
    int64_t expires_s;          /* 0: never */
    unsigned flags;             /* MESSAGE_… */
    enum message_kind kind;     /* MESSAGE_NONE means MESSAGE_MAIL */
};

/*
 * Check and begin. -1: ERR_PROTOCOL (STATUS_PARAMETER a bad IMID, UUID or subject; STATUS_LIMIT
 * more than 100 recipients), ERR_DENIED (STATUS_NOT_YOU a FROM that is not yours),
 * ERR_PERMANENT (STATUS_NO_ACCOUNT, STATUS_NO_ROUTE: no recipient at all can be reached).
 */
int submit_begin(struct mail *m, const struct submit_request *req, struct submit **s_r,
                 struct err *err);
void submit_destroy(struct submit **sp);  /* cancels: drafts are dropped */
const char *submit_id(const struct submit *s);

/*
 * A part: begin, octets in any pieces, end. length is of what is sent (base64 text if is_base64);
 * UINT64_MAX: not known. Failures: STATUS_LIMIT (1000 parts), STATUS_PARAMETER (name, type),
 * STATUS_TOO_LARGE (as soon as it is known), STATUS_BAD_BASE64, STATUS_BAD_LENGTH. After a
 * failure within a part the part is gone and the message can go on, but for STATUS_TOO_LARGE
 * and store trouble, after which only destroy is left.
 */
int submit_part(struct submit *s, const char *name, const char *type, bool is_content,
                bool is_base64, uint64_t length, struct err *err);
int submit_octets(struct submit *s, const void *p, size_t n, struct err *err);
int submit_part_end(struct submit *s, struct err *err);
/* Give up the part that is in progress: the message goes on without it. */
void submit_part_drop(struct submit *s);

struct submit_result {
    char *to;          /* as written */
    int code;          /* STATUS_DELIVERED, STATUS_QUEUED, 4xx, 7xx */
    char *text;        /* what follows the imid: "id=UUID delivered", or the reason */
};

/*
 * Deliver and queue, in a savepoint. 0 with one result per recipient, in order; -1 (nothing was
 * stored): STATUS_NO_CONTENT, STATUS_QUOTA of all, store trouble. Sent before under the same id by
 * the same account: the first answer again. Free with submit_results_free().
 */
int submit_done(struct submit *s, struct submit_result **results_r, size_t *n_r, struct err *err);
void submit_results_free(struct submit_result **rp, size_t n);

#endif
