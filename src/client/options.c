/* SPDX-License-Identifier: MIT */
/*
 * The command line. Each command is one entry of a table: its name, its help, its own options and
 * how many operands it takes; what all have in common is said once and understood on both sides
 * of the command's name, because nobody remembers which side it was.
 */
#include "config.h"

#include "client/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <immp/client.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/uuid.h"

/* Long options without a letter. */
enum {
    OPT_SECRET_FILE = 256, OPT_JSON, OPT_IMPORTANT, OPT_UNIMPORTANT, OPT_RECEIPT, OPT_SECURE,
    OPT_ANONYMOUS, OPT_BLIND, OPT_EXPIRES, OPT_ID, OPT_RAW, OPT_PART,
};

#define COMMON_SHORT "a:s:hV"
#define COMMON_LONG                                               \
    { "account", required_argument, NULL, 'a' },                  \
    { "server", required_argument, NULL, 's' },                   \
    { "secret-file", required_argument, NULL, OPT_SECRET_FILE },  \
    { "json", no_argument, NULL, OPT_JSON },                      \
    { "help", no_argument, NULL, 'h' },                           \
    { "version", no_argument, NULL, 'V' },                        \
    { NULL, 0, NULL, 0 }

static const struct option common_options[] = { COMMON_LONG };
static const struct option send_options[] = {
    { "subject", required_argument, NULL, 'S' },
    { "message", required_argument, NULL, 'm' },
    { "attach", required_argument, NULL, 'A' },
    { "important", no_argument, NULL, OPT_IMPORTANT },
    { "unimportant", no_argument, NULL, OPT_UNIMPORTANT },
    { "receipt", no_argument, NULL, OPT_RECEIPT },
    { "secure", no_argument, NULL, OPT_SECURE },
    { "anonymous", no_argument, NULL, OPT_ANONYMOUS },
    { "blind", no_argument, NULL, OPT_BLIND },
    { "expires", required_argument, NULL, OPT_EXPIRES },
    { "id", required_argument, NULL, OPT_ID },
    COMMON_LONG,
};
static const struct option check_options[] = {
    { "recursive", no_argument, NULL, 'r' },
    COMMON_LONG,
};
static const struct option list_options[] = {
    { "limit", required_argument, NULL, 'n' },
    COMMON_LONG,
};
static const struct option read_options[] = {
    { "folder", required_argument, NULL, 'f' },
    { "raw", no_argument, NULL, OPT_RAW },
    { "part", required_argument, NULL, OPT_PART },
    { "keep-unread", no_argument, NULL, 'k' },
    COMMON_LONG,
};

static const char common_help[] =
    "\nOptions of all commands:\n"
    "  -a, --account IMID     your account; or account = IMID in the configuration\n"
    "  -s, --server HOST[:PORT]\n"
    "                         default: the account's domain, port 1025\n"
    "      --secret-file FILE its first line is the secret; or $IMMP_SECRET, or it is asked for\n"
    "      --json             output for programs\n"
    "  -h, --help             of immp, or of a command\n"
    "  -V, --version\n"
    "\nConfiguration: ~/.config/immp/config (see immp(1))\n";

struct command_row {
    const char *name;
    enum command command;
    const char *letters;
    const struct option *options;
    size_t min, max;        /* operands */
    const char *operands;
    const char *summary;
    const char *help;
};

static const struct command_row commands[] = {
    { "send", COMMAND_SEND, COMMON_SHORT "S:m:A:", send_options, 1, 100, "TO...",
      "send a message; its text comes from standard input",
      "  -S, --subject TEXT\n"
      "  -m, --message TEXT     the text, instead of standard input\n"
      "  -A, --attach FILE      may be given several times\n"
      "      --important, --unimportant\n"
      "      --receipt          tell me when it is delivered\n"
      "      --secure           only over links and to keys that are verified\n"
      "      --anonymous        do not show who I am, only my domain\n"
      "      --blind            do not show the recipients to each other\n"
      "      --expires TIME     give up after it: 30m, 12h, 5d, or seconds\n"
      "      --id UUID          the message's id; the same id is delivered once\n" },
    { "check", COMMAND_CHECK, COMMON_SHORT "r", check_options, 0, 1, "[FOLDER]",
      "unread and total messages of a folder, or of all",
      "  -r, --recursive        the folders below FOLDER too\n" },
    { "list", COMMAND_LIST, COMMON_SHORT "n:", list_options, 0, 1, "[FOLDER[:SELECTOR]]",
      "the messages of a folder, newest first; default inbox",
      "  -n, --limit N          at most N messages (20)\n"
      "\nSelectors: unread read important flagged from=WHO since=DATE before=DATE text=WORDS,\n"
      "joined by commas: immp list inbox:unread,from=bob@b.com\n" },
    { "read", COMMAND_READ, COMMON_SHORT "f:k", read_options, 1, 1, "UUID|NUMBER|latest",
      "show a message; NUMBER as in list, 1 is the newest",
      "  -f, --folder FOLDER[:SELECTOR]\n"
      "                         where it is (inbox)\n"
      "      --raw              the whole message as MIME\n"
      "      --part NAME        the octets of one part (of an attachment)\n"
      "  -k, --keep-unread      do not mark it as read\n" },
};

