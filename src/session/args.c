/* SPDX-License-Identifier: MIT */
/*
 * Arguments. Every command declares what it takes, so that what is missing, given twice, unknown
 * or in the wrong place is found here, with a text that names it, and a command's own code starts
 * with arguments that are all there.
 *
 * The token behind a keyword is its value even if it looks like a switch: parameters have to be
 * quoted only if they hold spaces (the draft, section 3.7).
 */
#include "session/args.h"

#include "base/mem.h"
#include "base/str.h"
#include "wire/status.h"

#include <stdlib.h>
#include <string.h>

static int bad(struct err *err, const char *what, const char *name)
{
    return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "%s %.60s", what, name);
}

static bool has_end(const struct param *p)
{
    return p->name == NULL;
}

static int put_value(const struct param *params, size_t i, const char *value, size_t n_tokens,
                     struct args *args, struct err *err)
{
    if ((params[i].flags & PARAM_REPEATS) != 0) {
        if (args->list == NULL)
            args->list = mem_alloc(n_tokens * sizeof *args->list);
        args->list[args->n_list++] = value;
    } else if (args->value[i] != NULL) {
        return bad(err, "given twice:", params[i].name);
    }
    args->value[i] = value;
    return 0;
}

/* "+JSON". Known with "+", or with "-" too; -NAME of anything else asks for nothing. */
static int put_switch(const struct param *params, const char *text, struct args *args,
                      struct err *err)
{
    int sign = text[0] == '+' ? 1 : -1;

    for (size_t i = 0; !has_end(&params[i]); i++) {
        if (params[i].kind != PARAM_SWITCH || !str_ieq(params[i].name, text + 1))
            continue;
        if (args->sign[i] != 0 && args->sign[i] != sign)
            return bad(err, "both + and - of", params[i].name);
        args->sign[i] = sign;
        return 0;
    }
    return sign < 0 ? 0 : bad(err, "unknown switch", text);
}

/* The parameter that this token names, or -1. */
static int find_keyword(const struct param *params, const struct token *t)
{
    for (int i = 0; !has_end(&params[i]); i++)
        if ((params[i].kind == PARAM_KEYWORD || (params[i].flags & PARAM_NAMED) != 0) &&
            token_is(t, params[i].name))
            return i;
    return -1;
}

/* The next position that is free, or -1. */
static int find_position(const struct param *params, const struct args *args)
{
    for (int i = 0; !has_end(&params[i]); i++)
        if (params[i].kind == PARAM_POSITION &&
            (args->value[i] == NULL || (params[i].flags & PARAM_REPEATS) != 0))
            return i;
    return -1;
}

static int read_tokens(const struct param *params, const struct token *tokens, size_t n,
                       struct args *args, struct err *err)
{
    for (size_t t = 0; t < n; t++) {
        int i = find_keyword(params, &tokens[t]);

        if (i >= 0) {
            if (t + 1 == n)
                return bad(err, "nothing after", params[i].name);
            t++;
        } else if (token_is_switch(&tokens[t])) {
            if (put_switch(params, tokens[t].text, args, err) < 0)
                return -1;
            continue;
        } else {
            i = find_position(params, args);
        }
        if (i < 0)
            return bad(err, "unexpected:", tokens[t].text);
        if (put_value(params, (size_t)i, tokens[t].text, n, args, err) < 0)
            return -1;
    }
    for (size_t i = 0; !has_end(&params[i]); i++)
        if ((params[i].flags & PARAM_REQUIRED) != 0 && args->value[i] == NULL)
            return bad(err, "missing:", params[i].name);
    return 0;
}

int args_parse(const struct param *params, const struct token *tokens, size_t n,
               struct args *args_r, struct err *err)
{
    static const struct param none[] = { { NULL, 0, 0 } };

    *args_r = (struct args){ .n_list = 0 };
    if (read_tokens(params != NULL ? params : none, tokens, n, args_r, err) < 0) {
        args_clear(args_r);
        return -1;
    }
    return 0;
}

void args_clear(struct args *args)
{
    free(args->list);
    *args = (struct args){ .n_list = 0 };
}

int args_number(const struct args *args, const struct param *params, size_t i, uint64_t min,
                uint64_t *v_r, struct err *err)
{
    uint64_t v;

    if (args->value[i] == NULL)
        return 0;
    if (str_to_u64(args->value[i], &v) < 0 || v < min || v > INT64_MAX)
        return bad(err, "not a number that can be used for", params[i].name);
    *v_r = v;
    return 0;
}
