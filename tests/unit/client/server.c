/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "unit/client/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "seal/context.h"
#include "seal/digest.h"
#include "seal/password.h"

#include "lib/patience.h"
#include "lib/temp_dir.h"
#include "lib/test.h"

#define N1 "0b6f3c1e-7a5d-4c11-9a43-5d1f0e7c2b19"
#define N2 "1795490508"

struct server {
    pthread_t thread;
    char *script;
    char port[8];
    int listener, fd;
    struct ssl_st *ssl;
    char wrong[400]; /* what was not as it should be */
};

struct str server_taken;
static char folder[TEMP_DIR_SIZE];
static struct context *context;

void server_setup(void)
{
    temp_dir_make(folder);
    context = context_server("localhost", folder, NULL, NULL, NULL);
    assert_non_null(context);
}

void server_teardown(void)
{
    context_destroy(&context);
    temp_dir_remove(folder);
    str_clear(&server_taken);
}

static int fault(struct server *s, const char *what, const char *detail)
{
    if (s->wrong[0] == '\0')
        (void)snprintf(s->wrong, sizeof(s->wrong), "%s: %.200s", what, detail);
    return -1;
}

/* ---- bytes ---- */

static int say(struct server *s, const char *p, size_t n)
{
    if (s->ssl != NULL)
        return context_write(s->ssl, p, n, NULL);
    return send(s->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static long hear(struct server *s, char *p, size_t n)
{
    return s->ssl != NULL ? context_read(s->ssl, p, n, NULL) : recv(s->fd, p, n, 0);
}

static int hear_line(struct server *s, char *line, size_t size)
{
    size_t n = 0;

    while (n + 1 < size) {
        if (hear(s, line + n, 1) != 1)
            return fault(s, "the client has gone, but", "a line was awaited");
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
    return 0;
}

/* ---- steps ---- */

static int say_line(struct server *s, const char *text)
{
    struct str line = STR_INIT;
    int rc;

    str_addf(&line, "%s\n", text);
    rc = say(s, line.s, line.len);
    str_clear(&line);
    return rc;
}

static int expect(struct server *s, const char *text, bool is_whole)
{
    char line[9000];

    if (hear_line(s, line, sizeof(line)) < 0)
        return fault(s, "awaited", text);
    if (is_whole ? strcmp(line, text) != 0 : !str_starts(line, text))
        return fault(s, text, line);
    return 0;
}

static int handshake(struct server *s, int version)
{
    s->ssl = context_session(context, version == 2 ? CONTEXT_TLS2 : CONTEXT_TLS3, NULL);
    return context_connect(s->ssl, s->fd, NULL, NULL) < 0 ? fault(s, "no handshake", "") : 0;
}

static int upgrade(struct server *s, const char *version)
{
    struct str line = STR_INIT;
    int rc;

    str_addf(&line, "UPGRADE TLS%s", version);
    rc = expect(s, str_c(&line), true);
    str_clear(&line);
    if (rc < 0 || say_line(s, "204 Upgrading.") < 0)
        return -1;
    return handshake(s, atoi(version));
}

static int login(struct server *s, const char *secret)
{
    static const struct password_cost cost = PASSWORD_COST_DEFAULT;
    uint8_t exporter[PASSWORD_EXPORTER_BYTES];
    char h[PASSWORD_H_SIZE], key[65];
    struct str want = STR_INIT;
    int rc;

    if (expect(s, "AUTH SECRET \"alice@a.test\"", false) < 0 ||
        say_line(s, "302 Shared secret authentication request initiated.") < 0 ||
        say_line(s, "303 n1=" N1 " n2=" N2 " h=scrypt s=c2FsdHNhbHQ= N=32768 r=8 p=1 "
                    "k=sha1,hmac-sha256 new=1") < 0)
        return -1;
    if (password_derive(secret, (const uint8_t *)"saltsalt", 8, cost, h, NULL) < 0 ||
        context_exporter(s->ssl, exporter, NULL) < 0)
        return fault(s, "no key", "");
    password_k_hmac(h, N1, N2, exporter, key);
    str_addf(&want, "AUTH RESPONSE %s", key);
    rc = expect(s, str_c(&want), true);
    str_clear(&want);
    return rc < 0 ? -1 : say_line(s, "210 Authentication accepted for alice@a.test");
}

static int take(struct server *s, size_t left)
{
    char piece[4096];

    while (left > 0) {
        long n = hear(s, piece, left < sizeof(piece) ? left : sizeof(piece));

        if (n <= 0)
            return fault(s, "the client has gone, but", "octets were awaited");
        str_addn(&server_taken, piece, (size_t)n);
        left -= (size_t)n;
    }
    return 0;
}

static int give(struct server *s, size_t left)
{
    char piece[4096];

    memset(piece, 'x', sizeof(piece));
    while (left > 0) {
        size_t n = left < sizeof(piece) ? left : sizeof(piece);

        if (say(s, piece, n) < 0)
            return -1;
        left -= n;
    }
    return 0;
}

static int silence(struct server *s)
{
    char c;

    while (hear(s, &c, 1) > 0)
        continue;
    return 0;
}

/* Two lines in one piece. */
static int say_both(struct server *s, const char *text)
{
    char *lines = mem_strdup(text);
    int rc;

    *strchr(lines, '|') = '\n';
    rc = say_line(s, lines);
    free(lines);
    return rc;
}

static int greet(struct server *s)
{
    static const char text[] = "100- IMMP/1.0 Server at a.test\n"
                               "100- Please upgrade the connection to one of the following:\n"
                               "100 TLS2 TLS3\n"
                               "101 p=IMMP v=1.0 d=a.test\n";

    return say(s, text, sizeof(text) - 1);
}

static int step(struct server *s, const char *line)
{
    if (str_starts(line, "S: "))
        return say_line(s, line + 3);
    if (str_starts(line, "s: "))
        return say(s, line + 3, strlen(line + 3));
    if (strcmp(line, "LF") == 0)
        return say(s, "\n", 1);
    if (str_starts(line, "BOTH "))
        return say_both(s, line + 5);
    if (str_starts(line, "C: "))
        return expect(s, line + 3, true);
    if (str_starts(line, "C~ "))
        return expect(s, line + 3, false);
    if (strcmp(line, "GREET") == 0)
        return greet(s);
    if (str_starts(line, "UPGRADE "))
        return upgrade(s, line + 8);
    if (str_starts(line, "TLS "))
        return handshake(s, atoi(line + 4));
    if (str_starts(line, "LOGIN "))
        return login(s, line + 6);
    if (str_starts(line, "TAKE "))
        return take(s, (size_t)atol(line + 5));
    if (str_starts(line, "GIVE "))
        return give(s, (size_t)atol(line + 5));
    if (strcmp(line, "QUIT") == 0)
        return expect(s, "QUIT", true) < 0 ? -1 : say_line(s, "205 bye");
    if (strcmp(line, "SILENCE") == 0)
        return silence(s);
    return fault(s, "no step", line);
}

static void *play(void *ctx)
{
    struct server *s = ctx;
    struct timeval tv = { .tv_sec = patient_ms(30) };
    char *save = NULL;
    int on = 1;

    s->fd = accept(s->listener, NULL, NULL);
    if (s->fd < 0) {
        (void)fault(s, "no connection", "");
        return NULL;
    }
    (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (char *line = strtok_r(s->script, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        if (step(s, line) < 0)
            break;
    context_close(&s->ssl);
    (void)close(s->fd);
    return NULL;
}

struct server *server_start(const char *script)
{
    struct server *s = mem_zalloc(sizeof(*s));
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct timeval tv = { .tv_sec = patient_ms(30) };
    socklen_t size = sizeof(sin);

    str_truncate(&server_taken, 0);
    s->script = mem_strdup(script);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&sin, size), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sin, &size), 0);
    (void)setsockopt(s->listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)snprintf(s->port, sizeof(s->port), "%u", ntohs(sin.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
    return s;
}

const char *server_port(const struct server *s)
{
    return s->port;
}

const char *server_fingerprint(const struct server *s)
{
    (void)s;
    return context_fingerprint(context);
}

void server_stop(struct server **sp)
{
    struct server *s = *sp;
    char wrong[400];

    assert_int_equal(pthread_join(s->thread, NULL), 0);
    memcpy(wrong, s->wrong, sizeof(wrong));
    (void)close(s->listener);
    free(s->script);
    free(s);
    *sp = NULL;
    if (wrong[0] != '\0')
        fail_msg("%s", wrong);
}
