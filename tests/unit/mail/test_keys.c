/* SPDX-License-Identifier: MIT */
/* Tests of mail/keys.h: docs/immp.md, "Fingerprints and +SECURE"; docs/xmpp.md, "Keys". */
#include "lib/test.h"

#include "mail/keys.h"

#include <stdlib.h>
#include <string.h>

#include "lib/world.h"

#include "base/log.h"
#include "base/mem.h"
#include "seal/seal.h"
#include "store/peer.h"
#include "wire/status.h"

struct scene {
    struct fake_net *net;
    struct world *a, *b;
    struct world *worlds[3];
    struct identity *other;        /* keys of b.test that are not its own */
    struct identity *stranger;     /* keys of c.test */
    char other_dir[TEMP_DIR_SIZE];
    /* what the hook does to the answers */
    const char *sign_pem, *encrypt_pem, *endorsement;
    enum fake_action action;
    /* answers */
    int answers;
    struct err err;                /* of the last one; kind NONE: it worked */
    uint64_t token;
};

static enum fake_action hook(void *ctx, struct fake_packet *p)
{
    struct scene *s = ctx;

    if (p->kind != FAKE_KEYS)
        return FAKE_PASS;
    if (s->sign_pem != NULL) {
        free(p->sign_pem);
        p->sign_pem = mem_strdup(s->sign_pem);
    }
    if (s->encrypt_pem != NULL) {
        free(p->encrypt_pem);
        p->encrypt_pem = mem_strdup(s->encrypt_pem);
    }
    if (s->endorsement != NULL)
        p->endorsement = mem_strdup(s->endorsement);
    return s->action;
}

static struct identity *make_identity(const char *domain, const char *dir)
{
    struct identity_files files = { .directory = dir };
    struct err err;
    struct identity *id = identity_load(domain, &files, NULL, &err);

    assert_non_null(id);
    return id;
}

