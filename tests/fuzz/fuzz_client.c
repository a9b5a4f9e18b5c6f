/* SPDX-License-Identifier: MIT */
/*
 * libimmp's connection with a fuzzed server. The target is the transport: lines and octets come
 * from the input, in pieces of a size that the input chooses, and what is written is looked at.
 * The client greets, upgrades, may log in, asks two commands and delivers a message of two parts to
 * two. What is slow in logging in, the derivation of a key, is left out; whether a server's
 * challenge is one to answer is not.
 *
 * Holds: whatever fails has a kind and a text; a broken connection writes nothing more; every
 * command is one line, and a part's octets follow nothing but the consent to them; octets are
 * handed on exactly as announced; a message counts as taken only when each recipient has a result,
 * and as surely not taken only when DONE was not said or the server said no; in what pieces the
 * server's bytes come makes no difference to any of it.
 *
 *   first byte   bits 0-3 size of a piece (0: whole), 4 log in, 5 its key is not accepted,
 *                6 whoever hears replies gives up at the third line or piece, 7 messages that
 *                cannot be said or read are tried too
 *   the rest     what the server says
 */
#include "config.h"

#include <string.h>

#include <immp/client.h>

#include "base/macros.h"
#include "base/mem.h"
#include "client/client_private.h"
#include "seal/password.h"

#include "fuzz/fuzz.h"

enum { HAS_LOGIN = 16, HAS_BAD_KEY = 32, GIVES_UP = 64, HAS_BAD_MESSAGES = 128 };

int __wrap_password_derive(const char *password, const uint8_t *salt, size_t salt_len,
                           struct password_cost cost, char h_r[PASSWORD_H_SIZE], struct err *err);

struct transport {
    struct str line;
};

static struct {
    const uint8_t *p;
    size_t left, step;
    struct str written;
    bool has_ended; /* a read has failed: nothing may be written behind it */
    bool has_said_done;
    bool has_exporter;
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
    (void)t;
    memset(out, 1, 32);
    return wire.has_exporter ? 0 : err_set(err, ERR_TEMPORARY, 0, "no exporter");
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
    int left; /* calls until it gives up; less than 0: never */
};

static int gives_up(struct heard *h)
{
    FUZZ_CHECK(h->left != 0);
    return h->left > 0 && --h->left == 0;
}

static int on_line(void *ctx, const struct immp_reply *r)
{
    struct heard *h = ctx;

    FUZZ_CHECK(h->owed == 0 && strpbrk(r->text, "\n") == NULL);
    str_addf(h->log, "%d%c%s\n", r->code, r->has_more ? '-' : ' ', r->text);
    h->owed = r->has_octets ? r->octets : 0;
    return gives_up(h);
}

static int on_octets(void *ctx, const void *p, size_t n)
{
    struct heard *h = ctx;

    FUZZ_CHECK(n > 0 && n <= h->owed);
    h->owed -= n;
    str_addn(h->log, p, n);
    return 0;
}

static int on_octets_given_up(void *ctx, const void *p, size_t n)
{
    struct heard *h = ctx;

    (void)p, (void)n;
    h->owed = 0;
    return gives_up(h);
}

static void check_error(const struct immp_error *e)
{
    FUZZ_CHECK(e->kind != IMMP_OK && e->text[0] != '\0');
    FUZZ_CHECK(strlen(e->text) < sizeof(e->text));
}

static void ask(struct immp_client *c, const char *command, unsigned flags, struct str *log)
{
    bool gives_up = (flags & GIVES_UP) != 0;
    struct heard h = { .log = log, .left = gives_up ? 3 : -1 };
    struct immp_handler handler = { on_line, gives_up ? on_octets_given_up : on_octets, &h };
    struct immp_error e = { IMMP_OK, 0, "" };
    int code = immp_client_command(c, command, &handler, &e);

    if (code < 0)
        check_error(&e);
    else
        FUZZ_CHECK(code >= 200 && code < 400 && h.owed == 0 && h.left != 0);
    str_addf(log, "=%d %d %d\n", code, (int)e.kind, e.status);
}

/* ---- logging in ---- */

/* Nobody is answered whose cost is too low to be safe, or whose salt is none. */
int __wrap_password_derive(const char *password, const uint8_t *salt, size_t salt_len,
                           struct password_cost cost, char h_r[PASSWORD_H_SIZE], struct err *err)
{
    (void)err;
    FUZZ_CHECK(strcmp(password, "secret") == 0 && salt_len > 0 && salt_len <= 64);
    FUZZ_CHECK(salt != NULL && password_check_cost(cost, NULL) == 0);
    memset(h_r, '0', PASSWORD_H_SIZE - 1);
    h_r[PASSWORD_H_SIZE - 1] = '\0';
    return 0;
}

