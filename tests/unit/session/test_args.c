/* SPDX-License-Identifier: MIT */
/* Arguments by their declared parameters (docs/immp.md, "Command lines"). */
#include "session/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/status.h"

#include "lib/test.h"

enum { P_FOLDER, P_TO, P_LIMIT, P_NAME, P_JSON, P_READ };
static const struct param params[] = {
    [P_FOLDER] = { "folder", PARAM_POSITION, PARAM_REQUIRED },
    [P_TO] = { "TO", PARAM_KEYWORD, PARAM_REPEATS },
    [P_LIMIT] = { "LIMIT", PARAM_KEYWORD, 0 },
    [P_NAME] = { "NAME", PARAM_POSITION, PARAM_NAMED },
    [P_JSON] = { "JSON", PARAM_SWITCH, 0 },
    [P_READ] = { "READ", PARAM_SWITCH, 0 },
    { NULL, 0, 0 },
};

/* Parse the tokens of a line and show what was understood. */
static int show(const struct param *ps, const char *text, struct str *out, struct err *err)
{
    char *copy = mem_strdup(text);
    struct line ln;
    struct args args;
    int rc;

    assert_int_equal(line_parse(copy, strlen(copy), &ln, NULL), 0);
    rc = args_parse(ps, ln.commands[0].tokens, ln.commands[0].n, &args, err);
    for (size_t i = 0; rc == 0 && ps != NULL && ps[i].name != NULL; i++) {
        if (args.value[i] != NULL)
            str_addf(out, "%s=%s ", ps[i].name, args.value[i]);
        if (args.sign[i] != 0)
            str_addf(out, "%c%s ", args.sign[i] > 0 ? '+' : '-', ps[i].name);
    }
    for (size_t i = 0; i < args.n_list; i++)
        str_addf(out, "[%s]", args.list[i]);
    args_clear(&args);
    line_clear(&ln);
    free(copy);
    return rc;
}

static void arguments_come_in_any_order(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "/inbox", "folder=/inbox " },
        { "/inbox x", "folder=/inbox NAME=x " },
        { "/inbox NAME x LIMIT 5 +json -READ", "folder=/inbox LIMIT=5 NAME=x +JSON -READ " },
        { "+JSON limit 5 /inbox", "folder=/inbox LIMIT=5 +JSON " },
        { "/i TO a to b TO c", "folder=/i TO=c [a][b][c]" },
        { "/i TO a x TO b", "folder=/i TO=b NAME=x [a][b]" },
        /* Behind a keyword anything is a value; quoted, anything is a position. */
        { "/i LIMIT +JSON", "folder=/i LIMIT=+JSON " },
        { "/i LIMIT LIMIT", "folder=/i LIMIT=LIMIT " },
        { "\"LIMIT\" \"+JSON\"", "folder=LIMIT NAME=+JSON " },
        { "/i + -", NULL },
        { "/i -UNKNOWN -JSON +READ", "folder=/i -JSON +READ " },
        { "/i +JSON +JSON", "folder=/i +JSON " },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;
        struct err err = { ERR_NONE };
        int rc = show(params, rows[i].in, &out, &err);

        assert_int_equal(rc, rows[i].out != NULL ? 0 : -1);
        if (rc == 0)
            assert_string_equal(str_c(&out), rows[i].out);
        str_clear(&out);
    }
}

static void what_is_wrong_is_named_and_402(void **state)
{
    static const struct {
        const char *in, *text;
    } rows[] = {
        { "", "missing: folder" },
        { "+JSON", "missing: folder" },
        { "/i /j k", "unexpected: k" },
        { "/i NAME a b", "unexpected: b" },
        { "/i LIMIT", "nothing after LIMIT" },
        { "/i LIMIT 1 LIMIT 2", "given twice: LIMIT" },
        { "/i x NAME y", "given twice: NAME" },
        { "/i +FROB", "unknown switch +FROB" },
        { "/i +JSON -JSON", "both + and - of JSON" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;
        struct err err = { ERR_NONE };

        assert_int_equal(show(params, rows[i].in, &out, &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_int_equal(err.status, STATUS_PARAMETER);
        assert_string_equal(err.text, rows[i].text);
        str_clear(&out);
    }
}

static void a_command_without_parameters_takes_none(void **state)
{
    struct str out = STR_INIT;
    struct err err = { ERR_NONE };

    (void)state;
    assert_int_equal(show(NULL, "", &out, &err), 0);
    assert_int_equal(show(NULL, "-ANYTHING", &out, &err), 0);
    assert_int_equal(show(NULL, "x", &out, &err), -1);
    assert_int_equal(show(NULL, "+x", &out, &err), -1);
    str_clear(&out);
}

static void numbers_are_decimal_and_bounded(void **state)
{
    static const struct {
        const char *in;
        uint64_t min, v;
        int rc;
    } rows[] = {
        { "5", 1, 5, 0 },
        { "0", 0, 0, 0 },
        { "9223372036854775807", 1, INT64_MAX, 0 },
        { "0", 1, 77, -1 },
        { "-1", 0, 77, -1 },
        { "+1", 0, 77, -1 },
        { "1x", 0, 77, -1 },
        { "", 0, 77, -1 },
        { "9223372036854775808", 0, 77, -1 },
        { NULL, 1, 77, 0 },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct args args = { .value = { [P_LIMIT] = rows[i].in } };
        struct err err = { ERR_NONE };
        uint64_t v = 77;

        assert_int_equal(args_number(&args, params, P_LIMIT, rows[i].min, &v, &err), rows[i].rc);
        assert_true(v == rows[i].v);
        assert_int_equal(err.status, rows[i].rc < 0 ? STATUS_PARAMETER : STATUS_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_come_in_any_order),
        cmocka_unit_test(what_is_wrong_is_named_and_402),
        cmocka_unit_test(a_command_without_parameters_takes_none),
        cmocka_unit_test(numbers_are_decimal_and_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
