/* SPDX-License-Identifier: MIT */
/* FETCH +PRETTY: compact JSON becomes indented reply lines, whatever pieces it comes in. */
#include "session/pretty.h"

#include <string.h>

#include "base/macros.h"

#include "lib/test.h"

static void indent(const char *in, const char *pipeline, bool is_last_last, size_t step,
                   struct str *out)
{
    struct pretty pr = { .pipeline = pipeline, .code = 250, .is_last_last = is_last_last };
    size_t n = strlen(in);

    for (size_t at = 0; at < n; at += step)
        pretty_add(&pr, in + at, MIN(step, n - at), out);
    assert_int_equal(pr.depth, 0);
}

static void json_is_indented_line_by_line(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "{}", "250- {}\n" },
        { "{\"a\":1}", "250- {\n250-   \"a\": 1\n250 }\n" },
        { "{\"a\":[],\"b\":{}}", "250- {\n250-   \"a\": [],\n250-   \"b\": {}\n250 }\n" },
        { "{\"a\":[1,[2],{\"b\":null}]}",
          "250- {\n250-   \"a\": [\n250-     1,\n250-     [\n250-       2\n250-     ],\n"
          "250-     {\n250-       \"b\": null\n250-     }\n250-   ]\n250 }\n" },
        /* Structure within strings is text. */
        { "{\"a{,:\":\"x\\\"},]\\\\\"}", "250- {\n250-   \"a{,:\": \"x\\\"},]\\\\\"\n250 }\n" },
        { "{\"\":\"\"}", "250- {\n250-   \"\": \"\"\n250 }\n" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        for (size_t step = 1; step <= strlen(rows[i].in); step++) {
            struct str out = STR_INIT;

            indent(rows[i].in, "", true, step, &out);
            assert_string_equal(str_c(&out), rows[i].out);
            str_clear(&out);
        }
    }
}

static void a_pipeline_is_named_and_one_of_many_never_ends_the_reply(void **state)
{
    struct str out = STR_INIT;

    (void)state;
    indent("{\"a\":1}", "f9ca", true, 100, &out);
    assert_string_equal(str_c(&out), "f9ca: 250- {\nf9ca: 250-   \"a\": 1\nf9ca: 250 }\n");
    str_truncate(&out, 0);
    indent("{\"a\":1}", "", false, 100, &out);
    assert_string_equal(str_c(&out), "250- {\n250-   \"a\": 1\n250- }\n");
    str_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_indented_line_by_line),
        cmocka_unit_test(a_pipeline_is_named_and_one_of_many_never_ends_the_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
