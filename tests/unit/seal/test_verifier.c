/* SPDX-License-Identifier: MIT */
/*
 * Signatures checked by a table of a key's multiples: whatever the library says of a signature, and
 * nothing else. The library is asked by EVP_PKEY_verify(), in a context of its own.
 */
#include "config.h"

#include "seal/verifier_private.h"

#include <pthread.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include "base/macros.h"

#include "lib/test.h"

#define THREADS 4

struct signature {
    uint8_t digest[64];
    size_t digest_len;
    uint8_t der[80];
    size_t len;
};

/* ---- the library's word ---- */

static bool library_says(EVP_PKEY *key, const struct signature *s)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool ok;

    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    ok = EVP_PKEY_verify(ctx, s->der, s->len, s->digest, s->digest_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static void sign(EVP_PKEY *key, struct signature *s)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    s->len = sizeof s->der;
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, s->der, &s->len, s->digest, s->digest_len), 1);
    EVP_PKEY_CTX_free(ctx);
}

static void agree(struct verifier *v, EVP_PKEY *key, const struct signature *s, bool good)
{
    assert_int_equal(library_says(key, s), good);
    assert_int_equal(verifier_check(v, s->digest, s->digest_len, s->der, s->len), good);
}

/* A verifier that has its table. */
static struct verifier *with_table(EVP_PKEY *key)
{
    struct verifier *v = verifier_create(key);
    unsigned before = verifier_tables();
    struct signature none = { .digest_len = 32 };

    assert_non_null(v);
    for (int i = 0; i < 3; i++)
        assert_false(verifier_check(v, none.digest, none.digest_len, none.der, none.len));
    assert_int_equal(verifier_tables(), before + 1);
    return v;
}

static int setup(void **state)
{
    (void)state;
    verifier_set_limits(1, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    verifier_set_limits(0, 0);
    return verifier_tables() == 0 ? 0 : -1;
}

/* ---- numbers ---- */

static void set_rs(struct signature *s, const BIGNUM *r, const BIGNUM *t)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *to = s->der;

    assert_int_equal(ECDSA_SIG_set0(sig, BN_dup(r), BN_dup(t)), 1);
    assert_true(i2d_ECDSA_SIG(sig, NULL) <= (int)sizeof s->der);
    s->len = (size_t)i2d_ECDSA_SIG(sig, &to);
    ECDSA_SIG_free(sig);
}

static void get_rs(const struct signature *s, BIGNUM *r, BIGNUM *t)
{
    const unsigned char *at = s->der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)s->len);

    assert_non_null(BN_copy(r, ECDSA_SIG_get0_r(sig)));
    assert_non_null(BN_copy(t, ECDSA_SIG_get0_s(sig)));
    ECDSA_SIG_free(sig);
}

static EVP_PKEY *key_of(const EC_GROUP *g, const EC_POINT *point)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    uint8_t octets[65];
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params;

    assert_int_equal(
        EC_POINT_point2oct(g, point, POINT_CONVERSION_UNCOMPRESSED, octets, sizeof octets, NULL),
        sizeof octets);
    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, octets, sizeof octets);
    params = OSSL_PARAM_BLD_to_param(bld);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* The key that has signed e by (r, s) with that point R: (s R - e G) / r. */
static EC_POINT *recover(const EC_GROUP *g, const EC_POINT *big_r, const BIGNUM *r, const BIGNUM *s,
                         const BIGNUM *e, BN_CTX *bn)
{
    const BIGNUM *n = EC_GROUP_get0_order(g);
    EC_POINT *q = EC_POINT_new(g);
    BIGNUM *w = BN_mod_inverse(NULL, r, n, bn), *a = BN_new(), *b = BN_new();

    BN_mod_mul(a, s, w, n, bn);
    BN_mod_mul(b, e, w, n, bn);
    if (!BN_is_zero(b))
        BN_sub(b, n, b);
    assert_int_equal(EC_POINT_mul(g, q, b, big_r, a, bn), 1);
    BN_free(w);
    BN_free(a);
    BN_free(b);
    return q;
}

/* ---- tests ---- */

