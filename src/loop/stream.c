/* SPDX-License-Identifier: MIT */
/*
 * Streams: bytes in with back-pressure, bytes out in the order of truth.
 *
 * What an owner writes lies in `held` until the turn's flush, which comes after the turn-end hook
 * has committed. Only the flush moves it to `out` (through TLS or not), and only `out` reaches the
 * kernel. So no path leads from stream_write() to the peer around the commit, and what a failed
 * turn has said can be taken back whole. The flush tries the write itself instead of waiting to be
 * told that the socket is writable: that saves each answer two epoll_ctl() and a turn.
 *
 * Reading goes through one buffer of the loop, so that a connection that says little costs what it
 * said, not a chunk of 64 KiB. The ciphertext that is read never exceeds the room that is left for
 * the clear text, which is never longer: STREAM_IN_MAX holds for TLS without a second mark.
 *
 * Owners are called in steps 1 of turns only: what the flush finds out (a broken pipe, output that
 * has drained) is owed to them and comes first in the next turn.
 */
#include "config.h"

#include "loop/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "base/mem.h"

#include "loop/stream_private.h"

#define TLS_RECORD_BYTES (16384u + 256u)
#define RESUME_BYTES     4096u /* reading goes on when there is room for so much: no crumbs */

void *stream_must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

size_t stream_out_len(const struct stream *s)
{
    return s->out != NULL ? evbuffer_get_length(s->out) : 0;
}

static size_t in_len(const struct stream *s)
{
    return s->in != NULL ? evbuffer_get_length(s->in) : 0;
}

static size_t room(const struct stream *s)
{
    /* OpenSSL has up to a record of its own, of which no libevent buffer tells. */
    size_t used = in_len(s) + (s->tls != NULL ? stream_tls_unread(s) + TLS_RECORD_BYTES : 0);

    return used < STREAM_IN_MAX ? STREAM_IN_MAX - used : 0;
}

/* ---- events that are owed ---- */

void stream_owe(struct stream *s, unsigned due)
{
    s->due |= due;
    if (s->ev != NULL)
        loop_job_queue(s->loop, &s->pump);
}

static void offer(struct stream *s)
{
    if (s->ev != NULL && s->state == STREAM_OPEN && !s->is_held && in_len(s) > 0)
        s->ev->data(s->ctx);
}

static void pump(void *ctx)
{
    struct stream *s = ctx;
    unsigned due = s->due;

    s->due = 0;
    if (s->ev != NULL && (due & STREAM_DUE_CONNECTED)) {
        stream_read_on(s);
        s->ev->connected(s->ctx);
    }
    if (s->ev != NULL && (due & STREAM_DUE_DRAINED) && s->ev->drained != NULL)
        s->ev->drained(s->ctx);
    if (due & STREAM_DUE_DATA)
        offer(s);
    if (s->ev == NULL || !(due & STREAM_DUE_CLOSED))
        return;
    /* An owner that holds the input hears of the end when it has had the rest of it. */
    if (s->is_held && in_len(s) > 0 && !s->is_broken)
        s->due |= STREAM_DUE_CLOSED;
    else
        s->ev->closed(s->ctx, s->why);
}

void stream_fail(struct stream *s, bool broken, const struct err *why)
{
    stream_read_off(s);
    if (broken || why == NULL)
        s->has_eof = true;
    if (broken) {
        s->is_broken = true;
        stream_want_write(s, false);
    }
    if (s->state == STREAM_CLOSING || s->state == STREAM_LINGERING) {
        if (broken)
            stream_doom(s);
        return;
    }
    if (s->why != NULL || s->ev == NULL)
        return;
    s->why = mem_zalloc(sizeof(*s->why));
    if (why != NULL)
        *s->why = *why;
    else
        (void)err_set(s->why, ERR_NONE, 0, "closed by the peer");
    stream_owe(s, STREAM_DUE_CLOSED);
}

static void fail_errno(struct stream *s, const char *what)
{
    struct err err;

    (void)err_errno(&err, 0, "%s", what);
    stream_fail(s, true, &err);
}

/* ---- the descriptor ---- */

void stream_read_on(struct stream *s)
{
    if (s->is_reading || s->readable == NULL || s->has_eof ||
        (s->state == STREAM_OPEN && s->why != NULL))
        return;
    s->is_reading = true;
    (void)event_add(s->readable, NULL);
}

void stream_read_off(struct stream *s)
{
    if (!s->is_reading)
        return;
    s->is_reading = false;
    (void)event_del(s->readable);
}

/* The kernel forgets it with the next answer: it is said again behind each read. */
static void acknowledge(const struct stream *s)
{
#ifdef TCP_QUICKACK
    int on = 1;

    if (s->is_prompt)
        (void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
#else
    (void)s;
#endif
}

void stream_acknowledge_at_once(struct stream *s)
{
    s->is_prompt = true;
}

void stream_bound_unsent(struct stream *s, size_t bytes)
{
#ifdef TCP_NOTSENT_LOWAT
    int most = (int)bytes;

    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof(most));
#else
    (void)s;
    (void)bytes;
#endif
}

