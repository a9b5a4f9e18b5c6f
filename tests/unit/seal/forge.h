/* SPDX-License-Identifier: MIT */
/*
 * Certificates as others may send them: of any key, name and use, good or bad. Made by the
 * library directly and not by the code under test.
 */
#ifndef TESTS_UNIT_SEAL_FORGE_H
#define TESTS_UNIT_SEAL_FORGE_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

struct forge_certificate {
    const char *type;       /* "EC" (also when NULL), "RSA", "ED25519" */
    const char *curve;      /* NULL: P-256 */
    int bits;               /* RSA: 2048 or 3072; each of these is always the same key */
    bool is_curve_spelt_out;
    const char *names[4];   /* SAN dNSName; NULL ends */
    const char *san;        /* a configuration line instead, "IP:192.0.2.1" */
    const char *key_usage;  /* NULL: none */
    bool has_no_skid;       /* no subject key identifier */
    bool is_expired;
};

struct forged {
    char *certificate;      /* PEM */
    char *key;              /* PEM */
    EVP_PKEY *pkey;
    X509 *x509;
};

struct forged forge_certificate(const struct forge_certificate *spec);
void forge_clear(struct forged *f);

#endif
