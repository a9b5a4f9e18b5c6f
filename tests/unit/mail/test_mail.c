/* SPDX-License-Identifier: MIT */
#include "mail/mail.h"

#include "lib/test.h"

#include "base/macros.h"

static struct mail_route routes[] = {
    { .domain = (char[]){ "c.com" }, .via = MAIL_VIA_REJECT },
    { .domain = (char[]){ "d.com" }, .via = MAIL_VIA_XMPP, .to = (char[]){ "x.d.com" } },
};
static struct mail_domain domains[] = {
    { .name = (char[]){ "a.com" }, .component = (char[]){ "immp.a.com" }, .routes = routes,
      .n_routes = N_ELEMENTS(routes) },
    { .name = (char[]){ "a.org" } },
};
static const struct mail mail = { .domains = domains, .n_domains = N_ELEMENTS(domains) };

static void a_domain_is_ours_by_its_whole_name(void **state)
{
    static const struct { const char *name; int at; } rows[] = {
        { "a.com", 0 }, { "a.org", 1 }, { "immp.a.com", -1 }, { "com", -1 }, { "a.co", -1 },
        { "xa.com", -1 }, { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        assert_ptr_equal(mail_domain_get(&mail, rows[i].name),
                         rows[i].at < 0 ? NULL : &domains[rows[i].at]);
    assert_ptr_equal(mail_domain_of(&mail, "helpdesk/alice@a.org"), &domains[1]);
    assert_null(mail_domain_of(&mail, "alice@b.com"));
}

static void a_component_is_known_and_a_domain_without_one_is_none(void **state)
{
    (void)state;
    assert_true(mail_is_component(&mail, "immp.a.com"));
    assert_false(mail_is_component(&mail, "a.com"));
    assert_false(mail_is_component(&mail, "immp.a.org"));
}

static void a_route_belongs_to_one_destination(void **state)
{
    (void)state;
    assert_ptr_equal(mail_route_get(&domains[0], "d.com"), &routes[1]);
    assert_null(mail_route_get(&domains[0], "sub.d.com"));
    assert_null(mail_route_get(&domains[1], "d.com"));
}

static void the_mailer_daemon_is_its_local_part_alone(void **state)
{
    (void)state;
    assert_true(mail_is_daemon("mailer-daemon@b.com"));
    assert_false(mail_is_daemon("mailer-daemon/x@b.com"));
    assert_false(mail_is_daemon("mailer-daemons@b.com"));
    assert_false(mail_is_daemon("alice@b.com"));
}

static void the_size_of_a_stanza_grows_with_the_message_and_does_not_wrap(void **state)
{
    (void)state;
    assert_true(mail_stanza_size(300, 4096) < 20000);
    assert_true(mail_stanza_size(300, 150 * 1024) <= MAIL_STANZA_MAX);
    assert_true(mail_stanza_size(300, 200 * 1024) > MAIL_STANZA_MAX);
    assert_true(mail_stanza_size(200 * 1024, 1) > MAIL_STANZA_MAX);
    assert_true(mail_stanza_size(300, UINT64_MAX) > MAIL_STANZA_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_domain_is_ours_by_its_whole_name),
        cmocka_unit_test(a_component_is_known_and_a_domain_without_one_is_none),
        cmocka_unit_test(a_route_belongs_to_one_destination),
        cmocka_unit_test(the_mailer_daemon_is_its_local_part_alone),
        cmocka_unit_test(the_size_of_a_stanza_grows_with_the_message_and_does_not_wrap),
    };

    return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
