/* SPDX-License-Identifier: MIT */
/*
 * Keys and seals as other gateways ask for them (docs/xmpp.md, "The seal"), and who may speak for
 * an origin ("Finding the peer").
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/certificate.h"
#include "wire/status.h"
#include "xmpp/vouch.h"

#include "component/scripted.h"

#define BUNDLE "5c6ab06e-7a39-4be4-8f6e-2f1c5f6f0a11"

static void say_seal(struct world *w, const char *from, const char *origin, const char *id)
{
    server_say(w, "<iq type='set' from='%s' to='immp.b.test' id='%s'>"
               "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' origin='%s' destination='b.test'>"
               "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n</seal></iq>", from, id, origin);
}

static void answer(size_t i, const char *receipt, const struct err *err)
{
    fake_inbound.fn(fake_inbound.ctx, fake_inbound.tokens[i], receipt,
                    receipt != NULL ? strlen(receipt) : 0, err);
}

static void the_key_query_gives_both_certificates(void **state)
{
    static const char *const uses[] = { "sign", "encrypt" };
    const char *said;
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    server_say(&w, "<iq type='get' from='immp.a.test' to='immp.b.test' id='k'>"
                   "<key xmlns='urn:immp:xmpp:1' domain='b.test'/></iq>");
    said = server_expect(&w, "<iq type='result' from='immp.b.test' to='immp.a.test' id='k'>"
                             "<key xmlns='urn:immp:xmpp:1' domain='b.test'>"
                             "<certificate use='sign' fingerprint='sha256:*'>*</certificate>"
                             "<certificate use='encrypt' fingerprint='sha256:*'>*</certificate>"
                             "</key></iq>");
    for (size_t i = 0; i < N_ELEMENTS(uses); i++) {
        const char *at = strstr(said, uses[i]), *print = strstr(at, "sha256:") + 7;
        const char *pem = strchr(at, '>') + 1, *end = strstr(pem, "</certificate>");
        struct err err = { 0 };
        struct certificate *cert = certificate_parse(pem, (size_t)(end - pem), &err);

        if (cert == NULL)
            fail_msg("%s", err.text);
        assert_memory_equal(certificate_fingerprint(cert), print, 64);
        assert_true(certificate_covers(cert, "b.test"));
        certificate_unref(&cert);
    }
    world_close(&w);
}

static void a_seal_is_answered_by_its_receipt(void **state)
{
    const struct inbound_seal *seal = &fake_inbound.seals[0];
    struct world w;

    (void)state;
    for (int drips = 0; drips < 2; drips++) {
        world_open(&w, false);
        world_up(&w);
        w.server.drips = drips;
        say_seal(&w, "immp.a.test", "a.test", "q1");
        UNTIL(&w, fake_inbound.n == 1);
        assert_string_equal(seal->bundle, BUNDLE);
        assert_string_equal(seal->origin, "a.test");
        assert_string_equal(seal->destination, "b.test");
        assert_string_equal(seal->address, "immp.a.test");
        assert_string_equal(seal->armor, "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n");
        assert_true(seal->is_vouched);
        server_silent(&w);
        answer(0, "-----BEGIN CMS-----\n<&\n-----END CMS-----\n", NULL);
        server_expect(&w, "<iq type='result' from='immp.b.test' to='immp.a.test' id='q1'>"
                          "<receipt xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "'>"
                          "-----BEGIN CMS-----\n&lt;&amp;\n-----END CMS-----\n</receipt></iq>");
        /* Once and never again. */
        answer(0, "again", NULL);
        server_silent(&w);
        world_close(&w);
    }
}

/* Seals of 256 KiB, whose lines come from the reader in thousands of pieces. */
static void a_large_seal_arrives_whole(void **state)
{
    struct str armor = STR_INIT;
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (int i = 0; i < 4000; i++)
        str_addf(&armor, "%064d\n", i);
    for (int i = 0; i < 3; i++) {
        server_say(&w, "<iq type='set' from='immp.a.test' to='immp.b.test' id='q%d'>"
                   "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' origin='a.test' "
                   "destination='b.test'>", i);
        server_say_bytes(&w, armor.s, armor.len);
        server_say(&w, "</seal></iq>");
    }
    UNTIL(&w, fake_inbound.n == 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fake_inbound.seals[i].len, armor.len);
        assert_string_equal(fake_inbound.seals[i].armor, armor.s);
    }
    str_clear(&armor);
    world_close(&w);
}

