/* SPDX-License-Identifier: MIT */
/*
 * The log. A line is "event key=value …", always with ids. Never in a log: content, cookies,
 * passwords, keys. Foreign text goes through log_quote().
 *
 * Levels: error (an admin must act), warn (we coped), notice (start, stop, link up and down),
 * info (one line per message accepted, delivered, failed), debug, trace.
 *
 * Any thread may log. Rooms below session return failures instead of logging them; the owner of
 * the job logs once.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/macros.h"

#include <stdbool.h>

enum log_level {
    LOG_L_ERROR = 1,
    LOG_L_WARN,
    LOG_L_NOTICE,
    LOG_L_INFO,
    LOG_L_DEBUG,
    LOG_L_TRACE,
};

enum log_target {
    LOG_T_STDERR = 0,  /* "2026-11-24T03:21:48.123Z level event …"; "<n>event …" under journald */
    LOG_T_SYSLOG,
    LOG_T_NONE,        /* tests */
};

void log_setup(enum log_target target, enum log_level level);
int log_level_parse(const char *name, enum log_level *level_r);  /* 0, or -1 */
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...)  log_write(LOG_L_ERROR, __VA_ARGS__)
#define log_warn(...)   log_write(LOG_L_WARN, __VA_ARGS__)
#define log_notice(...) log_write(LOG_L_NOTICE, __VA_ARGS__)
#define log_info(...)   do { if (log_enabled(LOG_L_INFO)) log_write(LOG_L_INFO, __VA_ARGS__); } while (0)
#define log_debug(...)  do { if (log_enabled(LOG_L_DEBUG)) log_write(LOG_L_DEBUG, __VA_ARGS__); } while (0)
#define log_trace(...)  do { if (log_enabled(LOG_L_TRACE)) log_write(LOG_L_TRACE, __VA_ARGS__); } while (0)

/*
 * Foreign text made safe for one log line: "…" quoted, escaped, cut at 200 bytes. Valid until
 * the eighth next call in the same thread.
 */
const char *log_quote(const char *s);

#endif