static int setup(void **state)
{
    struct scene *s = mem_zalloc(sizeof(*s));

    s->net = fake_net_create();
    s->a = world_create(s->net, "a.test");
    s->b = world_create(s->net, "b.test");
    s->worlds[0] = s->a;
    s->worlds[1] = s->b;
    temp_dir_make(s->other_dir);
    s->other = make_identity("b.test", s->other_dir);
    s->stranger = make_identity("c.test", s->other_dir);
    world_account(s->a, "admin@a.test");
    s->a->domain.admins = mem_alloc(sizeof(char *));
    s->a->domain.admins[0] = mem_strdup("admin@a.test");
    s->a->domain.n_admins = 1;
    fake_set_hook(s->net, hook, s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    free(s->a->domain.admins[0]);
    free(s->a->domain.admins);
    world_check(s->a);
    world_destroy(&s->a);
    world_destroy(&s->b);
    fake_net_destroy(&s->net);
    identity_unref(&s->other);
    identity_unref(&s->stranger);
    temp_dir_remove(s->other_dir);
    free(s);
    return 0;
}

static void answered(void *ctx, uint64_t token, const struct err *err)
{
    struct scene *s = ctx;

    s->answers++;
    s->token = token;
    s->err = err != NULL ? *err : (struct err){ 0 };
}

static bool has_answer(void *ctx)
{
    return ((struct scene *)ctx)->answers > 0;
}

/* Ask and wait: the kind of the answer. */
static enum err_kind ask(struct scene *s)
{
    s->answers = 0;
    keys_ask(s->a->mail.keys, "a.test", "b.test", "immp.b.test", 7, answered, s);
    assert_int_equal(s->answers, 0);   /* never within the call */
    assert_true(world_run(s->worlds, has_answer, s, 5000));
    world_turns(s->worlds, 2);
    assert_int_equal(s->answers, 1);
    assert_int_equal(s->token, 7);
    return s->err.kind;
}

static struct peer peer_of(struct scene *s)
{
    struct peer p = { 0 };

    assert_true(peer_get(s->a->mail.store, "b.test", &p, NULL) >= 0);
    return p;
}

static const char *fp_of(const struct identity *id)
{
    return certificate_fingerprint(identity_sign_certificate(id));
}

/* Whose signing key is pinned: "" none. */
static const char *pinned(struct scene *s)
{
    static char fp[FINGERPRINT_SIZE];
    struct keys_pair pair;
    int rc = keys_pinned(s->a->mail.keys, "b.test", &pair, NULL);

    assert_true(rc >= 0);
    fp[0] = '\0';
    if (rc == 1 && pair.is_verified)
        strcpy(fp, certificate_fingerprint(pair.sign));
    return fp;
}

static void offer_other_keys(struct scene *s)
{
    s->sign_pem = certificate_pem(identity_sign_certificate(s->other));
    s->encrypt_pem = certificate_pem(identity_encrypt_certificate(s->other));
}

/* ---- first contact ---- */

static void first_contact_pins_and_survives_a_restart(void **state)
{
    struct scene *s = *state;
    struct peer p;

    assert_string_equal(pinned(s), "");
    assert_int_equal(ask(s), ERR_NONE);
    assert_string_equal(pinned(s), fp_of(s->b->domain.identity));
    world_restart(s->a);
    assert_string_equal(pinned(s), fp_of(s->b->domain.identity));
    p = peer_of(s);
    assert_int_equal(p.trust, PEER_TRUST_TOFU);
    assert_true(p.first_seen_ms > 0);
    peer_clear(&p);
    assert_int_equal(ask(s), ERR_NONE);   /* again: the same keys */
    p = peer_of(s);
    assert_int_equal(p.trust, PEER_TRUST_TOFU);
    peer_clear(&p);
}

static void asks_for_the_same_keys_are_one_query(void **state)
{
    struct scene *s = *state;

    for (uint64_t i = 0; i < 10; i++)
        keys_ask(s->a->mail.keys, "a.test", "b.test", "immp.b.test", i, answered, s);
    keys_ask(s->a->mail.keys, "a.test", "b.test", "elsewhere.b.test", 10, answered, s);
    WORLD_UNTIL(s->worlds, s->answers == 11);
    world_turns(s->worlds, 2);
    assert_int_equal(s->answers, 11);
    assert_int_equal(fake_sent(s->net, FAKE_KEYS), 2);
}

static void forgotten_ask_is_not_answered(void **state)
{
    struct scene *s = *state;
    int other = 0;

    keys_ask(s->a->mail.keys, "a.test", "b.test", "immp.b.test", 1, answered, s);
    keys_ask(s->a->mail.keys, "a.test", "b.test", "immp.b.test", 2, answered, s);
    keys_forget(s->a->mail.keys, &other);   /* somebody else's */
    keys_forget(s->a->mail.keys, s);
    WORLD_UNTIL(s->worlds, pinned(s)[0] != '\0');   /* it is learned all the same */
    world_turns(s->worlds, 2);
    assert_int_equal(s->answers, 0);
}

static void second_answer_to_a_query_is_ignored(void **state)
{
    struct scene *s = *state;

    s->action = FAKE_TWICE;
    assert_int_equal(ask(s), ERR_NONE);
}

static void query_without_an_answer_is_temporary(void **state)
{
    struct scene *s = *state;

    s->action = FAKE_FAIL;
    assert_int_equal(ask(s), ERR_TEMPORARY);
    assert_string_equal(pinned(s), "");
    s->action = FAKE_PASS;
    keys_set_transport(s->a->mail.keys, NULL);
    assert_int_equal(ask(s), ERR_TEMPORARY);
    keys_set_transport(s->a->mail.keys, fake_transport(s->a->node));
    assert_int_equal(ask(s), ERR_NONE);
}

/* Nonsense in place of keys pins nothing. */
static void answer_that_is_no_key_is_temporary(void **state)
{
    struct scene *s = *state;
    const char *good = certificate_pem(identity_sign_certificate(s->b->domain.identity));
    const char *foreign = certificate_pem(identity_sign_certificate(s->stranger));
    const struct { const char *sign, *encrypt; } rows[] = {
        { "", NULL },
        { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NULL },
        { good, "nothing" },
        { foreign, NULL },        /* it does not name b.test */
        { good, foreign },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        s->sign_pem = rows[i].sign;
        s->encrypt_pem = rows[i].encrypt;
        assert_int_equal(ask(s), ERR_TEMPORARY);
        assert_string_equal(pinned(s), "");
    }
}

/* ---- a change ---- */

/* docs/immp.md, "+SECURE": the pin stays, and the administrators are told once per change. */
static void keys_that_differ_from_the_pin_are_refused_and_told_once(void **state)
{
    struct scene *s = *state;
    struct peer p;

    assert_int_equal(ask(s), ERR_NONE);
    offer_other_keys(s);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(s), ERR_DENIED);
        assert_int_equal(s->err.status, STATUS_NOT_SECURE);
    }
    assert_string_equal(pinned(s), fp_of(s->b->domain.identity));
    p = peer_of(s);
    assert_string_equal(p.offered_sign, fp_of(s->other));
    peer_clear(&p);
    assert_int_equal(world_count(s->a, "admin@a.test", "INBOX"), 1);
    assert_true(world_text(s->a, "admin@a.test", fp_of(s->other))[0] != '\0');

    /* The right ones again: the offer is forgotten, and a new change is told again. */
    s->sign_pem = s->encrypt_pem = NULL;
    assert_int_equal(ask(s), ERR_NONE);
    p = peer_of(s);
    assert_null(p.offered_sign);
    peer_clear(&p);
    offer_other_keys(s);
    assert_int_equal(ask(s), ERR_DENIED);
    assert_int_equal(world_count(s->a, "admin@a.test", "INBOX"), 2);
}

