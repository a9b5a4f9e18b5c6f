/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "base/mem.h"
#include "wire/status.h"

#include "unit/mail/desk.h"

#define FROM "192.0.2.1"
#define H    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct desk *desk;
static struct accounts *accounts;

/* An account whose H is known, so that no test needs scrypt. */
static void make_account(const char *address)
{
    struct account a = { .address = mem_strdup(address), .n = 1024, .r = 8, .p = 2 };
    struct str sealed = STR_INIT;

    memset(a.salt, 7, sizeof a.salt);
    assert_int_equal(vault_seal(desk->mail.vault, address, H, &sealed, NULL), 0);
    memcpy(a.verifier, sealed.s, sealed.len);
    a.verifier_len = sealed.len;
    assert_int_equal(account_put(desk->mail.store, &a, NULL), 1);
    str_clear(&sealed);
    account_clear(&a);
}

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    accounts = accounts_create(&desk->mail);
    make_account("alice@a.com");
    make_account("gone@elsewhere.com");   /* of a domain that is served no more */
    desk_account(desk, "nokey@a.com");    /* cannot log in */
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    accounts_destroy(&accounts);
    desk_close(&desk);
    return 0;
}

static const uint8_t exporter[PASSWORD_EXPORTER_BYTES] = { 1, 2, 3 };

enum key { KEY_SHA1, KEY_SHA1_UPPER, KEY_HMAC, KEY_WRONG, KEY_SHORT, KEY_EMPTY, KEY_NO_HEX };

static void make_key(const struct login *lg, enum key key, char k[65])
{
    password_k_sha1(H, lg->n1, lg->n2, k);
    switch (key) {
    case KEY_SHA1:
        break;
    case KEY_SHA1_UPPER:
        for (int i = 0; i < 40; i++)
            k[i] = (char)(k[i] >= 'a' ? k[i] - 32 : k[i]);
        break;
    case KEY_HMAC:
        password_k_hmac(H, lg->n1, lg->n2, exporter, k);
        break;
    case KEY_WRONG:
        k[39] = k[39] == '0' ? '1' : '0';
        break;
    case KEY_SHORT:
        k[39] = '\0';
        break;
    case KEY_EMPTY:
        k[0] = '\0';
        break;
    case KEY_NO_HEX:
        k[0] = 'z';
        break;
    }
}

static int begin(const char *address, const char *remote, struct login *lg)
{
    struct err err = { ERR_NONE };

    return login_begin(accounts, address, remote, lg, &err) == 0 ? 0 : err.status;
}

static int check(struct login *lg, const char *remote, enum key key)
{
    struct err err = { ERR_NONE };
    char k[65];

    make_key(lg, key, k);
    if (login_check(accounts, lg, remote, k, exporter, &err) == 0)
        return 0;
    assert_int_equal(err.kind, ERR_DENIED);
    return err.status;
}

static int try_once(const char *address, const char *remote, enum key key)
{
    struct login lg;
    int status = begin(address, remote, &lg);

    return status != 0 ? status : check(&lg, remote, key);
}

/* docs/immp.md, "AUTH": K of 40 digits is SHA-1, of 64 HMAC. */
static void the_right_key_of_either_form_is_taken(void **state)
{
    static const struct { enum key key; bool allow_sha1; int status; } rows[] = {
        { KEY_SHA1, true, 0 },
        { KEY_SHA1_UPPER, true, 0 },
        { KEY_HMAC, true, 0 },
        { KEY_HMAC, false, 0 },
        { KEY_SHA1, false, STATUS_AUTH_FAILED },
        { KEY_WRONG, true, STATUS_AUTH_FAILED },
        { KEY_SHORT, true, STATUS_AUTH_FAILED },
        { KEY_EMPTY, true, STATUS_AUTH_FAILED },
        { KEY_NO_HEX, true, STATUS_AUTH_FAILED },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        desk->mail.allow_sha1 = rows[i].allow_sha1;
        if (try_once("Alice@A.com", FROM, rows[i].key) != rows[i].status)
            fail_msg("row %zu", i);
    }
}

static void without_an_exporter_the_long_key_fails(void **state)
{
    struct login lg;
    struct err err;
    char k[65];

    (void)state;
    assert_int_equal(begin("alice@a.com", FROM, &lg), 0);
    password_k_hmac(H, lg.n1, lg.n2, exporter, k);
    assert_int_equal(login_check(accounts, &lg, FROM, k, NULL, &err), -1);
    assert_int_equal(err.status, STATUS_AUTH_FAILED);
}

