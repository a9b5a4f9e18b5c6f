/* SPDX-License-Identifier: MIT */
/*
 * Limits and whom mail can reach (docs/immp.md, "Delivering"): each with its code, the connection
 * lives on, and nothing is half-stored.
 */
#include "config.h"

#include "session/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/account.h"
#include "unit/session/hall.h"
#include "wire/message.h"

#include "lib/test.h"

static int setup(void **state)
{
    struct hall *h = hall_open();

    hall_enter(h, "alice@a.com");
    *state = h;
    return 0;
}

/* Whatever was refused: the connection lives, and the store is sound without its drafts. */
static int teardown(void **state)
{
    struct hall *h = *state;

    hall_expect(h, "NOOP", "200 Done.\n");
    session_destroy(&h->session);
    hall_turn(h);
    hall_sound(h);
    hall_close(&h);
    return 0;
}

static void begin(struct hall *h, const char *to)
{
    struct str line = STR_INIT;

    str_addf(&line, "DELIVER TO %s", to);
    hall_expect(h, str_c(&line), "270 Ok, ready to deliver. Give me your DATA.\n");
    str_clear(&line);
}

static void send_many(struct hall *h, char c, size_t n)
{
    struct str octets = STR_INIT;

    for (size_t i = 0; i < n; i++)
        str_addc(&octets, c);
    hall_send(h, str_c(&octets), octets.len);
    str_clear(&octets);
}

/* The next line begins so. */
static void expect_code(struct hall *h, const char *code)
{
    const char *line;

    hall_turn(h);
    line = hall_read(h);
    if (line == NULL || !str_starts(line, code))
        fail_msg("expected %s, got %s", code, line != NULL ? line : "nothing");
}

static void a_hundred_recipients_and_not_one_more(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    str_add(&line, "DELIVER");
    for (size_t i = 0; i < MESSAGE_RECIPIENTS_MAX; i++)
        str_addf(&line, " TO u%zu@b.com", i);
    hall_say(h, str_c(&line));
    expect_code(h, "270 ");
    str_add(&line, " TO bob@a.com");
    hall_say(h, str_c(&line));
    expect_code(h, "406 more than 100 recipients");
    hall_say(h, "DONE");
    expect_code(h, "463 ");
    str_clear(&line);
    assert_int_equal(hall_queued(h), 0);
}

static void some_recipients_may_fail(void **state)
{
    struct hall *h = *state;

    begin(h, "nobody@a.com TO bob@a.com TO x@immp.a.com TO bob@a.com TO carol@b.com");
    hall_say(h, "DATA a LENGTH 1; DONE\nx");
    expect_code(h, "271 ");
    expect_code(h, "272 ");
    expect_code(h, "440- nobody@a.com ");
    expect_code(h, "201- bob@a.com id=");
    expect_code(h, "444- x@immp.a.com ");
    expect_code(h, "201- bob@a.com id=");
    expect_code(h, "202 carol@b.com id=");
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 1);
    assert_int_equal(hall_queued(h), 1);
}

static void a_length_beyond_the_limit_is_443_at_once(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    begin(h, "bob@a.com");
    str_addf(&line, "DATA a LENGTH %d", HALL_LIMIT + 1);
    hall_say(h, str_c(&line));
    expect_code(h, "443 ");
    /* Its octets are on their way, and are taken for nothing else. */
    send_many(h, '\n', HALL_LIMIT + 1);
    hall_expect(h, "NOOP", "200 Done.\n");
    hall_say(h, "DATA b LENGTH 1\nx");
    expect_code(h, "443 ");
    hall_say(h, "DONE");
    expect_code(h, "443 ");
    hall_say(h, "DONE");
    expect_code(h, "463 ");
    str_truncate(&line, 0);
    begin(h, "bob@a.com");
    str_addf(&line, "DATA a LENGTH %d", HALL_LIMIT);
    hall_say(h, str_c(&line));
    expect_code(h, "271 ");
    send_many(h, 'x', HALL_LIMIT);
    expect_code(h, "272 ");
    hall_say(h, "DONE");
    expect_code(h, "201 ");
    str_clear(&line);
}

static void a_text_beyond_the_limit_is_443_at_its_end(void **state)
{
    struct hall *h = *state;

    begin(h, "bob@a.com");
    hall_say(h, "DATA a");
    expect_code(h, "271 ");
    for (size_t i = 0; i < 40; i++)
        send_many(h, 'x', 40000);
    hall_say(h, "NOOP");
    assert_int_equal(h->out.len, 0);
    hall_send(h, "\n\n", 2);
    expect_code(h, "443 ");
    hall_say(h, "CANCEL");
    expect_code(h, "273 ");
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 0);
}

