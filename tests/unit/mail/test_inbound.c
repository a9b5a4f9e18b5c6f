/* SPDX-License-Identifier: MIT */
/*
 * Tests of mail/inbound.h: docs/xmpp.md, "The seal", all checks in their order. Seals are forged
 * here from the codecs, so each lie can be told alone.
 */
#include "config.h"

#include "lib/test.h"

#include "mail/inbound.h"

#include <stdlib.h>
#include <string.h>

#include "unit/mail/scene.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/keys.h"
#include "seal/digest.h"
#include "seal/seal.h"
#include "store/record.h"
#include "wire/bundle.h"
#include "wire/receipt.h"
#include "wire/status.h"

#define MAX_ANSWERS 600

/* A seal from a.test to b.test, and what is wrong with it: NULL and 0 where nothing is. */
struct forge {
    const char *attr_bundle, *head_bundle;
    const char *attr_origin, *head_origin, *origin, *from;
    const char *attr_destination, *head_destination, *destination, *to;
    const struct identity *signer, *message_signer;
    const struct identity *recipient;        /* whose key it is encrypted to */
    int64_t head_time, expires;              /* relative to now; 0: now, never */
    enum message_kind kind;
    const char *id;                          /* of the (first) message */
    const char *text;                        /* its octets */
    const char *digested;                    /* what its digest is of */
    int messages;                            /* 0: one */
    bool is_second_signed_badly;
    const char *behind;                      /* bytes behind the last message */
    int announced;                           /* messages that the head says */
    bool is_not_vouched;
    unsigned flags;
};

struct answer {
    int n;                 /* answers so far */
    bool is_error;
    struct err err;
    struct receipt r;
    uint64_t token;
};

static struct str the_armor = STR_INIT;   /* of the last forged seal */
static char the_bundle[UUID_SIZE];
static char the_id[UUID_SIZE];
static struct identity *stranger;         /* c.test */
static struct scene *the_scene;

static const char *or(const char *a, const char *b)
{
    return a != NULL ? a : b;
}

/* ---- forging ---- */

static void add_message(struct str *out, struct scene *s, const struct forge *f, int i)
{
    const char *text = or(f->text, "Hello");
    const char *digested = or(f->digested, text);
    const struct identity *signer = f->message_signer != NULL ? f->message_signer
                                                              : s->a->domain.identity;
    struct str header = STR_INIT, signature = STR_INIT;
    struct message m;
    char sha256[65];
    char *to = mem_strdup(or(f->to, "bob@b.test")), *rest = NULL;

    message_init(&m);
    if (i == 0 && f->id != NULL)
        memcpy(m.id, f->id, UUID_SIZE);
    else
        uuid_generate(m.id);
    if (i == 0)
        memcpy(the_id, m.id, UUID_SIZE);
    m.kind = f->kind != MESSAGE_NONE ? f->kind : MESSAGE_MAIL;
    m.origin = mem_strdup(or(f->origin, "a.test"));
    m.destination = mem_strdup(or(f->destination, "b.test"));
    m.from = mem_strdup(or(f->from, "alice@a.test"));
    for (char *a = strtok_r(to, " ", &rest); a != NULL; a = strtok_r(NULL, " ", &rest))
        message_add_to(&m, a);
    m.date_ms = 1795000000000;
    m.flags = f->flags;
    if (f->expires != 0 && i == 0)
        m.expires_ms = clock_wall_ms(&s->a->clock) + f->expires;
    digest_sha256_hex(digested, strlen(digested), sha256);
    message_add_part(&m, "text", "text/plain", true, strlen(text), sha256);
    message_format(&header, &m);
    if (i == 1 && f->is_second_signed_badly)
        signer = s->b->domain.identity;
    assert_int_equal(seal_sign_message(signer, header.s, header.len, &signature, NULL), 0);
    bundle_add_message(out, header.s, header.len, str_c(&signature));
    str_add(out, text);
    str_clear(&header);
    str_clear(&signature);
    message_clear(&m);
    free(to);
}

