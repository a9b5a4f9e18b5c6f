/* SPDX-License-Identifier: MIT */
/*
 * Every call of the store fails once, and every call of the disk below it, once or until it is
 * healed: for each scenario the n-th, for n from 1 until it passes. After each: every command has
 * exactly one last reply, no reply claims what is not on disk, nothing is half-stored, and the
 * session serves on.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk_failing.h"
#include "lib/store_failing.h"
#include "unit/session/hall.h"

#include "lib/test.h"

struct scenario {
    const char *name;
    const char *say;        /* "%s": n octets of base64-able 'x' where octets is not 0 */
    size_t octets;
    size_t replies;         /* last lines */
    bool has_mail;          /* alice's INBOX has two unread messages */
    bool only_reads;
};

static const struct scenario scenarios[] = {
    { "deliver", "DELIVER TO bob@a.com TO carol@b.com +RECEIPT; DATA a LENGTH 5; DONE\nHello", 0, 3,
      false },
    { "deliver in a pipeline",
      "AS p DELIVER TO bob@a.com; AS p DATA a LENGTH 8 +BASE64; AS p DATA b LENGTH 1 +CONTENT; "
      "AS p DONE; NOOP\nSGVsbG8=x", 0, 5, false },
    { "a big part", "DELIVER TO bob@a.com TO alice@a.com; DATA a LENGTH 300000; DONE\n", 300000, 3,
      false },
    { "big parts, cancelled",
      "DELIVER TO bob@a.com; DATA a LENGTH 600000; CANCEL; DONE\n", 600000, 4, false },
    { "check", "MBOX CHECK /inbox +RECURSIVE; MBOX LIST", 0, 2, true, true },
    { "index", "MBOX INDEX /inbox +JSON; MBOX INDEX /inbox:unread LIMIT 1", 0, 2, true, true },
    { "fetch", "MBOX FETCH /inbox:* PART text.txt; MBOX CHECK /inbox", 0, 2, true },
    { "fetch json", "MBOX FETCH /inbox:unread +JSON +PRETTY", 0, 1, true },
    { "mixed", "DELIVER TO bob@a.com; DATA a LENGTH 1; DONE; MBOX FETCH /inbox:* PART text.txt\nx",
      0, 4, true },
};

static void play(struct hall *h, const struct scenario *sc)
{
    struct str text = STR_INIT;

    str_add(&text, sc->say);
    if (sc->octets == 0)
        str_addc(&text, '\n');
    for (size_t i = 0; i < sc->octets; i++)
        str_addc(&text, 'x');
    /* Half of it in a turn of its own, so that commits fall into the middle too. */
    hall_send(h, text.s, text.len / 2);
    hall_turn(h);
    hall_send(h, text.s + text.len / 2, text.len - text.len / 2);
    hall_turn(h);
    hall_turn(h);
    str_clear(&text);
}

struct seen {
    size_t last, delivered, queued, failed, read;
};

/* Reply lines; octets in these scenarios are lines that begin with no digit. */
static void read_replies(struct hall *h, struct seen *seen)
{
    const char *line;

    *seen = (struct seen){ 0 };
    while ((line = hall_read(h)) != NULL) {
        if (str_starts(line, "p: "))
            line += 3;
        if (line[0] < '0' || line[0] > '9')
            continue;
        seen->last += line[3] == ' ' && !str_starts(line, "271 ");
        seen->failed += str_starts(line, "702 ") || str_starts(line, "700 ");
        seen->delivered += str_starts(line, "201") && strstr(line, " bob@a.com id=") != NULL;
        seen->queued += str_starts(line, "202") && strstr(line, " carol@b.com id=") != NULL;
        seen->read += str_starts(line, "251- ");
    }
}

static void check(struct hall *h, const struct scenario *sc, const struct seen *seen, size_t n)
{
    if (seen->last != sc->replies)
        fail_msg("%s, call %zu: %zu last lines, not %zu", sc->name, n, seen->last, sc->replies);
    /* What was answered 2xx is there, and nothing else is. */
    assert_int_equal(hall_total(h, "bob@a.com", "INBOX"), seen->delivered);
    assert_int_equal(hall_queued(h), seen->queued);
    if (seen->read > 0 && seen->failed == 0)
        assert_int_equal(hall_unread(h, "alice@a.com", "INBOX"), 0);
    hall_sound(h);
    assert_false(h->is_closed);
    assert_int_equal(h->left.len, 0);
    hall_expect(h, "NOOP", "200 Done.\n");
}

