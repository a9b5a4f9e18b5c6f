/* SPDX-License-Identifier: MIT */
/*
 * AuthEnvelopedData (AES-256-GCM, ECDH P-256, KDF SHA-256) inside SignedData, by OpenSSL's CMS
 * functions. Chains are not verified, as ours are not: keys are pinned. Base64 both ways is the
 * project's one-pass codec, since PEM BIOs would be no fair rival.
 */
#include "config.h"

#include "bench/cms_rival.h"

#include <string.h>

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "seal/digest.h"

#define BEGIN      "-----BEGIN CMS-----\n"
#define END        "-----END CMS-----\n"

#define SIGN_FLAGS (CMS_BINARY | CMS_NOCERTS | CMS_NOSMIMECAP | CMS_USE_KEYID)
#define OPEN_FLAGS (CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN)

static int to_der(CMS_ContentInfo *cms, unsigned char **der)
{
    *der = NULL;
    return cms != NULL ? i2d_CMS_ContentInfo(cms, der) : -1;
}

static CMS_ContentInfo *envelop(X509 *recipient, BIO *in)
{
    CMS_ContentInfo *cms = CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
    CMS_RecipientInfo *ri;
    EVP_PKEY_CTX *ctx;

    if (cms == NULL)
        return NULL;
    ri = CMS_add1_recipient_cert(cms, recipient, CMS_USE_KEYID | CMS_KEY_PARAM);
    ctx = ri != NULL ? CMS_RecipientInfo_get0_pkey_ctx(ri) : NULL;
    if (ctx != NULL && EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) == 1 &&
        CMS_set_detached(cms, 0) == 1 && CMS_final(cms, in, NULL, CMS_BINARY) == 1)
        return cms;
    CMS_ContentInfo_free(cms);
    return NULL;
}

int cms_rival_make(X509 *signer, EVP_PKEY *key, X509 *recipient, const void *p, size_t n,
                   struct str *armor)
{
    BIO *in = BIO_new_mem_buf(p, (int)n);
    CMS_ContentInfo *inner = envelop(recipient, in), *outer = NULL;
    unsigned char *der = NULL, *signed_der = NULL;
    int len = to_der(inner, &der), signed_len = -1;

    BIO_free(in);
    if (len > 0) {
        in = BIO_new_mem_buf(der, len);
        outer = CMS_sign(signer, key, NULL, in, SIGN_FLAGS);
        signed_len = to_der(outer, &signed_der);
        BIO_free(in);
    }
    if (signed_len > 0) {
        str_add(armor, BEGIN);
        base64_add(armor, signed_der, (size_t)signed_len, 0);
        str_add(armor, "\n" END);
    }
    OPENSSL_free(der);
    OPENSSL_free(signed_der);
    CMS_ContentInfo_free(inner);
    CMS_ContentInfo_free(outer);
    return signed_len > 0 ? 0 : -1;
}

/* The inner DER out of the outer one, once its signature holds. NULL if it does not. */
static CMS_ContentInfo *check(X509 *signer, const struct str *der)
{
    const unsigned char *at = (const unsigned char *)der->s;
    CMS_ContentInfo *outer = d2i_CMS_ContentInfo(NULL, &at, (long)der->len), *inner = NULL;
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *out = BIO_new(BIO_s_mem());
    char *p;
    long n;

    if (outer != NULL && sk_X509_push(certs, signer) > 0 &&
        CMS_verify(outer, certs, NULL, NULL, out, OPEN_FLAGS) == 1) {
        n = BIO_get_mem_data(out, &p);
        at = (const unsigned char *)p;
        inner = d2i_CMS_ContentInfo(NULL, &at, n);
    }
    BIO_free(out);
    sk_X509_free(certs);
    CMS_ContentInfo_free(outer);
    return inner;
}

int cms_rival_open(X509 *signer, X509 *recipient, EVP_PKEY *key, const char *armor, size_t n,
                   struct str *out)
{
    static const size_t around = sizeof(BEGIN) - 1 + sizeof(END) - 1;
    struct str der = STR_INIT;
    CMS_ContentInfo *inner = NULL;
    BIO *clear = NULL;
    int rc = -1;
    char *p;

    if (n > around && base64_decode(armor + sizeof(BEGIN) - 1, n - around, &der) == 0)
        inner = check(signer, &der);
    if (inner != NULL) {
        clear = BIO_new(BIO_s_mem());
        if (CMS_decrypt(inner, key, recipient, NULL, clear, CMS_BINARY) == 1) {
            long len = BIO_get_mem_data(clear, &p);

            str_addn(out, p, (size_t)len);
            rc = 0;
        }
        BIO_free(clear);
    }
    CMS_ContentInfo_free(inner);
    str_clear(&der);
    return rc;
}
