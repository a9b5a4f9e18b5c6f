/* SPDX-License-Identifier: MIT */
/* The command table of immpctl and the one view that is no table: status. */
#include "config.h"

#include "ctl/commands.h"

#include <string.h>

#include "base/clock.h"

static const struct table_column account_columns[] = {
    { "account", "ACCOUNT", TABLE_TEXT   },
    { "used",    "USED",    TABLE_SIZE   },
    { "quota",   "QUOTA",   TABLE_SIZE   },
    { "login",   "LOGIN",   TABLE_YES    },
    { "created", "CREATED", TABLE_TIME   },
    { NULL,      NULL,      TABLE_TEXT   },
};
static const struct table_column queue_columns[] = {
    { "id",          "ID",    TABLE_NUMBER },
    { "from",        "FROM",  TABLE_TEXT   },
    { "to",          "TO",    TABLE_TEXT   },
    { "size",        "SIZE",  TABLE_SIZE   },
    { "state",       "STATE", TABLE_TEXT   },
    { "attempts",    "TRIES", TABLE_NUMBER },
    { "due",         "NEXT",  TABLE_WHEN   },
    { "created",     "SINCE", TABLE_TIME   },
    { "error",       "LAST ERROR", TABLE_TEXT },
    { NULL,          NULL,    TABLE_TEXT   },
};
static const struct table_column entry_lines[] = {
    { "id",          "entry",       TABLE_NUMBER },
    { "message",     "message",     TABLE_TEXT   },
    { "from",        "from",        TABLE_TEXT   },
    { "to",          "still to",    TABLE_TEXT   },
    { "subject",     "subject",     TABLE_TEXT   },
    { "origin",      "origin",      TABLE_TEXT   },
    { "destination", "destination", TABLE_TEXT   },
    { "size",        "size",        TABLE_SIZE   },
    { "state",       "state",       TABLE_TEXT   },
    { "secure",      "secure",      TABLE_YES    },
    { "attempts",    "tries",       TABLE_NUMBER },
    { "created",     "since",       TABLE_TIME   },
    { "due",         "next try",    TABLE_WHEN   },
    { "expires",     "expires",     TABLE_TIME   },
    { "error",       "last error",  TABLE_TEXT   },
    { NULL,          NULL,          TABLE_TEXT   },
};
static const struct table_column peer_columns[] = {
    { "domain",    "DOMAIN",    TABLE_TEXT  },
    { "component", "COMPONENT", TABLE_TEXT  },
    { "trust",     "TRUST",     TABLE_TEXT  },
    { "blocked",   "BLOCKED",   TABLE_YES   },
    { "sign",      "SIGNS AS",  TABLE_SHORT },
    { "first",     "SINCE",     TABLE_TIME  },
    { "last",      "LAST",      TABLE_WHEN  },
    { NULL,        NULL,        TABLE_TEXT  },
};
static const struct table_column peer_lines[] = {
    { "domain",    "domain",          TABLE_TEXT   },
    { "component", "component",       TABLE_TEXT   },
    { "trust",     "trust",           TABLE_TEXT   },
    { "blocked",   "blocked",         TABLE_YES    },
    { "sign",      "signing key",     TABLE_TEXT   },
    { "encrypt",   "encryption key",  TABLE_TEXT   },
    { "offered",   "refused key",     TABLE_TEXT   },
    { "stanza",    "stanza bytes",    TABLE_NUMBER },
    { "first",     "first seen",      TABLE_TIME   },
    { "last",      "last seen",       TABLE_TIME   },
    { NULL,        NULL,              TABLE_TEXT   },
};
static const struct table_column key_columns[] = {
    { "domain",  "DOMAIN",          TABLE_TEXT },
    { "sign",    "SIGNING KEY (SHA-256)", TABLE_TEXT },
    { "encrypt", "ENCRYPTION KEY (SHA-256)", TABLE_TEXT },
    { NULL,      NULL,              TABLE_TEXT },
};
static const struct table_column link_columns[] = {
    { "domain",      "DOMAIN",    TABLE_TEXT   },
    { "component",   "COMPONENT", TABLE_TEXT   },
    { "state",       "LINK",      TABLE_TEXT   },
    { "up-since",    "SINCE",     TABLE_WHEN   },
    { "last-pong",   "LAST PONG", TABLE_WHEN   },
    { "reconnects",  "RECONNECTS", TABLE_NUMBER },
    { "error",       "LAST ERROR", TABLE_TEXT  },
    { NULL,          NULL,        TABLE_TEXT   },
};

static const struct table_column status_lines[] = {
    { "version",     "version",     TABLE_TEXT   },
    { "pid",         "pid",         TABLE_NUMBER },
    { "started",     "started",     TABLE_WHEN   },
    { "port",        "port",        TABLE_NUMBER },
    { "connections", "connections", TABLE_NUMBER },
    { "accounts",    "accounts",    TABLE_NUMBER },
    { "messages",    "messages",    TABLE_NUMBER },
    { "bytes",       "bytes",       TABLE_SIZE   },
    { "queued",      "queued",      TABLE_NUMBER },
    { NULL,          NULL,          TABLE_TEXT   },
};

