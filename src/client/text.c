/* SPDX-License-Identifier: MIT */
/*
 * Text for people. Everything that a mail brought goes through text_add_line() or
 * text_add_body(): an escape sequence in a subject must not write to the reader's terminal, nor a
 * direction override make a name look like another.
 *
 * Columns come of wcwidth(), which knows them only in a UTF-8 locale; elsewhere each character
 * counts as one, which misaligns a table and harms nothing.
 */
#include "config.h"

#include "client/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/macros.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define HALF_YEAR_MS (INT64_C(182) * 24 * 3600 * 1000)

struct look text_look(FILE *f)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
    struct winsize size = { 0 };
    struct look look = { false, 0 };

    if (!isatty(fileno(f)))
        return look;
    look.width = ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    look.has_colour = (none == NULL || *none == '\0') && term != NULL && strcmp(term, "dumb") != 0;
    return look;
}

/* ---- characters ---- */

/* The character at s and its bytes, or 0 where it is not UTF-8 (then one byte). */
static uint32_t decode(const char *s, size_t left, size_t *bytes_r)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t v = n == 1 ? c : c & (0xffu >> (n + 1));

    *bytes_r = 1;
    if (n > left || !str_is_utf8(s, n))
        return 0;
    for (size_t i = 1; i < n; i++)
        v = v << 6 | ((unsigned char)s[i] & 0x3f);
    *bytes_r = n;
    return v;
}

/* Controls, and what turns the direction of text: Unicode's Bidi_Control, and line separators. */
static bool is_harmful(uint32_t v)
{
    return v < 0x20 || (v >= 0x7f && v < 0xa0) || v == 0x61c || v == 0x200e || v == 0x200f ||
           (v >= 0x2028 && v <= 0x202e) || (v >= 0x2066 && v <= 0x2069) || v == 0xfeff;
}

static void add_clean(struct str *out, const char *s, size_t n, bool is_body)
{
    for (size_t i = 0; i < n;) {
        size_t bytes;
        uint32_t v = decode(s + i, n - i, &bytes);

        if (v == '\r' && is_body && i + 1 < n && s[i + 1] == '\n')
            ; /* its LF follows */
        else if ((v == '\n' || v == '\t') && is_body)
            str_addc(out, (char)v);
        else if (v == '\n' || v == '\t' || v == '\r')
            str_addc(out, ' ');
        else if (is_harmful(v))
            str_add(out, REPLACEMENT);
        else
            str_addn(out, s + i, bytes);
        i += bytes;
    }
}

void text_add_line(struct str *out, const char *s, size_t n)
{
    add_clean(out, s, n, false);
}

void text_add_body(struct str *out, const char *s, size_t n)
{
    add_clean(out, s, n, true);
}

/* ---- columns ---- */

static size_t columns_of(uint32_t v)
{
    int n = v < 0x80 ? 1 : wcwidth((wchar_t)v);

    return n < 0 ? 1 : (size_t)n;
}

size_t text_width(const char *s)
{
    size_t width = 0, left = strlen(s), bytes;

    for (; left > 0; s += bytes, left -= bytes)
        width += columns_of(decode(s, left, &bytes));
    return width;
}

void text_add_cell(struct str *out, const char *s, size_t width)
{
    struct str clean = STR_INIT;
    size_t used = 0, at = 0, bytes;
    bool fits;

    text_add_line(&clean, s, strlen(s));
    fits = text_width(str_c(&clean)) <= width;
    while (at < clean.len) {
        size_t columns = columns_of(decode(clean.s + at, clean.len - at, &bytes));

        if (used + columns > (fits ? width : width - (width > 0)))
            break;
        used += columns;
        at += bytes;
    }
    str_addn(out, str_c(&clean), at);
    if (!fits && width > 0) {
        str_add(out, "\xe2\x80\xa6");
        used++;
    }
    while (used++ < width)
        str_addc(out, ' ');
    str_clear(&clean);
}

/* ---- colours, sizes, dates ---- */

void text_add_colour(struct str *out, const struct look *look, enum colour colour)
{
    static const char *const codes[] = {
        [COLOUR_NONE] = "\033[0m", [COLOUR_BOLD] = "\033[1m",   [COLOUR_DIM] = "\033[2m",
        [COLOUR_RED] = "\033[31m", [COLOUR_GREEN] = "\033[32m",
    };

    if (look->has_colour)
        str_add(out, codes[colour]);
}

void text_add_size(struct str *out, uint64_t bytes)
{
    static const char *const units[] = { "KB", "MB", "GB", "TB" };
    size_t unit = 0;
    uint64_t tenths = bytes * 10 / 1024;

    if (bytes < 1024) {
        str_addf(out, "%" PRIu64 " B", bytes);
        return;
    }
    for (; tenths >= 10240 && unit + 1 < N_ELEMENTS(units); unit++)
        tenths /= 1024;
    if (tenths < 100)
        str_addf(out, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
    else
        str_addf(out, "%" PRIu64 " %s", tenths / 10, units[unit]);
}

void text_add_date(struct str *out, const char *s, int64_t now_ms)
{
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t at_ms;
    struct tm tm;
    time_t t;

    if (clock_parse_rfc3339(s, &at_ms) < 0) {
        text_add_line(out, s, strlen(s));
        return;
    }
    t = (time_t)(at_ms / 1000);
    if (localtime_r(&t, &tm) == NULL)
        return;
    str_addf(out, "%2d %s ", tm.tm_mday, months[tm.tm_mon % 12]);
    if (at_ms > now_ms - HALF_YEAR_MS && at_ms < now_ms + HALF_YEAR_MS)
        str_addf(out, "%02d:%02d", tm.tm_hour, tm.tm_min);
    else
        str_addf(out, " %04d", tm.tm_year + 1900);
}
