/* SPDX-License-Identifier: MIT */
/*
 * MBOX FETCH: messages as octets or JSON, in pieces as the client takes them.
 *
 *   one message    251 uuid length=N, octets, LF           or  250 {…}
 *   a selector     251- uuid length=N, octets, LF, …       or  250- {…} …   then  250 n messages
 *
 * A message counts as read in the turn in which its first octet is given; that octet waits for
 * the commit. What is given in later turns was on disk when it began, and a content never changes.
 * If it cannot be read all the same, the block is taken back while the owner has got none of it;
 * later it can neither be completed nor explained, and the connection is closed.
 *
 * Of what a selector matches, messages that cannot be rendered as asked (no such part, not
 * signed) are passed over and not counted.
 */
#include "session/session_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/mailbox.h"
#include "mail/render.h"
#include "session/pretty.h"
#include "wire/folder.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (64u * 1024)
#define BATCH       32

enum {
    FETCH_FOLDER, FETCH_PART, FETCH_RANGE, FETCH_JSON, FETCH_PRETTY, FETCH_READ, FETCH_HEADERS,
    FETCH_SIGNED,
};
const struct param fetch_params[] = {
    [FETCH_FOLDER] = { "folder", PARAM_POSITION, PARAM_REQUIRED },
    [FETCH_PART] = { "PART", PARAM_KEYWORD, 0 },
    [FETCH_RANGE] = { "RANGE", PARAM_KEYWORD, 0 },
    [FETCH_JSON] = { "JSON", PARAM_SWITCH, 0 },
    [FETCH_PRETTY] = { "PRETTY", PARAM_SWITCH, 0 },
    [FETCH_READ] = { "READ", PARAM_SWITCH, 0 },
    [FETCH_HEADERS] = { "HEADERS", PARAM_SWITCH, 0 },
    [FETCH_SIGNED] = { "SIGNED", PARAM_SWITCH, 0 },
    { NULL, 0, 0 },
};

struct fetch {
    struct folder_arg arg;
    struct folder folder;
    char *name;               /* "/INBOX" */
    char *part;
    struct render_request request;
    bool is_json;             /* a reply line, not a block */
    bool is_pretty;
    bool keeps_unread;
    bool is_single;
    int64_t n;                /* messages given */

    struct entry batch[BATCH];
    size_t n_batch, at;
    int64_t after;            /* the last entry of the batch */
    bool is_end;              /* nothing behind the batch */
    bool is_marked;           /* the message that is being given was unread */

    struct render *render;    /* of the message that is being given */
    struct pretty pretty;
    struct str piece;         /* scratch: what is still to be indented */
};

/* ---- what is asked for ---- */

static int read_range(const char *s, struct render_request *req, struct err *err)
{
    char from[24] = "";
    const char *dash;

    req->to = UINT64_MAX;
    if (s == NULL)
        return 0;
    dash = strchr(s, '-');
    if (dash != NULL && (size_t)(dash - s) < sizeof from) {
        memcpy(from, s, (size_t)(dash - s));
        if (str_to_u64(from, &req->from) == 0 &&
            (dash[1] == '\0' || str_to_u64(dash + 1, &req->to) == 0) && req->from <= req->to)
            return 0;
    }
    return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                   "RANGE is a-b: the first and the last octet");
}

static int read_form(struct fetch *f, const struct args *args, struct err *err)
{
    bool is_signed = args->sign[FETCH_SIGNED] > 0, only_head = args->sign[FETCH_HEADERS] > 0;
    bool has_part = args->value[FETCH_PART] != NULL, has_range = args->value[FETCH_RANGE] != NULL;

    f->is_pretty = args->sign[FETCH_PRETTY] > 0;
    f->is_json = args->sign[FETCH_JSON] > 0 || f->is_pretty || is_signed;
    f->keeps_unread = args->sign[FETCH_READ] < 0;
    if (is_signed + only_head + has_part > 1)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "only one of PART, +HEADERS and +SIGNED can be asked for");
    if (f->is_json && (has_range || only_head))
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "RANGE and +HEADERS are of octets, not of JSON");
    f->request.form = is_signed    ? RENDER_SIGNED_JSON
                      : f->is_json ? RENDER_JSON
                      : has_part   ? RENDER_PART
                      : only_head  ? RENDER_HEADERS
                                   : RENDER_MIME;
    f->part = mem_strdup(args->value[FETCH_PART]);
    f->request.part = f->part;
    return read_range(args->value[FETCH_RANGE], &f->request, err);
}

