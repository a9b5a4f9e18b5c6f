/* SPDX-License-Identifier: MIT */
/*
 * The disk fails under the store, at every call once, or from one call on until it is healed; it is
 * full or broken; on either side of the way. Whatever was promised is on disk at that moment, as a
 * new start would find it; what was not promised is refused as a temporary failure and goes through
 * when it is said again; everything arrives exactly once in the end, and both stores are sound.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/disk_failing.h"
#include "lib/test.h"
#include "unit/mail/scene.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/outbound.h"
#include "mail/submit.h"
#include "store/account.h"
#include "store/entry.h"
#include "store/folder.h"
#include "store/queue.h"
#include "wire/status.h"

#define LEASE_MS   (5 * 60 * 1000 + 1000)
#define BIG_BYTES  (300 * 1024)  /* more than one chunk: goes to disk before it is done */
#define MANY       2000          /* more calls than a round makes */
#define TRIES      40

/* ---- as a new start would find it ---- */

/*
 * A store over a copy of the world's files. The database first: what the checkpoint's thread moves
 * into it meanwhile stands in the log until somebody writes, which only this thread does.
 */
static struct store *look(const struct world *w, char dir[TEMP_DIR_SIZE])
{
    struct store *st = NULL;
    struct err err = { .text = "" };

    temp_dir_make(dir);
    (void)temp_dir_copy(w->dir, dir, "immp.db");
    (void)temp_dir_copy(w->dir, dir, "immp.db-wal");
    if (store_open("sqlite:immp.db", dir, &st, &err) < 0)
        fail_msg("what is on disk does not open: %s", err.text);
    return st;
}

static void look_away(struct store **stp, const char *dir)
{
    store_close(stp);
    temp_dir_remove(dir);
}

static bool has(struct store *st, const char *address, const char *path, const char *id)
{
    struct account a = { 0 };
    struct folder f = { 0 };
    struct entry e = { 0 };
    bool is_there = account_get(st, address, &a, NULL) == 1 &&
                    folder_get(st, a.id, path, &f, NULL) == 1 &&
                    entry_get(st, f.id, id, &e, NULL) == 1;

    account_clear(&a);
    folder_clear(&f);
    return is_there;
}

static int is_that(void *ctx, const struct queue_entry *q)
{
    return strcmp(ctx, q->message) == 0 ? 1 : 0;
}

static bool is_queued(struct store *st, char *id)
{
    return queue_each(st, NULL, is_that, id, NULL) == 1;
}

/* ---- a client of a.test ---- */

enum outcome { NOT_HEARD = 0, KEPT, LOST };

static void hear(void *ctx, bool ok, const struct err *err)
{
    enum outcome *o = ctx;

    assert_int_equal(*o, NOT_HEARD);
    *o = ok ? KEPT : LOST;
    if (!ok)
        assert_int_equal(err->kind, ERR_TEMPORARY);
}

struct mail_to_send {
    const char *to;
    size_t size;
    unsigned flags;
    bool is_promised;
    char id[UUID_SIZE];
};

static int put_octets(struct submit *s, size_t size, struct err *err)
{
    static char octets[BIG_BYTES];

    memset(octets, 'x', sizeof octets);
    if (submit_part(s, "text.txt", "text/plain", true, false, size, err) < 0)
        return -1;
    for (size_t at = 0; at < size; at += 65536)
        if (submit_octets(s, octets, MIN(size - at, (size_t)65536), err) < 0)
            return -1;
    return submit_part_end(s, err);
}

