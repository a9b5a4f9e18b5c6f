/* SPDX-License-Identifier: MIT */
/*
 * Reply lines. Holds: what was read and written again is read the same; whatever text is written,
 * it is one line; a code is a success, no answer yet, useless to ask again, or worth it, and what
 * an error says on the wire is read as the kind of error it was.
 */
#include "wire/reply.h"

#include <string.h>

#include "base/mem.h"
#include "wire/status.h"

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

static void check_status(int code)
{
    enum err_kind kind = status_err_kind(code);
    struct err err = { .kind = kind, .status = code };

    FUZZ_CHECK(status_is_success(code) + status_is_permanent(code) + status_is_temporary(code) <=
               1);
    FUZZ_CHECK((kind == ERR_NONE) == (code < 400));
    FUZZ_CHECK(!status_is_permanent(code) || kind == ERR_PERMANENT);
    FUZZ_CHECK(!status_is_temporary(code) || kind == ERR_TEMPORARY);
    FUZZ_CHECK((int)status_of_err(&err) == code);
    FUZZ_CHECK(status_is_known(code) ||
               strcmp(status_text((enum status)code), status_text(STATUS_NONE)) == 0);
    err = (struct err){ .kind = (enum err_kind)(code % 6) };
    code = (int)status_of_err(code == 100 ? NULL : &err);
    FUZZ_CHECK(status_is_known(code) && code >= 400 && *status_text((enum status)code) != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *s = mem_strndup((const char *)data, len);
    struct reply r;

    check_written("", 200, false, s);
    check_written("a", 251, true, s);
    if (reply_parse(s, &r, NULL) == 0) {
        FUZZ_CHECK(r.code >= 100 && r.code <= 999);
        check_status(r.code);
        FUZZ_CHECK(!r.has_octets || r.code == 251 || r.code == 231);
        check_written(r.pipeline, r.code, r.has_more, r.text);
    }
    free(s);
    return 0;
}
