/* SPDX-License-Identifier: MIT */
/*
 * Decryption, of what a verified peer has sealed: only AES-256-GCM with a whole tag, only a key
 * agreement whose KDF is SHA-2 and whose key wrap is AES-256, as docs/xmpp.md says. Nothing of the
 * content leaves before its tag has been checked.
 */
#include "config.h"

#include "seal/enveloped_private.h"

#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "base/macros.h"
#include "base/secret.h"

#include "seal/agreement_private.h"
#include "seal/certificate_private.h"
#include "seal/cms_private.h"
#include "seal/identity_private.h"
#include "seal/library_private.h"

enum {
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    UPDATE_MAX = 1 << 30, /* EVP takes an int */
};

/* ---- the content key ---- */

/* The agreement and the key in it that are for us. NULL: there is none. */
static const struct cms_agreement *find_ours(const struct cms_enveloped *e,
                                             const struct certificate *ours,
                                             const ASN1_OCTET_STRING **key_r)
{
    for (int i = 0; i < OPENSSL_sk_num(e->recipients); i++) {
        const struct cms_recipient *r = OPENSSL_sk_value(e->recipients, i);

        if (r->type != CMS_RECIPIENT_AGREEMENT)
            continue;
        for (int k = 0; k < OPENSSL_sk_num(r->d.agreement->keys); k++) {
            const struct cms_encrypted_key *ek = OPENSSL_sk_value(r->d.agreement->keys, k);
            bool is_skid = ek->rid->type == CMS_SID_SKID;

            if (certificate_is(ours, is_skid ? NULL : ek->rid->d.issuer,
                               is_skid ? ek->rid->d.key_id->skid : NULL)) {
                *key_r = ek->key;
                return r->d.agreement;
            }
        }
    }
    return NULL;
}

static const EVP_MD *kdf_digest(const X509_ALGOR *algorithm)
{
    switch (cms_nid(algorithm)) {
    case NID_dhSinglePass_stdDH_sha256kdf_scheme:
        return library_get()->sha256;
    case NID_dhSinglePass_stdDH_sha384kdf_scheme:
        return library_get()->sha384;
    case NID_dhSinglePass_stdDH_sha512kdf_scheme:
        return library_get()->sha512;
    default:
        return NULL;
    }
}

/* RFC 5753 §3.1.1: the originator's key is on the recipient's curve; parameters may say so. */
static EVP_PKEY *ephemeral(const struct cms_originator *o, EVP_PKEY *own)
{
    const ASN1_OBJECT *oid;
    const void *parameter;
    EVP_PKEY *key;
    int type;

    if (o->type != CMS_ORIGINATOR_KEY)
        return NULL;
    X509_ALGOR_get0(&oid, &type, &parameter, o->d.key->algorithm);
    if (OBJ_obj2nid(oid) != NID_X9_62_id_ecPublicKey ||
        (type != V_ASN1_UNDEF && type != V_ASN1_NULL &&
         (type != V_ASN1_OBJECT || OBJ_obj2nid(parameter) != NID_X9_62_prime256v1)))
        return NULL;
    key = EVP_PKEY_new();
    /* Decoding the point puts it on the curve or fails. */
    if (key == NULL || EVP_PKEY_copy_parameters(key, own) != 1 ||
        EVP_PKEY_set1_encoded_public_key(key, ASN1_STRING_get0_data(o->d.key->key),
                                         (size_t)ASN1_STRING_length(o->d.key->key)) != 1) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool derive(const struct cms_agreement *a, X509_ALGOR *wrap, EVP_PKEY *own,
                   uint8_t key_r[AGREEMENT_KEY_BYTES])
{
    EVP_PKEY *peer = ephemeral(a->originator, own);
    unsigned char *info = NULL;
    int n = peer != NULL ? CMS_SharedInfo_encode(&info, wrap, a->ukm, AGREEMENT_KEY_BYTES) : -1;
    bool ok =
        n > 0 && agreement_derive(own, peer, kdf_digest(a->algorithm), info, (size_t)n, key_r);

    OPENSSL_free(info);
    EVP_PKEY_free(peer);
    return ok;
}

/* NULL, or what is wrong. */
static const char *unwrap(const struct cms_agreement *a, const ASN1_OCTET_STRING *wrapped,
                          EVP_PKEY *own, uint8_t content_key_r[AGREEMENT_KEY_BYTES])
{
    X509_ALGOR *wrap = cms_algorithm_read(a->algorithm);
    uint8_t key[AGREEMENT_KEY_BYTES];
    const char *what = NULL;

    if (kdf_digest(a->algorithm) == NULL)
        what = "its key agreement is not ECDH with a SHA-2 KDF (openssl: ecdh_kdf_md:sha256)";
    else if (wrap == NULL || cms_nid(wrap) != NID_id_aes256_wrap ||
             ASN1_STRING_length(wrapped) != AGREEMENT_WRAPPED_BYTES)
        what = "its key is not wrapped by AES-256";
    else if (!derive(a, wrap, own, key))
        what = "its ephemeral key is not one of P-256";
    else if (!agreement_unwrap(key, ASN1_STRING_get0_data(wrapped), content_key_r))
        what = "its content key does not unwrap";
    secret_wipe(key, sizeof key);
    X509_ALGOR_free(wrap);
    return what;
}

/* ---- the content ---- */

static bool decrypt(const struct cms_enveloped *e, const uint8_t *key, const uint8_t *nonce,
                    struct str *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t *p = ASN1_STRING_get0_data(e->encrypted->octets);
    size_t n = (size_t)ASN1_STRING_length(e->encrypted->octets);
    uint8_t *to;
    int done = 0;
    bool ok = ctx != NULL &&
              EVP_DecryptInit_ex2(ctx, library_get()->aes256_gcm, key, nonce, NULL) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES,
                                  (void *)(uintptr_t)ASN1_STRING_get0_data(e->mac)) == 1;

    str_reserve(out, n);
    to = (uint8_t *)out->s + out->len;
    while (ok && n > 0) {
        int now = (int)MIN(n, UPDATE_MAX);

        ok = EVP_DecryptUpdate(ctx, to, &done, p, now) == 1 && done == now;
        to += now;
        p += now;
        n -= (size_t)now;
    }
    ok = ok && EVP_DecryptFinal_ex(ctx, to, &done) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (ok)
        out->len = (size_t)((char *)to - out->s);
    else
        secret_wipe(out->s + out->len, (size_t)((char *)to - out->s) - out->len);
    out->s[out->len] = '\0';
    return ok;
}