/* What a session does for DELIVER … DONE, in one turn; true for a 2xx that its commit has kept. */
static bool is_accepted(struct scene *s, struct mail_to_send *m)
{
    const char *to[] = { m->to };
    struct submit_request req = { .account = "alice@a.test", .to = to, .n_to = 1, .id = m->id,
                                  .flags = m->flags };
    struct submit_result *r = NULL;
    struct submit *sub = NULL;
    struct err err = { ERR_NONE };
    enum outcome heard = NOT_HEARD;
    size_t n = 0;
    bool is_good;

    if (submit_begin(&s->a->mail, &req, &sub, &err) == 0 &&
        put_octets(sub, m->size, &err) == 0)
        (void)submit_done(sub, &r, &n, &err);
    is_good = n == 1 && status_is_success(r[0].code);
    if (!is_good && n == 0) {
        assert_int_equal(err.kind, ERR_TEMPORARY);
        assert_int_equal(err.status, STATUS_STORAGE);
    }
    submit_results_free(&r, n);
    submit_destroy(&sub);
    turn_join(s->a->mail.turn, hear, &heard);
    loop_turn(s->a->mail.loop, false);
    assert_int_not_equal(heard, NOT_HEARD);
    return is_good && heard == KEPT;
}

/* At the moment of the promise: on one of the two disks, and in SENT. */
static void check_promise(struct scene *s, struct mail_to_send *m)
{
    char dir_a[TEMP_DIR_SIZE], dir_b[TEMP_DIR_SIZE];
    struct store *a = look(s->a, dir_a), *b = look(s->b, dir_b);

    if (strcmp(m->to, "bob@b.test") == 0)
        assert_true(is_queued(a, m->id) || has(b, m->to, "INBOX", m->id));
    else
        assert_true(has(a, m->to, "INBOX", m->id));
    assert_true(has(a, "alice@a.test", "SENT", m->id));
    look_away(&a, dir_a);
    look_away(&b, dir_b);
}

static void try_all(struct scene *s, struct mail_to_send *m, size_t n, bool is_looked_at)
{
    for (size_t i = 0; i < n; i++) {
        if (m[i].is_promised || !is_accepted(s, &m[i]))
            continue;
        m[i].is_promised = true;
        if (is_looked_at)
            check_promise(s, &m[i]);
        world_turns(s->worlds, 1);
    }
}

/* ---- a round ---- */

struct sickness {
    enum disk_fault fault;
    bool is_sticky;
};

static bool is_all_sent(void *scene)
{
    struct scene *s = scene;
    const struct outbound_path *p = scene_path(s);

    return scene_is_sent(scene) && (p == NULL || p->in_flight == 0);
}

/* Until all is settled; where that waits for a lease or a rest to run out, the time passes. */
static void settle(struct scene *s)
{
    for (int i = 0; i < TRIES; i++) {
        if (world_run(s->worlds, is_all_sent, s, 30))
            return;
        world_shift(s->a, LEASE_MS);
        world_shift(s->b, LEASE_MS);
    }
    fail_msg("%zu still queued, path is %s", world_queued(s->a), scene_state(s));
}

/* dave's mail would make each round slower than the last. */
static void forget_big(struct scene *s, const char *id)
{
    struct store *st = s->a->mail.store;
    struct account a = { 0 };
    struct folder f = { 0 };
    static const char *const places[][2] = { { "dave@a.test", "INBOX" },
                                             { "alice@a.test", "SENT" } };

    for (size_t i = 0; i < N_ELEMENTS(places); i++) {
        assert_int_equal(account_get(st, places[i][0], &a, NULL), 1);
        assert_int_equal(folder_get(st, a.id, places[i][1], &f, NULL), 1);
        assert_int_equal(entry_del(st, f.id, id, NULL), 1);
        account_clear(&a);
        folder_clear(&f);
    }
    assert_int_equal(store_commit(st, NULL), 0);
    while (store_tidy(st, 0, 0, 100, NULL) > 0)
        ;
    assert_int_equal(store_commit(st, NULL), 0);
}

