/* SPDX-License-Identifier: MIT */
/*
 * Text of mail for people on a terminal: made harmless, measured in columns, fitted and coloured.
 * Pure formatting; who prints decides by text_look() what the reader's side can do.
 */
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"

struct look {
    bool has_colour;
    size_t width;     /* columns; 0: not a terminal, do not cut */
};

/* Of a stream: a terminal's width, and colour unless NO_COLOR is set or TERM is dumb. */
struct look text_look(FILE *f);

/*
 * Append foreign text: control characters (C0, C1, DEL), direction overrides and what is not
 * UTF-8 become U+FFFD, so that no mail moves a cursor. Of the line: LF, CR and tabs become
 * spaces. Of a body: LF and tabs stay, the CR of CR LF goes.
 */
void text_add_line(struct str *out, const char *s, size_t n);
void text_add_body(struct str *out, const char *s, size_t n);

/* Columns of clean text on the terminal, by the locale where it is UTF-8. */
size_t text_width(const char *s);
/* Append foreign text as a cell of exactly width columns, cut with "…" or filled with spaces. */
void text_add_cell(struct str *out, const char *s, size_t width);

enum colour { COLOUR_NONE = 0, COLOUR_BOLD, COLOUR_DIM, COLOUR_RED, COLOUR_GREEN };
/* Begin and end of a colour; nothing where look has none. */
void text_add_colour(struct str *out, const struct look *look, enum colour colour);

/* "4.1 KB". */
void text_add_size(struct str *out, uint64_t bytes);
/* Local time: "24 Nov 03:21" within the last half year, else "24 Nov 2025". s: RFC 3339. */
void text_add_date(struct str *out, const char *s, int64_t now_ms);

#endif
