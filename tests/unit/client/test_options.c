/* SPDX-License-Identifier: MIT */
/* The command line of immp: what it takes, what it refuses, and that its help is whole. */
#include "config.h"

#include "client/options.h"

#include <string.h>

#include <immp/client.h>

#include "base/mem.h"

#include "lib/test.h"

#define ID "9507ce26-d34e-41cb-9f14-4eeff943e25e"

/* Words separated by "|" after the program's name. They live until the next call. */
static int parse(const char *words, struct options *o, struct str *text)
{
    static char copy[4096];
    static char *argv[130];
    char *save = NULL;
    int argc = 1;

    str_truncate(text, 0);
    memset(copy, 0, sizeof(copy));
    memcpy(copy, words, strlen(words));
    argv[0] = (char *)"immp";
    for (char *w = strtok_r(copy, "|", &save); w != NULL; w = strtok_r(NULL, "|", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    return options_parse(argc, argv, o, text);
}

static void send_takes_all_its_options(void **state)
{
    struct options o;
    struct str text = STR_INIT;

    (void)state;
    if (parse("-a|alice@a.test|-s|host:1|send|-S|Tea|-m|hi|-A|x|-A|y|--important|--receipt|--secure|"
              "--anonymous|--blind|--expires|2d|--id|" ID "|bob@b.test|carol@b.test|--json|"
              "--secret-file|f",
              &o, &text) != 1)
        fail_msg("%s", str_c(&text));
    assert_int_equal(o.command, COMMAND_SEND);
    assert_string_equal(o.account, "alice@a.test");
    assert_string_equal(o.server, "host:1");
    assert_string_equal(o.secret_file, "f");
    assert_string_equal(o.subject, "Tea");
    assert_string_equal(o.text, "hi");
    assert_int_equal(o.n_attach, 2);
    assert_string_equal(o.attach[1], "y");
    assert_int_equal(o.n_to, 2);
    assert_string_equal(o.to[0], "bob@b.test");
    assert_int_equal(o.flags, IMMP_IMPORTANT | IMMP_RECEIPT | IMMP_SECURE | IMMP_ANONYMOUS | IMMP_BLIND);
    assert_int_equal(o.expires_s, 2 * 24 * 3600);
    assert_string_equal(o.id, ID);
    assert_true(o.is_json);
    options_clear(&o);
    options_clear(&o);
    str_clear(&text);
}

static void common_options_stand_on_both_sides(void **state)
{
    static const char *const rows[] = {
        "-a|x@y|--json|check", "check|-a|x@y|--json", "--account=x@y|check|--json", "-ax@y|--js|check",
    };
    struct str text = STR_INIT;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct options o;

        if (parse(rows[i], &o, &text) != 1)
            fail_msg("%s: %s", rows[i], str_c(&text));
        assert_int_equal(o.command, COMMAND_CHECK);
        assert_string_equal(o.account, "x@y");
        assert_true(o.is_json);
        assert_null(o.folder);
        options_clear(&o);
    }
    str_clear(&text);
}

static void check_list_and_read_take_their_operands(void **state)
{
    struct options o;
    struct str text = STR_INIT;

    (void)state;
    assert_int_equal(parse("check|inbox|--recursive", &o, &text), 1);
    assert_true(o.is_recursive);
    assert_string_equal(o.folder, "inbox");
    options_clear(&o);
    assert_int_equal(parse("list", &o, &text), 1);
    assert_int_equal(o.limit, 20);
    options_clear(&o);
    assert_int_equal(parse("list|-n|5|inbox:unread", &o, &text), 1);
    assert_int_equal(o.limit, 5);
    assert_string_equal(o.folder, "inbox:unread");
    options_clear(&o);
    assert_int_equal(parse("read|latest|--folder|junk|--keep-unread|--part|a b", &o, &text), 1);
    assert_string_equal(o.message, "latest");
    assert_string_equal(o.folder, "junk");
    assert_string_equal(o.part, "a b");
    assert_true(o.keeps_unread && !o.is_raw);
    options_clear(&o);
    assert_int_equal(parse("read|" ID "|--raw", &o, &text), 1);
    assert_true(o.is_raw);
    options_clear(&o);
    assert_int_equal(parse("send|--|-odd@b.test", &o, &text), 1);
    assert_string_equal(o.to[0], "-odd@b.test");
    options_clear(&o);
    str_clear(&text);
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *words, *text;
    } rows[] = {
        { "",                               "no command"            },
        { "-a|x@y",                         "no command"            },
        { "-a",                             "needs a value: -a"     },
        { "--server",                       "needs a value: --server" },
        { "--no-such|check",                "no such option: --no-such" },
        { "-x|check",                       "no such option: -x"    },
        { "frobnicate",                     "no such command (immp --help lists them): frobnicate" },
        { "push|x",                         "no such command"       },
        { "send",                           "send: TO... is missing" },
        { "send|-S",                        "needs a value: -S"     },
        { "send|-Z|x",                      "no such option: -Z"    },
        { "send|--raw|x",                   "no such option: --raw" },
        { "send|x|--expires|soon",          "--expires"             },
        { "send|x|--expires|10ms",          "--expires"             },
        { "send|x|--id|7",                  "--id is no UUID: 7"    },
        { "send|x|--important|--unimportant", "exclude"             },
        { "check|a|b",                      "check: too many operands" },
        { "list|-n|0",                      "--limit"               },
        { "list|-n|100001",                 "--limit"               },
        { "list|-n|x",                      "--limit"               },
        { "read",                           "read: UUID|NUMBER|latest is missing" },
        { "read|a|b",                       "too many"              },
        { "read|0",                         "neither a UUID"        },
        { "read|newest",                    "neither a UUID"        },
        { "read|1|--raw|--part|x",          "exclude"               },
        { "read|1|--raw|--json",            "excludes"              },
        { "read|1|--json|--part|x",         "excludes"              },
    };
    struct str text = STR_INIT;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct options o;

        if (parse(rows[i].words, &o, &text) != -1)
            fail_msg("%s was taken", rows[i].words);
        if (strstr(str_c(&text), rows[i].text) == NULL || strchr(str_c(&text), '\n') != NULL)
            fail_msg("%s: %s", rows[i].words, str_c(&text));
    }
    str_clear(&text);
}