static int open_folder(struct session *s, struct fetch *f, const char *token, struct err *err)
{
    struct str name = STR_INIT;
    int rc;

    if (folder_arg_parse(token, &f->arg, err) < 0)
        return -1;
    rc = mailbox_open(s->mail, s->account, &f->arg, &f->folder, err);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "no folder %.200s", f->arg.path);
    if (rc < 0)
        return -1;
    str_addf(&name, "/%s", f->folder.path);
    f->name = str_take(&name);
    f->request.folder = f->name;
    f->is_single = *f->arg.uuid != '\0';
    if (!f->is_single)
        return 0;
    rc = entry_get(s->mail->store, f->folder.id, f->arg.uuid, &f->batch[0], err);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "no message %s in that folder",
                       f->arg.uuid);
    f->n_batch = 1;
    f->is_end = true;
    return rc < 0 ? -1 : 0;
}

enum step cmd_mbox_fetch(struct session *s, struct job *j, const struct args *args)
{
    struct fetch *f = mem_zalloc(sizeof *f);
    struct err err = { ERR_NONE };

    j->state = f;
    if (read_form(f, args, &err) < 0 || open_folder(s, f, args->value[FETCH_FOLDER], &err) < 0)
        return session_fail(s, j, &err);
    return cmd_mbox_fetch_more(s, j);
}

void cmd_mbox_fetch_end(struct job *j)
{
    struct fetch *f = j->state;

    if (f == NULL)
        return;
    render_close(&f->render);
    folder_arg_clear(&f->arg);
    folder_clear(&f->folder);
    str_clear(&f->piece);
    free(f->name);
    free(f->part);
    free(f);
    j->state = NULL;
}

void cmd_mbox_fetch_rest(struct job *j)
{
    struct fetch *f = j->state;

    if (f->render != NULL)
        render_rest(f->render);
    str_clear(&f->piece);
}

/* ---- which message is next ---- */

static int add_to_batch(void *ctx, const struct entry *e, const char *summary)
{
    struct fetch *f = ctx;

    (void)summary;
    f->batch[f->n_batch++] = *e;
    f->after = e->id;
    return 0;
}

/* 1 there is a next one at f->at, 0 that was all, -1. */
static int next_entry(struct session *s, struct fetch *f, struct err *err)
{
    struct entry_query q = {
        .folder = f->folder.id, .select = &f->arg.select, .after = f->after, .limit = BATCH,
    };

    if (f->at < f->n_batch)
        return 1;
    if (f->is_end)
        return 0;
    f->at = f->n_batch = 0;
    if (entry_each(s->mail->store, &q, add_to_batch, f, err) < 0)
        return -1;
    f->is_end = f->n_batch < BATCH;
    return f->n_batch > 0 ? 1 : 0;
}

/* ---- one message ---- */

static int set_read(struct session *s, const struct fetch *f, const struct entry *e, bool is_read,
                    struct err *err)
{
    struct store *st = s->mail->store;

    if (store_savepoint(st, err) < 0)
        return -1;
    if (entry_flag(st, f->folder.id, e->uuid, is_read ? ENTRY_READ : 0, is_read ? 0 : ENTRY_READ,
                   err) < 0) {
        store_undo(st);
        return -1;
    }
    return store_release(st, err);
}

