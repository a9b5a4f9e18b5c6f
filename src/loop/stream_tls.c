/* SPDX-License-Identifier: MIT */
/*
 * TLS on a stream: libevent's OpenSSL filter, used as a codec.
 *
 * The filter's lower side is a bufferevent without a descriptor. What the socket brings is put into
 * its input and the filter is told; what the filter encrypts lies in its output, which the stream's
 * flush hands to the kernel. So the order of a turn holds for TLS as for plain streams, all
 * records of a turn leave in one write, and a record is read with one read: bufferevent_openssl
 * over a socket would write on its own in the next turn, a call per record.
 *
 * No owner is called from here: libevent's callbacks only set marks, which stream.c looks at after
 * the filter has returned. So a stream may be closed in any of its events.
 */
#include "config.h"

#include "loop/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include "loop/stream_private.h"

void stream_set_tls_hooks(struct loop *lp, const struct stream_tls_hooks *hooks)
{
    lp->tls_hooks = hooks;
}

struct ssl_st *stream_tls(const struct stream *s)
{
    return s->tls_waits ? NULL : s->ssl;
}

void stream_tls_failed(struct stream *s, unsigned long code)
{
    const struct stream_tls_hooks *hooks = s->loop->tls_hooks;
    char text[160] = "";
    struct err err;

    if (hooks != NULL && hooks->explain != NULL)
        hooks->explain(code, text, sizeof(text));
    else
        (void)snprintf(text, sizeof(text), "error %lx", code);
    (void)err_set(&err, ERR_PROTOCOL, 0, "TLS %s: %s",
                  s->is_secured ? "failed" : "handshake failed", text);
    /* Not broken: the alert that tells the peer still leaves. */
    s->is_secured = false;
    stream_fail(s, false, &err);
}

static void on_tls_event(struct bufferevent *bev, short what, void *arg)
{
    struct stream *s = arg;

    if (what & BEV_EVENT_CONNECTED) {
        s->is_secured = true;
        s->owes_secured = true;
        return;
    }
    if (what & BEV_EVENT_EOF) {
        stream_fail(s, false, NULL);
        return;
    }
    stream_tls_failed(s, bufferevent_get_openssl_error(bev));
}

int stream_start_tls(struct stream *s, struct ssl_st *ssl, bool is_server)
{
    enum bufferevent_ssl_state state =
        is_server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING;
    struct event_base *base = s->loop->base;
    size_t unread;

    /* The filter owns ssl and the lower bufferevent from here, also if it is not begun. */
    s->wire = stream_must(bufferevent_socket_new(base, -1, 0));
    s->tls = stream_must(
        bufferevent_openssl_filter_new(base, s->wire, ssl, state, BEV_OPT_CLOSE_ON_FREE));
    s->ssl = ssl;
    s->tls_is_server = s->owes_hello = is_server;
    (void)stream_peek(s, &unread);
    if (unread > 0) {
        stream_tls_free(s);
        return -1;
    }
    s->tls_waits = true;
    s->clear_len = s->held.len;
    stream_read_off(s);
    stream_mark_dirty(s);
    return 0;
}

bool stream_tls_begin(struct stream *s)
{
    char c;

    /*
     * What is here before our answer has left was sent before the client could know of it: clear
     * text. What comes later is the handshake's to judge, and no command in any case.
     */
    return !s->tls_is_server || recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void stream_tls_refuse(struct stream *s)
{
    stream_tls_free(s);
    stream_read_on(s);
}

void stream_tls_attach(struct stream *s)
{
    struct evbuffer *wire_in = bufferevent_get_input(s->wire);
    struct evbuffer *wire_out = bufferevent_get_output(s->wire);

    /* A socket's bufferevent keeps these ends to itself; this one has no socket, and we are it. */
    (void)evbuffer_unfreeze(wire_in, 0);
    (void)evbuffer_unfreeze(wire_out, 1);
    if (s->out != NULL) {
        (void)evbuffer_add_buffer(wire_out, s->out);
        evbuffer_free(s->out);
    }
    if (s->in != NULL)
        evbuffer_free(s->in);
    s->out = wire_out;
    s->in = bufferevent_get_input(s->tls);
    bufferevent_openssl_set_allow_dirty_shutdown(s->tls, 1);
    bufferevent_setcb(s->tls, NULL, NULL, on_tls_event, s);
    (void)bufferevent_enable(s->tls, EV_READ | EV_WRITE);
    if (!s->tls_is_server)
        bufferevent_trigger(s->wire, EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS);
    stream_read_on(s);
}

void stream_tls_feed(struct stream *s, const void *p, size_t n)
{
    if (n > 0 && stream_shake(s, p, n))
        return;
    (void)evbuffer_add(bufferevent_get_input(s->wire), p, n);
    bufferevent_trigger(s->wire, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
    if (stream_out_len(s) > 0)
        stream_mark_dirty(s);
}

static void release_held(const void *data, size_t len, void *extra)
{
    (void)data;
    (void)len;
    free(extra);
}

void stream_tls_write_held(struct stream *s)
{
    size_t len = s->held.len;
    char *p = str_take(&s->held);

    /* As one piece, not copied: few records, and one pass over what is to be encrypted. */
    (void)evbuffer_add_reference(bufferevent_get_output(s->tls), p, len, release_held, p);
}

void stream_tls_goodbye(struct stream *s)
{
    const struct stream_tls_hooks *hooks = s->loop->tls_hooks;

    if (s->is_secured && hooks != NULL && hooks->goodbye != NULL)
        hooks->goodbye(s->ssl);
    s->is_secured = false;
}

size_t stream_tls_unread(const struct stream *s)
{
    return s->tls != NULL ? evbuffer_get_length(bufferevent_get_input(s->wire)) : 0;
}

size_t stream_tls_unwritten(const struct stream *s)
{
    return s->tls != NULL ? evbuffer_get_length(bufferevent_get_output(s->tls)) : 0;
}

void stream_tls_free(struct stream *s)
{
    if (s->tls == NULL)
        return;
    stream_shake_cancel(s);
    if (s->out == bufferevent_get_output(s->wire))
        s->out = NULL;
    if (s->in == bufferevent_get_input(s->tls))
        s->in = NULL;
    bufferevent_free(s->tls);
    s->tls = s->wire = NULL;
    s->ssl = NULL;
    s->tls_waits = false;
}
