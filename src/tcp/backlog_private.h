/* SPDX-License-Identifier: MIT */
/*
 * Output that clients have asked for and do not take, of all connections together. Each is bounded
 * by its session (SESSION_OUT_HIGH and a chunk); ten thousand of them would be gigabytes.
 */
#ifndef TCP_BACKLOG_PRIVATE_H
#define TCP_BACKLOG_PRIVATE_H

#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

#define BACKLOG_MAX      (64u * 1024 * 1024) /* above it, who takes nothing has to go */
#define BACKLOG_FACTOR   4                   /* above so many times that, anybody */
#define BACKLOG_PATIENCE 10000               /* ms that a byte may wait before that */

struct connection;
struct backlog;

/* A connection's part in it. */
struct backlog_item {
    struct connection *prev, *next;
    bool is_in;
    uint64_t mark;   /* when so many bytes have left ... */
    int64_t mark_ms; /* ... what was the last in the row at that time is gone */
};

struct backlog *backlog_create(struct loop *lp, size_t max_bytes); /* 0: BACKLOG_MAX */
void backlog_destroy(struct backlog **bp);                         /* nobody is in it any more */
/* It has been given output. */
void backlog_note(struct backlog *b, struct connection *c);
void backlog_forget(struct backlog *b, struct connection *c);

#endif