static int add_counter(void *ctx, const char *key, struct json *value)
{
    int64_t v;

    if (json_int(value, &v))
        str_addf(ctx, "  %s %lld", key, (long long)v);
    return 0;
}

static int add_refusal(void *ctx, const char *key, struct json *value)
{
    int64_t v;

    if (json_int(value, &v) && v > 0)
        str_addf(ctx, "  %s %lld", key, (long long)v);
    return 0;
}

static void show_status(struct str *out, const struct json *rows, int64_t now_ms)
{
    const struct json *row = json_at(rows, 0), *in = json_get(row, "inbound");

    table_add_one(out, row, status_lines, now_ms);
    str_addc(out, '\n');
    table_add(out, json_get(row, "links"), link_columns, now_ms);
    str_add(out, "\nout");
    (void)json_each(json_get(row, "outbound"), add_counter, out);
    str_add(out, "\nin ");
    (void)json_each(in, add_counter, out);
    str_add(out, "\nrefused");
    (void)json_each(json_get(in, "refused"), add_refusal, out);
    str_addc(out, '\n');
}

static const struct ctl_command commands[] = {
    { "status", { NULL }, false, true, NULL, show_status,
      "links, endpoint, sizes and counters" },
    { "account add", { "account" }, true, false, NULL, NULL,
      "make an account; its secret comes from a prompt or standard input" },
    { "account passwd", { "account" }, true, false, NULL, NULL, "set the secret of an account" },
    { "account del", { "account" }, false, false, NULL, NULL, "delete an account with its mail" },
    { "account list", { "domain?" }, false, false, account_columns, NULL, "accounts" },
    { "account quota", { "account", "quota" }, false, false, NULL, NULL,
      "limit an account (500M, 2G; 0: the domain's default)" },
    { "queue list", { "destination?" }, false, false, queue_columns, NULL,
      "mail that waits for other domains" },
    { "queue show", { "id" }, false, true, entry_lines, NULL, "one entry, by number or message UUID" },
    { "queue retry", { "destination?" }, false, false, NULL, NULL, "try now, whatever the schedule says" },
    { "queue hold", { "id" }, false, false, NULL, NULL, "keep an entry until it is released" },
    { "queue release", { "id" }, false, false, NULL, NULL, "let a held entry go" },
    { "queue drop", { "id" }, false, false, NULL, NULL,
      "take an entry off; its sender is told (not with --silent)" },
    { "peer list", { NULL }, false, false, peer_columns, NULL, "domains that we know" },
    { "peer show", { "domain" }, false, true, peer_lines, NULL, "one domain: keys and paths" },
    { "peer forget", { "domain" }, false, false, NULL, NULL,
      "drop a domain's pinned keys: as on first contact again" },
    { "key show", { "domain?" }, false, false, key_columns, NULL, "our own keys" },
    { "reload", { NULL }, false, false, NULL, NULL, "read the configuration again" },
};

/* How many of argv the words are, 0 if they are not these. */
static int count_match(const char *words, int argc, char *const *argv)
{
    int n = 0;

    for (; *words != '\0'; n++) {
        size_t len = strcspn(words, " ");

        if (n >= argc || strlen(argv[n]) != len || strncmp(words, argv[n], len) != 0)
            return 0;
        words += len + (words[len] == ' ');
    }
    return n;
}

const struct ctl_command *ctl_command_find(int argc, char *const *argv, int *n_words_r)
{
    for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
        *n_words_r = count_match(commands[i].words, argc, argv);
        if (*n_words_r > 0)
            return &commands[i];
    }
    return NULL;
}

void ctl_add_usage(struct str *out)
{
    str_add(out, "usage: immpctl [-c FILE | -S SOCKET] [--json] COMMAND\n\n");
    for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
        struct str line = STR_INIT;

        str_add(&line, commands[i].words);
        for (size_t a = 0; commands[i].args[a] != NULL; a++) {
            const char *name = commands[i].args[a];
            size_t n = strcspn(name, "?");

            str_addf(&line, name[n] == '?' ? " [%.*s]" : " %.*s", (int)n, name);
        }
        str_addf(out, "  %-28s %s\n", line.s, commands[i].help);
        str_clear(&line);
    }
    str_add(out, "\n  -c FILE     the daemon's configuration, for the place of its socket\n"
                 "  -S SOCKET   the socket itself\n"
                 "  --json      output for programs\n"
                 "  --silent    queue drop: do not tell the sender\n"
                 "  -V, -h      version, help\n"
                 "Exit: 0 done, 1 refused, 2 usage, 3 daemon not reachable.\n");
}
