/* SPDX-License-Identifier: MIT */
/*
 * The grammar of one command line (docs/immp.md, "Command lines"). A line is cut in place: every
 * separator becomes a NUL, tokens are pointers into the line, and nothing is copied.
 *
 * A line is good or bad as a whole. If one of its commands cannot be read, none of them is
 * handed out: half a chain must not run because its other half was garbled.
 */
#include "wire/line.h"

#include "base/macros.h"
#include "base/mem.h"
#include "wire/status.h"

#include <stdlib.h>
#include <string.h>

struct cutter {
    char *p;
    char *end;
    struct line *line;
    size_t tokens_cap;    /* of the command that is being read */
    size_t commands_cap;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct command *last_command(struct cutter *cut)
{
    return &cut->line->commands[cut->line->n - 1];
}

static void add_command(struct cutter *cut)
{
    struct line *ln = cut->line;

    if (ln->n == cut->commands_cap) {
        cut->commands_cap = cut->commands_cap > 0 ? cut->commands_cap * 2 : 1;
        ln->commands = mem_realloc(ln->commands, cut->commands_cap * sizeof *ln->commands);
    }
    ln->commands[ln->n++] = (struct command){ .tokens = NULL };
    cut->tokens_cap = 0;
}

static void add_token(struct cutter *cut, const char *text, bool is_quoted)
{
    struct command *c = last_command(cut);

    if (c->n == cut->tokens_cap) {
        cut->tokens_cap = cut->tokens_cap > 0 ? cut->tokens_cap * 2 : 8;
        c->tokens = mem_realloc(c->tokens, cut->tokens_cap * sizeof *c->tokens);
    }
    c->tokens[c->n++] = (struct token){ .text = text, .is_quoted = is_quoted };
}

static int cut_quoted(struct cutter *cut, struct err *err)
{
    char *text = cut->p + 1;
    char *close = memchr(text, '"', (size_t)(cut->end - text));

    if (close == NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "a quote is not closed");
    cut->p = close + 1;
    if (cut->p < cut->end && !is_blank(*cut->p) && *cut->p != ';')
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "text directly after a closing quote");
    *close = '\0';
    add_token(cut, text, true);
    return 0;
}

static int cut_plain(struct cutter *cut, struct err *err)
{
    char *text = cut->p;

    while (cut->p < cut->end && !is_blank(*cut->p) && *cut->p != ';' && *cut->p != '"')
        cut->p++;
    if (cut->p < cut->end && *cut->p == '"')
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX,
                       "a quote within a token: quote the whole token");
    add_token(cut, text, false);
    return 0;
}

static bool is_pipeline(const struct token *t)
{
    size_t n = strspn(t->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return !t->is_quoted && n >= 1 && n <= LINE_PIPELINE_MAX && t->text[n] == '\0';
}

/* "AS id" leaves the tokens and becomes the command's pipeline. */
static int take_pipeline(struct command *c, struct err *err)
{
    if (c->n == 0 || !token_is(&c->tokens[0], "AS"))
        return 0;
    if (c->n < 2 || !is_pipeline(&c->tokens[1]))
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX,
                       "AS needs a pipeline id: 1 to %d of A-Z a-z 0-9 . _ -", LINE_PIPELINE_MAX);
    if (c->n == 2)
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "no command after AS %s",
                       c->tokens[1].text);
    memcpy(c->pipeline, c->tokens[1].text, strlen(c->tokens[1].text) + 1);
    c->n -= 2;
    memmove(c->tokens, c->tokens + 2, c->n * sizeof *c->tokens);
    return 0;
}

static int cut_command(struct cutter *cut, struct err *err)
{
    add_command(cut);
    for (;;) {
        while (cut->p < cut->end && is_blank(*cut->p))
            *cut->p++ = '\0';
        if (cut->p == cut->end || *cut->p == ';')
            return 0;
        if ((*cut->p == '"' ? cut_quoted(cut, err) : cut_plain(cut, err)) < 0)
            return -1;
    }
}

