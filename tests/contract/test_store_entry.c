/* SPDX-License-Identifier: MIT */
/* The store's contract, over every backend: entries, their counters, walks and selectors. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "contract/store_suite.h"
#include "wire/status.h"

#define ALL { .since_ms = INT64_MIN, .before_ms = INT64_MAX }

static void check_counts(struct suite *s, int64_t unread, int64_t total, int64_t used)
{
    struct folder f = suite_folder(s, s->inbox);

    assert_int_equal(f.unread, unread);
    assert_int_equal(f.total, total);
    assert_int_equal(suite_used(s), used);
}

/* ---- single entries ---- */

static void an_entry_comes_back_as_it_was_put(void **state)
{
    struct suite *s = *state;
    struct entry e = {
        .folder = s->inbox,
        .flags = ENTRY_IMPORTANT | ENTRY_FLAGGED,
        .received_ms = INT64_C(1800000000123),
        .size = 5,
    };
    struct entry got;

    e.content = suite_content(s, &(struct text){ 0 }, e.uuid);
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    assert_true(e.id > 0);
    assert_result(s, 1, entry_get(s->st, s->inbox, e.uuid, &got, &s->err));
    assert_int_equal(got.id, e.id);
    assert_int_equal(got.folder, s->inbox);
    assert_int_equal(got.content, e.content);
    assert_string_equal(got.uuid, e.uuid);
    assert_int_equal(got.flags, ENTRY_IMPORTANT | ENTRY_FLAGGED);
    assert_true(got.received_ms == INT64_C(1800000000123));
    assert_int_equal(got.size, 5);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct suite *s = *state;
    const char *uuid = "9507ce26-d34e-41cb-9f14-4eeff943e25e";
    struct entry e;

    assert_result(s, 0, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_result(s, 0, entry_get(s->st, s->inbox, "no uuid", &e, &s->err));
    assert_result(s, 0, entry_get(s->st, 4711, uuid, &e, &s->err));
    assert_result(s, 0, entry_flag(s->st, s->inbox, uuid, ENTRY_READ, 0, &s->err));
    assert_result(s, 0, entry_del(s->st, s->inbox, uuid, &s->err));
    assert_result(s, 0, entry_del(s->st, 4711, uuid, &s->err));
}

static void a_uuid_stands_in_a_folder_once(void **state)
{
    struct suite *s = *state;
    struct entry e = { .folder = s->inbox, .size = 5 };

    e.content = suite_content(s, &(struct text){ 0 }, e.uuid);
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    assert_result(s, 0, entry_put(s->st, &e, &s->err));
    assert_int_equal(e.id, 0);
    check_counts(s, 1, 1, 5);
}

static void an_entry_needs_its_folder_and_an_id(void **state)
{
    struct suite *s = *state;
    struct entry e = { .folder = 4711 };

    e.content = suite_content(s, &(struct text){ 0 }, e.uuid);
    assert_result(s, -1, entry_put(s->st, &e, &s->err));
    assert_int_equal(s->err.kind, ERR_PERMANENT);
    assert_int_equal(s->err.status, STATUS_NOT_FOUND);
    e.folder = s->inbox;
    e.uuid[0] = '\0';
    assert_result(s, -1, entry_put(s->st, &e, &s->err));
    assert_int_equal(s->err.status, STATUS_INTERNAL);
}

static void counters_follow_flags_and_deletions(void **state)
{
    static const struct {
        unsigned set, clear;
        int changed;
        int64_t unread;
    } rows[] = {
        { ENTRY_READ,                 0,             1, 0 },
        { ENTRY_READ,                 0,             0, 0 },  /* no change */
        { ENTRY_FLAGGED,              0,             1, 0 },
        { 0,                          ENTRY_READ,    1, 1 },
        { 0,                          ENTRY_READ,    0, 1 },
        { ENTRY_READ | ENTRY_FLAGGED, 0,             1, 0 },
        { ENTRY_READ,                 ENTRY_READ,    1, 1 },  /* clear wins */
        { ENTRY_IMPORTANT,            ENTRY_FLAGGED, 1, 1 },
    };
    struct suite *s = *state;
    char uuid[UUID_SIZE];
    struct entry e;

    suite_deliver(s, s->inbox, &(struct text){ .body = "1234567" }, uuid);
    check_counts(s, 1, 1, 7);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_result(s, rows[i].changed, entry_flag(s->st, s->inbox, uuid, rows[i].set,
                                                     rows[i].clear, &s->err));
        check_counts(s, rows[i].unread, 1, 7);
    }
    assert_result(s, 1, entry_get(s->st, s->inbox, uuid, &e, &s->err));
    assert_int_equal(e.flags, ENTRY_IMPORTANT);
    assert_result(s, 1, entry_del(s->st, s->inbox, uuid, &s->err));
    check_counts(s, 0, 0, 0);
    assert_result(s, 0, entry_del(s->st, s->inbox, uuid, &s->err));
    check_counts(s, 0, 0, 0);
}

