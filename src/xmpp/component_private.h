/* SPDX-License-Identifier: MIT */
/*
 * The component as the files of this room see it, and the one function that sends.
 */
#ifndef XMPP_COMPONENT_PRIVATE_H
#define XMPP_COMPONENT_PRIVATE_H

#include "base/map.h"
#include "wire/jid.h"
#include "xmpp/component.h"
#include "xmpp/link.h"
#include "xmpp/stanza.h"

#define COMPONENT_SEND_MAX  520000  /* Prosody ends the stream at 524,288 bytes of a stanza */
#define COMPONENT_TERSE     (2u * 1024 * 1024)   /* answers waiting: from here on only short ones */
#define COMPONENT_HOLD      (16u * 1024 * 1024)  /* … and from here on nothing more is read */
#define COMPONENT_PING_MS   30000
#define COMPONENT_NAME      "immpd"
#define COMPONENT_HOME      "urn:immp:xmpp:1"    /* node of XEP-0115 */

struct pending;
struct peers;
struct vouch;

/* How much of what waits to be written is answers, which anybody out there can cause. */
struct meter {
    size_t now;         /* answers written since mark */
    size_t before;      /* and before that */
    uint64_t written;   /* bytes ever written to this connection */
    uint64_t mark;      /* `before` has left when the kernel has taken so many */
};

struct component {
    struct mail *mail;
    const struct mail_domain *domain;
    const char *jid;              /* domain->component */
    char *version;
    int64_t ping_ms;
    void (*changed)(void *ctx, const struct mail_domain *d, bool is_up);
    void *changed_ctx;
    struct link *link;
    struct pending *pending;      /* what we asked */
    struct idmap *held;           /* what we were asked and answer later: struct iq_held */
    struct peers *peers;
    struct vouch *vouch;
    struct meter meter;
    struct loop_timer *ping;
    bool ping_is_out;
    bool ping_is_leaving;         /* much waits before it */
    uint64_t ping_token;          /* the ping that is out; an older one's answer proves nothing now */
    uint64_t ping_mark;           /* it has left when link_written() reaches this */
    uint64_t ping_seen;           /* link_written() at the last look */
    int64_t started_ms;           /* monotonic */
    int64_t last_pong_ms;         /* wall */
    uint64_t stanzas_in, stanzas_out;
    unsigned armors;              /* sent so far, seals and receipts */
    char *caps;                   /* XEP-0115 hash of what we are; NULL not made yet */
    bool has_told_foreign;        /* on this link: a stanza that was not for us */
    bool has_told_broken;         /* … one that cannot be answered */
};

/* A piece of a stanza's content: XML text, written as it is. */
struct piece {
    const char *p;
    size_t n;
};

/*
 * The one way out. h->from NULL: the component itself; else it must be at our host, and `to` must be
 * there: servers close the stream otherwise. 0, or -1: the link is down (ERR_TEMPORARY), larger than
 * COMPONENT_SEND_MAX (ERR_PERMANENT STATUS_TOO_LARGE), bad addresses (ERR_PROTOCOL).
 */
int component_send(struct component *c, const struct stanza_head *h, const struct piece *pieces,
                   size_t n, struct err *err);
/* The same for an answer to something that came: counted by the meter. */
int component_send_answer(struct component *c, const struct stanza_head *h,
                          const struct piece *pieces, size_t n, struct err *err);
/*
 * Line ends to stand behind the next armor, up to three, never as many as the last time. Linux puts
 * off acknowledging a segment that is as long as the one before it, and a server with Nagle's
 * algorithm on (ejabberd, to other servers) holds what comes next until it has that: for 40 ms.
 */
struct piece component_uneven(struct component *c);
/* So many answers are waiting that a long one should not be given. */
bool component_is_terse(struct component *c);
/* Is that host or full JID at our component? */
bool component_owns(const struct component *c, const char *jid);

/* presence.c: presence and messages; never an answer to an error. */
void presence_take(struct component *c, const struct stanza *in, const struct jid *to);
void message_take(struct component *c, const struct stanza *in);

#endif
