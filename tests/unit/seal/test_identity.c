/* SPDX-License-Identifier: MIT */
/* docs/xmpp.md, "The seal": a domain's own keys, made on first start or given by the operator. */
#include "config.h"

#include "seal/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/macros.h"
#include "base/str.h"
#include "seal/certificate_private.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"
#include "unit/seal/forge.h"

static struct identity_files ours(void)
{
    return (struct identity_files){ .directory = fixture_folder() };
}

static struct identity *load(const char *domain, bool *made)
{
    struct identity_files files = ours();
    struct err err = { 0 };
    struct identity *id = identity_load(domain, &files, made, &err);

    if (id == NULL)
        fail_msg("%s", err.text);
    return id;
}

static void keys_are_made_once_and_found_again(void **state)
{
    bool made = false;
    struct identity *one = load("a.example", &made), *two;

    (void)state;
    assert_true(made);
    assert_string_equal(identity_domain(one), "a.example");
    two = load("a.example", &made);
    assert_false(made);
    assert_string_equal(certificate_fingerprint(identity_sign_certificate(one)),
                        certificate_fingerprint(identity_sign_certificate(two)));
    assert_string_equal(certificate_pem(identity_encrypt_certificate(one)),
                        certificate_pem(identity_encrypt_certificate(two)));
    identity_unref(&one);
    assert_null(one);
    identity_unref(&one);
    identity_unref(&two);
}

static void the_files_are_named_by_use_and_for_us_alone(void **state)
{
    struct identity *id = load("files.example", NULL);

    (void)state;
    assert_int_equal(fixture_mode(fixture_path("files.example.sign.pem")), 0600);
    assert_int_equal(fixture_mode(fixture_path("files.example.encrypt.pem")), 0600);
    assert_false(fixture_exists(fixture_path("files.example.tls.pem")));
    identity_unref(&id);
}

static void one_missing_file_is_made_and_the_other_kept(void **state)
{
    bool made = false;
    struct identity *one = load("half.example", NULL), *two;

    (void)state;
    assert_int_equal(unlink(fixture_path("half.example.encrypt.pem")), 0);
    two = load("half.example", &made);
    assert_true(made);
    assert_string_equal(certificate_fingerprint(identity_sign_certificate(one)),
                        certificate_fingerprint(identity_sign_certificate(two)));
    assert_string_not_equal(certificate_fingerprint(identity_encrypt_certificate(one)),
                            certificate_fingerprint(identity_encrypt_certificate(two)));
    identity_unref(&one);
    identity_unref(&two);
}

static void each_key_has_one_use_and_the_domain_as_its_name(void **state)
{
    struct identity *id = load("use.example", NULL);
    struct certificate *sign = identity_sign_certificate(id);
    struct certificate *encrypt = identity_encrypt_certificate(id);
    int64_t years = (certificate_expires_ms(sign) - (int64_t)time(NULL) * 1000) / 86400000;

    (void)state;
    assert_true(certificate_covers(sign, "use.example"));
    assert_true(certificate_covers(encrypt, "use.example"));
    assert_string_not_equal(certificate_fingerprint(sign), certificate_fingerprint(encrypt));
    assert_int_equal(X509_get_key_usage(certificate_x509(sign)), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_key_usage(certificate_x509(encrypt)), KU_KEY_AGREEMENT);
    assert_non_null(X509_get0_subject_key_id(certificate_x509(sign)));
    assert_non_null(X509_get0_subject_key_id(certificate_x509(encrypt)));
    assert_in_range(years, 3648, 3651);
    identity_unref(&id);
}

static void serial_numbers_are_random(void **state)
{
    struct identity *id = load("serial.example", NULL);
    const X509 *a = certificate_x509(identity_sign_certificate(id));
    const X509 *b = certificate_x509(identity_encrypt_certificate(id));

    (void)state;
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a), X509_get0_serialNumber(b)), 0);
    assert_true(ASN1_STRING_length(X509_get0_serialNumber(a)) >= 15);
    identity_unref(&id);
}

static void a_domain_too_long_for_a_common_name_has_keys_too(void **state)
{
    static const char domain[] = "a-label-of-a-domain-that-is-really-long.another-label-that-is-long."
                                 "and-one-more-of-them.example";
    struct identity *id = load(domain, NULL);

    (void)state;
    assert_true(certificate_covers(identity_sign_certificate(id), domain));
    identity_unref(&id);
}

