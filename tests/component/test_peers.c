/* SPDX-License-Identifier: MIT */
/*
 * The transport: finding the peer, its keys, sending a seal; each answered once, in a later turn,
 * whatever the servers do (mail/transport.h; docs/xmpp.md, "Finding the peer").
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/status.h"
#include "xmpp/peers.h"

#include "component/scripted.h"

#define INFO_OF "<iq type='get' from='immp.b.test' to='%s' id='*'>" \
                "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
#define ITEMS_OF "<iq type='get' from='immp.b.test' to='%s' id='*'>" \
                 "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
#define FEATURE "<feature var='urn:immp:xmpp:1'/>"
#define LIMITS(n) \
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'><value>urn:immp:limits</value>" \
    "</field><field var='max-stanza'><value>" n "</value></field></x>"

/* What the last answer was; one at a time is enough. */
static struct outcome {
    int calls;
    uint64_t token;
    char address[200];
    size_t max_stanza;
    struct err err;
    char one[300], two[300], three[300];
} got;

static void reset(void)
{
    got = (struct outcome){ 0 };
}

static void copy(char *out, const char *s)
{
    (void)snprintf(out, 200, "%s", s != NULL ? s : "(none)");
}

static void on_found(void *ctx, uint64_t token, const struct transport_peer *peer,
                     const struct err *err)
{
    assert_ptr_equal(ctx, &got);
    assert_true((peer != NULL) != (err != NULL));
    got.calls++;
    got.token = token;
    copy(got.address, peer != NULL ? peer->address : NULL);
    got.max_stanza = peer != NULL ? peer->max_stanza : 0;
    got.err = err != NULL ? *err : (struct err){ 0 };
}

static void on_keys(void *ctx, uint64_t token, const char *sign, const char *encrypt,
                    const char *endorsement, const struct err *err)
{
    assert_ptr_equal(ctx, &got);
    got.calls++;
    got.token = token;
    copy(got.one, sign);
    copy(got.two, encrypt);
    copy(got.three, endorsement);
    got.err = err != NULL ? *err : (struct err){ 0 };
}

static void on_receipt(void *ctx, uint64_t token, const char *receipt, size_t len,
                       const struct err *err)
{
    assert_ptr_equal(ctx, &got);
    got.calls++;
    got.token = token;
    copy(got.one, receipt);
    assert_int_equal(len, receipt != NULL ? strlen(receipt) : 0);
    got.err = err != NULL ? *err : (struct err){ 0 };
}

static void find(struct world *w, const char *destination, uint64_t token)
{
    w->t->find(w->t->self, "b.test", destination, token, on_found, &got);
}

/* Expect a disco query of kind (INFO_OF, ITEMS_OF) to `to`, and give its id. */
static void expect_query(struct world *w, const char *kind, const char *to, char id_r[64])
{
    struct str pattern = STR_INIT;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    str_addf(&pattern, kind, to);
#pragma GCC diagnostic pop
    (void)snprintf(id_r, 64, "%s", attr_of(server_expect(w, pattern.s), "id"));
    str_clear(&pattern);
}

static void say_result(struct world *w, const char *from, const char *id, const char *ns,
                       const char *content)
{
    server_say(w, "<iq type='result' from='%s' to='immp.b.test' id='%s'><query xmlns='%s'>%s</query></iq>",
               from, id, ns, content);
}

static void say_info(struct world *w, const char *from, const char *id, const char *content)
{
    say_result(w, from, id, "http://jabber.org/protocol/disco#info", content);
}

static void say_error(struct world *w, const char *from, const char *id, const char *condition)
{
    server_say(w, "<iq type='error' from='%s' to='immp.b.test' id='%s'><error type='cancel'>"
               "<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
               "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>DNS lookup failed</text></error></iq>",
               from, id, condition);
}

/* ---- finding ---- */