static void a_copy_that_is_read_counts_as_read(void **state)
{
    struct suite *s = *state;
    struct entry e = { .folder = s->inbox, .size = 5, .flags = ENTRY_READ };

    e.content = suite_content(s, &(struct text){ 0 }, e.uuid);
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    check_counts(s, 0, 1, 5);
    assert_result(s, 1, entry_del(s->st, s->inbox, e.uuid, &s->err));
    check_counts(s, 0, 0, 0);
}

/* ---- walks ---- */

static int add_number(void *ctx, const struct entry *e, const char *summary)
{
    assert_non_null(strstr(summary, e->uuid));
    str_addf(ctx, "%lld ", (long long)e->received_ms);
    return 0;
}

static int stop_at_two(void *ctx, const struct entry *e, const char *summary)
{
    (void)summary;
    str_addf(ctx, "%lld ", (long long)e->received_ms);
    return e->received_ms == 2;
}

static void check_walk(struct suite *s, const struct entry_query *q, const char *expected)
{
    struct str got = STR_INIT;

    assert_result(s, *expected != '\0', entry_each(s->st, q, add_number, &got, &s->err));
    assert_string_equal(str_c(&got), expected);
    str_clear(&got);
}

/* Entry i (from 1) has received_ms i; ids are returned. */
static void fill(struct suite *s, const struct text *texts, const unsigned *flags, size_t n,
                 int64_t *ids)
{
    for (size_t i = 0; i < n; i++) {
        struct entry e = { .folder = s->inbox, .received_ms = (int64_t)i + 1, .size = 5 };

        e.flags = flags != NULL ? flags[i] : 0;
        e.content = suite_content(s, &texts[i], e.uuid);
        assert_result(s, 1, entry_put(s->st, &e, &s->err));
        ids[i] = e.id;
    }
}

static void walks_go_both_ways_from_anywhere_with_a_limit(void **state)
{
    struct suite *s = *state;
    const struct text texts[5] = { { 0 } };
    int64_t ids[5];
    struct entry_query q = { .folder = s->inbox };
    struct str got = STR_INIT;

    fill(s, texts, NULL, 5, ids);
    check_walk(s, &q, "1 2 3 4 5 ");
    check_walk(s, &(struct entry_query){ .folder = s->inbox, .newest_first = true },
               "5 4 3 2 1 ");
    check_walk(s, &(struct entry_query){ .folder = s->inbox, .limit = 2 }, "1 2 ");
    check_walk(s, &(struct entry_query){ .folder = s->inbox, .after = ids[1], .limit = 2 },
               "3 4 ");
    check_walk(s, &(struct entry_query){ .folder = s->inbox, .after = ids[3],
                                         .newest_first = true, .limit = 2 }, "3 2 ");
    check_walk(s, &(struct entry_query){ .folder = s->inbox, .after = ids[4] }, "");
    check_walk(s, &(struct entry_query){ .folder = 4711 }, "");
    assert_result(s, 1, entry_each(s->st, &q, stop_at_two, &got, &s->err));
    assert_string_equal(str_c(&got), "1 2 ");
    str_clear(&got);
}

