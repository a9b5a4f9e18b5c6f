/* SPDX-License-Identifier: MIT */
/*
 * The inner envelope by itself, put together here piece by piece, as others may and as nobody
 * should (docs/xmpp.md, "The seal"; RFC 5083, 5084, 5753).
 */
#include "config.h"

#include "seal/enveloped_private.h"

#include <string.h>

#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include "base/macros.h"
#include "seal/agreement_private.h"
#include "seal/certificate_private.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"
#include "unit/seal/forge.h"

static const char content[] = "what is inside";
static struct identity *ours, *other;

static int setup(void **state)
{
    struct identity_files files;

    if (fixture_setup(state) < 0)
        return -1;
    files = (struct identity_files){ .directory = fixture_folder() };
    ours = identity_load("b.example", &files, NULL, NULL);
    other = identity_load("c.example", &files, NULL, NULL);
    return ours != NULL && other != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    identity_unref(&ours);
    identity_unref(&other);
    return fixture_teardown(state);
}

/* What may be otherwise; all zero is what we make ourselves. */
struct odd {
    enum { ABSENT = 0, NULL_PARAMETER, P256, P384 } curve;  /* of the originator's key */
    bool is_issuer;                    /* recipient by issuer and serial */
    uint8_t kdf;                       /* last byte of its OID less 1: 1, 2, 3 are SHA-2 */
    bool has_ukm, has_transport_first, has_other_first, has_two_of_ours;
    enum { WRAP_AES256 = 0, WRAP_AES128, WRAP_MISSING } wrap;
    bool is_wrap_short, is_wrapped_by_another;
    enum { POINT_GOOD = 0, POINT_OFF_CURVE, POINT_INFINITY, POINT_EMPTY, POINT_COMPRESSED } point;
    bool is_originator_skid;
    uint8_t cipher;                    /* last byte of its OID less 46 */
    int nonce_len, icv;                /* 0: 12 and 16; -1: left out */
    int mac_len;                       /* 0: 16 */
    bool has_attributes, is_other_type, is_detached, has_unprotected, has_originator_info;
    bool is_trailing, is_enveloped;    /* bytes behind; ContentInfo of envelopedData */
};

struct made {
    struct der d;
    uint8_t key[32];
    uint8_t nonce[32];
    int nonce_len;
};

static void octets(struct der *d, const void *p, size_t n)
{
    uint8_t *end = d->start;

    der_prepend(d, p, n);
    der_wrap_to(d, DER_OCTETS, end);
}

static void oid(struct der *d, const char *text)
{
    unsigned char *der = NULL;
    ASN1_OBJECT *o = OBJ_txt2obj(text, 1);
    int n = i2d_ASN1_OBJECT(o, &der);

    der_prepend(d, der, (size_t)n);
    OPENSSL_free(der);
    ASN1_OBJECT_free(o);
}

static void rid(struct der *d, const struct certificate *c, bool is_issuer)
{
    uint8_t *end = d->start;
    size_t n;
    const uint8_t *name =
        is_issuer ? certificate_issuer_serial(c, &n) : certificate_skid(c, &n);

    if (is_issuer) {
        der_prepend(d, name, n);
        return;
    }
    octets(d, name, n);
    der_wrap_to(d, DER_0_CONSTRUCTED, end);
}

static void encrypted_key(struct der *d, const struct certificate *c, const struct odd *odd,
                          const uint8_t *wrapped, size_t n)
{
    uint8_t *end = d->start;

    octets(d, wrapped, n);
    rid(d, c, odd->is_issuer);
    der_wrap_to(d, DER_SEQUENCE, end);
}

