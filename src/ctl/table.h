/* SPDX-License-Identifier: MIT */
/* Rows of JSON as an aligned table for a terminal. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "base/str.h"
#include "wire/json.h"

#include <stdint.h>

enum table_format {
    TABLE_TEXT = 0,  /* a string; a list joined by commas */
    TABLE_NUMBER,
    TABLE_SIZE,      /* bytes as 4.1K */
    TABLE_TIME,      /* ms since the epoch, as local time; 0 is - */
    TABLE_WHEN,      /* the same, as "in 5m" or "3h ago" */
    TABLE_YES,       /* boolean */
    TABLE_SHORT,     /* a fingerprint: its first 16 characters */
};

struct table_column {
    const char *key;
    const char *title;
    enum table_format format;
};

/* columns end with a NULL key. Control characters are made visible. now_ms for TABLE_WHEN. */
void table_add(struct str *out, const struct json *rows, const struct table_column *columns,
               int64_t now_ms);
/* One object as "title: value" lines. */
void table_add_one(struct str *out, const struct json *row, const struct table_column *columns,
                   int64_t now_ms);

#endif
