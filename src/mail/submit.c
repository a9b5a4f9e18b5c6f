/* SPDX-License-Identifier: MIT */
/*
 * A submission from DELIVER to its end: what is asked for is checked here, before the client
 * sends a single octet; what can only be known later (quota, size) is answered by submit_done().
 *
 * Invariant: who submits is known, and what it says of itself is true. An account speaks for
 * itself and for what is below it, a domain for its own addresses and to our mailboxes only (we
 * relay for nobody). +ANONYMOUS changes what is shown, never whom a bounce goes to.
 */
#include "mail/submit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/imid.h"
#include "wire/status.h"

#include "mail/mailbox.h"
#include "mail/submit_private.h"

#define EXPIRES_MAX_S (10LL * 366 * 24 * 3600) /* ten years: nobody means more */

/* ---- what is asked for ---- */

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

static int check_subject(const char *subject, struct err *err)
{
    size_t n = subject != NULL ? strlen(subject) : 0;

    if (n > MESSAGE_SUBJECT_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "the subject is longer than %d bytes",
                       MESSAGE_SUBJECT_MAX);
    if (n > 0 && (!str_is_utf8(subject, n) || has_control(subject)))
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "the subject holds control characters or is no UTF-8");
    return 0;
}

static int take_ids(struct submit *s, const struct submit_request *req, struct err *err)
{
    if (req->id == NULL)
        uuid_generate(s->message.id);
    else if (uuid_parse(req->id, s->message.id) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "ID is no UUID");
    if (req->in_reply_to != NULL && uuid_parse(req->in_reply_to, s->message.in_reply_to) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "INREPLYTO is no UUID");
    return 0;
}

static int take_header(struct submit *s, const struct submit_request *req, struct err *err)
{
    const unsigned both = MESSAGE_IMPORTANT | MESSAGE_UNIMPORTANT;

    if (check_subject(req->subject, err) < 0 || take_ids(s, req, err) < 0)
        return -1;
    if (req->expires_s < 0 || req->expires_s > EXPIRES_MAX_S)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "EXPIRES is a number of seconds, at most %lld", EXPIRES_MAX_S);
    if ((req->flags & both) == both)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "+IMPORTANT and -IMPORTANT at once");
    s->message.kind = req->kind == MESSAGE_NONE ? MESSAGE_MAIL : req->kind;
    s->message.subject = mem_strdup(req->subject);
    s->message.flags = req->flags;
    s->expires_s = req->expires_s;
    return 0;
}

/* ---- who submits ---- */

static int not_you(struct err *err, const char *from, const char *who)
{
    return err_set(err, ERR_DENIED, STATUS_NOT_YOU, "FROM %s is not %s's to use", from, who);
}

/* docs/immp.md, "Delivering": the account itself, or a mailbox below it. */
static int take_account(struct submit *s, const struct submit_request *req, struct err *err)
{
    s->domain = mail_domain_of(s->mail, req->account);
    if (s->domain == NULL)
        return err_set(err, ERR_DENIED, STATUS_NOT_YOU, "%s is of no domain of this server",
                       req->account);
    s->account = mem_strdup(req->account);
    s->scope = mem_strdup(req->account);
    s->sender = mem_strdup(req->account);
    if (req->from == NULL) {
        s->message.from = mem_strdup(req->account);
    } else {
        if (imid_address(req->from, &s->message.from, err) < 0)
            return -1;
        if (!imid_is_within(s->message.from, req->account))
            return not_you(err, s->message.from, req->account);
    }
    s->message.origin = mem_strdup(s->domain->name);
    return 0;
}

/* A remote domain names one of its own as the sender; limits are those of our first domain. */
static int take_domain(struct submit *s, const struct submit_request *req, struct err *err)
{
    struct str scope = STR_INIT;

    s->domain = &s->mail->domains[0];
    if (req->from == NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "FROM is required of a domain");
    if (imid_address(req->from, &s->message.from, err) < 0)
        return -1;
    if (strcmp(imid_domain_of(s->message.from), req->domain) != 0)
        return not_you(err, s->message.from, req->domain);
    str_addf(&scope, "@%s", req->domain);
    s->scope = str_take(&scope);
    s->sender = mem_strdup(s->message.from);
    s->message.origin = mem_strdup(req->domain);
    return 0;
}

static int take_sender(struct submit *s, const struct submit_request *req, struct err *err)
{
    struct str shown = STR_INIT;

    if ((req->account != NULL ? take_account(s, req, err) : take_domain(s, req, err)) < 0)
        return -1;
    if ((req->flags & MESSAGE_ANONYMOUS) != 0) {
        str_addf(&shown, MAIL_ANONYMOUS "@%s", s->message.origin);
        free(s->message.from);
        s->message.from = str_take(&shown);
    }
    return 0;
}

/* ---- whom it is for ---- */