/* keyEncryptionAlgorithm. */
static void agreement_algorithm(struct der *d, const struct odd *odd)
{
    uint8_t *end = d->start;
    char kdf[] = "1.3.132.1.11.1";

    if (odd->wrap != WRAP_MISSING) {
        oid(d, odd->wrap == WRAP_AES256 ? "2.16.840.1.101.3.4.1.45" : "2.16.840.1.101.3.4.1.5");
        der_wrap_to(d, DER_SEQUENCE, end);
    }
    kdf[sizeof kdf - 2] = (char)('1' + odd->kdf);
    oid(d, kdf);
    der_wrap_to(d, DER_SEQUENCE, end);
}

static void originator(struct der *d, const struct odd *odd, const uint8_t *point, size_t n)
{
    static const uint8_t zero = 0, null[] = { 5, 0 };
    uint8_t *end = d->start, *mark;

    if (odd->is_originator_skid) {
        der_prepend(d, "01234567890123456789", 20);
        der_wrap_to(d, DER_0, end);
    } else {
        der_prepend(d, point, n);
        der_prepend(d, &zero, 1);
        der_wrap_to(d, DER_BITS, end);
        mark = d->start;
        if (odd->curve == NULL_PARAMETER)
            der_prepend(d, null, sizeof null);
        else if (odd->curve != ABSENT)
            oid(d, odd->curve == P256 ? "1.2.840.10045.3.1.7" : "1.3.132.0.34");
        oid(d, "1.2.840.10045.2.1");
        der_wrap_to(d, DER_SEQUENCE, mark);
        der_wrap_to(d, DER_1_CONSTRUCTED, end);
    }
    der_wrap_to(d, DER_0_CONSTRUCTED, end);
}

static size_t shape_point(const struct odd *odd, EVP_PKEY *key, uint8_t point[65])
{
    size_t n = 0;

    assert_int_equal(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                                     65, &n),
                     1);
    switch (odd->point) {
    case POINT_OFF_CURVE:
        point[64] ^= 1;
        return n;
    case POINT_INFINITY:
        point[0] = 0;
        return 1;
    case POINT_EMPTY:
        return 0;
    case POINT_COMPRESSED:
        point[0] = (uint8_t)(2 + (point[64] & 1));
        return 33;
    default:
        return n;
    }
}

static void wrap_key(struct made *m, const struct odd *odd, EVP_PKEY *ephemeral,
                     ASN1_OCTET_STRING *ukm, uint8_t wrapped[AGREEMENT_WRAPPED_BYTES])
{
    const EVP_MD *mds[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };
    X509_ALGOR *wrap = X509_ALGOR_new();
    uint8_t kek[AGREEMENT_KEY_BYTES];
    unsigned char *info = NULL;
    int n;

    X509_ALGOR_set0(wrap, OBJ_nid2obj(NID_id_aes256_wrap), V_ASN1_UNDEF, NULL);
    n = CMS_SharedInfo_encode(&info, wrap, ukm, AGREEMENT_KEY_BYTES);
    assert_true(n > 0);
    assert_true(agreement_derive(ephemeral,
                                 certificate_key(identity_encrypt_certificate(
                                     odd->is_wrapped_by_another ? other : ours)),
                                 mds[odd->kdf % 3], info, (size_t)n, kek));
    assert_true(agreement_wrap(kek, m->key, wrapped));
    OPENSSL_free(info);
    X509_ALGOR_free(wrap);
}

