/* SPDX-License-Identifier: MIT */
/*
 * The text of a message, as it is searched: sender, subject, and its parts of text that are not
 * longer than one chunk. Taken from what is stored and from nothing else, because it is needed a
 * second time, byte for byte, when the message is deleted: the index keeps no texts (contentless
 * FTS5) and takes words out only for the very text that put them in. If this function ever changes
 * what it gives, a migration has to build the index anew.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <string.h>
#include <strings.h>

#define BODY_MAX (1024 * 1024)

void sqlite_text_clear(struct sqlite_text *t)
{
    str_clear(&t->sender);
    str_clear(&t->subject);
    str_clear(&t->body);
}

static bool has_type(const struct part *p, const char *type)
{
    return p->type != NULL && strncasecmp(p->type, type, strlen(type)) == 0;
}

/* Controls become spaces, and so does what stands in the tags of HTML. */
static void blank(char *s, size_t n, bool is_html)
{
    bool in_tag = false;

    for (size_t i = 0; i < n; i++) {
        in_tag = is_html && (in_tag || s[i] == '<');
        if ((unsigned char)s[i] < 0x20 || (in_tag && s[i] != '>'))
            s[i] = ' ';
        else if (in_tag) {
            s[i] = ' ';
            in_tag = false;
        }
    }
}

static int add_part(struct sqlite *db, int64_t content, const struct message *m, size_t i,
                    struct str *body, struct err *err)
{
    const struct part *p = &m->parts[i];
    size_t from = body->len;
    uint32_t first, n;

    if (!has_type(p, "text/") || p->length == 0 || p->length > CONTENT_CHUNK ||
        body->len + p->length > BODY_MAX)
        return 0;
    content_part_chunks(m, i, &first, &n);
    if (sqlite_content_chunk(&db->store, content, first, body, err) < 0)
        return -1;
    blank(body->s + from, body->len - from, has_type(p, "text/html"));
    str_addc(body, '\n');
    return 0;
}

int sqlite_text_of(struct sqlite *db, int64_t content, struct sqlite_text *t_r, struct err *err)
{
    struct content c = { 0 };
    struct message m;
    int rc = sqlite_content_get(&db->store, content, &c, err);

    *t_r = (struct sqlite_text){ STR_INIT, STR_INIT, STR_INIT };
    if (rc <= 0)
        return rc;
    rc = 0;
    if (message_parse(c.header, strlen(c.header), &m, NULL) == 0) {
        str_add(&t_r->sender, m.from);
        str_add(&t_r->subject, m.subject == NULL ? "" : m.subject);
        for (size_t i = 0; rc == 0 && i < m.n_parts; i++)
            rc = add_part(db, content, &m, i, &t_r->body, err);
        message_clear(&m);
    }
    content_clear(&c);
    if (rc < 0)
        sqlite_text_clear(t_r);
    return rc;
}
