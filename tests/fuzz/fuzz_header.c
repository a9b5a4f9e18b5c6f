/* SPDX-License-Identifier: MIT */
/*
 * Message headers. Holds: what was read and written is read as the same and agrees in itself; as
 * MIME no line is too long and none begins where no header was written; a row is one line.
 */
#include "wire/message.h"

#include <string.h>

#include "wire/imid.h"
#include "wire/json.h"
#include "wire/mime.h"
#include "wire/rows.h"

#include "fuzz/fuzz.h"

static void check_agreement(const struct message *m)
{
    FUZZ_CHECK(m->kind != MESSAGE_NONE && m->n_to > 0 && m->n_to <= MESSAGE_RECIPIENTS_MAX);
    FUZZ_CHECK(m->n_parts > 0 && m->n_parts <= MESSAGE_PARTS_MAX);
    FUZZ_CHECK(strcmp(imid_domain_of(m->from), m->origin) == 0);
    for (size_t i = 0; i < m->n_to; i++)
        FUZZ_CHECK(strcmp(imid_domain_of(m->to[i]), m->destination) == 0);
}

static void check_lines(const struct str *mime)
{
    static const char *const names[] = {
        "From: ", "To: ", "Subject: ", "Date: ", "Message-ID: ", "In-Reply-To: ", "Expires: ",
        "Auto-Submitted: ", "X-IMMP-", "Importance: ", "MIME-Version: ", "Content-", " ", "--=_immp-",
    };

    for (const char *line = mime->s; *line != '\0';) {
        const char *eol = strstr(line, "\r\n");
        bool is_known = false;

        FUZZ_CHECK(eol != NULL && eol - line <= 998 + 2000 * (line[0] == ' '));
        FUZZ_CHECK(memchr(line, '\n', (size_t)(eol - line)) == NULL);
        for (size_t i = 0; i < N_ELEMENTS(names); i++)
            is_known = is_known || strncmp(line, names[i], strlen(names[i])) == 0;
        FUZZ_CHECK(eol == line || is_known);
        line = eol + 2;
    }
}

static void check_views(const struct message *m)
{
    struct row_state st = { "/INBOX", 0, true, true };
    struct str out = STR_INIT, summary = STR_INIT;
    struct json *j;

    mime_add_head(&out, m, MIME_BASE64);
    for (size_t i = 0; i < m->n_parts; i++)
        mime_add_part_head(&out, m, i, MIME_8BIT);
    mime_add_tail(&out, m);
    check_lines(&out);
    str_truncate(&out, 0);
    row_add_envelope(&out, m, &st);
    j = json_parse(out.s, out.len, NULL);
    FUZZ_CHECK(j != NULL);
    json_destroy(&j);
    str_truncate(&out, 0);
    row_summarize(&summary, m);
    row_add_tabs(&out, str_c(&summary), &st);
    FUZZ_CHECK(strpbrk(out.s, "\r\n") == NULL);
    str_clear(&summary);
    str_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str first = STR_INIT, second = STR_INIT;
    struct message m, back;

    if (message_parse((const char *)data, len, &m, NULL) < 0)
        return 0;
    check_agreement(&m);
    check_views(&m);
    message_format(&first, &m);
    FUZZ_CHECK(message_parse(first.s, first.len, &back, NULL) == 0);
    message_format(&second, &back);
    FUZZ_CHECK(strcmp(first.s, second.s) == 0);
    message_clear(&m);
    message_clear(&back);
    str_clear(&first);
    str_clear(&second);
    return 0;
}
