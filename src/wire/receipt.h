/* SPDX-License-Identifier: MIT */
/*
 * The text that a receipt signs (docs/xmpp.md, "The seal"):
 *
 *   {"bundle":UUID,"sha256":hex of the seal's DER,"results":[{"id":UUID,"to":imid,"code":201,"text":…},…]}
 *   {"bundle":UUID,"sha256":hex,"refused":"bad-seal","text":…}
 */
#ifndef WIRE_RECEIPT_H
#define WIRE_RECEIPT_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

#include <stddef.h>

#define RECEIPT_MAX_BYTES   (4 * 1024 * 1024)
#define RECEIPT_RESULTS_MAX 100000  /* 1000 messages to 100 recipients each */
#define RECEIPT_TEXT_MAX    1024    /* bytes of a text */

enum refusal {
    REFUSED_NONE = 0,
    REFUSED_BAD_SEAL,           /* bad-seal: armor or CMS cannot be read or decrypted */
    REFUSED_BAD_SIGNATURE,      /* bad-signature: of the seal, or of a message */
    REFUSED_UNKNOWN_KEY,        /* unknown-key: encrypted to a key that is not ours, or signed by one unknown */
    REFUSED_WRONG_DESTINATION,  /* wrong-destination */
    REFUSED_MISMATCH,           /* mismatch: the names in its layers do not agree */
    REFUSED_EXPIRED,            /* expired: older than 7 days, or past "expires" */
    REFUSED_ID_REUSED,          /* id-reused: the id was seen with other content */
    REFUSED_MALFORMED,          /* malformed: bundle grammar, digests */
    REFUSED_TOO_LARGE,          /* too-large */
    REFUSED_NOT_AUTHORISED,     /* not-authorised: this component may not speak for the origin; blocked */
    REFUSED_BUSY,               /* busy: temporary */
};
#define REFUSED_COUNT (REFUSED_BUSY + 1)

const char *refusal_name(enum refusal r);              /* "bad-seal"; NULL for NONE */
enum refusal refusal_parse(const char *name);          /* NONE if unknown */

struct receipt_result {
    char id[UUID_SIZE];
    char *to;
    int code;
    char *text;  /* NULL if none */
};

struct receipt {
    char bundle[UUID_SIZE];
    char sha256[65];
    enum refusal refused;    /* NONE: results hold */
    char *refused_text;
    struct receipt_result *results;
    size_t n;
};

void receipt_clear(struct receipt *r);
void receipt_add(struct receipt *r, const char *id, const char *to, int code, const char *text);
/* Append the text, without LF. Texts are cut at RECEIPT_TEXT_MAX. */
void receipt_format(struct str *out, const struct receipt *r);
/*
 * Strict, as message_parse(): "to" comes out in the prepared form that the header had, codes are
 * 200 to 799, refusals known. 0 and *r_r is the caller's, or -1 (ERR_PROTOCOL) and it is empty.
 */
int receipt_parse(const char *s, size_t len, struct receipt *r_r, struct err *err);

#endif