static void selectors_choose_by_flags_and_time(void **state)
{
    static const unsigned flags[] = {
        0, ENTRY_READ, ENTRY_FLAGGED, ENTRY_READ | ENTRY_IMPORTANT,
        ENTRY_FLAGGED | ENTRY_IMPORTANT, ENTRY_READ | ENTRY_FLAGGED,
    };
    static const struct {
        unsigned flags;
        int64_t since_ms, before_ms;
        const char *expected, *reverse;
    } rows[] = {
        { 0,                                INT64_MIN, INT64_MAX, "1 2 3 4 5 6 ", "6 5 4 3 2 1 " },
        { SELECT_UNREAD,                    INT64_MIN, INT64_MAX, "1 3 5 ",       "5 3 1 "       },
        { SELECT_READ,                      INT64_MIN, INT64_MAX, "2 4 6 ",       "6 4 2 "       },
        { SELECT_FLAGGED,                   INT64_MIN, INT64_MAX, "3 5 6 ",       "6 5 3 "       },
        { SELECT_IMPORTANT,                 INT64_MIN, INT64_MAX, "4 5 ",         "5 4 "         },
        { SELECT_UNREAD | SELECT_FLAGGED,   INT64_MIN, INT64_MAX, "3 5 ",         "5 3 "         },
        { SELECT_READ | SELECT_IMPORTANT,   INT64_MIN, INT64_MAX, "4 ",           "4 "           },
        { SELECT_READ | SELECT_UNREAD,      INT64_MIN, INT64_MAX, "",             ""             },
        { 0,                                3,         INT64_MAX, "3 4 5 6 ",     "6 5 4 3 "     },
        { 0,                                INT64_MIN, 3,         "1 2 ",         "2 1 "         },
        { SELECT_UNREAD,                    2,         5,         "3 ",           "3 "           },
        { 0,                                5,         5,         "",             ""             },
    };
    struct suite *s = *state;
    const struct text texts[6] = { { 0 } };
    int64_t ids[6];

    fill(s, texts, flags, 6, ids);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct selector select = {
            .flags = rows[i].flags,
            .since_ms = rows[i].since_ms,
            .before_ms = rows[i].before_ms,
        };
        struct entry_query q = { .folder = s->inbox, .select = &select };

        check_walk(s, &q, rows[i].expected);
        q.newest_first = true;
        check_walk(s, &q, rows[i].reverse);
    }
}

static void from_finds_a_part_of_the_sender_in_any_case(void **state)
{
    static const struct text texts[] = {
        { .from = "bob@b.example" },
        { .from = "helpdesk/bob@c.example" },
        { .from = "j\xc3\xbcrgen@b.example" },
    };
    static const struct {
        const char *from, *expected;
    } rows[] = {
        { "bob@b.example",      "1 "     },
        { "bob",                "1 2 "   },
        { "BOB",                "1 2 "   },
        { "@b.example",         "1 3 "   },
        { "J\xc3\x9crgen",      "3 "     },
        { "%",                  ""       },  /* no patterns */
        { "nobody",             ""       },
        { "\xff",               ""       },
        { "",                   "1 2 3 " },
    };
    struct suite *s = *state;
    int64_t ids[3];

    fill(s, texts, NULL, 3, ids);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct selector select = ALL;
        struct entry_query q = { .folder = s->inbox, .select = &select };

        select.from = (char *)rows[i].from;
        check_walk(s, &q, rows[i].expected);
    }
}

/* ---- full text ---- */

static const struct text library[] = {
    { .subject = "Quarterly report", .body = "The numbers are good." },
    { .subject = "Lunch?", .body = "Shall we eat \xc3\x9c" "berraschung at noon" },
    { .subject = NULL, .body = "<p>numbers in <b class=\"lunch\">markup</b></p>",
      .type = "text/html" },
    { .from = "carol@numbers.example", .subject = "x", .body = "nothing" },
    { .subject = "Binary", .body = "numbers", .type = "application/octet-stream" },
    { .subject = "folder1 AND lunch", .body = "a\x01" "b \"quoted\" c" },
};

