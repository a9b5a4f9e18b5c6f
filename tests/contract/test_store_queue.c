/* SPDX-License-Identifier: MIT */
/* The store's contract, over every backend: the outbound queue. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "contract/store_suite.h"

#define LEASE_MS 500

struct put {
    const char *destination;  /* NULL: b.example */
    const char *origin;       /* NULL: a.example */
    int64_t due_ms;
    int64_t expires_ms;       /* 0: far away */
    const char *body;         /* NULL: "hello" */
};

static int64_t put(struct suite *s, const struct put *p)
{
    struct queue_entry q = {
        .origin = (char *)(p->origin != NULL ? p->origin : "a.example"),
        .destination = (char *)(p->destination != NULL ? p->destination : "b.example"),
        .sender = (char *)"alice@a.example",
        .header = (char *)"{\"ten\":10}",
        .due_ms = p->due_ms,
        .expires_ms = p->expires_ms != 0 ? p->expires_ms : 1000000,
        .size = (int64_t)strlen(p->body != NULL ? p->body : "hello"),
    };

    q.content = suite_content(s, &(struct text){ .body = p->body }, q.message);
    assert_result(s, 1, queue_put(s->st, &q, &s->err));
    assert_true(q.id > 0);
    assert_int_equal(q.state, QUEUE_QUEUED);
    return q.id;
}

static struct queue_entry get(struct suite *s, int64_t id)
{
    struct queue_entry q;

    assert_result(s, 1, queue_get(s->st, id, &q, &s->err));
    return q;
}

static void check_state(struct suite *s, int64_t id, enum queue_state state, int64_t due_ms,
                        int64_t lease_ms, int attempts)
{
    struct queue_entry q = get(s, id);

    assert_int_equal(q.state, state);
    assert_int_equal(q.due_ms, due_ms);
    assert_int_equal(q.lease_ms, lease_ms);
    assert_int_equal(q.attempts, attempts);
    queue_entry_clear(&q);
}

/* ---- what walks and claims give, as text: the ids' distance from the first ---- */

struct list {
    struct str s;
    int64_t first;
    int stop_after;  /* 0: never */
    int n;
};

static int add_id(void *ctx, const struct queue_entry *q)
{
    struct list *l = ctx;

    assert_non_null(q->origin);
    assert_non_null(q->header);
    str_addf(&l->s, "%lld ", (long long)(q->id - l->first));
    return ++l->n == l->stop_after;
}

static void check_claim(struct suite *s, int64_t now_ms, int max_entries, int64_t max_bytes,
                        int64_t first, const char *expected)
{
    struct list l = { .s = STR_INIT, .first = first };
    int n = queue_claim(s->st, "a.example", "b.example", now_ms, LEASE_MS, max_entries, max_bytes,
                        add_id, &l, &s->err);

    assert_int_equal(n, l.n);
    assert_string_equal(str_c(&l.s), expected);
    str_clear(&l.s);
}

/* ---- tests ---- */

static void an_entry_comes_back_as_it_was_put(void **state)
{
    struct suite *s = *state;
    struct queue_entry q = {
        .origin = (char *)"a.example",
        .destination = (char *)"b.example",
        .sender = (char *)"alice@a.example",
        .header = (char *)"{\"x\":\"\xc3\xa9\"}",
        .state = QUEUE_HELD,  /* not the caller's to say */
        .due_ms = 12,
        .created_ms = INT64_C(1800000000000),
        .expires_ms = INT64_C(1800000000001),
        .size = INT64_C(50) * 1024 * 1024,
        .is_secure = true,
    };
    struct queue_entry got;

    q.content = suite_content(s, &(struct text){ 0 }, q.message);
    assert_result(s, 1, queue_put(s->st, &q, &s->err));
    got = get(s, q.id);
    assert_int_equal(got.id, q.id);
    assert_string_equal(got.message, q.message);
    assert_string_equal(got.origin, "a.example");
    assert_string_equal(got.destination, "b.example");
    assert_string_equal(got.sender, "alice@a.example");
    assert_int_equal(got.content, q.content);
    assert_string_equal(got.header, q.header);
    assert_string_equal(got.settled, "");
    assert_int_equal(got.state, QUEUE_QUEUED);
    assert_int_equal(got.attempts, 0);
    assert_int_equal(got.due_ms, 12);
    assert_int_equal(got.lease_ms, 0);
    assert_true(got.created_ms == q.created_ms);
    assert_true(got.expires_ms == q.expires_ms);
    assert_true(got.size == q.size);
    assert_true(got.is_secure);
    assert_null(got.last_error);
    queue_entry_clear(&got);
    assert_result(s, 1, queue_del(s->st, q.id, &s->err));
    assert_result(s, 0, queue_get(s->st, q.id, &got, &s->err));
}

