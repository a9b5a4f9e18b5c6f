/* SPDX-License-Identifier: MIT */
/* The XMPP stream reader: events, source bytes, limits (RFC 6120 §4, §11). */
#include "wire/xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/status.h"

#include "lib/test.h"

#define HEAD "<stream:stream xmlns='jabber:component:accept' " \
             "xmlns:stream='http://etherx.jabber.org/streams' from='immp.a.com' id='1'>"
#define TAIL "</stream:stream>"

/* ---- a recorder ---- */

struct record {
    struct str log;
    size_t text_at;  /* depth of the text that the log ends in; 0 none */
    size_t events;
    size_t stop_at;  /* this event function returns -1; 0 none */
};

static int note(struct record *r)
{
    return ++r->events == r->stop_at ? -1 : 0;
}

static void end_text(struct record *r)
{
    if (r->text_at > 0)
        str_add(&r->log, "]\n");
    r->text_at = 0;
}

static void add_attrs(struct record *r, const struct xml_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        str_addf(&r->log, " %s%s%s=%s", attrs[i].prefix != NULL ? attrs[i].prefix : "",
                 attrs[i].prefix != NULL ? ":" : "", attrs[i].name, attrs[i].value);
        if (attrs[i].ns != NULL)
            str_addf(&r->log, "{%s}", attrs[i].ns);
    }
    str_addc(&r->log, '\n');
}

static int on_open(void *ctx, const char *ns, const char *name, const struct xml_attr *attrs, size_t n)
{
    struct record *r = ctx;

    str_addf(&r->log, "open {%s}%s", ns, name);
    add_attrs(r, attrs, n);
    return note(r);
}

static int on_start(void *ctx, size_t depth, const char *ns, const char *prefix, const char *name,
                    const struct xml_attr *attrs, size_t n)
{
    struct record *r = ctx;

    end_text(r);
    str_addf(&r->log, "start %zu {%s}%s%s%s", depth, ns, prefix != NULL ? prefix : "",
             prefix != NULL ? ":" : "", name);
    add_attrs(r, attrs, n);
    return note(r);
}

static int on_text(void *ctx, size_t depth, const char *s, size_t n)
{
    struct record *r = ctx;

    if (r->text_at != depth) {
        end_text(r);
        str_addf(&r->log, "text %zu [", depth);
        r->text_at = depth;
    }
    str_addn(&r->log, s, n);
    return 0;
}

static int on_end(void *ctx, size_t depth, const char *raw, size_t raw_len)
{
    struct record *r = ctx;

    end_text(r);
    assert_int_equal(raw != NULL, depth == 1);
    str_addf(&r->log, "end %zu ", depth);
    str_addn(&r->log, raw != NULL ? raw : "", raw_len);
    str_addc(&r->log, '\n');
    return note(r);
}

static int on_close(void *ctx)
{
    str_add(&((struct record *)ctx)->log, "close\n");
    return note(ctx);
}

static const struct xml_events recorder = { on_open, on_start, on_text, on_end, on_close };
static const struct xml_limits usual = { 1024 * 1024, 64, 64 };

/* ---- three ways to feed ---- */

struct outcome {
    struct str log;
    struct str scope;
    struct err err;
    int rc;
};

static void outcome_clear(struct outcome *o)
{
    str_clear(&o->log);
    str_clear(&o->scope);
}

/* Feed the bytes in steps of this size after the first cut bytes. */
static struct outcome run(const char *p, size_t n, const struct xml_limits *limits, size_t cut,
                          size_t step)
{
    struct record rec = { STR_INIT, 0, 0, 0 };
    struct xml_reader *r = xml_reader_create(limits, &recorder, &rec);
    struct outcome o = { STR_INIT, STR_INIT, { 0 }, 0 };

    for (size_t at = 0; at < n && o.rc == 0;) {
        size_t piece = at == 0 && cut > 0 ? cut : MIN(step, n - at);
        char *copy = mem_dup(p + at, piece); /* exact, so that a read beyond it is seen */

        o.rc = xml_feed(r, copy, piece, &o.err);
        free(copy);
        at += piece;
    }
    if (o.rc < 0) { /* for good */
        assert_int_equal(xml_feed(r, " ", 1, NULL), -1);
        assert_int_equal(o.err.kind, ERR_PROTOCOL);
        assert_true(strlen(o.err.text) > 0);
    }
    str_add(&o.scope, xml_scope(r));
    xml_reader_destroy(&r);
    xml_reader_destroy(&r);
    end_text(&rec);
    o.log = rec.log;
    return o;
}

