/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "component/scripted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "seal/digest.h"
#include "wire/xml.h"

#define HEADER                                                                        \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "            \
    "xmlns:stream='http://etherx.jabber.org/streams' from='immp.b.test' id='%s'>"
#define STREAM_ID "stream-<&'1"   /* an id that must be unescaped before it is hashed */

/* ---- what the server hears ---- */

static void say(struct server *s, const char *p, size_t n)
{
    if (s->stream == NULL)
        return;
    if (s->drips)
        str_addn(&s->said, p, n);
    else
        stream_write(s->stream, p, n);
}

static int on_open(void *ctx, const char *ns, const char *name, const struct xml_attr *attrs,
                   size_t n)
{
    struct server *s = ctx;
    struct str st = STR_INIT, id = STR_INIT;
    bool has_to = false;

    assert_string_equal(ns, "http://etherx.jabber.org/streams");
    assert_string_equal(name, "stream");
    for (size_t i = 0; i < n; i++)
        if (strcmp(attrs[i].name, "to") == 0)
            has_to = strcmp(attrs[i].value, "immp.b.test") == 0;
    assert_true(has_to);
    if (s->manner != MANNER_SILENT) {
        str_add_xml(&id, STREAM_ID);
        str_addf(&st, HEADER, id.s);
        say(s, st.s, st.len);
    }
    str_clear(&st);
    str_clear(&id);
    return 0;
}

static int on_start(void *ctx, size_t depth, const char *ns, const char *prefix, const char *name,
                    const struct xml_attr *attrs, size_t n)
{
    struct server *s = ctx;
    bool has_from = false, has_to = false;

    (void)prefix;
    if (depth == 2 && strcmp(ns, "urn:ietf:params:xml:ns:xmpp-streams") == 0)
        (void)snprintf(s->error, sizeof(s->error), "%s", name);
    if (depth != 1 || strcmp(name, "handshake") == 0 || strcmp(name, "error") == 0)
        return 0;
    /* Prosody 13 and ejabberd close the stream of a component that leaves one of them out. */
    assert_true(s->handshakes > 0);
    assert_string_equal(ns, "jabber:component:accept");
    for (size_t i = 0; i < n; i++) {
        if (strcmp(attrs[i].name, "to") == 0)
            has_to = attrs[i].value[0] != '\0';
        if (strcmp(attrs[i].name, "from") == 0)
            has_from = strstr(attrs[i].value, "immp.b.test") != NULL;
    }
    assert_true(has_from && has_to);
    return 0;
}

static void shake_hands(struct server *s, const char *raw, size_t len)
{
    struct str want = STR_INIT;
    char hex[41];

    if (s->manner == MANNER_REFUSE) {
        str_addf(&want, "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                 "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>why</text>"
                 "</stream:error></stream:stream>", s->condition);
        say(s, want.s, want.len);
        str_clear(&want);
        return;
    }
    if (s->manner == MANNER_HEADER_ONLY)
        return;
    if (s->manner == MANNER_SILENT) {
        s->handshakes++; /* somebody else speaks for the server, under another id */
        return;
    }
    digest_sha1_hex(STREAM_ID SECRET, strlen(STREAM_ID SECRET), hex);
    str_addf(&want, "<handshake>%s</handshake>", hex);
    assert_int_equal(len, want.len);
    assert_memory_equal(raw, want.s, len);
    str_clear(&want);
    s->handshakes++;
    say(s, "<handshake/>", 12);
}

static bool is_for_itself(const char *raw)
{
    return strcmp(attr_of(raw, "to"), "immp.b.test") == 0 &&
           strcmp(attr_of(raw, "from"), "immp.b.test") == 0;
}

static int on_end(void *ctx, size_t depth, const char *raw, size_t len)
{
    struct server *s = ctx;
    char *copy;

    if (depth != 1)
        return 0;
    if (len > 10 && memcmp(raw, "<handshake", 10) == 0) {
        shake_hands(s, raw, len);
        return 0;
    }
    if (len > 13 && memcmp(raw, "<stream:error", 13) == 0)
        return 0;  /* on_start() has noted it */
    copy = mem_strndup(raw, len);
    if (is_for_itself(copy)) {
        s->pings += strstr(copy, "<ping") != NULL;
        if (s->manner == MANNER_GOOD)
            say(s, raw, len);
        free(copy);
        return 0;
    }
    s->heard = mem_realloc(s->heard, (s->n_heard + 1) * sizeof(*s->heard));
    s->heard[s->n_heard++] = copy;
    return 0;
}