static void the_nonces_are_a_uuid_and_the_time_and_new_each_time(void **state)
{
    struct login a, b;
    char uuid[UUID_SIZE];

    (void)state;
    assert_int_equal(begin("alice@a.com", FROM, &a), 0);
    assert_int_equal(begin("alice@a.com", FROM, &b), 0);
    assert_int_equal(uuid_parse(a.n1, uuid), 0);
    assert_string_equal(a.n2, "1795000000");
    assert_string_not_equal(a.n1, b.n1);
    assert_string_equal(a.address, "alice@a.com");
    assert_int_equal(a.n, 1024);
    assert_int_equal(a.p, 2);
}

/* n1, n2 serve once and 60 s. */
static void nonces_serve_once_and_for_a_minute(void **state)
{
    static const struct { int64_t wait_ms; int status; } rows[] = {
        { 0, 0 }, { 60000, 0 }, { 60001, STATUS_AUTH_FAILED }, { 3600000, STATUS_AUTH_FAILED },
    };
    struct login lg;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(begin("alice@a.com", FROM, &lg), 0);
        desk->clock.fake_ms += rows[i].wait_ms;
        assert_int_equal(check(&lg, FROM, KEY_SHA1), rows[i].status);
        assert_int_equal(lg.n1[0], 0);   /* wiped */
        assert_int_equal(lg.account, 0);
        assert_int_equal(check(&lg, FROM, KEY_SHA1), STATUS_AUTH_FAILED);
    }
}

/* Unknown accounts get a stable fake salt, and fail exactly as a wrong key does. */
static void an_unknown_account_looks_like_any_other(void **state)
{
    static const char *const names[] = { "nobody@a.com", "nokey@a.com", "gone@elsewhere.com",
                                         "nobody@nowhere.com" };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        const struct password_cost cost = PASSWORD_COST_DEFAULT;
        static const uint8_t zero[ACCOUNT_SALT_BYTES];
        struct login a, b;

        assert_int_equal(begin(names[i], FROM, &a), 0);
        assert_int_equal(begin(names[i], "198.51.100.7", &b), 0);
        assert_memory_equal(a.salt, b.salt, sizeof a.salt);
        assert_memory_not_equal(a.salt, zero, sizeof zero);
        assert_int_equal(a.n, cost.n);
        assert_int_equal(a.account, 0);
        assert_int_equal(check(&a, FROM, KEY_SHA1), STATUS_AUTH_FAILED);
        assert_int_equal(check(&b, FROM, KEY_HMAC), STATUS_AUTH_FAILED);
    }
    assert_int_equal(begin("not an imid", FROM, &(struct login){ 0 }), STATUS_PARAMETER);
}

/* H is bound to its account: a row that was copied to another account opens nothing. */
static void a_verifier_of_another_account_is_trouble_and_no_key(void **state)
{
    struct account a = { 0 }, b = { 0 };
    struct login lg;
    struct err err;
    char k[65];

    (void)state;
    assert_int_equal(account_get(desk->mail.store, "alice@a.com", &a, NULL), 1);
    assert_int_equal(account_get(desk->mail.store, "nokey@a.com", &b, NULL), 1);
    memcpy(b.verifier, a.verifier, a.verifier_len);
    b.verifier_len = a.verifier_len;
    assert_int_equal(account_update(desk->mail.store, &b, NULL), 1);
    account_clear(&a);
    account_clear(&b);
    assert_int_equal(begin("nokey@a.com", FROM, &lg), 0);
    make_key(&lg, KEY_SHA1, k);
    assert_int_equal(login_check(accounts, &lg, FROM, k, NULL, &err), -1);
    assert_true(err.status != STATUS_AUTH_FAILED);
}

static void ten_failures_close_the_door_for_that_address_and_account(void **state)
{
    (void)state;
    make_account("bob@a.com");
    for (int i = 0; i < 10; i++)
        assert_int_equal(try_once("alice@a.com", FROM, KEY_WRONG), STATUS_AUTH_FAILED);
    assert_int_equal(try_once("alice@a.com", FROM, KEY_SHA1), STATUS_TOO_MANY_ATTEMPTS);
    assert_int_equal(try_once("ALICE@a.com", FROM, KEY_SHA1), STATUS_TOO_MANY_ATTEMPTS);
    /* Neither the account elsewhere nor others here are locked. */
    assert_int_equal(try_once("alice@a.com", "192.0.2.2", KEY_SHA1), 0);
    assert_int_equal(try_once("bob@a.com", FROM, KEY_SHA1), 0);
    /* They drain: one a minute. */
    desk->clock.fake_ms += 59000;
    assert_int_equal(try_once("alice@a.com", FROM, KEY_SHA1), STATUS_TOO_MANY_ATTEMPTS);
    desk->clock.fake_ms += 1000;
    assert_int_equal(try_once("alice@a.com", FROM, KEY_WRONG), STATUS_AUTH_FAILED);
    assert_int_equal(try_once("alice@a.com", FROM, KEY_SHA1), STATUS_TOO_MANY_ATTEMPTS);
    desk->clock.fake_ms += 600000;
    assert_int_equal(try_once("alice@a.com", FROM, KEY_SHA1), 0);
}