static void assert_same(const struct outcome *a, const struct outcome *b, size_t cut)
{
    if (a->rc != b->rc)
        fail_msg("cut at %zu: %d \"%s\", not %d \"%s\"", cut, b->rc, b->err.text, a->rc, a->err.text);
    if (strcmp(str_c(&a->log), str_c(&b->log)) != 0)
        fail_msg("cut at %zu:\n%s\nnot\n%s", cut, str_c(&b->log), str_c(&a->log));
    assert_string_equal(str_c(&a->scope), str_c(&b->scope));
}

/* Whole, byte by byte, and split at each position: the same. */
static struct outcome run_all_ways(const char *text, const struct xml_limits *limits)
{
    size_t n = strlen(text);
    struct outcome whole = run(text, n, limits, 0, n);

    for (size_t cut = 0; cut < n; cut++) {
        struct outcome other = run(text, n, limits, cut, cut == 0 ? 1 : n);

        assert_same(&whole, &other, cut);
        outcome_clear(&other);
    }
    return whole;
}

static void assert_log(const char *text, const char *expected)
{
    struct outcome o = run_all_ways(text, &usual);

    if (o.rc < 0)
        fail_msg("%s: %s", text, o.err.text);
    assert_string_equal(str_c(&o.log), expected);
    outcome_clear(&o);
}

/* ---- reading ---- */

static void a_stream_gives_its_stanzas(void **state)
{
    (void)state;
    assert_log("<?xml version='1.0' encoding='UTF-8'?>\n" HEAD "<handshake/>"
               "<iq type='get' id=\"q&amp;1\"><ping xmlns='urn:xmpp:ping'>a&lt;b<![CDATA[<c>]]></ping></iq>"
               " \n<message\nto='x'  >hi<b/>ho</message >" TAIL "\n",
               "open {http://etherx.jabber.org/streams}stream from=immp.a.com id=1\n"
               "start 1 {jabber:component:accept}handshake\n"
               "end 1 <handshake/>\n"
               "start 1 {jabber:component:accept}iq type=get id=q&1\n"
               "start 2 {urn:xmpp:ping}ping\n"
               "text 2 [a<b<c>]\n"
               "end 2 \n"
               "end 1 <iq type='get' id=\"q&amp;1\"><ping xmlns='urn:xmpp:ping'>a&lt;b"
               "<![CDATA[<c>]]></ping></iq>\n"
               "start 1 {jabber:component:accept}message to=x\n"
               "text 1 [hi]\n"
               "start 2 {jabber:component:accept}b\n"
               "end 2 \n"
               "text 1 [ho]\n"
               "end 1 <message\nto='x'  >hi<b/>ho</message >\n"
               "close\n");
}

static void prefixes_and_attribute_namespaces_are_kept(void **state)
{
    (void)state;
    assert_log(HEAD "<m xml:lang='de'><x:e xmlns:x='urn:x' x:a='1' a='2'/><o xmlns=''/></m>",
               "open {http://etherx.jabber.org/streams}stream from=immp.a.com id=1\n"
               "start 1 {jabber:component:accept}m xml:lang=de{http://www.w3.org/XML/1998/namespace}\n"
               "start 2 {urn:x}x:e x:a=1{urn:x} a=2\n"
               "end 2 \n"
               "start 2 {}o\n"
               "end 2 \n"
               "end 1 <m xml:lang='de'><x:e xmlns:x='urn:x' x:a='1' a='2'/><o xmlns=''/></m>\n");
}

