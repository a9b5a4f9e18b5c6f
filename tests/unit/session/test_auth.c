/* SPDX-License-Identifier: MIT */
/* AUTH SECRET beyond the dialogs: both K, what k= offers, and how long nonces serve. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/accounts.h"
#include "seal/password.h"
#include "unit/session/hall.h"

#include "lib/test.h"

static const uint8_t exporter[PASSWORD_EXPORTER_BYTES] = { 1, 2, 3 };

static int setup(void **state)
{
    *state = hall_open();
    return 0;
}

static int teardown(void **state)
{
    struct hall *h = *state;

    hall_close(&h);
    return 0;
}

/* A session in GUEST whose TLS has an exporter. */
static void secure(struct hall *h)
{
    hall_connect(h, true);
    hall_say(h, "UPGRADE TLS3");
    session_secured(h->session, exporter);
    (void)hall_read_all(h);
}

/* Ask, and keep the 303. Caller frees. */
static char *ask(struct hall *h)
{
    struct str line = STR_INIT;

    hall_say(h, "AUTH SECRET alice@a.com");
    assert_true(str_starts(hall_read(h), "302 "));
    str_add(&line, hall_read(h));
    assert_true(str_starts(str_c(&line), "303 "));
    return str_take(&line);
}

static void answer(struct hall *h, const char *k, const char *expected)
{
    struct str line = STR_INIT;

    str_addf(&line, "AUTH RESPONSE %s", k);
    hall_say(h, str_c(&line));
    assert_string_equal(hall_read_all(h), expected);
    str_clear(&line);
}

/* K by HMAC over the nonces and an exporter (docs/immp.md, "AUTH"). */
static void hmac_key(const char *nonces, const uint8_t *with, char k_r[65])
{
    const struct password_cost cost = { .n = 2, .r = 1, .p = 1 };
    uint8_t salt[PASSWORD_SALT_BYTES];
    char verifier[PASSWORD_H_SIZE], n1[37], n2[24];

    memset(salt, 7, sizeof salt);
    assert_int_equal(password_derive(HALL_SECRET, salt, sizeof salt, cost, verifier, NULL), 0);
    assert_int_equal(sscanf(nonces, "303 n1=%36s n2=%23s", n1, n2), 2);
    password_k_hmac(verifier, n1, n2, with, k_r);
}

static void k_may_be_sha1_or_bound_to_the_channel(void **state)
{
    struct hall *h = *state;
    char k[65], *nonces;

    secure(h);
    nonces = ask(h);
    assert_non_null(strstr(nonces, " k=sha1,hmac-sha256"));
    hmac_key(nonces, exporter, k);
    answer(h, k, "210 Authentication accepted for alice@a.com\n");
    free(nonces);

    secure(h);
    nonces = ask(h);
    hall_key(nonces, k);
    answer(h, k, "210 Authentication accepted for alice@a.com\n");
    free(nonces);
}

static void a_key_of_another_channel_fails(void **state)
{
    static const uint8_t other[PASSWORD_EXPORTER_BYTES] = { 9 };
    struct hall *h = *state;
    char k[65], *nonces;

    secure(h);
    nonces = ask(h);
    hmac_key(nonces, other, k);
    answer(h, k, "410 wrong account or secret\n");
    free(nonces);
    /* Where the channel cannot be bound, that K is not offered and not taken. */
    hall_connect(h, false);
    nonces = ask(h);
    assert_null(strstr(nonces, "hmac"));
    hmac_key(nonces, exporter, k);
    answer(h, k, "410 wrong account or secret\n");
    free(nonces);
}

static void an_operator_can_turn_sha1_off(void **state)
{
    struct hall *h = *state;
    char k[65], *nonces;

    h->mail.allow_sha1 = false;
    secure(h);
    nonces = ask(h);
    assert_non_null(strstr(nonces, " k=hmac-sha256"));
    hall_key(nonces, k);
    answer(h, k, "410 wrong account or secret\n");
    free(nonces);
    nonces = ask(h);
    hmac_key(nonces, exporter, k);
    answer(h, k, "210 Authentication accepted for alice@a.com\n");
    free(nonces);
}

static void nonces_serve_for_60_seconds(void **state)
{
    struct hall *h = *state;
    char k[65], *nonces;

    hall_connect(h, false);
    nonces = ask(h);
    hall_key(nonces, k);
    h->clock.fake_ms += LOGIN_VALID_MS + 1;
    answer(h, k, "410 wrong account or secret\n");
    free(nonces);
    nonces = ask(h);
    hall_key(nonces, k);
    h->clock.fake_ms += LOGIN_VALID_MS;
    answer(h, k, "210 Authentication accepted for alice@a.com\n");
    free(nonces);
}

static void an_address_that_failed_too_often_is_412_at_once(void **state)
{
    struct hall *h = *state;

    for (size_t i = 0; i < 10; i++) {
        hall_connect(h, false);
        free(ask(h));
        answer(h, "00", "410 wrong account or secret\n");
    }
    hall_connect(h, false);
    hall_say(h, "AUTH SECRET alice@a.com");
    assert_true(str_starts(hall_read(h), "412 "));
    assert_true(h->is_closed);
    /* Others are not locked out with it. */
    hall_connect(h, false);
    hall_login(h, "bob@a.com");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(k_may_be_sha1_or_bound_to_the_channel),
        T(a_key_of_another_channel_fails),
        T(an_operator_can_turn_sha1_off),
        T(nonces_serve_for_60_seconds),
        T(an_address_that_failed_too_often_is_412_at_once),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
