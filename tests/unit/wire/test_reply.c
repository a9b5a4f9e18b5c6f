/* SPDX-License-Identifier: MIT */
/* Reply lines (docs/immp.md, "Command lines"; the draft, section 5.2 and its examples). */
#include "wire/reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/status.h"

#include "lib/test.h"

static void a_reply_is_always_one_line(void **state)
{
    static const struct {
        const char *pipeline;
        int code;
        bool has_more;
        const char *text, *out;
    } rows[] = {
        { NULL, 200, false, "Done.", "200 Done.\n" },
        { "", 240, true, "/inbox:* u=24 t=1194", "240- /inbox:* u=24 t=1194\n" },
        { "f9ca", 250, false, "", "f9ca: 250 \n" },
        { REPLY_ASYNC, 291, false, "/inbox", "*: 291 /inbox\n" },
        { NULL, 440, false, "a\nb\r\nc\n", "440 a b  c \n" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        reply_add(&out, rows[i].pipeline, rows[i].code, rows[i].has_more, rows[i].text);
        assert_string_equal(str_c(&out), rows[i].out);
        str_clear(&out);
    }
}

static void a_reply_is_read(void **state)
{
    static const struct {
        const char *in, *pipeline;
        int code;
        bool has_more;
        const char *text;
        bool has_octets;
        uint64_t octets;
    } rows[] = {
        { "200 Done.", "", 200, false, "Done.", false, 0 },
        { "100- IMMP/1.0 Server at b.com", "", 100, true, "IMMP/1.0 Server at b.com", false, 0 },
        { "f9ca: 250", "f9ca", 250, false, "", false, 0 },
        { "f9ca: 250- {\"a\": 1}", "f9ca", 250, true, "{\"a\": 1}", false, 0 },
        { "*: 290 {}", "*", 290, false, "{}", false, 0 },
        { "250: 200 x", "250", 200, false, "x", false, 0 },
        { "250-: 200 x", "250-", 200, false, "x", false, 0 },
        { "250 a: 200 x", "", 250, false, "a: 200 x", false, 0 },
        { "251 9507ce26 length=1742", "", 251, false, "9507ce26 length=1742", true, 1742 },
        { "a: 231 length=0", "a", 231, false, "length=0", true, 0 },
        { "251 x length=18446744073709551615", "", 251, false, "x length=18446744073709551615",
          true, UINT64_MAX },
        { "251 x length=5 y", "", 251, false, "x length=5 y", false, 0 },
        { "251 xlength=5", "", 251, false, "xlength=5", false, 0 },
        { "250 length=5", "", 250, false, "length=5", false, 0 },
        { "200  two", "", 200, false, " two", false, 0 },
        { "250-", "", 250, true, "", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char *in = mem_strdup(rows[i].in);
        struct reply r;

        assert_int_equal(reply_parse(in, &r, NULL), 0);
        assert_string_equal(r.pipeline, rows[i].pipeline);
        assert_int_equal(r.code, rows[i].code);
        assert_int_equal(r.has_more, rows[i].has_more);
        assert_string_equal(r.text, rows[i].text);
        assert_int_equal(r.has_octets, rows[i].has_octets);
        assert_true(r.octets == rows[i].octets);
        free(in);
    }
}

static void what_is_no_reply_is_refused(void **state)
{
    static const char *const rows[] = {
        "", "hello", "20 x", "2000 x", "012 x", "200x", "200-x", "a:200 x", "a : 200 x", ": 200 x",
        "a b: 200 x", "**: 200 x", "251 x length=", "251 x length=-1", "251 x length=1x",
        "251 x length=18446744073709551616", "a: b: 200 x",
        "123456789012345678901234567890123: 200 x",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char *in = mem_strdup(rows[i]);
        struct err err = { 0 };
        struct reply r;

        assert_int_equal(reply_parse(in, &r, &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        free(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_is_always_one_line),
        cmocka_unit_test(a_reply_is_read),
        cmocka_unit_test(what_is_no_reply_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
