/* SPDX-License-Identifier: MIT */
/* Failures for people. Texts of servers are foreign, like mail. */
#include "config.h"

#include "client/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

#include "client/exits.h"
#include "client/text.h"

void report(const char *fmt, ...)
{
    struct str text = STR_INIT, clean = STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    text_add_body(&clean, str_c(&text), text.len);
    (void)fprintf(stderr, "immp: %s\n", str_c(&clean));
    str_clear(&text);
    str_clear(&clean);
}

int report_error(const struct immp_error *error)
{
    if (error->status != 0)
        report("%s (%d)", error->text, error->status);
    else
        report("%s", error->text);
    return exits_of_error(error);
}
