/* SPDX-License-Identifier: MIT */
/*
 * The XEP-0114 link against a scripted server: handshake, refusals, back-off, liveness, and what a
 * server may not send (docs/xmpp.md, "Roles and names"; RFC 6120 §4.9, §11.1).
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/status.h"

#include "component/scripted.h"
#include "xmpp/link.h"

static struct component_status status_of(const struct world *w)
{
    struct component_status st;

    component_status(w->c, &st);
    return st;
}

static bool is_state(const struct world *w, const char *state)
{
    return strcmp(status_of(w).state, state) == 0;
}

/* Something has failed, and the next try is set. */
static bool is_waiting(const struct world *w)
{
    return is_state(w, "waiting") && status_of(w).next_try_ms != 0;
}

static int64_t delay_of(const struct world *w)
{
    return status_of(w).next_try_ms - w->clock.fake_ms;
}

/* Forward the fake clock to the next try. */
static void next_try(struct world *w)
{
    w->clock.fake_ms = status_of(w).next_try_ms;
}

static void assert_between(int64_t v, int64_t least, int64_t most)
{
    if (v < least || v > most)
        fail_msg("%lld is not between %lld and %lld", (long long)v, (long long)least,
                 (long long)most);
}

/* XEP-0114 §3 */
static void handshake_is_the_hash_of_stream_id_and_secret(void **state)
{
    struct world w;

    (void)state;
    for (int drips = 0; drips < 2; drips++) {
        world_open(&w, false);
        w.server.drips = drips;
        assert_true(is_state(&w, "stopped"));
        world_up(&w);  /* the server compares the hash */
        assert_true(is_state(&w, "up") && status_of(&w).is_up);
        UNTIL(&w, status_of(&w).last_pong_ms > 0);
        assert_true(status_of(&w).up_since_ms > 0);
        assert_int_equal(w.server.pings, 1);
        assert_null(status_of(&w).last_error);
        assert_int_equal(status_of(&w).reconnects, 0);
        assert_true(status_of(&w).bytes_in > 0 && status_of(&w).bytes_out > 0);
        assert_true(w.t->is_up(w.t->self, "b.test"));
        assert_false(w.t->is_up(w.t->self, "c.test"));
        world_close(&w);
    }
}

static void a_unix_socket_will_do_too(void **state)
{
    char folder[] = "/tmp/immpd-link-XXXXXX", address[64];
    struct world w;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address, sizeof(address), "unix:%s/s", folder);
    world_open(&w, false);
    world_listen(&w, address);
    world_up(&w);
    UNTIL(&w, status_of(&w).last_pong_ms > 0);
    world_close(&w);
    (void)unlink(address + 5);
    (void)rmdir(folder);
}

static void a_component_without_server_or_secret_is_not_made(void **state)
{
    struct world w;
    struct err err = { 0 };
    struct component_config cfg = { .server = "127.0.0.1", .secret = SECRET };
    struct mail_domain nameless;

    (void)state;
    world_open(&w, false);
    cfg.mail = &w.mail;
    cfg.domain = &w.domain;
    cfg.secret = "";
    assert_null(component_create(&cfg, &err));
    assert_string_equal(err.text, "it needs a secret");
    cfg.secret = SECRET;
    cfg.server = NULL;
    assert_null(component_create(&cfg, &err));
    assert_string_equal(err.text, "it needs a server");
    cfg.server = "127.0.0.1";
    nameless = w.domain;
    nameless.component = (char *)"";
    cfg.domain = &nameless;
    assert_null(component_create(&cfg, &err));
    assert_string_equal(err.text, "it needs a jid");
    world_close(&w);
}

