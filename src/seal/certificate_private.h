/* SPDX-License-Identifier: MIT */
/* What only this room may see of a certificate. */
#ifndef SEAL_CERTIFICATE_PRIVATE_H
#define SEAL_CERTIFICATE_PRIVATE_H

#include "base/err.h"
#include "seal/certificate.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* From a library object, which is not taken over. NULL: err. */
struct certificate *certificate_from_x509(X509 *x509, struct err *err);

X509 *certificate_x509(const struct certificate *c);     /* borrowed; not to be changed */
EVP_PKEY *certificate_key(const struct certificate *c);  /* borrowed; not to be changed */

/* SHA-256 over the DER SubjectPublicKeyInfo in hex. 0, or -1. */
int certificate_fingerprint_x509(const X509 *x509, char out[FINGERPRINT_SIZE], struct err *err);

#endif
