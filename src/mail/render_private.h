/* SPDX-License-Identifier: MIT */
/* Shared by render.c (what a rendering is made of) and render_encode.c (its octets). */
#ifndef MAIL_RENDER_PRIVATE_H
#define MAIL_RENDER_PRIVATE_H

#include "mail/render.h"
#include "base/str.h"
#include "wire/message.h"

enum piece_kind {
    PIECE_TEXT = 1,  /* literal, within render.text */
    PIECE_OCTETS,    /* a part as it is */
    PIECE_LINES,     /* a part as base64 lines of 76 characters, CR LF */
    PIECE_BASE64,    /* a part as base64 in one line */
    PIECE_STRING,    /* a part as a JSON string with its quotes; at most CONTENT_CHUNK octets */
};

struct piece {
    enum piece_kind kind;
    uint64_t length;         /* octets of the rendering */
    size_t text_at;          /* TEXT: where it begins */
    uint64_t octets;         /* the others: the part's octets, and its first chunk */
    uint32_t first_chunk;
};

struct render {
    struct mail *mail;
    int64_t content;
    struct message message;

    struct piece *pieces;
    size_t n, cap;
    struct str text;
    size_t text_done;        /* text up to here belongs to pieces */
    uint64_t length;         /* of all pieces */

    uint64_t at, end;        /* octets [at, end) of the rendering are still to come */
    uint64_t first, last;    /* the range asked for, [first, last) */
    size_t piece;            /* where at is, and the octet that this piece begins with */
    uint64_t piece_start;

    struct str chunk;        /* the one chunk in memory */
    uint32_t chunk_no;
    bool has_chunk;
    struct str string;       /* PIECE_STRING's text of the chunk string_no */
    uint32_t string_no;
    bool has_string;
};

/* Have that chunk in r->chunk. 0 or -1. */
int render_load(struct render *r, uint32_t chunk, struct err *err);
/* Have that one-chunk part as a JSON string in r->string. 0 or -1. */
int render_load_string(struct render *r, uint32_t chunk, struct err *err);
/* Append octets of a piece from off on, at least one, about want, never beyond r->end. 0 or -1. */
int render_emit(struct render *r, const struct piece *p, uint64_t off, uint64_t want,
                struct str *out, struct err *err);

#endif
