/* SPDX-License-Identifier: MIT */
/* See store_failing.h. Each function counts itself, fails if it is its turn, or is forwarded. */
#include "config.h"

#include "lib/store_failing.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/store_private.h"
#include "wire/status.h"

struct failing {
    struct store store;  /* first member */
    struct store *inner;
    size_t calls;        /* since store_failing_nth() */
    size_t nth;
    bool has_failed;
};

static struct failing *of(struct store *st)
{
    return (struct failing *)st;
}

static bool fails(struct store *st, const char *call, struct err *err)
{
    struct failing *f = of(st);

    f->calls++;
    if (f->calls != f->nth)
        return false;
    f->has_failed = true;
    (void)err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "store call %zu, %s, was told to fail",
                  f->nth, call);
    return true;
}

#define IN (of(st)->inner)

/* One forwarder: its name, its parameters, and the arguments to the inner one. */
#define FORWARD(name, params, args) \
    static int fail_##name params \
    { \
        return fails(st, #name, err) ? -1 : IN->ops->name args; \
    }

static void close_both(struct store *st)
{
    store_close(&of(st)->inner);
    free(st);
}

static void on_broken(struct store *st, store_broken_fn *fn, void *ctx)
{
    store_on_broken(IN, fn, ctx);
}

static bool is_dirty(const struct store *st)
{
    return store_is_dirty(((const struct failing *)st)->inner);
}

static int commit(struct store *st, struct err *err)
{
    if (!fails(st, "commit", err))
        return store_commit(IN, err);
    store_rollback(IN);
    return -1;
}

static void rollback(struct store *st)
{
    store_rollback(IN);
}

static int release(struct store *st, struct err *err)
{
    if (!fails(st, "release", err))
        return store_release(IN, err);
    store_undo(IN);
    return -1;
}

static void undo(struct store *st)
{
    store_undo(IN);
}

FORWARD(savepoint, (struct store *st, struct err *err), (IN, err))
FORWARD(check, (struct store *st, struct err *err), (IN, err))
FORWARD(totals, (struct store *st, struct store_totals *t_r, struct err *err), (IN, t_r, err))
FORWARD(tidy,
        (struct store *st, int64_t drafts_ms, int64_t records_ms, int64_t budget_ms,
         struct err *err),
        (IN, drafts_ms, records_ms, budget_ms, err))

FORWARD(account_put, (struct store *st, struct account *a, struct err *err), (IN, a, err))
FORWARD(account_get,
        (struct store *st, const char *address, struct account *a_r, struct err *err),
        (IN, address, a_r, err))
FORWARD(account_get_by_id,
        (struct store *st, int64_t id, struct account *a_r, struct err *err),
        (IN, id, a_r, err))
FORWARD(account_update, (struct store *st, const struct account *a, struct err *err), (IN, a, err))
FORWARD(account_del, (struct store *st, const char *address, struct err *err), (IN, address, err))
FORWARD(account_each,
        (struct store *st, const char *domain, store_account_fn *fn, void *ctx,
         struct err *err),
        (IN, domain, fn, ctx, err))

FORWARD(folder_get,
        (struct store *st, int64_t account, const char *path, struct folder *f_r,
         struct err *err),
        (IN, account, path, f_r, err))
FORWARD(folder_get_by_id,
        (struct store *st, int64_t id, struct folder *f_r, struct err *err),
        (IN, id, f_r, err))
FORWARD(folder_put,
        (struct store *st, int64_t account, const char *path, struct folder *f_r,
         struct err *err),
        (IN, account, path, f_r, err))
FORWARD(folder_each,
        (struct store *st, int64_t account, const char *path, bool recursive,
         store_folder_fn *fn, void *ctx, struct err *err),
        (IN, account, path, recursive, fn, ctx, err))

FORWARD(content_begin,
        (struct store *st, int64_t now_ms, int64_t *id_r, struct err *err),
        (IN, now_ms, id_r, err))
FORWARD(content_append,
        (struct store *st, int64_t id, uint32_t chunk, const void *p, size_t n,
         struct err *err),
        (IN, id, chunk, p, n, err))
FORWARD(content_finish,
        (struct store *st, int64_t id, const struct message *m, const char *header,
         const char *signature, const char *certificate, struct err *err),
        (IN, id, m, header, signature, certificate, err))
FORWARD(content_drop, (struct store *st, int64_t id, struct err *err), (IN, id, err))
FORWARD(content_get,
        (struct store *st, int64_t id, struct content *c_r, struct err *err),
        (IN, id, c_r, err))
FORWARD(content_chunk,
        (struct store *st, int64_t id, uint32_t chunk, struct str *out, struct err *err),
        (IN, id, chunk, out, err))

FORWARD(entry_put, (struct store *st, struct entry *e, struct err *err), (IN, e, err))
FORWARD(entry_get,
        (struct store *st, int64_t folder, const char *uuid, struct entry *e_r,
         struct err *err),
        (IN, folder, uuid, e_r, err))
FORWARD(entry_flag,
        (struct store *st, int64_t folder, const char *uuid, unsigned set, unsigned clear,
         struct err *err),
        (IN, folder, uuid, set, clear, err))
FORWARD(entry_del,
        (struct store *st, int64_t folder, const char *uuid, struct err *err),
        (IN, folder, uuid, err))
FORWARD(entry_each,
        (struct store *st, const struct entry_query *q, store_entry_fn *fn, void *ctx,
         struct err *err),
        (IN, q, fn, ctx, err))
FORWARD(entry_index, (struct store *st, int64_t folder, int64_t budget_ms, struct err *err),
        (IN, folder, budget_ms, err))

FORWARD(queue_put, (struct store *st, struct queue_entry *q, struct err *err), (IN, q, err))
FORWARD(queue_get,
        (struct store *st, int64_t id, struct queue_entry *q_r, struct err *err),
        (IN, id, q_r, err))
FORWARD(queue_claim,
        (struct store *st, const struct queue_claim_request *req, store_queue_fn *fn,
         void *ctx, struct err *err),
        (IN, req, fn, ctx, err))
FORWARD(queue_defer,
        (struct store *st, int64_t id, int64_t due_ms, const char *error,
         struct err *err),
        (IN, id, due_ms, error, err))
FORWARD(queue_settle,
        (struct store *st, int64_t id, const char *settled, struct err *err),
        (IN, id, settled, err))
FORWARD(queue_hold, (struct store *st, int64_t id, bool hold, struct err *err), (IN, id, hold, err))
FORWARD(queue_del, (struct store *st, int64_t id, struct err *err), (IN, id, err))
FORWARD(queue_each_path,
        (struct store *st, int64_t now_ms, store_path_fn *fn, void *ctx, struct err *err),
        (IN, now_ms, fn, ctx, err))
FORWARD(queue_next,
        (struct store *st, const char *origin, const char *destination, int64_t *at_ms_r,
         struct err *err),
        (IN, origin, destination, at_ms_r, err))
FORWARD(queue_release, (struct store *st, struct err *err), (IN, err))
FORWARD(queue_each,
        (struct store *st, const char *destination, store_queue_fn *fn, void *ctx,
         struct err *err),
        (IN, destination, fn, ctx, err))
FORWARD(queue_each_expired,
        (struct store *st, int64_t now_ms, int limit, store_queue_fn *fn, void *ctx,
         struct err *err),
        (IN, now_ms, limit, fn, ctx, err))
FORWARD(queue_hurry,
        (struct store *st, const char *destination, int64_t now_ms, struct err *err),
        (IN, destination, now_ms, err))

FORWARD(peer_get,
        (struct store *st, const char *domain, struct peer *p_r, struct err *err),
        (IN, domain, p_r, err))
FORWARD(peer_put, (struct store *st, const struct peer *p, struct err *err), (IN, p, err))
FORWARD(peer_del, (struct store *st, const char *domain, struct err *err), (IN, domain, err))
FORWARD(peer_each,
        (struct store *st, store_peer_fn *fn, void *ctx, struct err *err),
        (IN, fn, ctx, err))

FORWARD(record_get,
        (struct store *st, const char *scope, const char *uuid, struct record *r_r,
         struct err *err),
        (IN, scope, uuid, r_r, err))
FORWARD(record_put, (struct store *st, const struct record *r, struct err *err), (IN, r, err))

static const struct store_ops ops = {
    .name = "failing",
    .close = close_both,
    .on_broken = on_broken,
    .is_dirty = is_dirty,
    .commit = commit,
    .rollback = rollback,
    .savepoint = fail_savepoint,
    .release = release,
    .undo = undo,
    .check = fail_check,
    .totals = fail_totals,
    .tidy = fail_tidy,
    .account_put = fail_account_put,
    .account_get = fail_account_get,
    .account_get_by_id = fail_account_get_by_id,
    .account_update = fail_account_update,
    .account_del = fail_account_del,
    .account_each = fail_account_each,
    .folder_get = fail_folder_get,
    .folder_get_by_id = fail_folder_get_by_id,
    .folder_put = fail_folder_put,
    .folder_each = fail_folder_each,
    .content_begin = fail_content_begin,
    .content_append = fail_content_append,
    .content_finish = fail_content_finish,
    .content_drop = fail_content_drop,
    .content_get = fail_content_get,
    .content_chunk = fail_content_chunk,
    .entry_put = fail_entry_put,
    .entry_get = fail_entry_get,
    .entry_flag = fail_entry_flag,
    .entry_del = fail_entry_del,
    .entry_each = fail_entry_each,
    .entry_index = fail_entry_index,
    .queue_put = fail_queue_put,
    .queue_get = fail_queue_get,
    .queue_claim = fail_queue_claim,
    .queue_defer = fail_queue_defer,
    .queue_settle = fail_queue_settle,
    .queue_hold = fail_queue_hold,
    .queue_del = fail_queue_del,
    .queue_each_path = fail_queue_each_path,
    .queue_next = fail_queue_next,
    .queue_release = fail_queue_release,
    .queue_each = fail_queue_each,
    .queue_each_expired = fail_queue_each_expired,
    .queue_hurry = fail_queue_hurry,
    .peer_get = fail_peer_get,
    .peer_put = fail_peer_put,
    .peer_del = fail_peer_del,
    .peer_each = fail_peer_each,
    .record_get = fail_record_get,
    .record_put = fail_record_put,
};

struct store *store_failing_create(struct store *inner)
{
    struct failing *f = mem_zalloc(sizeof(*f));

    f->store.ops = &ops;
    f->inner = inner;
    return &f->store;
}

size_t store_failing_nth(struct store *st, size_t n)
{
    struct failing *f = of(st);
    size_t calls = f->calls;

    f->calls = 0;
    f->nth = n;
    f->has_failed = false;
    return calls;
}

bool store_failing_has_failed(const struct store *st)
{
    return ((const struct failing *)st)->has_failed;
}

struct store *store_failing_inner(struct store *st)
{
    return IN;
}
