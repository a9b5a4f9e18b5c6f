/* SPDX-License-Identifier: MIT */
/*
 * The turn: nothing that depends on the commit is said before it, and if it fails everything that
 * was at stake gets 702 instead (docs/architecture.md, "A turn"; docs/immp.md: nothing is ever
 * answered 2xx before it is on disk).
 */
#include "config.h"

#include "session/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lib/store_failing.h"
#include "store/account.h"
#include "unit/session/hall.h"

#include "lib/test.h"

static int setup(void **state)
{
    struct hall *h = hall_open();

    hall_enter(h, "alice@a.com");
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct hall *h = *state;

    session_destroy(&h->session);
    hall_turn(h);
    hall_sound(h);
    hall_close(&h);
    return 0;
}

/* The turn ends, and its commit fails. */
static void fail_turn(struct hall *h)
{
    (void)store_failing_nth(h->mail.store, 1);
    hall_turn(h);
    assert_true(store_failing_has_failed(h->mail.store));
    (void)store_failing_nth(h->mail.store, 0);
}

/* Somebody else writes the store in this turn. */
static void make_dirty(struct hall *h)
{
    struct account a = { 0 };

    assert_int_equal(account_get(h->mail.store, "bob@a.com", &a, NULL), 1);
    a.quota_bytes++;
    assert_int_equal(account_update(h->mail.store, &a, NULL), 1);
    account_clear(&a);
    assert_true(store_is_dirty(h->mail.store));
}

#define WHY "nothing was kept: store call 1, commit, was told to fail\n"

static void delivered_is_said_after_the_commit(void **state)
{
    struct hall *h = *state;

    hall_say(h, "DELIVER TO bob@a.com; DATA a LENGTH 1; DONE; NOOP\nx");
    assert_string_equal(hall_read_all(h), "270 Ok, ready to deliver. Give me your DATA.\n"
                                          "271 a Saving part\n272 a Part saved\n");
    hall_turn(h);
    assert_true(str_starts(hall_read(h), "201 bob@a.com id="));
    assert_string_equal(hall_read_all(h), "200 Done.\n");
}

static void a_failed_commit_is_702_and_nothing_is_kept(void **state)
{
    struct hall *h = *state;

    hall_say(h, "DELIVER TO bob@a.com TO carol@b.com; DATA a LENGTH 1; DONE; NOOP; AS p DONE\nx");
    /* DONE in a pipeline finds no message: true whatever the commit says, but it had read. */
    (void)hall_read_all(h);
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY "p: 702 " WHY "200 Done.\n");
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 0);
    assert_int_equal(hall_total(h, "alice@a.com", "SENT"), 0);
    assert_int_equal(hall_queued(h), 0);
    /* The message is gone, the session is not. */
    hall_expect(h, "DONE", "463 no message in progress: DELIVER begins one\n");
    hall_say(h, "DELIVER TO bob@a.com; DATA a LENGTH 1; DONE\nx");
    hall_turn(h);
    assert_non_null(strstr(hall_read_all(h), "201 bob@a.com id="));
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 1);
}

static void what_saw_uncommitted_data_is_at_stake_too(void **state)
{
    struct hall *h = *state;

    make_dirty(h);
    hall_say(h, "NOOP; MBOX CHECK / +RECURSIVE; AS i MBOX INDEX /inbox; FROB; MBOX CHECK /none");
    assert_string_equal(hall_read_all(h), "200 Done.\n");
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY "i: 702 " WHY
                                          "401 unknown command FROB; HELP lists them\n702 " WHY);
    make_dirty(h);
    hall_say(h, "MBOX CHECK /inbox");
    assert_int_equal(h->out.len, 0);
    hall_turn(h);
    assert_string_equal(hall_read_all(h), "240 /inbox:* u=0 t=0\n");
}

static void quit_closes_behind_what_waits(void **state)
{
    struct hall *h = *state;

    hall_say(h, "DELIVER TO bob@a.com; DATA a LENGTH 1; DONE; QUIT\nx");
    assert_false(h->is_closed);
    (void)hall_read_all(h);
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY "205 Closing the connection.\n");
    assert_true(h->is_closed);
}