/* docs/xmpp.md: wrong secret and unknown host have a slower back-off, 60 s to 10 min. */
static void a_refusal_is_explained_and_waited_out_slowly(void **state)
{
    static const struct {
        const char *condition, *says;
    } rows[] = {
        { "not-authorized", "refuses our secret" },
        { "host-unknown",   "no component of that name" },
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        world_open(&w, true);
        w.server.manner = MANNER_REFUSE;
        w.server.condition = rows[i].condition;
        component_start(w.c);
        UNTIL(&w, is_waiting(&w));
        assert_non_null(strstr(status_of(&w).last_error, rows[i].condition));
        assert_non_null(strstr(status_of(&w).last_error, rows[i].says));
        assert_between(delay_of(&w), 60000, 90000);
        next_try(&w);
        UNTIL(&w, w.server.connections == 2 && is_waiting(&w));
        assert_between(delay_of(&w), 120000, 180000);
        for (int n = 3; n < 8; n++) {
            next_try(&w);
            UNTIL(&w, w.server.connections == (size_t)n && is_waiting(&w));
        }
        assert_between(delay_of(&w), 400000, 600000);
        /* And it comes up once it is let in. */
        w.server.manner = MANNER_GOOD;
        next_try(&w);
        UNTIL(&w, w.ups == 1);
        world_close(&w);
    }
}

/* As Prosody has it: the header that goes before host-unknown has no id. */
static void a_refusal_may_come_without_a_stream_id(void **state)
{
    struct world w;

    (void)state;
    for (int drips = 0; drips < 2; drips++) {
        world_open(&w, true);
        w.server.manner = MANNER_SILENT;
        component_start(w.c);
        UNTIL(&w, w.server.stream != NULL && is_state(&w, "handshake"));
        w.server.drips = drips;
        server_say(&w, "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
                       "xmlns='jabber:component:accept'><stream:error>"
                       "<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
                       "</stream:stream>");
        UNTIL(&w, is_waiting(&w));
        assert_non_null(strstr(status_of(&w).last_error, "host-unknown"));
        assert_between(delay_of(&w), 60000, 90000);
        world_close(&w);
    }
}

/*
 * After kill -9 the server may still have the old connection: it is asked again soon. Only a
 * conflict that stays is somebody else's.
 */
static void the_first_conflicts_may_be_with_a_daemon_that_crashed(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    w.server.manner = MANNER_REFUSE;
    w.server.condition = "conflict";
    component_start(w.c);
    for (size_t n = 1; n <= LINK_CONFLICTS; n++) {
        UNTIL(&w, w.server.connections == n && is_waiting(&w));
        assert_non_null(strstr(status_of(&w).last_error, "second immpd"));
        assert_between(delay_of(&w), 1000, 1500 << (n - 1));
        next_try(&w);
    }
    UNTIL(&w, w.server.connections == LINK_CONFLICTS + 1 && is_waiting(&w));
    assert_between(delay_of(&w), 60000, 90000);
    w.server.manner = MANNER_GOOD;
    next_try(&w);
    UNTIL(&w, w.ups == 1);
    world_close(&w);
}

