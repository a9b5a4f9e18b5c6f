/* SPDX-License-Identifier: MIT */
/* Stanzas from the reader's events, as trees and as text; the table of errors. */
#include "config.h"

#include "xmpp/stanza.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "wire/status.h"

#include "lib/test.h"

#define HEAD \
    "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"

/* Reads one stanza by the real reader and lets `look` see it. */
struct reading {
    struct stanza_builder *builder;
    void (*look)(const struct stanza *st);
    int seen;
};

static int on_start(void *ctx, size_t depth, const char *ns, const char *prefix, const char *name,
                    const struct xml_attr *attrs, size_t n)
{
    struct reading *r = ctx;

    (void)prefix;
    stanza_builder_start(r->builder, depth, ns, name, attrs, n);
    return 0;
}

static int on_text(void *ctx, size_t depth, const char *s, size_t n)
{
    stanza_builder_text(((struct reading *)ctx)->builder, depth, s, n);
    return 0;
}

static int on_end(void *ctx, size_t depth, const char *raw, size_t len)
{
    struct reading *r = ctx;
    const struct stanza *st = stanza_builder_end(r->builder, depth, raw, len);

    assert_true((st != NULL) == (depth == 1));
    if (st != NULL) {
        r->seen++;
        r->look(st);
    }
    return 0;
}

/* Whole, byte by byte, and cut at each position; twice on one builder, so that nothing is left over. */
static void read_all_ways(const char *xml, void (*look)(const struct stanza *st))
{
    static const struct xml_limits limits = { 1 << 20, 1000, 1000 };
    static const struct xml_events events = { NULL, on_start, on_text, on_end, NULL };
    struct reading r = { stanza_builder_create(), look, 0 };
    size_t n = strlen(xml);
    int times = 0;

    for (size_t cut = 0; cut <= n + 1; cut++) {
        struct xml_reader *reader = xml_reader_create(&limits, &events, &r);
        struct err err = { 0 };

        assert_int_equal(xml_feed(reader, HEAD, strlen(HEAD), NULL), 0);
        for (int again = 0; again < 2; again++, times++) {
            int rc = 0;

            for (size_t i = 0; cut == n + 1 && i < n; i++)
                rc |= xml_feed(reader, xml + i, 1, &err);
            if (cut <= n)
                rc = xml_feed(reader, xml, cut, &err) | xml_feed(reader, xml + cut, n - cut, &err);
            if (rc != 0)
                fail_msg("%s: %s", xml, err.text);
        }
        xml_reader_destroy(&reader);
    }
    assert_int_equal(r.seen, times);
    stanza_builder_destroy(&r.builder);
    assert_null(r.builder);
    stanza_builder_destroy(&r.builder);
}

static void look_at_iq(const struct stanza *st)
{
    xmpp_stanza_t *item;

    assert_string_equal(st->kind, "iq");
    assert_string_equal(st->ns, NS_COMPONENT);
    assert_string_equal(st->type, "get");
    assert_string_equal(st->id, "<1>");
    assert_string_equal(st->from, "a@b/c");
    assert_string_equal(st->to, "d");
    assert_null(st->excess);
    assert_int_equal(st->n_payloads, 2);
    assert_int_equal(st->text_len, 0);
    assert_memory_equal(st->raw, "<iq type='get'", 14);
    assert_memory_equal(st->raw + st->raw_len - 5, "</iq>", 5);
    assert_true(stanza_is(st->payload, "urn:q", "query"));
    assert_false(stanza_is(st->payload, "urn:r", "query"));
    assert_false(stanza_is(st->payload, "urn:q", "q"));
    assert_false(stanza_is(NULL, "urn:q", "query"));
    assert_string_equal(stanza_attr(st->payload, "node"), "n");
    assert_null(stanza_attr(st->payload, "none"));
    assert_null(stanza_attr(NULL, "none"));
    item = stanza_child(st->payload, "urn:q", "item");
    assert_string_equal(stanza_attr(item, "jid"), "1");
    assert_string_equal(stanza_text(item), "one & two\nthree");
    item = stanza_next(item, "urn:q", "item");
    assert_string_equal(stanza_attr(item, "jid"), "2");
    assert_string_equal(stanza_text(item), "");
    assert_null(stanza_next(item, "urn:q", "item"));
    assert_null(stanza_child(st->payload, "urn:q", "none"));
    assert_null(stanza_child(NULL, "urn:q", "none"));
    assert_string_equal(stanza_text(NULL), "");
    /* In no namespace. */
    assert_non_null(item = xmpp_stanza_get_child_by_name(st->payload, "bare"));
    assert_null(xmpp_stanza_get_ns(item));
}

