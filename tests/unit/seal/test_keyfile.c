/* SPDX-License-Identifier: MIT */
/* Files with keys: who may read them, and that none is lost or half there. */
#include "config.h"

#include "seal/keyfile_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"

static void a_file_is_created_whole_and_for_us_alone(void **state)
{
    const char *path = fixture_path("new");
    struct str out = STR_INIT;
    size_t before = fixture_count_files();

    (void)state;
    (void)umask(0);
    assert_int_equal(keyfile_create(path, "secret", 6, NULL), 1);
    (void)umask(022);
    assert_int_equal(fixture_mode(path), 0600);
    assert_int_equal(fixture_count_files(), before + 1);
    assert_int_equal(keyfile_read(path, KEYFILE_OURS, &out, NULL), 1);
    assert_string_equal(out.s, "secret");
    str_clear(&out);
}

static void a_file_that_exists_is_never_written_over(void **state)
{
    const char *path = fixture_path("there");
    struct str out = STR_INIT;
    size_t before;

    (void)state;
    fixture_write(path, "first", 5, 0600);
    before = fixture_count_files();
    assert_int_equal(keyfile_create(path, "second", 6, NULL), 0);
    assert_int_equal(fixture_count_files(), before);
    fixture_read(path, &out);
    assert_string_equal(out.s, "first");
    str_clear(&out);
}

static void a_dangling_link_is_not_followed(void **state)
{
    const char *path = fixture_path("link");

    (void)state;
    assert_int_equal(symlink("/nonexistent/target", path), 0);
    assert_int_equal(keyfile_create(path, "x", 1, NULL), 0);
}

static void a_name_without_a_folder_is_in_the_working_folder(void **state)
{
    char before[4096];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(fixture_folder()), 0);
    assert_int_equal(keyfile_create("here", "x", 1, NULL), 1);
    assert_int_equal(chdir(before), 0);
    assert_true(fixture_exists(fixture_path("here")));
}

static void a_folder_that_is_missing_or_closed_is_an_error(void **state)
{
    const char *closed = fixture_path("closed");
    struct err err = { 0 };

    (void)state;
    assert_int_equal(keyfile_create(fixture_path("none/x"), "x", 1, &err), -1);
    assert_non_null(strstr(err.text, "none/x"));
    assert_int_equal(mkdir(closed, 0500), 0);
    if (geteuid() != 0) {
        struct str path = STR_INIT;

        str_addf(&path, "%s/x", closed);
        assert_int_equal(keyfile_create(path.s, "x", 1, &err), -1);
        str_clear(&path);
    }
}

static void who_may_read_is_looked_at(void **state)
{
    static const struct {
        enum keyfile_owner owner;
        mode_t mode;
        int rc;
        const char *says;
    } rows[] = {
        { KEYFILE_OURS, 0600, 1, "" },           { KEYFILE_OURS, 0400, 1, "" },
        { KEYFILE_OURS, 0640, -1, "chmod 600" }, { KEYFILE_OURS, 0604, -1, "chmod 600" },
        { KEYFILE_OURS, 0620, -1, "chmod 600" }, { KEYFILE_OURS, 0601, -1, "chmod 600" },
        { KEYFILE_OPERATOR, 0600, 1, "" },       { KEYFILE_OPERATOR, 0640, 1, "" },
        { KEYFILE_OPERATOR, 0660, 1, "" },       { KEYFILE_OPERATOR, 0644, -1, "chmod o=" },
        { KEYFILE_OPERATOR, 0642, -1, "chmod o=" }, { KEYFILE_PUBLIC, 0644, 1, "" },
        { KEYFILE_PUBLIC, 0664, 1, "" },         { KEYFILE_PUBLIC, 0646, -1, "chmod o-w" },
    };
    const char *path = fixture_path("mode");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;
        struct err err = { 0 };

        str_add(&out, "kept");
        fixture_write(path, "secret", 6, rows[i].mode);
        assert_int_equal(keyfile_read(path, rows[i].owner, &out, &err), rows[i].rc);
        assert_string_equal(out.s, rows[i].rc == 1 ? "keptsecret" : "kept");
        assert_non_null(strstr(err.text, rows[i].says));
        str_clear(&out);
    }
}

static void a_missing_file_is_told_from_one_that_cannot_be_read(void **state)
{
    struct str out = STR_INIT;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(keyfile_read(fixture_path("missing"), KEYFILE_OURS, &out, &err), 0);
    assert_non_null(strstr(err.text, "missing"));
    assert_int_equal(keyfile_read(fixture_folder(), KEYFILE_OURS, &out, &err), -1);
    assert_int_equal(keyfile_read("/dev/null", KEYFILE_PUBLIC, &out, &err), -1);
    assert_non_null(strstr(err.text, "no file"));
    fixture_write(fixture_path("plain"), "x", 1, 0600);
    assert_int_equal(keyfile_read(fixture_path("plain/x"), KEYFILE_OURS, &out, &err), -1);
    str_clear(&out);
}

static void a_file_has_a_bound(void **state)
{
    static char big[64 * 1024 + 1];
    const char *path = fixture_path("big");
    struct str out = STR_INIT;
    struct err err = { 0 };

    (void)state;
    memset(big, 'x', sizeof big);
    fixture_write(path, big, sizeof big - 1, 0600);
    assert_int_equal(keyfile_read(path, KEYFILE_OURS, &out, &err), 1);
    assert_int_equal(out.len, sizeof big - 1);
    fixture_write(path, big, sizeof big, 0600);
    assert_int_equal(keyfile_read(path, KEYFILE_OURS, &out, &err), -1);
    assert_int_equal(out.len, sizeof big - 1);
    assert_non_null(strstr(err.text, "64 KiB"));
    str_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_created_whole_and_for_us_alone),
        cmocka_unit_test(a_file_that_exists_is_never_written_over),
        cmocka_unit_test(a_dangling_link_is_not_followed),
        cmocka_unit_test(a_name_without_a_folder_is_in_the_working_folder),
        cmocka_unit_test(a_folder_that_is_missing_or_closed_is_an_error),
        cmocka_unit_test(who_may_read_is_looked_at),
        cmocka_unit_test(a_missing_file_is_told_from_one_that_cannot_be_read),
        cmocka_unit_test(a_file_has_a_bound),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
