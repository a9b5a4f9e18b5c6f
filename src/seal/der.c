/* SPDX-License-Identifier: MIT */
/*
 * The writer of der_private.h. It writes what we make, with structures that are fixed; what others
 * send is read by the library (cms.c).
 */
#include "config.h"

#include "seal/der_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool der_init(struct der *d, size_t left, size_t right)
{
    d->memory = mem_try_alloc(left + right);
    if (d->memory == NULL)
        return false;
    d->start = d->memory + left;
    d->end = d->start;
    d->limit = d->start + right;
    return true;
}

void der_clear(struct der *d)
{
    free(d->memory);
    *d = (struct der){ NULL, NULL, NULL, NULL };
}

size_t der_len(const struct der *d)
{
    return (size_t)(d->end - d->start);
}

void der_prepend(struct der *d, const void *p, size_t n)
{
    assert(n <= (size_t)(d->start - d->memory));
    d->start -= n;
    memcpy(d->start, p, n);
}

void der_append(struct der *d, const void *p, size_t n)
{
    assert(n <= (size_t)(d->limit - d->end));
    memcpy(d->end, p, n);
    d->end += n;
}

void der_wrap_to(struct der *d, uint8_t tag, const uint8_t *end)
{
    uint8_t head[2 + sizeof(size_t)];
    size_t at = sizeof head;
    size_t len = (size_t)(end - d->start);

    if (len < 0x80) {
        head[--at] = (uint8_t)len;
    } else {
        uint8_t octets = 0;

        for (size_t left = len; left > 0; left >>= 8, octets++)
            head[--at] = (uint8_t)left;
        head[--at] = (uint8_t)(0x80 | octets);
    }
    head[--at] = tag;
    der_prepend(d, head + at, sizeof head - at);
}

void der_wrap(struct der *d, uint8_t tag)
{
    der_wrap_to(d, tag, d->end);
}