/* Fills the_armor, the_bundle, the_id. */
static void forge(struct scene *s, const struct forge *f)
{
    int n = f->messages != 0 ? f->messages : 1;
    struct bundle_head head = {
        .origin = (char *)or(f->head_origin, "a.test"),
        .destination = (char *)or(f->head_destination, "b.test"),
        .time_ms = clock_wall_ms(&s->a->clock) + f->head_time,
        .messages = (size_t)(f->announced != 0 ? f->announced : n),
    };
    const struct identity *signer = f->signer != NULL ? f->signer : s->a->domain.identity;
    const struct identity *recipient = f->recipient != NULL ? f->recipient : s->b->domain.identity;
    struct str bundle = STR_INIT;
    char sha256[SEAL_SHA256_SIZE];

    uuid_generate(the_bundle);
    if (f->attr_bundle != NULL)
        memcpy(the_bundle, f->attr_bundle, UUID_SIZE);
    memcpy(head.id, or(f->head_bundle, the_bundle), UUID_SIZE);
    bundle_add_head(&bundle, &head, 7);
    for (int i = 0; i < n; i++)
        add_message(&bundle, s, f, i);
    str_add(&bundle, or(f->behind, ""));
    str_truncate(&the_armor, 0);
    assert_int_equal(seal_make(signer, identity_encrypt_certificate(recipient), bundle.s,
                               bundle.len, &the_armor, sha256, NULL), 0);
    str_clear(&bundle);
}

/* ---- taking ---- */

static void answered(void *ctx, uint64_t token, const char *receipt, size_t len,
                     const struct err *err)
{
    struct answer *a = ctx;
    struct str text = STR_INIT;

    a->n++;
    a->token = token;
    a->is_error = err != NULL;
    receipt_clear(&a->r);
    if (err != NULL) {
        a->err = *err;
        return;
    }
    assert_int_equal(
        seal_open_receipt(identity_sign_certificate(the_scene->b->domain.identity), receipt, len,
                          &text, NULL), 0);
    assert_int_equal(receipt_parse(str_c(&text), text.len, &a->r, NULL), 0);
    str_clear(&text);
}

static void give(struct scene *s, const struct forge *f, uint64_t token, struct answer *a)
{
    struct inbound_seal seal = {
        .at = "b.test",
        .bundle = the_bundle,
        .origin = or(f->attr_origin, "a.test"),
        .destination = or(f->attr_destination, "b.test"),
        .address = "immp.a.test",
        .is_vouched = !f->is_not_vouched,
        .armor = str_c(&the_armor),
        .len = the_armor.len,
    };

    inbound_take(s->b->mail.inbound, &seal, token, answered, a);
}

static bool has_answer(void *ctx)
{
    return ((struct answer *)ctx)->n > 0;
}

/* Give the_armor and wait for its answer. */
static struct answer take(struct scene *s, const struct forge *f)
{
    struct answer a = { 0 };

    give(s, f, 42, &a);
    assert_true(world_run(s->worlds, has_answer, &a, 5000));
    world_turns(s->worlds, 2);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.token, 42);
    if (!a.is_error) {
        assert_string_equal(a.r.bundle, the_bundle);
        assert_int_equal(strlen(a.r.sha256), 64);
    }
    return a;
}

/* Forge, give, and what became of it: the refusal, or NONE. */
static enum refusal refusal_of(struct scene *s, const struct forge *f)
{
    struct answer a;
    enum refusal why;

    forge(s, f);
    a = take(s, f);
    assert_false(a.is_error);
    why = a.r.refused;
    receipt_clear(&a.r);
    return why;
}

/* The code for the first recipient. */
static int code_of(struct scene *s, const struct forge *f)
{
    struct answer a;
    int code;

    forge(s, f);
    a = take(s, f);
    assert_false(a.is_error);
    assert_int_equal(a.r.refused, REFUSED_NONE);
    code = a.r.results[0].code;
    receipt_clear(&a.r);
    return code;
}

static const struct inbound_counters *in(struct scene *s)
{
    return inbound_counters(s->b->mail.inbound);
}

static size_t bobs(struct scene *s)
{
    return world_count(s->b, "bob@b.test", "INBOX");
}

static void take_and_forget(struct scene *s, const struct forge *f)
{
    struct answer a = take(s, f);

    receipt_clear(&a.r);
}

static int setup(void **state)
{
    struct identity_files files;
    struct scene *s;

    scene_setup(state);
    s = *state;
    the_scene = s;
    files = (struct identity_files){ .directory = s->b->dir };
    stranger = identity_load("c.test", &files, NULL, NULL);
    assert_non_null(stranger);
    return 0;
}

