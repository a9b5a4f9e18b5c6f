/* SPDX-License-Identifier: MIT */
/*
 * Base64 in one pass each way. Encoding is OpenSSL's. Decoding is a table of our own: OpenSSL's
 * decoder is lax (it takes stray padding, ends at "-", ignores unused bits) and costs several
 * times as much, which shows when each megabyte of mail is read twice in base64.
 *
 * Strict, so that a text has one decoding and a decoding (whitespace aside) one text.
 */
#include "config.h"

#include "seal/digest.h"

#include <assert.h>

#include <openssl/evp.h>

/* EVP_EncodeBlock takes an int; a multiple of 3 keeps padding out of the middle. */
#define ENCODE_MAX ((size_t)3 << 28)

enum {
    SKIP = 64,    /* space, tab, CR, LF */
    PAD = 65,     /* = */
    BAD = 0x80,   /* anything else; its bit survives an "or" over a group */
};

#define X BAD
#define S SKIP
#define P PAD
static const uint8_t table[256] = {
    X, X, X, X, X, X, X, X, X, S, S, X, X, S, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    S, X, X, X, X, X, X, X, X, X, X, 62, X, X, X, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, P, X, X,
    X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, X,
    X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
#undef X
#undef S
#undef P

static size_t encode(char *to, const uint8_t *p, size_t n)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)to, p, (int)n);
}

void base64_add(struct str *out, const void *p, size_t n, size_t line)
{
    const uint8_t *from = p;
    size_t bytes = line != 0 ? line / 4 * 3 : ENCODE_MAX;

    assert(line % 4 == 0);
    str_reserve(out, n / 3 * 4 + 4 + (line != 0 ? n / bytes + 1 : 0));
    while (n > 0) {
        size_t now = n < bytes ? n : bytes;

        out->len += encode(out->s + out->len, from, now);  /* ends it by NUL */
        if (line != 0)
            str_addc(out, '\n');
        from += now;
        n -= now;
    }
}

/* Whole groups without whitespace or padding: returns how many characters were taken. */
static size_t decode_groups(const uint8_t *p, size_t n, uint8_t *to)
{
    size_t i = 0;

    for (; n - i >= 4; i += 4, to += 3) {
        uint32_t a = table[p[i]], b = table[p[i + 1]], c = table[p[i + 2]], d = table[p[i + 3]];
        uint32_t v = a << 18 | b << 12 | c << 6 | d;

        if ((a | b | c | d) >= SKIP)
            break;
        to[0] = (uint8_t)(v >> 16);
        to[1] = (uint8_t)(v >> 8);
        to[2] = (uint8_t)v;
    }
    return i;
}

/* "=" may only be the third and fourth, or the fourth, of a group; what it cuts off is zero. */
static int feed_pad(struct base64 *b, struct str *out)
{
    if (b->count < 2 || b->pad >= 2)
        return -1;
    b->pad++;
    if (b->count + b->pad < 4)
        return 0;
    if (b->count == 2) {
        if ((b->bits & 0x0f) != 0)
            return -1;
        out->s[out->len++] = (char)(b->bits >> 4);
    } else {
        if ((b->bits & 0x03) != 0)
            return -1;
        out->s[out->len++] = (char)(b->bits >> 10);
        out->s[out->len++] = (char)(b->bits >> 2);
    }
    b->count = 0;
    b->bits = 0;
    return 0;
}

static int feed_one(struct base64 *b, uint8_t value, struct str *out)
{
    if (value == SKIP)
        return 0;
    if (value == PAD)
        return feed_pad(b, out);
    if (value == BAD || b->pad != 0)
        return -1;
    b->bits = b->bits << 6 | value;
    if (++b->count < 4)
        return 0;
    out->s[out->len++] = (char)(b->bits >> 16);
    out->s[out->len++] = (char)(b->bits >> 8);
    out->s[out->len++] = (char)b->bits;
    b->count = 0;
    b->bits = 0;
    return 0;
}

int base64_feed(struct base64 *b, const char *p, size_t n, struct str *out)
{
    const uint8_t *from = (const uint8_t *)p;
    size_t before = out->len;
    size_t i = 0;
    int rc = 0;

    str_reserve(out, n / 4 * 3 + 3);
    while (i < n && rc == 0) {
        if (b->count == 0 && b->pad == 0) {
            size_t took = decode_groups(from + i, n - i, (uint8_t *)out->s + out->len);

            out->len += took / 4 * 3;
            i += took;
            if (i == n)
                break;
        }
        rc = feed_one(b, table[from[i++]], out);
    }
    if (rc < 0)
        out->len = before;
    out->s[out->len] = '\0';
    return rc;
}

int base64_end(const struct base64 *b)
{
    return b->count == 0 ? 0 : -1;
}

int base64_decode(const char *p, size_t n, struct str *out)
{
    struct base64 b = BASE64_INIT;
    size_t before = out->len;

    if (base64_feed(&b, p, n, out) < 0)
        return -1;
    if (base64_end(&b) < 0) {
        str_truncate(out, before);
        return -1;
    }
    return 0;
}
