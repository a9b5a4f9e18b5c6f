/* SPDX-License-Identifier: MIT */
/*
 * Every call of the store fails once: for each operation, the n-th call, for n from 1 until the
 * operation passes. After each: nobody was promised what is not on disk, nothing is half there,
 * the store is sound, and the same again succeeds.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store_failing.h"
#include "lib/test.h"

#include "base/mem.h"
#include "mail/accounts.h"
#include "mail/notice.h"
#include "mail/render.h"
#include "wire/status.h"

#include "unit/mail/desk.h"

#define MANY 200   /* more calls than any operation makes */

static struct desk *desk;

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    desk_account(desk, "alice@a.com");
    desk_account(desk, "bob@a.com");
    desk_account(desk, "carol@a.org");
    desk_turn(desk);
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    store_failing_nth(desk->mail.store, 0);
    desk_sound(desk);
    desk_close(&desk);
    return 0;
}

/* What was said in this turn holds only if its commit did. */
enum outcome { NOT_HEARD = 0, KEPT, LOST };

static void hear(void *ctx, bool ok, const struct err *err)
{
    enum outcome *o = ctx;

    assert_int_equal(*o, NOT_HEARD);
    *o = ok ? KEPT : LOST;
    if (!ok) {
        assert_int_equal(err->kind, ERR_TEMPORARY);
        assert_int_equal(err->status, STATUS_STORAGE);
    }
}

static bool turn_keeps(void)
{
    enum outcome o = NOT_HEARD;

    turn_join(desk->mail.turn, hear, &o);
    desk_turn(desk);
    assert_int_not_equal(o, NOT_HEARD);
    return o == KEPT;
}

/* As a new start sees it: only what is on disk. */
struct on_disk {
    int64_t bob, carol, alice, sent;   /* messages in INBOX; alice's SENT */
    int64_t queued;
};

static struct on_disk look(void)
{
    struct store *live = desk->mail.store;
    struct on_disk seen;

    assert_int_equal(store_open("sqlite:immp.db", desk->dir, &desk->mail.store, NULL), 0);
    seen.bob = desk_total(desk, "bob@a.com", "INBOX");
    seen.carol = desk_total(desk, "carol@a.org", "INBOX");
    seen.alice = desk_total(desk, "alice@a.com", "INBOX");
    seen.sent = desk_total(desk, "alice@a.com", "SENT");
    seen.queued = desk_queued(desk);
    store_close(&desk->mail.store);
    desk->mail.store = live;
    return seen;
}

/* ---- submissions ---- */

static int deliver_part(struct submit *s, const char *name, bool is_content, const char *p,
                        size_t n, struct err *err)
{
    if (submit_part(s, name, NULL, is_content, false, n, err) < 0)
        return -1;
    for (size_t at = 0; at < n; at += 65536)
        if (submit_octets(s, p + at, MIN(n - at, (size_t)65536), err) < 0)
            return -1;
    return submit_part_end(s, err);
}

/*
 * alice writes to bob, to carol and, what is small enough, to x@b.com, asking for receipts. True if
 * all were promised. with_turn: the loop turns between the parts, as it does for large ones.
 */
static bool submit(const char *id, const char *p, size_t n, bool with_turn)
{
    const char *to[] = { "bob@a.com", "carol@a.org", "x@b.com" };
    struct submit_request req = { .account = "alice@a.com", .to = to, .id = id,
                                  .n_to = n < 100000 ? 3 : 2, .flags = MESSAGE_RECEIPT };
    struct submit_result *r = NULL;
    struct submit *s = NULL;
    struct err err = { ERR_NONE };
    size_t n_results = 0, good = 0;
    bool is_kept;
    int rc = submit_begin(&desk->mail, &req, &s, &err);

    if (rc == 0)
        rc = deliver_part(s, "one", true, p, n, &err);
    if (rc == 0 && with_turn)
        desk_turn(desk);
    if (rc == 0)
        rc = deliver_part(s, "two", false, p, n, &err);
    if (rc == 0)
        rc = submit_done(s, &r, &n_results, &err);
    if (rc < 0) {
        assert_int_equal(err.kind, ERR_TEMPORARY);
        assert_int_equal(err.status, STATUS_STORAGE);
        assert_null(r);
    }
    for (size_t i = 0; i < n_results; i++)
        good += status_is_success(r[i].code);
    assert_true(good == 0 || good == req.n_to);
    submit_results_free(&r, n_results);
    submit_destroy(&s);
    is_kept = turn_keeps();
    return good == req.n_to && is_kept;
}

