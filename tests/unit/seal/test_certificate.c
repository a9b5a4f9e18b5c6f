/* SPDX-License-Identifier: MIT */
/* docs/xmpp.md, "The seal": which keys are accepted, what a fingerprint is, whom a name covers. */
#include "config.h"

#include "seal/certificate.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "base/str.h"
#include "seal/digest.h"

#include "lib/test.h"
#include "unit/seal/forge.h"

static struct certificate *parse(const char *pem, struct err *err)
{
    return certificate_parse(pem, strlen(pem), err);
}

static void p256_and_rsa_from_3072_are_accepted_and_nothing_else(void **state)
{
    static const struct {
        struct forge_certificate spec;
        const char *says;  /* NULL: accepted */
    } rows[] = {
        { { .type = "EC" }, NULL },
        { { .type = "RSA", .bits = 3072 }, NULL },
        { { .type = "RSA", .bits = 2048 }, "2048 bits" },
        { { .type = "EC", .curve = "P-384" }, "P-256" },
        { { .type = "EC", .curve = "secp256k1" }, "P-256" },
        { { .type = "EC", .is_curve_spelt_out = true }, "spells" },
        { { .type = "ED25519" }, "neither" },
        { { .type = "ED448" }, "neither" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forged f = forge_certificate(&rows[i].spec);
        struct err err = { 0 };
        struct certificate *c = parse(f.certificate, &err);

        if (rows[i].says == NULL) {
            assert_non_null(c);
        } else {
            assert_null(c);
            assert_int_equal(err.kind, ERR_PROTOCOL);
            if (strstr(err.text, rows[i].says) == NULL)
                fail_msg("%s", err.text);
        }
        certificate_unref(&c);
        forge_clear(&f);
    }
}

/* §4 Keys: SHA-256 over the DER SubjectPublicKeyInfo, lower-case hex. */
static void the_fingerprint_is_of_the_public_key_and_not_of_the_certificate(void **state)
{
    struct forge_certificate spec = { .names = { "a.example" } };
    struct forged f = forge_certificate(&spec);
    struct certificate *c = parse(f.certificate, NULL);
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(f.pkey, &der);
    char hex[65];

    (void)state;
    digest_sha256_hex(der, (size_t)n, hex);
    assert_string_equal(certificate_fingerprint(c), hex);
    OPENSSL_free(der);
    certificate_unref(&c);
    assert_null(c);
    certificate_unref(&c);
    forge_clear(&f);
}

static void only_an_exact_dns_name_covers_a_domain(void **state)
{
    static const struct {
        struct forge_certificate spec;
        const char *domain;
        bool is_covered;
    } rows[] = {
        { { .names = { "a.example" } }, "a.example", true },
        { { .names = { "A.Example" } }, "a.example", true },
        { { .names = { "x.example", "a.example" } }, "a.example", true },
        { { .names = { "xn--bcher-kva.example" } }, "xn--bcher-kva.example", true },
        { { .names = { "a.example" } }, "example", false },
        { { .names = { "a.example" } }, "b.a.example", false },
        { { .names = { "*.example" } }, "a.example", false },
        { { .names = { "*" } }, "a.example", false },
        { { .names = { "a.example.evil" } }, "a.example", false },
        { { .names = { NULL } }, "forged", false },  /* the common name does not count */
        { { .san = "email:alice@a.example" }, "a.example", false },
        { { .san = "URI:a.example" }, "a.example", false },
        { { .san = "IP:192.0.2.1" }, "192.0.2.1", false },
        { { .names = { "a.example" } }, "", false },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forged f = forge_certificate(&rows[i].spec);
        struct certificate *c = parse(f.certificate, NULL);

        assert_non_null(c);
        if (certificate_covers(c, rows[i].domain) != rows[i].is_covered)
            fail_msg("row %zu: %s", i, rows[i].domain);
        certificate_unref(&c);
        forge_clear(&f);
    }
}

static void a_name_with_a_nul_inside_covers_nothing(void **state)
{
    struct forge_certificate spec = { .names = { "a.example!evil.example" } };
    struct forged f = forge_certificate(&spec);
    struct str der = STR_INIT, pem = STR_INIT;
    struct certificate *c;
    unsigned char *p = NULL;
    int n = i2d_X509(f.x509, &p);
    char *mark;

    (void)state;
    str_addn(&der, p, (size_t)n);
    OPENSSL_free(p);
    mark = memmem(der.s, der.len, "a.example!", 10);
    assert_non_null(mark);
    mark[9] = '\0';
    str_add(&pem, "-----BEGIN CERTIFICATE-----\n");
    base64_add(&pem, der.s, der.len, 64);
    str_add(&pem, "-----END CERTIFICATE-----\n");
    c = parse(pem.s, NULL);
    assert_non_null(c);
    assert_false(certificate_covers(c, "a.example"));
    certificate_unref(&c);
    str_clear(&der);
    str_clear(&pem);
    forge_clear(&f);
}

static void the_expiry_is_known_and_an_expired_one_still_parses(void **state)
{
    struct forge_certificate spec = { .is_expired = true };
    struct forged f = forge_certificate(&spec);
    struct certificate *c = parse(f.certificate, NULL);
    int64_t now = (int64_t)time(NULL) * 1000;

    (void)state;
    assert_true(certificate_expires_ms(c) < now - 3500 * 1000);
    assert_true(certificate_expires_ms(c) > now - 3700 * 1000);
    certificate_unref(&c);
    forge_clear(&f);
}

static void pem_is_given_back_in_one_form_however_it_came(void **state)
{
    struct forge_certificate spec = { .names = { "a.example" } };
    struct forged f = forge_certificate(&spec);
    struct str odd = STR_INIT;
    struct certificate *c;

    (void)state;
    str_add(&odd, " \r\n\t");
    for (const char *p = f.certificate; *p != '\0'; p++)
        if (*p == '\n')
            str_add(&odd, "\r\n");
        else
            str_addc(&odd, *p);
    str_add(&odd, "\n  \n");
    c = parse(odd.s, NULL);
    assert_non_null(c);
    assert_string_equal(certificate_pem(c), f.certificate);
    certificate_unref(&c);
    str_clear(&odd);
    forge_clear(&f);
}

static void what_is_not_one_certificate_is_refused(void **state)
{
    struct forge_certificate spec = { .names = { "a.example" } };
    struct forged f = forge_certificate(&spec);
    struct str two = STR_INIT, big = STR_INIT, cut = STR_INIT, longer = STR_INIT;
    const char *rows[] = {
        "",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nA!AA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n",
        "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END CERTIFICATE-----\n",
        f.key, NULL, NULL, NULL, NULL,
    };

    (void)state;
    str_addf(&two, "%s%s", f.certificate, f.certificate);
    str_addf(&longer, "%s", f.certificate);
    str_truncate(&longer, longer.len - strlen("-----END CERTIFICATE-----\n"));
    str_addf(&cut, "%.*s-----END CERTIFICATE-----\n", (int)(28 + 64), f.certificate);
    while (big.len <= 16 * 1024)
        str_addc(&big, '\n');
    str_add(&big, f.certificate);
    rows[N_ELEMENTS(rows) - 4] = two.s;
    rows[N_ELEMENTS(rows) - 3] = big.s;
    rows[N_ELEMENTS(rows) - 2] = cut.s;
    rows[N_ELEMENTS(rows) - 1] = longer.s;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };

        if (parse(rows[i], &err) != NULL)
            fail_msg("row %zu was accepted", i);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_true(err.text[0] != '\0');
    }
    str_clear(&two);
    str_clear(&big);
    str_clear(&cut);
    str_clear(&longer);
    forge_clear(&f);
}

