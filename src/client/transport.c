/* SPDX-License-Identifier: MIT */
/*
 * A client's connection as bytes. One buffer serves lines and octets, in clear and over TLS, so
 * that nothing is read twice and the moment of the upgrade is exact: the buffer must be empty
 * then, or bytes that were injected in clear would count as said under TLS.
 *
 * A line grows in a buffer of its own only when it is longer than what came at once.
 */
#include "config.h"

#include "client/transport_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"

#define BUFFER_BYTES ((size_t)64 * 1024)

struct transport {
    int fd;
    char *host;
    struct context *tls;
    struct ssl_st *ssl;  /* NULL: in clear */
    char *buffer;        /* what came; at to len is not taken yet */
    size_t at, len;
    struct str line;
};

/* ---- connecting ---- */

/* Wait until the connection is made. 0, or -1 with errno. */
static int await_connect(int fd, int timeout_ms)
{
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };
    int failure = 0, rc;
    socklen_t size = sizeof(failure);

    do
        rc = poll(&pfd, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        errno = ETIMEDOUT;
    if (rc <= 0)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0)
        return -1;
    errno = failure;
    return failure == 0 ? 0 : -1;
}

static int set_options(int fd, int timeout_ms)
{
    struct timeval tv = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
    int flags = fcntl(fd, F_GETFL), on = 1;

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return 0;
}

/* A connected descriptor, or -1 with errno. */
static int connect_to(const struct addrinfo *ai, int timeout_ms)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
    int saved;

    if (fd < 0)
        return -1;
    if ((connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 ||
         (errno == EINPROGRESS && await_connect(fd, timeout_ms) == 0)) &&
        set_options(fd, timeout_ms) == 0)
        return fd;
    saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static int find_host(const char *host, const char *port, struct addrinfo **list_r, struct err *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    int rc = getaddrinfo(host, port, &hints, list_r);

    if (rc == 0)
        return 0;
    return err_set(err, rc == EAI_AGAIN ? ERR_TEMPORARY : ERR_PERMANENT, 0,
                   "%s port %s cannot be found: %s", host, port, gai_strerror(rc));
}

struct transport *transport_open(const char *host, const char *port, int timeout_ms,
                                 struct err *err)
{
    struct addrinfo *list, *ai;
    struct transport *t;
    int fd = -1;

    if (find_host(host, port, &list, err) < 0)
        return NULL;
    for (ai = list; ai != NULL && fd < 0; ai = ai->ai_next)
        fd = connect_to(ai, timeout_ms);
    freeaddrinfo(list);
    if (fd < 0) {
        err_set(err, ERR_TEMPORARY, 0, "cannot connect to %s port %s: %s", host, port,
                strerror(errno));
        return NULL;
    }
    t = mem_zalloc(sizeof(*t));
    t->fd = fd;
    t->host = mem_strdup(host);
    t->buffer = mem_alloc(BUFFER_BYTES);
    return t;
}

void transport_close(struct transport **tp)
{
    struct transport *t = *tp;

    if (t == NULL)
        return;
    context_close(&t->ssl);
    context_destroy(&t->tls);
    (void)close(t->fd);
    str_clear(&t->line);
    free(t->buffer);
    free(t->host);
    free(t);
    *tp = NULL;
}

/* ---- TLS ---- */

int transport_start_tls(struct transport *t, enum context_version version, struct err *err)
{
    if (t->at < t->len)
        return err_set(err, ERR_PROTOCOL, 0,
                       "bytes in clear follow the server's consent to TLS: somebody is between");
    t->tls = context_client(err);
    if (t->tls == NULL)
        return -1;
    t->ssl = context_session(t->tls, version, err);
    return t->ssl == NULL ? -1 : context_connect(t->ssl, t->fd, t->host, err);
}

int transport_fingerprint(struct transport *t, char out[FINGERPRINT_SIZE], struct err *err)
{
    return context_peer_fingerprint(t->ssl, out, err);
}

int transport_exporter(struct transport *t, uint8_t out[32], struct err *err)
{
    return context_exporter(t->ssl, out, err);
}

/* ---- bytes ---- */

static int write_plain(struct transport *t, const char *p, size_t n, struct err *err)
{
    while (n > 0) {
        ssize_t done = send(t->fd, p, n, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_set(err, ERR_TEMPORARY, 0, "writing to %s: %s", t->host,
                           errno == EAGAIN ? "it takes nothing for too long" : strerror(errno));
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

int transport_write(struct transport *t, const void *p, size_t n, struct err *err)
{
    return t->ssl != NULL ? context_write(t->ssl, p, n, err) : write_plain(t, p, n, err);
}

static long read_plain(struct transport *t, void *p, size_t n, struct err *err)
{
    ssize_t got;

    do
        got = recv(t->fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set(err, ERR_TEMPORARY, 0, "reading from %s: %s", t->host,
                       errno == EAGAIN ? "it says nothing for too long" : strerror(errno));
    return got;
}

/* Bytes into the empty buffer. 0, or -1: none will come. */
static int fill(struct transport *t, struct err *err)
{
    long got = t->ssl != NULL ? context_read(t->ssl, t->buffer, BUFFER_BYTES, err)
                              : read_plain(t, t->buffer, BUFFER_BYTES, err);

    t->at = 0;
    t->len = got > 0 ? (size_t)got : 0;
    if (got == 0)
        return err_set(err, ERR_TEMPORARY, 0, "%s closed the connection", t->host);
    return got < 0 ? -1 : 0;
}

static int end_line(struct transport *t, char **line_r, struct err *err)
{
    size_t n = t->line.len;

    if (n > 0 && t->line.s[n - 1] == '\r')
        str_truncate(&t->line, n - 1);
    if (t->line.len > 0 && strlen(t->line.s) != t->line.len)
        return err_set(err, ERR_PROTOCOL, 0, "%s sent a line with a NUL", t->host);
    str_reserve(&t->line, 1); /* an empty line is a string too */
    t->line.s[t->line.len] = '\0';
    *line_r = t->line.s;
    return 0;
}

int transport_line(struct transport *t, size_t max, char **line_r, struct err *err)
{
    const char *lf;

    str_truncate(&t->line, 0);
    if (t->line.cap > BUFFER_BYTES)
        str_clear(&t->line);
    for (;;) {
        size_t n;

        if (t->at == t->len && fill(t, err) < 0)
            return -1;
        lf = memchr(t->buffer + t->at, '\n', t->len - t->at);
        n = lf != NULL ? (size_t)(lf - t->buffer) - t->at : t->len - t->at;
        if (t->line.len + n > max)
            return err_set(err, ERR_PROTOCOL, 0, "%s sent a line of more than %zu bytes", t->host,
                           max);
        str_addn(&t->line, t->buffer + t->at, n);
        t->at += n;
        if (lf != NULL) {
            t->at++;
            return end_line(t, line_r, err);
        }
    }
}

long transport_octets(struct transport *t, size_t n, const void **p_r, struct err *err)
{
    size_t take;

    if (t->at == t->len && fill(t, err) < 0)
        return -1;
    take = MIN(n, t->len - t->at);
    *p_r = t->buffer + t->at;
    t->at += take;
    return (long)take;
}
