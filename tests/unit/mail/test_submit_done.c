/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/submit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "base/mem.h"
#include "store/content.h"
#include "store/queue.h"
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
    desk_account(desk, "carol@a.org");
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

/* alice sends "hello" to these; the answers as desk_done() writes them. */
static char *send_to(const char **to, size_t n, unsigned flags, const char *id)
{
    struct submit_request req = {
        .account = "alice@a.com", .to = to, .n_to = n, .subject = "Lunch", .id = id,
        .flags = flags,
    };
    struct submit *s = NULL;
    struct err err = { ERR_NONE };

    if (submit_begin(&desk->mail, &req, &s, &err) < 0)
        fail_msg("%d %s", err.status, err.text);
    desk_part(s, "text", NULL, false, "hello", 5);
    return desk_done(&s);
}

#define EXPECT_SEND(want, flags, ...)                                                     \
    do {                                                                                  \
        const char *to_[] = { __VA_ARGS__ };                                              \
        char *got_ = send_to(to_, N_ELEMENTS(to_), flags, ID1);                           \
        assert_string_equal(got_, want);                                                  \
        free(got_);                                                                       \
    } while (0)

/* The header of what stands newest in a folder. */
static struct message header_of(const char *address, const char *path)
{
    struct entry e = desk_newest(desk, address, path);
    struct content c = { 0 };
    struct message m;
    struct err err = { ERR_NONE };

    assert_int_equal(content_get(desk->mail.store, e.content, &c, NULL), 1);
    if (message_parse(c.header, strlen(c.header), &m, &err) < 0)
        fail_msg("%s", err.text);
    content_clear(&c);
    return m;
}

struct queued {
    size_t n;
    struct queue_entry q[4];
    struct message m[4];
};

static int take_queued(void *ctx, const struct queue_entry *q)
{
    struct queued *all = ctx;
    struct queue_entry *to = &all->q[all->n];
    struct err err = { ERR_NONE };

    *to = *q;
    to->sender = mem_strdup(q->sender);
    to->origin = mem_strdup(q->origin);
    to->destination = mem_strdup(q->destination);
    to->header = mem_strdup(q->header);
    to->settled = mem_strdup(q->settled);
    to->last_error = NULL;
    if (message_parse(q->header, strlen(q->header), &all->m[all->n], &err) < 0)
        fail_msg("%s", err.text);
    all->n++;
    return 0;
}

static struct queued read_queue(void)
{
    struct queued all = { 0 };

    assert_true(queue_each(desk->mail.store, NULL, take_queued, &all, NULL) >= 0);
    return all;
}

static void free_queue(struct queued *all)
{
    for (size_t i = 0; i < all->n; i++) {
        queue_entry_clear(&all->q[i]);
        message_clear(&all->m[i]);
    }
}

/* ---- to mailboxes ---- */

static void a_local_delivery_stands_in_the_mailbox_and_in_sent(void **state)
{
    struct message m;

    (void)state;
    EXPECT_SEND("201 Bob@A.com id=" ID1 " delivered", 0, "Bob@A.com");
    assert_int_equal(desk_unread(desk, "bob@a.com", "INBOX"), 1);
    assert_int_equal(desk_total(desk, "alice@a.com", "SENT"), 1);
    assert_int_equal(desk_unread(desk, "alice@a.com", "SENT"), 0);
    assert_int_equal(desk_newest(desk, "bob@a.com", "INBOX").content,
                     desk_newest(desk, "alice@a.com", "SENT").content);
    m = header_of("bob@a.com", "INBOX");
    assert_string_equal(m.id, ID1);
    assert_int_equal(m.kind, MESSAGE_MAIL);
    assert_string_equal(m.origin, "a.com");
    assert_string_equal(m.destination, "a.com");
    assert_string_equal(m.from, "alice@a.com");
    assert_string_equal(m.subject, "Lunch");
    assert_string_equal(m.to[0], "bob@a.com");
    assert_string_equal(m.shown[0], "Bob@A.com");
    assert_int_equal(m.date_ms, DESK_NOW);
    assert_int_equal(m.expires_ms, 0);
    assert_true(m.parts[0].is_content);
    assert_string_equal(m.parts[0].type, "text/plain; charset=utf-8");
    message_clear(&m);
    assert_string_equal(str_c(&desk->kicked), "");
}

