/* SPDX-License-Identifier: MIT */
/*
 * Input: bytes to lines to jobs, and octets to the job whose turn it is.
 *
 * What follows a line is either the next line or the octets of that line's DATA commands, in
 * their order. So nothing is read beyond a line while one of them has not started: only then is
 * it known whether octets come. Nothing is read either while SESSION_PENDING_MAX commands wait,
 * or more than PENDING_BYTES of lines. What is not taken stays with the owner; that never
 * dead-locks, because a job before them waits for output only, or for octets that come first.
 *
 * Octets are handed on from the owner's buffer without a copy.
 */
#include "session/session_private.h"

#include "base/mem.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define PENDING_BYTES (2u * LINE_MAX_BYTES)

/* ---- lines ---- */

void input_line_unref(struct session *s, struct input_line **lp)
{
    struct input_line *l = *lp;

    *lp = NULL;
    if (l == NULL || --l->refs > 0)
        return;
    s->bytes_jobs -= l->len;
    line_clear(&l->line);
    /* It may have been an AUTH RESPONSE. */
    secret_wipe(l->text, l->len);
    free(l->text);
    free(l);
}

/* A line that cannot be read is answered in the main pipeline's order. */
static void refuse_line(struct session *s, const struct err *err)
{
    job_create(s, &s->main)->err = *err;
}

static void read_line(struct session *s, const char *text, size_t len)
{
    struct input_line *l = mem_zalloc(sizeof *l);
    struct err err = { ERR_NONE };

    l->refs = 1;
    l->len = len + 1;
    l->text = mem_dup(text, l->len);
    s->bytes_jobs += l->len;
    if (line_parse(l->text, len, &l->line, &err) < 0) {
        input_line_unref(s, &l);
        refuse_line(s, &err);
        return;
    }
    s->pending = l;
    s->pending_at = 0;
}

static void expect_block(struct session *s, struct job *j)
{
    if (s->blocks_tail != NULL)
        s->blocks_tail->next_block = j;
    else
        s->blocks = j;
    s->blocks_tail = j;
}

/* The next command of the line that was read becomes a job. */
static void take_command(struct session *s)
{
    struct input_line *l = s->pending;
    const struct command *c = &l->line.commands[s->pending_at++];
    bool is_partial = false;
    size_t words = 0;

    if (c->n > 0) {
        struct job *j = job_create(s, pipeline_get(s, c->pipeline));

        j->line = l;
        l->refs++;
        j->row = table_find(c->tokens, c->n, &words, &is_partial);
        j->tokens = c->tokens + words;
        j->n_tokens = c->n - words;
        if (j->row == NULL)
            (void)err_set(&j->err, ERR_PROTOCOL, STATUS_UNKNOWN_COMMAND,
                          is_partial ? "unknown kind of %.40s; HELP %.40s lists them"
                                     : "unknown command %.40s; HELP lists them",
                          c->tokens[0].text, c->tokens[0].text);
        else if ((j->row->flags & COMMAND_BLOCK) != 0)
            expect_block(s, j);
    }
    if (s->pending_at == l->line.n)
        input_line_unref(s, &s->pending);
}

static size_t take_line(struct session *s, const char *p, size_t n)
{
    const char *lf = memchr(p, '\n', n);
    size_t take = lf != NULL ? (size_t)(lf - p) + 1 : MIN(n, LINE_MAX_BYTES);
    struct err err = { ERR_NONE };
    char *line;
    size_t len;
    int rc;

    linebuf_feed(s->lines, p, take);
    rc = linebuf_next(s->lines, &line, &len, &err);
    if (rc < 0) {
        refuse_line(s, &err);
        /* The LF that ended it, if it was among these bytes, is still to be dropped. */
        (void)linebuf_next(s->lines, &line, &len, NULL);
    } else if (rc == 1) {
        read_line(s, line, len);
        (void)linebuf_next(s->lines, &line, &len, NULL);
    }
    return take;
}

/* ---- octets ---- */

void block_expect(struct job *j, enum block_mode mode, uint64_t n, bool is_refused)
{
    j->block = (struct block){ .mode = mode, .left = n, .is_refused = is_refused };
    j->block.is_complete = mode == BLOCK_LENGTH && n == 0;
}