static void a_stanza_becomes_a_tree(void **state)
{
    (void)state;
    read_all_ways("<iq type='get' id='&lt;1>' from='a@b/c' to='d'><query xmlns='urn:q' node='n'>\n"
                  "<item jid='1'>one &amp; two\nthree</item><other/><bare xmlns=''/><x:item xmlns:x='urn:q' jid='2'/>"
                  "</query><second xmlns='urn:s'/></iq>", look_at_iq);
}

/* libstrophe's own reader loses these (docs/architecture.md). */
static void look_at_prefixes(const struct stanza *st)
{
    assert_null(st->type);
    assert_null(st->id);
    assert_string_equal(stanza_attr(st->payload, "x:href"), "1");
    assert_string_equal(stanza_attr(st->payload, "href"), "2");
    assert_string_equal(stanza_attr(st->payload, "xml:lang"), "fr");
    assert_string_equal(stanza_attr(st->payload, "x:type"), "t");
    assert_null(stanza_attr(st->payload, "type"));
    assert_string_equal(stanza_attr(st->dom, "xml:lang"), "de");
}

static void attributes_keep_their_prefix(void **state)
{
    (void)state;
    read_all_ways("<message xml:lang='de'><e xmlns='urn:e' xml:lang='fr' xmlns:x='urn:u' x:href='1' "
                  "href='2' x:type='t'/></message>", look_at_prefixes);
}

static void look_at_seal(const struct stanza *st)
{
    assert_string_equal(st->text, "line one\nline two\n\nlast & end");
    assert_int_equal(st->text_len, strlen(st->text));
    assert_string_equal(stanza_text(st->payload), "");
    assert_string_equal(stanza_attr(st->payload, "bundle"), "b");
}

static void the_text_of_a_seal_is_kept_apart(void **state)
{
    (void)state;
    read_all_ways("<iq><seal xmlns='urn:immp:xmpp:1' bundle='b'>line one\nline two\n\nlast &amp; end"
                  "</seal></iq>", look_at_seal);
}

static void look_at_key(const struct stanza *st)
{
    xmpp_stanza_t *el = stanza_child(st->payload, NS_IMMP, "certificate");

    assert_string_equal(stanza_text(el), "PEM\nPEM");
    assert_string_equal(st->text, " \n");
}

static void text_below_a_payload_of_ours_stays_in_the_tree(void **state)
{
    (void)state;
    read_all_ways("<iq><key xmlns='urn:immp:xmpp:1'> <certificate>PEM\nPEM</certificate>\n</key></iq>",
                  look_at_key);
}

static void look_at_second(const struct stanza *st)
{
    assert_string_equal(st->text, "");
    assert_string_equal(stanza_text(xmpp_stanza_get_next(st->payload)), "second");
}

static void only_the_first_payload_has_its_text_apart(void **state)
{
    (void)state;
    read_all_ways("<iq><x xmlns='urn:x'>first</x><seal xmlns='urn:immp:xmpp:1'>second</seal></iq>",
                  look_at_second);
}

static void look_at_excess(const struct stanza *st)
{
    assert_non_null(st->excess);
    assert_string_equal(st->id, "i");
    assert_string_equal(st->from, "f");
    assert_string_equal(st->to, "t");
}

