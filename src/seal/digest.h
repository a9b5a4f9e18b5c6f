/* SPDX-License-Identifier: MIT */
/* SHA-256 and SHA-1 for the other rooms, and base64 both ways in one pass. Any thread. */
#ifndef SEAL_DIGEST_H
#define SEAL_DIGEST_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct digest;                       /* a running SHA-256 */
struct digest *digest_create(void);
void digest_add(struct digest *d, const void *p, size_t n);
void digest_end(struct digest **dp, char hex_r[65]);  /* releases */
void digest_destroy(struct digest **dp);

void digest_sha256_hex(const void *p, size_t n, char hex_r[65]);
void digest_sha1_hex(const void *p, size_t n, char hex_r[41]);

/*
 * Append standard base64 with padding. line 0: in one line, without LF; else a multiple of 4, and
 * each line, the last one too, ends with LF.
 */
void base64_add(struct str *out, const void *p, size_t n, size_t line);

/*
 * Strict streaming decoder (RFC 4648 §4; spaces, tabs, CR and LF are skipped; padding must be
 * right and last, unused bits zero).
 */
struct base64 {
    uint32_t bits;   /* private */
    unsigned count;  /* private */
    unsigned pad;    /* private */
};
#define BASE64_INIT { 0, 0, 0 }
/* 0, or -1: not base64 (out is as it was before the call). */
int base64_feed(struct base64 *b, const char *p, size_t n, struct str *out);
int base64_end(const struct base64 *b);                       /* 0, or -1: cut short */
int base64_decode(const char *p, size_t n, struct str *out);  /* both in one */

#endif
