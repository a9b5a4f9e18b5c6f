/* SPDX-License-Identifier: MIT */
/*
 * Clients of an IMMP endpoint, over TLS 1.3, many in one thread.
 *
 *   immp_load [options] HOST PORT ACCOUNT deliver|login|handshake|idle
 *   immp_load [options] HOST PORT ACCOUNT ask COMMAND
 *
 *   -c N   connections at a time (1)        -n N   end after so many operations
 *   -s N   octets of a message (4096)       -t S   or after so many seconds
 *   -d IMID  deliver to it (the account); with a %u in it, connection i to number i modulo
 *   -u N     so many; with -r, message i to number i modulo so many
 *
 * The account's secret comes from standard input. deliver: DELIVER, DATA and DONE in one write, the
 * next when the last one's answer has come; the time runs from when all have logged in. login:
 * connect, a full handshake, AUTH SECRET, 210, QUIT; handshake: the same without AUTH. idle: so
 * many logged-in sessions, "ready" is printed, and they stay until standard input ends. A line of
 * JSON is printed at the end.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/drive.h"
#include "bench/tls.h"
#include "seal/password.h"

enum mode { MODE_DELIVER, MODE_LOGIN, MODE_HANDSHAKE, MODE_IDLE, MODE_ASK };
static const char *const mode_names[] = { "deliver", "login", "handshake", "idle", "ask" };

enum state {
    ST_GREETING = 0, /* connected; awaits 101 */
    ST_UPGRADE,      /* UPGRADE said; awaits 204 */
    ST_NONCES,       /* AUTH SECRET said; awaits 303 */
    ST_PROOF,        /* AUTH RESPONSE said; awaits 210 */
    ST_READY,        /* logged in; says nothing */
    ST_ANSWER,       /* an operation is under way; awaits its 2xx */
    ST_QUIT,         /* QUIT said; awaits 205 */
};

static struct {
    enum mode mode;
    const char *account;
    char secret[1024];
    char h[PASSWORD_H_SIZE]; /* derived once: scrypt is the client's cost, and not measured */
    const char *to, *command;
    bool is_round;
    struct str content;
} the;

/* ---- logging in ---- */

static void value_of(const char *line, const char *name, char *out, size_t size)
{
    const char *at = strstr(line, name);

    if (at == NULL)
        drive_die("no value", name);
    (void)snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), " "), at + strlen(name));
}

static size_t from_base64(const char *s, uint8_t *out, size_t size)
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
    return n;
}

static void derive(const char *line)
{
    struct password_cost cost;
    uint8_t salt[64];
    char text[128], n[16], r[16], p[16];

    value_of(line, " s=", text, sizeof(text));
    value_of(line, " N=", n, sizeof(n));
    value_of(line, " r=", r, sizeof(r));
    value_of(line, " p=", p, sizeof(p));
    cost = (struct password_cost){ (uint32_t)atol(n), (uint32_t)atol(r), (uint32_t)atol(p) };
    if (password_derive(the.secret, salt, from_base64(text, salt, sizeof(salt)), cost, the.h,
                        NULL) < 0)
        drive_die("scrypt", "bad cost");
}

static void prove(struct conn *c, const char *line)
{
    uint8_t exporter[PASSWORD_EXPORTER_BYTES];
    char n1[64], n2[64], k[65], say[128];

    if (the.h[0] == '\0')
        derive(line);
    value_of(line, "n1=", n1, sizeof(n1));
    value_of(line, "n2=", n2, sizeof(n2));
    tls_exporter(c->tls, exporter);
    password_k_hmac(the.h, n1, n2, exporter, k);
    (void)snprintf(say, sizeof(say), "AUTH RESPONSE %s\n", k);
    conn_says(c, say);
}

/* ---- operations ---- */

static void quit(struct conn *c)
{
    c->state = ST_QUIT;
    conn_says(c, "QUIT\n");
}

/* The next operation, or none. */
static void operate(struct conn *c)
{
    struct str say = STR_INIT;

    if (load_is_over()) {
        quit(c);
        return;
    }
    load.n_begun++;
    c->state = ST_ANSWER;
    if (the.mode == MODE_ASK) {
        c->since = drive_now();
        conn_says(c, the.command);
        return;
    }
    str_add(&say, "DELIVER TO ");
    str_add_numbered(&say, the.to, (the.is_round ? load.n_begun : c->index) % load.users);
    str_addf(&say, " SUBJECT \"bench\"; DATA t.txt LENGTH %zu; DONE\n", load.octets);
    str_addn(&say, the.content.s, the.content.len);
    c->since = drive_now();
    conn_say(c, say.s, say.len);
    str_clear(&say);
}

