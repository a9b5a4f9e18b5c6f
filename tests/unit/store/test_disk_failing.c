/* SPDX-License-Identifier: MIT */
/*
 * The disk fails under a store by itself, where tests/unit/mail/test_disk_failing.c does not get:
 * while it is made, while it is opened with a log to recover, while the log is copied into the
 * database. A commit that was said to be on disk is there whatever comes after it; a store that
 * cannot be opened says so and can be opened when the disk is well; it is always sound.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk_failing.h"
#include "lib/temp_dir.h"
#include "lib/test.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "store/account.h"
#include "store/content.h"
#include "store/entry.h"
#include "store/folder.h"
#include "wire/status.h"

#define URL       "sqlite:immp.db"
#define COMMITS   18                /* of 256 KiB: the log is copied once on the way */
#define MANY      5000

static const struct sickness {
    const char *name;
    enum disk_fault fault;
    bool is_sticky;
} sicknesses[] = {
    { "full once", DISK_FULL, false },
    { "full from there", DISK_FULL, true },
    { "broken once", DISK_BROKEN, false },
    { "broken from there", DISK_BROKEN, true },
};

static struct store *must_open(const char *dir)
{
    struct store *st = NULL;
    struct err err = { .text = "" };

    if (store_open(URL, dir, &st, &err) < 0)
        fail_msg("%s", err.text);
    return st;
}

static void must_be_sound(struct store *st)
{
    struct err err = { .text = "" };

    if (store_check(st, &err) != 1)
        fail_msg("%s", err.text);
}

/* Trouble of the disk passes: it is never taken for a damaged file, nor for our own bug. */
static void must_be_temporary(const struct err *err)
{
    if (err->kind != ERR_TEMPORARY)
        fail_msg("%d: %s", err->kind, err->text);
}

/* ---- an account, and messages in it ---- */

static int make_account(struct store *st, int64_t *inbox_r, struct err *err)
{
    struct account a = { .address = mem_strdup("alice@a.example") };
    struct folder f = { 0 };
    int rc = account_put(st, &a, err);

    if (rc == 1)
        rc = folder_get(st, a.id, "INBOX", &f, err);
    *inbox_r = f.id;
    folder_clear(&f);
    account_clear(&a);
    return rc == 1 ? store_commit(st, err) : -1;
}

/* One message of 256 KiB, committed. */
static int deliver(struct store *st, int64_t inbox, char uuid[UUID_SIZE], struct err *err)
{
    static char octets[CONTENT_CHUNK];
    struct entry e = { .folder = inbox, .received_ms = 1000, .size = CONTENT_CHUNK };
    struct str header = STR_INIT;
    struct message m;
    int rc = -1;

    memset(octets, 'x', sizeof octets);
    message_init(&m);
    m.kind = MESSAGE_MAIL;
    uuid_generate(m.id);
    memcpy(uuid, m.id, UUID_SIZE);
    memcpy(e.uuid, m.id, UUID_SIZE);
    m.from = mem_strdup("bob@b.example");
    m.origin = mem_strdup("b.example");
    m.destination = mem_strdup("a.example");
    message_add_to(&m, "alice@a.example");
    message_add_part(&m, "text", "text/plain", true, sizeof octets,
                     "0000000000000000000000000000000000000000000000000000000000000000");
    message_format(&header, &m);
    if (content_begin(st, 1000, &e.content, err) == 1 &&
        content_append(st, e.content, 0, octets, sizeof octets, err) == 1 &&
        content_finish(st, e.content, &m, str_c(&header), NULL, NULL, err) == 1 &&
        entry_put(st, &e, err) == 1)
        rc = store_commit(st, err);
    else
        store_rollback(st);
    message_clear(&m);
    str_clear(&header);
    return rc;
}

static bool has(struct store *st, int64_t inbox, const char *uuid)
{
    struct entry e;

    return entry_get(st, inbox, uuid, &e, NULL) == 1;
}

/* ---- making it ---- */

static bool make_at(const struct sickness *sick, size_t n)
{
    char dir[TEMP_DIR_SIZE];
    struct store *st = NULL;
    struct account a = { 0 };
    struct err err = { ERR_NONE };
    int64_t inbox;
    bool has_failed, is_said = false;

    temp_dir_make(dir);
    disk_failing_nth(dir, sick->fault, n, sick->is_sticky);
    if (store_open(URL, dir, &st, &err) < 0)
        must_be_temporary(&err);
    else if (make_account(st, &inbox, &err) < 0)
        must_be_temporary(&err);
    else
        is_said = true;
    has_failed = disk_failing_has_failed();
    store_close(&st);   /* still sick: what it cannot do now it does when it is opened again */
    (void)disk_failing_heal();
    st = must_open(dir);
    if (is_said)
        assert_int_equal(account_get(st, "alice@a.example", &a, NULL), 1);
    account_clear(&a);
    must_be_sound(st);
    store_close(&st);
    temp_dir_remove(dir);
    return has_failed;
}

static void a_store_is_made_whole_or_can_be_made_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sicknesses); i++) {
        size_t n = 1;

        while (make_at(&sicknesses[i], n))
            assert_true(++n < MANY);
        print_message("%s: %zu calls\n", sicknesses[i].name, n - 1);
        assert_true(n > 5);
    }
}

