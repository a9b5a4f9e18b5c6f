/* SPDX-License-Identifier: MIT */
/* The folder argument and its selectors (docs/immp.md, "MBOX"). */
#include "wire/folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/status.h"

#include "lib/test.h"

#define ID "9507ce26-d34e-41cb-9f14-4eeff943e25e"
#define DAY_MS (24LL * 3600 * 1000)

static void a_folder_is_an_owner_a_path_and_a_selector_or_id(void **state)
{
    static const struct {
        const char *in, *owner, *path;
        bool has_selector;
        const char *uuid;
    } rows[] = {
        { "/inbox", NULL, "inbox", false, "" },
        { "/INBOX/Lists", NULL, "INBOX/Lists", false, "" },
        { "/", NULL, "", false, "" },
        { "/:*", NULL, "", true, "" },
        { "/inbox:*", NULL, "inbox", true, "" },
        { "/inbox::unread", NULL, "inbox", true, "" },
        { ":inbox/Mailinglists", NULL, "inbox/Mailinglists", false, "" },
        { ":inbox:unread", NULL, "inbox", true, "" },
        { "/inbox#" ID, NULL, "inbox", false, ID },
        { "/inbox#9507CE26-D34E-41CB-9F14-4EEFF943E25E", NULL, "inbox", false, ID },
        { "helpdesk@d.example/inbox", "helpdesk@d.example", "inbox", false, "" },
        { "Helpdesk/Alice@D.example/My Mail:read", "helpdesk/alice@d.example", "My Mail", true,
          "" },
        { "imid:helpdesk@d/inbox#" ID, "helpdesk@d", "inbox", false, ID },
        { "helpdesk@d/", "helpdesk@d", "", false, "" },
        { "/a@b", NULL, "a@b", false, "" },
        { "/what?", NULL, "what?", false, "" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct folder_arg arg;
        struct err err = { 0 };

        if (folder_arg_parse(rows[i].in, &arg, &err) < 0)
            fail_msg("%s: %s", rows[i].in, err.text);
        if (rows[i].owner == NULL)
            assert_null(arg.owner);
        else
            assert_string_equal(arg.owner, rows[i].owner);
        assert_string_equal(arg.path, rows[i].path);
        assert_int_equal(arg.has_selector, rows[i].has_selector);
        assert_string_equal(arg.uuid, rows[i].uuid);
        folder_arg_clear(&arg);
        folder_arg_clear(&arg);
    }
}

static void selectors_are_joined_by_a_comma_for_and(void **state)
{
    static const struct {
        const char *in;
        unsigned flags;
        const char *from, *text;
        int64_t since_ms, before_ms;
    } rows[] = {
        { "/i", 0, NULL, NULL, INT64_MIN, INT64_MAX },
        { "/i:*", 0, NULL, NULL, INT64_MIN, INT64_MAX },
        { "/i:unread", SELECT_UNREAD, NULL, NULL, INT64_MIN, INT64_MAX },
        { "/i:READ", SELECT_READ, NULL, NULL, INT64_MIN, INT64_MAX },
        { "/i:unread,important,Flagged", SELECT_UNREAD | SELECT_IMPORTANT | SELECT_FLAGGED, NULL,
          NULL, INT64_MIN, INT64_MAX },
        { "/i:*,unread", SELECT_UNREAD, NULL, NULL, INT64_MIN, INT64_MAX },
        { "/i:from=Bob@B.com", 0, "bob@b.com", NULL, INT64_MIN, INT64_MAX },
        { "/i:from=Bob", 0, "bob", NULL, INT64_MIN, INT64_MAX },
        { "/i:from=@B.com", 0, "@b.com", NULL, INT64_MIN, INT64_MAX },
        { "/i:FROM=J\xc3\x9cRGEN", 0, "j\xc3\xbcrgen", NULL, INT64_MIN, INT64_MAX },
        { "/i:text=Two Words", 0, NULL, "Two Words", INT64_MIN, INT64_MAX },
        { "/i:text=a:b#c=d", 0, NULL, "a:b#c=d", INT64_MIN, INT64_MAX },
        { "/i:text=a,text=b", 0, NULL, "a b", INT64_MIN, INT64_MAX },
        { "/i:since=1970-01-02", 0, NULL, NULL, DAY_MS, INT64_MAX },
        { "/i:since=1970-01-02T00:00:00+01:00", 0, NULL, NULL, DAY_MS - 3600000, INT64_MAX },
        { "/i:before=1970-01-03,since=1970-01-02", 0, NULL, NULL, DAY_MS, 2 * DAY_MS },
        { "/i:since=1970-01-02,since=1970-01-03", 0, NULL, NULL, 2 * DAY_MS, INT64_MAX },
        { "/i:before=1970-01-02,before=1970-01-03", 0, NULL, NULL, INT64_MIN, DAY_MS },
        { "/i::unread,from=a@b,text=x", SELECT_UNREAD, "a@b", "x", INT64_MIN, INT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct folder_arg arg;
        struct err err = { 0 };

        if (folder_arg_parse(rows[i].in, &arg, &err) < 0)
            fail_msg("%s: %s", rows[i].in, err.text);
        assert_int_equal(arg.select.flags, rows[i].flags);
        if (rows[i].from == NULL)
            assert_null(arg.select.from);
        else
            assert_string_equal(arg.select.from, rows[i].from);
        if (rows[i].text == NULL)
            assert_null(arg.select.text);
        else
            assert_string_equal(arg.select.text, rows[i].text);
        assert_true(arg.select.since_ms == rows[i].since_ms);
        assert_true(arg.select.before_ms == rows[i].before_ms);
        folder_arg_clear(&arg);
    }
}

static void what_is_no_folder_is_402(void **state)
{
    static const char *const rows[] = {
        "", "inbox", "helpdesk@d", "@d/inbox", "a b@d/inbox", "/inbox/", "//", "/a//b", "/./a",
        "/a/..", "/a,b", "/a\"b", "/a\001b", "/a\x7f", "/a\xc2\x85" "b", "/a\xff", "/inbox:",
        "/inbox::", "/inbox:::unread", "/inbox:unread,", "/inbox:,unread", "/inbox:nonsense",
        "/inbox:from=", "/inbox:text=", "/inbox:since=", "/inbox:since=yesterday",
        "/inbox:before=2026-13-01", "/inbox:from=a,from=b", "/inbox:size=5", "/inbox:=x",
        "/inbox#", "/inbox#123", "/inbox#" ID "x", "/inbox#" ID ":*", "/#" ID, "/inbox:*#" ID,
        "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
        "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct folder_arg arg;
        struct err err = { 0 };

        if (folder_arg_parse(rows[i], &arg, &err) != -1)
            fail_msg("%s is taken for a folder", rows[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_int_equal(err.status, STATUS_PARAMETER);
        assert_true(*err.text != '\0');
        assert_null(arg.path);
    }
}

static void a_name_has_512_bytes_and_16_levels_at_most(void **state)
{
    struct str path = STR_INIT;
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < FOLDER_PATH_MAX; i++)
        str_addc(&path, 'x');
    assert_int_equal(folder_path_check(str_c(&path), &err), 0);
    str_addc(&path, 'x');
    assert_int_equal(folder_path_check(str_c(&path), &err), -1);
    assert_int_equal(err.status, STATUS_PARAMETER);
    str_clear(&path);
    assert_int_equal(folder_path_check("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", NULL), 0);
    assert_int_equal(folder_path_check("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL), -1);
    assert_int_equal(folder_path_check("", NULL), -1);
    assert_int_equal(folder_path_check("...", NULL), 0);
    assert_int_equal(folder_path_check("J\xc3\xbcrgen's Mail", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_an_owner_a_path_and_a_selector_or_id),
        cmocka_unit_test(selectors_are_joined_by_a_comma_for_and),
        cmocka_unit_test(what_is_no_folder_is_402),
        cmocka_unit_test(a_name_has_512_bytes_and_16_levels_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
