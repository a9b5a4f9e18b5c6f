/* SPDX-License-Identifier: MIT */
/*
 * The writer and the reader of der_private.h. It writes what we make, with structures that are
 * fixed, and reads the same back; whatever else others send is read by the library (cms.c).
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

/* ---- reading ---- */

bool der_enter(struct der_cursor *c, uint8_t tag, struct der_cursor *inside_r)
{
    const uint8_t *p = c->p;
    size_t len, octets;

    if (c->end - p < 2 || p[0] != tag)
        return false;
    len = p[1];
    p += 2;
    if (len >= 0x80) {
        octets = len & 0x7f;
        if (octets == 0 || octets > sizeof len || (size_t)(c->end - p) < octets || *p == 0)
            return false;
        for (len = 0; octets > 0; octets--)
            len = len << 8 | *p++;
        if (len < 0x80)
            return false;
    }
    if (len > (size_t)(c->end - p))
        return false;
    *inside_r = (struct der_cursor){ p, p + len };
    c->p = p + len;
    return true;
}

bool der_enter_last(struct der_cursor *c, uint8_t tag)
{
    struct der_cursor inside;

    if (!der_enter(c, tag, &inside) || c->p != c->end)
        return false;
    *c = inside;
    return true;
}

bool der_take(struct der_cursor *c, const void *p, size_t n)
{
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, p, n) != 0)
        return false;
    c->p += n;
    return true;
}
