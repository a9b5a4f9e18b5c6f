/* SPDX-License-Identifier: MIT */
/*
 * A public key with its X.509 certificate, as peers publish and we pin it. Immutable and counted:
 * any thread may use it; ref and unref are atomic.
 */
#ifndef SEAL_CERTIFICATE_H
#define SEAL_CERTIFICATE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define FINGERPRINT_SIZE 65  /* SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex, NUL */

struct certificate;

/*
 * From one PEM certificate (at most 16 KiB). Accepts EC P-256 and RSA >= 3072 keys only.
 * NULL: err (ERR_PROTOCOL).
 */
struct certificate *certificate_parse(const char *pem, size_t len, struct err *err);
struct certificate *certificate_ref(struct certificate *c);
void certificate_unref(struct certificate **cp);

const char *certificate_pem(const struct certificate *c);
const char *certificate_fingerprint(const struct certificate *c);
/* Does it name the domain: SAN dNSName, exact (prepared A-labels)? */
bool certificate_covers(const struct certificate *c, const char *domain);
int64_t certificate_expires_ms(const struct certificate *c);

#endif
