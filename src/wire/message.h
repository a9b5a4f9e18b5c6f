/* SPDX-License-Identifier: MIT */
/*
 * A message's header: what is known of a message but its octets, and its one-line JSON form
 * (docs/xmpp.md, "The seal"). The line is what the message signature covers, so it is made once
 * and kept byte for byte.
 *
 *   {"id":UUID,"kind":"message","origin":"a.com","destination":"b.com","from":…,"to":[…],
 *    "subject":…,"date":RFC3339,"for":[…],"expires":RFC3339,"flags":[…],"hops":[…],
 *    "parts":[{"name":…,"type":…,"class":"content","length":n,"sha256":hex},…]}
 *
 * id, kind, origin, destination, from, to, date and parts must be there; the rest may. Keys that
 * are not in this list are refused unless they start with "x-". Ours: "x-inreplyto" (UUID).
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_PARTS_MAX      1000
#define MESSAGE_RECIPIENTS_MAX 100
#define MESSAGE_HOPS_MAX       25
#define MESSAGE_FLAGS_MAX      32
#define MESSAGE_SUBJECT_MAX    2048        /* bytes */
#define MESSAGE_HEADER_MAX     (512 * 1024) /* bytes of the JSON line */
#define MESSAGE_NAME_MAX       255         /* bytes of a part's name or type */

enum message_kind {
    MESSAGE_NONE = 0,
    MESSAGE_MAIL,    /* "message" */
    MESSAGE_PUSH,    /* "push" */
    MESSAGE_EVENT,   /* "event" */
    MESSAGE_NOTICE,  /* "notice": from the mailer-daemon; never answered by another */
    MESSAGE_REPORT,  /* "report" */
};

enum {
    MESSAGE_IMPORTANT   = 1 << 0,  /* "important"   +IMPORTANT */
    MESSAGE_UNIMPORTANT = 1 << 1,  /* "unimportant" -IMPORTANT */
    MESSAGE_SECURE      = 1 << 2,  /* "secure" */
    MESSAGE_ANONYMOUS   = 1 << 3,  /* "anonymous" */
    MESSAGE_BLIND       = 1 << 4,  /* "blind" */
    MESSAGE_RECEIPT     = 1 << 5,  /* "receipt" */
    MESSAGE_MULTIPART   = 1 << 6,  /* "multipart" */
};

struct part {
    char *name;
    char *type;          /* MIME type, "text/plain" */
    bool is_content;     /* "class":"content", else "data" */
    uint64_t length;     /* octets */
    char sha256[65];     /* lower-case hex */
};

struct message {
    char id[UUID_SIZE];
    enum message_kind kind;
    char *origin;        /* the domain it comes from */
    char *destination;   /* the domain this copy goes to */
    char *from;          /* prepared address */
    char **to;           /* recipients in destination, as written with +folder, prepared local and domain */
    size_t n_to;
    char **shown;        /* "for": all of them as the sender wrote them; none with +BLIND */
    size_t n_shown;
    char *subject;       /* NULL if none */
    int64_t date_ms;
    int64_t expires_ms;  /* wall clock; 0: never */
    unsigned flags;      /* MESSAGE_… */
    char in_reply_to[UUID_SIZE];  /* "" if none */
    char **hops;         /* domains that passed it on */
    size_t n_hops;
    struct part *parts;
    size_t n_parts;
};

void message_init(struct message *m);
void message_clear(struct message *m);
void message_add_to(struct message *m, const char *address);
void message_add_shown(struct message *m, const char *address);
void message_add_hop(struct message *m, const char *domain);
struct part *message_add_part(struct message *m, const char *name, const char *type,
                              bool is_content, uint64_t length, const char *sha256);
uint64_t message_size(const struct message *m);  /* octets of all parts */

/* Append the line, without LF, keys in the order above. */
void message_format(struct str *out, const struct message *m);

/*
 * Read a line (no LF). Strict: I-JSON, no duplicate keys, every limit above, addresses parsed and
 * prepared. 0 and *m_r is the caller's, or -1 (ERR_PROTOCOL) and *m_r is empty.
 */
int message_parse(const char *line, size_t len, struct message *m_r, struct err *err);

const char *message_kind_name(enum message_kind kind);
/* The names of the set flags, one by one: NULL when i is past the last. */
const char *message_flag_at(unsigned flags, size_t i);

#endif
