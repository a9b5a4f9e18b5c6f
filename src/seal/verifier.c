/* SPDX-License-Identifier: MIT */
/*
 * ECDSA on P-256 (FIPS 186-4 §6.4), for keys that are used again and again: those of peers.
 *
 * A check is one multiplication of the curve's generator and one of the key. The library has a
 * table of the generator's multiples, so the first is cheap, and none of the key's, so the second
 * is five times dearer than all the rest. It does make such a table for a generator that is none of
 * the standard's: so a key that has shown to be busy gets a group of its own, whose generator it
 * is. Measured on one core: a check by the library 72 us, by the table 33, and 20 where many are
 * checked at once; the table 28 ms and 150 KB. So it is made after as many checks as cost that much
 * more, and for few keys.
 *
 * Nothing here is secret: key, digest and signature are all public, so time may tell of them.
 *
 * The table is made by whichever thread comes to it first; others go on without it meanwhile.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* EC_GROUP_precompute_mult, coordinates */
#include "config.h"

#include "seal/verifier_private.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "base/macros.h"
#include "base/mem.h"

enum {
    PATIENCE = 700,
    TABLES_MAX = 32,
    POINT_BYTES = 65,
    ORDER_BYTES = 32,
    SIGNATURE_MAX = 80, /* 72 at most */
};

struct verifier {
    EVP_PKEY_CTX *ready; /* to be copied for each check */
    EVP_PKEY *key;
    atomic_size_t checks;
    _Atomic(EC_GROUP *) table; /* its generator is the key; NULL: none yet */
};

static atomic_uint patience = PATIENCE;
static atomic_uint tables_max = TABLES_MAX;
static atomic_uint tables;

void verifier_set_limits(unsigned checks, unsigned most)
{
    atomic_store(&patience, checks != 0 ? checks : PATIENCE);
    atomic_store(&tables_max, most != 0 ? most : TABLES_MAX);
}

unsigned verifier_tables(void)
{
    return atomic_load(&tables);
}

struct verifier *verifier_create(EVP_PKEY *key)
{
    struct verifier *v = mem_zalloc(sizeof *v);

    atomic_init(&v->checks, 0);
    atomic_init(&v->table, NULL);
    v->ready = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (v->ready == NULL || EVP_PKEY_verify_init(v->ready) != 1) {
        verifier_destroy(&v);
        return NULL;
    }
    EVP_PKEY_up_ref(key);
    v->key = key;
    return v;
}

void verifier_destroy(struct verifier **vp)
{
    struct verifier *v = *vp;
    EC_GROUP *table;

    if (v == NULL)
        return;
    table = atomic_load(&v->table);
    if (table != NULL)
        atomic_fetch_sub(&tables, 1);
    EC_GROUP_free(table);
    EVP_PKEY_CTX_free(v->ready);
    EVP_PKEY_free(v->key);
    free(v);
    *vp = NULL;
}

/* ---- the table ---- */

static bool set_generator(EC_GROUP *group, EVP_PKEY *key)
{
    uint8_t octets[POINT_BYTES];
    EC_POINT *point = EC_POINT_new(group);
    size_t n = 0;
    bool ok = point != NULL &&
              EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, octets,
                                              sizeof octets, &n) == 1 &&
              EC_POINT_oct2point(group, point, octets, n, NULL) == 1 &&
              EC_GROUP_set_generator(group, point, EC_GROUP_get0_order(group),
                                     EC_GROUP_get0_cofactor(group)) == 1;

    EC_POINT_free(point);
    return ok;
}

static EC_GROUP *make_table(EVP_PKEY *key)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);

    if (group != NULL && set_generator(group, key) && EC_GROUP_precompute_mult(group, NULL) == 1 &&
        EC_GROUP_have_precompute_mult(group) == 1)
        return group;
    EC_GROUP_free(group);
    ERR_clear_error();
    return NULL;
}

/* Before n more checks. NULL: not yet, or never. Exactly one thread comes to the one that makes it.
 */
