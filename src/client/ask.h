/* SPDX-License-Identifier: MIT */
/* The secret: of a file, of $IMMP_SECRET, or asked for on the terminal without echo. */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

#include "base/err.h"

#define ASK_SECRET_MAX 1024  /* bytes */

/*
 * given: the file of the command line, or NULL; configured: that of the configuration, or NULL,
 * which is looked at after $IMMP_SECRET. Returns 0 and *secret_r is the caller's (secret_free()),
 * or -1: ERR_DENIED where there is none, or why the file cannot be read.
 */
int ask_secret(const char *given, const char *configured, const char *account, char **secret_r,
               struct err *err);

#endif
