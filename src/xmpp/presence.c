/* SPDX-License-Identifier: MIT */
/*
 * Presence and messages. The component itself is there for whoever asks (a probe); it takes no
 * subscriptions and no chat, and says so. What is itself an answer gets none, so nothing can loop.
 */
#include "xmpp/component_private.h"

#include <string.h>

#include "base/log.h"
#include "wire/status.h"
#include "xmpp/iq.h"

void presence_take(struct component *c, const struct stanza *in, const struct jid *to)
{
    const char *type = in->type != NULL ? in->type : "";
    bool is_host = to->node[0] == '\0';
    struct stanza_head h = { .kind = "presence", .to = in->from };
    struct str st = STR_INIT;
    struct piece piece;
    struct err err = { 0 };

    if (strcmp(type, "probe") == 0) {
        h.type = is_host ? NULL : "unavailable";
        if (is_host)
            disco_add_caps(c, &st);
    } else if (strcmp(type, "subscribe") == 0 || strcmp(type, "unsubscribe") == 0) {
        h.type = "unsubscribed";
    } else {
        return;
    }
    if (component_owns(c, in->to))
        h.from = in->to;
    piece = (struct piece){ st.s, st.len };
    if (component_send_answer(c, &h, &piece, st.len > 0, &err) < 0)
        log_debug("stanza.unsent component=%s reason=%s", c->jid, log_quote(err.text));
    str_clear(&st);
}

void message_take(struct component *c, const struct stanza *in)
{
    struct err err = { 0 };

    /* The server itself speaks to components so (XEP-0356 §4.2, and others): nothing to refuse. */
    if (strcmp(in->from, c->domain->name) == 0)
        return;
    (void)err_set(&err, ERR_PERMANENT, STATUS_UNKNOWN_COMMAND, "messages are not taken here");
    iq_refuse_stanza(c, in, &err);
}
