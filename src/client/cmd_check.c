/* SPDX-License-Identifier: MIT */
/* immp check: unread and total messages, of one folder or of all. */
#include "config.h"

#include "client/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/status.h"

#include "client/mbox.h"
#include "client/report.h"

/* The number behind the last " name=", and the line cut before it. -1: there is none. */
static int cut_number(char *line, const char *name, int64_t *v_r)
{
    char *at = line, *last = NULL;
    uint64_t v;

    while ((at = strstr(at, name)) != NULL)
        last = at++;
    if (last == NULL || str_to_u64(last + strlen(name), &v) < 0 || v > INT64_MAX)
        return -1;
    *last = '\0';
    *v_r = (int64_t)v;
    return 0;
}

struct json *check_parse(const char *line)
{
    char *copy = mem_strdup(line);
    struct json *row = NULL;
    int64_t unread, total;
    size_t n;

    if (cut_number(copy, " t=", &total) == 0 && cut_number(copy, " u=", &unread) == 0) {
        n = strlen(copy);
        if (n > 2 && strcmp(copy + n - 2, ":*") == 0)
            copy[n - 2] = '\0';
        row = json_object_new();
        json_set_str(row, "folder", copy);
        json_set_int(row, "unread", unread);
        json_set_int(row, "total", total);
    }
    free(copy);
    return row;
}

void check_add_table(struct str *out, const struct json *rows, const struct look *look)
{
    size_t width = strlen("FOLDER");

    for (size_t i = 0; i < json_size(rows); i++)
        width = MAX(width, text_width(json_get_str(json_at(rows, i), "folder")));
    if (look->width > 20)
        width = MIN(width, look->width - 18);
    text_add_colour(out, look, COLOUR_DIM);
    text_add_cell(out, "FOLDER", width);
    str_add(out, "   UNREAD    TOTAL\n");
    text_add_colour(out, look, COLOUR_NONE);
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        int64_t unread = 0, total = 0;

        (void)json_get_int(row, "unread", &unread);
        (void)json_get_int(row, "total", &total);
        if (unread > 0)
            text_add_colour(out, look, COLOUR_BOLD);
        text_add_cell(out, json_get_str(row, "folder"), width);
        str_addf(out, "%9" PRId64 "%9" PRId64 "\n", unread, total);
        if (unread > 0)
            text_add_colour(out, look, COLOUR_NONE);
    }
}

struct check {
    struct json *rows;
    bool is_bad;
};

static int take_line(void *ctx, const struct immp_reply *reply)
{
    struct check *c = ctx;
    struct json *row;

    if (reply->code != STATUS_MAILBOX)
        return 0;
    row = check_parse(reply->text);
    if (row == NULL)
        c->is_bad = true;
    else
        json_append(c->rows, row);
    return 0;
}

int command_check(struct run *s)
{
    const struct options *o = s->options;
    struct check c = { json_array_new(), false };
    struct immp_handler handler = { .line = take_line, .ctx = &c };
    struct immp_error err = { IMMP_OK, 0, "" };
    struct str argument = STR_INIT, line = STR_INIT, out = STR_INIT;
    bool is_all = o->folder == NULL;
    int rc, code = 0;

    mbox_add_argument(&argument, o->folder, "/");
    rc = mbox_add_command(&line, "MBOX CHECK", str_c(&argument),
                          is_all || o->is_recursive ? " +RECURSIVE" : "", &err);
    if (rc == 0)
        rc = immp_client_command(s->client, str_c(&line), &handler, &err);
    if (rc >= 0 && c.is_bad)
        rc = mbox_error(&err, IMMP_PROTOCOL, "the server's answer cannot be read");
    if (rc < 0)
        code = report_error(&err);
    else if (o->is_json)
        json_add_pretty(&out, c.rows);
    else
        check_add_table(&out, c.rows, &s->look);
    if (rc >= 0)
        (void)fprintf(s->out, "%s%s", str_c(&out), o->is_json ? "\n" : "");
    json_destroy(&c.rows);
    str_clear(&argument);
    str_clear(&line);
    str_clear(&out);
    return code;
}