static void what_is_not_there_is_not_found(void **state)
{
    struct suite *s = *state;
    struct queue_entry q;

    assert_result(s, 0, queue_get(s->st, 4711, &q, &s->err));
    assert_result(s, 0, queue_defer(s->st, 4711, 1, "x", &s->err));
    assert_result(s, 0, queue_settle(s->st, 4711, "x\n", &s->err));
    assert_result(s, 0, queue_hold(s->st, 4711, true, &s->err));
    assert_result(s, 0, queue_hold(s->st, 4711, false, &s->err));
    assert_result(s, 0, queue_del(s->st, 4711, &s->err));
    check_claim(s, 100, 10, 1000, 0, "");
}

static void an_entry_needs_a_content_and_an_id(void **state)
{
    struct suite *s = *state;
    struct queue_entry q = {
        .origin = (char *)"a.example",
        .destination = (char *)"b.example",
        .sender = (char *)"alice@a.example",
        .header = (char *)"{}",
        .content = 4711,
    };

    assert_result(s, 0, store_savepoint(s->st, &s->err));
    assert_result(s, -1, queue_put(s->st, &q, &s->err));
    uuid_generate(q.message);
    assert_result(s, -1, queue_put(s->st, &q, &s->err));
    assert_int_equal(s->err.kind, ERR_PERMANENT);
    store_undo(s->st);
    assert_int_equal(suite_totals(s).queued, 0);
}

static void a_claim_takes_what_is_due_longest_first(void **state)
{
    struct suite *s = *state;
    int64_t first = put(s, &(struct put){ .due_ms = 30 });
    int64_t second = put(s, &(struct put){ .due_ms = 10 });
    int64_t third = put(s, &(struct put){ .due_ms = 10 });
    struct list l = { .s = STR_INIT, .first = 0 };
    struct str expected = STR_INIT;

    (void)put(s, &(struct put){ .due_ms = 101 });
    (void)put(s, &(struct put){ .due_ms = 1, .destination = "c.example" });
    (void)put(s, &(struct put){ .due_ms = 1, .origin = "a2.example" });
    assert_result(s, 3, queue_claim(s->st, "a.example", "b.example", 100, LEASE_MS, 10, 1000,
                                    add_id, &l, &s->err));
    str_addf(&expected, "%lld %lld %lld ", (long long)second, (long long)third, (long long)first);
    assert_string_equal(str_c(&l.s), str_c(&expected));
    check_state(s, first, QUEUE_CLAIMED, 30, 100 + LEASE_MS, 1);
    check_claim(s, 100, 10, 1000, 0, "");  /* they are under way */
    str_clear(&l.s);
    str_clear(&expected);
}

static void a_claim_is_bounded_by_number_and_octets(void **state)
{
    /* Each has 10 octets of header and 5 of body; ids are 2 apart (its content's is between). */
    static const struct {
        int max_entries;
        int64_t max_bytes;
        const char *expected;
    } rows[] = {
        { 0, 1000, ""     },
        { 2, 1000, "0 2 " },
        { 9, 1,    "0 "   },  /* the first is always taken */
        { 9, 15,   "0 "   },
        { 9, 29,   "0 "   },
        { 9, 30,   "0 2 " },
        { 1, 1000, "0 "   },
    };
    struct suite *s = *state;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        int64_t first;

        (void)put(s, &(struct put){ .destination = "c.example" });  /* the path exists */
        (void)put(s, &(struct put){ .due_ms = 1000000 });
        assert_result(s, 0, store_commit(s->st, &s->err));
        first = put(s, &(struct put){ .due_ms = 1 });
        (void)put(s, &(struct put){ .due_ms = 2 });
        (void)put(s, &(struct put){ .due_ms = 3 });
        check_claim(s, 100, rows[i].max_entries, rows[i].max_bytes, first, rows[i].expected);
        store_rollback(s->st);
    }
}

static void a_claim_stops_when_its_caller_wants_no_more(void **state)
{
    struct suite *s = *state;
    struct list l = { .s = STR_INIT, .stop_after = 2 };
    int64_t ids[3];

    for (int i = 0; i < 3; i++)
        ids[i] = put(s, &(struct put){ .due_ms = i });
    assert_result(s, 2, queue_claim(s->st, "a.example", "b.example", 100, LEASE_MS, 10, 1000,
                                    add_id, &l, &s->err));
    check_state(s, ids[1], QUEUE_CLAIMED, 1, 100 + LEASE_MS, 1);
    check_state(s, ids[2], QUEUE_QUEUED, 2, 0, 0);
    str_clear(&l.s);
}

