/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/submit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "base/mem.h"
#include "seal/digest.h"
#include "store/content.h"
#include "wire/status.h"

#include "unit/mail/desk.h"

#define ID1 "9507ce26-d34e-41cb-9f14-4eeff943e25e"

static struct desk *desk;

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    desk_account(desk, "alice@a.com");
    desk_account(desk, "bob@a.com");
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_turn(desk);
    desk_sound(desk);
    desk_close(&desk);
    return 0;
}

/* Octets that differ everywhere, so that a lost or swapped chunk shows. */
static char *octets(size_t n, unsigned seed)
{
    char *p = mem_alloc(n + 1);
    uint32_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (char)(x >> 24);
    }
    return p;
}

/* What stands in bob's INBOX: part i must be exactly these octets. */
static void expect_part(size_t part, const char *p, size_t n)
{
    struct entry e = desk_newest(desk, "bob@a.com", "INBOX");
    struct content c = { 0 };
    struct message m;
    struct str out = STR_INIT;
    uint32_t first, count;
    char hex[65];

    assert_int_equal(content_get(desk->mail.store, e.content, &c, NULL), 1);
    assert_int_equal(message_parse(c.header, strlen(c.header), &m, NULL), 0);
    assert_int_equal(m.parts[part].length, n);
    digest_sha256_hex(p, n, hex);
    assert_string_equal(m.parts[part].sha256, hex);
    content_part_chunks(&m, part, &first, &count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(content_chunk(desk->mail.store, e.content, first + i, &out, NULL), 1);
    assert_int_equal(out.len, n);
    if (n > 0)
        assert_memory_equal(out.s, p, n);
    str_clear(&out);
    message_clear(&m);
    content_clear(&c);
}

static void done(struct submit **sp)
{
    char *text = desk_done(sp);

    if (strncmp(text, "201 ", 4) != 0)
        fail_msg("%s", text);
    free(text);
}

static void feed(struct submit *s, const char *p, size_t n, size_t piece)
{
    struct err err = { ERR_NONE };

    for (size_t at = 0; at < n; at += piece)
        if (submit_octets(s, p + at, MIN(piece, n - at), &err) < 0)
            fail_msg("%d %s", err.status, err.text);
}

/* Memory, the edge to a draft, and well beyond; in pieces that do and do not divide a chunk. */
static void octets_arrive_as_they_were_sent_whatever_the_size(void **state)
{
    static const size_t sizes[] = { 0, 1, 4096, CONTENT_CHUNK - 1, CONTENT_CHUNK,
                                    CONTENT_CHUNK + 1, 2 * CONTENT_CHUNK, 700000 };
    static const size_t pieces[] = { 4093, 65536, 1 << 20 };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
        for (size_t j = 0; j < N_ELEMENTS(pieces); j++) {
            struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
            char *p = octets(sizes[i], 7);

            assert_int_equal(submit_part(s, "a", NULL, true, false, UINT64_MAX, NULL), 0);
            feed(s, p, sizes[i], pieces[j]);
            assert_int_equal(submit_part_end(s, NULL), 0);
            done(&s);
            expect_part(0, p, sizes[i]);
            free(p);
        }
    }
}

static void each_part_begins_a_chunk_of_its_own(void **state)
{
    static const size_t sizes[] = { 100, 0, 200000, 100000, 300000, 5, CONTENT_CHUNK };
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);

    (void)state;
    for (unsigned i = 0; i < N_ELEMENTS(sizes); i++) {
        char name[8], *p = octets(sizes[i], i);

        snprintf(name, sizeof name, "p%u", i);
        desk_part(s, name, NULL, i == 0, p, sizes[i]);
        free(p);
    }
    done(&s);
    for (unsigned i = 0; i < N_ELEMENTS(sizes); i++) {
        char *p = octets(sizes[i], i);

        expect_part(i, p, sizes[i]);
        free(p);
    }
}

