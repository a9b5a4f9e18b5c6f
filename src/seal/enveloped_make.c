/* SPDX-License-Identifier: MIT */
/*
 * Encryption for a domain: a fresh content key, AES-256-GCM, and the content key for the one
 * recipient: to a P-256 key by agreement with a fresh ephemeral key, to an RSA key by OAEP with
 * SHA-256. The structures are fixed, so they are put together from constant pieces around the
 * ciphertext, which is written once, where it stays.
 */
#include "config.h"

#include "seal/enveloped_private.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "base/macros.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "wire/status.h"

#include "seal/agreement_private.h"
#include "seal/certificate_private.h"
#include "seal/library_private.h"

enum {
    CONTENT_KEY_BYTES = AGREEMENT_KEY_BYTES,
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    POINT_BYTES = 65,
    RSA_BYTES_MAX = 1024,
    UPDATE_MAX = 1 << 30,  /* EVP takes an int */
};

static const uint8_t version_0[] = { 2, 1, 0 };
static const uint8_t version_2[] = { 2, 1, 2 };
static const uint8_t version_3[] = { 2, 1, 3 };
static const uint8_t oid_enveloped[] = { 6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 16, 1, 23 };
static const uint8_t oid_data[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1 };
static const uint8_t oid_aes256_gcm[] = { 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 46 };
static const uint8_t icv_len_16[] = { 2, 1, TAG_BYTES };
static const uint8_t ec_public_key[] = { 0x30, 9, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 };
/* dhSinglePass-stdDH-sha256kdf-scheme with aes256-wrap. */
static const uint8_t ecdh_sha256_wrap[] = {
    0x30, 21, 6, 6, 0x2b, 0x81, 4, 1, 11, 1,
    0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 45,
};
/* RFC 5753 §7.2, ECC-CMS-SharedInfo: aes256-wrap, no ukm, 256 bits. */
static const uint8_t shared_info[] = {
    0x30, 21, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 45,
    0xa2, 6, 4, 4, 0, 0, 1, 0,
};
/* RFC 8017 §A.2.1: RSAES-OAEP with SHA-256 and MGF1 with SHA-256. */
static const uint8_t oaep_sha256[] = {
    0x30, 60, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 7, 0x30, 47,
    0xa0, 15, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0,
    0xa1, 28, 0x30, 26, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 8,
    0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0,
};

size_t enveloped_left(const struct certificate *destination)
{
    size_t n;

    if (certificate_skid(destination, &n) == NULL)
        (void)certificate_issuer_serial(destination, &n);
    return 512 + n + (size_t)EVP_PKEY_get_size(certificate_key(destination));
}

static bool encrypt(struct der *d, const uint8_t *p, size_t n, const uint8_t *key,
                    const uint8_t *nonce, uint8_t tag_r[TAG_BYTES])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;
    bool ok = ctx != NULL &&
              EVP_EncryptInit_ex2(ctx, library_get()->aes256_gcm, key, nonce, NULL) == 1;

    while (ok && n > 0) {
        int now = (int)MIN(n, UPDATE_MAX);

        ok = EVP_EncryptUpdate(ctx, d->end, &done, p, now) == 1 && done == now;
        d->end += now;
        p += now;
        n -= (size_t)now;
    }
    ok = ok && EVP_EncryptFinal_ex(ctx, d->end, &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag_r) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* A key on the curve of another, and its point. */
static EVP_PKEY *ephemeral(EVP_PKEY *like, uint8_t point_r[POINT_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, like, NULL);
    EVP_PKEY *key = NULL;
    size_t n;

    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_generate(ctx, &key) != 1 ||
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point_r,
                                        POINT_BYTES, &n) != 1 || n != POINT_BYTES) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* RFC 5753 §3.1.1: KeyAgreeRecipientInfo. */
static void prepend_agreement(struct der *d, const struct certificate *to,
                              const uint8_t point[POINT_BYTES], const uint8_t *wrapped)
{
    static const uint8_t no_unused_bits = 0;
    uint8_t *end = d->start, *mark;
    size_t n;
    const uint8_t *name = certificate_skid(to, &n);

    der_prepend(d, wrapped, AGREEMENT_WRAPPED_BYTES);
    der_wrap_to(d, DER_OCTETS, end);
    mark = d->start;
    if (name != NULL) {
        der_prepend(d, name, n);
        der_wrap_to(d, DER_OCTETS, mark);
        der_wrap_to(d, DER_0_CONSTRUCTED, mark);
    } else {
        name = certificate_issuer_serial(to, &n);
        der_prepend(d, name, n);
    }
    der_wrap_to(d, DER_SEQUENCE, end);
    der_wrap_to(d, DER_SEQUENCE, end);
    DER_PREPEND(d, ecdh_sha256_wrap);
    mark = d->start;
    der_prepend(d, point, POINT_BYTES);
    der_prepend(d, &no_unused_bits, 1);
    der_wrap_to(d, DER_BITS, mark);
    DER_PREPEND(d, ec_public_key);
    der_wrap_to(d, DER_1_CONSTRUCTED, mark);
    der_wrap_to(d, DER_0_CONSTRUCTED, mark);
    DER_PREPEND(d, version_3);
    der_wrap_to(d, DER_1_CONSTRUCTED, end);
}

