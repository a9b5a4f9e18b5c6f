/* SPDX-License-Identifier: MIT */
/*
 * A certificate is decoded once, here, with all that is asked of it later: its key, fingerprint,
 * names and expiry. Decoding one costs more than checking a signature with it, so the object is
 * kept and shared; it never changes after certificate_parse(), and the count is atomic, so any
 * thread may use it.
 *
 * The PEM that it gives back is written anew from the DER: what is stored and shown is one form.
 */
#include "config.h"

#include "seal/certificate_private.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "wire/status.h"

#include "seal/armor_private.h"
#include "seal/library_private.h"
#include "seal/verifier_private.h"

#define PEM_MAX      ((size_t)16 * 1024)
#define RSA_BITS_MIN 3072
#define RSA_BITS_MAX 8192 /* beyond, a verification takes as long as a stranger likes */

struct certificate {
    atomic_uint refs;
    X509 *x509;
    EVP_PKEY *key;
    struct verifier *verifier; /* NULL: the key is RSA */
    char fingerprint[FINGERPRINT_SIZE];
    char *pem;
    const ASN1_OCTET_STRING *skid; /* within x509; NULL: none */
    uint8_t *issuer_serial;
    size_t issuer_serial_len;
    char **names; /* SAN dNSName, lower case */
    size_t n_names;
    int64_t expires_ms;
};

static int check_ec(EVP_PKEY *key, struct err *err)
{
    EVP_PKEY_CTX *ctx;
    char group[64];
    int is_valid;
    int is_explicit = 0;

    if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, SN_X9_62_prime256v1) != 0)
        return library_err(err, ERR_PROTOCOL, STATUS_PARAMETER,
                           "the certificate's EC key is not on the curve P-256");
    /* RFC 5480 §2.1.1: named curves only; spelt-out ones have been used to forge keys. */
    if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &is_explicit) == 1 &&
        is_explicit != 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "the certificate spells its curve out instead of naming P-256");
    /* Once here, and then not again with each seal for it. */
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    is_valid = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!is_valid)
        return library_err(err, ERR_PROTOCOL, STATUS_PARAMETER,
                           "the certificate's EC key is no point of its curve");
    return 0;
}

static int check_key(EVP_PKEY *key, struct err *err)
{
    int bits;

    if (EVP_PKEY_is_a(key, "EC"))
        return check_ec(key, err);
    if (!EVP_PKEY_is_a(key, "RSA"))
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "the certificate's key is neither EC P-256 nor RSA");
    bits = EVP_PKEY_get_bits(key);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "the certificate's RSA key has %d bits; %d to %d are accepted", bits,
                       RSA_BITS_MIN, RSA_BITS_MAX);
    return 0;
}

int certificate_fingerprint_x509(const X509 *x509, char out[FINGERPRINT_SIZE], struct err *err)
{
    unsigned char *der = NULL;
    uint8_t raw[32];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);

    out[0] = '\0';
    if (len < 0 || EVP_Digest(der, (size_t)len, raw, NULL, library_get()->sha256, NULL) != 1) {
        OPENSSL_free(der);
        return library_err(err, ERR_TEMPORARY, STATUS_INTERNAL,
                           "the certificate has no fingerprint");
    }
    OPENSSL_free(der);
    library_hex(raw, sizeof raw, out);
    return 0;
}

static void add_name(struct certificate *c, const ASN1_IA5STRING *name)
{
    const char *s = (const char *)ASN1_STRING_get0_data(name);
    size_t n = (size_t)ASN1_STRING_length(name);
    char *own;

    /* A name with a NUL inside would look shorter than it is. */
    if (n == 0 || memchr(s, '\0', n) != NULL)
        return;
    own = mem_strndup(s, n);
    for (char *p = own; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    c->names = mem_realloc(c->names, (c->n_names + 1) * sizeof *c->names);
    c->names[c->n_names++] = own;
}

static void read_names(struct certificate *c)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(c->x509, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            add_name(c, name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
}

static int read_ids(struct certificate *c, struct err *err)
{
    PKCS7_ISSUER_AND_SERIAL ias = { X509_get_issuer_name(c->x509), X509_get_serialNumber(c->x509) };
    unsigned char *der = NULL;
    int len = i2d_PKCS7_ISSUER_AND_SERIAL(&ias, &der);

    if (len < 0)
        return library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "the certificate has no issuer");
    c->issuer_serial = mem_dup(der, (size_t)len);
    c->issuer_serial_len = (size_t)len;
    OPENSSL_free(der);
    c->skid = X509_get0_subject_key_id(c->x509);
    return 0;
}

static int read_expiry(struct certificate *c, struct err *err)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(c->x509), &tm) != 1)
        return library_err(err, ERR_PROTOCOL, STATUS_PARAMETER,
                           "the certificate's expiry is no time");
    c->expires_ms = (int64_t)timegm(&tm) * 1000;
    return 0;
}