static int cut_line(struct cutter *cut, struct err *err)
{
    for (;;) {
        if (cut_command(cut, err) < 0)
            return -1;
        /* The separator is overwritten only now: the last token ends where it stood. */
        if (cut->p == cut->end) {
            *cut->p = '\0';
            return take_pipeline(last_command(cut), err);
        }
        *cut->p++ = '\0';
        if (take_pipeline(last_command(cut), err) < 0)
            return -1;
    }
}

int line_parse(char *text, size_t len, struct line *line_r, struct err *err)
{
    struct cutter cut = { .p = text, .end = text + len, .line = line_r };

    *line_r = (struct line){ .commands = NULL };
    if (memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "a NUL within the line");
    if (!str_is_utf8(text, len))
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "the line is not valid UTF-8");
    if (cut_line(&cut, err) < 0) {
        line_clear(line_r);
        return -1;
    }
    return 0;
}

void line_clear(struct line *line)
{
    for (size_t i = 0; i < line->n; i++)
        free(line->commands[i].tokens);
    free(line->commands);
    *line = (struct line){ .commands = NULL };
}

bool token_is(const struct token *t, const char *word)
{
    return !t->is_quoted && str_ieq(t->text, word);
}

bool token_is_switch(const struct token *t)
{
    return !t->is_quoted && (t->text[0] == '+' || t->text[0] == '-') && t->text[1] != '\0';
}

int line_add_token(struct str *out, const char *s)
{
    bool has_quote = strchr(s, '"') != NULL;
    /* What could be read as a switch or as a separator is quoted as well. */
    bool needs_quotes = *s == '\0' || *s == '+' || *s == '-' || strpbrk(s, " \t;") != NULL;

    if (has_quote || strpbrk(s, "\r\n") != NULL)
        return -1;
    if (needs_quotes)
        str_addc(out, '"');
    str_add(out, s);
    if (needs_quotes)
        str_addc(out, '"');
    return 0;
}

/* ---- for logs ---- */

/* If the words (ASCII letters) stand at p, with blanks between, the place behind them; else NULL. */
static const char *skip_words(const char *p, const char *words)
{
    for (; *words != '\0'; words++) {
        if (*words != ' ') {
            if ((*p | 0x20) != (*words | 0x20))
                return NULL;
            p++;
            continue;
        }
        if (!is_blank(*p))
            return NULL;
        while (is_blank(*p))
            p++;
    }
    return p;
}

/* Where a secret begins, if one of the commands that carry one stands at p. */
static const char *secret_at(const char *p)
{
    static const char *const carriers[] = {
        "AUTHENTICATE RESPONSE ", "AUTH RESPONSE ", "AUTHENTICATE COOKIE ", "AUTH COOKIE ",
        "AUTHENTICATE VERIFY ", "AUTH VERIFY ", "SET GLOBAL SECRET=", "SET SECRET=",
        "SET GLOBAL SECRET ", "SET SECRET ",
    };

    for (size_t i = 0; i < N_ELEMENTS(carriers); i++) {
        const char *at = skip_words(p, carriers[i]);

        if (at != NULL)
            return at;
    }
    return NULL;
}

void line_add_redacted(struct str *out, const char *line)
{
    bool in_quotes = false, at_word = true;

    for (const char *p = line; *p != '\0';) {
        const char *secret = in_quotes || !at_word ? NULL : secret_at(p);

        if (secret != NULL) {
            str_addn(out, p, (size_t)(secret - p));
            str_add(out, "***");
            /* Up to the next command; a quote that may hold ";" is skipped as a whole. */
            for (p = secret; *p != '\0' && (in_quotes || *p != ';'); p++)
                in_quotes ^= *p == '"';
            continue;
        }
        in_quotes ^= *p == '"';
        at_word = is_blank(*p) || *p == ';';
        str_addc(out, *p++);
    }
}
