/* SPDX-License-Identifier: MIT */
/*
 * docs/xmpp.md, "The seal": the message signature, and what a signature must have: one signer, the
 * pinned key, SHA-256 or stronger, and content-type, message-digest and signing-time signed.
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
#include "seal/signeddata_private.h"
#include "unit/seal/fixture.h"

static const char header[] = "{\"id\":\"6f0a2c1e-7b5d-4c3a-9e8f-001122334455\",\"kind\":\"message\"}";
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

static int check_der(const struct identity *id, const void *p, size_t n, struct err *err)
{
    struct str base64 = STR_INIT;
    int rc;

    base64_add(&base64, p, n, 0);
    rc = seal_check_message(identity_sign_certificate(id), header, sizeof header - 1,
                            str_c(&base64), base64.len, err);
    str_clear(&base64);
    return rc;
}

static void sign(struct str *der)
{
    struct str base64 = STR_INIT;

    assert_int_equal(seal_sign_message(a, header, sizeof header - 1, &base64, NULL), 0);
    str_truncate(der, 0);
    assert_int_equal(base64_decode(base64.s, base64.len, der), 0);
    str_clear(&base64);
}

static void a_signature_holds_for_its_header_and_its_signer(void **state)
{
    struct str sig = STR_INIT;

    (void)state;
    str_add(&sig, "x");  /* it is appended, in one line */
    assert_int_equal(seal_sign_message(a, header, sizeof header - 1, &sig, NULL), 0);
    assert_null(strchr(sig.s, '\n'));
    assert_int_equal(seal_check_message(identity_sign_certificate(a), header, sizeof header - 1,
                                        sig.s + 1, sig.len - 1, NULL),
                     0);
    assert_int_equal(seal_check_message(identity_sign_certificate(b), header, sizeof header - 1,
                                        sig.s + 1, sig.len - 1, NULL),
                     -1);
    str_clear(&sig);
}

static void each_byte_of_the_header_counts(void **state)
{
    struct str sig = STR_INIT;
    char other[sizeof header];

    (void)state;
    assert_int_equal(seal_sign_message(a, header, sizeof header - 1, &sig, NULL), 0);
    for (size_t i = 0; i < sizeof header - 1; i++) {
        memcpy(other, header, sizeof header);
        other[i] ^= 1;
        assert_int_equal(seal_check_message(identity_sign_certificate(a), other, sizeof header - 1,
                                            sig.s, sig.len, NULL),
                         -1);
    }
    assert_int_equal(
        seal_check_message(identity_sign_certificate(a), header, sizeof header, sig.s, sig.len, NULL),
        -1);
    assert_int_equal(seal_check_message(identity_sign_certificate(a), header, 0, sig.s, sig.len, NULL),
                     -1);
    str_clear(&sig);
}

static void each_byte_of_the_signature_counts(void **state)
{
    struct str der = STR_INIT;

    (void)state;
    sign(&der);
    for (size_t i = 0; i < der.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct err err = { 0 };

            der.s[i] ^= (char)(1u << bit);
            if (check_der(a, der.s, der.len, &err) == 0)
                fail_msg("byte %zu, bit %u", i, bit);
            assert_int_equal(err.kind, ERR_PROTOCOL);
            der.s[i] ^= (char)(1u << bit);
        }
        assert_int_equal(check_der(a, der.s, i, NULL), -1);
    }
    str_addc(&der, '\0');
    assert_int_equal(check_der(a, der.s, der.len, NULL), -1);
    str_clear(&der);
}

/* BER that is no DER, but for streams of indefinite length: a text has one encoding. */
static void lengths_in_more_octets_than_needed_are_refused(void **state)
{
    struct str der = STR_INIT, longer = STR_INIT;

    (void)state;
    sign(&der);
    assert_memory_equal(der.s, "\x30\x82", 2);
    str_addn(&longer, "\x30\x83\x00", 3);
    str_addn(&longer, der.s + 2, der.len - 2);
    assert_int_equal(check_der(a, longer.s, longer.len, NULL), -1);
    str_clear(&der);
    str_clear(&longer);
}

static void what_is_no_signature_is_refused(void **state)
{
    static const char *const rows[] = {
        "", "!", "MIIA", "AAAA", "MAsGCSqGSIb3DQEHAg==",
        "MBYGCSqGSIb3DQEHAaAJBAdnYXJiYWdl",  /* data */
        "-----BEGIN CMS-----\nMIIA\n-----END CMS-----\n",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };

        assert_int_equal(seal_check_message(identity_sign_certificate(a), header, sizeof header - 1,
                                            rows[i], strlen(rows[i]), &err),
                         -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_true(err.text[0] != '\0');
    }
}

