/* SPDX-License-Identifier: MIT */
/*
 * Checking a signature. The only key that is tried is the pinned one of the domain that is said
 * to have signed; what certificates the structure brings along is not even decoded.
 *
 * Signed attributes are required: without them a signature over an attribute set could be passed
 * off as one over content that looks like it (RFC 5652 §5.4 against its §11), and nothing would
 * say what kind of content was signed.
 */
#include "config.h"

#include "seal/signeddata_private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "base/macros.h"

#include "seal/certificate_private.h"
#include "seal/library_private.h"

enum family { FAMILY_EC = 0, FAMILY_RSA, FAMILY_RSA_PSS };

/* Signature algorithms; digest 0: the one that the signer names beside it. */
static const struct {
    int nid;
    enum family family;
    int digest;
} algorithms[] = {
    { NID_ecdsa_with_SHA256, FAMILY_EC, NID_sha256 },
    { NID_ecdsa_with_SHA384, FAMILY_EC, NID_sha384 },
    { NID_ecdsa_with_SHA512, FAMILY_EC, NID_sha512 },
    { NID_rsaEncryption, FAMILY_RSA, 0 },
    { NID_sha256WithRSAEncryption, FAMILY_RSA, NID_sha256 },
    { NID_sha384WithRSAEncryption, FAMILY_RSA, NID_sha384 },
    { NID_sha512WithRSAEncryption, FAMILY_RSA, NID_sha512 },
    { NID_rsassaPss, FAMILY_RSA_PSS, 0 },
};

/* NULL: none that is strong enough. */
static const EVP_MD *digest_of(const struct cms_signer *si)
{
    switch (cms_nid(si->digest)) {
    case NID_sha256:
        return library_get()->sha256;
    case NID_sha384:
        return library_get()->sha384;
    case NID_sha512:
        return library_get()->sha512;
    default:
        return NULL;
    }
}

/* The one value of the one attribute of that kind. NULL: none, several, or of another type. */
static const void *attribute(const struct cms_signer *si, int nid, int type)
{
    return X509at_get0_data_by_OBJ(si->signed_attrs, OBJ_nid2obj(nid), -3, type);
}

static const char *check_attributes(const struct cms_signer *si, const ASN1_OBJECT *content_type,
                                    const EVP_MD *md, const void *content, size_t n)
{
    const ASN1_OBJECT *type = attribute(si, NID_pkcs9_contentType, V_ASN1_OBJECT);
    const ASN1_OCTET_STRING *digest = attribute(si, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING);
    uint8_t own[EVP_MAX_MD_SIZE];
    unsigned len;

    if (type == NULL || OBJ_cmp(type, content_type) != 0)
        return "the signed content-type is missing or another one";
    if (attribute(si, NID_pkcs9_signingTime, V_ASN1_UTCTIME) == NULL &&
        attribute(si, NID_pkcs9_signingTime, V_ASN1_GENERALIZEDTIME) == NULL)
        return "the signing-time is missing";
    if (digest == NULL)
        return "the signed message-digest is missing";
    if (EVP_Digest(content, n, own, &len, md, NULL) != 1 ||
        (size_t)ASN1_STRING_length(digest) != len ||
        memcmp(ASN1_STRING_get0_data(digest), own, len) != 0)
        return "the content is not the one that was signed";
    return NULL;
}

static bool set_padding(EVP_PKEY_CTX *ctx, enum family family, const EVP_MD *md)
{
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, family == FAMILY_RSA ? RSA_PKCS1_PADDING
                                                               : RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, md) != 1)
        return false;
    return family == FAMILY_RSA || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_AUTO) == 1;
}

