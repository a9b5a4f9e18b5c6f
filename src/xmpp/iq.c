/* SPDX-License-Identifier: MIT */
/*
 * The table of requests and its dispatcher (RFC 6120 §8.2.3): every get and set gets one answer, a
 * result or an error gets none.
 */
#include "xmpp/iq.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/mailbox.h"
#include "wire/imid.h"
#include "wire/status.h"
#include "xmpp/pending.h"

static const struct iq_entry entries[] = {
    { NS_INFO, "query", IQ_GET | IQ_HOST | IQ_USER, NS_INFO, disco_info },
    { NS_ITEMS, "query", IQ_GET | IQ_HOST | IQ_USER, NS_ITEMS, disco_items },
    { "jabber:iq:version", "query", IQ_GET | IQ_HOST, "jabber:iq:version", info_version },
    { "urn:xmpp:ping", "ping", IQ_GET | IQ_HOST | IQ_USER, "urn:xmpp:ping", info_ping },
    { "urn:xmpp:time", "time", IQ_GET | IQ_HOST, "urn:xmpp:time", info_time },
    { "jabber:iq:last", "query", IQ_GET | IQ_HOST, "jabber:iq:last", info_last },
    { "vcard-temp", "vCard", IQ_GET | IQ_HOST, "vcard-temp", info_vcard },
    { "urn:ietf:params:xml:ns:vcard-4.0", "vcard", IQ_GET | IQ_HOST,
      "urn:ietf:params:xml:ns:vcard-4.0", info_vcard4 },
    { NS_IMMP, "key", IQ_GET | IQ_HOST, NS_IMMP, seals_key },
    { NS_IMMP, "seal", IQ_SET | IQ_HOST, NULL, seals_take },
    { NS_IMMP, "cookie", IQ_GET | IQ_HOST, NULL, seals_cookie },
};

const struct iq_entry *iq_entry_at(size_t i)
{
    return i < N_ELEMENTS(entries) ? &entries[i] : NULL;
}

int iq_account_exists(struct component *c, const struct jid *to, struct err *err)
{
    char *address = NULL;
    int rc = 0;

    if (jid_to_address(to->node, c->domain->name, &address, NULL) < 0)
        return 0;
    if (strcmp(imid_domain_of(address), c->domain->name) == 0)
        rc = mailbox_exists(c->mail, address, err);
    free(address);
    return rc;
}

/* ---- answering ---- */

static void send_error(struct component *c, const struct stanza_head *h, const struct err *why)
{
    struct str st = STR_INIT;
    struct err err = { 0 };
    struct piece piece;

    stanza_add_error(&st, why);
    piece = (struct piece){ st.s, st.len };
    if (component_send_answer(c, h, &piece, 1, &err) < 0)
        log_debug("answer.unsent component=%s to=%s reason=%s", c->jid, log_quote(h->to),
                  log_quote(err.text));
    str_clear(&st);
}

static bool may_be_refused(const struct stanza *in)
{
    const char *type = in->type != NULL ? in->type : "";

    if (strcmp(type, "error") == 0)
        return false;
    if (strcmp(in->kind, "iq") == 0)
        return strcmp(type, "result") != 0;
    return strcmp(in->kind, "message") == 0 && strcmp(type, "headline") != 0 &&
           strcmp(type, "groupchat") != 0;
}

/* Back to where it came from; from where it was sent to, if that is ours. */
static struct stanza_head head_back(struct component *c, const struct stanza *in, const char *type)
{
    return (struct stanza_head){
        .kind = in->kind,
        .type = type,
        .from = in->to != NULL && component_owns(c, in->to) ? in->to : c->jid,
        .to = in->from,
        .id = in->id != NULL || strcmp(in->kind, "iq") != 0 ? in->id : "",
    };
}

void iq_refuse_stanza(struct component *c, const struct stanza *in, const struct err *err)
{
    struct stanza_head h = head_back(c, in, "error");

    if (may_be_refused(in))
        send_error(c, &h, err);
}

static void send_result(struct component *c, const struct stanza *in, const struct str *out)
{
    struct stanza_head h = head_back(c, in, "result");
    struct piece piece = { out->s, out->len };
    struct err err = { 0 };

    if (component_send_answer(c, &h, &piece, out->len > 0, &err) < 0)
        iq_refuse_stanza(c, in, &err);
}

/* ---- dispatch ---- */

