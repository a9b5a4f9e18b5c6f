/* SPDX-License-Identifier: MIT */
/*
 * The XML stream reader. Holds: fed whole or in two pieces (the cut is fuzzed) good input gives
 * the same events, and bad input is bad; the bytes of a stanza are those of the input; an element
 * that may be published leaves a stream around it whole.
 */
#include "config.h"

#include "wire/xml.h"

#include <string.h>

#include "fuzz/fuzz.h"

static const struct xml_limits limits = { 2000, 8, 8 };

struct record {
    struct str log;
    const char *input;
    size_t input_len;
    size_t depth;
    size_t text_at;
};

static void mark(struct record *r, char c, size_t depth)
{
    str_addf(&r->log, "\n%c%zu ", c, depth);
    r->text_at = 0;
}

static int on_open(void *ctx, const char *ns, const char *name, const struct xml_attr *attrs, size_t n)
{
    struct record *r = ctx;

    (void)attrs;
    FUZZ_CHECK(n <= limits.attrs && r->depth == 0);
    str_addf(&r->log, "open {%s}%s", ns, name);
    r->depth = 1;
    return 0;
}

static int on_start(void *ctx, size_t depth, const char *ns, const char *prefix, const char *name,
                    const struct xml_attr *attrs, size_t n)
{
    struct record *r = ctx;

    FUZZ_CHECK(depth == r->depth && depth <= limits.depth && n <= limits.attrs);
    mark(r, 's', depth);
    str_addf(&r->log, "{%s}%s:%s", ns, prefix != NULL ? prefix : "", name);
    for (size_t i = 0; i < n; i++)
        str_addf(&r->log, " {%s}%s:%s=%s", attrs[i].ns != NULL ? attrs[i].ns : "",
                 attrs[i].prefix != NULL ? attrs[i].prefix : "", attrs[i].name, attrs[i].value);
    r->depth++;
    return 0;
}

static int on_text(void *ctx, size_t depth, const char *s, size_t n)
{
    struct record *r = ctx;

    FUZZ_CHECK(depth >= 1 && depth + 1 == r->depth);
    if (r->text_at != depth)
        mark(r, 't', depth);
    r->text_at = depth;
    str_addn(&r->log, s, n);
    return 0;
}

static int on_end(void *ctx, size_t depth, const char *raw, size_t raw_len)
{
    struct record *r = ctx;

    FUZZ_CHECK(depth + 1 == r->depth && (raw != NULL) == (depth == 1));
    mark(r, 'e', depth);
    if (raw != NULL) {
        FUZZ_CHECK(raw_len >= 4 && raw_len <= limits.stanza_bytes);
        FUZZ_CHECK(raw[0] == '<' && raw[raw_len - 1] == '>');
        FUZZ_CHECK(memmem(r->input, r->input_len, raw, raw_len) != NULL);
        str_addn(&r->log, raw, raw_len);
    }
    r->depth--;
    return 0;
}

static int on_close(void *ctx)
{
    struct record *r = ctx;

    FUZZ_CHECK(r->depth == 1);
    mark(r, 'c', 0);
    r->depth = 0;
    return 0;
}

static int run(struct record *rec, const char *p, size_t n, size_t cut)
{
    static const struct xml_events events = { on_open, on_start, on_text, on_end, on_close };
    struct xml_reader *r = xml_reader_create(&limits, &events, rec);
    int rc;

    *rec = (struct record){ .input = p, .input_len = n };
    rc = xml_feed(r, p, cut, NULL);
    if (rc == 0)
        rc = xml_feed(r, p + cut, n - cut, NULL);
    xml_reader_destroy(&r);
    return rc;
}

static void check_element(const char *p, size_t n)
{
    static const char before[] = "<s xmlns='urn:s'><a>", after[] = "</a></s>";
    static const struct xml_limits wide = { 4000, 20, 8 };
    static const struct xml_events none = { NULL, NULL, NULL, NULL, NULL };
    struct xml_reader *r;

    if (xml_check_element(p, n, &limits, NULL) < 0)
        return;
    r = xml_reader_create(&wide, &none, NULL);
    FUZZ_CHECK(xml_feed(r, before, sizeof(before) - 1, NULL) == 0);
    FUZZ_CHECK(xml_feed(r, p, n, NULL) == 0);
    FUZZ_CHECK(xml_feed(r, after, sizeof(after) - 1, NULL) == 0);
    FUZZ_CHECK(xml_feed(r, "<x/>", 4, NULL) < 0); /* the stream has ended there */
    xml_reader_destroy(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct record whole, halves;
    const char *p = (const char *)data + 1;
    size_t n = len - 1;
    int rc;

    if (len < 1)
        return 0;
    rc = run(&whole, p, n, n);
    FUZZ_CHECK(run(&halves, p, n, n * data[0] / 255) == rc);
    if (rc == 0)
        FUZZ_CHECK(whole.log.len == halves.log.len &&
                   (whole.log.len == 0 || memcmp(whole.log.s, halves.log.s, whole.log.len) == 0));
    str_clear(&whole.log);
    str_clear(&halves.log);
    check_element(p, n);
    return 0;
}