/* The bytes of a signature around what a test alters, and a signature made anew over that. */
struct altered {
    struct str der;
    size_t attributes, attributes_len;  /* the value of the SET */
    size_t signature, signature_len;
};

static size_t find(const struct str *der, const void *p, size_t n)
{
    const char *at = memmem(der->s, der->len, p, n);

    assert_non_null(at);
    return (size_t)(at - der->s);
}

static void alter_begin(struct altered *al)
{
    al->der = (struct str)STR_INIT;
    sign(&al->der);
    al->attributes = find(&al->der, "\xa0\x69\x30", 3) + 2;
    al->attributes_len = 0x69;
    al->signature = find(&al->der, "\x2a\x86\x48\xce\x3d\x04\x03\x02\x04", 9) + 10;
    al->signature_len = al->der.len - al->signature;
}

/* Sign the altered attributes: the signature holds then, and only their content is wrong. */
static void alter_end(struct altered *al)
{
    uint8_t set[2 + 0x69] = { 0x31, 0x69 }, digest[32], sig[80];
    size_t n;

    memcpy(set + 2, al->der.s + al->attributes, al->attributes_len);
    assert_int_equal(EVP_Digest(set, sizeof set, digest, NULL, EVP_sha256(), NULL), 1);
    do {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(identity_sign_key(a), NULL);

        n = sizeof sig;
        assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
        assert_int_equal(EVP_PKEY_sign(ctx, sig, &n, digest, sizeof digest), 1);
        EVP_PKEY_CTX_free(ctx);
    } while (n != al->signature_len);
    memcpy(al->der.s + al->signature, sig, n);
}

