/* SPDX-License-Identifier: MIT */
/*
 * Opening a seal, on a worker: everything that must hold before a message may touch the store.
 *
 * The order is docs/xmpp.md's: the seal's signature by the pinned key, and only then decryption;
 * the names in all layers; the time; the messages' own signatures and the digests of their parts.
 * The first failure refuses the whole seal. What concerns one message only (its expiry, its
 * recipients) is not judged here, so that it costs its neighbours nothing.
 *
 * A refusal is signed here too, so that a peer that sends nonsense costs the loop nothing.
 */
#include "config.h"

#include "mail/inbound_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/digest.h"
#include "wire/imid.h"
#include "wire/status.h"

#define BEGIN "-----BEGIN CMS-----"
#define END   "-----END CMS-----"

/* ---- receipts ---- */

void inbound_open_digest(const char *armor, size_t len, char sha256[SEAL_SHA256_SIZE])
{
    const char *begin = memmem(armor, len, BEGIN, strlen(BEGIN)), *end = NULL;
    struct str der = STR_INIT;

    memset(sha256, '0', SEAL_SHA256_SIZE - 1);
    sha256[SEAL_SHA256_SIZE - 1] = '\0';
    if (begin != NULL) {
        begin += strlen(BEGIN);
        end = memmem(begin, len - (size_t)(begin - armor), END, strlen(END));
    }
    if (end != NULL && base64_decode(begin, (size_t)(end - begin), &der) == 0)
        digest_sha256_hex(der.s, der.len, sha256);
    str_clear(&der);
}

int inbound_open_refuse(struct opening *op, enum refusal why, const char *text, struct err *err)
{
    struct receipt r = { .refused = why };
    struct str line = STR_INIT;
    int rc;

    if (op->sha256[0] == '\0')
        inbound_open_digest(str_c(&op->armor), op->armor.len, op->sha256);
    memcpy(r.bundle, op->bundle_id, sizeof(r.bundle));
    memcpy(r.sha256, op->sha256, sizeof(r.sha256));
    r.refused_text = (char *)text;
    receipt_format(&line, &r);
    str_clear(&op->receipt);
    rc = seal_make_receipt(op->ours, line.s, line.len, &op->receipt, err);
    str_clear(&line);
    return rc;
}

static int refuse(struct opening *op, enum refusal why)
{
    op->why = why;
    return -1;
}

/* What cannot be read; or there was no memory to read it, which is no fault of its own. */
static int refuse_unread(struct opening *op)
{
    return refuse(op, op->err.kind == ERR_TEMPORARY ? REFUSED_BUSY : REFUSED_MALFORMED);
}

/* ---- names ---- */

static int mismatch(struct opening *op, const char *what, const char *is, const char *should)
{
    err_set(&op->err, ERR_PROTOCOL, STATUS_PROTOCOL, "%s is %.80s, not %.80s", what, is, should);
    return refuse(op, REFUSED_MISMATCH);
}

static int check_head_names(struct opening *op, const struct bundle_head *head)
{
    if (strcmp(head->id, op->bundle_id) != 0)
        return mismatch(op, "the bundle's id", head->id, op->bundle_id);
    if (strcmp(head->origin, op->origin) != 0)
        return mismatch(op, "the bundle's origin", head->origin, op->origin);
    if (strcmp(head->destination, identity_domain(op->ours)) != 0)
        return mismatch(op, "the bundle's destination", head->destination,
                        identity_domain(op->ours));
    if (!certificate_covers(op->signer, op->origin))
        return mismatch(op, "the signer's certificate", "of another domain", op->origin);
    return 0;
}

static int check_message_names(struct opening *op, const struct message *m)
{
    const char *ours = identity_domain(op->ours);

    if (strcmp(m->origin, op->origin) != 0)
        return mismatch(op, "a message's origin", m->origin, op->origin);
    if (strcmp(m->destination, ours) != 0)
        return mismatch(op, "a message's destination", m->destination, ours);
    if (strcmp(imid_domain_of(m->from), op->origin) != 0)
        return mismatch(op, "a sender's domain", imid_domain_of(m->from), op->origin);
    for (size_t i = 0; i < m->n_to; i++)
        if (strcmp(imid_domain_of(m->to[i]), ours) != 0)
            return mismatch(op, "a recipient's domain", imid_domain_of(m->to[i]), ours);
    return 0;
}

