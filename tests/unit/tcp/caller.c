/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "unit/tcp/caller.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "loop/loop_private.h"
#include "seal/password.h"

/* ---- the desk ---- */

struct desk *desk_open(size_t max_connections, size_t max_per_address, size_t max_backlog)
{
    struct desk *d = calloc(1, sizeof(*d));
    struct endpoint_config cfg = {
        .max_connections = max_connections,
        .max_per_address = max_per_address,
        .max_backlog = max_backlog,
    };
    struct err err = { 0 };

    d->hall = hall_open();
    d->hall->mail.loop->turn_ns = 1000000000;
    d->server = context_server("a.com", d->hall->dir, NULL, NULL, &err);
    d->client = context_client(&err);
    assert_non_null(d->server);
    cfg.mail = &d->hall->mail;
    cfg.context = d->server;
    d->endpoint = endpoint_create(&cfg, &err);
    assert_int_equal(endpoint_listen(d->endpoint, "127.0.0.1", 0, &err), 0);
    return d;
}

void desk_close(struct desk **dp)
{
    struct desk *d = *dp;

    endpoint_destroy(&d->endpoint);
    endpoint_destroy(&d->endpoint);
    context_destroy(&d->server);
    context_destroy(&d->client);
    hall_close(&d->hall);
    free(d);
    *dp = NULL;
}

void desk_turns(struct desk *d, int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(d->hall->mail.loop, false);
}

void desk_pass(struct desk *d, int64_t ms)
{
    d->hall->clock.fake_ms += ms;
    desk_turns(d, 4);
}

/* ---- callers ---- */

static void on_connected(void *ctx)
{
    (void)ctx;
}

static void on_secured(void *ctx)
{
    ((struct caller *)ctx)->is_secured = true;
}

static void on_data(void *ctx)
{
    struct caller *c = ctx;
    size_t n;
    const char *p = stream_peek(c->stream, &n);

    if (!c->reads)
        return;
    str_addn(&c->got, p, n);
    stream_take(c->stream, n);
}

static void on_closed(void *ctx, const struct err *why)
{
    struct caller *c = ctx;

    c->is_closed = true;
    c->why = *why;
    stream_close(&c->stream, true);
}

static const struct stream_events events = {
    .connected = on_connected,
    .secured = on_secured,
    .data = on_data,
    .closed = on_closed,
};

struct caller *caller_open(struct desk *d)
{
    struct caller *c = calloc(1, sizeof(*c));
    struct err err = { 0 };

    c->desk = d;
    c->reads = true;
    c->stream = stream_connect(d->hall->mail.loop, "127.0.0.1", endpoint_port(d->endpoint), &events,
                               c, &err);
    if (c->stream == NULL)
        fail_msg("%s", err.text);
    desk_turns(d, 4);
    return c;
}

void caller_close(struct caller **cp)
{
    struct caller *c = *cp;

    if (c == NULL)
        return;
    stream_close(&c->stream, false);
    desk_turns(c->desk, 4);
    str_clear(&c->got);
    free(c);
    *cp = NULL;
}

void caller_write(struct caller *c, const char *s)
{
    assert_non_null(c->stream);
    stream_write(c->stream, s, strlen(s));
    desk_turns(c->desk, 8);
}

static void assert_got(struct caller *c, const char *expected)
{
    assert_string_equal(str_c(&c->got), expected);
    str_truncate(&c->got, 0);
}

void caller_expect(struct caller *c, const char *say, const char *replies)
{
    caller_write(c, say);
    assert_got(c, replies);
}

void caller_greeted(struct caller *c)
{
    assert_got(c, "100- IMMP/1.0 Server at a.com\n"
                  "100- Please upgrade the connection to one of the following:\n"
                  "100 TLS2 TLS3\n"
                  "101 p=IMMP v=1.0 d=a.com\n");
}

void caller_secure(struct caller *c, enum context_version version)
{
    bool is_tls2 = version == CONTEXT_TLS2;

    caller_greeted(c);
    caller_expect(c, is_tls2 ? "UPGRADE TLS2\n" : "UPGRADE TLS3\n",
                  is_tls2 ? "204 Upgrading to TLS2.\n" : "204 Upgrading to TLS3.\n");
    assert_int_equal(
        stream_start_tls(c->stream, context_session(c->desk->client, version, NULL), false), 0);
    for (int i = 0; i < 50 && !c->is_secured && !c->is_closed; i++)
        desk_turns(c->desk, 1);
    desk_turns(c->desk, 2);
    assert_true(c->is_secured);
}

static void take_value(const char *line, const char *name, char *out, size_t size)
{
    const char *at = strstr(line, name);
    size_t n;

    assert_non_null(at);
    at += strlen(name);
    n = strcspn(at, " \n");
    assert_true(n < size);
    memcpy(out, at, n);
    out[n] = '\0';
}

void caller_login(struct caller *c, const char *address, bool use_exporter)
{
    const struct password_cost cheap = { .n = 2, .r = 1, .p = 1 }; /* the hall's */
    uint8_t salt[PASSWORD_SALT_BYTES], exporter[PASSWORD_EXPORTER_BYTES];
    char h[PASSWORD_H_SIZE], k[65], n1[40], n2[24];
    struct str line = STR_INIT, reply = STR_INIT;

    str_addf(&line, "AUTH SECRET %s\n", address);
    caller_write(c, line.s);
    take_value(str_c(&c->got), "n1=", n1, sizeof(n1));
    take_value(str_c(&c->got), "n2=", n2, sizeof(n2));
    str_truncate(&c->got, 0);
    memset(salt, 7, sizeof(salt));
    assert_int_equal(password_derive(HALL_SECRET, salt, sizeof(salt), cheap, h, NULL), 0);
    if (use_exporter) {
        assert_int_equal(context_exporter(stream_tls(c->stream), exporter, NULL), 0);
        password_k_hmac(h, n1, n2, exporter, k);
    } else {
        password_k_sha1(h, n1, n2, k);
    }
    str_truncate(&line, 0);
    str_addf(&line, "AUTH RESPONSE %s\n", k);
    str_addf(&reply, "210 Authentication accepted for %s\n", address);
    caller_expect(c, line.s, reply.s);
    str_clear(&line);
    str_clear(&reply);
}

struct caller *caller_enter(struct desk *d, const char *address)
{
    struct caller *c = caller_open(d);

    caller_secure(c, CONTEXT_TLS3);
    caller_login(c, address, false);
    return c;
}