static void text_of_all_lengths_of_characters_is_kept(void **state)
{
    (void)state;
    assert_log(HEAD "<b>\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80&#xe4;&#10;\r\n</b>",
               "open {http://etherx.jabber.org/streams}stream from=immp.a.com id=1\n"
               "start 1 {jabber:component:accept}b\n"
               "text 1 [\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa4\n\n]\n"
               "end 1 <b>\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80&#xe4;&#10;\r\n</b>\n");
}

static void the_scope_is_what_the_stream_declares(void **state)
{
    struct outcome o = run_all_ways(HEAD "<a xmlns:n='urn:n'/>", &usual);
    struct outcome odd = run_all_ways("<s xmlns='a&amp;\"b' xmlns:q=\"it&apos;s\">", &usual);

    (void)state;
    assert_string_equal(str_c(&o.scope), " xmlns='jabber:component:accept' "
                                         "xmlns:stream='http://etherx.jabber.org/streams'");
    assert_string_equal(str_c(&odd.scope), " xmlns='a&amp;&quot;b' xmlns:q='it&apos;s'");
    outcome_clear(&o);
    outcome_clear(&odd);
}

/* RFC 6120 §4.4: whitespace between stanzas keeps a stream alive, as long as it may be. */
static void spaces_between_stanzas_are_no_stanza(void **state)
{
    static const struct xml_limits small = { 200, 8, 8 };
    struct str text = STR_INIT;
    struct outcome o;

    (void)state;
    str_add(&text, HEAD);
    for (int i = 0; i < 300; i++)
        str_add(&text, " \t\r\n");
    str_add(&text, "<a/>");
    o = run_all_ways(str_c(&text), &small);
    assert_int_equal(o.rc, 0);
    assert_non_null(strstr(str_c(&o.log), "end 1 <a/>\n"));
    outcome_clear(&o);
    str_clear(&text);
}

/* ---- what is refused ---- */

static void what_rfc_6120_forbids_is_refused(void **state)
{
    static const char *const rows[] = {
        "<!DOCTYPE s [<!ENTITY a 'b'>]>" HEAD,
        "<!DOCTYPE s SYSTEM 'http://x/'>" HEAD,
        "<?xml version='1.0'?><!DOCTYPE s>" HEAD,
        "<?php x?>" HEAD,
        HEAD "<?php x?>",
        HEAD "<a><?php x?></a>",
        HEAD "<?xml version='1.0'?>",
        "<!-- c -->" HEAD,
        HEAD "<!-- c --><a/>",
        HEAD "<a><!-- c --></a>",
        HEAD TAIL "<!-- c -->",
        HEAD "<a>&nbsp;</a>",
        HEAD "<a b='&x;'/>",
        HEAD "text",
        HEAD "<a/>text<a/>",
        HEAD "&#65;",
        "<?xml version='1.0' encoding='ISO-8859-1'?>" HEAD,
        "<?xml version='1.0' encoding='UTF-16'?>" HEAD,
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct outcome o = run_all_ways(rows[i], &usual);
        bool is_restricted = strstr(rows[i], "<!") != NULL || strstr(rows[i], "<?php") != NULL;

        if (o.rc == 0)
            fail_msg("%s was taken", rows[i]);
        assert_int_equal(o.err.status, is_restricted ? STATUS_NOT_ALLOWED : STATUS_SYNTAX);
        outcome_clear(&o);
    }
}

static void xml_that_is_not_well_formed_is_refused(void **state)
{
    static const char *const rows[] = {
        "x ", "<<", "<a", /* the third is only unfinished */
        HEAD "</b>",
        HEAD "<a></b>",
        HEAD "<a b='1' b='2'/>",
        HEAD "<a b=1/>",
        HEAD "<a b='<'/>",
        HEAD "<a>&</a>",
        HEAD "<a>]]></a>",
        HEAD "<a>\x01</a>",
        HEAD "<a>&#0;</a>",
        HEAD "<a>&#1;</a>",
        HEAD "<a>\xff</a>",
        HEAD "<a>\xed\xa0\x80</a>",
        HEAD "<q:a/>",
        HEAD "<a q:b='1'/>",
        HEAD "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>",
        HEAD "<a xmlns:xml='urn:other'/>",
        HEAD "<a xmlns:q=''/>",
        HEAD "<a:b:c xmlns:a='u'/>",
        HEAD TAIL "<a/>",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct outcome o = run_all_ways(rows[i], &usual);

        if (i == 2)
            assert_int_equal(o.rc, 0);
        else if (o.rc == 0)
            fail_msg("%s was taken", rows[i]);
        else
            assert_int_equal(o.err.status, STATUS_SYNTAX);
        outcome_clear(&o);
    }
}

