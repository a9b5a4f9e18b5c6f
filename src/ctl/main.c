/* SPDX-License-Identifier: MIT */
/* immpctl(8): the operator's tool, over the daemon's control socket. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "daemon/settings.h"

#include "ctl/commands.h"
#include "ctl/request.h"

enum exit_code { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct options {
    const char *settings;
    const char *socket;
    bool json;
    bool silent;
};

static int complain(int code, const char *text)
{
    (void)fprintf(stderr, "immpctl: %s\n", text);
    return code;
}

static int usage_error(const char *text)
{
    (void)fprintf(stderr, "immpctl: %s (immpctl -h lists the commands)\n", text);
    return EXIT_USAGE;
}

/* ---- secrets --------------------------------------------------------------------------- */

static int read_line(char *out, size_t size)
{
    size_t n;

    if (fgets(out, (int)size, stdin) == NULL)
        return -1;
    n = strcspn(out, "\r\n");
    if (out[n] == '\0' && n + 1 == size)
        return -1;
    out[n] = '\0';
    return n > 0 ? 0 : -1;
}

static int prompt(const char *text, char *out, size_t size)
{
    struct termios shown, hidden;
    int rc;

    (void)fputs(text, stderr);
    if (tcgetattr(STDIN_FILENO, &shown) < 0)
        return -1;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    rc = read_line(out, size);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)fputc('\n', stderr);
    return rc;
}

/* From a terminal, asked for twice; else the first line of standard input. 0, or -1 (said why). */
static int ask_secret(struct json *args)
{
    char secret[1024], again[1024];
    int rc = -1;

    (void)setvbuf(stdin, NULL, _IONBF, 0);
    if (!isatty(STDIN_FILENO)) {
        rc = read_line(secret, sizeof(secret));
        if (rc < 0)
            complain(0, "no secret: give it as one line on standard input");
    } else if (prompt("Secret: ", secret, sizeof(secret)) < 0 ||
               prompt("Again: ", again, sizeof(again)) < 0) {
        complain(0, "no secret was given");
    } else if (strcmp(secret, again) != 0) {
        complain(0, "the two secrets differ");
    } else {
        rc = 0;
    }
    if (rc == 0)
        json_set_str(args, "secret", secret);
    secret_wipe(secret, sizeof(secret));
    secret_wipe(again, sizeof(again));
    return rc;
}

/* ---- a command --------------------------------------------------------------------------- */

static int fill_args(const struct ctl_command *c, int argc, char **argv, struct json *args)
{
    int given = 0;

    for (size_t i = 0; i < N_ELEMENTS(c->args) && c->args[i] != NULL; i++) {
        size_t n = strcspn(c->args[i], "?");
        char *name = mem_strndup(c->args[i], n);
        bool optional = c->args[i][n] == '?';

        if (given < argc) {
            json_set_str(args, name, argv[given++]);
        } else if (!optional) {
            (void)fprintf(stderr, "immpctl: %s: the argument %s is missing\n", c->words, name);
            free(name);
            return -1;
        }
        free(name);
    }
    if (given < argc) {
        (void)fprintf(stderr, "immpctl: %s: too many arguments: %s\n", c->words, argv[given]);
        return -1;
    }
    return 0;
}

static void print_answer(const struct ctl_command *c, const struct options *o,
                         const struct request_answer *a)
{
    int64_t now = clock_wall_ms(clock_system());
    struct str out = STR_INIT;

    if (o->json) {
        if (c->is_object && json_size(a->rows) == 1)
            json_add_pretty(&out, json_at(a->rows, 0));
        else if (c->columns != NULL)
            json_add_pretty(&out, a->rows);
        else {
            struct json *done = json_object_new();

            json_set_str(done, "done", str_c(&a->text));
            json_add(&out, done);
            json_destroy(&done);
        }
        str_addc(&out, '\n');
    } else if (c->show != NULL) {
        c->show(&out, a->rows, now);
    } else if (c->columns != NULL && c->is_object) {
        table_add_one(&out, json_at(a->rows, 0), c->columns, now);
    } else if (c->columns != NULL) {
        table_add(&out, a->rows, c->columns, now);
    } else {
        str_addf(&out, "%s\n", str_c(&a->text));
    }
    (void)fputs(str_c(&out), stdout);
    str_clear(&out);
}

static int socket_path(const struct options *o, struct str *out)
{
    struct str faults = STR_INIT;
    struct settings *s;

    if (o->socket != NULL) {
        str_add(out, o->socket);
        return 0;
    }
    s = settings_load(o->settings, &faults);
    if (s == NULL)
        (void)fputs(str_c(&faults), stderr);
    else
        settings_socket_path(s, out);
    str_clear(&faults);
    settings_destroy(&s);
    return out->len > 0 ? 0 : -1;
}

static int run(const struct ctl_command *c, const struct options *o, struct json *args)
{
    struct request_answer answer;
    struct str path = STR_INIT;
    struct err err = { 0 };
    int rc;

    if (socket_path(o, &path) < 0) {
        json_destroy(&args);
        return EXIT_USAGE;
    }
    rc = request_send(path.s, c->words, args, &answer, &err);
    if (rc == 0)
        print_answer(c, o, &answer);
    else
        complain(0, err.text);
    request_answer_clear(&answer);
    str_clear(&path);
    return rc == 0 ? EXIT_DONE : rc > 0 ? EXIT_REFUSED : EXIT_UNREACHABLE;
}

static int print_usage(FILE *to, int code)
{
    struct str out = STR_INIT;

    ctl_add_usage(&out);
    (void)fputs(out.s, to);
    str_clear(&out);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "json",    no_argument,       NULL, 'j' },
        { "silent",  no_argument,       NULL, 's' },
        { "help",    no_argument,       NULL, 'h' },
        { "version", no_argument,       NULL, 'V' },
        { NULL,      0,                 NULL, 0   },
    };
    struct options o = { .settings = settings_default_path() };
    const struct ctl_command *command;
    struct json *args;
    int c, n_words;

    while ((c = getopt_long(argc, argv, "c:S:hV", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            o.settings = optarg;
            break;
        case 'S':
            o.socket = optarg;
            break;
        case 'j':
            o.json = true;
            break;
        case 's':
            o.silent = true;
            break;
        case 'V':
            (void)printf("immpctl %s\n", PACKAGE_VERSION);
            return EXIT_DONE;
        case 'h':
            return print_usage(stdout, EXIT_DONE);
        default:
            return print_usage(stderr, EXIT_USAGE);
        }
    }
    if (optind == argc)
        return print_usage(stderr, EXIT_USAGE);
    command = ctl_command_find(argc - optind, argv + optind, &n_words);
    if (command == NULL)
        return usage_error("there is no such command");
    args = json_object_new();
    if (o.silent)
        json_set_str(args, "silent", "yes");
    if (fill_args(command, argc - optind - n_words, argv + optind + n_words, args) < 0 ||
        (command->needs_secret && ask_secret(args) < 0)) {
        json_destroy(&args);
        return EXIT_USAGE;
    }
    return run(command, &o, args);
}
