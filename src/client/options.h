/* SPDX-License-Identifier: MIT */
/*
 * The command line of immp(1): options that all commands have, before or behind the command's
 * name, then the command's own.
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum command {
    COMMAND_NONE = 0,
    COMMAND_SEND,
    COMMAND_CHECK,
    COMMAND_LIST,
    COMMAND_READ,
};

#define OPTIONS_LIST_MAX  100000 /* messages of one listing */

struct options {
    enum command command;
    const char *account, *server, *secret_file;  /* NULL: not given */
    bool is_json;
    /* send */
    const char **to;
    size_t n_to;
    const char **attach;
    size_t n_attach;
    const char *subject, *text, *id;
    uint64_t expires_s;
    unsigned flags;      /* enum immp_flag */
    /* check, list, read */
    const char *folder;  /* NULL: the command's default */
    bool is_recursive;
    uint64_t limit;
    const char *message; /* read: a UUID, a number or "latest" */
    bool is_raw, keeps_unread;
    const char *part;
};

/*
 * Strings stay argv's. Returns 1: run it (options_clear); 0: text is what was asked for (--help,
 * --version), for standard output; -1: text says what is wrong, without an end of line.
 */
int options_parse(int argc, char **argv, struct options *o_r, struct str *text);
void options_clear(struct options *o);

#endif