static void a_table_says_what_the_library_says(void **state)
{
    static const size_t lengths[] = { 32, 48, 64 };

    (void)state;
    for (int k = 0; k < 2; k++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        struct verifier *v = with_table(key);

        for (int i = 0; i < 18; i++) {
            struct signature s = { .digest_len = lengths[i % 3] }, bad;

            RAND_bytes(s.digest, sizeof s.digest);
            if (i == 3)
                memset(s.digest, 0, sizeof s.digest);
            if (i == 6)
                memset(s.digest, 0xff, sizeof s.digest); /* more than the order */
            sign(key, &s);
            agree(v, key, &s, true);
            for (size_t bit = (size_t)i % 17; bit < 8 * s.len; bit += 17) {
                bad = s;
                bad.der[bit / 8] ^= (uint8_t)(1 << bit % 8);
                agree(v, key, &bad, false);
            }
            bad = s;
            bad.digest[i % 32] ^= 1;
            agree(v, key, &bad, false);
        }
        verifier_destroy(&v);
        EVP_PKEY_free(key);
    }
}

static void a_signature_is_der_and_nothing_else(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct verifier *v = with_table(key);
    struct signature s = { .digest = "digest", .digest_len = 32 }, t;

    (void)state;
    sign(key, &s);
    agree(v, key, &s, true);
    for (size_t len = 0; len < s.len; len++) {
        t = s;
        t.len = len;
        agree(v, key, &t, false);
    }
    t = s;
    t.der[t.len++] = 0; /* something follows it */
    agree(v, key, &t, false);
    t = s;
    memcpy(t.der + 2, s.der + 1, t.len++ - 1); /* a length in the long form */
    t.der[1] = 0x81;
    agree(v, key, &t, false);
    t = s;
    memcpy(t.der + 5, s.der + 4, t.len++ - 4); /* a number with a zero in front */
    t.der[1]++;
    t.der[3]++;
    t.der[4] = 0;
    agree(v, key, &t, false);
    verifier_destroy(&v);
    EVP_PKEY_free(key);
}

static void numbers_out_of_range_are_refused(void **state)
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    const BIGNUM *n = EC_GROUP_get0_order(g);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct verifier *v = with_table(key);
    BIGNUM *r = BN_new(), *s = BN_new(), *other = BN_new();
    struct signature sig = { .digest = "digest", .digest_len = 32 }, t;

    (void)state;
    sign(key, &sig);
    get_rs(&sig, r, s);
    for (int which = 0; which < 2; which++) {
        for (int how = 0; how < 5; how++) {
            const BIGNUM *was = which == 0 ? r : s;

            BN_zero(other);
            if (how == 1)
                BN_copy(other, n);
            if (how == 2)
                BN_add(other, was, n);
            if (how == 3) {
                BN_copy(other, was);
                BN_set_negative(other, 1);
            }
            if (how == 4)
                BN_one(other);
            t = sig;
            set_rs(&t, which == 0 ? other : r, which == 0 ? s : other);
            agree(v, key, &t, false);
        }
    }
    BN_sub(other, n, s); /* the other s of the same signature holds: ECDSA is so */
    set_rs(&sig, r, other);
    agree(v, key, &sig, true);
    BN_free(r);
    BN_free(s);
    BN_free(other);
    verifier_destroy(&v);
    EVP_PKEY_free(key);
    EC_GROUP_free(g);
}

/* One x in 2^32 is above the order; then r is what is left of it. */
static void an_x_above_the_order_counts_modulo_the_order(void **state)
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    const BIGNUM *n = EC_GROUP_get0_order(g);
    BN_CTX *bn = BN_CTX_new();
    EC_POINT *big_r = EC_POINT_new(g), *q;
    BIGNUM *r = BN_new(), *x = BN_new(), *s = BN_new(), *e = BN_new();
    struct signature sig = { .digest = "digest", .digest_len = 32 };
    EVP_PKEY *key;
    struct verifier *v;

    (void)state;
    BN_one(r);
    for (BN_add(x, n, r); EC_POINT_set_compressed_coordinates(g, big_r, x, 0, bn) != 1;
         BN_add(x, n, r))
        BN_add_word(r, 1);
    BN_set_word(s, 12345);
    BN_bin2bn(sig.digest, 32, e);
    q = recover(g, big_r, r, s, e, bn);
    key = key_of(g, q);
    v = with_table(key);
    set_rs(&sig, r, s);
    agree(v, key, &sig, true);
    BN_add_word(r, 1);
    set_rs(&sig, r, s);
    agree(v, key, &sig, false);
    verifier_destroy(&v);
    EVP_PKEY_free(key);
    EC_POINT_free(q);
    EC_POINT_free(big_r);
    BN_free(r);
    BN_free(x);
    BN_free(s);
    BN_free(e);
    BN_CTX_free(bn);
    EC_GROUP_free(g);
}

