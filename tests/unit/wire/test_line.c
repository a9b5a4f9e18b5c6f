/* SPDX-License-Identifier: MIT */
/* The grammar of a command line (docs/immp.md, "Command lines"). */
#include "wire/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/status.h"

#include "lib/test.h"

/* What was understood, as text: commands in (), the pipeline first, quoted tokens in quotes. */
static void show(const struct line *ln, struct str *out)
{
    for (size_t i = 0; i < ln->n; i++) {
        const struct command *c = &ln->commands[i];

        str_addc(out, '(');
        if (*c->pipeline != '\0')
            str_addf(out, "%s:", c->pipeline);
        for (size_t j = 0; j < c->n; j++)
            str_addf(out, "%s%s%s%s", j > 0 ? "|" : "", c->tokens[j].is_quoted ? "\"" : "",
                     c->tokens[j].text, c->tokens[j].is_quoted ? "\"" : "");
        str_addc(out, ')');
    }
}

static void a_line_is_cut_into_commands_and_tokens(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "", "()" },
        { "   \t ", "()" },
        { "NOOP", "(NOOP)" },
        { " \tMBOX  CHECK\t/inbox:* +RECURSIVE ", "(MBOX|CHECK|/inbox:*|+RECURSIVE)" },
        { "NOOP;QUIT", "(NOOP)(QUIT)" },
        { "NOOP ; QUIT;", "(NOOP)(QUIT)()" },
        { ";;", "()()()" },
        { "DELIVER TO a@b SUBJECT \"a; b +c\"", "(DELIVER|TO|a@b|SUBJECT|\"a; b +c\")" },
        { "X \"\"", "(X|\"\")" },
        { "X \"\";Y", "(X|\"\")(Y)" },
        { "X \"a\" \"b\"\t\"c\"", "(X|\"a\"|\"b\"|\"c\")" },
        { "X \"back\\slash\"", "(X|\"back\\slash\")" },
        { "X \"a\tb\"", "(X|\"a\tb\")" },
        { "AS f9ca NOOP", "(f9ca:NOOP)" },
        { "as A.b_c-1 NOOP;as x QUIT", "(A.b_c-1:NOOP)(x:QUIT)" },
        { "AS AS AS", "(AS:AS)" },
        { "AS a AS b NOOP", "(a:AS|b|NOOP)" },
        { "\"AS\" x NOOP", "(\"AS\"|x|NOOP)" },
        { "AS 12345678901234567890123456789012 NOOP",
          "(12345678901234567890123456789012:NOOP)" },
        { "J\xc3\xbcrgen \xe2\x82\xac", "(J\xc3\xbcrgen|\xe2\x82\xac)" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;
        char *in = mem_strdup(rows[i].in);
        struct line ln;

        assert_int_equal(line_parse(in, strlen(in), &ln, NULL), 0);
        show(&ln, &out);
        assert_string_equal(str_c(&out), rows[i].out);
        str_clear(&out);
        line_clear(&ln);
        line_clear(&ln);
        free(in);
    }
}

