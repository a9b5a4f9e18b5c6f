/* SPDX-License-Identifier: MIT */
/*
 * What the load generators share: many connections of one thread, lines in, bytes out, TLS 1.3 by
 * OpenSSL, and the time that each operation took. Ours and the rivals' are driven by the same code,
 * so that neither has the leaner client.
 *
 * A failure of any kind ends the program with a word on standard error: a benchmark in which
 * something was refused has measured nothing.
 */
#ifndef BENCH_DRIVE_H
#define BENCH_DRIVE_H

#include "base/macros.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls;

struct conn {
    int fd;
    struct tls *tls; /* NULL: in clear */
    bool is_secure;  /* the handshake is done */
    bool wants_out;  /* epoll watches for room, too */
    int state;          /* the protocol's own */
    size_t index;
    uint64_t count; /* the protocol's own */
    double since;   /* when the operation in progress was begun */
    size_t skip;    /* octets that follow and are not looked at */
    struct str in, out;
};

struct drive_protocol {
    void (*open)(struct conn *c);                            /* connected; may be NULL */
    void (*secured)(struct conn *c);                         /* after conn_start_tls() */
    void (*line)(struct conn *c, const char *s, size_t len); /* without its end; ends in NUL */
    void (*octets)(struct conn *c); /* what conn_skip() let pass has passed; may be NULL */
    void (*closed)(struct conn *c); /* NULL: nobody may hang up on us */
};

/* host: dotted. spread: connections call from several addresses (our daemon limits each one's). */
void drive_setup(const struct drive_protocol *p, const char *host, uint16_t port, bool spread);
void drive_open(struct conn *c, size_t index);
void drive_run(void); /* until drive_stop() */
void drive_stop(void);
double drive_now(void); /* seconds, monotonic */
_Noreturn void drive_die(const char *what, const char *why);

void conn_say(struct conn *c, const void *p, size_t n);
void conn_says(struct conn *c, const char *s);
void conn_start_tls(struct conn *c);
void conn_skip(struct conn *c, size_t n); /* from within line: n octets follow it */
void conn_close(struct conn *c);          /* TLS says goodbye, nothing is awaited */

/* What a load generator was asked for (load_option), and how far it is. */
extern struct load {
    size_t connections, limit, octets, users; /* -c -n -s -u */
    double seconds;                           /* -t */
    double began, until;
    size_t n_ready, n_begun, n_open;
    struct conn *conns;
} load;
bool load_option(int letter); /* from optarg; false: it is none of these */
bool load_is_over(void);      /* enough has been begun, or the time is up */
void load_stay(void);         /* say "ready", and wait for the end of standard input */

/* s with the number for its %u, if it has one. */
void str_add_numbered(struct str *out, const char *s, size_t number);

/* An operation took so long; and the line of JSON: what, ops, began (monotonic), seconds, per_s,
 * p50_ms, p99_ms. */
void drive_took(double seconds);
void drive_forget(void); /* what it took so far */
void drive_report(const char *what, size_t connections, double began, double ended);

#endif
