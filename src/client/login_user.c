/* SPDX-License-Identifier: MIT */
/*
 * The user's connection. A server that is met for the first time has its key pinned, and that is
 * said; one whose key has changed is refused before the secret is even asked for.
 */
#include "config.h"

#include "client/login_user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "wire/imid.h"

#include "client/ask.h"
#include "client/exits.h"
#include "client/pins.h"
#include "client/settings.h"

struct pinned {
    struct str file;
    struct str server;   /* "host:port" */
    bool is_said;        /* why it was refused */
};

int login_complain(const char *what, const struct immp_error *error)
{
    if (error->status != 0)
        fprintf(stderr, "immp: %s: %s (%d)\n", what, error->text, error->status);
    else
        fprintf(stderr, "immp: %s: %s\n", what, error->text);
    return exits_of_error(error);
}

static int check_key(void *ctx, const char *fingerprint)
{
    struct pinned *p = ctx;
    struct err err = { ERR_NONE };
    int pin = pins_check(p->file.s, p->server.s, fingerprint, &err);

    if (pin == PIN_SAME)
        return 0;
    if (pin == PIN_NEW && pins_add(p->file.s, p->server.s, fingerprint, &err) == 0) {
        fprintf(stderr, "immp: first contact with %s: its key sha256:%s is remembered\n",
                p->server.s, fingerprint);
        return 0;
    }
    p->is_said = true;
    if (pin == PIN_CHANGED)
        fprintf(stderr,
                "immp: %s has another key than before: sha256:%s\n"
                "immp: somebody may be between you and it. If its operator confirms the new key,\n"
                "immp: remove the line of %s from %s\n",
                p->server.s, fingerprint, p->server.s, p->file.s);
    else
        fprintf(stderr, "immp: %s\n", err.text);
    return -1;
}

/* Options first, then the configuration, then what follows from the account. */
static int find_server(const struct options *o, const struct settings *s, const char *account,
                       char **host_r, char **port_r, struct err *err)
{
    const char *server = o->server != NULL ? o->server : s->server;
    char *address = NULL;
    int rc;

    if (server != NULL)
        return settings_server(server, host_r, port_r, err);
    if (imid_address(account, &address, err) < 0)
        return -1;
    rc = settings_server(imid_domain_of(address), host_r, port_r, err);
    free(address);
    return rc;
}

static struct immp_client *open_with(const char *host, const char *port, const char *folder,
                                     int *exit_r)
{
    struct pinned pinned = { STR_INIT, STR_INIT, false };
    struct immp_options opt = {
        .host = host, .port = port, .check_key = check_key, .ctx = &pinned,
    };
    struct immp_error error = { IMMP_OK, 0, "" };
    struct immp_client *c;

    str_addf(&pinned.file, "%s/pins", folder);
    str_addf(&pinned.server, "%s:%s", host, port);
    c = immp_client_open(&opt, &error);
    if (c == NULL)
        *exit_r = pinned.is_said ? EX_NOPERM : login_complain(pinned.server.s, &error);
    str_clear(&pinned.file);
    str_clear(&pinned.server);
    return c;
}

static int prove(struct immp_client *c, const struct options *o, const struct settings *s,
                 const char *account, int *exit_r)
{
    struct immp_error error = { IMMP_OK, 0, "" };
    struct err err = { ERR_NONE };
    char *secret = NULL;
    int rc;

    if (ask_secret(o->secret_file, s->secret_file, account, &secret, &err) < 0) {
        fprintf(stderr, "immp: %s\n", err.text);
        *exit_r = EX_NOPERM;
        return -1;
    }
    rc = immp_client_login(c, account, secret, "immp", &error);
    secret_free(&secret);
    if (rc < 0)
        *exit_r = login_complain(account, &error);
    return rc;
}

struct immp_client *login_user(const struct options *o, int *exit_r)
{
    struct settings s = { NULL, NULL, NULL };
    struct str folder = STR_INIT, file = STR_INIT;
    char *host = NULL, *port = NULL;
    struct immp_client *c = NULL;
    struct err err = { ERR_NONE };
    const char *account;

    *exit_r = EX_CONFIG;
    if (settings_folder(&folder, &err) < 0)
        goto out;
    str_addf(&file, "%s/config", folder.s);
    if (settings_read(file.s, &s, &err) < 0)
        goto out;
    account = o->account != NULL ? o->account : s.account;
    if (account == NULL) {
        err_set(&err, ERR_PERMANENT, 0, "whose account? -a IMID, or account = IMID in %.200s", file.s);
        *exit_r = EX_USAGE;
        goto out;
    }
    if (find_server(o, &s, account, &host, &port, &err) < 0) {
        *exit_r = EX_USAGE;
        goto out;
    }
    c = open_with(host, port, folder.s, exit_r);
    if (c != NULL && prove(c, o, &s, account, exit_r) < 0)
        immp_client_close(&c);
out:
    if (err.kind != ERR_NONE)
        fprintf(stderr, "immp: %s\n", err.text);
    free(host);
    free(port);
    settings_clear(&s);
    str_clear(&folder);
    str_clear(&file);
    return c;
}