static void text_finds_messages_that_hold_all_the_words(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "numbers",           "1 3 4 "  },  /* body, markup, sender; not what is no text */
        { "NUMBERS good",      "1 "      },
        { "good numbers",      "1 "      },  /* in any order */
        { "lunch",             "2 6 "    },  /* not what stands in a tag */
        { "uberraschung",      "2 "      },  /* without its marks */
        { "\xc3\x9c" "BERRASCHUNG", "2 " },
        { "number",            ""        },  /* whole words */
        { "markup",            "3 "      },
        { "carol",             "4 "      },
        { "carol@numbers.example", "4 "  },
        { "report AND good",   ""        },  /* a word like others */
        { "folder1 and",       "6 "      },
        { "\"quoted\"",        "6 "      },
        { "a b",               "6 "      },
        { "subject:report",    ""        },  /* no operators */
        { "good*",             "1 "      },
        { "x) OR (y",          ""        },
        { "  lunch \t noon ",  "2 "      },
        { "missing",           ""        },
        { "good ?",            "1 "      },
        { "?",                 ""        },  /* no word at all */
        { "\xff\xfe",          ""        },
    };
    struct suite *s = *state;
    int64_t ids[N_ELEMENTS(library)];

    fill(s, library, NULL, N_ELEMENTS(library), ids);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct selector select = ALL;
        struct entry_query q = { .folder = s->inbox, .select = &select };

        select.text = (char *)rows[i].text;
        check_walk(s, &q, rows[i].expected);
    }
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void a_search_keeps_to_its_folder_order_and_other_selectors(void **state)
{
    static const unsigned flags[] = { 0, 0, ENTRY_READ, 0, 0, 0 };
    struct suite *s = *state;
    int64_t ids[N_ELEMENTS(library)];
    struct selector select = ALL;
    struct entry_query q = { .folder = s->inbox, .select = &select };
    struct folder sent;

    fill(s, library, flags, N_ELEMENTS(library), ids);
    assert_result(s, 1, folder_get(s->st, s->account, "SENT", &sent, &s->err));
    suite_deliver(s, sent.id, &library[0], NULL);
    select.text = (char *)"numbers";
    q.newest_first = true;
    check_walk(s, &q, "4 3 1 ");
    q.limit = 2;
    check_walk(s, &q, "4 3 ");
    q.after = ids[3];
    check_walk(s, &q, "3 1 ");
    q = (struct entry_query){ .folder = s->inbox, .select = &select, .after = ids[0] };
    check_walk(s, &q, "3 4 ");
    select.flags = SELECT_UNREAD;
    check_walk(s, &q, "4 ");
    select.from = (char *)"bob";
    q.after = 0;
    check_walk(s, &q, "1 ");
    q.folder = sent.id;
    check_walk(s, &q, "1000 ");
    folder_clear(&sent);
}

