/* SPDX-License-Identifier: MIT */
/* immp check, list and read: a mailbox for people, or as JSON for programs. */
#include "config.h"

#include "client/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/uuid.h"
#include "seal/digest.h"
#include "wire/json.h"

#include "client/exits.h"
#include "client/login_user.h"
#include "client/text.h"

/* "MBOX VERB /folder" with the folder as one token. 0, or an exit code that has been explained. */
static int begin(struct str *line, const char *verb, const char *folder)
{
    struct str argument = STR_INIT;
    char token[2048];
    int rc = EX_OK;

    if (folder[0] != '/' && strchr(folder, '@') == NULL)
        str_addc(&argument, '/');
    str_add(&argument, folder);
    if (immp_token(argument.s, token, sizeof(token)) < 0) {
        fprintf(stderr, "immp: no folder has such a name: %s\n", folder);
        rc = EX_USAGE;
    } else {
        str_addf(line, "MBOX %s %s", verb, token);
    }
    str_clear(&argument);
    return rc;
}

static int ask(struct immp_client *c, const char *line, int (*fn)(void *, const struct immp_reply *),
               int (*octets)(void *, const void *, size_t), void *ctx, const char *what)
{
    struct immp_handler handler = { .line = fn, .octets = octets, .ctx = ctx };
    struct immp_error error = { IMMP_OK, 0, "" };

    return immp_client_command(c, line, &handler, &error) < 0 ? login_complain(what, &error) : EX_OK;
}

static void print_json(const struct json *value)
{
    struct str out = STR_INIT;

    json_add_pretty(&out, value);
    puts(out.s);
    str_clear(&out);
}

/* ---- check ---- */

static int note_folder(void *ctx, const struct immp_reply *reply)
{
    struct json *row;
    char *path;
    const char *u = strstr(reply->text, ":* u="), *t = u != NULL ? strstr(u, " t=") : NULL;

    if (reply->code != 240 || t == NULL)
        return 0;
    row = json_object_new();
    path = mem_strndup(reply->text, (size_t)(u - reply->text));
    json_set_str(row, "folder", path);
    json_set_int(row, "unread", atoll(u + 5));
    json_set_int(row, "total", atoll(t + 3));
    json_append(ctx, row);
    free(path);
    return 0;
}

static void print_folders(const struct json *rows)
{
    struct look look = text_look(stdout);
    struct str out = STR_INIT;

    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        int64_t unread = 0, total = 0;

        (void)json_get_int(row, "unread", &unread);
        (void)json_get_int(row, "total", &total);
        if (unread > 0)
            text_add_colour(&out, &look, COLOUR_BOLD);
        text_add_cell(&out, json_get_str(row, "folder"), 24);
        str_addf(&out, " %6lld unread %8lld in all", (long long)unread, (long long)total);
        if (unread > 0)
            text_add_colour(&out, &look, COLOUR_NONE);
        str_addc(&out, '\n');
    }
    fputs(str_c(&out), stdout);
    str_clear(&out);
}

int run_check(struct immp_client *c, const struct options *o)
{
    struct json *rows = json_array_new();
    struct str line = STR_INIT;
    int rc = begin(&line, "CHECK", o->folder != NULL ? o->folder : "/");

    if (rc == EX_OK) {
        if (o->is_recursive || o->folder == NULL)
            str_add(&line, " +RECURSIVE");
        rc = ask(c, line.s, note_folder, NULL, rows, "check");
    }
    if (rc == EX_OK && o->is_json)
        print_json(rows);
    else if (rc == EX_OK)
        print_folders(rows);
    json_destroy(&rows);
    str_clear(&line);
    return rc;
}

/* ---- list ---- */

static int note_row(void *ctx, const struct immp_reply *reply)
{
    struct json *row;

    if (reply->code != 250 || reply->text[0] != '{')
        return 0;
    row = json_parse(reply->text, strlen(reply->text), NULL);
    if (row != NULL)
        json_append(ctx, row);
    return 0;
}

