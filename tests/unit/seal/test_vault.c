/* SPDX-License-Identifier: MIT */
/* docs/immp.md, "AUTH": H at rest is sealed under a key kept outside the database. */
#include "seal/password.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"

static const char h[] = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

static void a_missing_key_is_made_for_us_alone_and_stays(void **state)
{
    const char *path = fixture_path("made.key");
    struct str before = STR_INIT, after = STR_INIT;
    struct vault *v = vault_open(path, NULL);

    (void)state;
    assert_non_null(v);
    vault_close(&v);
    assert_null(v);
    vault_close(&v);
    assert_int_equal(fixture_mode(path), 0600);
    fixture_read(path, &before);
    assert_int_equal(before.len, 65);
    v = vault_open(path, NULL);
    assert_non_null(v);
    vault_close(&v);
    fixture_read(path, &after);
    assert_string_equal(before.s, after.s);
    str_clear(&before);
    str_clear(&after);
}

static void no_temporary_file_is_left(void **state)
{
    size_t before = fixture_count_files();
    struct vault *v = vault_open(fixture_path("alone.key"), NULL);

    (void)state;
    vault_close(&v);
    assert_int_equal(fixture_count_files(), before + 1);
}

static void sealed_h_opens_again_also_after_a_restart(void **state)
{
    const char *path = fixture_path("again.key");
    struct vault *v = vault_open(path, NULL);
    struct str sealed = STR_INIT;
    char got[PASSWORD_H_SIZE];

    (void)state;
    assert_int_equal(vault_seal(v, "alice@a.example", h, &sealed, NULL), 0);
    vault_close(&v);
    v = vault_open(path, NULL);
    assert_int_equal(vault_unseal(v, "alice@a.example", (const uint8_t *)sealed.s, sealed.len, got,
                                  NULL),
                     0);
    assert_string_equal(got, h);
    vault_close(&v);
    str_clear(&sealed);
}

static void the_same_h_is_never_sealed_to_the_same_bytes(void **state)
{
    struct vault *v = vault_open(fixture_path("nonce.key"), NULL);
    struct str one = STR_INIT, two = STR_INIT;

    (void)state;
    assert_int_equal(vault_seal(v, "alice@a.example", h, &one, NULL), 0);
    assert_int_equal(vault_seal(v, "alice@a.example", h, &two, NULL), 0);
    assert_int_equal(one.len, two.len);
    assert_memory_not_equal(one.s, two.s, one.len);
    vault_close(&v);
    str_clear(&one);
    str_clear(&two);
}

static void a_row_of_another_account_does_not_open(void **state)
{
    struct vault *v = vault_open(fixture_path("swap.key"), NULL);
    struct str sealed = STR_INIT;
    char got[PASSWORD_H_SIZE] = "x";
    struct err err = { 0 };

    (void)state;
    assert_int_equal(vault_seal(v, "alice@a.example", h, &sealed, NULL), 0);
    assert_int_equal(vault_unseal(v, "bob@a.example", (const uint8_t *)sealed.s, sealed.len, got,
                                  &err),
                     -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_string_equal(got, "");
    vault_close(&v);
    str_clear(&sealed);
}

static void an_altered_or_cut_row_does_not_open(void **state)
{
    struct vault *v = vault_open(fixture_path("alter.key"), NULL);
    struct str sealed = STR_INIT;
    char got[PASSWORD_H_SIZE];

    (void)state;
    assert_int_equal(vault_seal(v, "alice@a.example", h, &sealed, NULL), 0);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.s[i] ^= 1;
        assert_int_equal(vault_unseal(v, "alice@a.example", (const uint8_t *)sealed.s, sealed.len,
                                      got, NULL),
                         -1);
        sealed.s[i] ^= 1;
        assert_int_equal(
            vault_unseal(v, "alice@a.example", (const uint8_t *)sealed.s, i, got, NULL), -1);
    }
    vault_close(&v);
    str_clear(&sealed);
}

static void another_vault_does_not_open_it(void **state)
{
    struct vault *v = vault_open(fixture_path("one.key"), NULL);
    struct vault *w = vault_open(fixture_path("two.key"), NULL);
    struct str sealed = STR_INIT;
    char got[PASSWORD_H_SIZE];

    (void)state;
    assert_int_equal(vault_seal(v, "alice@a.example", h, &sealed, NULL), 0);
    assert_int_equal(vault_unseal(w, "alice@a.example", (const uint8_t *)sealed.s, sealed.len, got,
                                  NULL),
                     -1);
    vault_close(&v);
    vault_close(&w);
    str_clear(&sealed);
}

static void what_is_no_h_is_not_sealed(void **state)
{
    static const char *const rows[] = {
        "", "00", "g0112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef",
    };
    struct vault *v = vault_open(fixture_path("no.key"), NULL);

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str out = STR_INIT;

        assert_int_equal(vault_seal(v, "alice@a.example", rows[i], &out, NULL), -1);
        assert_int_equal(out.len, 0);
        str_clear(&out);
    }
    vault_close(&v);
}

static void the_salt_of_nobody_is_stable_and_its_own(void **state)
{
    const char *path = fixture_path("salt.key");
    struct vault *v = vault_open(path, NULL);
    uint8_t one[PASSWORD_SALT_BYTES], two[PASSWORD_SALT_BYTES], again[PASSWORD_SALT_BYTES];

    (void)state;
    vault_fake_salt(v, "nobody@a.example", one);
    vault_fake_salt(v, "noone@a.example", two);
    vault_close(&v);
    v = vault_open(path, NULL);
    vault_fake_salt(v, "nobody@a.example", again);
    vault_close(&v);
    assert_memory_equal(one, again, sizeof one);
    assert_memory_not_equal(one, two, sizeof one);
}

static void a_key_file_that_is_not_fit_is_refused_with_the_cure(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *says;
    } rows[] = {
        { "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef\n", 0640, "chmod 600" },
        { "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef\n", 0604, "chmod 600" },
        { "", 0600, "64 hex digits" },
        { "\n", 0600, "64 hex digits" },
        { "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcde\n", 0600, "64 hex" },
        { "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdefa\n", 0600, "64 hex" },
        { "x0112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef\n", 0600, "64 hex" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const char *path = fixture_path("bad.key");
        struct err err = { 0 };

        fixture_write(path, rows[i].text, strlen(rows[i].text), rows[i].mode);
        assert_null(vault_open(path, &err));
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_non_null(strstr(err.text, "bad.key"));
        assert_non_null(strstr(err.text, rows[i].says));
    }
}

static void what_is_no_file_or_has_no_folder_is_refused(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_null(vault_open(fixture_folder(), &err));
    assert_non_null(strstr(err.text, "no file"));
    assert_null(vault_open(fixture_path("missing/x.key"), &err));
    assert_non_null(strstr(err.text, "missing/x.key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_key_is_made_for_us_alone_and_stays),
        cmocka_unit_test(no_temporary_file_is_left),
        cmocka_unit_test(sealed_h_opens_again_also_after_a_restart),
        cmocka_unit_test(the_same_h_is_never_sealed_to_the_same_bytes),
        cmocka_unit_test(a_row_of_another_account_does_not_open),
        cmocka_unit_test(an_altered_or_cut_row_does_not_open),
        cmocka_unit_test(another_vault_does_not_open_it),
        cmocka_unit_test(what_is_no_h_is_not_sealed),
        cmocka_unit_test(the_salt_of_nobody_is_stable_and_its_own),
        cmocka_unit_test(a_key_file_that_is_not_fit_is_refused_with_the_cure),
        cmocka_unit_test(what_is_no_file_or_has_no_folder_is_refused),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
