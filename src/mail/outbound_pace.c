/* SPDX-License-Identifier: MIT */
/*
 * The pace of a path.
 *
 * Which stanza size moves most differs by a factor of ten between servers and their settings, in
 * either direction, and no server says so; only goodput tells. So the search stands on a cell of
 * the grid (its home), measures it, and now and then tries a neighbour for one measurement. It
 * moves when that paid, else goes back and leaves the neighbour alone for a while, the longer the
 * worse it was. A wider window must earn clearly more, and twice in a row, because at first it only
 * fills what was empty: so it shrinks to what the path drains, and no server's queue is filled for
 * nothing.
 *
 * Answers come in bursts: the peer takes what arrived in one turn, and answers when it is on disk.
 * So a measurement is of whole rounds, as many answers as the window or a multiple, and ends at
 * the place in a burst at which it began.
 *
 * Only a path with a backlog is measured. One that sends all it has at once has nothing to gain.
 */
#include "mail/outbound_pace.h"

#include <string.h>

#include "base/macros.h"

/*
 * Two bundles of 64 KiB. Big ones from the start: they cost both ends and the servers half the CPU
 * of the same bytes in small ones, and short backlogs are over before a search has found out.
 */
#define WINDOW_START  1
#define SIZE_START    4
#define MEASURE_MS    100
#define MEASURE_MIN_MS 30    /* where it is not half of home's */
#define MEASURE_MAX_MS 3000  /* of a slow path: a few answers must do */
#define ANSWERS_MIN   8
#define STAYS         3      /* measurements of home behind a try that did not pay: most of the time */
#define PROOFS        8      /* before the ceiling is doubled */
#define STANZA_MAX    (256u * 1024)

/*
 * Steps in the grid: one dimension alone, or one for the other at the same bytes under way. Bigger
 * first, and for as little as the same goodput: a bundle's own signatures cost both ends 0.3 ms,
 * whatever is in it. Where big stanzas do harm they do so clearly, so it must be clear to go back.
 *
 * Two steps lead far, because what lies between may be worse than either end (docs/performance.md):
 * to stanzas of a message or two, with the same bytes under way; and to one stanza at a time,
 * sixteen times bigger or the biggest there may be.
 */
#define TO_ONE   (-PACE_WINDOWS)
#define TO_SMALL (-PACE_SIZES)
#define SMALL    1         /* 8 KiB */
#define SMALL_WINDOW 4     /* 16 at most */
static const struct { int window, size; double gain; } steps[] = {
    { -1, +1, 0.98 },
    { 0,  +1, 0.98 },
    { +1, 0,  1.04 },
    { +1, -1, 1.06 },
    { 0,  -1, 1.06 },
    { -1, 0,  0.97 },
    { 0, TO_SMALL, 1.06 },
    { TO_ONE, +4, 1.0 },
};

/* ---- the grid ---- */

static bool is_size(const struct pace *p, int size)
{
    return size >= 0 && size < PACE_SIZES &&
           ((size_t)PACE_SIZE_MIN << size) <= MAX(p->ceiling, PACE_SIZE_MIN);
}

/* Where a step from home leads. False: nowhere. */
static bool step_to(const struct pace *p, size_t k, int *window_r, int *size_r)
{
    int w = p->home_window + steps[k].window, s = p->home_size + steps[k].size;

    if (steps[k].window == TO_ONE) {
        w = 0;
        while (!is_size(p, s) && s > p->home_size)
            s--;
    } else if (steps[k].size == TO_SMALL && p->home_size > SMALL) {
        w = MIN(p->home_window + p->home_size - SMALL, SMALL_WINDOW);
        s = SMALL;
    }
    *window_r = w;
    *size_r = s;
    return w >= 0 && w < PACE_WINDOWS && is_size(p, s) &&
           (w != p->home_window || s != p->home_size);
}

static void stand_on(struct pace *p, int window, int size, size_t in_flight)
{
    p->window = window;
    p->size = size;
    p->has_paid = false;
    p->begun_ms = -1;
    p->skip = in_flight;
}

static struct pace_cell *home(struct pace *p)
{
    return &p->cells[p->home_window][p->home_size];
}

static bool is_home(const struct pace *p)
{
    return p->window == p->home_window && p->size == p->home_size;
}

/*
 * How long a neighbour that was tried and not taken is left alone. A bigger stanza is tried again
 * soon: one measurement that something else on the machine has spoilt must not keep the path at
 * small ones, which cost both ends several times the CPU. size: the step's, in the grid.
 */
static int64_t patience(double rate, double best, int size)
{
    if (size > 0)
        return rate < 0.5 * best ? 30000 : rate < 0.85 * best ? 4000 : 1000;
    return rate < 0.5 * best ? 120000 : rate < 0.85 * best ? 30000 : size < 0 ? 10000 : 3000;
}

/* The next neighbour of home to try, the way that paid last first. False: none now. */
static bool next_cell(struct pace *p, int64_t now_ms, int *window_r, int *size_r)
{
    for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
        size_t k = (i + (size_t)p->direction) % N_ELEMENTS(steps);
        const struct pace_cell *c;

        if (!step_to(p, k, window_r, size_r))
            continue;
        c = &p->cells[*window_r][*size_r];
        if (c->rate <= 0 ||
            now_ms - c->tried_ms > patience(c->rate, home(p)->rate, steps[k].size))
            return true;
    }
    return false;
}

