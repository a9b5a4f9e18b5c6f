/* SPDX-License-Identifier: MIT */
/*
 * How many bundles a path keeps under way, and how big it makes them: a search over a grid of
 * windows and stanza sizes that goes where the measured goodput is best, and the bound above
 * which no stanza goes (docs/xmpp.md, "Sizes" and "Throughput"). Pure: no clock, no I/O.
 */
#ifndef MAIL_OUTBOUND_PACE_H
#define MAIL_OUTBOUND_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_WINDOWS  7            /* 1, 2, 4 … 64 bundles */
#define PACE_SIZES    7            /* 4, 8, 16 … 256 KiB */
#define PACE_SIZE_MIN (4u * 1024)
#define PACE_FLOOR    (8u * 1024)  /* the bound is not halved below it; RFC 6120 §13.12 grants 10000 */

struct pace_cell {
    double rate;          /* bytes a second when it was last tried; 0 never */
    int64_t tried_ms;
};

struct pace {
    struct pace_cell cells[PACE_WINDOWS][PACE_SIZES];
    int window, size;     /* the cell in use */
    int home_window, home_size;  /* the best one known: differs while another is tried */
    int direction;        /* of the last move that paid */
    bool has_paid;        /* the cell in use, in one measurement: it must in a second one */
    int stays;            /* measurements of home still to come before the next try */
    size_t ceiling;       /* no bundle of several messages is bigger */
    size_t limit;         /* no message that stands alone is bigger: what the peer says it takes */
    unsigned proofs;      /* stanzas near the ceiling that went well */
    int64_t begun_ms;     /* of the measurement in progress; -1 none */
    size_t skip;          /* answers still to come to bundles of before it */
    uint64_t bytes;
    unsigned answers;
    double trip_ms;       /* smoothed round trip */
};

/* start: the ceiling to begin with; limit: what the peer says it takes, 0 if it does not. */
void pace_init(struct pace *p, size_t start, size_t limit);
void pace_set_limit(struct pace *p, size_t start, size_t limit);

size_t pace_window(const struct pace *p);  /* bundles under way at most */
size_t pace_size(const struct pace *p);    /* bytes of stanza at which a bundle closes */

/*
 * A bundle was answered. stanza: its size; bytes: what of it was messages; in_flight: how many
 * are still under way; is_limit: more waits, so that the path is what limits and worth measuring.
 * True if the ceiling grew.
 */
bool pace_answered(struct pace *p, int64_t now_ms, int64_t trip_ms, size_t stanza, size_t bytes,
                   size_t in_flight, bool is_limit);
/* The path failed, or its peer is overloaded: half the window, and what was measured is void. */
void pace_failed(struct pace *p);
/* A stream died with a stanza of that size under way. True if the ceiling fell. */
bool pace_died(struct pace *p, size_t stanza);

#endif