static void a_nul_is_refused_everywhere(void **state)
{
    static const char text[] = HEAD "<a b='c'>d</a>" TAIL;

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        char bad[sizeof(text)];
        struct outcome o;

        memcpy(bad, text, sizeof(text));
        bad[i] = '\0';
        o = run(bad, sizeof(text) - 1, &usual, 0, i % 2 == 0 ? 1 : sizeof(text));
        assert_int_equal(o.rc, -1);
        assert_int_equal(o.err.status, STATUS_SYNTAX);
        outcome_clear(&o);
    }
}

static void each_event_may_stop_the_reader(void **state)
{
    static const char text[] = HEAD "<a><b/>x</a>" TAIL;

    (void)state;
    for (size_t stop = 1; stop <= 7; stop++) { /* open, a, b, /b, /a, close: six */
        struct record rec = { STR_INIT, 0, 0, stop };
        struct xml_reader *r = xml_reader_create(&usual, &recorder, &rec);
        struct err err = { 0 };
        int rc = xml_feed(r, text, sizeof(text) - 1, &err);

        assert_int_equal(rc, stop <= 6 ? -1 : 0);
        assert_int_equal(rec.events, MIN(stop, 6));
        assert_int_equal(err.kind, stop <= 6 ? ERR_PROTOCOL : ERR_NONE);
        xml_reader_destroy(&r);
        str_clear(&rec.log);
    }
}

/* ---- limits ---- */

static void add_many(struct str *st, const char *s, size_t n)
{
    while (n-- > 0)
        str_add(st, s);
}

static void assert_limit(const struct str *text, const struct xml_limits *limits, bool is_within)
{
    struct outcome whole = run(str_c(text), text->len, limits, 0, text->len);
    struct outcome bytes = run(str_c(text), text->len, limits, 0, 1);

    assert_int_equal(whole.rc, is_within ? 0 : -1);
    assert_int_equal(bytes.rc, is_within ? 0 : -1);
    if (!is_within) {
        assert_int_equal(whole.err.status, STATUS_LIMIT);
        assert_int_equal(bytes.err.status, STATUS_LIMIT);
    }
    outcome_clear(&whole);
    outcome_clear(&bytes);
}

/* A stanza of exactly the limit passes, one byte more does not, wherever its bytes are. */
static void a_stanza_has_a_greatest_size(void **state)
{
    static const struct xml_limits small = { 1000, 8, 64 };
    static const struct {
        const char *before, *many, *after;
    } rows[] = {
        { "<a>", "x", "</a>" },         { "<a b='", "x", "'/>" },       { "<a", " ", "/>" },
        { "<", "a", "/>" },             { "<a>", "<b/>", "</a>" },      { "<a><![CDATA[", "x", "]]></a>" },
        { "<a>", "&amp;", "</a>" },     { "<a>", "\n", "</a>" },        { "<a></a", " ", ">" },
        { "<a xmlns='", "x", "'/>" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        size_t frame = strlen(rows[i].before) + strlen(rows[i].after);
        size_t n = (small.stanza_bytes - frame) / strlen(rows[i].many);

        for (size_t more = 0; more < 2; more++) {
            struct str text = STR_INIT;

            str_add(&text, HEAD "<first/>");
            str_add(&text, rows[i].before);
            add_many(&text, rows[i].many, n + more);
            str_add(&text, rows[i].after);
            assert_limit(&text, &small, more == 0);
            str_clear(&text);
        }
    }
}

/* It is refused as soon as it is too long, though its text, tag or attribute never ends. */
static void an_endless_stanza_is_refused_while_it_comes(void **state)
{
    static const struct xml_limits small = { 1000, 8, 64 };
    static const char *const rows[] = { "<a>", "<a b='", "<a ", "<", "<a><b c='", "<a>&", "<a></" };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct record rec = { STR_INIT, 0, 0, 0 };
        struct xml_reader *r = xml_reader_create(&small, &recorder, &rec);
        struct err err;
        size_t sent = strlen(rows[i]);
        bool is_ref = rows[i][sent - 1] == '&';

        assert_int_equal(xml_feed(r, HEAD, strlen(HEAD), &err), 0);
        assert_int_equal(xml_feed(r, rows[i], sent, &err), 0);
        while (xml_feed(r, i == 2 ? " " : "x", 1, &err) == 0)
            assert_true(++sent <= small.stanza_bytes);
        assert_true(sent == small.stanza_bytes || is_ref);
        assert_int_equal(err.status, STATUS_LIMIT);
        xml_reader_destroy(&r);
        str_clear(&rec.log);
    }
}

