/* SPDX-License-Identifier: MIT */
/*
 * A client's connection: greeting, upgrade, commands and their replies.
 *
 * The connection knows after each call whether it still stands between two replies. Where it
 * cannot know (a failure, a handler that gave up) it is broken: every later call fails, and only
 * closing it is left. An error reply breaks nothing.
 */
#include "config.h"

#include "client/client_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "wire/line.h"
#include "wire/reply.h"
#include "wire/status.h"

#define GREETING_LINES 50    /* 1xx lines that a server may greet with */
#define REPLY_MIN      8192  /* bytes of a line before we know who speaks */

/* ---- errors ---- */

static enum immp_kind kind_of(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return IMMP_OK;
    case ERR_PERMANENT:
        return IMMP_PERMANENT;
    case ERR_PROTOCOL:
        return IMMP_PROTOCOL;
    case ERR_DENIED:
        return IMMP_DENIED;
    case ERR_UNCERTAIN:
        return IMMP_UNCERTAIN;
    case ERR_TEMPORARY:
        break;
    }
    return IMMP_TEMPORARY;
}

int client_error(struct immp_error *error, enum immp_kind kind, int status, const char *text)
{
    if (error == NULL)
        return -1;
    *error = (struct immp_error){ .kind = kind, .status = status };
    memcpy(error->text, text, strnlen(text, sizeof(error->text) - 1));
    return -1;
}

int client_fail(struct immp_client *c, const struct err *err, struct immp_error *error)
{
    c->is_broken = true;
    return client_error(error, kind_of(err->kind), 0, err->text);
}

int client_refused(int code, const char *text, struct immp_error *error)
{
    static const int denials[] = {
        STATUS_AUTH_FAILED, STATUS_COOKIE_REFUSED, STATUS_TOO_MANY_ATTEMPTS, STATUS_BLACKLISTED,
        STATUS_NOT_YOU,     STATUS_NOT_ALLOWED,    STATUS_PUSH_REFUSED,
    };
    enum immp_kind kind = kind_of(status_err_kind(code));

    for (size_t i = 0; i < N_ELEMENTS(denials); i++)
        if (denials[i] == code)
            kind = IMMP_DENIED;
    return client_error(error, kind, code, *text != '\0' ? text : status_text((enum status)code));
}

static int broken(struct immp_error *error)
{
    return client_error(error, IMMP_TEMPORARY, 0, "the connection is not usable any more");
}

/* ---- lines ---- */

int client_add_token(struct str *out, const char *s)
{
    if (strpbrk(s, "\"\r\n") != NULL)
        return -1;
    str_addc(out, '"');
    str_add(out, s);
    str_addc(out, '"');
    return 0;
}

long immp_token(const char *s, char *out, size_t size)
{
    struct str token = STR_INIT;
    long n = -1;

    if (client_add_token(&token, s) == 0 && token.len < size) {
        memcpy(out, token.s, token.len + 1);
        n = (long)token.len;
    }
    str_clear(&token);
    return n;
}

int client_say(struct immp_client *c, const char *line, struct immp_error *error)
{
    struct str bytes = STR_INIT;
    struct err err = { ERR_NONE };
    int rc;

    if (c->is_broken)
        return broken(error);
    if (strlen(line) + 2 > LINE_MAX_BYTES)
        return client_error(error, IMMP_PERMANENT, 0, "the command is longer than 8190 bytes");
    if (strpbrk(line, "\r\n") != NULL)
        return client_error(error, IMMP_PERMANENT, 0, "a command is one line");
    str_add(&bytes, line);
    str_addc(&bytes, '\n');
    rc = transport_write(c->transport, bytes.s, bytes.len, &err);
    str_wipe(&bytes); /* it may have been a key */
    return rc < 0 ? client_fail(c, &err, error) : 0;
}

static int read_line(struct immp_client *c, size_t max, struct reply *r, struct err *err)
{
    char *line;

    if (transport_line(c->transport, max, &line, err) < 0)
        return -1;
    return reply_parse(line, r, err);
}

/* ---- replies ---- */

