/* SPDX-License-Identifier: MIT */
/*
 * Logging in with a shared secret (docs/immp.md, "AUTH"): nonces out, K back.
 *
 * Invariant: whoever asks cannot tell an account that does not exist from a wrong key, neither by
 * the answer nor by its time. Such an account has a stable fake salt, and its key is checked
 * against a verifier that nobody can know, through the very same code.
 *
 * Failures are counted by address and by address and account, and drain steadily: FAILURES_PAIR
 * (FAILURES_ADDRESS) of them within FAILURES_MS close the door, each later one opens as the count
 * falls below. An account as such is never locked, or anybody could lock it. Memory is bounded:
 * FAILURES_TRACKED counts are kept, the least recently failed goes first. An IPv6 address counts
 * as its /64, which is what one customer has.
 */
#include "config.h"

#include "mail/accounts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "wire/imid.h"
#include "wire/status.h"

#include "mail/accounts_private.h"

#define FAILURES_MS      (10 * 60 * 1000)
#define FAILURES_PAIR    10
#define FAILURES_ADDRESS 100
#define FAILURES_TRACKED 10000

#define REMOTE_SIZE      64

/* ---- counting failures ---- */

struct failure {
    int64_t since_ms; /* when level was true */
    int64_t level;    /* failures x FAILURES_MS, so that draining needs no fractions */
};

/* What an address counts as. */
static void remote_key(const char *remote, char out[REMOTE_SIZE])
{
    struct in6_addr a6;

    if (remote != NULL && inet_pton(AF_INET6, remote, &a6) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&a6)) {
            if (inet_ntop(AF_INET, &a6.s6_addr[12], out, REMOTE_SIZE) != NULL)
                return;
        } else {
            memset(&a6.s6_addr[8], 0, 8);
            if (inet_ntop(AF_INET6, &a6, out, REMOTE_SIZE) != NULL)
                return;
        }
    }
    (void)snprintf(out, REMOTE_SIZE, "%s", remote != NULL ? remote : "");
}

static void pair_key(struct str *out, const char *remote, const char *address)
{
    str_add(out, remote);
    str_addc(out, ' ');
    str_add(out, address);
}

static int64_t drained(const struct failure *f, int64_t now_ms, int64_t most)
{
    int64_t level = f->level - (now_ms - f->since_ms) * most;

    return level > 0 ? level : 0;
}

static bool is_over(const struct accounts *a, const char *key, int64_t now_ms, int64_t most)
{
    const struct failure *f = map_get(a->failures, key);

    /* The level that is one whole failure below the brim lets the next one in. */
    return f != NULL && drained(f, now_ms, most) > (most - 1) * FAILURES_MS;
}

static int take_first(void *ctx, const char *key, void *value)
{
    char **oldest = ctx;

    (void)value;
    *oldest = mem_strdup(key);
    return 1;
}

static void drop_oldest(struct accounts *a)
{
    char *oldest = NULL;

    map_each(a->failures, take_first, &oldest);
    free(map_del(a->failures, oldest));
    free(oldest);
}

static void count_one(struct accounts *a, const char *key, int64_t now_ms, int64_t most)
{
    struct failure *f = map_del(a->failures, key);

    if (f == NULL) {
        if (map_size(a->failures) >= FAILURES_TRACKED)
            drop_oldest(a);
        f = mem_zalloc(sizeof *f);
        f->since_ms = now_ms;
    }
    f->level = drained(f, now_ms, most) + FAILURES_MS;
    f->since_ms = now_ms;
    map_put(a->failures, key, f);
}

static bool is_barred(const struct accounts *a, const char *remote, const char *address)
{
    int64_t now_ms = clock_mono_ms(a->mail->clock);
    char from[REMOTE_SIZE];
    struct str pair = STR_INIT;
    bool over;

    remote_key(remote, from);
    pair_key(&pair, from, address);
    over = is_over(a, from, now_ms, FAILURES_ADDRESS) ||
           is_over(a, str_c(&pair), now_ms, FAILURES_PAIR);
    str_clear(&pair);
    return over;
}

static void count_failure(struct accounts *a, const char *remote, const char *address)
{
    int64_t now_ms = clock_mono_ms(a->mail->clock);
    char from[REMOTE_SIZE];
    struct str pair = STR_INIT;

    remote_key(remote, from);
    pair_key(&pair, from, address);
    count_one(a, from, now_ms, FAILURES_ADDRESS);
    count_one(a, str_c(&pair), now_ms, FAILURES_PAIR);
    str_clear(&pair);
}

/* A login that succeeds forgives the pair, not the address: it may be guessing at others too. */
static void forgive(struct accounts *a, const char *remote, const char *address)
{
    char from[REMOTE_SIZE];
    struct str pair = STR_INIT;

    remote_key(remote, from);
    pair_key(&pair, from, address);
    free(map_del(a->failures, str_c(&pair)));
    str_clear(&pair);
}

static int free_failure(void *ctx, const char *key, void *value)
{
    (void)ctx;
    (void)key;
    free(value);
    return 0;
}

void login_forget_failures(struct accounts *a)
{
    map_each(a->failures, free_failure, NULL);
}

