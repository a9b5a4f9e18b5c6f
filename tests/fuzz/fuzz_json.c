/* SPDX-License-Identifier: MIT */
/*
 * JSON. Holds: what was read and written, compact or indented, is read as the same; any bytes
 * written as a string are one that is read.
 */
#include "wire/json.h"

#include <string.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct json *j = json_parse((const char *)data, len, NULL);

    if (j != NULL) {
        check_same(j, json_add);
        check_same(j, json_add_pretty);
    }
    json_destroy(&j);
    check_quoted((const char *)data, len);
    return 0;
}