static void a_seal_that_cannot_be_answered_by_receipt_is_a_temporary_error(void **state)
{
    static const struct {
        int status;
        const char *condition;
    } rows[] = {
        { STATUS_STORAGE, "internal-server-error" },
        { STATUS_OVERLOADED, "resource-constraint" },
        { STATUS_NONE, "internal-server-error" },
        { STATUS_SHUTTING_DOWN, "internal-server-error" },
        { STATUS_TIMEOUT, "remote-server-timeout" },
    };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };
        char pattern[300];

        (void)err_set(&err, ERR_TEMPORARY, rows[i].status, "broken \xff <&> \x01");
        say_seal(&w, "immp.a.test", "a.test", "q");
        UNTIL(&w, fake_inbound.n == i + 1);
        answer(i, NULL, &err);
        (void)snprintf(pattern, sizeof(pattern),
                       "<iq type='error' *><error type='wait'><%s xmlns='*'/>"
                       "<text *>broken ? &lt;&amp;&gt; ?</text></error></iq>", rows[i].condition);
        server_expect(&w, pattern);
    }
    world_close(&w);
}

static void a_malformed_seal_is_a_bad_request(void **state)
{
    static const char *const rows[] = {
        "<seal xmlns='urn:immp:xmpp:1'/>",
        "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' origin='a.test' destination='b.test'/>",
        "<seal xmlns='urn:immp:xmpp:1' origin='a.test' destination='b.test'>x</seal>",
        "<seal xmlns='urn:immp:xmpp:1' bundle='b' origin='a.test' destination='b.test'>x</seal>",
        "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' destination='b.test'>x</seal>",
        "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' origin='' destination='b.test'>x</seal>",
        "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' origin='-' destination='b.test'>x</seal>",
        "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' origin='a.test'>x</seal>",
        "<seal xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "' origin='a.test' destination='b.test'><x/></seal>",
    };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        server_say(&w, "<iq type='set' from='immp.a.test' to='immp.b.test' id='1'>%s</iq>", rows[i]);
        server_expect(&w, "<iq type='error' *<error type='modify'><bad-request *");
    }
    assert_int_equal(fake_inbound.n, 0);
    server_silent(&w);
    world_close(&w);
}

/* "A component may speak for origin D if its JID is D, below D" */
static void a_component_at_or_below_the_origin_may_speak_for_it(void **state)
{
    static const struct {
        const char *from, *origin;
        bool is_vouched;
    } rows[] = {
        { "a.test",               "a.test",      true  },
        { "immp.a.test",          "a.test",      true  },
        { "x.y.a.test/r",         "a.test",      true  },
        { "immp.a.test",          "A.Test",      true  },
        { "node@immp.a.test",     "a.test",      true  },
        { "immp.a.test",          "pinned.test", false },
        { "xa.test",              "pinned.test", false },
        { "test",                 "pinned.test", false },
        { "xpinned.test",         "pinned.test", false },
        { "pinned.test.evil.com", "pinned.test", false },
    };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        say_seal(&w, rows[i].from, rows[i].origin, "1");
        UNTIL(&w, fake_inbound.n == i + 1);
        assert_string_equal(fake_inbound.seals[i].address, rows[i].from);
        assert_int_equal(fake_inbound.seals[i].is_vouched, rows[i].is_vouched);
    }
    /* Where the key is pinned nothing was asked. */
    server_silent(&w);
    world_close(&w);
}

static const char *expect_items_query(struct world *w, const char *to)
{
    char pattern[200];

    (void)snprintf(pattern, sizeof(pattern),
                   "<iq type='get' from='immp.b.test' to='%s' id='*'>"
                   "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>", to);
    return attr_of(server_expect(w, pattern), "id");
}

