/* SPDX-License-Identifier: MIT */
/* A stream whose other end the test holds as a plain descriptor, and a record of its events. */
#ifndef TESTS_UNIT_LOOP_PAIR_H
#define TESTS_UNIT_LOOP_PAIR_H

#include "loop/stream.h"

#include "base/str.h"

struct pair {
    struct clock clock;      /* a fake one that the test moves */
    struct loop *loop;
    struct stream *stream;
    int peer;                /* non-blocking */
    struct str got;          /* what data events took */
    struct str trail;        /* the events, a letter each: C S D R I X */
    bool takes;              /* data events take all of it */
    bool closes;             /* closed events close the stream */
    struct err why;          /* of the closed event */
    void (*on_data)(struct pair *p);
};

extern const struct stream_events pair_events;

struct pair *pair_create(void);                  /* of Unix sockets */
struct pair *pair_of(int fd, int peer);          /* of what is connected already */
void pair_destroy(struct pair **pp);
void pair_turns(struct pair *p, int n);          /* turns that do not wait */
void pair_say(struct pair *p, const char *s);    /* from the test's end */
/* Everything that the test's end can read now, as text; valid until the next call. "<end>" ends it. */
const char *pair_hear(struct pair *p);

#endif
