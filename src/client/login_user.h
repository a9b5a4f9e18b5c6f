/* SPDX-License-Identifier: MIT */
/* From options and configuration to a connection that is logged in: what every command begins with. */
#ifndef CLIENT_LOGIN_USER_H
#define CLIENT_LOGIN_USER_H

#include <immp/client.h>

#include "client/options.h"

/*
 * Connect to the user's server, check its key against the pins, log in. NULL: it has been said on
 * standard error why, and *exit_r is the exit code.
 */
struct immp_client *login_user(const struct options *o, int *exit_r);

/* "immp: what: why" on standard error; the exit code. */
int login_complain(const char *what, const struct immp_error *error);

#endif