static void base64_is_decoded_wherever_it_is_cut(void **state)
{
    struct str text = STR_INIT;
    char *p = octets(1000, 3);

    (void)state;
    base64_add(&text, p, 1000, 76);
    for (size_t cut = 0; cut <= text.len; cut += 41) {
        struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);

        assert_int_equal(submit_part(s, "a", "image/png", true, true, text.len, NULL), 0);
        assert_int_equal(submit_octets(s, text.s, cut, NULL), 0);
        assert_int_equal(submit_octets(s, text.s + cut, text.len - cut, NULL), 0);
        assert_int_equal(submit_part_end(s, NULL), 0);
        done(&s);
        expect_part(0, p, 1000);
    }
    str_clear(&text);
    free(p);
}

static void base64_of_many_chunks_is_decoded(void **state)
{
    const size_t n = 3 * CONTENT_CHUNK + 17;
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    struct str text = STR_INIT;
    char *p = octets(n, 4);

    (void)state;
    base64_add(&text, p, n, 0);
    assert_int_equal(submit_part(s, "a", NULL, true, true, text.len, NULL), 0);
    feed(s, text.s, text.len, 100000);
    assert_int_equal(submit_part_end(s, NULL), 0);
    done(&s);
    expect_part(0, p, n);
    str_clear(&text);
    free(p);
}

/* Fails the part with that status; the message must go on. */
static void fail_part(struct submit *s, const char *text, bool is_base64, uint64_t length,
                      int status)
{
    struct err err = { ERR_NONE };
    int rc = submit_part(s, "bad", NULL, false, is_base64, length, &err);

    if (rc == 0)
        rc = submit_octets(s, text, strlen(text), &err);
    if (rc == 0)
        rc = submit_part_end(s, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.status, status);
    assert_int_equal(err.kind, ERR_PROTOCOL);
}

static void a_part_that_fails_is_gone_and_the_message_goes_on(void **state)
{
    static const struct { const char *text; bool is_base64; uint64_t length; int status; } rows[] = {
        { "####", true, 4, STATUS_BAD_BASE64 },
        { "YWJ", true, 3, STATUS_BAD_BASE64 },
        { "YQ==YQ==", true, 8, STATUS_BAD_BASE64 },
        { "YR==", true, 4, STATUS_BAD_BASE64 },
        { "abc", false, 4, STATUS_BAD_LENGTH },
        { "abcde", false, 4, STATUS_BAD_LENGTH },
        { "YWJj", true, 5, STATUS_BAD_LENGTH },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);

        desk_part(s, "one", NULL, true, "1", 1);
        fail_part(s, rows[i].text, rows[i].is_base64, rows[i].length, rows[i].status);
        desk_part(s, "bad", NULL, false, "22", 2);   /* as if it had never been */
        done(&s);
        expect_part(0, "1", 1);
        expect_part(1, "22", 2);
    }
}

static void a_large_part_that_is_given_up_leaves_nothing(void **state)
{
    char *p = octets(900000, 5), *q = octets(300000, 6);

    (void)state;
    for (int first_large = 0; first_large < 2; first_large++) {
        struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
        size_t n = first_large ? 300000 : 10;

        desk_part(s, "one", NULL, true, q, n);
        assert_int_equal(submit_part(s, "two", NULL, false, false, UINT64_MAX, NULL), 0);
        feed(s, p, 900000, 65536);
        desk_turn(desk);
        submit_part_drop(s);
        submit_part_drop(s);   /* nothing is in progress: nothing happens */
        desk_part(s, "three", NULL, false, "333", 3);
        done(&s);
        expect_part(0, q, n);
        expect_part(1, "333", 3);
        desk_turn(desk);
        desk_sound(desk);
    }
    free(p);
    free(q);
}

