/* SPDX-License-Identifier: MIT */
/*
 * JSON over jansson. A struct json is a json_t under another name, so that no other file needs
 * jansson's header and none can mistake its functions, which also begin with json_, for ours.
 *
 * Reading is strict because headers are signed: two readers that understand one text differently
 * (the first or the last of two equal keys, a NUL that ends a string for one of them) are a hole.
 * jansson recurses, so the depth is checked by a scan of the bytes before it sees them.
 *
 * Texts that a peer chose are limited by the caller before they come here; what cannot be
 * allocated while building ends the process like mem_alloc().
 */
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"

static json_t *raw(const struct json *j)
{
    return (json_t *)j;
}

static struct json *own(json_t *value)
{
    if (value == NULL)
        abort();
    return (struct json *)value;
}

static int check_depth(const char *s, size_t len, struct err *err)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return err_set(err, ERR_PROTOCOL, 0, "JSON nested deeper than %d", JSON_DEPTH_MAX);
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

struct json *json_parse(const char *s, size_t len, struct err *err)
{
    json_error_t e;
    json_t *value;

    if (check_depth(s, len, err) < 0)
        return NULL;
    /* jansson steps over one that stands behind a number or a word. */
    if (memchr(s, '\0', len) != NULL) {
        err_set(err, ERR_PROTOCOL, 0, "not JSON as expected: a NUL");
        return NULL;
    }
    value = json_loadb(s, len, JSON_REJECT_DUPLICATES, &e);
    if (value == NULL && json_error_code(&e) == json_error_out_of_memory)
        err_set(err, ERR_TEMPORARY, 0, "out of memory for %zu bytes of JSON", len);
    else if (value == NULL)
        err_set(err, ERR_PROTOCOL, 0, "not JSON as expected (byte %d): %s", e.position, e.text);
    return (struct json *)value;
}

void json_destroy(struct json **jp)
{
    json_decref(raw(*jp));
    *jp = NULL;
}

struct json *json_object_new(void)
{
    return own(json_object());
}

struct json *json_array_new(void)
{
    return own(json_array());
}

/* Copy s, each byte that belongs to no valid sequence replaced by U+FFFD. */
static void add_mended(struct str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

        if (len <= n - i && str_is_utf8(s + i, len)) {
            str_addn(out, s + i, len);
            i += len;
        } else {
            str_add(out, "\xef\xbf\xbd");
            i++;
        }
    }
}

struct json *json_string_new(const char *s)
{
    size_t n = strlen(s);
    struct str mended = STR_INIT;
    struct json *value;

    if (str_is_utf8(s, n))
        return own(json_stringn_nocheck(s, n));
    add_mended(&mended, s, n);
    value = own(json_stringn_nocheck(str_c(&mended), mended.len));
    str_clear(&mended);
    return value;
}

struct json *json_integer_new(int64_t v)
{
    return own(json_integer(v));
}

struct json *json_boolean_new(bool v)
{
    return own(json_boolean(v));
}

struct json *json_null_new(void)
{
    return own(json_null());
}

void json_set(struct json *object, const char *key, struct json *value)
{
    if (json_object_set_new_nocheck(raw(object), key, raw(value)) < 0)
        abort();
}

void json_append(struct json *array, struct json *value)
{
    if (json_array_append_new(raw(array), raw(value)) < 0)
        abort();
}

void json_set_str(struct json *object, const char *key, const char *s)
{
    if (s != NULL)
        json_set(object, key, json_string_new(s));
}

void json_set_int(struct json *object, const char *key, int64_t v)
{
    json_set(object, key, json_integer_new(v));
}

void json_set_bool(struct json *object, const char *key, bool v)
{
    json_set(object, key, json_boolean_new(v));
}

struct json *json_get(const struct json *object, const char *key)
{
    return (struct json *)json_object_get(raw(object), key);
}

const char *json_get_str(const struct json *object, const char *key)
{
    return json_str(json_get(object, key));
}

bool json_get_int(const struct json *object, const char *key, int64_t *v_r)
{
    return json_int(json_get(object, key), v_r);
}

bool json_get_bool(const struct json *object, const char *key)
{
    return json_is_true(raw(json_get(object, key)));
}

size_t json_size(const struct json *array_or_object)
{
    const json_t *value = raw(array_or_object);

    return json_is_object(value) ? json_object_size(value) : json_array_size(value);
}

struct json *json_at(const struct json *array, size_t i)
{
    return (struct json *)json_array_get(raw(array), i);
}

const char *json_str(const struct json *value)
{
    return json_string_value(raw(value));
}

bool json_int(const struct json *value, int64_t *v_r)
{
    if (!json_is_integer(raw(value)))
        return false;
    *v_r = json_integer_value(raw(value));
    return true;
}

bool json_is_map(const struct json *value)
{
    return json_is_object(raw(value));
}

bool json_is_list(const struct json *value)
{
    return json_is_array(raw(value));
}

int json_each(const struct json *object,
              int (*fn)(void *ctx, const char *key, struct json *value), void *ctx)
{
    json_t *map = raw(object);

    for (void *it = json_object_iter(map); it != NULL; it = json_object_iter_next(map, it)) {
        int rc = fn(ctx, json_object_iter_key(it), (struct json *)json_object_iter_value(it));

        if (rc != 0)
            return rc;
    }
    return 0;
}

static int dump_to_str(const char *p, size_t n, void *out)
{
    str_addn(out, p, n);
    return 0;
}

static void dump(struct str *out, const struct json *value, size_t flags)
{
    if (json_dump_callback(raw(value), dump_to_str, out, flags | JSON_ENCODE_ANY) < 0)
        abort();
}

void json_add(struct str *out, const struct json *value)
{
    dump(out, value, JSON_COMPACT);
}

void json_add_pretty(struct str *out, const struct json *value)
{
    dump(out, value, JSON_INDENT(2));
}

static void add_escape(struct str *out, unsigned char c)
{
    static const char shorts[] = "\"\"\\\\b\bf\fn\nr\rt\t"; /* letter, character */

    for (size_t i = 0; i < sizeof(shorts) - 1; i += 2) {
        if ((unsigned char)shorts[i + 1] == c) {
            str_addc(out, '\\');
            str_addc(out, shorts[i]);
            return;
        }
    }
    str_addf(out, "\\u%04X", c);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

void json_add_quoted(struct str *out, const char *s, size_t n)
{
    struct str mended = STR_INIT;

    if (!str_is_utf8(s, n)) {
        add_mended(&mended, s, n);
        s = str_c(&mended);
        n = mended.len;
    }
    str_addc(out, '"');
    for (size_t i = 0; i < n;) {
        size_t run = i;

        while (run < n && is_plain((unsigned char)s[run]))
            run++;
        str_addn(out, s + i, run - i);
        i = run;
        if (i < n)
            add_escape(out, (unsigned char)s[i++]);
    }
    str_addc(out, '"');
    str_clear(&mended);
}
