/* SPDX-License-Identifier: MIT */
/*
 * Key pairs on disk: read as PEM, or made: P-256, self-signed, ten years, SAN dNSName = domain,
 * a subject key identifier (by which a seal names its signer), and only the use that the key has.
 *
 * No passphrase is ever asked for: a daemon has nobody to ask.
 */
#include "config.h"

#include "seal/keypair_private.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/str.h"
#include "wire/status.h"

#include "seal/keyfile_private.h"
#include "seal/library_private.h"

#define VALID_DAYS      3650
#define CLOCK_SKEW_S    (-3600) /* a peer whose clock is behind must not find it "not yet valid" */
#define SERIAL_BITS     127
#define COMMON_NAME_MAX 64      /* RFC 5280: ub-common-name */

static const struct {
    const char *file, *key_usage, *extended;
} uses[] = {
    [KEYPAIR_SIGN] = { "sign", "critical,digitalSignature", NULL },
    [KEYPAIR_ENCRYPT] = { "encrypt", "critical,keyAgreement", NULL },
    [KEYPAIR_TLS] = { "tls", "critical,digitalSignature", "serverAuth" },
};

void keypair_clear(struct keypair *pair)
{
    EVP_PKEY_free(pair->key);
    X509_free(pair->certificate);
    *pair = (struct keypair){ NULL, NULL };
}

/* ---- reading ---- */

static int no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)ctx;
    return -1;
}

static int read_key(const struct str *text, const char *path, EVP_PKEY **key_r, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(str_c(text), (int)text->len);

    *key_r = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (*key_r != NULL)
        return 0;
    if (strstr(str_c(text), "ENCRYPTED") != NULL)
        return library_err(err, ERR_PERMANENT, STATUS_INTERNAL,
                           "the key in %s has a passphrase; write it without one "
                           "(openssl pkey -in …) into a file of mode 600",
                           path);
    return library_err(err, ERR_PERMANENT, STATUS_INTERNAL, "%s holds no private key in PEM", path);
}

static int read_certificate(const struct str *text, const char *path, X509 **x509_r,
                            struct err *err)
{
    BIO *bio = BIO_new_mem_buf(str_c(text), (int)text->len);

    *x509_r = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (*x509_r == NULL)
        return library_err(err, ERR_PERMANENT, STATUS_INTERNAL, "%s holds no certificate in PEM",
                           path);
    return 0;
}

/*
 * Does the certificate's key take what this one signs? The library's own check of an RSA key looks
 * for primes, which takes longer than all the rest of a start.
 */
static bool is_whole(X509 *certificate, EVP_PKEY *key)
{
    static const unsigned char text[] = "immpd";
    EVP_MD_CTX *sign = EVP_MD_CTX_new(), *check = EVP_MD_CTX_new();
    unsigned char signature[2048];
    size_t n = sizeof signature;
    bool ok = sign != NULL && check != NULL &&
              EVP_DigestSignInit_ex(sign, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
              EVP_DigestSign(sign, signature, &n, text, sizeof text) == 1 &&
              EVP_DigestVerifyInit_ex(check, NULL, NULL, NULL, NULL, X509_get0_pubkey(certificate),
                                      NULL) == 1 &&
              EVP_DigestVerify(check, signature, n, text, sizeof text) == 1;

    EVP_MD_CTX_free(sign);
    EVP_MD_CTX_free(check);
    return ok;
}

static int read_pair(const struct str *certificate, const char *certificate_path,
                     const struct str *key, const char *key_path, struct keypair *pair_r,
                     struct err *err)
{
    if (read_certificate(certificate, certificate_path, &pair_r->certificate, err) < 0 ||
        read_key(key, key_path, &pair_r->key, err) < 0)
        goto fail;
    /* The library compares the public parts; a damaged private one would sign what nobody takes. */
    if (X509_check_private_key(pair_r->certificate, pair_r->key) != 1)
        library_err(err, ERR_PERMANENT, STATUS_INTERNAL,
                    "the key in %s does not belong to the certificate in %s", key_path,
                    certificate_path);
    else if (!is_whole(pair_r->certificate, pair_r->key))
        library_err(err, ERR_PERMANENT, STATUS_INTERNAL,
                    "the key in %s is damaged: its private part does not go with its public one",
                    key_path);
    else
        return 0;
fail:
    keypair_clear(pair_r);
    return -1;
}

int keypair_load(const char *certificate_path, const char *key_path, struct keypair *pair_r,
                 struct err *err)
{
    struct str certificate = STR_INIT, key = STR_INIT;
    bool is_one = key_path == NULL || strcmp(key_path, certificate_path) == 0;
    int rc = -1;

    *pair_r = (struct keypair){ NULL, NULL };
    /* keyfile_read() gives 0 for a missing file, with err set. */
    if (is_one) {
        if (keyfile_read(certificate_path, KEYFILE_OPERATOR, &key, err) == 1)
            rc = read_pair(&key, certificate_path, &key, certificate_path, pair_r, err);
    } else if (keyfile_read(certificate_path, KEYFILE_PUBLIC, &certificate, err) == 1 &&
               keyfile_read(key_path, KEYFILE_OPERATOR, &key, err) == 1) {
        rc = read_pair(&certificate, certificate_path, &key, key_path, pair_r, err);
    }
    str_clear(&certificate);
    str_wipe(&key);
    return rc;
}

/* ---- making ---- */

static int add_extension(X509 *x509, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    int ok;

    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = ext != NULL && X509_add_ext(x509, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

/* Built as objects, not from configuration text, in which a comma would begin another name. */
static int add_domain(X509 *x509, const char *domain)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    int ok = 0;

    if (names == NULL || name == NULL || text == NULL || ASN1_STRING_set(text, domain, -1) != 1)
        goto out;
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    text = NULL;
    if (sk_GENERAL_NAME_push(names, name) <= 0)
        goto out;
    name = NULL;
    ok = X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
out:
    ASN1_IA5STRING_free(text);
    GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);
    return ok;
}

static int set_serial(X509 *x509)
{
    BIGNUM *bn = BN_new();
    int ok = bn != NULL && BN_rand(bn, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
             BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x509)) != NULL;

    BN_free(bn);
    return ok;
}