static void each_failure_of(size_t n, bool with_turn)
{
    char *p = mem_zalloc(n);
    const int64_t queued = n < 100000;   /* a message */
    int64_t want = 0;
    bool is_over = false;

    for (size_t nth = 1; !is_over; nth++) {
        struct on_disk seen;
        char id[UUID_SIZE];
        bool is_promised;

        assert_true(nth < MANY);
        uuid_generate(id);
        store_failing_nth(desk->mail.store, nth);
        is_promised = submit(id, p, n, with_turn);
        is_over = !store_failing_has_failed(desk->mail.store);
        store_failing_nth(desk->mail.store, 0);
        desk_sound(desk);
        assert_true(is_promised || !is_over);
        seen = look();
        assert_int_equal(seen.bob, want + is_promised);
        assert_int_equal(seen.carol, want + is_promised);
        assert_int_equal(seen.sent, want + is_promised);
        assert_int_equal(seen.alice, 2 * (want + is_promised));   /* receipts */
        assert_int_equal(seen.queued, queued * (want + is_promised));
        /* The client tries again under the same id: exactly once, whatever it was told. */
        assert_true(submit(id, p, n, with_turn));
        want++;
        seen = look();
        assert_int_equal(seen.bob, want);
        assert_int_equal(seen.queued, queued * want);
    }
    assert_true(want > 10);
    free(p);
}

static void a_small_submission_is_whole_or_not_there(void **state)
{
    (void)state;
    each_failure_of(1000, false);
}

static void a_large_submission_is_whole_or_not_there(void **state)
{
    (void)state;
    each_failure_of(300000, false);
}

static void a_submission_over_two_turns_is_whole_or_not_there(void **state)
{
    (void)state;
    each_failure_of(300000, true);
}

/* The turn that wrote its first chunks is lost: nothing that comes later may pass for whole. */
static void a_draft_that_was_lost_ends_its_submission(void **state)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    struct submit_result *r = NULL;
    struct err err = { ERR_NONE };
    char *p = mem_zalloc(600000);
    size_t n = 0;

    (void)state;
    assert_int_equal(deliver_part(s, "one", true, p, 600000, &err), 0);
    store_failing_nth(desk->mail.store, 1);
    desk_turn(desk);   /* its commit */
    assert_true(store_failing_has_failed(desk->mail.store));
    store_failing_nth(desk->mail.store, 0);
    assert_int_equal(submit_part(s, "two", NULL, false, false, 1, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    err_clear(&err);
    assert_int_equal(submit_done(s, &r, &n, &err), -1);
    assert_int_equal(err.status, STATUS_STORAGE);
    submit_destroy(&s);
    desk_turn(desk);
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 0);
    free(p);
}

/* ---- the turn ---- */

static void a_failed_commit_is_told_to_everybody_and_leaves_nothing(void **state)
{
    enum outcome a = NOT_HEARD, b = NOT_HEARD;

    (void)state;
    desk_account(desk, "dave@a.com");
    turn_join(desk->mail.turn, hear, &a);
    turn_join(desk->mail.turn, hear, &b);
    store_failing_nth(desk->mail.store, 1);
    desk_turn(desk);
    assert_int_equal(a, LOST);
    assert_int_equal(b, LOST);
    assert_int_equal(turn_counters(desk->mail.turn)->failures, 1);
    assert_int_equal(account_get(desk->mail.store, "dave@a.com", &(struct account){ 0 }, NULL), 0);
    desk_account(desk, "dave@a.com");
    assert_true(turn_keeps());
}