static void agreement(struct made *m, const struct odd *odd)
{
    static const uint8_t version[] = { 2, 1, 3 };
    struct der *d = &m->d;
    EVP_PKEY *ephemeral = EVP_EC_gen("P-256");
    ASN1_OCTET_STRING *ukm = odd->has_ukm ? ASN1_OCTET_STRING_new() : NULL;
    uint8_t wrapped[AGREEMENT_WRAPPED_BYTES], point[65], *end = d->start, *mark;
    size_t n = shape_point(odd, ephemeral, point);

    if (ukm != NULL)
        ASN1_OCTET_STRING_set(ukm, (const uint8_t *)"more keying", 11);
    wrap_key(m, odd, ephemeral, ukm, wrapped);
    if (odd->has_two_of_ours)
        encrypted_key(d, identity_encrypt_certificate(other), odd, wrapped, sizeof wrapped);
    encrypted_key(d, identity_encrypt_certificate(ours), odd, wrapped,
                  sizeof wrapped - (odd->is_wrap_short ? 8 : 0));
    if (odd->has_other_first)
        encrypted_key(d, identity_encrypt_certificate(other), odd, wrapped, sizeof wrapped);
    der_wrap_to(d, DER_SEQUENCE, end);
    agreement_algorithm(d, odd);
    mark = d->start;
    if (ukm != NULL) {
        octets(d, "more keying", 11);
        der_wrap_to(d, DER_1_CONSTRUCTED, mark);
    }
    originator(d, odd, point, n);
    DER_PREPEND(d, version);
    der_wrap_to(d, DER_1_CONSTRUCTED, end);
    ASN1_OCTET_STRING_free(ukm);
    EVP_PKEY_free(ephemeral);
}

static void recipients(struct made *m, const struct odd *odd)
{
    uint8_t *end = m->d.start;

    agreement(m, odd);
    if (odd->has_transport_first) {
        uint8_t *mark = m->d.start;

        der_prepend(&m->d, "whatever", 8);
        der_wrap_to(&m->d, DER_OCTETS, mark);
        der_wrap_to(&m->d, DER_SEQUENCE, mark);
    }
    der_wrap_to(&m->d, DER_SET, end);
}

/* EncryptedContentInfo, with the ciphertext and its tag. */
static void encrypted(struct made *m, const struct odd *odd, uint8_t tag[16])
{
    struct der *d = &m->d;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t out[sizeof content], icv[3] = { 2, 1, 16 }, *end = d->start, *mark;
    int n = 0;

    assert_int_equal(EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL), 1);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, m->nonce_len, NULL);
    assert_int_equal(EVP_EncryptInit_ex2(ctx, NULL, m->key, m->nonce, NULL), 1);
    assert_int_equal(
        EVP_EncryptUpdate(ctx, out, &n, (const uint8_t *)content, sizeof content - 1), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, out + n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(ctx);
    if (!odd->is_detached) {
        der_prepend(d, out, sizeof content - 1);
        der_wrap_to(d, DER_0, end);
    }
    mark = d->start;
    if (odd->icv > 0)
        icv[2] = (uint8_t)odd->icv;
    if (odd->icv >= 0)
        DER_PREPEND(d, icv);
    octets(d, m->nonce, (size_t)m->nonce_len);
    der_wrap_to(d, DER_SEQUENCE, mark);
    oid(d, odd->cipher == 0 ? "2.16.840.1.101.3.4.1.46" : "2.16.840.1.101.3.4.1.6");
    der_wrap_to(d, DER_SEQUENCE, mark);
    oid(d, odd->is_other_type ? "1.2.840.113549.1.7.2" : "1.2.840.113549.1.7.1");
    der_wrap_to(d, DER_SEQUENCE, end);
}

