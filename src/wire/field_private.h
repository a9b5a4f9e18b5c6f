/* SPDX-License-Identifier: MIT */
/*
 * Members of a JSON line, each read with its type and its limits, or written: what header, bundle
 * head, receipt and row have in common. key names the member in the error text.
 *
 * Each reader returns 0, or -1 (ERR_PROTOCOL); outputs are touched on success only. Strings given as
 * char ** are the caller's, those given as const char ** are borrowed from the value.
 */
#ifndef WIRE_FIELD_PRIVATE_H
#define WIRE_FIELD_PRIVATE_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "wire/json.h"

#include <stddef.h>
#include <stdint.h>

#define FIELD_INTEGER_MAX ((1LL << 53) - 1)  /* I-JSON: what every reader keeps exactly */

int field_text(const struct json *v, const char *key, size_t min, size_t max, const char **s_r,
               struct err *err);
int field_integer(const struct json *v, const char *key, int64_t min, int64_t max, int64_t *v_r,
                  struct err *err);
int field_list(const struct json *v, const char *key, size_t min, size_t max, size_t *n_r,
               struct err *err);
int field_uuid(const struct json *v, const char *key, char out[UUID_SIZE], struct err *err);
int field_sha256(const struct json *v, const char *key, char out[65], struct err *err);
/* RFC 3339 date-time, not a date alone. */
int field_time(const struct json *v, const char *key, int64_t *at_ms_r, struct err *err);
int field_domain(const struct json *v, const char *key, char **domain_r, struct err *err);
/* local@domain, prepared. */
int field_address(const struct json *v, const char *key, char **address_r, struct err *err);
/* local[+folder]@domain, local and domain prepared, the folder as written. */
int field_recipient(const struct json *v, const char *key, char **address_r, struct err *err);

/* Append ,"key": and the value. */
void field_add_text(struct str *out, const char *key, const char *s);
void field_add_list(struct str *out, const char *key, char *const *list, size_t n);
void field_add_time(struct str *out, const char *key, int64_t at_ms);

/* May a key that nobody knows be there? Only "x-…": 0, or -1. */
int field_unknown(const char *key, struct err *err);

/*
 * Walk an object by a table: each member is read by its reader; unknown ones are refused unless
 * x-…, and so is an object without one that is required.
 */
struct field {
    const char *key;
    bool is_required;
    int (*read)(void *ctx, const struct json *v, const char *key, struct err *err);
};
int field_each(const struct json *object, const struct field *fields, size_t n, void *ctx,
               struct err *err);

#endif
