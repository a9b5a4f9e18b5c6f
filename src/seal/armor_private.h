/* SPDX-License-Identifier: MIT */
/* The armor (RFC 7468): DER between "-----BEGIN label-----" and "-----END label-----". */
#ifndef SEAL_ARMOR_PRIVATE_H
#define SEAL_ARMOR_PRIVATE_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

#define ARMOR_CMS         "CMS"
#define ARMOR_CERTIFICATE "CERTIFICATE"

/* Append, ended by LF. line: characters a line, a multiple of 4; 0: all base64 in one line. */
void armor_add(struct str *out, const char *label, const void *der, size_t len, size_t line);

/*
 * Append the DER. White space around the armor and lines of any length are accepted, anything
 * else outside or between is not. 0, or -1 (ERR_PROTOCOL) and der is as it was.
 */
int armor_read(const char *label, const char *p, size_t len, struct str *der, struct err *err);

/* Size of the armor of so many bytes in one line. */
size_t armor_size(const char *label, size_t der_len);

#endif
