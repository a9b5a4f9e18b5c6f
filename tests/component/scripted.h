/* SPDX-License-Identifier: MIT */
/*
 * A scripted XMPP server and a component in one loop: the test plays the server on a real socket.
 * What the component says is checked to be a well-formed XEP-0114 stream of stanzas with addresses,
 * whatever the test is about.
 */
#ifndef TESTS_COMPONENT_SCRIPTED_H
#define TESTS_COMPONENT_SCRIPTED_H

#include "loop/stream.h"
#include "mail/inbound.h"
#include "xmpp/component.h"

#include "lib/patience.h"
#include "lib/test.h"

#define SECRET "s3cret"

/* What the server does by itself. */
enum manner {
    MANNER_GOOD = 0,      /* shakes hands, sends back what is for the component itself */
    MANNER_MUTE,          /* shakes hands, then says nothing but what the test says */
    MANNER_SILENT,        /* accepts the connection and never says a word */
    MANNER_REFUSE,        /* a stream error in place of the handshake: `condition` */
    MANNER_HEADER_ONLY,   /* its stream header, then nothing */
    MANNER_HANGUP,        /* closes at once */
};

struct server {
    struct loop *loop;
    enum manner manner;
    const char *condition;
    bool drips;               /* every byte on its own turn */
    char address[128];        /* where it listens */
    uint16_t port;
    struct stream_listener *listener;
    struct stream *stream;
    struct xml_reader *reader;
    char **heard;             /* raw stanzas that came, but for the component's pings to itself */
    size_t n_heard, next_heard;
    struct str said;          /* what is still to drip */
    char error[64];           /* stream error that the component sent; "" none */
    size_t connections;       /* accepted so far */
    size_t handshakes;
    size_t pings;
    bool is_closed;           /* the component closed, properly or not */
    bool has_end_tag;
};

struct world {
    struct clock clock;       /* fake if uses_fake_clock, which must be set by world_start() */
    struct loop *loop;
    struct server server;
    struct mail mail;
    struct mail_domain domain;
    struct component *c;
    struct component_set *set;
    const struct transport *t;
    int ups, downs;           /* calls of `changed` */
    int64_t ping_ms;
};

/* A world with its server listening; the component is not started. fake: the clock is moved by hand. */
void world_open(struct world *w, bool fake);
void world_close(struct world *w);
/* Listen there instead ("unix:/path"), and make the component anew for it. */
void world_listen(struct world *w, const char *address);
/* Start the component and wait for the link. */
void world_up(struct world *w);
void world_turn(struct world *w);
/* Turns until the condition holds, for at most 30 s (lib/patience.h); else the test fails. */
#define UNTIL(w, cond)                                                                             \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms(clock_system()) + patient_ms(30000);                        \
        while (!(cond) && clock_mono_ms(clock_system()) < until_)                                  \
            world_turn(w);                                                                         \
        if (!(cond))                                                                               \
            fail_msg("never: %s", #cond);                                                          \
    } while (0)
/* A few turns in which things may happen that must not. */
void world_settle(struct world *w);

/* The server says this. */
void server_say(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void server_say_bytes(struct world *w, const char *p, size_t n);
/*
 * The next stanza that the component says must match the pattern, in which * is anything. Returned
 * until the next call. server_silent(): it says nothing more.
 */
const char *server_expect(struct world *w, const char *pattern);
void server_silent(struct world *w);
/* The value of an attribute of the stanza's first tag; "" none. */
const char *attr_of(const char *stanza, const char *name);
bool pattern_fits(const char *pattern, const char *s);

/* ---- what stands in for mail's way in (fake_mail.c) ---- */

#define FAKE_SEALS_MAX 256

struct fake_inbound {
    struct inbound_seal seals[FAKE_SEALS_MAX];  /* strings are copies */
    uint64_t tokens[FAKE_SEALS_MAX];
    size_t n;
    inbound_answer_fn *fn;
    void *ctx;
    const char *receipt;      /* answer each at once, in its call; NULL: the test answers */
};
extern struct fake_inbound fake_inbound;
void fake_inbound_clear(void);

#endif
