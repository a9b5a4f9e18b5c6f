/* SPDX-License-Identifier: MIT */
/*
 * JSON for the other rooms, over jansson: strict reading (I-JSON: no duplicate keys, UTF-8, no
 * NUL in strings, bounded depth), and building. struct json is one value with its own count;
 * children that json_get() and json_at() return are borrowed from their parent.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 32  /* objects and arrays within each other */

struct json;

/* One object or array, nothing after it. NULL: ERR_PROTOCOL, or ERR_TEMPORARY without memory. */
struct json *json_parse(const char *s, size_t len, struct err *err);
void json_destroy(struct json **jp);

struct json *json_object_new(void);
struct json *json_array_new(void);
struct json *json_string_new(const char *s);          /* invalid UTF-8 becomes U+FFFD */
struct json *json_integer_new(int64_t v);
struct json *json_boolean_new(bool v);
struct json *json_null_new(void);

/* Take over value. Setting NULL values is a bug. */
void json_set(struct json *object, const char *key, struct json *value);
void json_append(struct json *array, struct json *value);
/* Shorthands; a NULL string sets nothing. */
void json_set_str(struct json *object, const char *key, const char *s);
void json_set_int(struct json *object, const char *key, int64_t v);
void json_set_bool(struct json *object, const char *key, bool v);

struct json *json_get(const struct json *object, const char *key);  /* NULL: absent or no object */
const char *json_get_str(const struct json *object, const char *key);  /* NULL: absent or no string */
bool json_get_int(const struct json *object, const char *key, int64_t *v_r);
bool json_get_bool(const struct json *object, const char *key);       /* false: absent */
size_t json_size(const struct json *array_or_object);                 /* 0 for anything else */
struct json *json_at(const struct json *array, size_t i);
const char *json_str(const struct json *value);                       /* NULL: no string */
bool json_int(const struct json *value, int64_t *v_r);
bool json_is_map(const struct json *value);
bool json_is_list(const struct json *value);
int json_each(const struct json *object,
              int (*fn)(void *ctx, const char *key, struct json *value), void *ctx);

/* Append compact text, or indented by two. Keys keep their insertion order. */
void json_add(struct str *out, const struct json *value);
void json_add_pretty(struct str *out, const struct json *value);

/* Append one string as a JSON string with its quotes, without building a value. */
void json_add_quoted(struct str *out, const char *s, size_t n);

#endif
