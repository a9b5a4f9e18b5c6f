/* SPDX-License-Identifier: MIT */
/* docs/immp.md, "AUTH": H(p) and the two K. Expected values were computed with Python's hashlib. */
#include "seal/password.h"

#include <string.h>

#include "base/macros.h"
#include "wire/status.h"

#include "lib/test.h"

static const uint8_t salt[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
static const char n1[] = "6f0a2c1e-7b5d-4c3a-9e8f-001122334455";
static const char n2[] = "1795000000";
static const char h[] = 
    "31d73f8d308fcbeb94f1a48b6ccf85181402fc05d2cdf582b0052417f5580a09";

static void h_is_scrypt_in_lower_case_hex(void **state)
{
    static const struct {
        const char *password;
        uint32_t n, r, p;
        const char *h;
    } rows[] = {
        { "secret", 1024, 8, 1, h },
        { "secret", 16, 1, 1, "f4f9ef50fde105b8e988b5c2b9cbbb74037fb3b0ef2ef516140c22ce8f4f3e4f" },
        { "secret", 1024, 8, 2, "75e1b14cd54e918e34ea8e90f9d679d6a1cad351b7743f0c32207eeba4b3c090" },
        /* RFC 8265 §4.2.2: other spaces become SPACE; NFC, so that both spellings are one. */
        { "p\xc3\xa4ssword \xc2\xa0x", 1024, 8, 1, "3ac9d2bbe14706f5287b030fe3d7087210b25b75a655e16c8a6b263eeabec006" },
        { "pa\xcc\x88ssword  x", 1024, 8, 1, "3ac9d2bbe14706f5287b030fe3d7087210b25b75a655e16c8a6b263eeabec006" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct password_cost cost = { rows[i].n, rows[i].r, rows[i].p };
        char got[PASSWORD_H_SIZE];
        struct err err;

        assert_int_equal(
            password_derive(rows[i].password, salt, sizeof salt, cost, got, &err), 0);
        assert_string_equal(got, rows[i].h);
    }
}

/* RFC 7914 §12, the first 32 octets (the salt is text there). */
static void rfc_7914_vectors_hold(void **state)
{
    static const struct {
        const char *password, *salt;
        struct password_cost cost;
        const char *h;
    } rows[] = {
        { "password", "NaCl", { 1024, 8, 16 },
          "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162" },
        { "pleaseletmein", "SodiumChloride", { 16384, 8, 1 },
          "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char got[PASSWORD_H_SIZE];

        assert_int_equal(password_derive(rows[i].password, (const uint8_t *)rows[i].salt,
                                         strlen(rows[i].salt), rows[i].cost, got, NULL),
                         0);
        assert_string_equal(got, rows[i].h);
    }
}

static void a_cost_that_eats_the_machine_is_refused(void **state)
{
    static const struct password_cost rows[] = {
        { 0, 8, 1 },       { 1, 8, 1 },           { 3, 8, 1 },          { 32767, 8, 1 },
        { 32768, 0, 1 },   { 32768, 8, 0 },       { 1u << 31, 8, 1 },   { 1u << 20, 8, 1 },
        { 32768, 4096, 1 }, { 32768, 8, 1u << 30 }, { 32768, 0xffffffff, 1 },
        { 1u << 18, 8, 16 }, { 2, 1024, 1025 },    { 1u << 31, 1u << 31, 1u << 31 },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char got[PASSWORD_H_SIZE] = "x";
        struct err err = { 0 };

        assert_int_equal(password_derive("secret", salt, sizeof salt, rows[i], got, &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_int_equal(err.status, STATUS_PARAMETER);
        assert_string_equal(got, "");
        assert_int_equal(password_check_cost(rows[i], NULL), -1);
    }
}

static void a_client_does_not_answer_a_server_that_asks_for_a_weak_cost(void **state)
{
    static const struct {
        struct password_cost cost;
        int rc;
    } rows[] = {
        { PASSWORD_COST_DEFAULT, 0 }, { { 16384, 8, 1 }, 0 },  { { 131072, 8, 1 }, 0 },
        { { 8192, 8, 1 }, -1 },       { { 16, 1, 1 }, -1 },    { { 1024, 8, 16 }, -1 },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };

        assert_int_equal(password_check_cost(rows[i].cost, &err), rows[i].rc);
        assert_int_equal(err.kind, rows[i].rc == 0 ? ERR_NONE : ERR_DENIED);
    }
}

static void an_empty_or_broken_password_is_refused(void **state)
{
    static const char *const rows[] = { "", "\xff", "tab\tbed", "\xc3" };
    struct password_cost cheap = { 16, 1, 1 };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char got[PASSWORD_H_SIZE] = "x";
        struct err err = { 0 };

        assert_int_equal(password_derive(rows[i], salt, sizeof salt, cheap, got, &err), -1);
        assert_string_equal(got, "");
        assert_int_not_equal(err.kind, ERR_NONE);
    }
}

static void a_salt_has_a_bound(void **state)
{
    static uint8_t big[1025];
    struct password_cost cheap = { 16, 1, 1 };
    char got[PASSWORD_H_SIZE];

    (void)state;
    assert_int_equal(password_derive("secret", big, 1024, cheap, got, NULL), 0);
    assert_int_equal(password_derive("secret", big, 1025, cheap, got, NULL), -1);
    assert_int_equal(password_derive("secret", big, 0, cheap, got, NULL), 0);
}

static void the_drafts_k_is_sha1_over_the_strings_as_sent(void **state)
{
    char k[41];

    (void)state;
    password_k_sha1(h, n1, n2, k);
    assert_string_equal(k, "b1ef9075a74cf3951c8375b98286b6c9c34069d4");
}

static void k_is_bound_to_the_tls_channel(void **state)
{
    uint8_t exporter[PASSWORD_EXPORTER_BYTES];
    char k[65], other[65];

    (void)state;
    for (size_t i = 0; i < sizeof exporter; i++)
        exporter[i] = (uint8_t)i;
    password_k_hmac(h, n1, n2, exporter, k);
    assert_string_equal(k, "e5f5148c8bf73365de08f2ebcd7f863a71194bd797574a17ebb0561ab06c7ab6");
    exporter[31] ^= 1;
    password_k_hmac(h, n1, n2, exporter, other);
    assert_string_not_equal(k, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h_is_scrypt_in_lower_case_hex),
        cmocka_unit_test(rfc_7914_vectors_hold),
        cmocka_unit_test(a_cost_that_eats_the_machine_is_refused),
        cmocka_unit_test(a_client_does_not_answer_a_server_that_asks_for_a_weak_cost),
        cmocka_unit_test(an_empty_or_broken_password_is_refused),
        cmocka_unit_test(a_salt_has_a_bound),
        cmocka_unit_test(the_drafts_k_is_sha1_over_the_strings_as_sent),
        cmocka_unit_test(k_is_bound_to_the_tls_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
