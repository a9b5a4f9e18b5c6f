/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/notice.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "base/mem.h"
#include "seal/digest.h"
#include "store/content.h"
#include "wire/json.h"
#include "wire/status.h"

#include "unit/mail/desk.h"

#define ID1 "9507ce26-d34e-41cb-9f14-4eeff943e25e"

static struct desk *desk;

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    desk_account(desk, "alice@a.com");
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

static struct message original(const char *subject)
{
    struct message m;

    message_init(&m);
    memcpy(m.id, ID1, sizeof m.id);
    m.kind = MESSAGE_MAIL;
    m.subject = (char *)subject;
    return m;
}

static int send_notice(enum notice_kind kind, const struct message *m, const char *sender)
{
    struct err err = { ERR_NONE };
    int rc = notice_send(&desk->mail, kind, m, sender, "bob@b.com", STATUS_NO_ACCOUNT,
                         "no such account", &err);

    if (rc < 0)
        fail_msg("%s", err.text);
    return rc;
}

/* The newest message: its header, and the octets of its parts, which must agree with it. */
static struct message read_notice(const char *address, struct str *text, struct str *json)
{
    struct entry e = desk_newest(desk, address, "INBOX");
    struct content c = { 0 };
    struct message m;
    struct str *out[] = { text, json };
    struct err err = { ERR_NONE };

    assert_int_equal(content_get(desk->mail.store, e.content, &c, NULL), 1);
    if (message_parse(c.header, strlen(c.header), &m, &err) < 0)
        fail_msg("%s", err.text);
    assert_null(c.signature);
    assert_int_equal(m.n_parts, 2);
    assert_int_equal(e.size, message_size(&m));
    for (size_t i = 0; i < 2; i++) {
        uint32_t first, n;
        char hex[65];

        content_part_chunks(&m, i, &first, &n);
        assert_int_equal(content_chunk(desk->mail.store, e.content, first, out[i], NULL), 1);
        assert_int_equal(out[i]->len, m.parts[i].length);
        digest_sha256_hex(out[i]->s, out[i]->len, hex);
        assert_string_equal(m.parts[i].sha256, hex);
    }
    content_clear(&c);
    return m;
}

static void a_bounce_says_what_failed_to_people_and_to_programs(void **state)
{
    struct message about = original("Lunch \"today\""), m;
    struct str text = STR_INIT, json = STR_INIT;
    struct json *j;
    int64_t code;

    (void)state;
    send_notice(NOTICE_FAILED, &about, "alice@a.com");
    m = read_notice("alice@a.com", &text, &json);
    assert_int_equal(m.kind, MESSAGE_NOTICE);
    assert_string_equal(m.from, "mailer-daemon@a.com");
    assert_string_equal(m.to[0], "alice@a.com");
    assert_string_equal(m.subject, "Undeliverable: Lunch \"today\"");
    assert_string_equal(m.in_reply_to, ID1);
    assert_string_not_equal(m.id, ID1);
    assert_true(m.parts[0].is_content);
    assert_false(m.parts[1].is_content);
    assert_string_equal(m.parts[1].name, "reason.json");
    assert_string_equal(m.parts[1].type, "application/json");
    assert_non_null(strstr(str_c(&text), "bob@b.com"));
    assert_non_null(strstr(str_c(&text), "440 no such account"));

    j = json_parse(json.s, json.len, NULL);
    assert_non_null(j);
    assert_string_equal(json_get_str(j, "event"), "failed");
    assert_string_equal(json_get_str(j, "id"), ID1);
    assert_string_equal(json_get_str(j, "recipient"), "bob@b.com");
    assert_true(json_get_int(j, "code", &code));
    assert_int_equal(code, 440);
    assert_string_equal(json_get_str(j, "text"), "no such account");
    assert_string_equal(json_get_str(j, "subject"), "Lunch \"today\"");
    assert_true(str_starts(json_get_str(j, "time"), "2026-11-18T"));
    json_destroy(&j);
    message_clear(&m);
    str_clear(&text);
    str_clear(&json);
}

