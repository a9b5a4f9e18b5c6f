/* SPDX-License-Identifier: MIT */
/*
 * The values of a JSON line that is only read: header, bundle head, receipt. As strict as
 * json_parse(), which a test and a fuzz target hold it against, but one block of memory holds all
 * of a text's values, in their order, where json.h has an object and a hash entry for each: that
 * was a tenth of what a message costs both ends.
 */
#ifndef WIRE_VALUE_PRIVATE_H
#define WIRE_VALUE_PRIVATE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value;

/* One object or array, nothing after it. NULL: ERR_PROTOCOL, or ERR_TEMPORARY without memory. */
struct value *value_parse(const char *s, size_t len, struct err *err);
void value_destroy(struct value **vp); /* the root, and with it all of them */

bool value_is_map(const struct value *v);
bool value_is_list(const struct value *v);
const char *value_str(const struct value *v); /* NULL: no string */
bool value_int(const struct value *v, int64_t *v_r);
size_t value_size(const struct value *v); /* members or entries; 0 for anything else */

/* The first member or entry, if value_size() is not 0, and the one after another. */
const struct value *value_first(const struct value *v);
const struct value *value_next(const struct value *v);
const char *value_key(const struct value *member); /* of an object's member */

#endif
