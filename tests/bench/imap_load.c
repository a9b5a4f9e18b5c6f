/* SPDX-License-Identifier: MIT */
/*
 * Clients of an IMAP server over TLS 1.3, many in one thread: what immp_load is to ours.
 *
 *   imap_load [-c CONNECTIONS] [-n N] [-t SECONDS] [-u USERS] HOST PORT USER login|idle
 *   imap_load [-n N] HOST PORT USER ask COMMAND
 *
 * login: connect, a full handshake, LOGIN, its OK, LOGOUT. idle: so many logged-in sessions that
 * have selected INBOX; "ready" is printed, and they stay until standard input ends. ask: SELECT
 * INBOX, then the command N times, each timed until its tagged OK. The password comes from standard
 * input; USER may hold one %u: connection i is number i modulo USERS. A line of JSON is printed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/drive.h"

enum mode { MODE_LOGIN, MODE_IDLE, MODE_ASK };
static const char *const mode_names[] = { "login", "idle", "ask" };

enum state {
    ST_GREETING = 0, /* secured; awaits the greeting */
    ST_LOGIN,        /* awaits the OK of LOGIN */
    ST_SELECT,       /* awaits the OK of SELECT */
    ST_READY,        /* says nothing */
    ST_ANSWER,       /* the command's OK is awaited */
    ST_LOGOUT,       /* the OK of LOGOUT */
};

static struct {
    enum mode mode;
    const char *user, *command;
    char password[256];
} the;

static void say_tagged(struct conn *c, enum state next, const char *command)
{
    struct str say = STR_INIT;

    c->state = (int)next;
    str_adds(&say, "a ", command, "\r\n");
    conn_say(c, say.s, say.len);
    str_clear(&say);
}

static void connect_again(struct conn *c)
{
    if (load_is_over()) {
        if (--load.n_open == 0)
            drive_stop();
        return;
    }
    load.n_begun++;
    drive_open(c, c->index);
    c->since = drive_now();
}

static void ask(struct conn *c)
{
    if (load_is_over()) {
        drive_stop();
        return;
    }
    load.n_begun++;
    c->since = drive_now();
    say_tagged(c, ST_ANSWER, the.command);
}

static void selected(struct conn *c)
{
    c->state = ST_READY;
    if (the.mode == MODE_ASK) {
        load.began = drive_now();
        ask(c);
        return;
    }
    if (++load.n_ready == load.connections)
        drive_stop();
    else if (load.n_ready + 7 < load.connections)
        drive_open(&load.conns[load.n_ready + 7], load.n_ready + 7);
}

static void tagged(struct conn *c)
{
    switch ((enum state)c->state) {
    case ST_LOGIN:
        if (the.mode == MODE_LOGIN)
            say_tagged(c, ST_LOGOUT, "LOGOUT");
        else
            say_tagged(c, ST_SELECT, "SELECT INBOX");
        break;
    case ST_SELECT:
        selected(c);
        break;
    case ST_ANSWER:
        drive_took(drive_now() - c->since);
        ask(c);
        break;
    case ST_LOGOUT:
        drive_took(drive_now() - c->since);
        conn_close(c);
        connect_again(c);
        break;
    default:
        drive_die("an answer", "to no question");
    }
}

static void on_open(struct conn *c)
{
    conn_start_tls(c);
}

static void on_secured(struct conn *c)
{
    (void)c; /* the server speaks first */
}

static void on_line(struct conn *c, const char *s, size_t len)
{
    if (c->state == ST_GREETING && strncmp(s, "* OK", 4) == 0) {
        struct str say = STR_INIT;

        str_add(&say, "LOGIN ");
        str_add_numbered(&say, the.user, c->index % load.users);
        str_addf(&say, " %s", the.password);
        say_tagged(c, ST_LOGIN, say.s);
        str_clear(&say);
    } else if (strncmp(s, "a ", 2) == 0) {
        if (strncmp(s, "a OK", 4) != 0)
            drive_die("refused", s);
        tagged(c);
    } else if (len > 0 && s[len - 1] == '}' && strrchr(s, '{') != NULL) {
        conn_skip(c, strtoul(strrchr(s, '{') + 1, NULL, 10));
    }
}

static int usage(void)
{
    (void)fputs("usage: imap_load [-c N] [-n N] [-t S] [-u N] HOST PORT USER login|idle\n"
                "       imap_load [-n N] HOST PORT USER ask COMMAND\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct drive_protocol imap = { .open = on_open,
                                                .secured = on_secured,
                                                .line = on_line };
    size_t mode = 0, first;
    int o;

    while ((o = getopt(argc, argv, "c:n:t:u:")) != -1)
        if (!load_option(o))
            return usage();
    while (argc - optind >= 4 && mode < N_ELEMENTS(mode_names) &&
           strcmp(argv[optind + 3], mode_names[mode]) != 0)
        mode++;
    if (argc - optind < 4 || mode == N_ELEMENTS(mode_names) || load.connections == 0 ||
        load.users == 0 || (mode == MODE_ASK) != (argc - optind == 5))
        return usage();
    the.mode = (enum mode)mode;
    the.user = argv[optind + 2];
    the.command = argv[optind + 4];
    if (fgets(the.password, sizeof(the.password), stdin) == NULL)
        drive_die("the password", "expected on standard input");
    the.password[strcspn(the.password, "\n")] = '\0';
    drive_setup(&imap, argv[optind], (uint16_t)atoi(argv[optind + 1]), true);
    load.conns = mem_zalloc(load.connections * sizeof(*load.conns));
    load.n_open = load.connections;
    load.began = drive_now();
    load.until = load.began + load.seconds;
    first = the.mode == MODE_IDLE ? MIN(load.connections, 8) : load.connections;
    for (size_t i = 0; i < first; i++) {
        load.conns[i].index = i;
        if (the.mode == MODE_LOGIN)
            connect_again(&load.conns[i]);
        else
            drive_open(&load.conns[i], i);
    }
    drive_run();
    drive_report(mode_names[the.mode], load.connections, load.began, drive_now());
    if (the.mode == MODE_IDLE)
        load_stay();
    free(load.conns);
    return 0;
}
