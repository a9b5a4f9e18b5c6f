/* SPDX-License-Identifier: MIT */
/* UUIDs in text and bytes, and the kernel's randomness. */
#include "config.h"

#include "base/uuid.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Small requests come from a buffer, so that an id does not cost a system call. */
static _Thread_local uint8_t pool[256];
static _Thread_local size_t pool_left;

static void from_kernel(void *out, size_t n)
{
    uint8_t *p = out;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            (void)fprintf(stderr, "immpd: no randomness from the kernel: %s\n", strerror(errno));
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

void random_bytes(void *out, size_t n)
{
    if (n > sizeof(pool) / 4) {
        from_kernel(out, n);
        return;
    }
    if (pool_left < n) {
        from_kernel(pool, sizeof(pool));
        pool_left = sizeof(pool);
    }
    pool_left -= n;
    memcpy(out, pool + pool_left, n);
    memset(pool + pool_left, 0, n);
}

void uuid_generate(char out[UUID_SIZE])
{
    uint64_t ms = (uint64_t)clock_wall_ms(clock_system());
    uint8_t b[UUID_BYTES];

    random_bytes(b, sizeof(b));
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)(ms >> (8 * (5 - i)));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x70);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    uuid_from_bytes(b, out);
}

int uuid_to_bytes(const char *s, uint8_t out[UUID_BYTES])
{
    static const struct { size_t at, bytes; } groups[] = { { 0, 4 }, { 9, 2 }, { 14, 2 }, { 19, 2 }, { 24, 6 } };
    uint8_t b[UUID_BYTES];
    size_t done = 0;

    if (strnlen(s, UUID_SIZE) != UUID_SIZE - 1)
        return -1;
    for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
        if (groups[i].at > 0 && s[groups[i].at - 1] != '-')
            return -1;
        if (str_from_hex(s + groups[i].at, 2 * groups[i].bytes, b + done, groups[i].bytes) < 0)
            return -1;
        done += groups[i].bytes;
    }
    memcpy(out, b, sizeof(b));
    return 0;
}

void uuid_from_bytes(const uint8_t in[UUID_BYTES], char out[UUID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;

    for (int i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[in[i] >> 4];
        *p++ = digits[in[i] & 15];
    }
    *p = '\0';
}

int uuid_parse(const char *s, char out[UUID_SIZE])
{
    uint8_t b[UUID_BYTES];

    if (uuid_to_bytes(s, b) < 0)
        return -1;
    uuid_from_bytes(b, out);
    return 0;
}