static void the_first_tag_has_a_greatest_size_too(void **state)
{
    static const struct xml_limits small = { 1000, 8, 64 };
    struct str text = STR_INIT;

    (void)state;
    str_add(&text, "<s a='");
    add_many(&text, "x", 1000 - 8);
    str_add(&text, "'>");
    assert_limit(&text, &small, true);
    str_truncate(&text, text.len - 2);
    str_add(&text, "x'>");
    assert_limit(&text, &small, false);
    str_clear(&text);
}

static void nesting_has_a_greatest_depth(void **state)
{
    static const struct xml_limits small = { 100000, 8, 8 };

    (void)state;
    for (size_t depth = 8; depth <= 9; depth++) {
        struct str text = STR_INIT;

        str_add(&text, HEAD);
        add_many(&text, "<a>", depth); /* the stream's root is 0, the first of these 1 */
        add_many(&text, "</a>", depth);
        assert_limit(&text, &small, depth == 8);
        str_clear(&text);
    }
}

static void attributes_and_declarations_are_counted_together(void **state)
{
    static const struct xml_limits small = { 100000, 8, 8 };

    (void)state;
    for (int n = 7; n <= 8; n++) {
        struct str text = STR_INIT;

        str_add(&text, HEAD "<a xmlns:n='urn:n'");
        for (int i = 0; i < n; i++)
            str_addf(&text, " %sa%d='%d'", i % 2 == 0 ? "n:" : "", i, i);
        str_add(&text, "/>");
        assert_limit(&text, &small, n == 7);
        str_clear(&text);
    }
}

/* ---- a long life ---- */

/* Megabytes pass, each stanza with names of its own; the parser is renewed on the way unseen. */
static void a_long_stream_is_read_without_a_seam(void **state)
{
    struct str text = STR_INIT;
    struct outcome whole, pieces;
    const char *at;
    size_t ends = 0;

    (void)state;
    str_add(&text, "<?xml version='1.0'?>" HEAD);
    for (int i = 0; i < 30000; i++)
        str_addf(&text, "<message id='%d' a%d='x'><n%d xmlns='urn:n:%d'>some text %d</n%d></message>%s",
                 i, i, i, i, i, i, i % 3 == 0 ? "\n" : "");
    str_add(&text, "<last/>" TAIL);
    assert_true(text.len > 2 * 1024 * 1024);
    whole = run(str_c(&text), text.len, &usual, 0, text.len);
    pieces = run(str_c(&text), text.len, &usual, 0, 4099);
    assert_same(&whole, &pieces, 0);
    assert_int_equal(whole.rc, 0);
    for (at = str_c(&whole.log); (at = strstr(at, "\nend 1 <message id=")) != NULL; at++)
        ends++;
    assert_int_equal(ends, 30000);
    assert_non_null(strstr(str_c(&whole.log), "\nend 1 <last/>\nclose\n"));
    assert_non_null(strstr(str_c(&whole.log), "\nstart 2 {urn:n:29999}n29999\ntext 2 [some text 29999]\n"));
    outcome_clear(&whole);
    outcome_clear(&pieces);
    str_clear(&text);
}