static void a_receipt_says_that_it_was_delivered(void **state)
{
    struct message about = original(NULL), m;
    struct str text = STR_INIT, json = STR_INIT;

    (void)state;
    send_notice(NOTICE_DELIVERED, &about, "alice@a.com");
    m = read_notice("alice@a.com", &text, &json);
    assert_string_equal(m.subject, "Delivered");
    assert_non_null(strstr(str_c(&json), "\"delivered\""));
    message_clear(&m);
    str_clear(&text);
    str_clear(&json);
}

static void nobody_is_told_of_a_notice(void **state)
{
    struct message about = original("x");

    (void)state;
    about.kind = MESSAGE_NOTICE;
    assert_int_equal(send_notice(NOTICE_FAILED, &about, "alice@a.com"), 0);
    about.kind = MESSAGE_MAIL;
    assert_int_equal(send_notice(NOTICE_FAILED, &about, "mailer-daemon@a.com"), 0);
    assert_int_equal(send_notice(NOTICE_FAILED, &about, "gone@a.com"), 0);
    assert_int_equal(send_notice(NOTICE_FAILED, &about, "x@b.com"), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 0);
}

static void a_full_mailbox_still_learns_of_lost_mail(void **state)
{
    struct message about = original("x");

    (void)state;
    desk_quota(desk, "alice@a.com", 1);
    send_notice(NOTICE_FAILED, &about, "alice@a.com");
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 1);
}

static void a_long_subject_is_cut_between_characters(void **state)
{
    char subject[MESSAGE_SUBJECT_MAX + 1];
    struct str text = STR_INIT, json = STR_INIT;

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        struct message about = original(subject), m;

        memset(subject, 'x', shift);
        for (size_t i = shift; i + 3 <= MESSAGE_SUBJECT_MAX; i += 3)
            memcpy(subject + i, "\342\202\254", 4);
        send_notice(NOTICE_FAILED, &about, "alice@a.com");
        m = read_notice("alice@a.com", &text, &json);
        assert_in_range(strlen(m.subject), MESSAGE_SUBJECT_MAX - 2, MESSAGE_SUBJECT_MAX);
        message_clear(&m);
        str_truncate(&text, 0);
        str_truncate(&json, 0);
    }
    str_clear(&text);
    str_clear(&json);
}

static void administrators_share_one_message(void **state)
{
    char *admins[] = { (char[]){ "nobody@a.com" }, (char[]){ "alice@a.com" },
                       (char[]){ "root@a.org" }, (char[]){ "x@b.com" } };
    struct str text = STR_INIT, json = STR_INIT;
    struct message m;

    (void)state;
    desk_account(desk, "root@a.org");
    desk->domains[0].admins = admins;
    desk->domains[0].n_admins = N_ELEMENTS(admins);
    assert_int_equal(notice_admins(&desk->mail, &desk->domains[0], "The key of b.com has changed",
                                   "It was X, now Y is offered.", NULL), 0);
    assert_int_equal(desk_newest(desk, "alice@a.com", "INBOX").content,
                     desk_newest(desk, "root@a.org", "INBOX").content);
    m = read_notice("root@a.org", &text, &json);
    assert_string_equal(m.subject, "The key of b.com has changed");
    assert_string_equal(m.from, "mailer-daemon@a.com");
    assert_string_equal(str_c(&text), "It was X, now Y is offered.\n");
    assert_non_null(strstr(str_c(&json), "\"operator\""));
    message_clear(&m);
    str_clear(&text);
    str_clear(&json);
}

static void without_administrators_nothing_is_stored(void **state)
{
    (void)state;
    desk_turn(desk);
    assert_int_equal(notice_admins(&desk->mail, &desk->domains[0], "x", "y", NULL), 0);
    assert_false(store_is_dirty(desk->mail.store));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(a_bounce_says_what_failed_to_people_and_to_programs),
        CASE(a_receipt_says_that_it_was_delivered),
        CASE(nobody_is_told_of_a_notice),
        CASE(a_full_mailbox_still_learns_of_lost_mail),
        CASE(a_long_subject_is_cut_between_characters),
        CASE(administrators_share_one_message),
        CASE(without_administrators_nothing_is_stored),
    };

    return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
