/* SPDX-License-Identifier: MIT */
/* The store's contract, over every backend: contents, their chunks and their references. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "contract/store_suite.h"
#include "wire/message.h"
#include "wire/status.h"

#define DIGEST "0000000000000000000000000000000000000000000000000000000000000000"

static void begin_message(struct message *m)
{
    message_init(m);
    m->kind = MESSAGE_MAIL;
    uuid_generate(m->id);
    m->from = mem_strdup("bob@b.example");
}

/* ---- arithmetic ---- */

static void where_a_part_begins_follows_from_the_lengths(void **state)
{
    static const struct {
        uint64_t length;
        uint32_t first, n;
    } rows[] = {
        { 5,                      0, 1 },
        { 0,                      1, 0 },  /* an empty part has no chunk */
        { CONTENT_CHUNK,          1, 1 },
        { CONTENT_CHUNK + 1,      2, 2 },
        { 3 * CONTENT_CHUNK,      4, 3 },
        { 1,                      7, 1 },
    };
    struct message m;
    uint32_t first, n;

    (void)state;
    begin_message(&m);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        message_add_part(&m, "p", "x/y", false, rows[i].length, DIGEST);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        content_part_chunks(&m, i, &first, &n);
        assert_int_equal(first, rows[i].first);
        assert_int_equal(n, rows[i].n);
    }
    content_part_chunks(&m, N_ELEMENTS(rows), &first, &n);  /* behind the last */
    assert_int_equal(first, 8);
    assert_int_equal(n, 0);
    message_clear(&m);
}

/* ---- a content's life ---- */

static void a_content_comes_back_as_it_was_finished(void **state)
{
    struct suite *s = *state;
    struct message m;
    struct content c;
    struct str out = STR_INIT;
    int64_t id;

    begin_message(&m);
    message_add_part(&m, "a", "text/plain", true, 3, DIGEST);
    message_add_part(&m, "b", "x/y", false, 2, DIGEST);
    assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
    assert_result(s, 1, content_append(s->st, id, 0, "one", 3, &s->err));
    assert_result(s, 1, content_append(s->st, id, 1, "\0\xff", 2, &s->err));
    assert_result(s, 0, content_get(s->st, id, &c, &s->err));  /* a draft is not there yet */
    assert_result(s, 1, content_finish(s->st, id, &m, "{\"any\":\"\xc3\xa9\"}", "c2ln", "PEM",
                                       &s->err));
    assert_result(s, 1, content_get(s->st, id, &c, &s->err));
    assert_int_equal(c.id, id);
    assert_string_equal(c.uuid, m.id);
    assert_string_equal(c.header, "{\"any\":\"\xc3\xa9\"}");
    assert_string_equal(c.signature, "c2ln");
    assert_string_equal(c.certificate, "PEM");
    assert_int_equal(c.size, 5);
    str_add(&out, "before ");
    assert_result(s, 1, content_chunk(s->st, id, 0, &out, &s->err));  /* appends */
    assert_result(s, 1, content_chunk(s->st, id, 1, &out, &s->err));
    assert_int_equal(out.len, 12);
    assert_memory_equal(out.s, "before one\0\xff", 12);
    assert_result(s, 0, content_chunk(s->st, id, 2, &out, &s->err));
    content_clear(&c);
    message_clear(&m);
    str_clear(&out);
}

static void signature_and_certificate_may_be_missing(void **state)
{
    struct suite *s = *state;
    int64_t id = suite_content(s, &(struct text){ 0 }, NULL);
    struct content c;

    assert_result(s, 1, content_get(s->st, id, &c, &s->err));
    assert_null(c.signature);
    assert_null(c.certificate);
    content_clear(&c);
}

