/* SPDX-License-Identifier: MIT */
/*
 * DATA: a part of the message in progress (docs/immp.md, "Delivering"). 271 when it may come (with
 * LENGTH the octets are on their way already), 272 or the reason why not when it has come whole.
 *
 * What fails within a part is remembered, the rest of the octets is taken as if nothing had
 * happened, and the answer is given at their end: that keeps both sides at the same place.
 */
#include "session/session_private.h"

#include "base/mem.h"

#include <stdlib.h>

enum { DATA_NAME, DATA_TYPE, DATA_LENGTH, DATA_BASE64, DATA_CONTENT };
const struct param data_params[] = {
    [DATA_NAME] = { "NAME", PARAM_POSITION, PARAM_REQUIRED | PARAM_NAMED },
    [DATA_TYPE] = { "TYPE", PARAM_KEYWORD, 0 },
    [DATA_LENGTH] = { "LENGTH", PARAM_KEYWORD, 0 },
    [DATA_BASE64] = { "BASE64", PARAM_SWITCH, 0 },
    [DATA_CONTENT] = { "CONTENT", PARAM_SWITCH, 0 },
    { NULL, 0, 0 },
};

struct data {
    struct pipeline *owner;  /* whose draft it is; it lives as long as the draft and its jobs */
    char *name;
};

/* What waits for the commit, waits with its draft. */
static void note_stake(const struct job *j)
{
    const struct data *d = j->state;

    if (j->waits_commit)
        d->owner->draft.waits_commit = true;
}

static int read_length(const struct args *args, uint64_t *n_r, struct err *err)
{
    *n_r = UINT64_MAX;
    if (args->value[DATA_LENGTH] == NULL)
        return 0;
    if (str_to_u64(args->value[DATA_LENGTH], n_r) < 0 || *n_r > BLOCK_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_BAD_LENGTH, "LENGTH is not a number of octets");
    return 0;
}

enum step cmd_data(struct session *s, struct job *j, const struct args *args)
{
    struct pipeline *owner = draft_owner(s, j->pipeline);
    bool is_content = args->sign[DATA_CONTENT] > 0;
    struct str text = STR_INIT;
    struct err err = { ERR_NONE };
    struct data *d;
    uint64_t length;

    if (read_length(args, &length, &err) < 0)
        return session_fail(s, j, &err);
    if (owner == NULL) {
        (void)err_set(&err, ERR_PROTOCOL, STATUS_NO_MESSAGE,
                      "no message in progress: DELIVER begins one");
        return session_fail(s, j, &err);
    }
    if (submit_part(owner->draft.submit, args->value[DATA_NAME], args->value[DATA_TYPE], is_content,
                    args->sign[DATA_BASE64] > 0, length, &err) < 0)
        return session_fail(s, j, &err);
    d = mem_alloc(sizeof *d);
    *d = (struct data){ .owner = owner, .name = mem_strdup(args->value[DATA_NAME]) };
    j->state = d;
    block_expect(j, length != UINT64_MAX ? BLOCK_LENGTH : BLOCK_TEXT, length, false);
    str_addf(&text, "%s %s", d->name, is_content ? "Saving content part" : "Saving part");
    session_progress(s, j, STATUS_AWAIT_CONTENT, str_c(&text));
    str_clear(&text);
    note_stake(j);
    return STEP_INPUT;
}

void cmd_data_octets(struct session *s, struct job *j, const char *p, size_t n)
{
    struct data *d = j->state;

    (void)s;
    if (submit_octets(d->owner->draft.submit, p, n, &j->err) < 0)
        j->block.is_refused = true;
}

enum step cmd_data_more(struct session *s, struct job *j)
{
    struct data *d = j->state;

    if (j->block.is_refused || submit_part_end(d->owner->draft.submit, &j->err) < 0)
        return session_fail(s, j, &j->err);
    session_reply(s, j, STATUS_PART_SAVED, false, "%s Part saved", d->name);
    note_stake(j);
    return STEP_DONE;
}

void cmd_data_end(struct job *j)
{
    struct data *d = j->state;

    if (d == NULL)
        return;
    /* Ended before its octets were all there: the part is not kept. */
    if (!j->block.is_complete && d->owner->draft.submit != NULL)
        submit_part_drop(d->owner->draft.submit);
    free(d->name);
    free(d);
    j->state = NULL;
}
