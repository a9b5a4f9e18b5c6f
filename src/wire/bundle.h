/* SPDX-License-Identifier: MIT */
/*
 * The bundle: what a seal encloses (docs/xmpp.md, "The seal").
 *
 *   bundle header LF
 *   for each message:  header LF  signature (base64, one line) LF  octets of its parts
 *
 * Nothing stands between a message's last octet and the next header, and nothing after the last.
 */
#ifndef WIRE_BUNDLE_H
#define WIRE_BUNDLE_H

#include "base/err.h"
#include "base/str.h"
#include "wire/message.h"

#include <stddef.h>
#include <stdint.h>

#define BUNDLE_MESSAGES_MAX 1000
#define BUNDLE_HEAD_MAX (8 * 1024 * 1024) /* bytes of the head line: its pad grows with the bundle */
#define BUNDLE_SIGNATURE_MAX (16 * 1024)  /* base64 characters */

struct bundle_head {
    char id[UUID_SIZE];
    char *origin;
    char *destination;
    int64_t time_ms;
    size_t messages;
};

void bundle_head_clear(struct bundle_head *head);

/*
 * Append the header line with its LF, "pad" filled with so many full stops (how many makes no
 * difference to a reader, nor does what they are).
 */
void bundle_add_head(struct str *out, const struct bundle_head *head, size_t pad);
/* How many pad characters hide the size of a bundle of this many bytes (at most about 12 %). */
size_t bundle_pad(size_t bytes);
/* Append "header LF signature LF"; the caller appends the octets. */
void bundle_add_message(struct str *out, const char *header, size_t header_len,
                        const char *signature);

struct bundle_item {
    struct message message;    /* parsed; owned by the caller: message_clear() */
    const char *header;        /* the exact bytes of the header line, within the bundle */
    size_t header_len;
    const char *signature;     /* base64, not NUL-ended, within the bundle */
    size_t signature_len;
    const uint8_t *octets;     /* all parts, one after the other, within the bundle */
    uint64_t octets_len;
};

struct bundle_reader {         /* caller's memory; fields private */
    const uint8_t *p;
    size_t left;
    size_t messages_left;
};

/* Read the head of a whole bundle, which must outlive the reader. 0, or -1 (ERR_PROTOCOL). */
int bundle_open(struct bundle_reader *br, const uint8_t *p, size_t len,
                struct bundle_head *head_r, struct err *err);
/*
 * Next message. Returns 1 a message, 0 all were read and nothing is left over, -1 ERR_PROTOCOL
 * (item_r then holds nothing to clear; do not go on).
 */
int bundle_next(struct bundle_reader *br, struct bundle_item *item_r, struct err *err);

#endif
