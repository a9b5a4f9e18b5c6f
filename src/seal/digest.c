/* SPDX-License-Identifier: MIT */
/*
 * SHA-256, running or in one call, and SHA-1 (for the draft's K and nothing else). The library
 * cannot fail here but for memory, and that ends the process as any small allocation does.
 */
#include "config.h"

#include "seal/digest.h"

#include <stdlib.h>

#include "base/mem.h"

#include "seal/library_private.h"

struct digest {
    EVP_MD_CTX *md;
};

static void must(int ok)
{
    if (ok != 1)
        abort();
}

struct digest *digest_create(void)
{
    struct digest *d = mem_alloc(sizeof *d);

    d->md = EVP_MD_CTX_new();
    must(d->md != NULL);
    must(EVP_DigestInit_ex(d->md, library_get()->sha256, NULL));
    return d;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
    must(EVP_DigestUpdate(d->md, p, n));
}

void digest_end(struct digest **dp, char hex_r[65])
{
    uint8_t raw[32];

    must(EVP_DigestFinal_ex((*dp)->md, raw, NULL));
    library_hex(raw, sizeof raw, hex_r);
    digest_destroy(dp);
}

void digest_destroy(struct digest **dp)
{
    if (*dp == NULL)
        return;
    EVP_MD_CTX_free((*dp)->md);
    free(*dp);
    *dp = NULL;
}

void digest_sha256_hex(const void *p, size_t n, char hex_r[65])
{
    uint8_t raw[32];

    must(EVP_Digest(p, n, raw, NULL, library_get()->sha256, NULL));
    library_hex(raw, sizeof raw, hex_r);
}

void digest_sha1_hex(const void *p, size_t n, char hex_r[41])
{
    uint8_t raw[20];

    must(EVP_Digest(p, n, raw, NULL, library_get()->sha1, NULL));
    library_hex(raw, sizeof raw, hex_r);
}
