/* SPDX-License-Identifier: MIT */
/* The few macros that every room may use. */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H

#include <stddef.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_USE               __attribute__((warn_unused_result))
#else
#define PRINTF_LIKE(fmt, args)
#define MUST_USE
#endif

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
