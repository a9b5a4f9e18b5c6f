/* SPDX-License-Identifier: MIT */
/*
 * Renderings. At opening a message becomes a list of pieces (literal text, and parts in some
 * encoding) whose lengths are known; reading walks the list. So the length can be told before the
 * first octet, a range costs no more than its octets, and memory is one chunk.
 *
 * How a part is encoded may depend on its octets (is it really text?), so parts of at most one
 * chunk are looked at when opening, up to LOOK_MAX octets a message: what comes after is taken
 * for binary, because opening happens in one turn of the loop.
 *
 * A content never changes. If it is deleted while it is read, reading fails; what was sent before
 * stays true.
 */
#include "mail/render.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "wire/json.h"
#include "wire/mime.h"
#include "wire/rows.h"
#include "wire/status.h"

#include "mail/render_private.h"

#define LOOK_MAX (4u * 1024 * 1024)

/* ---- pieces ---- */

static struct piece *add_piece(struct render *r, enum piece_kind kind, uint64_t length)
{
    struct piece *p;

    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 4 : r->cap * 2;
        r->pieces = mem_realloc(r->pieces, r->cap * sizeof *r->pieces);
    }
    p = &r->pieces[r->n++];
    *p = (struct piece){ .kind = kind, .length = length };
    r->length += length;
    return p;
}

/* What was added to text since the last piece becomes one. */
static void close_text(struct render *r)
{
    size_t n = r->text.len - r->text_done;

    if (n == 0)
        return;
    add_piece(r, PIECE_TEXT, n)->text_at = r->text_done;
    r->text_done = r->text.len;
}

static uint64_t encoded_length(const struct render *r, enum piece_kind kind, uint64_t octets)
{
    switch (kind) {
    case PIECE_LINES:
        return mime_base64_length(octets);
    case PIECE_BASE64:
        return (octets + 2) / 3 * 4;
    case PIECE_STRING:
        return r->string.len;
    default:
        return octets;
    }
}

static void add_part_piece(struct render *r, size_t part, enum piece_kind kind)
{
    uint64_t octets = r->message.parts[part].length;
    uint32_t first, n;
    struct piece *p;

    close_text(r);
    if (octets == 0)
        return;
    content_part_chunks(&r->message, part, &first, &n);
    p = add_piece(r, kind, encoded_length(r, kind, octets));
    p->octets = octets;
    p->first_chunk = first;
}

/* ---- how a part goes ---- */

static bool starts(const char *s, const char *prefix)
{
    return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, size_t n, const char *suffix)
{
    size_t m = strlen(suffix);

    return n >= m && strncasecmp(s + n - m, suffix, m) == 0;
}

/* Is the type one of text in UTF-8, by its name? */
static bool is_text_type(const char *type)
{
    size_t n = strcspn(type, "; ");
    const char *s = type;
    bool is_text = starts(type, "text/") || ends(type, n, "/json") || ends(type, n, "+json") ||
                   ends(type, n, "/xml") || ends(type, n, "+xml");

    while (is_text && (s = strchr(s, ';')) != NULL) {
        s += 1 + strspn(s + 1, " ");
        if (starts(s, "charset="))
            return starts(s + 8, "utf-8") || starts(s + 8, "\"utf-8\"") ||
                   starts(s + 8, "us-ascii") || starts(s + 8, "\"us-ascii\"");
    }
    return is_text;
}

/* Text as a JSON string can carry it without being mostly escapes. */
static bool is_text(const struct str *octets)
{
    for (size_t i = 0; i < octets->len; i++) {
        unsigned char c = (unsigned char)octets->s[i];

        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
            return false;
    }
    return str_is_utf8(octets->s, octets->len);
}

/* Have a part in r->chunk for a look. 1, 0 it is not to be looked at, -1. */
static int look_at(struct render *r, size_t part, size_t *looked, struct err *err)
{
    uint64_t octets = r->message.parts[part].length;
    uint32_t first, n;

    if (octets == 0 || octets > CONTENT_CHUNK || *looked + octets > LOOK_MAX)
        return 0;
    *looked += (size_t)octets;
    content_part_chunks(&r->message, part, &first, &n);
    if (render_load(r, first, err) < 0)
        return -1;
    if (r->chunk.len != octets)
        return err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "chunk %u of message %s is cut short",
                       first, r->message.id);
    return 1;
}

