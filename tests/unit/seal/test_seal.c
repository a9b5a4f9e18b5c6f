/* SPDX-License-Identifier: MIT */
/*
 * docs/xmpp.md, "The seal": what is sealed opens, and what was altered, signed by another, or is
 * for another, is refused with its own code and before anything is decrypted.
 */
#include "config.h"

#include "seal/seal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "seal/digest.h"

#include "lib/test.h"
#include "unit/seal/fixture.h"
#include "unit/seal/forge.h"

static const char bundle[] = "{\"immp\":\"1.0\",\"bundle\":\"…\"}\nA message.\n";
static struct identity *a, *b, *c;

static int setup(void **state)
{
    struct identity_files files;

    if (fixture_setup(state) < 0)
        return -1;
    files = (struct identity_files){ .directory = fixture_folder() };
    a = identity_load("a.example", &files, NULL, NULL);
    b = identity_load("b.example", &files, NULL, NULL);
    c = identity_load("c.example", &files, NULL, NULL);
    return a != NULL && b != NULL && c != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    identity_unref(&a);
    identity_unref(&b);
    identity_unref(&c);
    return fixture_teardown(state);
}

static void make(const struct identity *from, const struct identity *to, struct str *armor)
{
    char hex[SEAL_SHA256_SIZE];

    assert_int_equal(seal_make(from, identity_encrypt_certificate(to), bundle, sizeof bundle - 1,
                               armor, hex, NULL),
                     0);
}

/* Opened by b as from a: 0, or the refusal. */
static enum refusal open_as(const struct identity *from, const struct identity *to, const char *p,
                            size_t n)
{
    char hex[SEAL_SHA256_SIZE];
    enum refusal why = REFUSED_BUSY;
    struct str out = STR_INIT;
    struct err err = { 0 };
    int rc;

    str_add(&out, "kept");
    rc = seal_open(identity_sign_certificate(from), to, p, n, &out, hex, &why, &err);
    if (rc == 0) {
        assert_int_equal(why, REFUSED_NONE);
        assert_int_equal(out.len, 4 + sizeof bundle - 1);
        assert_memory_equal(out.s + 4, bundle, sizeof bundle - 1);
    } else {
        assert_int_not_equal(why, REFUSED_NONE);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_true(err.text[0] != '\0');
        assert_string_equal(out.s, "kept");  /* nothing of the content leaves */
    }
    str_clear(&out);
    return why;
}

static void of_armor(const struct str *armor, struct str *der)
{
    const char *body = strchr(armor->s, '\n') + 1;

    assert_int_equal(base64_decode(body, (size_t)(strstr(body, "-----END") - body), der), 0);
}

static void to_armor(const void *p, size_t n, size_t line, struct str *armor)
{
    str_truncate(armor, 0);
    str_add(armor, "-----BEGIN CMS-----\n");
    base64_add(armor, p, n, line);
    str_add(armor, "\n-----END CMS-----\n");
}

static void what_is_sealed_opens_at_any_size(void **state)
{
    static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 127, 128, 255, 256, 4095, 4096, 65535,
                                    65536, 1 << 20, 3000001 };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
        struct str in = STR_INIT, armor = STR_INIT, out = STR_INIT, der = STR_INIT;
        char made[SEAL_SHA256_SIZE], opened[SEAL_SHA256_SIZE], own[SEAL_SHA256_SIZE];
        enum refusal why;

        str_reserve(&in, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            in.s[k] = (char)(k * 7 + k / 256);
        in.len = sizes[i];
        assert_int_equal(seal_make(a, identity_encrypt_certificate(b), in.s, in.len, &armor, made,
                                   NULL),
                         0);
        assert_true(armor.len <= seal_armor_size(sizes[i]));
        assert_int_equal(seal_open(identity_sign_certificate(a), b, armor.s, armor.len, &out, opened,
                                   &why, NULL),
                         0);
        assert_int_equal(out.len, sizes[i]);
        assert_int_equal(sizes[i] > 0 ? memcmp(out.s, in.s, sizes[i]) : 0, 0);
        of_armor(&armor, &der);
        digest_sha256_hex(der.s, der.len, own);
        assert_string_equal(made, own);
        assert_string_equal(opened, own);
        str_clear(&in);
        str_clear(&armor);
        str_clear(&out);
        str_clear(&der);
    }
}

/* RFC 7468, and one line of base64: XMPP servers pay for each line. */
static void the_armor_is_pem_with_one_line_of_base64(void **state)
{
    struct str armor = STR_INIT;
    const char *p;
    size_t lines = 0;

    (void)state;
    str_add(&armor, "x");  /* it is appended */
    make(a, b, &armor);
    assert_true(str_starts(armor.s, "x-----BEGIN CMS-----\n"));
    p = strstr(armor.s, "\n-----END CMS-----\n");
    assert_non_null(p);
    assert_string_equal(p, "\n-----END CMS-----\n");
    for (p = armor.s; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 3);
    str_clear(&armor);
}