/* Who could change the encryption key alone could read the mail. */
static void another_encryption_key_alone_is_refused(void **state)
{
    struct scene *s = *state;
    struct peer p;

    assert_int_equal(ask(s), ERR_NONE);
    s->encrypt_pem = certificate_pem(identity_encrypt_certificate(s->other));
    assert_int_equal(ask(s), ERR_DENIED);
    assert_int_equal(ask(s), ERR_DENIED);
    assert_int_equal(world_count(s->a, "admin@a.test", "INBOX"), 1);
    p = peer_of(s);
    assert_string_equal(p.offered_sign,
                        certificate_fingerprint(identity_encrypt_certificate(s->other)));
    peer_clear(&p);
}

static void endorsement_that_does_not_hold_is_no_endorsement(void **state)
{
    struct scene *s = *state;

    assert_int_equal(ask(s), ERR_NONE);
    offer_other_keys(s);
    s->endorsement = "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n";
    assert_int_equal(ask(s), ERR_DENIED);
    assert_string_equal(pinned(s), fp_of(s->b->domain.identity));
}

/* docs/xmpp.md, "Keys": SignedData by the old key over "domain LF sign FP LF encrypt FP LF". */
static void endorsed_keys_replace_the_pin(void **state)
{
    struct scene *s = *state;
    struct str text = STR_INIT, armor = STR_INIT;
    struct peer p;

    assert_int_equal(ask(s), ERR_NONE);
    offer_other_keys(s);
    str_addf(&text, "b.test\nsign %s\nencrypt %s\n", fp_of(s->other),
             certificate_fingerprint(identity_encrypt_certificate(s->other)));
    /* A receipt is SignedData over a text by the signing key, which is all an endorsement is. */
    assert_int_equal(seal_make_receipt(s->b->domain.identity, text.s, text.len, &armor, NULL), 0);
    s->endorsement = str_c(&armor);
    assert_int_equal(ask(s), ERR_NONE);
    assert_string_equal(pinned(s), fp_of(s->other));
    p = peer_of(s);
    assert_int_equal(p.trust, PEER_TRUST_ENDORSED);
    peer_clear(&p);

    /* Back to the old ones: nothing endorses them. */
    s->sign_pem = s->encrypt_pem = s->endorsement = NULL;
    assert_int_equal(ask(s), ERR_DENIED);
    assert_string_equal(pinned(s), fp_of(s->other));
    str_clear(&text);
    str_clear(&armor);
}

/* ---- policy and the operator ---- */

static void pinned_policy_waits_for_the_operator(void **state)
{
    struct scene *s = *state;
    enum mail_trust policies[] = { MAIL_TRUST_PINNED, MAIL_TRUST_PKIX };
    struct keys_pair pair;

    for (size_t i = 0; i < N_ELEMENTS(policies); i++) {
        s->a->domain.trust = policies[i];
        assert_int_equal(ask(s), ERR_DENIED);
        assert_int_equal(ask(s), ERR_DENIED);
        assert_string_equal(pinned(s), "");
        assert_int_equal(keys_pinned(s->a->mail.keys, "b.test", &pair, NULL), 1);
        assert_false(pair.is_verified);
        assert_int_equal(keys_trust(s->a->mail.keys, "b.test", fp_of(s->b->domain.identity), NULL),
                         1);
        assert_string_equal(pinned(s), fp_of(s->b->domain.identity));
        assert_int_equal(ask(s), ERR_NONE);
        assert_int_equal(world_count(s->a, "admin@a.test", "INBOX"), i + 1);
        assert_int_equal(keys_unpin(s->a->mail.keys, "b.test", NULL), 1);
    }
    assert_int_equal(keys_unpin(s->a->mail.keys, "b.test", NULL), 0);
}

static void operator_may_trust_before_the_first_contact(void **state)
{
    struct scene *s = *state;

    s->a->domain.trust = MAIL_TRUST_PINNED;
    assert_int_equal(keys_trust(s->a->mail.keys, "b.test", fp_of(s->b->domain.identity), NULL), 0);
    assert_string_equal(pinned(s), "");
    offer_other_keys(s);
    assert_int_equal(ask(s), ERR_DENIED);
    s->sign_pem = s->encrypt_pem = NULL;
    assert_int_equal(ask(s), ERR_NONE);
    assert_string_equal(pinned(s), fp_of(s->b->domain.identity));
}

