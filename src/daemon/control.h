/* SPDX-License-Identifier: MIT */
/*
 * The control socket (DATA-DIR/immpd.sock), over which immpctl speaks. Only root and the user that
 * the daemon runs as are let in (peer credentials).
 *
 *   request   {"command":"queue list","args":{…}} LF, at most 64 KiB
 *   answer    {"row":{…}} LF for each row, then one of
 *             {"done":"text for people"} LF
 *             {"error":"text","kind":"permanent","status":440} LF
 *
 * One request at a time on a connection; it is answered after the commit.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include "base/err.h"
#include "wire/json.h"

struct wiring;
struct control;

struct control *control_create(struct wiring *w, struct err *err);
void control_destroy(struct control **cp);

/* ---- for the command files (control_*.c) only ---- */

struct control_call;   /* one request that is being answered */

struct wiring *control_wiring(struct control_call *call);
/* An argument, or NULL. */
const char *control_arg(const struct control_call *call, const char *name);
/* The same, and when it is missing the call is answered by an error: then the command returns. */
const char *control_need(struct control_call *call, const char *name);
void control_row(struct control_call *call, struct json *row);   /* taken over */
/* Exactly one of these ends a call. */
void control_done(struct control_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);
void control_fail(struct control_call *call, const struct err *err);
/* Park a call over asynchronous work, and find it again: NULL if its connection has gone. */
void *control_park(struct control_call *call);
struct control_call *control_unpark(void *parked);

struct control_command {
    const char *words;
    void (*run)(struct control_call *call);
};
extern const struct control_command control_account_commands[];
extern const struct control_command control_queue_commands[];
extern const struct control_command control_peer_commands[];
extern const struct control_command control_status_commands[];

#endif