static void conflict_may_come_to_a_link_that_is_up(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    server_say(&w, "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                   "</stream:error></stream:stream>");
    UNTIL(&w, w.downs == 1);
    assert_between(delay_of(&w), 60000, 90000);
    assert_true(w.server.has_end_tag || !w.server.is_closed);
    world_close(&w);
}

static void any_other_stream_error_is_waited_out_quickly(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    server_say(&w, "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                   "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>going down</text>"
                   "</stream:error></stream:stream>");
    UNTIL(&w, w.downs == 1);
    assert_non_null(strstr(status_of(&w).last_error, "system-shutdown going down"));
    assert_between(delay_of(&w), 1000, 1500);
    next_try(&w);
    UNTIL(&w, w.ups == 2);
    assert_int_equal(status_of(&w).reconnects, 1);
    world_close(&w);
}

/* docs/xmpp.md: jittered back-off, 1 s to 60 s, for ever. */
static void back_off_doubles_to_a_minute_and_never_ends(void **state)
{
    static const int64_t most[] = { 1500, 3000, 6000, 12000, 24000, 48000, 60000, 60000 };
    struct world w;
    size_t tries = 0;

    (void)state;
    world_open(&w, true);
    w.server.manner = MANNER_HANGUP;
    component_start(w.c);
    for (size_t i = 0; i < 40; i++) {
        int64_t step = most[MIN(i, N_ELEMENTS(most) - 1)];

        tries++;
        UNTIL(&w, w.server.connections == tries && is_waiting(&w));
        assert_between(delay_of(&w), MAX(1000, step * 2 / 3), step);
        next_try(&w);
    }
    w.server.manner = MANNER_GOOD;
    UNTIL(&w, w.ups == 1);
    world_close(&w);
}

static void a_server_that_is_not_there_is_tried_again(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    stream_listener_close(&w.server.listener);
    component_start(w.c);
    UNTIL(&w, is_waiting(&w));
    assert_non_null(status_of(&w).last_error);
    assert_between(delay_of(&w), 1000, 1500);
    next_try(&w);
    UNTIL(&w, delay_of(&w) > 1500);
    assert_true(is_waiting(&w));
    world_close(&w);
}

static void a_link_that_does_not_hold_is_not_hammered(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    component_start(w.c);
    for (int i = 1; i < 6; i++) {
        UNTIL(&w, w.ups == i);
        server_say(&w, "</stream:stream>");
        UNTIL(&w, w.downs == i);
        next_try(&w);
    }
    UNTIL(&w, w.ups == 6);
    server_say(&w, "</stream:stream>");
    UNTIL(&w, w.downs == 6);
    assert_between(delay_of(&w), 32000, 48000);
    next_try(&w);
    UNTIL(&w, w.ups == 7);
    /* After a minute that held, it starts anew. */
    w.clock.fake_ms += 20000;
    world_settle(&w);
    w.clock.fake_ms += 20000;
    world_settle(&w);
    w.clock.fake_ms += 20000;
    world_settle(&w);
    server_say(&w, "</stream:stream>");
    UNTIL(&w, w.downs == 7);
    assert_between(delay_of(&w), 1000, 1500);
    world_close(&w);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    static const enum manner manners[] = { MANNER_SILENT, MANNER_HEADER_ONLY };
    struct world w;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(manners); i++) {
        world_open(&w, true);
        w.server.manner = manners[i];
        component_start(w.c);
        UNTIL(&w, is_state(&w, "handshake") && w.server.connections == 1);
        world_settle(&w);
        w.clock.fake_ms += w.ping_ms - 1;
        world_settle(&w);
        assert_true(is_state(&w, "handshake"));
        w.clock.fake_ms += 1;
        UNTIL(&w, is_waiting(&w));
        assert_non_null(strstr(status_of(&w).last_error, i == 0 ? "no stream id" : "no answer to our"));
        UNTIL(&w, w.server.is_closed || w.server.has_end_tag);
        assert_string_equal(w.server.error, "connection-timeout");
        world_close(&w);
    }
}

/* docs/xmpp.md: a ping to our own JID every 30 s; no pong in 30 s is a dead link. */
static void a_link_without_pong_is_dead(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    w.server.manner = MANNER_MUTE;
    world_up(&w);
    UNTIL(&w, w.server.pings == 1);
    w.clock.fake_ms += w.ping_ms - 1;
    /* That it talks to us does not help: the loop is what is proved. */
    server_say(&w, "<message from='x@c.test' to='immp.b.test' type='headline'/>");
    world_settle(&w);
    assert_int_equal(w.downs, 0);
    w.clock.fake_ms += 1;
    UNTIL(&w, w.downs == 1);
    assert_non_null(strstr(status_of(&w).last_error, "ping to ourselves"));
    assert_int_equal(status_of(&w).last_pong_ms, 0);
    world_close(&w);
}

