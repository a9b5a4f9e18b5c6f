/* SPDX-License-Identifier: MIT */
/* Fuzzed bytes to a message, with nothing checked on the way. */
#include "config.h"

#include "fuzz/made.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The next field, the caller's; NULL after an empty one or at the end. */
static char *next_field(struct made *made)
{
    size_t n = strnlen((const char *)made->octets, made->n_octets);
    char *s = n > 0 ? mem_strndup((const char *)made->octets, n) : NULL;

    n += n < made->n_octets;
    made->octets += n;
    made->n_octets -= n;
    return s;
}

static void add_part(struct message *m, char *s)
{
    char *type = strchr(s, ';');

    if (type != NULL)
        *type++ = '\0';
    (void)message_add_part(m, s, type != NULL ? type : "text/plain", m->n_parts == 0, 0, NULL);
}

static void add_field(struct message *m, char *s)
{
    if (s[0] == 't')
        message_add_to(m, s + 1);
    else if (s[0] == 'f')
        message_add_shown(m, s + 1);
    else if (s[0] == 'h')
        message_add_hop(m, s + 1);
    else
        add_part(m, s + 1);
}

void made_message(struct made *made, const uint8_t *data, size_t len)
{
    struct message *m = &made->m;
    char *s;

    made->octets = data;
    made->n_octets = len;
    message_init(m);
    memcpy(m->id, "9507ce26-d34e-41cb-9f14-4eeff943e25e", UUID_SIZE);
    if (len > 0) {
        m->flags = data[0] & 0x7fu;
        m->expires_ms = (data[0] & 0x80) != 0 ? 1795000000000 : 0;
        made->octets++;
        made->n_octets--;
    }
    m->kind = (enum message_kind)(MESSAGE_MAIL + len % 5);
    m->date_ms = 1795490508123;
    m->origin = mem_strdup("a.com");
    m->destination = mem_strdup("b.com");
    s = next_field(made);
    m->from = s != NULL ? s : mem_strdup("alice@a.com");
    m->subject = next_field(made);
    while ((s = next_field(made)) != NULL) {
        add_field(m, s);
        free(s);
    }
    if (m->n_parts == 0)
        (void)message_add_part(m, "a", "text/plain", true, 0, NULL);
    if (m->flags % 3 == 0)
        memcpy(m->in_reply_to, m->id, UUID_SIZE);
}
