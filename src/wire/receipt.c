/* SPDX-License-Identifier: MIT */
/*
 * The text that a receipt signs. A sender takes mail off its queue for what stands here, so it is
 * read as strictly as a header: exactly one of results and refused, every number limited.
 */
#include "config.h"

#include "wire/receipt.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/field_private.h"
#include "wire/json.h"

static const char *const refusal_names[REFUSED_COUNT] = {
    [REFUSED_BAD_SEAL] = "bad-seal",
    [REFUSED_BAD_SIGNATURE] = "bad-signature",
    [REFUSED_UNKNOWN_KEY] = "unknown-key",
    [REFUSED_WRONG_DESTINATION] = "wrong-destination",
    [REFUSED_MISMATCH] = "mismatch",
    [REFUSED_EXPIRED] = "expired",
    [REFUSED_ID_REUSED] = "id-reused",
    [REFUSED_MALFORMED] = "malformed",
    [REFUSED_TOO_LARGE] = "too-large",
    [REFUSED_NOT_AUTHORISED] = "not-authorised",
    [REFUSED_BUSY] = "busy",
};

const char *refusal_name(enum refusal r)
{
    return (size_t)r < REFUSED_COUNT ? refusal_names[r] : NULL;
}

enum refusal refusal_parse(const char *name)
{
    for (size_t i = 1; name != NULL && i < REFUSED_COUNT; i++)
        if (strcmp(refusal_names[i], name) == 0)
            return (enum refusal)i;
    return REFUSED_NONE;
}

/* ---- the struct ---- */

void receipt_clear(struct receipt *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->results[i].to);
        free(r->results[i].text);
    }
    free(r->results);
    free(r->refused_text);
    *r = (struct receipt){ 0 };
}

/* Room doubles: n results are in the next power of two. */
static struct receipt_result *append(struct receipt *r)
{
    if ((r->n & (r->n - 1)) == 0)
        r->results = mem_realloc(r->results, MAX(2 * r->n, 1) * sizeof(*r->results));
    r->results[r->n] = (struct receipt_result){ 0 };
    return &r->results[r->n++];
}

void receipt_add(struct receipt *r, const char *id, const char *to, int code, const char *text)
{
    struct receipt_result *result = append(r);

    memcpy(result->id, id, strnlen(id, sizeof(result->id) - 1));
    result->to = mem_strdup(to);
    result->code = code;
    result->text = mem_strdup(text);
}

/* ---- writing ---- */

static void add_text(struct str *out, const char *text)
{
    size_t n;

    if (text == NULL)
        return;
    n = strlen(text);
    if (n > RECEIPT_TEXT_MAX) /* at a character's start */
        for (n = RECEIPT_TEXT_MAX; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    str_add(out, ",\"text\":");
    json_add_quoted(out, text, n);
}

static void add_results(struct str *out, const struct receipt_result *results, size_t n)
{
    str_add(out, ",\"results\":[");
    for (size_t i = 0; i < n; i++) {
        str_addf(out, "%s{\"id\":\"%s\",\"to\":", i > 0 ? "," : "", results[i].id);
        json_add_quoted(out, results[i].to, strlen(results[i].to));
        str_addf(out, ",\"code\":%d", results[i].code);
        add_text(out, results[i].text);
        str_addc(out, '}');
    }
    str_addc(out, ']');
}

void receipt_format(struct str *out, const struct receipt *r)
{
    str_addf(out, "{\"bundle\":\"%s\",\"sha256\":\"%s\"", r->bundle, r->sha256);
    if (r->refused != REFUSED_NONE) {
        str_addf(out, ",\"refused\":\"%s\"", refusal_name(r->refused));
        add_text(out, r->refused_text);
    } else {
        add_results(out, r->results, r->n);
    }
    str_addc(out, '}');
}

/* ---- reading ---- */

static int read_result_id(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_uuid(v, key, ((struct receipt_result *)ctx)->id, err);
}

static int read_result_to(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_recipient(v, key, &((struct receipt_result *)ctx)->to, err);
}

static int read_result_code(void *ctx, const struct json *v, const char *key, struct err *err)
{
    int64_t code;

    if (field_integer(v, key, 200, 799, &code, err) < 0)
        return -1;
    ((struct receipt_result *)ctx)->code = (int)code;
    return 0;
}

static int read_result_text(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s;

    if (field_text(v, key, 0, RECEIPT_TEXT_MAX, &s, err) < 0)
        return -1;
    ((struct receipt_result *)ctx)->text = mem_strdup(s);
    return 0;
}

static const struct field result_fields[] = {
    { "id",   true,  read_result_id   },
    { "to",   true,  read_result_to   },
    { "code", true,  read_result_code },
    { "text", false, read_result_text },
};

/* A receipt as it is read: results may be there and empty. */
struct reading {
    struct receipt *receipt;
    bool has_results;
};

static int read_bundle(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_uuid(v, key, ((struct reading *)ctx)->receipt->bundle, err);
}

static int read_sha256(void *ctx, const struct json *v, const char *key, struct err *err)
{
    return field_sha256(v, key, ((struct reading *)ctx)->receipt->sha256, err);
}

static int read_results(void *ctx, const struct json *v, const char *key, struct err *err)
{
    struct reading *r = ctx;
    size_t n;

    r->has_results = true;
    if (field_list(v, key, 1, RECEIPT_RESULTS_MAX, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (field_each(json_at(v, i), result_fields, N_ELEMENTS(result_fields),
                       append(r->receipt), err) < 0)
            return err_prefix(err, "result %zu", i + 1);
    }
    return 0;
}

static int read_refused(void *ctx, const struct json *v, const char *key, struct err *err)
{
    struct reading *r = ctx;

    r->receipt->refused = refusal_parse(json_str(v));
    if (r->receipt->refused == REFUSED_NONE)
        return err_set(err, ERR_PROTOCOL, 0, "%s for a reason that is unknown", key);
    return 0;
}

static int read_text(void *ctx, const struct json *v, const char *key, struct err *err)
{
    const char *s;

    if (field_text(v, key, 0, RECEIPT_TEXT_MAX, &s, err) < 0)
        return -1;
    ((struct reading *)ctx)->receipt->refused_text = mem_strdup(s);
    return 0;
}

static const struct field fields[] = {
    { "bundle",  true,  read_bundle  },
    { "sha256",  true,  read_sha256  },
    { "results", false, read_results },
    { "refused", false, read_refused },
    { "text",    false, read_text    },
};

int receipt_parse(const char *s, size_t len, struct receipt *r_r, struct err *err)
{
    struct reading reading = { .receipt = r_r };
    struct json *j = NULL;
    int rc = -1;

    *r_r = (struct receipt){ 0 };
    if (len > RECEIPT_MAX_BYTES)
        return err_set(err, ERR_PROTOCOL, 0, "the receipt is longer than %d bytes",
                       RECEIPT_MAX_BYTES);
    j = json_parse(s, len, err);
    if (j == NULL || field_each(j, fields, N_ELEMENTS(fields), &reading, err) < 0)
        goto out;
    if (reading.has_results == (r_r->refused != REFUSED_NONE)) {
        err_set(err, ERR_PROTOCOL, 0, "a receipt has either results or a refusal");
        goto out;
    }
    if (r_r->refused_text != NULL && r_r->refused == REFUSED_NONE) {
        err_set(err, ERR_PROTOCOL, 0, "text belongs to a refusal");
        goto out;
    }
    rc = 0;
out:
    json_destroy(&j);
    if (rc < 0) {
        err_prefix(err, "receipt");
        receipt_clear(r_r);
    }
    return rc;
}
