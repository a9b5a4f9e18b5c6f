/* SPDX-License-Identifier: MIT */
/*
 * A message made of fuzzed fields that no reader has looked at, for what writes messages.
 *
 *   input: flags, then fields ended by NUL: from, subject, then any number of fields whose first
 *   byte says what they are: t a recipient, f one that is shown, h a hop, n the name and type (cut
 *   at ";") of a part. What is left of the input when the fields end with "\0\0" are octets.
 */
#ifndef TESTS_FUZZ_MADE_H
#define TESTS_FUZZ_MADE_H

#include "wire/message.h"

struct made {
    struct message m;
    const uint8_t *octets;
    size_t n_octets;
};

void made_message(struct made *made, const uint8_t *data, size_t len);

#endif