static int teardown(void **state)
{
    identity_unref(&stranger);
    str_clear(&the_armor);
    return scene_teardown(state);
}

/* ---- good ones ---- */

static void good_seal_is_delivered_and_its_receipt_signed(void **state)
{
    struct scene *s = *state;
    struct forge f = { .to = "bob@b.test carol@b.test nobody@b.test", .messages = 3 };
    struct answer a;
    char sha256[65];
    struct str der = STR_INIT;
    const char *body;

    forge(s, &f);
    a = take(s, &f);
    assert_int_equal(a.r.refused, REFUSED_NONE);
    assert_int_equal(a.r.n, 9);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(a.r.results[i].code, i % 3 == 2 ? STATUS_NO_ACCOUNT : STATUS_DELIVERED);
    assert_string_equal(a.r.results[0].id, the_id);
    assert_string_equal(a.r.results[1].to, "carol@b.test");
    body = strstr(the_armor.s, "-----BEGIN CMS-----") + 19;
    assert_int_equal(base64_decode(body, (size_t)(strstr(body, "-----END") - body), &der), 0);
    digest_sha256_hex(der.s, der.len, sha256);
    assert_string_equal(a.r.sha256, sha256);
    assert_int_equal(bobs(s), 3);
    assert_int_equal(in(s)->messages, 3);
    assert_int_equal(in(s)->delivered, 6);
    receipt_clear(&a.r);
    str_clear(&der);
}

/* docs/xmpp.md, "Finding the peer": or if the seal verifies with the origin's already pinned key. */
static void component_that_is_not_vouched_needs_a_pinned_key(void **state)
{
    struct scene *s = *state;
    struct forge f = { .is_not_vouched = true };

    assert_int_equal(refusal_of(s, &f), REFUSED_NOT_AUTHORISED);
    assert_int_equal(fake_sent(s->net, FAKE_KEYS), 0);
    f.is_not_vouched = false;
    assert_int_equal(refusal_of(s, &f), REFUSED_NONE);
    f.is_not_vouched = true;
    assert_int_equal(refusal_of(s, &f), REFUSED_NONE);
    assert_int_equal(bobs(s), 2);
}

/* ---- each lie ---- */

static void seal_with_one_thing_wrong_is_refused_with_its_own_code(void **state)
{
    static const char *const uuid = "9507ce26-d34e-41cb-9f14-4eeff943e25e";
    struct scene *s = *state;
    const struct identity *a = s->a->domain.identity, *b = s->b->domain.identity;
    const int64_t day = 24 * 3600 * 1000;
    const struct { struct forge f; enum refusal why; } rows[] = {
        { { .messages = 2 }, REFUSED_NONE },
        /* who it is for */
        { { .attr_destination = "c.test" }, REFUSED_WRONG_DESTINATION },
        { { .head_destination = "c.test" }, REFUSED_MISMATCH },
        { { .destination = "c.test", .to = "bob@c.test" }, REFUSED_MISMATCH },
        { { .destination = "c.test" }, REFUSED_MALFORMED },   /* within one header: grammar */
        { { .to = "bob@c.test" }, REFUSED_MALFORMED },
        { { .to = "bob@b.test bob@a.test" }, REFUSED_MALFORMED },
        { { .recipient = stranger }, REFUSED_UNKNOWN_KEY },
        /* who it is from */
        { { .signer = b }, REFUSED_UNKNOWN_KEY },
        { { .signer = stranger }, REFUSED_UNKNOWN_KEY },
        { { .head_origin = "c.test" }, REFUSED_MISMATCH },
        { { .origin = "c.test", .from = "alice@c.test" }, REFUSED_MISMATCH },
        { { .origin = "c.test" }, REFUSED_MALFORMED },
        { { .from = "alice@c.test" }, REFUSED_MALFORMED },
        { { .message_signer = b }, REFUSED_BAD_SIGNATURE },
        { { .message_signer = stranger }, REFUSED_BAD_SIGNATURE },
        { { .messages = 2, .is_second_signed_badly = true }, REFUSED_BAD_SIGNATURE },
        { { .attr_origin = "A.test" }, REFUSED_MISMATCH },
        { { .attr_origin = "no domain" }, REFUSED_MISMATCH },
        /* which one it is */
        { { .head_bundle = uuid }, REFUSED_MISMATCH },
        /* when */
        { { .head_time = -7 * day + 60000 }, REFUSED_NONE },
        { { .head_time = -7 * day - 60000 }, REFUSED_EXPIRED },
        { { .head_time = 9 * 60000 }, REFUSED_NONE },
        { { .head_time = 11 * 60000 }, REFUSED_EXPIRED },
        /* what is in it */
        { { .text = "Hello", .digested = "Hellp" }, REFUSED_MALFORMED },
        { { .behind = "x" }, REFUSED_MALFORMED },
        { { .announced = 2 }, REFUSED_MALFORMED },
        { { .messages = 2, .announced = 1 }, REFUSED_MALFORMED },
    };
    uint64_t expected[REFUSED_COUNT] = { 0 };

    (void)a;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        enum refusal why = refusal_of(s, &rows[i].f);

        if (why != rows[i].why)
            fail_msg("row %zu: %s, not %s", i, or(refusal_name(why), "taken"),
                     or(refusal_name(rows[i].why), "taken"));
        expected[why]++;
    }
    for (size_t i = 1; i < REFUSED_COUNT; i++)
        assert_int_equal(in(s)->refused[i], expected[i]);
    assert_int_equal(bobs(s), 4);
}

