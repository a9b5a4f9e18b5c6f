/* SPDX-License-Identifier: MIT */
/*
 * Base64. Holds: what decodes is, white space aside, what encoding writes; where the stream is cut
 * makes no difference; any octets come back from their text.
 */
#include "seal/digest.h"

#include <string.h>

#include "fuzz/fuzz.h"

static void check_one_text_only(const uint8_t *data, size_t len, const struct str *out)
{
    struct str again = STR_INIT;
    size_t at = 0;

    base64_add(&again, out->s, out->len, 0);
    for (size_t i = 0; i < len; i++) {
        if (data[i] == ' ' || data[i] == '\t' || data[i] == '\r' || data[i] == '\n')
            continue;
        FUZZ_CHECK(at < again.len && (uint8_t)again.s[at] == data[i]);
        at++;
    }
    FUZZ_CHECK(at == again.len);
    str_clear(&again);
}

static int decode_cut(const uint8_t *data, size_t len, size_t cut, struct str *out)
{
    struct base64 b = BASE64_INIT;
    const char *p = (const char *)data;

    if (base64_feed(&b, p, cut, out) < 0 || base64_feed(&b, p + cut, len - cut, out) < 0)
        return -1;
    return base64_end(&b);
}

static void check_round(const uint8_t *data, size_t len)
{
    struct str text = STR_INIT, out = STR_INIT;

    base64_add(&text, data, len, len > 0 ? (size_t)data[0] / 4 * 4 : 0);
    FUZZ_CHECK(base64_decode(str_c(&text), text.len, &out) == 0);
    FUZZ_CHECK(out.len == len && (len == 0 || memcmp(out.s, data, len) == 0));
    str_clear(&text);
    str_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str whole = STR_INIT, parts = STR_INIT;
    size_t cut = len > 0 ? data[len - 1] % len : 0;
    int rc = base64_decode((const char *)data, len, &whole);

    FUZZ_CHECK(decode_cut(data, len, cut, &parts) == rc);
    if (rc == 0) {
        FUZZ_CHECK(whole.len == parts.len && whole.len <= len / 4 * 3);
        FUZZ_CHECK(whole.len == 0 || memcmp(whole.s, parts.s, whole.len) == 0);
        check_one_text_only(data, len, &whole);
    } else {
        FUZZ_CHECK(whole.len == 0);
    }
    check_round(data, len);
    str_clear(&whole);
    str_clear(&parts);
    return 0;
}
