/* SPDX-License-Identifier: MIT */
/*
 * libimmp's connection with a fuzzed server. The target is the transport: lines and octets come
 * from the input, in pieces of a size that the input chooses, and what is written is looked at.
 * The client greets, upgrades, asks two commands and delivers a message of two parts to two.
 *
 * Holds: whatever fails has a kind and a text; a broken connection writes nothing more; every
 * command is one line, and a part's octets follow nothing but the consent to them; octets are
 * handed on exactly as announced; a message counts as taken only when each recipient has a result,
 * and as surely not taken only when DONE was not said or the server said no; in what pieces the
 * server's bytes come makes no difference to any of it.
 *
 *   first byte   size of a piece; 0: whole
 *   the rest     what the server says
 */
#include "config.h"

#include <string.h>

#include <immp/client.h>

#include "base/macros.h"
#include "base/mem.h"
#include "client/client_private.h"

#include "fuzz/fuzz.h"

struct transport {
    struct str line;
};

static struct {
    const uint8_t *p;
    size_t left, step;
    struct str written;
    bool has_ended; /* a read has failed: nothing may be written behind it */
    bool has_said_done;
} wire;

/* ---- the transport ---- */

struct transport *transport_open(const char *host, const char *port, int timeout_ms,
                                 struct err *err)
{
    (void)host, (void)port, (void)timeout_ms, (void)err;
    return mem_zalloc(sizeof(struct transport));
}

void transport_close(struct transport **tp)
{
    if (*tp == NULL)
        return;
    str_clear(&(*tp)->line);
    free(*tp);
    *tp = NULL;
}

int transport_start_tls(struct transport *t, enum context_version version, struct err *err)
{
    (void)t, (void)version, (void)err;
    return 0;
}

int transport_fingerprint(struct transport *t, char out[FINGERPRINT_SIZE], struct err *err)
{
    (void)t, (void)err;
    memset(out, 'a', FINGERPRINT_SIZE - 1);
    out[FINGERPRINT_SIZE - 1] = '\0';
    return 0;
}

int transport_exporter(struct transport *t, uint8_t out[32], struct err *err)
{
    (void)t, (void)err;
    memset(out, 1, 32);
    return 0;
}

int transport_write(struct transport *t, const void *p, size_t n, struct err *err)
{
    (void)t, (void)err;
    FUZZ_CHECK(!wire.has_ended && n > 0);
    str_addn(&wire.written, p, n);
    wire.has_said_done = wire.has_said_done || (n == 5 && memcmp(p, "DONE\n", 5) == 0);
    return 0;
}

static int end(struct err *err)
{
    wire.has_ended = true;
    return err_set(err, ERR_TEMPORARY, 0, "the server closed the connection");
}

int transport_line(struct transport *t, size_t max, char **line_r, struct err *err)
{
    const uint8_t *lf = memchr(wire.p, '\n', wire.left);
    size_t n = lf != NULL ? (size_t)(lf - wire.p) : 0;

    if (lf == NULL || n > max || memchr(wire.p, '\0', n) != NULL)
        return end(err);
    str_truncate(&t->line, 0);
    str_addn(&t->line, wire.p, n);
    str_reserve(&t->line, 1);
    t->line.s[n] = '\0';
    wire.p += n + 1;
    wire.left -= n + 1;
    *line_r = t->line.s;
    return 0;
}

long transport_octets(struct transport *t, size_t n, const void **p_r, struct err *err)
{
    size_t take = MIN(n, wire.left);

    (void)t;
    if (take == 0)
        return end(err);
    take = wire.step > 0 ? MIN(take, wire.step) : take;
    *p_r = wire.p;
    wire.p += take;
    wire.left -= take;
    return (long)take;
}

/* ---- what is heard ---- */

struct heard {
    struct str *log;
    uint64_t owed;
};

static int on_line(void *ctx, const struct immp_reply *r)
{
    struct heard *h = ctx;

    FUZZ_CHECK(h->owed == 0 && strpbrk(r->text, "\n") == NULL);
    str_addf(h->log, "%d%c%s\n", r->code, r->has_more ? '-' : ' ', r->text);
    h->owed = r->has_octets ? r->octets : 0;
    return 0;
}

static int on_octets(void *ctx, const void *p, size_t n)
{
    struct heard *h = ctx;

    FUZZ_CHECK(n > 0 && n <= h->owed);
    h->owed -= n;
    str_addn(h->log, p, n);
    return 0;
}

static void check_error(const struct immp_error *e)
{
    FUZZ_CHECK(e->kind != IMMP_OK && e->text[0] != '\0');
    FUZZ_CHECK(strlen(e->text) < sizeof(e->text));
}

