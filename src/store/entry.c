/* SPDX-License-Identifier: MIT */
/* Entries: the front of store/entry.h. */
#include "config.h"

#include "store/entry.h"

#include "store/store_private.h"

int entry_put(struct store *st, struct entry *e, struct err *err)
{
    e->id = 0;
    return st->ops->entry_put(st, e, err);
}

int entry_get(struct store *st, int64_t folder, const char *uuid, struct entry *e_r,
              struct err *err)
{
    *e_r = (struct entry){ 0 };
    return st->ops->entry_get(st, folder, uuid, e_r, err);
}

int entry_flag(struct store *st, int64_t folder, const char *uuid, unsigned set, unsigned clear,
               struct err *err)
{
    return st->ops->entry_flag(st, folder, uuid, set, clear, err);
}

int entry_del(struct store *st, int64_t folder, const char *uuid, struct err *err)
{
    return st->ops->entry_del(st, folder, uuid, err);
}

int entry_each(struct store *st, const struct entry_query *q,
               int (*fn)(void *ctx, const struct entry *e, const char *summary), void *ctx,
               struct err *err)
{
    return st->ops->entry_each(st, q, fn, ctx, err);
}

int entry_index(struct store *st, int64_t folder, int64_t budget_ms, struct err *err)
{
    return st->ops->entry_index(st, folder, budget_ms, err);
}