/* ---- recovering its log ---- */

struct crashed {
    char dir[TEMP_DIR_SIZE];  /* as a crash left it: nothing in the database, all in the log */
    int64_t inbox;
    char uuids[4][UUID_SIZE];
};

static void crash(struct crashed *c)
{
    char dir[TEMP_DIR_SIZE];
    struct store *st;

    temp_dir_make(dir);
    st = must_open(dir);
    assert_int_equal(make_account(st, &c->inbox, NULL), 0);
    for (size_t i = 0; i < N_ELEMENTS(c->uuids); i++)
        assert_int_equal(deliver(st, c->inbox, c->uuids[i], NULL), 0);
    temp_dir_make(c->dir);
    assert_true(temp_dir_copy(dir, c->dir, "immp.db"));
    assert_true(temp_dir_copy(dir, c->dir, "immp.db-wal"));
    store_close(&st);
    temp_dir_remove(dir);
}

static bool recover_at(const struct crashed *c, const struct sickness *sick, size_t n)
{
    char dir[TEMP_DIR_SIZE];
    struct store *st = NULL;
    struct err err = { ERR_NONE };
    bool has_failed;

    temp_dir_make(dir);
    assert_true(temp_dir_copy(c->dir, dir, "immp.db"));
    assert_true(temp_dir_copy(c->dir, dir, "immp.db-wal"));
    disk_failing_nth(dir, sick->fault, n, sick->is_sticky);
    if (store_open(URL, dir, &st, &err) < 0)
        must_be_temporary(&err);
    has_failed = disk_failing_has_failed();
    store_close(&st);
    has_failed = has_failed || disk_failing_has_failed();
    (void)disk_failing_heal();
    st = must_open(dir);
    for (size_t i = 0; i < N_ELEMENTS(c->uuids); i++)
        assert_true(has(st, c->inbox, c->uuids[i]));
    must_be_sound(st);
    store_close(&st);
    temp_dir_remove(dir);
    return has_failed;
}

static void what_stands_in_the_log_outlives_a_disk_that_fails_at_the_start(void **state)
{
    struct crashed c;

    (void)state;
    crash(&c);
    for (size_t i = 0; i < N_ELEMENTS(sicknesses); i++) {
        size_t n = 1;

        /* Every call at the start; from there on most are pages that the log's copying writes. */
        while (recover_at(&c, &sicknesses[i], n))
            assert_true((n += n < 40 ? 1 : 31) < MANY);
        print_message("%s: %zu calls\n", sicknesses[i].name, n - 1);
        assert_true(n > 40);
    }
    temp_dir_remove(c.dir);
}

/* ---- writing, with the log copied meanwhile ---- */

static atomic_bool is_broken;

static void broken(void *ctx, const struct err *err)
{
    (void)ctx;
    (void)err;
    is_broken = true;
}

static bool write_at(const struct sickness *sick, size_t n)
{
    char dir[TEMP_DIR_SIZE], uuids[COMMITS][UUID_SIZE];
    bool is_said[COMMITS], has_failed;
    struct store *st;
    int64_t inbox;

    temp_dir_make(dir);
    st = must_open(dir);
    assert_int_equal(make_account(st, &inbox, NULL), 0);
    is_broken = false;
    store_on_broken(st, broken, NULL);
    disk_failing_nth(dir, sick->fault, n, sick->is_sticky);
    for (size_t i = 0; i < COMMITS; i++) {
        struct err err = { ERR_NONE };

        is_said[i] = deliver(st, inbox, uuids[i], &err) == 0;
        if (!is_said[i])
            must_be_temporary(&err);
        /* What was said before is there to be read, unless all is over. */
        if (is_said[i] && !sick->is_sticky && !has(st, inbox, uuids[i]))
            assert_true(is_broken);
    }
    store_close(&st);
    has_failed = disk_failing_has_failed();
    (void)disk_failing_heal();
    st = must_open(dir);
    for (size_t i = 0; i < COMMITS; i++)
        if (is_said[i] && !has(st, inbox, uuids[i]))
            fail_msg("%s, call %zu: commit %zu was said to be on disk", sick->name, n, i);
    must_be_sound(st);
    assert_int_equal(deliver(st, inbox, uuids[0], NULL), 0);
    store_close(&st);
    temp_dir_remove(dir);
    return has_failed;
}

static void a_commit_that_was_said_to_be_on_disk_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sicknesses); i++) {
        size_t n = 1;

        /* Every commit's call; the pages that are copied from the log are much the same. */
        while (write_at(&sicknesses[i], n))
            assert_true((n += n < 30 ? 1 : 397) < MANY);
        print_message("%s: %zu calls\n", sicknesses[i].name, n - 1);
        assert_true(n > COMMITS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_is_made_whole_or_can_be_made_again),
        cmocka_unit_test(what_stands_in_the_log_outlives_a_disk_that_fails_at_the_start),
        cmocka_unit_test(a_commit_that_was_said_to_be_on_disk_is_there),
    };

    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    disk_failing_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
