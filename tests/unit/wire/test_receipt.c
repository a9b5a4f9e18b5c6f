/* SPDX-License-Identifier: MIT */
/* Receipts (docs/xmpp.md, "The seal"): tests/vectors/receipt.json, and limits. */
#include "wire/receipt.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "lib/test.h"
#include "unit/wire/vectors.h"

#define ID "9507ce26-d34e-41cb-9f14-4eeff943e25e"

static void assert_text(const char *text, const struct json *expected)
{
    if (text == NULL)
        assert_null(json_str(expected));
    else
        assert_string_equal(text, json_str(expected));
}

static void assert_object(const struct json *o, const struct receipt *r)
{
    const struct json *results = json_get(o, "results");

    assert_string_equal(r->bundle, json_get_str(o, "bundle"));
    assert_string_equal(r->sha256, json_get_str(o, "sha256"));
    assert_int_equal(r->refused, refusal_parse(json_get_str(o, "refused")));
    assert_text(r->refused_text, json_get(o, "refused_text"));
    assert_int_equal(r->n, json_size(results));
    for (size_t i = 0; i < r->n; i++) {
        int64_t code;

        assert_string_equal(r->results[i].id, json_get_str(json_at(results, i), "id"));
        assert_string_equal(r->results[i].to, json_get_str(json_at(results, i), "to"));
        assert_true(json_get_int(json_at(results, i), "code", &code));
        assert_int_equal(r->results[i].code, code);
        assert_text(r->results[i].text, json_get(json_at(results, i), "text"));
    }
}

static void a_valid_receipt_means_what_the_vector_says(void **state)
{
    struct json *doc = vectors_read("receipt.json");
    const struct json *rows = json_get(doc, "valid");

    (void)state;
    assert_true(json_size(rows) > 10);
    for (size_t i = 0; i < json_size(rows); i++) {
        const char *text = json_get_str(json_at(rows, i), "text");
        struct receipt r;
        struct err err = { 0 };
        struct str out = STR_INIT;

        if (receipt_parse(text, strlen(text), &r, &err) < 0)
            fail_msg("%s: %s", json_get_str(json_at(rows, i), "why"), err.text);
        assert_object(json_get(json_at(rows, i), "object"), &r);
        receipt_format(&out, &r);
        assert_string_equal(str_c(&out), json_get_str(json_at(rows, i), "canonical"));
        receipt_clear(&r);
        str_clear(&out);
    }
    json_destroy(&doc);
}

static void assert_refused(const char *why, const char *text, size_t len)
{
    static const struct receipt empty;
    struct receipt r;
    struct err err = { 0 };

    memset(&r, 0xee, sizeof(r));
    if (receipt_parse(text, len, &r, &err) == 0)
        fail_msg("%s: was taken", why);
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_memory_equal(&r, &empty, sizeof(r));
    assert_int_equal(receipt_parse(text, len, &r, NULL), -1);
}

static void an_invalid_receipt_is_refused(void **state)
{
    struct json *doc = vectors_read("receipt.json");
    const struct json *rows = json_get(doc, "invalid");

    (void)state;
    assert_true(json_size(rows) > 20);
    for (size_t i = 0; i < json_size(rows); i++) {
        const char *text = json_get_str(json_at(rows, i), "text");

        assert_refused(json_get_str(json_at(rows, i), "why"), text, strlen(text));
    }
    json_destroy(&doc);
}

static void receipt_start(struct receipt *r)
{
    *r = (struct receipt){ 0 };
    memcpy(r->bundle, ID, sizeof(ID));
    memset(r->sha256, 'a', 64);
}

static void every_cut_of_a_receipt_is_refused(void **state)
{
    struct receipt r;
    struct str out = STR_INIT;

    (void)state;
    receipt_start(&r);
    receipt_add(&r, ID, "bob@b.com", 201, "delivered");
    receipt_add(&r, ID, "carol@b.com", 440, NULL);
    receipt_format(&out, &r);
    receipt_clear(&r);
    for (size_t n = 0; n < out.len; n++)
        assert_refused("cut", str_c(&out), n);
    str_clear(&out);
}

static void a_receipt_has_greatest_sizes(void **state)
{
    char *spaces = mem_alloc(RECEIPT_MAX_BYTES + 1);
    struct receipt r;
    struct str out = STR_INIT;

    (void)state;
    receipt_start(&r);
    receipt_add(&r, ID, "bob@b.com", 201, NULL);
    receipt_format(&out, &r);
    receipt_clear(&r);
    memset(spaces, ' ', RECEIPT_MAX_BYTES + 1);
    memcpy(spaces, out.s, out.len);
    assert_int_equal(receipt_parse(spaces, RECEIPT_MAX_BYTES, &r, NULL), 0);
    receipt_clear(&r);
    assert_refused("longer", spaces, RECEIPT_MAX_BYTES + 1);
    free(spaces);
    str_clear(&out);
}

/* A text that is too long is cut between characters, so that its receipt is one that is taken. */
static void long_texts_are_cut_when_written(void **state)
{
    struct receipt r, back;
    struct str out = STR_INIT, text = STR_INIT;
    struct err err = { 0 };

    (void)state;
    str_addc(&text, 'x');
    while (text.len < 3 * RECEIPT_TEXT_MAX)
        str_add(&text, "\xc3\xbc");
    receipt_start(&r);
    receipt_add(&r, ID, "bob@b.com", 700, str_c(&text));
    receipt_format(&out, &r);
    if (receipt_parse(str_c(&out), out.len, &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(strlen(back.results[0].text), RECEIPT_TEXT_MAX - 1);
    assert_true(str_starts(str_c(&text), back.results[0].text));
    receipt_clear(&r);
    receipt_clear(&back);
    receipt_clear(&back);
    str_clear(&out);
    str_clear(&text);
}

static void refusals_have_names_both_ways(void **state)
{
    (void)state;
    assert_null(refusal_name(REFUSED_NONE));
    assert_null(refusal_name((enum refusal)REFUSED_COUNT));
    for (int i = REFUSED_NONE + 1; i < REFUSED_COUNT; i++)
        assert_int_equal(refusal_parse(refusal_name((enum refusal)i)), i);
    assert_int_equal(refusal_parse("Busy"), REFUSED_NONE);
    assert_int_equal(refusal_parse(""), REFUSED_NONE);
    assert_int_equal(refusal_parse(NULL), REFUSED_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_receipt_means_what_the_vector_says),
        cmocka_unit_test(an_invalid_receipt_is_refused),
        cmocka_unit_test(every_cut_of_a_receipt_is_refused),
        cmocka_unit_test(a_receipt_has_greatest_sizes),
        cmocka_unit_test(long_texts_are_cut_when_written),
        cmocka_unit_test(refusals_have_names_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
