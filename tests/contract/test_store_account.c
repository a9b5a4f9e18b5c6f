/* SPDX-License-Identifier: MIT */
/* The store's contract, over every backend: accounts and folders. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "contract/store_suite.h"
#include "wire/status.h"

/* ---- accounts (store/account.h) ---- */

static void an_account_comes_back_as_it_was_put(void **state)
{
    struct suite *s = *state;
    struct account a = {
        .address = mem_strdup("helpdesk/bob@b.example"),
        .n = 32768,
        .r = 8,
        .p = 1,
        .verifier_len = ACCOUNT_VERIFIER_MAX,
        .quota_bytes = INT64_C(5000000000),
        .used_bytes = 77,  /* not the caller's to say */
        .saves_sent = true,
        .created_ms = INT64_C(1800000000000),
    };
    struct account got[2];

    random_bytes(a.salt, sizeof(a.salt));
    random_bytes(a.verifier, sizeof(a.verifier));
    assert_result(s, 1, account_put(s->st, &a, &s->err));
    assert_true(a.id > 0);
    assert_int_equal(a.used_bytes, 0);
    assert_result(s, 1, account_get(s->st, "helpdesk/bob@b.example", &got[0], &s->err));
    assert_result(s, 1, account_get_by_id(s->st, a.id, &got[1], &s->err));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(got[i].id, a.id);
        assert_string_equal(got[i].address, a.address);
        assert_memory_equal(got[i].salt, a.salt, sizeof(a.salt));
        assert_int_equal(got[i].n, 32768);
        assert_int_equal(got[i].r, 8);
        assert_int_equal(got[i].p, 1);
        assert_int_equal(got[i].verifier_len, ACCOUNT_VERIFIER_MAX);
        assert_memory_equal(got[i].verifier, a.verifier, sizeof(a.verifier));
        assert_true(got[i].quota_bytes == INT64_C(5000000000));
        assert_int_equal(got[i].used_bytes, 0);
        assert_true(got[i].saves_sent);
        assert_true(got[i].created_ms == INT64_C(1800000000000));
        account_clear(&got[i]);
    }
    account_clear(&a);
}

static void an_address_is_given_once(void **state)
{
    struct suite *s = *state;
    struct account a = { .address = (char *)"alice@a.example" };

    assert_result(s, 0, account_put(s->st, &a, &s->err));
    assert_int_equal(a.id, 0);
    assert_int_equal(suite_totals(s).accounts, 1);
}

static void an_unknown_account_is_not_found(void **state)
{
    struct suite *s = *state;
    struct account a = { .id = 4711 };

    assert_result(s, 0, account_update(s->st, &a, &s->err));
    assert_result(s, 0, account_get(s->st, "nobody@a.example", &a, &s->err));
    assert_null(a.address);
    assert_result(s, 0, account_get_by_id(s->st, 4711, &a, &s->err));
    assert_result(s, 0, account_del(s->st, "nobody@a.example", &s->err));
}

static void update_changes_the_secret_and_the_settings_only(void **state)
{
    struct suite *s = *state;
    struct account a, got;

    suite_deliver(s, s->inbox, &(struct text){ .body = "12345" }, NULL);
    assert_result(s, 1, account_get_by_id(s->st, s->account, &a, &s->err));
    a.verifier_len = 0;
    a.n = 16384;
    a.quota_bytes = 9;
    a.saves_sent = false;
    a.used_bytes = 99;
    a.created_ms = 99;
    assert_result(s, 1, account_update(s->st, &a, &s->err));
    assert_result(s, 1, account_get_by_id(s->st, s->account, &got, &s->err));
    assert_int_equal(got.verifier_len, 0);
    assert_int_equal(got.n, 16384);
    assert_int_equal(got.quota_bytes, 9);
    assert_false(got.saves_sent);
    assert_int_equal(got.used_bytes, 5);
    assert_int_equal(got.created_ms, 0);
    account_clear(&a);
    account_clear(&got);
}

static void a_verifier_that_is_too_long_is_refused(void **state)
{
    struct suite *s = *state;
    struct account a = { .address = (char *)"x@a.example",
                         .verifier_len = ACCOUNT_VERIFIER_MAX + 1 };

    assert_result(s, -1, account_put(s->st, &a, &s->err));
    assert_int_equal(s->err.kind, ERR_PERMANENT);
    assert_result(s, -1, account_update(s->st, &a, &s->err));
    assert_false(store_is_dirty(s->st));
}

static int join_address(void *ctx, const struct account *a)
{
    str_addf(ctx, "%s ", a->address);
    return 0;
}

static int stop(void *ctx, const struct account *a)
{
    (void)a;
    return ++*(int *)ctx == 2;
}

