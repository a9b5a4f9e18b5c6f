/* SPDX-License-Identifier: MIT */
/*
 * Reply lines. Holds: what was read and written again is read the same; whatever text is written,
 * it is one line.
 */
#include "wire/reply.h"

#include <string.h>

#include "base/mem.h"

#include "fuzz/fuzz.h"

static void check_written(const char *pipeline, int code, bool has_more, const char *text)
{
    struct str out = STR_INIT, same = STR_INIT;
    struct reply r;

    reply_add(&out, pipeline, code, has_more, text);
    FUZZ_CHECK(out.len > 0 && strchr(out.s, '\n') == out.s + out.len - 1);
    str_truncate(&out, out.len - 1);
    str_add(&same, text);
    for (size_t i = 0; i < same.len; i++)
        if (same.s[i] == '\r' || same.s[i] == '\n')
            same.s[i] = ' ';
    /* A text that announces octets of a bad length is refused by the reader. */
    if (reply_parse(out.s, &r, NULL) == 0) {
        FUZZ_CHECK(strcmp(r.pipeline, pipeline) == 0 && r.code == code);
        FUZZ_CHECK(r.has_more == has_more && strcmp(r.text, str_c(&same)) == 0);
    } else {
        FUZZ_CHECK(code == 251 || code == 231);
    }
    str_clear(&out);
    str_clear(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *s = mem_strndup((const char *)data, len);
    struct reply r;

    check_written("", 200, false, s);
    check_written("a", 251, true, s);
    if (reply_parse(s, &r, NULL) == 0) {
        FUZZ_CHECK(r.code >= 100 && r.code <= 999);
        FUZZ_CHECK(!r.has_octets || r.code == 251 || r.code == 231);
        check_written(r.pipeline, r.code, r.has_more, r.text);
    }
    free(s);
    return 0;
}
