/* SPDX-License-Identifier: MIT */
/*
 * Tests of what answers mean: docs/xmpp.md, "The seal" (receipts, refusals). A receipt that does
 * not hold in any way leaves the mail in the queue.
 */
#include "lib/patience.h"
#include "lib/test.h"

#include "mail/outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/mail/scene.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/inbound.h"
#include "seal/digest.h"
#include "seal/seal.h"
#include "store/queue.h"
#include "wire/message.h"
#include "wire/receipt.h"
#include "wire/status.h"

static const struct outbound_counters *out(struct scene *s)
{
    return outbound_counters(s->a->mail.outbound);
}

static size_t bobs(struct scene *s)
{
    return world_count(s->b, "bob@b.test", "INBOX");
}

/* ---- forging receipts ---- */

static struct receipt open_receipt(struct scene *s, const struct fake_packet *p)
{
    struct str text = STR_INIT;
    struct receipt r;

    assert_int_equal(seal_open_receipt(identity_sign_certificate(s->b->domain.identity),
                                       p->armor.s, p->armor.len, &text, NULL), 0);
    assert_int_equal(receipt_parse(str_c(&text), text.len, &r, NULL), 0);
    str_clear(&text);
    return r;
}

static void sign_receipt(const struct identity *id, struct receipt *r, struct fake_packet *p)
{
    struct str text = STR_INIT;

    receipt_format(&text, r);
    str_truncate(&p->armor, 0);
    assert_int_equal(seal_make_receipt(id, text.s, text.len, &p->armor, NULL), 0);
    str_clear(&text);
    receipt_clear(r);
}

static void no_armor(struct scene *s, struct fake_packet *p)
{
    (void)s;
    str_truncate(&p->armor, 0);
    str_add(&p->armor, "thank you");
}

static void nothing_at_all(struct scene *s, struct fake_packet *p)
{
    (void)s;
    str_truncate(&p->armor, 0);
}

static void unsigned_text(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);
    struct str text = STR_INIT;

    receipt_format(&text, &r);
    str_truncate(&p->armor, 0);
    str_add(&p->armor, "-----BEGIN CMS-----\n");
    base64_add(&p->armor, text.s, text.len, 64);
    str_add(&p->armor, "\n-----END CMS-----\n");
    str_clear(&text);
    receipt_clear(&r);
}

static void signed_by_us(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);

    sign_receipt(s->a->domain.identity, &r, p);
}

static void signed_by_a_stranger(struct scene *s, struct fake_packet *p)
{
    struct identity_files files = { .directory = s->b->dir };
    struct identity *id = identity_load("c.test", &files, NULL, NULL);
    struct receipt r = open_receipt(s, p);

    sign_receipt(id, &r, p);
    identity_unref(&id);
}

static void for_another_bundle(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);

    uuid_generate(r.bundle);
    sign_receipt(s->b->domain.identity, &r, p);
}

static void for_another_digest(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);

    r.sha256[0] = r.sha256[0] == '0' ? '1' : '0';
    sign_receipt(s->b->domain.identity, &r, p);
}

static void no_receipt_text(struct scene *s, struct fake_packet *p)
{
    str_truncate(&p->armor, 0);
    assert_int_equal(seal_make_receipt(s->b->domain.identity, "{}", 2, &p->armor, NULL), 0);
}

static void too_long(struct scene *s, struct fake_packet *p)
{
    (void)s;
    while (p->armor.len <= 1024 * 1024)
        str_add(&p->armor, "                                                                ");
}

/* Issue, "Bad input": a receipt that is unsigned, by another key, for another bundle or digest. */
static void receipt_that_does_not_hold_leaves_the_mail_queued(void **state)
{
    static void (*const changes[])(struct scene *, struct fake_packet *) = {
        no_armor,     nothing_at_all,       unsigned_text,      signed_by_us,
        no_receipt_text, signed_by_a_stranger, for_another_bundle, for_another_digest, too_long,
    };
    struct scene *s = *state;

    s->a->retry_ms[0] = 5 * 60 * 1000;
    for (size_t i = 0; i < N_ELEMENTS(changes); i++) {
        scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, changes[i]);
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        WORLD_UNTIL(s->worlds, strcmp(scene_state(s), "resting") == 0);
        assert_int_equal(world_queued(s->a), 1);
        assert_int_equal(out(s)->bad_receipts, i + 1);
        assert_int_equal(outbound_retry(s->a->mail.outbound, NULL, NULL), 1);
        scene_deliver(s);
        assert_int_equal(bobs(s), i + 1);
    }
    assert_int_equal(out(s)->bounces, 0);
}

