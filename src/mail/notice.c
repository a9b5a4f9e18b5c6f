/* SPDX-License-Identifier: MIT */
/*
 * Messages that the server writes itself. Each is a small message of kind "notice" with two
 * parts: "notice.txt" for people, and "reason.json" for programs (docs/immp.md, "Delivering").
 *
 * No notice ever answers a notice: what they are about has another kind, and a mailer-daemon is
 * never told anything. So two servers cannot keep each other busy.
 */
#include "mail/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "seal/digest.h"
#include "store/account.h"
#include "store/content.h"
#include "wire/imid.h"
#include "wire/json.h"

#include "mail/mailbox.h"

#define TEXT_TYPE "text/plain; charset=utf-8"
#define JSON_TYPE "application/json"

/* ---- making one ---- */

struct notice {
    const struct mail_domain *domain;
    struct message message;
    int64_t content;
    int64_t size;
};

static int add_part(struct mail *m, struct notice *n, const char *name, const char *type,
                    bool is_content, const struct str *octets, struct err *err)
{
    char sha256[65];
    uint32_t chunk = (uint32_t)n->message.n_parts;

    digest_sha256_hex(octets->s, octets->len, sha256);
    message_add_part(&n->message, name, type, is_content, octets->len, sha256);
    n->size += (int64_t)octets->len;
    return content_append(m->store, n->content, chunk, octets->s, octets->len, err);
}

/* Store it, without any entry yet. recipient is who the header names. 0 or -1. */
static int make(struct mail *m, struct notice *n, const char *recipient, const char *subject,
                const struct str *text, const struct json *reason, struct err *err)
{
    struct str json = STR_INIT, header = STR_INIT, from = STR_INIT;
    int rc = -1;

    uuid_generate(n->message.id);
    n->message.kind = MESSAGE_NOTICE;
    n->message.origin = mem_strdup(n->domain->name);
    n->message.destination = mem_strdup(imid_domain_of(recipient));
    str_addf(&from, MAIL_DAEMON "@%s", n->domain->name);
    n->message.from = str_take(&from);
    message_add_to(&n->message, recipient);
    n->message.subject = mem_strdup(subject);
    n->message.date_ms = clock_wall_ms(m->clock);

    json_add_pretty(&json, reason);
    str_addc(&json, '\n');
    if (content_begin(m->store, n->message.date_ms, &n->content, err) < 0 ||
        add_part(m, n, "notice.txt", TEXT_TYPE, true, text, err) < 0 ||
        add_part(m, n, "reason.json", JSON_TYPE, false, &json, err) < 0)
        goto out;
    message_format(&header, &n->message);
    rc = content_finish(m->store, n->content, &n->message, header.s, NULL, NULL, err) < 0 ? -1 : 0;
out:
    str_clear(&json);
    str_clear(&header);
    return rc;
}

static int put(struct mail *m, const struct notice *n, int64_t account, struct err *err)
{
    return mailbox_copy(m, account, "INBOX", n->content, n->message.id, n->size, 0, err);
}

/* ---- about a message ---- */

static const struct {
    const char *event, *subject, *text;
} kinds[] = {
    [NOTICE_FAILED] = { "failed", "Undeliverable", "Your message could not be delivered.\n" },
    [NOTICE_DELIVERED] = { "delivered", "Delivered", "Your message has been delivered.\n" },
};

static struct json *reason_of(enum notice_kind kind, const struct message *original,
                              const char *recipient, int code, const char *text, int64_t now_ms)
{
    struct json *j = json_object_new();
    char time[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(now_ms, time);
    json_set_str(j, "event", kinds[kind].event);
    json_set_str(j, "id", original->id);
    json_set_str(j, "recipient", recipient);
    json_set_int(j, "code", code);
    json_set_str(j, "text", text);
    json_set_str(j, "time", time);
    json_set_str(j, "subject", original->subject);
    return j;
}

static void text_of(struct str *out, enum notice_kind kind, const struct message *original,
                    const char *recipient, int code, const char *text)
{
    str_add(out, kinds[kind].text);
    str_addf(out, "\nTo:      %s\n", recipient);
    if (original->subject != NULL)
        str_addf(out, "Subject: %s\n", original->subject);
    str_addf(out, "Message: %s\n", original->id);
    str_addf(out, "%s  %d %s\n", kind == NOTICE_FAILED ? "Reason:" : "Answer:", code, text);
}

/* "Undeliverable: Lunch", cut between characters at the limit. */
static void subject_of(struct str *out, enum notice_kind kind, const struct message *original)
{
    size_t n;

    str_add(out, kinds[kind].subject);
    if (original->subject == NULL || original->subject[0] == '\0')
        return;
    str_addf(out, ": %s", original->subject);
    n = MIN(out->len, (size_t)MESSAGE_SUBJECT_MAX);
    while (n > 0 && n < out->len && ((unsigned char)out->s[n] & 0xc0) == 0x80)
        n--;
    str_truncate(out, n);
}

int notice_send(struct mail *m, enum notice_kind kind, const struct message *original,
                const char *sender, const char *recipient, int code, const char *text,
                struct err *err)
{
    struct notice n = { .domain = mail_domain_of(m, sender) };
    struct account a = { 0 };
    struct str subject = STR_INIT, body = STR_INIT;
    struct json *reason = NULL;
    int rc;

    if (original->kind == MESSAGE_NOTICE || mail_is_daemon(sender) || n.domain == NULL)
        return 0;
    rc = account_get(m->store, sender, &a, err);
    if (rc < 1)
        return rc;
    message_init(&n.message);
    memcpy(n.message.in_reply_to, original->id, sizeof n.message.in_reply_to);
    subject_of(&subject, kind, original);
    text_of(&body, kind, original, recipient, code, text);
    reason = reason_of(kind, original, recipient, code, text, clock_wall_ms(m->clock));
    rc = make(m, &n, sender, str_c(&subject), &body, reason, err);
    if (rc == 0)
        rc = put(m, &n, a.id, err);
    json_destroy(&reason);
    message_clear(&n.message);
    account_clear(&a);
    str_clear(&subject);
    str_clear(&body);
    return rc;
}

/* ---- to the administrators ---- */

static struct json *admin_reason(const char *subject, const char *text, int64_t now_ms)
{
    struct json *j = json_object_new();
    char time[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(now_ms, time);
    json_set_str(j, "event", "operator");
    json_set_str(j, "subject", subject);
    json_set_str(j, "text", text);
    json_set_str(j, "time", time);
    return j;
}

int notice_admins(struct mail *m, const struct mail_domain *d, const char *subject,
                  const char *text, struct err *err)
{
    struct notice n = { .domain = d };
    struct str body = STR_INIT;
    struct json *reason = admin_reason(subject, text, clock_wall_ms(m->clock));
    int rc = 0;

    message_init(&n.message);
    str_addf(&body, "%s\n", text);
    for (size_t i = 0; i < d->n_admins && rc >= 0; i++) {
        struct account a = { 0 };

        rc = mail_domain_of(m, d->admins[i]) != NULL ? account_get(m->store, d->admins[i], &a, err)
                                                     : 0;
        /* One content for all of them, made when the first one is found. */
        if (rc == 1 && n.content == 0)
            rc = make(m, &n, d->admins[i], subject, &body, reason, err) < 0 ? -1 : 1;
        if (rc == 1)
            rc = put(m, &n, a.id, err);
        account_clear(&a);
    }
    json_destroy(&reason);
    message_clear(&n.message);
    str_clear(&body);
    return rc < 0 ? -1 : 0;
}
