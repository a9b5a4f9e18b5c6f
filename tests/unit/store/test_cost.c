/* SPDX-License-Identifier: MIT */
/*
 * What a step of the store costs must not grow with what is stored. Counted by SQLite itself, in
 * steps of its machine and in sorts, so that no clock is asked.
 */
#include "config.h"

#include <string.h>

#include "contract/store_suite.h"
#include "store/sqlite_private.h"

#define MANY 3000

static int steps_of(struct suite *s, enum sqlite_stmt stmt)
{
    return sqlite3_stmt_status(sqlite_of(s->st)->stmts[stmt], SQLITE_STMTSTATUS_VM_STEP, 1);
}

static int sorts_of(struct suite *s, enum sqlite_stmt stmt)
{
    return sqlite3_stmt_status(sqlite_of(s->st)->stmts[stmt], SQLITE_STMTSTATUS_SORT, 1);
}

static void queue_many(struct suite *s, int64_t due_ms)
{
    for (int i = 0; i < MANY; i++) {
        struct queue_entry q = {
            .origin = (char *)"a.example",
            .destination = (char *)"b.example",
            .sender = (char *)"alice@a.example",
            .header = (char *)"{}",
            .due_ms = due_ms,
            .expires_ms = INT64_C(1) << 50,
            .size = 5,
        };

        q.content = suite_content(s, &(struct text){ 0 }, q.message);
        assert_result(s, 1, queue_put(s->st, &q, &s->err));
    }
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static int keep_id(void *ctx, const struct queue_entry *q)
{
    *(int64_t *)ctx = q->id;
    return 0;
}

/* After an outage all of a path is due at once. */
static void a_claim_looks_at_what_it_takes_only(void **state)
{
    struct suite *s = *state;
    int64_t id = 0, last = 0;

    queue_many(s, 1000);
    for (int i = 0; i < 3; i++) {
        assert_result(s, 1, queue_claim(s->st, "a.example", "b.example", 2000, 60000, 1, 1000000,
                                        keep_id, &id, &s->err));
        assert_true(id > last);   /* in the order of their coming */
        last = id;
        assert_int_equal(sorts_of(s, STMT_QUEUE_DUE), 0);
        assert_true(steps_of(s, STMT_QUEUE_DUE) < 500);
    }
}

/* When a link comes back, what was due all the time is not written again. */
static void to_hurry_touches_only_what_waits(void **state)
{
    struct suite *s = *state;
    int64_t id = 0;

    queue_many(s, 1000);
    assert_result(s, 1, queue_claim(s->st, "a.example", "b.example", 2000, 60000, 1, 1000000,
                                    keep_id, &id, &s->err));
    assert_result(s, 1, queue_defer(s->st, id, 90000, "the link is down", &s->err));
    assert_result(s, 1, queue_hurry(s->st, "b.example", 3000, &s->err));
    assert_true(steps_of(s, STMT_QUEUE_HURRY_TO) < 500);
    assert_result(s, 0, queue_hurry(s->st, NULL, 3000, &s->err));
    assert_true(steps_of(s, STMT_QUEUE_HURRY) < 500);
}

static int take_one(void *ctx, const struct entry *e, const char *summary)
{
    (void)summary;
    *(int64_t *)ctx = e->id;
    return 0;
}

static void a_mailbox_is_as_cheap_when_it_is_full(void **state)
{
    struct suite *s = *state;
    char uuid[UUID_SIZE];
    struct entry_query q = { .folder = s->inbox, .limit = 1, .newest_first = true };
    struct entry e;
    struct folder f;
    int64_t id = 0;

    for (int i = 0; i < MANY; i++)
        (void)suite_deliver(s, s->inbox, &(struct text){ 0 }, uuid);
    assert_result(s, 0, store_commit(s->st, &s->err));
    (void)steps_of(s, STMT_ENTRY_PUT);
    (void)suite_deliver(s, s->inbox, &(struct text){ 0 }, uuid);
    assert_true(steps_of(s, STMT_ENTRY_PUT) < 200);
    assert_result(s, 1, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_true(steps_of(s, STMT_ENTRY_GET) < 200);
    assert_result(s, 1, folder_get(s->st, s->account, "INBOX", &f, &s->err));
    assert_int_equal(f.total, MANY + 1);
    assert_true(steps_of(s, STMT_FOLDER_GET) < 200);
    folder_clear(&f);
    assert_result(s, 1, entry_each(s->st, &q, take_one, &id, &s->err));
    assert_int_equal(id, e.id);
    assert_int_equal(sorts_of(s, STMT_ENTRY_EACH_DOWN), 0);
    assert_true(steps_of(s, STMT_ENTRY_EACH_DOWN) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(a_claim_looks_at_what_it_takes_only),
        SUITE_TEST(to_hurry_touches_only_what_waits),
        SUITE_TEST(a_mailbox_is_as_cheap_when_it_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
