/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/submit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "base/mem.h"
#include "wire/status.h"

#include "unit/mail/desk.h"

static struct desk *desk;

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    desk_account(desk, "alice@a.com");
    desk_account(desk, "alice/work@a.com");
    desk_account(desk, "bob@a.com");
    desk_account(desk, "carol@a.org");
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&desk);
    return 0;
}

/* 0, or the status that submit_begin() fails with; the kind in *kind_r. */
static int begin(const struct submit_request *req, enum err_kind *kind_r)
{
    struct submit *s = NULL;
    struct err err = { ERR_NONE };
    int rc = submit_begin(&desk->mail, req, &s, &err);

    assert_true((rc == 0) == (s != NULL));
    submit_destroy(&s);
    if (kind_r != NULL)
        *kind_r = err.kind;
    return rc == 0 ? 0 : err.status;
}

static struct submit_request request(const char **to)
{
    return (struct submit_request){ .account = "alice@a.com", .to = to, .n_to = 1 };
}

/* docs/immp.md, "Delivering": the account itself or a mailbox below it; else 446. */
static void an_account_speaks_for_itself_and_below(void **state)
{
    static const struct { const char *account, *from; int status; enum err_kind kind; } rows[] = {
        { "alice@a.com", NULL, 0, ERR_NONE },
        { "alice@a.com", "ALICE@A.COM", 0, ERR_NONE },
        { "alice@a.com", "alice/work@a.com", 0, ERR_NONE },
        { "alice@a.com", "bob@a.com", STATUS_NOT_YOU, ERR_DENIED },
        { "alice@a.com", "alice@a.org", STATUS_NOT_YOU, ERR_DENIED },
        { "alice@a.com", "alicex@a.com", STATUS_NOT_YOU, ERR_DENIED },
        { "alice/work@a.com", "alice@a.com", STATUS_NOT_YOU, ERR_DENIED },
        { "alice@a.com", "mailer-daemon@a.com", STATUS_NOT_YOU, ERR_DENIED },
        { "alice@a.com", "not an imid", STATUS_PARAMETER, ERR_PROTOCOL },
        { "alice@elsewhere.com", NULL, STATUS_NOT_YOU, ERR_DENIED },
    };
    const char *to[] = { "bob@a.com" };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct submit_request req = request(to);
        enum err_kind kind;

        req.account = rows[i].account;
        req.from = rows[i].from;
        if (begin(&req, &kind) != rows[i].status || kind != rows[i].kind)
            fail_msg("%s as %s", rows[i].account, rows[i].from);
    }
}

/* For a remote domain FROM is required and of that domain. */
static void a_domain_speaks_for_its_own_and_to_our_mailboxes_only(void **state)
{
    static const struct { const char *from, *to; int status; } rows[] = {
        { "x@b.com", "bob@a.com", 0 },
        { "x@b.com", "carol@a.org", 0 },
        { NULL, "bob@a.com", STATUS_PARAMETER },
        { "x@c.com", "bob@a.com", STATUS_NOT_YOU },
        { "x@sub.b.com", "bob@a.com", STATUS_NOT_YOU },
        { "x@b.com", "y@c.com", STATUS_NO_ROUTE },
        { "x@b.com", "y@b.com", STATUS_NO_ROUTE },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const char *to[] = { rows[i].to };
        struct submit_request req = { .domain = "b.com", .to = to, .n_to = 1,
                                      .from = rows[i].from };

        if (begin(&req, NULL) != rows[i].status)
            fail_msg("%s to %s", rows[i].from, rows[i].to);
    }
}

static void each_parameter_is_checked_before_anything_is_sent(void **state)
{
    static char long_subject[MESSAGE_SUBJECT_MAX + 2];
    const char *to[] = { "bob@a.com" };
    struct { struct submit_request req; int status; } rows[] = {
        { { .subject = "Lunch" }, 0 },
        { { .subject = "" }, 0 },
        { { .subject = "\303\244\303\266" }, 0 },
        { { .subject = "\303" }, STATUS_PARAMETER },
        { { .subject = "a\nb" }, STATUS_PARAMETER },
        { { .subject = long_subject }, STATUS_PARAMETER },
        { { .id = "9507CE26-d34e-41cb-9f14-4eeff943e25e" }, 0 },
        { { .id = "9507ce26" }, STATUS_PARAMETER },
        { { .in_reply_to = "9507ce26-d34e-41cb-9f14-4eeff943e25e" }, 0 },
        { { .in_reply_to = "" }, STATUS_PARAMETER },
        { { .expires_s = 60 }, 0 },
        { { .expires_s = -1 }, STATUS_PARAMETER },
        { { .expires_s = INT64_MAX }, STATUS_PARAMETER },
        { { .flags = MESSAGE_IMPORTANT | MESSAGE_BLIND | MESSAGE_RECEIPT }, 0 },
        { { .flags = MESSAGE_IMPORTANT | MESSAGE_UNIMPORTANT }, STATUS_PARAMETER },
    };

    (void)state;
    memset(long_subject, 'x', MESSAGE_SUBJECT_MAX + 1);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        rows[i].req.account = "alice@a.com";
        rows[i].req.to = to;
        rows[i].req.n_to = 1;
        if (begin(&rows[i].req, NULL) != rows[i].status)
            fail_msg("row %zu", i);
    }
    long_subject[MESSAGE_SUBJECT_MAX] = '\0';
    assert_int_equal(begin(&rows[5].req, NULL), 0);
}

