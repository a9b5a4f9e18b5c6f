/* SPDX-License-Identifier: MIT */
/*
 * MBOX INDEX and FETCH in their JSON and tab-separated forms (docs/immp.md, "MBOX"). Pure formatting.
 * Flags are the message's own ("important", …), then "read" or "unread", then "flagged". Dates are
 * RFC 3339. No LF at the end; the tab-separated form never holds a control character but its tabs.
 */
#ifndef WIRE_ROWS_H
#define WIRE_ROWS_H

#include "base/str.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

struct row_state {
    const char *folder;      /* "/INBOX" */
    int64_t received_ms;
    bool is_read;
    bool is_flagged;
};

/* {"_id","from","to":[…],"subject","date","size","flags":[…],"parts":[{"id","class","type","length"},…],"folder"} */
void row_add_json(struct str *out, const struct message *m, const struct row_state *st);
/* _id TAB from TAB to,to TAB subject TAB date TAB size TAB flag,flag TAB number of parts TAB folder */
void row_add_tabs(struct str *out, const struct message *m, const struct row_state *st);
/* The object of FETCH +JSON's "envelope": the row's keys, "received", "kind", and "inreplyto", "expires", "for" where set. */
void row_add_envelope(struct str *out, const struct message *m, const struct row_state *st);

#endif