static void pings_go_on_while_they_come_back(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    for (size_t i = 1; i < 5; i++) {
        UNTIL(&w, w.server.pings == i && status_of(&w).last_pong_ms == w.clock.fake_ms);
        w.clock.fake_ms += w.ping_ms;
    }
    /* A stranger's answer to our ping is none. */
    w.server.manner = MANNER_MUTE;
    UNTIL(&w, w.server.pings == 5);
    server_say(&w, "<iq type='result' from='c.test' to='immp.b.test' id='1'/>");
    w.clock.fake_ms += w.ping_ms;
    UNTIL(&w, w.downs == 1);
    world_close(&w);
}

static void a_server_that_vanishes_is_noticed_and_found_again(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    stream_close(&w.server.stream, false);
    UNTIL(&w, w.downs == 1);
    assert_true(is_waiting(&w));
    assert_false(w.t->is_up(w.t->self, "b.test"));
    next_try(&w);
    UNTIL(&w, w.ups == 2);
    UNTIL(&w, status_of(&w).last_pong_ms == w.clock.fake_ms);
    world_close(&w);
}

/* Said in place of the server's header, or after it in place of the handshake. */
static void what_is_no_component_stream_is_left(void **state)
{
#define OPEN "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'"
    static const struct {
        const char *xml, *error;
    } rows[] = {
        { "HTTP/1.1 400 Bad Request\r\n\r\n", "not-well-formed" },
        { "<html><body>", "invalid-namespace" },
        { "<stream xmlns='jabber:component:accept'>", "invalid-namespace" },
        { OPEN "><handshake/>", "not-authorized" },
        { OPEN " id=''><iq/>", "not-authorized" },
        { OPEN " id='1'><message from='a' to='b'/>", "not-authorized" },
        { OPEN " id='1'><iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "not-authorized" },
        { OPEN " id='1'><handshake xmlns='urn:x'/>", "not-authorized" },
        { "<!DOCTYPE s><s>", "restricted-xml" },
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        for (int drips = 0; drips < 2; drips++) {
            world_open(&w, true);
            w.server.manner = MANNER_SILENT;
            component_start(w.c);
            UNTIL(&w, w.server.stream != NULL && is_state(&w, "handshake"));
            w.server.drips = drips;
            server_say(&w, "%s", rows[i].xml);
            UNTIL(&w, is_waiting(&w));
            UNTIL(&w, w.server.error[0] != '\0');
            assert_string_equal(w.server.error, rows[i].error);
            assert_int_equal(w.ups, 0);
            assert_int_equal(w.server.n_heard, 0);
            world_close(&w);
        }
    }
}

/* RFC 6120 §11.1, §4.9.3: the stream ends with the error that says why, and comes back. */
static void what_xmpp_forbids_ends_the_stream_with_its_error(void **state)
{
    static const struct {
        const char *xml, *error;
    } rows[] = {
        { "<!DOCTYPE x>",                                     "not-well-formed" },
        { "<message><!-- c --></message>",                    "restricted-xml"  },
        { "<?php x?>",                                        "restricted-xml"  },
        { "<message></presence>",                             "not-well-formed" },
        { "<message from='a' from='b'/>",                     "not-well-formed" },
        { "<message>&lol;</message>",                         "not-well-formed" },
        { "<message>\xff</message>",                          "not-well-formed" },
        { "<x:message/>",                                     "not-well-formed" },
        { "text",                                             "not-well-formed" },
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        world_open(&w, true);
        world_up(&w);
        server_say(&w, "%s", rows[i].xml);
        UNTIL(&w, w.server.error[0] != '\0');
        assert_string_equal(w.server.error, rows[i].error);
        UNTIL(&w, w.downs == 1);
        next_try(&w);
        UNTIL(&w, w.ups == 2);
        world_close(&w);
    }
}

/* docs/xmpp.md: a stanza of at most 1 MiB. */
static void a_stanza_of_a_mebibyte_is_the_largest(void **state)
{
    static const char head[] = "<message from='x@c.test' to='immp.b.test' type='headline'><body>";
    static const char tail[] = "</body></message>";
    size_t text = (1u << 20) - strlen(head) - strlen(tail);
    struct world w;

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        char *s = mem_alloc(text + more);

        world_open(&w, false);
        world_up(&w);
        memset(s, 'x', text + more);
        server_say(&w, "%s", head);
        server_say_bytes(&w, s, text + more);
        server_say(&w, "%s", tail);
        if (more == 0) {
            UNTIL(&w, status_of(&w).bytes_in > 1u << 20);
            server_say(&w, "<iq type='get' from='c.test' to='immp.b.test' id='1'>"
                           "<ping xmlns='urn:xmpp:ping'/></iq>");
            server_expect(&w, "<iq type='result' from='immp.b.test' to='c.test' id='1'></iq>");
            assert_int_equal(w.downs, 0);
        } else {
            UNTIL(&w, w.downs == 1);
            UNTIL(&w, w.server.error[0] != '\0');
            assert_string_equal(w.server.error, "policy-violation");
        }
        world_close(&w);
        free(s);
    }
}

