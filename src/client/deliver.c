/* SPDX-License-Identifier: MIT */
/*
 * Delivering a message: DELIVER, DATA with LENGTH for each part, DONE. Parts are read in pieces
 * while they are sent, so a message is never whole in memory.
 *
 * A part is announced and its octets follow only when the server awaits them; a refusal in the
 * midst leaves the connection unusable, since the server may still count octets. Once DONE is
 * sent, a lost connection leaves it open what became of the message: IMMP_UNCERTAIN.
 */
#include "config.h"

#include "client/client_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "wire/status.h"

#define PIECE_BYTES ((size_t)64 * 1024)

static int bad(struct immp_error *error, const char *what)
{
    struct err err;

    (void)err_set(&err, ERR_PERMANENT, 0, "%s holds a line end or a quote, which IMMP cannot say",
                  what);
    return client_error(error, IMMP_PERMANENT, 0, err.text);
}

static int add_value(struct str *line, const char *keyword, const char *value, const char *what,
                     struct immp_error *error)
{
    if (value == NULL)
        return 0;
    str_addf(line, " %s ", keyword);
    return client_add_token(line, value) < 0 ? bad(error, what) : 0;
}

static void add_flags(struct str *line, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *text;
    } rows[] = {
        { IMMP_IMPORTANT, " +IMPORTANT" }, { IMMP_UNIMPORTANT, " -IMPORTANT" },
        { IMMP_SECURE, " +SECURE" },       { IMMP_ANONYMOUS, " +ANONYMOUS" },
        { IMMP_BLIND, " +BLIND" },         { IMMP_RECEIPT, " +RECEIPT" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if ((flags & rows[i].flag) != 0)
            str_add(line, rows[i].text);
}

static int say_deliver(struct immp_client *c, const struct immp_message *m, const char *id,
                       struct immp_error *error)
{
    struct str line = STR_INIT;
    int rc = -1;

    str_add(&line, "DELIVER");
    for (size_t i = 0; i < m->n_to; i++)
        if (add_value(&line, "TO", m->to[i], "a recipient", error) < 0)
            goto out;
    if (add_value(&line, "FROM", m->from, "the sender", error) < 0 ||
        add_value(&line, "SUBJECT", m->subject, "the subject", error) < 0 ||
        add_value(&line, "ID", id, "the id", error) < 0 ||
        add_value(&line, "INREPLYTO", m->in_reply_to, "the id of what is replied to", error) < 0)
        goto out;
    if (m->expires_s > 0)
        str_addf(&line, " EXPIRES %llu", (unsigned long long)m->expires_s);
    add_flags(&line, m->flags);
    if (m->n_parts > 1)
        str_add(&line, " +MULTIPART");
    rc = immp_client_command(c, str_c(&line), NULL, error) < 0 ? -1 : 0;
out:
    str_clear(&line);
    return rc;
}

static int send_octets(struct immp_client *c, const struct immp_part *p, struct immp_error *error)
{
    char *piece = mem_alloc(PIECE_BYTES);
    struct err err = { ERR_NONE };
    uint64_t left = p->length;
    int rc = 0;

    while (left > 0 && rc == 0) {
        size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        long n = p->read(p->ctx, piece, want);

        if (n <= 0 || (size_t)n > want)
            rc = err_set(&err, ERR_PERMANENT, 0, "%.100s cannot be read to its end", p->name);
        else
            rc = transport_write(c->transport, piece, (size_t)n, &err);
        left -= n > 0 ? MIN((uint64_t)n, left) : 0;
    }
    free(piece);
    return rc < 0 ? client_fail(c, &err, error) : 0;
}

static int expect(struct immp_client *c, int code, int wanted, struct immp_error *error)
{
    struct err err;

    if (code == wanted)
        return 0;
    c->is_broken = true;
    if (code < 0)
        return -1;
    (void)err_set(&err, ERR_PROTOCOL, 0, "the server answers DATA with %d instead of %d", code,
                  wanted);
    return client_fail(c, &err, error);
}

static int send_part(struct immp_client *c, const struct immp_part *p, struct immp_error *error)
{
    struct str line = STR_INIT;
    int rc;

    str_add(&line, "DATA");
    rc = add_value(&line, "NAME", p->name, "the name of a part", error);
    if (rc == 0)
        rc = add_value(&line, "TYPE", p->type, "the type of a part", error);
    str_addf(&line, " LENGTH %llu%s", (unsigned long long)p->length,
             p->is_content ? " +CONTENT" : "");
    if (rc == 0)
        rc = expect(c, immp_client_command(c, str_c(&line), NULL, error), STATUS_AWAIT_CONTENT,
                    error);
    str_clear(&line);
    if (rc < 0 || send_octets(c, p, error) < 0)
        return -1;
    return expect(c, client_hear(c, NULL, error), STATUS_PART_SAVED, error);
}

/* ---- the answer to DONE ---- */

struct results {
    const struct immp_message *message;
    immp_result_fn *fn;
    void *ctx;
    size_t n;
};

/* "imid text": the imid may hold spaces, as many as it has where it was asked for. */
static const char *skip_imid(const char *text, const char *to)
{
    for (;; to++) {
        if (*to != ' ' && *to != '\0')
            continue;
        text += strcspn(text, " ");
        if (*text == ' ')
            text++;
        if (*to == '\0')
            return text;
    }
}

/* A line that does not name its recipient is about the whole message (462, 702). */
static int read_result(void *ctx, const struct immp_reply *reply)
{
    struct results *r = ctx;
    const char *to, *text;

    if (r->n >= r->message->n_to || reply->code < STATUS_OK)
        return 0;
    to = r->message->to[r->n];
    text = skip_imid(reply->text, to);
    if (memchr(reply->text, '@', (size_t)(text - reply->text)) == NULL)
        return 0;
    r->n++;
    if (r->fn != NULL)
        r->fn(r->ctx, to, reply->code, text);
    return 0;
}

static int finish(struct immp_client *c, const struct immp_message *m, immp_result_fn *fn,
                  void *ctx, struct immp_error *error)
{
    struct results results = { .message = m, .fn = fn, .ctx = ctx };
    struct immp_handler handler = { .line = read_result, .ctx = &results };
    struct immp_error failed = { IMMP_OK, 0, "" };
    int code = immp_client_command(c, "DONE", &handler, &failed);

    /* The last recipient's line may be a refusal: that is its result. */
    if (results.n == m->n_to && (code >= 0 || failed.status != 0))
        return 0;
    if (code >= 0) {
        c->is_broken = true;
        (void)client_error(&failed, IMMP_UNCERTAIN, 0,
                           "the server did not say of each recipient what became of the message");
    }
    if (failed.status == 0)
        failed.kind = IMMP_UNCERTAIN;
    if (error != NULL)
        *error = failed;
    return -1;
}

int immp_client_deliver(struct immp_client *c, const struct immp_message *m,
                        immp_result_fn *result, void *ctx, struct immp_error *err)
{
    char id[UUID_SIZE] = "";

    if (m->id == NULL)
        uuid_generate(id);
    if (say_deliver(c, m, m->id != NULL ? m->id : id, err) < 0)
        return -1;
    for (size_t i = 0; i < m->n_parts; i++)
        if (send_part(c, &m->parts[i], err) < 0)
            return -1;
    return finish(c, m, result, ctx, err);
}
