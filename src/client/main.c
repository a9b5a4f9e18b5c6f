/* SPDX-License-Identifier: MIT */
/*
 * immp(1): options, settings, secret, connection, command. Everything that can be wrong on this
 * side is found before the server is asked for anything.
 */
#include "config.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <immp/client.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "wire/imid.h"

#include "client/ask.h"
#include "client/commands.h"
#include "client/exits.h"
#include "client/options.h"
#include "client/pins.h"
#include "client/report.h"
#include "client/settings.h"

/* Where to go and as whom. */
struct place {
    struct settings settings;
    char *account, *host, *port;
    struct str server;  /* "host:port", as the pins have it */
    struct str pins;    /* the file */
    int pin_failure;    /* an exit code, once the key was refused for a reason told */
};

static void place_clear(struct place *p)
{
    settings_clear(&p->settings);
    free(p->account);
    free(p->host);
    free(p->port);
    str_clear(&p->server);
    str_clear(&p->pins);
}

static int fail(int code, const struct err *err)
{
    report("%s", err->text);
    return code;
}

/* ---- who and where ---- */

static int find_account(const struct options *o, struct place *p)
{
    const char *given = o->account != NULL ? o->account : p->settings.account;
    struct err err;

    if (given == NULL) {
        report("no account: give -a IMID, or account = IMID in ~/.config/immp/config");
        return EX_USAGE;
    }
    if (imid_address(given, &p->account, &err) < 0)
        return fail(o->account != NULL ? EX_USAGE : EX_CONFIG, &err);
    return 0;
}

static int find_server(const struct options *o, struct place *p)
{
    const char *given = o->server != NULL ? o->server : p->settings.server;
    struct err err;

    if (given == NULL)
        given = imid_domain_of(p->account);
    if (settings_server(given, &p->host, &p->port, &err) < 0)
        return fail(o->server != NULL ? EX_USAGE : EX_CONFIG, &err);
    str_addf(&p->server, strchr(p->host, ':') != NULL ? "[%s]:%s" : "%s:%s", p->host, p->port);
    return 0;
}

static int find_place(const struct options *o, struct place *p)
{
    struct str folder = STR_INIT, file = STR_INIT;
    struct err err;
    int code = 0;

    if (settings_folder(&folder, &err) < 0) {
        code = fail(EX_CONFIG, &err);
        goto out;
    }
    str_addf(&file, "%s/config", str_c(&folder));
    str_addf(&p->pins, "%s/pins", str_c(&folder));
    if (settings_read(str_c(&file), &p->settings, &err) < 0)
        code = fail(EX_CONFIG, &err);
    if (code == 0)
        code = find_account(o, p);
    if (code == 0)
        code = find_server(o, p);
out:
    str_clear(&folder);
    str_clear(&file);
    return code;
}

/* ---- the server's key ---- */

static int check_key(void *ctx, const char *fingerprint)
{
    struct place *p = ctx;
    struct err err;
    int pin = pins_check(str_c(&p->pins), str_c(&p->server), fingerprint, &err);

    if (pin == PIN_SAME)
        return 0;
    if (pin == PIN_NEW && pins_add(str_c(&p->pins), str_c(&p->server), fingerprint, &err) == 0) {
        report("first contact with %s: its key sha256:%s is remembered in %s", str_c(&p->server),
               fingerprint, str_c(&p->pins));
        return 0;
    }
    if (pin != PIN_CHANGED) {
        p->pin_failure = fail(EX_CANTCREAT, &err);
        return -1;
    }
    report("THE KEY OF %s HAS CHANGED. Either the server has a new one, or somebody is between you and it.\n"
           "It is now sha256:%s.\n"
           "Nothing was sent. Ask the operator for the server's key; if this is it, remove the line of %s\n"
           "from %s and try again.",
           str_c(&p->server), fingerprint, str_c(&p->server), str_c(&p->pins));
    p->pin_failure = EX_NOPERM;
    return -1;
}

/* ---- the run ---- */

static int connect_and_run(const struct options *o, struct place *p, const char *secret,
                           struct outgoing *outgoing)
{
    struct immp_options opt = { .host = p->host, .port = p->port, .check_key = check_key, .ctx = p };
    struct run s = {
        .options = o,
        .out = stdout,
        .look = text_look(stdout),
        .now_ms = clock_wall_ms(clock_system()),
    };
    struct immp_error err = { IMMP_OK, 0, "" };
    int code;

    s.client = immp_client_open(&opt, &err);
    if (s.client == NULL) {
        if (p->pin_failure != 0)
            return p->pin_failure;
        code = report_error(&err);
        return err.kind == IMMP_PERMANENT && err.status == 0 ? EX_NOHOST : code;
    }
    if (immp_client_login(s.client, p->account, secret, "immp", &err) < 0)
        code = report_error(&err);
    else if (o->command == COMMAND_SEND)
        code = command_send(&s, outgoing);
    else if (o->command == COMMAND_CHECK)
        code = command_check(&s);
    else if (o->command == COMMAND_LIST)
        code = command_list(&s);
    else
        code = command_read(&s);
    immp_client_close(&s.client);
    return code;
}

static int run(const struct options *o)
{
    struct place p = { .account = NULL };
    struct outgoing *outgoing = NULL;
    char *secret = NULL;
    struct err err = { ERR_NONE };
    int code = find_place(o, &p);

    if (code == 0 && o->command == COMMAND_SEND) {
        outgoing = outgoing_create(o, stdin, &err);
        if (outgoing == NULL)
            code = fail(err.status, &err);
    }
    if (code == 0 && ask_secret(o->secret_file, p.settings.secret_file, p.account, &secret, &err) < 0)
        code = fail(err.kind == ERR_DENIED ? EX_NOPERM : EX_NOINPUT, &err);
    if (code == 0)
        code = connect_and_run(o, &p, secret, outgoing);
    secret_free(&secret);
    outgoing_destroy(&outgoing);
    place_clear(&p);
    return code;
}

int main(int argc, char **argv)
{
    struct options o;
    struct str text = STR_INIT;
    int rc, code = EX_OK;

    (void)setlocale(LC_CTYPE, "");
    (void)signal(SIGPIPE, SIG_IGN);
    rc = options_parse(argc, argv, &o, &text);
    if (rc == 0) {
        (void)fputs(str_c(&text), stdout);
    } else if (rc < 0) {
        report("%s", str_c(&text));
        code = EX_USAGE;
    } else {
        code = run(&o);
        options_clear(&o);
    }
    str_clear(&text);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EX_OK) {
        report("the output could not be written");
        code = EX_IOERR;
    }
    return code;
}
