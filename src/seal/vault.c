/* SPDX-License-Identifier: MIT */
/*
 * H at rest. Whoever reads the database alone learns no H: each is sealed by AES-256-GCM under a
 * key that lives in a file of its own, with the account as associated data, so that a row cannot
 * be put into the place of another.
 *
 *   version 1 | nonce 12 | ciphertext of the 32 octets of H | tag 16
 *
 * The file holds 32 random octets in hex. Two keys are derived from it by HMAC-SHA-256, one to
 * seal and one for the salts of accounts that do not exist, so that neither tells of the other.
 */
#include "config.h"

#include "seal/password.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "wire/status.h"

#include "seal/digest.h"
#include "seal/keyfile_private.h"
#include "seal/library_private.h"

enum {
    KEY_BYTES = 32,
    FORMAT = 1,
    NONCE_BYTES = 12,
    H_BYTES = 32,
    TAG_BYTES = 16,
    SEALED_BYTES = 1 + NONCE_BYTES + H_BYTES + TAG_BYTES,
};

struct vault {
    uint8_t seal_key[KEY_BYTES];
    uint8_t salt_key[KEY_BYTES];
};

static void mac(const uint8_t key[KEY_BYTES], const char *text, uint8_t out[32])
{
    if (HMAC(library_get()->sha256, key, KEY_BYTES, (const uint8_t *)text, strlen(text), out,
             NULL) == NULL)
        abort();
}

static struct vault *from_master(const uint8_t master[KEY_BYTES])
{
    struct vault *v = mem_zalloc(sizeof *v);

    mac(master, "immp vault seal 1", v->seal_key);
    mac(master, "immp vault salt 1", v->salt_key);
    return v;
}

static int make(const char *path, uint8_t master[KEY_BYTES], struct err *err)
{
    struct str text = STR_INIT;
    int rc;

    random_bytes(master, KEY_BYTES);
    str_add_hex(&text, master, KEY_BYTES);
    str_addc(&text, '\n');
    rc = keyfile_create(path, text.s, text.len, err);
    str_wipe(&text);
    return rc;
}

/* 1 read, 0 no such file, -1. */
static int read_master(const char *path, uint8_t master[KEY_BYTES], struct err *err)
{
    struct str text = STR_INIT;
    int rc = keyfile_read(path, KEYFILE_OURS, &text, err);

    if (rc == 1) {
        while (text.len > 0 && (text.s[text.len - 1] == '\n' || text.s[text.len - 1] == '\r'))
            str_truncate(&text, text.len - 1);
        if (str_from_hex(str_c(&text), text.len, master, KEY_BYTES) < 0)
            rc = err_set(err, ERR_PERMANENT, STATUS_INTERNAL,
                         "%s is not a vault key (64 hex digits); restore it from a backup: "
                         "without it no account can authenticate",
                         path);
    }
    str_wipe(&text);
    return rc;
}

struct vault *vault_open(const char *path, struct err *err)
{
    uint8_t master[KEY_BYTES];
    struct vault *v = NULL;
    int rc = read_master(path, master, err);

    if (rc == 0) {
        /* 0: another process was faster, and its key is the one. */
        rc = make(path, master, err);
        if (rc == 0)
            rc = read_master(path, master, err);
    }
    if (rc == 1)
        v = from_master(master);
    secret_wipe(master, sizeof master);
    return v;
}

void vault_close(struct vault **vp)
{
    if (*vp == NULL)
        return;
    secret_wipe(*vp, sizeof **vp);
    free(*vp);
    *vp = NULL;
}

int vault_seal(const struct vault *v, const char *account, const char *h, struct str *out,
               struct err *err)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t sealed[SEALED_BYTES] = { FORMAT };
    uint8_t *nonce = sealed + 1, *body = nonce + NONCE_BYTES, *tag = body + H_BYTES;
    uint8_t raw[H_BYTES];
    int n, rc = -1;

    if (str_from_hex(h, strlen(h), raw, sizeof raw) < 0) {
        err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "H must be 64 hex digits");
        goto out;
    }
    random_bytes(nonce, NONCE_BYTES);
    if (c == NULL ||
        EVP_EncryptInit_ex2(c, library_get()->aes256_gcm, v->seal_key, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)account, (int)strlen(account)) != 1 ||
        EVP_EncryptUpdate(c, body, &n, raw, sizeof raw) != 1 ||
        EVP_EncryptFinal_ex(c, body + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) != 1) {
        library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "H could not be sealed");
        goto out;
    }
    str_addn(out, sealed, sizeof sealed);
    rc = 0;
out:
    secret_wipe(raw, sizeof raw);
    EVP_CIPHER_CTX_free(c);
    return rc;
}

int vault_unseal(const struct vault *v, const char *account, const uint8_t *p, size_t n,
                 char h_r[PASSWORD_H_SIZE], struct err *err)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    const uint8_t *nonce = p + 1, *body = nonce + NONCE_BYTES;
    uint8_t tag[TAG_BYTES], raw[H_BYTES];
    int got, rc = -1;

    h_r[0] = '\0';
    if (n != SEALED_BYTES || p[0] != FORMAT) {
        err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "the stored H of %s is damaged", account);
        goto out;
    }
    memcpy(tag, body + H_BYTES, sizeof tag);
    if (c == NULL ||
        EVP_DecryptInit_ex2(c, library_get()->aes256_gcm, v->seal_key, nonce, NULL) != 1 ||
        EVP_DecryptUpdate(c, NULL, &got, (const uint8_t *)account, (int)strlen(account)) != 1 ||
        EVP_DecryptUpdate(c, raw, &got, body, H_BYTES) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) != 1 ||
        EVP_DecryptFinal_ex(c, raw + got, &got) != 1) {
        library_err(err, ERR_PERMANENT, STATUS_INTERNAL,
                    "the stored H of %s does not open: is the vault key file the right one?",
                    account);
        goto out;
    }
    library_hex(raw, sizeof raw, h_r);
    rc = 0;
out:
    secret_wipe(raw, sizeof raw);
    EVP_CIPHER_CTX_free(c);
    return rc;
}

void vault_fake_salt(const struct vault *v, const char *account,
                     uint8_t salt_r[PASSWORD_SALT_BYTES])
{
    uint8_t raw[32];

    mac(v->salt_key, account, raw);
    memcpy(salt_r, raw, PASSWORD_SALT_BYTES);
}