static void a_sum_at_infinity_is_no_signature(void **state)
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    const BIGNUM *n = EC_GROUP_get0_order(g);
    BN_CTX *bn = BN_CTX_new();
    EC_POINT *q = EC_POINT_new(g);
    BIGNUM *r = BN_new(), *s = BN_new(), *d = BN_new(), *e = BN_new();
    struct signature sig = { .digest = "digest", .digest_len = 32 };
    EVP_PKEY *key;
    struct verifier *v;

    (void)state;
    BN_set_word(r, 5);
    BN_set_word(s, 12345);
    BN_bin2bn(sig.digest, 32, e);
    BN_mod_inverse(d, r, n, bn); /* the key is -e/r, so that e G + r Q is nothing */
    BN_mod_mul(d, d, e, n, bn);
    BN_sub(d, n, d);
    assert_int_equal(EC_POINT_mul(g, q, d, NULL, NULL, bn), 1);
    key = key_of(g, q);
    v = with_table(key);
    set_rs(&sig, r, s);
    agree(v, key, &sig, false);
    verifier_destroy(&v);
    EVP_PKEY_free(key);
    EC_POINT_free(q);
    BN_free(r);
    BN_free(s);
    BN_free(d);
    BN_free(e);
    BN_CTX_free(bn);
    EC_GROUP_free(g);
}

/* Both summands are the same point: adding it to itself is doubling. */
static void a_sum_of_equal_points_counts(void **state)
{
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    const BIGNUM *n = EC_GROUP_get0_order(g);
    BN_CTX *bn = BN_CTX_new();
    EC_POINT *p = EC_POINT_new(g), *q = EC_POINT_new(g);
    BIGNUM *r = BN_new(), *s = BN_new(), *d = BN_new(), *e = BN_new();
    struct signature sig = { .digest = "digest", .digest_len = 32 };
    EVP_PKEY *key;
    struct verifier *v;

    (void)state;
    /* With s = e, e/s G is G; R is then to be 2 G, r its x, and the key G/r * s. */
    BN_bin2bn(sig.digest, 32, e);
    BN_nnmod(s, e, n, bn);
    BN_set_word(d, 2);
    assert_int_equal(EC_POINT_mul(g, p, d, NULL, NULL, bn), 1);
    assert_int_equal(EC_POINT_get_affine_coordinates(g, p, r, NULL, bn), 1);
    BN_nnmod(r, r, n, bn);
    BN_mod_inverse(d, r, n, bn);
    BN_mod_mul(d, d, s, n, bn);
    assert_int_equal(EC_POINT_mul(g, q, d, NULL, NULL, bn), 1);
    key = key_of(g, q);
    v = with_table(key);
    set_rs(&sig, r, s);
    agree(v, key, &sig, true);
    verifier_destroy(&v);
    EVP_PKEY_free(key);
    EC_POINT_free(p);
    EC_POINT_free(q);
    BN_free(r);
    BN_free(s);
    BN_free(d);
    BN_free(e);
    BN_CTX_free(bn);
    EC_GROUP_free(g);
}

