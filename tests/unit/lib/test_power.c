/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/power.h with plain SQLite: a disk that loses what was not synced, and only that. If
 * it kept more, no test that stands on it could catch a store that forgets to sync.
 */
#include "lib/test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/power.h"
#include "lib/temp_dir.h"

#include "base/macros.h"

struct scene {
    char dir[TEMP_DIR_SIZE];
    char path[TEMP_DIR_SIZE + 16], log[TEMP_DIR_SIZE + 16];
    sqlite3 *h;
};

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));

    power_register();
    temp_dir_make(s->dir);
    (void)snprintf(s->path, sizeof(s->path), "%s/db", s->dir);
    (void)snprintf(s->log, sizeof(s->log), "%s/db-wal", s->dir);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    (void)sqlite3_close(s->h);
    power_forget(s->dir);
    temp_dir_remove(s->dir);
    free(s);
    return 0;
}

static int sql(struct scene *s, const char *text)
{
    return sqlite3_exec(s->h, text, NULL, NULL, NULL);
}

static int open_db(struct scene *s, const char *mode, const char *sync)
{
    char text[128];

    assert_int_equal(sqlite3_open(s->path, &s->h), SQLITE_OK);
    (void)snprintf(text, sizeof(text),
                   "PRAGMA synchronous = %s; PRAGMA journal_mode = %s;"
                   "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x BLOB)",
                   sync, mode);
    return sql(s, text);
}

