/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pair.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/test.h"
#include "loop/loop_private.h"

static void on_connected(void *ctx)
{
    str_addc(&((struct pair *)ctx)->trail, 'C');
}

static void on_secured(void *ctx)
{
    str_addc(&((struct pair *)ctx)->trail, 'S');
}

static void on_data(void *ctx)
{
    struct pair *p = ctx;
    size_t n;
    const char *s = stream_peek(p->stream, &n);

    assert_true(n > 0);
    str_addc(&p->trail, 'D');
    if (p->on_data != NULL) {
        p->on_data(p);
        return;
    }
    if (!p->takes)
        return;
    str_addn(&p->got, s, n);
    stream_take(p->stream, n);
}

static void on_drained(void *ctx)
{
    str_addc(&((struct pair *)ctx)->trail, 'R');
}

static void on_idle(void *ctx)
{
    str_addc(&((struct pair *)ctx)->trail, 'I');
}

static void on_closed(void *ctx, const struct err *why)
{
    struct pair *p = ctx;

    str_addc(&p->trail, 'X');
    p->why = *why;
    if (p->closes)
        stream_close(&p->stream, true);
}

const struct stream_events pair_events = {
    .connected = on_connected,
    .secured = on_secured,
    .data = on_data,
    .drained = on_drained,
    .idle = on_idle,
    .closed = on_closed,
};

struct pair *pair_of(int fd, int peer)
{
    struct pair *p = calloc(1, sizeof(*p));

    p->clock = clock_fake(1000000);
    p->loop = loop_create(&p->clock, NULL);
    p->loop->turn_ns = 1000000000;
    p->takes = p->closes = true;
    p->peer = peer;
    if (peer >= 0)
        (void)fcntl(peer, F_SETFL, O_NONBLOCK);
    if (fd >= 0)
        p->stream = stream_accept(p->loop, fd, &pair_events, p);
    return p;
}

struct pair *pair_create(void)
{
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    return pair_of(sv[0], sv[1]);
}

void pair_destroy(struct pair **pp)
{
    struct pair *p = *pp;

    stream_close(&p->stream, false);
    if (p->peer >= 0)
        close(p->peer);
    loop_destroy(&p->loop);
    str_clear(&p->got);
    str_clear(&p->trail);
    free(p);
    *pp = NULL;
}

void pair_turns(struct pair *p, int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(p->loop, false);
}

void pair_say(struct pair *p, const char *s)
{
    assert_int_equal(write(p->peer, s, strlen(s)), strlen(s));
}

const char *pair_hear(struct pair *p)
{
    static char buf[1 << 20];
    size_t len = 0;
    ssize_t n;

    while ((n = read(p->peer, buf + len, sizeof(buf) - 16 - len)) > 0)
        len += (size_t)n;
    buf[len] = '\0';
    if (n == 0)
        strcat(buf, "<end>");
    return buf;
}