/* RFC 5084 §3.2. NULL, or what is wrong. */
static const char *check_cipher(const struct cms_enveloped *e, const struct cms_gcm *gcm)
{
    if (cms_nid(e->encrypted->algorithm) != NID_aes_256_gcm)
        return "it is not encrypted by AES-256-GCM";
    if (gcm == NULL || ASN1_STRING_length(gcm->nonce) != NONCE_BYTES)
        return "its nonce is not one of 12 octets";
    if (gcm->icv_len == NULL || ASN1_INTEGER_get(gcm->icv_len) != TAG_BYTES ||
        ASN1_STRING_length(e->mac) != TAG_BYTES)
        return "its tag is not one of 16 octets";
    /* RFC 5083 §2.1: required for any other content type, and then part of what the tag covers. */
    if (e->auth_attrs != NULL || OBJ_obj2nid(e->encrypted->type) != NID_pkcs7_data)
        return "its content is not plain data";
    if (e->encrypted->octets == NULL)
        return "its content is detached";
    return NULL;
}

int enveloped_open(const struct identity *ours, const uint8_t *p, size_t n, struct str *out,
                   enum refusal *why_r, struct err *err)
{
    struct cms_enveloped *e = cms_enveloped_read(p, n);
    struct cms_gcm *gcm = e != NULL ? cms_gcm_read(e->encrypted->algorithm) : NULL;
    uint8_t content_key[AGREEMENT_KEY_BYTES];
    const struct cms_agreement *agreement;
    const ASN1_OCTET_STRING *wrapped;
    const char *what = NULL;
    int rc = -1;

    if (e == NULL) {
        cms_refuse(why_r, REFUSED_BAD_SEAL, err, "what is signed is not AuthEnvelopedData");
        goto out;
    }
    what = check_cipher(e, gcm);
    if (what == NULL) {
        agreement = find_ours(e, identity_encrypt_certificate(ours), &wrapped);
        if (agreement == NULL) {
            cms_refuse(why_r, REFUSED_UNKNOWN_KEY, err,
                       "it is encrypted to a key that is not ours");
            goto out;
        }
        what = unwrap(agreement, wrapped, identity_encrypt_key(ours), content_key);
    }
    if (what == NULL && !decrypt(e, content_key, ASN1_STRING_get0_data(gcm->nonce), out))
        what = "it does not decrypt: it was altered";
    if (what != NULL)
        cms_refuse(why_r, REFUSED_BAD_SEAL, err, what);
    else
        rc = 0;
out:
    secret_wipe(content_key, sizeof content_key);
    cms_gcm_free(gcm);
    cms_enveloped_free(e);
    ERR_clear_error();
    return rc;
}