/* On failure a participant rebuilds: it may write and join again, and hears how that went. */
static int tries;

static void try_again(void *ctx, bool ok, const struct err *err)
{
    (void)err;
    if (ok)
        return;
    tries++;
    store_failing_nth(desk->mail.store, tries < 3 ? 2 : 0);   /* 1 is the write, 2 its commit */
    desk_account(desk, "dave@a.com");
    turn_join(desk->mail.turn, try_again, ctx);
}

static void what_is_rebuilt_after_a_failure_is_committed_in_the_same_turn(void **state)
{
    struct account a = { 0 };

    (void)state;
    tries = 0;
    desk_account(desk, "erin@a.com");
    turn_join(desk->mail.turn, try_again, desk);
    store_failing_nth(desk->mail.store, 1);
    desk_turn(desk);
    assert_int_equal(tries, 3);
    assert_false(store_is_dirty(desk->mail.store));
    assert_int_equal(account_get(desk->mail.store, "dave@a.com", &a, NULL), 1);
    account_clear(&a);
    assert_int_equal(turn_counters(desk->mail.turn)->failures, 3);
}

/* ---- accounts and logins ---- */

struct answer {
    int calls;
    struct err err;
};

static void take_answer(void *ctx, const struct err *err)
{
    struct answer *a = ctx;

    a->calls++;
    a->err = err != NULL ? *err : (struct err){ ERR_NONE };
}

static void an_account_is_made_whole_or_not_at_all(void **state)
{
    struct accounts *accounts;
    bool is_over = false;

    (void)state;
    desk->mail.worker = worker_create(desk->mail.loop, 1, NULL);
    accounts = accounts_create(&desk->mail);
    for (size_t nth = 1; !is_over; nth++) {
        struct answer a = { 0 };
        struct account made = { 0 };
        char address[32];
        int found;

        assert_true(nth < MANY);
        snprintf(address, sizeof address, "user%zu@a.com", nth);
        accounts_add(accounts, address, "secret", take_answer, &a);
        while (worker_queued(desk->mail.worker) > 0 || a.calls == 0) {
            /* The commit of the turn in which it was done fails too. */
            store_failing_nth(desk->mail.store, nth);
            loop_turn(desk->mail.loop, true);
        }
        is_over = !store_failing_has_failed(desk->mail.store);
        store_failing_nth(desk->mail.store, 0);
        assert_true(a.err.kind == ERR_NONE || a.err.kind == ERR_TEMPORARY);
        found = account_get(desk->mail.store, address, &made, NULL);
        account_clear(&made);
        assert_true(found == 0 || a.err.kind == ERR_NONE);
        assert_true(found == 1 || !is_over);
        desk_sound(desk);
    }
    accounts_destroy(&accounts);
    worker_destroy(&desk->mail.worker);
}

static void trouble_with_the_store_is_no_wrong_secret_and_no_login(void **state)
{
    struct accounts *accounts = accounts_create(&desk->mail);
    bool is_over = false;

    (void)state;
    for (size_t nth = 1; !is_over; nth++) {
        struct login lg;
        struct err err = { ERR_NONE };
        int rc;

        store_failing_nth(desk->mail.store, nth);
        rc = login_begin(accounts, "alice@a.com", "192.0.2.1", &lg, &err);
        if (rc == 0)
            rc = login_check(accounts, &lg, "192.0.2.1", "00", NULL, &err);
        assert_int_equal(rc, -1);
        is_over = !store_failing_has_failed(desk->mail.store);
        assert_int_equal(err.status, is_over ? STATUS_AUTH_FAILED : STATUS_STORAGE);
    }
    accounts_destroy(&accounts);
}

/* ---- notices ---- */

