/* SPDX-License-Identifier: MIT */
/* What immp shows: mail made harmless, tables, sizes, dates, exit codes, media types. */
#include "config.h"

#include "client/text.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "client/commands.h"
#include "client/exits.h"
#include "client/mbox.h"
#include "client/types.h"
#include "wire/status.h"

#include "lib/test.h"

#define BAD "\xef\xbf\xbd"
#define NOW INT64_C(1795490508123) /* 2026-11-24T03:21:48Z */

static const struct look plain = { false, 0 };

static void mail_cannot_move_the_cursor(void **state)
{
    static const struct {
        const char *in, *line, *body;
    } rows[] = {
        { "plain gr\xc3\xbc\xc3\x9f\x65",  "plain gr\xc3\xbc\xc3\x9f\x65",  "plain gr\xc3\xbc\xc3\x9f\x65" },
        { "\x1b[31mred",                   BAD "[31mred",                   BAD "[31mred"                  },
        { "a\nb\r\nc\td\r",                "a b  c d ",                     "a\nb\nc\td "                  },
        { "bell\a back\b del\x7f",         "bell" BAD " back" BAD " del" BAD, "bell" BAD " back" BAD " del" BAD },
        { "c1 \xc2\x9b" "31m",             "c1 " BAD "31m",                 "c1 " BAD "31m"                },
        { "bidi \xe2\x80\xae gpj.exe",     "bidi " BAD " gpj.exe",          "bidi " BAD " gpj.exe"         },
        { "isolate \xe2\x81\xa6x",         "isolate " BAD "x",              "isolate " BAD "x"             },
        { "line \xe2\x80\xa8sep",          "line " BAD "sep",               "line " BAD "sep"              },
        { "bad \xff\xc3",                  "bad " BAD BAD,                  "bad " BAD BAD                 },
        { "half \xe2\x82",                 "half " BAD BAD,                 "half " BAD BAD                },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        text_add_line(&out, rows[i].in, strlen(rows[i].in));
        assert_string_equal(str_c(&out), rows[i].line);
        str_truncate(&out, 0);
        text_add_body(&out, rows[i].in, strlen(rows[i].in));
        assert_string_equal(str_c(&out), rows[i].body);
        str_clear(&out);
    }
}

static void nul_and_every_byte_are_harmless(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++) {
        char in[3] = { (char)first, (char)0x9b, 'x' };
        struct str out = STR_INIT;

        text_add_line(&out, in, sizeof(in));
        for (size_t i = 0; i < out.len; i++)
            assert_true((unsigned char)out.s[i] >= 0x20 && out.s[i] != 0x7f);
        assert_true(str_is_utf8(str_c(&out), out.len));
        assert_null(strstr(str_c(&out), "\xc2\x9b"));
        str_clear(&out);
    }
}

static void cells_have_their_width(void **state)
{
    static const struct {
        const char *in;
        size_t width;
        const char *out;
    } rows[] = {
        { "abc",                    5, "abc  "                 },
        { "abc",                    3, "abc"                   },
        { "abcd",                   3, "ab\xe2\x80\xa6"        },
        { "",                       2, "  "                    },
        { "abc",                    0, ""                      },
        { "a\x1b" "b",              3, "a" BAD "b"             },
        { "gr\xc3\xbc\xc3\x9f\x65", 5, "gr\xc3\xbc\xc3\x9f\x65" },
        { "gr\xc3\xbc\xc3\x9f\x65", 4, "gr\xc3\xbc\xe2\x80\xa6" },
    };
    struct str out = STR_INIT;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        str_truncate(&out, 0);
        text_add_cell(&out, rows[i].in, rows[i].width);
        assert_string_equal(str_c(&out), rows[i].out);
    }
    if (setlocale(LC_CTYPE, "C.UTF-8") != NULL) {
        assert_int_equal(text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two wide characters */
        str_truncate(&out, 0);
        text_add_cell(&out, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4);
        assert_string_equal(str_c(&out), "\xe6\x97\xa5\xe2\x80\xa6 ");
        (void)setlocale(LC_CTYPE, "C");
    }
    str_clear(&out);
}

