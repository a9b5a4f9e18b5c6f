/* SPDX-License-Identifier: MIT */
/* Receipts. Holds: what was read and written is read as the same; results or a refusal, not both. */
#include "wire/receipt.h"

#include <string.h>

#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str first = STR_INIT, second = STR_INIT;
    struct receipt r, back;

    if (receipt_parse((const char *)data, len, &r, NULL) < 0)
        return 0;
    FUZZ_CHECK((r.n > 0) == (r.refused == REFUSED_NONE));
    for (size_t i = 0; i < r.n; i++)
        FUZZ_CHECK(r.results[i].code >= 200 && r.results[i].code <= 799);
    receipt_format(&first, &r);
    FUZZ_CHECK(receipt_parse(first.s, first.len, &back, NULL) == 0);
    receipt_format(&second, &back);
    FUZZ_CHECK(strcmp(first.s, second.s) == 0);
    receipt_clear(&r);
    receipt_clear(&back);
    str_clear(&first);
    str_clear(&second);
    return 0;
}
