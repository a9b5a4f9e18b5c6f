/* SPDX-License-Identifier: MIT */
/* Folders: the front of store/folder.h. */
#include "config.h"

#include "store/folder.h"

#include <stdlib.h>

#include "wire/folder.h"

#include "store/store_private.h"

void folder_clear(struct folder *f)
{
    free(f->path);
    *f = (struct folder){ 0 };
}

int folder_get(struct store *st, int64_t account, const char *path, struct folder *f_r,
               struct err *err)
{
    *f_r = (struct folder){ 0 };
    return st->ops->folder_get(st, account, path, f_r, err);
}

int folder_get_by_id(struct store *st, int64_t id, struct folder *f_r, struct err *err)
{
    *f_r = (struct folder){ 0 };
    return st->ops->folder_get_by_id(st, id, f_r, err);
}

int folder_put(struct store *st, int64_t account, const char *path, struct folder *f_r,
               struct err *err)
{
    *f_r = (struct folder){ 0 };
    if (folder_path_check(path, err) < 0)
        return -1;
    return st->ops->folder_put(st, account, path, f_r, err);
}

int folder_each(struct store *st, int64_t account, const char *path, bool recursive,
                int (*fn)(void *ctx, const struct folder *f), void *ctx, struct err *err)
{
    return st->ops->folder_each(st, account, path, recursive, fn, ctx, err);
}
