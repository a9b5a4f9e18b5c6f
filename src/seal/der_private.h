/* SPDX-License-Identifier: MIT */
/*
 * DER, read strictly, and written around its content. The content, which may be tens of megabytes,
 * is put in the middle once; headers grow to the left of it and trailers to the right, so that
 * nothing is moved and every length is known when its header is written.
 */
#ifndef SEAL_DER_PRIVATE_H
#define SEAL_DER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct der {
    uint8_t *memory;  /* of the whole; NULL after der_init() failed */
    uint8_t *start;   /* first byte written */
    uint8_t *end;     /* behind the last */
    uint8_t *limit;   /* behind the memory */
};

/* Room for so much to the left and to the right of where writing starts. False: no memory. */
bool der_init(struct der *d, size_t left, size_t right);
void der_clear(struct der *d);

size_t der_len(const struct der *d);

/* Both assert that there is room: the caller has counted it. */
void der_prepend(struct der *d, const void *p, size_t n);
void der_append(struct der *d, const void *p, size_t n);

/* What is between start and end becomes the value of one element with this tag. */
void der_wrap(struct der *d, uint8_t tag);
/* The same for what is between start and the given place, where an earlier element ended. */
void der_wrap_to(struct der *d, uint8_t tag, const uint8_t *end);

/* What is left of an encoding that is being read. */
struct der_cursor {
    const uint8_t *p;
    const uint8_t *end;
};

/* The header of an element with this tag, in the fewest octets: steps over it, inside_r into it. */
bool der_enter(struct der_cursor *c, uint8_t tag, struct der_cursor *inside_r);
/* Into an element that is the last of what it stands in. */
bool der_enter_last(struct der_cursor *c, uint8_t tag);
/* These very bytes: steps over them. */
bool der_take(struct der_cursor *c, const void *p, size_t n);

/* Whole elements of a known encoding, from a constant array. */
#define DER_PREPEND(d, constant) der_prepend(d, constant, sizeof(constant))
#define DER_APPEND(d, constant)  der_append(d, constant, sizeof(constant))
#define DER_TAKE(c, constant)    der_take(c, constant, sizeof(constant))

enum {
    DER_INTEGER = 0x02,
    DER_OCTETS = 0x04,
    DER_BITS = 0x03,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_0 = 0x80,             /* [0] IMPLICIT of a primitive type */
    DER_0_CONSTRUCTED = 0xa0, /* [0] EXPLICIT, or IMPLICIT of a constructed type */
    DER_1_CONSTRUCTED = 0xa1,
};

#endif
