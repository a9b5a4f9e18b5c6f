/* SPDX-License-Identifier: MIT */
/* Maps over uthash, so that its macros stay in one file. */
#include "base/map.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

struct map_entry {
    UT_hash_handle hh;
    void *value;
    char key[];
};

struct map {
    struct map_entry *head;
};

struct map *map_create(void)
{
    return mem_zalloc(sizeof(struct map));
}

void map_destroy(struct map **mp)
{
    struct map_entry *e, *next;

    if (*mp == NULL)
        return;
    /* The table goes at once; the entries stay linked to each other. */
    e = (*mp)->head;
    HASH_CLEAR(hh, (*mp)->head);
    for (; e != NULL; e = next) {
        next = e->hh.next;
        free(e);
    }
    free(*mp);
    *mp = NULL;
}

size_t map_size(const struct map *m)
{
    return HASH_COUNT(m->head);
}

static struct map_entry *map_find(const struct map *m, const char *key)
{
    struct map_entry *e;

    HASH_FIND_STR(m->head, key, e);
    return e;
}

void map_put(struct map *m, const char *key, void *value)
{
    struct map_entry *e = map_find(m, key);

    if (e == NULL) {
        size_t n = strlen(key);

        e = mem_alloc(sizeof(*e) + n + 1);
        memcpy(e->key, key, n + 1);
        HASH_ADD_KEYPTR(hh, m->head, e->key, n, e);
    }
    e->value = value;
}

void *map_get(const struct map *m, const char *key)
{
    struct map_entry *e = map_find(m, key);

    return e != NULL ? e->value : NULL;
}

void *map_del(struct map *m, const char *key)
{
    struct map_entry *e = map_find(m, key);
    void *value;

    if (e == NULL)
        return NULL;
    value = e->value;
    HASH_DEL(m->head, e);
    free(e);
    return value;
}

int map_each(struct map *m, int (*fn)(void *ctx, const char *key, void *value), void *ctx)
{
    struct map_entry *e, *next;
    int rc = 0;

    HASH_ITER(hh, m->head, e, next) {
        rc = fn(ctx, e->key, e->value);
        if (rc != 0)
            break;
    }
    return rc;
}

struct idmap_entry {
    UT_hash_handle hh;
    uint64_t id;
    void *value;
};

struct idmap {
    struct idmap_entry *head;
    uint64_t last;
};

struct idmap *idmap_create(void)
{
    return mem_zalloc(sizeof(struct idmap));
}

void idmap_destroy(struct idmap **mp)
{
    struct idmap_entry *e, *next;

    if (*mp == NULL)
        return;
    /* The table goes at once; the entries stay linked to each other. */
    e = (*mp)->head;
    HASH_CLEAR(hh, (*mp)->head);
    for (; e != NULL; e = next) {
        next = e->hh.next;
        free(e);
    }
    free(*mp);
    *mp = NULL;
}

size_t idmap_size(const struct idmap *m)
{
    return HASH_COUNT(m->head);
}

uint64_t idmap_add(struct idmap *m, void *value)
{
    struct idmap_entry *e = mem_zalloc(sizeof(*e));

    e->id = ++m->last;
    e->value = value;
    HASH_ADD(hh, m->head, id, sizeof(e->id), e);
    return e->id;
}

static struct idmap_entry *idmap_find(const struct idmap *m, uint64_t id)
{
    struct idmap_entry *e;

    HASH_FIND(hh, m->head, &id, sizeof(id), e);
    return e;
}

void *idmap_get(const struct idmap *m, uint64_t id)
{
    struct idmap_entry *e = idmap_find(m, id);

    return e != NULL ? e->value : NULL;
}

void *idmap_del(struct idmap *m, uint64_t id)
{
    struct idmap_entry *e = idmap_find(m, id);
    void *value;

    if (e == NULL)
        return NULL;
    value = e->value;
    HASH_DEL(m->head, e);
    free(e);
    return value;
}

int idmap_each(struct idmap *m, int (*fn)(void *ctx, uint64_t id, void *value), void *ctx)
{
    struct idmap_entry *e, *next;
    int rc = 0;

    HASH_ITER(hh, m->head, e, next) {
        rc = fn(ctx, e->id, e->value);
        if (rc != 0)
            break;
    }
    return rc;
}
