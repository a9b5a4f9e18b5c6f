/* SPDX-License-Identifier: MIT */
/*
 * What the endpoint of a running immpd does: clients over TLS, threads that each have one
 * connection at a time, or many that say nothing.
 *
 *   endpoint_bench PORT PID ACCOUNT handshake|login|deliver SECONDS THREADS
 *   endpoint_bench PORT PID ACCOUNT idle CONNECTIONS
 *
 * The secret comes from standard input. handshake: connect, UPGRADE TLS3, a full handshake, QUIT;
 * login: the same with AUTH SECRET and its 210; deliver: DELIVER of 4 KB to the account itself, one
 * after the other on each connection. idle: so many authenticated sessions, and what each costs
 * the daemon (PSS of process PID). A line of JSON is printed; cpu_us is the daemon's per operation.
 *
 * Clients call from 127.1.0.0/16, since the daemon limits connections by address.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "seal/context.h"
#include "seal/password.h"

#define CONTENT_BYTES 4096

struct client {
    int fd;
    struct ssl_st *ssl; /* NULL: still in clear */
    char buf[8192];
    size_t len;
};

static uint16_t port;
static const char *account;
static char *secret;
static struct context *context;
static atomic_uint next_source;
static atomic_ullong n_done;
static double until;

static char h[PASSWORD_H_SIZE]; /* of the account's salt, derived once */
static pthread_once_t h_once = PTHREAD_ONCE_INIT;
static char h_nonces[512];

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "endpoint_bench: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* ---- the daemon's side, from /proc ---- */

static double daemon_cpu_s(int pid)
{
    char path[64], line[1024] = "";
    unsigned long user, sys;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL)
        die("no such daemon", path);
    (void)fclose(f);
    if (sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &sys) != 2)
        die("cannot read", path);
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static long daemon_pss_kb(int pid)
{
    char path[64], line[256];
    long kb = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    f = fopen(path, "r");
    if (f == NULL)
        die("no such daemon", path);
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "Pss: %ld kB", &kb) == 1)
            break;
    (void)fclose(f);
    return kb;
}

/* ---- talking ---- */

static void put(struct client *c, const void *p, size_t n)
{
    if (c->ssl != NULL ? context_write(c->ssl, p, n, NULL) < 0
                       : send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
        die("writing", "the daemon has gone");
}

static void say(struct client *c, const char *s)
{
    put(c, s, strlen(s));
}

/* Read until a line begins with `code` and a space; that line. */
static const char *expect(struct client *c, const char *code, char *line, size_t size)
{
    for (;;) {
        char *lf = memchr(c->buf, '\n', c->len);
        long n;

        if (lf != NULL) {
            size_t len = (size_t)(lf - c->buf) + 1;

            (void)snprintf(line, size, "%.*s", (int)len - 1, c->buf);
            memmove(c->buf, c->buf + len, c->len - len);
            c->len -= len;
            if (line[0] == '4' || line[0] == '7')
                die("refused", line);
            if (strncmp(line, code, 3) == 0 && line[3] == ' ')
                return line;
            continue;
        }
        n = c->ssl != NULL ? context_read(c->ssl, c->buf + c->len, sizeof(c->buf) - c->len, NULL)
                           : recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, 0);
        if (n <= 0)
            die("waiting for", code);
        c->len += (size_t)n;
    }
}

static void open_client(struct client *c)
{
    unsigned source = atomic_fetch_add(&next_source, 1) / 500 % 60000;
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(0x7f010001u + source) };
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char line[256];
    int on = 1;

    c->len = 0;
    c->ssl = NULL;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket", "no descriptor");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect", "refused");
    (void)expect(c, "101", line, sizeof(line));
    say(c, "UPGRADE TLS3\n");
    (void)expect(c, "204", line, sizeof(line));
    c->ssl = context_session(context, CONTEXT_TLS3, NULL);
    if (context_connect(c->ssl, c->fd, NULL, NULL) < 0)
        die("TLS", "no handshake");
}

static void close_client(struct client *c)
{
    char line[256];

    say(c, "QUIT\n");
    (void)expect(c, "205", line, sizeof(line));
    context_close(&c->ssl);
    (void)close(c->fd);
}

/* ---- logging in ---- */

static void value_of(const char *line, const char *name, char *out, size_t size)
{
    const char *at = strstr(line, name);

    if (at == NULL)
        die("no value of", name);
    (void)snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), " "), at + strlen(name));
}

static int from_base64(const char *s, uint8_t *out, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, n_bits = 0;
    size_t n = 0;

    for (; *s != '\0' && *s != '='; s++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *s) - digits);
        n_bits += 6;
        if (n_bits >= 8 && n < size)
            out[n++] = (uint8_t)(bits >> (n_bits -= 8));
    }
    return (int)n;
}

static void derive(void)
{
    struct password_cost cost;
    uint8_t salt[64];
    char text[128], n[16], r[16], p[16];
    int salt_len;

    value_of(h_nonces, " s=", text, sizeof(text));
    value_of(h_nonces, " N=", n, sizeof(n));
    value_of(h_nonces, " r=", r, sizeof(r));
    value_of(h_nonces, " p=", p, sizeof(p));
    cost = (struct password_cost){ (uint32_t)atol(n), (uint32_t)atol(r), (uint32_t)atol(p) };
    salt_len = from_base64(text, salt, sizeof(salt));
    if (password_derive(secret, salt, (size_t)salt_len, cost, h, NULL) < 0)
        die("scrypt", "bad cost");
}