static void a_lease_that_ran_out_is_claimed_again_before_what_waits(void **state)
{
    struct suite *s = *state;
    int64_t first = put(s, &(struct put){ .due_ms = 1 });

    check_claim(s, 100, 10, 1000, first, "0 ");
    (void)put(s, &(struct put){ .due_ms = 2 });
    check_claim(s, 100 + LEASE_MS - 1, 1, 1000, first, "2 ");
    check_claim(s, 100 + LEASE_MS, 10, 1000, first, "0 ");
    check_state(s, first, QUEUE_CLAIMED, 1, 100 + 2 * LEASE_MS, 2);
}

static void a_deferred_entry_is_due_later_and_knows_why(void **state)
{
    struct suite *s = *state;
    int64_t first = put(s, &(struct put){ .due_ms = 1 });
    struct queue_entry q;

    check_claim(s, 100, 10, 1000, first, "0 ");
    assert_result(s, 1, queue_defer(s->st, first, 300, "no route", &s->err));
    check_state(s, first, QUEUE_QUEUED, 300, 0, 1);
    check_claim(s, 299, 10, 1000, first, "");
    check_claim(s, 300, 10, 1000, first, "0 ");
    assert_result(s, 1, queue_defer(s->st, first, 400, NULL, &s->err));
    q = get(s, first);
    assert_string_equal(q.last_error, "no route");  /* the last one there was */
    queue_entry_clear(&q);
}

static void a_held_entry_waits_for_the_operator(void **state)
{
    struct suite *s = *state;
    int64_t first = put(s, &(struct put){ .due_ms = 1 });

    assert_result(s, 0, queue_hold(s->st, first, false, &s->err));  /* it is not held */
    assert_result(s, 1, queue_hold(s->st, first, true, &s->err));
    check_state(s, first, QUEUE_HELD, 1, 0, 0);
    check_claim(s, 100, 10, 1000, first, "");
    assert_result(s, 0, queue_hurry(s->st, NULL, 5, &s->err));
    assert_result(s, 1, queue_defer(s->st, first, 50, "x", &s->err));  /* and stays held */
    check_state(s, first, QUEUE_HELD, 50, 0, 0);
    assert_result(s, 1, queue_hold(s->st, first, false, &s->err));
    check_claim(s, 49, 10, 1000, first, "");
    check_claim(s, 50, 10, 1000, first, "0 ");
    /* One that is under way can be held too; its end by receipt is a deletion as ever. */
    assert_result(s, 1, queue_hold(s->st, first, true, &s->err));
    check_claim(s, 100000, 10, 1000, first, "");
    assert_result(s, 1, queue_del(s->st, first, &s->err));
}

static void settled_recipients_are_noted_one_by_one(void **state)
{
    struct suite *s = *state;
    int64_t id = put(s, &(struct put){ 0 });
    struct queue_entry q;

    assert_result(s, 1, queue_settle(s->st, id, "bob@b.example\n", &s->err));
    assert_result(s, 1, queue_settle(s->st, id, "carol@b.example\ndave@b.example\n", &s->err));
    q = get(s, id);
    assert_string_equal(q.settled, "bob@b.example\ncarol@b.example\ndave@b.example\n");
    queue_entry_clear(&q);
}

static int add_path(void *ctx, const struct queue_path *p)
{
    struct list *l = ctx;

    str_addf(&l->s, "%s>%s due=%lld n=%lld bytes=%lld; ", p->origin, p->destination,
             (long long)p->due_ms, (long long)p->entries, (long long)p->bytes);
    return ++l->n == l->stop_after;
}

static void check_paths(struct suite *s, int64_t now_ms, int stop_after, const char *expected)
{
    struct list l = { .s = STR_INIT, .stop_after = stop_after };

    assert_result(s, *expected != '\0', queue_each_path(s->st, now_ms, add_path, &l, &s->err));
    assert_string_equal(str_c(&l.s), expected);
    str_clear(&l.s);
}

