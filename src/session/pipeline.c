/* SPDX-License-Identifier: MIT */
/*
 * Pipelines and jobs: which command runs now.
 *
 * Commands of one pipeline run in order, different ones take turns, a step each. Three rules hold
 * across pipelines: while a job is within an octet block only that job runs; commands about a
 * message in progress run in the order in which they came (so that DONE finds the parts that
 * were sent before it, whatever pipelines they took); QUIT and UPGRADE wait for all before them.
 * Nothing runs while the output is full.
 */
#include "session/session_private.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- pipelines ---- */

struct pipeline *pipeline_get(struct session *s, const char *name)
{
    struct pipeline *p = &s->main;

    while (strcmp(p->name, name) != 0) {
        if (p->next == NULL) {
            p->next = mem_zalloc(sizeof *p);
            memcpy(p->next->name, name, strlen(name) + 1);
        }
        p = p->next;
    }
    return p;
}

void pipeline_settle(struct session *s, struct pipeline *p)
{
    struct pipeline *before = &s->main;

    if (p == &s->main || p->head != NULL || p->draft.submit != NULL)
        return;
    while (before->next != p)
        before = before->next;
    before->next = p->next;
    free(p);
}

/* ---- jobs ---- */

struct job *job_create(struct session *s, struct pipeline *p)
{
    struct job *j = mem_zalloc(sizeof *j);

    j->pipeline = p;
    j->number = s->next_number++;
    if (p->tail != NULL)
        p->tail->next = j;
    else
        p->head = j;
    p->tail = j;
    s->n_jobs++;
    return j;
}

/* Take it out of the order of blocks, wherever it stands. */
static void leave_blocks(struct session *s, struct job *j)
{
    struct job **at = &s->blocks, *last = NULL;

    while (*at != NULL && *at != j) {
        last = *at;
        at = &(*at)->next_block;
    }
    if (*at == NULL)
        return;
    *at = j->next_block;
    if (s->blocks_tail == j)
        s->blocks_tail = last;
}

/* The head of its pipeline goes. */
static void job_finish(struct session *s, struct job *j)
{
    struct pipeline *p = j->pipeline;

    if (j->row != NULL && (j->row->flags & COMMAND_BLOCK) != 0)
        leave_blocks(s, j);
    if (s->streaming == j)
        s->streaming = NULL;
    if (j->row != NULL && j->row->end != NULL)
        j->row->end(j);
    p->head = j->next;
    if (p->head == NULL)
        p->tail = NULL;
    s->n_jobs--;
    input_line_unref(s, &j->line);
    free(j);
}

/*
 * A part whose LENGTH is said has its octets behind the line, whatever the answer is: they are
 * dropped. Not where no part can be said at all: there nobody sends one, and nothing that a
 * command could do there is worth an octet.
 */
static void swallow(struct session *s, struct job *j)
{
    uint64_t n;

    j->block.mode = BLOCK_NONE;
    if ((s->phase & (PHASE_LOCAL | PHASE_REMOTE)) == 0)
        return;
    for (size_t i = 0; i + 1 < j->n_tokens; i++) {
        if (token_is(&j->tokens[i], "LENGTH") && str_to_u64(j->tokens[i + 1].text, &n) == 0 &&
            n <= BLOCK_MAX) {
            block_expect(j, BLOCK_LENGTH, n, true);
            return;
        }
    }
}

static enum step refuse(struct session *s, struct job *j, const struct err *err)
{
    (void)session_fail(s, j, err);
    if (j->row == NULL || (j->row->flags & COMMAND_BLOCK) == 0)
        return STEP_DONE;
    if (j->block.mode == BLOCK_UNDECIDED)
        swallow(s, j);
    return j->block.mode == BLOCK_NONE ? STEP_DONE : STEP_INPUT;
}

static enum step job_start(struct session *s, struct job *j)
{
    struct err err = { ERR_NONE };
    struct args args;
    enum step step;

