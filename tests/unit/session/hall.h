/* SPDX-License-Identifier: MIT */
/*
 * A session in its surroundings: a real store in a directory of its own (behind one that fails
 * when told to), the real mail room, a loop whose clock stands still, and an owner that keeps what
 * is written. a.com is served; alice, bob, helpdesk and helpdesk/alice have mailboxes, the secret
 * of each is HALL_SECRET. b.com and the like are elsewhere.
 */
#ifndef TESTS_UNIT_SESSION_HALL_H
#define TESTS_UNIT_SESSION_HALL_H

#include "lib/temp_dir.h"
#include "mail/mail.h"
#include "session/session.h"

#define HALL_NOW    INT64_C(1795000000000)
#define HALL_SECRET "correct horse"
#define HALL_LIMIT  (1 << 20)   /* bytes of a message, so that tests reach it */

struct hall {
    char dir[TEMP_DIR_SIZE];
    struct clock clock;
    struct mail mail;
    struct mail_domain domain;
    struct session *session;

    struct str out;        /* what the session has written and nobody has read */
    size_t stuck;          /* output that does not leave: added to pending() */
    bool counts_out;       /* pending() counts what nobody has read too */
    int tls;               /* version asked for by start_tls, 0 none */
    bool is_closed;
    int64_t idle_ms;
    size_t resumes;
    struct str left;       /* input that the session has not taken */
};

struct hall *hall_open(void);
void hall_close(struct hall **hp);

/* A new session (the old one goes): in PLAIN, or in GUEST with its greeting read. */
void hall_connect(struct hall *h, bool is_plain);
/* Log in: phase LOCAL, nothing of it left in out. */
void hall_login(struct hall *h, const char *address);
/* GUEST and logged in, in one. */
void hall_enter(struct hall *h, const char *address);

/* Offer input, with what was left before it. */
void hall_send(struct hall *h, const void *p, size_t n);
void hall_say(struct hall *h, const char *line);  /* with a LF */
void hall_turn(struct hall *h);                   /* the loop turns: commit */
void hall_drain(struct hall *h);                  /* nothing is pending any more */
/* The next reply line, without its LF, or NULL; valid until the next call. */
const char *hall_read(struct hall *h);
/* All that is there; valid until the next call. */
const char *hall_read_all(struct hall *h);
/* Exactly n bytes, which must be there; valid until the next call. */
const char *hall_read_octets(struct hall *h, size_t n);
/* Say a line, turn, and expect exactly these replies (lines with their LF). */
void hall_expect(struct hall *h, const char *say, const char *replies);

/* K of the nonces in a "303 …" line, as 40 digits. */
void hall_key(const char *nonces, char k_r[41]);

void hall_sound(struct hall *h);                  /* store_check() holds */
/* Counters of a folder; -1: no such folder. */
int64_t hall_total(struct hall *h, const char *address, const char *path);
int64_t hall_unread(struct hall *h, const char *address, const char *path);
int64_t hall_queued(struct hall *h);
/* Make a folder. */
void hall_folder(struct hall *h, const char *address, const char *path);
/* A message of one text part into a folder of bob's; the id, valid until the eighth next call. */
const char *hall_message(struct hall *h, const char *to, const char *subject, const char *text);

#endif
