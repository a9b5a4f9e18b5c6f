/* SPDX-License-Identifier: MIT */
/* From root to an ordinary user, once, after the listening sockets are open. */
#ifndef DAEMON_PRIVILEGE_H
#define DAEMON_PRIVILEGE_H

#include "base/err.h"

/*
 * Make the data folder (0700) if it is missing, owned by user when we are root. -1: says what
 * is wrong with it.
 */
int privilege_prepare(const char *data_dir, const char *user, struct err *err);
/* If we are root: become user (groups, gid, uid) for good. Nothing otherwise. 0, or -1. */
int privilege_drop(const char *user, struct err *err);

#endif
