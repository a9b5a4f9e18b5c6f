/* SPDX-License-Identifier: MIT */
/*
 * A connection as bytes in and out: TCP or Unix socket, plain or TLS, accepted or connected.
 * What is written is held until the turn's commit, then leaves in one write (order of truth).
 *
 * Input: at most STREAM_IN_MAX bytes are buffered; while the owner takes nothing, nothing more is
 * read (back-pressure). Output is not bounded here: the owner looks at stream_pending() and
 * stops producing above its own mark; `drained` tells when to go on.
 *
 * TLS objects come from seal/context.h as struct ssl_st; this room does not look into them.
 * Loop thread only. stream_close() may be called from within any event: the stream is gone for
 * its owner at once, no event comes after it.
 */
#ifndef LOOP_STREAM_H
#define LOOP_STREAM_H

#include "base/err.h"
#include "base/str.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_IN_MAX  (256u * 1024)
#define STREAM_LOW     (64u * 1024)   /* drained comes when pending falls to this */

struct ssl_st;
struct stream;

struct stream_events {
    void (*connected)(void *ctx);              /* stream_connect() has succeeded */
    void (*secured)(void *ctx);                /* the TLS handshake is done */
    void (*data)(void *ctx);                   /* there is input: stream_peek(), stream_take() */
    void (*drained)(void *ctx);                /* pending output fell to STREAM_LOW; may be NULL */
    void (*idle)(void *ctx);                   /* the idle time has passed; may be NULL (then closed) */
    void (*closed)(void *ctx, const struct err *why);  /* by the peer (kind ERR_NONE) or an error; after
                                                  what came before it. Output may still leave. The
                                                  owner then calls stream_close() */
};

/* Take over an accepted descriptor (made non-blocking, TCP_NODELAY). */
struct stream *stream_accept(struct loop *lp, int fd, const struct stream_events *ev, void *ctx);
/*
 * Connect to "127.0.0.1" or a name and a port, or to "unix:/path" (port ignored). Names are
 * resolved as the system does, in the call. NULL: err set at once; later failure comes as closed.
 */
struct stream *stream_connect(struct loop *lp, const char *host, uint16_t port,
                              const struct stream_events *ev, void *ctx, struct err *err);
/*
 * flush: what was written before still leaves (at most 5 s), then the stream says goodbye and waits
 * for the peer's end; else it is dropped. An owner that has told of a commit of this turn closes
 * with flush in a later turn only, as a failed one is taken back by stream_discard_held().
 */
void stream_close(struct stream **sp, bool flush);

/* ---- TLS ---- */

/*
 * Start TLS over the connection, after what was written so far has left in clear. ssl is taken over
 * in any case. From this call to the handshake's end nothing is read as data.
 *
 * Returns 0, or -1: clear bytes lie untaken in stream_peek(), and nothing was started. Server side,
 * clear bytes may also come before what was written has left: then nothing is started either, and
 * they come as data, with stream_tls() NULL. Either way they were sent too early, and the owner
 * closes. No clear byte is ever read as TLS, and none is lost unseen.
 */
int stream_start_tls(struct stream *s, struct ssl_st *ssl, bool is_server);
struct ssl_st *stream_tls(const struct stream *s);  /* NULL: plain, or not yet */

/* What this room needs of the TLS library and may not name: seal/context.h fills it. NULL: do without. */
struct stream_tls_hooks {
    void (*goodbye)(struct ssl_st *ssl);  /* write the close_notify */
    void (*explain)(unsigned long code, char *text, size_t size);  /* a library's error code in words */
    /*
     * On a worker: answer the client's hello, or as much of it as `in` holds, which is used up.
     * `out` is for the peer in any case. 0, or -1 and the library's error code.
     */
    int (*shake)(struct ssl_st *ssl, const struct str *in, struct str *out, unsigned long *code_r);
    void (*hold)(struct ssl_st *ssl);     /* one more reference, so that the worker has its own */
    void (*release)(struct ssl_st *ssl);
};
void stream_set_tls_hooks(struct loop *lp, const struct stream_tls_hooks *hooks);  /* borrowed */
/* Where servers' handshakes are made. NULL: in the turn. Borrowed; NULL again before it is destroyed. */
struct worker;
void stream_set_tls_worker(struct loop *lp, struct worker *wk);

/* The buffered input, contiguous; valid until the next call of either. Take n of it when done. */
const char *stream_peek(struct stream *s, size_t *len_r);
void stream_take(struct stream *s, size_t n);
void stream_hold_input(struct stream *s, bool hold);  /* no data events meanwhile */

void stream_write(struct stream *s, const void *p, size_t n);
size_t stream_held(const struct stream *s);           /* written in this turn */
void stream_discard_held(struct stream *s);           /* take back what this turn has written */
size_t stream_pending(const struct stream *s);        /* held, or not yet taken by the kernel */
uint64_t stream_bytes_out(const struct stream *s);    /* handed to the kernel since the start */

/* No input for so long brings idle; 0 never. */
void stream_set_idle(struct stream *s, int64_t idle_ms);

/*
 * From now on, acknowledge what comes as soon as it is read. A peer with Nagle's algorithm on (a
 * Prosody as it is installed) holds back the rest of what it has until its last bytes are
 * acknowledged, and the kernel puts that off by 40 ms in the hope of an answer to carry it. Costs a
 * segment a read. Nothing happens on a Unix socket, or where the kernel has no TCP_QUICKACK.
 */
void stream_acknowledge_at_once(struct stream *s);

/*
 * From now on, the kernel takes no more output than it can send and so many bytes beyond; the rest is
 * pending, where its owner sees it. Without, a peer that does not read has the kernel keep up to 4 MB
 * (net.ipv4.tcp_wmem). Nothing happens where there is no TCP_NOTSENT_LOWAT.
 */
void stream_bound_unsent(struct stream *s, size_t bytes);

/* "192.0.2.1" or "unix", for logs and limits. */
const char *stream_address(const struct stream *s);
/* Unix sockets: the peer's credentials. 0, or -1. */
int stream_peer_uid(const struct stream *s, uint32_t *uid_r);

/* ---- listening ---- */

struct stream_listener;
/*
 * Listen on an address and port ("::" is every address, of IPv4 alone where there is no IPv6), or
 * on "unix:/path" with a mode (a stale socket file is replaced; one in use is an error). accepted
 * is called with a non-blocking descriptor that it owns.
 *
 * Out of descriptors, it rests for 100 ms and tries again: see the counters. An owner that has
 * enough connections pauses it.
 */
struct stream_listener *stream_listen(struct loop *lp, const char *address, uint16_t port,
                                      unsigned unix_mode,
                                      void (*accepted)(void *ctx, int fd), void *ctx,
                                      struct err *err);
uint16_t stream_listener_port(const struct stream_listener *l);  /* the real one where 0 was asked */
void stream_listener_pause(struct stream_listener *l, bool pause);
struct stream_listener_counters {
    uint64_t accepted;
    uint64_t starved;  /* rests for want of descriptors or memory */
};
const struct stream_listener_counters *stream_listener_counters(const struct stream_listener *l);
void stream_listener_close(struct stream_listener **lp);

#endif
