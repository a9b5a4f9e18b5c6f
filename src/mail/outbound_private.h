/* SPDX-License-Identifier: MIT */
/*
 * What the files of the way out share:
 *
 *   outbound.c         the paths, who is looked at when, expiry, the outside
 *   outbound_path.c    one path: find, keys, send, rest
 *   outbound_bundle.c  one bundle: claim, read, seal on a worker, hand to the transport
 *   outbound_settle.c  its end: receipt, refusal or failure, and what that means for each entry
 *   outbound_pace.c    how many at once, how big
 */
#ifndef MAIL_OUTBOUND_PRIVATE_H
#define MAIL_OUTBOUND_PRIVATE_H

#include "base/map.h"
#include "base/str.h"
#include "loop/worker.h"
#include "mail/outbound.h"
#include "mail/outbound_pace.h"
#include "seal/certificate.h"
#include "seal/seal.h"
#include "store/queue.h"
#include "wire/message.h"
#include "wire/receipt.h"

/* A bundle is given up before its entries' leases run out, so that no entry is in two bundles. */
#define OUTBOUND_LEASE_MS      (5LL * 60 * 1000)
#define OUTBOUND_ANSWER_MS     (4LL * 60 * 1000)
#define OUTBOUND_SILENT_MS     (10LL * 1000)         /* and eight round trips: it holds up no others */
#define OUTBOUND_SWEEP_MS      (15LL * 1000)         /* expiry, and bundles that nobody answers */
#define OUTBOUND_IDLE_MS       (60LL * 60 * 1000)    /* then a path that has nothing is forgotten */
#define OUTBOUND_SEALING_BYTES (256u * 1024 * 1024)  /* in running seals at once */
#define OUTBOUND_RETRY_MS      (5LL * 60 * 1000)     /* where the domain has no schedule */
#define OUTBOUND_BUSY_MS       1000                  /* first rest for a peer that is overloaded */
#define OUTBOUND_STORE_MS      1000                  /* after a failed commit */
#define OUTBOUND_AHEAD         1                     /* bundles sealed beyond the window */
#define OUTBOUND_SHORT         2                     /* under way where less waits than one holds */

enum path_state {
    PATH_NONE = 0,
    PATH_IDLE,     /* nothing is due and nothing under way */
    PATH_FINDING,  /* the transport was asked who speaks for the destination */
    PATH_KEYS,     /* its keys were asked for */
    PATH_SENDING,  /* bundles are under way, or are about to be */
    PATH_RESTING,  /* it failed, until the timer; or the link is down, until it is up */
};

/* A claimed entry that waits in memory for its bundle. */
struct held {
    int64_t entry;
    bool is_solo;                  /* it goes alone: a bundle with it was refused */
    uint64_t turn;                 /* of outbound.turns: whether its claim is on disk */
};

struct path {
    struct outbound *o;
    char *key;                     /* "origin destination", in outbound.paths */
    char *origin, *destination;
    const struct mail_domain *domain;
    enum path_state state;
    uint64_t asked;                /* token of the answer awaited in FINDING and KEYS; 0 none */
    char *address;                 /* NULL: to be found */
    size_t advertised;             /* max-stanza of the peer; 0 unknown */
    struct pace pace;
    size_t average;                /* bytes of a message, smoothed */
    size_t in_flight;              /* bundles begun and not ended */
    size_t under_way;              /* of these, what the transport has and nobody has answered */
    size_t silent;                 /* of these, what is so for so long that it takes no room */
    struct flight *waiting, **waiting_last;  /* sealed ahead, until the window has room */
    bool is_long;                  /* the last bundle closed by its size: more than it waited */
    bool has_more;                 /* something may be due */
    bool has_deferred;             /* something may become due later */
    bool is_ready;                 /* in outbound.ready */
    struct path *next_ready;
    bool is_key_asked;             /* after `unknown-key`, and no success since */
    uint64_t keyed;                /* the last flight begun before its keys were answered */
    struct loop_timer *timer;      /* end of the rest; when idle, the next entry's time */
    int64_t rests_until_ms;        /* wall; 0 */
    int failures;                  /* in a row */
    int busy;                      /* answers `busy` in a row */
    char *last_error;
    int64_t active_ms;             /* monotonic: last sign of life */
    int64_t good_ms;               /* monotonic: when the last receipt held */
    struct held *held;
    size_t n_held;
    uint64_t sent_bundles, sent_messages;
};

/* One message in a bundle. */
struct flying {
    int64_t entry;
    int64_t content;
    char uuid[UUID_SIZE];
    int attempts;
    int64_t created_ms;
    char *settled;                 /* as in the queue; NULL none */
    struct message message;        /* read on the worker */
    bool is_broken;                /* its header or its content cannot be read */
    size_t header_at, header_len;  /* within flight.data */
    size_t octets_at, octets_len;
};

enum flight_phase {
    FLIGHT_NONE = 0,
    FLIGHT_SEALING,   /* on a worker */
    FLIGHT_SEALED,    /* waits for the commit of the turn that claimed it, or for the window */
    FLIGHT_SENT,      /* the transport has it */
    FLIGHT_CHECKING,  /* its receipt is on a worker */
};

