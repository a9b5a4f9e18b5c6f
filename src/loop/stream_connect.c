/* SPDX-License-Identifier: MIT */
/*
 * Connecting, and who the peer is. A name's addresses are tried in the system's order until one
 * answers: "localhost" is ::1 first, and a server may listen on 127.0.0.1 only.
 */
#include "config.h"

#include "loop/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

#include "loop/stream_private.h"

struct stream_route {
    struct addrinfo *all, *next;
};

void stream_format_address(struct stream *s)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(ss);
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&ss;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&ss;

    (void)snprintf(s->address, sizeof(s->address), "unknown");
    if (getpeername(s->fd, (struct sockaddr *)&ss, &len) < 0)
        return;
    if (ss.ss_family == AF_UNIX)
        (void)snprintf(s->address, sizeof(s->address), "unix");
    else if (ss.ss_family == AF_INET)
        (void)inet_ntop(AF_INET, &in->sin_addr, s->address, sizeof(s->address));
    else if (ss.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        (void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], s->address, sizeof(s->address));
    else if (ss.ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, s->address, sizeof(s->address));
}

const char *stream_address(const struct stream *s)
{
    return s->address;
}

int stream_peer_uid(const struct stream *s, uint32_t *uid_r)
{
    struct ucred uc;
    socklen_t len = sizeof(uc);

    if (strcmp(s->address, "unix") != 0 || s->fd < 0 ||
        getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) < 0)
        return -1;
    *uid_r = (uint32_t)uc.uid;
    return 0;
}

void stream_route_free(struct stream *s)
{
    if (s->route == NULL)
        return;
    freeaddrinfo(s->route->all);
    free(s->route);
    s->route = NULL;
}

/* 1 connected, 0 under way, -1 errno. */
static int begin(struct stream *s, int family, const struct sockaddr *sa, socklen_t len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int saved;

    if (fd < 0)
        return -1;
    if (connect(fd, sa, len) == 0) {
        stream_set_fd(s, fd);
        return 1;
    }
    if (errno == EINPROGRESS) {
        stream_set_fd(s, fd);
        stream_want_write(s, true);
        return 0;
    }
    saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static int try_next(struct stream *s)
{
    int rc = -1;

    while (rc < 0 && s->route->next != NULL) {
        const struct addrinfo *ai = s->route->next;

        s->route->next = ai->ai_next;
        rc = begin(s, ai->ai_family, ai->ai_addr, ai->ai_addrlen);
    }
    return rc;
}

static void established(struct stream *s)
{
    stream_route_free(s);
    stream_want_write(s, false);
    stream_open(s, s->fd);
    if (stream_out_len(s) > 0)
        stream_mark_dirty(s);
}

void stream_connect_writable(struct stream *s)
{
    int error = 0, rc;
    socklen_t len = sizeof(error);
    struct err err;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error == 0) {
        established(s);
        stream_read_on(s);
        if (s->ev != NULL)
            s->ev->connected(s->ctx);
        return;
    }
    stream_want_write(s, false);
    errno = error;
    rc = s->route != NULL ? try_next(s) : -1;
    if (rc == 1) {
        established(s);
        stream_owe(s, STREAM_DUE_CONNECTED);
    } else if (rc < 0) {
        (void)err_errno(&err, 0, "connect");
        stream_fail(s, true, &err);
    }
}

static int connect_unix(struct stream *s, const char *path, struct err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int rc;

    if (strlen(path) >= sizeof(un.sun_path))
        return err_set(err, ERR_PERMANENT, 0, "unix:%s: the path is too long", path);
    memcpy(un.sun_path, path, strlen(path));
    rc = begin(s, AF_UNIX, (const struct sockaddr *)&un, sizeof(un));
    return rc < 0 ? err_errno(err, 0, "connect to unix:%s", path) : rc;
}

static int connect_name(struct stream *s, const char *host, uint16_t port, struct err *err)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV };
    struct addrinfo *all = NULL;
    char service[8];
    int rc;

    (void)snprintf(service, sizeof(service), "%u", port);
    rc = getaddrinfo(host, service, &hints, &all);
    if (rc != 0)
        return err_set(err, ERR_TEMPORARY, 0, "no address for %s: %s", host, gai_strerror(rc));
    s->route = mem_alloc(sizeof(*s->route));
    *s->route = (struct stream_route){ all, all };
    rc = try_next(s);
    return rc < 0 ? err_errno(err, 0, "connect to %s port %u", host, port) : rc;
}

struct stream *stream_connect(struct loop *lp, const char *host, uint16_t port,
                              const struct stream_events *ev, void *ctx, struct err *err)
{
    struct stream *s = stream_new(lp, ev, ctx);
    int rc;

    s->state = STREAM_CONNECTING;
    if (strncmp(host, "unix:", 5) == 0)
        rc = connect_unix(s, host + 5, err);
    else
        rc = connect_name(s, host, port, err);
    if (rc < 0) {
        stream_close(&s, false);
        return NULL;
    }
    if (rc == 1) {
        established(s);
        stream_owe(s, STREAM_DUE_CONNECTED);
    }
    return s;
}
