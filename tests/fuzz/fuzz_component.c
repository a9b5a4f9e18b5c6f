/* SPDX-License-Identifier: MIT */
/*
 * The component, with the server's stream fuzzed. Holds: what we say is a well-formed stream of
 * stanzas with addresses (scripted.c checks each); no request is answered twice, and while the link
 * lives each is answered once; whoever asks for something in our own house has one answer when the
 * link is gone, and at most one when the component is destroyed.
 *
 *   first byte   bit 0 the stream from its first byte on, else what comes after the handshake;
 *                bit 1 three questions of ours are out; bit 2 seals get an error, else a receipt;
 *                bit 3 there is a script; bit 4 pings do not come back; bit 5 the component is
 *                destroyed in the end, with all that is under way
 *   second byte  size of a piece; 0: whole
 *   the rest     what the server says; the bytes 1 to 8 stand for the id of our n-th stanza so far,
 *                14 ends a piece
 *
 * In a script these end a piece too, and something happens, n being the byte behind it:
 *
 *   16 n  n seconds pass                   19 n  a seal goes to the n-th destination
 *   17 n  the n-th destination is sought   20 n  … is forgotten
 *   18 n  … is asked for keys              21    the component stops, and starts again in the end
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "xmpp/iq.h"
#include "xmpp/stanza.h"

#include "component/scripted.h"
#include "fuzz/fuzz.h"

#define HEAD \
    "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"
#define INPUTS_PER_WORLD 500
#define PAUSE            0x0e
#define QUESTIONS_MAX    100

enum {
    SCRIPT_TIME = 16,
    SCRIPT_FIND,
    SCRIPT_KEYS,
    SCRIPT_SEAL,
    SCRIPT_FORGET,
    SCRIPT_STOP,
};

static struct world world;
static unsigned inputs; /* of this world */
static char folder[] = "/tmp/immpd-fuzz-XXXXXX", address[64];

static struct mail_route routes[] = {
    {(char *)"routed.test",   MAIL_VIA_XMPP,   (char *)"gateway.test"},
    { (char *)"refused.test", MAIL_VIA_REJECT, NULL                  },
    { (char *)"tcp.test",     MAIL_VIA_TCP,    (char *)"192.0.2.1:1" },
};

/* To whom we speak: the domain, its gateway, and in whose name. */
static const struct {
    const char *domain, *gateway, *origin;
} destinations[] = {
    {"a.test",        "immp.a.test",       "b.test"     },
    { "routed.test",  "gateway.test",      "b.test"     },
    { "refused.test", "immp.refused.test", "b.test"     },
    { "tcp.test",     "immp.tcp.test",     "b.test"     },
    { "a.test",       "immp.a.test",       "nobody.test"},
    { "d.test",       "Immp.D.test/R",     "b.test"     },
    { "e.test",       "no <jid> & none@@", "b.test"     },
    { "f.test",       "",                  "b.test"     },
};

/* ---- who is owed an answer ---- */

struct debt {
    size_t must;   /* requests whose answer must be heard by the server */
    size_t may;    /* … and those whose answer may have come to ourselves */
    size_t paid;
};

/* One side of the conversation, read again; by the ids of requests. */
struct ledger {
    struct map *debts;
    struct stanza_builder *builder;
    struct xml_reader *reader;
    bool is_ours;
};

static int on_start(void *ctx, size_t depth, const char *ns, const char *prefix, const char *name,
                    const struct xml_attr *attrs, size_t n)
{
    struct ledger *l = ctx;

    (void)prefix;
    stanza_builder_start(l->builder, depth, ns, name, attrs, n);
    return 0;
}

static struct debt *debt_of(struct map *debts, const char *id)
{
    struct debt *d = map_get(debts, id);

    if (d == NULL) {
        d = mem_zalloc(sizeof(*d));
        map_put(debts, id, d);
    }
    return d;
}