static int on_close(void *ctx)
{
    struct server *s = ctx;

    s->has_end_tag = true;
    return 0;
}

static const struct xml_events xml_events = { on_open, on_start, NULL, on_end, on_close };

/* ---- its connection ---- */

static void drop_connection(struct server *s)
{
    if (s->stream != NULL)
        stream_close(&s->stream, false);
    xml_reader_destroy(&s->reader);
    str_clear(&s->said);
}

static void on_data(void *ctx)
{
    struct server *s = ctx;
    struct err err = { 0 };
    size_t n;
    const char *p = stream_peek(s->stream, &n);

    if (xml_feed(s->reader, p, n, &err) < 0)
        fail_msg("the component said what is not well-formed: %s: %.*s", err.text, (int)n, p);
    if (s->stream != NULL)
        stream_take(s->stream, n);
}

static void on_closed(void *ctx, const struct err *why)
{
    struct server *s = ctx;

    (void)why;
    s->is_closed = true;
    drop_connection(s);
}

static const struct stream_events stream_events = { .data = on_data, .closed = on_closed };

static void on_accepted(void *ctx, int fd)
{
    static const struct xml_limits limits = { 4u << 20, 64, 64 };
    struct server *s = ctx;

    s->connections++;
    s->is_closed = s->has_end_tag = false;
    s->error[0] = '\0';
    drop_connection(s);
    if (s->manner == MANNER_HANGUP) {
        close(fd);
        return;
    }
    s->stream = stream_accept(s->loop, fd, &stream_events, s);
    s->reader = xml_reader_create(&limits, &xml_events, s);
}

/* ---- the world ---- */

static struct identity *identity;

static void load_identity(struct world *w)
{
    char folder[] = "/tmp/immpd-component-XXXXXX";
    struct identity_files files = { .directory = folder };
    struct err err = { 0 };
    static const char *const names[] = { "sign", "encrypt", "tls" };
    char path[128];

    if (identity == NULL) {
        assert_non_null(mkdtemp(folder));
        if ((identity = identity_load("b.test", &files, NULL, &err)) == NULL)
            fail_msg("%s", err.text);
        for (size_t i = 0; i < N_ELEMENTS(names); i++) {
            (void)snprintf(path, sizeof(path), "%s/b.test.%s.pem", folder, names[i]);
            (void)unlink(path);
        }
        (void)rmdir(folder);
    }
    w->domain.identity = identity_ref(identity);
}

static void on_changed(void *ctx, const struct mail_domain *d, bool is_up)
{
    struct world *w = ctx;

    assert_ptr_equal(d, &w->domain);
    if (is_up)
        w->ups++;
    else
        w->downs++;
}

static void make_component(struct world *w)
{
    struct err err = { 0 };
    struct component_config cfg = {
        .mail = &w->mail, .domain = &w->domain, .server = w->server.address, .port = w->server.port,
        .secret = SECRET, .version = "0.1<&>", .ping_ms = w->ping_ms, .changed = on_changed, .ctx = w,
    };

    w->c = component_create(&cfg, &err);
    if (w->c == NULL)
        fail_msg("%s", err.text);
    w->set = component_set_create();
    component_set_add(w->set, w->c);
    w->t = component_set_transport(w->set);
}

void world_open(struct world *w, bool fake)
{
    static char *admins[] = { (char *)"zoe@b.test" };
    struct err err = { 0 };

    memset(w, 0, sizeof(*w));
    log_setup(getenv("TEST_LOG") != NULL ? LOG_T_STDERR : LOG_T_NONE, LOG_L_DEBUG);
    w->clock = fake ? clock_fake(1000000) : *clock_system();
    /* A clock that is moved by hand goes as fast everywhere. */
    w->ping_ms = fake ? 30000 : patient_ms(30000);
    if ((w->loop = loop_create(&w->clock, &err)) == NULL)
        fail_msg("%s", err.text);
    w->domain = (struct mail_domain){
        .name = (char *)"b.test", .component = (char *)"immp.b.test", .admins = admins, .n_admins = 1,
        .message_bytes = 50 << 20,
    };
    load_identity(w);
    w->mail = (struct mail){
        .loop = w->loop, .clock = &w->clock, .domains = &w->domain, .n_domains = 1,
    };
    w->server.loop = w->loop;
    world_listen(w, "127.0.0.1");
}

