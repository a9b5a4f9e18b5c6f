/* SPDX-License-Identifier: MIT */
/* sd_notify, optional at build time and at run time. */
#include "config.h"

#include "daemon/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

void notify_state(const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
#ifdef HAVE_SYSTEMD
    (void)sd_notify(0, text);
#endif
}

void notify_reloading(void)
{
    struct timespec ts;

    /* Type=notify-reload wants the monotonic time of the reload's start. */
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    notify_state("RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                 (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

int64_t notify_watchdog_ms(void)
{
#ifdef HAVE_SYSTEMD
    uint64_t usec = 0;

    if (sd_watchdog_enabled(0, &usec) > 0)
        return (int64_t)(usec / 1000);
#endif
    return 0;
}