static int give_up(struct immp_client *c, struct immp_error *error)
{
    c->is_broken = true;
    return client_error(error, IMMP_PERMANENT, 0, "the reply was not read to its end");
}

/* The octets of a line, and the LF behind them. */
static int hear_octets(struct immp_client *c, uint64_t left, const struct immp_handler *handler,
                       struct immp_error *error)
{
    bool wants = handler != NULL && handler->octets != NULL;
    struct err err = { ERR_NONE };
    const void *p;
    long n;

    while (left > 0) {
        n = transport_octets(c->transport, left < INT_MAX ? (size_t)left : INT_MAX, &p, &err);
        if (n < 0)
            return client_fail(c, &err, error);
        if (wants && handler->octets(handler->ctx, p, (size_t)n) != 0)
            return give_up(c, error);
        left -= (uint64_t)n;
    }
    n = transport_octets(c->transport, 1, &p, &err);
    if (n == 1 && *(const char *)p != '\n')
        n = err_set(&err, ERR_PROTOCOL, 0, "no line end behind the octets of a reply");
    return n < 0 ? client_fail(c, &err, error) : 0;
}

/* 1xx, and the 3xx that promise more of the server's, are not the end of a reply. */
static bool is_progress(int code)
{
    return code < 200 || code == STATUS_AUTH_COOKIE || code == STATUS_AUTH_SECRET ||
           code == STATUS_SUBSCRIBING;
}

static int hand_on(struct immp_client *c, const struct reply *r, const struct immp_handler *handler,
                   struct immp_error *error)
{
    struct immp_reply line = {
        .code = r->code,
        .has_more = r->has_more,
        .text = r->text,
        .has_octets = r->has_octets,
        .octets = r->octets,
    };

    if (handler != NULL && handler->line != NULL && handler->line(handler->ctx, &line) != 0)
        return give_up(c, error);
    return r->has_octets ? hear_octets(c, r->octets, handler, error) : 0;
}

int client_hear(struct immp_client *c, const struct immp_handler *handler, struct immp_error *error)
{
    struct err err = { ERR_NONE };
    struct reply r;

    for (;;) {
        if (c->is_broken)
            return broken(error);
        if (read_line(c, IMMP_REPLY_MAX, &r, &err) < 0)
            return client_fail(c, &err, error);
        if (strcmp(r.pipeline, REPLY_ASYNC) == 0)
            continue;
        if (r.code >= 400) /* codes that nobody has defined, too */
            (void)client_refused(r.code, r.text, error); /* the text is gone after this line */
        if (r.code / 10 == 75) /* "protocol error, closing" */
            c->is_broken = true;
        if (hand_on(c, &r, handler, error) < 0)
            return -1;
        if (!r.has_more && !is_progress(r.code))
            return r.code < 400 ? r.code : -1;
    }
}

int immp_client_command(struct immp_client *c, const char *line,
                        const struct immp_handler *handler, struct immp_error *err)
{
    if (client_say(c, line, err) < 0)
        return -1;
    return client_hear(c, handler, err);
}

/* ---- opening ---- */

static const char *word_in(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    while (at != NULL && ((at > text && at[-1] != ' ') || strchr(" .,", at[strlen(word)]) == NULL))
        at = strstr(at + 1, word);
    return at;
}

struct greeting {
    bool has_immp, has_tls2, has_tls3, has_end;
};

static void note_info(struct immp_client *c, const char *text)
{
    const char *d = strstr(text, " d=");

    if (d != NULL && c->domain == NULL)
        c->domain = mem_strndup(d + 3, strcspn(d + 3, " "));
}

