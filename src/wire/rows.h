/* SPDX-License-Identifier: MIT */
/*
 * MBOX INDEX and FETCH in their JSON and tab-separated forms (docs/immp.md, "MBOX"). Pure formatting.
 * What of a row is the message's own is made once, when it is stored: its summary. A row is then
 * the summary and the mailbox's part, and an index of thousands reads no header.
 *
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

/* The summary: lines in our own form, kept by the store and read by nobody but this file. */
void row_summarize(struct str *out, const struct message *m);
bool row_is_summary(const char *s);   /* false: a header, from before there were summaries */

/* {"_id","from","to":[…],"subject","date","size","flags":[…],"parts":[{"id","class","type","length"},…],"folder"} */
void row_add_json(struct str *out, const char *summary, const struct row_state *st);
/* _id TAB from TAB to,to TAB subject TAB date TAB size TAB flag,flag TAB number of parts TAB folder */
void row_add_tabs(struct str *out, const char *summary, const struct row_state *st);
/* The object of FETCH +JSON's "envelope": the row's keys, "received", "kind", and "inreplyto", "expires", "for" where set. */
void row_add_envelope(struct str *out, const struct message *m, const struct row_state *st);

#endif