static void bytes_behind_the_certificate_are_refused(void **state)
{
    struct forge_certificate spec = { .names = { "a.example" } };
    struct forged f = forge_certificate(&spec);
    unsigned char *der = NULL;
    int n = i2d_X509(f.x509, &der);
    struct str bytes = STR_INIT, pem = STR_INIT;

    (void)state;
    str_addn(&bytes, der, (size_t)n);
    str_addc(&bytes, 'x');
    str_add(&pem, "-----BEGIN CERTIFICATE-----\n");
    base64_add(&pem, bytes.s, bytes.len, 64);
    str_add(&pem, "-----END CERTIFICATE-----\n");
    assert_null(parse(pem.s, NULL));
    OPENSSL_free(der);
    str_clear(&bytes);
    str_clear(&pem);
    forge_clear(&f);
}

/* A flipped byte may still parse (a serial number, the signature): it must never crash or leak. */
static void an_altered_certificate_is_refused_or_another(void **state)
{
    struct forge_certificate spec = { .names = { "a.example" } };
    struct forged f = forge_certificate(&spec);
    unsigned char *der = NULL;
    int n = i2d_X509(f.x509, &der);

    (void)state;
    for (int i = 0; i < n; i++) {
        struct str pem = STR_INIT;
        struct certificate *c;

        der[i] ^= (unsigned char)(1u << (i % 8));
        str_add(&pem, "-----BEGIN CERTIFICATE-----\n");
        base64_add(&pem, der, (size_t)n, 0);
        str_add(&pem, "\n-----END CERTIFICATE-----\n");
        c = parse(pem.s, NULL);
        if (c != NULL)
            assert_string_not_equal(certificate_pem(c), f.certificate);
        certificate_unref(&c);
        str_clear(&pem);
        der[i] ^= (unsigned char)(1u << (i % 8));
    }
    OPENSSL_free(der);
    forge_clear(&f);
}

static void *count_up_and_down(void *p)
{
    struct certificate *c = p;

    for (int i = 0; i < 20000; i++) {
        struct certificate *mine = certificate_ref(c);

        assert_int_equal(strlen(certificate_fingerprint(mine)), 64);
        certificate_unref(&mine);
    }
    certificate_unref(&c);
    return NULL;
}

static void threads_share_one_certificate(void **state)
{
    struct forge_certificate spec = { .names = { "a.example" } };
    struct forged f = forge_certificate(&spec);
    struct certificate *c = parse(f.certificate, NULL);
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, count_up_and_down, certificate_ref(c)), 0);
    certificate_unref(&c);
    for (size_t i = 0; i < N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
    forge_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p256_and_rsa_from_3072_are_accepted_and_nothing_else),
        cmocka_unit_test(the_fingerprint_is_of_the_public_key_and_not_of_the_certificate),
        cmocka_unit_test(only_an_exact_dns_name_covers_a_domain),
        cmocka_unit_test(a_name_with_a_nul_inside_covers_nothing),
        cmocka_unit_test(the_expiry_is_known_and_an_expired_one_still_parses),
        cmocka_unit_test(pem_is_given_back_in_one_form_however_it_came),
        cmocka_unit_test(what_is_not_one_certificate_is_refused),
        cmocka_unit_test(bytes_behind_the_certificate_are_refused),
        cmocka_unit_test(an_altered_certificate_is_refused_or_another),
        cmocka_unit_test(threads_share_one_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
