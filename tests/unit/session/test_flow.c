/* SPDX-License-Identifier: MIT */
/*
 * Flow: what a session takes and gives when its owner's output is full, when commands pile up,
 * and where bytes end up that come in between (docs/immp.md, "Command lines").
 */
#include "config.h"

#include "session/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "unit/session/hall.h"

#include "lib/test.h"

static int setup(void **state)
{
    struct hall *h = hall_open();

    hall_enter(h, "alice@a.com");
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct hall *h = *state;

    session_destroy(&h->session);
    hall_turn(h);
    hall_sound(h);
    hall_close(&h);
    return 0;
}

static void say_many(struct hall *h, const char *line, size_t n)
{
    struct str text = STR_INIT;

    for (size_t i = 0; i < n; i++)
        str_addf(&text, "%s\n", line);
    hall_send(h, text.s, text.len);
    str_clear(&text);
}

static size_t count_lines(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += *s == '\n';
    return n;
}

static void at_most_32_commands_wait_and_the_rest_stays_with_the_owner(void **state)
{
    struct hall *h = *state;

    h->stuck = SESSION_OUT_HIGH;
    say_many(h, "NOOP", 100);
    assert_int_equal(h->out.len, 0);
    assert_int_equal(h->session->n_jobs, SESSION_PENDING_MAX);
    assert_int_equal(h->left.len, (100 - SESSION_PENDING_MAX) * 5);
    /* Not one of them is lost, and their order is kept. */
    hall_drain(h);
    assert_int_equal(h->left.len, 0);
    assert_int_equal(count_lines(hall_read_all(h)), 100);
}

static void a_line_of_many_commands_waits_too(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    h->stuck = SESSION_OUT_HIGH;
    for (size_t i = 0; i < 1600; i++)
        str_add(&line, "NOOP;");
    hall_say(h, str_c(&line));
    hall_say(h, "QUIT");
    assert_int_equal(h->session->n_jobs, SESSION_PENDING_MAX);
    assert_int_equal(h->left.len, 5);
    hall_drain(h);
    assert_int_equal(count_lines(hall_read_all(h)), 1601);
    assert_true(h->is_closed);
    str_clear(&line);
}

static void long_lines_that_wait_are_few(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    str_add(&line, "NOOP ");
    for (size_t i = 0; i < 8000; i++)
        str_addc(&line, 'x');
    h->stuck = SESSION_OUT_HIGH;
    say_many(h, str_c(&line), 32);
    assert_true(h->session->bytes_jobs <= 4u * LINE_MAX_BYTES);
    assert_true(h->left.len > 20u * 8000);
    hall_drain(h);
    assert_int_equal(count_lines(hall_read_all(h)), 32);
    assert_int_equal(h->session->bytes_jobs, 0);
    str_clear(&line);
}

/* A message with `size` octets of text in alice's INBOX. */
static const char *big_message(struct hall *h, size_t size)
{
    struct str text = STR_INIT;
    const char *id;

    for (size_t i = 0; i < size; i++)
        str_addc(&text, (char)('a' + i % 26));
    id = hall_message(h, "alice@a.com", "Big", str_c(&text));
    str_clear(&text);
    return id;
}

static void an_octet_block_is_given_in_pieces_and_never_cut(void **state)
{
    struct hall *h = *state;
    const size_t size = 900000;
    struct str line = STR_INIT;
    const char *id = big_message(h, size), *octets;
    size_t steps = 0;

    h->counts_out = true;
    str_addf(&line, "AS a MBOX FETCH /inbox#%s PART text.txt; NOOP; AS b NOOP; MBOX CHECK /inbox",
             id);
    hall_say(h, str_c(&line));
    /* It waits for the commit whole, because it marks the message as read. */
    assert_int_equal(h->out.len, 0);
    hall_turn(h);
    assert_true(h->out.len >= SESSION_OUT_HIGH && h->out.len < SESSION_OUT_HIGH + 128 * 1024);
    str_truncate(&line, 0);
    while (str_addn(&line, h->out.s, h->out.len), h->out.len > 0) {
        assert_true(h->out.len < SESSION_OUT_HIGH + 128 * 1024);
        str_truncate(&h->out, 0);
        session_drained(h->session);
        hall_turn(h);
        steps++;
    }
    assert_true(steps >= 3);
    octets = strchr(str_c(&line), '\n') + 1;
    assert_true(str_starts(str_c(&line), "a: 251 "));
    for (size_t i = 0; i < size; i++)
        assert_int_equal(octets[i], 'a' + i % 26);
    /* The others are answered behind it: each pipeline in its order. */
    octets += size;
    assert_int_equal(strlen(octets), strlen("\n200 Done.\nb: 200 Done.\n240 /inbox:* u=0 t=1\n"));
    assert_non_null(strstr(octets, "\nb: 200 Done.\n"));
    octets = strstr(octets, "\n200 Done.\n");
    assert_non_null(octets);
    assert_non_null(strstr(octets, "\n240 /inbox:* u=0 t=1\n"));
    str_clear(&line);
}