/* ---- one element ---- */

static void an_element_to_be_published_is_checked(void **state)
{
    static const struct xml_limits small = { 200, 4, 4 };
    static const struct {
        const char *text;
        int status; /* 0: good */
    } rows[] = {
        { "<a xmlns='urn:a'/>",                                   0             },
        { "<x:a xmlns:x='urn:a'>text<b/>more</x:a>",              0             },
        { "\n<a xmlns='urn:a'></a>\n",                            0             },
        { "<a xmlns='urn:a'><b><c><d><e/></d></c></b></a>",       0             },
        { "<a/>",                                                 STATUS_SYNTAX },
        { "",                                                     STATUS_SYNTAX },
        { "text",                                                 STATUS_SYNTAX },
        { "<a xmlns='urn:a'>",                                    STATUS_SYNTAX },
        { "<a xmlns='urn:a'/><a xmlns='urn:a'/>",                 STATUS_SYNTAX },
        { "<a xmlns='urn:a'/>text",                               STATUS_SYNTAX },
        { "<a xmlns='urn:a'/><",                                  STATUS_SYNTAX },
        { "<a xmlns='urn:a'/>\xcb",                               STATUS_SYNTAX },
        { "<?xml version='1.0'?><a xmlns='urn:a'/>",              STATUS_SYNTAX },
        { "\xef\xbb\xbf<a xmlns='urn:a'/>",                       STATUS_SYNTAX },
        { "<!DOCTYPE a><a xmlns='urn:a'/>",                       STATUS_NOT_ALLOWED },
        { "<a xmlns='urn:a'><!-- c --></a>",                      STATUS_NOT_ALLOWED },
        { "<a xmlns='urn:a'><?p?></a>",                           STATUS_NOT_ALLOWED },
        { "<a xmlns='urn:a'>&x;</a>",                             STATUS_SYNTAX },
        { "<a xmlns='urn:a'><p:b/></a>",                          STATUS_SYNTAX },
        { "<a xmlns='urn:a'><b><c><d><e><f/></e></d></c></b></a>", STATUS_LIMIT },
        { "<a xmlns='urn:a' b='1' c='1' d='1' e='1'/>",           STATUS_LIMIT  },
    };
    char big[400];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };
        int rc = xml_check_element(rows[i].text, strlen(rows[i].text), &small, &err);

        if ((rc == 0) != (rows[i].status == 0) || err.status != rows[i].status)
            fail_msg("%s: %d %s", rows[i].text, err.status, err.text);
    }
    memset(big, ' ', sizeof(big));
    memcpy(big, "<a xmlns='u'", 12);
    memcpy(big + sizeof(big) - 2, "/>", 2);
    assert_int_equal(xml_check_element(big, sizeof(big), &small, NULL), -1);
    assert_int_equal(xml_check_element(big, sizeof(big), &usual, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_gives_its_stanzas),
        cmocka_unit_test(prefixes_and_attribute_namespaces_are_kept),
        cmocka_unit_test(text_of_all_lengths_of_characters_is_kept),
        cmocka_unit_test(the_scope_is_what_the_stream_declares),
        cmocka_unit_test(spaces_between_stanzas_are_no_stanza),
        cmocka_unit_test(what_rfc_6120_forbids_is_refused),
        cmocka_unit_test(xml_that_is_not_well_formed_is_refused),
        cmocka_unit_test(a_nul_is_refused_everywhere),
        cmocka_unit_test(each_event_may_stop_the_reader),
        cmocka_unit_test(a_stanza_has_a_greatest_size),
        cmocka_unit_test(an_endless_stanza_is_refused_while_it_comes),
        cmocka_unit_test(the_first_tag_has_a_greatest_size_too),
        cmocka_unit_test(nesting_has_a_greatest_depth),
        cmocka_unit_test(attributes_and_declarations_are_counted_together),
        cmocka_unit_test(a_long_stream_is_read_without_a_seam),
        cmocka_unit_test(an_element_to_be_published_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