static void a_domain_that_is_no_file_name_is_refused(void **state)
{
    static const char *const rows[] = { "", ".", "..", "../x", "a/b", ".hidden" };
    struct identity_files files = ours();

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };

        assert_null(identity_load(rows[i], &files, NULL, &err));
        assert_int_equal(err.kind, ERR_PERMANENT);
    }
}

static void a_key_that_others_can_read_is_refused_with_the_cure(void **state)
{
    struct identity_files files = ours();
    struct identity *id = load("open.example", NULL);
    const char *path = fixture_path("open.example.sign.pem");
    struct err err = { 0 };

    (void)state;
    identity_unref(&id);
    assert_int_equal(chmod(path, 0640), 0);
    assert_null(identity_load("open.example", &files, NULL, &err));
    assert_non_null(strstr(err.text, "open.example.sign.pem"));
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
    id = load("open.example", NULL);
    identity_unref(&id);
}

static void a_damaged_file_is_an_error_and_never_replaced(void **state)
{
    static const char *const rows[] = { "", "garbage", "-----BEGIN PRIVATE KEY-----\n" };
    struct identity_files files = ours();
    const char *path = fixture_path("broken.example.sign.pem");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };
        struct str after = STR_INIT;

        fixture_write(path, rows[i], strlen(rows[i]), 0600);
        assert_null(identity_load("broken.example", &files, NULL, &err));
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_non_null(strstr(err.text, "broken.example.sign.pem"));
        fixture_read(path, &after);
        assert_string_equal(str_c(&after), rows[i]);
        str_clear(&after);
    }
}

/* RSA or another curve in its place could open nothing that is sealed for us. */
static void an_encryption_key_of_another_kind_is_refused(void **state)
{
    struct forge_certificate spec = { .type = "RSA", .bits = 3072, .names = { "rsa.example" } };
    struct forged f = forge_certificate(&spec);
    struct identity_files files = ours();
    struct str both = STR_INIT;
    struct err err = { 0 };

    (void)state;
    str_addf(&both, "%s%s", f.key, f.certificate);
    fixture_write(fixture_path("rsa.example.encrypt.pem"), both.s, both.len, 0600);
    assert_null(identity_load("rsa.example", &files, NULL, &err));
    assert_non_null(strstr(err.text, "rsa.example.encrypt.pem"));
    assert_non_null(strstr(err.text, "P-256"));
    str_clear(&both);
    forge_clear(&f);
}

static void an_identity_lives_as_long_as_somebody_holds_it(void **state)
{
    struct identity *id = load("held.example", NULL), *mine = identity_ref(id);

    (void)state;
    assert_ptr_equal(mine, id);
    identity_unref(&id);
    assert_string_equal(identity_domain(mine), "held.example");
    identity_unref(&mine);
}

static void a_file_of_another_domain_is_refused(void **state)
{
    struct identity_files files = ours();
    struct identity *id = load("mine.example", NULL);
    struct err err = { 0 };

    (void)state;
    identity_unref(&id);
    assert_int_equal(rename(fixture_path("mine.example.sign.pem"),
                            fixture_path("other.example.sign.pem")),
                     0);
    assert_null(identity_load("other.example", &files, NULL, &err));
    assert_non_null(strstr(err.text, "other.example.sign.pem"));
    assert_non_null(strstr(err.text, "subjectAltName"));
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct identity_files files = { .directory = fixture_path("nowhere") };
    struct err err = { 0 };

    (void)state;
    assert_null(identity_load("a.example", &files, NULL, &err));
    assert_non_null(strstr(err.text, "nowhere"));
}

/* ---- the operator's own ---- */

static void the_operators_key_signs_and_ours_decrypts(void **state)
{
    static const struct forge_certificate rows[] = {
        { .names = { "op.example" } },
        { .names = { "www.op.example", "op.example" }, .key_usage = "digitalSignature" },
        { .type = "RSA", .bits = 3072, .names = { "op.example" } },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forged f = forge_certificate(&rows[i]);
        struct identity_files files = { fixture_folder(), fixture_path("op.crt"),
                                        fixture_path("op.key") };
        struct identity *id;

        fixture_write(files.certificate, f.certificate, strlen(f.certificate), 0644);
        fixture_write(files.key, f.key, strlen(f.key), 0600);
        id = identity_load("op.example", &files, NULL, NULL);
        assert_non_null(id);
        assert_string_equal(certificate_pem(identity_sign_certificate(id)), f.certificate);
        assert_true(fixture_exists(fixture_path("op.example.encrypt.pem")));
        assert_false(fixture_exists(fixture_path("op.example.sign.pem")));
        identity_unref(&id);
        forge_clear(&f);
    }
}

