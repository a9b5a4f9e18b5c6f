/* SPDX-License-Identifier: MIT */
/* Bundles (docs/xmpp.md, "The seal"): tests/vectors/bundle, cuts at each position, padding. */
#include "wire/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "lib/test.h"
#include "unit/wire/vectors.h"

static struct json *description(const char *file)
{
    struct str name = STR_INIT;
    struct json *doc;

    str_addf(&name, "bundle/%s", file);
    doc = vectors_read(str_c(&name));
    str_clear(&name);
    return doc;
}

static struct str read_bundle(const char *file)
{
    const char *top = getenv("top_srcdir");
    struct str path = STR_INIT, data = STR_INIT;
    char buf[4096];
    size_t n;
    FILE *f;

    str_addf(&path, "%s/tests/vectors/bundle/%s", top != NULL ? top : ".", file);
    f = fopen(str_c(&path), "rb");
    assert_non_null(f);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        str_addn(&data, buf, n);
    assert_int_equal(fclose(f), 0);
    str_clear(&path);
    return data;
}

/* Read it all: the number of messages, or -1. Copied, so that a read beyond it is seen. */
static int read_all(const char *p, size_t len, struct err *err)
{
    uint8_t *copy = mem_dup(p, len);
    struct bundle_reader br;
    struct bundle_head head;
    struct bundle_item item;
    int rc, n = 0;

    rc = bundle_open(&br, copy, len, &head, err);
    if (rc == 0) {
        bundle_head_clear(&head);
        while ((rc = bundle_next(&br, &item, err)) == 1) {
            assert_true(item.octets + item.octets_len <= copy + len);
            message_clear(&item.message);
            n++;
        }
    }
    free(copy);
    return rc < 0 ? -1 : n;
}

static void assert_octets(const struct json *parts, const struct bundle_item *item)
{
    struct str hex = STR_INIT;

    assert_int_equal(json_size(parts), item->message.n_parts);
    for (size_t i = 0; i < json_size(parts); i++) {
        assert_string_equal(item->message.parts[i].name, json_get_str(json_at(parts, i), "name"));
        str_add(&hex, json_get_str(json_at(parts, i), "octets_hex"));
    }
    assert_int_equal(item->octets_len * 2, hex.len);
    for (size_t i = 0; i < item->octets_len; i++) {
        uint8_t octet;

        assert_int_equal(str_from_hex(hex.s + 2 * i, 2, &octet, 1), 0);
        assert_int_equal(item->octets[i], octet);
    }
    str_clear(&hex);
}

static void assert_bytes(const char *p, size_t n, const char *expected)
{
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(p, expected, n);
}

static void assert_head(const struct json *expected, const struct bundle_head *head)
{
    int64_t v;

    assert_string_equal(head->id, json_get_str(expected, "bundle"));
    assert_string_equal(head->origin, json_get_str(expected, "origin"));
    assert_string_equal(head->destination, json_get_str(expected, "destination"));
    assert_true(json_get_int(expected, "time_ms", &v));
    assert_int_equal(head->time_ms, v);
    assert_true(json_get_int(expected, "messages", &v));
    assert_int_equal(head->messages, v);
}

/* Read the bundle by its description, and write it again from what was read. */
static void assert_described(const struct str *data, const struct json *d, struct str *again)
{
    const struct json *messages = json_get(d, "messages");
    struct bundle_reader br;
    struct bundle_head head;
    struct bundle_item item;
    struct err err = { 0 };
    int64_t pad;

    if (bundle_open(&br, (const uint8_t *)data->s, data->len, &head, &err) < 0)
        fail_msg("%s", err.text);
    assert_head(json_get(d, "head"), &head);
    assert_true(json_get_int(json_get(d, "head"), "pad", &pad));
    bundle_add_head(again, &head, (size_t)pad);
    bundle_head_clear(&head);
    for (size_t i = 0; i < json_size(messages); i++) {
        char *signature;

        if (bundle_next(&br, &item, &err) != 1)
            fail_msg("message %zu: %s", i, err.text);
        assert_bytes(item.header, item.header_len, json_get_str(json_at(messages, i), "header"));
        assert_bytes(item.signature, item.signature_len,
                     json_get_str(json_at(messages, i), "signature"));
        assert_octets(json_get(json_at(messages, i), "parts"), &item);
        signature = mem_strndup(item.signature, item.signature_len);
        bundle_add_message(again, item.header, item.header_len, signature);
        str_addn(again, item.octets, item.octets_len);
        message_clear(&item.message);
        free(signature);
    }
    assert_int_equal(bundle_next(&br, &item, &err), 0);
    assert_int_equal(bundle_next(&br, &item, &err), 0); /* and stays so */
}

static void every_bundle_of_the_vectors_is_read_as_described(void **state)
{
    struct json *index = description("index.json");
    const struct json *rows = json_get(index, "bundles");

    (void)state;
    assert_true(json_size(rows) > 20);
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        struct str data = read_bundle(json_get_str(row, "file"));
        struct str again = STR_INIT;
        struct err err = { 0 };

        if (json_get(row, "description") != NULL) {
            struct json *d = description(json_get_str(row, "description"));

            assert_described(&data, d, &again);
            if (!str_starts(json_get_str(row, "file"), "other") &&
                !str_starts(json_get_str(row, "file"), "no-pad"))
                assert_string_equal(str_c(&again), str_c(&data));
            json_destroy(&d);
        } else if (read_all(str_c(&data), data.len, &err) >= 0) {
            fail_msg("%s: was taken", json_get_str(row, "why"));
        } else {
            assert_int_equal(err.kind, ERR_PROTOCOL);
            assert_true(strlen(err.text) > 0);
        }
        str_clear(&data);
        str_clear(&again);
    }
    json_destroy(&index);
}

