/* SPDX-License-Identifier: MIT */
/* Folder arguments and indexes for check, list and read. */
#include "config.h"

#include "client/mbox.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/line.h"
#include "wire/status.h"

int mbox_error(struct immp_error *err, enum immp_kind kind, const char *text)
{
    *err = (struct immp_error){ .kind = kind };
    memcpy(err->text, text, strnlen(text, sizeof(err->text) - 1));
    return -1;
}

/* ---- arguments ---- */

/* An owner is an address before the first slash. */
static bool has_owner(const char *s)
{
    const char *at = strchr(s, '@');

    return at != NULL && at < s + strcspn(s, ":");
}

void mbox_add_argument(struct str *out, const char *written, const char *def)
{
    if (written == NULL)
        written = def;
    if (written[0] != '/' && written[0] != ':' && !has_owner(written))
        str_addc(out, '/');
    str_add(out, written);
}

void mbox_add_folder(struct str *out, const char *written, const char *def)
{
    size_t from = out->len;

    mbox_add_argument(out, written, def);
    /* A leading ":" is another way to write "/". */
    str_truncate(out, from + 1 + strcspn(out->s + from + 1, ":#"));
}

int mbox_add_command(struct str *out, const char *before, const char *token, const char *after,
                     struct immp_error *err)
{
    char quoted[LINE_MAX_BYTES];

    if (immp_token(token, quoted, sizeof(quoted)) < 0)
        return mbox_error(err, IMMP_PERMANENT,
                          "a name holds a line end or a quote, which IMMP cannot say");
    str_addf(out, "%s %s%s", before, quoted, after);
    return 0;
}

/* ---- the index ---- */

struct index {
    struct json *rows;
    bool is_bad;
};

static int take_row(void *ctx, const struct immp_reply *reply)
{
    struct index *x = ctx;
    struct json *row;

    if (reply->code != STATUS_JSON || !reply->has_more)
        return 0; /* the closing line, or an error's */
    row = json_parse(reply->text, strlen(reply->text), NULL);
    if (row == NULL)
        x->is_bad = true;
    else
        json_append(x->rows, row);
    return 0;
}

int mbox_index(struct immp_client *c, const char *argument, uint64_t limit, struct json **rows_r,
               struct immp_error *err)
{
    struct index x = { json_array_new(), false };
    struct immp_handler handler = { .line = take_row, .ctx = &x };
    struct str line = STR_INIT;
    int rc = mbox_add_command(&line, "MBOX INDEX", argument, " +JSON +REVERSE", err);

    *rows_r = NULL;
    str_addf(&line, " LIMIT %" PRIu64, limit);
    if (rc == 0)
        rc = immp_client_command(c, str_c(&line), &handler, err) < 0 ? -1 : 0;
    if (rc == 0 && x.is_bad)
        rc = mbox_error(err, IMMP_PROTOCOL, "the server's index cannot be read");
    str_clear(&line);
    if (rc < 0)
        json_destroy(&x.rows);
    *rows_r = x.rows;
    return rc;
}
