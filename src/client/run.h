/* SPDX-License-Identifier: MIT */
/* immp's commands. Each returns the exit code (sysexits) and has said on standard error what failed. */
#ifndef CLIENT_RUN_H
#define CLIENT_RUN_H

#include <immp/client.h>

#include "client/options.h"

int run_send(struct immp_client *c, const struct options *o);
int run_check(struct immp_client *c, const struct options *o);
int run_list(struct immp_client *c, const struct options *o);
int run_read(struct immp_client *c, const struct options *o);

#endif