static void accounts_are_listed_by_address_and_domain(void **state)
{
    static const char *const more[] = { "zoe@a.example", "bob@b.example", "abe@a.example" };
    struct suite *s = *state;
    struct str all = STR_INIT, a = STR_INIT;
    int seen = 0;

    for (size_t i = 0; i < N_ELEMENTS(more); i++) {
        struct account one = { .address = (char *)more[i] };

        assert_result(s, 1, account_put(s->st, &one, &s->err));
    }
    assert_result(s, 1, account_each(s->st, NULL, join_address, &all, &s->err));
    assert_string_equal(str_c(&all),
                        "abe@a.example alice@a.example bob@b.example zoe@a.example ");
    assert_result(s, 1, account_each(s->st, "a.example", join_address, &a, &s->err));
    assert_string_equal(str_c(&a), "abe@a.example alice@a.example zoe@a.example ");
    assert_result(s, 0, account_each(s->st, "c.example", join_address, &a, &s->err));
    assert_result(s, 1, account_each(s->st, NULL, stop, &seen, &s->err));
    assert_int_equal(seen, 2);
    str_clear(&all);
    str_clear(&a);
}

static void a_deleted_account_takes_its_mail_with_it(void **state)
{
    struct suite *s = *state;
    struct account bob = { .address = (char *)"bob@a.example" };
    struct entry e = { .size = 5 }, got;
    struct folder f, deep, gone;
    struct content c;

    assert_result(s, 1, account_put(s->st, &bob, &s->err));
    assert_result(s, 1, folder_get(s->st, bob.id, "INBOX", &f, &s->err));
    assert_result(s, 1, folder_put(s->st, bob.id, "INBOX/Deep/Down", &deep, &s->err));
    suite_deliver(s, f.id, &(struct text){ .body = "only his" }, NULL);
    suite_deliver(s, deep.id, &(struct text){ .body = "deep" }, NULL);
    /* One that alice has too. */
    e.content = suite_content(s, &(struct text){ 0 }, e.uuid);
    e.folder = f.id;
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    e.folder = s->inbox;
    assert_result(s, 1, entry_put(s->st, &e, &s->err));

    assert_result(s, 1, account_del(s->st, "bob@a.example", &s->err));
    assert_result(s, 0, account_get(s->st, "bob@a.example", &bob, &s->err));
    assert_result(s, 0, folder_get_by_id(s->st, f.id, &gone, &s->err));
    assert_result(s, 1, entry_get(s->st, s->inbox, e.uuid, &got, &s->err));
    assert_result(s, 1, content_get(s->st, e.content, &c, &s->err));
    assert_int_equal(suite_totals(s).messages, 1);
    assert_int_equal(suite_totals(s).bytes, 5);
    assert_result(s, 0, store_commit(s->st, &s->err));
    content_clear(&c);
    folder_clear(&f);
    folder_clear(&deep);
}

/* ---- folders (store/folder.h) ---- */

static int join_folder(void *ctx, const struct folder *f)
{
    str_addf(ctx, "%s ", f->path);
    return 0;
}

static void check_folders(struct suite *s, const char *path, bool recursive, const char *expected)
{
    struct str got = STR_INIT;
    int rc = folder_each(s->st, s->account, path, recursive, join_folder, &got, &s->err);

    assert_int_equal(rc, *expected != '\0');
    assert_string_equal(str_c(&got), expected);
    str_clear(&got);
}

static void put_folder(struct suite *s, const char *path)
{
    struct folder f;

    assert_result(s, 1, folder_put(s->st, s->account, path, &f, &s->err));
    folder_clear(&f);
}

static void an_account_begins_with_five_folders(void **state)
{
    check_folders(*state, "", false, "INBOX DRAFTS JUNK SENT TRASH ");
    check_folders(*state, "", true, "INBOX DRAFTS JUNK SENT TRASH ");
}

static void folder_names_keep_their_case_and_are_compared_without_it(void **state)
{
    static const struct {
        const char *put, *get;
        bool found;
    } rows[] = {
        { "Lists",                "lists",              true  },
        { "Lists",                "LISTS",              true  },
        { "Lists",                "list",               false },
        { "Stra\xc3\x9f" "e",     "STRASSE",            true  },  /* full case folding */
        { "\xc3\x84rger",         "a\xcc\x88rger",      true  },  /* NFC */
        { "100%_x",               "100__x",             false },  /* no patterns */
        { "a",                    "a/",                 false },
        { "b",                    "\xff\xfe",           false },
    };
    struct suite *s = *state;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct folder f;

        (void)folder_put(s->st, s->account, rows[i].put, &f, &s->err);
        assert_string_equal(f.path, rows[i].put);
        folder_clear(&f);
        assert_result(s, rows[i].found,
                      folder_get(s->st, s->account, rows[i].get, &f, &s->err));
        if (rows[i].found)
            assert_string_equal(f.path, rows[i].put);
        folder_clear(&f);
    }
}

