/* SPDX-License-Identifier: MIT */
/*
 * What makes of immpd a daemon whose end by kill -9 is the failing of its machine's power: its
 * database lies on a disk of lib/power.h. Linked with the daemon's own main(), never installed.
 *
 *   IMMP_POWER_DIR    the directory of the database
 *   IMMP_POWER_LEAK   percent of written sectors that reach the disk before they are synced
 *   IMMP_POWER_SEED   which
 *   IMMP_POWER_BREAK  the n-th sync of immp.db fails, and its unwritten pages are dropped
 *   IMMP_POWER_LIES   1: syncs do nothing: to see that the harness notices
 */
#include "config.h"

#include <stdlib.h>

#include "lib/power.h"

static unsigned number(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? (unsigned)strtoul(value, NULL, 10) : 0;
}

__attribute__((constructor)) static void start(void)
{
    const char *dir = getenv("IMMP_POWER_DIR");

    if (dir == NULL)
        return;
    power_register();
    power_leak(dir, number("IMMP_POWER_LEAK"), number("IMMP_POWER_SEED"));
    power_fail_sync(dir, "immp.db", number("IMMP_POWER_BREAK"), true);
    power_lie(dir, number("IMMP_POWER_LIES") != 0);
}
