/* SPDX-License-Identifier: MIT */
/*
 * One loop turn, one transaction, one fsync, then the replies. This joins the loop's turn end to
 * the store's commit.
 *
 * Who writes the store in a turn and has told somebody of it joins the turn. After the commit
 * each participant is called once: ok, or not, in which case nothing of the turn is on disk and
 * it must take back what it was about to say (stream_discard_held and a temporary failure) and
 * rebuild what it keeps in memory from the store.
 */
#ifndef MAIL_TURN_H
#define MAIL_TURN_H

#include "loop/loop.h"
#include "store/store.h"

struct turn;
typedef void turn_fn(void *ctx, bool ok, const struct err *err);

/* Takes the loop's turn-end hook. loop and store are borrowed. */
struct turn *turn_create(struct loop *lp, struct store *st);
void turn_destroy(struct turn **tp);

/*
 * Call fn after this turn's commit (at once in the turn-end hook when nothing was written).
 * In the order of joining; joining again with the same fn and ctx in one turn is one call. fn
 * may write the store again: that is committed before the loop sleeps too, and its joins come
 * in a further round.
 */
void turn_join(struct turn *t, turn_fn *fn, void *ctx);
void turn_leave(struct turn *t, void *ctx);  /* ctx is going away: forget its joins */

struct turn_counters { uint64_t commits, failures; };
const struct turn_counters *turn_counters(const struct turn *t);

#endif