/* A seal of another domain that is given as a.test's: the key that is pinned decides. */
static void seal_that_another_domain_has_signed_again_is_refused(void **state)
{
    struct scene *s = *state;
    struct forge good = { 0 }, mallory = { .signer = stranger, .attr_origin = "c.test" };

    forge(s, &good);
    take_and_forget(s, &good);
    /* c.test speaks for itself, with what a.test has written inside: the names do not agree. */
    assert_int_equal(keys_trust(s->b->mail.keys, "c.test",
                                certificate_fingerprint(identity_sign_certificate(stranger)), NULL),
                     0);
    mallory.is_not_vouched = true;
    assert_int_equal(refusal_of(s, &mallory), REFUSED_NOT_AUTHORISED);
    assert_int_equal(bobs(s), 1);
}

static void altered_seal_is_refused_whatever_byte_it_is(void **state)
{
    struct scene *s = *state;
    struct forge f = { 0 };
    struct str good = STR_INIT;
    size_t taken = 0;

    assert_int_equal(refusal_of(s, &f), REFUSED_NONE);
    forge(s, &f);
    str_addn(&good, the_armor.s, the_armor.len);
    for (size_t at = 0; at < good.len; at += 1 + at % 23) {
        struct answer a;

        str_truncate(&the_armor, 0);
        str_addn(&the_armor, good.s, good.len);
        the_armor.s[at] ^= 1 << (at % 7);
        a = take(s, &f);
        assert_false(a.is_error);
        /* White space between the lines may be another one. */
        if (a.r.refused == REFUSED_NONE)
            taken++;
        else
            assert_true(a.r.refused == REFUSED_BAD_SEAL || a.r.refused == REFUSED_BAD_SIGNATURE ||
                        a.r.refused == REFUSED_UNKNOWN_KEY);
        receipt_clear(&a.r);
    }
    assert_true(taken <= 5);
    assert_true(bobs(s) <= 2);   /* and what was taken is the message as it was */
    str_clear(&good);
}

static void nonsense_in_place_of_a_seal_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "hello",
        "-----BEGIN CMS-----\n-----END CMS-----\n",
        "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n",
        "-----BEGIN CMS-----\nnot base64!\n-----END CMS-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    };
    struct scene *s = *state;
    struct forge f = { 0 };

    assert_int_equal(refusal_of(s, &f), REFUSED_NONE);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct answer a;

        str_truncate(&the_armor, 0);
        str_add(&the_armor, rows[i]);
        a = take(s, &f);
        assert_false(a.is_error);
        assert_int_equal(a.r.refused, REFUSED_BAD_SEAL);
        receipt_clear(&a.r);
    }
}