static void names_and_types_are_checked(void **state)
{
    static char long_name[MESSAGE_NAME_MAX + 2];
    static const struct { const char *name, *type; int status; } rows[] = {
        { "text", NULL, 0 },
        { "Bild \303\244.png", "image/png", 0 },
        { "a/b", "text/plain; charset=utf-8", 0 },
        { "", NULL, STATUS_PARAMETER },
        { "a\nb", NULL, STATUS_PARAMETER },
        { "\377", NULL, STATUS_PARAMETER },
        { long_name, NULL, STATUS_PARAMETER },
        { "taken", NULL, 0 },   /* files of one name may be sent */
        { "x", "text", STATUS_PARAMETER },
        { "x", "text/plain\r\nX: y", STATUS_PARAMETER },
        { "x", "", STATUS_PARAMETER },
    };

    (void)state;
    memset(long_name, 'x', MESSAGE_NAME_MAX + 1);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
        struct err err = { ERR_NONE };
        int rc;

        desk_part(s, "taken", NULL, true, "1", 1);
        rc = submit_part(s, rows[i].name, rows[i].type, false, false, 1, &err);
        if ((rc == 0) != (rows[i].status == 0) || err.status != rows[i].status)
            fail_msg("row %zu: %d", i, err.status);
        submit_destroy(&s);
    }
}

/* docs/immp.md, "Delivering": 1000 parts. */
static void a_thousand_parts_and_not_one_more(void **state)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    struct err err = { ERR_NONE };

    (void)state;
    for (int i = 0; i < MESSAGE_PARTS_MAX; i++) {
        char name[16];

        snprintf(name, sizeof name, "part-%d", i);
        desk_part(s, name, NULL, i == 0, name, strlen(name));
    }
    assert_int_equal(submit_part(s, "more", NULL, false, false, 1, &err), -1);
    assert_int_equal(err.status, STATUS_LIMIT);
    done(&s);
    expect_part(999, "part-999", 8);
}

/* 443 as soon as it is known, and then nothing goes any more. */
static void a_message_that_is_too_large_is_refused_at_once(void **state)
{
    char *p = octets(60000, 1);
    struct err err = { ERR_NONE };
    struct submit_result *r;
    struct submit *s;
    size_t n;

    (void)state;
    desk->domains[0].message_bytes = 100000;

    s = desk_submit(desk, "bob@a.com", NULL, NULL);   /* announced */
    desk_part(s, "one", NULL, true, p, 60000);
    assert_int_equal(submit_part(s, "two", NULL, false, false, 40001, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_int_equal(err.status, STATUS_TOO_LARGE);
    assert_int_equal(submit_part(s, "three", NULL, false, false, 1, &err), -1);
    assert_int_equal(err.status, STATUS_TOO_LARGE);
    assert_int_equal(submit_done(s, &r, &n, &err), -1);
    assert_int_equal(err.status, STATUS_TOO_LARGE);
    submit_destroy(&s);

    s = desk_submit(desk, "bob@a.com", NULL, NULL);   /* not announced */
    assert_int_equal(submit_part(s, "one", NULL, true, false, UINT64_MAX, &err), 0);
    assert_int_equal(submit_octets(s, p, 60000, &err), 0);
    assert_int_equal(submit_octets(s, p, 40001, &err), -1);
    assert_int_equal(err.status, STATUS_TOO_LARGE);
    assert_int_equal(submit_octets(s, p, 1, &err), -1);
    assert_int_equal(err.status, STATUS_TOO_LARGE);
    submit_destroy(&s);

    s = desk_submit(desk, "bob@a.com", NULL, NULL);   /* exactly */
    desk_part(s, "one", NULL, true, p, 60000);
    desk_part(s, "two", NULL, false, p, 40000);
    done(&s);
    free(p);
}

/* White space in base64 costs no octets, so it needs a limit of its own. */
static void base64_of_white_space_only_ends_too(void **state)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    char spaces[1000];
    struct err err = { ERR_NONE };
    int rc = 0;

    (void)state;
    desk->domains[0].message_bytes = 1000;
    memset(spaces, ' ', sizeof spaces);
    assert_int_equal(submit_part(s, "a", NULL, true, true, 4000, &err), -1);
    assert_int_equal(err.status, STATUS_TOO_LARGE);
    submit_destroy(&s);
    s = desk_submit(desk, "bob@a.com", NULL, NULL);
    assert_int_equal(submit_part(s, "a", NULL, true, true, UINT64_MAX, NULL), 0);
    for (int i = 0; i < 10 && rc == 0; i++)
        rc = submit_octets(s, spaces, sizeof spaces, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.status, STATUS_TOO_LARGE);
    submit_destroy(&s);
}

static void calls_out_of_order_are_refused(void **state)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    struct submit_result *r;
    struct err err = { ERR_NONE };
    size_t n;

    (void)state;
    assert_int_equal(submit_octets(s, "x", 1, &err), -1);
    assert_int_equal(err.status, STATUS_NO_MESSAGE);
    assert_int_equal(submit_part_end(s, &err), -1);
    assert_int_equal(submit_part(s, "a", NULL, true, false, 1, &err), 0);
    assert_int_equal(submit_part(s, "b", NULL, true, false, 1, &err), -1);
    assert_int_equal(submit_done(s, &r, &n, &err), -1);
    assert_int_equal(err.status, STATUS_NO_MESSAGE);
    submit_destroy(&s);
}

