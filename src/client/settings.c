/* SPDX-License-Identifier: MIT */
/*
 * immp's configuration file: three settings, one a line. A name that is not known is an error
 * with its line, as a misspelt one would otherwise be without effect and without a word.
 */
#include "config.h"

#include "client/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <immp/client.h>

#include "base/mem.h"

#define LINE_SIZE 2048

/* ---- places ---- */

int settings_folder(struct str *path, struct err *err)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    /* The XDG base directory specification: relative ones are to be ignored. */
    if (config != NULL && config[0] == '/')
        str_addf(path, "%s/immp", config);
    else if (home != NULL && home[0] == '/')
        str_addf(path, "%s/.config/immp", home);
    else
        return err_set(err, ERR_PERMANENT, 0, "neither HOME nor XDG_CONFIG_HOME is set");
    return 0;
}

static char *resolve(const char *file, const char *value)
{
    const char *home = getenv("HOME"), *slash = strrchr(file, '/');
    struct str path = STR_INIT;

    if (str_starts(value, "~/") && home != NULL)
        str_addf(&path, "%s/%s", home, value + 2);
    else if (value[0] != '/' && slash != NULL)
        str_addf(&path, "%.*s/%s", (int)(slash - file), file, value);
    else
        str_add(&path, value);
    return str_take(&path);
}

/* ---- the file ---- */

static char *trim(char *s)
{
    size_t n;

    s += strspn(s, " \t");
    n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
        n--;
    s[n] = '\0';
    return s;
}

static int read_setting(const char *path, char *line, struct settings *s, struct err *err)
{
    char *value = strchr(line, '='), **place;

    if (value == NULL)
        return err_set(err, ERR_PERMANENT, 0, "this is no \"name = value\"");
    *value++ = '\0';
    line = trim(line);
    value = trim(value);
    if (strcmp(line, "account") == 0)
        place = &s->account;
    else if (strcmp(line, "server") == 0)
        place = &s->server;
    else if (strcmp(line, "secret-file") == 0)
        place = &s->secret_file;
    else
        return err_set(err, ERR_PERMANENT, 0,
                       "unknown setting \"%.40s\"; there are account, server, secret-file", line);
    if (*value == '\0')
        return err_set(err, ERR_PERMANENT, 0, "%s has no value", line);
    if (*place != NULL)
        return err_set(err, ERR_PERMANENT, 0, "%s is set twice", line);
    *place = place == &s->secret_file ? resolve(path, value) : mem_strdup(value);
    return 0;
}

static int read_lines(FILE *f, const char *path, struct settings *s, struct err *err)
{
    char line[LINE_SIZE];

    for (int n = 1; fgets(line, sizeof(line), f) != NULL; n++) {
        size_t len = strlen(line);
        char *text = trim(line);

        if (len + 1 == sizeof(line))
            return err_set(err, ERR_PERMANENT, 0, "%s:%d: the line is too long", path, n);
        if (*text == '\0' || *text == '#')
            continue;
        if (read_setting(path, text, s, err) < 0)
            return err_prefix(err, "%s:%d", path, n);
    }
    return ferror(f) ? err_errno(err, 0, "%s", path) : 0;
}

int settings_read(const char *path, struct settings *s_r, struct err *err)
{
    FILE *f = fopen(path, "re");
    int rc;

    *s_r = (struct settings){ NULL, NULL, NULL };
    if (f == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(err, 0, "%s", path);
    rc = read_lines(f, path, s_r, err);
    (void)fclose(f);
    if (rc < 0)
        settings_clear(s_r);
    return rc;
}

void settings_clear(struct settings *s)
{
    free(s->account);
    free(s->server);
    free(s->secret_file);
    *s = (struct settings){ NULL, NULL, NULL };
}

/* ---- servers ---- */

int settings_server(const char *server, char **host_r, char **port_r, struct err *err)
{
    const char *host = server, *colon = strrchr(server, ':'), *port = NULL;
    size_t n = strlen(server);
    uint64_t number;

    if (server[0] == '[') {
        const char *end = strchr(server, ']');

        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return err_set(err, ERR_PERMANENT, 0, "no server like [address]:port: %s", server);
        host = server + 1;
        n = (size_t)(end - host);
        port = end[1] == ':' ? end + 2 : NULL;
    } else if (colon != NULL && colon == strchr(server, ':')) { /* more of them: an address */
        n = (size_t)(colon - server);
        port = colon + 1;
    }
    if (n == 0)
        return err_set(err, ERR_PERMANENT, 0, "the server has no name: %s", server);
    if (port != NULL && (str_to_u64(port, &number) < 0 || number < 1 || number > 65535))
        return err_set(err, ERR_PERMANENT, 0, "no port from 1 to 65535: %s", port);
    *host_r = mem_strndup(host, n);
    *port_r = mem_strdup(port != NULL ? port : IMMP_PORT);
    return 0;
}