/* The newest `limit` of a folder, newest first. */
static int fetch_rows(struct immp_client *c, const char *folder, uint64_t limit, struct json *rows)
{
    struct str line = STR_INIT;
    int rc = begin(&line, "INDEX", folder);

    if (rc == EX_OK) {
        str_addf(&line, " +JSON +REVERSE LIMIT %llu", (unsigned long long)limit);
        rc = ask(c, line.s, note_row, NULL, rows, "list");
    }
    str_clear(&line);
    return rc;
}

static bool has_flag(const struct json *row, const char *flag)
{
    const struct json *flags = json_get(row, "flags");

    for (size_t i = 0; i < json_size(flags); i++)
        if (json_str(json_at(flags, i)) != NULL && strcmp(json_str(json_at(flags, i)), flag) == 0)
            return true;
    return false;
}

static void add_row(struct str *out, const struct look *look, const struct json *row, size_t number,
                    int64_t now_ms)
{
    bool unread = has_flag(row, "unread") || !has_flag(row, "read");
    const char *from = json_get_str(row, "from"), *subject = json_get_str(row, "subject");
    const char *date = json_get_str(row, "date");
    struct str when = STR_INIT;

    if (unread)
        text_add_colour(out, look, COLOUR_BOLD);
    text_add_date(&when, date != NULL ? date : "", now_ms);
    str_addf(out, "%4zu %c%c ", number, unread ? 'N' : ' ', has_flag(row, "important") ? '!' : ' ');
    text_add_cell(out, str_c(&when), 13);
    str_addc(out, ' ');
    text_add_cell(out, from != NULL ? from : "", 28);
    str_addc(out, ' ');
    text_add_line(out, subject != NULL ? subject : "", subject != NULL ? strlen(subject) : 0);
    if (unread)
        text_add_colour(out, look, COLOUR_NONE);
    str_addc(out, '\n');
    str_clear(&when);
}

int run_list(struct immp_client *c, const struct options *o)
{
    struct json *rows = json_array_new();
    struct look look = text_look(stdout);
    struct str out = STR_INIT;
    int rc = fetch_rows(c, o->folder != NULL ? o->folder : "/inbox", o->limit, rows);

    if (rc == EX_OK && o->is_json)
        print_json(rows);
    else if (rc == EX_OK && json_size(rows) == 0)
        fputs("immp: no messages\n", stderr);
    for (size_t i = 0; rc == EX_OK && !o->is_json && i < json_size(rows); i++)
        add_row(&out, &look, json_at(rows, i), i + 1, clock_wall_ms(clock_system()));
    fputs(str_c(&out), stdout);
    str_clear(&out);
    json_destroy(&rows);
    return rc;
}

/* ---- read ---- */

/* The UUID that the operand names; by number or "latest" through the list. */
static int find_message(struct immp_client *c, const struct options *o, const char *folder,
                        char id[UUID_SIZE])
{
    uint64_t number = 1;
    struct json *rows;
    const char *found = NULL;
    int rc;

    if (uuid_parse(o->message, id) == 0)
        return EX_OK;
    (void)str_to_u64(o->message, &number);
    rows = json_array_new();
    rc = fetch_rows(c, folder, number, rows);
    if (rc == EX_OK && json_size(rows) >= number)
        found = json_get_str(json_at(rows, (size_t)number - 1), "_id");
    if (rc == EX_OK && (found == NULL || uuid_parse(found, id) < 0)) {
        fprintf(stderr, "immp: read: %s has no message %s\n", folder, o->message);
        rc = EX_NOINPUT;
    }
    json_destroy(&rows);
    return rc;
}

static int put_octets(void *ctx, const void *p, size_t n)
{
    (void)ctx;
    return fwrite(p, 1, n, stdout) == n ? 0 : -1;
}

static int note_message(void *ctx, const struct immp_reply *reply)
{
    struct json **message = ctx;

    if (reply->code == 250 && reply->text[0] == '{' && *message == NULL)
        *message = json_parse(reply->text, strlen(reply->text), NULL);
    return 0;
}

static void add_field(struct str *out, const char *name, const struct json *value)
{
    const char *s = json_str(value);

    if (s == NULL && json_size(value) == 0)
        return;
    str_addf(out, "%-9s", name);
    if (s != NULL)
        text_add_line(out, s, strlen(s));
    for (size_t i = 0; s == NULL && i < json_size(value); i++) {
        const char *item = json_str(json_at(value, i));

        if (i > 0)
            str_add(out, ", ");
        if (item != NULL)
            text_add_line(out, item, strlen(item));
    }
    str_addc(out, '\n');
}