static bool verify_rsa(EVP_PKEY *key, enum family family, const EVP_MD *md, const uint8_t *digest,
                       size_t digest_len, const uint8_t *signature, size_t len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 && set_padding(ctx, family, md) &&
              EVP_PKEY_verify(ctx, signature, len, digest, digest_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool verify(const struct certificate *signer, enum family family, const EVP_MD *md,
                   const struct cms_signer *si)
{
    const uint8_t *signature = ASN1_STRING_get0_data(si->signature);
    size_t len = (size_t)ASN1_STRING_length(si->signature);
    uint8_t digest[EVP_MAX_MD_SIZE];
    uint8_t *der = NULL;
    int n = cms_attributes_write(si->signed_attrs, &der);
    unsigned digest_len;
    bool ok = n > 0 && EVP_Digest(der, (size_t)n, digest, &digest_len, md, NULL) == 1;

    OPENSSL_free(der);
    if (ok && family == FAMILY_EC)
        return verifier_check(certificate_verifier(signer), digest, digest_len, signature, len);
    return ok &&
           verify_rsa(certificate_key(signer), family, md, digest, digest_len, signature, len);
}

/*
 * What no signature covers must still be what RFC 5652 §5.1 and §5.3 say, so that a seal altered
 * in any byte is refused. Certificates and what else is carried along may ask for versions 4, 5.
 */
static bool check_frame(const struct cms_signed *s, const struct cms_signer *si)
{
    bool is_skid = si->sid->type == CMS_SID_SKID;
    int version = is_skid || OBJ_obj2nid(s->content->type) != NID_pkcs7_data ? 3 : 1;
    bool is_extended = s->certificates != NULL || s->crls != NULL;

    if (si->version != (is_skid ? 3 : 1) ||
        (s->version != version && (!is_extended || s->version < version || s->version > 5)))
        return false;
    for (int i = 0; i < sk_X509_ALGOR_num(s->digests); i++)
        if (cms_nid(sk_X509_ALGOR_value(s->digests, i)) == cms_nid(si->digest))
            return true;
    return false;
}

/* The family of the signature, if it goes with the key and the digest. -1: it does not. */
static int family_of(const struct cms_signer *si, const EVP_PKEY *key, const EVP_MD *md)
{
    int nid = cms_nid(si->algorithm);
    bool is_ec = EVP_PKEY_is_a(key, "EC");

    for (size_t i = 0; i < N_ELEMENTS(algorithms); i++)
        if (algorithms[i].nid == nid && (algorithms[i].family == FAMILY_EC) == is_ec &&
            (algorithms[i].digest == 0 || algorithms[i].digest == EVP_MD_get_type(md)))
            return (int)algorithms[i].family;
    return -1;
}

int signeddata_check(const struct certificate *signer, const struct cms_signed *s,
                     const void *content, size_t n, enum refusal *why_r, struct err *err)
{
    const struct cms_signer *si;
    const EVP_MD *md;
    const char *what;
    int family;

    if (OPENSSL_sk_num(s->signers) != 1)
        return cms_refuse(why_r, REFUSED_BAD_SEAL, err, "there is not exactly one signer");
    si = OPENSSL_sk_value(s->signers, 0);
    if (!certificate_is(signer, si->sid->type == CMS_SID_ISSUER ? si->sid->d.issuer : NULL,
                        si->sid->type == CMS_SID_SKID ? si->sid->d.skid : NULL))
        return cms_refuse(why_r, REFUSED_UNKNOWN_KEY, err,
                          "it is signed by another key than the one known of that domain");
    if (!check_frame(s, si))
        return cms_refuse(why_r, REFUSED_BAD_SEAL, err,
                          "its versions or digest algorithms contradict its signer");
    md = digest_of(si);
    if (md == NULL)
        return cms_refuse(why_r, REFUSED_BAD_SIGNATURE, err,
                          "its digest is not SHA-256, SHA-384 or SHA-512");
    family = family_of(si, certificate_key(signer), md);
    if (family < 0)
        return cms_refuse(why_r, REFUSED_BAD_SIGNATURE, err,
                          "its signature algorithm does not go with the key or the digest");
    if (si->signed_attrs == NULL)
        return cms_refuse(why_r, REFUSED_BAD_SIGNATURE, err, "it has no signed attributes");
    /* The signature first: until it holds, nothing says how much is worth hashing. */
    if (!verify(signer, (enum family)family, md, si))
        return cms_refuse(why_r, REFUSED_BAD_SIGNATURE, err, "the signature does not hold");
    what = check_attributes(si, s->content->type, md, content, n);
    if (what != NULL)
        return cms_refuse(why_r, REFUSED_BAD_SIGNATURE, err, what);
    ERR_clear_error();
    return 0;
}
