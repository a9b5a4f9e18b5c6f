/* SPDX-License-Identifier: MIT */
/*
 * A message's header and its JSON line. The line is signed, so it is written in one fixed form
 * and read strictly: what is read is limited in every number, prepared, and agrees in itself
 * (from is of the origin, each recipient of the destination), so that no later check can be
 * fooled by a second spelling.
 *
 * Texts that only people read (subject, names) may hold any characters: who shows them makes
 * them harmless for his medium, and a message is not lost for a stray control character.
 */
#include "config.h"

#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/field_private.h"
#include "wire/imid.h"
#include "wire/json.h"
#include "wire/mime.h"

static const char *const kind_names[] = {
    [MESSAGE_NONE] = "none",     [MESSAGE_MAIL] = "message",  [MESSAGE_PUSH] = "push",
    [MESSAGE_EVENT] = "event",   [MESSAGE_NOTICE] = "notice", [MESSAGE_REPORT] = "report",
};

/* By bit. */
static const char *const flag_names[] = {
    "important", "unimportant", "secure", "anonymous", "blind", "receipt", "multipart",
};

const char *message_kind_name(enum message_kind kind)
{
    return (size_t)kind < N_ELEMENTS(kind_names) ? kind_names[kind] : "none";
}

const char *message_flag_at(unsigned flags, size_t i)
{
    for (size_t bit = 0; bit < N_ELEMENTS(flag_names); bit++)
        if ((flags & 1u << bit) != 0 && i-- == 0)
            return flag_names[bit];
    return NULL;
}

/* ---- the struct ---- */