static void paths_with_work_are_found_and_counted(void **state)
{
    struct suite *s = *state;
    int64_t ids[4];

    check_paths(s, 0, 0, "");
    ids[0] = put(s, &(struct put){ .due_ms = 70 });
    ids[1] = put(s, &(struct put){ .due_ms = 30, .body = "seven s" });
    ids[2] = put(s, &(struct put){ .due_ms = 5, .destination = "c.example" });
    ids[3] = put(s, &(struct put){ .due_ms = 6, .origin = "a2.example" });
    check_paths(s, 10, 0,
                "a.example>b.example due=30 n=2 bytes=12; "
                "a.example>c.example due=5 n=1 bytes=5; "
                "a2.example>b.example due=6 n=1 bytes=5; ");
    check_paths(s, 10, 1, "a.example>b.example due=30 n=2 bytes=12; ");
    assert_result(s, 1, queue_hold(s->st, ids[2], true, &s->err));
    check_claim(s, 30, 10, 1000, ids[1], "0 ");
    check_paths(s, 40, 0,
                "a.example>b.example due=70 n=1 bytes=5; "
                "a2.example>b.example due=6 n=1 bytes=5; ");
    /* The lease has run out. */
    check_paths(s, 30 + LEASE_MS, 0,
                "a.example>b.example due=70 n=2 bytes=12; "
                "a2.example>b.example due=6 n=1 bytes=5; ");
    for (size_t i = 0; i < 4; i++)
        assert_result(s, 1, queue_del(s->st, ids[i], &s->err));
    check_paths(s, 1000, 0, "");
    assert_result(s, 0, store_tidy(s->st, 0, 0, 1000, &s->err));  /* forgets them */
    (void)put(s, &(struct put){ .due_ms = 1 });
    check_paths(s, 1000, 0, "a.example>b.example due=1 n=1 bytes=5; ");
}

static void a_path_knows_when_it_has_work_next(void **state)
{
    struct suite *s = *state;
    int64_t at_ms, first;

    assert_result(s, 0, queue_next(s->st, "a.example", "b.example", &at_ms, &s->err));
    first = put(s, &(struct put){ .due_ms = 40 });
    (void)put(s, &(struct put){ .due_ms = 900 });
    assert_result(s, 1, queue_next(s->st, "a.example", "b.example", &at_ms, &s->err));
    assert_int_equal(at_ms, 40);
    check_claim(s, 100, 10, 1000, first, "0 ");
    assert_result(s, 1, queue_next(s->st, "a.example", "b.example", &at_ms, &s->err));
    assert_int_equal(at_ms, 100 + LEASE_MS);
    assert_result(s, 1, queue_hold(s->st, first, true, &s->err));
    assert_result(s, 1, queue_next(s->st, "a.example", "b.example", &at_ms, &s->err));
    assert_int_equal(at_ms, 900);
    assert_result(s, 0, queue_next(s->st, "a.example", "c.example", &at_ms, &s->err));
}

