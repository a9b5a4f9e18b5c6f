/* SPDX-License-Identifier: MIT */
/*
 * Maps over uthash: text to pointer, and 64-bit id to pointer. Keys are copied; values stay the
 * caller's. Iteration is in insertion order and allows deletion of the current key only.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map;
struct map *map_create(void);
void map_destroy(struct map **mp);  /* values are not touched */
size_t map_size(const struct map *m);
void map_put(struct map *m, const char *key, void *value);  /* replaces */
void *map_get(const struct map *m, const char *key);        /* NULL: not there */
void *map_del(struct map *m, const char *key);              /* the value that was there, or NULL */
/* fn returns 0 to go on; anything else stops and is returned. */
int map_each(struct map *m, int (*fn)(void *ctx, const char *key, void *value), void *ctx);

struct idmap;
struct idmap *idmap_create(void);
void idmap_destroy(struct idmap **mp);
size_t idmap_size(const struct idmap *m);
uint64_t idmap_add(struct idmap *m, void *value);           /* a new id, never 0, never reused */
void *idmap_get(const struct idmap *m, uint64_t id);
void *idmap_del(struct idmap *m, uint64_t id);
int idmap_each(struct idmap *m, int (*fn)(void *ctx, uint64_t id, void *value), void *ctx);

#endif
