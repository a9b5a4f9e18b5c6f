/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "base/mem.h"
#include "store/content.h"
#include "wire/message.h"
#include "wire/status.h"

#include "unit/mail/desk.h"

static struct desk *desk;
static int64_t alice;

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    alice = desk_account(desk, "alice@a.com");
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

static void make_folder(const char *path)
{
    struct folder f = { 0 };

    assert_true(folder_put(desk->mail.store, alice, path, &f, NULL) >= 0);
    folder_clear(&f);
}

/* A finished content of the given octets; its sender is x@b.com unless from says otherwise. */
static int64_t make_content(const char *uuid, const char *from, const char *octets)
{
    struct message m;
    struct str header = STR_INIT;
    int64_t id;

    message_init(&m);
    memcpy(m.id, uuid, sizeof m.id);
    m.kind = MESSAGE_MAIL;
    m.origin = mem_strdup(strchr(from, '@') + 1);
    m.destination = mem_strdup("a.com");
    m.from = mem_strdup(from);
    message_add_to(&m, "alice@a.com");
    m.date_ms = DESK_NOW;
    message_add_part(&m, "text", "text/plain", true, strlen(octets), NULL);
    memset(m.parts[0].sha256, octets[0] & 1 ? '1' : '0', 64);
    message_format(&header, &m);
    assert_true(content_begin(desk->mail.store, DESK_NOW, &id, NULL) >= 0);
    assert_true(content_append(desk->mail.store, id, 0, octets, strlen(octets), NULL) >= 0);
    assert_true(content_finish(desk->mail.store, id, &m, header.s, NULL, NULL, NULL) >= 0);
    str_clear(&header);
    message_clear(&m);
    return id;
}

#define ID1 "9507ce26-d34e-41cb-9f14-4eeff943e25e"
#define ID2 "9507ce26-d34e-41cb-9f14-4eeff943e25f"

static int deliver(const char *to, int64_t content, const char *uuid, struct err *err)
{
    return mailbox_deliver(&desk->mail, to, content, uuid, 4, false, err);
}

/* docs/immp.md, "IMIDs": /INBOX/Name, else /Name, else /INBOX; ignoring case. */
static void a_plus_sign_reaches_the_folder_that_exists(void **state)
{
    static const struct { const char *plus, *path; } rows[] = {
        { "", "INBOX" },
        { "lists", "INBOX/Lists" },
        { "LISTS", "INBOX/Lists" },
        { "work", "Work" },
        { "work/2026", "Work/2026" },
        { "both", "INBOX/Both" },
        { "nowhere", "INBOX" },
        { "INBOX", "INBOX" },
        { "Drafts", "INBOX" },
        { "sent", "INBOX" },
        { "junk", "INBOX" },
        { "TRASH", "INBOX" },
        { "trash/old", "INBOX" },      /* below one of them is no way in either */
        { "\305\277ent", "INBOX" },    /* U+017F folds to "s" */
        { "inbox/lists", "INBOX" },
        { "a//b", "INBOX" },
        { "..", "INBOX" },
    };

    (void)state;
    make_folder("INBOX/Lists");
    make_folder("Work/2026");
    make_folder("INBOX/Both");
    make_folder("Both");
    make_folder("TRASH/old");
    make_folder("INBOX/Sent");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct folder f = { 0 };
        struct err err = { ERR_NONE };

        if (mailbox_target(&desk->mail, alice, rows[i].plus, &f, &err) != 1)
            fail_msg("%s: %s", rows[i].plus, err.text);
        assert_string_equal(f.path, rows[i].path);
        folder_clear(&f);
    }
}

static void a_delivery_stands_unread_in_its_folder(void **state)
{
    int64_t c = make_content(ID1, "x@b.com", "abcd");
    struct entry e;

    (void)state;
    make_folder("INBOX/Lists");
    assert_int_equal(mailbox_deliver(&desk->mail, "alice+lists@a.com", c, ID1, 4, true, NULL), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX/Lists"), 1);
    assert_int_equal(desk_unread(desk, "alice@a.com", "INBOX/Lists"), 1);
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 0);
    e = desk_newest(desk, "alice@a.com", "INBOX/Lists");
    assert_int_equal(e.flags, ENTRY_IMPORTANT);
    assert_int_equal(e.received_ms, DESK_NOW);
    assert_int_equal(e.size, 4);
}

