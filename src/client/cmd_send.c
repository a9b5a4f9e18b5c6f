/* SPDX-License-Identifier: MIT */
/*
 * immp send. The text is read and the attachments are opened before there is a connection: people
 * type slowly, servers wait shortly, and a file that is missing should not cost a login.
 *
 * The message gets its id here, so that a delivery whose answer was lost can be repeated under
 * the same id by whoever called.
 */
#include "config.h"

#include "client/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/uuid.h"

#include "client/exits.h"
#include "client/report.h"
#include "client/types.h"

#define TEXT_MAX      ((size_t)50 * 1024 * 1024)
#define NAME_MAX_LEN  255
#define PROGRESS_LEAST ((uint64_t)1024 * 1024)  /* smaller messages show none */

/* What a part is read from. */
struct source {
    struct outgoing *owner;
    FILE *file;       /* NULL: the text */
    size_t at;        /* of the text */
};

struct outgoing {
    struct immp_message message;
    char id[UUID_SIZE];
    char *subject;
    struct str text;
    struct immp_part *parts;
    struct source *sources;
    size_t n;
    uint64_t total, done; /* octets, for the progress */
    int percent;          /* shown last; -1 none */
    bool has_progress;
};

/* ---- reading ---- */

static void show_progress(struct outgoing *o)
{
    int percent = o->total > 0 ? (int)(o->done * 100 / o->total) : 100;

    if (!o->has_progress || percent == o->percent)
        return;
    o->percent = percent;
    (void)fprintf(stderr, "\r%3d %% sent%s", percent, percent == 100 ? "\n" : "");
}

static long read_source(void *ctx, void *buf, size_t n)
{
    struct source *s = ctx;

    if (s->file != NULL) {
        n = fread(buf, 1, n, s->file);
        if (n == 0 && ferror(s->file))
            return -1;
    } else {
        n = MIN(n, s->owner->text.len - s->at);
        memcpy(buf, str_c(&s->owner->text) + s->at, n);
        s->at += n;
    }
    s->owner->done += n;
    show_progress(s->owner);
    return (long)n;
}

static int read_text(const struct options *opt, FILE *in, struct str *text, struct err *err)
{
    char piece[16384];
    size_t n;

    if (opt->text != NULL) {
        str_addf(text, "%s\n", opt->text);
    } else {
        if (isatty(fileno(in)))
            (void)fprintf(stderr, "The text, ended by Ctrl-D on a line of its own:\n");
        while ((n = fread(piece, 1, sizeof(piece), in)) > 0) {
            if (text->len + n > TEXT_MAX)
                return err_set(err, ERR_PERMANENT, EX_DATAERR, "the text is longer than 50 MB");
            str_addn(text, piece, n);
        }
        if (ferror(in))
            return err_errno(err, EX_IOERR, "the text cannot be read");
    }
    if (!str_is_utf8(str_c(text), text->len))
        return err_set(err, ERR_PERMANENT, EX_DATAERR, "the text is not UTF-8; attach it with -A");
    return 0;
}

/* ---- parts ---- */

static struct immp_part *add_part(struct outgoing *o, char *name, const char *type, bool is_content,
                                  uint64_t length)
{
    struct immp_part *p = &o->parts[o->n];

    *p = (struct immp_part){
        .name = name,
        .type = type,
        .is_content = is_content,
        .length = length,
        .read = read_source,
        .ctx = &o->sources[o->n],
    };
    o->sources[o->n].owner = o;
    o->n++;
    o->total += length;
    return p;
}

/* What IMMP cannot say in a name is replaced; folders are nobody's business. */
static char *part_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = mem_strdup(slash != NULL ? slash + 1 : path);

    for (char *s = name; *s != '\0'; s++)
        if (*s == '"' || (unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '_';
    return name;
}

static int attach(struct outgoing *o, const char *path, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    struct stat st;
    char *name;

    if (file == NULL || fstat(fileno(file), &st) < 0) {
        err_errno(err, EX_NOINPUT, "%s", path);
        goto fail;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_PERMANENT, EX_NOINPUT, "%s is no file", path);
        goto fail;
    }
    name = part_name(path);
    if (strlen(name) > NAME_MAX_LEN || !str_is_utf8(name, strlen(name))) {
        free(name);
        err_set(err, ERR_PERMANENT, EX_DATAERR, "%s: no name of at most 255 bytes of UTF-8", path);
        goto fail;
    }
    o->sources[o->n].file = file;
    (void)add_part(o, name, types_by_name(name), false, (uint64_t)st.st_size);
    return 0;
fail:
    if (file != NULL)
        (void)fclose(file);
    return -1;
}

/* A token of IMMP holds no quote and no line end. */
static char *subject_of(const char *written)
{
    struct str out = STR_INIT;
    bool has_quotes = false;

    for (; *written != '\0'; written++) {
        has_quotes = has_quotes || *written == '"';
        if (*written == '"')
            str_add(&out, "\xe2\x80\x9d");
        else
            str_addc(&out, *written == '\n' || *written == '\r' ? ' ' : *written);
    }
    if (has_quotes)
        report("the quotes in the subject became typographic ones: IMMP cannot say others");
    str_reserve(&out, 1);
    return str_take(&out);
}

