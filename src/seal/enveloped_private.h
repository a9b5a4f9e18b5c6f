/* SPDX-License-Identifier: MIT */
/* CMS AuthEnvelopedData (RFC 5083) by AES-256-GCM (RFC 5084) for one domain's key. */
#ifndef SEAL_ENVELOPED_PRIVATE_H
#define SEAL_ENVELOPED_PRIVATE_H

#include "base/err.h"
#include "base/str.h"
#include "seal/certificate.h"
#include "seal/der_private.h"
#include "seal/identity.h"
#include "wire/receipt.h"

#include <stddef.h>
#include <stdint.h>

/* What enveloped_make() writes to the left of the content; to the right ENVELOPED_RIGHT more. */
size_t enveloped_left(const struct certificate *destination);
#define ENVELOPED_RIGHT 32

/* Encrypt into d, in which nothing is yet: a whole ContentInfo. 0, or -1 (ERR_TEMPORARY). */
int enveloped_make(const struct certificate *destination, const void *p, size_t n, struct der *d,
                   struct err *err);

/*
 * Decrypt a whole ContentInfo with our key. 0 with the content appended, or -1 (ERR_PROTOCOL),
 * nothing appended and *why_r REFUSED_BAD_SEAL or REFUSED_UNKNOWN_KEY.
 */
int enveloped_open(const struct identity *ours, const uint8_t *p, size_t n, struct str *out,
                   enum refusal *why_r, struct err *err);

#endif
