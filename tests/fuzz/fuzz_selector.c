/* SPDX-License-Identifier: MIT */
/*
 * Selectors, as they stand behind ":" in a folder argument. Holds: one that was read and is written
 * from its fields is read as the same; "a,b" selects what both a and b select; a refused one leaves
 * nothing behind.
 */
#include "wire/folder.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/imid.h"

#include "fuzz/fuzz.h"

static int read_selector(const char *s, struct folder_arg *arg)
{
    struct str text = STR_INIT;
    int rc;

    str_addf(&text, "/inbox:%s", s);
    rc = folder_arg_parse(str_c(&text), arg, NULL);
    str_clear(&text);
    FUZZ_CHECK(rc == 0 ||
               (arg->path == NULL && arg->select.from == NULL && arg->select.text == NULL));
    FUZZ_CHECK(rc < 0 || (arg->has_selector && strcmp(arg->path, "inbox") == 0));
    return rc;
}

static void add_time(struct str *out, const char *key, int64_t at_ms)
{
    char time[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(at_ms, time);
    str_addf(out, ",%s=%s", key, time);
}

/* A comma would end the item: an address that has one is written as a URI, which may encode it. */
static void add_from(struct str *out, const char *from)
{
    bool is_uri = strchr(from, ',') != NULL;

    str_addf(out, ",from=%s", is_uri ? "imid:" : "");
    for (; *from != '\0'; from++) {
        if (is_uri && (*from == ',' || *from == '%'))
            str_addf(out, "%%%02x", (unsigned)*from);
        else
            str_addc(out, *from);
    }
}

static void write_selector(struct str *out, const struct selector *sel)
{
    static const char *const names[] = { "unread", "read", "important", "flagged" };

    str_addc(out, '*');
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if ((sel->flags & 1u << i) != 0)
            str_addf(out, ",%s", names[i]);
    if (sel->from != NULL)
        add_from(out, sel->from);
    if (sel->since_ms != INT64_MIN)
        add_time(out, "since", sel->since_ms);
    if (sel->before_ms != INT64_MAX)
        add_time(out, "before", sel->before_ms);
    if (sel->text != NULL)
        str_addf(out, ",text=%s", sel->text);
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What was no address may have become one by folding (of letters that IDNA does not know). */
static void check_from(const char *again, const char *from)
{
    char *address = NULL;

    if (from != NULL && imid_address(from, &address, NULL) == 0)
        FUZZ_CHECK(is_same(again, address));
    else
        FUZZ_CHECK(is_same(again, from));
    free(address);
}

static void check_again(const struct selector *sel)
{
    struct folder_arg again;
    struct str text = STR_INIT;

    write_selector(&text, sel);
    FUZZ_CHECK(read_selector(str_c(&text), &again) == 0);
    FUZZ_CHECK(again.select.flags == sel->flags);
    FUZZ_CHECK(again.select.since_ms == sel->since_ms && again.select.before_ms == sel->before_ms);
    FUZZ_CHECK(is_same(again.select.text, sel->text));
    check_from(again.select.from, sel->from);
    folder_arg_clear(&again);
    str_clear(&text);
}

static void check_halves(const char *s, size_t comma, const struct selector *both)
{
    char *first = mem_strndup(s, comma);
    struct folder_arg a, b;

    FUZZ_CHECK(read_selector(first, &a) == 0 && read_selector(s + comma + 1, &b) == 0);
    FUZZ_CHECK(both->flags == (a.select.flags | b.select.flags));
    FUZZ_CHECK(both->since_ms == MAX(a.select.since_ms, b.select.since_ms));
    FUZZ_CHECK(both->before_ms == MIN(a.select.before_ms, b.select.before_ms));
    FUZZ_CHECK(a.select.from == NULL || b.select.from == NULL);
    FUZZ_CHECK(is_same(both->from, a.select.from != NULL ? a.select.from : b.select.from));
    folder_arg_clear(&a);
    folder_arg_clear(&b);
    free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *s = mem_strndup((const char *)data, len);
    const char *comma = strchr(s, ',');
    struct folder_arg arg;

    if (read_selector(s, &arg) == 0) {
        check_again(&arg.select);
        /* "::" is said once, before the first item. */
        if (comma != NULL && comma[1] != ':')
            check_halves(s, (size_t)(comma - s), &arg.select);
        folder_arg_clear(&arg);
    }
    free(s);
    return 0;
}
