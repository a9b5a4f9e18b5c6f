/* SPDX-License-Identifier: MIT */
/* immp(1): the command line, a login, a command. */
#include "config.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/str.h"

#include "client/login_user.h"
#include "client/options.h"
#include "client/run.h"

static int run(const struct options *o)
{
    static int (*const commands[])(struct immp_client *, const struct options *) = {
        [COMMAND_SEND] = run_send,
        [COMMAND_CHECK] = run_check,
        [COMMAND_LIST] = run_list,
        [COMMAND_READ] = run_read,
    };
    int rc;
    struct immp_client *c = login_user(o, &rc);

    if (c == NULL)
        return rc;
    rc = commands[o->command](c, o);
    immp_client_close(&c);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("immp: standard output");
        return rc == EX_OK ? EX_IOERR : rc;
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct str text = STR_INIT;
    struct options o;
    int rc;

    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    rc = options_parse(argc, argv, &o, &text);
    if (rc == 0) {
        fputs(str_c(&text), stdout);
        rc = EX_OK;
    } else if (rc < 0) {
        fprintf(stderr, "immp: %s\n", str_c(&text));
        rc = EX_USAGE;
    } else {
        rc = run(&o);
        options_clear(&o);
    }
    str_clear(&text);
    return rc;
}
