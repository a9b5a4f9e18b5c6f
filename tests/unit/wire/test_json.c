/* SPDX-License-Identifier: MIT */
/* JSON: strict reading (docs/xmpp.md, "The seal": I-JSON, no duplicate keys) and building. */
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "lib/test.h"

static struct json *parse(const char *s)
{
    struct err err = { 0 };
    struct json *j = json_parse(s, strlen(s), &err);

    if (j == NULL)
        fail_msg("%s: %s", s, err.text);
    return j;
}

static void assert_text(const struct json *j, const char *expected)
{
    struct str out = STR_INIT;

    json_add(&out, j);
    assert_string_equal(str_c(&out), expected);
    str_clear(&out);
}

static void what_is_not_i_json_is_refused(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        size_t len; /* 0: to the NUL */
    } rows[] = {
        { "nothing",               "",                          0 },
        { "a bare string",         "\"x\"",                     0 },
        { "a bare number",         "1",                         0 },
        { "a duplicate key",       "{\"a\":1,\"a\":2}",         0 },
        { "a deep duplicate key",  "{\"x\":[{\"a\":1,\"a\":1}]}", 0 },
        { "an escaped duplicate",  "{\"a\":1,\"\\u0061\":2}",   0 },
        { "something after it",    "{} x",                      0 },
        { "a second object",       "{}{}",                      0 },
        { "a NUL behind it",       "{}\0",                      3 },
        { "a NUL in a string",     "[\"a\0b\"]",                7 },
        { "a NUL behind a number", "[1\0]",                     4 },
        { "a NUL behind a word",   "[true\0]",                  7 },
        { "an escaped NUL",        "[\"a\\u0000b\"]",           0 },
        { "an escaped NUL in key", "{\"a\\u0000b\":1}",         0 },
        { "invalid UTF-8",         "[\"\xff\"]",                0 },
        { "overlong UTF-8",        "[\"\xc0\xaf\"]",            0 },
        { "a surrogate in UTF-8",  "[\"\xed\xa0\x80\"]",        0 },
        { "a lone surrogate",      "[\"\\ud800\"]",             0 },
        { "a control character",   "[\"a\nb\"]",                0 },
        { "a byte order mark",     "\xef\xbb\xbf{}",            0 },
        { "an integer over 64 bit", "[9223372036854775808]",    0 },
        { "a real over double",    "[1e999]",                   0 },
        { "a leading zero",        "[01]",                      0 },
        { "a trailing comma",      "[1,]",                      0 },
        { "a comment",             "[1/**/]",                   0 },
        { "single quotes",         "['a']",                     0 },
        { "NaN",                   "[NaN]",                     0 },
        { "an unclosed array",     "[1",                        0 },
        { "an unclosed string",    "[\"a",                      0 },
        { "an unclosed escape",    "[\"a\\",                    0 },
        { "crossed brackets",      "[{]}",                      0 },
        { "a closing one first",   "]",                         0 },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };
        size_t len = rows[i].len > 0 ? rows[i].len : strlen(rows[i].text);

        if (json_parse(rows[i].text, len, &err) != NULL)
            fail_msg("%s was taken", rows[i].name);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_true(strlen(err.text) > 0);
        assert_null(json_parse(rows[i].text, len, NULL));
    }
}

static char *nested(size_t depth, char open, char close)
{
    char *s = mem_alloc(2 * depth + 1);

    memset(s, open, depth);
    memset(s + depth, close, depth);
    s[2 * depth] = '\0';
    return s;
}

