/* SPDX-License-Identifier: MIT */
/*
 * An IMMP session: bytes in, bytes out, no socket (docs/immp.md). Which command may be said in
 * which phase is the command table's; a phase changes in one function only.
 *
 *   PLAIN --UPGRADE, TLS done--> GUEST --AUTH--> LOCAL (an account) | REMOTE (a domain)
 *
 * Input is taken as far as it can be answered: while an answer streams (FETCH) or the owner's
 * output is full, the rest stays with the owner (back-pressure). Replies to commands that wrote
 * the store are held by the owner until the turn's commit; if that fails, session_turn_failed()
 * answers all commands of the turn with 702 instead.
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
    void (*write)(void *ctx, const void *p, size_t n);
    size_t (*pending)(void *ctx);                  /* output not yet gone */
    void (*start_tls)(void *ctx, int version);     /* 2 or 3, after the 204; session_secured() follows */
    void (*close)(void *ctx);                      /* after what was written has left; may be called in session_input() */
    void (*set_idle)(void *ctx, int64_t ms);
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
 * session_drained() has taken nothing more to write, or with more input.
 */
size_t session_input(struct session *s, const char *p, size_t n);
void session_drained(struct session *s);   /* output fell: go on with what streams */
/* TLS is done. exporter: 32 bytes, or NULL when the connection has none. */
void session_secured(struct session *s, const uint8_t *exporter);
/* The commit failed: the owner has discarded what this turn wrote. */
void session_turn_failed(struct session *s, const struct err *err);
/* The daemon stops, or idle time is over: says 701 or 704 and closes. */
void session_end(struct session *s, enum status why);

enum phase session_phase(const struct session *s);
const char *session_account(const struct session *s);  /* "" if none */

/* ---- the command table, for docs/immp.md and its test ---- */
struct session_command { const char *words; const char *syntax; unsigned phases; const char *help; };
const struct session_command *session_command_at(size_t i);  /* NULL past the end */

#endif