struct sickness {
    enum disk_fault fault;  /* DISK_WELL: the store's calls fail, not the disk's */
    bool is_sticky;
};

static void fall_ill(struct hall *h, const struct sickness *sick, size_t n)
{
    if (sick->fault == DISK_WELL)
        (void)store_failing_nth(h->mail.store, n);
    else
        disk_failing_nth(h->dir, sick->fault, n, sick->is_sticky);
}

/* Has it been? */
static bool heal(struct hall *h, const struct sickness *sick)
{
    bool was = sick->fault == DISK_WELL ? store_failing_has_failed(h->mail.store)
                                        : disk_failing_has_failed();

    (void)store_failing_nth(h->mail.store, 0);
    (void)disk_failing_heal();
    return was;
}

/* True if the n-th call has come. */
static bool fail_once(const struct scenario *sc, const struct sickness *sick, size_t n)
{
    struct hall *h = hall_open();
    struct seen seen;
    bool has_failed;

    hall_enter(h, "alice@a.com");
    if (sc->has_mail) {
        (void)hall_message(h, "alice@a.com", "One", "one");
        (void)hall_message(h, "alice@a.com", "Two", "two");
    }
    fall_ill(h, sick, n);
    play(h, sc);
    has_failed = heal(h, sick);
    hall_turn(h);
    read_replies(h, &seen);
    check(h, sc, &seen, n);
    if (!has_failed && seen.failed > 0)
        fail_msg("%s: nothing failed, and a reply says so", sc->name);
    /* The same once more, without failures: the session serves on. */
    play(h, sc);
    read_replies(h, &seen);
    assert_int_equal(seen.last, sc->replies);
    assert_int_equal(seen.failed, 0);
    hall_sound(h);
    hall_close(&h);
    return has_failed;
}

static void each_call_fails_once(void **state)
{
    static const struct sickness store = { DISK_WELL, false };
    const struct scenario *sc = *state;
    size_t n = 1;

    while (fail_once(sc, &store, n))
        n++;
    assert_true(n > 2);
}

static void each_call_of_the_disk_fails(void **state)
{
    static const struct sickness all[] = { { DISK_FULL, false }, { DISK_FULL, true },
                                           { DISK_BROKEN, false }, { DISK_BROKEN, true } };
    const struct scenario *sc = *state;

    for (size_t i = 0; i < N_ELEMENTS(all); i++) {
        size_t n = 1;

        while (fail_once(sc, &all[i], n))
            n++;
        assert_true(n > 1 || sc->only_reads);   /* what is read is in the cache */
    }
}

static void a_login_survives_a_store_that_fails(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 4; n++) {
        struct hall *h = hall_open();
        const char *line;

        hall_connect(h, false);
        (void)store_failing_nth(h->mail.store, n);
        hall_say(h, "AUTH SECRET alice@a.com");
        line = hall_read(h);
        if (str_starts(line, "302")) {
            char k[41];
            struct str say = STR_INIT;

            hall_key(hall_read(h), k);
            str_addf(&say, "AUTH RESPONSE %s", k);
            hall_say(h, str_c(&say));
            str_clear(&say);
            line = hall_read(h);
        }
        assert_true(str_starts(line, "702 ") || str_starts(line, "210 "));
        assert_int_equal(session_phase(h->session), *line == '7' ? PHASE_GUEST : PHASE_LOCAL);
        (void)store_failing_nth(h->mail.store, 0);
        if (*line == '7')
            hall_login(h, "alice@a.com");
        hall_close(&h);
    }
}

int main(void)
{
    static char names[N_ELEMENTS(scenarios)][64];
    struct CMUnitTest tests[2 * N_ELEMENTS(scenarios) + 1] = { { 0 } };
    size_t n = 0;

    for (; n < 2 * N_ELEMENTS(scenarios); n++) {
        const struct scenario *sc = &scenarios[n / 2];

        (void)snprintf(names[n / 2], sizeof(names[0]), "%s, the disk", sc->name);
        tests[n] = (struct CMUnitTest){ .name = n % 2 == 0 ? sc->name : names[n / 2],
                                        .test_func = n % 2 == 0 ? each_call_fails_once
                                                                : each_call_of_the_disk_fails,
                                        .initial_state = (void *)(uintptr_t)sc };
    }
    tests[n] = (struct CMUnitTest)cmocka_unit_test(a_login_survives_a_store_that_fails);
    disk_failing_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
