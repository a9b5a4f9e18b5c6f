/* SPDX-License-Identifier: MIT */
/*
 * Reply lines: [ id ": " ] code [ "-" ] " " text LF. The text never holds a LF or NUL: the
 * formatter turns them into spaces.
 */
#ifndef WIRE_REPLY_H
#define WIRE_REPLY_H

#include "base/err.h"
#include "base/str.h"
#include "wire/line.h"

#include <stdbool.h>
#include <stdint.h>

#define REPLY_ASYNC "*"  /* the pipeline name of unsolicited replies: "*: 291 …" */

struct reply {
    char pipeline[LINE_PIPELINE_MAX + 1];  /* "" for the main one */
    int code;
    bool has_more;                         /* "-": more lines of this reply follow */
    const char *text;                      /* within the parsed line */
    bool has_octets;                       /* 251 and 231 whose text ends in length=N */
    uint64_t octets;                       /* exactly so many follow, then a LF */
};

/* Append one line. pipeline "" or NULL for the main one. */
void reply_add(struct str *out, const char *pipeline, int code, bool has_more, const char *text);

/* Read one line without its LF (changed in place). 0, or -1 (ERR_PROTOCOL). */
int reply_parse(char *line, struct reply *r, struct err *err);

#endif
