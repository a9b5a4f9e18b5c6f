/* SPDX-License-Identifier: MIT */
/*
 * The store when power fails: what a commit has said is on disk is there, whole, and of what no
 * commit has said so either all of a transaction is there or nothing. Power fails at the n-th
 * call of the disk, for n from 1 until the scenario passes, with disks that write some sectors on
 * their own; and it may fail again while the store recovers. And so when a sync fails once and the
 * system forgets what it had to write: what comes next must not be built on that.
 */
#include "config.h"

#include "contract/store_suite.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    atomic_bool is_broken;     /* the store has said so */
    sqlite3 *copier, *reader;  /* connections beside the store's */
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

static void write_and_commit(struct scene *s, size_t c)
{
    struct suite *su = s->suite;
    int rc = 0;

    for (size_t i = 0; i < PER_COMMIT; i++)
        uuid_generate(s->ids[c][i]);
    for (size_t i = 0; i < PER_COMMIT && rc == 0; i++)
        rc = put(s, s->ids[c][i]);
    if (rc == 0)
        s->is_promised[c] = store_commit(su->st, &su->err) == 0;
    else
        store_rollback(su->st);
}

/* Until something fails, or to the end. */
static void work(struct scene *s)
{
    for (size_t c = 0; c < COMMITS && (c == 0 || s->is_promised[c - 1]); c++)
        write_and_commit(s, c);
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

/* ---- a sync fails ---- */

static void broken(void *ctx, const struct err *err)
{
    struct scene *s = ctx;

    assert_int_equal(err->kind, ERR_TEMPORARY);
    assert_false(s->is_broken); /* said once */
    s->is_broken = true;
}

static sqlite3 *open_beside(struct scene *s)
{
    char path[TEMP_DIR_SIZE + 16];
    sqlite3 *h = NULL;

    (void)snprintf(path, sizeof(path), "%s/test.db", s->suite->dir);
    assert_int_equal(sqlite3_open_v2(path, &h, SQLITE_OPEN_READWRITE, "immpd"), SQLITE_OK);
    (void)sqlite3_extended_result_codes(h, 1);
    assert_int_equal(sqlite3_exec(h, "SELECT * FROM state", NULL, NULL, NULL), SQLITE_OK);
    return h;
}

static struct scene *scene_with_copier(void **state)
{
    struct scene *s = scene_create(state, 9000); /* with pages that nobody writes again */

    store_on_broken(s->suite->st, broken, s);
    s->copier = open_beside(s);
    s->reader = open_beside(s);
    return s;
}

static void close_beside(struct scene *s)
{
    assert_int_equal(sqlite3_close(s->copier), SQLITE_OK);
    assert_int_equal(sqlite3_close(s->reader), SQLITE_OK);
}

/* As the store's thread does, and as often as it likes. */
static int copy_log(struct scene *s)
{
    return sqlite3_wal_checkpoint_v2(s->copier, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/*
 * The log is copied after each commit, but in the middle in part only, for a reader holds it: what
 * is copied then is not at the log's end, and yet has to be on disk before the log starts anew.
 */
static void work_and_copy(struct scene *s)
{
    for (size_t c = 0; c < COMMITS; c++) {
        bool was_broken = s->is_broken;

        write_and_commit(s, c);
        assert_false(was_broken && s->is_promised[c]);
        if (c == 2) {
            (void)sqlite3_exec(s->reader, "BEGIN; SELECT * FROM state", NULL, NULL, NULL);
            continue;
        }
        (void)copy_log(s);
        if (c == 3)
            (void)sqlite3_exec(s->reader, "ROLLBACK", NULL, NULL, NULL);
    }
}

static size_t each_sync_fails(void **state, const char *name, bool drops)
{
    size_t n;

    for (n = 1; n < 1000; n++) {
        struct scene *s = scene_with_copier(state);
        bool has_failed;

        power_fail_sync(s->suite->dir, name, n, drops);
        work_and_copy(s);
        has_failed = power_has_failed_sync(s->suite->dir);
        assert_true(has_failed || s->is_promised[COMMITS - 1]);
        power_fail_sync(s->suite->dir, name, 0, drops);
        power_cut(s->suite->dir);
        close_beside(s);
        recover(s, n % 3);
        assert_true(is_kept(s));
        scene_end(s, state);
        if (!has_failed)
            break;
    }
    assert_true(n < 1000);
    return n - 1;
}

static void a_sync_may_fail_and_its_pages_be_gone(void **state)
{
    for (int drops = 0; drops <= 1; drops++) {
        assert_true(each_sync_fails(state, "test.db", drops) > 3);
        assert_true(each_sync_fails(state, "test.db-wal", drops) >= COMMITS);
    }
}

/* Until somebody says that the store is broken; false: nobody does. */
static bool becomes_broken(struct scene *s)
{
    const struct timespec ms = { .tv_nsec = 1000000 };

    for (int i = 0; i < 20000 && !s->is_broken; i++)
        (void)nanosleep(&ms, NULL);
    return s->is_broken;
}

/* 24 MB: the store's own thread copies, and says it; from there on nothing is promised. */
static void a_sync_of_the_stores_own_thread_may_fail(void **state)
{
    struct scene *s = scene_create(state, 1000000);
    char uuid[UUID_SIZE];

    store_on_broken(s->suite->st, broken, s);
    power_fail_sync(s->suite->dir, "test.db", 1, true);
    work(s);
    assert_true(becomes_broken(s));
    uuid_generate(uuid);
    assert_true(put(s, uuid) < 0 || store_commit(s->suite->st, &s->suite->err) < 0);
    power_cut(s->suite->dir);
    recover(s, 0);
    assert_true(is_kept(s));
    scene_end(s, state);
}

/*
 * A transaction's sync failed, its process ended, and the next one finds it in the log: in the
 * system's cache, not on disk. What is written behind it must not go with it.
 */
static void what_a_failed_commit_left_in_the_cache_takes_nothing_with_it(void **state)
{
    struct scene *s = scene_with_copier(state);
    struct suite *su = s->suite;

    write_and_commit(s, 0);
    power_fail_sync(su->dir, "test.db-wal", 1, false);
    write_and_commit(s, 1);
    assert_true(s->is_promised[0] && !s->is_promised[1]);
    power_fail_sync(su->dir, "test.db", 1, false);
    (void)copy_log(s);
    assert_true(s->is_broken);
    close_beside(s);
    suite_reopen(su);
    write_and_commit(s, 2);
    assert_true(s->is_promised[2]);
    power_cut(su->dir);
    recover(s, 0);
    assert_true(is_kept(s));
    scene_end(s, state);
}

/* Nothing is lost by that: it is tried again. */
static void a_full_disk_while_the_log_is_copied_breaks_nothing(void **state)
{
    struct scene *s = scene_with_copier(state);

    write_and_commit(s, 0);
    power_fill(s->suite->dir, true);
    assert_int_equal(copy_log(s), SQLITE_FULL);
    power_fill(s->suite->dir, false);
    write_and_commit(s, 1);
    assert_int_equal(copy_log(s), SQLITE_OK);
    write_and_commit(s, 2);
    assert_true(s->is_promised[2] && !s->is_broken);
    power_cut(s->suite->dir);
    close_beside(s);
    recover(s, 0);
    assert_true(is_kept(s));
    scene_end(s, state);
}

/* What a disk writes on its own while a store is made does not take its first commit back. */
static void first_commit_of_a_new_store_is_kept(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 100; seed++) {
        struct account a = { .address = mem_strdup("alice@a.example") }, found = { 0 };
        struct suite s = { .st = NULL };

        power_register();
        temp_dir_make(s.dir);
        power_leak(s.dir, 30, seed);
        assert_result(&s, 0, store_open("sqlite:test.db", s.dir, &s.st, &s.err));
        assert_result(&s, 1, account_put(s.st, &a, &s.err));
        assert_result(&s, 0, store_commit(s.st, &s.err));
        power_cut(s.dir);
        store_close(&s.st);
        power_restore(s.dir);
        assert_result(&s, 0, store_open("sqlite:test.db", s.dir, &s.st, &s.err));
        if (account_get(s.st, "alice@a.example", &found, &s.err) != 1)
            fail_msg("seed %u: the account is gone", seed);
        store_close(&s.st);
        power_forget(s.dir);
        temp_dir_remove(s.dir);
        account_clear(&found);
        account_clear(&a);
    }
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
        cmocka_unit_test(a_sync_may_fail_and_its_pages_be_gone),
        cmocka_unit_test(a_sync_of_the_stores_own_thread_may_fail),
        cmocka_unit_test(what_a_failed_commit_left_in_the_cache_takes_nothing_with_it),
        cmocka_unit_test(a_full_disk_while_the_log_is_copied_breaks_nothing),
        cmocka_unit_test(first_commit_of_a_new_store_is_kept),
        cmocka_unit_test(store_whose_syncs_do_nothing_is_caught),
    };

    log_setup(LOG_T_NONE, LOG_L_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