static void one_file_may_hold_both(void **state)
{
    struct forge_certificate spec = { .names = { "op.example" } };
    struct forged f = forge_certificate(&spec);
    struct identity_files files = { fixture_folder(), fixture_path("both.pem"), NULL };
    struct str both = STR_INIT;
    struct identity *id;

    (void)state;
    str_addf(&both, "%s%s", f.key, f.certificate);
    fixture_write(files.certificate, both.s, both.len, 0600);
    id = identity_load("op.example", &files, NULL, NULL);
    assert_non_null(id);
    identity_unref(&id);
    str_clear(&both);
    forge_clear(&f);
}

static void an_operators_certificate_that_does_not_fit_is_refused_with_the_reason(void **state)
{
    static const struct {
        struct forge_certificate spec;
        const char *says;
    } rows[] = {
        { { .names = { "www.op.example" } }, "subjectAltName" },
        { { .names = { "*.example" } }, "subjectAltName" },
        { { .type = "RSA", .bits = 2048, .names = { "op.example" } }, "2048" },
        { { .curve = "P-384", .names = { "op.example" } }, "P-256" },
        { { .type = "ED25519", .names = { "op.example" } }, "neither" },
        { { .names = { "op.example" }, .key_usage = "keyAgreement" }, "digitalSignature" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forged f = forge_certificate(&rows[i].spec);
        struct identity_files files = { fixture_folder(), fixture_path("op.crt"),
                                        fixture_path("op.key") };
        struct err err = { 0 };

        fixture_write(files.certificate, f.certificate, strlen(f.certificate), 0644);
        fixture_write(files.key, f.key, strlen(f.key), 0600);
        assert_null(identity_load("op.example", &files, NULL, &err));
        if (strstr(err.text, rows[i].says) == NULL || strstr(err.text, "op.crt") == NULL)
            fail_msg("%s", err.text);
        forge_clear(&f);
    }
}

static void files_that_do_not_fit_together_are_refused(void **state)
{
    struct forge_certificate spec = { .names = { "op.example" } };
    struct forged f = forge_certificate(&spec), g = forge_certificate(&spec);
    const char *crt = fixture_path("op.crt"), *key = fixture_path("op.key");
    const char *other = fixture_path("other.key"), *none = fixture_path("none.pem");
    const char *empty = fixture_path("empty.key");
    const struct {
        const char *certificate, *key, *says;
    } rows[] = {
        { crt, other, "does not belong" },
        { crt, none, "none.pem" },
        { none, key, "none.pem" },
        { NULL, key, "without its certificate" },
        { key, key, "no certificate" },
        { crt, empty, "no private key" },
        { crt, crt, "op.crt" },  /* mode 644: a key must not be in it */
    };

    (void)state;
    fixture_write(crt, f.certificate, strlen(f.certificate), 0644);
    fixture_write(key, f.key, strlen(f.key), 0600);
    fixture_write(other, g.key, strlen(g.key), 0600);
    fixture_write(empty, "", 0, 0600);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct identity_files files = { fixture_folder(), rows[i].certificate, rows[i].key };
        struct err err = { 0 };

        assert_null(identity_load("op.example", &files, NULL, &err));
        assert_int_equal(err.kind, ERR_PERMANENT);
        if (strstr(err.text, rows[i].says) == NULL)
            fail_msg("%zu: %s", i, err.text);
    }
    forge_clear(&f);
    forge_clear(&g);
}

/* The key with a bit flipped at two octets (or one) of its traditional DER. */
static void write_damaged(const char *path, EVP_PKEY *key, const size_t at[2])
{
    unsigned char *der = NULL;
    int len = i2d_PrivateKey(key, &der);
    const unsigned char *p = der;
    EVP_PKEY *damaged;
    FILE *out = fopen(path, "w");

    assert_true(len > (int)at[0] && len > (int)at[1]);
    assert_non_null(out);
    der[at[0]] ^= 1;
    if (at[1] != 0)
        der[at[1]] ^= 1;
    damaged = d2i_AutoPrivateKey(NULL, &p, len);
    assert_non_null(damaged);
    assert_int_equal(PEM_write_PrivateKey(out, damaged, NULL, NULL, 0, NULL, NULL), 1);
    fclose(out);
    assert_int_equal(chmod(path, 0600), 0);
    EVP_PKEY_free(damaged);
    OPENSSL_free(der);
}

