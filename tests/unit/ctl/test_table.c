/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "ctl/commands.h"
#include "ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

static const struct table_column columns[] = {
    { "name",  "NAME",  TABLE_TEXT   },
    { "n",     "N",     TABLE_NUMBER },
    { "size",  "SIZE",  TABLE_SIZE   },
    { "when",  "WHEN",  TABLE_WHEN   },
    { "ok",    "OK",    TABLE_YES    },
    { "key",   "KEY",   TABLE_SHORT  },
    { NULL,    NULL,    TABLE_TEXT   },
};

static struct json *parse(const char *s)
{
    struct json *j = json_parse(s, strlen(s), NULL);

    assert_non_null(j);
    return j;
}

static void rows_are_aligned_by_characters(void **state)
{
    struct json *rows = parse(
        "[{\"name\":\"\xc3\xa9t\xc3\xa9\",\"n\":7,\"size\":512,\"when\":1000,\"ok\":true,"
        "\"key\":\"0123456789abcdef0123\"},"
        "{\"name\":[\"a@b\",\"c@d\"],\"n\":12345,\"size\":4200000,\"when\":3600000,\"ok\":false}]");
    struct str out = STR_INIT;

    (void)state;
    table_add(&out, rows, columns, 61000);
    assert_string_equal(out.s,
        "NAME         N  SIZE  WHEN    OK   KEY\n"
        "\xc3\xa9t\xc3\xa9          7   512  1m ago  yes  0123456789abcdef\n"
        "a@b,c@d  12345  4.0M  in 58m  no   -\n");
    str_clear(&out);
    json_destroy(&rows);
}

static void foreign_text_cannot_write_on_the_terminal(void **state)
{
    struct json *rows = parse("[{\"name\":\"a\\u001b[2Jb\"}]");
    struct str out = STR_INIT;

    (void)state;
    table_add(&out, rows, columns, 0);
    assert_null(strchr(out.s, '\x1b'));
    assert_non_null(strstr(out.s, "a\\x1b[2Jb"));
    str_clear(&out);
    json_destroy(&rows);
}

static void an_object_is_lines_of_what_it_has(void **state)
{
    struct json *row = parse("{\"name\":\"x\",\"n\":1,\"when\":0}");
    struct str out = STR_INIT;

    (void)state;
    table_add_one(&out, row, columns, 0);
    assert_string_equal(out.s, "NAME  x\nN     1\nWHEN  -\n");
    str_clear(&out);
    json_destroy(&row);
}

static void times_are_told_as_people_do(void **state)
{
    static const struct { int64_t at; const char *text; } rows[] = {
        { 1000000, "now" },           { 1000000 + 5000, "in 5s" },
        { 1000000 - 59000, "59s ago" }, { 1000000 + 7200000, "in 2h" },
        { 1000000 + 3 * 86400000LL, "in 3d" }, { 0, "-" },
    };
    static const struct table_column one[] = { { "t", "T", TABLE_WHEN }, { NULL, NULL, TABLE_TEXT } };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct json *row = json_object_new();
        struct str out = STR_INIT;

        json_set_int(row, "t", rows[i].at);
        table_add_one(&out, row, one, 1000000);
        assert_string_equal(out.s + 3, (str_truncate(&out, out.len - 1), rows[i].text));
        str_clear(&out);
        json_destroy(&row);
    }
}

static void commands_are_found_by_their_words(void **state)
{
    char account[] = "account", accounts[] = "accounts", verb[] = "add", who[] = "alice@a.test";
    char status[] = "status";
    char *add[] = { account, verb, who, NULL };
    char *half[] = { account, NULL };
    char *none[] = { accounts, verb, NULL };
    char *one[] = { status, NULL };
    const struct ctl_command *c;
    int n;

    (void)state;
    c = ctl_command_find(3, add, &n);
    assert_non_null(c);
    assert_string_equal(c->words, "account add");
    assert_int_equal(n, 2);
    assert_true(c->needs_secret);
    assert_null(ctl_command_find(1, half, &n));
    assert_null(ctl_command_find(2, none, &n));
    assert_non_null(ctl_command_find(1, one, &n));
}

/* immpctl(8) and the usage have every command. */
static void the_manual_names_every_command(void **state)
{
    static const char *const words[] = {
        "status", "account add", "account passwd", "account del", "account list", "account quota",
        "queue list", "queue show", "queue retry", "queue hold", "queue release", "queue drop",
        "peer list", "peer show", "peer forget", "key show", "reload",
    };
    const char *top = getenv("top_srcdir");
    struct str usage = STR_INIT, page = STR_INIT, path = STR_INIT;
    char buf[4096];
    size_t n;
    FILE *f;

    (void)state;
    ctl_add_usage(&usage);
    for (size_t i = 0; i < N_ELEMENTS(words); i++)
        assert_non_null(strstr(usage.s, words[i]));
    if (top != NULL) {
        str_addf(&path, "%s/docs/man/immpctl.8", top);
        f = fopen(path.s, "r");
        assert_non_null(f);
        while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
            str_addn(&page, buf, n);
        fclose(f);
        for (size_t i = 0; i < N_ELEMENTS(words); i++)
            assert_non_null(strstr(page.s, words[i]));
    }
    str_clear(&usage);
    str_clear(&page);
    str_clear(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_aligned_by_characters),
        cmocka_unit_test(foreign_text_cannot_write_on_the_terminal),
        cmocka_unit_test(an_object_is_lines_of_what_it_has),
        cmocka_unit_test(times_are_told_as_people_do),
        cmocka_unit_test(commands_are_found_by_their_words),
        cmocka_unit_test(the_manual_names_every_command),
    };

    return cmocka_run_group_tests_name("ctl/table", tests, NULL, NULL);
}