static void make(struct made *m, const struct odd *odd)
{
    static const uint8_t version[] = { 2, 1, 0 };
    uint8_t tag[16], *end, *mark;
    struct der tail;

    memset(m, 0, sizeof *m);
    memset(m->key, 7, sizeof m->key);
    m->nonce_len = odd->nonce_len != 0 ? odd->nonce_len : 12;
    assert_true(der_init(&m->d, 4096, 64));
    /* The tag stands behind the content but is known after it: keep its place and fill it in. */
    end = m->d.start;
    if (odd->has_unprotected) {
        oid(&m->d, "1.2.3.4");
        der_wrap_to(&m->d, DER_SEQUENCE, end);
        der_wrap_to(&m->d, 0xa2, end);
    }
    mark = m->d.start;
    octets(&m->d, tag, (size_t)(odd->mac_len != 0 ? odd->mac_len : 16));
    tail = m->d;
    if (odd->has_attributes) {
        mark = m->d.start;
        oid(&m->d, "1.2.3.4");
        der_wrap_to(&m->d, DER_SEQUENCE, mark);
        der_wrap_to(&m->d, DER_1_CONSTRUCTED, mark);
    }
    encrypted(m, odd, tag);
    memcpy(tail.start + 2, tag, (size_t)(odd->mac_len != 0 ? odd->mac_len : 16));
    recipients(m, odd);
    if (odd->has_originator_info)
        der_prepend(&m->d, "\xa0\x00", 2);
    DER_PREPEND(&m->d, version);
    der_wrap_to(&m->d, DER_SEQUENCE, end);
    der_wrap_to(&m->d, DER_0_CONSTRUCTED, end);
    oid(&m->d, odd->is_enveloped ? "1.2.840.113549.1.7.3" : "1.2.840.113549.1.9.16.1.23");
    der_wrap_to(&m->d, DER_SEQUENCE, end);
    if (odd->is_trailing)
        der_append(&m->d, "x", 1);
}

/* "" if it opened to the content, else what was said. */
static const char *open_der(const uint8_t *p, size_t n, enum refusal *why_r)
{
    static struct err err;
    struct str out = STR_INIT;
    int rc;

    *why_r = REFUSED_NONE;
    err_clear(&err);
    str_add(&out, "kept ");
    rc = enveloped_open(ours, p, n, &out, why_r, &err);
    if (rc == 0) {
        assert_memory_equal(out.s + 5, content, sizeof content);
        assert_int_equal(out.len, 5 + sizeof content - 1);
    } else {
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_string_equal(out.s, "kept ");
        assert_int_not_equal(*why_r, REFUSED_NONE);
    }
    str_clear(&out);
    return rc == 0 ? "" : err.text;
}

static void what_the_standards_allow_opens(void **state)
{
    static const struct odd rows[] = {
        { .curve = ABSENT },
        { .curve = NULL_PARAMETER },
        { .curve = P256 },
        { .is_issuer = true },
        { .kdf = 1 },
        { .kdf = 2 },
        { .has_ukm = true },
        { .has_other_first = true },
        { .has_other_first = true, .is_issuer = true },
        { .has_two_of_ours = true },
        { .has_transport_first = true },
        { .has_unprotected = true },
        { .has_originator_info = true },
        { .point = POINT_COMPRESSED },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct made m;
        enum refusal why;
        const char *said;

        make(&m, &rows[i]);
        said = open_der(m.d.start, der_len(&m.d), &why);
        if (said[0] != '\0')
            fail_msg("row %zu: %s", i, said);
        der_clear(&m.d);
    }
}