    j->is_started = true;
    if (j->line == NULL || j->row == NULL)
        return refuse(s, j, &j->err);
    if ((j->row->pub.phases & (unsigned)s->phase) == 0) {
        (void)err_set(&err, ERR_DENIED, STATUS_WRONG_PHASE, "%s cannot be said %s",
                      j->row->pub.words,
                      s->phase == PHASE_PLAIN   ? "before UPGRADE"
                      : s->phase == PHASE_GUEST ? "before AUTH"
                                                : "now");
        return refuse(s, j, &err);
    }
    if (args_parse(j->row->params, j->tokens, j->n_tokens, &args, &err) < 0) {
        (void)err_prefix(&err, "%s", j->row->pub.words);
        return refuse(s, j, &err);
    }
    step = j->row->start(s, j, &args);
    args_clear(&args);
    /* Refused by the command itself, before it said whether octets follow. */
    if (step == STEP_DONE && (j->row->flags & COMMAND_BLOCK) != 0 &&
        j->block.mode == BLOCK_UNDECIDED) {
        swallow(s, j);
        step = j->block.mode == BLOCK_NONE ? STEP_DONE : STEP_INPUT;
    }
    return step;
}

/* ---- who runs ---- */

/* Is a command before it, in any pipeline, one that it has to wait for? */
static bool waits_for_another(const struct session *s, const struct job *j)
{
    unsigned flags = j->row != NULL ? j->row->flags : 0;

    if ((flags & (COMMAND_MESSAGE | COMMAND_ALONE)) == 0)
        return false;
    for (const struct pipeline *p = &s->main; p != NULL; p = p->next)
        for (const struct job *o = p->head; o != NULL && o->number < j->number; o = o->next)
            if ((flags & COMMAND_ALONE) != 0 ||
                (o->row != NULL && (o->row->flags & COMMAND_MESSAGE) != 0))
                return true;
    return false;
}

static bool can_run(const struct session *s, const struct job *j)
{
    if (s->phase == PHASE_CLOSED || s->wants_tls || (s->streaming != NULL && s->streaming != j))
        return false;
    if (j->is_started && j->block.mode >= BLOCK_LENGTH && !j->block.is_complete)
        return false;
    return j->is_started || !waits_for_another(s, j);
}

static bool run_head(struct session *s, struct pipeline *p)
{
    struct job *j = p->head;
    enum step step;

    if (j == NULL || !can_run(s, j) || !output_has_room(s))
        return false;
    if (!j->is_started)
        step = job_start(s, j);
    else if (j->is_answered || j->row->more == NULL)
        step = STEP_DONE;
    else
        step = j->row->more(s, j);
    if (step == STEP_DONE)
        job_finish(s, j);
    /* A block of no octets is complete before any input comes. */
    return step != STEP_INPUT || j->block.is_complete;
}

void jobs_run(struct session *s)
{
    bool again;

    do {
        struct pipeline *next;

        again = false;
        for (struct pipeline *p = &s->main; p != NULL; p = next) {
            again = run_head(s, p) || again;
            next = p->next;
            pipeline_settle(s, p);
        }
    } while (again);
}

/* ---- ends ---- */

void jobs_clear(struct session *s)
{
    struct pipeline *next;

    for (struct pipeline *p = &s->main; p != NULL; p = next) {
        while (p->head != NULL)
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a finished job is out of the list */
            job_finish(s, p->head);
        draft_drop(s, p);
        next = p->next;
        pipeline_settle(s, p);
    }
}

/*
 * Its reply was at stake and has not ended: it ends here. What has ended is answered by output.c.
 * Octets that still come for it are swallowed where they come without asking, by LENGTH; without,
 * the client waits for a 271 that it will not get.
 */
static void end_failed(struct session *s, struct job *j, const struct err *err)
{
    if (s->streaming == j)
        s->streaming = NULL;
    if (!j->is_answered) {
        (void)session_fail(s, j, err);
        j->is_answered = true;
    }
    j->block.is_refused = true;
    if (j->block.mode != BLOCK_LENGTH || j->block.is_complete)
        job_finish(s, j);
}

void jobs_turn_failed(struct session *s, const struct err *err)
{
    struct pipeline *next;

    for (struct pipeline *p = &s->main; p != NULL; p = next) {
        if (p->head != NULL && p->head->waits_commit)
            end_failed(s, p->head, err);
        if (p->draft.waits_commit)
            draft_drop(s, p);
        next = p->next;
        pipeline_settle(s, p);
    }
}