/* Its public part is that of the certificate, and nothing that it signs would hold. */
static void a_key_whose_private_part_is_damaged_is_refused(void **state)
{
    struct forge_certificate ec = { .names = { "op.example" } };
    struct forge_certificate rsa = { .type = "RSA", .bits = 3072, .names = { "op.example" } };
    const struct {
        const struct forge_certificate *spec;
        size_t at[2];
    } rows[] = {
        {&ec,   { 20 }       }, /* the scalar */
        { &rsa, { 600, 1400 }}, /* d, and what the library uses in its place while that is right */
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forged f = forge_certificate(rows[i].spec);
        struct identity_files files = { fixture_folder(), fixture_path("op.crt"),
                                        fixture_path("damaged.key") };
        struct err err = { 0 };

        fixture_write(files.certificate, f.certificate, strlen(f.certificate), 0644);
        write_damaged(files.key, f.pkey, rows[i].at);
        assert_null(identity_load("op.example", &files, NULL, &err));
        assert_int_equal(err.kind, ERR_PERMANENT);
        assert_non_null(strstr(err.text, "damaged"));
        forge_clear(&f);
    }
}

static void a_key_with_a_passphrase_is_refused_and_nobody_is_asked(void **state)
{
    struct forge_certificate spec = { .names = { "op.example" } };
    struct forged f = forge_certificate(&spec);
    struct identity_files files = { fixture_folder(), fixture_path("op.crt"),
                                    fixture_path("locked.key") };
    FILE *out = fopen(files.key, "w");
    struct err err = { 0 };

    (void)state;
    assert_non_null(out);
    assert_int_equal(PEM_write_PKCS8PrivateKey(out, f.pkey, EVP_aes_256_cbc(), "pw", 2, NULL, NULL),
                     1);
    fclose(out);
    assert_int_equal(chmod(files.key, 0600), 0);
    fixture_write(files.certificate, f.certificate, strlen(f.certificate), 0644);
    assert_null(identity_load("op.example", &files, NULL, &err));
    assert_non_null(strstr(err.text, "passphrase"));
    forge_clear(&f);
}

static void a_certificate_that_the_world_may_change_is_refused(void **state)
{
    struct forge_certificate spec = { .names = { "op.example" } };
    struct forged f = forge_certificate(&spec);
    struct identity_files files = { fixture_folder(), fixture_path("op.crt"),
                                    fixture_path("op.key") };
    struct err err = { 0 };

    (void)state;
    fixture_write(files.certificate, f.certificate, strlen(f.certificate), 0666);
    fixture_write(files.key, f.key, strlen(f.key), 0600);
    assert_null(identity_load("op.example", &files, NULL, &err));
    assert_non_null(strstr(err.text, "chmod o-w"));
    forge_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_made_once_and_found_again),
        cmocka_unit_test(the_files_are_named_by_use_and_for_us_alone),
        cmocka_unit_test(one_missing_file_is_made_and_the_other_kept),
        cmocka_unit_test(each_key_has_one_use_and_the_domain_as_its_name),
        cmocka_unit_test(serial_numbers_are_random),
        cmocka_unit_test(a_domain_too_long_for_a_common_name_has_keys_too),
        cmocka_unit_test(a_domain_that_is_no_file_name_is_refused),
        cmocka_unit_test(a_key_that_others_can_read_is_refused_with_the_cure),
        cmocka_unit_test(a_damaged_file_is_an_error_and_never_replaced),
        cmocka_unit_test(an_encryption_key_of_another_kind_is_refused),
        cmocka_unit_test(an_identity_lives_as_long_as_somebody_holds_it),
        cmocka_unit_test(a_file_of_another_domain_is_refused),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
        cmocka_unit_test(the_operators_key_signs_and_ours_decrypts),
        cmocka_unit_test(one_file_may_hold_both),
        cmocka_unit_test(an_operators_certificate_that_does_not_fit_is_refused_with_the_reason),
        cmocka_unit_test(files_that_do_not_fit_together_are_refused),
        cmocka_unit_test(a_key_whose_private_part_is_damaged_is_refused),
        cmocka_unit_test(a_key_with_a_passphrase_is_refused_and_nobody_is_asked),
        cmocka_unit_test(a_certificate_that_the_world_may_change_is_refused),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
