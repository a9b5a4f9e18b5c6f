/* SPDX-License-Identifier: MIT */
/* Reads a file of tests/vectors, which other implementations may use as well. */
#ifndef TESTS_UNIT_WIRE_VECTORS_H
#define TESTS_UNIT_WIRE_VECTORS_H

#include "base/str.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>

static inline struct json *vectors_read(const char *name)
{
    const char *top = getenv("top_srcdir");
    struct str path = STR_INIT, text = STR_INIT;
    struct json *doc = NULL;
    struct err err = { 0 };
    char buf[4096];
    FILE *f;
    size_t n;

    str_addf(&path, "%s/tests/vectors/%s", top != NULL ? top : ".", name);
    f = fopen(str_c(&path), "rb");
    if (f == NULL) {
        print_error("%s cannot be read (set top_srcdir)\n", str_c(&path));
    } else {
        while ((n = fread(buf, 1, sizeof buf, f)) > 0)
            str_addn(&text, buf, n);
        (void)fclose(f);
        doc = json_parse(str_c(&text), text.len, &err);
        if (doc == NULL)
            print_error("%s: %s\n", str_c(&path), err.text);
    }
    str_clear(&path);
    str_clear(&text);
    return doc;
}

#endif