/* ---- the dialog ---- */

int login_begin(struct accounts *a, const char *address, const char *remote, struct login *lg,
                struct err *err)
{
    const struct password_cost cost = PASSWORD_COST_DEFAULT;
    struct account account = { 0 };
    char *prepared = NULL;
    int rc = -1;

    memset(lg, 0, sizeof *lg);
    if (imid_address(address, &prepared, err) < 0)
        return -1;
    if (is_barred(a, remote, prepared)) {
        err_set(err, ERR_DENIED, STATUS_TOO_MANY_ATTEMPTS,
                "too many failed logins, try again in some minutes");
        goto out;
    }
    if (account_get(a->mail->store, prepared, &account, err) < 0)
        goto out;
    (void)snprintf(lg->address, sizeof lg->address, "%s", prepared);
    vault_fake_salt(a->mail->vault, prepared, lg->salt);
    lg->n = cost.n;
    lg->r = cost.r;
    lg->p = cost.p;
    /* An account of a domain that is served no more is none. */
    if (account.id != 0 && account.verifier_len > 0 && mail_domain_of(a->mail, prepared) != NULL) {
        lg->account = account.id;
        memcpy(lg->salt, account.salt, sizeof lg->salt);
        lg->n = account.n;
        lg->r = account.r;
        lg->p = account.p;
    }
    uuid_generate(lg->n1);
    (void)snprintf(lg->n2, sizeof lg->n2, "%lld", (long long)(clock_wall_ms(a->mail->clock) / 1000));
    lg->since_ms = clock_mono_ms(a->mail->clock);
    rc = 0;
out:
    account_clear(&account);
    free(prepared);
    return rc;
}

/* The verifier of nobody: sealed like any other, of an H that is thrown away. */
static int dummy_verifier(struct accounts *a, struct account *account_r, struct err *err)
{
    uint8_t random[32];
    struct str h = STR_INIT;
    int rc = 0;

    if (a->dummy.len == 0) {
        random_bytes(random, sizeof random);
        str_add_hex(&h, random, sizeof random);
        rc = vault_seal(a->mail->vault, "", str_c(&h), &a->dummy, err);
        str_wipe(&h);
        secret_wipe(random, sizeof random);
    }
    if (rc == 0 && a->dummy.len <= sizeof account_r->verifier) {
        memcpy(account_r->verifier, a->dummy.s, a->dummy.len);
        account_r->verifier_len = a->dummy.len;
    }
    return rc;
}

/* Only H's owner can have made k of these nonces. h is wiped by the caller. */
static bool key_holds(const struct accounts *a, const struct login *lg, const char *h,
                      const char *k, const uint8_t *exporter)
{
    size_t n = strlen(k);
    char want[65] = "", got[65] = "";
    bool holds = false;

    if (n == 40 && a->mail->allow_sha1)
        password_k_sha1(h, lg->n1, lg->n2, want);
    else if (n == 64 && exporter != NULL)
        password_k_hmac(h, lg->n1, lg->n2, exporter, want);
    if (want[0] != '\0') {
        for (size_t i = 0; i < n; i++)
            got[i] = (char)(k[i] >= 'A' && k[i] <= 'F' ? k[i] - 'A' + 'a' : k[i]);
        holds = secret_equal(want, got, n);
    }
    secret_wipe(want, sizeof want);
    return holds;
}

/* 1 the key is right, 0 it is not, -1 trouble with the store or the vault. */
static int check_key(struct accounts *a, const struct login *lg, const char *k,
                     const uint8_t *exporter, struct err *err)
{
    struct account account = { 0 };
    char h[PASSWORD_H_SIZE] = "";
    int rc = account_get_by_id(a->mail->store, lg->account, &account, err);

    if (rc == 0 && dummy_verifier(a, &account, err) < 0)
        rc = -1;
    if (rc >= 0 && vault_unseal(a->mail->vault, rc == 1 ? lg->address : "", account.verifier,
                                account.verifier_len, h, err) < 0)
        rc = -1;
    if (rc >= 0) {
        bool holds = key_holds(a, lg, h, k, exporter);

        rc = holds && rc == 1;
    }
    secret_wipe(h, sizeof h);
    account_clear(&account);
    return rc;
}

int login_check(struct accounts *a, struct login *lg, const char *remote, const char *k,
                const uint8_t *exporter, struct err *err)
{
    int64_t age_ms = clock_mono_ms(a->mail->clock) - lg->since_ms;
    bool is_open = lg->n1[0] != '\0' && age_ms >= 0 && age_ms <= LOGIN_VALID_MS &&
                   !is_barred(a, remote, lg->address);
    int rc = 0;

    if (is_open)
        rc = check_key(a, lg, k, exporter, err);
    if (rc == 1)
        forgive(a, remote, lg->address);
    else if (rc == 0)
        count_failure(a, remote, lg->address);
    secret_wipe(lg, sizeof *lg);
    if (rc == 0)
        return err_set(err, ERR_DENIED, STATUS_AUTH_FAILED, "wrong account or secret");
    return rc == 1 ? 0 : -1;
}
