/* SPDX-License-Identifier: MIT */
/* immp's files: the configuration, the pins, the secret; and how a server is written. */
#include "config.h"

#include "client/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/secret.h"
#include "client/ask.h"
#include "client/pins.h"

#include "lib/temp_dir.h"
#include "lib/test.h"

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char folder[TEMP_DIR_SIZE];
static char path[TEMP_DIR_SIZE + 32];

static const char *in_folder(const char *name)
{
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* ---- the configuration ---- */

static void a_configuration_has_three_settings(void **state)
{
    struct settings s;
    struct str secret = STR_INIT;
    struct err err = { ERR_NONE };

    (void)state;
    write_file("config", "# mine\n\n  account = alice@a.test  \nserver=mail.a.test:7\n"
                         "secret-file = my secret\n");
    if (settings_read(in_folder("config"), &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(s.account, "alice@a.test");
    assert_string_equal(s.server, "mail.a.test:7");
    str_addf(&secret, "%s/my secret", folder);
    assert_string_equal(s.secret_file, str_c(&secret));
    settings_clear(&s);
    settings_clear(&s);
    str_clear(&secret);
}

static void secret_files_may_be_below_the_home(void **state)
{
    struct settings s;

    (void)state;
    assert_int_equal(setenv("HOME", "/home/alice", 1), 0);
    write_file("config", "secret-file = ~/s\n");
    assert_int_equal(settings_read(in_folder("config"), &s, NULL), 0);
    assert_string_equal(s.secret_file, "/home/alice/s");
    settings_clear(&s);
    write_file("config", "secret-file = /etc/s");
    assert_int_equal(settings_read(in_folder("config"), &s, NULL), 0);
    assert_string_equal(s.secret_file, "/etc/s");
    settings_clear(&s);
}

static void no_configuration_sets_nothing(void **state)
{
    struct settings s;

    (void)state;
    assert_int_equal(settings_read(in_folder("none"), &s, NULL), 0);
    assert_null(s.account);
    assert_null(s.server);
    assert_null(s.secret_file);
}

static void an_error_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text, *told;
    } rows[] = {
        { "acount = alice@a.test\n",       "config:1: unknown setting \"acount\"" },
        { "#\n\naccount alice\n",          "config:3: this is no"                 },
        { "account =\n",                   "config:1: account has no value"       },
        { "account = a@b\naccount = c@d",  "config:2: account is set twice"       },
        { "Account = a@b\n",               "config:1: unknown setting"            },
    };
    struct str longer = STR_INIT;
    struct settings s;
    struct err err;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        write_file("config", rows[i].text);
        assert_int_equal(settings_read(in_folder("config"), &s, &err), -1);
        if (strstr(err.text, rows[i].told) == NULL)
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_null(s.account);
    }
    for (int i = 0; i < 3000; i++)
        str_addc(&longer, 'a');
    write_file("config", str_c(&longer));
    assert_int_equal(settings_read(in_folder("config"), &s, &err), -1);
    assert_non_null(strstr(err.text, "too long"));
    assert_int_equal(settings_read(folder, &s, &err), -1); /* a folder */
    str_clear(&longer);
}

