/* SPDX-License-Identifier: MIT */
/*
 * The growing byte string. Capacity doubles, so that adding byte by byte stays linear. The NUL
 * behind the last byte is always there once something was added, and never counted.
 */
#include "base/str.h"

#include "base/mem.h"
#include "base/secret.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

void str_clear(struct str *st)
{
    free(st->s);
    *st = (struct str)STR_INIT;
}

void str_wipe(struct str *st)
{
    if (st->s != NULL)
        secret_wipe(st->s, st->cap);
    str_clear(st);
}

void str_truncate(struct str *st, size_t len)
{
    if (len < st->len) {
        st->len = len;
        st->s[len] = '\0';
    }
}

void str_reserve(struct str *st, size_t more)
{
    size_t need = st->len + more + 1;
    size_t cap = st->cap > 0 ? st->cap : 32;

    if (need <= st->cap)
        return;
    while (cap < need)
        cap *= 2;
    st->s = mem_realloc(st->s, cap);
    st->cap = cap;
    st->s[st->len] = '\0';
}

void str_addn(struct str *st, const void *p, size_t n)
{
    str_reserve(st, n);
    if (n > 0)
        memcpy(st->s + st->len, p, n);
    st->len += n;
    st->s[st->len] = '\0';
}

void str_add(struct str *st, const char *s)
{
    str_addn(st, s, strlen(s));
}

void str_addc(struct str *st, char c)
{
    str_addn(st, &c, 1);
}

void str_vaddf(struct str *st, const char *fmt, va_list ap)
{
    va_list again;
    int n;

    va_copy(again, ap);
    str_reserve(st, 64);
    n = vsnprintf(st->s + st->len, st->cap - st->len, fmt, ap);
    if (n > 0 && (size_t)n >= st->cap - st->len) {
        str_reserve(st, (size_t)n);
        n = vsnprintf(st->s + st->len, st->cap - st->len, fmt, again);
    }
    va_end(again);
    if (n > 0)
        st->len += (size_t)n;
    st->s[st->len] = '\0';
}

void str_add_list(struct str *st, const char *const *list)
{
    for (; *list != NULL; list++)
        str_add(st, *list);
}

void str_add_u64(struct str *st, uint64_t v)
{
    char digits[20];
    size_t n = sizeof(digits);

    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    str_addn(st, digits + n, sizeof(digits) - n);
}

void str_addf(struct str *st, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(st, fmt, ap);
    va_end(ap);
}

void str_addn_xml(struct str *st, const char *s, size_t n)
{
    size_t from = 0;

    str_reserve(st, n);
    for (size_t i = 0; i < n; i++) {
        const char *entity;

        switch (s[i]) {
        case '&':
            entity = "&amp;";
            break;
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '\'':
            entity = "&apos;";
            break;
        case '"':
            entity = "&quot;";
            break;
        default:
            continue;
        }
        str_addn(st, s + from, i - from);
        str_add(st, entity);
        from = i + 1;
    }
    str_addn(st, s + from, n - from);
}

void str_add_xml(struct str *st, const char *s)
{
    str_addn_xml(st, s, strlen(s));
}

void str_add_hex(struct str *st, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    str_reserve(st, 2 * n);
    for (size_t i = 0; i < n; i++) {
        st->s[st->len++] = digits[p[i] >> 4];
        st->s[st->len++] = digits[p[i] & 15];
    }
    st->s[st->len] = '\0';
}

void str_add_log(struct str *st, const char *s, size_t max)
{
    size_t n = strlen(s);
    size_t i = 0;

    while (i < n && i < max) {
        unsigned char c = (unsigned char)s[i];
        ucs4_t uc;
        int len = u8_mbtouc(&uc, (const uint8_t *)s + i, n - i);

        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\' || (len > 0 && uc == 0xfffd && c >= 0x80) ||
            (uc >= 0x80 && uc < 0xa0)) {
            str_addf(st, "\\x%02x", c);
            i++;
        } else {
            str_addn(st, s + i, (size_t)len);
            i += (size_t)len;
        }
    }
    if (i < n)
        str_add(st, "\xe2\x80\xa6");
}

const char *str_c(const struct str *st)
{
    return st->s != NULL ? st->s : "";
}

char *str_take(struct str *st)
{
    char *s = st->s != NULL ? st->s : mem_strdup("");

    *st = (struct str)STR_INIT;
    return s;
}

bool str_ieq(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        unsigned char x = (unsigned char)*a, y = (unsigned char)*b;

        if (x >= 'A' && x <= 'Z')
            x = (unsigned char)(x + 32);
        if (y >= 'A' && y <= 'Z')
            y = (unsigned char)(y + 32);
        if (x != y)
            return false;
    }
    return *a == *b;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_is_utf8(const char *s, size_t n)
{
    return memchr(s, '\0', n) == NULL && u8_check((const uint8_t *)s, n) == NULL;
}

/* ---- numbers --------------------------------------------------------------------------- */

/* Digits at *s, moving it behind them. -1: none, or more than 64 bits. */
static int digits_to_u64(const char **s, uint64_t *v_r)
{
    uint64_t v = 0;
    const char *p = *s;

    if (*p < '0' || *p > '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t d = (uint64_t)(*p - '0');

        if (v > (UINT64_MAX - d) / 10)
            return -1;
        v = v * 10 + d;
    }
    *s = p;
    *v_r = v;
    return 0;
}

int str_to_u64(const char *s, uint64_t *v_r)
{
    uint64_t v;

    if (digits_to_u64(&s, &v) < 0 || *s != '\0')
        return -1;
    *v_r = v;
    return 0;
}

int str_to_size(const char *s, uint64_t *bytes_r)
{
    static const struct { char unit; unsigned shift; } units[] = {
        { '\0', 0 }, { 'K', 10 }, { 'k', 10 }, { 'M', 20 }, { 'm', 20 }, { 'G', 30 }, { 'g', 30 },
    };
    uint64_t v;

    if (digits_to_u64(&s, &v) < 0 || (s[0] != '\0' && s[1] != '\0'))
        return -1;
    for (size_t i = 0; i < N_ELEMENTS(units); i++) {
        if (units[i].unit != *s)
            continue;
        if (v > (UINT64_MAX >> 1) >> units[i].shift)
            return -1;
        *bytes_r = v << units[i].shift;
        return 0;
    }
    return -1;
}

int str_to_duration(const char *s, int64_t *ms_r)
{
    static const struct { const char *unit; int64_t ms; } units[] = {
        { "", 1000 },        { "ms", 1 },           { "s", 1000 },
        { "m", 60 * 1000 },  { "h", 3600 * 1000 },  { "d", 24 * 3600 * 1000 },
    };
    uint64_t v;

    if (digits_to_u64(&s, &v) < 0)
        return -1;
    for (size_t i = 0; i < N_ELEMENTS(units); i++) {
        if (strcmp(units[i].unit, s) != 0)
            continue;
        if (v > (uint64_t)(INT64_MAX / units[i].ms))
            return -1;
        *ms_r = (int64_t)v * units[i].ms;
        return 0;
    }
    return -1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int str_from_hex(const char *s, size_t len, uint8_t *out, size_t n)
{
    if (len != 2 * n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(s[2 * i]);
        int lo = hex_digit(s[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return -1;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}