static void operator_may_trust_what_was_refused(void **state)
{
    struct scene *s = *state;

    assert_int_equal(ask(s), ERR_NONE);
    offer_other_keys(s);
    assert_int_equal(ask(s), ERR_DENIED);
    assert_int_equal(keys_trust(s->a->mail.keys, "b.test", fp_of(s->other), NULL), 0);
    assert_string_equal(pinned(s), "");   /* the old one is not used any more */
    assert_int_equal(ask(s), ERR_NONE);
    assert_string_equal(pinned(s), fp_of(s->other));
}

static void unpinned_domain_is_as_on_first_contact(void **state)
{
    struct scene *s = *state;

    assert_int_equal(ask(s), ERR_NONE);
    offer_other_keys(s);
    assert_int_equal(ask(s), ERR_DENIED);
    assert_int_equal(keys_unpin(s->a->mail.keys, "b.test", NULL), 1);
    assert_string_equal(pinned(s), "");
    assert_int_equal(ask(s), ERR_NONE);
    assert_string_equal(pinned(s), fp_of(s->other));
}

static void blocked_domain_stays_blocked_until_it_is_not(void **state)
{
    struct scene *s = *state;
    struct keys_pair pair;

    assert_int_equal(keys_block(s->a->mail.keys, "b.test", true, NULL), 0);
    assert_int_equal(ask(s), ERR_DENIED);
    assert_int_equal(s->err.status, STATUS_NOT_ALLOWED);
    assert_int_equal(keys_pinned(s->a->mail.keys, "b.test", &pair, NULL), 1);
    assert_true(pair.is_blocked && pair.sign == NULL);
    assert_int_equal(keys_unpin(s->a->mail.keys, "b.test", NULL), 1);
    assert_int_equal(ask(s), ERR_DENIED);
    assert_int_equal(keys_block(s->a->mail.keys, "b.test", false, NULL), 0);
    assert_int_equal(ask(s), ERR_NONE);
    assert_int_equal(keys_block(s->a->mail.keys, "b.test", true, NULL), 0);
    assert_int_equal(keys_pinned(s->a->mail.keys, "b.test", &pair, NULL), 1);
    assert_true(pair.is_blocked && pair.sign != NULL);
}

/* ---- life ---- */

static void pins_of_a_commit_that_fails_are_forgotten(void **state)
{
    struct scene *s = *state;

    keys_ask(s->a->mail.keys, "a.test", "b.test", "immp.b.test", 1, answered, s);
    WORLD_UNTIL(s->worlds, s->answers == 1);
    world_turns(s->worlds, 2);
    assert_int_equal(keys_unpin(s->a->mail.keys, "b.test", NULL), 1);
    assert_string_equal(pinned(s), "");
    store_rollback(s->a->mail.store);
    keys_changed(s->a->mail.keys, NULL);
    assert_string_equal(pinned(s), fp_of(s->b->domain.identity));
}

static void destroying_with_queries_under_way_is_safe(void **state)
{
    struct scene *s = *state;

    s->action = FAKE_HOLD;
    for (uint64_t i = 0; i < 5; i++)
        keys_ask(s->a->mail.keys, "a.test", "b.test", "immp.b.test", i, answered, s);
    keys_set_transport(s->a->mail.keys, NULL);
    keys_ask(s->a->mail.keys, "a.test", "c.test", "immp.c.test", 9, answered, s);
    world_restart(s->a);
    assert_int_equal(s->answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(first_contact_pins_and_survives_a_restart),
        T(asks_for_the_same_keys_are_one_query),
        T(forgotten_ask_is_not_answered),
        T(second_answer_to_a_query_is_ignored),
        T(query_without_an_answer_is_temporary),
        T(answer_that_is_no_key_is_temporary),
        T(keys_that_differ_from_the_pin_are_refused_and_told_once),
        T(another_encryption_key_alone_is_refused),
        T(endorsement_that_does_not_hold_is_no_endorsement),
        T(endorsed_keys_replace_the_pin),
        T(pinned_policy_waits_for_the_operator),
        T(operator_may_trust_before_the_first_contact),
        T(operator_may_trust_what_was_refused),
        T(unpinned_domain_is_as_on_first_contact),
        T(blocked_domain_stays_blocked_until_it_is_not),
        T(pins_of_a_commit_that_fails_are_forgotten),
        T(destroying_with_queries_under_way_is_safe),
#undef T
    };

    log_setup(LOG_T_NONE, LOG_L_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