static void sizes_are_for_people(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KB" }, { 4200, "4.1 KB" }, { 10240, "10 KB" },
        { 1048576, "1.0 MB" }, { 52428800, "50 MB" }, { UINT64_C(1) << 40, "1.0 TB" },
        { UINT64_C(1) << 52, "4096 TB" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        text_add_size(&out, rows[i].bytes);
        assert_string_equal(str_c(&out), rows[i].text);
        str_clear(&out);
    }
}

static void dates_are_local_and_short(void **state)
{
    static const struct {
        const char *date, *text;
    } rows[] = {
        { "2026-11-24T03:21:48.123Z",  "24 Nov 04:21" },
        { "2026-11-04T03:21:48+02:00", " 4 Nov 02:21" },
        { "2025-11-24T03:21:48Z",      "24 Nov  2025" },
        { "2028-01-02T03:21:48Z",      " 2 Jan  2028" },
        { "soon\x1b",                  "soon" BAD     },
    };

    (void)state;
    assert_int_equal(setenv("TZ", "UTC-1", 1), 0);
    tzset();
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        text_add_date(&out, rows[i].date, NOW);
        assert_string_equal(str_c(&out), rows[i].text);
        str_clear(&out);
    }
}

/* ---- check ---- */

static void a_line_of_check_is_read(void **state)
{
    static const struct {
        const char *line, *folder; /* NULL: not one */
        int64_t unread, total;
    } rows[] = {
        { "/inbox:* u=24 t=1194",    "/inbox",    24, 1194 },
        { "/My Mail:* u=0 t=0",      "/My Mail",  0,  0    },
        { "/a u=1 t=2:* u=3 t=4",    "/a u=1 t=2", 3, 4    },
        { "/inbox u=1 t=2",          "/inbox",    1,  2    },
        { "/inbox:* u=1",            NULL,        0,  0    },
        { "/inbox:* t=1",            NULL,        0,  0    },
        { "/inbox:* u=-1 t=1",       NULL,        0,  0    },
        { "/inbox:* u=x t=1",        NULL,        0,  0    },
        { "",                        NULL,        0,  0    },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct json *row = check_parse(rows[i].line);
        int64_t v;

        assert_int_equal(row != NULL, rows[i].folder != NULL);
        if (row == NULL)
            continue;
        assert_string_equal(json_get_str(row, "folder"), rows[i].folder);
        assert_true(json_get_int(row, "unread", &v));
        assert_int_equal(v, rows[i].unread);
        assert_true(json_get_int(row, "total", &v));
        assert_int_equal(v, rows[i].total);
        json_destroy(&row);
    }
}

static struct json *parse(const char *text)
{
    struct json *j = json_parse(text, strlen(text), NULL);

    assert_non_null(j);
    return j;
}

static void check_is_an_aligned_table(void **state)
{
    struct json *rows = parse("[{\"folder\":\"/inbox\",\"unread\":2,\"total\":1194},"
                              "{\"folder\":\"/inbox/Li\\u001bsts\",\"unread\":0,\"total\":0}]");
    struct look colour = { true, 30 };
    struct str out = STR_INIT;

    (void)state;
    check_add_table(&out, rows, &plain);
    assert_string_equal(str_c(&out), "FOLDER          UNREAD    TOTAL\n"
                                     "/inbox               2     1194\n"
                                     "/inbox/Li" BAD "sts        0        0\n");
    str_truncate(&out, 0);
    check_add_table(&out, rows, &colour);
    assert_non_null(strstr(str_c(&out), "\033[1m/inbox "));
    assert_non_null(strstr(str_c(&out), "/inbox/Li" BAD "s\xe2\x80\xa6"));
    str_clear(&out);
    json_destroy(&rows);
}

/* ---- list ---- */

#define ROWS "[{\"_id\":\"1\",\"from\":\"alice@a.test\",\"subject\":\"Tea \\u001b[31m at four, and then some\","  \
             "\"date\":\"2026-11-24T03:21:48Z\",\"size\":4200,\"flags\":[\"important\",\"unread\"],"             \
             "\"parts\":[{\"class\":\"content\"},{\"class\":\"data\"}]},"                                          \
             "{\"_id\":\"2\",\"from\":\"a.very.long.name.of.somebody@example.com\",\"subject\":\"\","              \
             "\"date\":\"2026-11-24T03:21:48Z\",\"size\":5,\"flags\":[\"read\",\"flagged\"],\"parts\":[]},{}]"