static void putting_a_folder_makes_its_parents(void **state)
{
    struct suite *s = *state;
    struct folder f, again;

    assert_result(s, 1, folder_put(s->st, s->account, "inbox/Lists/Deep", &f, &s->err));
    assert_string_equal(f.path, "INBOX/Lists/Deep");
    assert_result(s, 0, folder_put(s->st, s->account, "INBOX/LISTS/deep", &again, &s->err));
    assert_int_equal(again.id, f.id);
    assert_string_equal(again.path, "INBOX/Lists/Deep");
    check_folders(s, "INBOX", true, "INBOX INBOX/Lists INBOX/Lists/Deep ");
    folder_clear(&f);
    folder_clear(&again);
}

static void walks_go_by_name_with_inbox_first_and_children_behind_their_parent(void **state)
{
    struct suite *s = *state;

    put_folder(s, "a/b");
    put_folder(s, "a-c");
    put_folder(s, "inboxes");
    put_folder(s, "INBOX/z");
    check_folders(s, "", true,
                  "INBOX INBOX/z a a/b a-c DRAFTS inboxes JUNK SENT TRASH ");
    check_folders(s, "A", false, "a ");
    check_folders(s, "a", true, "a a/b ");
    check_folders(s, "inbox", true, "INBOX INBOX/z ");
    check_folders(s, "none", true, "");
    check_folders(s, "\xff", true, "");
}

static void a_bad_folder_name_is_refused(void **state)
{
    static const char *const names[] = { "", "/", "a//b", "a/..", "a:b", "a\nb", "\xff" };
    struct suite *s = *state;
    struct folder f;

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        assert_result(s, -1, folder_put(s->st, s->account, names[i], &f, &s->err));
        assert_int_equal(s->err.kind, ERR_PROTOCOL);
        assert_int_equal(s->err.status, STATUS_PARAMETER);
    }
    assert_false(store_is_dirty(s->st));
}

static void accounts_do_not_see_each_others_folders(void **state)
{
    struct suite *s = *state;
    struct account bob = { .address = (char *)"bob@a.example" };
    struct folder f;

    assert_result(s, 1, account_put(s->st, &bob, &s->err));
    assert_result(s, 1, folder_put(s->st, bob.id, "his", &f, &s->err));
    folder_clear(&f);
    assert_result(s, 0, folder_get(s->st, s->account, "his", &f, &s->err));
    check_folders(s, "", true, "INBOX DRAFTS JUNK SENT TRASH ");
}

struct nested {
    struct suite *s;
    int seen;
};

static int walk_inside(void *ctx, const struct folder *f)
{
    struct nested *n = ctx;
    struct str inner = STR_INIT;
    struct folder same;

    assert_result(n->s, 1, folder_each(n->s->st, n->s->account, "", true, join_folder, &inner,
                                       &n->s->err));
    assert_string_equal(str_c(&inner), "INBOX DRAFTS JUNK SENT TRASH ");
    assert_result(n->s, 1, folder_get(n->s->st, f->account, f->path, &same, &n->s->err));
    assert_int_equal(same.id, f->id);
    folder_clear(&same);
    str_clear(&inner);
    n->seen++;
    return 0;
}

static void a_walk_may_read_and_walk_the_same_again(void **state)
{
    struct suite *s = *state;
    struct nested n = { .s = s };

    assert_result(s, 1, folder_each(s->st, s->account, "", true, walk_inside, &n, &s->err));
    assert_int_equal(n.seen, 5);
}

int main(void)
{
    const struct CMUnitTest accounts[] = {
        SUITE_TEST(an_account_comes_back_as_it_was_put),
        SUITE_TEST(an_address_is_given_once),
        SUITE_TEST(an_unknown_account_is_not_found),
        SUITE_TEST(update_changes_the_secret_and_the_settings_only),
        SUITE_TEST(a_verifier_that_is_too_long_is_refused),
        SUITE_TEST(accounts_are_listed_by_address_and_domain),
        SUITE_TEST(a_deleted_account_takes_its_mail_with_it),
        SUITE_TEST(an_account_begins_with_five_folders),
        SUITE_TEST(folder_names_keep_their_case_and_are_compared_without_it),
        SUITE_TEST(putting_a_folder_makes_its_parents),
        SUITE_TEST(walks_go_by_name_with_inbox_first_and_children_behind_their_parent),
        SUITE_TEST(a_bad_folder_name_is_refused),
        SUITE_TEST(accounts_do_not_see_each_others_folders),
        SUITE_TEST(a_walk_may_read_and_walk_the_same_again),
    };

    return SUITE_RUN(accounts);
}