static void delivering_again_changes_nothing(void **state)
{
    int64_t c = make_content(ID1, "x@b.com", "abcd");

    (void)state;
    assert_int_equal(deliver("alice@a.com", c, ID1, NULL), 0);
    assert_int_equal(deliver("alice@a.com", c, ID1, NULL), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 1);
}

static void the_same_message_in_another_content_is_already_there(void **state)
{
    int64_t c = make_content(ID1, "x@b.com", "abcd");
    int64_t again = make_content(ID1, "x@b.com", "abcd");

    (void)state;
    assert_int_equal(deliver("alice@a.com", c, ID1, NULL), 0);
    assert_int_equal(deliver("alice@a.com", again, ID1, NULL), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 1);
    assert_int_equal(content_drop(desk->mail.store, again, NULL), 0);
}

/* "Delivered" may not be said of a message that does not stand there. */
static void another_message_under_a_taken_id_is_refused(void **state)
{
    int64_t c = make_content(ID1, "x@b.com", "abcd");
    int64_t forged = make_content(ID1, "mallory@c.com", "abcd");
    int64_t changed = make_content(ID1, "x@b.com", "bcde");
    struct err err = { ERR_NONE };

    (void)state;
    assert_int_equal(deliver("alice@a.com", c, ID1, NULL), 0);
    assert_int_equal(deliver("alice@a.com", forged, ID1, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_int_equal(err.status, STATUS_PARAMETER);
    assert_int_equal(deliver("alice@a.com", changed, ID1, &err), -1);
    assert_int_equal(err.status, STATUS_PARAMETER);
    assert_int_equal(desk_total(desk, "alice@a.com", "INBOX"), 1);
    content_drop(desk->mail.store, forged, NULL);
    content_drop(desk->mail.store, changed, NULL);
}

static void an_unknown_account_is_permanent(void **state)
{
    int64_t c = make_content(ID1, "x@b.com", "abcd");
    struct err err = { ERR_NONE };

    (void)state;
    assert_int_equal(deliver("nobody@a.com", c, ID1, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_int_equal(err.status, STATUS_NO_ACCOUNT);
    assert_int_equal(mailbox_exists(&desk->mail, "nobody@a.com", NULL), 0);
    assert_int_equal(mailbox_exists(&desk->mail, "alice+lists@a.com", NULL), 1);
    assert_int_equal(mailbox_exists(&desk->mail, "@a.com", &err), -1);
    content_drop(desk->mail.store, c, NULL);
}

/* docs/immp.md, "Delivering": 442. */
static void a_full_mailbox_takes_nothing_more(void **state)
{
    static const struct { int64_t own, domain; int rc; } rows[] = {
        { 8, 1 << 30, 0 },   /* 4 are used, 4 come */
        { 7, 1 << 30, -1 },
        { 0, 8, 0 },         /* no quota of its own: the domain's */
        { 0, 7, -1 },
        { 8, 7, 0 },
    };

    (void)state;
    assert_int_equal(deliver("alice@a.com", make_content(ID1, "x@b.com", "abcd"), ID1, NULL), 0);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        int64_t c = make_content(ID2, "x@b.com", "abcd");
        struct err err = { ERR_NONE };

        desk_quota(desk, "alice@a.com", rows[i].own);
        desk->domains[0].quota_bytes = rows[i].domain;
        assert_int_equal(deliver("alice@a.com", c, ID2, &err), rows[i].rc);
        if (rows[i].rc < 0) {
            assert_int_equal(err.kind, ERR_PERMANENT);
            assert_int_equal(err.status, STATUS_QUOTA);
            content_drop(desk->mail.store, c, NULL);
        } else {
            struct entry e = desk_newest(desk, "alice@a.com", "INBOX");

            assert_int_equal(entry_del(desk->mail.store, e.folder, ID2, NULL), 1);
        }
    }
}

static void what_is_there_already_needs_no_room(void **state)
{
    int64_t c = make_content(ID1, "x@b.com", "abcd");

    (void)state;
    assert_int_equal(deliver("alice@a.com", c, ID1, NULL), 0);
    desk_quota(desk, "alice@a.com", 4);
    assert_int_equal(deliver("alice@a.com", c, ID1, NULL), 0);
}

static void a_copy_makes_its_folder_and_carries_its_flags(void **state)
{
    int64_t c = make_content(ID1, "alice@a.com", "abcd");

    (void)state;
    assert_int_equal(mailbox_copy(&desk->mail, alice, "SENT", c, ID1, 4, ENTRY_READ, NULL), 0);
    assert_int_equal(mailbox_copy(&desk->mail, alice, "SENT", c, ID1, 4, ENTRY_READ, NULL), 0);
    assert_int_equal(mailbox_copy(&desk->mail, alice, "Old/Sent", c, ID1, 4, 0, NULL), 0);
    assert_int_equal(desk_total(desk, "alice@a.com", "SENT"), 1);
    assert_int_equal(desk_unread(desk, "alice@a.com", "SENT"), 0);
    assert_int_equal(desk_unread(desk, "alice@a.com", "Old/Sent"), 1);
}

/* docs/immp.md, "MBOX": [owner-imid]/path. */
static void a_session_opens_its_own_folders_and_those_below_it(void **state)
{
    static const struct { const char *session, *arg; int rc; const char *path; } rows[] = {
        { "helpdesk@a.com", "/inbox", 1, "INBOX" },
        { "helpdesk@a.com", "helpdesk@a.com/INBOX", 1, "INBOX" },
        { "helpdesk@a.com", "helpdesk/bob@a.com/sent", 1, "SENT" },
        { "helpdesk@a.com", "/nowhere", 0, NULL },
        { "helpdesk@a.com", "/:*", 0, NULL },
        { "helpdesk@a.com", "alice@a.com/INBOX", -1, NULL },
        { "helpdesk@a.com", "nobody@a.com/INBOX", -1, NULL },
        { "helpdesk/bob@a.com", "helpdesk@a.com/INBOX", -1, NULL },
        { "helpdesk@a.com", "helpdesk/nobody@a.com/INBOX", -1, NULL },
    };

    (void)state;
    desk_account(desk, "helpdesk@a.com");
    desk_account(desk, "helpdesk/bob@a.com");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct folder_arg arg;
        struct folder f = { 0 };
        struct err err = { ERR_NONE };

        assert_int_equal(folder_arg_parse(rows[i].arg, &arg, NULL), 0);
        if (mailbox_open(&desk->mail, rows[i].session, &arg, &f, &err) != rows[i].rc)
            fail_msg("%s: not %d", rows[i].arg, rows[i].rc);
        if (rows[i].rc == 1)
            assert_string_equal(f.path, rows[i].path);
        if (rows[i].rc == 0)
            assert_true(f.account > 0);
        if (rows[i].rc < 0) {
            assert_int_equal(err.kind, ERR_DENIED);
            assert_int_equal(err.status, STATUS_NOT_FOUND);
        }
        folder_clear(&f);
        folder_arg_clear(&arg);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(a_plus_sign_reaches_the_folder_that_exists),
        CASE(a_delivery_stands_unread_in_its_folder),
        CASE(delivering_again_changes_nothing),
        CASE(the_same_message_in_another_content_is_already_there),
        CASE(another_message_under_a_taken_id_is_refused),
        CASE(an_unknown_account_is_permanent),
        CASE(a_full_mailbox_takes_nothing_more),
        CASE(what_is_there_already_needs_no_room),
        CASE(a_copy_makes_its_folder_and_carries_its_flags),
        CASE(a_session_opens_its_own_folders_and_those_below_it),
    };

    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
