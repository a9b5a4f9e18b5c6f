/* SPDX-License-Identifier: MIT */
/*
 * The disk fails while keys are made or read: at every call of the kernel once, full (the write
 * before it was short, too) or broken. A key that was used is on disk and stays the key; a key that
 * could not be kept is not used; a file is whole or not there, and nothing is left beside it.
 *
 * The calls are caught by the linker (--wrap), so that the product's own code is what runs.
 */
#include "config.h"

#include "seal/keyfile_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "seal/certificate.h"
#include "seal/identity.h"
#include "seal/password.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"

#define H "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- the kernel ---- */

static struct {
    int error;          /* 0: all is well */
    size_t n, calls;
    bool has_failed;
} plan;

static bool fails(void)
{
    if (plan.error == 0 || ++plan.calls != plan.n)
        return false;
    plan.has_failed = true;
    errno = plan.error;
    return true;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    if (fails())
        return -1;
    va_start(ap, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(ap, int) : 0;
    va_end(ap);
    return __real_open(path, flags, mode);
}

/* Where it is to fail, the call before is short: so much was there still room for. */
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    if (fails())
        return -1;
    return __real_write(fd, p, plan.error != 0 && plan.calls + 1 == plan.n ? (n + 1) / 2 : n);
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
    return fails() ? -1 : __real_read(fd, p, n);
}

int __wrap_fsync(int fd)
{
    return fails() ? -1 : __real_fsync(fd);
}

int __wrap_link(const char *from, const char *to)
{
    return fails() ? -1 : __real_link(from, to);
}

static const int errors[] = { ENOSPC, EIO, EDQUOT };

static void will_fail(int error, size_t n)
{
    plan.error = error;
    plan.n = n;
    plan.calls = 0;
    plan.has_failed = false;
}

static bool heal(void)
{
    plan.error = 0;
    return plan.has_failed;
}

/* ---- the vault's key ---- */

static void seal_h(struct vault *v, struct str *out)
{
    assert_int_equal(vault_seal(v, "alice@a.com", H, out, NULL), 0);
}

static void check_same_vault(const char *path, const struct str *sealed)
{
    struct vault *v = vault_open(path, NULL);
    char h[PASSWORD_H_SIZE];

    assert_non_null(v);
    assert_int_equal(vault_unseal(v, "alice@a.com", (const uint8_t *)sealed->s, sealed->len, h,
                                  NULL), 0);
    assert_string_equal(h, H);
    vault_close(&v);
}

/* Made or found: true if the n-th call has come. */
static bool open_vault(const char *path, int error, size_t n)
{
    size_t before = fixture_count_files();
    bool was_there = fixture_exists(path), has_failed;
    struct str sealed = STR_INIT;
    struct err err = { ERR_NONE };
    struct vault *v;

    will_fail(error, n);
    v = vault_open(path, &err);
    has_failed = heal();
    /* It is there or not, and nothing else is. */
    assert_int_equal(fixture_count_files(), before + (fixture_exists(path) && !was_there));
    if (v == NULL) {
        assert_true(has_failed);
        assert_int_not_equal(err.kind, ERR_NONE);
        v = vault_open(path, &err);
        assert_non_null(v);
    }
    seal_h(v, &sealed);
    vault_close(&v);
    check_same_vault(path, &sealed);
    str_clear(&sealed);
    return has_failed;
}

static void a_vaults_key_that_is_used_is_on_disk(void **state)
{
    (void)state;
    for (size_t e = 0; e < N_ELEMENTS(errors); e++) {
        size_t n = 1;

        for (bool has_failed = true; has_failed; n++) {
            const char *path = fixture_path("vault.key");

            has_failed = open_vault(path, errors[e], n);
            assert_int_equal(unlink(path), 0);
        }
        assert_true(n > 6);
    }
}

static void a_vaults_key_that_is_there_stays(void **state)
{
    const char *path = fixture_path("old.key");
    struct vault *v = vault_open(path, NULL);
    struct str sealed = STR_INIT;

    (void)state;
    assert_non_null(v);
    seal_h(v, &sealed);
    vault_close(&v);
    for (size_t e = 0; e < N_ELEMENTS(errors); e++) {
        size_t n = 1;

        /* What cannot be read is not made anew: all accounts would be locked out. */
        while (open_vault(path, errors[e], n++))
            check_same_vault(path, &sealed);
        assert_true(n > 2);
    }
    str_clear(&sealed);
    assert_int_equal(unlink(path), 0);
}

/* ---- a domain's keys ---- */

/* True if the n-th call has come. */
static bool load(const char *folder, int error, size_t n)
{
    const struct identity_files files = { .directory = folder };
    char sign[80], encrypt[80];
    struct identity *id, *again;
    struct err err = { ERR_NONE };
    bool has_failed;

    will_fail(error, n);
    id = identity_load("a.com", &files, NULL, &err);
    has_failed = heal();
    if (id == NULL) {
        assert_true(has_failed);
        assert_int_not_equal(err.kind, ERR_NONE);
        id = identity_load("a.com", &files, NULL, &err);
        if (id == NULL)
            fail_msg("after the failure: %s", err.text);
    }
    assert_int_equal(fixture_run("test \"$(ls '%s')\" = \"$(printf 'a.com.encrypt.pem\\n"
                                 "a.com.sign.pem')\"", folder), 0);
    snprintf(sign, sizeof sign, "%s", certificate_fingerprint(identity_sign_certificate(id)));
    snprintf(encrypt, sizeof encrypt, "%s",
             certificate_fingerprint(identity_encrypt_certificate(id)));
    again = identity_load("a.com", &files, NULL, NULL);
    assert_non_null(again);
    assert_string_equal(certificate_fingerprint(identity_sign_certificate(again)), sign);
    assert_string_equal(certificate_fingerprint(identity_encrypt_certificate(again)), encrypt);
    identity_unref(&again);
    identity_unref(&id);
    return has_failed;
}

static void a_domains_keys_that_are_used_are_on_disk(void **state)
{
    (void)state;
    for (size_t e = 0; e < N_ELEMENTS(errors); e++) {
        size_t n = 1;

        for (bool has_failed = true; has_failed; n++) {
            const char *folder = fixture_path("keys");

            assert_int_equal(fixture_run("mkdir '%s'", folder), 0);
            has_failed = load(folder, errors[e], n);
            assert_int_equal(fixture_run("rm -r '%s'", folder), 0);
        }
        assert_true(n > 12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vaults_key_that_is_used_is_on_disk),
        cmocka_unit_test(a_vaults_key_that_is_there_stays),
        cmocka_unit_test(a_domains_keys_that_are_used_are_on_disk),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
