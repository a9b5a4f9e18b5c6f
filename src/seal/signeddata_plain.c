/* SPDX-License-Identifier: MIT */
/*
 * Reading back what signeddata_make.c writes, piece by piece: each message has such a signature,
 * and the library's decoder takes a third as long for it as the check itself.
 *
 * Nothing is accepted here that cms.c and signeddata_check.c would refuse: every octet outside
 * of the content, the time, the digest and the signature is compared with the one that we write,
 * so there is one encoding, one signer, and the three signed attributes. What looks otherwise, from
 * another implementation, is theirs to judge.
 */
#include "config.h"

#include "seal/signeddata_private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "seal/certificate_private.h"
#include "seal/library_private.h"
#include "seal/signeddata_pieces_private.h"

/* The three attributes, in the order of DER. */
static bool read_attributes(struct der_cursor c, const uint8_t **digest_r)
{
    struct der_cursor time, value;

    if (!DER_TAKE(&c, content_type_is_data) || !der_enter(&c, DER_SEQUENCE, &time) ||
        !DER_TAKE(&time, oid_signing_time) || !der_enter_last(&time, DER_SET) ||
        (!der_enter_last(&time, DER_UTC_TIME) && !der_enter_last(&time, DER_GENERALIZED_TIME)) ||
        !der_enter_last(&c, DER_SEQUENCE) || !DER_TAKE(&c, oid_message_digest) ||
        !der_enter_last(&c, DER_SET) || !der_enter(&c, DER_OCTETS, &value))
        return false;
    *digest_r = value.p;
    return c.p == c.end && value.end - value.p == DIGEST_BYTES;
}

/* SignerInfo. */
static bool read_signer(struct der_cursor c, const struct certificate *signer,
                        struct signeddata_plain *s)
{
    struct der_cursor in;
    size_t n;
    const uint8_t *name = certificate_skid(signer, &n);

    if (!DER_TAKE(&c, version_3) || !der_enter(&c, DER_0, &in) || !der_take(&in, name, n) ||
        in.p != in.end || !DER_TAKE(&c, sha256) || !der_enter(&c, DER_0_CONSTRUCTED, &in) ||
        !read_attributes(in, &s->digest))
        return false;
    s->attributes = in.p;
    s->attributes_len = (size_t)(in.end - in.p);
    if (s->attributes_len > ATTRIBUTES_MAX - 2 || !DER_TAKE(&c, ecdsa_sha256) ||
        !der_enter_last(&c, DER_OCTETS))
        return false;
    s->signature = c.p;
    s->signature_len = (size_t)(c.end - c.p);
    return true;
}

/* EncapsulatedContentInfo. */
static bool read_content(struct der_cursor c, struct signeddata_plain *s)
{
    if (!DER_TAKE(&c, oid_data))
        return false;
    if (c.p == c.end)
        return true;
    if (!der_enter_last(&c, DER_0_CONSTRUCTED) || !der_enter_last(&c, DER_OCTETS))
        return false;
    s->content = c.p;
    s->content_len = (size_t)(c.end - c.p);
    return true;
}

bool signeddata_plain_read(const struct certificate *signer, const uint8_t *p, size_t n,
                           struct signeddata_plain *s_r)
{
    struct der_cursor c = { p, p + n }, in;
    size_t name_len;

    *s_r = (struct signeddata_plain){ 0 };
    if (certificate_verifier(signer) == NULL || certificate_skid(signer, &name_len) == NULL)
        return false;
    return der_enter_last(&c, DER_SEQUENCE) && DER_TAKE(&c, oid_signed) &&
           der_enter_last(&c, DER_0_CONSTRUCTED) && der_enter_last(&c, DER_SEQUENCE) &&
           DER_TAKE(&c, version_3) && der_enter(&c, DER_SET, &in) && DER_TAKE(&in, sha256) &&
           in.p == in.end && der_enter(&c, DER_SEQUENCE, &in) && read_content(in, s_r) &&
           der_enter_last(&c, DER_SET) && der_enter_last(&c, DER_SEQUENCE) &&
           read_signer(c, signer, s_r);
}

/* RFC 5652 §5.4: what is signed is the attributes as a SET, not as the [0] in which they came. */
static bool digest_attributes(const struct signeddata_plain *s, struct verifier_item *it_r)
{
    uint8_t set[ATTRIBUTES_MAX] = { DER_SET, (uint8_t)s->attributes_len };

    memcpy(set + 2, s->attributes, s->attributes_len);
    *it_r = (struct verifier_item){
        .digest_len = DIGEST_BYTES,
        .signature = s->signature,
        .len = s->signature_len,
    };
    return EVP_Digest(set, s->attributes_len + 2, it_r->digest, NULL, library_get()->sha256,
                      NULL) == 1;
}

static bool is_of(const struct signeddata_plain *s, const void *content, size_t n)
{
    uint8_t digest[DIGEST_BYTES];

    return EVP_Digest(content, n, digest, NULL, library_get()->sha256, NULL) == 1 &&
           memcmp(digest, s->digest, sizeof digest) == 0;
}

bool signeddata_plain_prepare(const struct signeddata_plain *s, const void *content, size_t n,
                              struct verifier_item *it_r)
{
    return digest_attributes(s, it_r) && is_of(s, content, n);
}

int signeddata_plain_check(const struct certificate *signer, const struct signeddata_plain *s,
                           const void *content, size_t n, enum refusal *why_r, struct err *err)
{
    struct verifier_item it;

    /* The signature first: until it holds, nothing says how much is worth hashing. */
    if (digest_attributes(s, &it))
        verifier_check_all(certificate_verifier(signer), &it, 1);
    if (!it.holds)
        return cms_refuse(why_r, REFUSED_BAD_SIGNATURE, err, "the signature does not hold");
    if (!is_of(s, content, n))
        return cms_refuse(why_r, REFUSED_BAD_SIGNATURE, err,
                          "the content is not the one that was signed");
    ERR_clear_error();
    return 0;
}
