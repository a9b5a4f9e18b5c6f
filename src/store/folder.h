/* SPDX-License-Identifier: MIT */
/*
 * Folders. The counters unread and total are kept by the transaction, so reading them never
 * counts. Names keep their case and are compared by prep_fold().
 */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "store/store.h"

struct folder {
    int64_t id;
    int64_t account;
    char *path;       /* "INBOX/Lists" */
    int64_t unread;
    int64_t total;
};

void folder_clear(struct folder *f);

/* 1 with f_r, 0 none of that name. */
int folder_get(struct store *st, int64_t account, const char *path, struct folder *f_r,
               struct err *err);
int folder_get_by_id(struct store *st, int64_t id, struct folder *f_r, struct err *err);
/* Create (parents too). 1 with f_r, 0 it exists (f_r filled all the same). */
int folder_put(struct store *st, int64_t account, const char *path, struct folder *f_r,
               struct err *err);
/* The folder named path ("" : all) and, if recursive, those below it; by name, INBOX first. */
int folder_each(struct store *st, int64_t account, const char *path, bool recursive,
                int (*fn)(void *ctx, const struct folder *f), void *ctx, struct err *err);

#endif