/* 100 lines, then 101: who is there, and which upgrades there are. */
static int read_greeting(struct immp_client *c, struct greeting *g, struct immp_error *error)
{
    struct err err = { ERR_NONE };
    struct reply r;

    for (int i = 0; i < GREETING_LINES && !g->has_end; i++) {
        if (read_line(c, REPLY_MIN, &r, &err) < 0) {
            if (err.kind == ERR_PROTOCOL)
                (void)err_prefix(&err, "this is no IMMP server");
            return client_fail(c, &err, error);
        }
        if (r.code >= 400) {
            c->is_broken = true;
            return client_refused(r.code, r.text, error);
        }
        g->has_immp = g->has_immp || strstr(r.text, "IMMP/1.0") != NULL ||
                      word_in(r.text, "p=IMMP") != NULL;
        g->has_tls2 = g->has_tls2 || word_in(r.text, "TLS2") != NULL;
        g->has_tls3 = g->has_tls3 || word_in(r.text, "TLS3") != NULL;
        g->has_end = r.code == STATUS_SERVER_INFO && !r.has_more;
        if (r.code == STATUS_SERVER_INFO)
            note_info(c, r.text);
    }
    if (g->has_immp && g->has_end)
        return 0;
    (void)err_set(&err, ERR_PROTOCOL, 0, "the server does not greet as IMMP/1.0 does");
    return client_fail(c, &err, error);
}

/* 1.3 first; 405 to it leaves 1.2. */
static int upgrade(struct immp_client *c, const struct greeting *g, struct immp_error *error)
{
    enum context_version version = g->has_tls3 || !g->has_tls2 ? CONTEXT_TLS3 : CONTEXT_TLS2;
    struct err err = { ERR_NONE };
    struct immp_error refused = { IMMP_OK, 0, "" };
    int code;

    code = immp_client_command(c, version == CONTEXT_TLS3 ? "UPGRADE TLS3" : "UPGRADE TLS2", NULL,
                               &refused);
    if (code < 0 && refused.status == STATUS_UPGRADE_METHOD && version == CONTEXT_TLS3) {
        version = CONTEXT_TLS2;
        code = immp_client_command(c, "UPGRADE TLS2", NULL, &refused);
    }
    if (code < 0)
        return client_error(error, refused.kind, refused.status, refused.text);
    if (code != STATUS_UPGRADING) {
        (void)err_set(&err, ERR_PROTOCOL, 0, "the server answers UPGRADE with %d", code);
        return client_fail(c, &err, error);
    }
    if (transport_start_tls(c->transport, version, &err) < 0 ||
        transport_fingerprint(c->transport, c->fingerprint, &err) < 0)
        return client_fail(c, &err, error);
    c->has_tls = true;
    return 0;
}

static int open_in(struct immp_client *c, const struct immp_options *opt, struct immp_error *error)
{
    struct greeting g = { false };
    struct err err = { ERR_NONE };

    c->transport = transport_open(opt->host, opt->port != NULL ? opt->port : IMMP_PORT,
                                  opt->timeout_ms > 0 ? opt->timeout_ms : IMMP_TIMEOUT_MS, &err);
    if (c->transport == NULL)
        return client_fail(c, &err, error);
    if (read_greeting(c, &g, error) < 0 || upgrade(c, &g, error) < 0)
        return -1;
    if (opt->check_key != NULL && opt->check_key(opt->ctx, c->fingerprint) != 0) {
        c->is_broken = true;
        return client_error(error, IMMP_DENIED, 0, "the server's key was not accepted");
    }
    return 0;
}

struct immp_client *immp_client_open(const struct immp_options *opt, struct immp_error *err)
{
    struct immp_client *c = mem_zalloc(sizeof(*c));

    if (open_in(c, opt, err) < 0)
        immp_client_close(&c);
    return c;
}

void immp_client_close(struct immp_client **cp)
{
    struct immp_client *c = *cp;

    if (c == NULL)
        return;
    if (!c->is_broken && c->has_tls)
        (void)immp_client_command(c, "QUIT", NULL, NULL);
    transport_close(&c->transport);
    free(c->domain);
    free(c);
    *cp = NULL;
}

const char *immp_client_domain(const struct immp_client *c)
{
    return c->domain != NULL ? c->domain : "";
}

const char *immp_client_fingerprint(const struct immp_client *c)
{
    return c->fingerprint;
}

void immp_uuid(char out[IMMP_UUID_SIZE])
{
    uuid_generate(out);
}
