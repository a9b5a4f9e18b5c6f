/* SPDX-License-Identifier: MIT */
/*
 * A session in a fuzzed phase, over a real store and mail room, fed in pieces of a fuzzed size
 * while turns commit or fail and the reader is slow or not. Holds: whatever comes in, what goes
 * out are well-formed reply lines with known codes, and octet blocks of the length they say; the
 * bounds of pending commands and of buffered output are kept; the store stays sound.
 *
 *   first byte   bits 0-1 phase, 2 the last turn fails, 3 slow reader, 4 alice has mail, 5 a turn
 *                after each piece
 *   second byte  size of a piece
 */
#include "config.h"

#include "session/session_private.h"

#include <string.h>

#include "base/mem.h"
#include "lib/store_failing.h"
#include "unit/session/hall.h"
#include "wire/reply.h"

#include "fuzz/fuzz.h"

#define INPUTS_PER_HALL 300  /* then the store has grown enough */

static struct hall *hall;
static unsigned inputs;

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
}

/* Nothing may be left over; a session that was closed within a block may end in it. */
static void check_output(const struct str *out)
{
    const char *p = str_c(out), *end = p + out->len;

    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        struct reply r;
        char *line;

        FUZZ_CHECK(lf != NULL);
        FUZZ_CHECK(str_is_utf8(p, (size_t)(lf - p)));
        line = mem_strndup(p, (size_t)(lf - p));
        FUZZ_CHECK(reply_parse(line, &r, NULL) == 0);
        FUZZ_CHECK(status_is_known(r.code));
        p = lf + 1;
        if (r.has_octets) {
            FUZZ_CHECK((uint64_t)(end - p) > r.octets && p[r.octets] == '\n');
            p += r.octets + 1;
        }
        free(line);
    }
}

static void take(struct str *out)
{
    str_addn(out, str_c(&hall->out), hall->out.len);
    str_truncate(&hall->out, 0);
}

static void finish(struct str *out, bool fails)
{
    size_t idle = 0;

    if (hall->tls != 0 && !hall->is_closed) {
        str_truncate(&hall->left, 0);
        session_secured(hall->session, NULL);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str out = STR_INIT;
    size_t step;

    if (len < 2)
        return 0;
    if (hall == NULL)
        hall = hall_open();
    enter(data[0] & 3u);
    if ((data[0] & 16u) != 0)
        (void)hall_message(hall, "alice@a.com", "Subject", "some text\n");
    hall->counts_out = (data[0] & 8u) != 0;
    step = data[1] > 0 ? data[1] : len;
    for (size_t at = 2; at < len; at += step) {
        hall_send(hall, data + at, MIN(step, len - at));
        check_bounds();
        if ((data[0] & 32u) != 0)
            hall_turn(hall);
        if (!hall->counts_out)
            take(&out);
    }
    finish(&out, (data[0] & 4u) != 0);
    check_output(&out);
    session_destroy(&hall->session);
    hall_turn(hall);
    str_clear(&out);
    if (++inputs % INPUTS_PER_HALL == 0) {
        FUZZ_CHECK(store_check(hall->mail.store, NULL) == 1);
        hall_close(&hall);
    }
    return 0;
}
