/* SPDX-License-Identifier: MIT */
/*
 * The replay record: what was answered to a message id, so that a repeat gets the first answer
 * and delivers nothing. scope is the origin domain for what came sealed, or the account's address
 * for what was submitted. Kept 8 days (store_tidy).
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/uuid.h"
#include "store/store.h"

struct record {
    char *scope;
    char uuid[UUID_SIZE];
    char digest[65];    /* SHA-256 of the header line; "" for submissions */
    char *results;      /* the answer, in the caller's form */
    int64_t seen_ms;
};

void record_clear(struct record *r);
int record_get(struct store *st, const char *scope, const char *uuid, struct record *r_r,
               struct err *err);
int record_put(struct store *st, const struct record *r, struct err *err);  /* insert or replace */

#endif