static void the_folder_follows_the_xdg_specification(void **state)
{
    struct str out = STR_INIT;

    (void)state;
    assert_int_equal(setenv("HOME", "/home/alice", 1), 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", "/cfg", 1), 0);
    assert_int_equal(settings_folder(&out, NULL), 0);
    assert_string_equal(str_c(&out), "/cfg/immp");
    str_truncate(&out, 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", "relative", 1), 0);
    assert_int_equal(settings_folder(&out, NULL), 0);
    assert_string_equal(str_c(&out), "/home/alice/.config/immp");
    str_truncate(&out, 0);
    assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(settings_folder(&out, NULL), -1);
    str_clear(&out);
}

/* ---- servers ---- */

static void a_server_is_a_host_and_a_port(void **state)
{
    static const struct {
        const char *server, *host, *port; /* host NULL: refused */
    } rows[] = {
        { "a.test",         "a.test",    "1025"  },
        { "a.test:7",       "a.test",    "7"     },
        { "127.0.0.1:1025", "127.0.0.1", "1025"  },
        { "::1",            "::1",       "1025"  },
        { "[::1]",          "::1",       "1025"  },
        { "[::1]:65535",    "::1",       "65535" },
        { "",               NULL,        NULL    },
        { ":7",             NULL,        NULL    },
        { "a.test:",        NULL,        NULL    },
        { "a.test:0",       NULL,        NULL    },
        { "a.test:65536",   NULL,        NULL    },
        { "a.test:imap",    NULL,        NULL    },
        { "[::1",           NULL,        NULL    },
        { "[::1]7",         NULL,        NULL    },
        { "[]:7",           NULL,        NULL    },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char *host = NULL, *port = NULL;
        struct err err = { ERR_NONE };

        if (settings_server(rows[i].server, &host, &port, &err) < 0) {
            if (rows[i].host != NULL)
                fail_msg("%s: %s", rows[i].server, err.text);
            continue;
        }
        if (rows[i].host == NULL)
            fail_msg("%s was taken", rows[i].server);
        assert_string_equal(host, rows[i].host);
        assert_string_equal(port, rows[i].port);
        free(host);
        free(port);
    }
}

/* ---- pins ---- */

static void a_key_is_remembered_at_first_contact(void **state)
{
    struct stat st;
    const char *pins;

    (void)state;
    pins = in_folder("new/folder/pins");
    assert_int_equal(pins_check(pins, "a.test:1025", KEY_A, NULL), PIN_NEW);
    assert_int_equal(pins_add(pins, "a.test:1025", KEY_A, NULL), 0);
    assert_int_equal(pins_check(pins, "a.test:1025", KEY_A, NULL), PIN_SAME);
    assert_int_equal(pins_check(pins, "A.test:1025", KEY_A, NULL), PIN_SAME);
    assert_int_equal(pins_check(pins, "a.test:1025", KEY_B, NULL), PIN_CHANGED);
    assert_int_equal(pins_check(pins, "a.test:1026", KEY_B, NULL), PIN_NEW);
    assert_int_equal(stat(pins, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in_folder("new"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void people_may_edit_the_pins(void **state)
{
    const char *pins;

    (void)state;
    write_file("pins", "# the old one\na.test:1025 sha256:" KEY_A "\na.test:1025 " KEY_B "\n\nodd\nb.test:1");
    pins = in_folder("pins");
    assert_int_equal(pins_check(pins, "a.test:1025", KEY_A, NULL), PIN_SAME);
    assert_int_equal(pins_check(pins, "a.test:1025", KEY_B, NULL), PIN_SAME);
    assert_int_equal(pins_check(pins, "b.test:1", KEY_A, NULL), PIN_NEW);
    assert_int_equal(pins_check(pins, "#", KEY_A, NULL), PIN_NEW);
    /* The last line had no end. */
    assert_int_equal(pins_add(pins, "c.test:1", KEY_A, NULL), 0);
    assert_int_equal(pins_check(pins, "c.test:1", KEY_A, NULL), PIN_SAME);
    assert_int_equal(pins_check(pins, "c.test:1", KEY_B, NULL), PIN_CHANGED);
}

/* Pins that cannot be read are no empty pins. */
static void pins_that_cannot_be_had_are_a_failure(void **state)
{
    struct err err;
    const char *below;

    (void)state;
    assert_int_equal(pins_check(folder, "a.test:1025", KEY_A, &err), -1);
    assert_int_equal(pins_add(folder, "a.test:1025", KEY_A, &err), -1);
    write_file("file", "x");
    below = in_folder("file/pins");
    assert_int_equal(pins_check(below, "a.test:1025", KEY_A, &err), -1);
    assert_int_equal(pins_add(below, "a.test:1025", KEY_A, &err), -1);
    assert_true(strlen(err.text) > 0);
}

/* ---- secrets ---- */

static void a_secret_comes_from_the_nearest_place(void **state)
{
    char *secret = NULL;
    struct str given = STR_INIT, configured = STR_INIT;
    struct err err = { ERR_NONE };

    (void)state;
    write_file("given", "from the command line\nmore\n");
    str_add(&given, path);
    write_file("configured", "from the configuration");
    str_add(&configured, path);
    assert_int_equal(setenv("IMMP_SECRET", "from the environment", 1), 0);
    assert_int_equal(ask_secret(str_c(&given), str_c(&configured), "a@b", &secret, NULL), 0);
    assert_string_equal(secret, "from the command line");
    secret_free(&secret);
    assert_int_equal(ask_secret(NULL, str_c(&configured), "a@b", &secret, NULL), 0);
    assert_string_equal(secret, "from the environment");
    secret_free(&secret);
    assert_int_equal(setenv("IMMP_SECRET", "", 1), 0); /* as if it were not set */
    assert_int_equal(ask_secret(NULL, str_c(&configured), "a@b", &secret, NULL), 0);
    assert_string_equal(secret, "from the configuration");
    secret_free(&secret);
    assert_int_equal(ask_secret(in_folder("none"), str_c(&configured), "a@b", &secret, &err), -1);
    assert_null(secret);
    str_clear(&given);
    str_clear(&configured);
}

static int setup(void **state)
{
    (void)state;
    temp_dir_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_has_three_settings),
        cmocka_unit_test(secret_files_may_be_below_the_home),
        cmocka_unit_test(no_configuration_sets_nothing),
        cmocka_unit_test(an_error_is_told_with_its_line),
        cmocka_unit_test(the_folder_follows_the_xdg_specification),
        cmocka_unit_test(a_server_is_a_host_and_a_port),
        cmocka_unit_test(a_key_is_remembered_at_first_contact),
        cmocka_unit_test(people_may_edit_the_pins),
        cmocka_unit_test(pins_that_cannot_be_had_are_a_failure),
        cmocka_unit_test(a_secret_comes_from_the_nearest_place),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