static void seal_for_nobody_here_or_without_a_name_is_an_error(void **state)
{
    struct scene *s = *state;
    struct inbound_seal seal = {
        .bundle = "9507ce26-d34e-41cb-9f14-4eeff943e25e", .origin = "a.test",
        .destination = "c.test", .address = "immp.a.test", .armor = "x", .len = 1,
    };
    struct answer a = { 0 };

    inbound_take(s->b->mail.inbound, &seal, 1, answered, &a);
    world_turns(s->worlds, 5);
    assert_true(a.n == 1 && a.is_error);
    assert_int_equal(in(s)->refused[REFUSED_WRONG_DESTINATION], 1);
    seal.destination = "b.test";
    seal.bundle = "no uuid";
    inbound_take(s->b->mail.inbound, &seal, 1, answered, &a);
    world_turns(s->worlds, 5);
    assert_true(a.n == 2 && a.is_error);
    assert_int_equal(in(s)->refused[REFUSED_MALFORMED], 1);
}

static void seal_larger_than_a_mebibyte_is_too_large(void **state)
{
    struct scene *s = *state;
    struct forge f = { 0 };
    struct answer a;

    forge(s, &f);
    while (the_armor.len <= INBOUND_ARMOR_MAX)
        str_add(&the_armor, "\n                                                               ");
    a = take(s, &f);
    assert_int_equal(a.r.refused, REFUSED_TOO_LARGE);
    receipt_clear(&a.r);
}

/* ---- repeats ---- */

static void repeated_seal_gets_its_first_answer_and_delivers_nothing(void **state)
{
    struct scene *s = *state;
    struct forge f = { .to = "bob@b.test nobody@b.test" };
    struct answer first, again;

    forge(s, &f);
    first = take(s, &f);
    world_account(s->b, "nobody@b.test");   /* too late: it was answered */
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            world_restart(s->b);
        again = take(s, &f);
        assert_int_equal(again.r.n, 2);
        assert_int_equal(again.r.results[0].code, STATUS_DELIVERED);
        assert_int_equal(again.r.results[1].code, STATUS_NO_ACCOUNT);
        assert_string_equal(again.r.results[1].text, first.r.results[1].text);
        receipt_clear(&again.r);
    }
    receipt_clear(&first.r);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(world_count(s->b, "nobody@b.test", "INBOX"), 0);
}

/* The same message in another bundle is the same message. */
static void repeated_message_in_another_bundle_is_a_repeat(void **state)
{
    struct scene *s = *state;
    struct forge f = { 0 };
    char id[UUID_SIZE];

    assert_int_equal(code_of(s, &f), STATUS_DELIVERED);
    memcpy(id, the_id, sizeof(id));
    f.id = id;
    assert_int_equal(code_of(s, &f), STATUS_DELIVERED);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(in(s)->repeats, 1);
}

static void recipients_whose_answer_was_temporary_are_tried_again(void **state)
{
    struct scene *s = *state;
    struct forge f = { .to = "bob@b.test carol@b.test nobody@b.test" };
    struct record r = { 0 };
    struct answer a;

    forge(s, &f);
    take_and_forget(s, &f);
    /* As if carol's had been temporary then. */
    assert_int_equal(record_get(s->b->mail.store, "a.test", the_id, &r, NULL), 1);
    free(r.results);
    r.results = mem_strdup("201\tbob@b.test\t\n703\tcarol@b.test\tbusy\n"
                           "440\tnobody@b.test\tno such account\n");
    assert_int_equal(record_put(s->b->mail.store, &r, NULL), 1);
    record_clear(&r);
    a = take(s, &f);
    assert_int_equal(a.r.results[0].code, STATUS_DELIVERED);
    assert_int_equal(a.r.results[1].code, STATUS_DELIVERED);
    assert_int_equal(a.r.results[2].code, STATUS_NO_ACCOUNT);
    receipt_clear(&a.r);
    assert_int_equal(bobs(s), 1);
    assert_int_equal(record_get(s->b->mail.store, "a.test", the_id, &r, NULL), 1);
    assert_non_null(strstr(r.results, "201\tcarol@b.test"));
    record_clear(&r);
}