/* n times s, between head and tail. */
static char *repeated(const char *head, const char *s, size_t n, const char *t, const char *tail)
{
    struct str st = STR_INIT;

    str_add(&st, head);
    for (size_t i = 0; i < n; i++)
        str_add(&st, s);
    for (size_t i = 0; i < n; i++)
        str_add(&st, t);
    str_add(&st, tail);
    return str_take(&st);
}

static void what_is_too_much_spoils_only_its_stanza(void **state)
{
    struct str st = STR_INIT;
    char *xml = repeated("<iq id='i' from='f' to='t' type='get'>", "<a>", 64, "</a>", "text</iq>");

    (void)state;
    read_all_ways(xml, look_at_excess);
    free(xml);
    str_add(&st, "<iq id='i' from='f' to='t' q:to='no' xmlns:q='urn:q'");
    for (int i = 0; i < 62; i++)
        str_addf(&st, " a%d=''", i);
    str_add(&st, "><b>text</b></iq>");
    read_all_ways(st.s, look_at_excess);
    str_clear(&st);
}

/* ---- writing ---- */

static void text_of_any_bytes_becomes_xml(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "plain", "plain" },
        { "<&>'\"", "&lt;&amp;&gt;&apos;&quot;" },
        { "a\tb\nc\rd", "a\tb\nc\rd" },
        { "\x01\x1f\x7f", "??\x7f" },
        { "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "cut \xe2\x82", "cut ??" },
        { "cut \xc3", "cut ?" },
        { "\xed\xa0\x80", "???" },       /* a surrogate */
        { "\xef\xbf\xbe\xef\xbf\xbf", "??????" },  /* U+FFFE, U+FFFF */
        { "\xef\xbf\xbd", "\xef\xbf\xbd" },
        { "\xff\xfe\x80", "???" },
        { "\xc0\xaf", "??" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str st = STR_INIT;

        stanza_add_text(&st, rows[i].in);
        assert_string_equal(str_c(&st), rows[i].out);
        str_clear(&st);
    }
}

