/* SPDX-License-Identifier: MIT */
/*
 * The parts of a submission, as their octets come.
 *
 * Memory holds at most one chunk and one slice of what is fed, whatever the message's size: what
 * fits in one chunk altogether waits there for submit_done(), anything larger goes into a draft
 * chunk by chunk. Each part begins a new chunk (store/content.h).
 *
 * A part that fails leaves nothing behind. A draft that the store has lost with a turn's commit
 * ends the submission: its octets are gone, and no later answer may claim them.
 */
#include "mail/submit.h"

#include <stdlib.h>
#include <string.h>

#include "wire/mime.h"
#include "wire/status.h"

#include "mail/submit_private.h"

#define SLICE_BYTES (64u * 1024)

/* ---- the state that calls are allowed in ---- */

static int check_state(const struct submit *s, enum submit_state want, struct err *err)
{
    if (s->state == want)
        return 0;
    if (s->state == SUBMIT_BROKEN) {
        if (err != NULL)
            *err = s->broken;
        return -1;
    }
    return err_set(err, ERR_PROTOCOL, STATUS_NO_MESSAGE, "%s",
                   want == SUBMIT_IN_PART ? "no part is in progress" : "a part is in progress");
}

static int fail_for_good(struct submit *s, struct err *err, const struct err *why)
{
    if (err != NULL)
        *err = *why;
    return submit_break(s, why);
}

static int too_large(struct submit *s, struct err *err)
{
    struct err why;

    err_set(&why, ERR_PERMANENT, STATUS_TOO_LARGE, "the message is larger than %lld bytes",
            (long long)s->domain->message_bytes);
    return fail_for_good(s, err, &why);
}

/* ---- chunk rows ---- */

/* The turn in which rows were written has ended. */
static void turn_ended(void *ctx, bool ok, const struct err *why)
{
    struct submit *s = ctx;

    if (!ok && s->state != SUBMIT_DONE)
        submit_break(s, why);
}

static int append(struct submit *s, const char *p, size_t n, struct err *err)
{
    if (content_append(s->mail->store, s->content, s->chunk, p, n, err) < 0)
        return -1;
    s->chunk++;
    return 0;
}

int submit_store_memory(struct submit *s, struct err *err)
{
    size_t finished = s->message.n_parts - (s->state == SUBMIT_IN_PART ? 1 : 0);
    size_t at = 0;

    if (content_begin(s->mail->store, clock_wall_ms(s->mail->clock), &s->content, err) < 0) {
        s->content = 0;
        return -1;
    }
    s->chunk = 0;
    for (size_t i = 0; i < finished; i++) {
        size_t n = (size_t)s->message.parts[i].length;

        if (n > 0 && append(s, s->memory.s + at, n, err) < 0)
            return -1;
        at += n;
    }
    s->first_chunk = s->chunk;
    return 0;
}

static void take_front(struct str *st, size_t n)
{
    memmove(st->s, st->s + n, st->len - n);
    str_truncate(st, st->len - n);
}

/* Move whole chunks from memory to the draft, and with `all` what is left of the part as well. */
static int spill(struct submit *s, bool all, struct err *err)
{
    struct err why;

    turn_join(s->mail->turn, turn_ended, s);
    if (s->content == 0) {
        if (submit_store_memory(s, &why) < 0)
            return fail_for_good(s, err, &why);
        take_front(&s->memory, (size_t)s->size);
    }
    while (s->memory.len >= CONTENT_CHUNK || (all && s->memory.len > 0)) {
        size_t n = MIN(s->memory.len, CONTENT_CHUNK);

        if (append(s, s->memory.s, n, &why) < 0)
            return fail_for_good(s, err, &why);
        take_front(&s->memory, n);
    }
    return 0;
}

/* ---- a part ---- */

/* Names need not differ: files of one name may be sent, and whoever asks by name gets the first. */
static int check_name(const char *name, struct err *err)
{
    size_t n = strlen(name);

    if (n == 0 || n > MESSAGE_NAME_MAX || !str_is_utf8(name, n))
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "a part's name has 1 to %d bytes of UTF-8", MESSAGE_NAME_MAX);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                           "a part's name holds control characters");
    return 0;
}

static uint64_t room_left(const struct submit *s)
{
    uint64_t most = s->domain->message_bytes > 0 ? (uint64_t)s->domain->message_bytes : 0;
    uint64_t used = s->size + s->length;

    return used < most ? most - used : 0;
}

