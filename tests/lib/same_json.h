/* SPDX-License-Identifier: MIT */
/* Do both readers of JSON (wire/json.h, wire/value_private.h) say the same of a text? */
#ifndef TESTS_LIB_SAME_JSON_H
#define TESTS_LIB_SAME_JSON_H

#include <string.h>

#include "wire/json.h"
#include "wire/value_private.h"

static bool same_json(const struct value *v, const struct json *j);

static int same_json_member(void *ctx, const char *key, struct json *j)
{
    const struct value **at = ctx, *v = *at;

    *at = value_next(v);
    return strcmp(value_key(v), key) != 0 || !same_json(v, j);
}

static bool same_json(const struct value *v, const struct json *j)
{
    const struct value *at = value_first(v);
    int64_t a, b;

    if (value_is_map(v) != json_is_map(j) || value_is_list(v) != json_is_list(j) ||
        value_size(v) != json_size(j) || (value_str(v) == NULL) != (json_str(j) == NULL) ||
        value_int(v, &a) != json_int(j, &b))
        return false;
    if (value_is_map(v))
        return json_each(j, same_json_member, &at) == 0;
    for (size_t i = 0; i < value_size(v); i++, at = value_next(at))
        if (!same_json(at, json_at(j, i)))
            return false;
    if (value_str(v) != NULL)
        return strcmp(value_str(v), json_str(j)) == 0;
    return !value_int(v, &a) || a == b;
}

/* Both take it, with the same values, or both refuse it. */
static inline bool same_json_text(const char *s, size_t len)
{
    struct json *j = json_parse(s, len, NULL);
    struct value *v = value_parse(s, len, NULL);
    bool same = (j == NULL) == (v == NULL) && (j == NULL || same_json(v, j));

    json_destroy(&j);
    value_destroy(&v);
    return same;
}

#endif
