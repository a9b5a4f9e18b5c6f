/* SPDX-License-Identifier: MIT */
/*
 * Bundles. Holds: every item lies within the bundle, one behind the other; a bundle that is read
 * to its end is made up of its pieces and nothing else.
 */
#include "wire/bundle.h"

#include <string.h>

#include "fuzz/fuzz.h"

static size_t check_item(const struct bundle_item *item, const uint8_t *at, const uint8_t *end)
{
    FUZZ_CHECK((const uint8_t *)item->header == at);
    FUZZ_CHECK(item->signature == item->header + item->header_len + 1);
    FUZZ_CHECK((const char *)item->octets == item->signature + item->signature_len + 1);
    FUZZ_CHECK(item->octets_len <= (uint64_t)(end - item->octets));
    FUZZ_CHECK(item->octets_len == message_size(&item->message));
    return item->header_len + item->signature_len + 2 + (size_t)item->octets_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bundle_reader br;
    struct bundle_head head;
    struct bundle_item item;
    const uint8_t *at, *end = data + len;
    size_t n = 0, said;
    int rc;

    if (bundle_open(&br, data, len, &head, NULL) < 0)
        return 0;
    at = (const uint8_t *)memchr(data, '\n', len) + 1;
    said = head.messages;
    bundle_head_clear(&head);
    while ((rc = bundle_next(&br, &item, NULL)) == 1) {
        at += check_item(&item, at, end);
        message_clear(&item.message);
        n++;
    }
    FUZZ_CHECK(n <= said);
    FUZZ_CHECK(rc < 0 || (at == end && n == said));
    return 0;
}