static void begin(void)
{
    load.began = drive_now();
    load.until = load.began + load.seconds;
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

static void ready(struct conn *c)
{
    c->state = ST_READY;
    if (the.mode == MODE_LOGIN) {
        quit(c);
        return;
    }
    if (++load.n_ready < load.connections) {
        if (the.mode == MODE_IDLE && load.n_ready + 31 < load.connections)
            drive_open(&load.conns[load.n_ready + 31], load.n_ready + 31);
        return;
    }
    if (the.mode == MODE_IDLE) {
        drive_stop();
        return;
    }
    begin();
    for (size_t i = 0; i < load.connections; i++)
        operate(&load.conns[i]);
}

static void said_goodbye(struct conn *c)
{
    conn_close(c);
    if (the.mode == MODE_DELIVER || the.mode == MODE_ASK) {
        if (--load.n_open == 0)
            drive_stop();
        return;
    }
    drive_took(drive_now() - c->since);
    connect_again(c);
}

static void on_secured(struct conn *c)
{
    struct str say = STR_INIT;

    if (the.mode == MODE_HANDSHAKE) {
        quit(c);
        return;
    }
    c->state = ST_NONCES;
    str_adds(&say, "AUTH SECRET ", the.account, "\n");
    conn_say(c, say.s, say.len);
    str_clear(&say);
}

static void answered(struct conn *c)
{
    drive_took(drive_now() - c->since);
    operate(c);
}

static void on_octets(struct conn *c)
{
    if (c->count) /* they were the reply's last */
        answered(c);
}

static void on_line(struct conn *c, const char *s, size_t len)
{
    int code = atoi(s);

    (void)len;
    if (code >= 400)
        drive_die("refused", s);
    if (c->state == ST_GREETING && code == 101) {
        c->state = ST_UPGRADE;
        conn_says(c, "UPGRADE TLS3\n");
    } else if (c->state == ST_UPGRADE && code == 204) {
        conn_start_tls(c);
    } else if (c->state == ST_NONCES && code == 303) {
        c->state = ST_PROOF;
        prove(c, s);
    } else if (c->state == ST_PROOF && code == 210) {
        ready(c);
    } else if (c->state == ST_ANSWER && the.mode == MODE_ASK) {
        const char *octets = strstr(s, " length=");

        c->count = s[3] != '-';
        if (octets != NULL && (code == 251 || code == 231))
            conn_skip(c, strtoul(octets + 8, NULL, 10) + 1);
        else if (c->count)
            answered(c);
    } else if (c->state == ST_ANSWER && (code == 201 || code == 202)) {
        answered(c);
    } else if (c->state == ST_QUIT && code == 205) {
        said_goodbye(c);
    }
}

/* ---- the run ---- */

static void make_content(void)
{
    for (size_t i = 0; i < load.octets; i++)
        str_addc(&the.content, i % 64 == 63 ? '\n' : (char)('a' + i % 26));
}

static void learn_h(void)
{
    struct conn *c = &load.conns[0];
    enum mode mode = the.mode;
    size_t limit = load.limit;

    /* One login whose time does not count: after it h is known. */
    the.mode = MODE_LOGIN;
    load.limit = load.n_begun = load.n_open = 1;
    drive_open(c, 0);
    c->since = drive_now();
    drive_run();
    the.mode = mode;
    load.limit = limit;
    load.n_begun = 0;
    drive_forget();
}

static int usage(void)
{
    (void)fputs("usage: immp_load [-c N] [-n N] [-t S] [-s N] [-d IMID] HOST PORT ACCOUNT "
                "deliver|login|handshake|idle|ask COMMAND\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct drive_protocol immp = { .secured = on_secured,
                                                .line = on_line,
                                                .octets = on_octets };
    struct str command = STR_INIT;
    size_t mode = 0, first;
    int o;

    while ((o = getopt(argc, argv, "c:n:t:s:d:u:r")) != -1) {
        switch (o) {
        case 'd':
            the.to = optarg;
            break;
        case 'r':
            the.is_round = true;
            break;
        default:
            if (!load_option(o))
                return usage();
        }
    }
    if (argc - optind < 4 || load.connections == 0 || load.users == 0)
        return usage();
    while (mode < N_ELEMENTS(mode_names) && strcmp(argv[optind + 3], mode_names[mode]) != 0)
        mode++;
    if (mode == N_ELEMENTS(mode_names))
        return usage();
    if ((mode == MODE_ASK) != (argc - optind == 5))
        return usage();
    the.mode = (enum mode)mode;
    the.account = argv[optind + 2];
    if (fgets(the.secret, sizeof(the.secret), stdin) == NULL)
        drive_die("the secret", "expected on standard input");
    the.secret[strcspn(the.secret, "\n")] = '\0';
    drive_setup(&immp, argv[optind], (uint16_t)atoi(argv[optind + 1]), true);
    load.conns = mem_zalloc(load.connections * sizeof(*load.conns));
    make_content();
    if (the.to == NULL)
        the.to = the.account;
    if (the.mode == MODE_ASK) {
        str_addf(&command, "%s\n", argv[optind + 4]);
        the.command = command.s;
    }
    if (the.mode != MODE_HANDSHAKE)
        learn_h();

    load.n_open = load.connections;
    first = the.mode == MODE_IDLE ? MIN(load.connections, 32) : load.connections;
    begin();
    for (size_t i = 0; i < first; i++) {
        if (the.mode == MODE_LOGIN || the.mode == MODE_HANDSHAKE) {
            load.conns[i].index = i;
            connect_again(&load.conns[i]);
        } else {
            drive_open(&load.conns[i], i);
        }
    }
    drive_run();
    drive_report(mode_names[the.mode], load.connections, load.began, drive_now());
    if (the.mode == MODE_IDLE)
        load_stay();
    free(load.conns);
    str_clear(&command);
    str_clear(&the.content);
    return 0;
}
