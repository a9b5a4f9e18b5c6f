/* SPDX-License-Identifier: MIT */
/* What every fuzz target includes. FUZZ_CHECK is an assert that NDEBUG does not take away. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FUZZ_CHECK(what)                                                        \
    do {                                                                        \
        if (!(what)) {                                                          \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                            \
        }                                                                       \
    } while (0)

#endif
