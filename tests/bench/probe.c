/* SPDX-License-Identifier: MIT */
/*
 * What two XMPP servers carry when a component costs nothing: a raw XEP-0114 probe.
 *
 *   probe [-a] [-s OCTETS] [-w WINDOW] [-t SECONDS] FROM-JID FROM-HOST TO-JID TO-HOST [PORT]
 *
 * It attaches as a component at both servers and sends IQs from the one to the other, one payload
 * of so many octets each, neither sealed nor stored; each is answered with an empty result. So
 * many are under way at once. The components' secret comes from standard input. A line of JSON
 * tells the round trips of the time, after a quarter of it as much again for warming up. -a: what
 * is read is acknowledged at once, as the daemon does it.
 *
 * Lean on purpose: it looks for the ends of stanzas and parses nothing.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"
#include "seal/digest.h"

#define READ_BYTES (256 * 1024)

struct end {
    const char *jid;
    int fd;
    struct str in, out;
    size_t sent; /* of out */
    void (*stanza)(struct end *e, const char *s, size_t len);
};

static struct end a, b;
static size_t octets = 4096, window = 16;
static char *payload;
static char tag[32]; /* what ids of this run begin with */
static uint64_t next_id, n_answers;
static bool acks_at_once;
static bool is_flowing; /* each answer brings the next question */
static double *since;   /* by id modulo window */
static double sum_ms;

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "probe: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* ---- the two ends ---- */

static void ask(void)
{
    str_addf(&a.out, "<iq type='set' id='%s%llu' from='%s' to='%s'><p xmlns='urn:probe'>", tag,
             (unsigned long long)next_id, a.jid, b.jid);
    str_addn(&a.out, payload, octets);
    str_add(&a.out, "</p></iq>");
    since[next_id++ % window] = now();
}

/* The value of an attribute of the stanza's first tag, quoted as its server likes. NULL: none. */
static const char *attribute(const char *s, size_t len, const char *name, size_t *n_r)
{
    const char *end = memchr(s, '>', len), *at = s;
    size_t n = strlen(name);

    while (end != NULL && (at = memchr(at, ' ', (size_t)(end - at))) != NULL) {
        at++;
        if ((size_t)(end - at) > n + 2 && memcmp(at, name, n) == 0 && at[n] == '=') {
            const char *close = memchr(at + n + 2, at[n + 1], (size_t)(end - at - n - 2));

            *n_r = close != NULL ? (size_t)(close - at - n - 2) : 0;
            return close != NULL ? at + n + 2 : NULL;
        }
    }
    return NULL;
}

/*
 * The number in the stanza's id, or -1: it is of the probe that ran before under the same names,
 * whose stanzas the servers still had.
 */
static long long own_number(const char *s, size_t len)
{
    size_t n = 0, skip;
    const char *id = attribute(s, len, "id", &n);

    if (id == NULL)
        die("no id", s);
    skip = strlen(tag);
    return n > skip && memcmp(id, tag, skip) == 0 ? strtoll(id + skip, NULL, 10) : -1;
}

static void at_a(struct end *e, const char *s, size_t len)
{
    size_t n = 0;
    const char *type = attribute(s, len, "type", &n);
    long long number = own_number(s, len);

    (void)e;
    if (number < 0)
        return;
    if (type == NULL || n != 6 || memcmp(type, "result", 6) != 0)
        die("no result", s);
    sum_ms += (now() - since[(size_t)number % window]) * 1e3;
    n_answers++;
    if (is_flowing)
        ask();
}

static void at_b(struct end *e, const char *s, size_t len)
{
    size_t n = 0;
    const char *id = attribute(s, len, "id", &n);

    if (own_number(s, len) < 0)
        return;
    if (id == NULL || len < octets)
        die("no question", s);
    str_addf(&e->out, "<iq type='result' id='%.*s' from='%s' to='%s'/>", (int)n, id, b.jid, a.jid);
}

/* ---- streams ---- */

