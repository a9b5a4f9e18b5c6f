/* SPDX-License-Identifier: MIT */
/*
 * Service discovery: what the component and the accounts at it are (XEP-0030), whom to write to
 * (XEP-0157), what a seal's stanza may measure (form urn:immp:limits), and the hash of it all for
 * presence (XEP-0115). The features are those of the table of requests, and what works everywhere.
 */
#include "xmpp/iq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/digest.h"
#include "wire/imid.h"
#include "wire/status.h"

/* Not requests, yet supported. */
static const struct {
    const char *feature;
    unsigned where;
} others[] = {
    { NS_CAPS, IQ_HOST },
    { NS_DATA, IQ_HOST },
    { "jid\\20escaping", IQ_HOST },
};

static int by_octets(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once; returns how many. */
static size_t features(unsigned where, const char **list, size_t max)
{
    const struct iq_entry *e;
    size_t n = 0, kept = 0;

    for (size_t i = 0; (e = iq_entry_at(i)) != NULL && n < max; i++)
        if (e->feature != NULL && (e->allows & where))
            list[n++] = e->feature;
    for (size_t i = 0; i < N_ELEMENTS(others) && n < max; i++)
        if (others[i].where & where)
            list[n++] = others[i].feature;
    qsort(list, n, sizeof(*list), by_octets);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(list[kept - 1], list[i]) != 0)
            list[kept++] = list[i];
    return kept;
}

#define FEATURES_MAX 64

/* ---- one description, written as XML and as the text that XEP-0115 §5.1 hashes ---- */


struct identity_row {
    const char *category, *type;
    char *name;
};

struct description {
    struct identity_row identities[2];   /* sorted by category */
    size_t n_identities;
    const char *features[FEATURES_MAX];
    size_t n_features;
    char **contacts;
    size_t n_contacts;
    char max_stanza[24], max_message[24];
};

/* "xmpp:admin@b.com": a URI, so what it cannot carry is percent-encoded (RFC 5122 §2.2). */
static char *contact_uri(const char *address)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    const char *domain = imid_domain_of(address);
    struct str uri = STR_INIT, node = STR_INIT;
    char *local = mem_strndup(address, (size_t)(domain - 1 - address));

    if (jid_escape(&node, local, NULL) == 0) {
        str_add(&uri, "xmpp:");
        for (const char *s = str_c(&node); *s != '\0'; s++) {
            if (strchr(plain, *s) != NULL)
                str_addc(&uri, *s);
            else
                str_addf(&uri, "%%%02X", (unsigned char)*s);
        }
        str_addf(&uri, "@%s", domain);
    }
    free(local);
    str_clear(&node);
    return uri.len > 0 ? str_take(&uri) : NULL;
}

static void describe_host(const struct component *c, struct description *d)
{
    const struct mail_domain *dom = c->domain;
    struct str name = STR_INIT;

    *d = (struct description){ .n_identities = 2 };
    str_addf(&name, "IMMP gateway of %s", dom->name);
    d->identities[0] = (struct identity_row){ "component", "generic", mem_strdup(name.s) };
    d->identities[1] = (struct identity_row){ "gateway", "immp", str_take(&name) };
    d->n_features = features(IQ_HOST, d->features, FEATURES_MAX);
    d->contacts = mem_zalloc((dom->n_admins + 1) * sizeof(*d->contacts));
    for (size_t i = 0; i < dom->n_admins; i++)
        if ((d->contacts[d->n_contacts] = contact_uri(dom->admins[i])) != NULL)
            d->n_contacts++;
    qsort(d->contacts, d->n_contacts, sizeof(*d->contacts), by_octets);
    (void)snprintf(d->max_stanza, sizeof(d->max_stanza), "%u", MAIL_STANZA_MAX);
    (void)snprintf(d->max_message, sizeof(d->max_message), "%lld", (long long)dom->message_bytes);
}

static void describe_user(struct description *d)
{
    *d = (struct description){ .n_identities = 1 };
    d->identities[0] = (struct identity_row){ "account", "registered", NULL };
    d->n_features = features(IQ_USER, d->features, FEATURES_MAX);
}

static void description_clear(struct description *d)
{
    for (size_t i = 0; i < d->n_identities; i++)
        free(d->identities[i].name);
    for (size_t i = 0; i < d->n_contacts; i++)
        free(d->contacts[i]);
    free(d->contacts);
}

static void add_form_start(struct str *out, const char *form_type)
{
    str_addf(out, "<x xmlns='" NS_DATA "' type='result'><field var='FORM_TYPE' type='hidden'>"
             "<value>%s</value></field>", form_type);
}