static void list_is_numbered_and_aligned(void **state)
{
    struct json *rows = parse(ROWS);
    struct str out = STR_INIT;

    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    list_add_table(&out, rows, &plain, NOW);
    assert_string_equal(str_c(&out),
        "   #        DATE            SIZE  FROM                                      SUBJECT\n"
        "   1  N! @  24 Nov 03:21  4.1 KB  alice@a.test                              Tea " BAD
        "[31m at four, and then some\n"
        "   2    *   24 Nov 03:21     5 B  a.very.long.name.of.somebody@example.com  \n"
        "   3                         0 B                                            \n");
    str_clear(&out);
    json_destroy(&rows);
}

static void list_fits_the_terminal(void **state)
{
    struct json *rows = parse(ROWS);
    struct look narrow = { true, 80 };
    struct str out = STR_INIT;
    char *save = NULL;

    (void)state;
    list_add_table(&out, rows, &narrow, NOW);
    assert_non_null(strstr(str_c(&out), "\033[1m   1"));
    assert_non_null(strstr(str_c(&out), "a.very.long.name.of.som\xe2\x80\xa6"));
    for (char *line = strtok_r(out.s, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        size_t width = text_width(line);

        for (char *at = line; (at = strchr(at, '\033')) != NULL; at++)
            width -= strchr(at, 'm') - at + 1;
        assert_true(width <= 80);
    }
    str_clear(&out);
    json_destroy(&rows);
}

/* ---- read ---- */

static void a_head_shows_what_there_is(void **state)
{
    struct json *row = parse("{\"_id\":\"u\",\"from\":\"a@b\",\"to\":[\"c@d\",\"e@f\"],\"date\":\"now\","
                             "\"subject\":\"x\\ny\",\"flags\":[]}");
    struct str out = STR_INIT;

    (void)state;
    read_add_head(&out, row, &plain);
    assert_string_equal(str_c(&out), "From:    a@b\nTo:      c@d, e@f\nDate:    now\nSubject: x y\nId:      u\n");
    str_truncate(&out, 0);
    read_add_head(&out, NULL, &plain);
    assert_string_equal(str_c(&out), "");
    str_clear(&out);
    json_destroy(&row);
}

static void other_parts_are_named_with_how_to_get_them(void **state)
{
    struct json *part = parse("{\"id\":\"it's \\u001b.bin\",\"type\":\"a/b\",\"length\":2048}");
    struct str out = STR_INIT;

    (void)state;
    read_add_hint(&out, part, "UUID", NULL, &plain);
    assert_string_equal(str_c(&out), "[it's " BAD ".bin, a/b, 2.0 KB: immp read UUID --part "
                                     "'it'\\''s " BAD ".bin' > FILE]\n");
    str_truncate(&out, 0);
    read_add_hint(&out, part, "UUID", "/My Mail", &plain);
    assert_non_null(strstr(str_c(&out), "-f '/My Mail' > FILE]"));
    str_clear(&out);
    json_destroy(&part);
}

static void text_is_shown_and_html_only_where_there_is_no_other(void **state)
{
    static const struct {
        const char *parts, *shown;
    } rows[] = {
        { "[{\"class\":\"content\",\"type\":\"text/plain\"},{\"class\":\"content\",\"type\":\"text/html\"}]", "10" },
        { "[{\"class\":\"content\",\"type\":\"text/html\"},{\"class\":\"data\",\"type\":\"text/plain\"}]", "10" },
        { "[{\"class\":\"content\",\"type\":\"image/png\"},{\"class\":\"content\",\"type\":\"text/x\"}]", "01" },
        { "[{\"class\":\"data\",\"type\":\"text/plain\"},{}]", "00" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct json *parts = parse(rows[i].parts);

        for (size_t p = 0; p < 2; p++)
            assert_int_equal(read_is_shown(parts, json_at(parts, p)), rows[i].shown[p] == '1');
        json_destroy(&parts);
    }
}

/* ---- arguments, codes, types ---- */

static void folders_are_what_people_write(void **state)
{
    static const struct {
        const char *written, *argument, *folder;
    } rows[] = {
        { NULL,                      "/inbox",                   "/inbox"             },
        { "inbox",                   "/inbox",                   "/inbox"             },
        { "/inbox:unread",           "/inbox:unread",            "/inbox"             },
        { "inbox::unread,from=a@b",  "/inbox::unread,from=a@b",  "/inbox"             },
        { ":inbox/Lists",            ":inbox/Lists",             ":inbox/Lists"       },
        { "helpdesk@d/inbox:unread", "helpdesk@d/inbox:unread",  "helpdesk@d/inbox"   },
        { "My Mail/x:*",             "/My Mail/x:*",             "/My Mail/x"         },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        mbox_add_argument(&out, rows[i].written, "inbox");
        assert_string_equal(str_c(&out), rows[i].argument);
        str_truncate(&out, 0);
        mbox_add_folder(&out, rows[i].written, "inbox");
        assert_string_equal(str_c(&out), rows[i].folder);
        str_clear(&out);
    }
}

/* sysexits.h: what may go away is EX_TEMPFAIL, every other failure tells why. */
static void exit_codes_tell_what_to_do(void **state)
{
    static const struct {
        int status, code;
    } rows[] = {
        { 201, EX_OK },     { 202, EX_OK },       { 440, EX_NOUSER },  { 410, EX_NOPERM }, { 446, EX_NOPERM },
        { 404, EX_NOINPUT }, { 444, EX_NOHOST },  { 443, EX_DATAERR }, { 402, EX_DATAERR },
        { 442, EX_CANTCREAT }, { 445, EX_UNAVAILABLE }, { 700, EX_TEMPFAIL }, { 703, EX_TEMPFAIL },
        { 749, EX_TEMPFAIL }, { 750, EX_PROTOCOL }, { 401, EX_PROTOCOL }, { 499, EX_UNAVAILABLE },
    };
    static const int kinds[] = {
        [IMMP_OK] = EX_OK,         [IMMP_TEMPORARY] = EX_TEMPFAIL, [IMMP_PERMANENT] = EX_UNAVAILABLE,
        [IMMP_PROTOCOL] = EX_PROTOCOL, [IMMP_DENIED] = EX_NOPERM,  [IMMP_UNCERTAIN] = EX_TEMPFAIL,
    };
    const char *name, *text;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (exits_of_status(rows[i].status) != rows[i].code)
            fail_msg("%d: %d", rows[i].status, exits_of_status(rows[i].status));
    for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
        struct immp_error err = { .kind = (enum immp_kind)i };

        assert_int_equal(exits_of_error(&err), kinds[i]);
    }
    for (size_t i = 0; status_at(i, &name, &text) != 0; i++)
        if (status_is_temporary(status_at(i, &name, &text)))
            assert_int_equal(exits_of_status(status_at(i, &name, &text)), EX_TEMPFAIL);
}

static void types_follow_names(void **state)
{
    (void)state;
    assert_string_equal(types_by_name("photo.JPG"), "image/jpeg");
    assert_string_equal(types_by_name("a.tar.gz"), "application/gzip");
    assert_string_equal(types_by_name("README"), "application/octet-stream");
    assert_string_equal(types_by_name("x."), "application/octet-stream");
    assert_string_equal(types_by_name(".txt"), "text/plain");
    assert_string_equal(types_by_name("x.unknown"), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_cannot_move_the_cursor),
        cmocka_unit_test(nul_and_every_byte_are_harmless),
        cmocka_unit_test(cells_have_their_width),
        cmocka_unit_test(sizes_are_for_people),
        cmocka_unit_test(dates_are_local_and_short),
        cmocka_unit_test(a_line_of_check_is_read),
        cmocka_unit_test(check_is_an_aligned_table),
        cmocka_unit_test(list_is_numbered_and_aligned),
        cmocka_unit_test(list_fits_the_terminal),
        cmocka_unit_test(a_head_shows_what_there_is),
        cmocka_unit_test(other_parts_are_named_with_how_to_get_them),
        cmocka_unit_test(text_is_shown_and_html_only_where_there_is_no_other),
        cmocka_unit_test(folders_are_what_people_write),
        cmocka_unit_test(exit_codes_tell_what_to_do),
        cmocka_unit_test(types_follow_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