/* Which step led from home to the cell in use. */
static size_t step_taken(const struct pace *p)
{
    size_t k = 0;
    int w, s;

    while (k + 1 < N_ELEMENTS(steps) &&
           (!step_to(p, k, &w, &s) || w != p->window || s != p->size))
        k++;
    return k;
}

/* ---- measuring ---- */

/* Of the measurement in progress, bytes a second. */
static double rate_now(const struct pace *p, int64_t now_ms)
{
    return (double)p->bytes * 1000.0 / (double)MAX(now_ms - p->begun_ms, 1);
}

/* A measurement has ended. */
static void decide(struct pace *p, int64_t now_ms, size_t in_flight)
{
    struct pace_cell *c = &p->cells[p->window][p->size];
    double rate = rate_now(p, now_ms);
    bool is_known = c->rate > 0;
    int window, size;

    c->rate = is_home(p) && is_known ? (c->rate + rate) / 2 : rate;
    c->tried_ms = now_ms;
    if (!is_home(p)) {
        size_t taken = step_taken(p);
        bool has_paid = rate >= home(p)->rate * steps[taken].gain;
        bool is_wider = p->window > p->home_window && p->size == p->home_size;

        if (has_paid && is_wider && !p->has_paid) {
            stand_on(p, p->window, p->size, 0);
            p->has_paid = true;
            return;
        }
        if (has_paid) {
            p->home_window = p->window;
            p->home_size = p->size;
            p->direction = (int)taken;
        } else {
            p->stays = is_known && !p->has_paid ? STAYS : 0;
            stand_on(p, p->home_window, p->home_size, in_flight);
            return;
        }
    } else if (p->stays > 0 && --p->stays > 0) {
        stand_on(p, p->home_window, p->home_size, 0);
        return;
    }
    if (next_cell(p, now_ms, &window, &size))
        stand_on(p, window, size, in_flight);
    else
        stand_on(p, p->home_window, p->home_size, 0);
}

static bool is_measured(struct pace *p, int64_t now_ms)
{
    int64_t took = now_ms - p->begun_ms;

    if (took >= MEASURE_MAX_MS)
        return p->answers >= ANSWERS_MIN / 2;
    if (p->answers < ANSWERS_MIN || p->answers % pace_window(p) != 0)
        return false;
    return took >= MEASURE_MS ||
           (took >= MEASURE_MIN_MS && !is_home(p) && rate_now(p, now_ms) < 0.5 * home(p)->rate);
}

static void measure(struct pace *p, int64_t now_ms, size_t bytes, size_t in_flight)
{
    if (p->skip > 0) {
        p->skip--;
        return;
    }
    if (p->begun_ms < 0) {   /* this answer ends what was before; the next one counts */
        p->begun_ms = now_ms;
        p->bytes = 0;
        p->answers = 0;
        return;
    }
    p->bytes += bytes;
    p->answers++;
    if (is_measured(p, now_ms))
        decide(p, now_ms, in_flight);
}

/* ---- the ceiling ---- */

void pace_set_limit(struct pace *p, size_t start, size_t limit)
{
    start = MIN(MAX(start, PACE_FLOOR), STANZA_MAX);
    p->limit = limit == 0 ? start : MIN(limit, STANZA_MAX);
    p->ceiling = MIN(start, p->limit);
    while (p->home_size > 0 && !is_size(p, p->home_size))
        p->home_size--;
    p->proofs = 0;
    stand_on(p, p->home_window, p->home_size, 0);
}

static bool prove(struct pace *p, size_t stanza)
{
    if (stanza < p->ceiling / 4 * 3 || p->ceiling >= p->limit)
        return false;
    if (++p->proofs < PROOFS)
        return false;
    p->proofs = 0;
    p->ceiling = MIN(p->ceiling * 2, p->limit);
    return true;
}

bool pace_died(struct pace *p, size_t stanza)
{
    size_t half = MAX(MIN(stanza, p->ceiling) / 2, PACE_FLOOR);

    p->proofs = 0;
    if (stanza < p->ceiling / 2 || half >= p->ceiling)
        return false;
    p->ceiling = half;
    while (p->home_size > 0 && !is_size(p, p->home_size))
        p->home_size--;
    stand_on(p, p->home_window, p->home_size, 0);
    return true;
}

/* ---- the outside ---- */

void pace_init(struct pace *p, size_t start, size_t limit)
{
    memset(p, 0, sizeof(*p));
    p->home_window = WINDOW_START;
    p->home_size = SIZE_START;
    pace_set_limit(p, start, limit);
}

size_t pace_window(const struct pace *p)
{
    return (size_t)1 << p->window;
}

size_t pace_size(const struct pace *p)
{
    return MIN((size_t)PACE_SIZE_MIN << p->size, p->ceiling);
}

bool pace_answered(struct pace *p, int64_t now_ms, int64_t trip_ms, size_t stanza, size_t bytes,
                   size_t in_flight, bool is_limit)
{
    p->trip_ms = p->trip_ms <= 0 ? (double)trip_ms : p->trip_ms * 0.875 + (double)trip_ms * 0.125;
    if (is_limit)
        measure(p, now_ms, bytes, in_flight);
    else if (p->begun_ms >= 0 || p->skip > 0 || !is_home(p))
        stand_on(p, p->home_window, p->home_size, 0);
    return prove(p, stanza);
}

void pace_failed(struct pace *p)
{
    memset(p->cells, 0, sizeof(p->cells));
    if (p->home_window > 0)
        p->home_window--;
    stand_on(p, p->home_window, p->home_size, 0);
}
