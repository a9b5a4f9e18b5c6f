/* SPDX-License-Identifier: MIT */
/* Exit codes after sysexits.h, from what a server said or what went wrong. */
#ifndef CLIENT_EXITS_H
#define CLIENT_EXITS_H

#include <immp/client.h>

/* Of a reply code: 0 for success. */
int exits_of_status(int status);
/* Of an error; IMMP_OK gives 0. */
int exits_of_error(const struct immp_error *error);

#endif