/* A bundle under way, from its claim to the end of its answer. */
struct flight {
    struct work work;              /* first member */
    struct outbound *o;
    struct path *path;             /* stays while it has flights */
    uint64_t token;                /* in outbound.flights */
    uint64_t number;               /* in the order of beginning */
    struct flight *next_fresh;     /* in outbound.fresh */
    struct flight **fresh_at;      /* NULL: its claim is on disk */
    struct flight *next_waiting;   /* in path.waiting */
    enum flight_phase phase;
    uint64_t job;                  /* on a worker; 0 none */
    char bundle[UUID_SIZE];
    char sha256[SEAL_SHA256_SIZE];
    struct flying *items;
    size_t n, cap;
    bool is_solo;
    bool is_silent;                /* counted in path.silent */
    int64_t begun_ms, sent_ms;     /* monotonic */
    size_t bytes;                  /* of its messages: header, signature, octets */
    size_t sealing;                /* counted in outbound.sealing */
    size_t stanza;                 /* bytes of the stanza, about */
    /* for the worker, which sees nothing else */
    char *destination;
    struct identity *identity;     /* counted */
    struct certificate *encrypt;   /* counted */
    struct certificate *sign;      /* counted; what the receipt is checked by */
    int64_t time_ms;
    struct str data;               /* headers and octets */
    struct str armor;              /* the seal, later the receipt */
    size_t signature;              /* bytes of its longest message signature */
    struct receipt receipt;
    int rc;
    struct err err;
};

struct outbound {
    struct mail *m;
    const struct transport *transport;
    struct map *paths;             /* key -> struct path */
    struct idmap *asks;            /* token -> struct path: find and keys */
    struct idmap *flights;         /* token -> struct flight */
    struct path *ready, **ready_last;
    struct flight *fresh;          /* claimed in this turn: what they carry may be taken back */
    uint64_t turns;                /* commits heard of */
    struct loop_timer *sweep;
    struct loop_timer *rescan;
    bool is_started;
    uint64_t begun;                /* flights, so far */
    size_t sealing;                /* bytes in running seals */
    size_t signature;              /* bytes of the longest message signature so far */
    struct outbound_counters counters;
};

/* ---- outbound.c ---- */

void outbound_ready(struct path *p);       /* its turn comes at the next pump */
void outbound_pump(void *ctx);             /* as much as fits into this turn */
void outbound_later(struct outbound *o);   /* pump in the next turn */
/* The store was written in this turn: hear of its commit. */
void outbound_wrote(struct outbound *o);

/* ---- outbound_path.c ---- */

struct path *outbound_path_create(struct outbound *o, const char *key, const char *origin,
                                  const char *destination);
void outbound_path_destroy(struct path *p);
const char *outbound_path_state(const struct path *p);
bool outbound_path_step(struct path *p);   /* true: there is more to do at once */
/* It failed: rest by the schedule, unless it rests already. */
void outbound_path_fail(struct path *p, const struct err *err);
void outbound_path_busy(struct path *p, const struct err *err);  /* overloaded: a short rest */
void outbound_path_good(struct path *p);   /* a receipt held: what failed before is over */
void outbound_path_wake(struct path *p);   /* end the rest now */
/* After `unknown-key`: ask for its keys again, once until something succeeds. False: was done. */
bool outbound_path_rekey(struct path *p, const struct err *err);
/* Milliseconds to the n-th try, from 1, by the schedule, ±10 %. */
int64_t outbound_path_retry_ms(const struct path *p, int nth);
void outbound_path_persist(struct path *p);  /* what the path has proved to take */
void outbound_path_hold(struct path *p, int64_t entry, bool is_solo);

/* ---- outbound_bundle.c ---- */

/* Claim, read and give to a worker one bundle. 1 begun, 0 nothing is due, -1 store trouble. */
int outbound_bundle_begin(struct path *p, struct err *err);
/* The commit of the turn in which they were claimed: those that are sealed leave, or all go. */
void outbound_bundle_committed(struct outbound *o, bool ok);
/* What was sealed ahead leaves as far as the window has room, or goes back if the path does not send. */
void outbound_bundle_next(struct path *p);
void outbound_bundle_destroy(struct flight *f);

/* ---- outbound_settle.c ---- */

/* The transport's answer. */
void outbound_settle_answer(void *ctx, uint64_t token, const char *receipt, size_t len,
                            const struct err *err);
/* It got no answer, or none that counts: the path fails. Takes the flight. */
void outbound_settle_failed(struct flight *f, const struct err *err);
/* It was not sent after all: its entries are due again when the path is. Takes the flight. */
void outbound_settle_return(struct flight *f, const char *why);
/* Recipients that are not settled: tell the sender that it failed, and remove the entry. */
int outbound_settle_bounce(struct outbound *o, const struct queue_entry *q, int code,
                           const char *text, struct err *err);

#endif