static void cancelling_drops_the_draft(void **state)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    struct store_totals before, after;
    char *p = octets(600000, 1);

    (void)state;
    desk_turn(desk);
    assert_true(store_totals(desk->mail.store, &before, NULL) >= 0);
    desk_part(s, "a", NULL, true, p, 600000);
    desk_turn(desk);
    submit_destroy(&s);
    desk_turn(desk);
    assert_true(store_totals(desk->mail.store, &after, NULL) >= 0);
    assert_int_equal(after.bytes, before.bytes);
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 0);
    submit_destroy(&s);
    free(p);
}

/* 50 MiB pass, and memory does not see them. */
static void fifty_megabytes_stream_with_bounded_memory(void **state)
{
    const uint64_t total = 50u << 20;
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    char *p = octets(65536, 9);
    size_t before = 0, most = 0;

    (void)state;
    assert_int_equal(submit_part(s, "a", "video/mp4", true, false, total, NULL), 0);
    for (uint64_t sent = 0; sent < total; sent += 65536) {
        size_t used;

        assert_int_equal(submit_octets(s, p, 65536, NULL), 0);
        used = mallinfo2().uordblks + mallinfo2().hblkhd;
        most = MAX(most, used);
        if (sent == 8u << 20)
            before = used;   /* by now the store's page cache is full */
        if (sent % (4u << 20) == 0)
            desk_turn(desk);
    }
    assert_true(most < before + (4u << 20));
    assert_int_equal(submit_part_end(s, NULL), 0);
    done(&s);
    desk_turn(desk);
    assert_int_equal(desk_newest(desk, "bob@a.com", "INBOX").size, total);
    free(p);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(octets_arrive_as_they_were_sent_whatever_the_size),
        CASE(each_part_begins_a_chunk_of_its_own),
        CASE(base64_is_decoded_wherever_it_is_cut),
        CASE(base64_of_many_chunks_is_decoded),
        CASE(a_part_that_fails_is_gone_and_the_message_goes_on),
        CASE(a_large_part_that_is_given_up_leaves_nothing),
        CASE(names_and_types_are_checked),
        CASE(a_thousand_parts_and_not_one_more),
        CASE(a_message_that_is_too_large_is_refused_at_once),
        CASE(base64_of_white_space_only_ends_too),
        CASE(calls_out_of_order_are_refused),
        CASE(cancelling_drops_the_draft),
        CASE(fifty_megabytes_stream_with_bounded_memory),
    };

    return cmocka_run_group_tests_name("submit_part", tests, NULL, NULL);
}