static void login(struct client *c)
{
    char line[512], n1[64], n2[64], k[65];
    uint8_t exporter[PASSWORD_EXPORTER_BYTES];

    (void)snprintf(line, sizeof(line), "AUTH SECRET %s\n", account);
    say(c, line);
    (void)expect(c, "303", line, sizeof(line));
    if (h[0] == '\0') {
        memcpy(h_nonces, line, sizeof(h_nonces));
        pthread_once(&h_once, derive);
    }
    value_of(line, "n1=", n1, sizeof(n1));
    value_of(line, "n2=", n2, sizeof(n2));
    if (context_exporter(c->ssl, exporter, NULL) < 0)
        die("TLS", "no exporter");
    password_k_hmac(h, n1, n2, exporter, k);
    (void)snprintf(line, sizeof(line), "AUTH RESPONSE %s\n", k);
    say(c, line);
    (void)expect(c, "210", line, sizeof(line));
}

/* ---- what is measured ---- */

static void *run_handshakes(void *arg)
{
    bool logs_in = arg != NULL;
    struct client c;

    while (now() < until) {
        open_client(&c);
        if (logs_in)
            login(&c);
        close_client(&c);
        atomic_fetch_add(&n_done, 1);
    }
    return NULL;
}

static void *run_deliveries(void *arg)
{
    struct str say_all = STR_INIT;
    struct client c;
    char line[512];

    (void)arg;
    str_addf(&say_all, "DELIVER TO %s SUBJECT \"bench\"; DATA t.txt LENGTH %d; DONE\n", account,
             CONTENT_BYTES);
    for (int i = 0; i < CONTENT_BYTES; i++)
        str_addc(&say_all, i % 64 == 63 ? '\n' : (char)('a' + i % 26));
    open_client(&c);
    login(&c);
    while (now() < until) {
        put(&c, say_all.s, say_all.len);
        (void)expect(&c, "201", line, sizeof(line));
        atomic_fetch_add(&n_done, 1);
    }
    close_client(&c);
    str_clear(&say_all);
    return NULL;
}

static void run_threads(const char *mode, int pid, double seconds, size_t n)
{
    pthread_t *threads = mem_alloc(n * sizeof(*threads));
    bool logs_in = strcmp(mode, "login") == 0, delivers = strcmp(mode, "deliver") == 0;
    double cpu = daemon_cpu_s(pid), from = now(), took, ops;

    if (logs_in || delivers) {
        /* Once before the time runs: scrypt is the client's cost. */
        struct client c;

        open_client(&c);
        login(&c);
        close_client(&c);
        cpu = daemon_cpu_s(pid);
        from = now();
    }
    until = from + seconds;
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, delivers ? run_deliveries : run_handshakes,
                           logs_in ? threads : NULL) != 0)
            die("thread", "none to be had");
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
    took = now() - from;
    ops = (double)atomic_load(&n_done);
    (void)printf("{\"what\":\"%s\",\"threads\":%zu,\"per_s\":%.0f,\"cpu_us\":%.0f}\n", mode, n,
                 ops / took, (daemon_cpu_s(pid) - cpu) * 1e6 / ops);
    free(threads);
}

static void run_idle(int pid, size_t n)
{
    struct rlimit rl = { n + 64, n + 64 };
    struct client first, *c = mem_alloc(n * sizeof(*c));
    long before, after;

    if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
        die("descriptors", "not so many");
    /* What the first session makes the daemon load is no session's cost. */
    open_client(&first);
    login(&first);
    before = daemon_pss_kb(pid);
    for (size_t i = 0; i < n; i++) {
        open_client(&c[i]);
        login(&c[i]);
    }
    (void)sleep(1);
    after = daemon_pss_kb(pid);
    (void)printf("{\"what\":\"idle\",\"sessions\":%zu,\"pss_kb\":%ld,\"kb_each\":%.2f}\n", n, after,
                 (double)(after - before) / (double)n);
    for (size_t i = 0; i < n; i++)
        (void)close(c[i].fd);
    free(c);
}

int main(int argc, char **argv)
{
    char line[1024];
    int pid;

    if (argc < 6 || (strcmp(argv[4], "idle") != 0 && argc < 7)) {
        (void)fputs(
            "usage: endpoint_bench PORT PID ACCOUNT handshake|login|deliver SECONDS THREADS\n"
            "       endpoint_bench PORT PID ACCOUNT idle CONNECTIONS\n",
            stderr);
        return 2;
    }
    port = (uint16_t)atoi(argv[1]);
    pid = atoi(argv[2]);
    account = argv[3];
    if (fgets(line, sizeof(line), stdin) == NULL)
        die("the secret", "expected on standard input");
    line[strcspn(line, "\n")] = '\0';
    secret = line;
    context = context_client(NULL);
    if (strcmp(argv[4], "idle") == 0)
        run_idle(pid, (size_t)atol(argv[5]));
    else
        run_threads(argv[4], pid, atof(argv[5]), (size_t)atol(argv[6]));
    context_destroy(&context);
    return 0;
}
