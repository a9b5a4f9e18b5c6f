/* SPDX-License-Identifier: MIT */
/*
 * The component, with the server's stream fuzzed. Holds: what we say is a well-formed stream of
 * stanzas with addresses (scripted.c checks each); no request is answered twice, and while the link
 * lives each is answered once.
 *
 *   first byte   bit 0 the stream from its first byte on, else what comes after the handshake;
 *                bit 1 three questions of ours are out; bit 2 seals get an error, else a receipt
 *   second byte  size of a piece; 0: whole
 *   the rest     what the server says; the bytes 1 to 8 stand for the id of our n-th stanza so far,
 *                14 ends a piece
 */
#include "config.h"

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

static struct world world;
static unsigned inputs;
static char folder[] = "/tmp/immpd-fuzz-XXXXXX", address[64];

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

    if (world.server.stream != NULL)
        stream_close(&world.server.stream, false);
    do {
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

static void on_found(void *ctx, uint64_t token, const struct transport_peer *peer, const struct err *err)
{
    FUZZ_CHECK((peer != NULL) != (err != NULL));
    ((int *)ctx)[token]++;
}

static void on_keys(void *ctx, uint64_t token, const char *sign, const char *encrypt,
                    const char *endorsement, const struct err *err)
{
    (void)endorsement;
    FUZZ_CHECK((sign != NULL && encrypt != NULL) == (err == NULL));
    ((int *)ctx)[token]++;
}

static void on_receipt(void *ctx, uint64_t token, const char *receipt, size_t len, const struct err *err)
{
    FUZZ_CHECK((receipt != NULL && len > 0) == (err == NULL));
    FUZZ_CHECK(err == NULL || err->kind == ERR_TEMPORARY);
    ((int *)ctx)[token]++;
}

static void ask(int answers[3])
{
    const struct transport *t = world.t;

    t->forget(t->self, "a.test");
    t->find(t->self, "b.test", "a.test", 0, on_found, answers);
    t->keys(t->self, "b.test", "a.test", "immp.a.test", 1, on_keys, answers);
    t->seal(t->self, "b.test", "a.test", "immp.a.test", "B", "armor", 5, 2, on_receipt, answers);
    turns(3);
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

struct saying {
    struct str piece, all;
    size_t answered;
    bool with_error;
};

static void say(struct saying *s)
{
    if (world.server.stream != NULL && s->piece.len > 0) {
        stream_write(world.server.stream, s->piece.s, s->piece.len);
        str_addn(&s->all, s->piece.s, s->piece.len);
        turns(3);
        answer_seals(s->with_error, &s->answered);
    }
    str_truncate(&s->piece, 0);
}

static void converse(struct saying *s, const uint8_t *data, size_t len, size_t step)
{
    for (size_t i = 0; i < len && has_room(); i++) {
        if (data[i] == PAUSE)
            say(s);
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
    /* Seals that wait for their origin get an error when its deadline has passed. */
    world.clock.fake_ms += 20001;
    turns(6);
    answer_seals(s->with_error, &s->answered);
    turns(3);
}

static void check_debts(const struct saying *said, bool from_start, bool all)
{
    struct map *debts = map_create();
    struct ledger theirs = ledger_open(debts, false), ours = ledger_open(debts, true);

    if (!from_start)
        ledger_read(&theirs, HEAD, strlen(HEAD));
    ledger_read(&theirs, str_c(&said->all), said->all.len);
    ledger_read(&ours, HEAD, strlen(HEAD));
    for (size_t i = 0; i < world.server.n_heard; i++)
        ledger_read(&ours, world.server.heard[i], strlen(world.server.heard[i]));
    (void)map_each(debts, settle_one, &all);
    map_destroy(&debts);
    ledger_close(&theirs);
    ledger_close(&ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct saying said = { .with_error = len > 0 && (data[0] & 4u) != 0 };
    int answers[3] = { 0 }, downs;
    bool asks, from_start;

    if (len < 2 || len > 20000)
        return 0;
    if (inputs++ % INPUTS_PER_WORLD == 0)
        open_world();
    from_start = (data[0] & 1u) != 0;
    asks = (data[0] & 2u) != 0;
    connect_anew(from_start ? MANNER_SILENT : MANNER_GOOD);
    downs = world.downs;
    if (asks)
        ask(answers);
    converse(&said, data + 2, len - 2, data[1]);
    check_debts(&said, from_start, !from_start && world.downs == downs && has_room());
    str_clear(&said.piece);
    str_clear(&said.all);
    disconnect();
    for (size_t i = 0; i < N_ELEMENTS(answers); i++)
        FUZZ_CHECK(answers[i] == (asks ? 1 : 0));
    if (inputs % INPUTS_PER_WORLD == 0)
        world_close(&world);
    return 0;
}
