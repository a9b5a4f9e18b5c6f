/* SPDX-License-Identifier: MIT */
/*
 * What the domain logic stands on, and the domains that we serve. Everything is borrowed from
 * daemon/wiring.c, which creates and destroys it; no file of this room creates a store or a loop.
 */
#ifndef MAIL_MAIL_H
#define MAIL_MAIL_H

#include "base/clock.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "mail/turn.h"
#include "seal/identity.h"
#include "seal/password.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAIL_DAEMON    "mailer-daemon"   /* local part of notices' sender */
#define MAIL_ANONYMOUS "anonymous"       /* local part that +ANONYMOUS shows; both are no account's */

/*
 * The largest stanza that carries a seal: what does not fit is refused with STATUS_TOO_LARGE
 * when it is submitted, because this build sends no chunks.
 */
#define MAIL_STANZA_MAX (256u * 1024)

enum mail_trust {
    MAIL_TRUST_TOFU = 0,  /* first contact pins */
    MAIL_TRUST_PKIX,      /* the certificate must chain to a trusted CA */
    MAIL_TRUST_PINNED,    /* only what the operator has pinned (immpctl peer trust) */
};

enum mail_via { MAIL_VIA_NONE = 0, MAIL_VIA_XMPP, MAIL_VIA_TCP, MAIL_VIA_REJECT };

struct mail_route {
    char *domain;           /* "c.com" */
    enum mail_via via;
    char *to;               /* component JID, or host:port; NULL for reject */
};

struct mail_domain {
    char *name;                       /* "b.com", prepared */
    char *component;                  /* "immp.b.com", prepared */
    struct identity *identity;
    enum mail_trust trust;
    char **admins;                    /* prepared addresses that get operator notices */
    size_t n_admins;
    int64_t message_bytes;            /* limits { message }: 50 MiB */
    int64_t quota_bytes;              /* limits { quota }: 1 GiB */
    size_t stanza_bytes;              /* limits { stanza }: start of the stanza search, 65536 */
    int64_t *retry_ms;                /* schedule; its last step repeats */
    size_t n_retry;
    int64_t expire_ms;                /* 5 days */
    struct mail_route *routes;
    size_t n_routes;
};

struct outbound;
struct inbound;
struct accounts;
struct keys;

struct mail {
    struct store *store;
    struct turn *turn;
    struct loop *loop;
    struct worker *worker;
    const struct clock *clock;
    struct vault *vault;
    struct mail_domain *domains;      /* at least one; the first is the endpoint's default */
    size_t n_domains;
    struct accounts *accounts;
    struct outbound *outbound;
    struct inbound *inbound;
    struct keys *keys;
    bool allow_sha1;                  /* the draft's K; on by default */
};

/* Bytes of the stanza that carries one message alone, at most; header_len without its LF. */
size_t mail_stanza_size(size_t header_len, uint64_t octets);

/* The served domain of that (prepared) name, or NULL. */
const struct mail_domain *mail_domain_get(const struct mail *m, const char *name);
/* The same for the domain of a prepared address. */
const struct mail_domain *mail_domain_of(const struct mail *m, const char *address);
/* Is that (prepared) name the component of a domain of ours? Nobody has a mailbox there. */
bool mail_is_component(const struct mail *m, const char *name);
/* Is it the address of a mailer-daemon? */
bool mail_is_daemon(const char *address);
/* The route configured for a destination, or NULL. */
const struct mail_route *mail_route_get(const struct mail_domain *d, const char *destination);

#endif
