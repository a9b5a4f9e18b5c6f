/* SPDX-License-Identifier: MIT */
/*
 * A growing byte string, always ended by a NUL that is not counted. May hold any bytes.
 *
 * Growth never fails (base/mem.h); whoever adds what a peer sent checks the peer's limit first.
 * struct str may live on the stack: STR_INIT, then str_clear().
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/macros.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    char *s;     /* never NULL after the first add; NULL is an empty string before it */
    size_t len;  /* bytes, without the NUL */
    size_t cap;  /* allocated */
};

#define STR_INIT { NULL, 0, 0 }

void str_clear(struct str *st);       /* release; the struct is empty and usable again */
void str_wipe(struct str *st);        /* the same, zeroing the memory first: for secrets */
void str_truncate(struct str *st, size_t len);
void str_reserve(struct str *st, size_t more);  /* room for more bytes beyond len */
void str_add(struct str *st, const char *s);
void str_addn(struct str *st, const void *p, size_t n);
void str_addc(struct str *st, char c);
void str_add_list(struct str *st, const char *const *list);  /* each of these strings, up to a NULL */
void str_add_u64(struct str *st, uint64_t v);    /* decimal */
void str_addf(struct str *st, const char *fmt, ...) PRINTF_LIKE(2, 3);
void str_vaddf(struct str *st, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void str_add_xml(struct str *st, const char *s);              /* escapes & < > ' " */
void str_addn_xml(struct str *st, const char *s, size_t n);
void str_add_hex(struct str *st, const uint8_t *p, size_t n); /* lower case */
/* For logs: printable ASCII and UTF-8 as is, anything else \xHH, at most max bytes then "…". */
void str_add_log(struct str *st, const char *s, size_t max);

/* str_adds(st, "a", b, "c"): each of these strings. */
#define str_adds(st, ...) str_add_list(st, (const char *const[]){ __VA_ARGS__, NULL })

const char *str_c(const struct str *st);              /* never NULL */
char *str_take(struct str *st);                       /* the bytes, caller frees; st is empty */
bool str_ieq(const char *a, const char *b);           /* ASCII case-insensitive; NULL only equals NULL */
bool str_starts(const char *s, const char *prefix);

/* Valid UTF-8 without NUL? */
bool str_is_utf8(const char *s, size_t n);

/*
 * Decimal without sign, spaces or overflow; whole string. Returns 0, or -1 and *v_r untouched.
 */
int str_to_u64(const char *s, uint64_t *v_r);

/* "50M", "64K", "1G", "17": bytes. "5m", "4h", "5d", "30s", "17" (seconds): milliseconds. -1 if neither. */
int str_to_size(const char *s, uint64_t *bytes_r);
int str_to_duration(const char *s, int64_t *ms_r);

/* Exactly n bytes from 2n hex digits of either case. 0, or -1. */
int str_from_hex(const char *s, size_t len, uint8_t *out, size_t n);

#endif
