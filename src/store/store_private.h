/* SPDX-License-Identifier: MIT */
/*
 * What a backend fills: one table of functions, the front struct as its first member. The front
 * functions (store.c, account.c, …) clear the outputs and check what no backend should have to
 * check again; results and failures are those of the public headers.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store/account.h"
#include "store/content.h"
#include "store/entry.h"
#include "store/folder.h"
#include "store/peer.h"
#include "store/queue.h"
#include "store/record.h"
#include "store/store.h"

typedef int store_account_fn(void *ctx, const struct account *a);
typedef int store_folder_fn(void *ctx, const struct folder *f);
typedef int store_entry_fn(void *ctx, const struct entry *e, const char *summary);
typedef int store_queue_fn(void *ctx, const struct queue_entry *q);
typedef int store_path_fn(void *ctx, const struct queue_path *p);
typedef int store_peer_fn(void *ctx, const struct peer *p);

/* What a claim asks for (queue_claim's arguments). */
struct queue_claim_request {
    const char *origin;
    const char *destination;
    int64_t now_ms;
    int64_t lease_ms;
    int max_entries;
    int64_t max_bytes;
};

struct store_ops {
    const char *name;  /* "sqlite" */
    void (*close)(struct store *st);
    void (*on_broken)(struct store *st, store_broken_fn *fn, void *ctx);

    bool (*is_dirty)(const struct store *st);
    int (*commit)(struct store *st, struct err *err);
    void (*rollback)(struct store *st);
    int (*savepoint)(struct store *st, struct err *err);
    int (*release)(struct store *st, struct err *err);
    void (*undo)(struct store *st);
    int (*check)(struct store *st, struct err *err);
    int (*totals)(struct store *st, struct store_totals *t_r, struct err *err);
    int (*tidy)(struct store *st, int64_t drafts_before_ms, int64_t records_before_ms,
                int64_t budget_ms, struct err *err);

    int (*account_put)(struct store *st, struct account *a, struct err *err);
    int (*account_get)(struct store *st, const char *address, struct account *a_r,
                       struct err *err);
    int (*account_get_by_id)(struct store *st, int64_t id, struct account *a_r, struct err *err);
    int (*account_update)(struct store *st, const struct account *a, struct err *err);
    int (*account_del)(struct store *st, const char *address, struct err *err);
    int (*account_each)(struct store *st, const char *domain, store_account_fn *fn, void *ctx,
                        struct err *err);

    int (*folder_get)(struct store *st, int64_t account, const char *path, struct folder *f_r,
                      struct err *err);
    int (*folder_get_by_id)(struct store *st, int64_t id, struct folder *f_r, struct err *err);
    int (*folder_put)(struct store *st, int64_t account, const char *path, struct folder *f_r,
                      struct err *err);
    int (*folder_each)(struct store *st, int64_t account, const char *path, bool recursive,
                       store_folder_fn *fn, void *ctx, struct err *err);

    int (*content_begin)(struct store *st, int64_t now_ms, int64_t *id_r, struct err *err);
    int (*content_append)(struct store *st, int64_t id, uint32_t chunk, const void *p, size_t n,
                          struct err *err);
    int (*content_finish)(struct store *st, int64_t id, const struct message *m,
                          const char *header, const char *signature, const char *certificate,
                          struct err *err);
    int (*content_drop)(struct store *st, int64_t id, struct err *err);
    int (*content_get)(struct store *st, int64_t id, struct content *c_r, struct err *err);
    int (*content_chunk)(struct store *st, int64_t id, uint32_t chunk, struct str *out,
                         struct err *err);

    int (*entry_put)(struct store *st, struct entry *e, struct err *err);
    int (*entry_get)(struct store *st, int64_t folder, const char *uuid, struct entry *e_r,
                     struct err *err);
    int (*entry_flag)(struct store *st, int64_t folder, const char *uuid, unsigned set,
                      unsigned clear, struct err *err);
    int (*entry_del)(struct store *st, int64_t folder, const char *uuid, struct err *err);
    int (*entry_each)(struct store *st, const struct entry_query *q, store_entry_fn *fn,
                      void *ctx, struct err *err);
    int (*entry_index)(struct store *st, int64_t folder, int64_t budget_ms, struct err *err);

    int (*queue_put)(struct store *st, struct queue_entry *q, struct err *err);
    int (*queue_get)(struct store *st, int64_t id, struct queue_entry *q_r, struct err *err);
    int (*queue_claim)(struct store *st, const struct queue_claim_request *req,
                       store_queue_fn *fn, void *ctx, struct err *err);
    int (*queue_defer)(struct store *st, int64_t id, int64_t due_ms, const char *error,
                       struct err *err);
    int (*queue_settle)(struct store *st, int64_t id, const char *settled, struct err *err);
    int (*queue_hold)(struct store *st, int64_t id, bool hold, struct err *err);
    int (*queue_del)(struct store *st, int64_t id, struct err *err);
    int (*queue_each_path)(struct store *st, int64_t now_ms, store_path_fn *fn, void *ctx,
                           struct err *err);
    int (*queue_next)(struct store *st, const char *origin, const char *destination,
                      int64_t *at_ms_r, struct err *err);
    int (*queue_release)(struct store *st, struct err *err);
    int (*queue_each)(struct store *st, const char *destination, store_queue_fn *fn, void *ctx,
                      struct err *err);
    int (*queue_each_expired)(struct store *st, int64_t now_ms, int limit, store_queue_fn *fn,
                              void *ctx, struct err *err);
    int (*queue_hurry)(struct store *st, const char *destination, int64_t now_ms,
                       struct err *err);

    int (*peer_get)(struct store *st, const char *domain, struct peer *p_r, struct err *err);
    int (*peer_put)(struct store *st, const struct peer *p, struct err *err);
    int (*peer_del)(struct store *st, const char *domain, struct err *err);
    int (*peer_each)(struct store *st, store_peer_fn *fn, void *ctx, struct err *err);

    int (*record_get)(struct store *st, const char *scope, const char *uuid,
                      struct record *r_r, struct err *err);
    int (*record_put)(struct store *st, const struct record *r, struct err *err);
};

struct store {
    const struct store_ops *ops;  /* the rest is the backend's */
};

#endif