static void words_leave_with_their_message(void **state)
{
    struct suite *s = *state;
    struct selector select = ALL;
    struct entry_query q = { .folder = s->inbox, .select = &select };
    char first[UUID_SIZE], second[UUID_SIZE];
    struct content c;
    struct entry e;

    select.text = (char *)"numbers";
    suite_deliver(s, s->inbox, &library[0], first);
    suite_deliver(s, s->inbox, &library[0], second);
    check_walk(s, &q, "1000 1000 ");
    assert_result(s, 1, entry_get(s->st, s->inbox, first, &e, &s->err));
    assert_result(s, 1, entry_del(s->st, s->inbox, first, &s->err));
    check_walk(s, &q, "1000 ");
    assert_result(s, 0, store_commit(s->st, &s->err));
    assert_result(s, 1, store_check(s->st, &s->err));
    /* Its content goes when its words have been taken out. */
    assert_result(s, 0, store_tidy(s->st, 0, 0, 1000, &s->err));
    assert_result(s, 0, content_get(s->st, e.content, &c, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    check_walk(s, &q, "1000 ");
    /* The same message again is a new entry. */
    suite_deliver(s, s->inbox, &(struct text){ .uuid = first, .body = "other words" }, NULL);
    check_walk(s, &q, "1000 ");
    select.text = (char *)"other";
    check_walk(s, &q, "1000 ");
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void tidy_indexes_what_came_in(void **state)
{
    struct suite *s = *state;
    struct selector select = ALL;
    struct entry_query q = { .folder = s->inbox, .select = &select };
    int slices = 0, rc;

    for (int i = 0; i < 50; i++)
        suite_deliver(s, s->inbox, &library[i % 2], NULL);
    assert_result(s, 0, store_commit(s->st, &s->err));
    while ((rc = store_tidy(s->st, 0, 0, 0, &s->err)) > 0) {
        assert_result(s, 0, store_commit(s->st, &s->err));
        slices++;
    }
    assert_result(s, 0, rc);
    assert_true(slices > 5);
    assert_result(s, 0, store_commit(s->st, &s->err));
    assert_result(s, 0, store_tidy(s->st, 0, 0, 0, &s->err));
    assert_result(s, 0, entry_index(s->st, s->inbox, 0, &s->err));
    select.text = (char *)"noon";
    q.limit = 3;
    check_walk(s, &q, "1000 1000 1000 ");
    assert_false(store_is_dirty(s->st));  /* the search had nothing to add */
}

static void a_folder_is_indexed_in_slices_before_a_search(void **state)
{
    struct suite *s = *state;
    int slices = 0, rc;

    assert_result(s, 0, entry_index(s->st, 4711, 10, &s->err));
    for (int i = 0; i < 50; i++)
        suite_deliver(s, s->inbox, &library[0], NULL);
    while ((rc = entry_index(s->st, s->inbox, 0, &s->err)) > 0)
        slices++;
    assert_result(s, 0, rc);
    assert_true(slices > 3);
    assert_result(s, 0, store_commit(s->st, &s->err));
}

static void what_was_indexed_in_a_turn_that_failed_is_indexed_again(void **state)
{
    struct suite *s = *state;
    struct selector select = ALL;
    struct entry_query q = { .folder = s->inbox, .select = &select };

    select.text = (char *)"numbers";
    suite_deliver(s, s->inbox, &library[0], NULL);
    assert_result(s, 0, store_commit(s->st, &s->err));
    check_walk(s, &q, "1000 ");
    store_rollback(s->st);
    check_walk(s, &q, "1000 ");
    assert_result(s, 0, store_savepoint(s->st, &s->err));
    suite_deliver(s, s->inbox, &library[0], NULL);
    check_walk(s, &q, "1000 1000 ");
    store_undo(s->st);
    check_walk(s, &q, "1000 ");
    assert_result(s, 0, store_commit(s->st, &s->err));
}

int main(void)
{
    const struct CMUnitTest entries[] = {
        SUITE_TEST(an_entry_comes_back_as_it_was_put),
        SUITE_TEST(what_is_not_there_is_not_found),
        SUITE_TEST(a_uuid_stands_in_a_folder_once),
        SUITE_TEST(an_entry_needs_its_folder_and_an_id),
        SUITE_TEST(counters_follow_flags_and_deletions),
        SUITE_TEST(a_copy_that_is_read_counts_as_read),
        SUITE_TEST(walks_go_both_ways_from_anywhere_with_a_limit),
        SUITE_TEST(selectors_choose_by_flags_and_time),
        SUITE_TEST(from_finds_a_part_of_the_sender_in_any_case),
        SUITE_TEST(text_finds_messages_that_hold_all_the_words),
        SUITE_TEST(a_search_keeps_to_its_folder_order_and_other_selectors),
        SUITE_TEST(words_leave_with_their_message),
        SUITE_TEST(tidy_indexes_what_came_in),
        SUITE_TEST(a_folder_is_indexed_in_slices_before_a_search),
        SUITE_TEST(what_was_indexed_in_a_turn_that_failed_is_indexed_again),
    };

    return SUITE_RUN(entries);
}
