/* SPDX-License-Identifier: MIT */
/* The key that wraps a content key: ECDH on P-256, X9.63 KDF with SHA-2 (RFC 5753 §7.2). */
#ifndef SEAL_AGREEMENT_PRIVATE_H
#define SEAL_AGREEMENT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#define AGREEMENT_KEY_BYTES     32
#define AGREEMENT_WRAPPED_BYTES 40  /* a 32 byte key wrapped by RFC 3394 */

/* False: the library failed; its error queue says more. peer: known to be a point of the curve. */
bool agreement_derive(EVP_PKEY *own, EVP_PKEY *peer, const EVP_MD *md, const uint8_t *shared_info,
                      size_t len, uint8_t key_r[AGREEMENT_KEY_BYTES]);

bool agreement_wrap(const uint8_t key[AGREEMENT_KEY_BYTES],
                    const uint8_t content_key[AGREEMENT_KEY_BYTES],
                    uint8_t wrapped_r[AGREEMENT_WRAPPED_BYTES]);
/* False too: it is not what was wrapped by this key. */
bool agreement_unwrap(const uint8_t key[AGREEMENT_KEY_BYTES],
                      const uint8_t wrapped[AGREEMENT_WRAPPED_BYTES],
                      uint8_t content_key_r[AGREEMENT_KEY_BYTES]);

#endif
