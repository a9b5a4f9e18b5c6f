/* SPDX-License-Identifier: MIT */
/* FETCH +PRETTY: compact JSON that streams by becomes indented reply lines, in any pieces. */
#ifndef SESSION_PRETTY_H
#define SESSION_PRETTY_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct pretty {             /* caller's memory; zeroed but for the first three */
    const char *pipeline;   /* "" for the main one; borrowed */
    int code;
    bool is_last_last;      /* the value's last line ends the reply: it has no "-" */
    unsigned depth;
    bool is_in_string;
    bool is_escaped;        /* behind a backslash in a string */
    bool is_empty;          /* an object or array was just opened */
    bool has_line;          /* a line has begun */
};

/* Compact JSON (no white space between tokens), one object; n bytes of it. */
void pretty_add(struct pretty *pr, const char *p, size_t n, struct str *out);

#endif