static size_t flip_at;

static void flip(struct scene *s, struct fake_packet *p)
{
    (void)s;
    p->armor.s[flip_at % p->armor.len] ^= 1 << flip_at % 5;
}

/* A receipt altered in any byte: it settles nothing that it did not say. */
static void altered_receipt_settles_nothing(void **state)
{
    struct scene *s = *state;
    size_t n = 0;

    for (size_t i = 0; i < N_ELEMENTS(s->a->retry_ms); i++)
        s->a->retry_ms[i] = 1;
    for (flip_at = 40; flip_at < 1200; flip_at += 37) {
        scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, flip);
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        scene_deliver(s);
        assert_int_equal(bobs(s), ++n);
    }
    assert_true(out(s)->bad_receipts > n * 8 / 10);   /* white space may be altered in vain */
    assert_int_equal(out(s)->bounces, 0);
}

static struct str old_receipt;

static void keep_receipt(struct scene *s, struct fake_packet *p)
{
    (void)s;
    str_addn(&old_receipt, p->armor.s, p->armor.len);
}

static void replay_receipt(struct scene *s, struct fake_packet *p)
{
    (void)s;
    str_truncate(&p->armor, 0);
    str_addn(&p->armor, old_receipt.s, old_receipt.len);
}

static void receipt_of_another_time_is_worth_nothing(void **state)
{
    struct scene *s = *state;

    scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, keep_receipt);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, replay_receipt);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(out(s)->bad_receipts, 1);
    assert_int_equal(bobs(s), 2);
    str_clear(&old_receipt);
}

/* ---- results ---- */

static int forced_code;
static const char *forced_to;

/* Another code for one recipient, or for all. */
static void change_code(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);

    for (size_t i = 0; i < r.n; i++)
        if (forced_to == NULL || strcmp(r.results[i].to, forced_to) == 0)
            r.results[i].code = forced_code;
    sign_receipt(s->b->domain.identity, &r, p);
}

static void drop_results(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);

    for (size_t i = 0; i < r.n; i++) {
        free(r.results[i].to);
        r.results[i].to = mem_strdup("somebody@b.test");
    }
    sign_receipt(s->b->domain.identity, &r, p);
}

static void reverse_results(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);

    for (size_t i = 0; i < r.n / 2; i++) {
        struct receipt_result x = r.results[i];

        r.results[i] = r.results[r.n - 1 - i];
        r.results[r.n - 1 - i] = x;
    }
    sign_receipt(s->b->domain.identity, &r, p);
}

static void temporary_code_is_tried_again_and_a_permanent_one_bounces(void **state)
{
    static const struct { int code; bool is_again, is_bounce; } rows[] = {
        { 201, false, false }, { 202, false, false }, { 299, false, false },
        { 404, false, true  }, { 440, false, true  }, { 499, false, true  }, { 750, false, true },
        { 700, true,  false }, { 706, true,  false }, { 399, true,  false },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        uint64_t bundles = out(s)->bundles, bounces = out(s)->bounces;

        forced_code = rows[i].code;
        forced_to = NULL;
        scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, change_code);
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        scene_deliver(s);
        assert_int_equal(out(s)->bundles - bundles, rows[i].is_again ? 2 : 1);
        assert_int_equal(out(s)->bounces - bounces, rows[i].is_bounce ? 1 : 0);
        assert_int_equal(bobs(s), i + 1);
    }
    assert_int_equal(out(s)->failures, 0);   /* a receipt that holds is no failure of the path */
}

static char *settled_now;