static const EC_GROUP *table_of(struct verifier *v, size_t n)
{
    EC_GROUP *table = atomic_load_explicit(&v->table, memory_order_acquire);
    size_t wanted = atomic_load(&patience), before;

    if (table != NULL || atomic_load_explicit(&v->checks, memory_order_relaxed) > SIZE_MAX / 2)
        return table;
    before = atomic_fetch_add_explicit(&v->checks, n, memory_order_relaxed);
    if (before > wanted || before + n <= wanted)
        return NULL;
    if (atomic_fetch_add(&tables, 1) < atomic_load(&tables_max))
        table = make_table(v->key);
    if (table == NULL)
        atomic_fetch_sub(&tables, 1);
    atomic_store_explicit(&v->table, table, memory_order_release);
    return table;
}

/* ---- checking ---- */

/* As the library does: what is not DER, or is not all of it, is no signature. */
static ECDSA_SIG *read_signature(const uint8_t *p, size_t len)
{
    const unsigned char *at = p;
    unsigned char again[SIGNATURE_MAX], *to = again;
    ECDSA_SIG *s;

    if (len > sizeof again)
        return NULL;
    s = d2i_ECDSA_SIG(NULL, &at, (long)len);
    if (s != NULL && i2d_ECDSA_SIG(s, NULL) == (int)len && i2d_ECDSA_SIG(s, &to) == (int)len &&
        memcmp(again, p, len) == 0)
        return s;
    ECDSA_SIG_free(s);
    return NULL;
}

static bool is_scalar(const BIGNUM *v, const BIGNUM *order)
{
    return !BN_is_zero(v) && !BN_is_negative(v) && BN_cmp(v, order) < 0;
}

/* The curve's own group: its generator has a table in the library. */
static const EC_GROUP *curve(void)
{
    static _Atomic(EC_GROUP *) kept;
    EC_GROUP *group = atomic_load_explicit(&kept, memory_order_acquire), *none = NULL;

    if (group != NULL)
        return group;
    group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    if (group != NULL && !atomic_compare_exchange_strong(&kept, &none, group)) {
        EC_GROUP_free(group);
        group = none;
    }
    return group;
}

/*
 * Is r the x, modulo the order, of u1 * G + u2 * Q? The point is x/z^2, and r z^2 is cheaper than
 * dividing by z^2. Where an x above the order leaves r, the order is to be added.
 */
static bool is_x(const EC_GROUP *g, const EC_POINT *p, const BIGNUM *r, BN_CTX *bn)
{
    const BIGNUM *order = EC_GROUP_get0_order(g), *field = EC_GROUP_get0_field(g);
    BIGNUM *x = BN_CTX_get(bn), *y = BN_CTX_get(bn), *z = BN_CTX_get(bn), *t = BN_CTX_get(bn);

    if (t == NULL || EC_POINT_is_at_infinity(g, p) ||
        EC_POINT_get_Jprojective_coordinates_GFp(g, p, x, y, z, bn) != 1 ||
        BN_mod_sqr(z, z, field, bn) != 1 || BN_mod_mul(t, r, z, field, bn) != 1)
        return false;
    if (BN_cmp(t, x) == 0)
        return true;
    return BN_add(y, r, order) == 1 && BN_cmp(y, field) < 0 &&
           BN_mod_mul(t, y, z, field, bn) == 1 && BN_cmp(t, x) == 0;
}

/* w: the inverse of the signature's s. */
static bool holds(const EC_GROUP *g, const EC_GROUP *table, const BIGNUM *r, const BIGNUM *w,
                  const struct verifier_item *it, BN_CTX *bn)
{
    const BIGNUM *order = EC_GROUP_get0_order(g);
    EC_POINT *p = EC_POINT_new(g), *q = EC_POINT_new(g);
    BIGNUM *e, *u;
    bool ok;

    BN_CTX_start(bn);
    e = BN_CTX_get(bn);
    u = BN_CTX_get(bn);
    ok = p != NULL && q != NULL && u != NULL &&
         BN_bin2bn(it->digest, (int)MIN(it->digest_len, ORDER_BYTES), e) != NULL &&
         BN_mod_mul(u, e, w, order, bn) == 1 && EC_POINT_mul(g, p, u, NULL, NULL, bn) == 1 &&
         BN_mod_mul(u, r, w, order, bn) == 1 && EC_POINT_mul(table, q, u, NULL, NULL, bn) == 1 &&
         EC_POINT_add(g, p, p, q, bn) == 1 && is_x(g, p, r, bn);
    BN_CTX_end(bn);
    EC_POINT_free(p);
    EC_POINT_free(q);
    return ok;
}

