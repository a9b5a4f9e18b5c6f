/* SPDX-License-Identifier: MIT */
/*
 * MBOX CHECK and MBOX LIST: folders, at the cost of reading one row each.
 *
 * A client finds its folders in the answer by the name it used, so the asked folder keeps the
 * client's spelling, and those below it get that spelling and the stored rest of their names.
 */
#include "session/session_private.h"

#include "mail/mailbox.h"
#include "wire/folder.h"

#include <stdlib.h>
#include <string.h>

enum { CHECK_FOLDER, CHECK_RECURSIVE };
const struct param check_params[] = {
    [CHECK_FOLDER] = { "folder", PARAM_POSITION, PARAM_REQUIRED },
    [CHECK_RECURSIVE] = { "RECURSIVE", PARAM_SWITCH, 0 },
    { NULL, 0, 0 },
};

enum { LIST_FOLDER };
const struct param list_params[] = {
    [LIST_FOLDER] = { "folder", PARAM_POSITION, 0 },
    { NULL, 0, 0 },
};

struct walk {
    struct session *s;
    struct job *j;
    enum status code;
    const char *spelled;   /* the asked folder as the client wrote it, without selector */
    size_t spelled_len;
    size_t skip;           /* bytes of a stored name that spelled stands for */
    bool with_counts;
    struct str line;       /* the last one, which is not out yet because more may follow */
    size_t n;
};

/* Bytes of the token before its selector or id. */
static size_t spelling(const char *token)
{
    size_t start = 1;

    if (*token != '/' && *token != ':') {
        const char *slash = strchr(token, '@');

        slash = slash != NULL ? strchr(slash, '/') : NULL;
        start = slash != NULL ? (size_t)(slash - token) + 1 : 0;
    }
    return start + strcspn(token + start, ":#");
}

static int add_folder(void *ctx, const struct folder *f)
{
    struct walk *w = ctx;

    if (w->n++ > 0)
        session_reply_text(w->s, w->j, w->code, true, str_c(&w->line));
    str_truncate(&w->line, 0);
    str_addn(&w->line, w->spelled, w->spelled_len);
    str_add(&w->line, strlen(f->path) >= w->skip ? f->path + w->skip : "");
    if (w->with_counts)
        str_addf(&w->line, ":* u=%lld t=%lld", (long long)f->unread, (long long)f->total);
    return 0;
}

/* The folder that is asked for exists (or is the root): walk it. 1, or -1. */
static int walk_folders(struct walk *w, const struct folder_arg *arg, bool recursive,
                        struct err *err)
{
    struct folder f;
    int rc = mailbox_open(w->s->mail, w->s->account, arg, &f, err);

    if (rc >= 0 && *arg->path == '\0')
        rc = folder_each(w->s->mail->store, f.account, "", true, add_folder, w, err);
    else if (rc == 1 && recursive)
        rc = folder_each(w->s->mail->store, f.account, f.path, true, add_folder, w, err);
    else if (rc == 1)
        (void)add_folder(w, &f);
    folder_clear(&f);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "no folder %.200s", arg->path);
    return rc;
}

static int check_argument(const struct folder_arg *arg, struct err *err)
{
    const struct selector *sel = &arg->select;

    if (*arg->uuid != '\0' || sel->flags != 0 || sel->from != NULL || sel->text != NULL ||
        sel->since_ms != INT64_MIN || sel->before_ms != INT64_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "only whole folders can stand here: /inbox or /inbox:*");
    return 0;
}

/* Every line but the last is out; the last one stands in w->line. 0, or -1. */
static int walk_token(struct walk *w, const char *token, bool recursive, struct err *err)
{
    struct folder_arg arg;
    int rc;

    if (folder_arg_parse(token, &arg, err) < 0)
        return -1;
    w->spelled = token;
    w->spelled_len = spelling(token);
    w->skip = strlen(arg.path);
    rc = check_argument(&arg, err);
    if (rc == 0)
        rc = walk_folders(w, &arg, recursive, err);
    folder_arg_clear(&arg);
    return rc < 0 ? -1 : 0;
}

enum step cmd_mbox_check(struct session *s, struct job *j, const struct args *args)
{
    struct walk w = { .s = s, .j = j, .code = STATUS_MAILBOX, .with_counts = true };
    struct err err = { ERR_NONE };

    if (walk_token(&w, args->value[CHECK_FOLDER], args->sign[CHECK_RECURSIVE] > 0, &err) < 0)
        (void)session_fail(s, j, &err);
    else
        session_reply_text(s, j, w.code, false, str_c(&w.line));
    str_clear(&w.line);
    return STEP_DONE;
}

enum step cmd_mbox_list(struct session *s, struct job *j, const struct args *args)
{
    const char *token = args->value[LIST_FOLDER] != NULL ? args->value[LIST_FOLDER] : "/";
    struct walk w = { .s = s, .j = j, .code = STATUS_MAILBOX_CHANGED };
    struct err err = { ERR_NONE };

    if (walk_token(&w, token, true, &err) < 0) {
        (void)session_fail(s, j, &err);
    } else {
        session_reply_text(s, j, w.code, true, str_c(&w.line));
        session_reply(s, j, w.code, false, "%zu folders", w.n);
    }
    str_clear(&w.line);
    return STEP_DONE;
}
