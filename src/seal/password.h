/* SPDX-License-Identifier: MIT */
/*
 * Passwords (docs/immp.md, "AUTH"). H(p) is scrypt, 32 octets in lower-case hex, over the prepared
 * password; K proves knowledge of it. H at rest is sealed (AES-256-GCM) under a key kept in a file
 * outside the database.
 */
#ifndef SEAL_PASSWORD_H
#define SEAL_PASSWORD_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PASSWORD_SALT_BYTES 16
#define PASSWORD_H_SIZE     65   /* 64 hex digits and NUL */
#define PASSWORD_EXPORTER_BYTES 32  /* RFC 9266 tls-exporter */

struct password_cost { uint32_t n, r, p; };
#define PASSWORD_COST_DEFAULT { 32768, 8, 1 }

/* H(p). Slow (about 60 ms): on a worker. 0, or -1 (bad cost, bad password). Any thread. */
int password_derive(const char *password, const uint8_t *salt, size_t salt_len,
                    struct password_cost cost, char h_r[PASSWORD_H_SIZE], struct err *err);

/*
 * For clients: is it a cost at which to answer a server that was not known before? 0, or -1:
 * ERR_PROTOCOL more than is computed here, ERR_DENIED so little (N r < 131072, half the default)
 * that the server, or who plays it, could guess the password from K.
 */
int password_check_cost(struct password_cost cost, struct err *err);

/* K = SHA-1(H || n1 || n2), 40 hex digits. */
void password_k_sha1(const char *h, const char *n1, const char *n2, char k_r[41]);
/* K = HMAC-SHA-256(H, n1 || n2 || hex(exporter)), 64 hex digits. */
void password_k_hmac(const char *h, const char *n1, const char *n2,
                     const uint8_t exporter[PASSWORD_EXPORTER_BYTES], char k_r[65]);

/* ---- H at rest ---- */

struct vault;  /* the key that H is sealed under, and that fake salts come from */
/* Load the key file, or make it (0600, synced). NULL: err. */
struct vault *vault_open(const char *path, struct err *err);
void vault_close(struct vault **vp);
/* account is bound in as associated data, so that rows cannot be swapped. */
int vault_seal(const struct vault *v, const char *account, const char *h, struct str *out,
               struct err *err);
int vault_unseal(const struct vault *v, const char *account, const uint8_t *p, size_t n,
                 char h_r[PASSWORD_H_SIZE], struct err *err);
/* The stable salt that an account that does not exist seems to have. */
void vault_fake_salt(const struct vault *v, const char *account,
                     uint8_t salt_r[PASSWORD_SALT_BYTES]);

#endif
