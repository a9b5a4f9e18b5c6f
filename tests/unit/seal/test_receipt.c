/* SPDX-License-Identifier: MIT */
/*
 * docs/xmpp.md, "Receipts": a receipt that is unsigned, by another key or altered says nothing.
 * Also endorsements. Seals of another kind do not pass for receipts.
 */
#include "config.h"

#include "seal/seal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>

#include "base/macros.h"
#include "base/mem.h"
#include "seal/digest.h"

#include "lib/test.h"
#include "seal/certificate_private.h"
#include "seal/identity_private.h"
#include "unit/seal/fixture.h"

static const char text[] = "{\"bundle\":\"6f0a2c1e-7b5d-4c3a-9e8f-001122334455\",\"results\":[]}";
static struct identity *a, *b;

static int setup(void **state)
{
    struct identity_files files;

    if (fixture_setup(state) < 0)
        return -1;
    files = (struct identity_files){ .directory = fixture_folder() };
    a = identity_load("a.example", &files, NULL, NULL);
    b = identity_load("b.example", &files, NULL, NULL);
    return a != NULL && b != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    identity_unref(&a);
    identity_unref(&b);
    return fixture_teardown(state);
}

static void make(struct str *armor)
{
    assert_int_equal(seal_make_receipt(b, text, sizeof text - 1, armor, NULL), 0);
}

/* As a receipt by b: 0 and the text, or -1 and nothing. */
static int open_receipt(const char *p, size_t n)
{
    struct str out = STR_INIT;
    struct err err = { 0 };
    int rc;

    str_add(&out, "kept");
    rc = seal_open_receipt(identity_sign_certificate(b), p, n, &out, &err);
    if (rc == 0) {
        assert_string_equal(out.s + 4, text);
    } else {
        assert_string_equal(out.s, "kept");
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_true(err.text[0] != '\0');
    }
    str_clear(&out);
    return rc;
}

static void of_armor(const struct str *armor, struct str *der)
{
    const char *body = strchr(armor->s, '\n') + 1;

    assert_int_equal(base64_decode(body, (size_t)(strstr(body, "-----END") - body), der), 0);
}

static void to_armor(const void *p, size_t n, struct str *armor)
{
    str_truncate(armor, 0);
    str_add(armor, "-----BEGIN CMS-----\n");
    base64_add(armor, p, n, 64);
    str_add(armor, "-----END CMS-----\n");
}

/* By the library's own CMS functions, as others may. */
static void make_by_library(const struct identity *id, const char *content, unsigned flags,
                            struct str *armor)
{
    CMS_ContentInfo *cms;
    BIO *in = BIO_new_mem_buf(content, -1);
    unsigned char *der = NULL;
    int n;

    flags |= CMS_BINARY;
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
    assert_non_null(CMS_add1_signer(cms, certificate_x509(identity_sign_certificate(id)),
                                    identity_sign_key(id), EVP_sha256(), flags));
    assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
    n = i2d_CMS_ContentInfo(cms, &der);
    to_armor(der, (size_t)n, armor);
    OPENSSL_free(der);
    BIO_free(in);
    CMS_ContentInfo_free(cms);
}

static void a_receipt_opens_with_its_signers_certificate(void **state)
{
    struct str armor = STR_INIT;

    (void)state;
    make(&armor);
    assert_true(str_starts(armor.s, "-----BEGIN CMS-----\n"));
    assert_int_equal(open_receipt(armor.s, armor.len), 0);
    str_clear(&armor);
}

static void another_key_is_refused_even_with_its_certificate_inside(void **state)
{
    struct str armor = STR_INIT, out = STR_INIT;

    (void)state;
    make(&armor);
    assert_int_equal(seal_open_receipt(identity_sign_certificate(a), armor.s, armor.len, &out, NULL),
                     -1);
    make_by_library(a, text, CMS_USE_KEYID, &armor);
    assert_int_equal(open_receipt(armor.s, armor.len), -1);
    make_by_library(b, text, 0, &armor);
    assert_int_equal(open_receipt(armor.s, armor.len), 0);
    str_clear(&armor);
    str_clear(&out);
}

static void an_unsigned_receipt_is_refused(void **state)
{
    /* SignedData over "{}" without a SignerInfo. */
    static const uint8_t no_signer[] = {
        0x30, 0x29, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2, 0xa0, 0x1c, 0x30, 0x1a,
        2, 1, 1, 0x31, 0, 0x30, 17, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1,
        0xa0, 4, 4, 2, '{', '}', 0x31, 0,
    };
    struct str armor = STR_INIT;

    (void)state;
    to_armor(no_signer, sizeof no_signer, &armor);
    assert_int_equal(open_receipt(armor.s, armor.len), -1);
    assert_int_equal(open_receipt(text, sizeof text - 1), -1);
    make_by_library(b, text, CMS_DETACHED, &armor);
    assert_int_equal(open_receipt(armor.s, armor.len), -1);
    make_by_library(b, text, CMS_NOATTR, &armor);
    assert_int_equal(open_receipt(armor.s, armor.len), -1);
    str_clear(&armor);
}

static void an_altered_or_cut_receipt_is_refused(void **state)
{
    struct str armor = STR_INIT, der = STR_INIT;

    (void)state;
    make(&armor);
    of_armor(&armor, &der);
    for (size_t i = 0; i < der.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            der.s[i] ^= (char)(1u << bit);
            to_armor(der.s, der.len, &armor);
            if (open_receipt(armor.s, armor.len) == 0)
                fail_msg("byte %zu, bit %u", i, bit);
            der.s[i] ^= (char)(1u << bit);
        }
        to_armor(der.s, i, &armor);
        assert_int_equal(open_receipt(armor.s, armor.len), -1);
    }
    str_clear(&armor);
    str_clear(&der);
}