static int on_end(void *ctx, size_t depth, const char *raw, size_t len)
{
    struct ledger *l = ctx;
    const struct stanza *st = stanza_builder_end(l->builder, depth, raw, len);
    bool is_answer;
    struct debt *d;

    if (st == NULL || !stanza_is(st->dom, NS_COMPONENT, "iq"))
        return 0;
    is_answer = st->type != NULL && (strcmp(st->type, "result") == 0 || strcmp(st->type, "error") == 0);
    if (is_answer != l->is_ours || (st->id != NULL && strlen(st->id) > STANZA_ID_MAX))
        return 0;
    d = debt_of(l->debts, st->id != NULL ? st->id : "");
    if (l->is_ours)
        d->paid++;
    else if (st->from == NULL || strcmp(st->from, "immp.b.test") != 0)
        d->must++;
    else
        d->may++;
    return 0;
}

static struct ledger ledger_open(struct map *debts, bool is_ours)
{
    struct ledger l = { .debts = debts, .builder = stanza_builder_create(), .is_ours = is_ours };

    return l;
}

/* Byte by byte and with limits beyond the component's, so that it never knows of less. */
static void ledger_read(struct ledger *l, const char *p, size_t n)
{
    static const struct xml_limits limits = { 2u << 20, 2u << 20, 2u << 20 };
    static const struct xml_events events = { NULL, on_start, NULL, on_end, NULL };

    if (l->reader == NULL)
        l->reader = xml_reader_create(&limits, &events, l);
    for (size_t i = 0; i < n; i++)
        (void)xml_feed(l->reader, p + i, 1, NULL);
}

static void ledger_close(struct ledger *l)
{
    xml_reader_destroy(&l->reader);
    stanza_builder_destroy(&l->builder);
}

static int settle_one(void *ctx, const char *id, void *value)
{
    const bool *all = ctx;
    struct debt *d = value;

    (void)id;
    FUZZ_CHECK(d->paid <= d->must + d->may);
    FUZZ_CHECK(!*all || d->paid >= d->must);
    free(d);
    return 0;
}

/* ---- the world: one for many inputs, a new connection for each ---- */

static void clean_up(void)
{
    (void)unlink(address + 5);
    (void)rmdir(folder);
}

static void turns(int n)
{
    while (n-- > 0)
        loop_turn(world.loop, false);
}

static void open_world(void)
{
    if (address[0] == '\0') {
        FUZZ_CHECK(mkdtemp(folder) != NULL);
        (void)snprintf(address, sizeof(address), "unix:%s/s", folder);
        (void)atexit(clean_up);
    }
    world_open(&world, true);
    world.domain.routes = routes;
    world.domain.n_routes = N_ELEMENTS(routes);
    world_listen(&world, address);
    component_start(world.c);
}

/* A connection of which the server has read the component's first words. */
static void connect_anew(enum manner manner)
{
    int ups = world.ups;

    world.server.manner = manner;
    while (world.server.stream == NULL || (manner == MANNER_GOOD && world.ups == ups)) {
        struct component_status st;

        component_status(world.c, &st);
        if (st.next_try_ms > world.clock.fake_ms)
            world.clock.fake_ms = st.next_try_ms;
        turns(1);
    }
    turns(4);
}

static void disconnect(void)
{
    struct component_status st;

    component_start(world.c);
    do {
        if (world.server.stream != NULL)
            stream_close(&world.server.stream, false);
        turns(1);
        component_status(world.c, &st);
    } while (strcmp(st.state, "waiting") != 0);
    turns(2);
    for (size_t i = 0; i < world.server.n_heard; i++)
        free(world.server.heard[i]);
    world.server.n_heard = world.server.next_heard = 0;
    fake_inbound_clear();
}

/* ---- questions of ours ---- */

static struct {
    int answers[QUESTIONS_MAX];
    size_t n;
} asked;