static void the_usual_name_is_asked_first(void **state)
{
    static const struct {
        const char *info;
        size_t max_stanza;
    } rows[] = {
        { FEATURE, 0 },
        { "<identity category='gateway' type='immp'/><feature var='x'/>" FEATURE LIMITS("131072"), 131072 },
        { FEATURE LIMITS("262144"), 262144 },
        { FEATURE LIMITS("99999999999"), 262144 },
        { FEATURE LIMITS("100"), 0 },
        { FEATURE LIMITS("-1"), 0 },
        { FEATURE LIMITS("many"), 0 },
        { FEATURE "<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>other</value></field>"
          "<field var='max-stanza'><value>65536</value></field></x>" LIMITS("70000"), 70000 },
        { FEATURE "<x xmlns='jabber:x:data'><field/><field var='max-stanza'/></x>", 0 },
    };
    char id[64];
    struct world w;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        world_open(&w, false);
        world_up(&w);
        reset();
        find(&w, "a.test", 7);
        assert_int_equal(got.calls, 0);
        expect_query(&w, INFO_OF, "immp.a.test", id);
        say_info(&w, "immp.a.test", id, rows[i].info);
        UNTIL(&w, got.calls == 1);
        assert_int_equal(got.token, 7);
        assert_string_equal(got.address, "immp.a.test");
        assert_int_equal(got.max_stanza, rows[i].max_stanza);
        server_silent(&w);
        assert_int_equal(got.calls, 1);
        world_close(&w);
    }
}

static void then_the_items_of_the_domain_are_asked(void **state)
{
    char id[64], one[64], two[64];
    struct world w;

    (void)state;
    for (int drips = 0; drips < 2; drips++) {
        world_open(&w, false);
        world_up(&w);
        w.server.drips = drips;
        reset();
        find(&w, "a.test", 1);
        expect_query(&w, INFO_OF, "immp.a.test", id);
        say_error(&w, "immp.a.test", id, "remote-server-not-found");
        expect_query(&w, ITEMS_OF, "a.test", id);
        say_result(&w, "a.test", id, "http://jabber.org/protocol/disco#items",
                   "<item jid='chat.a.test' name='Rooms'/><item jid='mail.a.test'/><item/><item jid=''/>"
                   "<item jid='chat.a.test'/><item jid='immp.a.test'/><item jid='immp.b.test'/>"
                   "<item jid='a.test'/><item jid='a.test' node='x'/><item jid='bot@a.test'/>");
        expect_query(&w, INFO_OF, "chat.a.test", one);
        expect_query(&w, INFO_OF, "mail.a.test", two);
        server_silent(&w);
        say_info(&w, "chat.a.test", one, "<feature var='muc'/>");
        say_info(&w, "mail.a.test", two, FEATURE LIMITS("65536"));
        UNTIL(&w, got.calls == 1);
        assert_string_equal(got.address, "mail.a.test");
        assert_int_equal(got.max_stanza, 65536);
        world_close(&w);
    }
}

/* "at most 20, 4 at a time" */
static void the_walk_is_bounded(void **state)
{
    struct str items = STR_INIT;
    char id[8][64];
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    find(&w, "a.test", 1);
    expect_query(&w, INFO_OF, "immp.a.test", id[0]);
    say_info(&w, "immp.a.test", id[0], "");
    expect_query(&w, ITEMS_OF, "a.test", id[0]);
    for (int i = 0; i < 30; i++)
        str_addf(&items, "<item jid='c%d.a.test'/>", i);
    say_result(&w, "a.test", id[0], "http://jabber.org/protocol/disco#items", items.s);
    for (int i = 0; i < 20; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "c%d.a.test", i);
        expect_query(&w, INFO_OF, name, id[i % 4]);
        if (i < 3)
            continue;
        server_silent(&w);
        (void)snprintf(name, sizeof(name), "c%d.a.test", i - 3);
        say_error(&w, name, id[(i - 3) % 4], "service-unavailable");
    }
    for (int i = 17; i < 20; i++) {
        char name[32];

        assert_int_equal(got.calls, 0);
        (void)snprintf(name, sizeof(name), "c%d.a.test", i);
        say_error(&w, name, id[i % 4], "service-unavailable");
    }
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    assert_int_equal(got.err.status, STATUS_PEER_UNREACHABLE);
    assert_non_null(strstr(got.err.text, "20 more"));
    str_clear(&items);
    world_close(&w);
}

