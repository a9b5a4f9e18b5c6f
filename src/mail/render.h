/* SPDX-License-Identifier: MIT */
/*
 * A stored message as octets for a client, in pieces: MIME, JSON, or one part's octets. The
 * length is known before the first piece, and only one chunk is in memory at a time.
 */
#ifndef MAIL_RENDER_H
#define MAIL_RENDER_H

#include "mail/mail.h"
#include "store/content.h"
#include "store/entry.h"

enum render_form {
    RENDER_MIME = 1,
    RENDER_JSON,         /* {"envelope":{…},"parts":[{"id","class","type","length","encoding","data"},…]} */
    RENDER_HEADERS,      /* the MIME head alone */
    RENDER_PART,         /* the octets of one part */
    RENDER_SIGNED_JSON,  /* {"header":line,"signature":base64,"certificate":PEM} */
};

struct render;

struct render_request {
    enum render_form form;
    const char *part;        /* RENDER_PART: its name; for RENDER_JSON, only this part; NULL all */
    uint64_t from, to;       /* RANGE a-b: first and last octet of the rendering; to UINT64_MAX: the end */
    const char *folder;      /* "/INBOX", for the envelope */
};

/*
 * Open. -1: ERR_PERMANENT STATUS_NOT_FOUND (no such part, not signed), STATUS_PARAMETER (range).
 */
int render_open(struct mail *m, const struct entry *e, const struct render_request *req,
                struct render **r_r, struct err *err);
void render_close(struct render **rp);
uint64_t render_length(const struct render *r);   /* octets that will come */
/* Append about max octets. 1 more to come, 0 that was all, -1 store trouble. */
int render_read(struct render *r, size_t max, struct str *out, struct err *err);
/* It will be a while: give back what the next read can read again. */
void render_rest(struct render *r);

#endif
