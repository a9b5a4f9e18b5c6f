/* SPDX-License-Identifier: MIT */
/* Bytes to lines (docs/immp.md, "Command lines"): each input whole, byte by byte, and split. */
#include "wire/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/status.h"

#include "lib/test.h"

/* All that comes out, as text: lines in <>, an over-long one as !. */
static void drain(struct linebuf *lb, struct str *out)
{
    struct err err = { 0 };
    char *line;
    size_t len;
    int rc;

    while ((rc = linebuf_next(lb, &line, &len, &err)) != 0) {
        if (rc < 0) {
            assert_int_equal(err.kind, ERR_PROTOCOL);
            assert_int_equal(err.status, STATUS_LIMIT);
            assert_null(line);
            str_addc(out, '!');
            continue;
        }
        assert_true(line[len] == '\0' && len < LINE_MAX_BYTES);
        assert_null(memchr(line, '\n', len));
        str_addc(out, '<');
        str_addn(out, line, len);
        str_addc(out, '>');
    }
}

static void feed_at(const char *in, size_t n, size_t first, size_t step, const char *expected,
                    size_t expected_len)
{
    struct linebuf *lb = linebuf_create();
    struct str out = STR_INIT;

    linebuf_feed(lb, in, first);
    drain(lb, &out);
    for (size_t at = first; at < n; at += step) {
        linebuf_feed(lb, in + at, MIN(step, n - at));
        drain(lb, &out);
    }
    assert_int_equal(out.len, expected_len);
    assert_memory_equal(str_c(&out), expected, expected_len);
    str_clear(&out);
    linebuf_destroy(&lb);
    assert_null(lb);
}

static void lines_end_at_lf_or_cr_lf_however_the_bytes_come(void **state)
{
    static const struct {
        const char *in;
        size_t n;
        const char *out;
        size_t out_n;
    } rows[] = {
#define ROW(in, out) { in, sizeof(in) - 1, out, sizeof(out) - 1 }
        ROW("", ""),
        ROW("NOOP", ""),
        ROW("NOOP\n", "<NOOP>"),
        ROW("NOOP\r\nQUIT\n", "<NOOP><QUIT>"),
        ROW("\n\r\n\n", "<><><>"),
        ROW("a\rb\r\r\n", "<a\rb\r>"),
        ROW("a\0b\nc\n", "<a\0b><c>"),
        ROW("a\nrest", "<a>"),
#undef ROW
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        feed_at(rows[i].in, rows[i].n, rows[i].n, 1, rows[i].out, rows[i].out_n);
        feed_at(rows[i].in, rows[i].n, 0, 1, rows[i].out, rows[i].out_n);
        for (size_t cut = 0; cut <= rows[i].n; cut++)
            feed_at(rows[i].in, rows[i].n, cut, rows[i].n, rows[i].out, rows[i].out_n);
    }
}

/* A line of n bytes with its LF, then "NOOP". */
static char *long_line(size_t n, const char *end, size_t *len_r)
{
    struct str in = STR_INIT;

    for (size_t i = 0; i + strlen(end) < n; i++)
        str_addc(&in, 'x');
    str_add(&in, end);
    str_add(&in, "NOOP\n");
    *len_r = in.len;
    return str_take(&in);
}

