/* SPDX-License-Identifier: MIT */
/*
 * IMIDs (docs/immp.md, "IMIDs"):
 *
 *   imid    = [ "imid:" / "immp:" [ "//" ] ] address [ "/" path [ "#" msgid ] ] [ "?" action ]
 *   address = local [ "+" folder ] "@" domain
 *
 *   alice@a.com   helpdesk/alice@a.com   alice+lists@a.com   alice@a.com/INBOX/Lists#UUID
 *   immp://newsletter/updates@website.com?subscribe          (percent-encoding in URIs only)
 *
 * Not IMIDs: a@b@c, @a.com, a.com, "a/../b@c", "a b@c" and what is longer than 1023 bytes.
 */
#ifndef WIRE_IMID_H
#define WIRE_IMID_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>

#define IMID_MAX_BYTES 1023

enum imid_action {
    IMID_ACTION_NONE = 0,
    IMID_ACTION_SUBSCRIBE,
    IMID_ACTION_MESSAGE,
    IMID_ACTION_PUSH,
};

struct imid {
    char *local;    /* prepared: nodeprep per segment, "helpdesk/alice"; never empty */
    char *folder;   /* what followed "+", as written; "" if none */
    char *domain;   /* lower-case A-labels */
    char *path;     /* "INBOX/Lists", as written, no leading slash; "" if none */
    char msgid[UUID_SIZE];  /* lower case; "" if none */
    enum imid_action action;
};

/* Returns 0 and *id_r is the caller's (imid_clear), or -1 (ERR_PROTOCOL, STATUS_PARAMETER). */
int imid_parse(const char *s, struct imid *id_r, struct err *err);
void imid_clear(struct imid *id);

/* local@domain, the comparable form of the address alone. */
void imid_add_address(struct str *out, const struct imid *id);
/* The whole IMID without scheme; imid_parse() of it gives the same fields. */
void imid_add(struct str *out, const struct imid *id);

/* Parse and give local@domain of a plain address (no path, no action). 0 or -1. Caller frees. */
int imid_address(const char *s, char **address_r, struct err *err);

/* The domain of a prepared address: a pointer within it. */
const char *imid_domain_of(const char *address);

/* Is child parent itself, or below it (helpdesk/alice@d is below helpdesk@d)? Prepared forms. */
bool imid_is_within(const char *child, const char *parent);

/*
 * In PUSH and pubsub commands newsletter@d/updates names the node newsletter/updates@d: rewrite
 * path into local. 0, or -1 (a path segment that no local part may be).
 */
int imid_path_to_node(struct imid *id, struct err *err);

#endif
