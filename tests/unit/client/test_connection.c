/* SPDX-License-Identifier: MIT */
/* libimmp against a scripted server: opening, login, commands, delivering, and every way to fail. */
#include "config.h"

#include <immp/client.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#include "lib/patience.h"
#include "lib/test.h"
#include "unit/client/server.h"

#define SECRET "wonder land"

struct pin {
    char seen[65];
    int answer;
    int calls;
};

static int check_key(void *ctx, const char *fingerprint)
{
    struct pin *p = ctx;

    p->calls++;
    (void)snprintf(p->seen, sizeof(p->seen), "%s", fingerprint);
    return p->answer;
}

/* How long the client waits: long, but where a test has a server that says nothing. */
static int patience_ms;

static void be_patient(bool is_patient)
{
    patience_ms = (int)patient_ms(is_patient ? 20000 : 400);
}

static struct immp_client *open_at(const char *port, struct pin *pin, struct immp_error *err)
{
    struct immp_options opt = {
        .host = "127.0.0.1",
        .port = port,
        .timeout_ms = patience_ms,
        .check_key = pin != NULL ? check_key : NULL,
        .ctx = pin,
    };

    *err = (struct immp_error){ IMMP_OK, 0, "" };
    return immp_client_open(&opt, err);
}

/* Connected, the script going on behind the upgrade. */
static struct immp_client *enter(const char *script, struct server **sp)
{
    struct str whole = STR_INIT;
    struct immp_error err;
    struct immp_client *c;

    str_addf(&whole, "GREET\nUPGRADE 3\n%s", script);
    *sp = server_start(str_c(&whole));
    str_clear(&whole);
    c = open_at(server_port(*sp), NULL, &err);
    if (c == NULL)
        fail_msg("%s", err.text);
    return c;
}

/* ---- opening ---- */

static void a_connection_greets_upgrades_and_says_goodbye(void **state)
{
    struct server *s = server_start("GREET\nUPGRADE 3\nQUIT");
    struct pin pin = { .answer = 0 };
    struct immp_error err;
    struct immp_client *c = open_at(server_port(s), &pin, &err);

    (void)state;
    if (c == NULL)
        fail_msg("%s", err.text);
    assert_string_equal(immp_client_domain(c), "a.test");
    assert_string_equal(immp_client_fingerprint(c), server_fingerprint(s));
    assert_string_equal(pin.seen, server_fingerprint(s));
    assert_int_equal(pin.calls, 1);
    immp_client_close(&c);
    immp_client_close(&c); /* harmless */
    server_stop(&s);
}

static void a_key_that_is_not_accepted_ends_it_before_anything_is_said(void **state)
{
    struct server *s = server_start("GREET\nUPGRADE 3\nSILENCE");
    struct pin pin = { .answer = -1 };
    struct immp_error err;

    (void)state;
    assert_null(open_at(server_port(s), &pin, &err));
    assert_int_equal(err.kind, IMMP_DENIED);
    assert_int_equal(err.status, 0);
    server_stop(&s);
}

static void tls_1_2_is_taken_where_1_3_is_not_offered(void **state)
{
    static const char *const rows[] = {
        "S: 100 IMMP/1.0 Server\nS: 100 TLS2\nS: 101 p=IMMP v=1.0\nUPGRADE 2\nQUIT",
        "GREET\nC: UPGRADE TLS3\nS: 405 no\nUPGRADE 2\nQUIT",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct server *s = server_start(rows[i]);
        struct immp_error err;
        struct immp_client *c = open_at(server_port(s), NULL, &err);

        if (c == NULL)
            fail_msg("%s", err.text);
        immp_client_close(&c);
        server_stop(&s);
    }
}