/* "… listed by D's disco#items": asked once, and the seals wait for it. */
static void a_component_that_the_origin_lists_may_speak_for_it(void **state)
{
    static const struct {
        const char *answer;
        bool is_listed;
    } rows[] = {
        { "<iq type='result' from='a.test' to='immp.b.test' id='%s'>"
          "<query xmlns='http://jabber.org/protocol/disco#items'>"
          "<item jid='x.a.test'/><item jid='gw.host.test'/></query></iq>", true },
        { "<iq type='result' from='a.test' to='immp.b.test' id='%s'>"
          "<query xmlns='http://jabber.org/protocol/disco#items'>"
          "<item jid='x.a.test'/><item/></query></iq>", false },
        { "<iq type='result' from='a.test' to='immp.b.test' id='%s'/>", false },
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char id[64];
        struct str st = STR_INIT;

        world_open(&w, true);
        world_up(&w);
        say_seal(&w, "gw.host.test", "a.test", "1");
        say_seal(&w, "gw.host.test/r", "a.test", "2");
        (void)snprintf(id, sizeof(id), "%s", expect_items_query(&w, "a.test"));
        server_silent(&w);
        assert_int_equal(fake_inbound.n, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        str_addf(&st, rows[i].answer, id);
#pragma GCC diagnostic pop
        server_say(&w, "%s", st.s);
        UNTIL(&w, fake_inbound.n == 2);
        assert_string_equal(fake_inbound.seals[0].address, "gw.host.test");
        assert_string_equal(fake_inbound.seals[1].address, "gw.host.test/r");
        assert_string_equal(fake_inbound.seals[1].armor, "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n");
        assert_int_equal(fake_inbound.seals[0].is_vouched, rows[i].is_listed);
        assert_int_equal(fake_inbound.seals[1].is_vouched, rows[i].is_listed);
        /* Remembered: 1 h what is good, 5 min what is bad. */
        w.clock.fake_ms += 5 * 60000 - 1000;
        say_seal(&w, "gw.host.test", "a.test", "3");
        UNTIL(&w, fake_inbound.n == 3);
        assert_int_equal(fake_inbound.seals[2].is_vouched, rows[i].is_listed);
        answer(2, "R", NULL);
        server_expect(&w, "<iq type='result' from='immp.b.test' to='gw.host.test' id='3'>*");
        w.clock.fake_ms += 2000;
        if (!rows[i].is_listed) {
            say_seal(&w, "gw.host.test", "a.test", "4");
            (void)expect_items_query(&w, "a.test");
        }
        str_clear(&st);
        world_close(&w);
    }
}

/* It says neither yes nor no: the seal is to come again. */
static void an_origin_that_does_not_answer_makes_the_seal_wait(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    say_seal(&w, "gw.host.test", "a.test", "1");
    (void)expect_items_query(&w, "a.test");
    w.clock.fake_ms += 20001;
    server_expect(&w, "<iq type='error' from='immp.b.test' to='gw.host.test' id='1'>"
                      "<error type='wait'>*");
    say_seal(&w, "gw.host.test", "a.test", "2");
    (void)snprintf(id, sizeof(id), "%s", expect_items_query(&w, "a.test"));
    server_say(&w, "<iq type='error' from='a.test' to='immp.b.test' id='%s'><error type='cancel'>"
                   "<remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
               id);
    server_expect(&w, "<iq type='error' from='immp.b.test' to='gw.host.test' id='2'>"
                      "<error type='wait'>*remote-server-not-found*");
    assert_int_equal(fake_inbound.n, 0);
    world_close(&w);
}

/* Strangers who name many origins make us keep so much and no more. */
static void what_waits_for_an_origin_is_bounded(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    for (int i = 0; i < VOUCH_WAITING_MAX + 10; i++) {
        char origin[40];

        (void)snprintf(origin, sizeof(origin), "a%d.test", i);
        say_seal(&w, "gw.host.test", origin, "1");
    }
    UNTIL(&w, fake_inbound.n == 10);
    world_settle(&w);
    assert_int_equal(fake_inbound.n, 10);
    assert_false(fake_inbound.seals[0].is_vouched);
    assert_int_equal(w.server.n_heard, VOUCH_WAITING_MAX);
    /* What waited is answered, and there is room again. */
    w.clock.fake_ms += 20001;
    w.server.next_heard = w.server.n_heard;
    for (int i = 0; i < VOUCH_WAITING_MAX; i++)
        server_expect(&w, "<iq type='error' *");
    say_seal(&w, "gw.host.test", "a.test", "1");
    (void)expect_items_query(&w, "a.test");
    world_close(&w);
}

/* The peer asks again for what it has no answer to; so an answer without a link is dropped. */
static void a_receipt_waits_for_no_link(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    say_seal(&w, "immp.a.test", "a.test", "1");
    say_seal(&w, "immp.a.test", "a.test", "2");
    UNTIL(&w, fake_inbound.n == 2);
    stream_close(&w.server.stream, false);
    UNTIL(&w, w.downs == 1);
    answer(0, "R1", NULL);
    w.clock.fake_ms += 2000;
    UNTIL(&w, w.ups == 2);
    /* The second is ready when there is one again: it saves the peer a repetition. */
    answer(1, "R2", NULL);
    server_expect(&w, "<iq type='result' from='immp.b.test' to='immp.a.test' id='2'>"
                      "<receipt xmlns='urn:immp:xmpp:1' bundle='" BUNDLE "'>R2\n</receipt></iq>");
    server_silent(&w);
    world_close(&w);
}

/* docs/xmpp.md, "Sizes and pace": equal ones in a row wait in servers with Nagle's algorithm. */
static void two_receipts_in_a_row_differ_in_length(void **state)
{
    static const char *const ends[] = { "", "\n", "\n\n", "\n\n\n", "" };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
        char want[200];

        say_seal(&w, "immp.a.test", "a.test", "q");
        UNTIL(&w, fake_inbound.n == i + 1);
        answer(i, "-----END CMS-----\n", NULL);
        (void)snprintf(want, sizeof(want), "*'>-----END CMS-----\n%s</receipt></iq>", ends[i]);
        server_expect(&w, want);
    }
    world_close(&w);
}