static void the_same_bundle_never_has_the_same_seal(void **state)
{
    struct str one = STR_INIT, two = STR_INIT;

    (void)state;
    make(a, b, &one);
    make(a, b, &two);
    assert_string_not_equal(one.s, two.s);
    assert_null(strstr(one.s, "message"));
    str_clear(&one);
    str_clear(&two);
}

static void armor_may_have_any_lines_and_white_space_around(void **state)
{
    static const size_t lines[] = { 4, 64, 76, 80, 1024, 0 };
    struct str armor = STR_INIT, der = STR_INIT;

    (void)state;
    make(a, b, &armor);
    of_armor(&armor, &der);
    for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
        struct str odd = STR_INIT;

        to_armor(der.s, der.len, lines[i], &armor);
        str_add(&odd, "\n\t  ");
        for (const char *p = armor.s; *p != '\0'; p++)
            if (*p == '\n')
                str_add(&odd, " \r\n ");
            else
                str_addc(&odd, *p);
        str_add(&odd, " \r\n\n ");
        assert_int_equal(open_as(a, b, odd.s, odd.len), REFUSED_NONE);
        str_clear(&odd);
    }
    str_clear(&armor);
    str_clear(&der);
}

static void what_is_no_armor_is_a_bad_seal_without_a_digest(void **state)
{
    static const char *const rows[] = {
        "",
        "hello",
        "-----BEGIN CMS-----\n-----END CMS-----\n",
        "-----BEGIN CMS-----\nMII!\n-----END CMS-----\n",
        "-----BEGIN CMS-----\nMIIA\n",
        "MIIA\n-----END CMS-----\n",
        "-----BEGIN CMS-----\nMIIA\n-----END PKCS7-----\n",
        "-----BEGIN PKCS7-----\nMIIA\n-----END PKCS7-----\n",
        "x-----BEGIN CMS-----\nMIIA\n-----END CMS-----\n",
        "-----BEGIN CMS-----\nMIIA\n-----END CMS-----\nx",
        "-----BEGIN CMS-----\nA: b\n\nMIIA\n-----END CMS-----\n",
        "-----BEGIN CMS-----\nMIIA\n-----END CMS-----\n-----BEGIN CMS-----\nMIIA\n-----END CMS-----\n",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char hex[SEAL_SHA256_SIZE] = "x";
        enum refusal why = REFUSED_NONE;
        struct str out = STR_INIT;

        assert_int_equal(seal_open(identity_sign_certificate(a), b, rows[i], strlen(rows[i]), &out,
                                   hex, &why, NULL),
                         -1);
        assert_int_equal(why, REFUSED_BAD_SEAL);
        assert_string_equal(hex, "");
        str_clear(&out);
    }
}

/* So that the refusal can be signed: a receipt names the digest. */
static void what_could_be_read_has_a_digest_also_when_it_is_refused(void **state)
{
    char hex[SEAL_SHA256_SIZE], own[SEAL_SHA256_SIZE];
    struct str armor = STR_INIT, out = STR_INIT;
    enum refusal why;

    (void)state;
    to_armor("garbage", 7, 0, &armor);
    assert_int_equal(seal_open(identity_sign_certificate(a), b, armor.s, armor.len, &out, hex, &why,
                               NULL),
                     -1);
    digest_sha256_hex("garbage", 7, own);
    assert_int_equal(why, REFUSED_BAD_SEAL);
    assert_string_equal(hex, own);
    str_clear(&armor);
    str_clear(&out);
}

static void another_signer_or_recipient_is_an_unknown_key(void **state)
{
    struct str armor = STR_INIT;

    (void)state;
    make(a, b, &armor);
    assert_int_equal(open_as(a, b, armor.s, armor.len), REFUSED_NONE);
    assert_int_equal(open_as(c, b, armor.s, armor.len), REFUSED_UNKNOWN_KEY);
    assert_int_equal(open_as(a, c, armor.s, armor.len), REFUSED_UNKNOWN_KEY);
    assert_int_equal(open_as(b, a, armor.s, armor.len), REFUSED_UNKNOWN_KEY);
    str_clear(&armor);
}

/* Issue: "a seal altered in any byte … refused with its own code". */
static void a_flipped_bit_in_any_byte_is_refused(void **state)
{
    struct str armor = STR_INIT, der = STR_INIT;
    size_t counts[REFUSED_COUNT] = { 0 };

    (void)state;
    make(a, b, &armor);
    of_armor(&armor, &der);
    for (size_t i = 0; i < der.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            enum refusal why;

            der.s[i] ^= (char)(1u << bit);
            to_armor(der.s, der.len, 0, &armor);
            why = open_as(a, b, armor.s, armor.len);
            if (why != REFUSED_BAD_SEAL && why != REFUSED_BAD_SIGNATURE &&
                why != REFUSED_UNKNOWN_KEY)
                fail_msg("byte %zu of %zu, bit %u: %d", i, der.len, bit, (int)why);
            counts[why]++;
            der.s[i] ^= (char)(1u << bit);
        }
    }
    /* Most bytes are content and signature; the key's name is twenty; the rest is structure. */
    assert_true(counts[REFUSED_BAD_SIGNATURE] > counts[REFUSED_BAD_SEAL]);
    assert_in_range(counts[REFUSED_UNKNOWN_KEY], 20 * 8, 20 * 8 + 24);
    str_clear(&armor);
    str_clear(&der);
}

