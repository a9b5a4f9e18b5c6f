/* SPDX-License-Identifier: MIT */
/* What the files of this room share of OpenSSL: algorithms fetched once, and its errors as ours. */
#ifndef SEAL_LIBRARY_PRIVATE_H
#define SEAL_LIBRARY_PRIVATE_H

#include "base/err.h"
#include "base/macros.h"

#include <openssl/evp.h>

#include <stddef.h>
#include <stdint.h>

struct library {
    EVP_MD *sha1;
    EVP_MD *sha256;
    EVP_MD *sha384;
    EVP_MD *sha512;
    EVP_CIPHER *aes256_gcm;
    EVP_CIPHER *aes256_wrap;
};

/*
 * Fetched at the first call and kept for the life of the process. A library that has not even
 * these ends the process: nothing could be sealed, opened or checked. Any thread.
 */
const struct library *library_get(void);

/*
 * As err_set(), the text ended by the reason that OpenSSL gives, and its queue of this thread
 * emptied. Returns -1.
 */
int library_err(struct err *err, enum err_kind kind, int status, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* 2n hex digits, lower case, and a NUL. */
void library_hex(const uint8_t *p, size_t n, char *out);

#endif
