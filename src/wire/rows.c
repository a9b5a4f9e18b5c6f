/* SPDX-License-Identifier: MIT */
/*
 * MBOX INDEX and FETCH in their JSON and tab-separated forms. Pure formatting, written straight
 * into the output: an index of thousands makes no object per row.
 *
 * A summary is both forms with a hole where the mailbox's flags stand, as four lines:
 *
 *   the cells up to the message's own flags, each of these with a comma behind it
 *   number of parts
 *   the object up to its own flags, each with a comma behind it
 *   the rest of the object but the folder
 *
 * "to" is what a reader may see: all recipients as the sender named them, else those of this
 * domain, and with +BLIND nobody. Tabs and control characters become spaces in the tab-separated
 * form, so that a subject cannot add a column or a row; in JSON they are escaped, so that no line
 * of a summary has an LF in it.
 */
#include "wire/rows.h"

#include <string.h>

#include "base/clock.h"
#include "wire/field_private.h"
#include "wire/json.h"

static size_t recipients(const struct message *m, char *const **list_r)
{
    if (m->n_shown > 0) {
        *list_r = m->shown;
        return m->n_shown;
    }
    *list_r = m->to;
    return (m->flags & MESSAGE_BLIND) != 0 ? 0 : m->n_to;
}

/* ---- JSON ---- */

static void add_parts(struct str *out, const struct message *m)
{
    str_add(out, ",\"parts\":[");
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];

        str_add(out, i > 0 ? ",{\"id\":" : "{\"id\":");
        json_add_quoted(out, p->name, strlen(p->name));
        str_add(out, p->is_content ? ",\"class\":\"content\"" : ",\"class\":\"data\"");
        field_add_text(out, "type", p->type);
        str_add(out, ",\"length\":");
        str_add_u64(out, p->length);
        str_addc(out, '}');
    }
    str_addc(out, ']');
}

static void summarize_json(struct str *out, const struct message *m)
{
    char *const *list;
    size_t n = recipients(m, &list);
    const char *flag;

    str_adds(out, "{\"_id\":\"", m->id, "\"");
    field_add_text(out, "from", m->from);
    field_add_list(out, "to", list, n);
    field_add_text(out, "subject", m->subject != NULL ? m->subject : "");
    field_add_time(out, "date", m->date_ms);
    str_add(out, ",\"size\":");
    str_add_u64(out, message_size(m));
    str_add(out, ",\"flags\":[");
    for (size_t i = 0; (flag = message_flag_at(m->flags, i)) != NULL; i++)
        str_adds(out, "\"", flag, "\",");
    str_addc(out, '\n');
    add_parts(out, m);
}

/* ---- tabs ---- */

static void add_cell(struct str *out, const char *s)
{
    size_t from = out->len;

    str_add(out, s);
    for (size_t i = from; i < out->len; i++)
        if ((unsigned char)out->s[i] < 0x20 || out->s[i] == 0x7f)
            out->s[i] = ' ';
    str_addc(out, '\t');
}

static void summarize_tabs(struct str *out, const struct message *m)
{
    char date[CLOCK_RFC3339_SIZE];
    struct str to = STR_INIT;
    char *const *list;
    size_t n = recipients(m, &list);
    const char *flag;

    clock_format_rfc3339(m->date_ms, date);
    for (size_t i = 0; i < n; i++)
        str_adds(&to, i > 0 ? "," : "", list[i]);
    str_adds(out, m->id, "\t");
    add_cell(out, m->from);
    add_cell(out, str_c(&to));
    add_cell(out, m->subject != NULL ? m->subject : "");
    str_adds(out, date, "\t");
    str_add_u64(out, message_size(m));
    str_addc(out, '\t');
    for (size_t i = 0; (flag = message_flag_at(m->flags, i)) != NULL; i++)
        str_adds(out, flag, ",");
    str_addc(out, '\n');
    str_add_u64(out, m->n_parts);
    str_clear(&to);
}

/* ---- summaries and rows ---- */

void row_summarize(struct str *out, const struct message *m)
{
    summarize_tabs(out, m);
    str_addc(out, '\n');
    summarize_json(out, m);
}

bool row_is_summary(const char *s)
{
    return s[0] != '{';
}

static const char *next_line(const char *summary)
{
    return strchr(summary, '\n') + 1;
}

static void add_line(struct str *out, const char *line)
{
    str_addn(out, line, strcspn(line, "\n"));
}

/* lines: what summarize_json() has made. */
static void add_json(struct str *out, const char *lines, const struct row_state *st)
{
    add_line(out, lines);
    str_add(out, st->is_read ? "\"read\"" : "\"unread\"");
    str_add(out, st->is_flagged ? ",\"flagged\"]" : "]");
    str_add(out, next_line(lines));
    field_add_text(out, "folder", st->folder);
    str_addc(out, '}');
}

void row_add_json(struct str *out, const char *summary, const struct row_state *st)
{
    add_json(out, next_line(next_line(summary)), st);
}

void row_add_tabs(struct str *out, const char *summary, const struct row_state *st)
{
    add_line(out, summary);
    str_add(out, st->is_read ? "read" : "unread");
    str_add(out, st->is_flagged ? ",flagged\t" : "\t");
    add_line(out, next_line(summary));
    str_addc(out, '\t');
    add_cell(out, st->folder);
    str_truncate(out, out->len - 1);
}

void row_add_envelope(struct str *out, const struct message *m, const struct row_state *st)
{
    struct str lines = STR_INIT;

    summarize_json(&lines, m);
    add_json(out, str_c(&lines), st);
    str_truncate(out, out->len - 1);
    field_add_time(out, "received", st->received_ms);
    str_adds(out, ",\"kind\":\"", message_kind_name(m->kind), "\"");
    if (m->in_reply_to[0] != '\0')
        str_adds(out, ",\"inreplyto\":\"", m->in_reply_to, "\"");
    if (m->expires_ms != 0)
        field_add_time(out, "expires", m->expires_ms);
    if (m->n_shown > 0)
        field_add_list(out, "for", m->shown, m->n_shown);
    str_addc(out, '}');
    str_clear(&lines);
}
