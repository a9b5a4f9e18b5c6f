/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of tests. Under valgrind everything takes longer: there IMMP_TEST_SLOW says how many
 * times as long as elsewhere a test may wait for what is to come.
 */
#ifndef TESTS_LIB_PATIENCE_H
#define TESTS_LIB_PATIENCE_H

#include <stdint.h>
#include <stdlib.h>

static inline int64_t patient_ms(int64_t ms)
{
    const char *slow = getenv("IMMP_TEST_SLOW");
    int times = slow != NULL ? atoi(slow) : 1;

    return times > 1 ? ms * times : ms;
}

#endif
