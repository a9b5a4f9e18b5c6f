/* SPDX-License-Identifier: MIT */
/*
 * The seal (docs/xmpp.md, "The seal"): sign and encrypt a bundle for a domain, open one, and sign
 * and check messages and receipts. All of it CMS that openssl(1) reads and writes:
 *
 *   message signature  SignedData, detached, over the header line; base64 of the DER in one line
 *   inner envelope     AuthEnvelopedData, AES-256-GCM; P-256: ECDH, KDF SHA-256, AES-256 wrap; RSA: OAEP
 *   outer envelope     SignedData over the DER of the inner one; signer by subject key identifier,
 *                      attributes content-type, message-digest, signing-time, no certificates
 *   armor              PEM, label CMS, all base64 in one line (read: lines of any length)
 *
 * Pure functions on data handed to them: any thread.
 */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include "base/err.h"
#include "base/str.h"
#include "seal/certificate.h"
#include "seal/identity.h"
#include "wire/receipt.h"

#include <stddef.h>
#include <stdint.h>

#define SEAL_SHA256_SIZE 65

/* ---- message signature ---- */

/* Append the base64 of the signature. 0, or -1 (ERR_TEMPORARY: the library failed). */
int seal_sign_message(const struct identity *origin, const void *header, size_t len,
                      struct str *base64, struct err *err);
/* 0 it holds, -1 (ERR_PROTOCOL) it does not. */
int seal_check_message(const struct certificate *origin, const void *header, size_t len,
                       const char *base64, size_t base64_len, struct err *err);

/* Borrowed. */
struct seal_signed {
    const char *header;
    size_t len;
    const char *base64;
    size_t base64_len;
};

/*
 * The same for n messages of one origin, which is cheaper each. How many hold before the first that
 * does not (err set): n, all.
 */
size_t seal_check_messages(const struct certificate *origin, const struct seal_signed *messages,
                           size_t n, struct err *err);

/* ---- bundles ---- */

/*
 * Seal a bundle. armor: appended. der_sha256: hex digest of the outer DER, which the receipt must
 * name. 0, or -1.
 */
int seal_make(const struct identity *origin, const struct certificate *destination,
              const void *bundle, size_t len, struct str *armor,
              char der_sha256[SEAL_SHA256_SIZE], struct err *err);

/*
 * Check the outer signature by signer, only then decrypt with ours. 0 with bundle filled, or -1
 * with *why_r: REFUSED_BAD_SEAL (unreadable, cannot be decrypted), REFUSED_BAD_SIGNATURE,
 * REFUSED_UNKNOWN_KEY (the signer named is not `signer`, or no recipient is us). der_sha256 is
 * filled whenever the armor could be read ("" before), so that a refusal can be signed.
 */
int seal_open(const struct certificate *signer, const struct identity *ours,
              const char *armor, size_t len, struct str *bundle,
              char der_sha256[SEAL_SHA256_SIZE], enum refusal *why_r, struct err *err);

/*
 * Size of the armor that a bundle of len bytes will have, at most, between domains whose keys are
 * P-256 and named by key identifiers, as ours are; an RSA key at either end adds up to 1.5 KiB.
 * For choosing bundle sizes.
 */
size_t seal_armor_size(size_t len);

/* ---- receipts: SignedData, encapsulated, armored ---- */

int seal_make_receipt(const struct identity *destination, const char *text, size_t len,
                      struct str *armor, struct err *err);
/* 0 with text appended, or -1 (ERR_PROTOCOL): unreadable, not signed, by another key, altered. */
int seal_open_receipt(const struct certificate *destination, const char *armor, size_t len,
                      struct str *text, struct err *err);

/*
 * ---- key endorsement after a rotation: SignedData (text inside or detached) by the old key over
 * "domain LF sign FINGERPRINT LF encrypt FINGERPRINT LF" ----
 */

int seal_check_endorsement(const struct certificate *old_key, const char *domain,
                           const struct certificate *sign, const struct certificate *encrypt,
                           const char *armor, size_t len, struct err *err);

#endif