/* The first that is one ends the walk; the others' answers come too late to matter. */
static void late_answers_of_a_walk_are_ignored(void **state)
{
    char id[64], one[64], two[64];
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    find(&w, "a.test", 1);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    say_error(&w, "immp.a.test", id, "service-unavailable");
    expect_query(&w, ITEMS_OF, "a.test", id);
    say_result(&w, "a.test", id, "http://jabber.org/protocol/disco#items",
               "<item jid='x.a.test'/><item jid='y.a.test'/>");
    expect_query(&w, INFO_OF, "x.a.test", one);
    expect_query(&w, INFO_OF, "y.a.test", two);
    say_info(&w, "y.a.test", two, FEATURE);
    UNTIL(&w, got.calls == 1);
    assert_string_equal(got.address, "y.a.test");
    /* Forgotten and asked anew, with the old question still out. */
    w.t->forget(w.t->self, "a.test");
    find(&w, "a.test", 2);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    say_info(&w, "x.a.test", one, FEATURE);
    server_silent(&w);
    assert_int_equal(got.calls, 1);
    say_info(&w, "immp.a.test", id, FEATURE);
    UNTIL(&w, got.calls == 2);
    assert_string_equal(got.address, "immp.a.test");
    world_close(&w);
}

static void nothing_found_is_temporary(void **state)
{
    static const char *const items[] = { "", "<item jid='immp.a.test'/>" };
    char id[64];
    struct world w;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(items); i++) {
        world_open(&w, false);
        world_up(&w);
        reset();
        find(&w, "a.test", 1);
        expect_query(&w, INFO_OF, "immp.a.test", id);
        say_info(&w, "immp.a.test", id, "<feature var='urn:immp:xmpp:2'/>");
        expect_query(&w, ITEMS_OF, "a.test", id);
        if (i == 0)
            say_error(&w, "a.test", id, "item-not-found");
        else
            say_result(&w, "a.test", id, "http://jabber.org/protocol/disco#items", items[i]);
        UNTIL(&w, got.calls == 1);
        assert_int_equal(got.err.kind, ERR_TEMPORARY);
        world_close(&w);
    }
}

/* "1 h what is good, 5 min what is bad", and who asks meanwhile shares the answer. */
static void answers_are_shared_and_remembered(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    reset();
    find(&w, "a.test", 1);
    find(&w, "a.test", 2);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    find(&w, "a.test", 3);
    say_info(&w, "immp.a.test", id, FEATURE);
    UNTIL(&w, got.calls == 3);
    w.clock.fake_ms += PEERS_GOOD_MS - 60000;
    UNTIL(&w, w.server.pings >= 2);
    find(&w, "a.test", 4);
    assert_int_equal(got.calls, 3);
    UNTIL(&w, got.calls == 4);
    assert_int_equal(got.token, 4);
    assert_string_equal(got.address, "immp.a.test");
    server_silent(&w);
    w.clock.fake_ms += 60000;
    find(&w, "a.test", 5);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    say_error(&w, "immp.a.test", id, "remote-server-timeout");
    expect_query(&w, ITEMS_OF, "a.test", id);
    say_error(&w, "a.test", id, "remote-server-timeout");
    UNTIL(&w, got.calls == 5);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    w.clock.fake_ms += PEERS_BAD_MS - 1;
    find(&w, "a.test", 6);
    UNTIL(&w, got.calls == 6);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    server_silent(&w);
    w.clock.fake_ms += 1;
    find(&w, "a.test", 7);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    world_close(&w);
}

static void what_was_not_found_is_looked_for_on_a_new_link(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    reset();
    find(&w, "a.test", 1);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    say_error(&w, "immp.a.test", id, "remote-server-timeout");
    expect_query(&w, ITEMS_OF, "a.test", id);
    say_error(&w, "a.test", id, "remote-server-timeout");
    UNTIL(&w, got.calls == 1);
    stream_close(&w.server.stream, false);
    UNTIL(&w, w.downs == 1);
    w.clock.fake_ms += 2000;
    UNTIL(&w, w.ups == 2);
    find(&w, "a.test", 2);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    world_close(&w);
}

static void a_link_that_is_down_teaches_nothing(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, true);
    reset();
    find(&w, "a.test", 1);
    assert_int_equal(got.calls, 0);
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    assert_non_null(strstr(got.err.text, "down"));
    world_up(&w);
    find(&w, "a.test", 2);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    /* And when it goes down in the middle. */
    stream_close(&w.server.stream, false);
    UNTIL(&w, got.calls == 2);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    w.clock.fake_ms += 2000;
    UNTIL(&w, w.ups == 2);
    find(&w, "a.test", 3);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    say_info(&w, "immp.a.test", id, FEATURE);
    UNTIL(&w, got.calls == 3);
    assert_string_equal(got.address, "immp.a.test");
    world_close(&w);
}

