/* SPDX-License-Identifier: MIT */
/*
 * JSON. Holds: what was read and written, compact or indented, is read as the same; any bytes
 * written as a string are one that is read; a value that is looked up by its key is that value;
 * what is built of the members of a value, one by one, is the same again.
 */
#include "wire/json.h"

#include <string.h>

#include "base/mem.h"

#include "fuzz/fuzz.h"

static void check_same(const struct json *j, void (*write)(struct str *, const struct json *))
{
    struct str text = STR_INIT, first = STR_INIT, second = STR_INIT;
    struct json *back;

    write(&text, j);
    back = json_parse(str_c(&text), text.len, NULL);
    FUZZ_CHECK(back != NULL);
    json_add(&first, j);
    json_add(&second, back);
    FUZZ_CHECK(strcmp(str_c(&first), str_c(&second)) == 0);
    FUZZ_CHECK(strchr(str_c(&first), '\n') == NULL);
    json_destroy(&back);
    str_clear(&text);
    str_clear(&first);
    str_clear(&second);
}

static void check_quoted(const char *s, size_t n)
{
    struct str text = STR_INIT;
    struct json *j;

    str_addc(&text, '[');
    json_add_quoted(&text, s, n);
    str_addc(&text, ']');
    j = json_parse(str_c(&text), text.len, NULL);
    FUZZ_CHECK(j != NULL && json_size(j) == 1);
    if (str_is_utf8(s, n)) {
        const char *back = json_str(json_at(j, 0));

        FUZZ_CHECK(strlen(back) == n && memcmp(back, s, n) == 0);
    }
    json_destroy(&j);
    str_clear(&text);
}

/* A copy by the functions that build, as far as they go: other numbers than integers become null.
 */
static struct json *copy_of(const struct json *j);

struct copying {
    const struct json *from;
    struct json *to;
};

static int copy_member(void *ctx, const char *key, struct json *value)
{
    struct copying *c = ctx;
    const char *s = json_str(value);
    int64_t i, again;

    FUZZ_CHECK(json_get(c->from, key) == value && json_get_str(c->from, key) == s);
    FUZZ_CHECK(json_int(value, &i) == json_get_int(c->from, key, &again));
    if (json_int(value, &i))
        json_set_int(c->to, key, again);
    else if (s != NULL && strlen(s) % 2 == 0)
        json_set_str(c->to, key, s);
    else if (json_get_bool(c->from, key))
        json_set_bool(c->to, key, true);
    else
        json_set(c->to, key, copy_of(value));
    return 0;
}

static struct json *copy_of(const struct json *j)
{
    struct copying c = { j, NULL };
    int64_t i;

    if (json_is_map(j)) {
        c.to = json_object_new();
        FUZZ_CHECK(json_each(j, copy_member, &c) == 0 && json_size(c.to) == json_size(j));
    } else if (json_is_list(j)) {
        c.to = json_array_new();
        for (size_t n = 0; n < json_size(j); n++)
            json_append(c.to, copy_of(json_at(j, n)));
    } else {
        FUZZ_CHECK(json_size(j) == 0 && json_at(j, 0) == NULL && json_get(j, "") == NULL);
        c.to = json_str(j) != NULL ? json_string_new(json_str(j))
               : json_int(j, &i)   ? json_integer_new(i)
                                   : json_null_new();
    }
    return c.to;
}

static void check_copies(const struct json *j)
{
    struct json *one = copy_of(j), *two = copy_of(one);
    struct str first = STR_INIT, second = STR_INIT;

    json_add(&first, one);
    json_add(&second, two);
    FUZZ_CHECK(strcmp(str_c(&first), str_c(&second)) == 0);
    check_same(one, json_add);
    json_destroy(&one);
    json_destroy(&two);
    str_clear(&first);
    str_clear(&second);
}

static void check_string(const char *s, size_t n)
{
    char *text = mem_strndup(s, n);
    struct json *j = json_string_new(text);

    FUZZ_CHECK(str_is_utf8(json_str(j), strlen(json_str(j))));
    FUZZ_CHECK(!str_is_utf8(text, strlen(text)) || strcmp(json_str(j), text) == 0);
    json_destroy(&j);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct json *j = json_parse((const char *)data, len, NULL);

    if (j != NULL) {
        check_same(j, json_add);
        check_same(j, json_add_pretty);
        check_copies(j);
    }
    json_destroy(&j);
    check_quoted((const char *)data, len);
    check_string((const char *)data, len);
    return 0;
}
