/* SPDX-License-Identifier: MIT */
/*
 * Command lines (docs/immp.md, "Command lines"): a buffer that turns bytes into lines or takes
 * octets, and the grammar of one line.
 *
 *   UTF-8, ended by LF or CR LF, at most 8192 bytes with its end; a longer one is dropped up to
 *   its LF and reported once. ";" outside quotes separates commands, tokens are separated by
 *   spaces or tabs, a quoted token is verbatim up to the next quote. "AS id" gives the pipeline.
 */
#ifndef WIRE_LINE_H
#define WIRE_LINE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX_BYTES     8192
#define LINE_PIPELINE_MAX  32

/* ---- bytes to lines ---- */

struct linebuf;
struct linebuf *linebuf_create(void);
void linebuf_destroy(struct linebuf **lbp);
/* Copies. The caller bounds what it feeds. */
void linebuf_feed(struct linebuf *lb, const void *p, size_t n);
size_t linebuf_pending(const struct linebuf *lb);                /* bytes fed and not yet taken */
void linebuf_discard(struct linebuf *lb);                        /* drop all, wiping it */

/*
 * Next line, without its LF or CR LF. *line_r is writable, ended by NUL, valid until the next
 * call with lb. Returns 1 a line, 0 more bytes needed, -1 an over-long line was dropped
 * (ERR_PROTOCOL, STATUS_LIMIT): reported as soon as it is known; go on calling.
 */
int linebuf_next(struct linebuf *lb, char **line_r, size_t *len_r, struct err *err);

/* Up to max octets as they are, valid until the next call. Returns how many (0: none there). */
size_t linebuf_take(struct linebuf *lb, size_t max, const char **p_r);

/* ---- one line to commands ---- */

struct token {
    const char *text;  /* NUL-ended, within the line */
    bool is_quoted;    /* a quoted token is never a keyword, a switch or a pipeline */
};

struct command {
    char pipeline[LINE_PIPELINE_MAX + 1];  /* "" for the main one */
    struct token *tokens;                  /* in order, without "AS id" */
    size_t n;                              /* 0: an empty command, to be ignored */
};

struct line {
    struct command *commands;
    size_t n;
};

/*
 * Cut a line (from linebuf_next; changed in place) into commands. Tokens point into text, which
 * must outlive *line_r. Returns 0, or -1 (ERR_PROTOCOL: STATUS_SYNTAX for an unclosed quote, a
 * NUL, invalid UTF-8, a bad pipeline id, a quote within a token) and *line_r is empty.
 */
int line_parse(char *text, size_t len, struct line *line_r, struct err *err);
void line_clear(struct line *line);

/* Keyword and switch comparison: ASCII case-insensitive, unquoted tokens only. */
bool token_is(const struct token *t, const char *word);
bool token_is_switch(const struct token *t);  /* unquoted, starts with + or - and has a name */

/* Append s as one token, quoted when it has to be. -1 when it holds a quote, a CR or a LF. */
int line_add_token(struct str *out, const char *s);

/* For logs: the line with the argument of AUTH RESPONSE and of SET SECRET replaced by "***". */
void line_add_redacted(struct str *out, const char *line);

#endif
