/* SPDX-License-Identifier: MIT */
/*
 * Bundles. Holds: every item lies within the bundle, one behind the other; a bundle that is read
 * to its end is made up of its pieces and nothing else, and written from them it is read as the
 * same, with more or less padding.
 */
#include "wire/bundle.h"

#include <string.h>

#include "base/mem.h"

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

/* The pieces again behind a head of our own. */
static void write_again(const struct str *items, const struct bundle_head *head, size_t pad)
{
    struct str text = STR_INIT, rest = STR_INIT;
    struct bundle_reader br;
    struct bundle_head back;
    struct bundle_item item;
    int rc;

    bundle_add_head(&text, head, pad);
    FUZZ_CHECK(strchr(text.s, '\n') == text.s + text.len - 1);
    str_addn(&text, str_c(items), items->len);
    FUZZ_CHECK(bundle_open(&br, (const uint8_t *)text.s, text.len, &back, NULL) == 0);
    FUZZ_CHECK(strcmp(back.id, head->id) == 0 && strcmp(back.origin, head->origin) == 0);
    FUZZ_CHECK(strcmp(back.destination, head->destination) == 0);
    FUZZ_CHECK(back.time_ms == head->time_ms && back.messages == head->messages);
    bundle_head_clear(&back);
    while ((rc = bundle_next(&br, &item, NULL)) == 1) {
        char *signature = mem_strndup(item.signature, item.signature_len);

        bundle_add_message(&rest, item.header, item.header_len, signature);
        str_addn(&rest, item.octets, (size_t)item.octets_len);
        message_clear(&item.message);
        free(signature);
    }
    FUZZ_CHECK(rc == 0 && rest.len == items->len);
    FUZZ_CHECK(rest.len == 0 || memcmp(rest.s, items->s, rest.len) == 0);
    str_clear(&text);
    str_clear(&rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bundle_reader br;
    struct bundle_head head;
    struct bundle_item item;
    struct str items = STR_INIT;
    const uint8_t *at, *end = data + len;
    size_t n = 0;
    int rc;

    if (bundle_open(&br, data, len, &head, NULL) < 0)
        return 0;
    at = (const uint8_t *)memchr(data, '\n', len) + 1;
    str_addn(&items, at, (size_t)(end - at));
    while ((rc = bundle_next(&br, &item, NULL)) == 1) {
        at += check_item(&item, at, end);
        message_clear(&item.message);
        n++;
    }
    FUZZ_CHECK(n <= head.messages);
    FUZZ_CHECK(rc < 0 || (at == end && n == head.messages));
    if (rc == 0) {
        write_again(&items, &head, 0);
        write_again(&items, &head, bundle_pad(len));
    }
    bundle_head_clear(&head);
    str_clear(&items);
    return 0;
}