static int take_recipient(struct submit *s, const char *written, struct err *err)
{
    struct submit_recipient *r = &s->to[s->n_to];
    struct str address = STR_INIT;
    struct imid id;

    if (has_control(written) || strlen(written) > IMID_MAX_BYTES)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "TO is not an IMID");
    if (imid_parse(written, &id, err) < 0)
        return -1;
    if (id.path[0] != '\0' || id.msgid[0] != '\0') {
        imid_clear(&id);
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "TO takes an address; a folder is asked for as alice+folder@domain");
    }
    id.action = IMID_ACTION_NONE;
    imid_add(&address, &id);
    imid_clear(&id);
    r->written = mem_strdup(written);
    r->address = str_take(&address);
    r->domain = imid_domain_of(r->address);
    s->n_to++;
    return 0;
}

static int take_recipients(struct submit *s, const struct submit_request *req, struct err *err)
{
    if (req->n_to == 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "TO is missing");
    if (req->n_to > MESSAGE_RECIPIENTS_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_LIMIT, "more than %d recipients",
                       MESSAGE_RECIPIENTS_MAX);
    s->to = mem_zalloc(req->n_to * sizeof *s->to);
    for (size_t i = 0; i < req->n_to; i++)
        if (take_recipient(s, req->to[i], err) < 0)
            return -1;
    return 0;
}

int submit_route(const struct submit *s, const struct submit_recipient *r, struct err *err)
{
    const struct mail_route *route;

    if (mail_domain_get(s->mail, r->domain) != NULL)
        return 1;
    if (s->account == NULL)
        return err_set(err, ERR_PERMANENT, STATUS_NO_ROUTE,
                       "%s is not served here, and this server relays for no other domain",
                       r->domain);
    if (mail_is_component(s->mail, r->domain))
        return err_set(err, ERR_PERMANENT, STATUS_NO_ROUTE,
                       "%s is a gateway's name, not a mail domain", r->domain);
    route = mail_route_get(s->domain, r->domain);
    if (route != NULL && route->via == MAIL_VIA_REJECT)
        return err_set(err, ERR_PERMANENT, STATUS_NO_ROUTE,
                       "mail to %s is refused by this server's configuration",
                       r->domain);
    if (route != NULL && route->via == MAIL_VIA_TCP)
        return err_set(err, ERR_PERMANENT, STATUS_NO_ROUTE,
                       "%s is routed over TCP, and this build has no TCP relay",
                       r->domain);
    return 0;
}

static int check_recipient(const struct submit *s, const struct submit_recipient *r,
                           struct err *err)
{
    int rc = submit_route(s, r, err);

    if (rc == 1) {
        rc = mailbox_exists(s->mail, r->address, err);
        if (rc == 0)
            return err_set(err, ERR_PERMANENT, STATUS_NO_ACCOUNT, "no account %s", r->address);
    }
    return rc < 0 ? -1 : 0;
}

/* The early answer: refused only if nobody at all can be reached. The first one's reason counts. */
static int check_reachable(const struct submit *s, struct err *err)
{
    struct err first = { ERR_NONE }, why = { ERR_NONE };

    for (size_t i = 0; i < s->n_to; i++) {
        if (check_recipient(s, &s->to[i], &why) == 0)
            return 0;
        if (i == 0 || why.kind == ERR_TEMPORARY)
            first = why;
        if (why.kind == ERR_TEMPORARY)
            break;
    }
    if (err != NULL)
        *err = first;
    return -1;
}

/* ---- begin and end ---- */

int submit_begin(struct mail *m, const struct submit_request *req, struct submit **s_r,
                 struct err *err)
{
    struct submit *s = mem_zalloc(sizeof *s);

    s->mail = m;
    s->state = SUBMIT_OPEN;
    message_init(&s->message);
    if (take_header(s, req, err) < 0 || take_sender(s, req, err) < 0 ||
        take_recipients(s, req, err) < 0 || check_reachable(s, err) < 0) {
        submit_destroy(&s);
        *s_r = NULL;
        return -1;
    }
    *s_r = s;
    return 0;
}

void submit_destroy(struct submit **sp)
{
    struct submit *s = *sp;

    if (s == NULL)
        return;
    turn_leave(s->mail->turn, s);
    /* What cannot be dropped now is dropped by store_tidy() as a draft that nobody finished. */
    if (s->content != 0)
        (void)content_drop(s->mail->store, s->content, NULL);
    for (size_t i = 0; i < s->n_to; i++) {
        free(s->to[i].written);
        free(s->to[i].address);
    }
    free(s->to);
    message_clear(&s->message);
    digest_destroy(&s->digest);
    str_clear(&s->memory);
    free(s->account);
    free(s->scope);
    free(s->sender);
    free(s);
    *sp = NULL;
}

const char *submit_id(const struct submit *s)
{
    return s->message.id;
}

int submit_break(struct submit *s, const struct err *err)
{
    s->state = SUBMIT_BROKEN;
    s->broken = *err;
    return -1;
}
