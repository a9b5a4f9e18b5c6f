/* SPDX-License-Identifier: MIT */
/*
 * What the component answers: every get and set once, nothing to what is itself an answer, and
 * never with a crash or a lost link to what anybody out there can send (docs/xmpp.md, "What the
 * component answers"; RFC 6120 §8).
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/digest.h"
#include "xmpp/iq.h"

#include "component/scripted.h"

#define FROM "from='u@c.test/r' to='immp.b.test'"
#define BACK "from='immp.b.test' to='u@c.test/r'"
#define ERROR(type, condition) \
    "<error type='" type "'><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>*</error>"

/* An answer to a get with id 1 that is the row's. */
static void every_request_has_its_answer(void **state)
{
    static const struct {
        const char *type, *payload, *answer;
    } rows[] = {
        { "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
          "<iq type='result' " BACK " id='1'><query xmlns='http://jabber.org/protocol/disco#info'>*</query></iq>" },
        { "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>",
          "<iq type='result' " BACK " id='1'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>" },
        { "get", "<query xmlns='http://jabber.org/protocol/disco#items' node=''/>",
          "<iq type='result' " BACK " id='1'>*</iq>" },
        { "get", "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "item-not-found") "</iq>" },
        { "get", "<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "item-not-found") "</iq>" },
        { "get", "<query xmlns='jabber:iq:version'/>",
          "<iq type='result' " BACK " id='1'><query xmlns='jabber:iq:version'><name>immpd</name>"
          "<version>0.1&lt;&amp;&gt;</version></query></iq>" },
        { "get", "<ping xmlns='urn:xmpp:ping'/>", "<iq type='result' " BACK " id='1'></iq>" },
        { "get", "<time xmlns='urn:xmpp:time'/>",
          "<iq type='result' " BACK " id='1'><time xmlns='urn:xmpp:time'><tzo>+00:00</tzo>"
          "<utc>1970-01-01T00:16:40.000Z</utc></time></iq>" },
        { "get", "<query xmlns='jabber:iq:last'/>",
          "<iq type='result' " BACK " id='1'><query xmlns='jabber:iq:last' seconds='0'/></iq>" },
        { "get", "<vCard xmlns='vcard-temp'/>",
          "<iq type='result' " BACK " id='1'><vCard xmlns='vcard-temp'><FN>*b.test</FN>*</vCard></iq>" },
        { "get", "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>",
          "<iq type='result' " BACK " id='1'><vcard *><fn><text>*b.test</text></fn>*</vcard></iq>" },
        { "get", "<key xmlns='urn:immp:xmpp:1' domain='b.test'/>",
          "<iq type='result' " BACK " id='1'><key xmlns='urn:immp:xmpp:1' domain='b.test'>*</key></iq>" },
        { "get", "<key xmlns='urn:immp:xmpp:1' domain='B.Test'/>", "<iq type='result' *" },
        { "get", "<key xmlns='urn:immp:xmpp:1' domain='c.test'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "item-not-found") "</iq>" },
        { "get", "<key xmlns='urn:immp:xmpp:1' domain='-'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "item-not-found") "</iq>" },
        { "get", "<key xmlns='urn:immp:xmpp:1'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "get", "<cookie xmlns='urn:immp:xmpp:1' cookie='00' domain='b.test'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "item-not-found") "</iq>" },
        { "get", "<cookie xmlns='urn:immp:xmpp:1'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
        /* Known, but not so. */
        { "set", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "not-allowed") "</iq>" },
        { "set", "<ping xmlns='urn:xmpp:ping'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "not-allowed") "</iq>" },
        { "get", "<seal xmlns='urn:immp:xmpp:1'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "not-allowed") "</iq>" },
        /* Unknown. */
        { "get", "<query xmlns='jabber:iq:roster'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "service-unavailable") "</iq>" },
        { "set", "<query xmlns='jabber:iq:register'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "service-unavailable") "</iq>" },
        { "set", "<x xmlns='urn:x'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "service-unavailable") "</iq>" },
        { "get", "<pong xmlns='urn:xmpp:ping'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "service-unavailable") "</iq>" },
        { "get", "<ping/>", "<iq type='error' " BACK " id='1'>" ERROR("cancel", "service-unavailable") "</iq>" },
        { "get", "<ping xmlns=''/>",
          "<iq type='error' " BACK " id='1'>" ERROR("cancel", "service-unavailable") "</iq>" },
        /* Malformed: RFC 6120 §8.2.3. */
        { "get", "", "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "get", "text", "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "get", "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "gets", "<ping xmlns='urn:xmpp:ping'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "GET", "<ping xmlns='urn:xmpp:ping'/>",
          "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
    };
    struct world w;

    (void)state;
    for (int drips = 0; drips < 2; drips++) {
        world_open(&w, true);
        world_up(&w);
        w.server.drips = drips;
        for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
            server_say(&w, "<iq type='%s' " FROM " id='1'>%s</iq>", rows[i].type, rows[i].payload);
            server_expect(&w, rows[i].answer);
        }
        server_silent(&w);
        assert_int_equal(w.downs, 0);
        world_close(&w);
    }
}

static void a_request_to_an_account_is_answered_for_it(void **state)
{
    static const struct {
        const char *node, *payload, *answer;
    } rows[] = {
        { "alice", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
          "<iq type='result' *><query *><identity category='account' type='registered'/>*</query></iq>" },
        { "ALICE", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "<iq type='result' *" },
        { "helpdesk\\2falice", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
          "<iq type='result' *" },
        { "alice", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "<iq type='result' *" },
        { "alice", "<ping xmlns='urn:xmpp:ping'/>", "<iq type='result' *" },
        { "alice", "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>",
          "<iq type='error' *<item-not-found*" },
        { "bob", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
          "<iq type='error' *<item-not-found*" },
        { "bob", "<query xmlns='http://jabber.org/protocol/disco#items'/>",
          "<iq type='error' *<item-not-found*" },
        { "bob", "<ping xmlns='urn:xmpp:ping'/>", "<iq type='error' *<service-unavailable*" },
        { "bob\\40c.test", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
          "<iq type='error' *<item-not-found*" },
        { "broken", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
          "<iq type='error' *<error type='wait'><internal-server-error*" },
        { "broken", "<ping xmlns='urn:xmpp:ping'/>", "<iq type='error' *<error type='wait'>*" },
        { "alice", "<query xmlns='jabber:iq:version'/>", "<iq type='error' *<service-unavailable*" },
        { "alice", "<key xmlns='urn:immp:xmpp:1' domain='b.test'/>",
          "<iq type='error' *<service-unavailable*" },
    };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const char *said;

        server_say(&w, "<iq type='get' from='u@c.test/r' to='%s@immp.b.test' id='1'>%s</iq>",
                   rows[i].node, rows[i].payload);
        said = server_expect(&w, rows[i].answer);
        if (strcmp(rows[i].node, "ALICE") != 0)
            assert_int_equal(strncmp(attr_of(said, "from"), rows[i].node, strlen(rows[i].node)), 0);
        assert_string_equal(attr_of(said, "to"), "u@c.test/r");
        assert_string_equal(attr_of(said, "id"), "1");
    }
    server_silent(&w);
    world_close(&w);
}

/* RFC 6120 §8.2.3: a result or error is never answered; so nothing can loop. */
static void what_is_an_answer_gets_none(void **state)
{
    static const char *const rows[] = {
        "<iq type='result' " FROM " id='1'/>",
        "<iq type='result' " FROM "/>",
        "<iq type='result' " FROM " id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='error' " FROM " id='1'><error type='cancel'><x xmlns='urn:x'/></error></iq>",
        "<iq type='error' from='immp.b.test' to='immp.b.test' id='1'/>",
        "<iq type='error' to='immp.b.test' id='1'/>",
        "<iq type='result' from='u@c.test' id='1'/>",
        "<iq type='error' from='u@c.test' to='immp.z.test' id='1'/>",
        "<message type='error' " FROM "><body>x</body></message>",
        "<message type='headline' " FROM "><body>x</body></message>",
        "<message type='groupchat' " FROM "><body>x</body></message>",
        "<message type='error' to='immp.b.test'/>",
        "<message from='b.test' to='immp.b.test'><privilege xmlns='urn:xmpp:privilege:2'/></message>",
        "<presence " FROM "/>",
        "<presence type='unavailable' " FROM "/>",
        "<presence type='error' " FROM "/>",
        "<presence type='subscribed' " FROM "/>",
        "<presence type='unsubscribed' " FROM "/>",
        "<presence type='nonsense' " FROM "/>",
        "<presence type='probe' from='u@c.test' to='immp.z.test'/>",
        "<handshake/>",
        "<other " FROM "/>",
        "<iq xmlns='jabber:client' type='get' " FROM " id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        server_say(&w, "%s", rows[i]);
    server_silent(&w);
    assert_int_equal(w.downs, 0);
    world_close(&w);
}

static void messages_of_people_are_refused_politely(void **state)
{
    static const char *const types[] = { "", " type='chat'", " type='normal'", " type='nonsense'" };
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        server_say(&w, "<message%s " FROM " id='7'><body>hi</body></message>", types[i]);
        server_expect(&w, "<message type='error' " BACK " id='7'>"
                          ERROR("cancel", "service-unavailable") "</message>");
    }
    server_say(&w, "<message from='u@c.test' to='alice@immp.b.test/x'/>");
    server_expect(&w, "<message type='error' from='alice@immp.b.test/x' to='u@c.test'><error *");
    server_silent(&w);
    world_close(&w);
}

static void presence_is_answered_where_it_asks(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    server_say(&w, "<presence type='probe' " FROM "/>");
    server_expect(&w, "<presence " BACK "><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' "
                      "node='urn:immp:xmpp:1' ver='*='/></presence>");
    server_say(&w, "<presence type='probe' from='u@c.test' to='alice@immp.b.test'/>");
    server_expect(&w, "<presence type='unavailable' from='alice@immp.b.test' to='u@c.test'></presence>");
    server_say(&w, "<presence type='subscribe' from='u@c.test' to='immp.b.test'/>");
    server_expect(&w, "<presence type='unsubscribed' from='immp.b.test' to='u@c.test'></presence>");
    server_say(&w, "<presence type='unsubscribe' from='u@c.test' to='alice@immp.b.test'/>");
    server_expect(&w, "<presence type='unsubscribed' from='alice@immp.b.test' to='u@c.test'></presence>");
    server_silent(&w);
    world_close(&w);
}

/* field.md B1: ejabberd with global_routes sends us what is for others. RFC 6120 §8.1. */
static void addresses_that_do_not_hold_are_the_servers_fault(void **state)
{
    static const struct {
        const char *stanza, *answer;
    } rows[] = {
        { "<iq type='get' from='u@c.test' to='immp.z.test' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' from='immp.b.test' to='u@c.test' id='1'>" ERROR("cancel", "item-not-found") "</iq>" },
        { "<message from='u@c.test' to='x@immp.z.test'/>",
          "<message type='error' from='immp.b.test' to='u@c.test'>" ERROR("cancel", "item-not-found") "</message>" },
        { "<iq type='get' from='u@c.test' to='b.test' id='1'/>", "<iq type='error' *<item-not-found*" },
        { "<iq type='get' from='u@c.test' to='x.immp.b.test' id='1'/>", "<iq type='error' *<item-not-found*" },
        { "<iq type='get' from='u@c.test' to='immp.b.test@c.test' id='1'/>",
          "<iq type='error' from='immp.b.test' *<item-not-found*" },
        { "<iq type='get' from='u@c.test' to='c.test/x@immp.b.test' id='1'/>",
          "<iq type='error' from='immp.b.test' *<item-not-found*" },
        { "<iq type='get' from='u@c.test' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' from='immp.b.test' to='u@c.test' id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "<iq type='get' from='u@c.test' to='@' id='1'/>",
          "<iq type='error' from='immp.b.test' to='u@c.test' id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "<iq type='get' to='immp.b.test' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' from='immp.b.test' to='b.test' id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "<iq type='get' from='@@' to='immp.b.test' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' from='immp.b.test' to='b.test' id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' from='immp.b.test' to='b.test' id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "<iq type='get' " FROM "><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' " BACK " id=''>" ERROR("modify", "bad-request") "</iq>" },
        { "<iq type='get' " FROM " id=''><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' " BACK " id=''>" ERROR("modify", "bad-request") "</iq>" },
        { "<iq " FROM " id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
          "<iq type='error' " BACK " id='1'>" ERROR("modify", "bad-request") "</iq>" },
        { "<message/>", "<message type='error' from='immp.b.test' to='b.test'>*</message>" },
    };
    struct world w;

    (void)state;
    for (int drips = 0; drips < 2; drips++) {
        world_open(&w, false);
        world_up(&w);
        w.server.drips = drips;
        for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
            server_say(&w, "%s", rows[i].stanza);
            server_expect(&w, rows[i].answer);
        }
        server_silent(&w);
        assert_int_equal(w.downs, 0);
        world_close(&w);
    }
}

/* What is echoed comes back as it was, whatever it holds. */
static void ids_and_addresses_are_escaped(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    server_say(&w, "<iq type='get' from='u@c.test/&lt;&apos;&amp;&quot;' to='immp.b.test/&lt;' "
                   "id='&lt;&gt;&amp;&apos;&quot;&#10;\xc3\xa4'><ping xmlns='urn:xmpp:ping'/></iq>");
    server_expect(&w, "<iq type='result' from='immp.b.test/&lt;' "
                      "to='u@c.test/&lt;&apos;&amp;&quot;' "
                      "id='&lt;&gt;&amp;&apos;&quot;&#10;\xc3\xa4'></iq>");
    world_close(&w);
}

/* A stanza of n elements within each other below the iq. */
static void say_nested(struct world *w, size_t n)
{
    struct str st = STR_INIT;

    str_add(&st, "<iq type='get' " FROM " id='n'>");
    for (size_t i = 0; i < n; i++)
        str_add(&st, "<a xmlns='urn:a'>");
    for (size_t i = 0; i < n; i++)
        str_add(&st, "</a>");
    str_add(&st, "</iq>");
    server_say_bytes(w, st.s, st.len);
    str_clear(&st);
}

static void say_attributes(struct world *w, const char *tag, size_t n)
{
    struct str st = STR_INIT;

    str_add(&st, "<iq type='get' " FROM " id='n'");
    if (strcmp(tag, "iq") == 0)
        for (size_t i = 0; i < n; i++)
            str_addf(&st, " a%zu='1'", i);
    str_add(&st, "><x xmlns='urn:x'");
    if (strcmp(tag, "x") == 0)
        for (size_t i = 0; i < n; i++)
            str_addf(&st, " a%zu='1'", i);
    str_add(&st, "/></iq>");
    server_say_bytes(w, st.s, st.len);
    str_clear(&st);
}

static void say_elements(struct world *w, size_t n)
{
    struct str st = STR_INIT;

    str_add(&st, "<iq type='get' " FROM " id='n'><x xmlns='urn:x'>");
    for (size_t i = 0; i < n; i++)
        str_add(&st, "<a/>");
    str_add(&st, "</x></iq>");
    server_say_bytes(w, st.s, st.len);
    str_clear(&st);
}

/*
 * docs/xmpp.md: depth 64, 64 attributes; and 2,000 elements. Anybody can send those through a
 * server, so they cost their sender an error and not us the link.
 */
static void excess_costs_its_sender_an_error_and_not_us_the_link(void **state)
{
    static const char fine[] = "<iq type='error' " BACK " id='n'>" ERROR("cancel", "service-unavailable") "</iq>";
    static const char much[] = "<iq type='error' " BACK " id='n'>" ERROR("modify", "policy-violation") "</iq>";
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    say_nested(&w, 63);
    server_expect(&w, fine);
    say_nested(&w, 64);
    server_expect(&w, much);
    say_nested(&w, 20000);
    server_expect(&w, much);
    say_attributes(&w, "x", 64);
    server_expect(&w, fine);
    say_attributes(&w, "x", 65);
    server_expect(&w, much);
    say_attributes(&w, "x", 50000);
    server_expect(&w, much);
    say_attributes(&w, "iq", 60);
    server_expect(&w, fine);
    say_attributes(&w, "iq", 61);
    server_expect(&w, much);
    say_attributes(&w, "iq", 50000);
    server_expect(&w, much);
    say_elements(&w, 1998);
    server_expect(&w, fine);
    say_elements(&w, 1999);
    server_expect(&w, much);
    say_elements(&w, 200000);
    server_expect(&w, much);
    /* An answer with too much in it gets none. */
    server_say(&w, "<iq type='result' " FROM " id='n'>");
    for (int i = 0; i < 70; i++)
        server_say(&w, "<a>");
    for (int i = 0; i < 70; i++)
        server_say(&w, "</a>");
    server_say(&w, "</iq>");
    server_silent(&w);
    assert_int_equal(w.downs, 0);
    world_close(&w);
}

/* An echo that is larger than the server takes would end our stream (field.md C1): none is made. */
static void an_id_too_long_to_echo_is_not_answered(void **state)
{
    struct world w;
    char *id = mem_zalloc(500001);

    (void)state;
    world_open(&w, false);
    world_up(&w);
    memset(id, 'i', 1023);
    server_say(&w, "<iq type='get' " FROM " id='%s'><ping xmlns='urn:xmpp:ping'/></iq>", id);
    server_expect(&w, "<iq type='result' " BACK " id='iiii*'></iq>");
    memset(id, 'i', 1024);
    server_say(&w, "<iq type='get' " FROM " id='%s'><ping xmlns='urn:xmpp:ping'/></iq>", id);
    memset(id, '"', 500000);
    server_say(&w, "<iq type='get' " FROM " id='%s'><ping xmlns='urn:xmpp:ping'/></iq>", id);
    server_say(&w, "<message from='u@c.test/%s' to='immp.b.test'/>", id);
    /* A JID that long is none, so the server hears of it. */
    server_expect(&w, "<message type='error' from='immp.b.test' to='b.test'>*");
    server_silent(&w);
    assert_int_equal(w.downs, 0);
    world_close(&w);
    free(id);
}

/* XEP-0030, XEP-0157; and the limits that docs/xmpp.md lets peers read. */
static void disco_says_what_we_are(void **state)
{
    static const char *const parts[] = {
        "<identity category='gateway' type='immp' name='IMMP gateway of b.test'/>",
        "<identity category='component' type='generic' name='IMMP gateway of b.test'/>",
        "<feature var='urn:immp:xmpp:1'/>",
        "<feature var='jid\\20escaping'/>",
        "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>"
        "<value>http://jabber.org/network/serverinfo</value></field>"
        "<field var='admin-addresses' type='list-multi'>"
        "<value>xmpp:zoe@b.test</value></field></x>",
        "<field var='FORM_TYPE' type='hidden'><value>urn:immp:limits</value></field>",
        "<field var='max-message' type='text-single'><value>52428800</value></field>",
        "<field var='max-stanza' type='text-single'><value>262144</value></field>",
    };
    const struct iq_entry *e;
    const char *said;
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    server_say(&w, "<iq type='get' " FROM " id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    said = server_expect(&w, "<iq type='result' *");
    for (size_t i = 0; i < N_ELEMENTS(parts); i++)
        if (strstr(said, parts[i]) == NULL)
            fail_msg("not in %s\n%s", said, parts[i]);
    /* Every feature of the table of requests, each once. */
    for (size_t i = 0; (e = iq_entry_at(i)) != NULL; i++) {
        char feature[100];
        const char *at;

        if (e->feature == NULL)
            continue;
        (void)snprintf(feature, sizeof(feature), "<feature var='%s'/>", e->feature);
        at = strstr(said, feature);
        assert_non_null(at);
        assert_null(strstr(at + 1, feature));
    }
    world_close(&w);
}

/* Every entry of the table, asked of everything with both types: one answer each. */
static void every_entry_answers_once_whatever_is_asked(void **state)
{
    static const char *const types[] = { "get", "set" };
    static const char *const nodes[] = { "", "alice@", "bob@" };
    const struct iq_entry *e;
    struct world w;
    size_t asked = 0;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    fake_inbound.receipt = "RECEIPT";
    for (size_t i = 0; (e = iq_entry_at(i)) != NULL; i++)
        for (size_t t = 0; t < 2; t++)
            for (size_t n = 0; n < N_ELEMENTS(nodes); n++)
                server_say(&w, "<iq type='%s' from='c.test' to='%simmp.b.test' id='%zu'>"
                           "<%s xmlns='%s'/></iq>", types[t], nodes[n], asked++, e->name, e->ns);
    for (size_t i = 0; i < asked; i++) {
        char id[24];
        const char *said = server_expect(&w, "<iq type='*' from='*' to='c.test' id='*'>*</iq>");

        (void)snprintf(id, sizeof(id), "%zu", i);
        assert_string_equal(attr_of(said, "id"), id);
    }
    server_silent(&w);
    world_close(&w);
}

/* XEP-0115 §5: the hash is over what disco#info says, and the node can be asked. */
static void caps_name_what_disco_says(void **state)
{
    static const char text[] =
        "component/generic//IMMP gateway of b.test<gateway/immp//IMMP gateway of b.test<"
        "http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<"
        "http://jabber.org/protocol/disco#items<jabber:iq:last<jabber:iq:version<jabber:x:data<"
        "jid\\20escaping<urn:ietf:params:xml:ns:vcard-4.0<urn:immp:xmpp:1<urn:xmpp:ping<urn:xmpp:time<"
        "vcard-temp<http://jabber.org/network/serverinfo<admin-addresses<xmpp:zoe@b.test<"
        "urn:immp:limits<max-message<52428800<max-stanza<262144<";
    struct str hash = STR_INIT;
    uint8_t sha1[20];
    char hex[41];
    struct world w;

    (void)state;
    digest_sha1_hex(text, strlen(text), hex);
    assert_int_equal(str_from_hex(hex, 40, sha1, sizeof(sha1)), 0);
    base64_add(&hash, sha1, sizeof(sha1), 0);
    world_open(&w, false);
    world_up(&w);
    server_say(&w, "<presence type='probe' " FROM "/>");
    assert_non_null(strstr(server_expect(&w, "<presence *"), hash.s));
    server_say(&w, "<iq type='get' " FROM " id='1'><query xmlns='http://jabber.org/protocol/disco#info' "
                   "node='urn:immp:xmpp:1#%s'/></iq>", hash.s);
    server_expect(&w, "<iq type='result' *><query * node='urn:immp:xmpp:1#*'><identity *");
    server_say(&w, "<iq type='get' from='u@c.test' to='alice@immp.b.test' id='1'>"
                   "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:immp:xmpp:1#%s'/></iq>",
               hash.s);
    server_expect(&w, "<iq type='error' *<item-not-found*");
    str_clear(&hash);
    world_close(&w);
}

/* RFC 5122: the address of an administrator as a URI; the local part is escaped twice. */
static void contacts_are_uris(void **state)
{
    static char *admins[] = { (char *)"zoe@b.test", (char *)"helpdesk/al@b.test" };
    struct world w;

    (void)state;
    world_open(&w, false);
    w.domain.admins = admins;
    w.domain.n_admins = 2;
    world_up(&w);
    server_say(&w, "<iq type='get' " FROM " id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    server_expect(&w, "*<value>xmpp:helpdesk%5C2fal@b.test</value><value>xmpp:zoe@b.test</value>*");
    w.domain.n_admins = 0;
    server_say(&w, "<iq type='get' " FROM " id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    assert_null(strstr(server_expect(&w, "<iq type='result' *"), "serverinfo"));
    world_close(&w);
}

static void uptime_grows(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    w.clock.fake_ms += 12999;
    server_say(&w, "<iq type='get' " FROM " id='1'><query xmlns='jabber:iq:last'/></iq>");
    server_expect(&w, "*seconds='12'*");
    world_close(&w);
}

/* Many in one go: all are answered, in order, over several turns of the loop. */
static void a_flood_is_answered_to_the_last(void **state)
{
    struct world w;
    struct str st = STR_INIT;
    const int n = 20000;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (int i = 0; i < n; i++)
        str_addf(&st, "<iq type='get' from='c.test' to='immp.b.test' id='%d'>"
                 "<ping xmlns='urn:xmpp:ping'/></iq>", i);
    server_say_bytes(&w, st.s, st.len);
    UNTIL(&w, w.server.n_heard == (size_t)n);
    for (int i = 0; i < n; i += 999) {
        char id[24];

        (void)snprintf(id, sizeof(id), "%d", i);
        assert_string_equal(attr_of(w.server.heard[i], "id"), id);
    }
    str_clear(&st);
    world_close(&w);
}

/*
 * Somebody asks faster than the server takes our answers: first the answers become short, then we
 * stop reading; what we hold is bounded, and all of it is answered in the end.
 */
static void answers_that_are_not_taken_stop_the_questions(void **state)
{
    struct world w;
    struct str st = STR_INIT;
    struct component_status status;
    const size_t n = 24000;
    size_t longs = 0, shorts = 0;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    for (size_t i = 0; i < n; i++)
        str_addf(&st, "<iq type='get' from='c.test' to='immp.b.test' id='%01000zu'>"
                 "<key xmlns='urn:immp:xmpp:1' domain='b.test'/></iq>", i);
    stream_hold_input(w.server.stream, true);
    server_say_bytes(&w, st.s, st.len);
    for (int i = 0; i < 2000; i++)
        loop_turn(w.loop, false);
    component_status(w.c, &status);
    assert_true(status.stanzas_in < n);
    stream_hold_input(w.server.stream, false);
    UNTIL(&w, w.server.n_heard == n);
    for (size_t i = 0; i < n; i++) {
        if (strstr(w.server.heard[i], "<key ") != NULL)
            longs++;
        else if (strstr(w.server.heard[i], "resource-constraint") != NULL)
            shorts++;
    }
    assert_int_equal(longs + shorts, n);
    assert_true(longs > 500 && shorts > 500);
    assert_int_equal(w.downs, 0);
    str_clear(&st);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_its_answer),
        cmocka_unit_test(a_request_to_an_account_is_answered_for_it),
        cmocka_unit_test(what_is_an_answer_gets_none),
        cmocka_unit_test(messages_of_people_are_refused_politely),
        cmocka_unit_test(presence_is_answered_where_it_asks),
        cmocka_unit_test(addresses_that_do_not_hold_are_the_servers_fault),
        cmocka_unit_test(ids_and_addresses_are_escaped),
        cmocka_unit_test(excess_costs_its_sender_an_error_and_not_us_the_link),
        cmocka_unit_test(an_id_too_long_to_echo_is_not_answered),
        cmocka_unit_test(disco_says_what_we_are),
        cmocka_unit_test(every_entry_answers_once_whatever_is_asked),
        cmocka_unit_test(caps_name_what_disco_says),
        cmocka_unit_test(contacts_are_uris),
        cmocka_unit_test(uptime_grows),
        cmocka_unit_test(a_flood_is_answered_to_the_last),
        cmocka_unit_test(answers_that_are_not_taken_stop_the_questions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