/* True if the n-th call has come. */
static bool play_round(struct scene *s, struct world *w, const struct sickness *sick, size_t n,
                       size_t *rounds)
{
    struct mail_to_send mails[] = { { "bob@b.test", 300, MESSAGE_RECEIPT, false, "" },
                                    { "dave@a.test", BIG_BYTES, 0, false, "" },
                                    { "bob@b.test", 20000, 0, false, "" },
                                    { "bob@b.test", 4000, 0, false, "" } };
    bool has_failed = false;

    for (size_t i = 0; i < N_ELEMENTS(mails); i++)
        uuid_generate(mails[i].id);
    disk_failing_nth(w->dir, sick->fault, n, sick->is_sticky);
    try_all(s, mails, N_ELEMENTS(mails), true);
    world_turns(s->worlds, sick->is_sticky ? 6 : 3);
    if (sick->is_sticky) {
        /* It serves on: clients are told, and nobody is told a lie. */
        try_all(s, mails, N_ELEMENTS(mails), true);
        world_turns(s->worlds, 1);
        has_failed = disk_failing_has_failed();
        (void)disk_failing_heal();
    }
    for (int i = 0; i < TRIES; i++)
        try_all(s, mails, N_ELEMENTS(mails), false);
    settle(s);
    if (!sick->is_sticky) {
        has_failed = disk_failing_has_failed();
        (void)disk_failing_heal();
    }
    ++*rounds;
    for (size_t i = 0; i < N_ELEMENTS(mails); i++)
        if (!mails[i].is_promised)
            fail_msg("call %zu: message %zu is refused for ever", n, i);
    assert_int_equal(world_count(s->b, "bob@b.test", "INBOX"), 3 * *rounds);
    assert_int_equal(world_count(s->a, "alice@a.test", "INBOX"), *rounds);      /* receipts */
    assert_int_equal(world_count(s->a, "alice@a.test", "SENT"), 3 * *rounds + 1);
    assert_int_equal(world_count(s->a, "dave@a.test", "INBOX"), 1);
    forget_big(s, mails[1].id);
    world_check(s->a);
    world_check(s->b);
    return has_failed;
}

static void each_call_fails(struct scene *s, struct world *w, const struct sickness *sick)
{
    size_t n = 0, rounds = 0, passed = 0;

    world_account(s->a, "dave@a.test");
    /* How much is done in one turn differs: one round without the n-th call may be luck. */
    while (passed < 3) {
        assert_true(++n < MANY);
        passed = play_round(s, w, sick, n, &rounds) ? 0 : passed + 1;
    }
    print_message("%zu calls of the disk of %s\n", n - passed, w->domain.name);
    assert_true(n - passed >= 4);
}

static const struct sickness full_once = { DISK_FULL, false }, full = { DISK_FULL, true },
                             broken_once = { DISK_BROKEN, false }, broken = { DISK_BROKEN, true };

#define CASE(name, side, sick) \
    static void name(void **state) \
    { \
        struct scene *s = *state; \
        each_call_fails(s, s->side, &sick); \
    }

CASE(senders_disk_may_be_full_at_any_call, a, full_once)
CASE(senders_disk_may_be_full_from_any_call_on, a, full)
CASE(senders_disk_may_fail_at_any_call, a, broken_once)
CASE(senders_disk_may_fail_from_any_call_on, a, broken)
CASE(receivers_disk_may_be_full_at_any_call, b, full_once)
CASE(receivers_disk_may_be_full_from_any_call_on, b, full)
CASE(receivers_disk_may_fail_at_any_call, b, broken_once)
CASE(receivers_disk_may_fail_from_any_call_on, b, broken)

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(senders_disk_may_be_full_at_any_call),
        TEST(senders_disk_may_be_full_from_any_call_on),
        TEST(senders_disk_may_fail_at_any_call),
        TEST(senders_disk_may_fail_from_any_call_on),
        TEST(receivers_disk_may_be_full_at_any_call),
        TEST(receivers_disk_may_be_full_from_any_call_on),
        TEST(receivers_disk_may_fail_at_any_call),
        TEST(receivers_disk_may_fail_from_any_call_on),
    };

    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    disk_failing_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