/* ---- help ---- */

static void add_help(struct str *text)
{
    str_add(text, "usage: immp [-a IMID] [-s HOST[:PORT]] [options] COMMAND ...\n\n");
    for (size_t i = 0; i < N_ELEMENTS(commands); i++)
        str_addf(text, "  %-6s %-20s %s\n", commands[i].name, commands[i].operands,
                 commands[i].summary);
    str_add(text, "\nimmp COMMAND --help tells more.\n");
    str_add(text, common_help);
}

static void add_command_help(struct str *text, const struct command_row *c)
{
    str_addf(text, "usage: immp %s [options] %s\n\n%s.\n\n%s", c->name, c->operands, c->summary,
             c->help);
    str_add(text, common_help);
}

/* ---- values ---- */

static int bad(struct str *text, const char *what, const char *value)
{
    str_addf(text, "%s: %s", what, value);
    return -1;
}

static int read_expires(struct options *o, const char *value, struct str *text)
{
    int64_t ms;

    if (str_to_duration(value, &ms) < 0 || ms < 1000)
        return bad(text, "--expires is no time like 30m, 12h, 5d", value);
    o->expires_s = (uint64_t)(ms / 1000);
    return 0;
}

static int read_limit(struct options *o, const char *value, struct str *text)
{
    if (str_to_u64(value, &o->limit) < 0 || o->limit < 1 || o->limit > OPTIONS_LIST_MAX)
        return bad(text, "--limit is no number from 1 to 100000", value);
    return 0;
}

static int read_id(struct options *o, const char *value, struct str *text)
{
    char id[UUID_SIZE];

    o->id = value;
    return uuid_parse(value, id) < 0 ? bad(text, "--id is no UUID", value) : 0;
}

static void append(const char ***list, size_t *n, const char *value)
{
    *list = mem_realloc(*list, (*n + 1) * sizeof(**list));
    (*list)[(*n)++] = value;
}

/* 1 taken, 0 not an option of ours, -1. */
static int take_common(struct options *o, int c)
{
    switch (c) {
    case 'a':
        o->account = optarg;
        return 1;
    case 's':
        o->server = optarg;
        return 1;
    case OPT_SECRET_FILE:
        o->secret_file = optarg;
        return 1;
    case OPT_JSON:
        o->is_json = true;
        return 1;
    default:
        return 0;
    }
}

static int take_flag(struct options *o, int c)
{
    static const struct {
        int option;
        unsigned flag;
    } rows[] = {
        { OPT_IMPORTANT, IMMP_IMPORTANT }, { OPT_UNIMPORTANT, IMMP_UNIMPORTANT },
        { OPT_RECEIPT, IMMP_RECEIPT },     { OPT_SECURE, IMMP_SECURE },
        { OPT_ANONYMOUS, IMMP_ANONYMOUS }, { OPT_BLIND, IMMP_BLIND },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (rows[i].option != c)
            continue;
        o->flags |= rows[i].flag;
        return 1;
    }
    return 0;
}

static int take_own(struct options *o, int c, struct str *text)
{
    switch (c) {
    case 'S':
        o->subject = optarg;
        return 0;
    case 'm':
        o->text = optarg;
        return 0;
    case 'A':
        append(&o->attach, &o->n_attach, optarg);
        return 0;
    case 'f':
        o->folder = optarg;
        return 0;
    case 'r':
        o->is_recursive = true;
        return 0;
    case 'k':
        o->keeps_unread = true;
        return 0;
    case 'n':
        return read_limit(o, optarg, text);
    case OPT_EXPIRES:
        return read_expires(o, optarg, text);
    case OPT_ID:
        return read_id(o, optarg, text);
    case OPT_RAW:
        o->is_raw = true;
        return 0;
    default:
        o->part = optarg;
        return 0;
    }
}