/* docs/immp.md, "Connections and states": what may go wrong in clear. */
static void what_is_no_immp_server_is_told(void **state)
{
    static const struct {
        const char *script;
        enum immp_kind kind;
        int status;
        const char *text;
    } rows[] = {
        { "S: HTTP/1.1 400 Bad Request",               IMMP_PROTOCOL,  0,   "no IMMP server" },
        { "S: 220 mail.example ESMTP\nSILENCE",        IMMP_TEMPORARY, 0,   "too long" },
        { "S: 100 Hello\nS: 101 p=XMPP v=1.0",         IMMP_PROTOCOL,  0,   "does not greet" },
        { "S: 703 overloaded, come back later",        IMMP_TEMPORARY, 703, "overloaded" },
        { "s: 100 IMMP/1.0",                           IMMP_TEMPORARY, 0,   "closed the connection" },
        { "GREET",                                     IMMP_TEMPORARY, 0,   "" },
        { "SILENCE",                                   IMMP_TEMPORARY, 0,   "too long" },
        { "GREET\nC: UPGRADE TLS3\nS: 405 no\nC: UPGRADE TLS2\nS: 405 no TLS\nSILENCE",
                                                       IMMP_PERMANENT, 405, "no TLS" },
        { "GREET\nC: UPGRADE TLS3\nS: 200 fine\nSILENCE", IMMP_PROTOCOL, 0, "UPGRADE with 200" },
        { "GREET\nC: UPGRADE TLS3\nS: 204 yes\nS: 220 no TLS at all\nSILENCE", 0, 0, "" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct server *s = server_start(rows[i].script);
        struct immp_error err;

        be_patient(strstr(rows[i].text, "too long") == NULL);
        if (open_at(server_port(s), NULL, &err) != NULL)
            fail_msg("row %zu was taken", i);
        if ((rows[i].kind != 0 && err.kind != rows[i].kind) || err.status != rows[i].status ||
            strstr(err.text, rows[i].text) == NULL || err.text[0] == '\0')
            fail_msg("row %zu: %d %d %s", i, err.kind, err.status, err.text);
        server_stop(&s);
    }
    be_patient(true);
}

/* No injection: bytes in clear that come with the 204 are not taken for words under TLS. */
static void bytes_in_clear_behind_the_upgrade_are_refused(void **state)
{
    struct server *s = server_start("GREET\nC: UPGRADE TLS3\nBOTH 204 ok|210 you are in\nSILENCE");
    struct immp_error err;

    (void)state;
    assert_null(open_at(server_port(s), NULL, &err));
    assert_int_equal(err.kind, IMMP_PROTOCOL);
    assert_non_null(strstr(err.text, "in clear"));
    server_stop(&s);
}

static void an_endless_greeting_and_an_endless_line_are_refused(void **state)
{
    struct str script = STR_INIT;
    struct server *s;
    struct immp_error err;

    (void)state;
    for (int i = 0; i < 60; i++)
        str_add(&script, "S: 100 IMMP/1.0 once more\n");
    str_add(&script, "SILENCE");
    s = server_start(str_c(&script));
    assert_null(open_at(server_port(s), NULL, &err));
    assert_int_equal(err.kind, IMMP_PROTOCOL);
    server_stop(&s);
    s = server_start("s: 100 IMMP/1.0 \nGIVE 20000\nSILENCE");
    assert_null(open_at(server_port(s), NULL, &err));
    assert_int_equal(err.kind, IMMP_PROTOCOL);
    server_stop(&s);
    str_clear(&script);
}

static void where_nobody_listens_it_is_temporary_and_no_such_place_is_permanent(void **state)
{
    struct server *s = server_start("GREET\nSILENCE");
    struct immp_options opt = { .host = "127.0.0.1", .port = "no such service" };
    char port[8];
    struct immp_error err;

    (void)state;
    (void)snprintf(port, sizeof(port), "%s", server_port(s));
    be_patient(false);
    assert_null(open_at(port, NULL, &err)); /* no answer to UPGRADE */
    be_patient(true);
    server_stop(&s);
    assert_null(open_at(port, NULL, &err));
    assert_int_equal(err.kind, IMMP_TEMPORARY);
    assert_non_null(strstr(err.text, "cannot connect"));
    assert_null(immp_client_open(&opt, &err));
    assert_int_equal(err.kind, IMMP_PERMANENT);
    assert_null(immp_client_open(&opt, NULL));
}

/* ---- login ---- */

static void a_login_proves_the_secret_over_this_very_connection(void **state)
{
    struct server *s;
    struct immp_client *c = enter("LOGIN " SECRET "\nQUIT", &s); /* it checks the key */
    struct immp_error err;

    (void)state;
    if (immp_client_login(c, "alice@a.test", SECRET, NULL, &err) < 0)
        fail_msg("%s", err.text);
    immp_client_close(&c);
    server_stop(&s);
}

#define CHALLENGE "GREET\nUPGRADE 3\nC~ AUTH SECRET\nS: 302 go\nS: 303 "
#define COST      " s=c2FsdA== N=32768 r=8 p=1"

static void logins_that_cannot_be_are_told(void **state)
{
    static const struct {
        const char *script;
        enum immp_kind kind;
        int status;
    } rows[] = {
        { "GREET\nUPGRADE 3\nC: AUTH SECRET \"alice@a.test\" \"my phone\"\nS: 412 later",  IMMP_DENIED,    412 },
        { "GREET\nUPGRADE 3\nC~ AUTH SECRET\nS: 402 no IMID",                 IMMP_PERMANENT, 402 },
        { "GREET\nUPGRADE 3\nC~ AUTH SECRET\nS: 200 in you come",             IMMP_PROTOCOL,  0   },
        { "GREET\nUPGRADE 3\nC~ AUTH SECRET\nS: 302 go",                      IMMP_TEMPORARY, 0   },
        { CHALLENGE "h=scrypt" COST,                                          IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b" COST,                                         IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=md5" COST,                                   IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=scrypt N=32768 r=8 p=1",                     IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=scrypt s=*** N=32768 r=8 p=1",               IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=scrypt s=c2FsdA== N=x r=8 p=1",              IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=scrypt s=c2FsdA== N=16 r=8 p=1",             IMMP_DENIED,    0   },
        { CHALLENGE "n1=a n2=b h=scrypt s=c2FsdA== N=4294967296 r=8 p=1",     IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=scrypt s=c2FsdA== N=2147483648 r=64 p=1",    IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=scrypt k=md5" COST,                          IMMP_PROTOCOL,  0   },
        { CHALLENGE "n1=a n2=b h=scrypt k=hmac-sha256" COST "\nC~ AUTH RESPONSE\nS: 410 no", IMMP_DENIED, 410 },
        { CHALLENGE "n1=a n2=b h=scrypt" COST "\nC~ AUTH RESPONSE\nS: 200 ok", IMMP_PROTOCOL, 0   },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct server *s = server_start(rows[i].script);
        struct immp_error err;
        struct immp_client *c = open_at(server_port(s), NULL, &err);

        assert_non_null(c);
        assert_int_equal(immp_client_login(c, "alice@a.test", SECRET, "my phone", &err), -1);
        if (err.kind != rows[i].kind || err.status != rows[i].status || err.text[0] == '\0')
            fail_msg("row %zu: %d %d %s", i, err.kind, err.status, err.text);
        immp_client_close(&c);
        server_stop(&s);
    }
}

/* The draft's key, which is all that a server of 2013 knows. */
static void the_drafts_sha1_key_is_40_hex_digits(void **state)
{
    struct server *s = server_start(CHALLENGE "n1=a n2=b h=scrypt k=sha1" COST
                                    "\nC: AUTH RESPONSE 8c1c7710084535819ed086b64f05f7405a8d4f09"
                                    "\nS: 210 ok\nQUIT");
    struct immp_error err;
    struct immp_client *c = open_at(server_port(s), NULL, &err);

    (void)state;
    assert_non_null(c);
    if (immp_client_login(c, "alice@a.test", SECRET, NULL, &err) < 0)
        fail_msg("%s", err.text);
    immp_client_close(&c);
    server_stop(&s);
}

/* ---- commands ---- */

struct heard {
    struct str lines, octets;
    int stop_at, n;
};

static int on_line(void *ctx, const struct immp_reply *r)
{
    struct heard *h = ctx;

    str_addf(&h->lines, "%d%s%s|", r->code, r->has_more ? "-" : " ", r->text);
    return ++h->n == h->stop_at ? -1 : 0;
}

static int on_octets(void *ctx, const void *p, size_t n)
{
    struct heard *h = ctx;

    str_addn(&h->octets, p, n);
    return h->stop_at < 0 ? -1 : 0;
}

static void heard_clear(struct heard *h)
{
    str_clear(&h->lines);
    str_clear(&h->octets);
    h->n = h->stop_at = 0;
}

static void a_command_gives_each_line_of_its_reply(void **state)
{
    struct server *s;
    struct immp_client *c = enter("C: MBOX CHECK /inbox\nS: 240- /inbox:* u=1 t=2\n"
                                  "S: *: 291 /inbox new\nS: 240 /inbox/x:* u=0 t=0\n"
                                  "C: NOOP\nS: 200\nC: MBOX CHECK /no\nS: 404 no folder\n"
                                  "C: SUBSCRIBE TO n@d\nS: 380 wait\nS: 280 done\n"
                                  "C: NOOP\nS: 100 just so\nS: 200 ok\nQUIT",
                                  &s);
    struct heard h = { STR_INIT, STR_INIT, 0, 0 };
    struct immp_handler handler = { on_line, on_octets, &h };
    struct immp_error err;

    (void)state;
    assert_int_equal(immp_client_command(c, "MBOX CHECK /inbox", &handler, &err), 240);
    assert_string_equal(str_c(&h.lines), "240-/inbox:* u=1 t=2|240 /inbox/x:* u=0 t=0|");
    assert_int_equal(immp_client_command(c, "NOOP", NULL, &err), 200);
    assert_int_equal(immp_client_command(c, "MBOX CHECK /no", NULL, &err), -1);
    assert_int_equal(err.status, 404);
    assert_int_equal(err.kind, IMMP_PERMANENT);
    assert_string_equal(err.text, "no folder");
    assert_int_equal(immp_client_command(c, "SUBSCRIBE TO n@d", NULL, &err), 280);
    assert_int_equal(immp_client_command(c, "NOOP", NULL, NULL), 200);
    immp_client_close(&c);
    server_stop(&s);
    heard_clear(&h);
}

static void octets_come_in_pieces_and_exactly(void **state)
{
    struct server *s;
    struct immp_client *c = enter("C: MBOX FETCH a\nS: 251 u length=200000\nGIVE 200000\nLF\n"
                                  "C: MBOX FETCH b\nS: 251- u length=3\nS: abc\nS: 251- v length=0\nLF\n"
                                  "S: 250 2 messages\nQUIT",
                                  &s);
    struct heard h = { STR_INIT, STR_INIT, 0, 0 };
    struct immp_handler handler = { on_line, on_octets, &h };
    struct immp_error err;

    (void)state;
    assert_int_equal(immp_client_command(c, "MBOX FETCH a", &handler, &err), 251);
    assert_int_equal(h.octets.len, 200000);
    heard_clear(&h);
    assert_int_equal(immp_client_command(c, "MBOX FETCH b", &handler, &err), 250);
    assert_string_equal(str_c(&h.octets), "abc");
    assert_string_equal(str_c(&h.lines), "251-u length=3|251-v length=0|250 2 messages|");
    immp_client_close(&c);
    server_stop(&s);
    heard_clear(&h);
}

static void a_long_line_is_read_whole(void **state)
{
    struct server *s;
    struct immp_client *c = enter("C: X\ns: 250 \nGIVE 300000\nS: .\nC: NOOP\nS: 200 ok\nQUIT", &s);
    struct heard h = { STR_INIT, STR_INIT, 0, 0 };
    struct immp_handler handler = { on_line, NULL, &h };
    struct immp_error err;

    (void)state;
    assert_int_equal(immp_client_command(c, "X", &handler, &err), 250);
    assert_int_equal(h.lines.len, 300000 + strlen("250 .|"));
    assert_int_equal(immp_client_command(c, "NOOP", NULL, &err), 200);
    immp_client_close(&c);
    server_stop(&s);
    heard_clear(&h);
}

/* Where the connection is not known to stand between replies it is not used on. */
static void what_breaks_a_connection(void **state)
{
    static const struct {
        const char *script;
        int stop_at;
        enum immp_kind kind;
        int status;
    } rows[] = {
        { "C: X\nS: 250- a\nS: 250 b",                  1,  IMMP_PERMANENT, 0   },
        { "C: X\nS: 251 u length=3\nS: abc",            -1, IMMP_PERMANENT, 0   },
        { "C: X\nS: 251 u length=3\ns: abcd",           0,  IMMP_PROTOCOL,  0   },
        { "C: X\nS: 251 u length=9\ns: abcd",           0,  IMMP_TEMPORARY, 0   },
        { "C: X\nS: 251 u length=-1",                   0,  IMMP_PROTOCOL,  0   },
        { "C: X\nS: hello",                             0,  IMMP_PROTOCOL,  0   },
        { "C: X\nS: 250- a",                            0,  IMMP_TEMPORARY, 0   },
        { "C: X\nS: 750 protocol error, closing",       0,  IMMP_PERMANENT, 750 },
        { "C: X\nSILENCE",                              0,  IMMP_TEMPORARY, 0   },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct server *s;
        struct immp_client *c;
        struct heard h = { STR_INIT, STR_INIT, rows[i].stop_at, 0 };
        struct immp_handler handler = { on_line, on_octets, &h };
        struct immp_error err = { IMMP_OK, 0, "" };

        be_patient(strstr(rows[i].script, "SILENCE") == NULL);
        c = enter(rows[i].script, &s);

        assert_int_equal(immp_client_command(c, "X", &handler, &err), -1);
        if (err.kind != rows[i].kind || err.status != rows[i].status)
            fail_msg("row %zu: %d %d %s", i, err.kind, err.status, err.text);
        assert_int_equal(immp_client_command(c, "NOOP", NULL, &err), -1);
        assert_non_null(strstr(err.text, "not usable"));
        immp_client_close(&c);
        server_stop(&s);
        heard_clear(&h);
    }
    be_patient(true);
}

static void a_command_is_one_line_of_at_most_8190_bytes(void **state)
{
    struct server *s;
    struct immp_client *c = enter("C~ NOOP\nS: 200 ok\nQUIT", &s);
    char line[8192];
    struct immp_error err;

    (void)state;
    memset(line, ' ', sizeof(line));
    memcpy(line, "NOOP", 4);
    line[8191] = '\0';
    assert_int_equal(immp_client_command(c, line, NULL, &err), -1);
    assert_int_equal(immp_client_command(c, "NOOP\nQUIT", NULL, &err), -1);
    assert_int_equal(immp_client_command(c, "NOOP\r", NULL, &err), -1);
    line[8190] = '\0';
    assert_int_equal(immp_client_command(c, line, NULL, &err), 200);
    immp_client_close(&c);
    server_stop(&s);
}

static void tokens_are_quoted_or_refused(void **state)
{
    char out[8];

    (void)state;
    assert_int_equal(immp_token("a b", out, sizeof(out)), 5);
    assert_string_equal(out, "\"a b\"");
    assert_int_equal(immp_token("", out, sizeof(out)), 2);
    assert_int_equal(immp_token("12345", out, sizeof(out)), 7);
    assert_int_equal(immp_token("123456", out, sizeof(out)), -1);
    assert_int_equal(immp_token("a\"b", out, sizeof(out)), -1);
    assert_int_equal(immp_token("a\nb", out, sizeof(out)), -1);
    assert_int_equal(immp_token("a\rb", out, sizeof(out)), -1);
}

/* ---- delivering ---- */

struct source {
    const char *s;
    size_t left;
    size_t at_once;
};

static long read_source(void *ctx, void *buf, size_t n)
{
    struct source *src = ctx;

    n = MIN(MIN(n, src->left), src->at_once);
    memcpy(buf, src->s, n);
    src->s += n;
    src->left -= n;
    return (long)n;
}

static long read_failing(void *ctx, void *buf, size_t n)
{
    (void)ctx;
    (void)buf;
    (void)n;
    return -1;
}

static void on_result(void *ctx, const char *to, int code, const char *text)
{
    str_addf(ctx, "%s=%d:%s|", to, code, text);
}

#define ID "9507ce26-d34e-41cb-9f14-4eeff943e25e"

static void a_message_is_delivered_with_its_parts(void **state)
{
    struct server *s;
    struct immp_client *c = enter(
        "C: DELIVER TO \"bob@b.test\" TO \"carol+My Lists@b.test\" FROM \"team@a.test\" "
        "SUBJECT \"Tea; at +four\" ID \"" ID "\" INREPLYTO \"" ID "\" EXPIRES 60 +IMPORTANT +SECURE "
        "+BLIND +RECEIPT +MULTIPART\nS: 270 go\n"
        "C: DATA NAME \"body.txt\" TYPE \"text/plain\" LENGTH 5 +CONTENT\nS: 271 body.txt\nTAKE 5\n"
        "S: 272 body.txt Part saved\n"
        "C: DATA NAME \"empty\" TYPE \"a/b\" LENGTH 0\nS: 271 empty\nS: 272 empty\n"
        "C: DONE\nS: 202- bob@b.test id=" ID " queued\nS: 440 carol+My Lists@b.test no such account\nQUIT",
        &s);
    const char *to[] = { "bob@b.test", "carol+My Lists@b.test" };
    struct source body = { "hello", 5, 2 };
    struct immp_part parts[] = {
        { "body.txt", "text/plain", true, 5, read_source, &body },
        { "empty", "a/b", false, 0, read_failing, NULL },
    };
    struct immp_message m = {
        .to = to, .n_to = 2, .from = "team@a.test", .subject = "Tea; at +four", .id = ID,
        .in_reply_to = ID, .expires_s = 60, .parts = parts, .n_parts = 2,
        .flags = IMMP_IMPORTANT | IMMP_SECURE | IMMP_BLIND | IMMP_RECEIPT,
    };
    struct str results = STR_INIT;
    struct immp_error err;

    (void)state;
    if (immp_client_deliver(c, &m, on_result, &results, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(str_c(&results), "bob@b.test=202:id=" ID " queued|"
                                         "carol+My Lists@b.test=440:no such account|");
    immp_client_close(&c);
    server_stop(&s);
    assert_string_equal(str_c(&server_taken), "hello");
    str_clear(&results);
}

static void big_parts_stream(void **state)
{
    struct server *s;
    struct immp_client *c = enter("C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nTAKE 1000000\nS: 272 x\n"
                                  "C: DONE\nS: 201 bob@b.test id=x delivered\nQUIT", &s);
    const char *to[] = { "bob@b.test" };
    char *big = mem_alloc(1000000);
    struct source body = { big, 1000000, 50000 };
    struct immp_part part = { "x", "a/b", true, 1000000, read_source, &body };
    struct immp_message m = { .to = to, .n_to = 1, .parts = &part, .n_parts = 1 };
    struct immp_error err;

    (void)state;
    memset(big, 'x', 1000000);
    if (immp_client_deliver(c, &m, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    immp_client_close(&c);
    server_stop(&s);
    assert_int_equal(server_taken.len, 1000000);
    free(big);
}

static void deliveries_that_fail_are_told_by_kind(void **state)
{
    static const struct {
        const char *script;
        bool reads;
        enum immp_kind kind;
        int status;
    } rows[] = {
        { "C~ DELIVER\nS: 446 not you\nQUIT",                              true,  IMMP_DENIED,    446 },
        { "C~ DELIVER\nS: 599 undefined\nQUIT",                            true,  IMMP_TEMPORARY, 599 },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 443 too large",              true,  IMMP_PERMANENT, 443 },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 272 already",                true,  IMMP_PROTOCOL,  0   },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nSILENCE",             false, IMMP_PERMANENT, 0   },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nTAKE 2\nS: 461 short", true, IMMP_PERMANENT, 461 },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nTAKE 2\nS: 272 x\nC: DONE\nS: 462 none\nQUIT",
                                                                           true,  IMMP_PERMANENT, 462 },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nTAKE 2\nS: 272 x\nC: DONE\nS: 702 disk full\nQUIT",
                                                                           true,  IMMP_TEMPORARY, 702 },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nTAKE 2\nS: 272 x\nC: DONE",
                                                                           true,  IMMP_UNCERTAIN, 0   },
        /* A good answer that names no recipient has not said that the message was taken. */
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nTAKE 2\nS: 272 x\nC: DONE\nS: 200 fine",
                                                                           true,  IMMP_UNCERTAIN, 0   },
        { "C~ DELIVER\nS: 270 go\nC~ DATA\nS: 271 x\nTAKE 2\nS: 272 x\nC: DONE\nS: 271 more",
                                                                           true,  IMMP_UNCERTAIN, 0   },
    };
    const char *to[] = { "bob@b.test" };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct server *s;
        struct immp_client *c = enter(rows[i].script, &s);
        struct source body = { "hi", 2, 2 };
        struct immp_part part = { "x", "a/b", true, 2, rows[i].reads ? read_source : read_failing, &body };
        struct immp_message m = { .to = to, .n_to = 1, .parts = &part, .n_parts = 1 };
        struct str results = STR_INIT;
        struct immp_error err = { IMMP_OK, 0, "" };

        assert_int_equal(immp_client_deliver(c, &m, on_result, &results, &err), -1);
        if (err.kind != rows[i].kind || err.status != rows[i].status || results.len > 0)
            fail_msg("row %zu: %d %d %s (%s)", i, err.kind, err.status, err.text, str_c(&results));
        immp_client_close(&c);
        server_stop(&s);
    }
}

