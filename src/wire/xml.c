/* SPDX-License-Identifier: MIT */
/*
 * XMPP stream reader over expat.
 *
 * Source bytes: the window holds every byte from the start of what is unfinished (the running
 * stanza, or a tag that is cut) to the end of what came. It is the caller's block where that
 * holds all, so that stanzas that come whole are not copied; else our buffer.
 *
 * Limits: size is checked twice, at each event for what is finished, and after each block for a
 * tag or text that expat has not reported yet. So memory stays within the limit and one block.
 *
 * expat keeps each name that it ever saw, so a peer could make a long-lived stream grow without
 * end. Hence the parser is renewed between stanzas after each RENEW_BYTES: a fresh one reads the
 * stream's own start tag again, without events, and goes on.
 */
#include "config.h"

#include "wire/xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/status.h"

#define SEPARATOR   '\x01'             /* between namespace, name and prefix: no XML character */
#define BLOCK_BYTES ((size_t)64 * 1024) /* what expat gets at once */
#define RENEW_BYTES ((uint64_t)1024 * 1024)

enum reader_state {
    READER_OPENING = 0, /* awaiting the root's start tag */
    READER_RUNNING,     /* within the root */
    READER_REPLAYING,   /* a renewed parser reads the root's start tag again */
    READER_CLOSED,      /* the root has ended; only spaces may follow */
    READER_FAILED,      /* err says why */
};

struct xml_reader {
    struct xml_limits limits;
    struct xml_events events;
    void *ctx;
    bool is_element;     /* no stream: the root is a payload, with text and without declaration */
    enum reader_state state;
    struct err err;

    XML_Parser parser;
    uint64_t shift;      /* stream position of the parser's byte 0 */
    uint64_t renewed_at; /* where the parser was made */
    size_t depth;        /* open elements */
    bool has_bracket;    /* CLOSED: a "<" has come */
    size_t declared;     /* namespaces that the coming start tag declares */

    const char *window;  /* bytes from position window_at on */
    size_t window_len;
    uint64_t window_at;
    uint64_t start_at;   /* where the running stanza, or the unfinished tag, began */
    struct str kept;     /* the window's bytes between two calls */

    struct str root;     /* the root's start tag */
    struct str scope;
    struct str names;    /* the names of one start tag, cut */
    struct xml_attr *attrs;  /* room for n_attrs */
    size_t n_attrs;
};

static int refuse(struct xml_reader *r, int status, const char *text)
{
    if (r->state == READER_FAILED)
        return -1;
    r->state = READER_FAILED;
    (void)XML_StopParser(r->parser, XML_FALSE);
    return err_set(&r->err, ERR_PROTOCOL, status, "%s", text);
}

static bool is_reading(const struct xml_reader *r)
{
    return r->state == READER_OPENING || r->state == READER_RUNNING;
}

/* Where the event ends that is being reported. */
static uint64_t event_end(const struct xml_reader *r)
{
    return r->shift + (uint64_t)XML_GetCurrentByteIndex(r->parser) +
           (uint64_t)XML_GetCurrentByteCount(r->parser);
}

static int check_size(struct xml_reader *r, uint64_t until)
{
    if (until - r->start_at <= r->limits.stanza_bytes)
        return 0;
    return refuse(r, STATUS_LIMIT, r->state == READER_OPENING ? "the first tag is too long"
                                                              : "a stanza is too long");
}

/* ---- names ---- */

/* Copy s up to the separator or its end; where it went on, *s_r is behind the separator, else NULL. */
static const char *cut_name(struct str *names, const char **s_r)
{
    const char *s = *s_r;
    const char *end = strchr(s, SEPARATOR);
    size_t n = end != NULL ? (size_t)(end - s) : strlen(s);
    const char *copy = names->s + names->len;

    str_addn(names, s, n);
    names->len++; /* over the NUL: there is room, the next goes behind it */
    *s_r = end != NULL ? end + 1 : NULL;
    return copy;
}

/* "ns SEP name SEP prefix", "ns SEP name" or "name". names has room, so that nothing moves. */
static void cut_triplet(struct str *names, const char *s, struct xml_attr *attr)
{
    const char *first = cut_name(names, &s);

    *attr = (struct xml_attr){ .name = first };
    if (s == NULL)
        return;
    attr->ns = first;
    attr->name = cut_name(names, &s);
    if (s != NULL)
        attr->prefix = cut_name(names, &s);
}

