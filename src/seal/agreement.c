/* SPDX-License-Identifier: MIT */
/*
 * Key agreement. The peer's key is not validated again: a certificate's was when it was parsed,
 * and an ephemeral one's point was put on the curve when it was decoded, which for P-256, whose
 * cofactor is 1, is all that there is to check. The library's full check would double the cost.
 */
#include "config.h"

#include "seal/agreement_private.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>

#include "seal/library_private.h"

static bool set_kdf(EVP_PKEY_CTX *ctx, const EVP_MD *md, const uint8_t *info, size_t len)
{
    unsigned char *own = OPENSSL_memdup(info, len);

    if (own == NULL)
        return false;
    /* Takes it over on success only. */
    if (EVP_PKEY_CTX_set0_ecdh_kdf_ukm(ctx, own, (int)len) != 1) {
        OPENSSL_free(own);
        return false;
    }
    return EVP_PKEY_CTX_set_ecdh_kdf_type(ctx, EVP_PKEY_ECDH_KDF_X9_63) == 1 &&
           EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, md) == 1 &&
           EVP_PKEY_CTX_set_ecdh_kdf_outlen(ctx, AGREEMENT_KEY_BYTES) == 1;
}

bool agreement_derive(EVP_PKEY *own, EVP_PKEY *peer, const EVP_MD *md, const uint8_t *shared_info,
                      size_t len, uint8_t key_r[AGREEMENT_KEY_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    size_t n = AGREEMENT_KEY_BYTES;
    bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && set_kdf(ctx, md, shared_info, len) &&
              EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1 &&
              EVP_PKEY_derive(ctx, key_r, &n) == 1 && n == AGREEMENT_KEY_BYTES;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool wrap_or_unwrap(int is_wrap, const uint8_t *key, const uint8_t *in, int in_len,
                           uint8_t *out, int out_len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, more = 0;
    bool ok;

    if (ctx != NULL)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    ok = ctx != NULL &&
         EVP_CipherInit_ex2(ctx, library_get()->aes256_wrap, key, NULL, is_wrap, NULL) == 1 &&
         EVP_CipherUpdate(ctx, out, &n, in, in_len) == 1 &&
         EVP_CipherFinal_ex(ctx, out + n, &more) == 1 && n + more == out_len;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

bool agreement_wrap(const uint8_t key[AGREEMENT_KEY_BYTES],
                    const uint8_t content_key[AGREEMENT_KEY_BYTES],
                    uint8_t wrapped_r[AGREEMENT_WRAPPED_BYTES])
{
    return wrap_or_unwrap(1, key, content_key, AGREEMENT_KEY_BYTES, wrapped_r,
                          AGREEMENT_WRAPPED_BYTES);
}

bool agreement_unwrap(const uint8_t key[AGREEMENT_KEY_BYTES],
                      const uint8_t wrapped[AGREEMENT_WRAPPED_BYTES],
                      uint8_t content_key_r[AGREEMENT_KEY_BYTES])
{
    return wrap_or_unwrap(0, key, wrapped, AGREEMENT_WRAPPED_BYTES, content_key_r,
                          AGREEMENT_KEY_BYTES);
}
