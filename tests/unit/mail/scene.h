/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the ways out and in share: a.test with alice, b.test with bob and carol, and
 * a hook that does what a test wants to the packets of one kind, a number of times.
 */
#ifndef TESTS_UNIT_MAIL_SCENE_H
#define TESTS_UNIT_MAIL_SCENE_H

#include "lib/world.h"

struct scene {
    struct fake_net *net;
    struct world *a, *b;
    struct world *worlds[3];
    /* the hook */
    enum fake_kind kind;                 /* of these packets … */
    int times;                           /* … the next so many … */
    enum fake_action action;             /* … meet this, after … */
    void (*change)(struct scene *s, struct fake_packet *p);  /* … this; may be NULL */
    struct str last_seal;                /* the armor that went last */
    size_t largest;                      /* armor so far */
    void *extra;                         /* the test's own */
};

int scene_setup(void **state);
int scene_teardown(void **state);
/* Do that to the next packets of a kind. */
void scene_hook(struct scene *s, enum fake_kind kind, int times, enum fake_action action,
                void (*change)(struct scene *s, struct fake_packet *p));
bool scene_is_sent(void *scene);         /* nothing is queued at a.test */
void scene_deliver(struct scene *s);     /* turn until it is; else the test fails */
const char *scene_state(struct scene *s);            /* of the path a.test -> b.test; "none" */
const struct outbound_path *scene_path(struct scene *s);

#endif