static size_t count_attrs(const char **atts, size_t *bytes)
{
    size_t n = 0;

    for (; atts[2 * n] != NULL; n++)
        *bytes += strlen(atts[2 * n]) + 1;
    return n;
}

/* ---- what expat reports ---- */

static void on_namespace(void *ctx, const XML_Char *prefix, const XML_Char *uri)
{
    struct xml_reader *r = ctx;

    r->declared++;
    if (r->state != READER_OPENING)
        return;
    str_addf(&r->scope, prefix != NULL ? " xmlns:%s='" : " xmlns%s='", prefix != NULL ? prefix : "");
    str_add_xml(&r->scope, uri != NULL ? uri : "");
    str_addc(&r->scope, '\'');
}

static void begin_root(struct xml_reader *r, const struct xml_attr *element, size_t n)
{
    const char *tag = r->window + (r->start_at - r->window_at);

    r->state = READER_RUNNING;
    str_addn(&r->root, tag, (size_t)(event_end(r) - r->start_at));
    if (r->is_element && element->ns == NULL)
        refuse(r, STATUS_SYNTAX, "the element is in no namespace");
    else if (r->events.open != NULL &&
             r->events.open(r->ctx, element->ns != NULL ? element->ns : "", element->name,
                            r->attrs, n) < 0)
        refuse(r, STATUS_SYNTAX, "the stream was refused");
}

static void report_start(struct xml_reader *r, const char *name, const char **atts, size_t n,
                         size_t bytes)
{
    struct xml_attr element;

    if (n > r->n_attrs) {
        r->n_attrs = MAX(n, 16);
        r->attrs = mem_realloc(r->attrs, r->n_attrs * sizeof(*r->attrs));
    }
    str_truncate(&r->names, 0);
    str_reserve(&r->names, bytes + strlen(name) + 1);
    cut_triplet(&r->names, name, &element);
    for (size_t i = 0; i < n; i++) {
        cut_triplet(&r->names, atts[2 * i], &r->attrs[i]);
        r->attrs[i].value = atts[2 * i + 1];
    }
    if (r->state == READER_OPENING)
        begin_root(r, &element, n);
    else if (r->events.start != NULL &&
             r->events.start(r->ctx, r->depth, element.ns != NULL ? element.ns : "",
                             element.prefix, element.name, r->attrs, n) < 0)
        refuse(r, STATUS_SYNTAX, "the stanza was refused");
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **atts)
{
    struct xml_reader *r = ctx;
    size_t declared = r->declared;
    size_t bytes = 0, n;

    r->declared = 0;
    if (r->state == READER_REPLAYING) {
        r->depth = 1;
        return;
    }
    if (!is_reading(r))
        return;
    if (r->depth <= 1 && !r->is_element)
        r->start_at = r->shift + (uint64_t)XML_GetCurrentByteIndex(r->parser);
    if (check_size(r, event_end(r)) < 0)
        return;
    n = count_attrs(atts, &bytes);
    if (n + declared > r->limits.attrs) {
        refuse(r, STATUS_LIMIT, "an element has too many attributes");
        return;
    }
    if (r->depth > r->limits.depth) {
        refuse(r, STATUS_LIMIT, "elements are nested too deep");
        return;
    }
    report_start(r, name, atts, n, bytes);
    r->depth++;
    if (r->depth == 1 && !r->is_element)
        r->start_at = event_end(r);
}

static void end_stanza(struct xml_reader *r, uint64_t end)
{
    const char *raw = r->window + (r->start_at - r->window_at);

    if (r->events.end != NULL && r->events.end(r->ctx, 1, raw, (size_t)(end - r->start_at)) < 0) {
        refuse(r, STATUS_SYNTAX, "the stanza was refused");
        return;
    }
    r->start_at = end;
    if (end - r->renewed_at > RENEW_BYTES)
        (void)XML_StopParser(r->parser, XML_TRUE);
}

static void on_end(void *ctx, const XML_Char *name)
{
    struct xml_reader *r = ctx;
    uint64_t end = event_end(r);

    (void)name;
    if (!is_reading(r) || check_size(r, end) < 0)
        return;
    r->depth--;
    if (r->depth == 0) {
        r->state = READER_CLOSED;
        r->start_at = end;
        /* What follows is ours to judge: expat would wait for the rest of what may be a name. */
        (void)XML_StopParser(r->parser, XML_TRUE);
        if (r->events.close != NULL && r->events.close(r->ctx) < 0)
            refuse(r, STATUS_SYNTAX, "the end of the stream was refused");
    } else if (r->depth == 1 && !r->is_element) {
        end_stanza(r, end);
    } else if (r->events.end != NULL && r->events.end(r->ctx, r->depth, NULL, 0) < 0) {
        refuse(r, STATUS_SYNTAX, "the stanza was refused");
    }
}

