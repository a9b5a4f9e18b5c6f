/* SPDX-License-Identifier: MIT */
/*
 * immp read. A message that was counted (latest, a number) is known by its index row, so only the
 * parts that are shown are fetched, however big the others are. One that is named by its UUID is
 * fetched as JSON at once, since no index finds it.
 *
 * Octets for a program go out as they are; to a terminal nothing goes that is not made harmless.
 */
#include "config.h"

#include "client/commands.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "seal/digest.h"
#include "wire/status.h"

#include "client/mbox.h"
#include "client/report.h"

#define TERMINAL_MAX ((size_t)16 * 1024 * 1024) /* octets that may be shown on a terminal */

/* ---- formatting ---- */

static const char *text_of(const struct json *row, const char *key)
{
    const char *s = json_get_str(row, key);

    return s != NULL ? s : "";
}

static bool is_text(const struct json *part)
{
    return str_starts(text_of(part, "type"), "text/");
}

static bool is_html(const struct json *part)
{
    return str_starts(text_of(part, "type"), "text/html");
}

static bool is_content(const struct json *part)
{
    return strcmp(text_of(part, "class"), "content") == 0;
}

bool read_is_shown(const struct json *parts, const struct json *part)
{
    bool has_plain = false;

    for (size_t i = 0; i < json_size(parts); i++) {
        const struct json *p = json_at(parts, i);

        has_plain = has_plain || (is_content(p) && is_text(p) && !is_html(p));
    }
    return is_content(part) && is_text(part) && !(has_plain && is_html(part));
}

static void add_line(struct str *out, const struct look *look, const char *name, const char *value)
{
    if (*value == '\0')
        return;
    text_add_colour(out, look, COLOUR_DIM);
    str_addf(out, "%-9s", name);
    text_add_colour(out, look, COLOUR_NONE);
    text_add_line(out, value, strlen(value));
    str_addc(out, '\n');
}

static void add_list(struct str *out, const struct look *look, const char *name,
                     const struct json *list)
{
    struct str text = STR_INIT;

    for (size_t i = 0; i < json_size(list); i++) {
        const char *s = json_str(json_at(list, i));

        str_addf(&text, "%s%s", i > 0 ? ", " : "", s != NULL ? s : "");
    }
    add_line(out, look, name, str_c(&text));
    str_clear(&text);
}

void read_add_head(struct str *out, const struct json *row, const struct look *look)
{
    add_line(out, look, "From:", text_of(row, "from"));
    add_list(out, look, "To:", json_get(row, "to"));
    add_line(out, look, "Date:", text_of(row, "date"));
    add_line(out, look, "Subject:", text_of(row, "subject"));
    add_list(out, look, "Flags:", json_get(row, "flags"));
    add_line(out, look, "Id:", text_of(row, "_id"));
}

/* Append s for a shell, as one word. */
static void add_word(struct str *out, const char *s)
{
    str_addc(out, '\'');
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            str_add(out, "'\\'");
        str_addc(out, *s);
    }
    str_addc(out, '\'');
}

void read_add_hint(struct str *out, const struct json *part, const char *id, const char *folder,
                   const struct look *look)
{
    struct str line = STR_INIT, size = STR_INIT;
    int64_t length = 0;

    (void)json_get_int(part, "length", &length);
    text_add_size(&size, length > 0 ? (uint64_t)length : 0);
    str_addf(&line, "[%s, %s, %s: immp read %s --part ", text_of(part, "id"), text_of(part, "type"),
             str_c(&size), id);
    add_word(&line, text_of(part, "id"));
    if (folder != NULL) {
        str_add(&line, " -f ");
        add_word(&line, folder);
    }
    str_add(&line, " > FILE]");
    text_add_colour(out, look, COLOUR_DIM);
    text_add_line(out, line.s, line.len);
    text_add_colour(out, look, COLOUR_NONE);
    str_addc(out, '\n');
    str_clear(&line);
    str_clear(&size);
}

/* ---- which message ---- */

struct target {
    char id[UUID_SIZE];
    struct str folder;   /* "/inbox" */
    struct json *rows;   /* an index whose last row is it; NULL: only its id is known */
};

static void target_clear(struct target *t)
{
    str_clear(&t->folder);
    json_destroy(&t->rows);
}