static int read_settled(void *ctx, const struct queue_entry *q)
{
    (void)ctx;
    free(settled_now);
    settled_now = mem_strdup(q->settled);
    return 0;
}

static void only_recipients_that_are_not_settled_stay(void **state)
{
    struct scene *s = *state;

    s->a->retry_ms[0] = 5 * 60 * 1000;
    forced_code = 703;
    forced_to = "carol@b.test";
    scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, change_code);
    world_send(s->a, "alice@a.test", "bob@b.test carol@b.test nobody@b.test", 10, MESSAGE_RECEIPT);
    WORLD_UNTIL(s->worlds, s->times == 0 && strcmp(scene_state(s), "idle") == 0);
    assert_int_equal(world_queued(s->a), 1);
    assert_int_equal(queue_each(s->a->mail.store, NULL, read_settled, NULL, NULL), 1);
    assert_string_equal(settled_now, "bob@b.test\nnobody@b.test\n");
    free(settled_now);
    settled_now = NULL;
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 2);   /* of bob and of nobody */
    assert_int_equal(outbound_retry(s->a->mail.outbound, NULL, NULL), 1);
    scene_deliver(s);
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), 3);   /* and of carol, only */
    assert_int_equal(bobs(s), 1);
}

static void only_recipients_that_are_not_settled_bounce_at_expiry(void **state)
{
    struct scene *s = *state;

    s->a->domain.expire_ms = patient_ms(200);
    world_restart(s->a);
    forced_code = 703;
    forced_to = "bob@b.test";
    scene_hook(s, FAKE_RECEIPT, 1000, FAKE_PASS, change_code);
    world_send(s->a, "alice@a.test", "bob@b.test carol@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(out(s)->bounces, 1);
    assert_int_equal(out(s)->expired, 1);
    assert_true(world_text(s->a, "alice@a.test", "\"bob@b.test\"")[0] != '\0');
}

static void receipt_that_says_nothing_of_a_message_settles_nothing(void **state)
{
    struct scene *s = *state;

    scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, drop_results);
    for (int i = 0; i < 3; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(bobs(s), 3);
    assert_int_equal(out(s)->messages, 6);
}

static void results_may_come_in_any_order(void **state)
{
    struct scene *s = *state;

    scene_hook(s, FAKE_RECEIPT, 10, FAKE_PASS, reverse_results);
    for (int i = 0; i < 50; i++)
        world_send(s->a, "alice@a.test", "bob@b.test carol@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(out(s)->messages, 50);
    assert_int_equal(bobs(s), 50);
}

/* ---- refusals ---- */

static enum refusal forced_refusal;
static size_t refused_messages;

static void refuse(struct scene *s, struct fake_packet *p)
{
    struct receipt r = open_receipt(s, p);

    refused_messages += r.n;
    for (size_t i = 0; i < r.n; i++) {
        free(r.results[i].to);
        free(r.results[i].text);
    }
    free(r.results);
    r.results = NULL;
    r.n = 0;
    r.refused = forced_refusal;
    free(r.refused_text);
    r.refused_text = mem_strdup("just so");
    sign_receipt(s->b->domain.identity, &r, p);
}

/* docs/xmpp.md, "The seal": permanent for that bundle only after one rebuild. */
static void refused_message_is_rebuilt_once_and_then_bounces(void **state)
{
    static const enum refusal codes[] = {
        REFUSED_BAD_SEAL, REFUSED_BAD_SIGNATURE,     REFUSED_WRONG_DESTINATION,
        REFUSED_MISMATCH, REFUSED_EXPIRED,           REFUSED_ID_REUSED,
        REFUSED_MALFORMED, REFUSED_TOO_LARGE,        REFUSED_NOT_AUTHORISED,
    };
    struct scene *s = *state;

    for (size_t i = 0; i < N_ELEMENTS(codes); i++) {
        uint64_t bounces = out(s)->bounces, refused = out(s)->refused;

        forced_refusal = codes[i];
        scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, refuse);
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
        scene_deliver(s);
        assert_int_equal(out(s)->bounces, bounces);
        assert_int_equal(out(s)->refused, refused + 1);

        scene_hook(s, FAKE_RECEIPT, 2, FAKE_PASS, refuse);
        world_send(s->a, "alice@a.test", "bob@b.test carol@b.test", 10, 0);
        scene_deliver(s);
        assert_int_equal(out(s)->bounces, bounces + 2);   /* a notice for each recipient */
        assert_int_equal(out(s)->refused, refused + 3);
        assert_true(world_text(s->a, "alice@a.test", refusal_name(codes[i]))[0] != '\0');
        assert_true(world_text(s->a, "alice@a.test", "just so")[0] != '\0');
    }
    assert_int_equal(out(s)->failures, 0);
    assert_int_equal(out(s)->bad_receipts, 0);
}

static void refused_bundle_goes_again_message_by_message(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    forced_refusal = REFUSED_MALFORMED;
    refused_messages = 0;
    scene_hook(s, FAKE_RECEIPT, 3, FAKE_PASS, refuse);   /* the bundle, and two of the single ones */
    for (int i = 0; i < 10; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(refused_messages, 12);
    assert_int_equal(out(s)->bounces, 2);
    assert_int_equal(out(s)->bundles, 1 + 1 + 10);
}

static void busy_peer_is_left_alone_for_a_moment(void **state)
{
    struct scene *s = *state;
    size_t window;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    window = scene_path(s)->window;
    forced_refusal = REFUSED_BUSY;
    scene_hook(s, FAKE_RECEIPT, 3, FAKE_PASS, refuse);
    for (int i = 0; i < 10; i++)
        world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(out(s)->refused, 3);
    assert_int_equal(out(s)->bounces, 0);
    assert_int_equal(bobs(s), 11);
    assert_true(scene_path(s)->window < window);
}

static void unknown_key_makes_it_ask_for_the_keys_again(void **state)
{
    struct scene *s = *state;

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    forced_refusal = REFUSED_UNKNOWN_KEY;
    scene_hook(s, FAKE_RECEIPT, 1, FAKE_PASS, refuse);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(fake_sent(s->net, FAKE_KEYS), 3);   /* one of them was b.test's */
    assert_int_equal(out(s)->failures, 0);

    /* Once: if that does not help, the path rests. */
    scene_hook(s, FAKE_RECEIPT, 2, FAKE_PASS, refuse);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    assert_int_equal(fake_sent(s->net, FAKE_KEYS), 4);
    assert_int_equal(out(s)->failures, 1);
    assert_int_equal(out(s)->bounces, 0);
    assert_int_equal(bobs(s), 3);
}

/* The peer made new keys, and nothing endorses them: its mail waits for the operator. */
static void new_keys_of_the_peer_stop_the_path(void **state)
{
    struct scene *s = *state;
    struct identity_files files;
    char dir[TEMP_DIR_SIZE];

    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    scene_deliver(s);
    temp_dir_make(dir);
    files = (struct identity_files){ .directory = dir };
    identity_unref(&s->b->domain.identity);
    s->b->domain.identity = identity_load("b.test", &files, NULL, NULL);
    world_restart(s->b);
    world_send(s->a, "alice@a.test", "bob@b.test", 10, 0);
    WORLD_UNTIL(s->worlds, strcmp(scene_state(s), "resting") == 0);
    assert_int_equal(world_queued(s->a), 1);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(out(s)->bounces, 0);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
        T(receipt_that_does_not_hold_leaves_the_mail_queued),
        T(altered_receipt_settles_nothing),
        T(receipt_of_another_time_is_worth_nothing),
        T(temporary_code_is_tried_again_and_a_permanent_one_bounces),
        T(only_recipients_that_are_not_settled_stay),
        T(only_recipients_that_are_not_settled_bounce_at_expiry),
        T(receipt_that_says_nothing_of_a_message_settles_nothing),
        T(results_may_come_in_any_order),
        T(refused_message_is_rebuilt_once_and_then_bounces),
        T(refused_bundle_goes_again_message_by_message),
        T(busy_peer_is_left_alone_for_a_moment),
        T(unknown_key_makes_it_ask_for_the_keys_again),
        T(new_keys_of_the_peer_stop_the_path),
#undef T
    };

    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