/* docs/immp.md, "Delivering": one line per recipient, in order. */
static void every_recipient_is_answered_in_order(void **state)
{
    struct message m;

    (void)state;
    EXPECT_SEND("440 nobody@a.com no such account|"
                "202 x@b.com id=" ID1 " queued|"
                "201 bob@a.com id=" ID1 " delivered|"
                "201 carol@a.org id=" ID1 " delivered|"
                "201 BOB@a.com id=" ID1 " delivered|"
                "202 y@b.com id=" ID1 " queued",
                0, "nobody@a.com", "x@b.com", "bob@a.com", "carol@a.org", "BOB@a.com", "y@b.com");
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 1);
    assert_int_equal(desk_total(desk, "carol@a.org", "INBOX"), 1);
    assert_int_equal(desk_newest(desk, "bob@a.com", "INBOX").content,
                     desk_newest(desk, "carol@a.org", "INBOX").content);
    assert_string_equal(str_c(&desk->kicked), "a.com>b.com ");
    /* The copy that stays names the first domain of ours, and shows everybody. */
    m = header_of("carol@a.org", "INBOX");
    assert_string_equal(m.destination, "a.com");
    assert_int_equal(m.n_to, 2);
    assert_string_equal(m.to[0], "nobody@a.com");
    assert_string_equal(m.to[1], "bob@a.com");
    assert_int_equal(m.n_shown, 6);
    message_clear(&m);
}

static void two_folders_of_one_mailbox_are_two_recipients(void **state)
{
    struct account a = { 0 };
    struct folder f = { 0 };

    (void)state;
    assert_int_equal(account_get(desk->mail.store, "bob@a.com", &a, NULL), 1);
    assert_true(folder_put(desk->mail.store, a.id, "INBOX/Lists", &f, NULL) >= 0);
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered|201 bob+lists@a.com id=" ID1 " delivered|"
                "201 bob+nowhere@a.com id=" ID1 " delivered",
                0, "bob@a.com", "bob+lists@a.com", "bob+nowhere@a.com");
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 1);
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX/Lists"), 1);
    folder_clear(&f);
    account_clear(&a);
}

static void a_full_mailbox_fails_only_its_recipient(void **state)
{
    (void)state;
    desk_quota(desk, "bob@a.com", 4);
    EXPECT_SEND("442 bob@a.com mailbox full: 0 of 4 bytes are used|"
                "201 carol@a.org id=" ID1 " delivered", 0, "bob@a.com", "carol@a.org");
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "SENT"), 1);
}

static void what_nobody_got_is_not_stored_and_may_be_tried_again(void **state)
{
    (void)state;
    desk_quota(desk, "bob@a.com", 4);
    EXPECT_SEND("442 bob@a.com mailbox full: 0 of 4 bytes are used", 0, "bob@a.com");
    desk_turn(desk);
    assert_int_equal(desk_total(desk, "alice@a.com", "SENT"), 0);
    desk_quota(desk, "bob@a.com", 5);
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered", 0, "bob@a.com");
}

static void sent_is_kept_unless_the_account_says_no(void **state)
{
    struct account a = { 0 };

    (void)state;
    assert_int_equal(account_get(desk->mail.store, "alice@a.com", &a, NULL), 1);
    a.saves_sent = false;
    assert_int_equal(account_update(desk->mail.store, &a, NULL), 1);
    account_clear(&a);
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered", 0, "bob@a.com");
    assert_int_equal(desk_total(desk, "alice@a.com", "SENT"), 0);
}

