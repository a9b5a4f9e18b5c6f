/* SPDX-License-Identifier: MIT */
/*
 * Bytes to lines. The buffer holds what was fed and not yet taken; a line is handed out in place,
 * its end overwritten by NUL, and everything else stays where it is until the next call.
 *
 * Invariant: bytes before `scanned` hold no LF, so each byte is looked at once however small the
 * pieces are. An over-long line is dropped as it comes: what is kept for lines never exceeds
 * LINE_MAX_BYTES by more than one feed. An empty buffer gives its memory back, because most
 * connections are idle most of the time.
 */
#include "wire/line.h"

#include "base/mem.h"
#include "base/secret.h"
#include "wire/status.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES 512  /* an empty buffer of this size is not worth giving back */

struct linebuf {
    char *buf;
    size_t cap;
    size_t start;     /* first byte not yet taken */
    size_t end;
    size_t scanned;   /* no LF in [start, scanned) */
    bool is_dropping; /* within an over-long line that was reported */
};

struct linebuf *linebuf_create(void)
{
    return mem_zalloc(sizeof(struct linebuf));
}

void linebuf_destroy(struct linebuf **lbp)
{
    struct linebuf *lb = *lbp;

    if (lb == NULL)
        return;
    linebuf_discard(lb);
    free(lb);
    *lbp = NULL;
}

void linebuf_discard(struct linebuf *lb)
{
    if (lb->buf != NULL)
        secret_wipe(lb->buf, lb->cap);
    free(lb->buf);
    *lb = (struct linebuf){ .buf = NULL };
}

static void make_room(struct linebuf *lb, size_t n)
{
    size_t used = lb->end - lb->start;
    size_t cap = lb->cap > 0 ? lb->cap : KEEP_BYTES;
    char *fresh;

    if (lb->start > 0 && used > 0 && lb->cap - used >= n)
        memmove(lb->buf, lb->buf + lb->start, used);
    lb->scanned -= lb->start;
    if (lb->cap - used < n) {
        while (cap - used < n)
            cap *= 2;
        /* Not realloc: what was taken may have been an AUTH line, and its bytes must not linger. */
        fresh = mem_alloc(cap);
        if (used > 0)
            memcpy(fresh, lb->buf + lb->start, used);
        if (lb->buf != NULL)
            secret_wipe(lb->buf, lb->cap);
        free(lb->buf);
        lb->buf = fresh;
        lb->cap = cap;
    }
    lb->start = 0;
    lb->end = used;
}

void linebuf_feed(struct linebuf *lb, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (lb->cap - lb->end < n)
        make_room(lb, n);
    memcpy(lb->buf + lb->end, p, n);
    lb->end += n;
}

size_t linebuf_pending(const struct linebuf *lb)
{
    return lb->end - lb->start;
}

/* Everything was taken: start over at the front, and give a large buffer back. */
static void settle(struct linebuf *lb)
{
    if (lb->start < lb->end)
        return;
    lb->start = lb->end = lb->scanned = 0;
    if (lb->cap > KEEP_BYTES) {
        secret_wipe(lb->buf, lb->cap);
        free(lb->buf);
        lb->buf = NULL;
        lb->cap = 0;
    }
}

/* The LF of the first line, or NULL. */
static char *find_lf(struct linebuf *lb)
{
    char *lf = NULL;

    if (lb->scanned < lb->end)
        lf = memchr(lb->buf + lb->scanned, '\n', lb->end - lb->scanned);
    lb->scanned = lf == NULL ? lb->end : (size_t)(lf - lb->buf);
    return lf;
}

static void take_to(struct linebuf *lb, size_t at)
{
    lb->start = lb->scanned = at;
}

/* Drop the rest of a line that was reported as too long. False: its LF has not come yet. */
static bool drop_rest(struct linebuf *lb)
{
    const char *lf;

    if (!lb->is_dropping)
        return true;
    lf = find_lf(lb);
    take_to(lb, lf == NULL ? lb->end : (size_t)(lf - lb->buf) + 1);
    lb->is_dropping = lf == NULL;
    return lf != NULL;
}

static int too_long(struct linebuf *lb, const char *lf, struct err *err)
{
    take_to(lb, lf == NULL ? lb->end : (size_t)(lf - lb->buf) + 1);
    lb->is_dropping = lf == NULL;
    return err_set(err, ERR_PROTOCOL, STATUS_LIMIT, "the line is longer than %d bytes",
                   LINE_MAX_BYTES);
}

int linebuf_next(struct linebuf *lb, char **line_r, size_t *len_r, struct err *err)
{
    char *lf, *line;
    size_t len;

    *line_r = NULL;
    *len_r = 0;
    if (!drop_rest(lb)) {
        settle(lb);
        return 0;
    }
    settle(lb);
    lf = find_lf(lb);
    if (lf == NULL)
        return lb->end - lb->start < LINE_MAX_BYTES ? 0 : too_long(lb, NULL, err);
    line = lb->buf + lb->start;
    len = (size_t)(lf - line);
    if (len >= LINE_MAX_BYTES)
        return too_long(lb, lf, err);
    take_to(lb, (size_t)(lf - lb->buf) + 1);
    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    *line_r = line;
    *len_r = len;
    return 1;
}

size_t linebuf_take(struct linebuf *lb, size_t max, const char **p_r)
{
    size_t n;

    *p_r = NULL;
    (void)drop_rest(lb);
    settle(lb);
    n = MIN(max, lb->end - lb->start);
    if (n == 0)
        return 0;
    *p_r = lb->buf + lb->start;
    take_to(lb, lb->start + n);
    return n;
}