static void a_login_that_succeeds_forgives_its_failures(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 9; i++)
            assert_int_equal(try_once("alice@a.com", FROM, KEY_WRONG), STATUS_AUTH_FAILED);
        assert_int_equal(try_once("alice@a.com", FROM, KEY_SHA1), 0);
    }
}

static void logins_begun_before_the_door_closed_do_not_pass_it(void **state)
{
    struct login lg[12];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(lg); i++)
        assert_int_equal(begin("alice@a.com", FROM, &lg[i]), 0);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(check(&lg[i], FROM, KEY_WRONG), STATUS_AUTH_FAILED);
    assert_int_equal(check(&lg[10], FROM, KEY_SHA1), STATUS_AUTH_FAILED);
}

static void a_hundred_failures_close_the_door_for_an_address(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        char address[32];

        snprintf(address, sizeof address, "user%d@a.com", i);
        assert_int_equal(try_once(address, FROM, KEY_WRONG), STATUS_AUTH_FAILED);
    }
    assert_int_equal(try_once("alice@a.com", FROM, KEY_SHA1), STATUS_TOO_MANY_ATTEMPTS);
    assert_int_equal(try_once("alice@a.com", "192.0.2.2", KEY_SHA1), 0);
    desk->clock.fake_ms += 6000;
    assert_int_equal(try_once("alice@a.com", FROM, KEY_SHA1), 0);
}

static void an_ipv6_customer_is_its_64(void **state)
{
    static const struct { const char *remote; int status; } rows[] = {
        { "2001:db8:1:2::99", STATUS_TOO_MANY_ATTEMPTS },
        { "2001:db8:1:2:ffff::1", STATUS_TOO_MANY_ATTEMPTS },
        { "2001:db8:1:3::1", 0 },
        { "::ffff:192.0.2.9", 0 },
    };

    (void)state;
    for (int i = 0; i < 10; i++) {
        char remote[48];

        snprintf(remote, sizeof remote, "2001:db8:1:2::%d", i);
        assert_int_equal(try_once("alice@a.com", remote, KEY_WRONG), STATUS_AUTH_FAILED);
    }
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        assert_int_equal(try_once("alice@a.com", rows[i].remote, KEY_SHA1), rows[i].status);
    for (int i = 0; i < 10; i++)
        try_once("alice@a.com", "::ffff:192.0.2.9", KEY_WRONG);
    assert_int_equal(try_once("alice@a.com", "192.0.2.9", KEY_SHA1), STATUS_TOO_MANY_ATTEMPTS);
}

/* At most 10,000 counts: the least recently failed goes first, the busy ones stay. */
static void memory_for_failures_is_bounded(void **state)
{
    struct login lg;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(try_once("alice@a.com", "203.0.113.1", KEY_WRONG), STATUS_AUTH_FAILED);
    assert_int_equal(begin("alice@a.com", "203.0.113.1", &lg), STATUS_TOO_MANY_ATTEMPTS);
    for (int i = 0; i < 6000; i++) {
        char remote[32];

        snprintf(remote, sizeof remote, "10.0.%d.%d", i / 256, i % 256);
        assert_int_equal(begin("nobody@a.com", remote, &lg), 0);
        assert_int_equal(check(&lg, remote, KEY_EMPTY), STATUS_AUTH_FAILED);
    }
    assert_int_equal(begin("alice@a.com", "203.0.113.1", &lg), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(the_right_key_of_either_form_is_taken),
        CASE(without_an_exporter_the_long_key_fails),
        CASE(the_nonces_are_a_uuid_and_the_time_and_new_each_time),
        CASE(nonces_serve_once_and_for_a_minute),
        CASE(an_unknown_account_looks_like_any_other),
        CASE(a_verifier_of_another_account_is_trouble_and_no_key),
        CASE(ten_failures_close_the_door_for_that_address_and_account),
        CASE(a_login_that_succeeds_forgives_its_failures),
        CASE(logins_begun_before_the_door_closed_do_not_pass_it),
        CASE(a_hundred_failures_close_the_door_for_an_address),
        CASE(an_ipv6_customer_is_its_64),
        CASE(memory_for_failures_is_bounded),
    };

    return cmocka_run_group_tests_name("login", tests, NULL, NULL);
}
