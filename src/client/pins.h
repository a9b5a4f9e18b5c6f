/* SPDX-License-Identifier: MIT */
/*
 * The keys of servers as they were at first contact: lines "host:port sha256:HEX" in a file that
 * people may edit. Other lines are kept as they are.
 */
#ifndef CLIENT_PINS_H
#define CLIENT_PINS_H

#include "base/err.h"

enum pin {
    PIN_NEW = 1,   /* the server is not in the file */
    PIN_SAME,      /* its key is the one that is remembered */
    PIN_CHANGED,   /* it has another */
};

/* What the file says of a server ("host:port") with this fingerprint (64 hex digits). An enum pin, or -1. */
int pins_check(const char *path, const char *server, const char *fingerprint, struct err *err);
/* Remember it: the file, 0600, and its folder are made where missing; on disk when it returns. 0, or -1. */
int pins_add(const char *path, const char *server, const char *fingerprint, struct err *err);

#endif
