/* SPDX-License-Identifier: MIT */
/* UUIDs (RFC 4122 text form, lower case) and random bytes from the kernel. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_SIZE 37  /* 36 characters and NUL */
#define UUID_BYTES 16

/*
 * Version 7 (RFC 9562): the time in milliseconds, then 74 random bits. Ids in the order of time grow
 * an index at its end, where random ones touch a page of their own each: half of what storing a
 * message costs. Nobody may take one for a secret: random_bytes().
 */
void uuid_generate(char out[UUID_SIZE]);
/* Any-case text of the 8-4-4-4-12 form into lower case. 0, or -1 (out untouched). */
int uuid_parse(const char *s, char out[UUID_SIZE]);
int uuid_to_bytes(const char *s, uint8_t out[UUID_BYTES]);    /* 0, or -1 */
void uuid_from_bytes(const uint8_t in[UUID_BYTES], char out[UUID_SIZE]);

/* Fill with kernel randomness; a kernel that cannot give it ends the process. */
void random_bytes(void *out, size_t n);

#endif