static int write_pem(struct certificate *c, struct err *err)
{
    struct str text = STR_INIT;
    unsigned char *der = NULL;
    int len = i2d_X509(c->x509, &der);

    if (len < 0)
        return library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "the certificate has no DER");
    armor_add(&text, ARMOR_CERTIFICATE, der, (size_t)len, 64);
    OPENSSL_free(der);
    c->pem = str_take(&text);
    return 0;
}

struct certificate *certificate_from_x509(X509 *x509, struct err *err)
{
    struct certificate *c = mem_zalloc(sizeof *c);

    atomic_init(&c->refs, 1);
    X509_up_ref(x509);
    c->x509 = x509;
    c->key = X509_get_pubkey(x509);
    if (c->key == NULL) {
        library_err(err, ERR_PROTOCOL, STATUS_PARAMETER, "the certificate's key cannot be read");
        goto fail;
    }
    if (check_key(c->key, err) < 0)
        goto fail;
    if (EVP_PKEY_is_a(c->key, "EC") && (c->verifier = verifier_create(c->key)) == NULL) {
        library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "the certificate's key cannot be used");
        goto fail;
    }
    /* Reads all extensions once: the library does so at first use otherwise, under a lock. */
    if (X509_check_purpose(x509, -1, 0) != 1) {
        library_err(err, ERR_PROTOCOL, STATUS_PARAMETER,
                    "the certificate's extensions cannot be read");
        goto fail;
    }
    read_names(c);
    if (certificate_fingerprint_x509(x509, c->fingerprint, err) < 0 || read_ids(c, err) < 0 ||
        read_expiry(c, err) < 0 || write_pem(c, err) < 0)
        goto fail;
    return c;
fail:
    certificate_unref(&c);
    return NULL;
}

struct certificate *certificate_parse(const char *pem, size_t len, struct err *err)
{
    struct certificate *c = NULL;
    struct str der = STR_INIT;
    const unsigned char *p;
    X509 *x509 = NULL;

    if (len > PEM_MAX) {
        err_set(err, ERR_PROTOCOL, STATUS_TOO_LARGE, "the certificate is larger than 16 KiB");
        return NULL;
    }
    if (armor_read(ARMOR_CERTIFICATE, pem, len, &der, err) < 0) {
        err_prefix(err, "certificate");
        goto out;
    }
    p = (const unsigned char *)der.s;
    x509 = d2i_X509(NULL, &p, (long)der.len);
    if (x509 == NULL || p != (const unsigned char *)der.s + der.len)
        library_err(err, ERR_PROTOCOL, STATUS_PARAMETER, "this is no X.509 certificate");
    else
        c = certificate_from_x509(x509, err);
out:
    X509_free(x509);
    str_clear(&der);
    return c;
}

struct certificate *certificate_ref(struct certificate *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void certificate_unref(struct certificate **cp)
{
    struct certificate *c = *cp;

    *cp = NULL;
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < c->n_names; i++)
        free(c->names[i]);
    free(c->names);
    free(c->issuer_serial);
    free(c->pem);
    verifier_destroy(&c->verifier);
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
    free(c);
}

const char *certificate_pem(const struct certificate *c)
{
    return c->pem;
}

const char *certificate_fingerprint(const struct certificate *c)
{
    return c->fingerprint;
}

bool certificate_covers(const struct certificate *c, const char *domain)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (strcmp(c->names[i], domain) == 0)
            return true;
    return false;
}

int64_t certificate_expires_ms(const struct certificate *c)
{
    return c->expires_ms;
}

X509 *certificate_x509(const struct certificate *c)
{
    return c->x509;
}

EVP_PKEY *certificate_key(const struct certificate *c)
{
    return c->key;
}

struct verifier *certificate_verifier(const struct certificate *c)
{
    return c->verifier;
}

const uint8_t *certificate_skid(const struct certificate *c, size_t *len_r)
{
    *len_r = c->skid != NULL ? (size_t)ASN1_STRING_length(c->skid) : 0;
    return c->skid != NULL ? ASN1_STRING_get0_data(c->skid) : NULL;
}

const uint8_t *certificate_issuer_serial(const struct certificate *c, size_t *len_r)
{
    *len_r = c->issuer_serial_len;
    return c->issuer_serial;
}

bool certificate_is(const struct certificate *c, const PKCS7_ISSUER_AND_SERIAL *issuer,
                    const ASN1_OCTET_STRING *skid)
{
    if (skid != NULL)
        return c->skid != NULL && ASN1_OCTET_STRING_cmp(c->skid, skid) == 0;
    return X509_NAME_cmp(X509_get_issuer_name(c->x509), issuer->issuer) == 0 &&
           ASN1_INTEGER_cmp(X509_get0_serialNumber(c->x509), issuer->serial) == 0;
}
