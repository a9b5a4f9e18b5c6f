/* SPDX-License-Identifier: MIT */
/*
 * The end of a stream.
 *
 * stream_close() takes the owner off at once; the struct itself lives to the end of the turn, so
 * that whoever is up the call stack may still look at it. Closed with flush, a stream writes what
 * is left, says goodbye (TLS), shuts down its side and waits for the peer's end: closing with
 * unread input would make the kernel send a reset, and that may destroy our last words (a 750)
 * before the peer has read them. How long and how many do so is bounded.
 */
#include "config.h"

#include "loop/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "loop/stream_private.h"

static void unlink_closing(struct stream *s)
{
    struct loop *lp = s->loop;

    if (s->state != STREAM_CLOSING && s->state != STREAM_LINGERING)
        return;
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        lp->closing = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    lp->n_closing--;
}

static void link_closing(struct stream *s)
{
    struct loop *lp = s->loop;

    s->prev = NULL;
    s->next = lp->closing;
    if (lp->closing != NULL)
        lp->closing->prev = s;
    lp->closing = s;
    lp->n_closing++;
}

void stream_doom(struct stream *s)
{
    struct loop *lp = s->loop;

    if (s->state == STREAM_DOOMED)
        return;
    unlink_closing(s);
    s->state = STREAM_DOOMED;
    s->ev = NULL;
    stream_set_fd(s, -1);
    loop_job_cancel(lp, &s->pump);
    loop_timer_destroy(&s->timer);
    s->next = lp->doomed;
    lp->doomed = s;
}

static void release(struct stream *s)
{
    stream_tls_free(s);
    if (s->in != NULL)
        evbuffer_free(s->in);
    if (s->out != NULL)
        evbuffer_free(s->out);
    stream_route_free(s);
    str_clear(&s->held);
    free(s->why);
    free(s);
}

void stream_reap(struct loop *lp)
{
    while (lp->doomed != NULL) {
        struct stream *s = lp->doomed;

        lp->doomed = s->next;
        release(s);
    }
}

void stream_drop_closing(struct loop *lp)
{
    while (lp->closing != NULL)
        stream_doom(lp->closing);
}

/* ---- in order ---- */

static void on_patience_over(void *ctx)
{
    stream_doom(ctx);
}

void stream_close(struct stream **sp, bool flush)
{
    struct stream *s = *sp;
    struct loop *lp;

    if (s == NULL)
        return;
    *sp = NULL;
    lp = s->loop;
    s->ev = NULL;
    s->due = 0;
    loop_job_cancel(lp, &s->pump);
    if (!flush || s->is_broken || s->state != STREAM_OPEN || lp->n_closing >= STREAM_CLOSING_MAX) {
        stream_doom(s);
        return;
    }
    s->state = STREAM_CLOSING;
    link_closing(s);
    loop_timer_destroy(&s->timer);
    s->timer = loop_timer_create(lp, on_patience_over, s);
    loop_timer_set(s->timer, STREAM_CLOSE_MS);
    stream_read_on(s);
    stream_mark_dirty(s);
}

void stream_closing_step(struct stream *s)
{
    if (s->in != NULL)
        (void)evbuffer_drain(s->in, evbuffer_get_length(s->in));
    /* What lingers costs a descriptor, and no longer a TLS connection's memory. */
    stream_tls_free(s);
    if (s->has_eof) {
        stream_doom(s);
        return;
    }
    s->state = STREAM_LINGERING;
    (void)shutdown(s->fd, SHUT_WR);
}

void stream_closing_read(struct stream *s)
{
    ssize_t got = read(s->fd, s->loop->scratch, LOOP_READ_CHUNK);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        s->lingered += (size_t)got;
        if (s->lingered > STREAM_LINGER_BYTES)
            stream_doom(s);
        return;
    }
    s->has_eof = true;
    if (got < 0 || s->state == STREAM_LINGERING)
        stream_doom(s);
    else
        stream_read_off(s);
}