static void other_pipelines_go_on_between_the_lines_of_a_long_reply(void **state)
{
    struct hall *h = *state;
    const char *all;
    size_t n = 0;

    for (size_t i = 0; i < 300; i++)
        (void)hall_message(h, "alice@a.com", "One of many", "text");
    h->counts_out = true;
    h->stuck = SESSION_OUT_HIGH - 4096;
    hall_say(h, "AS i MBOX INDEX /inbox +JSON");
    hall_say(h, "NOOP");
    /* The index has stopped at the mark; the NOOP's turn comes before its end. */
    while (n < 1000 && h->session->n_jobs > 0) {
        h->stuck = SESSION_OUT_HIGH - 4096 - h->out.len;
        session_drained(h->session);
        h->stuck += h->out.len;
        h->counts_out = true;
        n++;
        if (n > 2)
            h->stuck = 0;
    }
    all = hall_read_all(h);
    assert_int_equal(count_lines(all), 302);
    assert_non_null(strstr(all, "\n200 Done.\ni: 250- {"));
    assert_non_null(strstr(all, "i: 250 300 messages\n"));
}

static void octets_are_taken_while_an_answer_streams(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;
    const char *id = big_message(h, 600000);

    hall_expect(h, "DELIVER TO bob@a.com", "270 Ok, ready to deliver. Give me your DATA.\n");
    h->counts_out = true;
    str_addf(&line, "DATA a LENGTH 200000\n");
    hall_send(h, line.s, line.len);
    assert_string_equal(hall_read(h), "271 a Saving part");
    /* Half of the part, then (in between is impossible) the rest; the FETCH comes behind it. */
    str_truncate(&line, 0);
    for (size_t i = 0; i < 200000; i++)
        str_addc(&line, 'x');
    str_addf(&line, "AS f MBOX FETCH /inbox#%s PART text.txt -READ\n", id);
    str_addf(&line, "DATA b LENGTH 100000\n");
    for (size_t i = 0; i < 100000; i++)
        str_addc(&line, 'y');
    hall_send(h, line.s, line.len);
    assert_string_equal(hall_read(h), "272 a Part saved");
    assert_true(str_starts(hall_read(h), "f: 251 "));
    /* DATA b has not started, since only the block may write: its octets stay. */
    assert_int_equal(h->left.len, 100000);
    while (h->session->n_jobs > 0 && h->out.len > 0) {
        (void)hall_read_all(h);
        hall_drain(h);
        hall_turn(h);
    }
    assert_int_equal(h->left.len, 0);
    (void)hall_read_all(h);
    hall_expect(h, "CANCEL", "273 Message cancelled.\n");
    str_clear(&line);
}

static void an_over_long_line_is_406_in_the_order_of_the_main_pipeline(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;

    for (size_t i = 0; i < 3 * LINE_MAX_BYTES; i++)
        str_addc(&line, 'x');
    hall_send(h, "NOOP\n", 5);
    hall_send(h, line.s, line.len);
    assert_string_equal(hall_read_all(h), "200 Done.\n406 the line is longer than 8192 bytes\n");
    hall_send(h, line.s, line.len);
    hall_expect(h, "tail\nNOOP", "200 Done.\n");
    str_clear(&line);
}

