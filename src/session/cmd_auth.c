/* SPDX-License-Identifier: MIT */
/*
 * AUTH SECRET and AUTH RESPONSE (docs/immp.md, "AUTH"). The proof itself is mail/accounts.h's;
 * here is the dialog: one question at a time on a connection, and at the third failure the door
 * is closed.
 */
#include "session/session_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "seal/digest.h"

#include <stdlib.h>

enum { SECRET_ACCOUNT, SECRET_DEVICE };
const struct param auth_secret_params[] = {
    [SECRET_ACCOUNT] = { "account", PARAM_POSITION, PARAM_REQUIRED },
    [SECRET_DEVICE] = { "device name", PARAM_POSITION, 0 },
    { NULL, 0, 0 },
};

enum { RESPONSE_KEY };
const struct param auth_response_params[] = {
    [RESPONSE_KEY] = { "key", PARAM_POSITION, PARAM_REQUIRED },
    { NULL, 0, 0 },
};

void auth_clear(struct session *s)
{
    if (s->login != NULL)
        secret_wipe(s->login, sizeof *s->login);
    free(s->login);
    s->login = NULL;
    free(s->device);
    s->device = NULL;
}

/* The third failure on a connection, or an address that failed too often: 412, and close. */
static enum step refuse(struct session *s, struct job *j, const struct err *err)
{
    struct err last = *err;

    auth_clear(s);
    if (err->kind != ERR_DENIED)
        return session_fail(s, j, err);
    s->failures++;
    log_notice("auth.failed remote=%s failures=%u why=%s", s->remote, s->failures,
               log_quote(err->text));
    if (s->failures >= SESSION_AUTH_TRIES)
        (void)err_set(&last, ERR_DENIED, STATUS_TOO_MANY_ATTEMPTS, "%d failed attempts, closing",
                      SESSION_AUTH_TRIES);
    (void)session_fail(s, j, &last);
    if (last.status == STATUS_TOO_MANY_ATTEMPTS) {
        session_enter(s, PHASE_CLOSED);
        s->is_closing = true;
    }
    return STEP_DONE;
}

static void say_nonces(struct session *s, struct job *j, const struct login *lg)
{
    struct str text = STR_INIT;

    str_addf(&text, "n1=%s n2=%s h=scrypt s=", lg->n1, lg->n2);
    base64_add(&text, lg->salt, sizeof lg->salt, 0);
    str_addf(&text, " N=%u r=%u p=%u k=", lg->n, lg->r, lg->p);
    if (s->mail->allow_sha1)
        str_add(&text, "sha1");
    if (s->has_exporter)
        str_add(&text, s->mail->allow_sha1 ? ",hmac-sha256" : "hmac-sha256");
    session_reply_text(s, j, STATUS_AUTH_NONCES, false, str_c(&text));
    str_clear(&text);
}

enum step cmd_auth_secret(struct session *s, struct job *j, const struct args *args)
{
    struct err err = { ERR_NONE };

    auth_clear(s);
    s->login = mem_zalloc(sizeof *s->login);
    if (login_begin(s->mail->accounts, args->value[SECRET_ACCOUNT], s->remote, s->login, &err) < 0)
        return refuse(s, j, &err);
    s->device = mem_strdup(args->value[SECRET_DEVICE]);
    session_reply_text(s, j, STATUS_AUTH_SECRET, false, status_text(STATUS_AUTH_SECRET));
    say_nonces(s, j, s->login);
    return STEP_DONE;
}

enum step cmd_auth_response(struct session *s, struct job *j, const struct args *args)
{
    struct err err = { ERR_NONE };
    char *address;

    if (s->login == NULL) {
        (void)err_set(&err, ERR_PROTOCOL, STATUS_WRONG_PHASE, "AUTH RESPONSE answers AUTH SECRET");
        return session_fail(s, j, &err);
    }
    /* It serves once, and is wiped by the check. */
    address = mem_strdup(s->login->address);
    if (login_check(s->mail->accounts, s->login, s->remote, args->value[RESPONSE_KEY],
                    s->has_exporter ? s->exporter : NULL, &err) < 0) {
        free(address);
        return refuse(s, j, &err);
    }
    s->account = address;
    log_info("auth.ok account=%s remote=%s device=%s", s->account, s->remote,
             log_quote(s->device != NULL ? s->device : ""));
    auth_clear(s);
    session_enter(s, PHASE_LOCAL);
    session_reply(s, j, STATUS_AUTHENTICATED, false, "Authentication accepted for %s", s->account);
    return STEP_DONE;
}
