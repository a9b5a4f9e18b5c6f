/* SPDX-License-Identifier: MIT */
/* The vectors that other implementations may use: tests/vectors/k.json, seal/ and bundle/. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "seal/digest.h"
#include "seal/identity.h"
#include "seal/password.h"
#include "seal/seal.h"
#include "wire/bundle.h"
#include "wire/json.h"
#include "wire/receipt.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"

static struct identity *a, *b, *renewed;

static void read_source(const char *name, struct str *out)
{
    struct str path = STR_INIT;

    str_addf(&path, "vectors/%s", name);
    fixture_read(fixture_source(path.s), out);
    str_clear(&path);
}

/* Private keys must be ours alone, which a checkout cannot say. */
static struct identity *load(const char *folder, const char *sub, const char *domain)
{
    static const char *const uses[] = { "sign", "encrypt" };
    struct identity_files files = { .directory = folder };
    struct identity *id;
    bool is_made = true;

    for (size_t i = 0; i < N_ELEMENTS(uses); i++) {
        struct str from = STR_INIT, to = STR_INIT, text = STR_INIT;

        str_addf(&from, "seal/%s%s.%s.pem", sub, domain, uses[i]);
        str_addf(&to, "%s/%s.%s.pem", folder, domain, uses[i]);
        read_source(from.s, &text);
        fixture_write(to.s, text.s, text.len, 0600);
        str_clear(&from);
        str_clear(&to);
        str_clear(&text);
    }
    id = identity_load(domain, &files, &is_made, NULL);
    assert_false(is_made);
    return id;
}

static int setup(void **state)
{
    if (fixture_setup(state) < 0)
        return -1;
    /* The new keys of a.com take the place of the old ones once those are in memory. */
    a = load(fixture_folder(), "", "a.com");
    b = load(fixture_folder(), "", "b.com");
    renewed = load(fixture_folder(), "new/", "a.com");
    return a != NULL && b != NULL && renewed != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    identity_unref(&a);
    identity_unref(&b);
    identity_unref(&renewed);
    return fixture_teardown(state);
}

static struct json *read_json(const char *name)
{
    struct str text = STR_INIT;
    struct json *doc;

    read_source(name, &text);
    doc = json_parse(text.s, text.len, NULL);
    assert_non_null(doc);
    str_clear(&text);
    return doc;
}

static uint32_t number(const struct json *row, const char *key)
{
    int64_t v = 0;

    assert_true(json_get_int(row, key, &v));
    return (uint32_t)v;
}

static void h_and_both_k_hold(void **state)
{
    struct json *doc = read_json("k.json");
    const struct json *rows = json_get(doc, "rows");

    (void)state;
    assert_true(json_size(rows) >= 10);
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        struct password_cost cost = { number(row, "N"), number(row, "r"), number(row, "p") };
        const char *salt64 = json_get_str(row, "salt"), *n1 = json_get_str(row, "n1");
        const char *n2 = json_get_str(row, "n2"), *hex = json_get_str(row, "tls_exporter");
        uint8_t exporter[PASSWORD_EXPORTER_BYTES];
        char h[PASSWORD_H_SIZE], k1[41], k2[65];
        struct str salt = STR_INIT;

        assert_int_equal(base64_decode(salt64, strlen(salt64), &salt), 0);
        assert_int_equal(password_derive(json_get_str(row, "password"), (const uint8_t *)salt.s,
                                         salt.len, cost, h, NULL),
                         0);
        assert_string_equal(h, json_get_str(row, "h"));
        password_k_sha1(h, n1, n2, k1);
        assert_string_equal(k1, json_get_str(row, "k_sha1"));
        assert_int_equal(str_from_hex(hex, strlen(hex), exporter, sizeof exporter), 0);
        password_k_hmac(h, n1, n2, exporter, k2);
        assert_string_equal(k2, json_get_str(row, "k_hmac_sha256"));
        str_clear(&salt);
    }
    json_destroy(&doc);
}

static void open_one(const struct json *row, const struct str *bundle)
{
    const char *file = json_get_str(row, "file"), *refused = json_get_str(row, "refused");
    struct str name = STR_INIT, armor = STR_INIT, out = STR_INIT;
    char hex[SEAL_SHA256_SIZE];
    enum refusal why;

    str_addf(&name, "seal/%s", file);
    read_source(name.s, &armor);
    (void)seal_open(identity_sign_certificate(a), b, armor.s, armor.len, &out, hex, &why, NULL);
    if (why != refusal_parse(refused))
        fail_msg("%s: %s", file, refusal_name(why) != NULL ? refusal_name(why) : "opened");
    if (why == REFUSED_NONE) {
        assert_int_equal(out.len, bundle->len);
        assert_memory_equal(out.s, bundle->s, out.len);
    } else {
        assert_int_equal(out.len, 0);
    }
    str_clear(&name);
    str_clear(&armor);
    str_clear(&out);
}

static void each_seal_opens_or_is_refused_with_its_code(void **state)
{
    struct json *doc = read_json("seal/index.json");
    const struct json *rows = json_get(doc, "seals");
    struct str bundle = STR_INIT;

    (void)state;
    read_source("seal/bundle", &bundle);
    assert_true(json_size(rows) >= 22);
    for (size_t i = 0; i < json_size(rows); i++)
        open_one(json_at(rows, i), &bundle);
    str_clear(&bundle);
    json_destroy(&doc);
}

