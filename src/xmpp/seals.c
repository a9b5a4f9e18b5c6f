/* SPDX-License-Identifier: MIT */
/*
 * What other gateways ask (docs/xmpp.md, "The seal"): our keys, and to take a seal. A seal is
 * answered when its messages are on disk, by a receipt or, where none can be made, by an error.
 */
#include "xmpp/iq.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prep.h"
#include "base/uuid.h"
#include "mail/inbound.h"
#include "wire/status.h"
#include "xmpp/vouch.h"

/* ---- keys ---- */

static void add_certificate(struct str *out, const char *use, const struct certificate *cert)
{
    str_addf(out, "<certificate use='%s' fingerprint='sha256:%s'>", use,
             certificate_fingerprint(cert));
    str_add_xml(out, certificate_pem(cert));
    str_add(out, "</certificate>");
}

int seals_key(struct iq *q, struct str *out, struct err *err)
{
    const struct mail_domain *d = q->c->domain;
    const char *asked = stanza_attr(q->in->payload, "domain");
    char *domain = NULL;
    bool is_ours;

    if (asked == NULL || *asked == '\0')
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "key: the attribute domain is missing");
    is_ours = prep_domain(asked, &domain, NULL) == 0 && strcmp(domain, d->name) == 0;
    free(domain);
    if (!is_ours)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "keys of %s only", d->name);
    str_add(out, "<key xmlns='" NS_IMMP "'");
    stanza_add_attr(out, "domain", d->name);
    str_addc(out, '>');
    add_certificate(out, "sign", identity_sign_certificate(d->identity));
    add_certificate(out, "encrypt", identity_encrypt_certificate(d->identity));
    str_add(out, "</key>");
    return 1;
}

/* ---- seals ---- */

static void on_receipt(void *ctx, uint64_t token, const char *receipt, size_t len,
                       const struct err *err)
{
    struct component *c = ctx;
    const char *bundle = iq_held_note(c, token);
    struct str head = STR_INIT, armor = STR_INIT;
    struct piece pieces[4];

    if (bundle == NULL)
        return;
    if (err != NULL) {
        iq_answer(c, token, NULL, 0, err);
        return;
    }
    str_add(&head, "<receipt xmlns='" NS_IMMP "'");
    stanza_add_attr(&head, "bundle", bundle);
    str_addc(&head, '>');
    str_addn_xml(&armor, receipt, len);
    pieces[0] = (struct piece){ head.s, head.len };
    pieces[1] = (struct piece){ armor.s, armor.len };
    pieces[2] = component_uneven(c);
    pieces[3] = (struct piece){ "</receipt>", 10 };
    iq_answer(c, token, pieces, N_ELEMENTS(pieces), NULL);
    str_clear(&head);
    str_clear(&armor);
}

/* Is host the domain itself, or below it? */
static bool is_within(const char *host, const char *domain)
{
    size_t n = strlen(host), m = strlen(domain);

    return n >= m && strcmp(host + n - m, domain) == 0 && (n == m || host[n - m - 1] == '.');
}

static const char *attr(const struct iq *q, const char *name, struct err *err)
{
    const char *s = stanza_attr(q->in->payload, name);

    if (s == NULL || *s == '\0') {
        (void)err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "seal: the attribute %s is missing", name);
        return NULL;
    }
    return s;
}

void seals_receive(struct component *c, const struct inbound_seal *seal, uint64_t token)
{
    inbound_take(c->mail->inbound, seal, token, on_receipt, c);
}

int seals_take(struct iq *q, struct str *out, struct err *err)
{
    struct component *c = q->c;
    struct inbound_seal seal = {
        .at = c->domain->name, .address = q->in->from, .armor = q->in->text,
        .len = q->in->text_len,
    };
    char bundle[UUID_SIZE], *origin = NULL;
    uint64_t token;

    (void)out;
    if ((seal.bundle = attr(q, "bundle", err)) == NULL ||
        (seal.origin = attr(q, "origin", err)) == NULL ||
        (seal.destination = attr(q, "destination", err)) == NULL)
        return -1;
    if (uuid_parse(seal.bundle, bundle) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "seal: its bundle is no UUID");
    if (seal.len == 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "seal: it is empty");
    if (prep_domain(seal.origin, &origin, err) < 0)
        return -1;
    seal.is_vouched = is_within(q->from->host, origin);
    token = iq_hold(q, seal.bundle);
    if (seal.is_vouched || !vouch_ask(c->vouch, &seal, origin, q->from->host, token))
        seals_receive(c, &seal, token);
    free(origin);
    return 0;
}

/* No cookie has been given to anybody, so none is known (AUTH COOKIE). */
int seals_cookie(struct iq *q, struct str *out, struct err *err)
{
    const char *cookie = stanza_attr(q->in->payload, "cookie");

    (void)out;
    if (cookie == NULL || *cookie == '\0')
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "cookie: the attribute cookie is missing");
    return err_set(err, ERR_DENIED, STATUS_COOKIE_REFUSED, "that cookie is not known");
}