/* Base64 text that can still be a part of at most n octets, white space included. */
static uint64_t text_limit(uint64_t n)
{
    return 2 * n + 1024;
}

int submit_part(struct submit *s, const char *name, const char *type, bool is_content,
                bool is_base64, uint64_t length, struct err *err)
{
    if (check_state(s, SUBMIT_OPEN, err) < 0)
        return -1;
    if (s->message.n_parts >= MESSAGE_PARTS_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_LIMIT, "more than %d parts", MESSAGE_PARTS_MAX);
    if (check_name(name, err) < 0)
        return -1;
    if (type != NULL && (strlen(type) > MESSAGE_NAME_MAX || mime_type_check(type) < 0))
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "TYPE is no media type");
    s->length = 0;
    if (length != UINT64_MAX && length > (is_base64 ? text_limit(room_left(s)) : room_left(s)))
        return too_large(s, err);

    message_add_part(&s->message, name, type, is_content, 0, NULL);
    s->is_base64 = is_base64;
    s->announced = length;
    s->came = 0;
    s->first_chunk = s->chunk;
    s->base64 = (struct base64)BASE64_INIT;
    s->digest = digest_create();
    s->state = SUBMIT_IN_PART;
    if (length <= CONTENT_CHUNK)
        str_reserve(&s->memory, (size_t)length);
    return 0;
}

void submit_part_drop(struct submit *s)
{
    struct part *p;

    if (s->state != SUBMIT_IN_PART)
        return;
    p = &s->message.parts[--s->message.n_parts];
    free(p->name);
    free(p->type);
    digest_destroy(&s->digest);
    s->state = SUBMIT_OPEN;
    str_truncate(&s->memory, s->content != 0 ? 0 : (size_t)s->size);
    s->chunk = s->first_chunk; /* rows of this part are replaced by those of the next */
}

static int part_failed(struct submit *s, enum status status, const char *text, struct err *err)
{
    submit_part_drop(s);
    return err_set(err, ERR_PROTOCOL, status, "%s", text);
}

/* One slice, which cannot grow memory by more than itself. */
static int take_slice(struct submit *s, const char *p, size_t n, struct err *err)
{
    size_t before = s->memory.len;
    size_t added;

    if (!s->is_base64)
        str_addn(&s->memory, p, n);
    else if (base64_feed(&s->base64, p, n, &s->memory) < 0)
        return part_failed(s, STATUS_BAD_BASE64, "that is not base64", err);
    added = s->memory.len - before;
    if (added > room_left(s))
        return too_large(s, err);
    if (added > 0)
        digest_add(s->digest, s->memory.s + before, added);
    s->length += added;
    if (s->memory.len > CONTENT_CHUNK || (s->content != 0 && s->memory.len == CONTENT_CHUNK))
        return spill(s, false, err);
    return 0;
}

int submit_octets(struct submit *s, const void *p, size_t n, struct err *err)
{
    const char *at = p;

    if (check_state(s, SUBMIT_IN_PART, err) < 0)
        return -1;
    if (n > s->announced - s->came)
        return part_failed(s, STATUS_BAD_LENGTH, "more octets than LENGTH announced", err);
    s->came += n;
    if (s->is_base64 && s->came > text_limit(s->length + room_left(s)))
        return too_large(s, err);
    while (n > 0) {
        size_t slice = MIN(n, SLICE_BYTES);

        if (take_slice(s, at, slice, err) < 0)
            return -1;
        at += slice;
        n -= slice;
    }
    return 0;
}

int submit_part_end(struct submit *s, struct err *err)
{
    struct part *p;

    if (check_state(s, SUBMIT_IN_PART, err) < 0)
        return -1;
    if (s->announced != UINT64_MAX && s->came != s->announced)
        return part_failed(s, STATUS_BAD_LENGTH, "fewer octets than LENGTH announced", err);
    if (s->is_base64 && base64_end(&s->base64) < 0)
        return part_failed(s, STATUS_BAD_BASE64, "the base64 text is cut short", err);
    if (s->content != 0 && s->memory.len > 0 && spill(s, true, err) < 0)
        return -1;
    p = &s->message.parts[s->message.n_parts - 1];
    p->length = s->length;
    digest_end(&s->digest, p->sha256);
    s->size += s->length;
    s->length = 0;
    s->state = SUBMIT_OPEN;
    return 0;
}
