/* SPDX-License-Identifier: MIT */
/*
 * Clients of an LMTP server (RFC 2033), many in one thread: what immp_load's deliver is to ours.
 *
 *   lmtp_load [-c CONNECTIONS] [-n N] [-t SECONDS] [-s OCTETS] [-u USERS] HOST PORT RECIPIENT
 *
 * Each message is MAIL, RCPT and DATA in one write (RFC 2920), then the content; the next follows
 * its answer. In clear, which is cheaper for the server than the TLS that ours is measured with.
 * RECIPIENT may hold one %u: connection i writes to number i modulo USERS. A line of JSON is
 * printed at the end.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/drive.h"

enum state {
    ST_GREETING = 0, /* connected; awaits 220 */
    ST_HELLO,        /* LHLO said; awaits its last 250 */
    ST_READY,        /* says nothing until all are ready */
    ST_MAIL,         /* MAIL, RCPT, DATA said; awaits 250, 250, 354 */
    ST_CONTENT,      /* content sent; awaits 250 */
    ST_QUIT,         /* awaits 221 */
};

static struct {
    const char *recipient;
    struct str content;
} the;

static void deliver(struct conn *c)
{
    struct str say = STR_INIT;

    if (load_is_over()) {
        c->state = ST_QUIT;
        conn_says(c, "QUIT\r\n");
        return;
    }
    load.n_begun++;
    c->state = ST_MAIL;
    c->since = drive_now();
    str_add(&say, "MAIL FROM:<bench@a.test>\r\nRCPT TO:<");
    str_add_numbered(&say, the.recipient, c->index % load.users);
    str_add(&say, ">\r\nDATA\r\n");
    conn_say(c, say.s, say.len);
    str_clear(&say);
}

static void ready(struct conn *c)
{
    c->state = ST_READY;
    if (++load.n_ready < load.connections)
        return;
    load.began = drive_now();
    load.until = load.began + load.seconds;
    for (size_t i = 0; i < load.connections; i++)
        deliver(&load.conns[i]);
}

static void on_line(struct conn *c, const char *s, size_t len)
{
    int code = atoi(s);

    if (code >= 400)
        drive_die("refused", s);
    if (len > 3 && s[3] == '-')
        return;
    if (c->state == ST_GREETING && code == 220) {
        c->state = ST_HELLO;
        conn_says(c, "LHLO bench.test\r\n");
    } else if (c->state == ST_HELLO && code == 250) {
        ready(c);
    } else if (c->state == ST_MAIL && code == 354) {
        c->state = ST_CONTENT;
        conn_say(c, the.content.s, the.content.len);
    } else if (c->state == ST_CONTENT && code == 250) {
        drive_took(drive_now() - c->since);
        deliver(c);
    } else if (c->state == ST_QUIT && code == 221) {
        conn_close(c);
        if (--load.n_open == 0)
            drive_stop();
    }
}

static void make_content(void)
{
    str_add(&the.content, "From: <bench@a.test>\r\nSubject: bench\r\n"
                          "Content-Type: text/plain; charset=utf-8\r\n\r\n");
    for (size_t i = 0; i < load.octets; i += 64) {
        size_t n = MIN(64, load.octets - i);

        for (size_t k = 0; k + 2 < n; k++)
            str_addc(&the.content, (char)('a' + k % 26));
        str_add(&the.content, "\r\n");
    }
    str_add(&the.content, ".\r\n");
}

int main(int argc, char **argv)
{
    static const struct drive_protocol lmtp = { .line = on_line };
    int o;

    while ((o = getopt(argc, argv, "c:n:t:s:u:")) != -1)
        if (!load_option(o))
            return 2;
    if (argc - optind != 3 || load.connections == 0 || load.users == 0) {
        (void)fputs("usage: lmtp_load [-c N] [-n N] [-t S] [-s N] [-u N] HOST PORT RECIPIENT\n",
                    stderr);
        return 2;
    }
    the.recipient = argv[optind + 2];
    drive_setup(&lmtp, argv[optind], (uint16_t)atoi(argv[optind + 1]), false);
    load.conns = mem_zalloc(load.connections * sizeof(*load.conns));
    make_content();
    load.n_open = load.connections;
    for (size_t i = 0; i < load.connections; i++)
        drive_open(&load.conns[i], i);
    drive_run();
    drive_report("deliver", load.connections, load.began, drive_now());
    free(load.conns);
    str_clear(&the.content);
    return 0;
}
