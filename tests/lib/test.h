/* SPDX-License-Identifier: MIT */
/* What every cmocka test includes, in the order that cmocka wants. */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