static void login(struct immp_client *c, const char *device, struct str *log)
{
    struct immp_error e = { IMMP_OK, 0, "" };
    size_t before = wire.written.len;
    int rc = immp_client_login(c, "alice@b.com", "secret", device, &e);

    if (rc < 0)
        check_error(&e);
    else
        FUZZ_CHECK(strstr(wire.written.s + before, "AUTH RESPONSE ") != NULL);
    FUZZ_CHECK(wire.written.len == 0 ||
               memmem(wire.written.s, wire.written.len, "secret", 6) == NULL);
    str_addf(log, "=%d %d %d\n", rc, (int)e.kind, e.status);
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

static long read_nothing(void *ctx, void *buf, size_t n)
{
    (void)ctx, (void)buf, (void)n;
    return -1;
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

/* Of what has a quote nothing is said; what cannot be read to its end breaks off. */
static void deliver_bad(struct immp_client *c, struct str *log)
{
    static const char *const to[] = { "bob@b.com" }, *const bad_to[] = { "b\"ob@b.com" };
    static const struct immp_part parts[] = {
        {"te\"xt", NULL,     true, 3, read_octets,  NULL},
        { "text",  "te\"xt", true, 3, read_octets,  NULL},
        { "text",  NULL,     true, 3, read_nothing, NULL},
    };
    struct immp_message m = { .to = bad_to, .n_to = 1, .parts = parts, .n_parts = 1, .flags = ~0u };
    struct immp_error e = { IMMP_OK, 0, "" };
    size_t before = wire.written.len;

    FUZZ_CHECK(immp_client_deliver(c, &m, NULL, NULL, &e) == -1 && wire.written.len == before);
    FUZZ_CHECK(e.kind == IMMP_PERMANENT);
    m.to = to;
    m.expires_s = 60;
    m.id = "9507ce26-d34e-41cb-9f14-4eeff943e25e";
    for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
        m.parts = &parts[i];
        FUZZ_CHECK(immp_client_deliver(c, &m, NULL, NULL, &e) == -1 && !wire.has_said_done);
        check_error(&e);
        str_addf(log, "=%d %d\n", (int)e.kind, e.status);
    }
}

/* ---- what was written ---- */

static void check_written(void)
{
    static const char *const commands[] = {
        "UPGRADE TLS",    "MBOX INDEX /inbox",
        "MBOX FETCH ",    "DELIVER TO ",
        "DATA NAME ",     "DONE",
        "QUIT",           "AUTH SECRET \"alice@b.com\"",
        "AUTH RESPONSE ",
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

static int check_key(void *ctx, const char *fingerprint)
{
    FUZZ_CHECK(strlen(fingerprint) == FINGERPRINT_SIZE - 1);
    return *(const unsigned *)ctx & HAS_BAD_KEY;
}

static void talk(struct immp_client *c, unsigned flags, struct str *log)
{
    if ((flags & HAS_LOGIN) != 0)
        login(c, (flags & GIVES_UP) != 0 ? "phone" : NULL, log);
    ask(c, "MBOX INDEX /inbox:*", flags, log);
    ask(c, "MBOX FETCH /inbox#9507ce26-d34e-41cb-9f14-4eeff943e25e", flags, log);
    if ((flags & HAS_BAD_MESSAGES) != 0)
        deliver_bad(c, log);
    deliver(c, log);
    ask(c, "MBOX INDEX /inbox:unread", flags, log);
}

static void run(const uint8_t *data, size_t len, size_t step, unsigned flags, struct str *log)
{
    struct immp_options opt = { .host = "b.com", .check_key = check_key, .ctx = &flags };
    struct immp_error e = { IMMP_OK, 0, "" };
    struct immp_client *c;

    wire.p = data;
    wire.left = len;
    wire.step = step;
    wire.has_ended = wire.has_said_done = false;
    wire.has_exporter = (flags & GIVES_UP) == 0;
    c = immp_client_open(&opt, &e);
    FUZZ_CHECK(c == NULL || ((flags & HAS_BAD_KEY) == 0 && *immp_client_fingerprint(c) == 'a'));
    if (c == NULL)
        check_error(&e);
    else
        talk(c, flags, log);
    str_addf(log, "%s %d\n", c != NULL ? immp_client_domain(c) : "", (int)e.kind);
    immp_client_close(&c);
    check_written();
    str_addn(log, str_c(&wire.written), wire.written.len);
    str_clear(&wire.written);
}

/* Any text as a token: in quotes and without a quote or line end inside, or not at all. */
static void check_token(const uint8_t *data, size_t len)
{
    char *text = mem_strndup((const char *)data, MIN(len, 100)), out[64];
    size_t n = strlen(text);
    long size = immp_token(text, out, sizeof(out));

    if (size < 0)
        FUZZ_CHECK(strpbrk(text, "\"\r\n") != NULL || n + 2 >= sizeof(out));
    else
        FUZZ_CHECK((size_t)size == n + 2 && memcmp(out + 1, text, n) == 0 && out[n + 1] == '"');
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str whole = STR_INIT, pieces = STR_INIT;

    if (len < 1)
        return 0;
    run(data + 1, len - 1, 0, data[0], &whole);
    /* Who gives up at a piece gives up elsewhere when the pieces are others. */
    if ((data[0] & GIVES_UP) == 0) {
        run(data + 1, len - 1, data[0] & 15u, data[0], &pieces);
        FUZZ_CHECK(whole.len == pieces.len);
        FUZZ_CHECK(memcmp(str_c(&whole), str_c(&pieces), whole.len) == 0);
    }
    check_token(data + 1, len - 1);
    str_clear(&whole);
    str_clear(&pieces);
    return 0;
}
