/* SPDX-License-Identifier: MIT */
/*
 * Power fails on either side of the way of a message, at every call of the disk once, while a
 * client submits with ids of its own and repeats what it got no answer to. Whatever was answered
 * is in the mailbox, or on its way, exactly once; all of it arrives; nobody gets a notice.
 */
#include "lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/power.h"
#include "unit/mail/scene.h"

#include "base/log.h"
#include "mail/outbound.h"
#include "mail/submit.h"
#include "store/account.h"
#include "store/entry.h"
#include "store/folder.h"
#include "store/queue.h"
#include "wire/status.h"

#define MESSAGES 12
#define LEASE_MS (5 * 60 * 1000 + 1000)

static const char *const kinds[][2] = {
    {"bob@b.test",    NULL        },
    { "alice@a.test", NULL        },
    { "alice@a.test", "bob@b.test"},
};

struct client {
    struct scene *s;
    char ids[MESSAGES][UUID_SIZE];
    enum { NEW = 0, SENT, ANSWERED } state[MESSAGES];
};

static const char *const *to_of(size_t i)
{
    return (const char *const *)kinds[i % N_ELEMENTS(kinds)];
}

/* ---- the client ---- */

static void committed(void *ctx, bool ok, const struct err *err)
{
    struct client *c = ctx;

    (void)err;
    for (size_t i = 0; i < MESSAGES; i++)
        if (c->state[i] == SENT)
            c->state[i] = ok ? ANSWERED : NEW;
}

static bool is_success(const struct submit_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!status_is_success(r[i].code))
            return false;
    return n > 0;
}

static void submit(struct client *c, size_t i)
{
    struct mail *m = &c->s->a->mail;
    const char *const *to = to_of(i);
    struct submit_request req = {
        .account = "alice@a.test",
        .to = (const char **)to,
        .n_to = to[1] != NULL ? 2 : 1,
        .id = c->ids[i],
    };
    struct submit_result *results = NULL;
    struct submit *sub = NULL;
    struct err err;
    size_t n = 0;

    if (submit_begin(m, &req, &sub, &err) == 0 &&
        submit_part(sub, "text", NULL, true, false, strlen(c->ids[i]), &err) == 0 &&
        submit_octets(sub, c->ids[i], strlen(c->ids[i]), &err) == 0 &&
        submit_part_end(sub, &err) == 0 && submit_done(sub, &results, &n, &err) == 0 &&
        is_success(results, n)) {
        c->state[i] = SENT;
        turn_join(m->turn, committed, c);
    }
    submit_results_free(&results, n);
    submit_destroy(&sub);
}

/* Two at most in a turn, so that there are several commits. */
static bool submit_some(struct client *c)
{
    size_t answered = 0, sent = 0;

    for (size_t i = 0; i < MESSAGES; i++) {
        if (c->state[i] == NEW && sent++ < 2)
            submit(c, i);
        answered += c->state[i] == ANSWERED;
    }
    return answered == MESSAGES;
}

/* ---- what is there ---- */

static bool is_in_mailbox(struct world *w, const char *address, const char *uuid)
{
    struct account a = { 0 };
    struct folder f = { 0 };
    struct entry e;
    struct err err;
    int rc = 0;

    assert_int_equal(account_get(w->mail.store, address, &a, &err), 1);
    assert_int_equal(folder_get(w->mail.store, a.id, "INBOX", &f, &err), 1);
    rc = entry_get(w->mail.store, f.id, uuid, &e, &err);
    assert_true(rc >= 0);
    account_clear(&a);
    folder_clear(&f);
    return rc == 1;
}

struct wanted {
    const char *uuid;
    bool found;
};

static int is_it(void *ctx, const struct queue_entry *q)
{
    struct wanted *x = ctx;

    x->found = x->found || strcmp(x->uuid, q->message) == 0;
    return x->found;
}

static bool is_in_queue(struct world *w, const char *uuid)
{
    struct wanted x = { .uuid = uuid };
    struct err err;

    assert_true(queue_each(w->mail.store, NULL, is_it, &x, &err) >= 0);
    return x.found;
}

/* What was answered with success is here or there. */
static bool is_kept(struct client *c)
{
    struct world *a = c->s->a, *b = c->s->b;
    bool kept = true;

    for (size_t i = 0; i < MESSAGES; i++) {
        if (c->state[i] != ANSWERED)
            continue;
        for (size_t j = 0; j < 2 && to_of(i)[j] != NULL; j++) {
            if (strcmp(to_of(i)[j], "alice@a.test") == 0)
                kept = kept && is_in_mailbox(a, "alice@a.test", c->ids[i]);
            else
                kept = kept &&
                       (is_in_mailbox(b, "bob@b.test", c->ids[i]) || is_in_queue(a, c->ids[i]));
        }
    }
    return kept;
}

/* ---- power ---- */

static void come_back(struct client *c, struct world *w)
{
    power_restore(w->dir);
    world_restart(w);
    for (size_t i = 0; w == c->s->a && i < MESSAGES; i++)
        if (c->state[i] == SENT)
            c->state[i] = NEW;
    world_check(w);
}