static void a_hundred_recipients_are_the_most(void **state)
{
    struct str words = STR_INIT, text = STR_INIT;
    struct options o;

    (void)state;
    str_add(&words, "send");
    for (int i = 0; i < 100; i++)
        str_addf(&words, "|u%d@b.test", i);
    assert_int_equal(parse(str_c(&words), &o, &text), 1);
    assert_int_equal(o.n_to, 100);
    options_clear(&o);
    str_add(&words, "|v@b.test");
    assert_int_equal(parse(str_c(&words), &o, &text), -1);
    str_clear(&words);
    str_clear(&text);
}

static void help_and_version_are_there_for_every_command(void **state)
{
    static const char *const rows[] = { "--help", "-h", "send|--help", "check|-h", "list|-h", "read|-h" };
    struct options o;
    struct str text = STR_INIT;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(parse(rows[i], &o, &text), 0);
        assert_true(str_starts(str_c(&text), "usage: immp "));
        assert_non_null(strstr(str_c(&text), "--secret-file"));
        for (const char *line = str_c(&text); *line != '\0'; line = strchr(line, '\n') + 1)
            assert_true(strchr(line, '\n') - line <= 100);
    }
    assert_int_equal(parse("--version", &o, &text), 0);
    assert_string_equal(str_c(&text), "immp " PACKAGE_VERSION "\n");
    assert_int_equal(parse("list|-V", &o, &text), 0);
    assert_string_equal(str_c(&text), "immp " PACKAGE_VERSION "\n");
    str_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(send_takes_all_its_options),
        cmocka_unit_test(common_options_stand_on_both_sides),
        cmocka_unit_test(check_list_and_read_take_their_operands),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(a_hundred_recipients_are_the_most),
        cmocka_unit_test(help_and_version_are_there_for_every_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