static void a_notice_is_whole_or_not_there(void **state)
{
    char *admins[] = { (char[]){ "alice@a.com" }, (char[]){ "carol@a.org" } };
    struct message about;
    int64_t want = 0;
    bool is_over = false;

    (void)state;
    message_init(&about);
    uuid_generate(about.id);
    about.kind = MESSAGE_MAIL;
    desk->domains[0].admins = admins;
    desk->domains[0].n_admins = 2;
    for (size_t nth = 1; !is_over; nth++) {
        struct on_disk seen;
        struct err err = { ERR_NONE };
        int rc;

        assert_true(nth < MANY);
        store_failing_nth(desk->mail.store, nth);
        rc = store_savepoint(desk->mail.store, &err);
        if (rc == 0) {
            rc = notice_send(&desk->mail, NOTICE_FAILED, &about, "bob@a.com", "x@b.com", 440,
                             "no such account", &err);
            if (rc == 0)
                rc = notice_admins(&desk->mail, &desk->domains[0], "s", "t", &err);
            if (rc == 0)
                rc = store_release(desk->mail.store, &err);
            else
                store_undo(desk->mail.store);
        }
        assert_true(rc == 0 || err.kind == ERR_TEMPORARY);
        if (turn_keeps() && rc == 0)
            want++;
        is_over = !store_failing_has_failed(desk->mail.store);
        store_failing_nth(desk->mail.store, 0);
        desk_sound(desk);
        seen = look();
        assert_int_equal(seen.bob, want);
        assert_int_equal(seen.alice, want);
        assert_int_equal(seen.carol, want);
    }
    assert_int_equal(want, 1);
}

/* ---- reading ---- */

static void a_rendering_is_whole_or_fails(void **state)
{
    static const enum render_form forms[] = { RENDER_MIME, RENDER_JSON, RENDER_HEADERS };
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    char *p = mem_zalloc(600000);
    struct entry e;

    (void)state;
    memset(p, 'x', 600000);
    desk_part(s, "one", NULL, true, p, 1000);
    desk_part(s, "two", NULL, false, p, 600000);
    free(desk_done(&s));
    desk_turn(desk);
    e = desk_newest(desk, "bob@a.com", "INBOX");
    for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
        struct render_request req = { .form = forms[i], .to = UINT64_MAX };
        bool is_over = false;

        for (size_t nth = 1; !is_over; nth++) {
            struct render *r = NULL;
            struct str out = STR_INIT;
            struct err err = { ERR_NONE };
            int rc;

            assert_true(nth < MANY);
            store_failing_nth(desk->mail.store, nth);
            rc = render_open(&desk->mail, &e, &req, &r, &err) < 0 ? -1 : 1;
            while (rc == 1)
                rc = render_read(r, 65536, &out, &err);
            is_over = !store_failing_has_failed(desk->mail.store);
            assert_int_equal(rc, is_over ? 0 : -1);
            assert_int_equal(err.kind, is_over ? ERR_NONE : ERR_TEMPORARY);
            if (rc == 0)
                assert_int_equal(out.len, render_length(r));
            render_close(&r);
            str_clear(&out);
        }
    }
    free(p);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(a_small_submission_is_whole_or_not_there),
        CASE(a_large_submission_is_whole_or_not_there),
        CASE(a_submission_over_two_turns_is_whole_or_not_there),
        CASE(a_draft_that_was_lost_ends_its_submission),
        CASE(a_failed_commit_is_told_to_everybody_and_leaves_nothing),
        CASE(what_is_rebuilt_after_a_failure_is_committed_in_the_same_turn),
        CASE(an_account_is_made_whole_or_not_at_all),
        CASE(trouble_with_the_store_is_no_wrong_secret_and_no_login),
        CASE(a_notice_is_whole_or_not_there),
        CASE(a_rendering_is_whole_or_fails),
    };

    return cmocka_run_group_tests_name("failing", tests, NULL, NULL);
}
