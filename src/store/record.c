/* SPDX-License-Identifier: MIT */
/* The replay record: the front of store/record.h. */
#include "config.h"

#include "store/record.h"

#include <stdlib.h>

#include "store/store_private.h"

void record_clear(struct record *r)
{
    free(r->scope);
    free(r->results);
    *r = (struct record){ 0 };
}

int record_get(struct store *st, const char *scope, const char *uuid, struct record *r_r,
               struct err *err)
{
    *r_r = (struct record){ 0 };
    return st->ops->record_get(st, scope, uuid, r_r, err);
}

int record_put(struct store *st, const struct record *r, struct err *err)
{
    return st->ops->record_put(st, r, err);
}