static void a_line_of_8192_bytes_is_read_and_one_more_is_406(void **state)
{
    static const struct {
        size_t n;
        const char *end;
        bool fits;
    } rows[] = {
        { LINE_MAX_BYTES - 1, "\n", true },      { LINE_MAX_BYTES, "\n", true },
        { LINE_MAX_BYTES, "\r\n", true },        { LINE_MAX_BYTES + 1, "\n", false },
        { LINE_MAX_BYTES + 1, "\r\n", false },   { 3 * LINE_MAX_BYTES, "\n", false },
        { 100 * LINE_MAX_BYTES, "\r\n", false },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        size_t n, line = rows[i].n - strlen(rows[i].end);
        char *in = long_line(rows[i].n, rows[i].end, &n);
        struct str expected = STR_INIT;

        if (rows[i].fits) {
            str_addc(&expected, '<');
            str_addn(&expected, in, line);
            str_addc(&expected, '>');
        } else {
            str_addc(&expected, '!');
        }
        str_add(&expected, "<NOOP>");
        feed_at(in, n, n, 1, expected.s, expected.len);
        feed_at(in, n, 0, 1, expected.s, expected.len);
        feed_at(in, n, LINE_MAX_BYTES, 1000, expected.s, expected.len);
        feed_at(in, n, n - 6, 1, expected.s, expected.len);
        str_clear(&expected);
        free(in);
    }
}

static void an_over_long_line_is_reported_at_once_and_not_kept(void **state)
{
    struct linebuf *lb = linebuf_create();
    char block[1024], *line;
    size_t len, reports = 0;

    (void)state;
    memset(block, 'x', sizeof block);
    for (size_t i = 0; i < 1000; i++) {
        linebuf_feed(lb, block, sizeof block);
        while (linebuf_next(lb, &line, &len, NULL) < 0)
            reports++;
        assert_true(linebuf_pending(lb) < LINE_MAX_BYTES);
        assert_int_equal(reports, i >= 7 ? 1 : 0);
    }
    linebuf_destroy(&lb);
}

static void octets_are_taken_as_they_are_between_lines(void **state)
{
    struct linebuf *lb = linebuf_create();
    static const char in[] = "DATA x LENGTH 7\na\n\n\0bc\nDONE\n";
    const char *p;
    char *line;
    size_t len;

    (void)state;
    assert_int_equal(linebuf_take(lb, 10, &p), 0);
    linebuf_feed(lb, in, sizeof in - 1);
    assert_int_equal(linebuf_next(lb, &line, &len, NULL), 1);
    assert_string_equal(line, "DATA x LENGTH 7");
    assert_int_equal(linebuf_take(lb, 3, &p), 3);
    assert_memory_equal(p, "a\n\n", 3);
    assert_int_equal(linebuf_take(lb, 4, &p), 4);
    assert_memory_equal(p, "\0bc\n", 4);
    assert_int_equal(linebuf_next(lb, &line, &len, NULL), 1);
    assert_string_equal(line, "DONE");
    assert_int_equal(linebuf_pending(lb), 0);
    assert_int_equal(linebuf_next(lb, &line, &len, NULL), 0);

    linebuf_feed(lb, "secret\nmore", 11);
    linebuf_discard(lb);
    assert_int_equal(linebuf_pending(lb), 0);
    assert_int_equal(linebuf_next(lb, &line, &len, NULL), 0);
    linebuf_destroy(&lb);
    linebuf_destroy(&lb);
}

static void octets_behind_an_over_long_line_begin_after_its_end(void **state)
{
    struct linebuf *lb = linebuf_create();
    char block[LINE_MAX_BYTES], *line;
    const char *p;
    size_t len;

    (void)state;
    memset(block, 'x', sizeof block);
    linebuf_feed(lb, block, sizeof block);
    assert_int_equal(linebuf_next(lb, &line, &len, NULL), -1);
    linebuf_feed(lb, "tail\nabc", 8);
    assert_int_equal(linebuf_take(lb, 100, &p), 3);
    assert_memory_equal(p, "abc", 3);
    linebuf_destroy(&lb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_at_lf_or_cr_lf_however_the_bytes_come),
        cmocka_unit_test(a_line_of_8192_bytes_is_read_and_one_more_is_406),
        cmocka_unit_test(an_over_long_line_is_reported_at_once_and_not_kept),
        cmocka_unit_test(octets_are_taken_as_they_are_between_lines),
        cmocka_unit_test(octets_behind_an_over_long_line_begin_after_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