static void ask(struct immp_client *c, const char *command, struct str *log)
{
    struct heard h = { .log = log };
    struct immp_handler handler = { on_line, on_octets, &h };
    struct immp_error e = { IMMP_OK, 0, "" };
    int code = immp_client_command(c, command, &handler, &e);

    if (code < 0)
        check_error(&e);
    else
        FUZZ_CHECK(code >= 200 && code < 400 && h.owed == 0);
    str_addf(log, "=%d %d %d\n", code, (int)e.kind, e.status);
}

/* ---- delivering ---- */

#define OCTETS "octets\nof a part"

static long read_octets(void *ctx, void *buf, size_t n)
{
    (void)ctx;
    FUZZ_CHECK(n == strlen(OCTETS));
    memcpy(buf, OCTETS, n);
    return (long)n;
}

struct results {
    size_t n;
    const char *const *to;
    struct str *log;
};

static void on_result(void *ctx, const char *to, int code, const char *text)
{
    struct results *r = ctx;

    FUZZ_CHECK(r->n < 2 && strcmp(to, r->to[r->n]) == 0 && code >= 200 && wire.has_said_done);
    str_addf(r->log, "%s: %d %s\n", to, code, text);
    r->n++;
}

static void deliver(struct immp_client *c, struct str *log)
{
    static const char *const to[] = { "bob@b.com", "help desk@b.com" };
    static const struct immp_part parts[] = {
        {"text",  "text/plain", true,  strlen(OCTETS), read_octets, NULL},
        { "more", "image/png",  false, strlen(OCTETS), read_octets, NULL},
    };
    struct immp_message m = {
        .to = to,
        .n_to = 2,
        .subject = "s",
        .id = "9507ce26-d34e-41cb-9f14-4eeff943e25e",
        .flags = IMMP_BLIND,
        .parts = parts,
        .n_parts = 2,
    };
    struct results r = { 0, to, log };
    struct immp_error e = { IMMP_OK, 0, "" };
    int rc = immp_client_deliver(c, &m, on_result, &r, &e);

    if (rc == 0) {
        FUZZ_CHECK(r.n == 2);
    } else {
        check_error(&e);
        FUZZ_CHECK(wire.has_said_done || e.kind != IMMP_UNCERTAIN);
        FUZZ_CHECK(!wire.has_said_done || e.kind == IMMP_UNCERTAIN || e.status >= 400);
    }
    str_addf(log, "=%d %d %d\n", rc, (int)e.kind, e.status);
}

/* ---- what was written ---- */

static void check_written(void)
{
    static const char *const commands[] = {
        "UPGRADE TLS", "MBOX INDEX /inbox", "MBOX FETCH ", "DELIVER TO ", "DATA NAME ", "DONE",
        "QUIT",
    };
    const char *p = str_c(&wire.written), *end_of = p + wire.written.len;

    while (p < end_of) {
        const char *lf = memchr(p, '\n', (size_t)(end_of - p));
        bool is_known = false;

        FUZZ_CHECK(lf != NULL);
        for (size_t i = 0; i < N_ELEMENTS(commands); i++)
            is_known = is_known || str_starts(p, commands[i]);
        FUZZ_CHECK(is_known);
        if (str_starts(p, "DATA ") && str_starts(lf + 1, OCTETS))
            lf += strlen(OCTETS);
        p = lf + 1;
    }
}

static void run(const uint8_t *data, size_t len, size_t step, struct str *log)
{
    struct immp_options opt = { .host = "b.com" };
    struct immp_error e = { IMMP_OK, 0, "" };
    struct immp_client *c;

    wire.p = data;
    wire.left = len;
    wire.step = step;
    wire.has_ended = wire.has_said_done = false;
    c = immp_client_open(&opt, &e);
    if (c == NULL) {
        check_error(&e);
    } else {
        ask(c, "MBOX INDEX /inbox:*", log);
        ask(c, "MBOX FETCH /inbox#9507ce26-d34e-41cb-9f14-4eeff943e25e", log);
        deliver(c, log);
        ask(c, "MBOX INDEX /inbox:unread", log);
    }
    str_addf(log, "%s %d\n", c != NULL ? immp_client_domain(c) : "", (int)e.kind);
    immp_client_close(&c);
    check_written();
    str_addn(log, str_c(&wire.written), wire.written.len);
    str_clear(&wire.written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str whole = STR_INIT, pieces = STR_INIT;

    if (len < 1)
        return 0;
    run(data + 1, len - 1, 0, &whole);
    run(data + 1, len - 1, data[0], &pieces);
    FUZZ_CHECK(whole.len == pieces.len && memcmp(str_c(&whole), str_c(&pieces), whole.len) == 0);
    str_clear(&whole);
    str_clear(&pieces);
    return 0;
}
