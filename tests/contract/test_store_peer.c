/* SPDX-License-Identifier: MIT */
/* The store's contract, over every backend: peers and the replay record. */
#include "config.h"

#include <string.h>

#include "contract/store_suite.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- peers (store/peer.h) ---- */

static void a_peer_comes_back_as_it_was_put_and_is_replaced_whole(void **state)
{
    struct suite *s = *state;
    struct peer p = {
        .domain = (char *)"b.example",
        .component = (char *)"immp.b.example",
        .sign_pem = (char *)"-----BEGIN s",
        .encrypt_pem = (char *)"-----BEGIN e",
        .sign_fingerprint = (char *)"sha256:s",
        .encrypt_fingerprint = (char *)"sha256:e",
        .trust = PEER_TRUST_ENDORSED,
        .offered_sign = (char *)"sha256:o",
        .is_blocked = true,
        .max_stanza = 262144,
        .first_seen_ms = INT64_C(1800000000000),
        .last_seen_ms = INT64_C(1800000000001),
    };
    struct peer got;

    assert_result(s, 1, peer_put(s->st, &p, &s->err));
    assert_result(s, 1, peer_get(s->st, "b.example", &got, &s->err));
    assert_string_equal(got.domain, p.domain);
    assert_string_equal(got.component, p.component);
    assert_string_equal(got.sign_pem, p.sign_pem);
    assert_string_equal(got.encrypt_pem, p.encrypt_pem);
    assert_string_equal(got.sign_fingerprint, p.sign_fingerprint);
    assert_string_equal(got.encrypt_fingerprint, p.encrypt_fingerprint);
    assert_int_equal(got.trust, PEER_TRUST_ENDORSED);
    assert_string_equal(got.offered_sign, p.offered_sign);
    assert_true(got.is_blocked);
    assert_int_equal(got.max_stanza, 262144);
    assert_true(got.first_seen_ms == p.first_seen_ms);
    assert_true(got.last_seen_ms == p.last_seen_ms);
    peer_clear(&got);

    assert_result(s, 1, peer_put(s->st, &(struct peer){ .domain = (char *)"b.example" },
                                 &s->err));
    assert_result(s, 1, peer_get(s->st, "b.example", &got, &s->err));
    assert_null(got.component);
    assert_null(got.sign_pem);
    assert_null(got.offered_sign);
    assert_int_equal(got.trust, PEER_TRUST_NONE);
    assert_false(got.is_blocked);
    peer_clear(&got);
}

static int join_peer(void *ctx, const struct peer *p)
{
    str_addf(ctx, "%s ", p->domain);
    return strcmp(p->domain, "b.example") == 0;
}

static void peers_are_listed_by_domain_and_deleted(void **state)
{
    static const char *const domains[] = { "c.example", "a.example", "b.example" };
    struct suite *s = *state;
    struct str got = STR_INIT;
    struct peer p;

    assert_result(s, 0, peer_each(s->st, join_peer, &got, &s->err));
    for (size_t i = 0; i < N_ELEMENTS(domains); i++)
        assert_result(s, 1, peer_put(s->st, &(struct peer){ .domain = (char *)domains[i] },
                                     &s->err));
    assert_result(s, 1, peer_each(s->st, join_peer, &got, &s->err));
    assert_string_equal(str_c(&got), "a.example b.example ");
    assert_result(s, 1, peer_del(s->st, "b.example", &s->err));
    assert_result(s, 0, peer_del(s->st, "b.example", &s->err));
    assert_result(s, 0, peer_get(s->st, "b.example", &p, &s->err));
    str_truncate(&got, 0);
    assert_result(s, 1, peer_each(s->st, join_peer, &got, &s->err));
    assert_string_equal(str_c(&got), "a.example c.example ");
    str_clear(&got);
}

static void every_trust_has_a_name(void **state)
{
    static const char *const names[] = { "none", "tofu", "operator", "pkix", "endorsed" };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        assert_string_equal(peer_trust_name((enum peer_trust)i), names[i]);
    assert_string_equal(peer_trust_name((enum peer_trust)99), "unknown");
}

/* ---- the replay record (store/record.h) ---- */

static void a_record_comes_back_as_it_was_put_and_is_replaced(void **state)
{
    struct suite *s = *state;
    struct record r = {
        .scope = (char *)"b.example",
        .uuid = "9507ce26-d34e-41cb-9f14-4eeff943e25e",
        .digest = DIGEST,
        .results = (char *)"201 bob@b.example\n",
        .seen_ms = INT64_C(1800000000000),
    };
    struct record got;

    assert_result(s, 1, record_put(s->st, &r, &s->err));
    assert_result(s, 1, record_get(s->st, "b.example", r.uuid, &got, &s->err));
    assert_string_equal(got.scope, "b.example");
    assert_string_equal(got.uuid, r.uuid);
    assert_string_equal(got.digest, DIGEST);
    assert_string_equal(got.results, r.results);
    assert_true(got.seen_ms == r.seen_ms);
    record_clear(&got);

    r.digest[0] = '\0';
    r.results = NULL;
    r.seen_ms = 7;
    assert_result(s, 1, record_put(s->st, &r, &s->err));
    assert_result(s, 1, record_get(s->st, "b.example", r.uuid, &got, &s->err));
    assert_string_equal(got.digest, "");
    assert_string_equal(got.results, "");
    assert_int_equal(got.seen_ms, 7);
    record_clear(&got);
}

static void a_record_is_found_in_its_scope_only(void **state)
{
    struct suite *s = *state;
    struct record r = { .scope = (char *)"b.example" }, got;

    uuid_generate(r.uuid);
    assert_result(s, 1, record_put(s->st, &r, &s->err));
    assert_result(s, 0, record_get(s->st, "c.example", r.uuid, &got, &s->err));
    assert_result(s, 0, record_get(s->st, "b.example", "no uuid", &got, &s->err));
    assert_null(got.scope);
    r.uuid[0] = '\0';
    assert_result(s, -1, record_put(s->st, &r, &s->err));
    assert_int_equal(s->err.kind, ERR_PERMANENT);
}

int main(void)
{
    const struct CMUnitTest peers[] = {
        SUITE_TEST(a_peer_comes_back_as_it_was_put_and_is_replaced_whole),
        SUITE_TEST(peers_are_listed_by_domain_and_deleted),
        cmocka_unit_test(every_trust_has_a_name),
        SUITE_TEST(a_record_comes_back_as_it_was_put_and_is_replaced),
        SUITE_TEST(a_record_is_found_in_its_scope_only),
    };

    return SUITE_RUN(peers);
}
