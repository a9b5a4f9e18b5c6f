/* SPDX-License-Identifier: MIT */
/*
 * A store that fails when it is told to, in front of any other. Whoever writes the store is tested
 * so: for n from 1 until the scenario passes, let the n-th call fail, and then look that nobody
 * was promised anything and that nothing is half there.
 *
 * A failure is ERR_TEMPORARY, STATUS_STORAGE, and keeps the store's contract: a failed commit loses
 * the transaction, a failed release the savepoint, any other failed call did nothing.
 */
#ifndef TESTS_LIB_STORE_FAILING_H
#define TESTS_LIB_STORE_FAILING_H

#include "store/store.h"

#include <stddef.h>

/* inner is taken over: store_close() closes both. */
struct store *store_failing_create(struct store *inner);

/*
 * Let the n-th (from 1) call from now on that can fail do so, once; 0 never. Returns how many calls
 * were made since this function was last called.
 */
size_t store_failing_nth(struct store *st, size_t n);

/* Whether the call that was asked for has come and failed. */
bool store_failing_has_failed(const struct store *st);

/* What to look at behind the failures. */
struct store *store_failing_inner(struct store *st);

#endif