static void a_slow_reader_costs_its_buffer_only(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;
    const char *id = big_message(h, 1000000);

    h->counts_out = true;
    for (size_t i = 0; i < 20; i++)
        str_addf(&line, "AS p%zu MBOX FETCH /inbox#%s -READ\n", i, id);
    hall_send(h, line.s, line.len);
    hall_turn(h);
    assert_true(h->out.len + h->session->out.len + h->session->held.len <
                SESSION_OUT_HIGH + 128 * 1024);
    str_clear(&line);
}

static void what_the_owner_is_told_of_idle_time_follows_the_phase(void **state)
{
    struct hall *h = *state;
    uint8_t exporter[32] = { 0 };

    hall_connect(h, true);
    assert_int_equal(h->idle_ms, 30000);
    hall_say(h, "UPGRADE TLS2");
    assert_int_equal(h->tls, 2);
    /* Nothing is taken between 204 and TLS: what is left came in clear. */
    hall_say(h, "NOOP");
    assert_int_equal(h->left.len, 5);
    str_truncate(&h->left, 0);
    session_secured(h->session, exporter);
    assert_int_equal(h->idle_ms, 60000);
    (void)hall_read_all(h);
    hall_login(h, "bob@a.com");
    assert_int_equal(h->idle_ms, 30 * 60 * 1000);
    assert_string_equal(session_account(h->session), "bob@a.com");
}

static void an_end_is_said_and_closes(void **state)
{
    static const struct {
        enum status why;
        const char *line;
    } rows[] = {
        { STATUS_SHUTTING_DOWN, "701 The server is shutting down.\n" },
        { STATUS_TIMEOUT, "704 Idle for too long.\n" },
        { STATUS_PROTOCOL, "750 Protocol error, closing.\n" },
    };
    struct hall *h = *state;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        hall_connect(h, false);
        session_end(h->session, rows[i].why);
        assert_string_equal(hall_read_all(h), rows[i].line);
        assert_true(h->is_closed);
        assert_int_equal(session_phase(h->session), PHASE_CLOSED);
        /* Nothing is read any more, and nothing is said twice. */
        session_end(h->session, rows[i].why);
        hall_say(h, "NOOP");
        assert_int_equal(h->left.len, 0);
        assert_int_equal(h->out.len, 0);
    }
}

static void an_end_within_a_block_only_closes(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;
    const char *id = big_message(h, 900000);

    h->counts_out = true;
    str_addf(&line, "MBOX FETCH /inbox#%s PART text.txt -READ", id);
    hall_say(h, str_c(&line));
    (void)hall_read_all(h);
    session_end(h->session, STATUS_SHUTTING_DOWN);
    assert_int_equal(h->out.len, 0);
    assert_true(h->is_closed);
    str_clear(&line);
}

static void quit_waits_for_what_was_said_before(void **state)
{
    struct hall *h = *state;
    struct str line = STR_INIT;
    const char *id = big_message(h, 600000), *all;
    size_t n;

    h->counts_out = true;
    str_addf(&line, "AS f MBOX FETCH /inbox#%s PART text.txt; QUIT; NOOP", id);
    hall_say(h, str_c(&line));
    hall_turn(h);
    assert_false(h->is_closed);
    str_truncate(&line, 0);
    while (!h->is_closed) {
        str_addn(&line, h->out.s, h->out.len);
        str_truncate(&h->out, 0);
        session_drained(h->session);
        hall_turn(h);
    }
    str_addn(&line, h->out.s, h->out.len);
    all = str_c(&line);
    n = strlen("\n205 Closing the connection.\n");
    assert_string_equal(all + line.len - n, "\n205 Closing the connection.\n");
    str_clear(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(at_most_32_commands_wait_and_the_rest_stays_with_the_owner),
        T(a_line_of_many_commands_waits_too),
        T(long_lines_that_wait_are_few),
        T(an_octet_block_is_given_in_pieces_and_never_cut),
        T(other_pipelines_go_on_between_the_lines_of_a_long_reply),
        T(octets_are_taken_while_an_answer_streams),
        T(an_over_long_line_is_406_in_the_order_of_the_main_pipeline),
        T(a_slow_reader_costs_its_buffer_only),
        T(what_the_owner_is_told_of_idle_time_follows_the_phase),
        T(an_end_is_said_and_closes),
        T(an_end_within_a_block_only_closes),
        T(quit_waits_for_what_was_said_before),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
