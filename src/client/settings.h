/* SPDX-License-Identifier: MIT */
/* ~/.config/immp/config, and where a server is: immp's settings that are not on the command line. */
#ifndef CLIENT_SETTINGS_H
#define CLIENT_SETTINGS_H

#include "base/err.h"
#include "base/str.h"

struct settings {
    char *account, *server, *secret_file;  /* NULL: not set */
};

/* The folder of immp's files: $XDG_CONFIG_HOME/immp, else $HOME/.config/immp. 0, or -1: neither. */
int settings_folder(struct str *path, struct err *err);

/*
 * Lines "name = value", "#" begins a comment line. Names: account, server, secret-file (relative
 * ones are below the file's folder, "~/" is the home). A missing file sets nothing. 0
 * (settings_clear), or -1: file:line and what is wrong.
 */
int settings_read(const char *path, struct settings *s_r, struct err *err);
void settings_clear(struct settings *s);

/*
 * "host", "host:port", "[address]:port" or an IPv6 address. 0 and both are the caller's, or -1.
 */
int settings_server(const char *server, char **host_r, char **port_r, struct err *err);

#endif
