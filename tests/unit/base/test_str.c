/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

static void a_string_grows_and_stays_nul_ended(void **state)
{
    struct str st = STR_INIT;

    (void)state;
    assert_string_equal(str_c(&st), "");
    for (int i = 0; i < 1000; i++) {
        str_addc(&st, (char)('a' + i % 26));
        assert_int_equal(st.s[st.len], '\0');
    }
    assert_int_equal(st.len, 1000);
    str_truncate(&st, 3);
    assert_string_equal(st.s, "abc");
    str_truncate(&st, 100);
    assert_int_equal(st.len, 3);
    str_addf(&st, "-%d-%s", 42, "xyz");
    assert_string_equal(st.s, "abc-42-xyz");
    str_clear(&st);
    assert_null(st.s);
}

static void formatted_text_of_any_length_fits(void **state)
{
    struct str st = STR_INIT;
    char longer[5000];

    (void)state;
    memset(longer, 'y', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    str_addf(&st, "<%s>", longer);
    assert_int_equal(st.len, sizeof(longer) + 1);
    assert_int_equal(st.s[st.len - 1], '>');
    str_wipe(&st);
    assert_int_equal(st.len, 0);
}

static void bytes_may_hold_nul(void **state)
{
    struct str st = STR_INIT;

    (void)state;
    str_addn(&st, "a\0b", 3);
    assert_int_equal(st.len, 3);
    assert_memory_equal(st.s, "a\0b", 4);
    str_addn(&st, NULL, 0);
    assert_int_equal(st.len, 3);
    str_clear(&st);
}

static void taking_leaves_an_empty_string(void **state)
{
    struct str st = STR_INIT;
    char *s;

    (void)state;
    s = str_take(&st);
    assert_string_equal(s, "");
    free(s);
    str_add(&st, "mine");
    s = str_take(&st);
    assert_string_equal(s, "mine");
    assert_null(st.s);
    free(s);
}

static void xml_text_is_escaped(void **state)
{
    struct str st = STR_INIT;

    (void)state;
    str_add_xml(&st, "a<b>&'c\"d");
    assert_string_equal(st.s, "a&lt;b&gt;&amp;&apos;c&quot;d");
    str_truncate(&st, 0);
    str_addn_xml(&st, "<x", 1);
    assert_string_equal(st.s, "&lt;");
    str_clear(&st);
}

static void log_text_is_made_harmless(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "plain", "plain" },
        { "tab\there", "tab\\x09here" },
        { "line\nbreak", "line\\x0abreak" },
        { "\x1b[31mred", "\\x1b[31mred" },
        { "quote\"d", "quote\\x22d" },
        { "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
        { "bad\xff", "bad\\xff" },
        { "\xc2\x9b" "csi", "\\xc2\\x9b" "csi" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str st = STR_INIT;

        str_add_log(&st, rows[i].in, 100);
        assert_string_equal(str_c(&st), rows[i].out);
        str_clear(&st);
    }
}

static void log_text_is_cut(void **state)
{
    struct str st = STR_INIT;

    (void)state;
    str_add_log(&st, "abcdef", 3);
    assert_string_equal(st.s, "abc\xe2\x80\xa6");
    str_clear(&st);
}

static void ascii_case_is_ignored_and_nothing_else(void **state)
{
    (void)state;
    assert_true(str_ieq("Deliver", "dELIVER"));
    assert_false(str_ieq("a", "ab"));
    assert_false(str_ieq("\xc3\xa9", "\xc3\x89"));
    assert_true(str_ieq(NULL, NULL));
    assert_false(str_ieq(NULL, ""));
    assert_true(str_starts("unix:/x", "unix:"));
    assert_false(str_starts("un", "unix:"));
}

static void utf8_is_checked(void **state)
{
    (void)state;
    assert_true(str_is_utf8("h\xc3\xa9", 3));
    assert_true(str_is_utf8("", 0));
    assert_false(str_is_utf8("a\0b", 3));
    assert_false(str_is_utf8("\xc3", 1));
    assert_false(str_is_utf8("\xed\xa0\x80", 3)); /* a surrogate */
    assert_false(str_is_utf8("\xc0\xaf", 2));     /* overlong */
}

static void numbers_are_strict(void **state)
{
    static const struct { const char *in; int rc; uint64_t v; } rows[] = {
        { "0", 0, 0 },   { "1742", 0, 1742 }, { "18446744073709551615", 0, UINT64_MAX },
        { "", -1, 0 },   { "-1", -1, 0 },     { "18446744073709551616", -1, 0 },
        { "1 ", -1, 0 }, { "+1", -1, 0 },     { "0x10", -1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = 99;

        assert_int_equal(str_to_u64(rows[i].in, &v), rows[i].rc);
        assert_true(v == (rows[i].rc == 0 ? rows[i].v : 99));
    }
}

static void sizes_have_units(void **state)
{
    static const struct { const char *in; int rc; uint64_t v; } rows[] = {
        { "17", 0, 17 }, { "64K", 0, 65536 }, { "50M", 0, 52428800 }, { "1G", 0, 1073741824 },
        { "1T", -1, 0 }, { "M", -1, 0 }, { "50MB", -1, 0 }, { "9999999999999G", -1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t v = 0;

        assert_int_equal(str_to_size(rows[i].in, &v), rows[i].rc);
        assert_true(v == rows[i].v);
    }
}

static void durations_have_units(void **state)
{
    static const struct { const char *in; int rc; int64_t v; } rows[] = {
        { "5m", 0, 300000 }, { "30s", 0, 30000 }, { "17", 0, 17000 }, { "250ms", 0, 250 },
        { "8h", 0, 28800000 }, { "5d", 0, 432000000 }, { "5w", -1, 0 }, { "-5m", -1, 0 },
        { "m", -1, 0 }, { "", -1, 0 }, { "99999999999999999d", -1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t v = 0;

        assert_int_equal(str_to_duration(rows[i].in, &v), rows[i].rc);
        assert_true(v == rows[i].v);
    }
}

static void hex_goes_both_ways(void **state)
{
    static const uint8_t bytes[] = { 0x00, 0x9f, 0xff, 0x10 };
    struct str st = STR_INIT;
    uint8_t back[4];

    (void)state;
    str_add_hex(&st, bytes, sizeof(bytes));
    assert_string_equal(st.s, "009fff10");
    assert_int_equal(str_from_hex("009FfF10", 8, back, 4), 0);
    assert_memory_equal(back, bytes, 4);
    assert_int_equal(str_from_hex("009fff1", 7, back, 4), -1);
    assert_int_equal(str_from_hex("009fff1g", 8, back, 4), -1);
    str_clear(&st);
}

static void peer_sized_memory_can_fail_on_demand(void **state)
{
    void *p;

    (void)state;
    (void)mem_fail_nth(2);
    p = mem_try_alloc(10);
    assert_non_null(p);
    assert_null(mem_try_realloc(p, 20));
    p = mem_try_realloc(p, 20);
    assert_non_null(p);
    free(p);
    assert_int_equal(mem_fail_nth(0), 3);
}

static void copies_are_copies(void **state)
{
    char *s = mem_strndup("abcdef", 3);
    char *d = mem_dup("xy", 2);

    (void)state;
    assert_string_equal(s, "abc");
    assert_memory_equal(d, "xy", 2);
    assert_null(mem_strdup(NULL));
    free(s);
    free(d);
}

static void strings_and_numbers_are_appended(void **state)
{
    static const struct { uint64_t v; const char *text; } rows[] = {
        { 0, "0" }, { 9, "9" }, { 10, "10" }, { 4096, "4096" },
        { UINT64_MAX, "18446744073709551615" },
    };
    struct str st = STR_INIT;

    (void)state;
    str_adds(&st, "");
    assert_string_equal(str_c(&st), "");
    str_adds(&st, "a", "", "bc");
    assert_string_equal(str_c(&st), "abc");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        str_truncate(&st, 0);
        str_add_u64(&st, rows[i].v);
        assert_string_equal(str_c(&st), rows[i].text);
    }
    str_clear(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_numbers_are_appended),
        cmocka_unit_test(a_string_grows_and_stays_nul_ended),
        cmocka_unit_test(formatted_text_of_any_length_fits),
        cmocka_unit_test(bytes_may_hold_nul),
        cmocka_unit_test(taking_leaves_an_empty_string),
        cmocka_unit_test(xml_text_is_escaped),
        cmocka_unit_test(log_text_is_made_harmless),
        cmocka_unit_test(log_text_is_cut),
        cmocka_unit_test(ascii_case_is_ignored_and_nothing_else),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(peer_sized_memory_can_fail_on_demand),
        cmocka_unit_test(copies_are_copies),
    };

    return cmocka_run_group_tests_name("base/str", tests, NULL, NULL);
}