static void a_seal_cut_anywhere_is_refused(void **state)
{
    struct str armor = STR_INIT, der = STR_INIT;

    (void)state;
    make(a, b, &armor);
    of_armor(&armor, &der);
    for (size_t n = 1; n < der.len; n++) {
        to_armor(der.s, n, 0, &armor);
        assert_int_equal(open_as(a, b, armor.s, armor.len), REFUSED_BAD_SEAL);
    }
    str_addc(&der, 'x');
    to_armor(der.s, der.len, 0, &armor);
    assert_int_equal(open_as(a, b, armor.s, armor.len), REFUSED_BAD_SEAL);
    str_truncate(&armor, 0);
    make(a, b, &armor);
    for (size_t n = 0; n < armor.len - 1; n++)
        assert_int_equal(open_as(a, b, armor.s, n), REFUSED_BAD_SEAL);
    assert_int_equal(open_as(a, b, armor.s, armor.len - 1), REFUSED_NONE);
    str_clear(&armor);
    str_clear(&der);
}

static void keys_of_other_kinds_seal_and_open(void **state)
{
    static const struct forge_certificate rows[] = {
        { .names = { "op.example" } },
        { .names = { "op.example" }, .has_no_skid = true },
        { .type = "RSA", .bits = 3072, .names = { "op.example" } },
        { .type = "RSA", .bits = 3072, .names = { "op.example" }, .has_no_skid = true },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forged f = forge_certificate(&rows[i]);
        struct identity_files files = { fixture_folder(), fixture_path("op.crt"),
                                        fixture_path("op.key") };
        struct identity *op;
        struct str armor = STR_INIT;

        fixture_write(files.certificate, f.certificate, strlen(f.certificate), 0644);
        fixture_write(files.key, f.key, strlen(f.key), 0600);
        op = identity_load("op.example", &files, NULL, NULL);
        assert_non_null(op);
        make(op, b, &armor);
        assert_int_equal(open_as(op, b, armor.s, armor.len), REFUSED_NONE);
        assert_int_equal(open_as(a, b, armor.s, armor.len), REFUSED_UNKNOWN_KEY);
        str_truncate(&armor, 0);
        make(a, op, &armor);
        assert_int_equal(open_as(a, op, armor.s, armor.len), REFUSED_NONE);
        str_clear(&armor);
        identity_unref(&op);
        forge_clear(&f);
    }
}

/* Identities and certificates are shared by all workers. */
static void *seal_and_open(void *p)
{
    struct str armor = STR_INIT;

    (void)p;
    for (int i = 0; i < 50; i++) {
        str_truncate(&armor, 0);
        make(a, b, &armor);
        assert_int_equal(open_as(a, b, armor.s, armor.len), REFUSED_NONE);
        assert_int_equal(open_as(c, b, armor.s, armor.len), REFUSED_UNKNOWN_KEY);
    }
    str_clear(&armor);
    return NULL;
}

static void threads_share_the_keys(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, seal_and_open, NULL), 0);
    for (size_t i = 0; i < N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
}

static void without_memory_it_is_a_temporary_failure(void **state)
{
    size_t n = 0;
    int rc;

    (void)state;
    do {
        char hex[SEAL_SHA256_SIZE];
        struct str armor = STR_INIT;
        struct err err = { 0 };

        mem_fail_nth(++n);
        rc = seal_make(a, identity_encrypt_certificate(b), bundle, sizeof bundle, &armor, hex, &err);
        mem_fail_nth(0);
        if (rc < 0) {
            assert_int_equal(err.kind, ERR_TEMPORARY);
            assert_int_equal(armor.len, 0);
        }
        str_clear(&armor);
    } while (rc < 0);
    assert_true(n > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_at_any_size),
        cmocka_unit_test(the_armor_is_pem_with_one_line_of_base64),
        cmocka_unit_test(the_same_bundle_never_has_the_same_seal),
        cmocka_unit_test(armor_may_have_any_lines_and_white_space_around),
        cmocka_unit_test(what_is_no_armor_is_a_bad_seal_without_a_digest),
        cmocka_unit_test(what_could_be_read_has_a_digest_also_when_it_is_refused),
        cmocka_unit_test(another_signer_or_recipient_is_an_unknown_key),
        cmocka_unit_test(a_flipped_bit_in_any_byte_is_refused),
        cmocka_unit_test(a_seal_cut_anywhere_is_refused),
        cmocka_unit_test(keys_of_other_kinds_seal_and_open),
        cmocka_unit_test(threads_share_the_keys),
        cmocka_unit_test(without_memory_it_is_a_temporary_failure),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
