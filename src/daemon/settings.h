/* SPDX-License-Identifier: MIT */
/*
 * The configuration file (immpd.conf(5)): read by libconfuse, checked whole, with every fault as
 * "file:line: what is wrong". Settings only: nothing here is opened, connected or created but the
 * secret files, which are read.
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum settings_trust { SETTINGS_TOFU = 0, SETTINGS_PKIX, SETTINGS_PINNED };
enum settings_via { SETTINGS_XMPP = 1, SETTINGS_TCP, SETTINGS_REJECT };

struct settings_listen {
    char *address;
    uint16_t port;
};

struct settings_route {
    char *domain;
    enum settings_via via;
    char *to;              /* component JID or host:port; NULL for reject */
};

struct settings_domain {
    char *name;            /* prepared */
    char *component_jid;   /* prepared; default immp.NAME */
    char *server;
    uint16_t port;
    char *secret;
    char *tls_certificate, *tls_key;    /* absolute; NULL: made on first start */
    char *seal_certificate, *seal_key;  /* likewise */
    enum settings_trust trust;
    char **admins;         /* prepared addresses */
    size_t n_admins;
    int64_t message_bytes, quota_bytes;
    size_t stanza_bytes;
    int64_t *retry_ms;
    size_t n_retry;
    int64_t expire_ms;
    struct settings_route *routes;
    size_t n_routes;
};

struct settings {
    char *path;            /* of the file */
    char *data_dir;        /* absolute */
    char *user;
    char *store_url;
    enum log_target log_target;
    enum log_level log_level;
    bool allow_sha1;
    struct settings_listen *listens;
    size_t n_listens;
    struct settings_domain *domains;
    size_t n_domains;
};

/*
 * Read a file. NULL: at least one fault; each is a line in faults ("file:line: text LF"). What this
 * version understands but does not act on is a line "file:line: warning: text LF": not a fault,
 * and never ignored in silence.
 */
struct settings *settings_load(const char *path, struct str *faults);
void settings_destroy(struct settings **cp);

/* "DATA-DIR/immpd.sock". */
void settings_socket_path(const struct settings *c, struct str *out);

/* Where the file is looked for without -c. */
const char *settings_default_path(void);

/* Walk of the documented keys ("domain/component/jid"), for the test of immpd.conf(5). NULL past the end. */
const char *settings_key_at(size_t i);

#endif
