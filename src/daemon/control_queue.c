/* SPDX-License-Identifier: MIT */
/* immpctl queue: list, show, retry, hold, release, drop. */
#include "config.h"

#include "daemon/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "mail/notice.h"
#include "mail/outbound.h"
#include "store/queue.h"
#include "wire/message.h"

#include "daemon/wiring.h"

static const char *state_name(enum queue_state state)
{
    switch (state) {
    case QUEUE_QUEUED:
        return "queued";
    case QUEUE_CLAIMED:
        return "sending";
    case QUEUE_HELD:
        return "held";
    case QUEUE_NONE:
        break;
    }
    return "?";
}

/* Recipients as a JSON array; "settled" ones are left out. */
static struct json *open_recipients(const struct queue_entry *q, const struct message *m)
{
    struct json *list = json_array_new();

    for (size_t i = 0; i < m->n_to; i++) {
        const char *at = strstr(q->settled, m->to[i]);
        size_t n = strlen(m->to[i]);

        if (at != NULL && (at == q->settled || at[-1] == '\n') && at[n] == '\n')
            continue;
        json_append(list, json_string_new(m->to[i]));
    }
    return list;
}

static struct json *entry_row(const struct queue_entry *q, bool with_header)
{
    struct json *row = json_object_new();
    struct message m;

    json_set_int(row, "id", q->id);
    json_set_str(row, "message", q->message);
    json_set_str(row, "origin", q->origin);
    json_set_str(row, "destination", q->destination);
    json_set_str(row, "from", q->sender);
    if (message_parse(q->header, strlen(q->header), &m, NULL) == 0) {
        json_set(row, "to", open_recipients(q, &m));
        json_set_str(row, "subject", m.subject);
        message_clear(&m);
    }
    json_set_int(row, "size", q->size);
    json_set_str(row, "state", state_name(q->state));
    json_set_int(row, "attempts", q->attempts);
    json_set_int(row, "due", q->due_ms);
    json_set_int(row, "created", q->created_ms);
    json_set_int(row, "expires", q->expires_ms);
    json_set_bool(row, "secure", q->is_secure);
    json_set_str(row, "error", q->last_error);
    if (with_header)
        json_set_str(row, "header", q->header);
    return row;
}

/* An entry that waits for a path at rest waits for the same reason and as long. */
struct waiting {
    const struct queue_entry *entry;
    struct json *row;
};

static void note_path(void *ctx, const struct outbound_path *p)
{
    struct waiting *w = ctx;

    if (strcmp(p->origin, w->entry->origin) != 0 ||
        strcmp(p->destination, w->entry->destination) != 0)
        return;
    if (w->entry->last_error == NULL)
        json_set_str(w->row, "error", p->last_error);
    if (p->rests_until_ms > w->entry->due_ms)
        json_set_int(w->row, "due", p->rests_until_ms);
}

static struct json *full_row(struct wiring *w, const struct queue_entry *q, bool with_header)
{
    struct waiting wait = { q, entry_row(q, with_header) };

    if (q->state == QUEUE_QUEUED)
        outbound_each(w->mail.outbound, note_path, &wait);
    return wait.row;
}

static int list_entry(void *ctx, const struct queue_entry *q)
{
    control_row(ctx, full_row(control_wiring(ctx), q, false));
    return 0;
}

static void queue_list(struct control_call *call)
{
    struct err err = { 0 };

    if (queue_each(control_wiring(call)->mail.store, control_arg(call, "destination"), list_entry,
                   call, &err) < 0)
        control_fail(call, &err);
    else
        control_done(call, "%s", "");
}

/* The entry that the argument "id" names (its number or its message's UUID), or the call is answered. */
struct search {
    const char *wanted;
    int64_t id;
};

static int match_entry(void *ctx, const struct queue_entry *q)
{
    struct search *s = ctx;

    if (!str_ieq(s->wanted, q->message))
        return 0;
    s->id = q->id;
    return 1;
}