/* Nothing that waits is lost or touched when the component goes. */
static void a_component_may_go_with_seals_under_way(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    say_seal(&w, "immp.a.test", "a.test", "1");
    say_seal(&w, "gw.host.test", "a.test", "2");
    UNTIL(&w, fake_inbound.n == 1 && w.server.n_heard == 1);
    world_close(&w);
}

/* A receipt that no server would take is told as an error, not sent to end the stream. */
static void a_receipt_too_large_is_an_error(void **state)
{
    char *huge = mem_zalloc(600001);
    struct world w;

    (void)state;
    memset(huge, 'A', 600000);
    world_open(&w, false);
    world_up(&w);
    say_seal(&w, "immp.a.test", "a.test", "1");
    UNTIL(&w, fake_inbound.n == 1);
    answer(0, huge, NULL);
    server_expect(&w, "<iq type='error' from='immp.b.test' to='immp.a.test' id='1'>*");
    assert_int_equal(w.downs, 0);
    world_close(&w);
    free(huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_query_gives_both_certificates),
        cmocka_unit_test(a_seal_is_answered_by_its_receipt),
        cmocka_unit_test(a_large_seal_arrives_whole),
        cmocka_unit_test(a_seal_that_cannot_be_answered_by_receipt_is_a_temporary_error),
        cmocka_unit_test(a_malformed_seal_is_a_bad_request),
        cmocka_unit_test(a_component_at_or_below_the_origin_may_speak_for_it),
        cmocka_unit_test(a_component_that_the_origin_lists_may_speak_for_it),
        cmocka_unit_test(an_origin_that_does_not_answer_makes_the_seal_wait),
        cmocka_unit_test(what_waits_for_an_origin_is_bounded),
        cmocka_unit_test(a_receipt_waits_for_no_link),
        cmocka_unit_test(two_receipts_in_a_row_differ_in_length),
        cmocka_unit_test(a_component_may_go_with_seals_under_way),
        cmocka_unit_test(a_receipt_too_large_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