static void questions_have_a_deadline(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    reset();
    find(&w, "a.test", 1);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    w.clock.fake_ms += PEERS_ANSWER_MS - 1;
    server_silent(&w);
    w.clock.fake_ms += 1;
    expect_query(&w, ITEMS_OF, "a.test", id);
    w.clock.fake_ms += PEERS_ANSWER_MS;
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    world_close(&w);
}

/* RFC 6120 §8.1.2.1: an answer is one only from whom was asked. */
static void answers_of_others_are_none(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    find(&w, "a.test", 1);
    expect_query(&w, INFO_OF, "immp.a.test", id);
    say_info(&w, "immp.evil.test", id, FEATURE);
    say_info(&w, "a.test", id, FEATURE);
    say_info(&w, "x@immp.a.test", id, FEATURE);
    say_info(&w, "immp.a.test/x", id, FEATURE);
    say_info(&w, "immp.a.test", "1", FEATURE);
    say_info(&w, "immp.a.test", "", FEATURE);
    say_info(&w, "immp.a.test", "00000000.1", FEATURE);
    server_say(&w, "<iq type='result' from='immp.a.test' to='immp.b.test'/>");
    id[strlen(id) - 1] ^= 1;
    say_info(&w, "immp.a.test", id, FEATURE);
    id[strlen(id) - 1] = 'g';
    say_info(&w, "immp.a.test", id, FEATURE);
    server_silent(&w);
    assert_int_equal(got.calls, 0);
    world_close(&w);
}

static void the_same_name_differently_written_is_the_same(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    w.t->keys(w.t->self, "b.test", "a.test", "Immp.A.test", 1, on_keys, &got);
    (void)snprintf(id, sizeof(id), "%s", attr_of(server_expect(&w, "<iq type='get' * to='Immp.A.test' *"), "id"));
    server_say(&w, "<iq type='result' from='immp.a.test' to='immp.b.test' id='%s'/>", id);
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    world_close(&w);
}

static void a_route_of_the_configuration_comes_first(void **state)
{
    static struct mail_route routes[] = {
        { (char *)"a.test", MAIL_VIA_XMPP, (char *)"gw.host.test" },
        { (char *)"t.test", MAIL_VIA_TCP, (char *)"192.0.2.1:1025" },
        { (char *)"r.test", MAIL_VIA_REJECT, NULL },
    };
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, true);
    w.domain.routes = routes;
    w.domain.n_routes = N_ELEMENTS(routes);
    world_up(&w);
    reset();
    find(&w, "a.test", 1);
    expect_query(&w, INFO_OF, "gw.host.test", id);
    say_info(&w, "gw.host.test", id, FEATURE LIMITS("100000"));
    UNTIL(&w, got.calls == 1);
    assert_string_equal(got.address, "gw.host.test");
    assert_int_equal(got.max_stanza, 100000);
    /* It is used even when it does not answer: the operator knows. */
    w.t->forget(w.t->self, "a.test");
    find(&w, "a.test", 2);
    expect_query(&w, INFO_OF, "gw.host.test", id);
    say_error(&w, "gw.host.test", id, "remote-server-timeout");
    UNTIL(&w, got.calls == 2);
    assert_string_equal(got.address, "gw.host.test");
    assert_int_equal(got.max_stanza, 0);
    find(&w, "t.test", 3);
    assert_int_equal(got.calls, 2);
    UNTIL(&w, got.calls == 3);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    find(&w, "r.test", 4);
    UNTIL(&w, got.calls == 4);
    assert_int_equal(got.err.kind, ERR_PERMANENT);
    assert_int_equal(got.err.status, STATUS_NO_ROUTE);
    server_silent(&w);
    world_close(&w);
}

static void only_so_many_domains_are_remembered(void **state)
{
    struct world w;
    char name[32];

    (void)state;
    world_open(&w, true);
    reset();
    /* The link is down, so each is answered at once. */
    for (int i = 0; i < PEERS_KEPT_MAX + 100; i++) {
        (void)snprintf(name, sizeof(name), "d%d.test", i);
        find(&w, name, 1);
        if (i % 512 == 0)
            world_turn(&w);
    }
    UNTIL(&w, got.calls == PEERS_KEPT_MAX + 100);
    world_close(&w);
}

/* ---- keys ---- */

