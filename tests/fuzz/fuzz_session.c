/* SPDX-License-Identifier: MIT */
/*
 * A session in a fuzzed phase, over a real store and mail room, fed in pieces of a fuzzed size
 * while turns commit or fail and the reader is slow or not. Holds: whatever comes in, what goes
 * out are well-formed reply lines with known codes, and octet blocks of the length they say, but
 * for the one that a closed connection cut; the bounds of pending commands and of buffered output are
 * kept; an account stands there exactly while it is logged in; the store stays sound.
 *
 *   first byte   bits 0-1 phase, 2 the last turn fails, 3 slow reader, 4 alice has mail, 5 a turn
 *                after each piece, 6 the link has a TLS exporter, 7 there is a script
 *   second byte  size of a piece
 *
 * In a script some bytes are no input, but what happens at that point:
 *
 *   1  the loop turns                      4  the reader has read all
 *   2  the call of the store whose         5  the id of alice's message is said
 *      number the next byte is fails       6  the right answer to the last nonces is said: SHA-1
 *   3  a turn that fails                   7  … HMAC
 *   8  the daemon stops                   11  as many times 4 KiB as the next byte says are said
 */
#include "config.h"

#include "session/session_private.h"

#include <string.h>

#include "base/mem.h"
#include "lib/store_failing.h"
#include "seal/password.h"
#include "unit/session/hall.h"
#include "wire/reply.h"

#include "fuzz/fuzz.h"

#define INPUTS_PER_HALL 300  /* then the store has grown enough */
#define PAUSE_MS        (10 * 60 * 1000) /* until failed logins are forgotten */

enum {
    SCRIPT_TURN = 1,
    SCRIPT_CALL_FAILS,
    SCRIPT_TURN_FAILS,
    SCRIPT_DRAIN,
    SCRIPT_ID,
    SCRIPT_KEY_SHA1,
    SCRIPT_KEY_HMAC,
    SCRIPT_STOP,
    SCRIPT_RUN = 11,
};

static struct hall *hall;
static unsigned inputs;
static uint8_t exporter[PASSWORD_EXPORTER_BYTES] = { 1, 2, 3 };

static void enter(unsigned phase)
{
    static const struct {
        enum phase phase;
        const char *account, *peer;
    } ways[] = {
        { PHASE_PLAIN, NULL, NULL },
        { PHASE_GUEST, NULL, NULL },
        { PHASE_LOCAL, "alice@a.com", NULL },
        { PHASE_REMOTE, NULL, "b.com" },
    };

    hall_connect(hall, ways[phase].phase == PHASE_PLAIN);
    hall->session->account = mem_strdup(ways[phase].account);
    hall->session->peer = mem_strdup(ways[phase].peer);
    if (ways[phase].phase != session_phase(hall->session))
        session_enter(hall->session, ways[phase].phase);
}

static void check_bounds(void)
{
    const struct session *s = hall->session;

    FUZZ_CHECK(s->n_jobs <= SESSION_PENDING_MAX + 1);
    FUZZ_CHECK(s->bytes_jobs <= 4u * LINE_MAX_BYTES);
    FUZZ_CHECK(s->out.len == 0);
    FUZZ_CHECK(!hall->counts_out || hall->out.len + s->held.len < 2u * SESSION_OUT_HIGH);
    FUZZ_CHECK(session_phase(s) == PHASE_CLOSED ||
               (session_phase(s) == PHASE_LOCAL) == (*session_account(s) != '\0'));
}

/* Nothing may be left over; a session that was closed within a block, or JSON, may end in it. */
static void check_output(const struct str *out)
{
    const char *p = str_c(out), *end = p + out->len;

    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        struct reply r;
        char *line;

        if (lf == NULL) {
            FUZZ_CHECK(hall->is_closed);
            return;
        }
        FUZZ_CHECK(str_is_utf8(p, (size_t)(lf - p)));
        line = mem_strndup(p, (size_t)(lf - p));
        FUZZ_CHECK(reply_parse(line, &r, NULL) == 0);
        FUZZ_CHECK(status_is_known(r.code));
        p = lf + 1;
        free(line);
        if (!r.has_octets)
            continue;
        if ((uint64_t)(end - p) <= r.octets) {
            FUZZ_CHECK(hall->is_closed);
            return;
        }
        FUZZ_CHECK(p[r.octets] == '\n');
        p += r.octets + 1;
    }
}

static void take(struct str *out)
{
    str_addn(out, str_c(&hall->out), hall->out.len);
    str_truncate(&hall->out, 0);
}

static void go_on(struct str *out)
{
    check_bounds();
    if (!hall->counts_out)
        take(out);
}

/* TLS is done, if the session has asked for it. */
static void secure(bool has_exporter)
{
    if (hall->tls == 0 || hall->is_closed)
        return;
    hall->tls = 0;
    str_truncate(&hall->left, 0);
    session_secured(hall->session, has_exporter ? exporter : NULL);
}