static int set_names(X509 *x509, const char *domain)
{
    X509_NAME *name = X509_get_subject_name(x509);
    /* The name that counts is in the SAN; a long one does not fit into a common name. */
    const char *cn = strlen(domain) <= COMMON_NAME_MAX ? domain : "immpd";

    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)cn, -1, -1, 0) == 1 &&
           X509_set_issuer_name(x509, name) == 1;
}

static X509 *self_sign(EVP_PKEY *key, const char *domain, enum keypair_use use)
{
    X509 *x509 = X509_new();

    if (x509 != NULL && X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
        X509_gmtime_adj(X509_getm_notBefore(x509), CLOCK_SKEW_S) != NULL &&
        X509_time_adj_ex(X509_getm_notAfter(x509), VALID_DAYS, 0, NULL) != NULL &&
        set_names(x509, domain) && X509_set_pubkey(x509, key) == 1 &&
        add_extension(x509, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x509, NID_key_usage, uses[use].key_usage) &&
        (uses[use].extended == NULL ||
         add_extension(x509, NID_ext_key_usage, uses[use].extended)) &&
        add_domain(x509, domain) && add_extension(x509, NID_subject_key_identifier, "hash") &&
        X509_sign(x509, key, library_get()->sha256) > 0)
        return x509;
    X509_free(x509);
    return NULL;
}

static int make(const char *path, const char *domain, enum keypair_use use, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = key != NULL ? self_sign(key, domain, use) : NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;
    int rc = -1;

    if (x509 == NULL || bio == NULL ||
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(bio, x509) != 1 || (len = BIO_get_mem_data(bio, &text)) <= 0)
        library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "no key could be made for %s", domain);
    else
        rc = keyfile_create(path, text, (size_t)len, err);
    BIO_free(bio); /* wipes */
    X509_free(x509);
    EVP_PKEY_free(key);
    return rc;
}

/* 1 loaded, 0 no such file, -1. */
static int load_ours(const char *path, struct keypair *pair_r, struct err *err)
{
    struct str text = STR_INIT;
    int rc = keyfile_read(path, KEYFILE_OURS, &text, err);

    if (rc == 1 && read_pair(&text, path, &text, path, pair_r, err) < 0)
        rc = -1;
    str_wipe(&text);
    return rc;
}

int keypair_open(const char *directory, const char *domain, enum keypair_use use,
                 struct keypair *pair_r, struct err *err)
{
    struct str path = STR_INIT;
    bool is_made = false;
    int rc;

    *pair_r = (struct keypair){ NULL, NULL };
    if (domain[0] == '\0' || domain[0] == '.' || strchr(domain, '/') != NULL)
        return err_set(err, ERR_PERMANENT, STATUS_PARAMETER, "\"%s\" is no domain", domain);
    str_addf(&path, "%s/%s.%s.pem", directory, domain, uses[use].file);
    rc = load_ours(path.s, pair_r, err);
    if (rc == 0) {
        int made = make(path.s, domain, use, err);

        is_made = made == 1;
        /* What is used is what is on disk; where another process was faster, its key is. */
        rc = made < 0 ? -1 : load_ours(path.s, pair_r, err);
    }
    str_clear(&path);
    return rc != 1 ? -1 : is_made ? 1 : 0;
}