static void a_message_that_was_begun_at_stake_is_dropped(void **state)
{
    struct hall *h = *state;

    make_dirty(h);
    hall_say(h, "DELIVER TO bob@a.com");
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY);
    hall_expect(h, "DONE", "463 no message in progress: DELIVER begins one\n");
    /* One that was answered in an earlier turn stays. */
    hall_expect(h, "DELIVER TO bob@a.com", "270 Ok, ready to deliver. Give me your DATA.\n");
    make_dirty(h);
    hall_say(h, "MBOX CHECK /inbox");
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY);
    hall_expect(h, "DATA a LENGTH 1\nxCANCEL",
                "271 a Saving part\n272 a Part saved\n273 Message cancelled.\n");
}

static void octets_of_a_part_that_was_refused_by_the_commit_are_swallowed(void **state)
{
    struct hall *h = *state;

    hall_expect(h, "DELIVER TO bob@a.com", "270 Ok, ready to deliver. Give me your DATA.\n");
    make_dirty(h);
    hall_say(h, "DATA a LENGTH 10");
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY);
    hall_send(h, "QUIT\nQUIT\nNOOP\n", 15);
    assert_string_equal(hall_read_all(h), "200 Done.\n");
    /* Without LENGTH the client waits for 271, and sends none. */
    hall_expect(h, "DELIVER TO bob@a.com", "270 Ok, ready to deliver. Give me your DATA.\n");
    make_dirty(h);
    hall_say(h, "DATA a");
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY);
    hall_expect(h, "NOOP", "200 Done.\n");
    /* All its octets had come. */
    hall_expect(h, "DELIVER TO bob@a.com", "270 Ok, ready to deliver. Give me your DATA.\n");
    make_dirty(h);
    hall_say(h, "DATA a LENGTH 1\nxNOOP");
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY "200 Done.\n");
    hall_expect(h, "DONE", "463 no message in progress: DELIVER begins one\n");
}

static void send_octets(struct hall *h, size_t n)
{
    struct str octets = STR_INIT;

    for (size_t i = 0; i < n; i++)
        str_addc(&octets, 'x');
    hall_send(h, octets.s, octets.len);
    str_clear(&octets);
}

static void a_message_whose_draft_is_lost_ends_with_its_part(void **state)
{
    struct hall *h = *state;

    hall_expect(h, "DELIVER TO bob@a.com", "270 Ok, ready to deliver. Give me your DATA.\n");
    hall_expect(h, "DATA a LENGTH 600000", "271 a Saving part\n");
    send_octets(h, 550000);
    assert_true(store_is_dirty(h->mail.store));
    fail_turn(h);
    assert_int_equal(h->out.len, 0);
    send_octets(h, 50000);
    hall_turn(h);
    assert_true(str_starts(hall_read(h), "702 "));
    hall_say(h, "DONE");
    hall_turn(h);
    assert_true(str_starts(hall_read(h), "702 "));
    hall_expect(h, "DONE", "463 no message in progress: DELIVER begins one\n");
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 0);
}

static void a_fetch_whose_mark_was_lost_is_702_and_unread(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    str_addf(&line, "MBOX FETCH /inbox#%s PART text.txt",
             hall_message(h, "alice@a.com", "One", "octets"));
    hall_say(h, str_c(&line));
    assert_int_equal(h->out.len, 0);
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY);
    assert_int_equal(hall_unread(h, "alice@a.com", "INBOX"), 1);
    hall_say(h, str_c(&line));
    hall_turn(h);
    assert_non_null(strstr(hall_read_all(h), "length=6\noctets\n"));
    assert_int_equal(hall_unread(h, "alice@a.com", "INBOX"), 0);
    str_clear(&line);
}

/* Read one octet block of that size of a message that hall_message() made of 'x'. */
static void expect_block(struct hall *h, size_t n)
{
    const char *octets = hall_read_octets(h, n + 1);

    for (size_t i = 0; i < n; i++)
        assert_int_equal(octets[i], 'x');
    assert_int_equal(octets[n], '\n');
}