static void nesting_is_bounded(void **state)
{
    char *most = nested(JSON_DEPTH_MAX, '[', ']');
    char *over = nested(JSON_DEPTH_MAX + 1, '[', ']');
    char *bomb = nested(1000000, '[', ']');
    struct json *j = parse(most);
    struct err err;

    (void)state;
    json_destroy(&j);
    assert_null(json_parse(over, strlen(over), &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_null(json_parse(bomb, strlen(bomb), &err));
    free(most);
    free(over);
    free(bomb);
}

static void brackets_within_strings_do_not_nest(void **state)
{
    struct json *j = parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\",\"\\\"{{{\\\\\",[],{}]");

    (void)state;
    assert_int_equal(json_size(j), 4);
    assert_string_equal(json_str(json_at(j, 1)), "\"{{{\\");
    json_destroy(&j);
}

static void every_cut_of_a_text_is_refused(void **state)
{
    static const char text[] = "{\"a\":[1,true,null,\"\\u00fc\\n\"],\"b\":{\"c\":-17}}";

    (void)state;
    for (size_t n = 0; n < sizeof(text) - 1; n++)
        assert_null(json_parse(text, n, NULL));
    struct json *j = parse(text);
    json_destroy(&j);
    json_destroy(&j); /* harmless */
    assert_null(j);
}

static void values_are_read_by_their_type_only(void **state)
{
    struct json *j = parse("{\"s\":\"x\",\"i\":-5,\"r\":1.0,\"t\":true,\"f\":false,\"n\":null,"
                           "\"l\":[\"a\",7],\"m\":{\"k\":\"v\"}}");
    int64_t v = 99;

    (void)state;
    assert_string_equal(json_get_str(j, "s"), "x");
    assert_null(json_get_str(j, "i"));
    assert_null(json_get_str(j, "missing"));
    assert_true(json_get_int(j, "i", &v));
    assert_int_equal(v, -5);
    assert_false(json_get_int(j, "r", &v)); /* 1.0 is no integer */
    assert_false(json_get_int(j, "s", &v));
    assert_false(json_get_int(j, "missing", &v));
    assert_int_equal(v, -5);
    assert_true(json_get_bool(j, "t"));
    assert_false(json_get_bool(j, "f"));
    assert_false(json_get_bool(j, "n"));
    assert_false(json_get_bool(j, "missing"));
    assert_non_null(json_get(j, "n"));
    assert_null(json_get(j, "missing"));
    assert_true(json_is_map(j) && !json_is_list(j));
    assert_true(json_is_list(json_get(j, "l")) && !json_is_map(json_get(j, "l")));
    assert_false(json_is_map(NULL) || json_is_list(NULL));
    json_destroy(&j);
}

static void lists_and_maps_have_sizes_and_members(void **state)
{
    struct json *j = parse("{\"l\":[\"a\",7],\"m\":{\"k\":\"v\"},\"s\":\"x\"}");
    int64_t v = 0;

    (void)state;
    assert_int_equal(json_size(j), 3);
    assert_int_equal(json_size(json_get(j, "l")), 2);
    assert_int_equal(json_size(json_get(j, "m")), 1);
    assert_int_equal(json_size(json_get(j, "s")), 0);
    assert_int_equal(json_size(NULL), 0);
    assert_string_equal(json_str(json_at(json_get(j, "l"), 0)), "a");
    assert_true(json_int(json_at(json_get(j, "l"), 1), &v));
    assert_int_equal(v, 7);
    assert_null(json_at(json_get(j, "l"), 2));
    assert_null(json_at(j, 0));              /* no list */
    assert_null(json_get(json_at(j, 0), "k")); /* nothing of nothing */
    assert_null(json_str(NULL));
    json_destroy(&j);
}

static void what_is_built_keeps_its_order(void **state)
{
    struct json *j = json_object_new();
    struct json *list = json_array_new();

    (void)state;
    json_append(list, json_string_new("b"));
    json_append(list, json_integer_new(INT64_MIN));
    json_append(list, json_boolean_new(false));
    json_append(list, json_null_new());
    json_set_str(j, "z", "first");
    json_set_int(j, "a", INT64_MAX);
    json_set_bool(j, "m", true);
    json_set_str(j, "none", NULL);
    json_set(j, "list", list);
    assert_text(j, "{\"z\":\"first\",\"a\":9223372036854775807,\"m\":true,"
                   "\"list\":[\"b\",-9223372036854775808,false,null]}");
    json_set_int(j, "a", 1); /* replaces in place */
    assert_int_equal(json_size(j), 4);
    json_destroy(&j);
}

static void pretty_text_is_indented_by_two(void **state)
{
    struct json *j = parse("{\"a\":[1,2]}");
    struct str out = STR_INIT;

    (void)state;
    json_add_pretty(&out, j);
    assert_string_equal(str_c(&out), "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
    str_clear(&out);
    json_destroy(&j);
}

struct walk {
    struct str keys;
    size_t stop_at;
    size_t seen;
};

static int note_key(void *ctx, const char *key, struct json *value)
{
    struct walk *w = ctx;

    assert_non_null(value);
    str_add(&w->keys, key);
    return ++w->seen == w->stop_at ? 42 : 0;
}

static void each_walks_in_order_and_can_stop(void **state)
{
    struct json *j = parse("{\"c\":1,\"a\":2,\"b\":3}");
    struct walk all = { STR_INIT, 0, 0 };
    struct walk two = { STR_INIT, 2, 0 };

    (void)state;
    assert_int_equal(json_each(j, note_key, &all), 0);
    assert_string_equal(str_c(&all.keys), "cab");
    assert_int_equal(json_each(j, note_key, &two), 42);
    assert_string_equal(str_c(&two.keys), "ca");
    assert_int_equal(json_each(NULL, note_key, &two), 0);
    str_clear(&all.keys);
    str_clear(&two.keys);
    json_destroy(&j);
}

/* Each way to write a string gives a text that reads back as the same string. */
static void strings_are_escaped_and_mended(void **state)
{
    static const struct {
        const char *in;
        size_t len;
        const char *text;
        const char *back;
    } rows[] = {
        { "",             0, "\"\"",                         ""                       },
        { "plain",        5, "\"plain\"",                    "plain"                  },
        { "a\"b\\c",      5, "\"a\\\"b\\\\c\"",              "a\"b\\c"                },
        { "\b\f\n\r\t",   5, "\"\\b\\f\\n\\r\\t\"",          "\b\f\n\r\t"             },
        { "\x01\x1f",     2, "\"\\u0001\\u001F\"",           "\x01\x1f"               },
        { "\x7f/",        2, "\"\x7f/\"",                    "\x7f/"                  },
        { "\xc3\xbc",     2, "\"\xc3\xbc\"",                 "\xc3\xbc"               },
        { "\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"",     "\xf0\x9f\x98\x80"       },
        { "a\xff" "b",    3, "\"a\xef\xbf\xbd" "b\"",        "a\xef\xbf\xbd" "b"      },
        { "\xc3",         1, "\"\xef\xbf\xbd\"",             "\xef\xbf\xbd"           },
        { "\xe2\x82",     2, "\"\xef\xbf\xbd\xef\xbf\xbd\"", "\xef\xbf\xbd\xef\xbf\xbd" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str quoted = STR_INIT;
        struct str list = STR_INIT;
        struct json *built = json_string_new(rows[i].in);
        struct json *back;

        json_add_quoted(&quoted, rows[i].in, rows[i].len);
        assert_text(built, rows[i].text);
        assert_string_equal(str_c(&quoted), rows[i].text);
        str_addf(&list, "[%s]", str_c(&quoted));
        back = parse(str_c(&list));
        assert_string_equal(json_str(json_at(back, 0)), rows[i].back);
        json_destroy(&back);
        json_destroy(&built);
        str_clear(&quoted);
        str_clear(&list);
    }
}

static void a_nul_in_quoted_bytes_is_mended(void **state)
{
    struct str out = STR_INIT;

    (void)state;
    json_add_quoted(&out, "a\0b", 3);
    assert_string_equal(str_c(&out), "\"a\xef\xbf\xbd" "b\"");
    str_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_i_json_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(brackets_within_strings_do_not_nest),
        cmocka_unit_test(every_cut_of_a_text_is_refused),
        cmocka_unit_test(values_are_read_by_their_type_only),
        cmocka_unit_test(lists_and_maps_have_sizes_and_members),
        cmocka_unit_test(what_is_built_keeps_its_order),
        cmocka_unit_test(pretty_text_is_indented_by_two),
        cmocka_unit_test(each_walks_in_order_and_can_stop),
        cmocka_unit_test(strings_are_escaped_and_mended),
        cmocka_unit_test(a_nul_in_quoted_bytes_is_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