static void on_found(void *ctx, uint64_t token, const struct transport_peer *peer, const struct err *err)
{
    (void)ctx;
    FUZZ_CHECK((peer != NULL) != (err != NULL));
    FUZZ_CHECK(peer == NULL || (peer->address != NULL && peer->max_stanza <= MAIL_STANZA_MAX));
    asked.answers[token]++;
}

static void on_keys(void *ctx, uint64_t token, const char *sign, const char *encrypt,
                    const char *endorsement, const struct err *err)
{
    (void)ctx;
    (void)endorsement;
    FUZZ_CHECK((sign != NULL && encrypt != NULL) == (err == NULL));
    asked.answers[token]++;
}

static void on_receipt(void *ctx, uint64_t token, const char *receipt, size_t len, const struct err *err)
{
    (void)ctx;
    FUZZ_CHECK((receipt != NULL && len > 0) == (err == NULL));
    FUZZ_CHECK(err == NULL || err->kind == ERR_TEMPORARY);
    asked.answers[token]++;
}

static void ask_one(uint8_t what, size_t k)
{
    static const char armor[] = "armor <&>";
    const struct transport *t = world.t;
    const char *to = destinations[k].domain, *from = destinations[k].origin;
    size_t len = k % 2 == 0 ? 5 : strlen(armor);

    if (what == SCRIPT_FORGET)
        t->forget(t->self, to);
    if (what == SCRIPT_FORGET || asked.n == QUESTIONS_MAX)
        return;
    (void)t->is_up(t->self, from);
    if (what == SCRIPT_FIND)
        t->find(t->self, from, to, asked.n++, on_found, NULL);
    else if (what == SCRIPT_KEYS)
        t->keys(t->self, from, to, destinations[k].gateway, asked.n++, on_keys, NULL);
    else
        t->seal(t->self, from, to, destinations[k].gateway, "B", armor, len, asked.n++, on_receipt,
                NULL);
}

static void ask(void)
{
    ask_one(SCRIPT_FORGET, 0);
    ask_one(SCRIPT_FIND, 0);
    ask_one(SCRIPT_KEYS, 0);
    ask_one(SCRIPT_SEAL, 0);
    turns(3);
}

static void check_answers(bool all)
{
    for (size_t i = 0; i < asked.n; i++)
        FUZZ_CHECK(asked.answers[i] == 1 || (!all && asked.answers[i] == 0));
}

/* The fake's list of seals is finite. */
static bool has_room(void)
{
    return fake_inbound.n < FAKE_SEALS_MAX - 120;
}

static void answer_seals(bool with_error, size_t *done)
{
    struct err err = { .kind = ERR_TEMPORARY, .text = "<no>" };

    while (*done < fake_inbound.n) {
        uint64_t token = fake_inbound.tokens[(*done)++];

        fake_inbound.fn(fake_inbound.ctx, token, with_error ? NULL : "receipt", with_error ? 0 : 7,
                        with_error ? &err : NULL);
    }
}

/* What the server has said, on one stream after the other. */
struct saying {
    struct str piece, all;
    size_t *begins;        /* where in it a stream begins that is not the first */
    size_t n_begins;
    uint64_t stream;       /* of the listener's: the last one that something was said on */
    size_t answered;
    bool with_error;
};

static uint64_t stream_number(void)
{
    return stream_listener_counters(world.server.listener)->accepted;
}

static void say(struct saying *s)
{
    if (world.server.stream != NULL && s->piece.len > 0) {
        if (s->stream != stream_number()) {
            s->stream = stream_number();
            s->begins = mem_realloc(s->begins, (s->n_begins + 1) * sizeof(*s->begins));
            s->begins[s->n_begins++] = s->all.len;
        }
        stream_write(world.server.stream, s->piece.s, s->piece.len);
        str_addn(&s->all, s->piece.s, s->piece.len);
        turns(3);
        answer_seals(s->with_error, &s->answered);
    }
    str_truncate(&s->piece, 0);
}

static void pass(unsigned seconds)
{
    world.clock.fake_ms += 1000 * (int64_t)seconds;
    turns(3);
}

