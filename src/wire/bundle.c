/* SPDX-License-Identifier: MIT */
/*
 * The bundle: writing its lines, and reading them back out of one block of memory without
 * copying an octet. The reader trusts no length: each is compared with what is left before it is
 * used, and a bundle is good only when its last message ends where the bundle ends.
 *
 * It checks grammar alone. Whether the names in its layers agree, whether digests and signatures
 * hold, is the business of who opens a seal.
 */
#include "wire/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "wire/field_private.h"
#include "wire/json.h"

void bundle_head_clear(struct bundle_head *head)
{
    free(head->origin);
    free(head->destination);
    *head = (struct bundle_head){ 0 };
}

/* ---- writing ---- */

/*
 * Padmé (Nikitin and others, 2019): keep so many leading bits of the size as the size of its
 * exponent, round the rest up. What leaks grows as log log of the size, what it costs is at most 12 %.
 */
size_t bundle_pad(size_t bytes)
{
    size_t exponent = 0, kept = 0, mask;

    while (exponent + 1 < sizeof(bytes) * 8 && bytes >> (exponent + 1) != 0)
        exponent++;
    while (exponent >> kept != 0)
        kept++;
    if (exponent <= kept)
        return 0;
    mask = ((size_t)1 << (exponent - kept)) - 1;
    return (~bytes + 1) & mask;
}

void bundle_add_head(struct str *out, const struct bundle_head *head, size_t pad)
{
    str_adds(out, "{\"immp\":\"1.0\",\"bundle\":\"", head->id, "\"");
    field_add_text(out, "origin", head->origin);
    field_add_text(out, "destination", head->destination);
    field_add_time(out, "time", head->time_ms);
    str_addf(out, ",\"messages\":%zu,\"pad\":\"", head->messages);
    str_reserve(out, pad + 3);
    memset(out->s + out->len, '.', pad);
    out->s[out->len + pad] = '\0';
    out->len += pad;
    str_add(out, "\"}\n");
}

void bundle_add_message(struct str *out, const char *header, size_t header_len,
                        const char *signature)
{
    str_addn(out, header, header_len);
    str_addc(out, '\n');
    str_add(out, signature);
    str_addc(out, '\n');
}

/* ---- reading the head ---- */

static int read_version(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s = json_str(v);

    (void)ctx;
    if (s == NULL || strcmp(s, "1.0") != 0)
        return err_set(err, ERR_PROTOCOL, 0, "%s is not version 1.0", key);
    return 0;
}

static int read_id(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_uuid(v, key, ((struct bundle_head *)ctx)->id, err);
}

static int read_origin(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_domain(v, key, &((struct bundle_head *)ctx)->origin, err);
}

static int read_destination(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_domain(v, key, &((struct bundle_head *)ctx)->destination, err);
}

static int read_time(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_time(v, key, &((struct bundle_head *)ctx)->time_ms, err);
}

static int read_messages(void *ctx, const struct json *v, const char *key, struct err *err)
{
    int64_t n;

    if (field_integer(v, key, 1, BUNDLE_MESSAGES_MAX, &n, err) < 0)
        return -1;
    ((struct bundle_head *)ctx)->messages = (size_t)n;
    return 0;
}

static int read_pad(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s;

    (void)ctx;
    return field_text(v, key, 0, BUNDLE_HEAD_MAX, &s, err);
}

static const struct field head_fields[] = {
    { "immp",        true,  read_version     },
    { "bundle",      true,  read_id          },
    { "origin",      true,  read_origin      },
    { "destination", true,  read_destination },
    { "time",        true,  read_time        },
    { "messages",    true,  read_messages    },
    { "pad",         false, read_pad         },
};

/* Take one line of at most max bytes off the front. */
static int take_line(struct bundle_reader *br, size_t max, const char *what, const char **line_r,
                     size_t *len_r, struct err *err)
{
    const uint8_t *end = br->left > 0 ? memchr(br->p, '\n', MIN(br->left, max + 1)) : NULL;

    if (end == NULL && br->left > max)
        return err_set(err, ERR_PROTOCOL, 0, "%s is longer than %zu bytes", what, max);
    if (end == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "the bundle ends within %s", what);
    *line_r = (const char *)br->p;
    *len_r = (size_t)(end - br->p);
    br->left -= *len_r + 1;
    br->p = end + 1;
    return 0;
}

int bundle_open(struct bundle_reader *br, const uint8_t *p, size_t len,
                struct bundle_head *head_r, struct err *err)
{
    struct json *j = NULL;
    const char *line;
    size_t n;
    int rc = -1;

    *br = (struct bundle_reader){ .p = p, .left = len };
    *head_r = (struct bundle_head){ 0 };
    if (take_line(br, BUNDLE_HEAD_MAX, "the bundle header", &line, &n, err) < 0)
        goto out;
    j = json_parse(line, n, err);
    if (j == NULL || field_each(j, head_fields, N_ELEMENTS(head_fields), head_r, err) < 0) {
        err_prefix(err, "bundle header");
        goto out;
    }
    br->messages_left = head_r->messages;
    rc = 0;
out:
    json_destroy(&j);
    if (rc < 0) {
        bundle_head_clear(head_r);
        *br = (struct bundle_reader){ 0 };
    }
    return rc;
}

/* ---- reading messages ---- */

static bool is_base64(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/' || c == '='))
            return false;
    }
    return n > 0;
}

static int take_octets(struct bundle_reader *br, struct bundle_item *item, struct err *err)
{
    item->octets_len = message_size(&item->message);
    if (item->octets_len > br->left)
        return err_set(err, ERR_PROTOCOL, 0, "the bundle ends within the parts of %s",
                       item->message.id);
    item->octets = br->p;
    br->p += item->octets_len;
    br->left -= (size_t)item->octets_len;
    return 0;
}

int bundle_next(struct bundle_reader *br, struct bundle_item *item_r, struct err *err)
{
    *item_r = (struct bundle_item){ 0 };
    if (br->messages_left == 0) {
        if (br->left > 0)
            return err_set(err, ERR_PROTOCOL, 0, "%zu bytes follow the last message", br->left);
        return 0;
    }
    if (take_line(br, MESSAGE_HEADER_MAX, "a message header", &item_r->header,
                  &item_r->header_len, err) < 0)
        return -1;
    if (take_line(br, BUNDLE_SIGNATURE_MAX, "a message signature", &item_r->signature,
                  &item_r->signature_len, err) < 0)
        return -1;
    if (!is_base64(item_r->signature, item_r->signature_len))
        return err_set(err, ERR_PROTOCOL, 0, "a message signature is not base64");
    if (message_parse(item_r->header, item_r->header_len, &item_r->message, err) < 0)
        return err_prefix(err, "message header");
    if (take_octets(br, item_r, err) < 0) {
        message_clear(&item_r->message);
        return -1;
    }
    br->messages_left--;
    return 1;
}