void world_listen(struct world *w, const char *address)
{
    struct server *s = &w->server;
    struct err err = { 0 };

    if (s->listener != NULL) {
        component_destroy(&w->c);
        component_set_destroy(&w->set);
        stream_listener_close(&s->listener);
    }
    (void)snprintf(s->address, sizeof(s->address), "%s", address);
    s->listener = stream_listen(w->loop, address, 0, 0600, on_accepted, s, &err);
    if (s->listener == NULL)
        fail_msg("%s", err.text);
    s->port = stream_listener_port(s->listener);
    make_component(w);
}

void world_close(struct world *w)
{
    struct server *s = &w->server;

    component_destroy(&w->c);
    component_set_destroy(&w->set);
    drop_connection(s);
    if (s->listener != NULL)
        stream_listener_close(&s->listener);
    for (size_t i = 0; i < s->n_heard; i++)
        free(s->heard[i]);
    free(s->heard);
    str_clear(&s->said);
    identity_unref(&w->domain.identity);
    for (int i = 0; i < 5; i++)
        loop_turn(w->loop, false);
    loop_destroy(&w->loop);
    fake_inbound_clear();
}

void world_turn(struct world *w)
{
    struct server *s = &w->server;

    if (s->stream != NULL && s->said.len > 0) {
        stream_write(s->stream, s->said.s, 1);
        memmove(s->said.s, s->said.s + 1, s->said.len);
        str_truncate(&s->said, s->said.len - 1);
        loop_turn(w->loop, false);
        return;
    }
    loop_turn(w->loop, false);
    (void)usleep(100);
}

void world_settle(struct world *w)
{
    for (int i = 0; i < 30 || w->server.said.len > 0; i++)
        world_turn(w);
}

void world_up(struct world *w)
{
    component_start(w->c);
    UNTIL(w, w->ups == 1);
}

/* ---- what the test says and expects ---- */

void server_say_bytes(struct world *w, const char *p, size_t n)
{
    assert_non_null(w->server.stream);
    say(&w->server, p, n);
}

void server_say(struct world *w, const char *fmt, ...)
{
    struct str st = STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(&st, fmt, ap);
    va_end(ap);
    server_say_bytes(w, st.s, st.len);
    str_clear(&st);
}

bool pattern_fits(const char *pattern, const char *s)
{
    const char *star = NULL, *from = NULL;

    while (*s != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            from = s;
        } else if (*pattern == *s) {
            pattern++;
            s++;
        } else if (star != NULL) {
            pattern = star + 1;
            s = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const char *server_expect(struct world *w, const char *pattern)
{
    struct server *s = &w->server;
    const char *raw;

    UNTIL(w, s->next_heard < s->n_heard);
    raw = s->heard[s->next_heard++];
    if (!pattern_fits(pattern, raw))
        fail_msg("expected %s\nheard    %s", pattern, raw);
    return raw;
}

void server_silent(struct world *w)
{
    struct server *s = &w->server;

    world_settle(w);
    if (s->next_heard < s->n_heard)
        fail_msg("expected nothing\nheard    %s", s->heard[s->next_heard]);
}

const char *attr_of(const char *stanza, const char *name)
{
    static char value[8][256];
    static unsigned at;
    const char *end = strchr(stanza, '>');
    char key[64];
    const char *p;
    size_t n;

    (void)snprintf(key, sizeof(key), " %s='", name);
    p = strstr(stanza, key);
    if (p == NULL || end == NULL || p > end)
        return "";
    p += strlen(key);
    n = MIN(strcspn(p, "'"), sizeof(value[0]) - 1);
    at = (at + 1) % 8;
    memcpy(value[at], p, n);
    value[at][n] = '\0';
    return value[at];
}