static void a_head_has_what_is_given(void **state)
{
    static const struct {
        struct stanza_head head;
        const char *out;
    } rows[] = {
        { { "iq", "get", "a", "b", "1" }, "<iq type='get' from='a' to='b' id='1'>" },
        { { "presence", NULL, "a", "b", NULL }, "<presence from='a' to='b'>" },
        { { "iq", "result", "a/'", "b\n", "<\t>" },
          "<iq type='result' from='a/&apos;' to='b&#10;' id='&lt;&#9;&gt;'>" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str st = STR_INIT;

        stanza_add_head(&st, &rows[i].head);
        assert_string_equal(st.s, rows[i].out);
        str_clear(&st);
    }
}

/* ---- errors ---- */

static void an_err_becomes_type_and_condition(void **state)
{
    static const struct {
        enum err_kind kind;
        int status;
        const char *type, *condition;
    } rows[] = {
        { ERR_PERMANENT, STATUS_UNKNOWN_COMMAND,  "cancel", "service-unavailable"   },
        { ERR_PERMANENT, STATUS_NO_ACCOUNT,       "cancel", "item-not-found"        },
        { ERR_PERMANENT, STATUS_NOT_FOUND,        "cancel", "item-not-found"        },
        { ERR_DENIED,    STATUS_NOT_FOUND,        "cancel", "item-not-found"        },
        { ERR_PERMANENT, STATUS_NO_NODE,          "cancel", "item-not-found"        },
        { ERR_DENIED,    STATUS_COOKIE_REFUSED,   "cancel", "item-not-found"        },
        { ERR_DENIED,    STATUS_NOT_ALLOWED,      "cancel", "not-allowed"           },
        { ERR_DENIED,    STATUS_AUTH_FAILED,      "auth",   "not-authorized"        },
        { ERR_PROTOCOL,  STATUS_LIMIT,            "modify", "policy-violation"      },
        { ERR_PERMANENT, STATUS_TOO_LARGE,        "modify", "policy-violation"      },
        { ERR_TEMPORARY, STATUS_OVERLOADED,       "wait",   "resource-constraint"   },
        { ERR_PERMANENT, STATUS_QUOTA,            "wait",   "resource-constraint"   },
        { ERR_TEMPORARY, STATUS_TIMEOUT,          "wait",   "remote-server-timeout" },
        { ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "wait",   "remote-server-timeout" },
        { ERR_TEMPORARY, STATUS_STORAGE,          "wait",   "internal-server-error" },
        { ERR_TEMPORARY, STATUS_NONE,             "wait",   "internal-server-error" },
        { ERR_UNCERTAIN, STATUS_NONE,             "wait",   "internal-server-error" },
        { ERR_PROTOCOL,  STATUS_PARAMETER,        "modify", "bad-request"           },
        { ERR_PROTOCOL,  STATUS_NONE,             "modify", "bad-request"           },
        { ERR_DENIED,    STATUS_NONE,             "auth",   "forbidden"             },
        { ERR_PERMANENT, STATUS_NONE,             "cancel", "not-acceptable"        },
        { ERR_NONE,      STATUS_NONE,             "wait",   "internal-server-error" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { .kind = rows[i].kind, .status = rows[i].status };
        struct str want = STR_INIT, st = STR_INIT;

        str_addf(&want, "<error type='%s'><%s xmlns='" NS_STANZAS "'/></error>", rows[i].type,
                 rows[i].condition);
        stanza_add_error(&st, &err);
        assert_string_equal(st.s, want.s);
        str_clear(&st);
        str_clear(&want);
    }
}

static void the_text_of_an_err_goes_with_it(void **state)
{
    struct err err = { .kind = ERR_PROTOCOL, .text = "not <so>" };
    struct str st = STR_INIT;

    (void)state;
    stanza_add_error(&st, &err);
    assert_string_equal(st.s, "<error type='modify'><bad-request xmlns='" NS_STANZAS "'/>"
                              "<text xmlns='" NS_STANZAS "' xml:lang='en'>not &lt;so&gt;</text></error>");
    str_clear(&st);
}

static const char *wanted;

static void look_at_error(const struct stanza *st)
{
    struct err err = { 0 };

    assert_int_equal(stanza_read_error(st, &err), -1);
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.status, STATUS_PEER_UNREACHABLE);
    assert_string_equal(err.text, wanted);
}

static void any_stanza_error_is_read_as_temporary(void **state)
{
    static const struct {
        const char *xml, *text;
    } rows[] = {
        { "<iq from='a.test' type='error'><error type='cancel'><item-not-found xmlns='" NS_STANZAS "'/>"
          "</error></iq>", "a.test answered item-not-found" },
        { "<iq from='a.test' type='error'><query xmlns='urn:q'/><error type='wait'>"
          "<text xmlns='" NS_STANZAS "'>later</text><not-connected xmlns='xmpp:prosody.im'/>"
          "<remote-server-timeout xmlns='" NS_STANZAS "'/></error></iq>",
          "a.test answered remote-server-timeout: later" },
        { "<iq from='a.test' type='error'><error/></iq>", "a.test answered an error without a condition" },
        { "<iq type='error'/>", "the server answered an error without a condition" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        wanted = rows[i].text;
        read_all_ways(rows[i].xml, look_at_error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stanza_becomes_a_tree),
        cmocka_unit_test(attributes_keep_their_prefix),
        cmocka_unit_test(the_text_of_a_seal_is_kept_apart),
        cmocka_unit_test(text_below_a_payload_of_ours_stays_in_the_tree),
        cmocka_unit_test(only_the_first_payload_has_its_text_apart),
        cmocka_unit_test(what_is_too_much_spoils_only_its_stanza),
        cmocka_unit_test(text_of_any_bytes_becomes_xml),
        cmocka_unit_test(a_head_has_what_is_given),
        cmocka_unit_test(an_err_becomes_type_and_condition),
        cmocka_unit_test(the_text_of_an_err_goes_with_it),
        cmocka_unit_test(any_stanza_error_is_read_as_temporary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
