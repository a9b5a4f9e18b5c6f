/* SPDX-License-Identifier: MIT */
/*
 * immp send: the text from -m or standard input, attachments from files, one line of result for
 * each recipient. An uncertain end is tried again once under the same id, which the server
 * delivers once only.
 */
#include "config.h"

#include "client/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "wire/json.h"

#include "client/exits.h"
#include "client/login_user.h"
#include "client/text.h"
#include "client/types.h"

#define TEXT_MAX (50u * 1024 * 1024)  /* what a server takes at most */

/* ---- what is sent ---- */

struct memory {
    const char *p;
    size_t left;
};

static long read_memory(void *ctx, void *buf, size_t n)
{
    struct memory *m = ctx;
    size_t take = MIN(n, m->left);

    memcpy(buf, m->p, take);
    m->p += take;
    m->left -= take;
    return (long)take;
}

static long read_file(void *ctx, void *buf, size_t n)
{
    size_t got = fread(buf, 1, n, ctx);

    return got == 0 && ferror((FILE *)ctx) ? -1 : (long)got;
}

static int read_stdin(struct str *text)
{
    char buf[65536];
    size_t n;

    if (isatty(STDIN_FILENO))
        fputs("immp: type the message, end it with Ctrl-D\n", stderr);
    while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0) {
        if (text->len + n > TEXT_MAX) {
            fputs("immp: the text is larger than 50 MiB\n", stderr);
            return EX_DATAERR;
        }
        str_addn(text, buf, n);
    }
    if (ferror(stdin)) {
        fprintf(stderr, "immp: standard input: %s\n", strerror(errno));
        return EX_NOINPUT;
    }
    return EX_OK;
}

static int open_attachment(const char *path, struct immp_part *part)
{
    FILE *f = fopen(path, "re");
    const char *slash = strrchr(path, '/');
    struct stat sb;

    if (f == NULL || fstat(fileno(f), &sb) < 0 || !S_ISREG(sb.st_mode)) {
        fprintf(stderr, "immp: %s: %s\n", path, f == NULL ? strerror(errno) : "not a regular file");
        if (f != NULL)
            (void)fclose(f);
        return EX_NOINPUT;
    }
    *part = (struct immp_part){
        .name = slash != NULL ? slash + 1 : path,
        .type = types_by_name(path),
        .length = (uint64_t)sb.st_size,
        .read = read_file,
        .ctx = f,
    };
    return EX_OK;
}

/* ---- what became of it ---- */

struct results {
    const struct options *o;
    struct json *list;
    int exit;            /* the first recipient that failed decides */
};

static void note_result(void *ctx, const char *to, int code, const char *text)
{
    struct results *r = ctx;
    int exit_code = exits_of_status(code);

    if (r->exit == EX_OK)
        r->exit = exit_code;
    if (r->o->is_json) {
        struct json *row = json_object_new();

        json_set_str(row, "to", to);
        json_set_int(row, "code", code);
        json_set_str(row, "text", text);
        json_append(r->list, row);
    } else {
        struct str line = STR_INIT;

        text_add_line(&line, to, strlen(to));
        str_add(&line, code == 201 ? ": delivered" : code == 202 ? ": queued" : ": ");
        if (code >= 400)
            text_add_line(&line, text, strlen(text));
        fprintf(exit_code == EX_OK ? stdout : stderr, "%s\n", line.s);
        str_clear(&line);
    }
}

static int deliver(struct immp_client *c, const struct options *o, const struct immp_message *m)
{
    struct results r = { o, json_array_new(), EX_OK };
    struct immp_error error = { IMMP_OK, 0, "" };
    int rc = immp_client_deliver(c, m, note_result, &r, &error);

    if (rc < 0) {
        r.exit = login_complain("send", &error);
        if (error.kind == IMMP_UNCERTAIN)
            fprintf(stderr, "immp: it may have been taken; send it again with --id %s\n", m->id);
    } else if (o->is_json) {
        struct json *all = json_object_new();
        struct str out = STR_INIT;

        json_set_str(all, "id", m->id);
        json_set(all, "results", r.list);
        r.list = NULL;
        json_add(&out, all);
        puts(out.s);
        str_clear(&out);
        json_destroy(&all);
    }
    json_destroy(&r.list);
    return r.exit;
}

int run_send(struct immp_client *c, const struct options *o)
{
    struct immp_part *parts = mem_zalloc((o->n_attach + 1) * sizeof(*parts));
    struct str text = STR_INIT;
    struct memory body;
    char id[IMMP_UUID_SIZE];
    struct immp_message m = {
        .to = (const char *const *)o->to, .n_to = o->n_to, .subject = o->subject,
        .id = o->id, .expires_s = o->expires_s, .flags = o->flags, .parts = parts,
    };
    int rc = EX_OK;

    if (m.id == NULL) {
        immp_uuid(id);
        m.id = id;
    }
    if (o->text != NULL)
        str_add(&text, o->text);
    else
        rc = read_stdin(&text);
    body = (struct memory){ str_c(&text), text.len };
    parts[0] = (struct immp_part){
        .name = "body", .type = "text/plain; charset=utf-8", .is_content = true,
        .length = text.len, .read = read_memory, .ctx = &body,
    };
    m.n_parts = 1;
    for (size_t i = 0; i < o->n_attach && rc == EX_OK; i++) {
        rc = open_attachment(o->attach[i], &parts[i + 1]);
        m.n_parts += rc == EX_OK;
    }
    if (rc == EX_OK)
        rc = deliver(c, o, &m);
    for (size_t i = 1; i < m.n_parts; i++)
        (void)fclose(parts[i].ctx);
    free(parts);
    str_clear(&text);
    return rc;
}
