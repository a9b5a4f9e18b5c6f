/* SPDX-License-Identifier: MIT */
/* immpctl status and reload. */
#include "config.h"

#include "daemon/control.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/inbound.h"
#include "mail/outbound.h"
#include "mail/turn.h"

#include "daemon/wiring.h"

static struct json *link_row(const struct wiring *w, size_t i)
{
    struct json *row = json_object_new();
    struct component_status st;

    component_status(w->components[i], &st);
    json_set_str(row, "domain", w->mail.domains[i].name);
    json_set_str(row, "component", w->mail.domains[i].component);
    json_set_str(row, "state", st.state);
    json_set_int(row, "up-since", st.up_since_ms);
    json_set_int(row, "last-pong", st.last_pong_ms);
    json_set_int(row, "next-try", st.next_try_ms);
    json_set_str(row, "error", st.last_error);
    json_set_int(row, "stanzas-in", (int64_t)st.stanzas_in);
    json_set_int(row, "stanzas-out", (int64_t)st.stanzas_out);
    json_set_int(row, "reconnects", (int64_t)st.reconnects);
    return row;
}

static struct json *outbound_row(const struct wiring *w)
{
    const struct outbound_counters *c = outbound_counters(w->mail.outbound);
    struct json *row = json_object_new();

    json_set_int(row, "bundles", (int64_t)c->bundles);
    json_set_int(row, "messages", (int64_t)c->messages);
    json_set_int(row, "receipts", (int64_t)c->receipts);
    json_set_int(row, "refused", (int64_t)c->refused);
    json_set_int(row, "bad-receipts", (int64_t)c->bad_receipts);
    json_set_int(row, "failures", (int64_t)c->failures);
    json_set_int(row, "bounces", (int64_t)c->bounces);
    json_set_int(row, "expired", (int64_t)c->expired);
    return row;
}

static struct json *inbound_row(const struct wiring *w)
{
    const struct inbound_counters *c = inbound_counters(w->mail.inbound);
    struct json *row = json_object_new(), *refused = json_object_new();

    json_set_int(row, "seals", (int64_t)c->seals);
    json_set_int(row, "messages", (int64_t)c->messages);
    json_set_int(row, "delivered", (int64_t)c->delivered);
    json_set_int(row, "repeats", (int64_t)c->repeats);
    for (int r = REFUSED_NONE + 1; r < REFUSED_COUNT; r++)
        json_set_int(refused, refusal_name((enum refusal)r), (int64_t)c->refused[r]);
    json_set(row, "refused", refused);
    return row;
}

static void status(struct control_call *call)
{
    struct wiring *w = control_wiring(call);
    struct json *row = json_object_new(), *links = json_array_new();
    struct store_totals totals = { 0 };
    struct err err = { 0 };

    if (store_totals(w->mail.store, &totals, &err) < 0) {
        json_destroy(&row);
        json_destroy(&links);
        control_fail(call, &err);
        return;
    }
    json_set_str(row, "version", PACKAGE_VERSION);
    json_set_int(row, "pid", getpid());
    json_set_int(row, "started", w->started_ms);
    json_set_int(row, "now", clock_wall_ms(w->mail.clock));
    json_set_int(row, "port", endpoint_port(w->endpoint));
    json_set_int(row, "connections", (int64_t)endpoint_connections(w->endpoint));
    json_set_int(row, "accounts", totals.accounts);
    json_set_int(row, "messages", totals.messages);
    json_set_int(row, "bytes", totals.bytes);
    json_set_int(row, "queued", totals.queued);
    json_set_int(row, "commits", (int64_t)turn_counters(w->mail.turn)->commits);
    json_set_int(row, "failed-commits", (int64_t)turn_counters(w->mail.turn)->failures);
    for (size_t i = 0; i < w->mail.n_domains; i++)
        json_append(links, link_row(w, i));
    json_set(row, "links", links);
    json_set(row, "outbound", outbound_row(w));
    json_set(row, "inbound", inbound_row(w));
    control_row(call, row);
    control_done(call, "%s", "");
}

static void reload(struct control_call *call)
{
    struct err err = { 0 };

    if (wiring_reload(control_wiring(call), &err) < 0)
        control_fail(call, &err);
    else
        control_done(call, "reloaded");
}

const struct control_command control_status_commands[] = {
    { "status", status },
    { "reload", reload },
    { NULL,     NULL   },
};
