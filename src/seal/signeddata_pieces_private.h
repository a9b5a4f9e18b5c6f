/* SPDX-License-Identifier: MIT */
/* The constant pieces of the SignedData that we write, for who writes it and for who reads it. */
#ifndef SEAL_SIGNEDDATA_PIECES_PRIVATE_H
#define SEAL_SIGNEDDATA_PIECES_PRIVATE_H

#include <stdint.h>

enum {
    DIGEST_BYTES = 32,
    ATTRIBUTES_MAX = 128, /* bytes of the three attributes, with a header of two */
};

static const uint8_t version_3[] = { 2, 1, 3 };
static const uint8_t oid_signed[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2 };
static const uint8_t oid_data[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1 };
static const uint8_t sha256[] = { 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1 };
static const uint8_t ecdsa_sha256[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 };

static const uint8_t oid_message_digest[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 4 };
static const uint8_t oid_signing_time[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 5 };
static const uint8_t content_type_is_data[] = {
    0x30, 24, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 3, 0x31, 11,
    6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1,
};

#endif
