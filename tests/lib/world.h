/* SPDX-License-Identifier: MIT */
/*
 * A whole domain without its sockets: store, loop, workers, turn, keys, the ways out and in, and
 * a node of the network in memory. Tests play two or three of them, in one thread.
 */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "lib/fake_transport.h"
#include "lib/temp_dir.h"
#include "mail/mail.h"

struct world {
    char dir[TEMP_DIR_SIZE];
    struct clock clock;          /* runs with the system's, shifted by world_shift() */
    struct mail mail;
    struct mail_domain domain;
    int64_t retry_ms[8];
    bool is_failing;             /* from the next start its store is lib/store_failing.h's */
    struct fake_net *net;
    struct fake_node *node;
};

/* name: "a.test". Ends the test where something cannot be made. */
struct world *world_create(struct fake_net *net, const char *name);
void world_destroy(struct world **wp);
/* Everything but store and keys goes and comes again, as by a crash and a new start. */
void world_restart(struct world *w);
void world_shift(struct world *w, int64_t ms);   /* its clock jumps */

/* Turn the worlds (NULL-ended) until done(ctx), at most limit_ms (lib/patience.h). True if it
   was. */
bool world_run(struct world *const *worlds, bool (*done)(void *ctx), void *ctx, int limit_ms);
void world_turns(struct world *const *worlds, int ms);   /* turn them for a while */
/* Turn them until it is true; the test fails if it is not within 20 s. */
#define WORLD_UNTIL(worlds, condition) \
    do { \
        int left = 20000; \
        while (!(condition) && left-- > 0) \
            world_turns(worlds, 1); \
        assert_true(condition); \
    } while (0)

void world_account(struct world *w, const char *address);
/* Queue a message of size octets from local mail; to: one or more recipients of one domain,
   separated by spaces. Its id is returned, valid until the eighth next call. */
const char *world_send(struct world *w, const char *from, const char *to, size_t size,
                       unsigned flags);
size_t world_count(struct world *w, const char *address, const char *folder);  /* messages */
size_t world_queued(struct world *w);
/* The text of the newest message in a folder whose text has that in it; "" none. Static memory. */
const char *world_text(struct world *w, const char *address, const char *needle);
void world_check(struct world *w);   /* store_check() */

#endif
