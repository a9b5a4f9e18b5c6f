/* SPDX-License-Identifier: MIT */
/* The selector text= (docs/immp.md, "MBOX"): whole words, all of them, in one folder. */
#include "contract/store_suite.h"

#include <string.h>

static int count(void *ctx, const struct entry *e, const char *summary)
{
    (void)e;
    assert_non_null(summary);
    ++*(int *)ctx;
    return 0;
}

static int found(struct suite *s, int64_t folder, const char *words)
{
    char text[256];
    struct selector select = { .text = text, .since_ms = INT64_MIN, .before_ms = INT64_MAX };
    struct entry_query q = { .folder = folder, .select = &select };
    int n = 0;

    strncpy(text, words, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_true(entry_each(s->st, &q, count, &n, &s->err) >= 0);
    return n;
}

static void words_are_found_in_sender_subject_and_text(void **state)
{
    static const struct { const char *words; int n; } rows[] = {
        { "marmalade", 3 }, { "MARMALADE porridge", 1 }, { "porridge", 2 },   { "marmal", 0 },
        { "soup AND", 0 },  { "soup OR later", 0 },      { "NEAR(soup", 0 },  { "carol", 1 },
        { "\"soup\"", 1 },  { "soup -", 1 },             { "folder1", 0 },    { "spoon", 0 },
        { "subject:soup", 0 },
    };
    struct suite *s = *state;

    suite_deliver(s, s->inbox, &(struct text){ .subject = "Breakfast", .body = "porridge, marmalade" }, NULL);
    suite_deliver(s, s->inbox, &(struct text){ .subject = "Lunch", .body = "soup; marmalade later" }, NULL);
    suite_deliver(s, s->inbox, &(struct text){ .subject = "Marmalade", .body = "-" }, NULL);
    suite_deliver(s, s->inbox, &(struct text){ .from = "carol@b.example", .body = "porridge" }, NULL);
    suite_deliver(s, s->inbox, &(struct text){ .type = "image/png", .body = "spoon" }, NULL);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        int n = found(s, s->inbox, rows[i].words);

        if (n != rows[i].n)
            print_error("%s: %d\n", rows[i].words, n);
        assert_int_equal(n, rows[i].n);
    }
}

static void what_comes_and_goes_is_found_and_not_found(void **state)
{
    struct suite *s = *state;
    char uuid[UUID_SIZE];
    struct folder lists = { 0 };

    assert_result(s, 1, folder_put(s->st, s->account, "Lists", &lists, &s->err));
    suite_deliver(s, s->inbox, &(struct text){ .body = "first teapot" }, uuid);
    assert_int_equal(found(s, s->inbox, "teapot"), 1);
    suite_deliver(s, s->inbox, &(struct text){ .body = "second teapot" }, NULL);
    assert_int_equal(found(s, s->inbox, "teapot"), 2);
    assert_int_equal(found(s, lists.id, "teapot"), 0);
    assert_result(s, 1, entry_del(s->st, s->inbox, uuid, &s->err));
    assert_int_equal(found(s, s->inbox, "teapot"), 1);
    while (store_tidy(s->st, 0, 0, 5, &s->err) > 0)
        ;
    assert_int_equal(found(s, s->inbox, "teapot"), 1);
    assert_result(s, 0, store_commit(s->st, &s->err));
    suite_reopen(s);
    assert_int_equal(found(s, s->inbox, "second"), 1);
    assert_int_equal(found(s, s->inbox, "first"), 0);
    folder_clear(&lists);
}

int main(void)
{
    static const struct CMUnitTest search[] = {
        SUITE_TEST(words_are_found_in_sender_subject_and_text),
        SUITE_TEST(what_comes_and_goes_is_found_and_not_found),
    };

    return SUITE_RUN(search);
}
