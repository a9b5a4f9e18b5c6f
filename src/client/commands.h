/* SPDX-License-Identifier: MIT */
/*
 * The commands of immp. Each returns an exit code and has said on standard error what went wrong.
 * The …_add functions format for people and are apart from the connection.
 */
#ifndef CLIENT_COMMANDS_H
#define CLIENT_COMMANDS_H

#include <stdint.h>
#include <stdio.h>

#include <immp/client.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/json.h"

#include "client/options.h"
#include "client/text.h"

struct run {
    struct immp_client *client;
    const struct options *options;
    FILE *out;
    struct look look;    /* of out */
    int64_t now_ms;
};

/* ---- send: the text and the attachments are had before there is a connection ---- */

struct outgoing;
/* Text from in where the options have none. NULL: err, its status an exit code. */
struct outgoing *outgoing_create(const struct options *o, FILE *in, struct err *err);
void outgoing_destroy(struct outgoing **op);
const struct immp_message *outgoing_message(const struct outgoing *o);

int command_send(struct run *s, struct outgoing *o);
int command_check(struct run *s);
int command_list(struct run *s);
int command_read(struct run *s);

/* [{"folder","unread","total"},…] as a table. */
void check_add_table(struct str *out, const struct json *rows, const struct look *look);
/* "/inbox:* u=24 t=1194" as a row of it, or NULL. */
struct json *check_parse(const char *line);
/* Rows of MBOX INDEX as a table. */
void list_add_table(struct str *out, const struct json *rows, const struct look *look,
                    int64_t now_ms);
/* The head of a message, from its index row or envelope. */
void read_add_head(struct str *out, const struct json *row, const struct look *look);
/* "Part: …" and how to get it. */
void read_add_hint(struct str *out, const struct json *part, const char *id, const char *folder,
                   const struct look *look);
/* Is a part shown as text: content of a text type (of several kinds of it, not HTML)? */
bool read_is_shown(const struct json *parts, const struct json *part);

#endif