static void the_id_is_kept_or_made(void **state)
{
    const char *to[] = { "bob@a.com" };
    struct submit_request req = request(to);
    struct submit *s = NULL;
    char uuid[UUID_SIZE];

    (void)state;
    req.id = "9507CE26-D34E-41CB-9F14-4EEFF943E25E";
    assert_int_equal(submit_begin(&desk->mail, &req, &s, NULL), 0);
    assert_string_equal(submit_id(s), "9507ce26-d34e-41cb-9f14-4eeff943e25e");
    submit_destroy(&s);
    req.id = NULL;
    assert_int_equal(submit_begin(&desk->mail, &req, &s, NULL), 0);
    assert_int_equal(uuid_parse(submit_id(s), uuid), 0);
    submit_destroy(&s);
}

/* docs/immp.md, "Delivering": 100 recipients (406). */
static void a_hundred_recipients_and_not_one_more(void **state)
{
    const char *to[101];
    struct submit_request req = request(to);
    enum err_kind kind;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(to); i++)
        to[i] = "bob@a.com";
    req.n_to = 100;
    assert_int_equal(begin(&req, NULL), 0);
    req.n_to = 101;
    assert_int_equal(begin(&req, &kind), STATUS_LIMIT);
    assert_int_equal(kind, ERR_PROTOCOL);
    req.n_to = 0;
    assert_int_equal(begin(&req, NULL), STATUS_PARAMETER);
}

static void a_recipient_that_can_never_be_reached_is_refused_early(void **state)
{
    static const struct { const char *to, *to2; int status; } rows[] = {
        { "bob@a.com", NULL, 0 },
        { "BOB+Lists@A.com", NULL, 0 },
        { "immp:bob@a.com", NULL, 0 },
        { "x@b.com", NULL, 0 },
        { "nobody@a.com", NULL, STATUS_NO_ACCOUNT },
        { "nobody@a.com", "bob@a.com", 0 },
        { "nobody@a.com", "x@b.com", 0 },
        { "nobody@a.com", "x@c.com", STATUS_NO_ACCOUNT },
        { "x@c.com", "nobody@a.com", STATUS_NO_ROUTE },
        { "x@c.com", NULL, STATUS_NO_ROUTE },       /* route: reject */
        { "x@d.com", NULL, STATUS_NO_ROUTE },       /* route: tcp, which is not built */
        { "x@e.com", NULL, 0 },                     /* route: xmpp */
        { "x@immp.a.com", NULL, STATUS_NO_ROUTE },  /* our gateway's name is no mail domain */
        { "a.com", NULL, STATUS_PARAMETER },
        { "bob@a.com/INBOX", NULL, STATUS_PARAMETER },
        { "bob@a.com", "a\tb@a.com", STATUS_PARAMETER },
        { "", NULL, STATUS_PARAMETER },
    };
    struct mail_route routes[] = {
        { .domain = (char[]){ "c.com" }, .via = MAIL_VIA_REJECT },
        { .domain = (char[]){ "d.com" }, .via = MAIL_VIA_TCP, .to = (char[]){ "h:1025" } },
        { .domain = (char[]){ "e.com" }, .via = MAIL_VIA_XMPP, .to = (char[]){ "immp.e.com" } },
    };

    (void)state;
    desk->domains[0].routes = routes;
    desk->domains[0].n_routes = N_ELEMENTS(routes);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const char *to[] = { rows[i].to, rows[i].to2 };
        struct submit_request req = request(to);

        req.n_to = rows[i].to2 != NULL ? 2 : 1;
        if (begin(&req, NULL) != rows[i].status)
            fail_msg("%s: not %d", rows[i].to, rows[i].status);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(an_account_speaks_for_itself_and_below),
        CASE(a_domain_speaks_for_its_own_and_to_our_mailboxes_only),
        CASE(each_parameter_is_checked_before_anything_is_sent),
        CASE(the_id_is_kept_or_made),
        CASE(a_hundred_recipients_and_not_one_more),
        CASE(a_recipient_that_can_never_be_reached_is_refused_early),
    };

    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
