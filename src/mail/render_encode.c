/* SPDX-License-Identifier: MIT */
/*
 * The octets of a rendering's pieces, from any position on, with one chunk in memory.
 *
 * Base64 is made in units: 57 octets are one line, 3 octets are 4 characters. Neither divides a
 * chunk, so a unit may lie across two; it is gathered then. A range may begin within a unit: the
 * unit is made whole and its front cut off. It ends where the range ends, otherwise always with a
 * whole unit, so that going on costs nothing.
 */
#include <string.h>

#include "seal/digest.h"
#include "store/content.h"
#include "wire/json.h"
#include "wire/status.h"

#include "mail/render_private.h"

#define LINE_OCTETS 57
#define LINE_CHARS  78 /* 76 and CR LF */

int render_load(struct render *r, uint32_t chunk, struct err *err)
{
    int rc;

    if (r->has_chunk && r->chunk_no == chunk)
        return 0;
    r->has_chunk = false;
    str_truncate(&r->chunk, 0);
    rc = content_chunk(r->mail->store, r->content, chunk, &r->chunk, err);
    if (rc == 0)
        rc = err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "chunk %u of message %s is not there",
                     chunk, r->message.id);
    r->has_chunk = rc == 1;
    r->chunk_no = chunk;
    return rc < 0 ? -1 : 0;
}

int render_load_string(struct render *r, uint32_t chunk, struct err *err)
{
    if (r->has_string && r->string_no == chunk)
        return 0;
    r->has_string = false;
    if (render_load(r, chunk, err) < 0)
        return -1;
    str_truncate(&r->string, 0);
    json_add_quoted(&r->string, r->chunk.s, r->chunk.len);
    r->has_string = true;
    r->string_no = chunk;
    return 0;
}

/* The part's octets at pos, as far as they are in one chunk. 0 with n_r > 0, or -1. */
static int octets_at(struct render *r, const struct piece *p, uint64_t pos, const char **p_r,
                     size_t *n_r, struct err *err)
{
    uint32_t chunk = p->first_chunk + (uint32_t)(pos / CONTENT_CHUNK);
    size_t off = (size_t)(pos % CONTENT_CHUNK);
    size_t want = (size_t)MIN(p->octets - pos, (uint64_t)(CONTENT_CHUNK - off));

    if (render_load(r, chunk, err) < 0)
        return -1;
    if (r->chunk.len < off + want)
        return err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "chunk %u of message %s is cut short",
                       chunk, r->message.id);
    *p_r = r->chunk.s + off;
    *n_r = want;
    return 0;
}

static void add_encoded(struct str *out, enum piece_kind kind, const char *p, size_t n)
{
    if (kind == PIECE_BASE64) {
        base64_add(out, p, n, 0);
        return;
    }
    str_reserve(out, (n / LINE_OCTETS + 1) * LINE_CHARS);
    for (size_t i = 0; i < n; i += LINE_OCTETS) {
        base64_add(out, p + i, MIN(n - i, (size_t)LINE_OCTETS), 0);
        str_addn(out, "\r\n", 2);
    }
}

/* A unit that lies across two chunks. Returns how many octets it has, or -1. */
static int gather(struct render *r, const struct piece *p, uint64_t pos, size_t unit,
                  char buf[LINE_OCTETS], struct err *err)
{
    size_t want = (size_t)MIN((uint64_t)unit, p->octets - pos);
    size_t got = 0;

    while (got < want) {
        const char *q;
        size_t n;

        if (octets_at(r, p, pos + got, &q, &n, err) < 0)
            return -1;
        n = MIN(n, want - got);
        memcpy(buf + got, q, n);
        got += n;
    }
    return (int)want;
}

static int emit_base64(struct render *r, const struct piece *p, uint64_t off, uint64_t want,
                       struct str *out, struct err *err)
{
    const size_t unit = p->kind == PIECE_LINES ? LINE_OCTETS : 3;
    const size_t chars = p->kind == PIECE_LINES ? LINE_CHARS : 4;
    const size_t skip = (size_t)(off % chars);
    const size_t before = out->len;
    uint64_t pos = off / chars * unit;

    /* A piece may end within a unit, and there the padding ends as well: nothing to round up. */
    want = MIN((skip + want + chars - 1) / chars * chars - skip, p->length - off);
    want = MIN(want, r->end - r->at);
    while (out->len < before + skip + want) {
        char buf[LINE_OCTETS];
        const char *q;
        size_t n, units = (before + skip + (size_t)want - out->len + chars - 1) / chars;
        int got;

        if (octets_at(r, p, pos, &q, &n, err) < 0)
            return -1;
        if (n < unit && pos + n < p->octets) {
            got = gather(r, p, pos, unit, buf, err);
            if (got < 0)
                return -1;
            q = buf;
            n = (size_t)got;
        } else {
            n = MIN(n, units * unit);
            if (pos + n < p->octets)
                n -= n % unit;
        }
        add_encoded(out, p->kind, q, n);
        pos += n;
    }
    if (skip > 0)
        memmove(out->s + before, out->s + before + skip, (size_t)want);
    str_truncate(out, before + (size_t)want);
    return 0;
}

int render_emit(struct render *r, const struct piece *p, uint64_t off, uint64_t want,
                struct str *out, struct err *err)
{
    const char *q;
    size_t n;

    want = MIN(want, MIN(p->length - off, r->end - r->at));
    switch (p->kind) {
    case PIECE_TEXT:
        str_addn(out, r->text.s + p->text_at + off, (size_t)want);
        return 0;
    case PIECE_STRING:
        if (render_load_string(r, p->first_chunk, err) < 0)
            return -1;
        if (r->string.len != p->length)
            return err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "message %s has changed",
                           r->message.id);
        str_addn(out, r->string.s + off, (size_t)want);
        return 0;
    case PIECE_OCTETS:
        if (octets_at(r, p, off, &q, &n, err) < 0)
            return -1;
        str_addn(out, q, MIN(n, (size_t)want));
        return 0;
    case PIECE_LINES:
    case PIECE_BASE64:
        return emit_base64(r, p, off, want, out, err);
    }
    return err_set(err, ERR_TEMPORARY, STATUS_INTERNAL, "a piece of no kind");
}
