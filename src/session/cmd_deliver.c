/* SPDX-License-Identifier: MIT */
/*
 * DELIVER, DONE, CANCEL (docs/immp.md, "Delivering"): the message in progress.
 *
 * Each pipeline may have one. DELIVER in a pipeline begins that pipeline's own; DATA, DONE and
 * CANCEL act on the own message of their pipeline if there is one, else on the main pipeline's,
 * so that parts can be sent "AS x" for a message that the main pipeline has begun.
 */
#include "session/session_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/message.h"

#include <string.h>

#define DRAFTS_MAX 32  /* messages in progress on a connection, each with up to a chunk in memory */

enum {
    DELIVER_TO, DELIVER_FROM, DELIVER_SUBJECT, DELIVER_ID, DELIVER_INREPLYTO, DELIVER_EXPIRES,
    DELIVER_IMPORTANT, DELIVER_MULTIPART, DELIVER_SECURE, DELIVER_ANONYMOUS, DELIVER_BLIND,
    DELIVER_RECEIPT,
};
const struct param deliver_params[] = {
    [DELIVER_TO] = { "TO", PARAM_KEYWORD, PARAM_REQUIRED | PARAM_REPEATS },
    [DELIVER_FROM] = { "FROM", PARAM_KEYWORD, 0 },
    [DELIVER_SUBJECT] = { "SUBJECT", PARAM_KEYWORD, 0 },
    [DELIVER_ID] = { "ID", PARAM_KEYWORD, 0 },
    [DELIVER_INREPLYTO] = { "INREPLYTO", PARAM_KEYWORD, 0 },
    [DELIVER_EXPIRES] = { "EXPIRES", PARAM_KEYWORD, 0 },
    [DELIVER_IMPORTANT] = { "IMPORTANT", PARAM_SWITCH, 0 },
    [DELIVER_MULTIPART] = { "MULTIPART", PARAM_SWITCH, 0 },
    [DELIVER_SECURE] = { "SECURE", PARAM_SWITCH, 0 },
    [DELIVER_ANONYMOUS] = { "ANONYMOUS", PARAM_SWITCH, 0 },
    [DELIVER_BLIND] = { "BLIND", PARAM_SWITCH, 0 },
    [DELIVER_RECEIPT] = { "RECEIPT", PARAM_SWITCH, 0 },
    { NULL, 0, 0 },
};

/* ---- drafts ---- */

struct pipeline *draft_owner(struct session *s, struct pipeline *p)
{
    if (p->draft.submit != NULL)
        return p;
    return s->main.draft.submit != NULL ? &s->main : NULL;
}

void draft_drop(struct session *s, struct pipeline *p)
{
    if (p->draft.submit == NULL)
        return;
    submit_destroy(&p->draft.submit);
    p->draft.waits_commit = false;
    s->n_drafts--;
}

static enum step no_message(struct session *s, struct job *j)
{
    session_reply_text(s, j, STATUS_NO_MESSAGE, false,
                       "no message in progress: DELIVER begins one");
    return STEP_DONE;
}

/* ---- DELIVER ---- */

static unsigned flags_of(const struct args *args)
{
    static const struct {
        int param;
        unsigned flag;
    } rows[] = {
        { DELIVER_IMPORTANT, MESSAGE_IMPORTANT }, { DELIVER_MULTIPART, MESSAGE_MULTIPART },
        { DELIVER_SECURE, MESSAGE_SECURE },       { DELIVER_ANONYMOUS, MESSAGE_ANONYMOUS },
        { DELIVER_BLIND, MESSAGE_BLIND },         { DELIVER_RECEIPT, MESSAGE_RECEIPT },
    };
    unsigned flags = args->sign[DELIVER_IMPORTANT] < 0 ? MESSAGE_UNIMPORTANT : 0;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (args->sign[rows[i].param] > 0)
            flags |= rows[i].flag;
    return flags;
}

enum step cmd_deliver(struct session *s, struct job *j, const struct args *args)
{
    struct pipeline *p = j->pipeline;
    struct submit_request req = {
        .account = s->account,
        .domain = s->peer,
        .to = args->list,
        .n_to = args->n_list,
        .from = args->value[DELIVER_FROM],
        .subject = args->value[DELIVER_SUBJECT],
        .id = args->value[DELIVER_ID],
        .in_reply_to = args->value[DELIVER_INREPLYTO],
        .flags = flags_of(args),
    };
    struct err err = { ERR_NONE };
    uint64_t expires_s = 0;

    /* A message that was begun and neither done nor cancelled gives way to the new one. */
    draft_drop(s, p);
    if (s->n_drafts >= DRAFTS_MAX) {
        (void)err_set(&err, ERR_PROTOCOL, STATUS_LIMIT,
                      "more than %d messages in progress on this connection", DRAFTS_MAX);
        return session_fail(s, j, &err);
    }
    if (args_number(args, deliver_params, DELIVER_EXPIRES, 1, &expires_s, &err) < 0)
        return session_fail(s, j, &err);
    req.expires_s = (int64_t)expires_s;
    if (submit_begin(s->mail, &req, &p->draft.submit, &err) < 0)
        return session_fail(s, j, &err);
    s->n_drafts++;
    session_reply_text(s, j, STATUS_AWAIT_DATA, false, status_text(STATUS_AWAIT_DATA));
    p->draft.waits_commit = j->waits_commit;
    return STEP_DONE;
}

/* ---- DONE ---- */

static void log_results(const struct session *s, const char *id, const struct submit_result *r,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        log_info("submit msg=%s from=%s to=%s code=%d why=%s", id,
                 s->account != NULL ? s->account : s->peer, log_quote(r[i].to), r[i].code,
                 log_quote(r[i].text));
}

enum step cmd_done(struct session *s, struct job *j, const struct args *args)
{
    struct pipeline *p = draft_owner(s, j->pipeline);
    struct submit_result *results;
    struct err err = { ERR_NONE };
    size_t n;

    (void)args;
    if (p == NULL)
        return no_message(s, j);
    if (submit_done(p->draft.submit, &results, &n, &err) < 0) {
        (void)session_fail(s, j, &err);
        /* A content part can still be added; after anything else only a new DELIVER helps. */
        if (err.status != STATUS_NO_CONTENT)
            draft_drop(s, p);
        return STEP_DONE;
    }
    log_results(s, submit_id(p->draft.submit), results, n);
    for (size_t i = 0; i < n; i++)
        session_reply(s, j, (enum status)results[i].code, i + 1 < n, "%s %s", results[i].to,
                      results[i].text);
    submit_results_free(&results, n);
    draft_drop(s, p);
    return STEP_DONE;
}

/* ---- CANCEL ---- */

enum step cmd_cancel(struct session *s, struct job *j, const struct args *args)
{
    struct pipeline *p = draft_owner(s, j->pipeline);

    (void)args;
    if (p == NULL)
        return no_message(s, j);
    draft_drop(s, p);
    session_reply_text(s, j, STATUS_CANCELLED, false, status_text(STATUS_CANCELLED));
    return STEP_DONE;
}
