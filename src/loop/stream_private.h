/* SPDX-License-Identifier: MIT */
/* The inside of a stream, for the files that share it. */
#ifndef LOOP_STREAM_PRIVATE_H
#define LOOP_STREAM_PRIVATE_H

#include "base/str.h"
#include "loop/loop_private.h"
#include "loop/stream.h"

#define STREAM_ADDRESS_SIZE 48
#define STREAM_CLOSE_MS     5000          /* to write what is left, and for the peer to close too */
#define STREAM_CLOSING_MAX  1024          /* more than so many end at once: they cost descriptors */
#define STREAM_LINGER_BYTES (1024u * 1024)

enum stream_state {
    STREAM_CONNECTING = 1,  /* connect() is under way */
    STREAM_OPEN,            /* bytes go both ways; also after the peer's end, until its owner closes */
    STREAM_CLOSING,         /* without an owner: what was written is leaving */
    STREAM_LINGERING,       /* all is written and said to be; the peer's end is awaited */
    STREAM_DOOMED,          /* no descriptor any more; released at the end of the turn */
};

/* Events that wait for the next turn's first step. */
enum {
    STREAM_DUE_CONNECTED = 1 << 0,
    STREAM_DUE_DRAINED   = 1 << 1,
    STREAM_DUE_DATA      = 1 << 2,
    STREAM_DUE_CLOSED    = 1 << 3,
};

struct bufferevent;
struct evbuffer;
struct stream_route;

struct stream {
    struct loop *loop;
    const struct stream_events *ev;  /* NULL: its owner has closed it */
    void *ctx;
    int fd;
    enum stream_state state;
    unsigned due;

    bool is_reading;      /* the read event is set */
    bool is_held;         /* the owner wants no data events */
    bool has_eof;         /* the peer sends nothing more */
    bool is_broken;       /* the socket is of no use any more */
    bool is_high;         /* more than STREAM_LOW was pending: drained is owed */
    bool is_dirty;        /* in the loop's list for the flush */
    bool is_prompt;       /* acknowledges what it reads at once */
    bool tls_waits;       /* stream_start_tls() was called; the clear text before it has to leave */
    bool tls_is_server;
    bool owes_hello;      /* a server's handshake has not begun */
    bool is_secured;      /* the handshake is done */
    bool owes_secured;    /* and the owner has yet to hear it */

    struct event *readable, *writable;  /* writable: made when first needed */
    struct str held;      /* written in this turn */
    size_t clear_len;     /* of held: belongs before the TLS that waits */
    struct evbuffer *in;  /* for the owner; NULL until needed. With TLS the bufferevent's */
    struct evbuffer *out; /* for the kernel; NULL until needed. With TLS the lower bufferevent's */
    struct bufferevent *tls, *wire;     /* the TLS filter, and the buffers below it */
    struct ssl_st *ssl;
    struct shaking *shaking;            /* a worker has ssl */

    struct loop_job pump;               /* brings what is due */
    struct loop_timer *timer;           /* idle; once closing, the end of patience */
    int64_t idle_ms, input_ms;
    uint64_t bytes_out;
    size_t lingered;
    struct err *why;                    /* what closed it; NULL: nothing has */
    struct stream_route *route;         /* addresses still to be tried */
    struct stream *dirty_next, *prev, *next;
    char address[STREAM_ADDRESS_SIZE];
};

/* libevent's objects are small allocations: none of them ever comes back as NULL (base/mem.h). */
void *stream_must(void *p);

struct stream *stream_new(struct loop *lp, const struct stream_events *ev, void *ctx);
/* The descriptor is connected: learn the peer's address, be ready to read. */
void stream_open(struct stream *s, int fd);
void stream_set_fd(struct stream *s, int fd);
void stream_read_on(struct stream *s);
void stream_read_off(struct stream *s);
void stream_want_write(struct stream *s, bool want);
void stream_mark_dirty(struct stream *s);
void stream_owe(struct stream *s, unsigned due);
/* The peer's end (why NULL) or a failure: closed comes in the next turn. broken: nothing can leave either. */
void stream_fail(struct stream *s, bool broken, const struct err *why);
/* In step 1 of a turn: the owner hears that TLS is there, and of the data. */
void stream_tell(struct stream *s);
/* Give `out` to the kernel. */
void stream_push(struct stream *s);
size_t stream_out_len(const struct stream *s);

/* ---- stream_close.c ---- */
void stream_doom(struct stream *s);
void stream_closing_read(struct stream *s);
/* What was written has been pushed: say goodbye, shut down, linger or end. */
void stream_closing_step(struct stream *s);

/* ---- stream_connect.c ---- */
void stream_connect_writable(struct stream *s);
void stream_route_free(struct stream *s);
void stream_format_address(struct stream *s);

/* ---- stream_tls.c ---- */
/* In the flush, around the clear text's leaving. begin: false when the peer has sent clear text after all. */
bool stream_tls_begin(struct stream *s);
void stream_tls_attach(struct stream *s);
void stream_tls_refuse(struct stream *s);
/* The error of a library: the stream ends when what is for the peer has left. */
void stream_tls_failed(struct stream *s, unsigned long code);
void stream_tls_feed(struct stream *s, const void *p, size_t n);
void stream_tls_write_held(struct stream *s);
void stream_tls_goodbye(struct stream *s);
size_t stream_tls_unread(const struct stream *s);    /* received, and not yet a whole record */
size_t stream_tls_unwritten(const struct stream *s); /* waiting for the handshake */
void stream_tls_free(struct stream *s);

/* ---- stream_shake.c ---- */
/* Is or becomes what has come a worker's, or kept behind what a worker has? false: the filter's. */
bool stream_shake(struct stream *s, const void *p, size_t n);
void stream_shake_cancel(struct stream *s);

#endif
