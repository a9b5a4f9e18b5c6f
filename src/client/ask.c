/* SPDX-License-Identifier: MIT */
/*
 * The secret is asked for on the terminal itself, not on standard input, which may be the text of
 * a message. Whatever ends the program meanwhile, the terminal gets its echo back.
 */
#include "config.h"

#include "client/ask.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"

/* For the signal handler: the terminal, and how it was. */
static int tty = -1;
static struct termios tty_before;

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void restore_and_end(int signal_number)
{
    (void)tcsetattr(tty, TCSAFLUSH, &tty_before);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static void set_handlers(void (*handler)(int))
{
    for (size_t i = 0; i < N_ELEMENTS(ending); i++)
        (void)signal(ending[i], handler);
}

/* One line of the terminal. 0, or -1: its end, or too long. */
static int read_line(char *out, size_t size)
{
    for (size_t n = 0; n < size; n++) {
        if (read(tty, out + n, 1) != 1)
            return -1;
        if (out[n] == '\n') {
            out[n] = '\0';
            return n > 0 ? 0 : -1;
        }
    }
    return -1;
}

static void say(const char *s)
{
    if (write(tty, s, strlen(s)) < 0)
        return; /* the answer will be missing too */
}

static int ask_on_terminal(const char *account, char **secret_r)
{
    char answer[ASK_SECRET_MAX + 1];
    struct str prompt = STR_INIT;
    struct termios silent;
    int rc = -1;

    tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return -1;
    if (tcgetattr(tty, &tty_before) == 0) {
        set_handlers(restore_and_end);
        silent = tty_before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(tty, TCSAFLUSH, &silent);
        str_addf(&prompt, "Secret of %s: ", account);
        say(prompt.s);
        rc = read_line(answer, sizeof(answer));
        (void)tcsetattr(tty, TCSAFLUSH, &tty_before);
        set_handlers(SIG_DFL);
        say("\n");
        str_clear(&prompt);
    }
    (void)close(tty);
    if (rc == 0)
        *secret_r = mem_strdup(answer);
    secret_wipe(answer, sizeof(answer));
    return rc;
}

int ask_secret(const char *given, const char *configured, const char *account, char **secret_r,
               struct err *err)
{
    const char *variable = getenv("IMMP_SECRET");

    if (given != NULL)
        return secret_read_file(given, secret_r, err);
    if (variable != NULL && variable[0] != '\0') {
        *secret_r = mem_strdup(variable);
        return 0;
    }
    if (configured != NULL)
        return secret_read_file(configured, secret_r, err);
    if (ask_on_terminal(account, secret_r) == 0)
        return 0;
    return err_set(err, ERR_DENIED, 0,
                   "no secret: give --secret-file FILE or $IMMP_SECRET, or run it on a terminal");
}
