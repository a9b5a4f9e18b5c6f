/* SPDX-License-Identifier: MIT */
/* The lean reader of JSON lines: as strict as json_parse(), and of the same opinion. */
#include "config.h"

#include "wire/value_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/json.h"

#include "lib/same_json.h"
#include "lib/test.h"

/* In memory of its own, so that reading on is found. */
static bool is_same(const char *s, size_t n)
{
    char *own = mem_dup(s, n);
    bool same = same_json_text(own, n);

    free(own);
    return same;
}

static void values_are_what_is_written(void **state)
{
    static const char text[] =
        " {\"a\" : [1,-2, \"x\\u00e4\\ud83d\\ude00\\n\"],\"b\":{},\"c\":null,\"d\":[[],{\"e\":7}] } ";
    struct value *root = value_parse(text, strlen(text), NULL);
    const struct value *v, *w;
    int64_t i = 0;

    (void)state;
    assert_non_null(root);
    assert_true(value_is_map(root));
    assert_int_equal(value_size(root), 4);
    v = value_first(root);
    assert_string_equal(value_key(v), "a");
    assert_true(value_is_list(v));
    assert_int_equal(value_size(v), 3);
    w = value_first(v);
    assert_true(value_int(w, &i));
    assert_int_equal(i, 1);
    w = value_next(w);
    assert_true(value_int(w, &i));
    assert_int_equal(i, -2);
    w = value_next(w);
    assert_string_equal(value_str(w), "x\xc3\xa4\xf0\x9f\x98\x80\n");
    assert_false(value_int(w, &i));
    v = value_next(v);
    assert_string_equal(value_key(v), "b");
    assert_true(value_is_map(v));
    assert_int_equal(value_size(v), 0);
    v = value_next(v);
    assert_string_equal(value_key(v), "c");
    assert_null(value_str(v));
    v = value_next(v);
    assert_string_equal(value_key(v), "d");
    w = value_next(value_first(v));
    assert_string_equal(value_key(value_first(w)), "e");
    value_destroy(&root);
    assert_null(root);
}

static const char *const good[] = {
    "{}", "[]", " [ ] ", "[1]", "[0]", "[-0]", "[9223372036854775807]", "[-9223372036854775808]",
    "[1.5]", "[1e3]", "[1E+3]", "[1e-3]", "[-0.0]", "[true,false,null]", "[\"\"]", "{\"\":1}",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\u0041\\u00DF\\u20ac\\uD834\\uDD1E\"]",
    "[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]", "[\"\x7f\"]", "\t[\r\n1 , 2 ]\n",
    "{\"a\":1,\"A\":2}", "[1e-400]", "[\"\xef\xbf\xbf\"]",
};