static void keys_are_asked_of_the_peer(void **state)
{
    static const struct {
        const char *answer, *sign, *encrypt, *endorsement;
    } rows[] = {
        { "<key xmlns='urn:immp:xmpp:1' domain='a.test'><certificate use='sign'>SIGN\n</certificate>"
          "<certificate use='encrypt'>ENC</certificate></key>", "SIGN\n", "ENC", "(none)" },
        { "<key xmlns='urn:immp:xmpp:1' domain='a.test'> <certificate use='other'>X</certificate>\n"
          "<certificate use='encrypt'>ENC</certificate><certificate use='sign'>SIGN</certificate>"
          "<endorsement by='sha256:00'>END</endorsement></key>", "SIGN", "ENC", "END" },
        { "<key xmlns='urn:immp:xmpp:1' domain='a.test'><certificate use='sign'>S</certificate></key>",
          NULL, NULL, NULL },
        { "<key xmlns='urn:immp:xmpp:1' domain='a.test'><certificate use='sign'/>"
          "<certificate use='encrypt'>ENC</certificate></key>", NULL, NULL, NULL },
        { "<key xmlns='urn:immp:xmpp:1' domain='z.test'><certificate use='sign'>S</certificate>"
          "<certificate use='encrypt'>E</certificate></key>", NULL, NULL, NULL },
        { "<key xmlns='urn:immp:xmpp:1'><certificate use='sign'>S</certificate>"
          "<certificate use='encrypt'>E</certificate></key>", NULL, NULL, NULL },
        { "<key xmlns='urn:other' domain='a.test'/>", NULL, NULL, NULL },
        { "", NULL, NULL, NULL },
    };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char id[64];

        reset();
        w.t->keys(w.t->self, "b.test", "a.test", "immp.a.test", 40 + i, on_keys, &got);
        (void)snprintf(id, sizeof(id), "%s",
                       attr_of(server_expect(&w, "<iq type='get' from='immp.b.test' to='immp.a.test' id='*'>"
                                                 "<key xmlns='urn:immp:xmpp:1' domain='a.test'/></iq>"), "id"));
        server_say(&w, "<iq type='result' from='immp.a.test' to='immp.b.test' id='%s'>%s</iq>", id,
                   rows[i].answer);
        UNTIL(&w, got.calls == 1);
        assert_int_equal(got.token, 40 + i);
        if (rows[i].sign == NULL) {
            assert_int_equal(got.err.kind, ERR_TEMPORARY);
            assert_string_equal(got.one, "(none)");
            continue;
        }
        assert_int_equal(got.err.kind, ERR_NONE);
        assert_string_equal(got.one, rows[i].sign);
        assert_string_equal(got.two, rows[i].encrypt);
        assert_string_equal(got.three, rows[i].endorsement);
    }
    world_close(&w);
}

/* ---- seals ---- */

static void send_seal(struct world *w, const char *armor, uint64_t token)
{
    w->t->seal(w->t->self, "b.test", "a.test", "immp.a.test", "BUNDLE", armor, strlen(armor), token,
               on_receipt, &got);
}

static void a_seal_brings_its_receipt(void **state)
{
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    send_seal(&w, "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n", 9);
    (void)snprintf(id, sizeof(id), "%s",
                   attr_of(server_expect(&w, "<iq type='set' from='immp.b.test' to='immp.a.test' id='*'>"
                                             "<seal xmlns='urn:immp:xmpp:1' bundle='BUNDLE' origin='b.test' "
                                             "destination='a.test'>-----BEGIN CMS-----\nAAAA\n"
                                             "-----END CMS-----\n</seal></iq>"), "id"));
    assert_int_equal(got.calls, 0);
    server_say(&w, "<iq type='result' from='immp.a.test' to='immp.b.test' id='%s'>"
                   "<receipt xmlns='urn:immp:xmpp:1' bundle='BUNDLE'>RECEIPT\n&lt;</receipt></iq>", id);
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.token, 9);
    assert_int_equal(got.err.kind, ERR_NONE);
    assert_string_equal(got.one, "RECEIPT\n<");
    /* Armor has no such thing; were it otherwise, it would still be XML. */
    send_seal(&w, "a<b&c", 10);
    server_expect(&w, "*>a&lt;b&amp;c\n</seal></iq>");
    world_close(&w);
}

