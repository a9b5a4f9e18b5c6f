/* SPDX-License-Identifier: MIT */
/*
 * Listeners. Accepting takes a bounded number of connections per call, so that a burst of
 * strangers leaves room for those who are here. Out of descriptors (or memory for them), a
 * listener that went on would be called again at once and for ever: it rests instead.
 */
#include "config.h"

#include "loop/stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

#include "loop/loop_private.h"

#define ACCEPT_MAX 64
#define BACKLOG    4096
#define REST_MS    100

struct stream_listener {
    struct loop *loop;
    int fd;
    uint16_t port;
    char *path;               /* of a Unix socket, removed at the end */
    struct loop_watch *watch; /* NULL while paused or resting */
    struct loop_timer *rest;
    bool is_paused;
    bool is_closed; /* by its owner, in its own call */
    unsigned depth; /* calls of the owner under way */
    void (*accepted)(void *ctx, int fd);
    void *ctx;
    struct stream_listener_counters counters;
};

static void on_connection(void *ctx);

static void listener_watch(struct stream_listener *l)
{
    bool want = !l->is_paused && !loop_timer_is_set(l->rest);

    if (want && l->watch == NULL)
        l->watch = loop_watch(l->loop, l->fd, false, on_connection, l);
    else if (!want)
        loop_unwatch(&l->watch);
}

static void on_rested(void *ctx)
{
    listener_watch(ctx);
}

static void listener_free(struct stream_listener *l)
{
    loop_unwatch(&l->watch);
    loop_timer_destroy(&l->rest);
    if (l->fd >= 0)
        (void)close(l->fd);
    if (l->path != NULL)
        (void)unlink(l->path);
    free(l->path);
    free(l);
}

/* 1 one more, 0 that was all, -1 no descriptor to be had. */
static int accept_one(struct stream_listener *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        l->counters.accepted++;
        l->accepted(l->ctx, fd);
        return 1;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return -1;
    case EAGAIN:
        return 0;
    default:
        return 1; /* that connection has gone already (ECONNABORTED, EPROTO, …): the next one */
    }
}

static void on_connection(void *ctx)
{
    struct stream_listener *l = ctx;
    int rc = 1;

    l->depth++;
    for (int i = 0; i < ACCEPT_MAX && rc > 0 && !l->is_paused && !l->is_closed; i++) {
        rc = accept_one(l);
        if (loop_is_spent(l->loop))
            break;
    }
    l->depth--;
    if (l->is_closed) {
        listener_free(l);
        return;
    }
    if (rc < 0) {
        l->counters.starved++;
        loop_timer_set(l->rest, REST_MS);
        listener_watch(l);
    }
}

/* ---- opening ---- */

static int open_inet(const struct addrinfo *ai, uint16_t *port_r)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    int on = 1, off = 0, saved;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    memset(&ss, 0, sizeof(ss));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&ss, &len) < 0) {
        saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    *port_r = ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                             : ((struct sockaddr_in *)&ss)->sin_port);
    return fd;
}

static int listen_inet(struct stream_listener *l, const char *address, uint16_t port,
                       struct err *err)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *all = NULL;
    char service[8];
    int rc;

    (void)snprintf(service, sizeof(service), "%u", port);
    rc = getaddrinfo(address, service, &hints, &all);
    if (rc != 0)
        return err_set(err, ERR_PERMANENT, 0, "listen on %s port %u: %s", address, port,
                       gai_strerror(rc));
    l->fd = open_inet(all, &l->port);
    freeaddrinfo(all);
    if (l->fd < 0 && errno == EAFNOSUPPORT && strcmp(address, "::") == 0)
        return listen_inet(l, "0.0.0.0", port, err);
    return l->fd < 0 ? err_errno(err, 0, "listen on %s port %u", address, port) : 0;
}

/* Does somebody answer at that socket file? */
static bool is_alive(const struct sockaddr_un *un)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool alive =
        fd >= 0 && (connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 || errno == EAGAIN);

    if (fd >= 0)
        (void)close(fd);
    return alive;
}

static int listen_unix(struct stream_listener *l, const char *path, unsigned mode, struct err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct stat st;
    mode_t mask;
    int rc;

    if (strlen(path) >= sizeof(un.sun_path))
        return err_set(err, ERR_PERMANENT, 0, "listen on unix:%s: the path is too long", path);
    memcpy(un.sun_path, path, strlen(path));
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (is_alive(&un))
            return err_set(err, ERR_PERMANENT, 0,
                           "listen on unix:%s: another process listens there", path);
        (void)unlink(path);
    }
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return err_errno(err, 0, "listen on unix:%s", path);
    /* Nobody may connect between bind() and chmod() who may not afterwards. */
    mask = umask(0177);
    rc = bind(l->fd, (const struct sockaddr *)&un, sizeof(un));
    (void)umask(mask);
    if (rc < 0)
        return err_errno(err, 0, "listen on unix:%s", path);
    l->path = mem_strdup(path);
    if (chmod(path, (mode_t)mode) < 0 || listen(l->fd, BACKLOG) < 0)
        return err_errno(err, 0, "listen on unix:%s", path);
    return 0;
}

struct stream_listener *stream_listen(struct loop *lp, const char *address, uint16_t port,
                                      unsigned unix_mode, void (*accepted)(void *ctx, int fd),
                                      void *ctx, struct err *err)
{
    struct stream_listener *l = mem_zalloc(sizeof(*l));
    int rc;

    l->loop = lp;
    l->fd = -1;
    l->accepted = accepted;
    l->ctx = ctx;
    l->rest = loop_timer_create(lp, on_rested, l);
    if (strncmp(address, "unix:", 5) == 0)
        rc = listen_unix(l, address + 5, unix_mode, err);
    else
        rc = listen_inet(l, address, port, err);
    if (rc < 0) {
        listener_free(l);
        return NULL;
    }
    listener_watch(l);
    return l;
}

uint16_t stream_listener_port(const struct stream_listener *l)
{
    return l->port;
}

void stream_listener_pause(struct stream_listener *l, bool pause)
{
    l->is_paused = pause;
    listener_watch(l);
}

const struct stream_listener_counters *stream_listener_counters(const struct stream_listener *l)
{
    return &l->counters;
}

void stream_listener_close(struct stream_listener **lp)
{
    struct stream_listener *l = *lp;

    if (l == NULL)
        return;
    *lp = NULL;
    if (l->depth > 0)
        l->is_closed = true;
    else
        listener_free(l);
}
