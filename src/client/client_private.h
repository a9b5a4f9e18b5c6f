/* SPDX-License-Identifier: MIT */
/* What the files of libimmp share. */
#ifndef CLIENT_CLIENT_PRIVATE_H
#define CLIENT_CLIENT_PRIVATE_H

#include <stdbool.h>

#include <immp/client.h>

#include "base/err.h"
#include "base/str.h"
#include "client/transport_private.h"

struct immp_client {
    struct transport *transport;
    char *domain;
    char fingerprint[FINGERPRINT_SIZE];
    bool has_tls;
    bool is_broken;  /* where the connection stands is not known any more */
};

/* All return -1. A text for people, the connection untouched. */
int client_error(struct immp_error *error, enum immp_kind kind, int status, const char *text);
/* What went wrong on the connection, which is broken by it. */
int client_fail(struct immp_client *c, const struct err *err, struct immp_error *error);
/* What the server said. */
int client_refused(int code, const char *text, struct immp_error *error);

/* Write a line with its LF. 0, or -1. */
int client_say(struct immp_client *c, const char *line, struct immp_error *error);
/* Read a reply to its end: its code, or -1 (also when the server said no). */
int client_hear(struct immp_client *c, const struct immp_handler *handler,
                struct immp_error *error);
/* Append s as a token, always quoted, so that it can be no keyword. 0, or -1. */
int client_add_token(struct str *out, const char *s);

#endif