/* docs/xmpp.md, "Sizes and pace": equal ones in a row wait in servers with Nagle's algorithm. */
static void two_seals_in_a_row_differ_in_length(void **state)
{
    static const char *const ends[] = { "", "\n", "\n\n", "\n\n\n", "" };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
        char want[200];

        send_seal(&w, "-----END CMS-----\n", i);
        (void)snprintf(want, sizeof(want), "*'>-----END CMS-----\n%s</seal></iq>", ends[i]);
        server_expect(&w, want);
    }
    world_close(&w);
}

/* docs/xmpp.md: stanza errors that servers make are all temporary. field.md C1. */
static void every_stanza_error_is_temporary(void **state)
{
    static const char *const conditions[] = {
        "remote-server-not-found", "remote-server-timeout", "service-unavailable",
        "resource-constraint", "internal-server-error", "item-not-found", "forbidden", "not-allowed",
        "policy-violation", "gone", "nonsense",
    };
    static const char *const others[] = {
        "<iq type='error' from='immp.a.test' to='immp.b.test' id='%s'/>",
        "<iq type='error' from='immp.a.test' to='immp.b.test' id='%s'><error/></iq>",
        "<iq type='result' from='immp.a.test' to='immp.b.test' id='%s'/>",
        "<iq type='result' from='immp.a.test' to='immp.b.test' id='%s'>"
        "<receipt xmlns='urn:immp:xmpp:1' bundle='B'/></iq>",
        "<iq type='result' from='immp.a.test' to='immp.b.test' id='%s'>"
        "<receipt xmlns='urn:x' bundle='B'>R</receipt></iq>",
    };
    char id[64];
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(conditions) + N_ELEMENTS(others); i++) {
        reset();
        send_seal(&w, "x", 1);
        (void)snprintf(id, sizeof(id), "%s", attr_of(server_expect(&w, "<iq type='set' *"), "id"));
        if (i < N_ELEMENTS(conditions)) {
            say_error(&w, "immp.a.test", id, conditions[i]);
        } else {
            struct str st = STR_INIT;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            str_addf(&st, others[i - N_ELEMENTS(conditions)], id);
#pragma GCC diagnostic pop
            server_say_bytes(&w, st.s, st.len);
            str_clear(&st);
        }
        UNTIL(&w, got.calls == 1);
        assert_int_equal(got.err.kind, ERR_TEMPORARY);
        assert_int_equal(got.err.status, STATUS_PEER_UNREACHABLE);
        if (i < N_ELEMENTS(conditions)) {
            assert_non_null(strstr(got.err.text, conditions[i]));
            assert_non_null(strstr(got.err.text, "DNS lookup failed"));
        }
    }
    server_silent(&w);
    world_close(&w);
}

/* "exactly one answer … also when the link dies or the deadline passes" */
static void a_seal_without_answer_fails_once(void **state)
{
    struct world w;
    char id[64];

    (void)state;
    world_open(&w, true);
    reset();
    send_seal(&w, "x", 1);
    assert_int_equal(got.calls, 0);
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    world_up(&w);
    send_seal(&w, "x", 2);
    (void)snprintf(id, sizeof(id), "%s", attr_of(server_expect(&w, "<iq type='set' *"), "id"));
    world_settle(&w);  /* the pong is in */
    w.clock.fake_ms += 60000;
    UNTIL(&w, w.server.pings >= 2);
    world_settle(&w);
    assert_int_equal(got.calls, 1);
    w.clock.fake_ms += 60000;
    UNTIL(&w, got.calls == 2);
    assert_int_equal(got.err.status, STATUS_TIMEOUT);
    server_say(&w, "<iq type='result' from='immp.a.test' to='immp.b.test' id='%s'>"
                   "<receipt xmlns='urn:immp:xmpp:1' bundle='B'>late</receipt></iq>", id);
    server_silent(&w);
    assert_int_equal(got.calls, 2);
    /* The link dies with three under way. */
    for (uint64_t i = 3; i < 6; i++)
        send_seal(&w, "x", i);
    UNTIL(&w, w.server.n_heard == 4);
    stream_close(&w.server.stream, false);
    UNTIL(&w, w.downs == 1);
    UNTIL(&w, got.calls == 5);
    assert_int_equal(got.err.kind, ERR_TEMPORARY);
    /* And stopping answers too. */
    w.clock.fake_ms += 2000;
    UNTIL(&w, w.ups == 2);
    send_seal(&w, "x", 6);
    component_stop(w.c);
    assert_int_equal(got.calls, 5);
    UNTIL(&w, got.calls == 6);
    world_close(&w);
}