static void what_the_protocol_does_not_allow_is_refused_for_its_reason(void **state)
{
    static const struct {
        struct odd odd;
        const char *says;
        enum refusal why;
    } rows[] = {
        { { .curve = P384 }, "ephemeral", REFUSED_BAD_SEAL },
        { { .is_originator_skid = true }, "ephemeral", REFUSED_BAD_SEAL },
        { { .point = POINT_OFF_CURVE }, "ephemeral", REFUSED_BAD_SEAL },
        { { .point = POINT_INFINITY }, "ephemeral", REFUSED_BAD_SEAL },
        { { .point = POINT_EMPTY }, "ephemeral", REFUSED_BAD_SEAL },
        { { .kdf = 3 }, "KDF", REFUSED_BAD_SEAL },
        { { .wrap = WRAP_AES128 }, "wrapped by AES-256", REFUSED_BAD_SEAL },
        { { .wrap = WRAP_MISSING }, "wrapped by AES-256", REFUSED_BAD_SEAL },
        { { .is_wrap_short = true }, "wrapped by AES-256", REFUSED_BAD_SEAL },
        { { .is_wrapped_by_another = true }, "unwrap", REFUSED_BAD_SEAL },
        { { .cipher = 1 }, "AES-256-GCM", REFUSED_BAD_SEAL },
        { { .nonce_len = 8 }, "nonce", REFUSED_BAD_SEAL },
        { { .nonce_len = 16 }, "nonce", REFUSED_BAD_SEAL },
        { { .icv = 12 }, "tag", REFUSED_BAD_SEAL },
        { { .icv = -1 }, "tag", REFUSED_BAD_SEAL },
        { { .icv = 12, .mac_len = 12 }, "tag", REFUSED_BAD_SEAL },
        { { .mac_len = 4 }, "tag", REFUSED_BAD_SEAL },
        { { .has_attributes = true }, "plain data", REFUSED_BAD_SEAL },
        { { .is_other_type = true }, "plain data", REFUSED_BAD_SEAL },
        { { .is_detached = true }, "detached", REFUSED_BAD_SEAL },
        { { .is_trailing = true }, "not AuthEnvelopedData", REFUSED_BAD_SEAL },
        { { .is_enveloped = true }, "not AuthEnvelopedData", REFUSED_BAD_SEAL },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct made m;
        enum refusal why;
        const char *said;

        make(&m, &rows[i].odd);
        said = open_der(m.d.start, der_len(&m.d), &why);
        if (strstr(said, rows[i].says) == NULL || said[0] == '\0')
            fail_msg("row %zu: %s", i, said);
        assert_int_equal(why, rows[i].why);
        der_clear(&m.d);
    }
}

/* No bit may turn one content into another, or let a part of it out. */
static void a_flipped_bit_never_gives_another_content(void **state)
{
    static const struct odd plain;
    struct made m;
    size_t opened = 0;

    (void)state;
    make(&m, &plain);
    for (size_t i = 0; i < der_len(&m.d); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            enum refusal why;

            m.d.start[i] ^= (uint8_t)(1u << bit);
            if (open_der(m.d.start, der_len(&m.d), &why)[0] == '\0')
                opened++;
            m.d.start[i] ^= (uint8_t)(1u << bit);
        }
    }
    /* Versions and constructed bits, which nothing protects here: the outer signature does. */
    assert_in_range(opened, 1, 40);
    der_clear(&m.d);
}

static void what_we_make_opens_for_a_certificate_of_any_kind_of_name(void **state)
{
    static const struct forge_certificate rows[] = {
        { .names = { "x.example" } },
        { .names = { "x.example" }, .has_no_skid = true },
        { .type = "RSA", .bits = 3072, .names = { "x.example" } },
        { .type = "RSA", .bits = 3072, .names = { "x.example" }, .has_no_skid = true },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forged f = forge_certificate(&rows[i]);
        struct certificate *c = certificate_parse(f.certificate, strlen(f.certificate), NULL);
        struct der d;
        const uint8_t *p;
        CMS_ContentInfo *cms;
        BIO *out = BIO_new(BIO_s_mem());
        char got[64];

        assert_true(der_init(&d, enveloped_left(c), sizeof content + ENVELOPED_RIGHT));
        assert_int_equal(enveloped_make(c, content, sizeof content, &d, NULL), 0);
        p = d.start;
        cms = d2i_CMS_ContentInfo(NULL, &p, (long)der_len(&d));
        assert_non_null(cms);
        assert_ptr_equal(p, d.end);
        assert_int_equal(CMS_decrypt(cms, f.pkey, f.x509, NULL, out, CMS_BINARY), 1);
        assert_int_equal(BIO_read(out, got, sizeof got), sizeof content);
        assert_string_equal(got, content);
        CMS_ContentInfo_free(cms);
        BIO_free(out);
        der_clear(&d);
        certificate_unref(&c);
        forge_clear(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_standards_allow_opens),
        cmocka_unit_test(what_the_protocol_does_not_allow_is_refused_for_its_reason),
        cmocka_unit_test(a_flipped_bit_never_gives_another_content),
        cmocka_unit_test(what_we_make_opens_for_a_certificate_of_any_kind_of_name),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