static void a_big_content_is_as_many_chunks(void **state)
{
    struct suite *s = *state;
    uint8_t *p = mem_alloc(CONTENT_CHUNK);
    struct str out = STR_INIT;
    struct message m;
    struct content c;
    int64_t id;

    begin_message(&m);
    message_add_part(&m, "a", "x/y", true, 12 * CONTENT_CHUNK + 7, DIGEST);
    assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
    for (uint32_t i = 0; i < 13; i++) {
        memset(p, (int)i, CONTENT_CHUNK);
        assert_result(s, 1, content_append(s->st, id, i, p, i < 12 ? CONTENT_CHUNK : 7, &s->err));
        if (i % 5 == 0)  /* over several turns */
            assert_result(s, 0, store_commit(s->st, &s->err));
    }
    assert_result(s, 1, content_finish(s->st, id, &m, "{}", NULL, NULL, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    suite_reopen(s);
    for (uint32_t i = 0; i < 13; i++) {
        str_truncate(&out, 0);
        assert_result(s, 1, content_chunk(s->st, id, i, &out, &s->err));
        assert_int_equal(out.len, i < 12 ? CONTENT_CHUNK : 7);
        assert_int_equal(out.s[0], i);
        assert_int_equal(out.s[out.len - 1], i);
    }
    /* Its octets go in slices, itself at once. */
    assert_result(s, 0, content_drop(s->st, id, &s->err));
    assert_result(s, 0, content_get(s->st, id, &c, &s->err));
    assert_int_equal(suite_totals(s).bytes, 0);
    assert_result(s, 0, store_commit(s->st, &s->err));
    assert_result(s, 1, store_check(s->st, &s->err));
    assert_result(s, 1, store_tidy(s->st, 0, 0, 0, &s->err));
    assert_result(s, 0, store_tidy(s->st, 0, 0, 1000, &s->err));
    assert_result(s, 0, content_chunk(s->st, id, 12, &out, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    free(p);
    message_clear(&m);
    str_clear(&out);
}

static void a_part_that_was_given_up_leaves_nothing(void **state)
{
    struct suite *s = *state;
    struct str out = STR_INIT;
    struct message m;
    int64_t id;

    begin_message(&m);
    message_add_part(&m, "a", "x/y", true, 3, DIGEST);
    assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
    assert_result(s, 1, content_append(s->st, id, 0, "given up", 8, &s->err));
    assert_result(s, 1, content_append(s->st, id, 1, "too", 3, &s->err));
    assert_result(s, 1, content_append(s->st, id, 0, "new", 3, &s->err));
    assert_result(s, 1, content_finish(s->st, id, &m, "{}", NULL, NULL, &s->err));
    assert_result(s, 1, content_chunk(s->st, id, 0, &out, &s->err));
    assert_string_equal(str_c(&out), "new");
    assert_result(s, 0, content_chunk(s->st, id, 1, &out, &s->err));
    assert_result(s, 1, store_check(s->st, &s->err));
    message_clear(&m);
    str_clear(&out);
}

static void chunks_that_cannot_be_are_refused(void **state)
{
    struct suite *s = *state;
    struct str out = STR_INIT;
    char *big = mem_zalloc(CONTENT_CHUNK + 1);
    int64_t id;

    assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
    assert_result(s, -1, content_append(s->st, id, 0, "", 0, &s->err));
    assert_int_equal(s->err.kind, ERR_PERMANENT);
    assert_result(s, -1, content_append(s->st, id, 0, big, CONTENT_CHUNK + 1, &s->err));
    /* A number that would reach into the next content's chunks, and ids likewise. */
    assert_result(s, -1, content_append(s->st, id, 1u << 20, "x", 1, &s->err));
    assert_result(s, -1, content_append(s->st, INT64_C(1) << 43, 0, "x", 1, &s->err));
    assert_result(s, -1, content_append(s->st, 0, 0, "x", 1, &s->err));
    assert_result(s, 0, content_chunk(s->st, id, 1u << 20, &out, &s->err));
    assert_result(s, 0, content_chunk(s->st, -1, 0, &out, &s->err));
    assert_result(s, 0, content_drop(s->st, INT64_MAX, &s->err));
    free(big);
}

static void only_a_draft_can_be_finished_and_only_once(void **state)
{
    struct suite *s = *state;
    struct message m;
    int64_t id;

    begin_message(&m);
    assert_result(s, -1, content_finish(s->st, 4711, &m, "{}", NULL, NULL, &s->err));
    assert_int_equal(s->err.kind, ERR_PERMANENT);
    assert_int_equal(s->err.status, STATUS_INTERNAL);
    assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
    assert_result(s, 1, content_finish(s->st, id, &m, "{}", NULL, NULL, &s->err));
    assert_result(s, -1, content_finish(s->st, id, &m, "{}", NULL, NULL, &s->err));
    message_clear(&m);
}

static void a_message_without_an_id_is_refused(void **state)
{
    struct suite *s = *state;
    struct message m;
    int64_t id;

    message_init(&m);
    assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
    assert_result(s, -1, content_finish(s->st, id, &m, "{}", NULL, NULL, &s->err));
    assert_int_equal(s->err.status, STATUS_INTERNAL);
    message_clear(&m);
}

/* ---- references ---- */

static void a_content_lives_as_long_as_something_refers_to_it(void **state)
{
    struct suite *s = *state;
    struct entry e = { .folder = s->inbox, .size = 5 };
    struct queue_entry q = {
        .origin = (char *)"a.example",
        .destination = (char *)"b.example",
        .sender = (char *)"alice@a.example",
        .header = (char *)"{}",
        .expires_ms = 1,
    };
    struct folder sent;
    struct content c;

    e.content = suite_content(s, &(struct text){ 0 }, e.uuid);
    memcpy(q.message, e.uuid, UUID_SIZE);
    q.content = e.content;
    assert_result(s, 1, folder_get(s->st, s->account, "SENT", &sent, &s->err));
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    e.folder = sent.id;
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    assert_result(s, 1, queue_put(s->st, &q, &s->err));
    assert_int_equal(suite_totals(s).bytes, 5);  /* stored once */
    assert_int_equal(suite_used(s), 10);         /* counted for each folder */

    assert_result(s, 0, content_drop(s->st, e.content, &s->err));  /* it is referred to: stays */
    assert_result(s, 1, entry_del(s->st, s->inbox, e.uuid, &s->err));
    assert_result(s, 1, queue_del(s->st, q.id, &s->err));
    assert_result(s, 1, content_get(s->st, e.content, &c, &s->err));
    content_clear(&c);
    assert_result(s, 1, entry_del(s->st, sent.id, e.uuid, &s->err));
    assert_result(s, 0, content_get(s->st, e.content, &c, &s->err));
    assert_int_equal(suite_totals(s).bytes, 0);
    assert_int_equal(suite_used(s), 0);
    folder_clear(&sent);
}

static void drop_removes_drafts_and_what_nothing_refers_to(void **state)
{
    struct suite *s = *state;
    struct str out = STR_INIT;
    struct content c;
    int64_t draft, finished = suite_content(s, &(struct text){ 0 }, NULL);

    assert_result(s, 1, content_begin(s->st, 1, &draft, &s->err));
    assert_result(s, 1, content_append(s->st, draft, 0, "x", 1, &s->err));
    assert_result(s, 0, content_drop(s->st, draft, &s->err));
    assert_result(s, 0, content_chunk(s->st, draft, 0, &out, &s->err));
    assert_result(s, 0, content_drop(s->st, finished, &s->err));
    assert_result(s, 0, content_get(s->st, finished, &c, &s->err));
    assert_result(s, 0, content_drop(s->st, 4711, &s->err));  /* it was never there */
    assert_int_equal(suite_totals(s).bytes, 0);
}

static void nothing_can_refer_to_a_content_that_is_not_finished(void **state)
{
    struct suite *s = *state;
    struct entry e = { .folder = s->inbox };
    int64_t id;

    uuid_generate(e.uuid);
    assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
    assert_result(s, 0, store_commit(s->st, &s->err));
    e.content = id;
    assert_result(s, 0, store_savepoint(s->st, &s->err));
    assert_result(s, -1, entry_put(s->st, &e, &s->err));
    assert_int_equal(s->err.kind, ERR_PERMANENT);
    store_undo(s->st);
    assert_int_equal(suite_folder(s, s->inbox).total, 0);
}

static void many_messages_share_their_certificate(void **state)
{
    struct suite *s = *state;
    struct message m;
    struct content c;
    int64_t id;

    for (int i = 0; i < 6; i++) {
        const char *pem = i % 2 == 0 ? "PEM of one" : "PEM of another";

        begin_message(&m);
        assert_result(s, 1, content_begin(s->st, 1, &id, &s->err));
        assert_result(s, 1, content_finish(s->st, id, &m, "{}", "c2ln", pem, &s->err));
        assert_result(s, 1, content_get(s->st, id, &c, &s->err));
        assert_string_equal(c.certificate, pem);
        content_clear(&c);
        message_clear(&m);
    }
}

int main(void)
{
    const struct CMUnitTest contents[] = {
        cmocka_unit_test(where_a_part_begins_follows_from_the_lengths),
        SUITE_TEST(a_content_comes_back_as_it_was_finished),
        SUITE_TEST(signature_and_certificate_may_be_missing),
        SUITE_TEST(a_big_content_is_as_many_chunks),
        SUITE_TEST(a_part_that_was_given_up_leaves_nothing),
        SUITE_TEST(chunks_that_cannot_be_are_refused),
        SUITE_TEST(only_a_draft_can_be_finished_and_only_once),
        SUITE_TEST(a_message_without_an_id_is_refused),
        SUITE_TEST(a_content_lives_as_long_as_something_refers_to_it),
        SUITE_TEST(drop_removes_drafts_and_what_nothing_refers_to),
        SUITE_TEST(nothing_can_refer_to_a_content_that_is_not_finished),
        SUITE_TEST(many_messages_share_their_certificate),
    };

    return SUITE_RUN(contents);
}
