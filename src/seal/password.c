/* SPDX-License-Identifier: MIT */
/*
 * H and K of AUTH SECRET (docs/immp.md, "AUTH"). What the cost numbers make scrypt allocate and
 * compute is bounded here, because a client gets them from a server that may be hostile.
 */
#include "config.h"

#include "seal/password.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/prep.h"
#include "base/secret.h"
#include "wire/status.h"

#include "seal/digest.h"
#include "seal/library_private.h"

#define H_BYTES    32
#define SALT_MAX   1024
#define MEMORY_MAX (UINT64_C(256) << 20) /* 128 r (N + p): eight times the default's */
#define WORK_MAX   (UINT64_C(1) << 23)   /* N r p: thirty-two times the default's, about 2 s */
#define WORK_MIN   (UINT64_C(1) << 17)   /* N r: half the default's */

static int check_bounds(struct password_cost cost, struct err *err)
{
    /* RFC 7914 §6: N a power of two above 1; each bounded first, so that no product overflows. */
    if (cost.n < 2 || (cost.n & (cost.n - 1)) != 0 || cost.r < 1 || cost.r > 1024 || cost.p < 1 ||
        cost.p > 1024 || UINT64_C(128) * cost.r * (UINT64_C(1) * cost.n + cost.p) > MEMORY_MAX ||
        UINT64_C(1) * cost.n * cost.r * cost.p > WORK_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "the password cost N=%u r=%u p=%u is not one that is computed here", cost.n,
                       cost.r, cost.p);
    return 0;
}

int password_check_cost(struct password_cost cost, struct err *err)
{
    if (check_bounds(cost, err) < 0)
        return -1;
    if (UINT64_C(1) * cost.n * cost.r < WORK_MIN)
        return err_set(err, ERR_DENIED, STATUS_NOT_SECURE,
                       "the server asks for the weak password cost N=%u r=%u p=%u, from which the "
                       "password could be guessed",
                       cost.n, cost.r, cost.p);
    return 0;
}

int password_derive(const char *password, const uint8_t *salt, size_t salt_len,
                    struct password_cost cost, char h_r[PASSWORD_H_SIZE], struct err *err)
{
    /* The bound, and a little for what scrypt allocates besides. */
    uint64_t memory = MEMORY_MAX + (UINT64_C(4) << 20);
    char *prepared = NULL;
    uint8_t raw[H_BYTES];
    int rc = -1;

    h_r[0] = '\0';
    if (check_bounds(cost, err) < 0 || prep_password(password, &prepared, err) < 0)
        return -1;
    if (salt_len > SALT_MAX) {
        err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "the salt has more than %d bytes", SALT_MAX);
        goto out;
    }
    if (EVP_PBE_scrypt(prepared, strlen(prepared), salt, salt_len, cost.n, cost.r, cost.p, memory,
                       raw, sizeof raw) != 1) {
        library_err(err, ERR_TEMPORARY, STATUS_OVERLOADED, "the password could not be derived");
        goto out;
    }
    library_hex(raw, sizeof raw, h_r);
    rc = 0;
out:
    secret_wipe(raw, sizeof raw);
    secret_free(&prepared);
    return rc;
}

void password_k_sha1(const char *h, const char *n1, const char *n2, char k_r[41])
{
    struct str text = STR_INIT;

    str_add(&text, h);
    str_add(&text, n1);
    str_add(&text, n2);
    digest_sha1_hex(text.s, text.len, k_r);
    str_wipe(&text);
}

void password_k_hmac(const char *h, const char *n1, const char *n2,
                     const uint8_t exporter[PASSWORD_EXPORTER_BYTES], char k_r[65])
{
    struct str text = STR_INIT;
    uint8_t raw[32];

    str_add(&text, n1);
    str_add(&text, n2);
    str_add_hex(&text, exporter, PASSWORD_EXPORTER_BYTES);
    if (HMAC(library_get()->sha256, h, (int)strlen(h), (const uint8_t *)text.s, text.len, raw,
             NULL) == NULL)
        abort();
    library_hex(raw, sizeof raw, k_r);
    str_clear(&text);
}