static void add_foreign(struct str *out, const char *s)
{
    text_add_line(out, s != NULL ? s : "", s != NULL ? strlen(s) : 0);
}

/* Text is shown, also where a control character in it made the server send base64; the rest is named. */
static void add_part(struct str *out, const struct json *part)
{
    const char *encoding = json_get_str(part, "encoding"), *data = json_get_str(part, "data");
    const char *type = json_get_str(part, "type");
    struct str text = STR_INIT;
    int64_t length = 0;

    if (encoding != NULL && data != NULL && type != NULL && str_starts(type, "text/")) {
        if (strcmp(encoding, "base64") != 0)
            str_add(&text, data);
        else if (base64_decode(data, strlen(data), &text) < 0)
            str_truncate(&text, 0);
        str_addc(out, '\n');
        text_add_body(out, str_c(&text), text.len);
        str_clear(&text);
        return;
    }
    (void)json_get_int(part, "length", &length);
    str_add(out, "\n[part ");
    add_foreign(out, json_get_str(part, "id"));
    str_addc(out, ' ');
    add_foreign(out, type);
    str_addc(out, ' ');
    text_add_size(out, (uint64_t)length);
    str_add(out, ": read --part NAME writes it to standard output]\n");
}

static void print_message(const struct json *message)
{
    const struct json *envelope = json_get(message, "envelope"), *parts = json_get(message, "parts");
    const struct json *shown = json_get(envelope, "for");
    struct look look = text_look(stdout);
    struct str out = STR_INIT;

    text_add_colour(&out, &look, COLOUR_DIM);
    add_field(&out, "From:", json_get(envelope, "from"));
    add_field(&out, "To:", shown != NULL ? shown : json_get(envelope, "to"));
    add_field(&out, "Date:", json_get(envelope, "date"));
    add_field(&out, "Subject:", json_get(envelope, "subject"));
    text_add_colour(&out, &look, COLOUR_NONE);
    for (size_t i = 0; i < json_size(parts); i++) {
        add_part(&out, json_at(parts, i));
    }
    fputs(str_c(&out), stdout);
    if (out.len > 0 && out.s[out.len - 1] != '\n')
        putchar('\n');
    str_clear(&out);
}

static int read_it(struct immp_client *c, const struct options *o, struct str *line)
{
    struct json *message = NULL;
    char token[2048];
    int rc;

    if (o->keeps_unread)
        str_add(line, " -READ");
    if (o->part != NULL) {
        if (immp_token(o->part, token, sizeof(token)) < 0) {
            fprintf(stderr, "immp: no part has such a name: %s\n", o->part);
            return EX_USAGE;
        }
        str_addf(line, " PART %s", token);
    }
    if (o->is_raw || o->part != NULL)
        return ask(c, line->s, NULL, put_octets, NULL, "read");
    str_add(line, " +JSON");
    rc = ask(c, line->s, note_message, NULL, &message, "read");
    if (rc == EX_OK && message == NULL) {
        fputs("immp: read: the server's answer cannot be read\n", stderr);
        rc = EX_PROTOCOL;
    } else if (rc == EX_OK && o->is_json) {
        print_json(message);
    } else if (rc == EX_OK) {
        print_message(message);
    }
    json_destroy(&message);
    return rc;
}

int run_read(struct immp_client *c, const struct options *o)
{
    const char *folder = o->folder != NULL ? o->folder : "/inbox";
    struct str line = STR_INIT, where = STR_INIT;
    char id[UUID_SIZE];
    int rc = find_message(c, o, folder, id);

    if (rc == EX_OK) {
        /* A selector served to find it; the message is named by its folder alone. */
        str_addn(&where, folder, strcspn(folder, ":"));
        str_addf(&where, "#%s", id);
        rc = begin(&line, "FETCH", where.s);
    }
    if (rc == EX_OK)
        rc = read_it(c, o, &line);
    str_clear(&line);
    str_clear(&where);
    return rc;
}