static int mark_read(struct session *s, struct fetch *f, const struct entry *e, struct err *err)
{
    f->is_marked = !f->keeps_unread && (e->flags & ENTRY_READ) == 0;
    return f->is_marked ? set_read(s, f, e, true, err) : 0;
}

static void begin_message(struct session *s, struct job *j, struct fetch *f, const struct entry *e)
{
    struct str *out;

    f->n++;
    output_mark(s);
    if (!f->is_json) {
        struct str text = STR_INIT;

        str_addf(&text, "%s length=%llu", e->uuid, (unsigned long long)render_length(f->render));
        if (f->is_single)
            session_progress(s, j, STATUS_MIME, str_c(&text));
        else
            session_reply_text(s, j, STATUS_MIME, true, str_c(&text));
        str_clear(&text);
    } else if (f->is_pretty) {
        f->pretty = (struct pretty){ .pipeline = j->pipeline->name,
                                     .code = (int)STATUS_JSON,
                                     .is_last_last = f->is_single };
        /* Its first line comes with the first piece; whether that waits is decided now. */
        (void)output_for(s, j, false);
    } else {
        out = output_for(s, j, false);
        if (*j->pipeline->name != '\0')
            str_addf(out, "%s: ", j->pipeline->name);
        str_addf(out, "%d%s ", (int)STATUS_JSON, f->is_single ? "" : "-");
    }
    s->streaming = j;
}

/* 1 begun, 0 passed over, -1. */
static int start_message(struct session *s, struct job *j, struct fetch *f, struct err *err)
{
    const struct entry *e = &f->batch[f->at++];

    if (render_open(s->mail, e, &f->request, &f->render, err) < 0)
        return f->is_single || err->kind != ERR_PERMANENT ? -1 : 0;
    if (mark_read(s, f, e, err) < 0)
        return -1;
    begin_message(s, j, f, e);
    return 1;
}

static enum step broken(struct session *s, struct job *j, struct fetch *f, const struct err *err)
{
    const struct entry *e = &f->batch[f->at - 1];

    log_warn("fetch.broken account=%s msg=%s why=%s", s->account, e->uuid, log_quote(err->text));
    if (!output_retract(s)) {
        session_stop(s, STATUS_STORAGE, err->text);
        return STEP_DONE;
    }
    s->streaming = NULL;
    if (f->is_marked)
        (void)set_read(s, f, e, false, NULL);
    return session_fail(s, j, err);
}

static enum step give_piece(struct session *s, struct job *j, struct fetch *f)
{
    struct err err = { ERR_NONE };
    struct str *out = output_for(s, j, false);
    int rc;

    if (f->is_pretty) {
        str_truncate(&f->piece, 0);
        rc = render_read(f->render, PIECE_BYTES, &f->piece, &err);
        pretty_add(&f->pretty, str_c(&f->piece), f->piece.len, out);
    } else {
        rc = render_read(f->render, PIECE_BYTES, out, &err);
    }
    if (rc < 0)
        return broken(s, j, f, &err);
    if (rc == 1)
        return STEP_MORE;
    render_close(&f->render);
    out = output_for(s, j, f->is_single);
    if (!f->is_pretty)
        str_addc(out, '\n');
    s->streaming = NULL;
    return f->is_single ? STEP_DONE : STEP_MORE;
}

enum step cmd_mbox_fetch_more(struct session *s, struct job *j)
{
    struct fetch *f = j->state;
    struct err err = { ERR_NONE };
    int rc;

    if (f->render != NULL)
        return give_piece(s, j, f);
    rc = next_entry(s, f, &err);
    if (rc == 1)
        rc = start_message(s, j, f, &err) < 0 ? -1 : 1;
    if (rc < 0)
        return session_fail(s, j, &err);
    if (rc == 1)
        return STEP_MORE;
    session_reply(s, j, STATUS_JSON, false, "%lld messages", (long long)f->n);
    return STEP_DONE;
}