struct waiting {
    struct scene *s;
    struct world *w;
};

static bool is_sent_or_cut(void *ctx)
{
    struct waiting *x = ctx;

    return power_is_cut(x->w->dir) || scene_is_sent(x->s);
}

static void let_leases_end(struct scene *s)
{
    world_shift(s->a, LEASE_MS);
    world_shift(s->b, LEASE_MS);
}

/* Until all is answered and nothing is queued, through a power cut of w. Was there one? */
static bool run(struct client *c, struct world *w)
{
    struct waiting x = { .s = c->s, .w = w };
    bool was_cut = false, done = false;

    for (int i = 0; i < 500 && !done; i++) {
        bool answered = submit_some(c);

        /* What waits for a receipt that will not come waits for its lease. */
        if (!answered)
            world_turns(c->s->worlds, 1);
        else if (!(done = world_run(c->s->worlds, is_sent_or_cut, &x, 50)))
            let_leases_end(c->s);
        if (power_is_cut(w->dir)) {
            come_back(c, w);
            assert_true(is_kept(c));
            was_cut = true;
            done = false;
        }
    }
    assert_true(done);
    return was_cut;
}

static void client_init(struct client *c, struct scene *s)
{
    memset(c, 0, sizeof(*c));
    c->s = s;
    for (size_t i = 0; i < MESSAGES; i++)
        uuid_generate(c->ids[i]);
}

static void arrived(struct client *c, size_t rounds)
{
    struct scene *s = c->s;

    assert_true(is_kept(c));
    assert_int_equal(world_count(s->b, "bob@b.test", "INBOX"), rounds * MESSAGES * 2 / 3);
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), rounds * MESSAGES * 2 / 3);
    assert_int_equal(world_count(s->a, "alice@a.test", "SENT"), rounds * MESSAGES);
    assert_int_equal(outbound_counters(s->a->mail.outbound)->bounces, 0);
    world_check(s->a);
    world_check(s->b);
}

static void each_call_meets_no_power(struct scene *s, struct world *w)
{
    struct client c;
    size_t n, rounds = 0;

    for (unsigned leak = 0; leak <= 100; leak += 50) {
        bool was_cut = true;

        for (n = 1; n < 1000 && was_cut; n++) {
            client_init(&c, s);
            power_leak(w->dir, leak, (unsigned)n);
            (void)power_cut_at(w->dir, n);
            was_cut = run(&c, w);
            (void)power_cut_at(w->dir, 0);
            arrived(&c, ++rounds);
        }
        assert_true(n > 4 && n < 1000);
    }
    print_message("%zu times\n", rounds);
}

static void power_of_the_sender_may_fail_at_any_call(void **state)
{
    struct scene *s = *state;

    each_call_meets_no_power(s, s->a);
}

static void power_of_the_receiver_may_fail_at_any_call(void **state)
{
    struct scene *s = *state;

    each_call_meets_no_power(s, s->b);
}

static int setup(void **state)
{
    power_register();
    return scene_setup(state);
}

static int teardown(void **state)
{
    struct scene *s = *state;
    char a[TEMP_DIR_SIZE], b[TEMP_DIR_SIZE];
    int rc;

    memcpy(a, s->a->dir, sizeof(a));
    memcpy(b, s->b->dir, sizeof(b));
    rc = scene_teardown(state);
    power_forget(a);
    power_forget(b);
    return rc;
}

/* Nothing is pinned yet on either side. */
static void power_may_fail_at_first_contact(void **state)
{
    bool was_cut[2] = { true, true };

    for (size_t n = 1; n < 1000 && (was_cut[0] || was_cut[1]); n++) {
        struct scene *s;
        struct world *w;
        struct client c;

        (void)setup(state);
        s = *state;
        w = n % 2 == 0 ? s->a : s->b;
        client_init(&c, s);
        power_leak(w->dir, (unsigned)(n % 3) * 50, (unsigned)n);
        (void)power_cut_at(w->dir, n / 2 + 1);
        was_cut[n % 2] = run(&c, w);
        (void)power_cut_at(w->dir, 0);
        arrived(&c, 1);
        (void)teardown(state);
        n += n > 20 ? 4 : 0;
    }
    assert_false(was_cut[0] || was_cut[1]);
}

/* A receipt for what was not synced is a lie, and so is an answer to the client. */
static void store_whose_syncs_do_nothing_is_caught(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct scene *s;
        struct world *w;
        struct client c;

        (void)setup(state);
        s = *state;
        w = i == 0 ? s->a : s->b;
        client_init(&c, s);
        power_lie(w->dir, true);
        assert_false(run(&c, w));
        assert_true(is_kept(&c));
        power_cut(w->dir);
        power_lie(w->dir, false);
        come_back(&c, w);
        assert_false(is_kept(&c));
        (void)teardown(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(power_of_the_sender_may_fail_at_any_call, setup, teardown),
        cmocka_unit_test_setup_teardown(power_of_the_receiver_may_fail_at_any_call, setup,
                                        teardown),
        cmocka_unit_test(power_may_fail_at_first_contact),
        cmocka_unit_test(store_whose_syncs_do_nothing_is_caught),
    };

    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
