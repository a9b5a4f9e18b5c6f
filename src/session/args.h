/* SPDX-License-Identifier: MIT */
/*
 * The arguments of a command by its declared parameters (docs/immp.md, "Command lines"):
 * positions, KEYWORD value, and switches. Unknown +NAME is 402, unknown -NAME is ignored.
 */
#ifndef SESSION_ARGS_H
#define SESSION_ARGS_H

#include "base/err.h"
#include "wire/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_MAX 16

enum param_kind {
    PARAM_POSITION = 1,  /* the next token that is nothing else */
    PARAM_KEYWORD,       /* NAME value */
    PARAM_SWITCH,        /* +NAME, and -NAME where that means something */
};

enum {
    PARAM_REQUIRED = 1 << 0,
    PARAM_REPEATS  = 1 << 1,  /* any number of times; at most one parameter of a command */
    PARAM_NAMED    = 1 << 2,  /* POSITION that may also be given as NAME value */
};

struct param {
    const char *name;
    enum param_kind kind;
    unsigned flags;
};

struct args {
    const char *value[ARGS_MAX];  /* NULL: not given. Borrowed from the tokens */
    int sign[ARGS_MAX];           /* switches: 1 for +, -1 for -, 0 not given */
    const char **list;            /* of the parameter that repeats */
    size_t n_list;
};

/* params may be NULL: none are taken. 0 (args_clear), or -1 (ERR_PROTOCOL, STATUS_PARAMETER). */
int args_parse(const struct param *params, const struct token *tokens, size_t n,
               struct args *args_r, struct err *err);
void args_clear(struct args *args);

/* A decimal number from min on. 0 (and *v_r untouched if it was not given), or -1. */
int args_number(const struct args *args, const struct param *params, size_t i, uint64_t min,
                uint64_t *v_r, struct err *err);

#endif