/* Returns how much came. */
static size_t read_some(struct stream *s)
{
    size_t n = MIN(room(s), LOOP_READ_CHUNK);
    ssize_t got;

    if (n == 0) {
        stream_read_off(s);
        return 0;
    }
    got = read(s->fd, s->loop->scratch, n);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            fail_errno(s, "read");
        return 0;
    }
    if (got == 0) {
        stream_fail(s, false, NULL);
        return 0;
    }
    acknowledge(s);
    s->input_ms = s->loop->now_ms;
    if (s->tls != NULL) {
        stream_tls_feed(s, s->loop->scratch, (size_t)got);
    } else {
        if (s->in == NULL)
            s->in = stream_must(evbuffer_new());
        (void)evbuffer_add(s->in, s->loop->scratch, (size_t)got);
    }
    if (room(s) == 0)
        stream_read_off(s);
    return (size_t)got;
}

void stream_tell(struct stream *s)
{
    if (s->owes_secured && s->ev != NULL) {
        s->owes_secured = false;
        s->ev->secured(s->ctx);
    }
    offer(s);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    struct loop *lp = s->loop;
    size_t got = 0;

    (void)fd;
    (void)what;
    loop_enter(lp);
    if (s->state == STREAM_OPEN) {
        got = read_some(s);
        if (got > 0)
            stream_tell(s);
    } else {
        stream_closing_read(s);
    }
    loop_leave(lp, got);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    struct loop *lp = s->loop;

    (void)fd;
    (void)what;
    loop_enter(lp);
    if (s->state == STREAM_CONNECTING)
        stream_connect_writable(s);
    else
        stream_push(s);
    loop_leave(lp, 0);
}

void stream_want_write(struct stream *s, bool want)
{
    if (!want) {
        if (s->writable != NULL)
            (void)event_del(s->writable);
        return;
    }
    if (s->writable == NULL)
        s->writable =
            stream_must(event_new(s->loop->base, s->fd, EV_WRITE | EV_PERSIST, on_writable, s));
    (void)event_add(s->writable, NULL);
}

void stream_set_fd(struct stream *s, int fd)
{
    if (s->readable != NULL)
        event_free(s->readable);
    if (s->writable != NULL)
        event_free(s->writable);
    if (s->fd >= 0)
        (void)close(s->fd);
    s->readable = s->writable = NULL;
    s->is_reading = false;
    s->fd = fd;
    if (fd >= 0)
        s->readable =
            stream_must(event_new(s->loop->base, fd, EV_READ | EV_PERSIST, on_readable, s));
}

struct stream *stream_new(struct loop *lp, const struct stream_events *ev, void *ctx)
{
    struct stream *s = mem_zalloc(sizeof(*s));

    s->loop = lp;
    s->ev = ev;
    s->ctx = ctx;
    s->fd = -1;
    s->pump.fn = pump;
    s->pump.ctx = s;
    s->input_ms = clock_mono_ms(lp->clock);
    return s;
}

void stream_open(struct stream *s, int fd)
{
    int on = 1;

    if (s->fd != fd)
        stream_set_fd(s, fd);
    s->state = STREAM_OPEN;
    stream_format_address(s);
    /* Fails on a Unix socket, where it means nothing. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

struct stream *stream_accept(struct loop *lp, int fd, const struct stream_events *ev, void *ctx)
{
    struct stream *s = stream_new(lp, ev, ctx);
    int on = 1;

    (void)ioctl(fd, FIONBIO, &on);
    stream_open(s, fd);
    stream_read_on(s);
    return s;
}

/* ---- input ---- */

const char *stream_peek(struct stream *s, size_t *len_r)
{
    *len_r = in_len(s);
    return *len_r > 0 ? (const char *)evbuffer_pullup(s->in, -1) : "";
}

void stream_take(struct stream *s, size_t n)
{
    if (n > 0)
        (void)evbuffer_drain(s->in, n);
    if (!s->is_reading && s->state == STREAM_OPEN && !s->tls_waits && room(s) >= RESUME_BYTES)
        stream_read_on(s);
}

void stream_hold_input(struct stream *s, bool hold)
{
    s->is_held = hold;
    if (!hold && (in_len(s) > 0 || (s->due & STREAM_DUE_CLOSED)))
        stream_owe(s, STREAM_DUE_DATA);
}

/* ---- output ---- */

void stream_mark_dirty(struct stream *s)
{
    if (s->is_dirty)
        return;
    s->is_dirty = true;
    s->dirty_next = NULL;
    if (s->loop->dirty_tail != NULL)
        s->loop->dirty_tail->dirty_next = s;
    else
        s->loop->dirty = s;
    s->loop->dirty_tail = s;
}

void stream_write(struct stream *s, const void *p, size_t n)
{
    if (n == 0 || s->is_broken)
        return;
    str_addn(&s->held, p, n);
    stream_mark_dirty(s);
}

size_t stream_held(const struct stream *s)
{
    return s->held.len;
}

void stream_discard_held(struct stream *s)
{
    str_clear(&s->held);
    s->clear_len = 0;
}

size_t stream_pending(const struct stream *s)
{
    return s->held.len + stream_out_len(s) + stream_tls_unwritten(s);
}

uint64_t stream_bytes_out(const struct stream *s)
{
    return s->bytes_out;
}

void stream_push(struct stream *s)
{
    int n = 0;

    if (s->is_broken || s->state == STREAM_CONNECTING)
        return;
    if (stream_out_len(s) > 0)
        n = evbuffer_write(s->out, s->fd);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail_errno(s, "write");
        return;
    }
    if (n > 0)
        s->bytes_out += (uint64_t)n;
    if (stream_out_len(s) > 0 || s->writable != NULL)
        stream_want_write(s, stream_out_len(s) > 0);
    if (s->is_high && stream_pending(s) <= STREAM_LOW) {
        s->is_high = false;
        stream_owe(s, STREAM_DUE_DRAINED);
    }
    if (s->state == STREAM_CLOSING && stream_out_len(s) == 0)
        stream_closing_step(s);
}

