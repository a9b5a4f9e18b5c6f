/* SPDX-License-Identifier: MIT */
/* immpctl peer: list, show, forget; immpctl key: show. */
#include "config.h"

#include "daemon/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/prep.h"
#include "mail/keys.h"
#include "mail/outbound.h"
#include "seal/certificate.h"
#include "seal/identity.h"
#include "store/peer.h"

#include "daemon/wiring.h"

static struct json *peer_row(const struct peer *p)
{
    struct json *row = json_object_new();

    json_set_str(row, "domain", p->domain);
    json_set_str(row, "component", p->component);
    json_set_str(row, "trust", peer_trust_name(p->trust));
    json_set_bool(row, "blocked", p->is_blocked);
    json_set_str(row, "sign", p->sign_fingerprint);
    json_set_str(row, "encrypt", p->encrypt_fingerprint);
    json_set_str(row, "offered", p->offered_sign);
    json_set_int(row, "stanza", p->max_stanza);
    json_set_int(row, "first", p->first_seen_ms);
    json_set_int(row, "last", p->last_seen_ms);
    return row;
}

static int list_peer(void *ctx, const struct peer *p)
{
    control_row(ctx, peer_row(p));
    return 0;
}

static void peer_list(struct control_call *call)
{
    struct err err = { 0 };

    if (peer_each(control_wiring(call)->mail.store, list_peer, call, &err) < 0)
        control_fail(call, &err);
    else
        control_done(call, "%s", "");
}

/* The prepared name in the argument "domain", or NULL and the call is answered. Caller frees. */
static char *domain_of(struct control_call *call)
{
    const char *s = control_need(call, "domain");
    struct err err = { 0 };
    char *domain = NULL;

    if (s != NULL && prep_domain(s, &domain, &err) < 0)
        control_fail(call, &err);
    return domain;
}

static void unknown_peer(struct control_call *call, const char *domain)
{
    struct err err;

    err_set(&err, ERR_PERMANENT, 404, "no peer %s is known", domain);
    control_fail(call, &err);
}

struct path_rows {
    const char *domain;
    struct json *list;
};

static void add_path(void *ctx, const struct outbound_path *p)
{
    struct path_rows *rows = ctx;
    struct json *row;

    if (strcmp(p->destination, rows->domain) != 0)
        return;
    row = json_object_new();
    json_set_str(row, "origin", p->origin);
    json_set_str(row, "state", p->state);
    json_set_int(row, "in-flight", (int64_t)p->in_flight);
    json_set_int(row, "window", (int64_t)p->window);
    json_set_int(row, "stanza", (int64_t)p->stanza_bytes);
    json_set_int(row, "failures", p->failures);
    json_set_int(row, "bundles", (int64_t)p->sent_bundles);
    json_set_int(row, "messages", (int64_t)p->sent_messages);
    json_set_int(row, "round-trip-ms", p->round_trip_ms);
    json_set_str(row, "error", p->last_error);
    json_append(rows->list, row);
}

static void peer_show(struct control_call *call)
{
    struct wiring *w = control_wiring(call);
    char *domain = domain_of(call);
    struct path_rows rows = { domain, NULL };
    struct err err = { 0 };
    struct json *row;
    struct peer p;
    int rc;

    if (domain == NULL)
        return;
    rc = peer_get(w->mail.store, domain, &p, &err);
    if (rc < 0) {
        control_fail(call, &err);
    } else if (rc == 0) {
        unknown_peer(call, domain);
    } else {
        row = peer_row(&p);
        rows.list = json_array_new();
        outbound_each(w->mail.outbound, add_path, &rows);
        json_set(row, "paths", rows.list);
        control_row(call, row);
        control_done(call, "%s", "");
        peer_clear(&p);
    }
    free(domain);
}

static void peer_forget(struct control_call *call)
{
    struct wiring *w = control_wiring(call);
    char *domain = domain_of(call);
    struct err err = { 0 };
    int rc;

    if (domain == NULL)
        return;
    rc = keys_unpin(w->mail.keys, domain, &err);
    if (rc < 0) {
        control_fail(call, &err);
    } else if (rc == 0) {
        unknown_peer(call, domain);
    } else {
        log_notice("peer.forgotten domain=%s", domain);
        control_done(call, "%s is forgotten: its next key is taken as at first contact", domain);
    }
    free(domain);
}

static void key_show(struct control_call *call)
{
    struct wiring *w = control_wiring(call);
    const char *wanted = control_arg(call, "domain");

    for (size_t i = 0; i < w->mail.n_domains; i++) {
        const struct mail_domain *d = &w->mail.domains[i];
        struct json *row;

        if (wanted != NULL && strcmp(wanted, d->name) != 0)
            continue;
        row = json_object_new();
        json_set_str(row, "domain", d->name);
        json_set_str(row, "sign", certificate_fingerprint(identity_sign_certificate(d->identity)));
        json_set_str(row, "encrypt",
                     certificate_fingerprint(identity_encrypt_certificate(d->identity)));
        json_set_str(row, "tls", context_fingerprint(w->context));
        json_set_str(row, "sign-certificate",
                     certificate_pem(identity_sign_certificate(d->identity)));
        json_set_str(row, "encrypt-certificate",
                     certificate_pem(identity_encrypt_certificate(d->identity)));
        control_row(call, row);
    }
    control_done(call, "%s", "");
}

const struct control_command control_peer_commands[] = {
    { "peer list",   peer_list   },
    { "peer show",   peer_show   },
    { "peer forget", peer_forget },
    { "key show",    key_show    },
    { NULL,          NULL        },
};
