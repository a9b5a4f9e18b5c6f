/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "lib/test.h"

static void an_error_is_kind_status_and_text(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_set(&err, ERR_PERMANENT, 440, "no account %s", "bob@b.test"), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_int_equal(err.status, 440);
    assert_string_equal(err.text, "no account bob@b.test");
    err_clear(&err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_string_equal(err.text, "");
}

static void a_prefix_keeps_kind_and_status(void **state)
{
    struct err err;

    (void)state;
    err_set(&err, ERR_TEMPORARY, 702, "disk full");
    assert_int_equal(err_prefix(&err, "deliver to %s", "bob@b.test"), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.status, 702);
    assert_string_equal(err.text, "deliver to bob@b.test: disk full");
}

static void a_long_text_is_cut_not_overrun(void **state)
{
    char longer[1000];
    struct err err;

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    err_set(&err, ERR_PROTOCOL, 0, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    err_prefix(&err, "%s", "read");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "read: xxx", 9);
}

static void nobody_has_to_want_the_error(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_DENIED, 1, "x"), -1);
    assert_int_equal(err_prefix(NULL, "x"), -1);
    assert_int_equal(err_errno(NULL, 0, "x"), -1);
    err_clear(NULL);
}

static void errno_decides_whether_to_try_again(void **state)
{
    static const struct { int e; enum err_kind kind; } rows[] = {
        { ENOSPC, ERR_TEMPORARY }, { EIO, ERR_TEMPORARY },    { ECONNREFUSED, ERR_TEMPORARY },
        { EACCES, ERR_PERMANENT }, { ENOENT, ERR_PERMANENT }, { EROFS, ERR_PERMANENT },
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        errno = rows[i].e;
        assert_int_equal(err_errno(&err, 702, "open %s", "f"), -1);
        assert_int_equal(err.kind, rows[i].kind);
        assert_int_equal(errno, rows[i].e);
        assert_non_null(strstr(err.text, strerror(rows[i].e)));
    }
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (int k = ERR_NONE; k <= ERR_UNCERTAIN; k++)
        assert_string_not_equal(err_kind_name((enum err_kind)k), "unknown");
    assert_string_equal(err_kind_name((enum err_kind)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_kind_status_and_text),
        cmocka_unit_test(a_prefix_keeps_kind_and_status),
        cmocka_unit_test(a_long_text_is_cut_not_overrun),
        cmocka_unit_test(nobody_has_to_want_the_error),
        cmocka_unit_test(errno_decides_whether_to_try_again),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
