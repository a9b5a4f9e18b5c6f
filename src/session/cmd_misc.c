/* SPDX-License-Identifier: MIT */
/* UPGRADE, NOOP, HELP, QUIT. */
#include "session/session_private.h"

#include <string.h>

/* ---- UPGRADE ---- */

enum { UPGRADE_METHOD };
const struct param upgrade_params[] = {
    [UPGRADE_METHOD] = { "method", PARAM_POSITION, PARAM_REQUIRED },
    { NULL, 0, 0 },
};

/* Has the client said more behind UPGRADE, in clear? */
static bool has_more_commands(const struct session *s)
{
    if (s->n_jobs > 1 || linebuf_pending(s->lines) > 0)
        return true;
    for (size_t i = s->pending_at; s->pending != NULL && i < s->pending->line.n; i++)
        if (s->pending->line.commands[i].n > 0)
            return true;
    return false;
}

enum step cmd_upgrade(struct session *s, struct job *j, const struct args *args)
{
    const char *method = args->value[UPGRADE_METHOD];
    int version = str_ieq(method, "TLS3") ? 3 : str_ieq(method, "TLS2") ? 2 : 0;
    struct err err;

    /* The draft's SSLv3 is broken (RFC 7568) and as unknown as anything else. */
    if (version == 0) {
        (void)err_set(&err, ERR_PERMANENT, STATUS_UPGRADE_METHOD,
                      "%.40s is not offered, TLS2 and TLS3 are", method);
        return session_fail(s, j, &err);
    }
    if (has_more_commands(s)) {
        session_stop(s, STATUS_PROTOCOL, "commands in clear behind UPGRADE, closing");
        return STEP_DONE;
    }
    session_reply(s, j, STATUS_UPGRADING, false, "Upgrading to TLS%d.", version);
    s->wants_tls = true;
    s->owner->start_tls(s->ctx, version);
    return STEP_DONE;
}

/* ---- NOOP ---- */

enum step cmd_noop(struct session *s, struct job *j, const struct args *args)
{
    (void)args;
    session_reply_text(s, j, STATUS_OK, false, status_text(STATUS_OK));
    return STEP_DONE;
}

/* ---- HELP ---- */

enum { HELP_COMMAND };
const struct param help_params[] = {
    [HELP_COMMAND] = { "command", PARAM_POSITION, PARAM_REPEATS },
    { NULL, 0, 0 },
};

/* "MBOX" is the beginning of "MBOX FETCH", and of "MBOX LIST". */
static bool is_asked_for(const struct session_command *c, const struct args *args)
{
    const char *words = c->words;

    for (size_t i = 0; i < args->n_list; i++) {
        const char *asked = str_ieq(args->list[i], "AUTHENTICATE") ? "AUTH" : args->list[i];
        size_t len = strcspn(words, " ");
        char word[16] = "";

        if (*words == '\0')
            return false;
        memcpy(word, words, MIN(len, sizeof word - 1));
        if (!str_ieq(asked, word))
            return false;
        words += len + (words[len] == ' ' ? 1 : 0);
    }
    return true;
}

enum step cmd_help(struct session *s, struct job *j, const struct args *args)
{
    const struct session_command *c;
    struct err err;
    size_t n = 0;

    for (size_t i = 0; (c = session_command_at(i)) != NULL; i++) {
        if (!is_asked_for(c, args))
            continue;
        session_reply(s, j, STATUS_OK, true, "%s%s%s: %s%s", c->words,
                      *c->syntax != '\0' ? " " : "", c->syntax, c->help,
                      (c->phases & (unsigned)s->phase) != 0 ? "" : " (not in this state)");
        n++;
    }
    if (n == 0) {
        (void)err_set(&err, ERR_PROTOCOL, STATUS_PARAMETER, "no such command: %.40s",
                      args->list[0]);
        return session_fail(s, j, &err);
    }
    session_reply_text(s, j, STATUS_OK, false,
                       "AS id before a command runs it in a pipeline; ; separates commands.");
    return STEP_DONE;
}

/* ---- QUIT ---- */

enum step cmd_quit(struct session *s, struct job *j, const struct args *args)
{
    (void)args;
    session_reply_text(s, j, STATUS_CLOSING, false, status_text(STATUS_CLOSING));
    session_enter(s, PHASE_CLOSED);
    s->is_closing = true;
    return STEP_DONE;
}