static void give(struct session *s, struct job *j, const char *p, size_t n)
{
    if (n > 0 && !j->block.is_refused)
        j->row->octets(s, j, p, n);
}

static size_t take_length(struct session *s, struct job *j, const char *p, size_t n)
{
    size_t take = j->block.left < n ? (size_t)j->block.left : n;

    give(s, j, p, take);
    j->block.left -= take;
    j->block.is_complete = j->block.left == 0;
    return take;
}

/* The blank line before was text after all. */
static void give_blank(struct session *s, struct job *j)
{
    struct block *b = &j->block;
    unsigned n = b->n_blank;

    b->n_blank = b->lines = 0;
    give(s, j, b->blank, n);
}

/* At the beginning of a line: one byte, which may belong to a blank line. */
static void take_blank(struct session *s, struct job *j, char c)
{
    struct block *b = &j->block;
    bool after_cr = b->n_blank > 0 && b->blank[b->n_blank - 1] == '\r';

    if (c == '\n' || (c == '\r' && !after_cr)) {
        b->blank[b->n_blank++] = c;
        if (c == '\n' && ++b->lines == 2)
            b->is_complete = true;
        return;
    }
    give_blank(s, j);
    give(s, j, &c, 1);
    b->is_in_line = c != '\n';
}

/*
 * docs/immp.md, "Delivering": without LENGTH a part ends at two blank lines, which are not part
 * of it. The LF that ends the last line of text is.
 */
static size_t take_text(struct session *s, struct job *j, const char *p, size_t n)
{
    struct block *b = &j->block;
    size_t at = 0;

    while (at < n && !b->is_complete) {
        size_t end = at;

        if (!b->is_in_line) {
            take_blank(s, j, p[at++]);
            continue;
        }
        /* Lines are handed on together, up to one that may be blank. */
        for (;;) {
            const char *lf = memchr(p + end, '\n', n - end);

            end = lf != NULL ? (size_t)(lf - p) + 1 : n;
            b->is_in_line = lf == NULL;
            if (b->is_in_line || end == n || p[end] == '\n' || p[end] == '\r')
                break;
        }
        give(s, j, p + at, end - at);
        at = end;
    }
    return at;
}

static size_t take_octets(struct session *s, const char *p, size_t n)
{
    struct job *j = s->blocks;
    size_t taken = 0;

    if (j->block.mode == BLOCK_LENGTH && !j->block.is_complete)
        taken = take_length(s, j, p, n);
    else if (j->block.mode == BLOCK_TEXT && !j->block.is_complete)
        taken = take_text(s, j, p, n);
    if (j->block.is_complete || j->block.mode == BLOCK_NONE) {
        s->blocks = j->next_block;
        j->next_block = NULL;
        if (s->blocks == NULL)
            s->blocks_tail = NULL;
    }
    return taken;
}

/* ---- both ---- */

void input_clear(struct session *s)
{
    linebuf_discard(s->lines);
    if (s->pending != NULL)
        input_line_unref(s, &s->pending);
}

static bool has_room_for_jobs(const struct session *s)
{
    return s->n_jobs < SESSION_PENDING_MAX;
}

size_t input_take(struct session *s, const char *p, size_t n)
{
    size_t taken = 0;

    for (;;) {
        jobs_run(s);
        if (s->phase == PHASE_CLOSED)
            return n;
        if (s->wants_tls)
            return taken;
        if (s->pending != NULL) {
            if (!has_room_for_jobs(s))
                return taken;
            take_command(s);
        } else if (s->blocks != NULL) {
            bool was_complete = s->blocks->block.is_complete;
            size_t got;

            if (s->blocks->block.mode == BLOCK_UNDECIDED)
                return taken;
            got = take_octets(s, p + taken, n - taken);
            taken += got;
            if (got == 0 && !was_complete && s->blocks != NULL && taken == n)
                return taken;
        } else {
            if (taken == n || !has_room_for_jobs(s) || s->bytes_jobs > PENDING_BYTES)
                return taken;
            taken += take_line(s, p + taken, n - taken);
        }
    }
}
