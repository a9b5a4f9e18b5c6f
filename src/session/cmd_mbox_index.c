/* SPDX-License-Identifier: MIT */
/*
 * MBOX INDEX: a line about each message, in pieces as the client takes them. Between two pieces
 * only the last entry's id is kept, so mail that comes or goes meanwhile neither shifts nor
 * repeats a line.
 */
#include "session/session_private.h"

#include "base/mem.h"
#include "mail/mailbox.h"
#include "wire/folder.h"
#include "wire/rows.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_FOLDER, INDEX_LIMIT, INDEX_AFTER, INDEX_JSON, INDEX_REVERSE };
const struct param index_params[] = {
    [INDEX_FOLDER] = { "folder", PARAM_POSITION, PARAM_REQUIRED },
    [INDEX_LIMIT] = { "LIMIT", PARAM_KEYWORD, 0 },
    [INDEX_AFTER] = { "AFTER", PARAM_KEYWORD, 0 },
    [INDEX_JSON] = { "JSON", PARAM_SWITCH, 0 },
    [INDEX_REVERSE] = { "REVERSE", PARAM_SWITCH, 0 },
    { NULL, 0, 0 },
};

struct index {
    struct folder_arg arg;
    struct folder folder;
    char *name;             /* "/INBOX" */
    bool is_json;
    struct entry_query query;
    int64_t n;              /* lines given */
    struct session *s;      /* for the walk's callback */
    struct job *j;
    struct str row;         /* scratch */
    bool is_cut;            /* the walk stopped because the output is full */
};

static int index_open(struct session *s, struct index *x, const struct args *args, struct err *err)
{
    uint64_t limit = 0;
    struct str name = STR_INIT;
    int rc;

    if (folder_arg_parse(args->value[INDEX_FOLDER], &x->arg, err) < 0 ||
        args_number(args, index_params, INDEX_LIMIT, 1, &limit, err) < 0)
        return -1;
    if (*x->arg.uuid != '\0')
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "INDEX is of a folder or of what a selector matches");
    rc = mailbox_open(s->mail, s->account, &x->arg, &x->folder, err);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "no folder %.200s", x->arg.path);
    if (rc < 0)
        return -1;
    str_addf(&name, "/%s", x->folder.path);
    x->name = str_take(&name);
    x->is_json = args->sign[INDEX_JSON] > 0;
    x->query = (struct entry_query){
        .folder = x->folder.id,
        .select = &x->arg.select,
        .newest_first = args->sign[INDEX_REVERSE] > 0,
        .limit = (int64_t)limit,
    };
    return 0;
}

static int find_after(struct session *s, struct index *x, const char *uuid, struct err *err)
{
    char id[UUID_SIZE];
    struct entry e;
    int rc;

    if (uuid == NULL)
        return 0;
    if (uuid_parse(uuid, id) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "AFTER is no message id (a UUID)");
    rc = entry_get(s->mail->store, x->folder.id, id, &e, err);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "no message %s in that folder", id);
    x->query.after = e.id;
    return rc < 0 ? -1 : 0;
}

static int add_row(void *ctx, const struct entry *e, const char *summary)
{
    struct index *x = ctx;
    struct row_state st = {
        .folder = x->name,
        .received_ms = e->received_ms,
        .is_read = (e->flags & ENTRY_READ) != 0,
        .is_flagged = (e->flags & ENTRY_FLAGGED) != 0,
    };

    if (!output_has_room(x->s)) {
        x->is_cut = true;
        return 1;
    }
    x->query.after = e->id;
    if (x->query.limit > 0)
        x->query.limit--;
    str_truncate(&x->row, 0);
    if (x->is_json)
        row_add_json(&x->row, summary, &st);
    else
        row_add_tabs(&x->row, summary, &st);
    session_reply_text(x->s, x->j, x->is_json ? STATUS_JSON : STATUS_INDEX_LINE, true,
                       str_c(&x->row));
    x->n++;
    return 0;
}

enum step cmd_mbox_index(struct session *s, struct job *j, const struct args *args)
{
    struct index *x = mem_zalloc(sizeof *x);
    struct err err = { ERR_NONE };

    j->state = x;
    x->s = s;
    x->j = j;
    if (index_open(s, x, args, &err) < 0 ||
        find_after(s, x, args->value[INDEX_AFTER], &err) < 0)
        return session_fail(s, j, &err);
    return cmd_mbox_index_more(s, j);
}

enum step cmd_mbox_index_more(struct session *s, struct job *j)
{
    struct index *x = j->state;
    struct err err = { ERR_NONE };

    x->is_cut = false;
    if (entry_each(s->mail->store, &x->query, add_row, x, &err) < 0)
        return session_fail(s, j, &err);
    if (x->is_cut)
        return STEP_MORE;
    session_reply(s, j, x->is_json ? STATUS_JSON : STATUS_INDEX_LINE, false, "%lld messages",
                  (long long)x->n);
    return STEP_DONE;
}

void cmd_mbox_index_end(struct job *j)
{
    struct index *x = j->state;

    if (x == NULL)
        return;
    folder_arg_clear(&x->arg);
    folder_clear(&x->folder);
    free(x->name);
    str_clear(&x->row);
    free(x);
    j->state = NULL;
}