/* The last byte of an attribute's object identifier: 1.2.840.113549.1.9.X. */
static char *attribute(struct altered *al, char x)
{
    char oid[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x09?";

    oid[8] = x;
    return al->der.s + find(&al->der, oid, 9) + 8;
}

static void the_signed_attributes_must_be_there_and_right(void **state)
{
    enum { CONTENT_TYPE = 3, MESSAGE_DIGEST = 4, SIGNING_TIME = 5 };
    static const struct {
        char attribute;
        int at;       /* from the last byte of its identifier */
        uint8_t byte; /* what stands there instead */
        const char *says;
    } rows[] = {
        { CONTENT_TYPE, 0, 99, "content-type" },       /* missing */
        { CONTENT_TYPE, 13, 3, "content-type" },       /* another: envelopedData */
        { CONTENT_TYPE, 3, 4, "content-type" },        /* an OCTET STRING */
        { SIGNING_TIME, 0, 99, "signing-time" },       /* missing */
        { SIGNING_TIME, 3, 4, "signing-time" },        /* an OCTET STRING */
        { MESSAGE_DIGEST, 0, 99, "message-digest" },   /* missing */
        { MESSAGE_DIGEST, 3, 12, "message-digest" },   /* a UTF8String */
        { MESSAGE_DIGEST, 20, 0, "not the one that was signed" },
        { SIGNING_TIME, 0, MESSAGE_DIGEST, "signing-time" },    /* two digests, no time */
        { MESSAGE_DIGEST, 0, CONTENT_TYPE, "content-type" },    /* twice the type */
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct altered al;
        struct err err = { 0 };
        char *p;

        alter_begin(&al);
        p = attribute(&al, rows[i].attribute) + rows[i].at;
        *p = (char)((uint8_t)*p == rows[i].byte ? rows[i].byte ^ 1 : rows[i].byte);
        alter_end(&al);
        assert_int_equal(check_der(a, al.der.s, al.der.len, &err), -1);
        if (strstr(err.text, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, err.text);
        str_clear(&al.der);
    }
}

/* The proof that alter_end() signs well, without which the test above would prove nothing. */
static void another_signing_time_that_is_signed_holds(void **state)
{
    struct altered al;

    (void)state;
    alter_begin(&al);
    attribute(&al, 5)[5] = '7';
    alter_end(&al);
    assert_int_equal(check_der(a, al.der.s, al.der.len, NULL), 0);
    str_clear(&al.der);
}

static CMS_ContentInfo *by_library(const EVP_MD *md, unsigned flags, int signers)
{
    CMS_ContentInfo *cms;
    BIO *in = BIO_new_mem_buf(header, sizeof header - 1);

    flags |= CMS_BINARY | CMS_DETACHED;
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
    while (signers-- > 0)
        assert_non_null(CMS_add1_signer(cms, certificate_x509(identity_sign_certificate(a)),
                                        identity_sign_key(a), md, flags));
    assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
    BIO_free(in);
    return cms;
}

static int check_cms(CMS_ContentInfo *cms, struct err *err)
{
    unsigned char *der = NULL;
    int n = i2d_CMS_ContentInfo(cms, &der);
    int rc = check_der(a, der, (size_t)n, err);

    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    return rc;
}

static void only_sha_2_from_256_bits_is_accepted(void **state)
{
    const struct {
        const EVP_MD *md;
        int rc;
    } rows[] = {
        { EVP_sha256(), 0 }, { EVP_sha384(), 0 }, { EVP_sha512(), 0 }, { EVP_sha1(), -1 },
        { EVP_sha224(), -1 },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };

        assert_int_equal(check_cms(by_library(rows[i].md, CMS_USE_KEYID, 1), &err), rows[i].rc);
        if (rows[i].rc < 0)
            assert_non_null(strstr(err.text, "digest"));
    }
}

static void the_signer_may_be_named_either_way_and_bring_certificates(void **state)
{
    CMS_ContentInfo *cms;

    (void)state;
    assert_int_equal(check_cms(by_library(EVP_sha256(), 0, 1), NULL), 0);
    assert_int_equal(check_cms(by_library(EVP_sha256(), CMS_NOCERTS, 1), NULL), 0);
    cms = by_library(EVP_sha256(), CMS_USE_KEYID, 1);
    assert_int_equal(CMS_add1_cert(cms, certificate_x509(identity_sign_certificate(b))), 1);
    assert_int_equal(check_cms(cms, NULL), 0);
}

static void no_signer_is_refused(void **state)
{
    static const uint8_t der[] = {
        0x30, 0x23, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2, 0xa0, 0x16, 0x30, 0x14,
        2, 1, 1, 0x31, 0, 0x30, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1, 0x31, 0,
    };
    struct err err = { 0 };

    (void)state;
    assert_int_equal(check_der(a, der, sizeof der, &err), -1);
    assert_non_null(strstr(err.text, "exactly one signer"));
}

static void a_second_signer_is_refused(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_int_equal(check_cms(by_library(EVP_sha256(), CMS_USE_KEYID | CMS_NOCERTS, 2), &err), -1);
    assert_non_null(strstr(err.text, "exactly one signer"));
}

static void content_inside_is_refused_where_it_is_given_beside(void **state)
{
    BIO *in = BIO_new_mem_buf(header, sizeof header - 1);
    CMS_ContentInfo *cms = CMS_sign(certificate_x509(identity_sign_certificate(a)),
                                    identity_sign_key(a), NULL, in, CMS_BINARY);
    struct err err = { 0 };

    (void)state;
    assert_int_equal(check_cms(cms, &err), -1);
    assert_non_null(strstr(err.text, "not detached"));
    BIO_free(in);
}

static void without_memory_it_is_a_temporary_failure(void **state)
{
    size_t n = 0;
    int rc;

    (void)state;
    do {
        struct str sig = STR_INIT;
        struct err err = { 0 };

        mem_fail_nth(++n);
        rc = seal_sign_message(a, header, sizeof header - 1, &sig, &err);
        mem_fail_nth(0);
        assert_int_equal(err.kind, rc < 0 ? ERR_TEMPORARY : ERR_NONE);
        str_clear(&sig);
    } while (rc < 0);
    assert_true(n > 2);
}

/* 1 good, 0 bad, -1 not of the shape that is read without a decoder. */
static int judge_plain(const struct certificate *signer, const struct str *der)
{
    struct signeddata_plain plain;

    if (!signeddata_plain_read(signer, (const uint8_t *)der->s, der->len, &plain))
        return -1;
    assert_null(plain.content);
    return signeddata_plain_check(signer, &plain, header, sizeof header - 1, NULL, NULL) == 0;
}

static int judge_decoded(const struct certificate *signer, const struct str *der)
{
    struct cms_signed *s = cms_signed_read((const uint8_t *)der->s, der->len);
    int good = s != NULL && s->content->octets == NULL &&
               signeddata_check(signer, s, header, sizeof header - 1, NULL, NULL) == 0;

    cms_signed_free(s);
    return good;
}

static void both_ways_of_reading_judge_alike(void **state)
{
    const struct certificate *ca = identity_sign_certificate(a), *cb = identity_sign_certificate(b);
    struct str der = STR_INIT;
    size_t plain = 0;

    (void)state;
    sign(&der);
    assert_int_equal(judge_plain(ca, &der), 1);
    assert_int_equal(judge_decoded(ca, &der), 1);
    assert_int_equal(judge_plain(cb, &der), -1); /* another name: not this one's to judge */
    for (size_t bit = 0; bit < 8 * der.len; bit++) {
        int is;

        der.s[bit / 8] ^= (char)(1 << bit % 8);
        is = judge_plain(ca, &der);
        plain += is >= 0;
        assert_int_not_equal(is, 1);
        assert_int_equal(judge_decoded(ca, &der), 0);
        der.s[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(plain > 0); /* times, digests and signatures may be anything */
    for (size_t n = 0; n < der.len; n++) {
        struct str cut = STR_INIT; /* of its own, so that reading on is found */

        str_addn(&cut, der.s, n);
        assert_int_equal(judge_plain(ca, &cut), -1);
        str_clear(&cut);
    }
    str_addc(&der, '\0');
    assert_int_equal(judge_plain(ca, &der), -1);
    str_clear(&der);
}

/* Half of them of another implementation's shape; each in turn spoilt. */
static void many_messages_are_checked_as_one_by_one(void **state)
{
    enum { N = 6 };
    static const char *const headers[N] = { "zero", "one", "two", "three", "four", "five" };
    const struct certificate *ca = identity_sign_certificate(a);
    struct seal_signed m[N];
    struct str base64[N] = { STR_INIT };
    struct err err;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        if (i % 2 == 0) {
            assert_int_equal(seal_sign_message(a, headers[i], strlen(headers[i]), &base64[i], NULL),
                             0);
        } else {
            BIO *in = BIO_new_mem_buf(headers[i], -1);
            CMS_ContentInfo *cms = CMS_sign(certificate_x509(ca), identity_sign_key(a), NULL, in,
                                            CMS_BINARY | CMS_DETACHED);
            unsigned char *der = NULL;
            int n = i2d_CMS_ContentInfo(cms, &der);

            base64_add(&base64[i], der, (size_t)n, 0);
            OPENSSL_free(der);
            CMS_ContentInfo_free(cms);
            BIO_free(in);
        }
        m[i] = (struct seal_signed){ headers[i], strlen(headers[i]), str_c(&base64[i]),
                                     base64[i].len };
    }
    assert_int_equal(seal_check_messages(ca, m, N, NULL), N);
    assert_int_equal(seal_check_messages(ca, m, 0, NULL), 0);
    for (size_t i = 0; i < N; i++) {
        struct seal_signed was = m[i];

        m[i].header = "other";
        m[i].len = 5;
        assert_int_equal(seal_check_messages(ca, m, N, &err), i);
        assert_string_equal(err.text, "the content is not the one that was signed");
        m[i] = was;
        m[i].base64_len -= 8;
        assert_int_equal(seal_check_messages(ca, m, N, &err), i);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        m[i] = was;
    }
    m[2].header = m[4].header = "other"; /* the first one is named */
    m[2].len = m[4].len = 5;
    assert_int_equal(seal_check_messages(ca, m, N, NULL), 2);
    assert_int_equal(seal_check_messages(identity_sign_certificate(b), m, N, NULL), 0);
    for (size_t i = 0; i < N; i++)
        str_clear(&base64[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_holds_for_its_header_and_its_signer),
        cmocka_unit_test(each_byte_of_the_header_counts),
        cmocka_unit_test(each_byte_of_the_signature_counts),
        cmocka_unit_test(lengths_in_more_octets_than_needed_are_refused),
        cmocka_unit_test(what_is_no_signature_is_refused),
        cmocka_unit_test(the_signed_attributes_must_be_there_and_right),
        cmocka_unit_test(another_signing_time_that_is_signed_holds),
        cmocka_unit_test(only_sha_2_from_256_bits_is_accepted),
        cmocka_unit_test(the_signer_may_be_named_either_way_and_bring_certificates),
        cmocka_unit_test(no_signer_is_refused),
        cmocka_unit_test(a_second_signer_is_refused),
        cmocka_unit_test(content_inside_is_refused_where_it_is_given_beside),
        cmocka_unit_test(without_memory_it_is_a_temporary_failure),
        cmocka_unit_test(both_ways_of_reading_judge_alike),
        cmocka_unit_test(many_messages_are_checked_as_one_by_one),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
