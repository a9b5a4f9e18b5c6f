/* SPDX-License-Identifier: MIT */
/*
 * The loop of the load generators: epoll, level-triggered, one thread. Input is handed on as lines
 * from the read buffer itself and kept only where a line is cut; output is tried at once.
 */
#include "config.h"

#include "bench/drive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/tls.h"

#define READ_BYTES (64 * 1024)
#define PER_SOURCE 500 /* connections from one address */

static struct {
    const struct drive_protocol *protocol;
    struct sockaddr_in to;
    bool spread, is_over;
    int epoll;
    unsigned n_opened;
    float *took;
    size_t n_took, took_size;
} the;

void drive_die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

double drive_now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void drive_setup(const struct drive_protocol *p, const char *host, uint16_t port, bool spread)
{
    struct rlimit rl;

    the.protocol = p;
    the.spread = spread;
    the.to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, host, &the.to.sin_addr) != 1)
        drive_die(host, "is no address");
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &rl);
    }
    the.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (the.epoll < 0)
        drive_die("setup", strerror(errno));
    tls_setup();
}

static void watch(struct conn *c, int how)
{
    struct epoll_event ev = { .events = EPOLLIN | (c->wants_out ? EPOLLOUT : 0), .data.ptr = c };

    if (epoll_ctl(the.epoll, how, c->fd, &ev) < 0)
        drive_die("epoll", strerror(errno));
}

void drive_open(struct conn *c, size_t index)
{
    unsigned source = the.spread ? the.n_opened++ / PER_SOURCE % 60000 : 0;
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(0x7f010001u + source) };
    int on = 1;

    *c = (struct conn){ .index = index, .in = STR_INIT, .out = STR_INIT };
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        drive_die("socket", strerror(errno));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Blocking: on loopback the kernel alone answers. */
    if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        connect(c->fd, (struct sockaddr *)&the.to, sizeof(the.to)) < 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        drive_die("connect", strerror(errno));
    watch(c, EPOLL_CTL_ADD);
    if (the.protocol->open != NULL)
        the.protocol->open(c);
}

/* ---- bytes ---- */

static void hung_up(struct conn *c)
{
    if (the.protocol->closed == NULL)
        drive_die("connection", "the server has hung up");
    the.protocol->closed(c);
}

/* >0 bytes, 0 would block, -1 the peer hung up. */
static long receive(struct conn *c, void *p, size_t n)
{
    long got;

    if (c->tls != NULL)
        return tls_read(c->tls, p, n);
    got = recv(c->fd, p, n, 0);
    return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
}

static long transmit(struct conn *c, const void *p, size_t n)
{
    long put;

    if (c->tls != NULL) {
        put = tls_write(c->tls, p, n);
        if (put < 0)
            drive_die("TLS", "writing failed");
        return put;
    }
    put = send(c->fd, p, n, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN)
        drive_die("send", strerror(errno));
    return MAX(put, 0);
}

static void flush(struct conn *c)
{
    bool wants = false;
    size_t at = 0;

    if (c->tls != NULL && !c->is_secure)
        return;
    if (c->tls != NULL && c->out.len == 0)
        (void)transmit(c, "", 0);
    while (at < c->out.len) {
        long n = transmit(c, c->out.s + at, c->out.len - at);

        if (n == 0) {
            wants = true;
            break;
        }
        at += (size_t)n;
    }
    if (at > 0) {
        memmove(c->out.s, c->out.s + at, c->out.len - at);
        str_truncate(&c->out, c->out.len - at);
    }
    if (c->tls != NULL && tls_owes(c->tls))
        wants = true;
    if (wants != c->wants_out) {
        c->wants_out = wants;
        watch(c, EPOLL_CTL_MOD);
    }
}

void conn_say(struct conn *c, const void *p, size_t n)
{
    if (c->out.len == 0 && (c->tls == NULL || c->is_secure)) {
        long done = transmit(c, p, n);

        p = (const char *)p + done;
        n -= (size_t)done;
    }
    if (n > 0)
        str_addn(&c->out, p, n);
    if (n > 0 || (c->tls != NULL && tls_owes(c->tls)))
        flush(c);
}

void conn_says(struct conn *c, const char *s)
{
    conn_say(c, s, strlen(s));
}

static void shake(struct conn *c)
{
    int rc = tls_shake(c->tls);

    if (rc < 0)
        drive_die("TLS", "no handshake");
    if (rc == 0)
        return;
    c->is_secure = true;
    the.protocol->secured(c);
    /* The end of the handshake leaves with what was said, or alone. */
    if (c->tls != NULL && tls_owes(c->tls))
        flush(c);
}

void conn_start_tls(struct conn *c)
{
    c->tls = tls_open(c->fd);
}

void conn_skip(struct conn *c, size_t n)
{
    c->skip = n;
}

void conn_close(struct conn *c)
{
    tls_close(&c->tls);
    (void)close(c->fd);
    c->fd = -1;
    str_clear(&c->in);
    str_clear(&c->out);
}

