/* SPDX-License-Identifier: MIT */
/*
 * The dear part of a server's handshake, on a worker: the answer to the client's hello, which is
 * the key agreement and the signature, four fifths of what a handshake costs. So who calls after a
 * restart, all at once, neither keeps the loop from those who are here nor has but one processor.
 *
 * While a worker has the TLS state, nobody else touches it: what comes from the socket waits in the
 * filter's input, what the owner writes stays held. It is the filter's again when the answer is
 * here, and what is left of the handshake goes its way (stream_tls.c). The worker holds a reference
 * of its own, as the stream may have gone meanwhile.
 *
 * Who finds the pool busy has his answer made on the loop: work in a queue may be slow work.
 */
#include "config.h"

#include "loop/stream.h"

#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/mem.h"
#include "loop/worker.h"

#include "loop/stream_private.h"

#define QUEUED_MAX 32 /* works of any kind in the pool: more, and it is busy */

struct shaking {
    struct work work; /* first: see loop/worker.h */
    const struct stream_tls_hooks *hooks;
    struct stream *stream; /* loop thread; NULL: it has gone */
    struct ssl_st *ssl;
    struct str in, out;
    unsigned long code;
    int rc;
};

void stream_set_tls_worker(struct loop *lp, struct worker *wk)
{
    lp->tls_worker = wk;
}

static void shaking_free(struct shaking *sh)
{
    sh->hooks->release(sh->ssl);
    str_clear(&sh->in);
    str_clear(&sh->out);
    free(sh);
}

static void run(struct work *w)
{
    struct shaking *sh = (struct shaking *)w;

    sh->rc = sh->hooks->shake(sh->ssl, &sh->in, &sh->out, &sh->code);
}

static void drop(struct work *w)
{
    struct shaking *sh = (struct shaking *)w;

    if (sh->stream != NULL)
        sh->stream->shaking = NULL;
    shaking_free(sh);
}

static void done(struct work *w)
{
    struct shaking *sh = (struct shaking *)w;
    struct stream *s = sh->stream;

    if (s == NULL) {
        shaking_free(sh);
        return;
    }
    s->shaking = NULL;
    (void)evbuffer_add(s->out, sh->out.s, sh->out.len);
    stream_mark_dirty(s);
    if (sh->rc < 0) {
        stream_tls_failed(s, sh->code);
    } else {
        stream_read_on(s);
        if (stream_tls_unread(s) > 0)
            stream_tls_feed(s, "", 0);
        stream_tell(s);
    }
    shaking_free(sh);
}

bool stream_shake(struct stream *s, const void *p, size_t n)
{
    struct loop *lp = s->loop;
    struct shaking *sh;

    if (s->shaking != NULL) {
        (void)evbuffer_add(bufferevent_get_input(s->wire), p, n);
        return true;
    }
    if (!s->owes_hello)
        return false;
    s->owes_hello = false;
    if (lp->tls_worker == NULL || lp->tls_hooks == NULL || lp->tls_hooks->shake == NULL ||
        worker_queued(lp->tls_worker) >= QUEUED_MAX)
        return false;
    sh = mem_zalloc(sizeof(*sh));
    sh->work = (struct work){ .run = run, .done = done, .drop = drop };
    sh->hooks = lp->tls_hooks;
    sh->stream = s;
    sh->ssl = s->ssl;
    sh->hooks->hold(sh->ssl);
    str_addn(&sh->in, p, n);
    s->shaking = sh;
    (void)worker_submit(lp->tls_worker, &sh->work);
    return true;
}

void stream_shake_cancel(struct stream *s)
{
    if (s->shaking == NULL)
        return;
    s->shaking->stream = NULL;
    worker_cancel(s->loop->tls_worker, s->shaking->work.id);
    s->shaking = NULL;
}