static void transmit(struct end *e)
{
    while (e->sent < e->out.len) {
        ssize_t n = send(e->fd, e->out.s + e->sent, e->out.len - e->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send", strerror(errno));
        e->sent += (size_t)n;
    }
    str_truncate(&e->out, 0);
    e->sent = 0;
}

/* The length of the stanza that begins at s, or 0: its end has not come. */
static size_t stanza_length(const char *s, size_t len, size_t from)
{
    const char *gt = memchr(s, '>', len), *end;

    if (gt == NULL)
        return 0;
    if (gt[-1] == '/')
        return (size_t)(gt - s) + 1;
    from = MAX(from, (size_t)(gt - s));
    from = from > 5 ? from - 5 : 0;
    end = memmem(s + from, len - from, "</iq>", 5);
    return end != NULL ? (size_t)(end - s) + 5 : 0;
}

static void receive(struct end *e)
{
    static const int acks_on = 1;
    size_t at = 0, seen = e->in.len;
    ssize_t n;

    str_reserve(&e->in, READ_BYTES);
    n = recv(e->fd, e->in.s + e->in.len, READ_BYTES, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die(e->jid, "the server has hung up");
    if (n < 0)
        return;
    if (acks_at_once)
        (void)setsockopt(e->fd, IPPROTO_TCP, TCP_QUICKACK, &acks_on, sizeof(acks_on));
    e->in.len += (size_t)n;
    e->in.s[e->in.len] = '\0';
    while (at < e->in.len) {
        size_t len;

        if (e->in.s[at] != '<') { /* white space between stanzas */
            at++;
            continue;
        }
        if (e->in.len - at < 4)
            break;
        if (memcmp(e->in.s + at, "<iq", 3) != 0)
            die("not an iq", e->in.s + at);
        len = stanza_length(e->in.s + at, e->in.len - at, at == 0 ? seen : 0);
        if (len == 0)
            break;
        e->stanza(e, e->in.s + at, len);
        at += len;
    }
    memmove(e->in.s, e->in.s + at, e->in.len - at);
    str_truncate(&e->in, e->in.len - at);
}

/* Until a whole tag that begins with `what` has come; where it begins. */
static const char *read_tag(struct end *e, const char *what)
{
    double until = now() + 10;
    const char *at;

    while (e->in.s == NULL || (at = strstr(e->in.s, what)) == NULL || strchr(at, '>') == NULL) {
        struct pollfd p = { .fd = e->fd, .events = POLLIN };
        ssize_t n;

        if (now() > until || poll(&p, 1, 1000) < 0)
            die(e->jid, "the server does not answer");
        str_reserve(&e->in, READ_BYTES);
        n = recv(e->fd, e->in.s + e->in.len, READ_BYTES, MSG_DONTWAIT);
        if (n == 0)
            die(e->jid, e->in.s);
        if (n > 0)
            e->in.len += (size_t)n;
        if (e->in.s != NULL)
            e->in.s[e->in.len] = '\0';
    }
    return at;
}

static void attach(struct end *e, const char *jid, const char *host, uint16_t port,
                   const char *secret)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct str out = STR_INIT;
    const char *id;
    char digest[41];
    int on = 1;

    *e = (struct end){ .jid = jid, .in = STR_INIT, .out = STR_INIT };
    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || e->fd < 0 ||
        connect(e->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die(host, strerror(errno));
    (void)setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)fcntl(e->fd, F_SETFL, O_NONBLOCK);
    str_addf(&e->out,
             "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
             "xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
             jid);
    transmit(e);
    id = strstr(read_tag(e, "<stream:stream"), " id=");
    if (id == NULL)
        die("no stream id", e->in.s);
    str_addn(&out, id + 5, strcspn(id + 5, "'\""));
    str_add(&out, secret);
    digest_sha1_hex(out.s, out.len, digest);
    str_addf(&e->out, "<handshake>%s</handshake>", digest);
    str_truncate(&e->in, 0);
    transmit(e);
    (void)read_tag(e, "<handshake");
    str_truncate(&e->in, 0);
    str_clear(&out);
}

static void run_for(double seconds)
{
    double until = now() + seconds;
    double heard = now();

    while (now() < until) {
        struct pollfd p[2] = {
            {.fd = a.fd,  .events = (short)(POLLIN | (a.out.len > 0 ? POLLOUT : 0))},
            { .fd = b.fd, .events = (short)(POLLIN | (b.out.len > 0 ? POLLOUT : 0))},
        };
        struct end *ends[] = { &a, &b };

        if (poll(p, 2, 100) < 0 && errno != EINTR)
            die("poll", strerror(errno));
        for (size_t i = 0; i < 2; i++)
            if ((p[i].revents & ~POLLOUT) != 0) {
                receive(ends[i]);
                heard = now();
            }
        for (size_t i = 0; i < 2; i++)
            transmit(ends[i]);
        if (now() - heard > 15)
            die("waiting", "nothing for 15 seconds");
    }
}

/*
 * One question until one is answered: what is sent while a server still takes leave of the probe
 * before this one may vanish.
 */
static void say_hello(void)
{
    for (int tries = 0; n_answers == 0; tries++) {
        if (tries == 20)
            die("waiting", "no answer in 20 seconds");
        ask();
        transmit(&a);
        for (int i = 0; i < 20 && n_answers == 0; i++)
            run_for(0.05);
    }
}

/* Until the server has closed, too: the next probe takes the same names. */
static void leave(struct end *e)
{
    static char waste[65536];
    double until = now() + 10;
    ssize_t n = 1;

    str_add(&e->out, "</stream:stream>");
    while (n != 0 && now() < until) {
        struct pollfd p = { .fd = e->fd,
                            .events = (short)(POLLIN | (e->out.len > 0 ? POLLOUT : 0)) };

        (void)poll(&p, 1, 100);
        if (e->out.len > 0)
            transmit(e);
        n = recv(e->fd, waste, sizeof(waste), 0);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            n = 0;
    }
    (void)close(e->fd);
}

int main(int argc, char **argv)
{
    double seconds = 3, began;
    uint64_t before;
    char secret[256];
    uint16_t port;
    int o;

    while ((o = getopt(argc, argv, "as:w:t:")) != -1) {
        switch (o) {
        case 'a':
            acks_at_once = true;
            break;
        case 's':
            octets = strtoul(optarg, NULL, 10);
            break;
        case 'w':
            window = strtoul(optarg, NULL, 10);
            break;
        case 't':
            seconds = atof(optarg);
            break;
        default:
            return 2;
        }
    }
    if (argc - optind < 4 || window == 0 || fgets(secret, sizeof(secret), stdin) == NULL) {
        (void)fputs("usage: probe [-a] [-s OCTETS] [-w WINDOW] [-t SECONDS] FROM-JID FROM-HOST TO-JID "
                    "TO-HOST [PORT] <secret\n",
                    stderr);
        return 2;
    }
    secret[strcspn(secret, "\n")] = '\0';
    port = argc - optind > 4 ? (uint16_t)atoi(argv[optind + 4]) : 5347;
    (void)snprintf(tag, sizeof(tag), "p%d-", (int)getpid());
    payload = mem_alloc(octets + 1);
    for (size_t i = 0; i < octets; i++)
        payload[i] = (char)(i % 64 == 63 ? '\n' : 'a' + i % 26);
    since = mem_zalloc(window * sizeof(*since));
    attach(&b, argv[optind + 2], argv[optind + 3], port, secret);
    attach(&a, argv[optind], argv[optind + 1], port, secret);
    a.stanza = at_a;
    b.stanza = at_b;
    say_hello();
    is_flowing = true;
    for (size_t i = 0; i < window; i++)
        ask();
    transmit(&a);
    run_for(seconds / 4);
    before = n_answers;
    sum_ms = 0;
    began = now();
    run_for(seconds);
    seconds = now() - began;
    n_answers -= before;
    (void)printf("{\"what\":\"probe\",\"octets\":%zu,\"window\":%zu,\"ops\":%llu,\"seconds\":%.3f,"
                 "\"per_s\":%.1f,\"mean_ms\":%.3f}\n",
                 octets, window, (unsigned long long)n_answers, seconds,
                 (double)n_answers / seconds, n_answers > 0 ? sum_ms / (double)n_answers : 0);
    (void)fflush(stdout);
    leave(&a);
    leave(&b);
    return 0;
}
