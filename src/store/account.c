/* SPDX-License-Identifier: MIT */
/* Accounts: the front of store/account.h. */
#include "config.h"

#include "store/account.h"

#include <stdlib.h>
#include <string.h>

#include "wire/status.h"

#include "store/store_private.h"

void account_clear(struct account *a)
{
    free(a->address);
    *a = (struct account){ 0 };
}

static int check(const struct account *a, struct err *err)
{
    if (a->verifier_len <= ACCOUNT_VERIFIER_MAX)
        return 0;
    return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "verifier of %zu bytes: at most %d",
                   a->verifier_len, ACCOUNT_VERIFIER_MAX);
}

int account_put(struct store *st, struct account *a, struct err *err)
{
    a->id = 0;
    return check(a, err) < 0 ? -1 : st->ops->account_put(st, a, err);
}

int account_get(struct store *st, const char *address, struct account *a_r, struct err *err)
{
    *a_r = (struct account){ 0 };
    return st->ops->account_get(st, address, a_r, err);
}

int account_get_by_id(struct store *st, int64_t id, struct account *a_r, struct err *err)
{
    *a_r = (struct account){ 0 };
    return st->ops->account_get_by_id(st, id, a_r, err);
}

int account_update(struct store *st, const struct account *a, struct err *err)
{
    return check(a, err) < 0 ? -1 : st->ops->account_update(st, a, err);
}

int account_del(struct store *st, const char *address, struct err *err)
{
    return st->ops->account_del(st, address, err);
}

int account_each(struct store *st, const char *domain,
                 int (*fn)(void *ctx, const struct account *a), void *ctx, struct err *err)
{
    return st->ops->account_each(st, domain, fn, ctx, err);
}