static const struct json *row_of(const struct target *t)
{
    return json_at(t->rows, json_size(t->rows) - 1);
}

static int find(struct run *s, struct target *t, struct immp_error *err)
{
    const struct options *o = s->options;
    struct str argument = STR_INIT;
    uint64_t number = 1;
    int rc = 0;

    mbox_add_folder(&t->folder, o->folder, "inbox");
    if (uuid_parse(o->message, t->id) == 0)
        return 0;
    if (strcmp(o->message, "latest") != 0)
        (void)str_to_u64(o->message, &number);
    mbox_add_argument(&argument, o->folder, "inbox");
    rc = mbox_index(s->client, str_c(&argument), number, &t->rows, err);
    str_clear(&argument);
    if (rc < 0)
        return -1;
    if (json_size(t->rows) < number) {
        (void)mbox_error(err, IMMP_PERMANENT, "there are not that many messages");
        err->status = STATUS_NOT_FOUND;
        return -1;
    }
    if (uuid_parse(text_of(row_of(t), "_id"), t->id) < 0)
        return mbox_error(err, IMMP_PROTOCOL, "the server's index cannot be read");
    return 0;
}

/* ---- fetching ---- */

struct sink {
    FILE *out;           /* octets go there as they come; NULL: into text */
    struct str text;
    size_t max;
    bool is_full;        /* more came than fits */
    bool is_broken;      /* out takes no more */
};

static int take_octets(void *ctx, const void *p, size_t n)
{
    struct sink *sink = ctx;

    if (sink->out != NULL) {
        sink->is_broken = fwrite(p, 1, n, sink->out) != n;
        return sink->is_broken ? -1 : 0;
    }
    sink->is_full = sink->text.len + n > sink->max;
    if (sink->is_full)
        return -1;
    str_addn(&sink->text, p, n);
    return 0;
}

/* A reply of one line of JSON. */
static int take_json(void *ctx, const struct immp_reply *reply)
{
    struct sink *sink = ctx;

    if (reply->code == STATUS_JSON)
        str_add(&sink->text, reply->text);
    return 0;
}

static int fetch(struct run *s, const struct target *t, const char *part, const char *how,
                 struct immp_handler *handler, struct immp_error *err)
{
    struct str token = STR_INIT, line = STR_INIT;
    int rc;

    str_addf(&token, "%s#%s", str_c(&t->folder), t->id);
    rc = mbox_add_command(&line, "MBOX FETCH", str_c(&token), how, err);
    if (rc == 0 && part != NULL)
        rc = mbox_add_command(&line, " PART", part, "", err);
    if (s->options->keeps_unread)
        str_add(&line, " -READ");
    if (rc == 0)
        rc = immp_client_command(s->client, str_c(&line), handler, err) < 0 ? -1 : 0;
    str_clear(&token);
    str_clear(&line);
    return rc;
}

/* --raw, --part: to a program as they are, to a terminal harmless. */
static int give_octets(struct run *s, const struct target *t)
{
    struct sink sink = { .out = s->look.width == 0 ? s->out : NULL, .max = TERMINAL_MAX };
    struct immp_handler handler = { .octets = take_octets, .ctx = &sink };
    struct immp_error err = { IMMP_OK, 0, "" };
    struct str clean = STR_INIT;
    int code = 0;

    if (fetch(s, t, s->options->part, "", &handler, &err) < 0) {
        code = sink.is_full || sink.is_broken ? EX_IOERR : report_error(&err);
        if (code == EX_IOERR)
            report("%s", sink.is_full ? "too much for a terminal: send it to a file"
                                      : "the output could not be written");
    } else if (sink.out == NULL) {
        text_add_body(&clean, str_c(&sink.text), sink.text.len);
        (void)fwrite(str_c(&clean), 1, clean.len, s->out);
    }
    str_clear(&clean);
    str_clear(&sink.text);
    return code;
}

static void print_text(struct run *s, const char *p, size_t n)
{
    struct str clean = STR_INIT;

    text_add_body(&clean, p, n);
    if (clean.len > 0 && clean.s[clean.len - 1] != '\n')
        str_addc(&clean, '\n');
    (void)fwrite(str_c(&clean), 1, clean.len, s->out);
    str_clear(&clean);
}

