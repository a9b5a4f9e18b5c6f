/* SPDX-License-Identifier: MIT */
/* Accounts: login, primary mailbox, and its counters. See store/store.h for results and threads. */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "store/store.h"

#define ACCOUNT_SALT_BYTES 16
#define ACCOUNT_VERIFIER_MAX 256

struct account {
    int64_t id;
    char *address;                     /* prepared local@domain */
    uint8_t salt[ACCOUNT_SALT_BYTES];
    uint32_t n, r, p;                  /* scrypt cost */
    uint8_t verifier[ACCOUNT_VERIFIER_MAX];  /* H(p), sealed: seal/password.h */
    size_t verifier_len;               /* 0: cannot log in */
    int64_t quota_bytes;               /* 0: the domain's default */
    int64_t used_bytes;                /* kept by the transaction */
    bool saves_sent;                   /* a copy of what it sends goes to SENT */
    int64_t created_ms;
};

void account_clear(struct account *a);

/* Create with its folders INBOX, DRAFTS, SENT, JUNK, TRASH. 1 with a->id set, 0 it exists. */
int account_put(struct store *st, struct account *a, struct err *err);
int account_get(struct store *st, const char *address, struct account *a_r, struct err *err);
int account_get_by_id(struct store *st, int64_t id, struct account *a_r, struct err *err);
/* Update salt, cost, verifier, quota, saves_sent. 1, or 0 no such id. */
int account_update(struct store *st, const struct account *a, struct err *err);
/* With its folders and messages. 1, or 0. */
int account_del(struct store *st, const char *address, struct err *err);
/* In the order of address; domain NULL: all. */
int account_each(struct store *st, const char *domain,
                 int (*fn)(void *ctx, const struct account *a), void *ctx, struct err *err);

#endif