static const char *const bad[] = {
    "", " ", "1", "\"a\"", "null", "{", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{\"a\"}",
    "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\":1 \"b\":2}", "[1]]", "[1] x", "{}{}",
    "[01]", "[-]", "[-01]", "[+1]", "[1.]", "[.5]", "[1e]", "[1e+]", "[0x1]", "[1e400]",
    "[9223372036854775808]", "[-9223372036854775809]", "[nul]", "[nulll]", "[True]", "[NaN]",
    "[\"a]", "[\"\\x\"]", "[\"\\u12\"]", "[\"\\u12g4\"]", "[\"\\u0000\"]", "{\"\\u0000\":1}",
    "[\"\\ud800\"]", "[\"\\ud800x\"]", "[\"\\ud800\\u0041\"]", "[\"\\udc00\"]", "[\"\\\"]",
    "[\"\n\"]", "[\"\x1f\"]", "['a']", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
    "{\"x\":{\"a\":1,\"b\":2,\"a\":3}}", "[\"\xff\"]", "[\"\xc0\xaf\"]", "[\"\xed\xa0\x80\"]",
    "[\"\xf4\x90\x80\x80\"]", "[\"\xe2\x82\"]", "\xef\xbb\xbf[]", "[1]\v", "//\n[]",
};

static void what_is_json_is_taken_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(good); i++) {
        struct value *v = value_parse(good[i], strlen(good[i]), NULL);

        if (v == NULL || !is_same(good[i], strlen(good[i])))
            fail_msg("%s", good[i]);
        value_destroy(&v);
    }
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        struct err err = { 0 };
        struct value *v = value_parse(bad[i], strlen(bad[i]), &err);

        if (v != NULL || !is_same(bad[i], strlen(bad[i])))
            fail_msg("%s", bad[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
    assert_true(is_same("[\"a\0b\"]", 7));
    assert_true(is_same("[1]\0", 4));
    assert_null(value_parse("[1\0]", 4, NULL));
    assert_null(json_parse("[1\0]", 4, NULL));
}

static void a_fault_says_where_and_what(void **state)
{
    struct err err;

    (void)state;
    assert_null(value_parse("{\"a\":1,\"a\":2}", 13, &err));
    assert_string_equal(err.text, "not JSON as expected (byte 13): a key stands twice");
    assert_null(value_parse("[1,x]", 5, &err));
    assert_string_equal(err.text, "not JSON as expected (byte 3): no value");
}

static void depth_is_bounded(void **state)
{
    struct str st = STR_INIT;

    (void)state;
    for (int depth = JSON_DEPTH_MAX - 1; depth < JSON_DEPTH_MAX + 2; depth++) {
        struct value *v;

        str_truncate(&st, 0);
        for (int i = 0; i < depth; i++)
            str_add(&st, i % 2 == 0 ? "[" : "{\"a\":");
        for (int i = depth; i-- > 0;)
            str_add(&st, i % 2 == 0 ? "]" : i == depth - 1 ? "1}" : "}");
        v = value_parse(st.s, st.len, NULL);
        assert_int_equal(v != NULL, depth <= JSON_DEPTH_MAX);
        assert_true(is_same(st.s, st.len));
        value_destroy(&v);
    }
    /* Brackets side by side are no depth. */
    str_truncate(&st, 0);
    str_add(&st, "[[]");
    for (int i = 0; i < 1000; i++)
        str_add(&st, ",[{}]");
    str_add(&st, "]");
    assert_true(is_same(st.s, st.len));
    str_clear(&st);
}

/* Few members are compared one with the other, many are sorted. */
static void twins_are_found_among_many(void **state)
{
    (void)state;
    for (size_t n = 2; n < 200; n += 7) {
        struct str st = STR_INIT;
        struct value *v;

        for (size_t i = 0; i < n; i++)
            str_addf(&st, "%s\"k%zu\":{\"v\":[%zu]}", i == 0 ? "{" : ",", i * 7919 % n, i);
        str_add(&st, "}");
        v = value_parse(st.s, st.len, NULL);
        assert_non_null(v); /* 7919 is a prime: no key twice */
        assert_true(is_same(st.s, st.len));
        value_destroy(&v);
        str_truncate(&st, st.len - 1);
        str_addf(&st, ",\"k%zu\":1}", n / 2);
        assert_null(value_parse(st.s, st.len, NULL));
        assert_true(is_same(st.s, st.len));
        str_clear(&st);
    }
}

static void a_header_altered_anywhere_is_judged_alike(void **state)
{
    static const char text[] =
        "{\"id\":\"6f0a2c1e-7b5d-4c3a-9e8f-001122334455\",\"to\":[\"b\\u00fc@b.com\"],\"n\":-120,"
        "\"r\":1.5e3,\"parts\":[{\"length\":12,\"x-a\":null},{}],\"s\":\"\xc3\xa4\\ud83d\\ude00\"}";
    static const char with[] = "\0\"\\{}[],:0-.eut \n\x1f\x80\xc3\xff";
    size_t len = sizeof(text) - 1;

    (void)state;
    for (size_t at = 0; at < len; at++) {
        struct str st = STR_INIT;

        assert_true(is_same(text, at)); /* cut */
        for (size_t k = 0; k < sizeof(with) - 1; k++) {
            str_truncate(&st, 0);
            str_addn(&st, text, len);
            st.s[at] = with[k];
            assert_true(is_same(st.s, st.len)); /* replaced */
            str_truncate(&st, at);
            str_addc(&st, with[k]);
            str_addn(&st, text + at, len - at);
            assert_true(is_same(st.s, st.len)); /* put in */
        }
        str_truncate(&st, at);
        str_addn(&st, text + at + 1, len - at - 1);
        assert_true(is_same(st.s, st.len)); /* left out */
        str_clear(&st);
    }
}

static void without_memory_it_is_temporary(void **state)
{
    struct err err;

    (void)state;
    (void)mem_fail_nth(1);
    assert_null(value_parse("[1]", 3, &err));
    (void)mem_fail_nth(0);
    assert_int_equal(err.kind, ERR_TEMPORARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_what_is_written),
        cmocka_unit_test(what_is_json_is_taken_and_nothing_else),
        cmocka_unit_test(a_fault_says_where_and_what),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(twins_are_found_among_many),
        cmocka_unit_test(a_header_altered_anywhere_is_judged_alike),
        cmocka_unit_test(without_memory_it_is_temporary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
