/* SPDX-License-Identifier: MIT */
/*
 * Rows and header lines of a message whose texts nobody has checked (made.h). Holds: each is one
 * line; what a JSON reader takes out is what went in, member by member; a tab-separated row has its
 * nine columns, whatever is in them.
 */
#include "config.h"

#include "wire/rows.h"

#include <string.h>

#include "wire/json.h"

#include "fuzz/fuzz.h"
#include "fuzz/made.h"

/* Foreign text comes back unless it was no UTF-8, which is mended. */
static void check_text(const char *read, const char *written)
{
    FUZZ_CHECK(read != NULL);
    FUZZ_CHECK(!str_is_utf8(written, strlen(written)) || strcmp(read, written) == 0);
}

static void check_list(const struct json *list, char *const *written, size_t n)
{
    FUZZ_CHECK(json_is_list(list) && json_size(list) == n);
    for (size_t i = 0; i < n; i++)
        check_text(json_str(json_at(list, i)), written[i]);
}

static struct json *read_back(const struct str *line)
{
    struct json *j = json_parse(line->s, line->len, NULL);

    FUZZ_CHECK(j != NULL && strpbrk(line->s, "\r\n") == NULL);
    return j;
}

static void check_members(const struct json *j, const struct message *m, const struct row_state *st)
{
    const struct json *parts = json_get(j, "parts"), *flags = json_get(j, "flags");
    size_t own = 0;

    FUZZ_CHECK(strcmp(json_get_str(j, "_id"), m->id) == 0);
    check_text(json_get_str(j, "from"), m->from);
    check_text(json_get_str(j, "subject"), m->subject != NULL ? m->subject : "");
    check_text(json_get_str(j, "folder"), st->folder);
    if (m->n_shown > 0)
        check_list(json_get(j, "to"), m->shown, m->n_shown);
    else
        check_list(json_get(j, "to"), m->to, (m->flags & MESSAGE_BLIND) != 0 ? 0 : m->n_to);
    FUZZ_CHECK(json_size(parts) == m->n_parts);
    for (size_t i = 0; i < m->n_parts; i++) {
        check_text(json_get_str(json_at(parts, i), "id"), m->parts[i].name);
        check_text(json_get_str(json_at(parts, i), "type"), m->parts[i].type);
    }
    for (; message_flag_at(m->flags, own) != NULL; own++)
        FUZZ_CHECK(strcmp(json_str(json_at(flags, own)), message_flag_at(m->flags, own)) == 0);
    FUZZ_CHECK(json_size(flags) == own + 1 + st->is_flagged);
    FUZZ_CHECK(strcmp(json_str(json_at(flags, own)), st->is_read ? "read" : "unread") == 0);
}

static void check_json(const struct message *m, const struct row_state *st)
{
    struct str summary = STR_INIT, row = STR_INIT, envelope = STR_INIT, header = STR_INIT;
    struct json *j;

    row_summarize(&summary, m);
    FUZZ_CHECK(row_is_summary(str_c(&summary)));
    row_add_json(&row, str_c(&summary), st);
    str_clear(&summary);
    j = read_back(&row);
    FUZZ_CHECK(json_size(j) == 9);
    check_members(j, m, st);
    json_destroy(&j);
    row_add_envelope(&envelope, m, st);
    FUZZ_CHECK(strncmp(row.s, envelope.s, row.len - 1) == 0);
    j = read_back(&envelope);
    check_members(j, m, st);
    FUZZ_CHECK(strcmp(json_get_str(j, "kind"), message_kind_name(m->kind)) == 0);
    FUZZ_CHECK((json_get(j, "expires") != NULL) == (m->expires_ms != 0));
    FUZZ_CHECK((json_get(j, "inreplyto") != NULL) == (m->in_reply_to[0] != '\0'));
    json_destroy(&j);
    message_format(&header, m);
    j = read_back(&header);
    check_text(json_get_str(j, "from"), m->from);
    check_list(json_get(j, "to"), m->to, m->n_to);
    FUZZ_CHECK(json_size(json_get(j, "parts")) == m->n_parts);
    json_destroy(&j);
    str_clear(&row);
    str_clear(&envelope);
    str_clear(&header);
}

static void check_tabs(const struct message *m, const struct row_state *st)
{
    struct str summary = STR_INIT, row = STR_INIT;
    size_t tabs = 0;

    row_summarize(&summary, m);
    row_add_tabs(&row, str_c(&summary), st);
    str_clear(&summary);
    for (size_t i = 0; i < row.len; i++) {
        FUZZ_CHECK(row.s[i] == '\t' || ((unsigned char)row.s[i] >= 0x20 && row.s[i] != 0x7f));
        tabs += row.s[i] == '\t';
    }
    FUZZ_CHECK(tabs == 8 && strncmp(row.s, m->id, UUID_SIZE - 1) == 0);
    str_clear(&row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct made made;
    struct row_state st = { "/INBOX", 1795490508456, len % 2 == 0, len % 3 == 0 };

    made_message(&made, data, len);
    if (made.m.n_to > 0)
        st.folder = made.m.to[0];
    check_json(&made.m, &st);
    check_tabs(&made.m, &st);
    message_clear(&made.m);
    return 0;
}
