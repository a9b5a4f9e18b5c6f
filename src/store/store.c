/* SPDX-License-Identifier: MIT */
/*
 * The front of the store: chooses the backend by the URL's scheme and forwards. A backend is one
 * table of functions (store_private.h), so that the contract tests run over each of them and a
 * failing one can stand in front of any.
 */
#include "config.h"

#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"
#include "wire/status.h"

#include "store/sqlite.h"
#include "store/store_private.h"

static const struct backend {
    const char *scheme;
    int (*open)(const char *path, struct store **st_r, struct err *err);
} backends[] = {
    { "sqlite:", sqlite_open },
};

int store_open(const char *url, const char *data_dir, struct store **st_r, struct err *err)
{
    struct str path = STR_INIT;
    const char *name;
    int rc;

    *st_r = NULL;
    for (size_t i = 0; i < N_ELEMENTS(backends); i++) {
        if (!str_starts(url, backends[i].scheme))
            continue;
        name = url + strlen(backends[i].scheme);
        if (*name == '\0')
            return err_set(err, ERR_PERMANENT, STATUS_STORAGE,
                           "the store's url \"%s\" names no file", url);
        if (*name != '/' && data_dir != NULL)
            str_addf(&path, "%s/", data_dir);
        str_add(&path, name);
        rc = backends[i].open(str_c(&path), st_r, err);
        str_clear(&path);
        return rc;
    }
    return err_set(err, ERR_PERMANENT, STATUS_STORAGE,
                   "the store's url \"%.100s\" is of no known kind; write \"sqlite:FILE\"", url);
}

void store_close(struct store **stp)
{
    if (*stp == NULL)
        return;
    (*stp)->ops->close(*stp);
    *stp = NULL;
}

const char *store_backend(const struct store *st)
{
    return st->ops->name;
}

void store_on_broken(struct store *st, store_broken_fn *fn, void *ctx)
{
    st->ops->on_broken(st, fn, ctx);
}

bool store_is_dirty(const struct store *st)
{
    return st->ops->is_dirty(st);
}

int store_commit(struct store *st, struct err *err)
{
    return st->ops->commit(st, err);
}

void store_rollback(struct store *st)
{
    st->ops->rollback(st);
}

int store_savepoint(struct store *st, struct err *err)
{
    return st->ops->savepoint(st, err);
}

int store_release(struct store *st, struct err *err)
{
    return st->ops->release(st, err);
}

void store_undo(struct store *st)
{
    st->ops->undo(st);
}

int store_check(struct store *st, struct err *err)
{
    return st->ops->check(st, err);
}

int store_totals(struct store *st, struct store_totals *t_r, struct err *err)
{
    *t_r = (struct store_totals){ 0 };
    return st->ops->totals(st, t_r, err);
}

int store_tidy(struct store *st, int64_t drafts_before_ms, int64_t records_before_ms,
               int64_t budget_ms, struct err *err)
{
    return st->ops->tidy(st, drafts_before_ms, records_before_ms, budget_ms, err);
}
