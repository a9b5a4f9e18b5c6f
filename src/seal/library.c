/* SPDX-License-Identifier: MIT */
/*
 * The algorithms that this room uses, fetched once: OpenSSL 3 looks a name up in its providers,
 * under a lock, each time that a legacy object such as EVP_sha256() is used, and that costs more
 * than hashing a short header does.
 *
 * And the translation of OpenSSL's error queue, which is per thread and must be left empty: what
 * stays in it would be reported by the next function that fails.
 */
#include "config.h"

#include "seal/library_private.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/log.h"

static struct library library;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    library.sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    library.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    library.sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
    library.sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    library.aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    library.aes256_wrap = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
    if (library.sha1 == NULL || library.sha256 == NULL || library.sha384 == NULL ||
        library.sha512 == NULL || library.aes256_gcm == NULL || library.aes256_wrap == NULL) {
        log_error("seal.library text=\"OpenSSL offers no SHA-1, SHA-2, AES-256-GCM or "
                  "AES-256-WRAP: check its configuration file\"");
        abort();
    }
}

const struct library *library_get(void)
{
    (void)pthread_once(&fetched, fetch);
    return &library;
}

int library_err(struct err *err, enum err_kind kind, int status, const char *fmt, ...)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    char text[sizeof err->text];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    /* A system error that the library met has no reason string, only the number. */
    if (reason == NULL && code != 0 && ERR_SYSTEM_ERROR(code))
        reason = strerror(ERR_GET_REASON(code));
    ERR_clear_error();
    if (reason == NULL)
        return err_set(err, kind, status, "%s", text);
    return err_set(err, kind, status, "%s: %s", text, reason);
}

void library_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}
