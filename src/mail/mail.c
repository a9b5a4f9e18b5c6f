/* SPDX-License-Identifier: MIT */
/*
 * Which domains are ours, where the others are reached, and how much of a stanza a message takes.
 * A daemon serves a handful of domains, so the lists are walked; names come prepared (wire/imid.h),
 * so they are compared byte by byte.
 */
#include "mail/mail.h"

#include <string.h>

#include "seal/seal.h"
#include "wire/bundle.h"
#include "wire/imid.h"

/* Upper bounds of what stands around a message's header and octets in its stanza. */
#define BUNDLE_HEAD_BYTES 1024 /* the bundle's header line without its pad: two domain names */
#define SIGNATURE_BYTES   2048 /* base64 of SignedData without certificates, RSA 4096 included */
#define ELEMENT_BYTES     4096 /* <iq><seal …>: two JIDs, two domains, escaped */

size_t mail_stanza_size(size_t header_len, uint64_t octets)
{
    size_t bytes;

    if (octets > MAIL_STANZA_MAX)
        return SIZE_MAX;
    bytes = BUNDLE_HEAD_BYTES + header_len + 1 + SIGNATURE_BYTES + 1 + (size_t)octets;
    return ELEMENT_BYTES + seal_armor_size(bytes + bundle_pad(bytes));
}

const struct mail_domain *mail_domain_get(const struct mail *m, const char *name)
{
    for (size_t i = 0; i < m->n_domains; i++)
        if (strcmp(m->domains[i].name, name) == 0)
            return &m->domains[i];
    return NULL;
}

const struct mail_domain *mail_domain_of(const struct mail *m, const char *address)
{
    return mail_domain_get(m, imid_domain_of(address));
}

bool mail_is_component(const struct mail *m, const char *name)
{
    for (size_t i = 0; i < m->n_domains; i++)
        if (m->domains[i].component != NULL && strcmp(m->domains[i].component, name) == 0)
            return true;
    return false;
}

bool mail_is_daemon(const char *address)
{
    size_t n = sizeof MAIL_DAEMON - 1;

    return strncmp(address, MAIL_DAEMON, n) == 0 && address[n] == '@';
}

const struct mail_route *mail_route_get(const struct mail_domain *d, const char *destination)
{
    for (size_t i = 0; i < d->n_routes; i++)
        if (strcmp(d->routes[i].domain, destination) == 0)
            return &d->routes[i];
    return NULL;
}