/* Whole lines of s go to the protocol; how much was used. The connection may close meanwhile. */
static size_t hand_on(struct conn *c, char *s, size_t len)
{
    size_t at = 0;

    while (at < len && c->fd >= 0) {
        char *lf;
        size_t n;

        if (c->skip > 0) {
            n = MIN(c->skip, len - at);
            c->skip -= n;
            at += n;
            if (c->skip == 0 && the.protocol->octets != NULL)
                the.protocol->octets(c);
            continue;
        }
        lf = memchr(s + at, '\n', len - at);
        if (lf == NULL)
            break;
        n = (size_t)(lf - (s + at));
        *lf = '\0';
        if (n > 0 && s[at + n - 1] == '\r')
            s[at + --n] = '\0';
        the.protocol->line(c, s + at, n);
        at = (size_t)(lf - s) + 1;
    }
    return at;
}

static void take(struct conn *c, char *s, size_t len)
{
    size_t used;

    if (c->in.len > 0) {
        struct str whole = c->in;

        c->in = (struct str)STR_INIT;
        str_addn(&whole, s, len);
        used = hand_on(c, whole.s, whole.len);
        if (c->fd >= 0 && used < whole.len)
            str_addn(&c->in, whole.s + used, whole.len - used);
        str_clear(&whole);
        return;
    }
    used = hand_on(c, s, len);
    if (c->fd >= 0 && used < len)
        str_addn(&c->in, s + used, len - used);
}

static void readable(struct conn *c)
{
    static char buf[READ_BYTES + 1];

    if (c->tls != NULL && !c->is_secure) {
        shake(c);
        if (c->fd < 0 || !c->is_secure)
            return;
    }
    for (;;) {
        const struct tls *had = c->tls;
        long n = receive(c, buf, READ_BYTES);

        if (n < 0) {
            hung_up(c);
            return;
        }
        if (n == 0)
            return;
        take(c, buf, (size_t)n);
        /* Plain: level-triggered epoll asks again. TLS: what was received, epoll does not see. */
        if (c->fd < 0 || c->tls == NULL || c->tls != had || !tls_has_record(c->tls))
            return;
    }
}

void drive_run(void)
{
    struct epoll_event events[256];

    the.is_over = false;
    while (!the.is_over) {
        int n = epoll_wait(the.epoll, events, N_ELEMENTS(events), 20000);

        if (n == 0)
            drive_die("waiting", "nothing for 20 seconds");
        if (n < 0 && errno != EINTR)
            drive_die("epoll", strerror(errno));
        for (int i = 0; i < n && !the.is_over; i++) {
            struct conn *c = events[i].data.ptr;

            if ((events[i].events & EPOLLOUT) != 0 && c->fd >= 0)
                flush(c);
            if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && c->fd >= 0)
                readable(c);
        }
    }
}

void drive_stop(void)
{
    the.is_over = true;
}

/* ---- times ---- */

void str_add_numbered(struct str *out, const char *s, size_t number)
{
    const char *at = strstr(s, "%u");

    if (at == NULL)
        str_add(out, s);
    else
        str_addf(out, "%.*s%zu%s", (int)(at - s), s, number, at + 2);
}

void drive_took(double seconds)
{
    if (the.n_took == the.took_size) {
        the.took_size = the.took_size > 0 ? the.took_size * 2 : 4096;
        the.took = mem_realloc(the.took, the.took_size * sizeof(*the.took));
    }
    the.took[the.n_took++] = (float)seconds;
}

void drive_forget(void)
{
    the.n_took = 0;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static double percentile(size_t p)
{
    return the.n_took > 0 ? (double)the.took[MIN(the.n_took * p / 100, the.n_took - 1)] * 1e3 : 0;
}

void drive_report(const char *what, size_t connections, double began, double ended)
{
    double seconds = ended - began;

    qsort(the.took, the.n_took, sizeof(*the.took), by_value);
    (void)printf("{\"what\":\"%s\",\"connections\":%zu,\"ops\":%zu,\"began\":%.4f,"
                 "\"seconds\":%.3f,\"per_s\":%.1f,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n",
                 what, connections, the.n_took, began, seconds, (double)the.n_took / seconds,
                 percentile(50), percentile(99));
    (void)fflush(stdout);
}

/* ---- what was asked for ---- */

struct load load = { .connections = 1, .octets = 4096, .users = 1 };

bool load_option(int letter)
{
    switch (letter) {
    case 'c':
        load.connections = strtoul(optarg, NULL, 10);
        return true;
    case 'n':
        load.limit = strtoul(optarg, NULL, 10);
        return true;
    case 's':
        load.octets = strtoul(optarg, NULL, 10);
        return true;
    case 't':
        load.seconds = atof(optarg);
        return true;
    case 'u':
        load.users = strtoul(optarg, NULL, 10);
        return true;
    default:
        return false;
    }
}

bool load_is_over(void)
{
    return (load.limit > 0 && load.n_begun >= load.limit) ||
           (load.seconds > 0 && load.n_begun > 0 && drive_now() >= load.until);
}

void load_stay(void)
{
    char buf[256];

    (void)puts("ready");
    (void)fflush(stdout);
    while (read(STDIN_FILENO, buf, sizeof(buf)) > 0)
        ;
}
