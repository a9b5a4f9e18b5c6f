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

static struct desk *desk;
static struct accounts *accounts;

struct answer {
    int calls;
    struct err err;
};

static int open_desk(void **state)
{
    struct err err;

    (void)state;
    desk = desk_open();
    desk->mail.worker = worker_create(desk->mail.loop, 1, &err);
    assert_non_null(desk->mail.worker);
    accounts = accounts_create(&desk->mail);
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    accounts_destroy(&accounts);
    worker_destroy(&desk->mail.worker);
    desk_turn(desk);
    desk_sound(desk);
    desk_close(&desk);
    return 0;
}

static void take_answer(void *ctx, const struct err *err)
{
    struct answer *a = ctx;

    a->calls++;
    a->err = err != NULL ? *err : (struct err){ ERR_NONE };
}

static void wait_for(const struct answer *a, int calls)
{
    for (int i = 0; i < 1000 && a->calls < calls; i++)
        loop_turn(desk->mail.loop, true);
    assert_int_equal(a->calls, calls);
}

/* 0 or the status of the answer. */
static int add(const char *address, const char *secret)
{
    struct answer a = { 0 };

    accounts_add(accounts, address, secret, take_answer, &a);
    assert_int_equal(a.calls, 0);   /* never within the call */
    wait_for(&a, 1);
    return a.err.status;
}

static int set_secret(const char *address, const char *secret)
{
    struct answer a = { 0 };

    accounts_set_secret(accounts, address, secret, take_answer, &a);
    assert_int_equal(a.calls, 0);
    wait_for(&a, 1);
    return a.err.status;
}

/* Log in with that secret, as a client does. 0, or the status. */
static int log_in(const char *address, const char *secret)
{
    struct login lg;
    struct err err = { ERR_NONE };
    char h[PASSWORD_H_SIZE], k[65];

    if (login_begin(accounts, address, "192.0.2.1", &lg, &err) < 0)
        return err.status;
    assert_int_equal(password_derive(secret, lg.salt, sizeof lg.salt,
                                     (struct password_cost){ lg.n, lg.r, lg.p }, h, NULL), 0);
    password_k_sha1(h, lg.n1, lg.n2, k);
    return login_check(accounts, &lg, "192.0.2.1", k, NULL, &err) == 0 ? 0 : (int)err.status;
}

static void an_account_is_made_with_its_folders_and_can_log_in(void **state)
{
    (void)state;
    assert_int_equal(add("Alice@A.com", "secret one"), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "TRASH"), 0);
    assert_int_equal(log_in("alice@a.com", "secret one"), 0);
    assert_int_equal(log_in("alice@a.com", "secret two"), STATUS_AUTH_FAILED);
}

static void a_secret_is_changed(void **state)
{
    struct account a = { 0 };
    uint8_t salt[ACCOUNT_SALT_BYTES];

    (void)state;
    assert_int_equal(add("alice@a.com", "secret one"), 0);
    assert_int_equal(account_get(desk->mail.store, "alice@a.com", &a, NULL), 1);
    memcpy(salt, a.salt, sizeof salt);
    account_clear(&a);
    desk_quota(desk, "alice@a.com", 12345);
    assert_int_equal(set_secret("ALICE@a.com", "secret two"), 0);
    assert_int_equal(log_in("alice@a.com", "secret two"), 0);
    assert_int_equal(log_in("alice@a.com", "secret one"), STATUS_AUTH_FAILED);
    assert_int_equal(account_get(desk->mail.store, "alice@a.com", &a, NULL), 1);
    assert_memory_not_equal(a.salt, salt, sizeof salt);
    assert_int_equal(a.quota_bytes, 12345);
    account_clear(&a);
}

static void what_cannot_be_is_refused_with_its_reason(void **state)
{
    static const struct { const char *address, *secret; bool is_new; int status; } rows[] = {
        { "alice@a.com", "x", true, STATUS_PARAMETER },          /* it exists */
        { "bob@a.com", "x", false, STATUS_NO_ACCOUNT },          /* it does not */
        { "bob@elsewhere.com", "x", true, STATUS_NO_ACCOUNT },   /* no domain of ours */
        { "not an imid", "x", true, STATUS_PARAMETER },
        { "bob+lists@a.com", "x", true, STATUS_PARAMETER },
        { "mailer-daemon@a.com", "x", true, STATUS_PARAMETER },
        { "anonymous@a.com", "x", true, STATUS_PARAMETER },
        { "Anonymous/x@a.com", "x", true, STATUS_PARAMETER },
    };

    (void)state;
    assert_int_equal(add("alice@a.com", "secret"), 0);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        int status = rows[i].is_new ? add(rows[i].address, rows[i].secret)
                                    : set_secret(rows[i].address, rows[i].secret);

        if (status != rows[i].status)
            fail_msg("%s: %d", rows[i].address, status);
    }
    /* An empty secret is none (RFC 8265 §4.2.2). */
    assert_true(add("bob@a.com", "") != 0);
    assert_int_equal(log_in("alice@a.com", "secret"), 0);
}

static void of_two_requests_for_one_address_one_wins(void **state)
{
    struct answer a = { 0 }, b = { 0 };

    (void)state;
    accounts_add(accounts, "alice@a.com", "one", take_answer, &a);
    accounts_add(accounts, "alice@a.com", "two", take_answer, &b);
    wait_for(&a, 1);
    wait_for(&b, 1);
    assert_int_equal((a.err.status == 0) + (b.err.status == 0), 1);
    assert_int_equal(log_in("alice@a.com", a.err.status == 0 ? "one" : "two"), 0);
}

static void a_forgotten_request_is_never_answered(void **state)
{
    struct answer a = { 0 }, b = { 0 };

    (void)state;
    accounts_add(accounts, "alice@a.com", "one", take_answer, &a);
    accounts_add(accounts, "bob@a.com", "one", take_answer, &b);
    accounts_forget(accounts, &a);
    wait_for(&b, 1);
    for (int i = 0; i < 10; i++)
        desk_turn(desk);
    assert_int_equal(a.calls, 0);
}

static void requests_under_way_are_dropped_with_the_object(void **state)
{
    struct answer a = { 0 };

    (void)state;
    for (int i = 0; i < 5; i++)
        accounts_add(accounts, "alice@a.com", "one", take_answer, &a);
    accounts_destroy(&accounts);
    assert_null(accounts);
    while (worker_queued(desk->mail.worker) > 0)
        loop_turn(desk->mail.loop, true);
    assert_int_equal(a.calls, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(an_account_is_made_with_its_folders_and_can_log_in),
        CASE(a_secret_is_changed),
        CASE(what_cannot_be_is_refused_with_its_reason),
        CASE(of_two_requests_for_one_address_one_wins),
        CASE(a_forgotten_request_is_never_answered),
        CASE(requests_under_way_are_dropped_with_the_object),
    };

    return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
