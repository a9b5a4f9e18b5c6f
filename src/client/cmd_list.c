/* SPDX-License-Identifier: MIT */
/* immp list: the messages of a folder, newest first, numbered as immp read counts them. */
#include "config.h"

#include "client/commands.h"

#include <string.h>

#include "base/macros.h"

#include "client/mbox.h"
#include "client/report.h"

#define FROM_WIDTH    24
#define SUBJECT_LEAST 16

static bool has_flag(const struct json *row, const char *name)
{
    const struct json *flags = json_get(row, "flags");

    for (size_t i = 0; i < json_size(flags); i++) {
        const char *flag = json_str(json_at(flags, i));

        if (flag != NULL && strcmp(flag, name) == 0)
            return true;
    }
    return false;
}

static bool has_attachment(const struct json *row)
{
    const struct json *parts = json_get(row, "parts");

    for (size_t i = 0; i < json_size(parts); i++) {
        const char *class = json_get_str(json_at(parts, i), "class");

        if (class == NULL || strcmp(class, "content") != 0)
            return true;
    }
    return false;
}

static const char *text_of(const struct json *row, const char *key)
{
    const char *s = json_get_str(row, key);

    return s != NULL ? s : "";
}

static size_t widest(const struct json *rows, const char *key, const char *title)
{
    size_t width = strlen(title);

    for (size_t i = 0; i < json_size(rows); i++)
        width = MAX(width, text_width(text_of(json_at(rows, i), key)));
    return width;
}

static void add_size(struct str *out, const struct json *row)
{
    struct str size = STR_INIT;
    int64_t bytes = 0;

    (void)json_get_int(row, "size", &bytes);
    text_add_size(&size, bytes > 0 ? (uint64_t)bytes : 0);
    str_addf(out, "%8s  ", str_c(&size));
    str_clear(&size);
}

static void add_row(struct str *out, size_t number, const struct json *row, size_t from_width,
                    const struct look *look, size_t subject_width, int64_t now_ms)
{
    struct str date = STR_INIT;
    const char *subject = text_of(row, "subject");
    bool is_unread = has_flag(row, "unread");

    text_add_date(&date, text_of(row, "date"), now_ms);
    if (is_unread)
        text_add_colour(out, look, COLOUR_BOLD);
    str_addf(out, "%4zu  %c%c%c%c  ", number, is_unread ? 'N' : ' ',
             has_flag(row, "important") ? '!' : ' ', has_flag(row, "flagged") ? '*' : ' ',
             has_attachment(row) ? '@' : ' ');
    text_add_cell(out, str_c(&date), 12);
    add_size(out, row);
    text_add_cell(out, text_of(row, "from"), from_width);
    str_add(out, "  ");
    if (subject_width > 0)
        text_add_cell(out, subject, MIN(subject_width, text_width(subject)));
    else
        text_add_line(out, subject, strlen(subject));
    if (is_unread)
        text_add_colour(out, look, COLOUR_NONE);
    str_addc(out, '\n');
    str_clear(&date);
}

void list_add_table(struct str *out, const struct json *rows, const struct look *look,
                    int64_t now_ms)
{
    size_t from_width = widest(rows, "from", "FROM"), subject_width = 0, used;

    if (look->width > 0) {
        from_width = MIN(from_width, FROM_WIDTH);
        used = strlen("   1  N!*@  24 Nov 03:21    1.0 KB  ") + from_width + 2;
        subject_width = look->width > used + SUBJECT_LEAST ? look->width - used : SUBJECT_LEAST;
    }
    text_add_colour(out, look, COLOUR_DIM);
    str_add(out, "   #        DATE            SIZE  ");
    text_add_cell(out, "FROM", from_width);
    str_add(out, "  SUBJECT");
    text_add_colour(out, look, COLOUR_NONE);
    str_addc(out, '\n');
    for (size_t i = 0; i < json_size(rows); i++)
        add_row(out, i + 1, json_at(rows, i), from_width, look, subject_width, now_ms);
}

int command_list(struct run *s)
{
    const struct options *o = s->options;
    struct immp_error err = { IMMP_OK, 0, "" };
    struct str argument = STR_INIT, out = STR_INIT;
    struct json *rows;
    int code = 0;

    mbox_add_argument(&argument, o->folder, "inbox");
    if (mbox_index(s->client, str_c(&argument), o->limit, &rows, &err) < 0) {
        code = report_error(&err);
    } else {
        if (o->is_json)
            json_add_pretty(&out, rows);
        else if (json_size(rows) == 0)
            str_add(&out, "no messages");
        else
            list_add_table(&out, rows, &s->look, s->now_ms);
        (void)fprintf(s->out, "%s%s", str_c(&out), o->is_json || json_size(rows) == 0 ? "\n" : "");
    }
    json_destroy(&rows);
    str_clear(&argument);
    str_clear(&out);
    return code;
}
