/* SPDX-License-Identifier: MIT */
/*
 * Readers and writers for the members of signed JSON lines. Readers are strict about type and size and generous
 * about spelling only where preparation makes it one form (case of UUIDs, domains, hex digits):
 * what comes out is always the one form that is compared and stored.
 */
#include "wire/field_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/mem.h"
#include "base/prep.h"
#include "base/str.h"
#include "wire/imid.h"

int field_text(const struct json *v, const char *key, size_t min, size_t max, const char **s_r,
               struct err *err)
{
    const char *s = json_str(v);
    size_t n;

    if (s == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no string", key);
    n = strlen(s);
    if (n < min)
        return err_set(err, ERR_PROTOCOL, 0, "%s is too short (%zu bytes, at least %zu)", key, n, min);
    if (n > max)
        return err_set(err, ERR_PROTOCOL, 0, "%s is too long (%zu bytes, at most %zu)", key, n, max);
    *s_r = s;
    return 0;
}

int field_integer(const struct json *v, const char *key, int64_t min, int64_t max, int64_t *v_r,
                  struct err *err)
{
    int64_t value;

    if (!json_int(v, &value))
        return err_set(err, ERR_PROTOCOL, 0, "%s is no integer", key);
    if (value < min || value > max)
        return err_set(err, ERR_PROTOCOL, 0, "%s is out of bounds (%lld)", key, (long long)value);
    *v_r = value;
    return 0;
}

int field_list(const struct json *v, const char *key, size_t min, size_t max, size_t *n_r,
               struct err *err)
{
    size_t n = json_size(v);

    if (!json_is_list(v))
        return err_set(err, ERR_PROTOCOL, 0, "%s is no list", key);
    if (n < min || n > max)
        return err_set(err, ERR_PROTOCOL, 0, "%s has %zu entries (%zu to %zu may be)", key, n, min,
                       max);
    *n_r = n;
    return 0;
}

int field_uuid(const struct json *v, const char *key, char out[UUID_SIZE], struct err *err)
{
    const char *s = json_str(v);

    if (s == NULL || uuid_parse(s, out) < 0)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no UUID", key);
    return 0;
}

int field_sha256(const struct json *v, const char *key, char out[65], struct err *err)
{
    static const char hex[] = "0123456789abcdef";
    const char *s = json_str(v);
    uint8_t digest[32];

    if (s == NULL || str_from_hex(s, strlen(s), digest, sizeof(digest)) < 0)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no SHA-256 in hex", key);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[64] = '\0';
    return 0;
}

int field_time(const struct json *v, const char *key, int64_t *at_ms_r, struct err *err)
{
    const char *s = json_str(v);
    int64_t at_ms;

    /* The clock also reads a date alone; 10 characters are one. */
    if (s == NULL || strlen(s) <= 10 || clock_parse_rfc3339(s, &at_ms) < 0)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no RFC 3339 date and time", key);
    *at_ms_r = at_ms;
    return 0;
}

int field_domain(const struct json *v, const char *key, char **domain_r, struct err *err)
{
    const char *s = json_str(v);

    if (s == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no string", key);
    if (prep_domain(s, domain_r, err) < 0)
        return err_prefix(err, "%s", key);
    return 0;
}

/* Schemes, paths and actions are for people's IMIDs, not for addresses within a message. */
static int read_address(const struct json *v, const char *key, struct imid *id_r, struct err *err)
{
    const char *s = json_str(v);

    if (s == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no string", key);
    if (strchr(s, ':') != NULL)
        return err_set(err, ERR_PROTOCOL, 0, "%s is no plain address", key);
    if (imid_parse(s, id_r, err) < 0)
        return err_prefix(err, "%s", key);
    if (id_r->path[0] != '\0' || id_r->msgid[0] != '\0' || id_r->action != IMID_ACTION_NONE) {
        imid_clear(id_r);
        return err_set(err, ERR_PROTOCOL, 0, "%s is no plain address", key);
    }
    return 0;
}

int field_address(const struct json *v, const char *key, char **address_r, struct err *err)
{
    struct imid id;
    struct str out = STR_INIT;

    if (read_address(v, key, &id, err) < 0)
        return -1;
    if (id.folder[0] != '\0') {
        imid_clear(&id);
        return err_set(err, ERR_PROTOCOL, 0, "%s names a folder", key);
    }
    imid_add_address(&out, &id);
    imid_clear(&id);
    *address_r = str_take(&out);
    return 0;
}

int field_recipient(const struct json *v, const char *key, char **address_r, struct err *err)
{
    struct imid id;
    struct str out = STR_INIT;

    if (read_address(v, key, &id, err) < 0)
        return -1;
    imid_add(&out, &id);
    imid_clear(&id);
    *address_r = str_take(&out);
    return 0;
}

int field_unknown(const char *key, struct err *err)
{
    char shown[40];
    size_t n = 0;

    if (key[0] == 'x' && key[1] == '-' && key[2] != '\0')
        return 0;
    for (; n < sizeof(shown) - 1 && key[n] != '\0'; n++)
        shown[n] = key[n] >= 0x20 && key[n] < 0x7f ? key[n] : '?';
    shown[n] = '\0';
    return err_set(err, ERR_PROTOCOL, 0, "unknown key \"%s\"", shown);
}

struct walk {
    const struct field *fields;
    size_t n;
    uint32_t seen;
    void *ctx;
    struct err *err;
};

static int read_member(void *ctx, const char *key, struct json *value)
{
    struct walk *w = ctx;

    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->fields[i].key, key) != 0)
            continue;
        w->seen |= UINT32_C(1) << i;
        return w->fields[i].read(w->ctx, value, key, w->err);
    }
    return field_unknown(key, w->err);
}

int field_each(const struct json *object, const struct field *fields, size_t n, void *ctx,
               struct err *err)
{
    struct walk w = { .fields = fields, .n = n, .ctx = ctx, .err = err };

    if (!json_is_map(object))
        return err_set(err, ERR_PROTOCOL, 0, "no JSON object");
    if (json_each(object, read_member, &w) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (fields[i].is_required && (w.seen & UINT32_C(1) << i) == 0)
            return err_set(err, ERR_PROTOCOL, 0, "%s is missing", fields[i].key);
    return 0;
}

/* ---- writing ---- */

void field_add_text(struct str *out, const char *key, const char *s)
{
    str_adds(out, ",\"", key, "\":");
    json_add_quoted(out, s, strlen(s));
}

void field_add_list(struct str *out, const char *key, char *const *list, size_t n)
{
    str_adds(out, ",\"", key, "\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            str_addc(out, ',');
        json_add_quoted(out, list[i], strlen(list[i]));
    }
    str_addc(out, ']');
}

void field_add_time(struct str *out, const char *key, int64_t at_ms)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(at_ms, text);
    str_adds(out, ",\"", key, "\":\"", text, "\"");
}
