/* SPDX-License-Identifier: MIT */
/* Shared by submit.c (begin, end), submit_part.c (octets) and submit_done.c (routing). */
#ifndef MAIL_SUBMIT_PRIVATE_H
#define MAIL_SUBMIT_PRIVATE_H

#include "mail/submit.h"
#include "seal/digest.h"
#include "store/content.h"

enum submit_state {
    SUBMIT_OPEN = 1,  /* between parts */
    SUBMIT_IN_PART,   /* a part is in progress */
    SUBMIT_BROKEN,    /* only destroy is left: too large, or the store failed us */
    SUBMIT_DONE,      /* submit_done() has been called */
};

struct submit_recipient {
    char *written;              /* as the sender wrote it */
    char *address;              /* local[+folder]@domain, local and domain prepared */
    const char *domain;         /* within address */
};

struct submit {
    struct mail *mail;
    const struct mail_domain *domain;  /* whose limits and retry times hold */
    enum submit_state state;
    struct err broken;                 /* why, in BROKEN */

    char *account;                     /* NULL: a remote domain submits */
    char *scope;                       /* of the record: the account, or "@domain" */
    char *sender;                      /* who it really is: gets bounces, never shown if anonymous */
    struct message message;            /* without recipients and destination until done */
    int64_t expires_s;
    struct submit_recipient *to;
    size_t n_to;

    /*
     * Octets. While all parts together take at most CONTENT_CHUNK bytes, memory holds them one
     * after the other and content is 0. From then on finished chunks are rows of the draft, and
     * memory holds only the begun chunk of the part in progress.
     */
    struct str memory;
    int64_t content;
    uint32_t chunk;                    /* the next row's number */
    uint64_t size;                     /* octets of finished parts */

    /* The part in progress. */
    bool is_base64;
    uint64_t announced;                /* UINT64_MAX: not known */
    uint64_t came;                     /* octets as sent */
    uint64_t length;                   /* octets as decoded */
    uint32_t first_chunk;
    struct base64 base64;
    struct digest *digest;
};

/*
 * Where a recipient's mail goes: 1 to a mailbox of ours, 0 into the queue, -1 nowhere
 * (ERR_PERMANENT, STATUS_NO_ROUTE).
 */
int submit_route(const struct submit *s, const struct submit_recipient *r, struct err *err);
/* Remember what ended it and return -1. */
int submit_break(struct submit *s, const struct err *err);
/* Begin the draft and write the finished parts that memory holds as its chunk rows. 0 or -1. */
int submit_store_memory(struct submit *s, struct err *err);

#endif