static void what_immp_cannot_say_is_not_sent(void **state)
{
    struct server *s;
    struct immp_client *c = enter("QUIT", &s);
    const char *to[] = { "bob@b.test" }, *bad[] = { "b\"ob@b.test" };
    struct immp_message rows[] = {
        { .to = bad, .n_to = 1 },
        { .to = to, .n_to = 1, .subject = "say \"hi\"" },
        { .to = to, .n_to = 1, .subject = "a\nb" },
        { .to = to, .n_to = 1, .id = "\"" },
    };
    struct immp_error err;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(immp_client_deliver(c, &rows[i], NULL, NULL, &err), -1);
        assert_int_equal(err.kind, IMMP_PERMANENT);
        assert_int_equal(err.status, 0);
    }
    immp_client_close(&c);
    server_stop(&s);
}

static int setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    be_patient(true);
    server_setup();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_teardown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_greets_upgrades_and_says_goodbye),
        cmocka_unit_test(a_key_that_is_not_accepted_ends_it_before_anything_is_said),
        cmocka_unit_test(tls_1_2_is_taken_where_1_3_is_not_offered),
        cmocka_unit_test(what_is_no_immp_server_is_told),
        cmocka_unit_test(bytes_in_clear_behind_the_upgrade_are_refused),
        cmocka_unit_test(an_endless_greeting_and_an_endless_line_are_refused),
        cmocka_unit_test(where_nobody_listens_it_is_temporary_and_no_such_place_is_permanent),
        cmocka_unit_test(a_login_proves_the_secret_over_this_very_connection),
        cmocka_unit_test(logins_that_cannot_be_are_told),
        cmocka_unit_test(the_drafts_sha1_key_is_40_hex_digits),
        cmocka_unit_test(a_command_gives_each_line_of_its_reply),
        cmocka_unit_test(octets_come_in_pieces_and_exactly),
        cmocka_unit_test(a_long_line_is_read_whole),
        cmocka_unit_test(what_breaks_a_connection),
        cmocka_unit_test(a_command_is_one_line_of_at_most_8190_bytes),
        cmocka_unit_test(tokens_are_quoted_or_refused),
        cmocka_unit_test(a_message_is_delivered_with_its_parts),
        cmocka_unit_test(big_parts_stream),
        cmocka_unit_test(deliveries_that_fail_are_told_by_kind),
        cmocka_unit_test(what_immp_cannot_say_is_not_sent),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
