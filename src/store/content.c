/* SPDX-License-Identifier: MIT */
/*
 * Contents: the front of store/content.h, and the arithmetic by which the lengths in the header
 * say where each part's chunks are, so that no table of parts is kept.
 */
#include "config.h"

#include "store/content.h"

#include <stdlib.h>

#include "wire/status.h"

#include "store/store_private.h"

void content_clear(struct content *c)
{
    free(c->header);
    free(c->signature);
    free(c->certificate);
    *c = (struct content){ 0 };
}

int content_begin(struct store *st, int64_t now_ms, int64_t *id_r, struct err *err)
{
    *id_r = 0;
    return st->ops->content_begin(st, now_ms, id_r, err);
}

int content_append(struct store *st, int64_t id, uint32_t chunk, const void *p, size_t n,
                   struct err *err)
{
    if (n == 0 || n > CONTENT_CHUNK)
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "a chunk of %zu bytes", n);
    return st->ops->content_append(st, id, chunk, p, n, err);
}

int content_finish(struct store *st, int64_t id, const struct message *m, const char *header,
                   const char *signature, const char *certificate, struct err *err)
{
    return st->ops->content_finish(st, id, m, header, signature, certificate, err);
}

int content_drop(struct store *st, int64_t id, struct err *err)
{
    return st->ops->content_drop(st, id, err);
}

int content_get(struct store *st, int64_t id, struct content *c_r, struct err *err)
{
    *c_r = (struct content){ 0 };
    return st->ops->content_get(st, id, c_r, err);
}

int content_chunk(struct store *st, int64_t id, uint32_t chunk, struct str *out, struct err *err)
{
    return st->ops->content_chunk(st, id, chunk, out, err);
}

static uint32_t chunks_of(uint64_t length)
{
    return (uint32_t)((length + CONTENT_CHUNK - 1) / CONTENT_CHUNK);
}

void content_part_chunks(const struct message *m, size_t part, uint32_t *first_r, uint32_t *n_r)
{
    uint32_t first = 0;

    for (size_t i = 0; i < part && i < m->n_parts; i++)
        first += chunks_of(m->parts[i].length);
    *first_r = first;
    *n_r = part < m->n_parts ? chunks_of(m->parts[part].length) : 0;
}