static bool is_space(const char *s, int n)
{
    for (int i = 0; i < n; i++)
        if (strchr(" \t\r\n", s[i]) == NULL || s[i] == '\0')
            return false;
    return true;
}

static void on_text(void *ctx, const XML_Char *s, int n)
{
    struct xml_reader *r = ctx;

    if (!is_reading(r))
        return;
    if (r->depth >= 2 || r->is_element) {
        if (check_size(r, event_end(r)) == 0 && r->events.text != NULL &&
            r->events.text(r->ctx, r->depth - 1, s, (size_t)n) < 0)
            refuse(r, STATUS_SYNTAX, "the stanza was refused");
    } else if (is_space(s, n)) {
        r->start_at = event_end(r); /* RFC 6120 §4.4: keepalive */
    } else {
        refuse(r, STATUS_SYNTAX, "text between stanzas");
    }
}

static void on_declaration(void *ctx, const XML_Char *version, const XML_Char *encoding, int standalone)
{
    struct xml_reader *r = ctx;

    (void)version;
    (void)standalone;
    if (r->is_element)
        refuse(r, STATUS_SYNTAX, "an XML declaration");
    else if (encoding != NULL && !str_ieq(encoding, "utf-8")) /* RFC 6120 §11.6 */
        refuse(r, STATUS_SYNTAX, "an encoding that is not UTF-8");
    else
        r->start_at = event_end(r);
}

/* RFC 6120 §11.1 */
static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    refuse(ctx, STATUS_NOT_ALLOWED, "a document type declaration");
}

static void on_instruction(void *ctx, const XML_Char *target, const XML_Char *data)
{
    (void)target;
    (void)data;
    refuse(ctx, STATUS_NOT_ALLOWED, "a processing instruction");
}

static void on_comment(void *ctx, const XML_Char *text)
{
    (void)text;
    refuse(ctx, STATUS_NOT_ALLOWED, "a comment");
}

/* ---- the reader ---- */

static void make_parser(struct xml_reader *r)
{
    r->parser = XML_ParserCreateNS("UTF-8", SEPARATOR);
    if (r->parser == NULL)
        abort(); /* as mem_alloc() */
#ifdef HAVE_XML_SETREPARSEDEFERRALENABLED
    /* A stanza that is complete is reported at once, however its bytes came. */
    (void)XML_SetReparseDeferralEnabled(r->parser, XML_FALSE);
#endif
    XML_SetUserData(r->parser, r);
    XML_SetReturnNSTriplet(r->parser, 1);
    XML_SetNamespaceDeclHandler(r->parser, on_namespace, NULL);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetXmlDeclHandler(r->parser, on_declaration);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    XML_SetProcessingInstructionHandler(r->parser, on_instruction);
    XML_SetCommentHandler(r->parser, on_comment);
}

struct xml_reader *xml_reader_create(const struct xml_limits *limits,
                                     const struct xml_events *events, void *ctx)
{
    struct xml_reader *r = mem_zalloc(sizeof(*r));

    r->limits = *limits;
    r->events = *events;
    r->ctx = ctx;
    make_parser(r);
    return r;
}

void xml_reader_destroy(struct xml_reader **rp)
{
    struct xml_reader *r = *rp;

    if (r == NULL)
        return;
    XML_ParserFree(r->parser);
    str_clear(&r->kept);
    str_clear(&r->root);
    str_clear(&r->scope);
    str_clear(&r->names);
    free(r->attrs);
    free(r);
    *rp = NULL;
}

const char *xml_scope(const struct xml_reader *r)
{
    return str_c(&r->scope);
}

/* A fresh parser that stands where the last stanza ended. */
static int renew(struct xml_reader *r)
{
    XML_ParserFree(r->parser);
    make_parser(r);
    r->depth = 0;
    r->state = READER_REPLAYING;
    if (XML_Parse(r->parser, r->root.s, (int)r->root.len, 0) != XML_STATUS_OK || r->depth != 1)
        return refuse(r, STATUS_SYNTAX, "the stream's start tag cannot be read again");
    r->state = READER_RUNNING;
    r->renewed_at = r->start_at;
    r->shift = r->start_at - r->root.len;
    return 0;
}