static void many_seals_leave_whole_and_in_order(void **state)
{
    struct str armor = STR_INIT;
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    while (armor.len < 200000)
        str_add(&armor, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2\n");
    for (uint64_t i = 0; i < 40; i++)
        send_seal(&w, armor.s, i);
    UNTIL(&w, w.server.n_heard == 40);
    for (size_t i = 0; i < 40; i++) {
        assert_non_null(strstr(w.server.heard[i], armor.s));
        if (i > 0)
            assert_true(strcmp(attr_of(w.server.heard[i], "id"), attr_of(w.server.heard[i - 1], "id")) != 0);
    }
    /* While they go, others are still answered in full: our own seals do not count as a flood. */
    for (uint64_t i = 0; i < 40; i++)
        send_seal(&w, armor.s, i);
    server_say(&w, "<iq type='get' from='c.test' to='immp.b.test' id='k'>"
                   "<key xmlns='urn:immp:xmpp:1' domain='b.test'/></iq>");
    UNTIL(&w, w.server.n_heard == 81);
    for (size_t i = 40; i < 81; i++)
        if (strcmp(attr_of(w.server.heard[i], "id"), "k") == 0)
            assert_non_null(strstr(w.server.heard[i], "<certificate "));
    str_clear(&armor);
    world_close(&w);
}

/* What would end the stream at the server is refused here, and so is a wrong address. */
static void what_servers_would_not_take_is_not_sent(void **state)
{
    char *huge = mem_zalloc(600001);
    struct world w;

    (void)state;
    memset(huge, 'A', 600000);
    world_open(&w, false);
    world_up(&w);
    reset();
    send_seal(&w, huge, 1);
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.err.status, STATUS_TOO_LARGE);
    w.t->seal(w.t->self, "b.test", "a.test", "", "BUNDLE", "x", 1, 2, on_receipt, &got);
    UNTIL(&w, got.calls == 2);
    server_silent(&w);
    world_close(&w);
    free(huge);
}

static void an_origin_that_is_not_ours_is_answered_too(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    reset();
    w.t->find(w.t->self, "z.test", "a.test", 1, on_found, &got);
    assert_int_equal(got.calls, 0);
    UNTIL(&w, got.calls == 1);
    assert_int_equal(got.err.status, STATUS_NO_ROUTE);
    w.t->keys(w.t->self, "z.test", "a.test", "immp.a.test", 2, on_keys, &got);
    UNTIL(&w, got.calls == 2);
    assert_int_equal(got.err.status, STATUS_NO_ROUTE);
    w.t->seal(w.t->self, "z.test", "a.test", "immp.a.test", "B", "x", 1, 3, on_receipt, &got);
    UNTIL(&w, got.calls == 3);
    assert_int_equal(got.err.status, STATUS_NO_ROUTE);
    assert_string_equal(w.t->name, "xmpp");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_name_is_asked_first),
        cmocka_unit_test(then_the_items_of_the_domain_are_asked),
        cmocka_unit_test(the_walk_is_bounded),
        cmocka_unit_test(late_answers_of_a_walk_are_ignored),
        cmocka_unit_test(nothing_found_is_temporary),
        cmocka_unit_test(answers_are_shared_and_remembered),
        cmocka_unit_test(what_was_not_found_is_looked_for_on_a_new_link),
        cmocka_unit_test(a_link_that_is_down_teaches_nothing),
        cmocka_unit_test(questions_have_a_deadline),
        cmocka_unit_test(answers_of_others_are_none),
        cmocka_unit_test(the_same_name_differently_written_is_the_same),
        cmocka_unit_test(a_route_of_the_configuration_comes_first),
        cmocka_unit_test(only_so_many_domains_are_remembered),
        cmocka_unit_test(keys_are_asked_of_the_peer),
        cmocka_unit_test(a_seal_brings_its_receipt),
        cmocka_unit_test(two_seals_in_a_row_differ_in_length),
        cmocka_unit_test(every_stanza_error_is_temporary),
        cmocka_unit_test(a_seal_without_answer_fails_once),
        cmocka_unit_test(many_seals_leave_whole_and_in_order),
        cmocka_unit_test(what_servers_would_not_take_is_not_sent),
        cmocka_unit_test(an_origin_that_is_not_ours_is_answered_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
