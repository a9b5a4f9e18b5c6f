/* SPDX-License-Identifier: MIT */
/* What immpctl can do: one table, from which usage, arguments and output come. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "base/str.h"
#include "ctl/table.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>

struct ctl_command {
    const char *words;
    const char *args[3];                  /* names; "id?" may be left out; NULL-ended */
    bool needs_secret;
    bool is_object;                       /* its one row is shown as lines */
    const struct table_column *columns;   /* NULL: says only what was done */
    void (*show)(struct str *out, const struct json *rows, int64_t now_ms);  /* instead of columns */
    const char *help;
};

/*
 * The command that argv begins with (longest words first), and how many of argv its words are.
 * NULL: none.
 */
const struct ctl_command *ctl_command_find(int argc, char *const *argv, int *n_words_r);
void ctl_add_usage(struct str *out);

#endif
