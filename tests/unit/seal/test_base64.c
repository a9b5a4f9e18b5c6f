/* SPDX-License-Identifier: MIT */
/* RFC 4648 §4 and §10, strict: one text has one decoding. */
#include "seal/digest.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#include "lib/test.h"

static void the_vectors_of_rfc_4648_hold_both_ways(void **state)
{
    static const struct {
        const char *plain, *text;
    } rows[] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        base64_add(&out, rows[i].plain, strlen(rows[i].plain), 0);
        assert_string_equal(str_c(&out), rows[i].text);
        str_truncate(&out, 0);
        assert_int_equal(base64_decode(rows[i].text, strlen(rows[i].text), &out), 0);
        assert_string_equal(str_c(&out), rows[i].plain);
        str_clear(&out);
    }
}

static void what_is_not_base64_is_refused_and_adds_nothing(void **state)
{
    static const char *const rows[] = {
        "Z",        "Zg",       "Zg=",    "Zg===",   "=",         "==",       "Z===",
        "Zm9v=",    "Zm9vYg=",  "Zg==Zg==", "Zg==Z",  "Zm8=Zm8=",  "Zh==",     "Zm9=",
        "Zm9-",     "Zm9_",     "Zm9v!",  "Zm\xc3\xa4", "Zg=a",   "Zm9vZg==x", "Zm9v\x80",
        "Zm9v\v",   "Zm9v\f",   "Z=g=",   "Zm9vZ=m9",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        str_add(&out, "kept");
        if (base64_decode(rows[i], strlen(rows[i]), &out) == 0)
            fail_msg("accepted: %s", rows[i]);
        assert_string_equal(str_c(&out), "kept");
        str_clear(&out);
    }
}

static void a_nul_is_not_base64(void **state)
{
    struct str out = STR_INIT;

    (void)state;
    assert_int_equal(base64_decode("Zm9v\0Zm9v", 9, &out), -1);
    assert_int_equal(out.len, 0);
    str_clear(&out);
}

static void white_space_may_stand_anywhere(void **state)
{
    static const char *const rows[] = {
        "Zm9vYg==\n", "Zm9v\r\nYg==\r\n", " Z m 9 v Y g = = ", "\t\nZm9vY\r\ng=\n=\n\n",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        assert_int_equal(base64_decode(rows[i], strlen(rows[i]), &out), 0);
        assert_string_equal(str_c(&out), "foob");
        str_clear(&out);
    }
}

/* A stream may be cut anywhere: between characters of a group, within padding, in white space. */
static void each_split_gives_the_same(void **state)
{
    static const char text[] = "QUJD\r\nREVGRw=\n=";
    size_t n = sizeof text - 1;

    (void)state;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = i; j <= n; j++) {
            struct base64 b = BASE64_INIT;
            struct str out = STR_INIT;

            assert_int_equal(base64_feed(&b, text, i, &out), 0);
            assert_int_equal(base64_feed(&b, text + i, j - i, &out), 0);
            assert_int_equal(base64_feed(&b, text + j, n - j, &out), 0);
            assert_int_equal(base64_end(&b), 0);
            assert_string_equal(str_c(&out), "ABCDEFG");
            str_clear(&out);
        }
    }
}

static void a_stream_that_stops_within_a_group_is_cut_short(void **state)
{
    static const char text[] = "QUJDRA==";

    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        struct base64 b = BASE64_INIT;
        struct str out = STR_INIT;

        for (size_t k = 0; k < i; k++)
            assert_int_equal(base64_feed(&b, text + k, 1, &out), 0);
        assert_int_equal(base64_end(&b), i % 4 == 0 ? 0 : -1);
        str_clear(&out);
    }
}

static void lines_end_with_lf_the_last_one_too(void **state)
{
    static const struct {
        size_t n, line;
        const char *text;
    } rows[] = {
        { 0, 4, "" },
        { 3, 4, "QUFB\n" },
        { 4, 4, "QUFB\nQQ==\n" },
        { 6, 4, "QUFB\nQUFB\n" },
        { 7, 8, "QUFBQUFB\nQQ==\n" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        base64_add(&out, "AAAAAAAAA", rows[i].n, rows[i].line);
        assert_string_equal(str_c(&out), rows[i].text);
        str_clear(&out);
    }
}

static void what_was_encoded_decodes_to_the_same(void **state)
{
    uint8_t bytes[700];

    (void)state;
    srand(7);
    for (size_t n = 0; n < sizeof bytes; n++) {
        struct str text = STR_INIT, out = STR_INIT;

        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)rand();
        str_add(&text, "x");
        base64_add(&text, bytes, n, n % 3 == 0 ? 0 : n % 3 == 1 ? 64 : 76);
        assert_int_equal(base64_decode(text.s + 1, text.len - 1, &out), 0);
        assert_int_equal(out.len, n);
        assert_int_equal(n == 0 ? 0 : memcmp(out.s, bytes, n), 0);
        str_clear(&text);
        str_clear(&out);
    }
}

static void of_all_pairs_only_those_with_zero_unused_bits_decode(void **state)
{
    size_t good = 0;

    (void)state;
    for (int a = 1; a < 256; a++) {
        for (int b = 1; b < 256; b++) {
            char text[] = { (char)a, (char)b, '=', '=', '\0' };
            struct str out = STR_INIT;

            if (base64_decode(text, 4, &out) == 0 && out.len == 1) {
                struct str again = STR_INIT;

                base64_add(&again, out.s, 1, 0);
                assert_string_equal(again.s, text);
                str_clear(&again);
                good++;
            }
            str_clear(&out);
        }
    }
    assert_int_equal(good, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_hold_both_ways),
        cmocka_unit_test(what_is_not_base64_is_refused_and_adds_nothing),
        cmocka_unit_test(a_nul_is_not_base64),
        cmocka_unit_test(white_space_may_stand_anywhere),
        cmocka_unit_test(each_split_gives_the_same),
        cmocka_unit_test(a_stream_that_stops_within_a_group_is_cut_short),
        cmocka_unit_test(lines_end_with_lf_the_last_one_too),
        cmocka_unit_test(what_was_encoded_decodes_to_the_same),
        cmocka_unit_test(of_all_pairs_only_those_with_zero_unused_bits_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
