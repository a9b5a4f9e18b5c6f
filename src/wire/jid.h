/* SPDX-License-Identifier: MIT */
/*
 * JIDs and their map to IMIDs (docs/xmpp.md, "JIDs and IMIDs"; XEP-0106).
 *
 *   local    alice@b.com          <->  alice@immp.b.com
 *            helpdesk/alice@b.com <->  helpdesk\2falice@immp.b.com
 *   foreign  bob@c.com            <->  bob\40c.com@immp.b.com
 */
#ifndef WIRE_JID_H
#define WIRE_JID_H

#include "base/err.h"
#include "base/str.h"

struct jid {
    char *node;      /* "" if none */
    char *host;      /* never empty */
    char *resource;  /* "" if none */
};

/* Split and prepare (nodeprep, nameprep; resource as it is). 0, or -1 (ERR_PROTOCOL). */
int jid_parse(const char *s, struct jid *jid_r, struct err *err);
void jid_clear(struct jid *jid);
void jid_add_bare(struct str *out, const struct jid *jid);

/* XEP-0106. escape: 0, or -1 (a space first or last cannot be escaped). unescape is total. */
int jid_escape(struct str *out, const char *local, struct err *err);
void jid_unescape(struct str *out, const char *node);

/*
 * The bare JID at our component of a prepared address. domain is the one the component serves,
 * component its JID (immp.b.com). A +folder is kept, case-folded as XMPP folds it. 0, or -1
 * (longer than 1023 bytes, or a folder that no JID can hold).
 */
int jid_from_address(struct str *out, const char *address, const char *domain,
                     const char *component, struct err *err);
/* The reverse, from the node of a JID at our component. 0 and the caller frees, or -1. */
int jid_to_address(const char *node, const char *domain, char **address_r, struct err *err);

#endif
