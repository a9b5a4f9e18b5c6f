/* SPDX-License-Identifier: MIT */
/* What immp says of its failures: one line on standard error, harmless whatever a server said. */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include <immp/client.h>

#include "base/macros.h"

/* "immp: text". */
void report(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* "immp: text (code)", and the exit code that it means. */
int report_error(const struct immp_error *error);

#endif