/* Those that do not hold, of whatever kind, take nothing from the others. */
static void many_are_checked_at_once_each_for_itself(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct verifier *tabled = with_table(key);
    BIGNUM *zero = BN_new(), *one = BN_new();
    struct verifier *plain;

    (void)state;
    BN_zero(zero);
    BN_one(one);
    verifier_set_limits(1000000, 0);
    plain = verifier_create(key);
    for (unsigned bad = 0; bad < 64; bad++) {
        struct signature s[6];
        struct verifier_item items[6], again[6];

        for (size_t i = 0; i < N_ELEMENTS(s); i++) {
            s[i] = (struct signature){
                .digest = {(uint8_t)i, (uint8_t)bad},
                  .digest_len = 32
            };
            sign(key, &s[i]);
            if ((bad & 1u << i) != 0) {
                if (i % 3 == 0)
                    s[i].digest[5] ^= 1;
                else if (i % 3 == 1)
                    set_rs(&s[i], one, zero);
                else
                    s[i].len--;
            }
            items[i] =
                (struct verifier_item){ .digest_len = 32, .signature = s[i].der, .len = s[i].len };
            memcpy(items[i].digest, s[i].digest, sizeof s[i].digest);
            again[i] = items[i];
        }
        verifier_check_all(tabled, items, N_ELEMENTS(items));
        verifier_check_all(plain, again, N_ELEMENTS(again));
        for (size_t i = 0; i < N_ELEMENTS(s); i++) {
            assert_int_equal(items[i].holds, (bad & 1u << i) == 0);
            assert_int_equal(again[i].holds, items[i].holds);
        }
    }
    verifier_check_all(tabled, NULL, 0);
    verifier_set_limits(1, 0);
    verifier_destroy(&tabled);
    verifier_destroy(&plain);
    BN_free(zero);
    BN_free(one);
    EVP_PKEY_free(key);
}

static void a_key_gets_its_table_when_it_was_used_enough(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct verifier *v = verifier_create(key);
    struct signature s = { .digest = "digest", .digest_len = 32 };

    (void)state;
    sign(key, &s);
    verifier_set_limits(10, 0);
    for (int i = 0; i < 10; i++)
        assert_true(verifier_check(v, s.digest, s.digest_len, s.der, s.len));
    assert_int_equal(verifier_tables(), 0);
    for (int i = 0; i < 3; i++)
        assert_true(verifier_check(v, s.digest, s.digest_len, s.der, s.len));
    assert_int_equal(verifier_tables(), 1);
    verifier_set_limits(1, 0);
    verifier_destroy(&v);
    assert_null(v);
    assert_int_equal(verifier_tables(), 0);
    EVP_PKEY_free(key);
}

static void only_so_many_keys_have_tables(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct verifier *v[4];
    struct signature s = { .digest = "digest", .digest_len = 32 };

    (void)state;
    sign(key, &s);
    verifier_set_limits(1, 2);
    for (size_t i = 0; i < N_ELEMENTS(v); i++) {
        v[i] = verifier_create(key);
        for (int k = 0; k < 5; k++)
            assert_true(verifier_check(v[i], s.digest, s.digest_len, s.der, s.len));
    }
    assert_int_equal(verifier_tables(), 2);
    for (size_t i = 0; i < N_ELEMENTS(v); i++)
        verifier_destroy(&v[i]);
    verifier_set_limits(1, 0);
    EVP_PKEY_free(key);
}

struct shared {
    struct verifier *v;
    struct signature s;
    int good;
};

static void *check_some(void *arg)
{
    struct shared *sh = arg;

    for (int i = 0; i < 100; i++)
        sh->good += verifier_check(sh->v, sh->s.digest, sh->s.digest_len, sh->s.der, sh->s.len);
    return NULL;
}

static void threads_share_a_verifier(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct verifier *v = verifier_create(key);
    struct shared sh[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    verifier_set_limits(50, 0);
    for (size_t i = 0; i < THREADS; i++) {
        sh[i] = (struct shared){
            .v = v, .s = {.digest = { (uint8_t)i }, .digest_len = 32}
        };
        sign(key, &sh[i].s);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_some, &sh[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(sh[i].good, 100);
    }
    assert_int_equal(verifier_tables(), 1);
    verifier_set_limits(1, 0);
    verifier_destroy(&v);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_says_what_the_library_says),
        cmocka_unit_test(a_signature_is_der_and_nothing_else),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(an_x_above_the_order_counts_modulo_the_order),
        cmocka_unit_test(a_sum_at_infinity_is_no_signature),
        cmocka_unit_test(a_sum_of_equal_points_counts),
        cmocka_unit_test(many_are_checked_at_once_each_for_itself),
        cmocka_unit_test(a_key_gets_its_table_when_it_was_used_enough),
        cmocka_unit_test(only_so_many_keys_have_tables),
        cmocka_unit_test(threads_share_a_verifier),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
