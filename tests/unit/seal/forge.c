/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "unit/seal/forge.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/str.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"

/* Making an RSA key takes longer than all the rest of a test. */
static EVP_PKEY *stored_rsa(int bits)
{
    struct str name = STR_INIT, text = STR_INIT;
    EVP_PKEY *key;
    BIO *bio;

    str_addf(&name, "unit/seal/rsa%d.key", bits);
    fixture_read(fixture_source(name.s), &text);
    bio = BIO_new_mem_buf(text.s, (int)text.len);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    str_clear(&name);
    str_clear(&text);
    return key;
}

static EVP_PKEY *forge_key(const struct forge_certificate *spec)
{
    EVP_PKEY_CTX *ctx;
    EVP_PKEY *key = NULL;

    if (spec->type != NULL && strcmp(spec->type, "RSA") == 0)
        return stored_rsa(spec->bits);
    if (spec->type != NULL && strcmp(spec->type, "EC") != 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, spec->type);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(
        EVP_PKEY_CTX_set_group_name(ctx, spec->curve != NULL ? spec->curve : "P-256"), 1);
    if (spec->is_curve_spelt_out)
        assert_int_equal(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static void names(X509 *x, const struct forge_certificate *spec)
{
    struct str san = STR_INIT;

    for (size_t i = 0; i < 4 && spec->names[i] != NULL; i++)
        str_addf(&san, "%sDNS:%s", i > 0 ? "," : "", spec->names[i]);
    if (spec->san != NULL)
        str_add(&san, spec->san);
    if (san.len > 0)
        extension(x, NID_subject_alt_name, san.s);
    str_clear(&san);
}

static char *pem(int (*write)(BIO *, const void *), const void *p)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *copy;
    long n;

    assert_int_equal(write(bio, p), 1);
    n = BIO_get_mem_data(bio, &data);
    copy = mem_strndup(data, (size_t)n);
    BIO_free(bio);
    return copy;
}

static int write_x509(BIO *bio, const void *p)
{
    return PEM_write_bio_X509(bio, p);
}

static int write_key(BIO *bio, const void *p)
{
    return PEM_write_bio_PrivateKey(bio, p, NULL, NULL, 0, NULL, NULL);
}

struct forged forge_certificate(const struct forge_certificate *spec)
{
    static long serial = 1000;
    struct forged f = { NULL, NULL, forge_key(spec), X509_new() };
    X509_NAME *name = X509_get_subject_name(f.x509);
    const EVP_MD *md = spec->type != NULL && strncmp(spec->type, "ED", 2) == 0 ? NULL : EVP_sha256();

    assert_non_null(f.pkey);
    assert_int_equal(X509_set_version(f.x509, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(f.x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(f.x509), -7200);
    X509_gmtime_adj(X509_getm_notAfter(f.x509), spec->is_expired ? -3600 : 86400);
    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)"forged",
                               -1, -1, 0);
    X509_set_issuer_name(f.x509, name);
    X509_set_pubkey(f.x509, f.pkey);
    if (!spec->has_no_skid)
        extension(f.x509, NID_subject_key_identifier, "hash");
    if (spec->key_usage != NULL)
        extension(f.x509, NID_key_usage, spec->key_usage);
    names(f.x509, spec);
    assert_true(X509_sign(f.x509, f.pkey, md) > 0);
    f.certificate = pem(write_x509, f.x509);
    f.key = pem(write_key, f.pkey);
    return f;
}

void forge_clear(struct forged *f)
{
    free(f->certificate);
    free(f->key);
    EVP_PKEY_free(f->pkey);
    X509_free(f->x509);
    memset(f, 0, sizeof *f);
}
