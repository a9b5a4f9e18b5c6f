/* SPDX-License-Identifier: MIT */
/*
 * Time, injected: retry, expiry and leases are tested in milliseconds with clock_fake().
 * Wall times (…_at_ms) are milliseconds since the epoch; monotonic ones (since_ms) only differ.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(const struct clock *c);
    int64_t (*mono_ms)(const struct clock *c);
    int64_t fake_ms;  /* what clock_fake() returns for both */
};

const struct clock *clock_system(void);
struct clock clock_fake(int64_t at_ms);  /* advance by adding to fake_ms */

int64_t clock_wall_ms(const struct clock *c);
int64_t clock_mono_ms(const struct clock *c);

#define CLOCK_RFC3339_SIZE 32
/* "2026-11-24T03:21:48.123Z". */
void clock_format_rfc3339(int64_t at_ms, char out[CLOCK_RFC3339_SIZE]);
/* RFC 3339 date-time with any offset, or a full-date (midnight UTC). 0, or -1. */
int clock_parse_rfc3339(const char *s, int64_t *at_ms_r);
#define CLOCK_RFC5322_SIZE 40
/* "Tue, 24 Nov 2026 03:21:48 +0000". */
void clock_format_rfc5322(int64_t at_ms, char out[CLOCK_RFC5322_SIZE]);

#endif