static const struct iq_entry *find_entry(const struct stanza *in, unsigned who, bool *known_r)
{
    const char *ns = xmpp_stanza_get_ns(in->payload);
    const char *name = xmpp_stanza_get_name(in->payload);
    unsigned type = strcmp(in->type, "get") == 0 ? IQ_GET : IQ_SET;

    *known_r = false;
    for (size_t i = 0; ns != NULL && i < N_ELEMENTS(entries); i++) {
        const struct iq_entry *e = &entries[i];

        if (strcmp(e->name, name) != 0 || strcmp(e->ns, ns) != 0 || !(e->allows & who))
            continue;
        *known_r = true;
        if (e->allows & type)
            return e;
    }
    return NULL;
}

static int check_request(const struct stanza *in, struct err *err)
{
    if (in->type == NULL || (strcmp(in->type, "get") != 0 && strcmp(in->type, "set") != 0))
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "the type of an iq is get, set, result or error");
    if (in->id == NULL || in->id[0] == '\0')
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "the iq has no id");
    if (in->n_payloads != 1)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "a request has one element, this one has %zu", in->n_payloads);
    return 0;
}

static int dispatch(struct iq *q, struct str *out, struct err *err)
{
    const struct iq_entry *e;
    bool is_known;

    if (check_request(q->in, err) < 0)
        return -1;
    e = find_entry(q->in, q->to->node[0] == '\0' ? IQ_HOST : IQ_USER, &is_known);
    if (e == NULL && is_known)
        return err_set(err, ERR_DENIED, STATUS_NOT_ALLOWED, "that may not be asked with type='%s'",
                       q->in->type);
    if (e == NULL)
        return err_set(err, ERR_PERMANENT, STATUS_UNKNOWN_COMMAND, "that is not served here");
    /* A set does something and is bounded by whoever does it. */
    if ((e->allows & IQ_GET) && component_is_terse(q->c) && strcmp(q->from->host, q->c->jid) != 0)
        return err_set(err, ERR_TEMPORARY, STATUS_OVERLOADED, "too many questions at once");
    return e->run(q, out, err);
}

void iq_take(struct component *c, const struct stanza *in, const struct jid *from,
             const struct jid *to)
{
    struct iq q = { c, in, from, to };
    struct str out = STR_INIT;
    struct err err = { 0 };
    int rc;

    if (in->type != NULL && (strcmp(in->type, "result") == 0 || strcmp(in->type, "error") == 0)) {
        pending_take(c->pending, in, from);
        return;
    }
    rc = dispatch(&q, &out, &err);
    if (rc < 0)
        iq_refuse_stanza(c, in, &err);
    else if (rc > 0)
        send_result(c, in, &out);
    str_clear(&out);
}

/* ---- answers that come later ---- */

struct iq_held {
    char *from, *to, *id, *note;
};

static void held_free(struct iq_held *held)
{
    free(held->from);
    free(held->to);
    free(held->id);
    free(held->note);
    free(held);
}

uint64_t iq_hold(struct iq *q, const char *note)
{
    struct iq_held *held = mem_zalloc(sizeof(*held));

    held->from = mem_strdup(q->in->from);
    held->to = mem_strdup(q->in->to);
    held->id = mem_strdup(q->in->id);
    held->note = mem_strdup(note);
    return idmap_add(q->c->held, held);
}

const char *iq_held_note(struct component *c, uint64_t token)
{
    struct iq_held *held = idmap_get(c->held, token);

    return held != NULL ? held->note : NULL;
}

void iq_answer(struct component *c, uint64_t token, const struct piece *pieces, size_t n,
               const struct err *err)
{
    struct iq_held *held = idmap_del(c->held, token);
    struct stanza_head h = { .kind = "iq", .type = "result" };
    struct err failed = { 0 };

    if (held == NULL)
        return;
    h.from = component_owns(c, held->to) ? held->to : c->jid;
    h.to = held->from;
    h.id = held->id;
    if (err == NULL && component_send_answer(c, &h, pieces, n, &failed) < 0)
        err = &failed;
    if (err != NULL) {
        h.type = "error";
        send_error(c, &h, err);
    }
    held_free(held);
}

static int drop_one(void *ctx, uint64_t token, void *value)
{
    struct component *c = ctx;

    (void)idmap_del(c->held, token);
    held_free(value);
    return 0;
}

void iq_drop_held(struct component *c)
{
    (void)idmap_each(c->held, drop_one, c);
}
