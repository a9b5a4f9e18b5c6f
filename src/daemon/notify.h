/* SPDX-License-Identifier: MIT */
/* What systemd is told (sd_notify). Without systemd, or when not started by it, nothing happens. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include "base/macros.h"

#include <stdint.h>

void notify_state(const char *fmt, ...) PRINTF_LIKE(1, 2);  /* "READY=1", "STATUS=…" */
void notify_reloading(void);
int64_t notify_watchdog_ms(void);  /* 0: no watchdog wanted */

#endif