static void every_cut_of_a_bundle_is_refused(void **state)
{
    struct str data = read_bundle("three.bundle");
    struct err err = { 0 };

    (void)state;
    assert_int_equal(read_all(data.s, data.len, &err), 3);
    for (size_t n = 0; n < data.len; n++) {
        assert_int_equal(read_all(data.s, n, &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
    str_clear(&data);
}

/* No byte of the frame may change unseen or break the reader; octets are the digests' business. */
static void every_changed_byte_is_survived(void **state)
{
    struct str data = read_bundle("one.bundle");

    (void)state;
    for (size_t i = 0; i < data.len; i++) {
        char was = data.s[i];

        data.s[i] = (char)(was ^ 0x80);
        (void)read_all(data.s, data.len, NULL);
        data.s[i] = '\n';
        (void)read_all(data.s, data.len, NULL);
        data.s[i] = was;
    }
    assert_int_equal(read_all(data.s, data.len, NULL), 1);
    str_clear(&data);
}

static void lines_have_greatest_lengths(void **state)
{
    struct str data = read_bundle("one.bundle");
    const char *second = strchr(data.s, '\n') + 1;
    const char *third = strchr(second, '\n') + 1;
    const char *octets = strchr(third, '\n');
    struct str longer = STR_INIT;
    struct err err;

    (void)state;
    for (size_t more = 0; more < 2; more++) { /* the signature */
        str_addn(&longer, data.s, (size_t)(third - data.s));
        for (size_t i = 0; i < BUNDLE_SIGNATURE_MAX + more; i++)
            str_addc(&longer, 'A');
        str_add(&longer, octets);
        assert_int_equal(read_all(longer.s, longer.len, &err), more == 0 ? 1 : -1);
        str_truncate(&longer, 0);
    }
    for (size_t more = 0; more < 2; more++) { /* a header that is padded with spaces */
        str_addn(&longer, data.s, (size_t)(third - 1 - data.s));
        while (longer.len < (size_t)(second - data.s) + MESSAGE_HEADER_MAX + more)
            str_addc(&longer, ' ');
        str_add(&longer, third - 1);
        assert_int_equal(read_all(longer.s, longer.len, &err), more == 0 ? 1 : -1);
        str_truncate(&longer, 0);
    }
    str_clear(&longer);
    str_clear(&data);
}

static void a_head_line_has_a_greatest_length(void **state)
{
    struct bundle_head head = { .time_ms = 1, .messages = 1 };
    struct str out = STR_INIT;
    struct err err = { 0 };
    size_t frame;

    (void)state;
    memcpy(head.id, "0b6f3c1e-7a5d-4c11-9a43-5d1f0e7c2b19", UUID_SIZE);
    head.origin = mem_strdup("a.com");
    head.destination = mem_strdup("b.com");
    bundle_add_head(&out, &head, 0);
    frame = out.len - 1;
    for (size_t more = 0; more < 2; more++) {
        struct bundle_reader br;
        struct bundle_head back;
        int rc;

        str_truncate(&out, 0);
        bundle_add_head(&out, &head, BUNDLE_HEAD_MAX - frame + more);
        assert_int_equal(out.s[out.len], '\0');
        rc = bundle_open(&br, (const uint8_t *)out.s, out.len, &back, &err);
        assert_int_equal(rc, more == 0 ? 0 : -1);
        bundle_head_clear(&back);
        bundle_head_clear(&back);
    }
    bundle_head_clear(&head);
    str_clear(&out);
}

static void a_thousand_messages_are_the_most(void **state)
{
    struct str one = read_bundle("one.bundle");
    const char *message = strchr(one.s, '\n') + 1;
    struct bundle_head head = { .messages = BUNDLE_MESSAGES_MAX };
    struct str out = STR_INIT;

    (void)state;
    memcpy(head.id, "0b6f3c1e-7a5d-4c11-9a43-5d1f0e7c2b19", UUID_SIZE);
    head.origin = mem_strdup("a.com");
    head.destination = mem_strdup("b.com");
    bundle_add_head(&out, &head, 3);
    for (size_t i = 0; i < BUNDLE_MESSAGES_MAX; i++)
        str_add(&out, message);
    assert_int_equal(read_all(out.s, out.len, NULL), BUNDLE_MESSAGES_MAX);
    bundle_head_clear(&head);
    str_clear(&out);
    str_clear(&one);
}

/* Sizes that are padded share few values, and padding costs at most 12 %. */
static void padding_hides_the_size_at_a_bounded_cost(void **state)
{
    size_t classes = 0;

    (void)state;
    for (size_t n = 0; n < 4; n++)
        assert_int_equal(bundle_pad(n), 0);
    for (size_t n = 1; n < 100000; n++) {
        size_t pad = bundle_pad(n);

        assert_true(pad * 100 <= n * 12);
        assert_int_equal(bundle_pad(n + pad), 0); /* what is padded needs none */
        classes += pad == 0;
    }
    assert_true(classes < 200);
    assert_int_equal(bundle_pad(4097), 255); /* Padmé's own example of its shape */
    assert_true(bundle_pad((size_t)50 * 1024 * 1024 + 1) < 1024 * 1024 * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bundle_of_the_vectors_is_read_as_described),
        cmocka_unit_test(every_cut_of_a_bundle_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(lines_have_greatest_lengths),
        cmocka_unit_test(a_head_line_has_a_greatest_length),
        cmocka_unit_test(a_thousand_messages_are_the_most),
        cmocka_unit_test(padding_hides_the_size_at_a_bounded_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