/* Returns how many bytes it took. */
static size_t happen(struct saying *s, const uint8_t *data, size_t len)
{
    uint8_t n = len > 1 ? data[1] : 0;

    say(s);
    if (data[0] == SCRIPT_STOP) {
        component_stop(world.c);
        turns(3);
        return 1;
    }
    if (data[0] == SCRIPT_TIME)
        pass(n);
    else
        ask_one(data[0], n % N_ELEMENTS(destinations));
    turns(3);
    return len > 1 ? 2 : 1;
}

static void converse(struct saying *s, const uint8_t *data, size_t len, size_t step,
                     bool has_script)
{
    for (size_t i = 0; i < len && has_room(); i++) {
        if (data[i] == PAUSE)
            say(s);
        else if (has_script && data[i] >= SCRIPT_TIME && data[i] <= SCRIPT_STOP)
            i += happen(s, data + i, len - i) - 1;
        else if (data[i] >= 1 && data[i] <= 8 && data[i] <= world.server.n_heard)
            str_add(&s->piece, attr_of(world.server.heard[data[i] - 1], "id"));
        else
            str_addc(&s->piece, (char)data[i]);
        if (step > 0 && s->piece.len >= step)
            say(s);
    }
    say(s);
    turns(6);
    answer_seals(s->with_error, &s->answered);
}

/* Seals that wait for their origin get an error when its deadline has passed. */
static void wait_for_seals(struct saying *s)
{
    pass(21);
    turns(3);
    answer_seals(s->with_error, &s->answered);
    turns(3);
}

static bool is_up(void)
{
    struct component_status st;

    component_status(world.c, &st);
    return st.is_up;
}

static void check_debts(const struct saying *said, bool from_start, bool all)
{
    struct map *debts = map_create();
    struct ledger ours = ledger_open(debts, true);

    for (size_t i = 0; i <= said->n_begins; i++) {
        size_t begin = i > 0 ? said->begins[i - 1] : 0;
        size_t end = i < said->n_begins ? said->begins[i] : said->all.len;
        struct ledger theirs = ledger_open(debts, false);

        if (!from_start)
            ledger_read(&theirs, HEAD, strlen(HEAD));
        ledger_read(&theirs, str_c(&said->all) + begin, end - begin);
        ledger_close(&theirs);
    }
    ledger_read(&ours, HEAD, strlen(HEAD));
    for (size_t i = 0; i < world.server.n_heard; i++)
        ledger_read(&ours, world.server.heard[i], strlen(world.server.heard[i]));
    (void)map_each(debts, settle_one, &all);
    map_destroy(&debts);
    ledger_close(&ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct saying said = { .with_error = len > 0 && (data[0] & 4u) != 0 };
    bool from_start, is_destroyed;
    int downs;

    if (len < 2 || len > 20000)
        return 0;
    if (inputs == 0)
        open_world();
    from_start = (data[0] & 1u) != 0;
    is_destroyed = (data[0] & 32u) != 0;
    memset(&asked, 0, sizeof(asked));
    connect_anew(from_start ? MANNER_SILENT : MANNER_GOOD);
    if ((data[0] & 16u) != 0 && !from_start)
        world.server.manner = MANNER_MUTE;
    downs = world.downs;
    said.stream = stream_number();
    if ((data[0] & 2u) != 0)
        ask();
    converse(&said, data + 2, len - 2, data[1], (data[0] & 8u) != 0);
    if (!is_destroyed) {
        wait_for_seals(&said);
        check_debts(&said, from_start,
                    !from_start && world.downs == downs && is_up() && has_room());
        disconnect();
    }
    if (is_destroyed || ++inputs == INPUTS_PER_WORLD) {
        world_close(&world);
        inputs = 0;
    }
    check_answers(!is_destroyed);
    str_clear(&said.piece);
    str_clear(&said.all);
    free(said.begins);
    return 0;
}