/* The first n bytes of held as they are: straight to the kernel if nothing is before them. */
static void write_plain(struct stream *s, size_t n)
{
    size_t done = 0;

    if (n > 0 && stream_out_len(s) == 0 && s->state != STREAM_CONNECTING) {
        ssize_t sent = send(s->fd, s->held.s, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            fail_errno(s, "write");
            return;
        }
        done = sent > 0 ? (size_t)sent : 0;
        s->bytes_out += done;
    }
    if (done < n) {
        if (s->out == NULL)
            s->out = stream_must(evbuffer_new());
        (void)evbuffer_add(s->out, s->held.s + done, n - done);
    }
    if (n < s->held.len) {
        memmove(s->held.s, s->held.s + n, s->held.len - n);
        str_truncate(&s->held, s->held.len - n);
    } else {
        str_clear(&s->held);
    }
}

static void flush(struct stream *s)
{
    s->is_dirty = false;
    if (s->state == STREAM_DOOMED || s->is_broken) {
        str_clear(&s->held);
        return;
    }
    if (stream_pending(s) > STREAM_LOW)
        s->is_high = true;
    if (s->tls_waits) {
        bool may_begin = stream_tls_begin(s);

        write_plain(s, s->clear_len);
        s->clear_len = 0;
        s->tls_waits = false;
        if (may_begin)
            stream_tls_attach(s);
        else
            stream_tls_refuse(s);
    }
    if (s->held.len > 0 && s->tls != NULL && s->shaking == NULL)
        stream_tls_write_held(s);
    else if (s->held.len > 0 && s->tls == NULL)
        write_plain(s, s->held.len);
    if (s->state == STREAM_CLOSING)
        stream_tls_goodbye(s);
    stream_push(s);
}

void stream_flush_all(struct loop *lp)
{
    while (lp->dirty != NULL) {
        struct stream *s = lp->dirty;

        lp->dirty = s->dirty_next;
        if (lp->dirty == NULL)
            lp->dirty_tail = NULL;
        flush(s);
    }
}

/* ---- idle ---- */

static void on_idle(void *ctx)
{
    struct stream *s = ctx;
    int64_t left = s->input_ms + s->idle_ms - clock_mono_ms(s->loop->clock);
    struct err err;

    if (left > 0) {
        /* There was input meanwhile: setting the timer anew only now spares doing it each time. */
        loop_timer_set(s->timer, left);
        return;
    }
    s->input_ms += s->idle_ms;
    loop_timer_set(s->timer, s->idle_ms);
    if (s->ev != NULL && s->ev->idle != NULL) {
        s->ev->idle(s->ctx);
        return;
    }
    (void)err_set(&err, ERR_TEMPORARY, 0, "nothing came for %lld s",
                  (long long)(s->idle_ms / 1000));
    stream_fail(s, true, &err);
}

void stream_set_idle(struct stream *s, int64_t idle_ms)
{
    s->idle_ms = idle_ms;
    s->input_ms = clock_mono_ms(s->loop->clock);
    if (idle_ms <= 0) {
        loop_timer_destroy(&s->timer);
        return;
    }
    if (s->timer == NULL)
        s->timer = loop_timer_create(s->loop, on_idle, s);
    loop_timer_set(s->timer, idle_ms);
}