static void add_xml(struct str *out, const struct description *d)
{
    for (size_t i = 0; i < d->n_identities; i++) {
        const struct identity_row *id = &d->identities[i];

        str_addf(out, "<identity category='%s' type='%s'", id->category, id->type);
        if (id->name != NULL)
            stanza_add_attr(out, "name", id->name);
        str_add(out, "/>");
    }
    for (size_t i = 0; i < d->n_features; i++)
        str_addf(out, "<feature var='%s'/>", d->features[i]);
    if (d->n_contacts > 0) {
        add_form_start(out, "http://jabber.org/network/serverinfo");
        str_add(out, "<field var='admin-addresses' type='list-multi'>");
        for (size_t i = 0; i < d->n_contacts; i++) {
            str_add(out, "<value>");
            str_add_xml(out, d->contacts[i]);
            str_add(out, "</value>");
        }
        str_add(out, "</field></x>");
    }
    if (d->max_stanza[0] == '\0')
        return;
    add_form_start(out, NS_LIMITS);
    str_addf(out, "<field var='max-message' type='text-single'><value>%s</value></field>"
             "<field var='max-stanza' type='text-single'><value>%s</value></field></x>",
             d->max_message, d->max_stanza);
}

/* XEP-0115 §5.1, and §5.4 for the forms (sorted by FORM_TYPE, fields and values sorted). */
static void add_hash_text(struct str *out, const struct description *d)
{
    for (size_t i = 0; i < d->n_identities; i++) {
        const struct identity_row *id = &d->identities[i];

        str_addf(out, "%s/%s//%s<", id->category, id->type, id->name != NULL ? id->name : "");
    }
    for (size_t i = 0; i < d->n_features; i++)
        str_addf(out, "%s<", d->features[i]);
    if (d->n_contacts > 0) {
        str_add(out, "http://jabber.org/network/serverinfo<admin-addresses<");
        for (size_t i = 0; i < d->n_contacts; i++)
            str_addf(out, "%s<", d->contacts[i]);
    }
    str_addf(out, NS_LIMITS "<max-message<%s<max-stanza<%s<", d->max_message, d->max_stanza);
}

/* What we are does not change while we run, so the hash is made once. */
static const char *caps_of(struct component *c)
{
    struct description d;
    struct str text = STR_INIT, hash = STR_INIT;
    char hex[41];
    uint8_t sha1[20];

    if (c->caps != NULL)
        return c->caps;
    describe_host(c, &d);
    add_hash_text(&text, &d);
    digest_sha1_hex(text.s, text.len, hex);
    (void)str_from_hex(hex, 40, sha1, sizeof(sha1));
    base64_add(&hash, sha1, sizeof(sha1), 0);
    c->caps = str_take(&hash);
    str_clear(&text);
    description_clear(&d);
    return c->caps;
}

void disco_add_caps(struct component *c, struct str *out)
{
    str_addf(out, "<c xmlns='" NS_CAPS "' hash='sha-1' node='" COMPONENT_HOME "' ver='%s'/>",
             caps_of(c));
}

/* ---- requests ---- */

static int no_such_node(struct err *err)
{
    return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "there is no such node");
}

static int user_must_exist(struct iq *q, struct err *err)
{
    int rc = iq_account_exists(q->c, q->to, err);

    if (rc == 0)
        (void)err_set(err, ERR_PERMANENT, STATUS_NO_ACCOUNT, "there is no such account here");
    return rc > 0 ? 0 : -1;
}

static bool is_caps_node(struct component *c, const char *node)
{
    size_t n = strlen(COMPONENT_HOME);

    return strncmp(node, COMPONENT_HOME "#", n + 1) == 0 && strcmp(node + n + 1, caps_of(c)) == 0;
}

int disco_info(struct iq *q, struct str *out, struct err *err)
{
    const char *node = stanza_attr(q->in->payload, "node");
    bool is_host = q->to->node[0] == '\0';
    struct description d;

    if (!is_host && user_must_exist(q, err) < 0)
        return -1;
    if (node != NULL && *node != '\0' && !(is_host && is_caps_node(q->c, node)))
        return no_such_node(err);
    if (is_host)
        describe_host(q->c, &d);
    else
        describe_user(&d);
    str_add(out, "<query xmlns='" NS_INFO "'");
    if (node != NULL)
        stanza_add_attr(out, "node", node);
    str_addc(out, '>');
    add_xml(out, &d);
    str_add(out, "</query>");
    description_clear(&d);
    return 1;
}

int disco_items(struct iq *q, struct str *out, struct err *err)
{
    const char *node = stanza_attr(q->in->payload, "node");

    if (q->to->node[0] != '\0' && user_must_exist(q, err) < 0)
        return -1;
    if (node != NULL && *node != '\0')
        return no_such_node(err);
    str_add(out, "<query xmlns='" NS_ITEMS "'/>");
    return 1;
}
