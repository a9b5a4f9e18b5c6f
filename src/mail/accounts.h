/* SPDX-License-Identifier: MIT */
/*
 * Accounts and logins: making them, changing their secret, and proving one (AUTH SECRET). Slow
 * derivation runs on a worker; its result comes by the callback, unless accounts_forget() came first.
 */
#ifndef MAIL_ACCOUNTS_H
#define MAIL_ACCOUNTS_H

#include "mail/mail.h"
#include "base/uuid.h"
#include "store/account.h"

struct accounts;
struct accounts *accounts_create(struct mail *m);
void accounts_destroy(struct accounts **ap);

typedef void accounts_fn(void *ctx, const struct err *err);  /* err NULL: done (not yet committed) */

/*
 * Make an account, or set its secret. The address may be unprepared; its domain must be ours
 * (ERR_PERMANENT, STATUS_NO_ACCOUNT); it may not exist (ERR_PERMANENT, STATUS_PARAMETER), or must.
 * The secret is copied and wiped. fn is called once, in a later turn.
 */
void accounts_add(struct accounts *a, const char *address, const char *secret, accounts_fn *fn,
                  void *ctx);
void accounts_set_secret(struct accounts *a, const char *address, const char *secret,
                         accounts_fn *fn, void *ctx);
void accounts_forget(struct accounts *a, void *ctx);

/* ---- logging in ---- */

struct login {                       /* caller's memory */
    char address[1024];              /* prepared */
    uint8_t salt[ACCOUNT_SALT_BYTES];
    uint32_t n, r, p;
    char n1[UUID_SIZE];              /* nonces: once, and LOGIN_VALID_MS */
    char n2[24];
    int64_t since_ms;                /* monotonic */
    int64_t account;                 /* 0: there is none, and it will fail as a wrong key does */
};
#define LOGIN_VALID_MS 60000

/*
 * Begin: fills salt, cost and nonces; for unknown accounts stable fake ones. remote is the
 * caller's address. 0, or -1: ERR_PROTOCOL (bad IMID), ERR_DENIED STATUS_TOO_MANY_ATTEMPTS (that
 * address or account failed too often lately), store trouble.
 */
int login_begin(struct accounts *a, const char *address, const char *remote, struct login *lg,
                struct err *err);
/*
 * Check K (40 digits: SHA-1, 64: HMAC with the exporter, which may be NULL on a link without TLS).
 * 0 good; -1 ERR_DENIED STATUS_AUTH_FAILED (counted against remote and account), or store trouble.
 * Wipes lg.
 */
int login_check(struct accounts *a, struct login *lg, const char *remote, const char *k,
                const uint8_t *exporter, struct err *err);

#endif