/* docs/xmpp.md, "The seal": the same id with other content is refused. */
static void id_with_other_content_is_refused(void **state)
{
    struct scene *s = *state;
    struct forge f = { 0 };
    char id[UUID_SIZE];
    struct answer a;

    assert_int_equal(code_of(s, &f), STATUS_DELIVERED);
    memcpy(id, the_id, sizeof(id));
    f.id = id;
    f.text = "Something else";
    assert_int_equal(refusal_of(s, &f), REFUSED_ID_REUSED);
    assert_int_equal(in(s)->refused[REFUSED_ID_REUSED], 1);
    /* Among others it is that message's result. */
    f.messages = 3;
    forge(s, &f);
    a = take(s, &f);
    assert_int_equal(a.r.refused, REFUSED_NONE);
    assert_int_equal(a.r.results[0].code, STATUS_PARAMETER);
    assert_non_null(strstr(a.r.results[0].text, "id-reused"));
    assert_int_equal(a.r.results[1].code, STATUS_DELIVERED);
    assert_int_equal(a.r.results[2].code, STATUS_DELIVERED);
    receipt_clear(&a.r);
    assert_int_equal(bobs(s), 3);
}

/* ---- what concerns one message ---- */

static void message_that_cannot_be_taken_costs_its_neighbours_nothing(void **state)
{
    static const struct { enum message_kind kind; int64_t expires; int code; } rows[] = {
        { MESSAGE_MAIL,   -1000,  STATUS_NOT_FOUND       },
        { MESSAGE_MAIL,   100000, STATUS_DELIVERED       },
        { MESSAGE_NOTICE, 0,      STATUS_DELIVERED       },
        { MESSAGE_PUSH,   0,      STATUS_PUSH_REFUSED    },
        { MESSAGE_EVENT,  0,      STATUS_NO_SUBSCRIPTION },
        { MESSAGE_REPORT, 0,      STATUS_NOT_ALLOWED     },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct forge f = { .kind = rows[i].kind, .expires = rows[i].expires };

        assert_int_equal(code_of(s, &f), rows[i].code);
        assert_true(status_is_success(rows[i].code) || status_is_permanent(rows[i].code));
    }
    assert_int_equal(bobs(s), 2);
    assert_int_equal(code_of(s, &(struct forge){ .expires = -1000, .messages = 3 }),
                     STATUS_NOT_FOUND);
    assert_int_equal(bobs(s), 4);
}

static void full_mailbox_is_a_result(void **state)
{
    struct scene *s = *state;

    s->b->domain.quota_bytes = 3;
    assert_int_equal(code_of(s, &(struct forge){ 0 }), STATUS_QUOTA);
    s->b->domain.quota_bytes = 1 << 30;
}

/* ---- keys ---- */

static void blocked_origin_is_not_authorised(void **state)
{
    struct scene *s = *state;

    assert_int_equal(keys_block(s->b->mail.keys, "a.test", true, NULL), 0);
    assert_int_equal(refusal_of(s, &(struct forge){ 0 }), REFUSED_NOT_AUTHORISED);
    assert_int_equal(keys_block(s->b->mail.keys, "a.test", false, NULL), 0);
    assert_int_equal(refusal_of(s, &(struct forge){ 0 }), REFUSED_NONE);
    assert_int_equal(keys_block(s->b->mail.keys, "a.test", true, NULL), 0);
    assert_int_equal(refusal_of(s, &(struct forge){ 0 }), REFUSED_NOT_AUTHORISED);
}

/* Where no receipt can be made (the keys are not there), a stanza error: temporary. */
static void keys_that_cannot_be_had_are_an_error(void **state)
{
    struct scene *s = *state;
    struct forge f = { 0 };
    struct answer a;

    scene_hook(s, FAKE_KEYS, 1, FAKE_FAIL, NULL);
    forge(s, &f);
    a = take(s, &f);
    assert_true(a.is_error);
    assert_int_equal(a.err.kind, ERR_TEMPORARY);
    assert_int_equal(in(s)->failed, 1);
    assert_int_equal(refusal_of(s, &f), REFUSED_NONE);
}

static void keys_that_the_policy_does_not_take_are_unknown(void **state)
{
    struct scene *s = *state;

    s->b->domain.trust = MAIL_TRUST_PINNED;
    assert_int_equal(refusal_of(s, &(struct forge){ 0 }), REFUSED_UNKNOWN_KEY);
    assert_int_equal(bobs(s), 0);
    assert_int_equal(
        keys_trust(s->b->mail.keys, "a.test",
                   certificate_fingerprint(identity_sign_certificate(s->a->domain.identity)), NULL),
        1);
    assert_int_equal(refusal_of(s, &(struct forge){ 0 }), REFUSED_NONE);
}