static int choose_mime(struct render *r, size_t part, size_t *looked, enum mime_encoding *enc_r,
                       struct err *err)
{
    const struct part *p = &r->message.parts[part];
    int rc = starts(p->type, "text/") ? look_at(r, part, looked, err) : 0;

    if (rc < 0)
        return -1;
    if (rc == 1)
        *enc_r = mime_choose(p->type, (const uint8_t *)r->chunk.s, r->chunk.len, p->length);
    else
        *enc_r = mime_choose(p->type, (const uint8_t *)"", 0, p->length);
    return 0;
}

/* STRING with r->string filled, or BASE64. */
static int choose_json(struct render *r, size_t part, size_t *looked, enum piece_kind *kind_r,
                       struct err *err)
{
    int rc = is_text_type(r->message.parts[part].type) ? look_at(r, part, looked, err) : 0;

    *kind_r = PIECE_BASE64;
    if (rc < 1 || !is_text(&r->chunk))
        return rc < 0 ? -1 : 0;
    *kind_r = PIECE_STRING;
    return render_load_string(r, r->chunk_no, err);
}

/* ---- the forms ---- */

static int plan_mime(struct render *r, bool only_head, struct err *err)
{
    const struct message *m = &r->message;
    size_t looked = 0;

    for (size_t i = 0; i < m->n_parts; i++) {
        enum mime_encoding enc;

        if (only_head && m->n_parts > 1)
            enc = MIME_8BIT;
        else if (choose_mime(r, i, &looked, &enc, err) < 0)
            return -1;
        if (i == 0)
            mime_add_head(&r->text, m, enc);
        if (only_head)
            break;
        mime_add_part_head(&r->text, m, i, enc);
        add_part_piece(r, i, enc == MIME_BASE64 ? PIECE_LINES : PIECE_OCTETS);
        mime_add_part_end(&r->text, m, i);
    }
    if (!only_head)
        mime_add_tail(&r->text, m);
    return 0;
}

static void add_quoted(struct str *out, const char *key, const char *s)
{
    str_add(out, key);
    json_add_quoted(out, s, strlen(s));
}

static int plan_json_part(struct render *r, size_t part, size_t *looked, struct err *err)
{
    const struct part *p = &r->message.parts[part];
    enum piece_kind kind;
    bool is_string;

    if (choose_json(r, part, looked, &kind, err) < 0)
        return -1;
    add_quoted(&r->text, "{\"id\":", p->name);
    add_quoted(&r->text, ",\"class\":", p->is_content ? "content" : "data");
    add_quoted(&r->text, ",\"type\":", p->type);
    is_string = kind == PIECE_STRING || (p->length == 0 && is_text_type(p->type));
    str_addf(&r->text, ",\"length\":%llu,\"encoding\":\"%s\",\"data\":",
             (unsigned long long)p->length, is_string ? "utf-8" : "base64");
    if (kind != PIECE_STRING)
        str_addc(&r->text, '"');
    add_part_piece(r, part, kind);
    str_add(&r->text, kind != PIECE_STRING ? "\"}" : "}");
    return 0;
}

static int plan_json(struct render *r, const struct entry *e, const char *folder, size_t only,
                     struct err *err)
{
    const struct row_state state = {
        .folder = folder != NULL ? folder : "",
        .received_ms = e->received_ms,
        .is_read = (e->flags & ENTRY_READ) != 0,
        .is_flagged = (e->flags & ENTRY_FLAGGED) != 0,
    };
    size_t looked = 0;
    bool is_first = true;

    str_add(&r->text, "{\"envelope\":");
    row_add_envelope(&r->text, &r->message, &state);
    str_add(&r->text, ",\"parts\":[");
    for (size_t i = 0; i < r->message.n_parts; i++) {
        if (only != SIZE_MAX && only != i)
            continue;
        if (!is_first)
            str_addc(&r->text, ',');
        is_first = false;
        if (plan_json_part(r, i, &looked, err) < 0)
            return -1;
    }
    str_add(&r->text, "]}");
    return 0;
}

