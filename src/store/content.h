/* SPDX-License-Identifier: MIT */
/*
 * Message contents: one stored copy, however many folders and queue entries refer to it. The
 * octets are chunk rows of at most CONTENT_CHUNK bytes, numbered through the whole message; each
 * part starts a new chunk, so that where a part begins follows from the lengths in the header.
 *
 * Life: content_begin() (a draft, without a header), content_append() as octets come,
 * content_finish() with the header. What is never finished, and what nothing refers to any more,
 * is removed (store_tidy, or content_drop at once).
 */
#ifndef STORE_CONTENT_H
#define STORE_CONTENT_H

#include "base/str.h"
#include "base/uuid.h"
#include "store/store.h"
#include "wire/message.h"

#define CONTENT_CHUNK (256u * 1024)

struct content {
    int64_t id;
    char uuid[UUID_SIZE];     /* the message's id */
    char *header;             /* its line (wire/message.h), byte for byte as signed or first made */
    char *signature;          /* base64; NULL: it never left its domain */
    char *certificate;        /* PEM of the key that made it; NULL likewise */
    int64_t size;             /* octets of all parts */
};

void content_clear(struct content *c);

int content_begin(struct store *st, int64_t now_ms, int64_t *id_r, struct err *err);
/*
 * The next chunk: exactly CONTENT_CHUNK bytes unless it is the last of its part; never empty. A
 * part that was given up leaves its numbers to the next one: what stands there is replaced, and
 * what is left behind the last part goes with content_finish().
 */
int content_append(struct store *st, int64_t id, uint32_t chunk, const void *p, size_t n,
                   struct err *err);
/* signature and certificate may be NULL. The message gives sender, subject, date, flags, sizes. */
int content_finish(struct store *st, int64_t id, const struct message *m, const char *header,
                   const char *signature, const char *certificate, struct err *err);
/* Drop a draft, or a content that nothing refers to. 0 or -1. */
int content_drop(struct store *st, int64_t id, struct err *err);

int content_get(struct store *st, int64_t id, struct content *c_r, struct err *err);
/* Append one chunk's octets. 1, or 0 no such chunk. */
int content_chunk(struct store *st, int64_t id, uint32_t chunk, struct str *out, struct err *err);

/* The chunk that part i starts with, and how many it has: by the lengths alone. */
void content_part_chunks(const struct message *m, size_t part, uint32_t *first_r, uint32_t *n_r);

#endif