/* A check under way: its numbers, if they are in range, and the product of all s before its own. */
struct check {
    ECDSA_SIG *sig;
    BIGNUM *before;
};

/* The product of all s, in `product`. */
static bool multiply(struct check *checks, const struct verifier_item *items, size_t n,
                     const BIGNUM *order, BIGNUM *product, BN_CTX *bn)
{
    bool ok = BN_one(product) == 1;

    for (size_t i = 0; i < n && ok; i++) {
        ECDSA_SIG *sig = read_signature(items[i].signature, items[i].len);

        if (sig == NULL || !is_scalar(ECDSA_SIG_get0_r(sig), order) ||
            !is_scalar(ECDSA_SIG_get0_s(sig), order)) {
            ECDSA_SIG_free(sig);
            continue;
        }
        checks[i].sig = sig;
        checks[i].before = BN_dup(product);
        ok = checks[i].before != NULL &&
             BN_mod_mul(product, product, ECDSA_SIG_get0_s(sig), order, bn) == 1;
    }
    return ok;
}

/*
 * One inverse for all: that of the product of all s, from which each own one comes by
 * multiplications (Montgomery's trick).
 */
static void check_by_table(const EC_GROUP *table, struct verifier_item *items, size_t n)
{
    const EC_GROUP *g = curve();
    const BIGNUM *order = g != NULL ? EC_GROUP_get0_order(g) : NULL;
    struct check *checks = mem_zalloc(n * sizeof *checks);
    BIGNUM *inverse = BN_new(), *w = BN_new();
    BN_CTX *bn = BN_CTX_new();
    bool ok = g != NULL && inverse != NULL && w != NULL && bn != NULL &&
              multiply(checks, items, n, order, inverse, bn) &&
              BN_mod_inverse(inverse, inverse, order, bn) != NULL;

    for (size_t i = n; i-- > 0;) {
        struct check *c = &checks[i];

        items[i].holds = ok && c->sig != NULL &&
                         BN_mod_mul(w, inverse, c->before, order, bn) == 1 &&
                         holds(g, table, ECDSA_SIG_get0_r(c->sig), w, &items[i], bn);
        ok = ok && (c->sig == NULL ||
                    BN_mod_mul(inverse, inverse, ECDSA_SIG_get0_s(c->sig), order, bn) == 1);
        ECDSA_SIG_free(c->sig);
        BN_free(c->before);
    }
    free(checks);
    BN_free(inverse);
    BN_free(w);
    BN_CTX_free(bn);
}

static bool check_by_library(const struct verifier *v, const struct verifier_item *it)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(v->ready);
    bool ok = ctx != NULL &&
              EVP_PKEY_verify(ctx, it->signature, it->len, it->digest, it->digest_len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

void verifier_check_all(struct verifier *v, struct verifier_item *items, size_t n)
{
    const EC_GROUP *table = table_of(v, n);

    if (table != NULL) {
        check_by_table(table, items, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        items[i].holds = check_by_library(v, &items[i]);
}

bool verifier_check(struct verifier *v, const uint8_t *digest, size_t digest_len,
                    const uint8_t *signature, size_t len)
{
    struct verifier_item it = { .digest_len = digest_len, .signature = signature, .len = len };

    memcpy(it.digest, digest, MIN(digest_len, sizeof it.digest));
    verifier_check_all(v, &it, 1);
    return it.holds;
}