/* The origin has made new keys and its gateway endorses them: found out by the first seal. */
static void endorsed_new_keys_of_the_origin_are_learned_by_a_seal(void **state)
{
    struct scene *s = *state;
    struct identity_files files = { .directory = s->b->dir };
    struct identity *fresh;

    assert_int_equal(refusal_of(s, &(struct forge){ 0 }), REFUSED_NONE);
    fresh = identity_load("a.test", &files, NULL, NULL);
    assert_int_equal(refusal_of(s, &(struct forge){ .signer = fresh, .message_signer = fresh }),
                     REFUSED_UNKNOWN_KEY);
    assert_int_equal(fake_sent(s->net, FAKE_KEYS), 2);   /* it did ask */
    identity_unref(&fresh);
}

/* ---- limits ---- */

static void too_many_seals_at_once_are_busy(void **state)
{
    struct scene *s = *state;
    struct forge f = { 0 };
    struct answer a = { 0 };
    int n = INBOUND_OPENING_PEER + 20;

    forge(s, &f);
    for (int i = 0; i < n; i++)
        give(s, &f, 1, &a);
    assert_int_equal(in(s)->refused[REFUSED_BUSY], 20);
    WORLD_UNTIL(s->worlds, a.n == n);
    receipt_clear(&a.r);
    assert_int_equal(bobs(s), 1);
    /* And then there is room again. */
    assert_int_equal(refusal_of(s, &f), REFUSED_NONE);
    assert_int_equal(in(s)->refused[REFUSED_BUSY], 20);
}

static void large_bundle_is_stored_in_slices(void **state)
{
    struct scene *s = *state;
    struct forge f = { .messages = 400 };
    struct answer a;

    forge(s, &f);
    a = take(s, &f);
    assert_int_equal(a.r.n, 400);
    receipt_clear(&a.r);
    assert_int_equal(bobs(s), 400);
}

/* ---- life ---- */

static void forgotten_answer_does_not_come_but_the_mail_does(void **state)
{
    struct scene *s = *state;
    struct forge f = { 0 };
    struct answer a = { 0 };

    forge(s, &f);
    give(s, &f, 1, &a);
    inbound_forget(s->b->mail.inbound, &a);
    WORLD_UNTIL(s->worlds, bobs(s) == 1);
    world_turns(s->worlds, 5);
    assert_int_equal(a.n, 0);
}

static void destroying_with_seals_under_way_is_safe(void **state)
{
    struct scene *s = *state;
    struct forge f = { .messages = 20 };
    struct answer a = { 0 };

    forge(s, &f);
    for (int i = 0; i < 12; i++) {
        for (int k = 0; k < 10; k++)
            give(s, &f, 1, &a);
        for (int k = 0; k < i; k++)
            loop_turn(s->b->mail.loop, false);
        world_restart(s->b);
    }
    receipt_clear(&a.r);
    a = take(s, &f);
    receipt_clear(&a.r);
    assert_int_equal(bobs(s), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(good_seal_is_delivered_and_its_receipt_signed),
        T(component_that_is_not_vouched_needs_a_pinned_key),
        T(seal_with_one_thing_wrong_is_refused_with_its_own_code),
        T(seal_that_another_domain_has_signed_again_is_refused),
        T(altered_seal_is_refused_whatever_byte_it_is),
        T(nonsense_in_place_of_a_seal_is_refused),
        T(seal_for_nobody_here_or_without_a_name_is_an_error),
        T(seal_larger_than_a_mebibyte_is_too_large),
        T(repeated_seal_gets_its_first_answer_and_delivers_nothing),
        T(repeated_message_in_another_bundle_is_a_repeat),
        T(recipients_whose_answer_was_temporary_are_tried_again),
        T(id_with_other_content_is_refused),
        T(message_that_cannot_be_taken_costs_its_neighbours_nothing),
        T(full_mailbox_is_a_result),
        T(blocked_origin_is_not_authorised),
        T(keys_that_cannot_be_had_are_an_error),
        T(keys_that_the_policy_does_not_take_are_unknown),
        T(endorsed_new_keys_of_the_origin_are_learned_by_a_seal),
        T(too_many_seals_at_once_are_busy),
        T(large_bundle_is_stored_in_slices),
        T(forgotten_answer_does_not_come_but_the_mail_does),
        T(destroying_with_seals_under_way_is_safe),
#undef T
    };

    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
