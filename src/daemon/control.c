/* SPDX-License-Identifier: MIT */
/*
 * The control socket's connections: a line in, a call, lines out. What commands do is in
 * control_account.c, control_queue.c, control_peer.c and control_status.c, each with its table.
 *
 * Answers are held by the stream until the turn's commit, as every answer is; when the commit
 * fails they are taken back and the call fails.
 */
#include "config.h"

#include "daemon/control.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "loop/stream.h"
#include "mail/turn.h"

#include "daemon/wiring.h"

#define REQUEST_MAX    (64u * 1024)
#define CONNECTIONS_MAX 32
#define IDLE_MS        (10 * 60 * 1000)

struct control {
    struct wiring *wiring;
    struct stream_listener *listener;
    struct idmap *calls;      /* open connections by id */
};

struct control_call {
    struct control *control;
    struct stream *stream;
    uint64_t id;
    struct json *request;     /* NULL: none is being answered */
};

static const struct control_command *const tables[] = {
    control_account_commands,
    control_queue_commands,
    control_peer_commands,
    control_status_commands,
};

static void write_json(struct control_call *call, struct json *line)
{
    struct str out = STR_INIT;

    json_add(&out, line);
    str_addc(&out, '\n');
    stream_write(call->stream, out.s, out.len);
    str_clear(&out);
    json_destroy(&line);
}

static void call_destroy(struct control_call *call)
{
    turn_leave(call->control->wiring->mail.turn, call);
    (void)idmap_del(call->control->calls, call->id);
    json_destroy(&call->request);
    stream_close(&call->stream, true);
    free(call);
}

static void finish(struct control_call *call)
{
    json_destroy(&call->request);
    stream_hold_input(call->stream, false);
}

/* The turn's commit: what was answered on the strength of it is taken back if it failed. */
static void committed(void *ctx, bool ok, const struct err *err)
{
    struct control_call *call = ctx;

    if (ok)
        return;
    stream_discard_held(call->stream);
    control_fail(call, err);
}

/* ---- for the commands ---------------------------------------------------------------------- */

struct wiring *control_wiring(struct control_call *call)
{
    return call->control->wiring;
}

const char *control_arg(const struct control_call *call, const char *name)
{
    return json_get_str(json_get(call->request, "args"), name);
}

const char *control_need(struct control_call *call, const char *name)
{
    const char *s = control_arg(call, name);
    struct err err;

    if (s == NULL) {
        err_set(&err, ERR_PROTOCOL, 0, "the argument \"%s\" is missing", name);
        control_fail(call, &err);
    }
    return s;
}

void control_row(struct control_call *call, struct json *row)
{
    struct json *line = json_object_new();

    json_set(line, "row", row);
    write_json(call, line);
}

void control_done(struct control_call *call, const char *fmt, ...)
{
    struct json *line = json_object_new();
    struct str text = STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    json_set_str(line, "done", str_c(&text));
    str_clear(&text);
    turn_join(call->control->wiring->mail.turn, committed, call);
    write_json(call, line);
    finish(call);
}

void control_fail(struct control_call *call, const struct err *err)
{
    struct json *line = json_object_new();

    json_set_str(line, "error", err->text);
    json_set_str(line, "kind", err_kind_name(err->kind));
    if (err->status != 0)
        json_set_int(line, "status", err->status);
    write_json(call, line);
    finish(call);
}

struct parked {
    struct control *control;
    uint64_t id;
};

void *control_park(struct control_call *call)
{
    struct parked *p = mem_alloc(sizeof(*p));

    p->control = call->control;
    p->id = call->id;
    return p;
}

struct control_call *control_unpark(void *parked)
{
    struct parked *p = parked;
    struct control_call *call = idmap_get(p->control->calls, p->id);

    free(p);
    return call;
}

/* ---- a connection ---------------------------------------------------------------------------- */

static void run_request(struct control_call *call, const char *line, size_t len)
{
    struct err err = { 0 };
    const char *words;

    stream_hold_input(call->stream, true);
    call->request = json_parse(line, len, &err);
    words = call->request != NULL ? json_get_str(call->request, "command") : NULL;
    if (words == NULL) {
        err_set(&err, ERR_PROTOCOL, 0, "a request is {\"command\":\"…\",\"args\":{…}}");
        control_fail(call, &err);
        return;
    }
    for (size_t t = 0; t < N_ELEMENTS(tables); t++) {
        for (const struct control_command *c = tables[t]; c->words != NULL; c++) {
            if (strcmp(c->words, words) == 0) {
                c->run(call);
                return;
            }
        }
    }
    err_set(&err, ERR_PERMANENT, 0, "this daemon does not know the command %s", log_quote(words));
    control_fail(call, &err);
}

static void on_data(void *ctx)
{
    struct control_call *call = ctx;

    while (call->request == NULL) {
        size_t len;
        const char *p = stream_peek(call->stream, &len);
        const char *lf = len > 0 ? memchr(p, '\n', len) : NULL;
        char *line;

        if (lf == NULL && len > REQUEST_MAX) {
            call_destroy(call);
            return;
        }
        if (lf == NULL)
            return;
        /* A copy, because the request may hold a secret that must be wiped. */
        len = (size_t)(lf - p);
        line = mem_strndup(p, len);
        stream_take(call->stream, len + 1);
        run_request(call, line, len);
        secret_wipe(line, len);
        free(line);
    }
}

static void on_closed(void *ctx, const struct err *why)
{
    (void)why;
    call_destroy(ctx);
}

static void on_accept(void *ctx, int fd)
{
    static const struct stream_events events = { .data = on_data, .closed = on_closed };
    struct control *c = ctx;
    struct control_call *call;
    uint32_t uid;

    if (idmap_size(c->calls) >= CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    call = mem_zalloc(sizeof(*call));
    call->control = c;
    call->stream = stream_accept(c->wiring->mail.loop, fd, &events, call);
    call->id = idmap_add(c->calls, call);
    stream_set_idle(call->stream, IDLE_MS);
    if (stream_peer_uid(call->stream, &uid) < 0 || (uid != 0 && uid != geteuid())) {
        log_warn("control.refused uid=%u: only root and the daemon's own user may", (unsigned)uid);
        call_destroy(call);
    }
}

struct control *control_create(struct wiring *w, struct err *err)
{
    struct control *c = mem_zalloc(sizeof(*c));
    struct str path = STR_INIT;

    c->wiring = w;
    c->calls = idmap_create();
    str_add(&path, "unix:");
    settings_socket_path(w->settings, &path);
    c->listener = stream_listen(w->mail.loop, path.s, 0, 0600, on_accept, c, err);
    if (c->listener == NULL) {
        err_prefix(err, "the control socket");
        idmap_destroy(&c->calls);
        free(c);
        c = NULL;
    }
    str_clear(&path);
    return c;
}

static int destroy_call(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    call_destroy(value);
    return 0;
}

void control_destroy(struct control **cp)
{
    if (*cp == NULL)
        return;
    stream_listener_close(&(*cp)->listener);
    (void)idmap_each((*cp)->calls, destroy_call, NULL);
    idmap_destroy(&(*cp)->calls);
    free(*cp);
    *cp = NULL;
}
