/* SPDX-License-Identifier: MIT */
/*
 * An IMMP session: bytes in, bytes out, no socket (docs/immp.md). Which command may be said in
 * which phase is the command table's; a phase changes in one function only.
 *
 *   PLAIN --UPGRADE, TLS done--> GUEST --AUTH--> LOCAL (an account) | REMOTE (a domain)
 *
 * Input is taken as far as it can be answered: while an answer streams (FETCH) or the owner's
 * output is full, the rest stays with the owner (back-pressure).
 *
 * What a command answers that wrote the store, or saw what is not committed yet, is kept by the
 * session until the turn's commit and written in the turn's end (mail/turn.h, which the session
 * joins itself; the owner need not). If the commit fails, all those commands get 702 instead, in
 * order, and a message in progress that they had begun is dropped.
 *
 * Octets behind a DATA line with LENGTH belong to it, whatever the answer is: a DATA that is
 * refused has its octets swallowed, so that content is never read as commands.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "mail/mail.h"
#include "wire/line.h"
#include "wire/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phase {
    PHASE_PLAIN  = 1 << 0,  /* before TLS */
    PHASE_GUEST  = 1 << 1,  /* TLS, nobody known */
    PHASE_LOCAL  = 1 << 2,  /* an account */
    PHASE_REMOTE = 1 << 3,  /* a domain */
    PHASE_CLOSED = 1 << 4,  /* QUIT or 75x: nothing is read any more */
};

#define SESSION_PENDING_MAX   32                /* commands waiting on one connection */
#define SESSION_OUT_HIGH      (256u * 1024)     /* stops producing above this */
#define SESSION_AUTH_TRIES    3
#define SESSION_IDLE_PLAIN_MS 30000
#define SESSION_IDLE_GUEST_MS 60000
#define SESSION_IDLE_MS       (30 * 60 * 1000)

struct session;

/* What a session asks of its owner (tcp/endpoint.c; xmpp's session IQ later). */
struct session_owner {
    /* In any call below, and in the turn's end. */
    void (*write)(void *ctx, const void *p, size_t n);
    size_t (*pending)(void *ctx);                  /* output not yet gone */
    /*
     * 2 or 3, after the 204. session_input() takes nothing from here to session_secured(). Called
     * within session_input(): when that has returned and bytes are left, they came in clear behind
     * the UPGRADE line: drop them and session_end(s, STATUS_PROTOCOL). Else begin TLS.
     */
    void (*start_tls)(void *ctx, int version);
    /* After what was written has left. May be called in any call below: destroy the session later. */
    void (*close)(void *ctx);
    void (*set_idle)(void *ctx, int64_t ms);
    /* Offer the input that was left again. Never within session_input(). May be NULL. */
    void (*resume)(void *ctx);
};

struct session_config {
    struct mail *mail;
    const char *domain;      /* in the greeting */
    const char *remote;      /* the peer's address, for limits and logs */
    bool is_plain;           /* start in PLAIN with the greeting's upgrade lines; else in GUEST */
};

struct session *session_create(const struct session_config *cfg, const struct session_owner *owner,
                               void *ctx);  /* writes the greeting */
void session_destroy(struct session **sp);

/*
 * Bytes that came. Returns how many were taken; the rest is offered again after
 * session_drained(), when resume() asks for it, or with more input.
 */
size_t session_input(struct session *s, const char *p, size_t n);
void session_drained(struct session *s);   /* output fell: go on with what streams */
/* Output does not fall: give back what an answer in progress can read again. */
void session_rest(struct session *s);
/* TLS is done. exporter: 32 bytes, or NULL when the connection has none. */
void session_secured(struct session *s, const uint8_t *exporter);
/* The daemon stops, idle time is over, bytes in clear behind UPGRADE: says 701, 704, 750; closes. */
void session_end(struct session *s, enum status why);

enum phase session_phase(const struct session *s);
const char *session_account(const struct session *s);  /* "" if none */

/* ---- the command table, for docs/immp.md and its test ---- */
struct session_command {
    const char *words;
    const char *syntax;
    unsigned phases;      /* PHASE_… in which it may be said */
    const char *help;
};
const struct session_command *session_command_at(size_t i);  /* NULL past the end */

#endif