static void the_bundle_inside_reads_and_its_message_is_signed(void **state)
{
    struct str bundle = STR_INIT;
    struct bundle_reader br;
    struct bundle_head head;
    struct bundle_item item;

    (void)state;
    read_source("seal/bundle", &bundle);
    assert_int_equal(bundle_open(&br, (const uint8_t *)bundle.s, bundle.len, &head, NULL), 0);
    assert_int_equal(bundle_next(&br, &item, NULL), 1);
    assert_int_equal(seal_check_message(identity_sign_certificate(a), item.header, item.header_len,
                                        item.signature, item.signature_len, NULL),
                     0);
    message_clear(&item.message);
    assert_int_equal(bundle_next(&br, &item, NULL), 0);
    bundle_head_clear(&head);
    str_clear(&bundle);
}

static void the_message_signature_holds_for_its_header_alone(void **state)
{
    struct str header = STR_INIT, signature = STR_INIT;

    (void)state;
    read_source("seal/header.json", &header);
    read_source("seal/header.sig", &signature);
    assert_int_equal(seal_check_message(identity_sign_certificate(a), header.s, header.len,
                                        signature.s, signature.len, NULL),
                     0);
    assert_int_equal(seal_check_message(identity_sign_certificate(a), header.s, header.len - 1,
                                        signature.s, signature.len, NULL),
                     -1);
    assert_int_equal(seal_check_message(identity_sign_certificate(b), header.s, header.len,
                                        signature.s, signature.len, NULL),
                     -1);
    str_clear(&header);
    str_clear(&signature);
}

static void the_receipt_opens_to_its_text_and_names_the_seal(void **state)
{
    struct json *index = read_json("seal/index.json");
    struct str text = STR_INIT, armor = STR_INIT, out = STR_INIT;
    struct receipt r;

    (void)state;
    read_source("seal/receipt.json", &text);
    read_source("seal/receipt.pem", &armor);
    assert_int_equal(seal_open_receipt(identity_sign_certificate(b), armor.s, armor.len, &out, NULL),
                     0);
    assert_string_equal(out.s, text.s);
    assert_int_equal(receipt_parse(out.s, out.len, &r, NULL), 0);
    assert_string_equal(r.sha256, json_get_str(index, "der_sha256"));
    receipt_clear(&r);
    assert_int_equal(seal_open_receipt(identity_sign_certificate(a), armor.s, armor.len, &out, NULL),
                     -1);
    str_clear(&text);
    str_clear(&armor);
    str_clear(&out);
    json_destroy(&index);
}

static void the_old_key_endorses_the_new_ones(void **state)
{
    struct certificate *old = identity_sign_certificate(a);
    struct certificate *sign = identity_sign_certificate(renewed);
    struct certificate *encrypt = identity_encrypt_certificate(renewed);
    struct str armor = STR_INIT;

    (void)state;
    read_source("seal/endorsement.pem", &armor);
    assert_int_equal(
        seal_check_endorsement(old, "a.com", sign, encrypt, armor.s, armor.len, NULL), 0);
    assert_int_equal(
        seal_check_endorsement(old, "c.com", sign, encrypt, armor.s, armor.len, NULL), -1);
    assert_int_equal(
        seal_check_endorsement(old, "a.com", encrypt, sign, armor.s, armor.len, NULL), -1);
    assert_int_equal(
        seal_check_endorsement(sign, "a.com", sign, encrypt, armor.s, armor.len, NULL), -1);
    str_clear(&armor);
}

/* Those of tests/vectors/bundle were signed by openssl(1). */
static void the_messages_of_the_bundle_vectors_are_signed(void **state)
{
    static const char *const files[] = { "one", "three", "no-pad", "other-order" };
    struct str pem = STR_INIT;
    struct certificate *c;
    size_t n = 0;

    (void)state;
    read_source("bundle/origin.pem", &pem);
    c = certificate_parse(pem.s, pem.len, NULL);
    assert_non_null(c);
    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        struct str name = STR_INIT, bundle = STR_INIT;
        struct bundle_reader br;
        struct bundle_head head;
        struct bundle_item item;

        str_addf(&name, "bundle/%s.bundle", files[i]);
        read_source(name.s, &bundle);
        assert_int_equal(bundle_open(&br, (const uint8_t *)bundle.s, bundle.len, &head, NULL), 0);
        while (bundle_next(&br, &item, NULL) == 1) {
            assert_int_equal(seal_check_message(c, item.header, item.header_len, item.signature,
                                                item.signature_len, NULL),
                             0);
            message_clear(&item.message);
            n++;
        }
        bundle_head_clear(&head);
        str_clear(&name);
        str_clear(&bundle);
    }
    assert_true(n >= 6);
    certificate_unref(&c);
    str_clear(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h_and_both_k_hold),
        cmocka_unit_test(each_seal_opens_or_is_refused_with_its_code),
        cmocka_unit_test(the_bundle_inside_reads_and_its_message_is_signed),
        cmocka_unit_test(the_message_signature_holds_for_its_header_alone),
        cmocka_unit_test(the_receipt_opens_to_its_text_and_names_the_seal),
        cmocka_unit_test(the_old_key_endorses_the_new_ones),
        cmocka_unit_test(the_messages_of_the_bundle_vectors_are_signed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