static bool add_agreement(struct der *d, const struct certificate *to, const uint8_t *content_key)
{
    uint8_t point[POINT_BYTES], key[AGREEMENT_KEY_BYTES], wrapped[AGREEMENT_WRAPPED_BYTES];
    EVP_PKEY *peer = certificate_key(to);
    EVP_PKEY *own = ephemeral(peer, point);
    bool ok = own != NULL &&
              agreement_derive(own, peer, library_get()->sha256, shared_info, sizeof shared_info,
                               key) &&
              agreement_wrap(key, content_key, wrapped);

    if (ok)
        prepend_agreement(d, to, point, wrapped);
    EVP_PKEY_free(own);
    secret_wipe(key, sizeof key);
    return ok;
}

/* RFC 5652 §6.2.1: KeyTransRecipientInfo. */
static void prepend_transport(struct der *d, const struct certificate *to, const uint8_t *encrypted,
                              size_t encrypted_len)
{
    uint8_t *end = d->start, *mark;
    size_t n;
    const uint8_t *name = certificate_skid(to, &n);
    bool has_skid = name != NULL;

    der_prepend(d, encrypted, encrypted_len);
    der_wrap_to(d, DER_OCTETS, end);
    DER_PREPEND(d, oaep_sha256);
    mark = d->start;
    if (!has_skid)
        name = certificate_issuer_serial(to, &n);
    der_prepend(d, name, n);
    if (has_skid)
        der_wrap_to(d, DER_0, mark);
    der_prepend(d, has_skid ? version_2 : version_0, sizeof version_0);
    der_wrap_to(d, DER_SEQUENCE, end);
}

static bool add_transport(struct der *d, const struct certificate *to, const uint8_t *content_key)
{
    const EVP_MD *md = library_get()->sha256;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, certificate_key(to), NULL);
    uint8_t encrypted[RSA_BYTES_MAX];
    size_t n = sizeof encrypted;
    bool ok = ctx != NULL && EVP_PKEY_encrypt_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 &&
              EVP_PKEY_encrypt(ctx, encrypted, &n, content_key, CONTENT_KEY_BYTES) == 1;

    if (ok)
        prepend_transport(d, to, encrypted, n);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* EncryptedContentInfo, whose octets are all that is in d. */
static void wrap_encrypted(struct der *d, const uint8_t *nonce)
{
    uint8_t *mark;

    der_wrap(d, DER_0);
    mark = d->start;
    DER_PREPEND(d, icv_len_16);
    der_prepend(d, nonce, NONCE_BYTES);
    der_wrap_to(d, DER_OCTETS, mark - sizeof icv_len_16);
    der_wrap_to(d, DER_SEQUENCE, mark);
    DER_PREPEND(d, oid_aes256_gcm);
    der_wrap_to(d, DER_SEQUENCE, mark);
    DER_PREPEND(d, oid_data);
    der_wrap(d, DER_SEQUENCE);
}

int enveloped_make(const struct certificate *destination, const void *p, size_t n, struct der *d,
                   struct err *err)
{
    uint8_t secret[CONTENT_KEY_BYTES + NONCE_BYTES];
    const uint8_t *key = secret, *nonce = secret + CONTENT_KEY_BYTES;
    uint8_t tag[2 + TAG_BYTES] = { DER_OCTETS, TAG_BYTES };
    uint8_t *mark;
    bool ok;

    random_bytes(secret, sizeof secret);
    ok = encrypt(d, p, n, key, nonce, tag + 2);
    if (ok) {
        wrap_encrypted(d, nonce);
        mark = d->start;
        ok = EVP_PKEY_is_a(certificate_key(destination), "RSA")
                 ? add_transport(d, destination, key)
                 : add_agreement(d, destination, key);
    }
    secret_wipe(secret, CONTENT_KEY_BYTES);
    if (!ok)
        return library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "encrypting failed");
    der_wrap_to(d, DER_SET, mark);
    DER_PREPEND(d, version_0);
    der_append(d, tag, sizeof tag);
    der_wrap(d, DER_SEQUENCE);
    der_wrap(d, DER_0_CONSTRUCTED);
    DER_PREPEND(d, oid_enveloped);
    der_wrap(d, DER_SEQUENCE);
    return 0;
}
