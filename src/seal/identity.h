/* SPDX-License-Identifier: MIT */
/*
 * A domain's own keys: one pair to sign, one to decrypt, made on first start (EC P-256,
 * self-signed, SAN dNSName = domain) or given by the operator. Immutable and counted; private
 * keys never leave this room.
 *
 * Files below the directory given: DOMAIN.sign.pem, DOMAIN.encrypt.pem, DOMAIN.tls.pem, each key
 * and certificate, mode 0600, written to a temporary name, synced and linked to its own: a key that
 * exists is never written over.
 */
#ifndef SEAL_IDENTITY_H
#define SEAL_IDENTITY_H

#include "base/err.h"
#include "seal/certificate.h"

struct identity;

struct identity_files {
    const char *directory;    /* where keys are made and found; exists */
    const char *certificate;  /* operator's own PEM for signing, or NULL: made */
    const char *key;
};

/*
 * Load, or make what is missing. *made_r (may be NULL): a key was made. NULL: err, which says the
 * file and what to do (wrong owner or mode, certificate without the domain, key mismatch).
 */
struct identity *identity_load(const char *domain, const struct identity_files *files,
                               bool *made_r, struct err *err);
struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity **idp);

const char *identity_domain(const struct identity *id);
struct certificate *identity_sign_certificate(const struct identity *id);     /* borrowed */
struct certificate *identity_encrypt_certificate(const struct identity *id);  /* borrowed */

#endif
