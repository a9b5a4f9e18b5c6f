/* SPDX-License-Identifier: MIT */
/*
 * A message as MIME (RFC 2045–2049, 5322, 6532 for UTF-8 headers by encoded words), readable by
 * mail tools. Lengths are known before the first octet, so that big messages stream.
 *
 *   mime_head            From, To, Subject, Date, Message-ID, X-IMMP-…, MIME-Version, Content-Type
 *   per part             mime_part_head, then its octets by mime_encoding, then mime_part_end
 *   mime_tail            the closing boundary
 *
 * A single part has no boundaries: its headers are the message's.
 */
#ifndef WIRE_MIME_H
#define WIRE_MIME_H

#include "base/str.h"
#include "wire/message.h"

enum mime_encoding {
    MIME_7BIT = 0,  /* text, ASCII only, no line over 998, CR LF or LF */
    MIME_8BIT,      /* text, valid UTF-8, no line over 998 */
    MIME_BASE64,    /* lines of 76, CR LF */
};

/* How a part's octets travel: by its type and by a look at them (all of them if at most 256 KiB). */
enum mime_encoding mime_choose(const char *type, const uint8_t *p, size_t n, uint64_t length);

void mime_add_head(struct str *out, const struct message *m, enum mime_encoding first);
void mime_add_part_head(struct str *out, const struct message *m, size_t part,
                        enum mime_encoding enc);
void mime_add_part_end(struct str *out, const struct message *m, size_t part);
void mime_add_tail(struct str *out, const struct message *m);

/* Octets of a part of this length in base64 lines of 76 characters, each ended by CR LF. */
uint64_t mime_base64_length(uint64_t length);

/* A type that may stand in a header: token "/" token with parameters, no controls. 0, or -1. */
int mime_type_check(const char *type);

#endif
