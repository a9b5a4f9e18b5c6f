/* SPDX-License-Identifier: MIT */
/* The private keys of an identity: for this room only. */
#ifndef SEAL_IDENTITY_PRIVATE_H
#define SEAL_IDENTITY_PRIVATE_H

#include "seal/identity.h"

#include <openssl/evp.h>

EVP_PKEY *identity_sign_key(const struct identity *id);     /* borrowed */
/* For one signature over a SHA-256 digest, the caller's to free. NULL: the library failed. */
EVP_PKEY_CTX *identity_signing(const struct identity *id);
EVP_PKEY *identity_encrypt_key(const struct identity *id);  /* borrowed */

#endif
