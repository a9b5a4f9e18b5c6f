/* SPDX-License-Identifier: MIT */
/* What only this room may see of a certificate. */
#ifndef SEAL_CERTIFICATE_PRIVATE_H
#define SEAL_CERTIFICATE_PRIVATE_H

#include "base/err.h"
#include "seal/certificate.h"
#include "seal/verifier_private.h"

#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

/* From a library object, which is not taken over. NULL: err. */
struct certificate *certificate_from_x509(X509 *x509, struct err *err);

X509 *certificate_x509(const struct certificate *c);     /* borrowed; not to be changed */
EVP_PKEY *certificate_key(const struct certificate *c);  /* borrowed; not to be changed */
/* Checks what the key has signed. Borrowed. NULL: the key is RSA. */
struct verifier *certificate_verifier(const struct certificate *c);

/* How CMS names its key: by subject key identifier (NULL: it has none), or DER of both these. */
const uint8_t *certificate_skid(const struct certificate *c, size_t *len_r);
const uint8_t *certificate_issuer_serial(const struct certificate *c, size_t *len_r);
/* Is it the one named so? Exactly one of the two is not NULL. */
bool certificate_is(const struct certificate *c, const PKCS7_ISSUER_AND_SERIAL *issuer,
                    const ASN1_OCTET_STRING *skid);

/* SHA-256 over the DER SubjectPublicKeyInfo in hex. 0, or -1. */
int certificate_fingerprint_x509(const X509 *x509, char out[FINGERPRINT_SIZE], struct err *err);

#endif
