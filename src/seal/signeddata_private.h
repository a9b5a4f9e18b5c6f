/* SPDX-License-Identifier: MIT */
/*
 * CMS SignedData (RFC 5652 §5) as this protocol uses it: one signer, by our key or by the pinned
 * one of a peer, and signed attributes content-type, message-digest and signing-time.
 */
#ifndef SEAL_SIGNEDDATA_PRIVATE_H
#define SEAL_SIGNEDDATA_PRIVATE_H

#include "base/err.h"
#include "seal/certificate.h"
#include "seal/cms_private.h"
#include "seal/der_private.h"
#include "seal/identity.h"
#include "seal/verifier_private.h"
#include "wire/receipt.h"

#include <stddef.h>
#include <stdint.h>

/* What signeddata_wrap() writes around the content, at most. */
#define SIGNEDDATA_LEFT 128
size_t signeddata_right(const struct identity *id);

/* The content that is in d becomes a ContentInfo of SignedData, encapsulated. 0, or -1. */
int signeddata_wrap(const struct identity *id, struct der *d, struct err *err);

/* Detached: d is made by this call, der_clear() when done. 0, or -1 and nothing is in it. */
int signeddata_detach(const struct identity *id, const void *content, size_t n, struct der *d,
                      struct err *err);

/*
 * Did `signer`, and nobody else, sign this content? Certificates inside are ignored. 0, or -1
 * (ERR_PROTOCOL) and *why_r (may be NULL) BAD_SEAL, UNKNOWN_KEY or BAD_SIGNATURE.
 */
int signeddata_check(const struct certificate *signer, const struct cms_signed *s,
                     const void *content, size_t n, enum refusal *why_r, struct err *err);

/* ---- what signeddata_make.c writes, read without a decoder ---- */

/* Points into the encoding. */
struct signeddata_plain {
    const uint8_t *content; /* NULL: detached */
    size_t content_len;
    const uint8_t *attributes; /* as a SET, its header left out */
    size_t attributes_len;
    const uint8_t *digest; /* SHA-256 of the content, by the attributes */
    const uint8_t *signature;
    size_t signature_len;
};

/*
 * Is it a ContentInfo of SignedData exactly as we write it with a P-256 key, and its signer named
 * as `signer`? False says nothing of it: then cms_signed_read() and signeddata_check() judge.
 */
bool signeddata_plain_read(const struct certificate *signer, const uint8_t *p, size_t n,
                           struct signeddata_plain *s_r);
/* As signeddata_check(). */
int signeddata_plain_check(const struct certificate *signer, const struct signeddata_plain *s,
                           const void *content, size_t n, enum refusal *why_r, struct err *err);
/* Is it of this content, whoever signed? And what its signature has to hold for. False: no. */
bool signeddata_plain_prepare(const struct signeddata_plain *s, const void *content, size_t n,
                              struct verifier_item *it_r);

#endif
