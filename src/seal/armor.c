/* SPDX-License-Identifier: MIT */
/*
 * Armor written and read in one pass over the text. OpenSSL's PEM functions go through two BIOs
 * and a line buffer and cost more, for a megabyte, than signing and encrypting it.
 *
 * RFC 7468 wants lines of 64. The seal's base64 stands in one line instead, because XMPP servers
 * pay for each line: ejabberd moves half as many bytes a second in lines of 76. openssl(1) reads
 * it at any length, and so does this reader, which takes lines of any length.
 */
#include "config.h"

#include "seal/armor_private.h"

#include <stdbool.h>
#include <string.h>

#include "wire/status.h"

#include "seal/digest.h"

#define BEGIN "-----BEGIN "
#define END   "-----END "
#define DASH  "-----"

void armor_add(struct str *out, const char *label, const void *der, size_t len, size_t line)
{
    str_reserve(out, armor_size(label, len) + (line != 0 ? len / (line / 4 * 3) + 1 : 0));
    str_addf(out, BEGIN "%s" DASH "\n", label);
    base64_add(out, der, len, line);
    if (line == 0)
        str_addc(out, '\n');
    str_addf(out, END "%s" DASH "\n", label);
}

size_t armor_size(const char *label, size_t der_len)
{
    size_t frame = sizeof BEGIN + sizeof END + 2 * (sizeof DASH + strlen(label)) + 3;

    return frame + (der_len + 2) / 3 * 4;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Is text what p starts with? Steps over it. */
static bool skip(const char **p, const char *end, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(end - *p) < n || memcmp(*p, text, n) != 0)
        return false;
    *p += n;
    return true;
}

/* Is text what ends at *end? Steps back over it. */
static bool skip_back(const char *p, const char **end, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(*end - p) < n || memcmp(*end - n, text, n) != 0)
        return false;
    *end -= n;
    return true;
}

int armor_read(const char *label, const char *p, size_t len, struct str *der, struct err *err)
{
    const char *end = p + len;
    size_t before = der->len;

    while (p < end && is_space(*p))
        p++;
    while (end > p && is_space(end[-1]))
        end--;
    if (!skip(&p, end, BEGIN) || !skip(&p, end, label) || !skip(&p, end, DASH) ||
        !skip_back(p, &end, DASH) || !skip_back(p, &end, label) || !skip_back(p, &end, END))
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "this is no armor with the label %s",
                       label);
    if (base64_decode(p, (size_t)(end - p), der) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_BAD_BASE64, "the armor's base64 is broken");
    if (der->len == before)
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "the armor is empty");
    return 0;
}