static int entry_of(struct control_call *call, struct queue_entry *q)
{
    struct store *st = control_wiring(call)->mail.store;
    struct search s = { control_need(call, "id"), 0 };
    struct err err = { 0 };
    uint64_t number;
    int rc = 0;

    if (s.wanted == NULL)
        return -1;
    if (str_to_u64(s.wanted, &number) == 0 && number <= INT64_MAX)
        s.id = (int64_t)number;
    else
        rc = queue_each(st, NULL, match_entry, &s, &err);
    if (rc >= 0)
        rc = queue_get(st, s.id, q, &err);
    if (rc == 0)
        rc = err_set(&err, ERR_PERMANENT, 404, "the queue has no entry %s", log_quote(s.wanted));
    if (rc < 0) {
        control_fail(call, &err);
        return -1;
    }
    return 0;
}

static void queue_show(struct control_call *call)
{
    struct queue_entry q;

    if (entry_of(call, &q) < 0)
        return;
    control_row(call, full_row(control_wiring(call), &q, true));
    control_done(call, "%s", "");
    queue_entry_clear(&q);
}

static void queue_retry(struct control_call *call)
{
    struct wiring *w = control_wiring(call);
    struct err err = { 0 };
    int n = outbound_retry(w->mail.outbound, control_arg(call, "destination"), &err);

    if (n < 0)
        control_fail(call, &err);
    else
        control_done(call, "%d %s tried now", n, n == 1 ? "entry is" : "entries are");
}

static void set_hold(struct control_call *call, bool hold)
{
    struct wiring *w = control_wiring(call);
    struct err err = { 0 };
    struct queue_entry q;

    if (entry_of(call, &q) < 0)
        return;
    if (queue_hold(w->mail.store, q.id, hold, &err) < 0) {
        control_fail(call, &err);
    } else {
        if (!hold)
            outbound_kick(w->mail.outbound, q.origin, q.destination);
        control_done(call, "entry %lld %s", (long long)q.id, hold ? "held" : "released");
    }
    queue_entry_clear(&q);
}

static void queue_hold_entry(struct control_call *call)
{
    set_hold(call, true);
}

static void queue_release_entry(struct control_call *call)
{
    set_hold(call, false);
}

/* Nothing is thrown away in silence: the sender is told of each recipient that was still open. */
static int tell_sender(struct mail *m, const struct queue_entry *q, struct err *err)
{
    struct message msg;
    int rc = 0;

    if (message_parse(q->header, strlen(q->header), &msg, err) < 0)
        return -1;
    for (size_t i = 0; i < msg.n_to && rc == 0; i++)
        rc = notice_send(m, NOTICE_FAILED, &msg, q->sender, msg.to[i], 444,
                         "the operator has taken it off the queue", err);
    message_clear(&msg);
    return rc;
}

static void queue_drop(struct control_call *call)
{
    struct wiring *w = control_wiring(call);
    struct err err = { 0 };
    struct queue_entry q;
    int rc = 0;

    if (entry_of(call, &q) < 0)
        return;
    if (control_arg(call, "silent") == NULL)
        rc = tell_sender(&w->mail, &q, &err);
    if (rc == 0)
        rc = queue_del(w->mail.store, q.id, &err);
    if (rc < 0) {
        control_fail(call, &err);
    } else {
        log_info("queue.dropped msg=%s to=%s", q.message, q.destination);
        control_done(call, "entry %lld dropped", (long long)q.id);
    }
    queue_entry_clear(&q);
}

const struct control_command control_queue_commands[] = {
    { "queue list",    queue_list       },
    { "queue show",    queue_show       },
    { "queue retry",   queue_retry      },
    { "queue hold",    queue_hold_entry },
    { "queue release", queue_release_entry },
    { "queue drop",    queue_drop       },
    { NULL,            NULL             },
};
