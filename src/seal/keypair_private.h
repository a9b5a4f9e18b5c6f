/* SPDX-License-Identifier: MIT */
/* A private key with its certificate: loaded from PEM files, or made. */
#ifndef SEAL_KEYPAIR_PRIVATE_H
#define SEAL_KEYPAIR_PRIVATE_H

#include "base/err.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct keypair {
    EVP_PKEY *key;
    X509 *certificate;
};

enum keypair_use {
    KEYPAIR_SIGN = 0,  /* DOMAIN.sign.pem, digitalSignature */
    KEYPAIR_ENCRYPT,   /* DOMAIN.encrypt.pem, keyAgreement */
    KEYPAIR_TLS,       /* DOMAIN.tls.pem, digitalSignature, serverAuth */
};

void keypair_clear(struct keypair *pair);

/*
 * The operator's: the first certificate of one PEM file and the key of another, or of the same
 * where key_path is NULL. The key must belong to the certificate. 0, or -1.
 */
int keypair_load(const char *certificate_path, const char *key_path, struct keypair *pair_r,
                 struct err *err);

/*
 * Ours: load DIRECTORY/DOMAIN.use.pem; where there is no such file, make a P-256 key with a
 * self-signed certificate for the domain. 1 made, 0 loaded, -1.
 */
int keypair_open(const char *directory, const char *domain, enum keypair_use use,
                 struct keypair *pair_r, struct err *err);

#endif