static void a_block_that_began_before_is_finished_whatever_the_commit_says(void **state)
{
    struct hall *h = *state;
    const size_t size = 300000;
    struct str text = STR_INIT;

    for (size_t i = 0; i < size; i++)
        str_addc(&text, 'x');
    for (size_t i = 0; i < 3; i++)
        (void)hall_message(h, "alice@a.com", "Many", str_c(&text));
    h->counts_out = true;
    hall_say(h, "MBOX FETCH /inbox:* PART text.txt");
    hall_turn(h);
    assert_non_null(strstr(hall_read(h), "length=300000"));
    /* The first block is under way; in this turn it ends and the second begins, at stake. */
    h->counts_out = false;
    session_drained(h->session);
    assert_int_equal(h->out.len, size + 1);
    assert_true(h->session->held.len > 0);
    fail_turn(h);
    expect_block(h, size);
    assert_string_equal(hall_read_all(h), "702 " WHY);
    assert_int_equal(hall_unread(h, "alice@a.com", "INBOX"), 2);
    hall_expect(h, "NOOP", "200 Done.\n");
    /* And again, with success. */
    hall_say(h, "MBOX FETCH /inbox::unread PART text.txt");
    hall_turn(h);
    while (h->session->n_jobs > 0) {
        session_drained(h->session);
        hall_turn(h);
    }
    (void)hall_read(h);
    expect_block(h, size);
    (void)hall_read(h);
    expect_block(h, size);
    assert_string_equal(hall_read_all(h), "250 2 messages\n");
    assert_int_equal(hall_unread(h, "alice@a.com", "INBOX"), 0);
    str_clear(&text);
}

static void commands_behind_a_failed_one_run_on(void **state)
{
    struct hall *h = *state;
    struct str text = STR_INIT;

    for (size_t i = 0; i < 300000; i++)
        str_addc(&text, 'x');
    (void)hall_message(h, "alice@a.com", "Big", str_c(&text));
    h->counts_out = true;
    hall_say(h, "MBOX FETCH /inbox:* PART text.txt; NOOP; MBOX CHECK /inbox");
    /* Half of the block is held, the rest of the line waits behind it. */
    assert_true(h->session->held.len > 100000);
    h->counts_out = false;
    fail_turn(h);
    assert_string_equal(hall_read_all(h), "702 " WHY "200 Done.\n240 /inbox:* u=1 t=1\n");
    assert_int_equal(h->resumes, 1);
    str_clear(&text);
}

static void a_session_that_goes_waits_for_no_commit(void **state)
{
    struct hall *h = *state;

    hall_say(h, "DELIVER TO bob@a.com; DATA a LENGTH 1; DONE\nx");
    session_destroy(&h->session);
    hall_turn(h);
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), 1);
}

static void an_ending_session_says_so_behind_what_waits(void **state)
{
    struct hall *h = *state;

    hall_say(h, "DELIVER TO bob@a.com; DATA a LENGTH 1; DONE\nx");
    (void)hall_read_all(h);
    session_end(h->session, STATUS_SHUTTING_DOWN);
    assert_false(h->is_closed);
    hall_turn(h);
    assert_true(str_starts(hall_read(h), "201 bob@a.com"));
    assert_string_equal(hall_read_all(h), "701 The server is shutting down.\n");
    assert_true(h->is_closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(delivered_is_said_after_the_commit),
        T(a_failed_commit_is_702_and_nothing_is_kept),
        T(what_saw_uncommitted_data_is_at_stake_too),
        T(quit_closes_behind_what_waits),
        T(a_message_that_was_begun_at_stake_is_dropped),
        T(octets_of_a_part_that_was_refused_by_the_commit_are_swallowed),
        T(a_message_whose_draft_is_lost_ends_with_its_part),
        T(a_fetch_whose_mark_was_lost_is_702_and_unread),
        T(a_block_that_began_before_is_finished_whatever_the_commit_says),
        T(commands_behind_a_failed_one_run_on),
        T(a_session_that_goes_waits_for_no_commit),
        T(an_ending_session_says_so_behind_what_waits),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