static void a_full_mailbox_of_the_sender_refuses_the_message_whole(void **state)
{
    (void)state;
    desk_quota(desk, "alice@a.com", 4);
    EXPECT_SEND("-442", 0, "bob@a.com", "x@b.com");
    desk_turn(desk);
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 0);
    assert_int_equal(desk_queued(desk), 0);
    assert_string_equal(str_c(&desk->kicked), "");
}

/* ---- into the queue ---- */

static void each_domain_gets_one_entry_with_its_own_header(void **state)
{
    struct queued all;

    (void)state;
    EXPECT_SEND("202 x+Lists@b.com id=" ID1 " queued|202 z@c.com id=" ID1 " queued|"
                "202 Y@b.com id=" ID1 " queued", MESSAGE_SECURE, "x+Lists@b.com", "z@c.com",
                "Y@b.com");
    all = read_queue();
    assert_int_equal(all.n, 2);
    assert_string_equal(all.q[0].message, ID1);
    assert_string_equal(all.q[0].origin, "a.com");
    assert_string_equal(all.q[0].destination, "b.com");
    assert_string_equal(all.q[0].sender, "alice@a.com");
    assert_string_equal(all.q[0].settled, "");
    assert_int_equal(all.q[0].state, QUEUE_QUEUED);
    assert_int_equal(all.q[0].due_ms, DESK_NOW);
    assert_int_equal(all.q[0].expires_ms, DESK_NOW + desk->domains[0].expire_ms);
    assert_int_equal(all.q[0].size, 5);
    assert_true(all.q[0].is_secure);
    assert_string_equal(all.m[0].destination, "b.com");
    assert_int_equal(all.m[0].n_to, 2);
    assert_string_equal(all.m[0].to[0], "x+Lists@b.com");
    assert_string_equal(all.m[0].to[1], "y@b.com");
    assert_int_equal(all.m[0].n_shown, 3);
    assert_string_equal(all.m[0].shown[1], "z@c.com");
    assert_int_equal(all.m[0].n_hops, 0);
    assert_string_equal(all.m[1].destination, "c.com");
    assert_int_equal(all.m[1].n_to, 1);
    assert_int_equal(all.q[0].content, all.q[1].content);
    assert_int_equal(all.q[0].content, desk_newest(desk, "alice@a.com", "SENT").content);
    assert_string_equal(str_c(&desk->kicked), "a.com>b.com a.com>c.com ");
    free_queue(&all);
}

static void expires_bounds_the_time_in_the_queue(void **state)
{
    const char *to[] = { "x@b.com" };
    struct submit_request req = { .account = "alice@a.com", .to = to, .n_to = 1,
                                  .expires_s = 60 };
    struct submit *s = NULL;
    struct queued all;

    (void)state;
    assert_int_equal(submit_begin(&desk->mail, &req, &s, NULL), 0);
    desk_part(s, "text", NULL, true, "x", 1);
    free(desk_done(&s));
    all = read_queue();
    assert_int_equal(all.q[0].expires_ms, DESK_NOW + 60000);
    assert_int_equal(all.m[0].expires_ms, DESK_NOW + 60000);
    free_queue(&all);
}

/* +BLIND hides the recipients from each other. */
static void blind_recipients_are_named_to_nobody(void **state)
{
    struct queued all;
    struct message m;

    (void)state;
    EXPECT_SEND("202 x@b.com id=" ID1 " queued|201 bob@a.com id=" ID1 " delivered|"
                "202 z@c.com id=" ID1 " queued", MESSAGE_BLIND, "x@b.com", "bob@a.com", "z@c.com");
    all = read_queue();
    assert_int_equal(all.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(all.m[i].n_shown, 0);
        assert_int_equal(all.m[i].n_to, 1);
    }
    free_queue(&all);
    m = header_of("bob@a.com", "INBOX");
    assert_int_equal(m.n_shown, 0);
    assert_int_equal(m.flags, MESSAGE_BLIND);
    message_clear(&m);
}

