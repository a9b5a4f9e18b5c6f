/* SPDX-License-Identifier: MIT */
/* Databases that an older or a newer version wrote, or another program. */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "contract/store_suite.h"
#include "wire/rows.h"

static void run_sql(struct suite *s, const char *sql)
{
    char path[TEMP_DIR_SIZE + 16];
    sqlite3 *db;

    (void)snprintf(path, sizeof(path), "%s/test.db", s->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static int keep_row(void *ctx, const struct entry *e, const char *summary)
{
    const struct row_state st = { .folder = "/INBOX", .received_ms = e->received_ms };

    row_add_json(ctx, summary, &st);
    str_addc(ctx, '\n');
    row_add_tabs(ctx, summary, &st);
    str_addc(ctx, '\n');
    return 0;
}

static void rows_of(struct suite *s, struct str *out)
{
    struct entry_query q = { .folder = s->inbox };

    assert_result(s, 1, entry_each(s->st, &q, keep_row, out, &s->err));
}

static void what_was_stored_before_there_were_summaries_is_shown_as_before(void **state)
{
    struct suite *s = *state;
    struct str before = STR_INIT, after = STR_INIT;

    (void)suite_deliver(s, s->inbox, &(struct text){ .subject = "Gr\xc3\xbc\xc3\x9f\"e\t" }, NULL);
    (void)suite_deliver(s, s->inbox, &(struct text){ .subject = NULL }, NULL);
    assert_result(s, 0, store_commit(s->st, &s->err));
    rows_of(s, &before);
    store_close(&s->st);
    run_sql(s, "ALTER TABLE contents DROP COLUMN summary; PRAGMA user_version = 2");
    assert_result(s, 0, store_open("sqlite:test.db", s->dir, &s->st, &s->err));
    rows_of(s, &after);
    assert_string_equal(str_c(&before), str_c(&after));
    str_clear(&before);
    str_clear(&after);
}

static void an_unreadable_old_header_hides_no_other_message(void **state)
{
    struct suite *s = *state;
    struct str rows = STR_INIT;

    (void)suite_deliver(s, s->inbox, &(struct text){ .subject = "first" }, NULL);
    (void)suite_deliver(s, s->inbox, &(struct text){ .subject = "second" }, NULL);
    assert_result(s, 0, store_commit(s->st, &s->err));
    store_close(&s->st);
    run_sql(s, "UPDATE contents SET summary = NULL, header = '{' WHERE header LIKE '%first%'");
    assert_result(s, 0, store_open("sqlite:test.db", s->dir, &s->st, &s->err));
    rows_of(s, &rows);
    assert_null(strstr(str_c(&rows), "first"));
    assert_non_null(strstr(str_c(&rows), "second"));
    str_clear(&rows);
}

static void a_newer_schema_is_refused(void **state)
{
    struct suite *s = *state;
    struct store *st = NULL;

    store_close(&s->st);
    run_sql(s, "PRAGMA user_version = 1000");
    assert_result(s, -1, store_open("sqlite:test.db", s->dir, &st, &s->err));
    assert_non_null(strstr(s->err.text, "schema 1000"));
    assert_non_null(strstr(s->err.text, "newer immpd"));
    run_sql(s, "PRAGMA user_version = 3");
    assert_result(s, 0, store_open("sqlite:test.db", s->dir, &s->st, &s->err));
}

static void a_database_of_another_program_is_left_alone(void **state)
{
    struct suite *s = *state;
    struct store *st = NULL;

    store_close(&s->st);
    run_sql(s, "PRAGMA application_id = 7");
    assert_result(s, -1, store_open("sqlite:test.db", s->dir, &st, &s->err));
    assert_non_null(strstr(s->err.text, "another program"));
    run_sql(s, "PRAGMA application_id = 0x696d6d70");
    assert_result(s, 0, store_open("sqlite:test.db", s->dir, &s->st, &s->err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(what_was_stored_before_there_were_summaries_is_shown_as_before),
        SUITE_TEST(an_unreadable_old_header_hides_no_other_message),
        SUITE_TEST(a_newer_schema_is_refused),
        SUITE_TEST(a_database_of_another_program_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