/* Behind the root's end only spaces may stand. What a "<" begins is told by the byte behind it. */
static int check_rest(struct xml_reader *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r->has_bracket)
            return refuse(r, p[i] == '!' || p[i] == '?' ? STATUS_NOT_ALLOWED : STATUS_SYNTAX,
                          "something follows the end of the root");
        r->has_bracket = p[i] == '<';
        if (!r->has_bracket && !is_space(p + i, 1))
            return refuse(r, STATUS_SYNTAX, "something follows the end of the root");
    }
    return 0;
}

static int parse(struct xml_reader *r, const char *p, size_t n)
{
    enum XML_Status status = XML_Parse(r->parser, p, (int)n, 0);
    size_t rest;

    while (status == XML_STATUS_SUSPENDED && r->state != READER_CLOSED) {
        if (renew(r) < 0)
            return -1;
        rest = (size_t)(r->start_at - r->window_at);
        n = (size_t)(p + n - (r->window + rest));
        p = r->window + rest;
        status = XML_Parse(r->parser, p, (int)n, 0);
    }
    if (r->state == READER_FAILED)
        return -1;
    if (r->state == READER_CLOSED) {
        rest = (size_t)(r->start_at - r->window_at);
        return check_rest(r, r->window + rest, r->window_len - rest);
    }
    if (status != XML_STATUS_OK)
        return refuse(r, STATUS_SYNTAX, XML_ErrorString(XML_GetErrorCode(r->parser)));
    return 0;
}

/* Make the window hold what is unfinished and the new block. */
static void open_window(struct xml_reader *r, const char *p, size_t n)
{
    if (r->kept.len == 0) {
        r->window = p;
        r->window_len = n;
        return;
    }
    str_addn(&r->kept, p, n);
    r->window = r->kept.s;
    r->window_len = r->kept.len;
}

/* Keep of the window what is unfinished. */
static void close_window(struct xml_reader *r)
{
    size_t done = (size_t)(r->start_at - r->window_at);
    size_t rest = r->window_len - done;

    if (r->window != r->kept.s) {
        str_addn(&r->kept, r->window + done, rest);
    } else if (done > 0) {
        memmove(r->kept.s, r->kept.s + done, rest);
        str_truncate(&r->kept, rest);
    }
    r->window_at = r->start_at;
    r->window = NULL;
    if (rest == 0 && r->kept.cap > BLOCK_BYTES)
        str_clear(&r->kept); /* idle links hold nothing */
}

static int feed_block(struct xml_reader *r, const char *p, size_t n)
{
    if (r->state == READER_CLOSED)
        return check_rest(r, p, n);
    open_window(r, p, n);
    if (parse(r, r->window + r->window_len - n, n) < 0)
        return -1;
    if (r->state == READER_CLOSED)
        r->start_at = r->window_at + r->window_len;
    if (check_size(r, r->window_at + r->window_len) < 0)
        return -1;
    close_window(r);
    return 0;
}

int xml_feed(struct xml_reader *r, const char *p, size_t n, struct err *err)
{
    /* expat takes a NUL before the root for the middle of something and waits. */
    if (n > 0 && memchr(p, '\0', n) != NULL)
        refuse(r, STATUS_SYNTAX, "a NUL");
    while (n > 0 && r->state != READER_FAILED) {
        size_t block = MIN(n, BLOCK_BYTES);

        if (feed_block(r, p, block) < 0)
            break;
        p += block;
        n -= block;
    }
    if (r->state != READER_FAILED)
        return 0;
    str_clear(&r->kept);
    if (err != NULL)
        *err = r->err;
    return -1;
}

/* ---- one element ---- */

static bool is_one_element(struct xml_reader *r, const char *p, size_t n, struct err *err)
{
    if (n > r->limits.stanza_bytes) {
        err_set(err, ERR_PROTOCOL, STATUS_LIMIT, "the element is too long");
        return false;
    }
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "a byte order mark");
        return false;
    }
    if (xml_feed(r, p, n, err) < 0)
        return false;
    if (r->state != READER_CLOSED || r->has_bracket) {
        err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "the element has no end, or something follows it");
        return false;
    }
    return true;
}

int xml_check_element(const char *p, size_t n, const struct xml_limits *limits, struct err *err)
{
    static const struct xml_events none = { NULL, NULL, NULL, NULL, NULL };
    struct xml_reader *r = xml_reader_create(limits, &none, NULL);
    bool is_good;

    r->is_element = true;
    is_good = is_one_element(r, p, n, err);
    xml_reader_destroy(&r);
    return is_good ? 0 : -1;
}