/* ---- the line ---- */

static int complain(struct str *text, int argc, char **argv, int c)
{
    const char *what = c == ':' ? "the option needs a value" : "no such option";
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";

    if (str_starts(word, "--") || optopt <= 0 || optopt > 255)
        str_addf(text, "%s: %s", what, word);
    else
        str_addf(text, "%s: -%c", what, optopt);
    return -1;
}

/* Options up to the command's name. 1 go on at optind, 0 help or version, -1. */
static int parse_common(int argc, char **argv, struct options *o, struct str *text)
{
    int c;

    optind = 0; /* glibc: begin anew */
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:" COMMON_SHORT, common_options, NULL)) != -1) {
        if (c == 'h')
            add_help(text);
        if (c == 'V')
            str_add(text, "immp " PACKAGE_VERSION "\n");
        if (c == 'h' || c == 'V')
            return 0;
        if (take_common(o, c) == 0)
            return complain(text, argc, argv, c);
    }
    return 1;
}

static const struct command_row *find_command(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int check_operands(const struct command_row *c, size_t n, struct str *text)
{
    if (n < c->min)
        str_addf(text, "%s: %s is missing", c->name, c->operands);
    else if (n > c->max)
        str_addf(text, "%s: too many operands (%s)", c->name, c->operands);
    return n < c->min || n > c->max ? -1 : 0;
}

static int check_read(const struct options *o, struct str *text)
{
    char id[UUID_SIZE];
    uint64_t number;

    if (o->is_raw && o->part != NULL)
        return bad(text, "read", "--raw and --part exclude each other");
    if (o->is_json && (o->is_raw || o->part != NULL))
        return bad(text, "read", "--json excludes --raw and --part");
    if (strcmp(o->message, "latest") == 0 || uuid_parse(o->message, id) == 0)
        return 0;
    if (str_to_u64(o->message, &number) < 0 || number < 1 || number > OPTIONS_LIST_MAX)
        return bad(text, "read: neither a UUID nor a number nor \"latest\"", o->message);
    return 0;
}

static int take_operands(const struct command_row *c, int n, char **operands, struct options *o,
                         struct str *text)
{
    if (check_operands(c, (size_t)n, text) < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        if (c->command == COMMAND_SEND)
            append(&o->to, &o->n_to, operands[i]);
        else if (c->command == COMMAND_READ)
            o->message = operands[i];
        else
            o->folder = operands[i];
    }
    if ((o->flags & IMMP_IMPORTANT) != 0 && (o->flags & IMMP_UNIMPORTANT) != 0)
        return bad(text, "send", "--important and --unimportant exclude each other");
    return c->command == COMMAND_READ ? check_read(o, text) : 0;
}

static int parse_command(const struct command_row *row, int argc, char **argv, struct options *o,
                         struct str *text)
{
    struct str letters = STR_INIT;
    int c, rc = 1;

    o->command = row->command;
    o->limit = 20;
    str_addf(&letters, ":%s", row->letters);
    optind = 0;
    while (rc == 1 && (c = getopt_long(argc, argv, letters.s, row->options, NULL)) != -1) {
        if (c == 'h' || c == 'V') {
            if (c == 'h')
                add_command_help(text, row);
            else
                str_add(text, "immp " PACKAGE_VERSION "\n");
            rc = 0;
        } else if (c == ':' || c == '?') {
            rc = complain(text, argc, argv, c);
        } else if (take_common(o, c) == 0 && take_flag(o, c) == 0 && take_own(o, c, text) < 0) {
            rc = -1;
        }
    }
    if (rc == 1 && take_operands(row, argc - optind, argv + optind, o, text) < 0)
        rc = -1;
    str_clear(&letters);
    return rc;
}

int options_parse(int argc, char **argv, struct options *o_r, struct str *text)
{
    const struct command_row *row;
    int rc;

    *o_r = (struct options){ .command = COMMAND_NONE };
    rc = parse_common(argc, argv, o_r, text);
    if (rc != 1)
        return rc;
    if (optind >= argc) {
        str_add(text, "no command (immp --help lists them)");
        return -1;
    }
    row = find_command(argv[optind]);
    if (row == NULL)
        return bad(text, "no such command (immp --help lists them)", argv[optind]);
    rc = parse_command(row, argc - optind, argv + optind, o_r, text);
    if (rc != 1)
        options_clear(o_r);
    return rc;
}

void options_clear(struct options *o)
{
    free(o->to);
    free(o->attach);
    *o = (struct options){ .command = COMMAND_NONE };
}
