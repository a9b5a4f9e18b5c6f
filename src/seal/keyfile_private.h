/* SPDX-License-Identifier: MIT */
/*
 * Files that hold keys: read with a look at who else could read them, created so that a crash
 * leaves either nothing or the whole file, and never written over.
 */
#ifndef SEAL_KEYFILE_PRIVATE_H
#define SEAL_KEYFILE_PRIVATE_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

enum keyfile_owner {
    KEYFILE_OURS = 0,  /* we made it: our user, and nobody else, may read it */
    KEYFILE_OPERATOR,  /* the operator's: may be shared with a group, not with the world */
    KEYFILE_PUBLIC,    /* a certificate: anybody may read it, a key inside is not looked for */
};

/*
 * Append a file of at most 64 KiB. Returns 1, 0 (there is no such file; err is set too, for
 * callers that need one), -1 (unreadable, too large, or open to others). On 0 and -1 out is as
 * it was.
 */
int keyfile_read(const char *path, enum keyfile_owner owner, struct str *out, struct err *err);

/*
 * Create with mode 0600, synced to disk with its folder. Returns 1, 0 (somebody else made a file
 * of that name meanwhile, which stays as it is), -1.
 */
int keyfile_create(const char *path, const void *p, size_t n, struct err *err);

#endif
