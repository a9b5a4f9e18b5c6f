/* SPDX-License-Identifier: MIT */
/*
 * The store when power fails: what a commit has said is on disk is there, whole, and of what no
 * commit has said so either all of a transaction is there or nothing. Power fails at the n-th
 * call of the disk, for n from 1 until the scenario passes, with disks that write some sectors on
 * their own; and it may fail again while the store recovers.
 */
#include "contract/store_suite.h"

#include <stdlib.h>
#include <string.h>

#include "lib/power.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/message.h"

#define COMMITS    8
#define PER_COMMIT 3

struct scene {
    struct suite *suite;
    size_t size; /* octets of a message */
    char ids[COMMITS][PER_COMMIT][UUID_SIZE];
    bool is_promised[COMMITS]; /* its commit has returned 0 */
};

/* Each block differs from all others of all messages. */
static void octets_of(const char *uuid, size_t size, struct str *out)
{
    for (size_t i = 0; out->len < size; i++) {
        str_addf(out, "%zu %s\n", i, uuid);
        for (int j = 0; j < 8; j++)
            str_addn(out, uuid, UUID_SIZE - 1);
    }
    str_truncate(out, size);
}

/* A message in the inbox, in the queue and in the record, as the way of a message leaves it. */
static int put(struct scene *s, const char *uuid)
{
    struct suite *su = s->suite;
    struct entry e = { .folder = su->inbox, .received_ms = 1000, .size = (int64_t)s->size };
    struct queue_entry q = {
        .origin = (char *)"a.example",
        .destination = (char *)"b.example",
        .sender = (char *)"alice@a.example",
        .header = (char *)"{}",
        .settled = (char *)"",
        .expires_ms = INT64_MAX,
        .size = (int64_t)s->size,
    };
    struct record r = { .scope = (char *)"alice@a.example", .results = (char *)"202" };
    struct str header = STR_INIT, octets = STR_INIT;
    struct message m;
    int64_t id;
    int rc = -1;

    message_init(&m);
    m.kind = MESSAGE_MAIL;
    memcpy(m.id, uuid, UUID_SIZE);
    memcpy(e.uuid, uuid, UUID_SIZE);
    memcpy(q.message, uuid, UUID_SIZE);
    memcpy(r.uuid, uuid, UUID_SIZE);
    m.from = mem_strdup("alice@a.example");
    m.origin = mem_strdup("a.example");
    m.destination = mem_strdup("a.example");
    message_add_to(&m, "alice@a.example");
    message_add_part(&m, "text", "text/plain", true, s->size,
                     "0000000000000000000000000000000000000000000000000000000000000000");
    message_format(&header, &m);
    octets_of(uuid, s->size, &octets);
    if (content_begin(su->st, 1000, &id, &su->err) < 0)
        goto out;
    for (size_t at = 0, i = 0; at < s->size; at += CONTENT_CHUNK, i++)
        if (content_append(su->st, id, (uint32_t)i, octets.s + at, MIN(s->size - at, CONTENT_CHUNK),
                           &su->err) < 0)
            goto out;
    e.content = q.content = id;
    if (content_finish(su->st, id, &m, str_c(&header), NULL, NULL, &su->err) == 1 &&
        entry_put(su->st, &e, &su->err) == 1 && queue_put(su->st, &q, &su->err) == 1 &&
        record_put(su->st, &r, &su->err) == 1)
        rc = 0;
out:
    message_clear(&m);
    str_clear(&header);
    str_clear(&octets);
    return rc;
}

/* Until power fails, or to the end. */
static void work(struct scene *s)
{
    struct suite *su = s->suite;

    for (size_t c = 0; c < COMMITS; c++) {
        int rc = 0;

        for (size_t i = 0; i < PER_COMMIT; i++)
            uuid_generate(s->ids[c][i]);
        for (size_t i = 0; i < PER_COMMIT && rc == 0; i++)
            rc = put(s, s->ids[c][i]);
        if (rc < 0 || store_commit(su->st, &su->err) < 0)
            return;
        s->is_promised[c] = true;
    }
}

struct wanted {
    const char *uuid;
    int found;
};

static int count_it(void *ctx, const struct queue_entry *q)
{
    struct wanted *x = ctx;

    x->found += strcmp(x->uuid, q->message) == 0;
    return 0;
}

/* How many of its three places a message stands in, whole. */
static int places(struct scene *s, const char *uuid)
{
    struct suite *su = s->suite;
    struct entry e;
    struct record r = { 0 };
    struct wanted x = { .uuid = uuid };
    struct str is = STR_INIT, should = STR_INIT;
    int n = 0, rc;

    rc = entry_get(su->st, su->inbox, uuid, &e, &su->err);
    assert_true(rc >= 0);
    if (rc == 1) {
        n++;
        octets_of(uuid, s->size, &should);
        for (uint32_t i = 0; content_chunk(su->st, e.content, i, &is, &su->err) == 1; i++)
            ;
        assert_int_equal(is.len, s->size);
        assert_memory_equal(is.s, should.s, s->size);
    }
    assert_true(queue_each(su->st, NULL, count_it, &x, &su->err) >= 0);
    n += x.found;
    rc = record_get(su->st, "alice@a.example", uuid, &r, &su->err);
    assert_true(rc >= 0);
    n += rc;
    record_clear(&r);
    str_clear(&is);
    str_clear(&should);
    return n;
}

