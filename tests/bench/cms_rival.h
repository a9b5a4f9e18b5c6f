/* SPDX-License-Identifier: MIT */
/*
 * The seal made and opened by OpenSSL's own CMS_* functions as fast as they go: what src/seal is
 * held against. No certificates, no S/MIME capabilities, the armor in one pass.
 */
#ifndef BENCH_CMS_RIVAL_H
#define BENCH_CMS_RIVAL_H

#include <openssl/x509.h>

#include "base/str.h"

/* Append the armor. 0, or -1. */
int cms_rival_make(X509 *signer, EVP_PKEY *key, X509 *recipient, const void *p, size_t n,
                   struct str *armor);
/* Append the content. 0, or -1. */
int cms_rival_open(X509 *signer, X509 *recipient, EVP_PKEY *key, const char *armor, size_t n,
                   struct str *out);

#endif