static void a_seal_is_no_receipt_and_a_receipt_no_seal(void **state)
{
    struct str armor = STR_INIT, out = STR_INIT;
    char hex[SEAL_SHA256_SIZE];
    enum refusal why;

    (void)state;
    assert_int_equal(seal_make(b, identity_encrypt_certificate(a), text, sizeof text, &armor, hex,
                               NULL),
                     0);
    /* The signature holds: what is inside is ciphertext, which is no receipt's JSON. */
    assert_int_equal(seal_open_receipt(identity_sign_certificate(b), armor.s, armor.len, &out, NULL),
                     0);
    assert_null(memmem(out.s, out.len, text, sizeof text - 1));
    str_truncate(&armor, 0);
    str_truncate(&out, 0);
    make(&armor);
    assert_int_equal(seal_open(identity_sign_certificate(b), a, armor.s, armor.len, &out, hex, &why,
                               NULL),
                     -1);
    assert_int_equal(why, REFUSED_BAD_SEAL);
    str_clear(&armor);
    str_clear(&out);
}

static void a_receipt_of_nothing_and_of_much_opens(void **state)
{
    struct str armor = STR_INIT, much = STR_INIT, out = STR_INIT;

    (void)state;
    assert_int_equal(seal_make_receipt(b, "", 0, &armor, NULL), 0);
    assert_int_equal(seal_open_receipt(identity_sign_certificate(b), armor.s, armor.len, &out, NULL),
                     0);
    assert_int_equal(out.len, 0);
    while (much.len < 300000)
        str_add(&much, text);
    str_truncate(&armor, 0);
    assert_int_equal(seal_make_receipt(b, much.s, much.len, &armor, NULL), 0);
    assert_int_equal(seal_open_receipt(identity_sign_certificate(b), armor.s, armor.len, &out, NULL),
                     0);
    assert_string_equal(out.s, much.s);
    str_clear(&armor);
    str_clear(&much);
    str_clear(&out);
}

static void endorsed(const char *domain, const struct identity *fresh, struct str *out)
{
    str_truncate(out, 0);
    str_addf(out, "%s\nsign %s\nencrypt %s\n", domain,
             certificate_fingerprint(identity_sign_certificate(fresh)),
             certificate_fingerprint(identity_encrypt_certificate(fresh)));
}

/* docs/xmpp.md, "Keys": by the previous signing key, over domain and both fingerprints. */
static void an_endorsement_holds_inside_or_detached_and_for_these_keys_only(void **state)
{
    struct certificate *sign = identity_sign_certificate(a);
    struct certificate *encrypt = identity_encrypt_certificate(a);
    struct certificate *old = identity_sign_certificate(b);
    struct str armor = STR_INIT, words = STR_INIT;

    (void)state;
    endorsed("b.example", a, &words);
    make_by_library(b, words.s, CMS_USE_KEYID, &armor);
    assert_int_equal(
        seal_check_endorsement(old, "b.example", sign, encrypt, armor.s, armor.len, NULL), 0);
    assert_int_equal(
        seal_check_endorsement(old, "c.example", sign, encrypt, armor.s, armor.len, NULL), -1);
    assert_int_equal(
        seal_check_endorsement(old, "b.example", old, encrypt, armor.s, armor.len, NULL), -1);
    assert_int_equal(
        seal_check_endorsement(sign, "b.example", sign, encrypt, armor.s, armor.len, NULL), -1);
    make_by_library(b, words.s, CMS_DETACHED, &armor);
    assert_int_equal(
        seal_check_endorsement(old, "b.example", sign, encrypt, armor.s, armor.len, NULL), 0);
    assert_int_equal(
        seal_check_endorsement(old, "c.example", sign, encrypt, armor.s, armor.len, NULL), -1);
    make_by_library(a, words.s, 0, &armor);
    assert_int_equal(
        seal_check_endorsement(old, "b.example", sign, encrypt, armor.s, armor.len, NULL), -1);
    assert_int_equal(seal_check_endorsement(old, "b.example", sign, encrypt, "x", 1, NULL), -1);
    str_clear(&armor);
    str_clear(&words);
}

static void without_memory_it_is_a_temporary_failure(void **state)
{
    size_t n = 0;
    int rc;

    (void)state;
    do {
        struct str armor = STR_INIT;
        struct err err = { 0 };

        mem_fail_nth(++n);
        rc = seal_make_receipt(b, text, sizeof text - 1, &armor, &err);
        mem_fail_nth(0);
        assert_int_equal(err.kind, rc < 0 ? ERR_TEMPORARY : ERR_NONE);
        assert_int_equal(armor.len > 0, rc == 0);
        str_clear(&armor);
    } while (rc < 0);
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_opens_with_its_signers_certificate),
        cmocka_unit_test(another_key_is_refused_even_with_its_certificate_inside),
        cmocka_unit_test(an_unsigned_receipt_is_refused),
        cmocka_unit_test(an_altered_or_cut_receipt_is_refused),
        cmocka_unit_test(a_seal_is_no_receipt_and_a_receipt_no_seal),
        cmocka_unit_test(a_receipt_of_nothing_and_of_much_opens),
        cmocka_unit_test(an_endorsement_holds_inside_or_detached_and_for_these_keys_only),
        cmocka_unit_test(without_memory_it_is_a_temporary_failure),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
