/* SPDX-License-Identifier: MIT */
/*
 * A public P-256 key that checks many ECDSA signatures: what can be made ready once is made ready
 * once. Any thread; the same verifier in several at a time.
 */
#ifndef SEAL_VERIFIER_PRIVATE_H
#define SEAL_VERIFIER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

struct verifier;

/* key: EC on P-256, kept by its count. NULL: the library failed; its error queue says more. */
struct verifier *verifier_create(EVP_PKEY *key);
void verifier_destroy(struct verifier **vp);

/* A signature (DER) over a digest, of which 256 bits count. */
struct verifier_item {
    uint8_t digest[64];
    size_t digest_len;
    const uint8_t *signature; /* borrowed */
    size_t len;
    bool holds; /* the answer */
};

/* Check many: a third cheaper each than one by one. */
void verifier_check_all(struct verifier *v, struct verifier_item *items, size_t n);

/* Does the signature (DER) over a digest of that length (of which 256 bits count) hold? */
bool verifier_check(struct verifier *v, const uint8_t *digest, size_t digest_len,
                    const uint8_t *signature, size_t len);

/* Checks before a key is worth a table of its own, and keys that may have one; 0: as it was. */
void verifier_set_limits(unsigned checks, unsigned most);
/* Keys that have a table now. */
unsigned verifier_tables(void);

#endif