static void what_is_no_line_is_400_and_nothing_of_it_runs(void **state)
{
    static const struct {
        const char *in;
        size_t n;
    } rows[] = {
#define ROW(in) { in, sizeof(in) - 1 }
        ROW("NOOP; DELIVER TO \"a@b"), ROW("\""),           ROW("X \"a\"b"),
        ROW("X \"a\"\"b\""),           ROW("X a\"b\""),     ROW("X a\""),
        ROW("NO\0OP"),                 ROW("NOOP\0"),       ROW("\0"),
        ROW("NOOP \xff"),              ROW("\xc0\xaf"),     ROW("\xed\xa0\x80"),
        ROW("X \"\xe2\x82\""),         ROW("AS"),           ROW("AS x"),
        ROW("AS x;NOOP"),              ROW("AS \"x\" NOOP"), ROW("AS a:b NOOP"),
        ROW("AS * NOOP"),              ROW("AS a/b NOOP"),  ROW("NOOP;AS"),
        ROW("AS J\xc3\xbcrgen NOOP"),
        ROW("AS 123456789012345678901234567890123 NOOP"),
#undef ROW
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };
        char *in = mem_dup(rows[i].in, rows[i].n + 1);
        struct line ln;

        assert_int_equal(line_parse(in, rows[i].n, &ln, &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_int_equal(err.status, STATUS_SYNTAX);
        assert_true(*err.text != '\0');
        assert_int_equal(ln.n, 0);
        free(in);
    }
}

static void the_longest_line_of_separators_is_still_read(void **state)
{
    char *in = mem_alloc(LINE_MAX_BYTES + 1);
    struct line ln;

    (void)state;
    memset(in, ';', LINE_MAX_BYTES);
    in[LINE_MAX_BYTES] = '\0';
    assert_int_equal(line_parse(in, LINE_MAX_BYTES, &ln, NULL), 0);
    assert_int_equal(ln.n, LINE_MAX_BYTES + 1);
    line_clear(&ln);
    for (size_t i = 0; i < LINE_MAX_BYTES; i++)
        in[i] = i % 2 ? ' ' : 'a';
    assert_int_equal(line_parse(in, LINE_MAX_BYTES, &ln, NULL), 0);
    assert_int_equal(ln.commands[0].n, LINE_MAX_BYTES / 2);
    line_clear(&ln);
    free(in);
}

static void keywords_and_switches_ignore_case_and_are_never_quoted(void **state)
{
    static const struct {
        struct token token;
        bool is_noop, is_switch;
    } rows[] = {
        { { "NOOP", false }, true, false },  { { "nOOp", false }, true, false },
        { { "NOOP", true }, false, false },  { { "NOOPE", false }, false, false },
        { { "+JSON", false }, false, true }, { { "-READ", false }, false, true },
        { { "+JSON", true }, false, false }, { { "+", false }, false, false },
        { { "-", false }, false, false },    { { "", true }, false, false },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(token_is(&rows[i].token, "NOOP"), rows[i].is_noop);
        assert_int_equal(token_is_switch(&rows[i].token), rows[i].is_switch);
    }
}

static void a_token_that_was_written_is_read_as_it_was(void **state)
{
    static const char *const rows[] = {
        "a", "", "a b", "a;b", "+JSON", "-", "AS", "a\tb", "/inbox:*", "J\xc3\xbcrgen", " ",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;
        struct line ln;

        str_add(&out, "X ");
        assert_int_equal(line_add_token(&out, rows[i]), 0);
        assert_int_equal(line_parse(out.s, out.len, &ln, NULL), 0);
        assert_int_equal(ln.n, 1);
        assert_int_equal(ln.commands[0].n, 2);
        assert_string_equal(ln.commands[0].tokens[1].text, rows[i]);
        assert_false(token_is_switch(&ln.commands[0].tokens[1]));
        line_clear(&ln);
        str_clear(&out);
    }
}

static void a_token_that_cannot_be_written_is_refused(void **state)
{
    static const char *const rows[] = { "a\nb", "\r", "a \"b\"", "\"", "a\"b" };
    struct str out = STR_INIT;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(line_add_token(&out, rows[i]), -1);
        assert_int_equal(out.len, 0);
    }
}

static void secrets_do_not_reach_a_log(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "NOOP", "NOOP" },
        { "AUTH RESPONSE 0123abcd", "AUTH RESPONSE ***" },
        { "auth\t response  0123abcd", "auth\t response  ***" },
        { "AUTHENTICATE RESPONSE k;NOOP", "AUTHENTICATE RESPONSE ***;NOOP" },
        { "AS x AUTH RESPONSE k", "AS x AUTH RESPONSE ***" },
        { "NOOP;AUTH RESPONSE k", "NOOP;AUTH RESPONSE ***" },
        { "AUTH RESPONSE \"a;b\";NOOP", "AUTH RESPONSE ***;NOOP" },
        { "AUTH SECRET alice@b.com \"my phone\"", "AUTH SECRET alice@b.com \"my phone\"" },
        { "AUTH COOKIE c2a9 a.com", "AUTH COOKIE ***" },
        { "AUTH VERIFY c2a9 a.com", "AUTH VERIFY ***" },
        { "SET SECRET=abc", "SET SECRET=***" },
        { "SET GLOBAL SECRET=\"a b\"", "SET GLOBAL SECRET=***" },
        { "SET GLOBAL SECRET abc", "SET GLOBAL SECRET ***" },
        { "SET JSON=ON", "SET JSON=ON" },
        { "SET SECRETARY=bob", "SET SECRETARY=bob" },
        { "XAUTH RESPONSE k", "XAUTH RESPONSE k" },
        { "DELIVER TO a@b SUBJECT \"x; AUTH RESPONSE k\"",
          "DELIVER TO a@b SUBJECT \"x; AUTH RESPONSE k\"" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        line_add_redacted(&out, rows[i].in);
        assert_string_equal(str_c(&out), rows[i].out);
        str_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_cut_into_commands_and_tokens),
        cmocka_unit_test(what_is_no_line_is_400_and_nothing_of_it_runs),
        cmocka_unit_test(the_longest_line_of_separators_is_still_read),
        cmocka_unit_test(keywords_and_switches_ignore_case_and_are_never_quoted),
        cmocka_unit_test(a_token_that_was_written_is_read_as_it_was),
        cmocka_unit_test(a_token_that_cannot_be_written_is_refused),
        cmocka_unit_test(secrets_do_not_reach_a_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
