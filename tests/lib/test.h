/* SPDX-License-Identifier: MIT */
/*
 * What every cmocka test includes, in the order that cmocka wants. CMOCKA_TEST_FILTER and
 * CMOCKA_SKIP_FILTER in the environment, patterns with * and ?, say which tests are run and which are
 * not.
 */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static inline void test_filter(void)
{
    cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
    cmocka_set_skip_filter(getenv("CMOCKA_SKIP_FILTER"));
}

#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, setup, teardown)                             \
    (test_filter(), _cmocka_run_group_tests(#tests, tests,                         \
                                            sizeof(tests) / sizeof((tests)[0]), setup, teardown))

#endif