static void a_thousand_parts_and_not_one_more(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    begin(h, "bob@a.com");
    for (size_t i = 0; i < MESSAGE_PARTS_MAX; i++) {
        str_truncate(&line, 0);
        str_addf(&line, "DATA part%zu LENGTH 1%s\n", i, i == 0 ? " +CONTENT" : "");
        str_addc(&line, 'x');
        hall_send(h, line.s, line.len);
    }
    (void)hall_read_all(h);
    hall_say(h, "DATA onemore LENGTH 1\nx");
    expect_code(h, "406 more than 1000 parts");
    hall_say(h, "DONE");
    expect_code(h, "201 ");
    str_clear(&line);
}

static void messages_in_progress_are_counted(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    for (size_t i = 0; i < 33; i++) {
        str_truncate(&line, 0);
        str_addf(&line, "AS p%zu DELIVER TO bob@a.com", i);
        hall_say(h, str_c(&line));
    }
    for (size_t i = 0; i < 32; i++)
        assert_non_null(strstr(hall_read(h), ": 270 "));
    expect_code(h, "p32: 406 ");
    hall_say(h, "AS p0 CANCEL; AS p32 DELIVER TO bob@a.com; AS p32 DELIVER TO bob@a.com");
    expect_code(h, "p0: 273 ");
    expect_code(h, "p32: 270 ");
    expect_code(h, "p32: 270 ");
    str_clear(&line);
}

static void a_full_mailbox_is_442(void **state)
{
    struct hall *h = *state;
    struct account a = { 0 };

    assert_int_equal(account_get(h->mail.store, "bob@a.com", &a, NULL), 1);
    a.quota_bytes = 3;
    assert_int_equal(account_update(h->mail.store, &a, NULL), 1);
    assert_int_equal(store_commit(h->mail.store, NULL), 0);
    account_clear(&a);
    begin(h, "bob@a.com TO alice@a.com");
    hall_say(h, "DATA a LENGTH 4; DONE\nfull");
    expect_code(h, "271 ");
    expect_code(h, "272 ");
    expect_code(h, "442- bob@a.com ");
    expect_code(h, "201 alice@a.com ");
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 0);
}

static void the_subject_has_2048_bytes_at_most(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    str_add(&line, "DELIVER TO bob@a.com SUBJECT \"");
    for (size_t i = 0; i < MESSAGE_SUBJECT_MAX; i++)
        str_addc(&line, 'x');
    str_addc(&line, '"');
    hall_say(h, str_c(&line));
    expect_code(h, "270 ");
    str_truncate(&line, line.len - 1);
    str_add(&line, "x\"");
    hall_say(h, str_c(&line));
    expect_code(h, "402 ");
    str_clear(&line);
}

static void a_part_that_never_ends_is_not_kept(void **state)
{
    struct hall *h = *state;

    begin(h, "bob@a.com");
    hall_say(h, "DATA a LENGTH 900000");
    send_many(h, 'x', 800000);
    hall_turn(h);
    hall_enter(h, "alice@a.com");   /* the connection is gone, another comes */
    hall_turn(h);
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 0);
    hall_sound(h);
}

static void an_owner_within_the_account_is_reached_and_no_other(void **state)
{
    struct hall *h = *state;

    hall_enter(h, "helpdesk@a.com");
    hall_expect(h, "MBOX CHECK helpdesk/alice@a.com/inbox",
                "240 helpdesk/alice@a.com/inbox:* u=0 t=0\n");
    hall_say(h, "MBOX CHECK alice@a.com/inbox");
    expect_code(h, "404 ");
    hall_say(h, "MBOX FETCH alice@a.com/inbox:*");
    expect_code(h, "404 ");
    hall_enter(h, "helpdesk/alice@a.com");
    hall_say(h, "MBOX CHECK helpdesk@a.com/inbox");
    expect_code(h, "404 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_hundred_recipients_and_not_one_more),
        T(some_recipients_may_fail),
        T(a_length_beyond_the_limit_is_443_at_once),
        T(a_text_beyond_the_limit_is_443_at_its_end),
        T(a_thousand_parts_and_not_one_more),
        T(messages_in_progress_are_counted),
        T(a_full_mailbox_is_442),
        T(the_subject_has_2048_bytes_at_most),
        T(a_part_that_never_ends_is_not_kept),
        T(an_owner_within_the_account_is_reached_and_no_other),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
