/* SPDX-License-Identifier: MIT */
/* Permission by phase is data (docs/immp.md, "Connections and states"): command by phase. */
#include "session/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit/session/hall.h"

#include "lib/test.h"

#define NONE   0u
#define GUEST  ((unsigned)PHASE_GUEST)
#define PLAIN  ((unsigned)PHASE_PLAIN)
#define LOCAL  ((unsigned)PHASE_LOCAL)
#define REMOTE ((unsigned)PHASE_REMOTE)

/* The states of docs/immp.md, once more and by hand. */
static const struct {
    const char *words;
    unsigned phases;
} expected[] = {
    { "UPGRADE", PLAIN },
    { "AUTH SECRET", GUEST },
    { "AUTH RESPONSE", GUEST },
    { "DELIVER", LOCAL | REMOTE },
    { "DATA", LOCAL | REMOTE },
    { "DONE", LOCAL | REMOTE },
    { "CANCEL", LOCAL | REMOTE },
    { "MBOX CHECK", LOCAL },
    { "MBOX LIST", LOCAL },
    { "MBOX INDEX", LOCAL },
    { "MBOX FETCH", LOCAL },
    { "NOOP", PLAIN | GUEST | LOCAL | REMOTE },
    { "HELP", GUEST | LOCAL | REMOTE },
    { "QUIT", PLAIN | GUEST | LOCAL | REMOTE },
};

static void the_table_is_the_specification(void **state)
{
    const struct session_command *c;
    size_t n = 0;

    (void)state;
    for (; (c = session_command_at(n)) != NULL; n++) {
        assert_true(n < N_ELEMENTS(expected));
        assert_string_equal(c->words, expected[n].words);
        assert_int_equal(c->phases, expected[n].phases);
        assert_true(c->help != NULL && *c->help != '\0' && c->syntax != NULL);
        assert_ptr_equal(c, &table_at(n)->pub);
    }
    assert_int_equal(n, N_ELEMENTS(expected));
    assert_null(table_at(n));
}

static void each_row_is_whole(void **state)
{
    const struct command_row *row;

    (void)state;
    for (size_t i = 0; (row = table_at(i)) != NULL; i++) {
        size_t n = 0, repeats = 0;

        assert_non_null(row->start);
        /* What takes octets can take them, and says so when they are all there. */
        assert_int_equal((row->flags & COMMAND_BLOCK) != 0, row->octets != NULL);
        if (row->octets != NULL)
            assert_non_null(row->more);
        for (; row->params != NULL && row->params[n].name != NULL; n++)
            repeats += (row->params[n].flags & PARAM_REPEATS) != 0;
        assert_true(n <= ARGS_MAX && repeats <= 1);
    }
}

static void enter(struct hall *h, unsigned phase)
{
    hall_connect(h, phase == PLAIN);
    (void)hall_read_all(h);
    if (phase == LOCAL)
        hall_login(h, "alice@a.com");
    if (phase == REMOTE) {
        h->session->peer = mem_strdup("b.com");
        session_enter(h->session, PHASE_REMOTE);
    }
}

static void what_a_phase_does_not_allow_is_403_and_changes_nothing(void **state)
{
    static const unsigned phases[] = { PLAIN, GUEST, LOCAL, REMOTE };
    struct hall *h = hall_open();

    (void)state;
    for (size_t p = 0; p < N_ELEMENTS(phases); p++) {
        for (size_t i = 0; i < N_ELEMENTS(expected); i++) {
            bool is_allowed = (expected[i].phases & phases[p]) != 0;
            const char *reply;

            enter(h, phases[p]);
            hall_say(h, expected[i].words);
            reply = hall_read(h);
            assert_non_null(reply);
            if (strncmp(reply, "403", 3) == 0 && is_allowed &&
                strcmp(expected[i].words, "AUTH RESPONSE") != 0)
                fail_msg("%s is refused in phase %u: %s", expected[i].words, phases[p], reply);
            if (strncmp(reply, "403", 3) != 0 && !is_allowed)
                fail_msg("%s is taken in phase %u: %s", expected[i].words, phases[p], reply);
            if (!is_allowed) {
                assert_int_equal(session_phase(h->session), phases[p]);
                hall_expect(h, "NOOP", "200 Done.\n");
            }
        }
    }
    hall_close(&h);
}

static void words_are_found_in_any_case_and_never_quoted(void **state)
{
    static const struct {
        const char *line, *words;
        size_t n;
        bool is_partial;
    } rows[] = {
        { "noop", "NOOP", 1, true },
        { "MBOX fetch /x", "MBOX FETCH", 2, true },
        { "Authenticate secret x", "AUTH SECRET", 2, true },
        { "AUTH \"SECRET\" x", NULL, 0, true },
        { "MBOX", NULL, 0, true },
        { "\"MBOX\" FETCH", NULL, 0, false },
        { "MBOXES FETCH", NULL, 0, false },
        { "+NOOP", NULL, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char *text = mem_strdup(rows[i].line);
        const struct command_row *row;
        bool is_partial;
        struct line ln;
        size_t n;

        assert_int_equal(line_parse(text, strlen(text), &ln, NULL), 0);
        row = table_find(ln.commands[0].tokens, ln.commands[0].n, &n, &is_partial);
        assert_int_equal(row != NULL, rows[i].words != NULL);
        assert_int_equal(n, rows[i].n);
        assert_int_equal(is_partial, rows[i].is_partial);
        if (row != NULL)
            assert_string_equal(row->pub.words, rows[i].words);
        line_clear(&ln);
        free(text);
    }
}

static void a_domain_delivers_for_itself_to_mailboxes_here(void **state)
{
    struct hall *h = hall_open();

    (void)state;
    enter(h, REMOTE);
    hall_expect(h, "DELIVER TO alice@a.com",
                "402 FROM is required of a domain\n");
    hall_say(h, "DELIVER TO alice@a.com FROM carol@b.com; DATA a LENGTH 1\nxDONE");
    hall_turn(h);
    assert_non_null(strstr(hall_read_all(h), "201 alice@a.com id="));
    assert_int_equal(hall_total(h, "alice@a.com", "INBOX"), 1);
    hall_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_specification),
        cmocka_unit_test(each_row_is_whole),
        cmocka_unit_test(what_a_phase_does_not_allow_is_403_and_changes_nothing),
        cmocka_unit_test(words_are_found_in_any_case_and_never_quoted),
        cmocka_unit_test(a_domain_delivers_for_itself_to_mailboxes_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
