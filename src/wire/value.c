/* SPDX-License-Identifier: MIT */
/*
 * The reader of value_private.h. It goes over the text once. How many values there are at most is
 * counted before (each but the root stands behind a comma or a bracket), and no string is longer
 * than it is written, so one block has room for all: the values first, the strings behind them.
 *
 * An object's members follow it directly, each with what is in it, and `span` leads over them.
 */
#include "config.h"

#include "wire/value_private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/json.h"

#define PAIRS_MAX 32 /* members whose keys are compared one with the other */

enum kind {
    VALUE_NONE = 0, /* null, true, false, and numbers that are no integers: nobody asks for them */
    VALUE_MAP,
    VALUE_LIST,
    VALUE_STRING,
    VALUE_INTEGER,
};

struct value {
    enum kind kind;
    uint32_t n;    /* members or entries */
    uint32_t span; /* values in it, with itself */
    const char *key;
    union {
        const char *s;
        int64_t i;
    } u;
};

struct reading {
    const char *start, *p, *end;
    struct value *next; /* free */
    char *text;         /* likewise */
    size_t depth;
    const char *what; /* the first fault */
};

static bool read_value(struct reading *r);

/* ---- small things ---- */

static bool fail(struct reading *r, const char *what)
{
    if (r->what == NULL)
        r->what = what;
    return false;
}

static void skip_space(struct reading *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool is_next(const struct reading *r, char c)
{
    return r->p < r->end && *r->p == c;
}

static bool take(struct reading *r, char c)
{
    if (!is_next(r, c))
        return false;
    r->p++;
    return true;
}

/* ---- strings ---- */

/* Four hex digits. */
static bool take_unit(struct reading *r, uint32_t *unit_r)
{
    uint8_t octets[2];

    if (r->end - r->p < 4 || str_from_hex(r->p, 4, octets, sizeof(octets)) < 0)
        return fail(r, "\\u without four hex digits");
    r->p += 4;
    *unit_r = (uint32_t)octets[0] << 8 | octets[1];
    return true;
}

static void add_utf8(struct reading *r, uint32_t c)
{
    if (c < 0x80) {
        *r->text++ = (char)c;
        return;
    }
    if (c < 0x800) {
        *r->text++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *r->text++ = (char)(0xe0 | c >> 12);
        } else {
            *r->text++ = (char)(0xf0 | c >> 18);
            *r->text++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *r->text++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *r->text++ = (char)(0x80 | (c & 0x3f));
}

static bool read_unicode(struct reading *r)
{
    uint32_t c, low;

    if (!take_unit(r, &c))
        return false;
    if (c == 0)
        return fail(r, "a NUL in a string");
    if (c >= 0xd800 && c < 0xdc00) {
        if (!take(r, '\\') || !take(r, 'u') || !take_unit(r, &low) || low < 0xdc00 || low > 0xdfff)
            return fail(r, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return fail(r, "half of a surrogate pair");
    }
    add_utf8(r, c);
    return true;
}

static bool read_escape(struct reading *r)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *at;

    if (take(r, 'u'))
        return read_unicode(r);
    at = r->p < r->end && *r->p != '\0' ? strchr(letters, *r->p) : NULL;
    if (at == NULL)
        return fail(r, "an unknown escape");
    r->p++;
    *r->text++ = meanings[at - letters];
    return true;
}

/* The opening quote is next. */
static bool read_string(struct reading *r, const char **s_r)
{
    *s_r = r->text;
    r->p++;
    for (;;) {
        const char *run = r->p;
        size_t n;

        while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= 0x20)
            r->p++;
        n = (size_t)(r->p - run);
        memcpy(r->text, run, n);
        r->text += n;
        if (r->p == r->end)
            return fail(r, "a string without end");
        if (take(r, '"'))
            break;
        if (!take(r, '\\'))
            return fail(r, "a control character in a string");
        if (!read_escape(r))
            return false;
    }
    *r->text++ = '\0'; /* in the room of the quotes */
    return true;
}

/* ---- numbers and words ---- */

static size_t take_digits(struct reading *r)
{
    const char *from = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return (size_t)(r->p - from);
}

/* What is no integer must still be a number: for nobody, but of a size that a double has. */
static bool read_real(struct reading *r, const char *from)
{
    char *copy;
    bool is_huge;

    if (take(r, '.') && take_digits(r) == 0)
        return fail(r, "a number without digits");
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            (void)take(r, '-');
        if (take_digits(r) == 0)
            return fail(r, "a number without digits");
    }
    copy = mem_strndup(from, (size_t)(r->p - from));
    is_huge = isinf(strtod(copy, NULL));
    free(copy);
    return is_huge ? fail(r, "a number that is too large") : true;
}

static bool read_number(struct reading *r, struct value *v)
{
    const char *from = r->p, *digits;
    bool is_negative = take(r, '-');
    int64_t i = 0;
    size_t n;

    digits = r->p;
    n = take_digits(r);
    if (n == 0 || (n > 1 && *digits == '0'))
        return fail(r, "a number without digits, or with a zero in front");
    if (is_next(r, '.') || is_next(r, 'e') || is_next(r, 'E'))
        return read_real(r, from);
    for (; digits < r->p; digits++) {
        int64_t digit = *digits - '0';

        if (__builtin_mul_overflow(i, 10, &i) ||
            __builtin_add_overflow(i, is_negative ? -digit : digit, &i))
            return fail(r, "a number that is too large");
    }
    v->kind = VALUE_INTEGER;
    v->u.i = i;
    return true;
}