void message_init(struct message *m)
{
    *m = (struct message){ 0 };
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

void message_clear(struct message *m)
{
    free(m->origin);
    free(m->destination);
    free(m->from);
    free(m->subject);
    free_list(m->to, m->n_to);
    free_list(m->shown, m->n_shown);
    free_list(m->hops, m->n_hops);
    for (size_t i = 0; i < m->n_parts; i++) {
        free(m->parts[i].name);
        free(m->parts[i].type);
    }
    free(m->parts);
    message_init(m);
}

/* Room for one more of n entries: lists double, so their room is the next power of two. */
static void *grow(void *list, size_t n, size_t size)
{
    return (n & (n - 1)) == 0 ? mem_realloc(list, MAX(2 * n, 1) * size) : list;
}

static void append(char ***list, size_t *n, char *owned)
{
    *list = grow(*list, *n, sizeof(**list));
    (*list)[(*n)++] = owned;
}

void message_add_to(struct message *m, const char *address)
{
    append(&m->to, &m->n_to, mem_strdup(address));
}

void message_add_shown(struct message *m, const char *address)
{
    append(&m->shown, &m->n_shown, mem_strdup(address));
}

void message_add_hop(struct message *m, const char *domain)
{
    append(&m->hops, &m->n_hops, mem_strdup(domain));
}

struct part *message_add_part(struct message *m, const char *name, const char *type,
                              bool is_content, uint64_t length, const char *sha256)
{
    struct part *p;

    m->parts = grow(m->parts, m->n_parts, sizeof(*m->parts));
    p = &m->parts[m->n_parts++];
    *p = (struct part){
        .name = mem_strdup(name),
        .type = mem_strdup(type),
        .is_content = is_content,
        .length = length,
    };
    if (sha256 != NULL)
        memcpy(p->sha256, sha256, strnlen(sha256, sizeof(p->sha256) - 1));
    return p;
}

uint64_t message_size(const struct message *m)
{
    uint64_t size = 0;

    for (size_t i = 0; i < m->n_parts; i++)
        size += m->parts[i].length;
    return size;
}

/* ---- writing ---- */

static void add_flags(struct str *out, unsigned flags)
{
    const char *name;

    str_add(out, ",\"flags\":[");
    for (size_t i = 0; (name = message_flag_at(flags, i)) != NULL; i++)
        str_adds(out, i > 0 ? ",\"" : "\"", name, "\"");
    str_addc(out, ']');
}

static void add_parts(struct str *out, const struct part *parts, size_t n)
{
    str_add(out, ",\"parts\":[");
    for (size_t i = 0; i < n; i++) {
        str_add(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        json_add_quoted(out, parts[i].name, strlen(parts[i].name));
        field_add_text(out, "type", parts[i].type);
        str_adds(out, ",\"class\":\"", parts[i].is_content ? "content" : "data", "\",\"length\":");
        str_add_u64(out, parts[i].length);
        str_adds(out, ",\"sha256\":\"", parts[i].sha256, "\"}");
    }
    str_addc(out, ']');
}

void message_format(struct str *out, const struct message *m)
{
    str_adds(out, "{\"id\":\"", m->id, "\",\"kind\":\"", message_kind_name(m->kind), "\"");
    field_add_text(out, "origin", m->origin);
    field_add_text(out, "destination", m->destination);
    field_add_text(out, "from", m->from);
    field_add_list(out, "to", m->to, m->n_to);
    if (m->subject != NULL)
        field_add_text(out, "subject", m->subject);
    field_add_time(out, "date", m->date_ms);
    if (m->n_shown > 0)
        field_add_list(out, "for", m->shown, m->n_shown);
    if (m->expires_ms != 0)
        field_add_time(out, "expires", m->expires_ms);
    if (m->flags != 0)
        add_flags(out, m->flags);
    if (m->n_hops > 0)
        field_add_list(out, "hops", m->hops, m->n_hops);
    add_parts(out, m->parts, m->n_parts);
    if (m->in_reply_to[0] != '\0')
        str_adds(out, ",\"x-inreplyto\":\"", m->in_reply_to, "\"");
    str_addc(out, '}');
}

/* ---- reading ---- */

static int read_id(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_uuid(v, key, ((struct message *)ctx)->id, err);
}

static int read_kind(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s = json_str(v);

    for (size_t i = MESSAGE_MAIL; s != NULL && i < N_ELEMENTS(kind_names); i++) {
        if (strcmp(s, kind_names[i]) == 0) {
            ((struct message *)ctx)->kind = (enum message_kind)i;
            return 0;
        }
    }
    return err_set(err, ERR_PROTOCOL, 0, "%s is none that is known", key);
}

static int read_origin(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_domain(v, key, &((struct message *)ctx)->origin, err);
}

static int read_destination(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_domain(v, key, &((struct message *)ctx)->destination, err);
}

static int read_from(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_address(v, key, &((struct message *)ctx)->from, err);
}

static int read_to(void *ctx, const struct json *v, const char *key, struct err *err)
{
    struct message *m = ctx;
    size_t n;
    char *address;

    if (field_list(v, key, 1, MESSAGE_RECIPIENTS_MAX, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (field_recipient(json_at(v, i), key, &address, err) < 0)
            return -1;
        append(&m->to, &m->n_to, address);
    }
    return 0;
}

/* Shown as the sender wrote them, but IMIDs they are. */
static int read_for(void *ctx, const struct json *v, const char *key, struct err *err)
{
    struct message *m = ctx;
    struct imid id;
    const char *s;
    size_t n;

    if (field_list(v, key, 0, MESSAGE_RECIPIENTS_MAX, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (field_text(json_at(v, i), key, 1, IMID_MAX_BYTES, &s, err) < 0)
            return -1;
        if (imid_parse(s, &id, err) < 0)
            return err_prefix(err, "%s", key);
        imid_clear(&id);
        message_add_shown(m, s);
    }
    return 0;
}

static int read_subject(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s;

    if (field_text(v, key, 0, MESSAGE_SUBJECT_MAX, &s, err) < 0)
        return -1;
    ((struct message *)ctx)->subject = mem_strdup(s);
    return 0;
}

static int read_date(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_time(v, key, &((struct message *)ctx)->date_ms, err);
}

static int read_expires(void *ctx, const struct json *v, const char *key, struct err *err)
{
    int64_t at_ms;

    if (field_time(v, key, &at_ms, err) < 0)
        return -1;
    if (at_ms <= 0) /* 0 means never here, and nothing can expire before mail was */
        return err_set(err, ERR_PROTOCOL, 0, "%s lies before 1970", key);
    ((struct message *)ctx)->expires_ms = at_ms;
    return 0;
}

static int read_flag(const struct json *v, const char *key, unsigned *flags, struct err *err)
{
    const char *s = json_str(v);

    if (s == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "%s holds what is no string", key);
    for (size_t bit = 0; bit < N_ELEMENTS(flag_names); bit++) {
        if (strcmp(s, flag_names[bit]) != 0)
            continue;
        if ((*flags & 1u << bit) != 0)
            return err_set(err, ERR_PROTOCOL, 0, "%s holds %s twice", key, s);
        *flags |= 1u << bit;
        return 0;
    }
    if (field_unknown(s, NULL) < 0)
        return err_set(err, ERR_PROTOCOL, 0, "%s holds one that is unknown", key);
    return 0;
}

static int read_flags(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const unsigned both = MESSAGE_IMPORTANT | MESSAGE_UNIMPORTANT;
    struct message *m = ctx;
    size_t n;

    if (field_list(v, key, 0, MESSAGE_FLAGS_MAX, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (read_flag(json_at(v, i), key, &m->flags, err) < 0)
            return -1;
    if ((m->flags & both) == both)
        return err_set(err, ERR_PROTOCOL, 0, "%s holds important and unimportant", key);
    return 0;
}

static int read_hops(void *ctx, const struct json *v, const char *key, struct err *err)
{
    struct message *m = ctx;
    size_t n;
    char *domain;

    if (field_list(v, key, 0, MESSAGE_HOPS_MAX, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (field_domain(json_at(v, i), key, &domain, err) < 0)
            return -1;
        append(&m->hops, &m->n_hops, domain);
    }
    return 0;
}

static int read_part_name(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s;

    if (field_text(v, key, 1, MESSAGE_NAME_MAX, &s, err) < 0)
        return -1;
    ((struct part *)ctx)->name = mem_strdup(s);
    return 0;
}

static int read_part_type(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s;

    if (field_text(v, key, 1, MESSAGE_NAME_MAX, &s, err) < 0)
        return -1;
    if (mime_type_check(s) < 0)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no media type", key);
    ((struct part *)ctx)->type = mem_strdup(s);
    return 0;
}

static int read_part_class(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s = json_str(v);

    if (s == NULL || (strcmp(s, "content") != 0 && strcmp(s, "data") != 0))
        return err_set(err, ERR_PROTOCOL, 0, "%s is neither content nor data", key);
    ((struct part *)ctx)->is_content = s[0] == 'c';
    return 0;
}

static int read_part_length(void *ctx, const struct json *v, const char *key, struct err *err)
{
    int64_t length;

    if (field_integer(v, key, 0, FIELD_INTEGER_MAX, &length, err) < 0)
        return -1;
    ((struct part *)ctx)->length = (uint64_t)length;
    return 0;
}

static int read_part_sha256(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_sha256(v, key, ((struct part *)ctx)->sha256, err);
}

static const struct field part_fields[] = {
    { "name",   true, read_part_name   },
    { "type",   true, read_part_type   },
    { "class",  true, read_part_class  },
    { "length", true, read_part_length },
    { "sha256", true, read_part_sha256 },
};

static int read_parts(void *ctx, const struct json *v, const char *key, struct err *err)
{
    struct message *m = ctx;
    uint64_t size = 0;
    size_t n;

    if (field_list(v, key, 1, MESSAGE_PARTS_MAX, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct part *p = message_add_part(m, NULL, NULL, false, 0, NULL);

        if (field_each(json_at(v, i), part_fields, N_ELEMENTS(part_fields), p, err) < 0)
            return err_prefix(err, "part %zu", i + 1);
        size += p->length; /* 1000 times 2^53 fits */
    }
    if (size > (uint64_t)FIELD_INTEGER_MAX)
        return err_set(err, ERR_PROTOCOL, 0, "%s are too large together", key);
    return 0;
}

static int read_in_reply_to(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_uuid(v, key, ((struct message *)ctx)->in_reply_to, err);
}

static const struct field fields[] = {
    { "id",          true,  read_id          },
    { "kind",        true,  read_kind        },
    { "origin",      true,  read_origin      },
    { "destination", true,  read_destination },
    { "from",        true,  read_from        },
    { "to",          true,  read_to          },
    { "subject",     false, read_subject     },
    { "date",        true,  read_date        },
    { "for",         false, read_for         },
    { "expires",     false, read_expires     },
    { "flags",       false, read_flags       },
    { "hops",        false, read_hops        },
    { "parts",       true,  read_parts       },
    { "x-inreplyto", false, read_in_reply_to },
};

/* What one member alone cannot show. */
static int check_whole(const struct message *m, struct err *err)
{
    bool has_content = false;

    if (strcmp(imid_domain_of(m->from), m->origin) != 0)
        return err_set(err, ERR_PROTOCOL, 0, "from is not of the origin %s", m->origin);
    for (size_t i = 0; i < m->n_to; i++)
        if (strcmp(imid_domain_of(m->to[i]), m->destination) != 0)
            return err_set(err, ERR_PROTOCOL, 0, "a recipient is not of the destination %s",
                           m->destination);
    for (size_t i = 0; i < m->n_parts && !has_content; i++)
        has_content = m->parts[i].is_content;
    if (m->kind == MESSAGE_MAIL && !has_content)
        return err_set(err, ERR_PROTOCOL, 0, "no part is content");
    return 0;
}

int message_parse(const char *line, size_t len, struct message *m_r, struct err *err)
{
    struct json *j = NULL;
    int rc = -1;

    message_init(m_r);
    if (len > MESSAGE_HEADER_MAX)
        return err_set(err, ERR_PROTOCOL, 0, "the header is longer than %d bytes",
                       MESSAGE_HEADER_MAX);
    if (memchr(line, '\n', len) != NULL)
        return err_set(err, ERR_PROTOCOL, 0, "the header is not one line");
    j = json_parse(line, len, err);
    if (j == NULL || field_each(j, fields, N_ELEMENTS(fields), m_r, err) < 0)
        goto out;
    if (check_whole(m_r, err) < 0)
        goto out;
    rc = 0;
out:
    json_destroy(&j);
    if (rc < 0)
        message_clear(m_r);
    return rc;
}