static void print_hints(struct run *s, const struct target *t, const struct json *parts)
{
    struct str out = STR_INIT;

    for (size_t i = 0; i < json_size(parts); i++)
        if (!read_is_shown(parts, json_at(parts, i)))
            read_add_hint(&out, json_at(parts, i), t->id,
                          s->options->folder != NULL ? str_c(&t->folder) : NULL, &s->look);
    if (out.len > 0)
        (void)fprintf(s->out, "\n%s", out.s);
    str_clear(&out);
}

static void print_head(struct run *s, const struct json *row)
{
    struct str out = STR_INIT;

    read_add_head(&out, row, &s->look);
    (void)fprintf(s->out, "%s\n", str_c(&out));
    str_clear(&out);
}

/* By its row: each shown part by itself; where none is shown, its head marks it as read. */
static int show_by_row(struct run *s, const struct target *t)
{
    const struct json *parts = json_get(row_of(t), "parts");
    struct immp_error err = { IMMP_OK, 0, "" };
    size_t shown = 0;
    int rc = 0;

    print_head(s, row_of(t));
    for (size_t i = 0; i < json_size(parts) && rc == 0; i++) {
        struct sink sink = { .max = TERMINAL_MAX };
        struct immp_handler handler = { .octets = take_octets, .ctx = &sink };

        if (!read_is_shown(parts, json_at(parts, i)))
            continue;
        if (shown++ > 0)
            (void)fputc('\n', s->out);
        rc = fetch(s, t, text_of(json_at(parts, i), "id"), "", &handler, &err);
        if (rc == 0)
            print_text(s, str_c(&sink.text), sink.text.len);
        str_clear(&sink.text);
    }
    if (rc == 0 && shown == 0)
        rc = fetch(s, t, NULL, " +HEADERS", NULL, &err);
    print_hints(s, t, parts);
    return rc < 0 ? report_error(&err) : 0;
}

/* Text that JSON would not carry as it is comes in base64. */
static void print_data(struct run *s, const struct json *part)
{
    const char *data = text_of(part, "data");
    struct str text = STR_INIT;

    if (strcmp(text_of(part, "encoding"), "base64") != 0)
        print_text(s, data, strlen(data));
    else if (base64_decode(data, strlen(data), &text) == 0)
        print_text(s, str_c(&text), text.len);
    str_clear(&text);
}

/* The parts of FETCH +JSON have the keys of a row's parts, and their data. */
static void show_document(struct run *s, const struct target *t, const struct json *doc)
{
    const struct json *parts = json_get(doc, "parts");
    size_t shown = 0;

    print_head(s, json_get(doc, "envelope"));
    for (size_t i = 0; i < json_size(parts); i++) {
        if (!read_is_shown(parts, json_at(parts, i)))
            continue;
        if (shown++ > 0)
            (void)fputc('\n', s->out);
        print_data(s, json_at(parts, i));
    }
    print_hints(s, t, parts);
}

static int show_by_id(struct run *s, const struct target *t)
{
    struct sink sink = { .max = 0 };
    struct immp_handler handler = { .line = take_json, .ctx = &sink };
    struct immp_error err = { IMMP_OK, 0, "" };
    struct json *doc = NULL;
    int rc = fetch(s, t, NULL, " +JSON", &handler, &err);

    if (rc == 0)
        doc = json_parse(str_c(&sink.text), sink.text.len, NULL);
    if (rc == 0 && doc == NULL)
        rc = mbox_error(&err, IMMP_PROTOCOL, "the server's message cannot be read");
    if (rc == 0 && s->options->is_json)
        (void)fprintf(s->out, "%s\n", str_c(&sink.text));
    else if (rc == 0)
        show_document(s, t, doc);
    json_destroy(&doc);
    str_clear(&sink.text);
    return rc < 0 ? report_error(&err) : 0;
}

int command_read(struct run *s)
{
    struct target t = { .id = "" };
    struct immp_error err = { IMMP_OK, 0, "" };
    int code;

    if (find(s, &t, &err) < 0)
        code = report_error(&err);
    else if (s->options->is_raw || s->options->part != NULL)
        code = give_octets(s, &t);
    else if (t.rows != NULL && !s->options->is_json)
        code = show_by_row(s, &t);
    else
        code = show_by_id(s, &t);
    target_clear(&t);
    return code;
}