static int check_time(struct opening *op, const struct bundle_head *head)
{
    if (head->time_ms >= op->now_ms - INBOUND_AGE_MS &&
        head->time_ms <= op->now_ms + INBOUND_AHEAD_MS)
        return 0;
    err_set(&op->err, ERR_PROTOCOL, STATUS_PROTOCOL,
            "it was made %" PRId64 " s ago: not within 7 days, or clocks differ",
            (op->now_ms - head->time_ms) / 1000);
    return refuse(op, REFUSED_EXPIRED);
}

/* ---- messages ---- */

static int check_parts(struct opening *op, const struct bundle_item *b)
{
    const uint8_t *p = b->octets;
    char sha256[SEAL_SHA256_SIZE];

    for (size_t i = 0; i < b->message.n_parts; i++) {
        const struct part *part = &b->message.parts[i];

        digest_sha256_hex(p, (size_t)part->length, sha256);
        if (strcmp(sha256, part->sha256) != 0) {
            err_set(&op->err, ERR_PROTOCOL, STATUS_PROTOCOL,
                    "message %s: part %zu is not what its digest says", b->message.id, i);
            return refuse(op, REFUSED_MALFORMED);
        }
        p += part->length;
    }
    return 0;
}

/* All at once: that is cheaper. */
static int check_signatures(struct opening *op)
{
    struct seal_signed *m = mem_alloc(op->n * sizeof(*m));
    size_t good;

    for (size_t i = 0; i < op->n; i++) {
        const struct bundle_item *b = &op->items[i].b;

        m[i] = (struct seal_signed){ b->header, b->header_len, b->signature, b->signature_len };
    }
    good = seal_check_messages(op->signer, m, op->n, &op->err);
    free(m);
    if (good == op->n)
        return 0;
    err_prefix(&op->err, "message %s", op->items[good].b.message.id);
    return refuse(op, REFUSED_BAD_SIGNATURE);
}

static int check_item(struct opening *op, struct inbound_item *it)
{
    struct bundle_item *b = &it->b;

    if (check_parts(op, b) < 0)
        return -1;
    digest_sha256_hex(b->header, b->header_len, it->digest);
    return 0;
}

/* Header and signature become strings: what follows them in the bundle is their own LF. */
static void end_lines(struct opening *op, const struct bundle_item *b)
{
    op->bundle.s[b->header - op->bundle.s + (ptrdiff_t)b->header_len] = '\0';
    op->bundle.s[b->signature - op->bundle.s + (ptrdiff_t)b->signature_len] = '\0';
}

static int read_items(struct opening *op, struct bundle_reader *br, size_t messages)
{
    struct bundle_item b;
    int rc;

    op->items = mem_zalloc(messages * sizeof(*op->items));
    while ((rc = bundle_next(br, &b, &op->err)) == 1) {
        struct inbound_item *it = &op->items[op->n++];

        it->b = b;
        if (check_message_names(op, &it->b.message) < 0)
            return -1;
    }
    if (rc < 0)
        return refuse_unread(op);
    if (check_signatures(op) < 0)
        return -1;
    for (size_t i = 0; i < op->n; i++)
        if (check_item(op, &op->items[i]) < 0)
            return -1;
    for (size_t i = 0; i < op->n; i++)
        end_lines(op, &op->items[i].b);
    return 0;
}

static int read_bundle(struct opening *op)
{
    struct bundle_reader br;
    struct bundle_head head;
    int rc;

    if (bundle_open(&br, (const uint8_t *)op->bundle.s, op->bundle.len, &head, &op->err) < 0)
        return refuse_unread(op);
    rc = check_head_names(op, &head);
    if (rc == 0)
        rc = check_time(op, &head);
    if (rc == 0)
        rc = read_items(op, &br, head.messages);
    bundle_head_clear(&head);
    return rc;
}

void inbound_open_run(struct work *w)
{
    struct opening *op = (struct opening *)w;
    struct err err;
    int rc;

    op->why = REFUSED_NONE;
    rc = seal_open(op->signer, op->ours, op->armor.s, op->armor.len, &op->bundle, op->sha256,
                   &op->why, &op->err);
    if (rc == 0)
        rc = read_bundle(op);
    else if (op->why == REFUSED_NONE)
        op->why = REFUSED_BAD_SEAL;
    if (rc < 0 && inbound_open_refuse(op, op->why, op->err.text, &err) < 0) {
        op->err = err;
        op->receipt.len = 0;
    }
}
