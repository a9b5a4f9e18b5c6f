/* SPDX-License-Identifier: MIT */
/*
 * Name preparation exactly as XMPP servers do it: nodeprep for local parts, IDNA for domains,
 * and the forms for passwords and folder names. Results are owned by the caller.
 */
#ifndef BASE_PREP_H
#define BASE_PREP_H

#include "base/err.h"

/* XMPP nodeprep of one segment of a local part: 0, or -1 (ERR_PROTOCOL, status 402). */
int prep_local(const char *s, char **out_r, struct err *err);

/* IDNA to lower-case A-labels; at most 253 bytes, labels 1..63, no trailing dot. 0, or -1. */
int prep_domain(const char *s, char **out_r, struct err *err);

/* RFC 8265 OpaqueString for passwords: other spaces to SPACE, NFC; not empty. 0, or -1. */
int prep_password(const char *s, char **out_r, struct err *err);

/* The key under which a folder name or a search word is compared: Unicode casefold + NFC. */
int prep_fold(const char *s, char **out_r, struct err *err);

#endif