static void the_sender_still_sees_whom_it_wrote_to_blindly(void **state)
{
    struct message m;

    (void)state;
    EXPECT_SEND("202 x@b.com id=" ID1 " queued|202 z@c.com id=" ID1 " queued", MESSAGE_BLIND,
                "x@b.com", "z@c.com");
    m = header_of("alice@a.com", "SENT");
    assert_int_equal(m.n_shown, 2);
    message_clear(&m);
}

/* +ANONYMOUS: shown as anonymous@domain; bounces still find their way. */
static void an_anonymous_sender_is_shown_as_such_and_gets_its_bounces(void **state)
{
    struct queued all;
    struct message m;

    (void)state;
    EXPECT_SEND("202 x@b.com id=" ID1 " queued|201 bob@a.com id=" ID1 " delivered",
                MESSAGE_ANONYMOUS, "x@b.com", "bob@a.com");
    all = read_queue();
    assert_string_equal(all.m[0].from, "anonymous@a.com");
    assert_string_equal(all.q[0].sender, "alice@a.com");
    assert_null(strstr(all.q[0].header, "alice"));
    free_queue(&all);
    m = header_of("bob@a.com", "INBOX");
    assert_string_equal(m.from, "anonymous@a.com");
    message_clear(&m);
}

static void refused_routes_are_answered_beside_the_others(void **state)
{
    struct mail_route routes[] = {
        { .domain = (char[]){ "c.com" }, .via = MAIL_VIA_REJECT },
        { .domain = (char[]){ "d.com" }, .via = MAIL_VIA_TCP, .to = (char[]){ "h:1025" } },
    };

    (void)state;
    desk->domains[0].routes = routes;
    desk->domains[0].n_routes = 2;
    EXPECT_SEND("444 x@c.com mail to c.com is refused by this server's configuration|"
                "444 x@d.com d.com is routed over TCP, and this build has no TCP relay|"
                "444 y@c.com mail to c.com is refused by this server's configuration|"
                "201 bob@a.com id=" ID1 " delivered",
                0, "x@c.com", "x@d.com", "y@c.com", "bob@a.com");
    assert_int_equal(desk_queued(desk), 0);
}

/* Chunks are not sent by this build: what makes more than 256 KiB of stanza is refused. */
static void what_is_too_large_for_one_stanza_goes_to_mailboxes_here_only(void **state)
{
    static const struct { size_t n; const char *remote; } rows[] = {
        { 160 * 1024, "202" }, { 256 * 1024, "443" }, { 1024 * 1024, "443" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct submit *s = desk_submit(desk, "x@b.com", "bob@a.com", NULL);
        char *p = mem_zalloc(rows[i].n), *got, *local;

        desk_part(s, "a", NULL, true, p, rows[i].n);
        got = desk_done(&s);
        local = strchr(got, '|');
        assert_non_null(local);
        assert_memory_equal(got, rows[i].remote, 3);
        assert_memory_equal(local, "|201", 4);
        assert_true(rows[i].remote[0] == '2' || strstr(got, "256 KiB") != NULL);
        free(got);
        free(p);
    }
    assert_int_equal(desk_queued(desk), 1);
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 3);
}

/* ---- parts ---- */

static void one_part_must_be_content(void **state)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, ID1);
    struct submit_result *r = NULL;
    struct err err = { ERR_NONE };
    size_t n = 0;
    struct message m;
    char *got;

    (void)state;
    assert_int_equal(submit_done(s, &r, &n, &err), -1);
    assert_int_equal(err.status, STATUS_NO_CONTENT);
    desk_part(s, "a", NULL, false, "1", 1);
    desk_part(s, "b", NULL, false, "2", 1);
    assert_int_equal(submit_done(s, &r, &n, &err), -1);
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_int_equal(err.status, STATUS_NO_CONTENT);
    desk_part(s, "c", NULL, true, "3", 1);   /* nothing was stored, so it may go on */
    got = desk_done(&s);
    assert_string_equal(got, "201 bob@a.com id=" ID1 " delivered");
    free(got);
    m = header_of("bob@a.com", "INBOX");
    assert_string_equal(m.parts[0].type, "application/octet-stream");
    assert_string_equal(m.parts[2].type, "text/plain; charset=utf-8");
    assert_false(m.parts[1].is_content);
    message_clear(&m);
}

