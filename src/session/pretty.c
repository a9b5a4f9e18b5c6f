/* SPDX-License-Identifier: MIT */
/*
 * Indents JSON as it streams by, so that a message of any size is never whole in memory for it.
 * Each line is a reply line of its own; the last one is known by the depth falling to zero.
 */
#include "session/pretty.h"

#include <string.h>

static void begin_line(struct pretty *pr, bool is_last, struct str *out)
{
    if (pr->has_line)
        str_addc(out, '\n');
    pr->has_line = true;
    if (*pr->pipeline != '\0')
        str_addf(out, "%s: ", pr->pipeline);
    str_addf(out, "%d%s ", pr->code, is_last && pr->is_last_last ? "" : "-");
    for (unsigned i = 0; i < pr->depth; i++)
        str_add(out, "  ");
}

static void open_value(struct pretty *pr, char c, struct str *out)
{
    str_addc(out, c);
    pr->depth++;
    pr->is_empty = true;
}

static void close_value(struct pretty *pr, char c, struct str *out)
{
    pr->depth--;
    if (!pr->is_empty)
        begin_line(pr, pr->depth == 0, out);
    pr->is_empty = false;
    str_addc(out, c);
    if (pr->depth == 0)
        str_addc(out, '\n');
}

/* Bytes of a string go as they are. Returns how many belong to it. */
static size_t add_string(struct pretty *pr, const char *p, size_t n, struct str *out)
{
    size_t i = 0;

    while (i < n && pr->is_in_string) {
        if (pr->is_escaped)
            pr->is_escaped = false;
        else if (p[i] == '\\')
            pr->is_escaped = true;
        else if (p[i] == '"')
            pr->is_in_string = false;
        i++;
    }
    str_addn(out, p, i);
    return i;
}

static void add_structure(struct pretty *pr, char c, struct str *out)
{
    if (c == '}' || c == ']') {
        close_value(pr, c, out);
        return;
    }
    if (!pr->has_line || pr->is_empty)
        begin_line(pr, false, out);
    pr->is_empty = false;
    if (c == '{' || c == '[') {
        open_value(pr, c, out);
    } else if (c == ',') {
        str_addc(out, c);
        begin_line(pr, false, out);
    } else {
        str_addc(out, c);
        if (c == ':')
            str_addc(out, ' ');
        pr->is_in_string = c == '"';
    }
}

void pretty_add(struct pretty *pr, const char *p, size_t n, struct str *out)
{
    for (size_t i = 0; i < n;) {
        if (pr->is_in_string)
            i += add_string(pr, p + i, n - i, out);
        else
            add_structure(pr, p[i++], out);
    }
}
