/* SPDX-License-Identifier: MIT */
/*
 * The log. One write(2) a line, so that lines of several threads do not mix. Under journald
 * (JOURNAL_STREAM is set) lines carry a "<n>" priority and no time, which the journal adds.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_MAX_CHARS 2048
#define QUOTE_MAX      200
#define QUOTE_SLOTS    8

static const struct { const char *name; int priority; } levels[] = {
    [LOG_L_ERROR]  = { "error",  3 },
    [LOG_L_WARN]   = { "warn",   4 },
    [LOG_L_NOTICE] = { "notice", 5 },
    [LOG_L_INFO]   = { "info",   6 },
    [LOG_L_DEBUG]  = { "debug",  7 },
    [LOG_L_TRACE]  = { "trace",  7 },
};

static enum log_target log_target = LOG_T_STDERR;
static enum log_level log_level = LOG_L_INFO;
static bool log_to_journal;

void log_setup(enum log_target target, enum log_level level)
{
    log_target = target;
    log_level = level;
    log_to_journal = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
    if (target == LOG_T_SYSLOG)
        openlog("immpd", LOG_PID | LOG_NDELAY, LOG_MAIL);
}

int log_level_parse(const char *name, enum log_level *level_r)
{
    for (size_t i = 1; i < N_ELEMENTS(levels); i++) {
        if (str_ieq(name, levels[i].name)) {
            *level_r = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

bool log_enabled(enum log_level level)
{
    return log_target != LOG_T_NONE && level <= log_level;
}

static void write_stderr(enum log_level level, const char *text)
{
    char line[LINE_MAX_CHARS];
    int n;

    if (log_to_journal) {
        n = snprintf(line, sizeof(line), "<%d>%s\n", levels[level].priority, text);
    } else {
        char at[CLOCK_RFC3339_SIZE];

        clock_format_rfc3339(clock_wall_ms(clock_system()), at);
        n = snprintf(line, sizeof(line), "%s %-6s %s\n", at, levels[level].name, text);
    }
    if (n >= (int)sizeof(line)) {
        n = (int)sizeof(line) - 1;
        line[n - 1] = '\n';
    }
    /* A log that cannot be written has nobody to tell. */
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    char text[LINE_MAX_CHARS - 64];
    va_list ap;

    if (!log_enabled(level))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *p = text; *p != '\0'; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    if (log_target == LOG_T_SYSLOG)
        syslog(levels[level].priority, "%s", text);
    else
        write_stderr(level, text);
}

const char *log_quote(const char *s)
{
    static _Thread_local char slots[QUOTE_SLOTS][4 * QUOTE_MAX + 8];
    static _Thread_local unsigned next;
    char *slot = slots[next++ % QUOTE_SLOTS];
    struct str st = STR_INIT;

    if (s == NULL)
        return "-";
    str_addc(&st, '"');
    str_add_log(&st, s, QUOTE_MAX);
    str_addc(&st, '"');
    (void)snprintf(slot, sizeof(slots[0]), "%s", st.s);
    str_clear(&st);
    return slot;
}