/* 1 all is as promised, 0 something that was promised is lost. What is half there fails the test.
 */
static int is_kept(struct scene *s)
{
    struct suite *su = s->suite;
    int64_t there = 0;
    bool kept = true;

    assert_result(su, 1, store_check(su->st, &su->err));
    for (size_t c = 0; c < COMMITS; c++) {
        int n = 0;

        for (size_t i = 0; i < PER_COMMIT; i++)
            if (s->ids[c][i][0] != '\0')
                n += places(s, s->ids[c][i]);
        assert_true(n == 0 || n == 3 * PER_COMMIT);
        there += n / 3;
        kept = kept && (n > 0 || !s->is_promised[c]);
    }
    assert_int_equal(suite_totals(su).queued, there);
    assert_int_equal(suite_totals(su).messages, there);
    return kept;
}

static struct scene *scene_create(void **state, size_t size)
{
    struct scene *s = mem_zalloc(sizeof(*s));

    power_register();
    (void)suite_setup(state);
    s->suite = *state;
    s->size = size;
    return s;
}

static void scene_end(struct scene *s, void **state)
{
    char dir[TEMP_DIR_SIZE];

    memcpy(dir, s->suite->dir, sizeof(dir));
    (void)suite_teardown(state);
    power_forget(dir);
    free(s);
}

/* The power is back; the store is opened. again: power fails at that call of the opening, too. */
static void recover(struct scene *s, size_t again)
{
    struct suite *su = s->suite;
    int rc;

    store_close(&su->st);
    power_restore(su->dir);
    if (again > 0) {
        (void)power_cut_at(su->dir, again);
        rc = store_open("sqlite:test.db", su->dir, &su->st, &su->err);
        if (rc == 0) {
            power_cut(su->dir);
            store_close(&su->st);
        }
        power_restore(su->dir);
    }
    assert_result(su, 0, store_open("sqlite:test.db", su->dir, &su->st, &su->err));
}

/* How many calls of the disk there were, about. */
static size_t each_call_fails(void **state, size_t size, size_t step, unsigned leak)
{
    size_t n;

    for (n = 1; n < 100000; n += step) {
        struct scene *s = scene_create(state, size);
        bool was_cut;

        power_leak(s->suite->dir, leak, (unsigned)n);
        (void)power_cut_at(s->suite->dir, n);
        work(s);
        was_cut = power_is_cut(s->suite->dir);
        power_cut(s->suite->dir);
        recover(s, n % 3);
        assert_true(is_kept(s));
        scene_end(s, state);
        if (!was_cut)
            break;
    }
    assert_true(n > COMMITS && n < 100000);
    return n;
}

static void power_may_fail_at_any_call(void **state)
{
    for (unsigned leak = 0; leak <= 100; leak += 50)
        (void)each_call_fails(state, 700, 1, leak);
}

/*
 * 24 messages of 1 MB: the thread of the checkpoints is at work, and copies more pages than the log
 * took writes.
 */
static void power_may_fail_while_the_log_is_copied(void **state)
{
    assert_true(each_call_fails(state, 1000000, 797, 0) > 1000);
    assert_true(each_call_fails(state, 1000000, 863, 50) > 1000);
}

/* Also while a new one is made. */
static void power_may_fail_while_a_store_is_made(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n < 1000; n++) {
        struct suite s = { .st = NULL };
        bool was_cut;
        int rc;

        power_register();
        temp_dir_make(s.dir);
        power_leak(s.dir, n % 2 == 0 ? 50 : 0, (unsigned)n);
        (void)power_cut_at(s.dir, n);
        rc = store_open("sqlite:test.db", s.dir, &s.st, &s.err);
        was_cut = power_is_cut(s.dir);
        assert_true(rc == 0 || was_cut);
        power_cut(s.dir);
        if (rc == 0)
            store_close(&s.st);
        power_restore(s.dir);
        assert_result(&s, 0, store_open("sqlite:test.db", s.dir, &s.st, &s.err));
        assert_result(&s, 1, store_check(s.st, &s.err));
        store_close(&s.st);
        power_forget(s.dir);
        temp_dir_remove(s.dir);
        if (!was_cut)
            break;
    }
    assert_true(n > 3 && n < 1000);
}

/* The same scenario on a disk that only says that it syncs: these tests can fail. */
static void store_whose_syncs_do_nothing_is_caught(void **state)
{
    struct scene *s = scene_create(state, 700);

    power_lie(s->suite->dir, true);
    work(s);
    assert_true(s->is_promised[COMMITS - 1]);
    power_cut(s->suite->dir);
    recover(s, 0);
    assert_false(is_kept(s));
    scene_end(s, state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_may_fail_at_any_call),
        cmocka_unit_test(power_may_fail_while_the_log_is_copied),
        cmocka_unit_test(power_may_fail_while_a_store_is_made),
        cmocka_unit_test(store_whose_syncs_do_nothing_is_caught),
    };

    log_setup(LOG_T_NONE, LOG_L_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
