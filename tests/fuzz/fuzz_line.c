/* SPDX-License-Identifier: MIT */
/*
 * Bytes to lines to commands, and to octets behind a line that ends in "#" (as many as the line is
 * long), fed whole, in two pieces at a fuzzed cut, and byte by byte. Holds: lines and octets are
 * the same whatever the cut; tokens written as a line are read as the same tokens, and so is any
 * text that can be written as one.
 */
#include "wire/line.h"

#include <string.h>

#include "base/macros.h"
#include "base/mem.h"

#include "fuzz/fuzz.h"

static void check_command(const struct command *c)
{
    struct str text = STR_INIT;
    struct line again;
    size_t n = 0;

    FUZZ_CHECK(strlen(c->pipeline) <= LINE_PIPELINE_MAX);
    for (size_t i = 0; i < c->n; i++) {
        const struct token *t = &c->tokens[i];

        FUZZ_CHECK(strchr(t->text, '\n') == NULL && strchr(t->text, '"') == NULL);
        FUZZ_CHECK(t->is_quoted || (*t->text != '\0' && strpbrk(t->text, " \t;") == NULL));
        if (t->is_quoted)
            str_addc(&text, '"');
        str_add(&text, t->text);
        str_add(&text, t->is_quoted ? "\" " : " ");
        n++;
    }
    /* "AS x" within a pipeline's command would be taken as its pipeline. */
    if (n > 0 && !token_is(&c->tokens[0], "AS")) {
        FUZZ_CHECK(line_parse(text.s, text.len, &again, NULL) == 0);
        FUZZ_CHECK(again.n == 1 && again.commands[0].n == n);
        for (size_t i = 0; i < n; i++)
            FUZZ_CHECK(strcmp(again.commands[0].tokens[i].text, c->tokens[i].text) == 0 &&
                       again.commands[0].tokens[i].is_quoted == c->tokens[i].is_quoted);
        line_clear(&again);
    }
    str_clear(&text);
}

/* What was read so far, and how many octets are still to be taken. */
struct reading {
    struct linebuf *lb;
    struct str seen;
    size_t owed;
};

/* True: nothing is owed, a line may be read. */
static bool take_octets(struct reading *r)
{
    const char *p;
    size_t n;

    while (r->owed > 0 && (n = linebuf_take(r->lb, r->owed, &p)) > 0) {
        FUZZ_CHECK(n <= r->owed);
        str_addn(&r->seen, p, n);
        r->owed -= n;
    }
    return r->owed == 0;
}

static void drain(struct reading *r)
{
    struct line ln;
    char *line;
    size_t len;
    int rc;

    while (take_octets(r) && (rc = linebuf_next(r->lb, &line, &len, NULL)) != 0) {
        if (rc < 0) {
            str_add(&r->seen, "!\n");
            continue;
        }
        FUZZ_CHECK(len < LINE_MAX_BYTES && memchr(line, '\n', len) == NULL);
        str_addn(&r->seen, line, len);
        str_addc(&r->seen, '\n');
        line_add_redacted(&r->seen, line);
        if (len > 0 && line[len - 1] == '#')
            r->owed = len;
        if (line_parse(line, len, &ln, NULL) == 0)
            for (size_t i = 0; i < ln.n; i++)
                check_command(&ln.commands[i]);
        line_clear(&ln);
    }
}

/* In pieces of step bytes, the first one of first. */
static void read_all(struct reading *r, const uint8_t *data, size_t len, size_t first, size_t step)
{
    size_t n;

    *r = (struct reading){ .lb = linebuf_create() };
    for (size_t at = 0; at < len; at += n) {
        n = MIN(at == 0 && first > 0 ? first : step, len - at);
        linebuf_feed(r->lb, data + at, n);
        drain(r);
    }
}

static void read_end(struct reading *r)
{
    linebuf_discard(r->lb);
    FUZZ_CHECK(linebuf_pending(r->lb) == 0);
    linebuf_destroy(&r->lb);
    str_clear(&r->seen);
}

static void check_same(const struct reading *a, const struct reading *b)
{
    FUZZ_CHECK(a->seen.len == b->seen.len && a->owed == b->owed);
    FUZZ_CHECK(a->seen.len == 0 || memcmp(a->seen.s, b->seen.s, a->seen.len) == 0);
}

static void check_token(const uint8_t *data, size_t len)
{
    char *s = mem_strndup((const char *)data, len);
    struct str text = STR_INIT;
    struct line line;

    str_add(&text, "SAY ");
    if (line_add_token(&text, s) < 0) {
        FUZZ_CHECK(text.len == 4 && strpbrk(s, "\"\r\n") != NULL);
    } else if (str_is_utf8(s, strlen(s))) {
        FUZZ_CHECK(line_parse(text.s, text.len, &line, NULL) == 0);
        FUZZ_CHECK(line.n == 1 && line.commands[0].n == 2);
        FUZZ_CHECK(strcmp(line.commands[0].tokens[1].text, s) == 0);
        line_clear(&line);
    }
    str_clear(&text);
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reading whole, halves, bytes;

    read_all(&whole, data, len, 0, len);
    read_all(&halves, data, len, len > 0 ? data[0] * len / 256 : 0, len);
    read_all(&bytes, data, len, 0, 1);
    check_same(&whole, &halves);
    check_same(&whole, &bytes);
    read_end(&whole);
    read_end(&halves);
    read_end(&bytes);
    check_token(data, len);
    return 0;
}
