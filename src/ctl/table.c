/* SPDX-License-Identifier: MIT */
/* Tables: two passes, one for the widths (in characters, not bytes) and one for the text. */
#include "config.h"

#include "ctl/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define COLUMNS_MAX 16
#define CELL_MAX    200

static void add_size(struct str *out, int64_t v)
{
    static const char units[] = "BKMGT";
    double d = (double)v;
    size_t u = 0;

    while (d >= 1024 && units[u + 1] != '\0') {
        d /= 1024;
        u++;
    }
    if (u == 0)
        str_addf(out, "%lld", (long long)v);
    else
        str_addf(out, "%.1f%c", d, units[u]);
}

static void add_time(struct str *out, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];

    if (ms == 0 || localtime_r(&s, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
        str_addc(out, '-');
    else
        str_add(out, text);
}

static void add_when(struct str *out, int64_t ms, int64_t now_ms)
{
    static const struct { int64_t ms; char unit; } units[] = {
        { 86400000, 'd' }, { 3600000, 'h' }, { 60000, 'm' }, { 1000, 's' },
    };
    int64_t d = ms > now_ms ? ms - now_ms : now_ms - ms;

    if (ms == 0) {
        str_addc(out, '-');
        return;
    }
    for (size_t i = 0; i < N_ELEMENTS(units); i++) {
        if (d < units[i].ms)
            continue;
        str_addf(out, "%s%lld%c%s", ms > now_ms ? "in " : "", (long long)(d / units[i].ms),
                 units[i].unit, ms > now_ms ? "" : " ago");
        return;
    }
    str_add(out, "now");
}

static void add_text(struct str *out, const struct json *value)
{
    const char *s = json_str(value);
    size_t n = json_size(value);

    if (s != NULL) {
        str_add_log(out, s, CELL_MAX);
        return;
    }
    for (size_t i = 0; json_is_list(value) && i < n; i++) {
        const char *item = json_str(json_at(value, i));

        if (i > 0)
            str_addc(out, ',');
        str_add_log(out, item != NULL ? item : "?", CELL_MAX);
    }
}

static void add_cell(struct str *out, const struct json *row, const struct table_column *c,
                     int64_t now_ms)
{
    const struct json *value = json_get(row, c->key);
    size_t before = out->len;
    int64_t v = 0;

    (void)json_int(value, &v);
    switch (c->format) {
    case TABLE_TEXT:
        if (value != NULL)
            add_text(out, value);
        break;
    case TABLE_SHORT:
        str_addf(out, "%.16s", json_str(value) != NULL ? json_str(value) : "");
        break;
    case TABLE_NUMBER:
        str_addf(out, "%lld", (long long)v);
        break;
    case TABLE_SIZE:
        add_size(out, v);
        break;
    case TABLE_TIME:
        add_time(out, v);
        break;
    case TABLE_WHEN:
        add_when(out, v, now_ms);
        break;
    case TABLE_YES:
        str_add(out, json_get_bool(row, c->key) ? "yes" : "no");
        break;
    }
    if (out->len == before)
        str_addc(out, '-');
}

/* Characters of UTF-8: every byte that does not continue one. */
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static bool is_right(enum table_format f)
{
    return f == TABLE_NUMBER || f == TABLE_SIZE;
}

static void add_padded(struct str *out, const char *s, size_t width, bool right, bool last)
{
    size_t pad = width > width_of(s) ? width - width_of(s) : 0;

    if (right)
        str_addf(out, "%*s", (int)pad, "");
    str_add(out, s);
    if (!right && !last)
        str_addf(out, "%*s", (int)pad, "");
    if (!last)
        str_add(out, "  ");
}

void table_add(struct str *out, const struct json *rows, const struct table_column *columns,
               int64_t now_ms)
{
    size_t widths[COLUMNS_MAX] = { 0 }, n_columns = 0, n_rows = json_size(rows);
    struct str cell = STR_INIT;

    while (n_columns < COLUMNS_MAX && columns[n_columns].key != NULL) {
        widths[n_columns] = width_of(columns[n_columns].title);
        n_columns++;
    }
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t c = 0; c < n_columns; c++) {
            str_truncate(&cell, 0);
            add_cell(&cell, json_at(rows, r), &columns[c], now_ms);
            widths[c] = MAX(widths[c], width_of(cell.s));
        }
    }
    for (size_t c = 0; c < n_columns; c++)
        add_padded(out, columns[c].title, widths[c], is_right(columns[c].format),
                   c + 1 == n_columns);
    str_addc(out, '\n');
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t c = 0; c < n_columns; c++) {
            str_truncate(&cell, 0);
            add_cell(&cell, json_at(rows, r), &columns[c], now_ms);
            add_padded(out, cell.s, widths[c], is_right(columns[c].format), c + 1 == n_columns);
        }
        str_addc(out, '\n');
    }
    str_clear(&cell);
}

void table_add_one(struct str *out, const struct json *row, const struct table_column *columns,
                   int64_t now_ms)
{
    size_t width = 0;

    for (const struct table_column *c = columns; c->key != NULL; c++)
        width = MAX(width, width_of(c->title));
    for (const struct table_column *c = columns; c->key != NULL; c++) {
        if (json_get(row, c->key) == NULL)
            continue;
        add_padded(out, c->title, width, false, false);
        add_cell(out, row, c, now_ms);
        str_addc(out, '\n');
    }
}
