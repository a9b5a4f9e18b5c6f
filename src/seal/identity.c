/* SPDX-License-Identifier: MIT */
/*
 * A domain's keys: a pair to sign, which may be the operator's own, and a pair to decrypt, which
 * is always made here, so that it does one thing only and nobody else has it.
 *
 * Immutable after identity_load(): a rotation makes a new identity, and what runs on the old one
 * keeps it by its count.
 */
#include "config.h"

#include "seal/identity_private.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "wire/status.h"

#include "seal/certificate_private.h"
#include "seal/keypair_private.h"
#include "seal/library_private.h"

struct identity {
    atomic_uint refs;
    char *domain;
    EVP_PKEY *sign_key;
    EVP_PKEY_CTX *signing; /* made ready, to be copied for each signature */
    EVP_PKEY *encrypt_key;
    struct certificate *sign;
    struct certificate *encrypt;
};

/* Take the pair over, if it is one that a peer would accept for the domain. */
static int take(struct keypair *pair, const char *domain, EVP_PKEY **key_r,
                struct certificate **certificate_r, struct err *err)
{
    struct certificate *c = certificate_from_x509(pair->certificate, err);

    if (c != NULL && !certificate_covers(c, domain)) {
        err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                "the certificate does not name %s as a dNSName of its subjectAltName", domain);
        certificate_unref(&c);
    }
    if (c != NULL) {
        *certificate_r = c;
        *key_r = pair->key;
        pair->key = NULL;
    }
    keypair_clear(pair);
    return c != NULL ? 0 : -1;
}

static int open_ours(struct identity *id, const struct identity_files *files, enum keypair_use use,
                     bool *made, struct err *err)
{
    struct keypair pair;
    int rc = keypair_open(files->directory, id->domain, use, &pair, err);
    bool is_sign = use == KEYPAIR_SIGN;

    if (rc < 0)
        return -1;
    if (rc == 1)
        *made = true;
    if (!is_sign && !EVP_PKEY_is_a(pair.key, "EC")) {
        keypair_clear(&pair);
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                       "%s/%s.encrypt.pem: the key must be EC P-256 (move it away to have a new "
                       "one made)",
                       files->directory, id->domain);
    }
    if (take(&pair, id->domain, is_sign ? &id->sign_key : &id->encrypt_key,
             is_sign ? &id->sign : &id->encrypt, err) == 0)
        return 0;
    return err_prefix(err, "%s/%s.%s.pem (move it away to have a new one made)", files->directory,
                      id->domain, is_sign ? "sign" : "encrypt");
}

static int load_operators(struct identity *id, const struct identity_files *files, struct err *err)
{
    struct keypair pair;

    if (keypair_load(files->certificate, files->key, &pair, err) < 0)
        return -1;
    if ((X509_get_key_usage(pair.certificate) & KU_DIGITAL_SIGNATURE) == 0) {
        keypair_clear(&pair);
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                       "%s: the certificate's key usage does not allow digitalSignature",
                       files->certificate);
    }
    if (take(&pair, id->domain, &id->sign_key, &id->sign, err) < 0)
        return err_prefix(err, "%s", files->certificate);
    return 0;
}

static int make_ready(struct identity *id, struct err *err)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, id->sign_key, NULL);

    id->signing = ctx;
    if (ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
        (!EVP_PKEY_is_a(id->sign_key, "RSA") ||
         (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
          EVP_PKEY_CTX_set_signature_md(ctx, library_get()->sha256) == 1)))
        return 0;
    return library_err(err, ERR_PERMANENT, STATUS_INTERNAL, "the key of %s cannot sign",
                       id->domain);
}

struct identity *identity_load(const char *domain, const struct identity_files *files, bool *made_r,
                               struct err *err)
{
    struct identity *id = mem_zalloc(sizeof *id);
    bool made = false;
    int rc;

    atomic_init(&id->refs, 1);
    id->domain = mem_strdup(domain);
    if (files->certificate != NULL)
        rc = load_operators(id, files, err);
    else if (files->key != NULL)
        rc = err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                     "the key %s is given without its certificate", files->key);
    else
        rc = open_ours(id, files, KEYPAIR_SIGN, &made, err);
    if (rc == 0)
        rc = open_ours(id, files, KEYPAIR_ENCRYPT, &made, err);
    if (rc == 0)
        rc = make_ready(id, err);
    if (rc < 0)
        identity_unref(&id);
    if (made_r != NULL)
        *made_r = made;
    return id;
}

struct identity *identity_ref(struct identity *id)
{
    atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
    return id;
}

void identity_unref(struct identity **idp)
{
    struct identity *id = *idp;

    *idp = NULL;
    if (id == NULL || atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) != 1)
        return;
    EVP_PKEY_CTX_free(id->signing);
    EVP_PKEY_free(id->sign_key); /* the library wipes them */
    EVP_PKEY_free(id->encrypt_key);
    certificate_unref(&id->sign);
    certificate_unref(&id->encrypt);
    free(id->domain);
    free(id);
}

const char *identity_domain(const struct identity *id)
{
    return id->domain;
}

struct certificate *identity_sign_certificate(const struct identity *id)
{
    return id->sign;
}

struct certificate *identity_encrypt_certificate(const struct identity *id)
{
    return id->encrypt;
}

EVP_PKEY *identity_sign_key(const struct identity *id)
{
    return id->sign_key;
}

EVP_PKEY_CTX *identity_signing(const struct identity *id)
{
    return EVP_PKEY_CTX_dup(id->signing);
}

EVP_PKEY *identity_encrypt_key(const struct identity *id)
{
    return id->encrypt_key;
}