static int plan_signed(struct render *r, const struct content *c, struct err *err)
{
    const struct message *m = &r->message;

    if (c->signature == NULL || c->certificate == NULL)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND,
                       "message %s is not signed: it never left its domain", m->id);
    /* The signature covers the header whole, and that names who was to be hidden. */
    if ((m->flags & MESSAGE_BLIND) != 0 && m->n_to > 1)
        return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND,
                       "the signed header of message %s names its hidden recipients", m->id);
    add_quoted(&r->text, "{\"header\":", c->header);
    add_quoted(&r->text, ",\"signature\":", c->signature);
    add_quoted(&r->text, ",\"certificate\":", c->certificate);
    str_addc(&r->text, '}');
    return 0;
}

/* ---- opening ---- */

static int find_part(const struct render *r, const char *name, size_t *part_r, struct err *err)
{
    for (size_t i = 0; name != NULL && i < r->message.n_parts; i++) {
        if (strcmp(r->message.parts[i].name, name) == 0) {
            *part_r = i;
            return 0;
        }
    }
    return err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "message %s has no such part",
                   r->message.id);
}

static int plan(struct render *r, const struct content *c, const struct entry *e,
                const struct render_request *req, struct err *err)
{
    size_t part = SIZE_MAX;
    int rc = -1;

    if ((req->form == RENDER_PART || (req->form == RENDER_JSON && req->part != NULL)) &&
        find_part(r, req->part, &part, err) < 0)
        return -1;
    switch (req->form) {
    case RENDER_MIME:
    case RENDER_HEADERS:
        rc = plan_mime(r, req->form == RENDER_HEADERS, err);
        break;
    case RENDER_JSON:
        rc = plan_json(r, e, req->folder, part, err);
        break;
    case RENDER_PART:
        add_part_piece(r, part, PIECE_OCTETS);
        rc = 0;
        break;
    case RENDER_SIGNED_JSON:
        rc = plan_signed(r, c, err);
        break;
    }
    close_text(r);
    return rc;
}

static int set_range(struct render *r, const struct render_request *req, struct err *err)
{
    if (req->from > req->to || (req->from > 0 && req->from >= r->length))
        return err_set(err, ERR_PERMANENT, STATUS_PARAMETER,
                       "there are %llu octets, and RANGE is not of them",
                       (unsigned long long)r->length);
    r->first = r->at = req->from;
    r->last = r->end = req->to < r->length ? req->to + 1 : r->length;
    while (r->piece < r->n && r->at - r->piece_start >= r->pieces[r->piece].length)
        r->piece_start += r->pieces[r->piece++].length;
    return 0;
}

int render_open(struct mail *m, const struct entry *e, const struct render_request *req,
                struct render **r_r, struct err *err)
{
    struct render *r = mem_zalloc(sizeof *r);
    struct content c = { 0 };
    int rc = content_get(m->store, e->content, &c, err);

    *r_r = NULL;
    r->mail = m;
    r->content = e->content;
    message_init(&r->message);
    if (rc == 0 || (rc == 1 && c.header == NULL))
        rc = err_set(err, ERR_PERMANENT, STATUS_NOT_FOUND, "message %s is gone", e->uuid);
    if (rc == 1)
        rc = message_parse(c.header, strlen(c.header), &r->message, err);
    if (rc == 0)
        rc = plan(r, &c, e, req, err);
    if (rc == 0)
        rc = set_range(r, req, err);
    content_clear(&c);
    if (rc < 0) {
        render_close(&r);
        return -1;
    }
    *r_r = r;
    return 0;
}

void render_close(struct render **rp)
{
    struct render *r = *rp;

    if (r == NULL)
        return;
    message_clear(&r->message);
    free(r->pieces);
    str_clear(&r->text);
    str_clear(&r->chunk);
    str_clear(&r->string);
    free(r);
    *rp = NULL;
}

void render_rest(struct render *r)
{
    str_clear(&r->chunk);
    str_clear(&r->string);
    r->has_chunk = r->has_string = false;
}

uint64_t render_length(const struct render *r)
{
    return r->last - r->first;
}

int render_read(struct render *r, size_t max, struct str *out, struct err *err)
{
    size_t before = out->len;

    while (r->at < r->end && out->len - before < max) {
        const struct piece *p = &r->pieces[r->piece];
        size_t had = out->len;

        if (render_emit(r, p, r->at - r->piece_start, max - (out->len - before), out, err) < 0)
            return -1;
        r->at += out->len - had;
        if (r->at - r->piece_start >= p->length) {
            r->piece_start += p->length;
            r->piece++;
        }
    }
    return r->at < r->end ? 1 : 0;
}
