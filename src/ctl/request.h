/* SPDX-License-Identifier: MIT */
/* One request over the control socket (daemon/control.h has the format), blocking. */
#ifndef CTL_REQUEST_H
#define CTL_REQUEST_H

#include "base/err.h"
#include "base/str.h"
#include "wire/json.h"

struct request_answer {
    struct json *rows;   /* an array, never NULL after success or refusal */
    struct str text;     /* "done" */
};

void request_answer_clear(struct request_answer *a);

/*
 * Send and wait for the answer. args is taken over. Returns 0 done, 1 refused by the daemon (err
 * has its reason), -1 the daemon cannot be reached or hung up (err).
 */
int request_send(const char *socket_path, const char *words, struct json *args,
                 struct request_answer *answer_r, struct err *err);

#endif