/* ---- the same id again ---- */

static void the_same_id_again_gets_the_same_answers_and_delivers_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        EXPECT_SEND("440 nobody@a.com no such account|201 bob@a.com id=" ID1 " delivered|"
                    "202 x@b.com id=" ID1 " queued", 0, "nobody@a.com", "bob@a.com", "x@b.com");
        if (i == 1)
            desk_turn(desk);
        desk->clock.fake_ms += 1000;
    }
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 1);
    assert_int_equal(desk_total(desk, "alice@a.com", "SENT"), 1);
    assert_int_equal(desk_queued(desk), 1);
    assert_string_equal(str_c(&desk->kicked), "a.com>b.com ");
}

/* A message that was read and removed does not come back with its repetition. */
static void a_repeat_does_not_bring_back_what_was_removed(void **state)
{
    struct entry e;

    (void)state;
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered", 0, "bob@a.com");
    e = desk_newest(desk, "bob@a.com", "INBOX");
    assert_int_equal(entry_del(desk->mail.store, e.folder, e.uuid, NULL), 1);
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered", 0, "bob@a.com");
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 0);
}

static void two_connections_with_the_same_id_end_the_same_way(void **state)
{
    char *big = mem_zalloc(600000);

    (void)state;
    for (int large = 0; large < 2; large++) {
        const char *id = large ? ID1 : "9507ce26-d34e-41cb-9f14-4eeff943e25f";
        struct submit *one = desk_submit(desk, "bob@a.com", "x@b.com", id);
        struct submit *two = desk_submit(desk, "bob@a.com", "x@b.com", id);
        char *a, *b;

        desk_part(one, "text", NULL, true, big, large ? 600000 : 10);
        desk_part(two, "text", NULL, true, big, large ? 600000 : 10);
        a = desk_done(&one);
        b = desk_done(&two);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 2);
    assert_int_equal(desk_queued(desk), 1);
    free(big);
}

/* The record is the account's: another one's id is not a repetition, and takes nobody's place. */
static void an_id_of_another_account_is_no_repetition(void **state)
{
    const char *to[] = { "carol@a.org" };
    struct submit_request req = { .account = "bob@a.com", .to = to, .n_to = 1, .id = ID1 };
    struct submit *s = NULL;
    char *got;

    (void)state;
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered", 0, "bob@a.com");
    assert_int_equal(submit_begin(&desk->mail, &req, &s, NULL), 0);
    desk_part(s, "text", NULL, true, "x", 1);
    got = desk_done(&s);
    assert_string_equal(got, "201 carol@a.org id=" ID1 " delivered");
    free(got);
    /* But into bob's mailbox, where alice's message has that id, it does not go. */
    req.to = (const char *[]){ "bob@a.com" };
    req.id = ID1;
    req.account = "carol@a.org";
    assert_int_equal(submit_begin(&desk->mail, &req, &s, NULL), 0);
    desk_part(s, "text", NULL, true, "x", 1);
    got = desk_done(&s);
    assert_true(str_starts(got, "402 bob@a.com id " ID1 " is taken"));
    free(got);
}

static void a_done_message_cannot_be_done_again(void **state)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, ID1);
    struct submit_result *r = NULL;
    struct err err = { ERR_NONE };
    size_t n = 0;

    (void)state;
    desk_part(s, "text", NULL, true, "x", 1);
    assert_int_equal(submit_done(s, &r, &n, &err), 0);
    submit_results_free(&r, n);
    assert_int_equal(submit_done(s, &r, &n, &err), -1);
    assert_int_equal(err.status, STATUS_NO_MESSAGE);
    submit_destroy(&s);
}

