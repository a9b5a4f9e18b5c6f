/* SPDX-License-Identifier: MIT */
/*
 * Memory. Small allocations never return NULL: out of memory ends the process, and the queue on
 * disk survives that by design. What a peer chooses the size of is checked against a limit first
 * and then uses mem_try_alloc(), which can fail. Everything is released with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);                /* uninitialised, never NULL */
void *mem_zalloc(size_t size);               /* zeroed, never NULL */
void *mem_realloc(void *p, size_t size);     /* never NULL */
void *mem_dup(const void *p, size_t size);   /* copy, never NULL (size 0 gives 1 byte) */
char *mem_strdup(const char *s);             /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n);  /* ends with NUL */

/* May return NULL. For sizes that a peer chose, after its limit was checked. */
void *mem_try_alloc(size_t size);
void *mem_try_realloc(void *p, size_t size);

/*
 * Tests: let the n-th (from 1) mem_try_* call from now on fail, 0 never. Returns how many calls
 * were made since the last call of this function.
 */
size_t mem_fail_nth(size_t n);

/*
 * Once, at program start, before threads: keep the heap (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD), so
 * that megabyte buffers do not fault their pages anew for each seal, and bound the arenas.
 */
void mem_tune(void);

#endif