static void stopping_says_goodbye_and_stays_stopped(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, true);
    world_up(&w);
    component_stop(w.c);
    assert_true(is_state(&w, "stopped"));
    UNTIL(&w, w.server.has_end_tag);
    w.clock.fake_ms += 3600000;
    world_settle(&w);
    assert_int_equal(w.server.connections, 1);
    assert_int_equal(w.downs, 0);
    component_stop(w.c);
    world_close(&w);

    /* While waiting, and while connecting. */
    world_open(&w, true);
    w.server.manner = MANNER_HANGUP;
    component_start(w.c);
    UNTIL(&w, is_waiting(&w));
    component_stop(w.c);
    assert_true(is_state(&w, "stopped"));
    w.clock.fake_ms += 3600000;
    world_settle(&w);
    assert_int_equal(w.server.connections, 1);
    w.server.manner = MANNER_SILENT;
    component_start(w.c);
    UNTIL(&w, is_state(&w, "handshake"));
    component_stop(w.c);
    assert_true(is_state(&w, "stopped"));
    world_close(&w);
}

static void spaces_between_stanzas_keep_the_link(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, false);
    world_up(&w);
    server_say(&w, " \n \t");
    world_settle(&w);
    assert_int_equal(w.downs, 0);
    server_silent(&w);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_is_the_hash_of_stream_id_and_secret),
        cmocka_unit_test(a_unix_socket_will_do_too),
        cmocka_unit_test(a_component_without_server_or_secret_is_not_made),
        cmocka_unit_test(a_refusal_is_explained_and_waited_out_slowly),
        cmocka_unit_test(a_refusal_may_come_without_a_stream_id),
        cmocka_unit_test(the_first_conflicts_may_be_with_a_daemon_that_crashed),
        cmocka_unit_test(conflict_may_come_to_a_link_that_is_up),
        cmocka_unit_test(any_other_stream_error_is_waited_out_quickly),
        cmocka_unit_test(back_off_doubles_to_a_minute_and_never_ends),
        cmocka_unit_test(a_server_that_is_not_there_is_tried_again),
        cmocka_unit_test(a_link_that_does_not_hold_is_not_hammered),
        cmocka_unit_test(a_server_that_says_nothing_is_given_up),
        cmocka_unit_test(a_link_without_pong_is_dead),
        cmocka_unit_test(pings_go_on_while_they_come_back),
        cmocka_unit_test(a_server_that_vanishes_is_noticed_and_found_again),
        cmocka_unit_test(what_is_no_component_stream_is_left),
        cmocka_unit_test(what_xmpp_forbids_ends_the_stream_with_its_error),
        cmocka_unit_test(a_stanza_of_a_mebibyte_is_the_largest),
        cmocka_unit_test(stopping_says_goodbye_and_stays_stopped),
        cmocka_unit_test(spaces_between_stanzas_keep_the_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