static int number(struct scene *s, const char *text)
{
    sqlite3_stmt *q = NULL;
    int n = -1;

    if (sqlite3_prepare_v2(s->h, text, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int(q, 0);
    (void)sqlite3_finalize(q);
    return n;
}

static int rows(struct scene *s)
{
    return number(s, "SELECT count(*) FROM t");
}

static bool is_sound(struct scene *s)
{
    return number(s, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") ==
           1;
}

static void lose_power(struct scene *s)
{
    power_cut(s->dir);
    (void)sqlite3_close(s->h);
    power_restore(s->dir);
    assert_int_equal(sqlite3_open(s->path, &s->h), SQLITE_OK);
}

/* ---- what is kept ---- */

static void what_was_synced_is_kept_and_the_rest_is_not(void **state)
{
    struct scene *s = *state;

    assert_int_equal(open_db(s, "WAL", "FULL"), SQLITE_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (zeroblob(5000))"), SQLITE_OK);
    assert_int_equal(sql(s, "BEGIN; INSERT INTO t (x) VALUES (2)"), SQLITE_OK);
    lose_power(s);
    assert_int_equal(rows(s), 10);
    assert_true(is_sound(s));
}

static void nothing_reaches_a_file_before_its_sync(void **state)
{
    struct scene *s = *state;
    struct stat sb;

    assert_int_equal(open_db(s, "WAL", "OFF"), SQLITE_OK);
    assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (zeroblob(100000))"), SQLITE_OK);
    assert_int_equal(rows(s), 1);
    assert_int_equal(stat(s->path, &sb), 0);
    assert_int_equal(sb.st_size, 0);
    assert_int_not_equal(stat(s->log, &sb), 0); /* its name was never synced */
}

/* Each of these is a store that lies; a test that could not see it would be worth nothing. */
static void store_that_does_not_sync_is_caught(void **state)
{
    static const struct {
        const char *mode, *sync;
        bool lies;
    } rows_of[] = {
        {"WAL",     "OFF",    false},
        { "WAL",    "NORMAL", false},
        { "WAL",    "FULL",   true },
        { "DELETE", "OFF",    false},
        { "DELETE", "FULL",   true },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows_of); i++) {
        struct scene *s;

        (void)setup(state);
        s = *state;
        assert_int_equal(open_db(s, "DELETE", "FULL"), SQLITE_OK);
        (void)sqlite3_close(s->h);
        power_lie(s->dir, rows_of[i].lies);
        assert_int_equal(open_db(s, rows_of[i].mode, rows_of[i].sync), SQLITE_OK);
        assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (1)"), SQLITE_OK);
        assert_int_equal(rows(s), 1);
        lose_power(s);
        assert_int_not_equal(rows(s), 1);
        (void)teardown(state);
    }
}

/* ---- without a power cut it is as if it were not there ---- */

static void crash_of_the_process_alone_loses_nothing(void **state)
{
    struct scene *s = *state;

    assert_int_equal(open_db(s, "WAL", "OFF"), SQLITE_OK);
    assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (1)"), SQLITE_OK);
    (void)sqlite3_close(s->h);
    assert_int_equal(open_db(s, "WAL", "OFF"), SQLITE_OK);
    assert_int_equal(rows(s), 1);
    assert_true(is_sound(s));
}

static void two_connections_see_the_same(void **state)
{
    struct scene *s = *state;
    sqlite3 *other;

    assert_int_equal(open_db(s, "WAL", "FULL"), SQLITE_OK);
    assert_int_equal(sqlite3_open(s->path, &other), SQLITE_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (zeroblob(3000))"), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "INSERT INTO t (x) VALUES (2)", NULL, NULL, NULL),
                         SQLITE_OK);
        if (i % 10 == 0)
            assert_int_equal(
                sqlite3_wal_checkpoint_v2(other, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
                SQLITE_OK);
    }
    assert_int_equal(rows(s), 100);
    (void)sqlite3_close(other);
    lose_power(s);
    assert_int_equal(rows(s), 100);
}

/* More than the system's file takes in one write, and a multiple of it. */
static void large_writes_are_synced_whole(void **state)
{
    struct scene *s = *state;

    assert_int_equal(open_db(s, "WAL", "FULL"), SQLITE_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (randomblob(700000))"), SQLITE_OK);
        assert_int_equal(
            sqlite3_wal_checkpoint_v2(s->h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
            SQLITE_OK);
    }
    lose_power(s);
    assert_int_equal(rows(s), 20);
    assert_true(is_sound(s));
}

/* ---- at every call, and with a disk that writes on its own ---- */

/*
 * What was committed before power failed; it fails at the n-th call. With a journal the commit is
 * its removal, and only EXTRA syncs the directory after it.
 */
static int work_until_it_fails(struct scene *s, const char *mode)
{
    int done = 0;

    if (open_db(s, mode, "EXTRA") != SQLITE_OK)
        return 0;
    for (int i = 0; i < 6; i++, done++) {
        if (sql(s, "INSERT INTO t (x) VALUES (randomblob(9000))") != SQLITE_OK)
            break;
        if (i == 3)
            (void)sqlite3_wal_checkpoint_v2(s->h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    return done;
}

/* The next sync says yes without what the failed one should have written. */
static void a_sync_that_fails_is_not_made_good_by_the_next(void **state)
{
    struct scene *s = *state;

    assert_int_equal(open_db(s, "WAL", "NORMAL"), SQLITE_OK);
    assert_int_equal(sql(s, "PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_OK);
    assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (1)"), SQLITE_OK);
    power_fail_sync(s->dir, "db-wal", 1, false);
    assert_int_equal(sql(s, "PRAGMA wal_checkpoint"), SQLITE_IOERR);
    assert_true(power_has_failed_sync(s->dir));
    assert_int_equal(sql(s, "PRAGMA synchronous = FULL; INSERT INTO t (x) VALUES (2)"), SQLITE_OK);
    assert_int_equal(rows(s), 2);
    lose_power(s);
    assert_int_equal(rows(s), 0);
    assert_true(is_sound(s));
}

static void power_may_fail_at_any_call(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE", "TRUNCATE", "PERSIST" };

    for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
        for (unsigned leak = 0; leak <= 100; leak += 50) {
            size_t n;

            for (n = 1; n < 1000; n++) {
                struct scene *s;
                bool was_cut;
                int done;

                (void)setup(state);
                s = *state;
                power_leak(s->dir, leak, (unsigned)n);
                (void)power_cut_at(s->dir, n);
                done = work_until_it_fails(s, modes[i]);
                was_cut = power_is_cut(s->dir);
                (void)sqlite3_close(s->h);
                power_restore(s->dir);
                assert_int_equal(open_db(s, modes[i], "EXTRA"), SQLITE_OK);
                assert_true(is_sound(s));
                assert_true(rows(s) == done || (was_cut && rows(s) == done + 1));
                (void)teardown(state);
                if (!was_cut)
                    break;
            }
            assert_true(n > 10 && n < 1000);
        }
    }
}

/* Somewhere between nothing and all of it, and the same for the same seed. */
static void leaking_disk_keeps_a_part_by_its_seed(void **state)
{
    int kept[2][20];

    for (int round = 0; round < 2; round++) {
        for (unsigned seed = 0; seed < 20; seed++) {
            struct scene *s;

            (void)setup(state);
            s = *state;
            assert_int_equal(open_db(s, "WAL", "FULL"), SQLITE_OK);
            assert_int_equal(sql(s, "PRAGMA synchronous = OFF"), SQLITE_OK);
            power_leak(s->dir, 90, seed);
            for (int i = 0; i < 20; i++)
                assert_int_equal(sql(s, "INSERT INTO t (x) VALUES (1)"), SQLITE_OK);
            lose_power(s);
            kept[round][seed] = rows(s);
            (void)teardown(state);
        }
    }
    for (int seed = 0, some = 0; seed < 20; seed++) {
        assert_int_equal(kept[0][seed], kept[1][seed]);
        some += kept[0][seed];
        assert_true(kept[0][seed] < 20); /* -1: it is not even a database any more */
        assert_true(seed < 19 || some > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_synced_is_kept_and_the_rest_is_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_reaches_a_file_before_its_sync, setup, teardown),
        cmocka_unit_test(store_that_does_not_sync_is_caught),
        cmocka_unit_test_setup_teardown(crash_of_the_process_alone_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(two_connections_see_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(large_writes_are_synced_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sync_that_fails_is_not_made_good_by_the_next, setup,
                                        teardown),
        cmocka_unit_test(power_may_fail_at_any_call),
        cmocka_unit_test(leaking_disk_keeps_a_part_by_its_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