static void release_at_start_takes_back_what_was_claimed(void **state)
{
    struct suite *s = *state;
    int64_t first = put(s, &(struct put){ .due_ms = 40 }), held;

    held = put(s, &(struct put){ .due_ms = 50 });
    assert_result(s, 0, queue_release(s->st, &s->err));
    assert_result(s, 1, queue_hold(s->st, held, true, &s->err));
    check_claim(s, 100, 10, 1000, first, "0 ");
    assert_result(s, 0, store_commit(s->st, &s->err));
    suite_reopen(s);
    assert_result(s, 1, queue_release(s->st, &s->err));
    check_state(s, first, QUEUE_QUEUED, 40, 0, 1);
    check_state(s, held, QUEUE_HELD, 50, 0, 0);
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void entries_are_listed_by_id_and_destination(void **state)
{
    struct suite *s = *state;
    int64_t first = put(s, &(struct put){ .due_ms = 9 });
    struct list all = { .s = STR_INIT, .first = first }, some = all, two = all;

    two.stop_after = 2;
    (void)put(s, &(struct put){ .due_ms = 1, .destination = "c.example" });
    (void)put(s, &(struct put){ .due_ms = 3, .origin = "a2.example" });
    assert_result(s, 1, queue_each(s->st, NULL, add_id, &all, &s->err));
    assert_int_equal(all.n, 3);
    assert_result(s, 1, queue_each(s->st, "b.example", add_id, &some, &s->err));
    assert_int_equal(some.n, 2);
    assert_true(str_starts(str_c(&some.s), "0 "));
    assert_result(s, 1, queue_each(s->st, NULL, add_id, &two, &s->err));
    assert_int_equal(two.n, 2);
    assert_result(s, 0, queue_each(s->st, "d.example", add_id, &two, &s->err));
    str_clear(&all.s);
    str_clear(&some.s);
    str_clear(&two.s);
}

static void what_is_past_its_time_is_found_unless_it_is_under_way(void **state)
{
    struct suite *s = *state;
    int64_t early = put(s, &(struct put){ .due_ms = 1, .expires_ms = 200 });
    int64_t claimed = put(s, &(struct put){ .due_ms = 1, .expires_ms = 150 });
    int64_t held = put(s, &(struct put){ .due_ms = 1, .expires_ms = 100 });
    struct list l = { .s = STR_INIT, .first = 0 }, one = l, later = l;
    struct str expected = STR_INIT;

    (void)put(s, &(struct put){ .due_ms = 1, .expires_ms = 2000 });
    assert_result(s, 1, queue_hold(s->st, held, true, &s->err));
    assert_result(s, 1, queue_defer(s->st, early, 5000, "x", &s->err));
    assert_result(s, 1, queue_claim(s->st, "a.example", "b.example", 140, LEASE_MS, 1, 1000,
                                    add_id, &later, &s->err));
    str_truncate(&later.s, 0);
    assert_result(s, 0, queue_each_expired(s->st, 99, 10, add_id, &l, &s->err));
    assert_result(s, 1, queue_each_expired(s->st, 200, 10, add_id, &l, &s->err));
    str_addf(&expected, "%lld %lld ", (long long)held, (long long)early);
    assert_string_equal(str_c(&l.s), str_c(&expected));
    assert_result(s, 1, queue_each_expired(s->st, 200, 1, add_id, &one, &s->err));
    assert_int_equal(one.n, 1);
    str_truncate(&expected, 0);
    str_addf(&expected, "%lld %lld %lld ", (long long)held, (long long)claimed,
             (long long)early);
    assert_result(s, 1, queue_each_expired(s->st, 140 + LEASE_MS, 10, add_id, &later, &s->err));
    assert_string_equal(str_c(&later.s), str_c(&expected));
    str_clear(&l.s);
    str_clear(&one.s);
    str_clear(&later.s);
    str_clear(&expected);
}

static void the_operator_may_hurry_one_destination_or_all(void **state)
{
    struct suite *s = *state;
    int64_t b = put(s, &(struct put){ .due_ms = 900 });
    int64_t c = put(s, &(struct put){ .due_ms = 900, .destination = "c.example" });

    assert_result(s, 0, queue_hurry(s->st, "d.example", 10, &s->err));
    assert_result(s, 1, queue_hurry(s->st, "b.example", 10, &s->err));
    check_state(s, b, QUEUE_QUEUED, 10, 0, 0);
    check_state(s, c, QUEUE_QUEUED, 900, 0, 0);
    assert_result(s, 1, queue_hurry(s->st, NULL, 20, &s->err));
    check_state(s, b, QUEUE_QUEUED, 10, 0, 0);   /* what is due already keeps its place */
    check_state(s, c, QUEUE_QUEUED, 20, 0, 0);
}

static void ids_grow_even_when_the_queue_was_empty(void **state)
{
    struct suite *s = *state;
    int64_t one = put(s, &(struct put){ 0 }), two;

    assert_result(s, 1, queue_del(s->st, one, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    suite_reopen(s);
    two = put(s, &(struct put){ 0 });
    assert_true(two > one);
}

int main(void)
{
    const struct CMUnitTest queue[] = {
        SUITE_TEST(an_entry_comes_back_as_it_was_put),
        SUITE_TEST(what_is_not_there_is_not_found),
        SUITE_TEST(an_entry_needs_a_content_and_an_id),
        SUITE_TEST(a_claim_takes_what_is_due_longest_first),
        SUITE_TEST(a_claim_is_bounded_by_number_and_octets),
        SUITE_TEST(a_claim_stops_when_its_caller_wants_no_more),
        SUITE_TEST(a_lease_that_ran_out_is_claimed_again_before_what_waits),
        SUITE_TEST(a_deferred_entry_is_due_later_and_knows_why),
        SUITE_TEST(a_held_entry_waits_for_the_operator),
        SUITE_TEST(settled_recipients_are_noted_one_by_one),
        SUITE_TEST(paths_with_work_are_found_and_counted),
        SUITE_TEST(a_path_knows_when_it_has_work_next),
        SUITE_TEST(release_at_start_takes_back_what_was_claimed),
        SUITE_TEST(entries_are_listed_by_id_and_destination),
        SUITE_TEST(what_is_past_its_time_is_found_unless_it_is_under_way),
        SUITE_TEST(the_operator_may_hurry_one_destination_or_all),
        SUITE_TEST(ids_grow_even_when_the_queue_was_empty),
    };

    return SUITE_RUN(queue);
}