/* ---- others ---- */

/* +RECEIPT brings a notice when each is delivered; the queue's come with the signed receipt. */
static void a_receipt_tells_of_local_delivery(void **state)
{
    struct message m;

    (void)state;
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered|202 x@b.com id=" ID1 " queued",
                MESSAGE_RECEIPT, "bob@a.com", "x@b.com");
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 1);
    m = header_of("alice@a.com", "INBOX");
    assert_int_equal(m.kind, MESSAGE_NOTICE);
    assert_string_equal(m.from, "mailer-daemon@a.com");
    assert_string_equal(m.in_reply_to, ID1);
    message_clear(&m);
}

static void a_remote_domain_delivers_to_mailboxes_and_keeps_no_copy(void **state)
{
    const char *to[] = { "bob@a.com", "x@c.com" };
    struct submit_request req = { .domain = "b.com", .from = "x@b.com", .to = to, .n_to = 2,
                                  .id = ID1, .flags = MESSAGE_RECEIPT };
    struct submit *s = NULL;
    struct message m;

    (void)state;
    for (int i = 0; i < 2; i++) {
        char *got;

        assert_int_equal(submit_begin(&desk->mail, &req, &s, NULL), 0);
        desk_part(s, "text", NULL, true, "x", 1);
        got = desk_done(&s);
        assert_true(str_starts(got, "201 bob@a.com id=" ID1 " delivered|444 x@c.com "));
        free(got);
    }
    assert_int_equal(desk_total(desk, "bob@a.com", "INBOX"), 1);
    assert_int_equal(desk_queued(desk), 0);
    m = header_of("bob@a.com", "INBOX");
    assert_string_equal(m.origin, "b.com");
    assert_string_equal(m.from, "x@b.com");
    message_clear(&m);
}

static void an_important_message_is_marked_for_the_selector(void **state)
{
    (void)state;
    EXPECT_SEND("201 bob@a.com id=" ID1 " delivered", MESSAGE_IMPORTANT, "bob@a.com");
    assert_int_equal(desk_newest(desk, "bob@a.com", "INBOX").flags, ENTRY_IMPORTANT);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(a_local_delivery_stands_in_the_mailbox_and_in_sent),
        CASE(every_recipient_is_answered_in_order),
        CASE(two_folders_of_one_mailbox_are_two_recipients),
        CASE(a_full_mailbox_fails_only_its_recipient),
        CASE(what_nobody_got_is_not_stored_and_may_be_tried_again),
        CASE(sent_is_kept_unless_the_account_says_no),
        CASE(a_full_mailbox_of_the_sender_refuses_the_message_whole),
        CASE(each_domain_gets_one_entry_with_its_own_header),
        CASE(expires_bounds_the_time_in_the_queue),
        CASE(blind_recipients_are_named_to_nobody),
        CASE(the_sender_still_sees_whom_it_wrote_to_blindly),
        CASE(an_anonymous_sender_is_shown_as_such_and_gets_its_bounces),
        CASE(refused_routes_are_answered_beside_the_others),
        CASE(what_is_too_large_for_one_stanza_goes_to_mailboxes_here_only),
        CASE(one_part_must_be_content),
        CASE(the_same_id_again_gets_the_same_answers_and_delivers_nothing),
        CASE(a_repeat_does_not_bring_back_what_was_removed),
        CASE(two_connections_with_the_same_id_end_the_same_way),
        CASE(an_id_of_another_account_is_no_repetition),
        CASE(a_done_message_cannot_be_done_again),
        CASE(a_receipt_tells_of_local_delivery),
        CASE(a_remote_domain_delivers_to_mailboxes_and_keeps_no_copy),
        CASE(an_important_message_is_marked_for_the_selector),
    };

    return cmocka_run_group_tests_name("submit_done", tests, NULL, NULL);
}
