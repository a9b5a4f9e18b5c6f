/* SPDX-License-Identifier: MIT */
/*
 * Bytes to lines to commands, fed in two pieces at a fuzzed cut. Holds: lines are the same
 * whatever the cut; tokens written as a line are read as the same tokens.
 */
#include "wire/line.h"

#include <string.h>

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

static void drain(struct linebuf *lb, struct str *seen)
{
    struct line ln;
    char *line;
    size_t len;
    int rc;

    while ((rc = linebuf_next(lb, &line, &len, NULL)) != 0) {
        if (rc < 0) {
            str_add(seen, "!\n");
            continue;
        }
        FUZZ_CHECK(len < LINE_MAX_BYTES && memchr(line, '\n', len) == NULL);
        str_addn(seen, line, len);
        str_addc(seen, '\n');
        line_add_redacted(seen, line);
        if (line_parse(line, len, &ln, NULL) == 0)
            for (size_t i = 0; i < ln.n; i++)
                check_command(&ln.commands[i]);
        line_clear(&ln);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct linebuf *whole = linebuf_create(), *split = linebuf_create();
    struct str a = STR_INIT, b = STR_INIT;
    size_t cut = len > 0 ? data[0] * len / 256 : 0;

    linebuf_feed(whole, data, len);
    drain(whole, &a);
    linebuf_feed(split, data, cut);
    drain(split, &b);
    linebuf_feed(split, data + cut, len - cut);
    drain(split, &b);
    FUZZ_CHECK(a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0));
    str_clear(&a);
    str_clear(&b);
    linebuf_destroy(&whole);
    linebuf_destroy(&split);
    return 0;
}