static void finish(struct str *out, bool fails, bool has_exporter)
{
    size_t idle = 0;

    if (hall->tls != 0 && !hall->is_closed) {
        secure(has_exporter);
        hall_say(hall, "NOOP");
    }
    (void)store_failing_nth(hall->mail.store, fails ? 1 : 0);
    while (idle < 2) {
        hall_turn(hall);
        (void)store_failing_nth(hall->mail.store, 0);
        idle = hall->out.len > 0 ? 0 : idle + 1;
        take(out);
        hall_drain(hall);
    }
    take(out);
}

/* ---- the script ---- */

/* For accounts that exist; what others are asked is answered by nothing, and slowly. */
static void say_key(bool by_hmac)
{
    const struct login *lg = hall->session->login;
    char verifier[PASSWORD_H_SIZE], k[PASSWORD_H_SIZE];

    if (lg == NULL || lg->n > 16)
        return;
    FUZZ_CHECK(password_derive(HALL_SECRET, lg->salt, sizeof lg->salt,
                               (struct password_cost){ lg->n, lg->r, lg->p }, verifier, NULL) == 0);
    if (by_hmac)
        password_k_hmac(verifier, lg->n1, lg->n2, exporter, k);
    else
        password_k_sha1(verifier, lg->n1, lg->n2, k);
    hall_send(hall, k, strlen(k));
}

static bool is_event(uint8_t c)
{
    return (c >= SCRIPT_TURN && c <= SCRIPT_STOP) || c == SCRIPT_RUN;
}

static void say_run(unsigned n)
{
    char octets[4096];

    memset(octets, 'x', sizeof octets);
    while (n-- > 0)
        hall_send(hall, octets, sizeof octets);
}

static void happen(uint8_t what, uint8_t n, const char *id, struct str *out)
{
    switch (what) {
    case SCRIPT_TURN_FAILS:
        (void)store_failing_nth(hall->mail.store, 1);
        hall_turn(hall);
        (void)store_failing_nth(hall->mail.store, 0);
        break;
    case SCRIPT_TURN:
        hall_turn(hall);
        break;
    case SCRIPT_CALL_FAILS:
        (void)store_failing_nth(hall->mail.store, n);
        break;
    case SCRIPT_DRAIN:
        take(out);
        hall_drain(hall);
        break;
    case SCRIPT_ID:
        hall_send(hall, id, strlen(id));
        break;
    case SCRIPT_KEY_SHA1:
    case SCRIPT_KEY_HMAC:
        say_key(what == SCRIPT_KEY_HMAC);
        break;
    case SCRIPT_STOP:
        session_end(hall->session, STATUS_SHUTTING_DOWN);
        break;
    case SCRIPT_RUN:
        say_run(n);
        break;
    }
}

/* Returns where the next event or the end of the piece is. */
static size_t say_piece(const uint8_t *data, size_t at, size_t len, size_t step, bool has_script)
{
    size_t n = 0;

    while (at + n < len && n < step && !(has_script && is_event(data[at + n])))
        n++;
    hall_send(hall, data + at, n);
    return at + n;
}

static void converse(const uint8_t *data, size_t len, const char *id, struct str *out)
{
    bool has_script = (data[0] & 128u) != 0, has_exporter = (data[0] & 64u) != 0;
    size_t step = data[1] > 0 ? data[1] : len, at = 2;

    while (at < len) {
        if (has_script && is_event(data[at])) {
            bool has_number =
                (data[at] == SCRIPT_CALL_FAILS || data[at] == SCRIPT_RUN) && at + 1 < len;

            happen(data[at], has_number ? data[at + 1] : 0, id, out);
            at += has_number ? 2 : 1;
        } else {
            at = say_piece(data, at, len, step, has_script);
            if ((data[0] & 32u) != 0)
                hall_turn(hall);
        }
        go_on(out);
        if (has_script)
            secure(has_exporter);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str out = STR_INIT;
    const char *id = "00000000-0000-4000-8000-000000000000";

    if (len < 2)
        return 0;
    if (hall == NULL)
        hall = hall_open();
    enter(data[0] & 3u);
    if ((data[0] & 16u) != 0)
        id = hall_message(hall, "alice@a.com", "Subject", "some text\n");
    hall->counts_out = (data[0] & 8u) != 0;
    converse(data, len, id, &out);
    finish(&out, (data[0] & 4u) != 0, (data[0] & 64u) != 0);
    check_output(&out);
    session_destroy(&hall->session);
    hall_turn(hall);
    str_clear(&out);
    hall->clock.fake_ms += PAUSE_MS;
    if (++inputs % INPUTS_PER_HALL == 0) {
        FUZZ_CHECK(store_check(hall->mail.store, NULL) == 1);
        hall_close(&hall);
    }
    return 0;
}
