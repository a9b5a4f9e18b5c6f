/* SPDX-License-Identifier: MIT */
/* The store's contract, over every backend: transactions, savepoints, totals, housekeeping. */
#include "config.h"

#include <string.h>

#include "contract/store_suite.h"

/* ---- transactions (store/store.h) ---- */

static void what_is_committed_is_there_after_a_restart(void **state)
{
    struct suite *s = *state;
    char uuid[UUID_SIZE];
    struct entry e;

    suite_deliver(s, s->inbox, &(struct text){ 0 }, uuid);
    assert_result(s, 0, store_commit(s->st, &s->err));
    suite_reopen(s);
    assert_result(s, 1, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_int_equal(suite_folder(s, s->inbox).total, 1);
}

static void what_is_not_committed_is_gone_after_a_restart(void **state)
{
    struct suite *s = *state;
    char uuid[UUID_SIZE];
    struct entry e;

    suite_deliver(s, s->inbox, &(struct text){ 0 }, uuid);
    suite_reopen(s);
    assert_result(s, 0, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_int_equal(suite_folder(s, s->inbox).total, 0);
    assert_int_equal(suite_totals(s).messages, 0);
}

static void a_read_sees_what_the_turn_has_written(void **state)
{
    struct suite *s = *state;
    char uuid[UUID_SIZE];
    struct entry e;

    suite_deliver(s, s->inbox, &(struct text){ 0 }, uuid);
    assert_result(s, 1, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_int_equal(suite_totals(s).messages, 1);
    store_rollback(s->st);
    assert_result(s, 0, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_int_equal(suite_totals(s).messages, 0);
}

static void reading_makes_nothing_dirty_and_writing_does(void **state)
{
    struct suite *s = *state;
    struct folder f;

    assert_result(s, 0, store_savepoint(s->st, &s->err));
    assert_result(s, 1, folder_get(s->st, s->account, "sent", &f, &s->err));
    folder_clear(&f);
    assert_false(store_is_dirty(s->st));
    assert_result(s, 0, store_release(s->st, &s->err));
    assert_false(store_is_dirty(s->st));
    assert_result(s, 0, store_commit(s->st, &s->err));  /* nothing to commit */

    suite_deliver(s, s->inbox, &(struct text){ 0 }, NULL);
    assert_true(store_is_dirty(s->st));
    assert_result(s, 0, store_commit(s->st, &s->err));
    assert_false(store_is_dirty(s->st));
}

static void rollback_without_a_transaction_does_nothing(void **state)
{
    struct suite *s = *state;

    store_rollback(s->st);
    store_rollback(s->st);
    assert_false(store_is_dirty(s->st));
}

/* ---- savepoints: a command that fails takes nothing of the others back ---- */

static void undo_takes_back_one_command_of_the_turn(void **state)
{
    struct suite *s = *state;
    char first[UUID_SIZE], second[UUID_SIZE];
    struct entry e;

    assert_result(s, 0, store_savepoint(s->st, &s->err));
    suite_deliver(s, s->inbox, &(struct text){ 0 }, first);
    assert_result(s, 0, store_release(s->st, &s->err));
    assert_result(s, 0, store_savepoint(s->st, &s->err));
    suite_deliver(s, s->inbox, &(struct text){ 0 }, second);
    assert_int_equal(suite_totals(s).messages, 2);
    store_undo(s->st);
    assert_int_equal(suite_totals(s).messages, 1);
    assert_int_equal(suite_folder(s, s->inbox).unread, 1);
    assert_true(store_is_dirty(s->st));
    assert_result(s, 0, store_commit(s->st, &s->err));
    assert_result(s, 1, entry_get(s->st, s->inbox, first, &e, &s->err));
    assert_result(s, 0, entry_get(s->st, s->inbox, second, &e, &s->err));
}

static void undo_of_the_turns_first_command_leaves_it_clean(void **state)
{
    struct suite *s = *state;

    assert_result(s, 0, store_savepoint(s->st, &s->err));
    suite_deliver(s, s->inbox, &(struct text){ 0 }, NULL);
    store_undo(s->st);
    assert_false(store_is_dirty(s->st));
    assert_int_equal(suite_totals(s).messages, 0);
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void undo_of_a_command_that_read_keeps_the_turn(void **state)
{
    struct suite *s = *state;

    suite_deliver(s, s->inbox, &(struct text){ 0 }, NULL);
    assert_result(s, 0, store_savepoint(s->st, &s->err));
    assert_int_equal(suite_folder(s, s->inbox).total, 1);
    store_undo(s->st);
    assert_int_equal(suite_folder(s, s->inbox).total, 1);
    assert_result(s, 0, store_commit(s->st, &s->err));
    assert_int_equal(suite_folder(s, s->inbox).total, 1);
}

static void undo_without_a_savepoint_does_nothing(void **state)
{
    struct suite *s = *state;

    suite_deliver(s, s->inbox, &(struct text){ 0 }, NULL);
    store_undo(s->st);
    assert_int_equal(suite_folder(s, s->inbox).total, 1);
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void rollback_ends_the_savepoint_too(void **state)
{
    struct suite *s = *state;

    assert_result(s, 0, store_savepoint(s->st, &s->err));
    suite_deliver(s, s->inbox, &(struct text){ 0 }, NULL);
    store_rollback(s->st);
    assert_false(store_is_dirty(s->st));
    assert_result(s, 0, store_savepoint(s->st, &s->err));
    assert_result(s, 0, store_release(s->st, &s->err));
}

static void ids_that_were_taken_back_may_come_again_but_never_twice(void **state)
{
    struct suite *s = *state;
    int64_t one, two;

    one = suite_deliver(s, s->inbox, &(struct text){ 0 }, NULL);
    assert_result(s, 0, store_commit(s->st, &s->err));
    suite_reopen(s);
    two = suite_deliver(s, s->inbox, &(struct text){ 0 }, NULL);
    assert_true(two > one);
    assert_result(s, 0, store_commit(s->st, &s->err));
}

/* ---- totals ---- */

static void totals_follow_what_is_stored(void **state)
{
    struct suite *s = *state;
    struct account bob = { .address = (char *)"bob@a.example" };
    struct queue_entry q = {
        .origin = (char *)"a.example",
        .destination = (char *)"b.example",
        .sender = (char *)"alice@a.example",
        .header = (char *)"{}",
        .expires_ms = 9,
    };
    struct store_totals t;
    char uuid[UUID_SIZE];

    assert_result(s, 1, account_put(s->st, &bob, &s->err));
    suite_deliver(s, s->inbox, &(struct text){ .body = "12345678" }, uuid);
    q.content = suite_content(s, &(struct text){ .body = "123" }, q.message);
    assert_result(s, 1, queue_put(s->st, &q, &s->err));
    t = suite_totals(s);
    assert_int_equal(t.accounts, 2);
    assert_int_equal(t.messages, 1);
    assert_int_equal(t.queued, 1);
    assert_int_equal(t.bytes, 11);

    assert_result(s, 1, account_del(s->st, "bob@a.example", &s->err));
    assert_result(s, 1, entry_del(s->st, s->inbox, uuid, &s->err));
    assert_result(s, 1, queue_del(s->st, q.id, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    t = suite_totals(s);
    assert_int_equal(t.accounts, 1);
    assert_int_equal(t.messages, 0);
    assert_int_equal(t.queued, 0);
    assert_int_equal(t.bytes, 0);
}

/* ---- housekeeping ---- */

static void tidy_all(struct suite *s, int64_t drafts_before_ms, int64_t records_before_ms)
{
    int rc;

    while ((rc = store_tidy(s->st, drafts_before_ms, records_before_ms, 1000, &s->err)) == 1)
        assert_result(s, 0, store_commit(s->st, &s->err));
    assert_result(s, 0, rc);
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void tidy_drops_old_drafts_and_spares_new_ones(void **state)
{
    struct suite *s = *state;
    struct str out = STR_INIT;
    int64_t old, new;

    assert_result(s, 1, content_begin(s->st, 1000, &old, &s->err));
    assert_result(s, 1, content_append(s->st, old, 0, "old", 3, &s->err));
    assert_result(s, 1, content_begin(s->st, 3000, &new, &s->err));
    assert_result(s, 1, content_append(s->st, new, 0, "new", 3, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    tidy_all(s, 2000, 0);
    assert_result(s, 0, content_chunk(s->st, old, 0, &out, &s->err));
    assert_result(s, 1, content_chunk(s->st, new, 0, &out, &s->err));
    assert_string_equal(str_c(&out), "new");
    str_clear(&out);
}

static void tidy_drops_what_was_finished_and_never_used(void **state)
{
    struct suite *s = *state;
    int64_t unused = suite_content(s, &(struct text){ 0 }, NULL);  /* at 1000 */
    struct content c;
    char uuid[UUID_SIZE];
    struct entry e;

    suite_deliver(s, s->inbox, &(struct text){ 0 }, uuid);
    assert_result(s, 0, store_commit(s->st, &s->err));
    tidy_all(s, 2000, 0);
    assert_result(s, 0, content_get(s->st, unused, &c, &s->err));
    assert_result(s, 1, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_result(s, 1, content_get(s->st, e.content, &c, &s->err));
    content_clear(&c);
}

static void tidy_drops_old_records(void **state)
{
    struct suite *s = *state;
    struct record r = { .scope = (char *)"b.example", .results = (char *)"201" }, got;
    char uuids[300][UUID_SIZE];

    for (int i = 0; i < 300; i++) {
        uuid_generate(uuids[i]);
        memcpy(r.uuid, uuids[i], UUID_SIZE);
        r.seen_ms = i;
        assert_result(s, 1, record_put(s->st, &r, &s->err));
    }
    assert_result(s, 0, store_commit(s->st, &s->err));
    tidy_all(s, 0, 250);
    for (int i = 0; i < 300; i++) {
        assert_result(s, i >= 250, record_get(s->st, "b.example", uuids[i], &got, &s->err));
        record_clear(&got);
    }
}

static void tidy_with_nothing_to_do_writes_nothing(void **state)
{
    struct suite *s = *state;

    tidy_all(s, 0, 0);
    assert_result(s, 0, store_tidy(s->st, 5000, 5000, 1000, &s->err));
    assert_false(store_is_dirty(s->st));
}

static void tidy_stops_when_its_budget_is_used_up(void **state)
{
    struct suite *s = *state;
    int64_t id;
    int rc, slices = 0;

    for (int i = 0; i < 50; i++) {
        assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
        assert_result(s, 1, content_append(s->st, id, 0, "x", 1, &s->err));
    }
    assert_result(s, 0, store_commit(s->st, &s->err));
    while ((rc = store_tidy(s->st, 1000, 0, 0, &s->err)) == 1)
        slices++;
    assert_result(s, 0, rc);
    assert_true(slices >= 50);
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void a_draft_belongs_to_the_command_that_began_it(void **state)
{
    struct suite *s = *state;
    struct entry e = { .folder = s->inbox, .size = 5 };
    struct str out = STR_INIT;
    struct content c;
    int64_t one, two;

    /* Begun by one command and used by another that is undone: a draft again. */
    one = suite_content(s, &(struct text){ 0 }, e.uuid);
    assert_result(s, 0, store_savepoint(s->st, &s->err));
    e.content = one;
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    assert_result(s, 1, content_begin(s->st, 1000, &two, &s->err));
    assert_result(s, 1, content_append(s->st, two, 0, "x", 1, &s->err));
    store_undo(s->st);
    assert_result(s, 1, content_get(s->st, one, &c, &s->err));
    content_clear(&c);
    assert_result(s, 0, content_chunk(s->st, two, 0, &out, &s->err));
    assert_result(s, 1, store_check(s->st, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    tidy_all(s, 2000, 0);
    assert_result(s, 0, content_get(s->st, one, &c, &s->err));
}

static void a_draft_goes_on_in_later_turns(void **state)
{
    struct suite *s = *state;
    char uuid[UUID_SIZE];
    struct entry e = { .folder = s->inbox, .size = 5 };

    e.content = suite_content(s, &(struct text){ 0 }, uuid);
    memcpy(e.uuid, uuid, UUID_SIZE);
    assert_result(s, 0, store_commit(s->st, &s->err));
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    tidy_all(s, 2000, 0);
    assert_result(s, 1, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_result(s, 1, store_check(s->st, &s->err));
}

int main(void)
{
    const struct CMUnitTest store[] = {
        SUITE_TEST(what_is_committed_is_there_after_a_restart),
        SUITE_TEST(what_is_not_committed_is_gone_after_a_restart),
        SUITE_TEST(a_read_sees_what_the_turn_has_written),
        SUITE_TEST(reading_makes_nothing_dirty_and_writing_does),
        SUITE_TEST(rollback_without_a_transaction_does_nothing),
        SUITE_TEST(undo_takes_back_one_command_of_the_turn),
        SUITE_TEST(undo_of_the_turns_first_command_leaves_it_clean),
        SUITE_TEST(undo_of_a_command_that_read_keeps_the_turn),
        SUITE_TEST(undo_without_a_savepoint_does_nothing),
        SUITE_TEST(rollback_ends_the_savepoint_too),
        SUITE_TEST(ids_that_were_taken_back_may_come_again_but_never_twice),
        SUITE_TEST(totals_follow_what_is_stored),
        SUITE_TEST(tidy_drops_old_drafts_and_spares_new_ones),
        SUITE_TEST(tidy_drops_what_was_finished_and_never_used),
        SUITE_TEST(a_draft_belongs_to_the_command_that_began_it),
        SUITE_TEST(a_draft_goes_on_in_later_turns),
        SUITE_TEST(tidy_drops_old_records),
        SUITE_TEST(tidy_with_nothing_to_do_writes_nothing),
        SUITE_TEST(tidy_stops_when_its_budget_is_used_up),
    };

    return SUITE_RUN(store);
}