static bool read_word(struct reading *r)
{
    static const char *const words[] = { "null", "true", "false" };

    for (size_t i = 0; i < N_ELEMENTS(words); i++) {
        size_t n = strlen(words[i]);

        if ((size_t)(r->end - r->p) >= n && memcmp(r->p, words[i], n) == 0) {
            r->p += n;
            return true;
        }
    }
    return fail(r, "no value");
}

/* ---- objects and arrays ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_twins_sorted(const struct value *map)
{
    const char **keys = mem_alloc(map->n * sizeof(*keys));
    const struct value *v = map + 1;
    bool found = false;

    for (uint32_t i = 0; i < map->n; i++, v += v->span)
        keys[i] = v->key;
    qsort(keys, map->n, sizeof(*keys), compare);
    for (uint32_t i = 1; i < map->n && !found; i++)
        found = strcmp(keys[i - 1], keys[i]) == 0;
    free(keys);
    return found;
}

static bool has_twins(const struct value *map)
{
    const struct value *v = map + 1;

    if (map->n > PAIRS_MAX)
        return has_twins_sorted(map);
    for (uint32_t i = 0; i < map->n; i++, v += v->span) {
        const struct value *w = map + 1;

        for (uint32_t k = 0; k < i; k++, w += w->span)
            if (strcmp(v->key, w->key) == 0)
                return true;
    }
    return false;
}

static bool read_member(struct reading *r)
{
    const char *key;
    struct value *v = r->next;

    if (!is_next(r, '"'))
        return fail(r, "a member without a key");
    if (!read_string(r, &key))
        return false;
    skip_space(r);
    if (!take(r, ':'))
        return fail(r, "a key without a value");
    skip_space(r);
    if (!read_value(r))
        return false;
    v->key = key;
    return true;
}

/* Up to the closing bracket. */
static bool read_members(struct reading *r, struct value *v, char close)
{
    r->p++;
    if (++r->depth > JSON_DEPTH_MAX)
        return fail(r, "nested too deep");
    skip_space(r);
    if (!take(r, close)) {
        do {
            skip_space(r);
            if (!(v->kind == VALUE_MAP ? read_member(r) : read_value(r)))
                return false;
            v->n++;
            skip_space(r);
        } while (take(r, ','));
        if (!take(r, close))
            return fail(r, "neither a comma nor the end of an object or array");
    }
    r->depth--;
    v->span = (uint32_t)(r->next - v);
    return v->kind != VALUE_MAP || !has_twins(v) || fail(r, "a key stands twice");
}

static bool read_value(struct reading *r)
{
    struct value *v = r->next++;
    char c = r->p < r->end ? *r->p : '\0';

    *v = (struct value){ .span = 1 };
    switch (c) {
    case '{':
        v->kind = VALUE_MAP;
        return read_members(r, v, '}');
    case '[':
        v->kind = VALUE_LIST;
        return read_members(r, v, ']');
    case '"':
        v->kind = VALUE_STRING;
        return read_string(r, &v->u.s);
    default:
        return c == '-' || (c >= '0' && c <= '9') ? read_number(r, v) : read_word(r);
    }
}

/* ---- the whole ---- */

static size_t count(const char *s, size_t len)
{
    size_t n = 1;

    for (size_t i = 0; i < len; i++)
        n += (s[i] == ',') + (s[i] == '{') + (s[i] == '[');
    return n;
}

static bool is_utf8(const char *s, size_t len)
{
    unsigned char all = 0;

    for (size_t i = 0; i < len; i++)
        all |= (unsigned char)s[i];
    return all < 0x80 || str_is_utf8(s, len);
}

static bool read_root(struct reading *r)
{
    skip_space(r);
    if (!is_next(r, '{') && !is_next(r, '['))
        return fail(r, "neither an object nor an array");
    if (!read_value(r))
        return false;
    skip_space(r);
    return r->p == r->end || fail(r, "something follows the end");
}

struct value *value_parse(const char *s, size_t len, struct err *err)
{
    size_t n = count(s, len);
    struct value *values;
    struct reading r;

    if (!is_utf8(s, len)) {
        err_set(err, ERR_PROTOCOL, 0, "not JSON as expected: not UTF-8");
        return NULL;
    }
    values = n < UINT32_MAX ? mem_try_alloc(n * sizeof(*values) + len + 1) : NULL;
    if (values == NULL) {
        err_set(err, ERR_TEMPORARY, 0, "out of memory for %zu bytes of JSON", len);
        return NULL;
    }
    r = (struct reading){
        .start = s,
        .p = s,
        .end = s + len,
        .next = values,
        .text = (char *)(values + n),
    };
    if (!read_root(&r)) {
        err_set(err, ERR_PROTOCOL, 0, "not JSON as expected (byte %zu): %s",
                (size_t)(r.p - r.start), r.what);
        free(values);
        return NULL;
    }
    return values;
}

void value_destroy(struct value **vp)
{
    free(*vp);
    *vp = NULL;
}

/* ---- looking ---- */

bool value_is_map(const struct value *v)
{
    return v->kind == VALUE_MAP;
}

bool value_is_list(const struct value *v)
{
    return v->kind == VALUE_LIST;
}

const char *value_str(const struct value *v)
{
    return v->kind == VALUE_STRING ? v->u.s : NULL;
}

bool value_int(const struct value *v, int64_t *v_r)
{
    if (v->kind != VALUE_INTEGER)
        return false;
    *v_r = v->u.i;
    return true;
}

size_t value_size(const struct value *v)
{
    return v->n;
}

const struct value *value_first(const struct value *v)
{
    return v + 1;
}

const struct value *value_next(const struct value *v)
{
    return v + v->span;
}

const char *value_key(const struct value *member)
{
    return member->key;
}