static int check_words(const struct options *opt, struct err *err)
{
    if (opt->subject != NULL && !str_is_utf8(opt->subject, strlen(opt->subject)))
        return err_set(err, ERR_PERMANENT, EX_DATAERR, "the subject is not UTF-8");
    for (size_t i = 0; i < opt->n_to; i++)
        if (!str_is_utf8(opt->to[i], strlen(opt->to[i])))
            return err_set(err, ERR_PERMANENT, EX_DATAERR, "a recipient is not UTF-8");
    return 0;
}

struct outgoing *outgoing_create(const struct options *opt, FILE *in, struct err *err)
{
    struct outgoing *o = mem_zalloc(sizeof(*o));

    o->parts = mem_zalloc((opt->n_attach + 1) * sizeof(*o->parts));
    o->sources = mem_zalloc((opt->n_attach + 1) * sizeof(*o->sources));
    if (check_words(opt, err) < 0)
        goto fail;
    /* The content is part 0; its text is read last, so that a missing file is told at once. */
    (void)add_part(o, mem_strdup("body.txt"), "text/plain", true, 0);
    for (size_t i = 0; i < opt->n_attach; i++)
        if (attach(o, opt->attach[i], err) < 0)
            goto fail;
    if (read_text(opt, in, &o->text, err) < 0)
        goto fail;
    o->parts[0].length = o->text.len;
    o->total += o->text.len;
    if (opt->id == NULL)
        uuid_generate(o->id);
    else
        (void)uuid_parse(opt->id, o->id);
    o->subject = opt->subject != NULL ? subject_of(opt->subject) : NULL;
    o->has_progress = isatty(STDERR_FILENO) && o->total >= PROGRESS_LEAST;
    o->percent = -1;
    o->message = (struct immp_message){
        .to = opt->to,
        .n_to = opt->n_to,
        .subject = o->subject,
        .id = o->id,
        .expires_s = opt->expires_s,
        .flags = opt->flags,
        .parts = o->parts,
        .n_parts = o->n,
    };
    return o;
fail:
    outgoing_destroy(&o);
    return NULL;
}

void outgoing_destroy(struct outgoing **op)
{
    struct outgoing *o = *op;

    if (o == NULL)
        return;
    for (size_t i = 0; i < o->n; i++) {
        free((char *)o->parts[i].name);
        if (o->sources[i].file != NULL)
            (void)fclose(o->sources[i].file);
    }
    free(o->parts);
    free(o->sources);
    free(o->subject);
    str_clear(&o->text);
    free(o);
    *op = NULL;
}

const struct immp_message *outgoing_message(const struct outgoing *o)
{
    return &o->message;
}

/* ---- sending ---- */

struct results {
    struct run *run;
    struct json *rows;    /* with --json */
    int code;             /* of the whole: a temporary failure is told last */
};

static void take_result(void *ctx, const char *to, int code, const char *text)
{
    struct results *r = ctx;
    int own = exits_of_status(code);
    struct str out = STR_INIT;
    struct json *row;

    if (own != 0 && (r->code == 0 || r->code == EX_TEMPFAIL))
        r->code = own;
    if (r->rows != NULL) {
        row = json_object_new();
        json_set_str(row, "to", to);
        json_set_int(row, "code", code);
        json_set_str(row, "text", text);
        json_append(r->rows, row);
        return;
    }
    text_add_line(&out, to, strlen(to));
    str_add(&out, "  ");
    text_add_colour(&out, &r->run->look, own == 0 ? COLOUR_GREEN : COLOUR_RED);
    text_add_line(&out, text, strlen(text));
    text_add_colour(&out, &r->run->look, COLOUR_NONE);
    if (own != 0)
        str_addf(&out, " (%d)", code);
    (void)fprintf(r->run->out, "%s\n", str_c(&out));
    str_clear(&out);
}

static void print_json(struct run *s, const struct outgoing *o, struct json *rows)
{
    struct json *doc = json_object_new();
    struct str out = STR_INIT;

    json_set_str(doc, "id", o->id);
    json_set(doc, "results", rows);
    json_add_pretty(&out, doc);
    (void)fprintf(s->out, "%s\n", str_c(&out));
    json_destroy(&doc);
    str_clear(&out);
}

int command_send(struct run *s, struct outgoing *o)
{
    struct results r = { .run = s, .rows = s->options->is_json ? json_array_new() : NULL };
    struct immp_error err = { IMMP_OK, 0, "" };
    int rc = immp_client_deliver(s->client, &o->message, take_result, &r, &err);

    if (rc < 0) {
        if (o->percent >= 0 && o->percent < 100)
            (void)fputc('\n', stderr);
        r.code = report_error(&err);
        if (err.kind == IMMP_UNCERTAIN)
            report("it may have been sent; send it again with --id %s, it will not come twice",
                   o->id);
        json_destroy(&r.rows);
    } else if (r.rows != NULL) {
        print_json(s, o, r.rows);
    }
    return r.code;
}
