/* SPDX-License-Identifier: MIT */
/* Message headers (docs/xmpp.md, "The seal"): tests/vectors/header.json, and what stands in no JSON. */
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "lib/test.h"
#include "unit/wire/vectors.h"

#define ID "9507ce26-d34e-41cb-9f14-4eeff943e25e"

static void assert_list(const struct json *expected, char *const *list, size_t n)
{
    assert_int_equal(json_size(expected), n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(list[i], json_str(json_at(expected, i)));
}

static void assert_flags(const struct json *expected, unsigned flags)
{
    const char *name;
    size_t n = 0;

    for (; (name = message_flag_at(flags, n)) != NULL; n++)
        assert_string_equal(name, json_str(json_at(expected, n)));
    assert_int_equal(json_size(expected), n);
}

static void assert_parts(const struct json *expected, const struct message *m)
{
    uint64_t size = 0;

    assert_int_equal(json_size(expected), m->n_parts);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct json *p = json_at(expected, i);
        int64_t length;

        assert_string_equal(m->parts[i].name, json_get_str(p, "name"));
        assert_string_equal(m->parts[i].type, json_get_str(p, "type"));
        assert_string_equal(m->parts[i].is_content ? "content" : "data", json_get_str(p, "class"));
        assert_string_equal(m->parts[i].sha256, json_get_str(p, "sha256"));
        assert_true(json_get_int(p, "length", &length));
        assert_int_equal(m->parts[i].length, length);
        size += (uint64_t)length;
    }
    assert_int_equal(message_size(m), size);
}

static void assert_object(const struct json *o, const struct message *m)
{
    const char *subject = json_get_str(o, "subject");
    int64_t at_ms;

    assert_string_equal(m->id, json_get_str(o, "id"));
    assert_string_equal(message_kind_name(m->kind), json_get_str(o, "kind"));
    assert_string_equal(m->origin, json_get_str(o, "origin"));
    assert_string_equal(m->destination, json_get_str(o, "destination"));
    assert_string_equal(m->from, json_get_str(o, "from"));
    assert_list(json_get(o, "to"), m->to, m->n_to);
    assert_list(json_get(o, "for"), m->shown, m->n_shown);
    assert_list(json_get(o, "hops"), m->hops, m->n_hops);
    assert_flags(json_get(o, "flags"), m->flags);
    assert_parts(json_get(o, "parts"), m);
    assert_string_equal(m->in_reply_to, json_get_str(o, "inreplyto"));
    if (subject == NULL)
        assert_null(m->subject);
    else
        assert_string_equal(m->subject, subject);
    assert_true(json_get_int(o, "date_ms", &at_ms));
    assert_int_equal(m->date_ms, at_ms);
    assert_true(json_get_int(o, "expires_ms", &at_ms));
    assert_int_equal(m->expires_ms, at_ms);
}

static void a_valid_line_means_what_the_vector_says(void **state)
{
    struct json *doc = vectors_read("header.json");
    const struct json *rows = json_get(doc, "valid");

    (void)state;
    assert_true(json_size(rows) > 20);
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        const char *line = json_get_str(row, "line");
        struct message m;
        struct err err = { 0 };
        struct str out = STR_INIT;

        if (message_parse(line, strlen(line), &m, &err) < 0)
            fail_msg("%s: %s", json_get_str(row, "why"), err.text);
        assert_object(json_get(row, "object"), &m);
        message_format(&out, &m);
        assert_string_equal(str_c(&out), json_get_str(row, "canonical"));
        message_clear(&m);
        str_clear(&out);
    }
    json_destroy(&doc);
}

static void assert_refused(const char *why, const char *line, size_t len)
{
    static const struct message empty;
    struct message m;
    struct err err = { 0 };

    memset(&m, 0xee, sizeof(m));
    if (message_parse(line, len, &m, &err) == 0)
        fail_msg("%s: was taken", why);
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_true(strlen(err.text) > 0);
    assert_memory_equal(&m, &empty, sizeof(m)); /* nothing to clear */
    assert_int_equal(message_parse(line, len, &m, NULL), -1);
}

static void an_invalid_line_is_refused(void **state)
{
    struct json *doc = vectors_read("header.json");
    const struct json *rows = json_get(doc, "invalid");

    (void)state;
    assert_true(json_size(rows) > 50);
    for (size_t i = 0; i < json_size(rows); i++) {
        const char *line = json_get_str(json_at(rows, i), "line");

        assert_refused(json_get_str(json_at(rows, i), "why"), line, strlen(line));
    }
    json_destroy(&doc);
}

static void fill(struct message *m)
{
    message_init(m);
    memcpy(m->id, ID, sizeof(ID));
    m->kind = MESSAGE_MAIL;
    m->origin = mem_strdup("a.com");
    m->destination = mem_strdup("b.com");
    m->from = mem_strdup("alice@a.com");
    message_add_to(m, "bob@b.com");
}

static char *line_of(const struct message *m, size_t *len_r)
{
    struct str out = STR_INIT;

    message_format(&out, m);
    *len_r = out.len;
    return str_take(&out);
}

static void bytes_that_no_json_holds_are_refused(void **state)
{
    struct message m;
    size_t len;
    char *line;

    (void)state;
    fill(&m);
    m.subject = mem_strdup("subject");
    message_add_part(&m, "n", "text/plain", true, 0, "");
    memset(m.parts[0].sha256, '0', 64);
    line = line_of(&m, &len);
    message_clear(&m);
    assert_int_equal(message_parse(line, len, &m, NULL), 0);
    message_clear(&m);
    strstr(line, "subject\"")[0] = (char)0xff;
    assert_refused("invalid UTF-8", line, len);
    strchr(line, (char)0xff)[0] = '\0';
    assert_refused("a NUL", line, len);
    assert_refused("no line", "", 0);
    free(line);
}

static void every_cut_of_a_line_is_refused(void **state)
{
    struct message m;
    size_t len;
    char *line;

    (void)state;
    fill(&m);
    message_add_part(&m, "n", "text/plain", true, 0, NULL);
    memset(m.parts[0].sha256, '0', 64);
    line = line_of(&m, &len);
    message_clear(&m);
    for (size_t n = 0; n < len; n++)
        assert_refused("cut", line, n);
    free(line);
}

static void a_thousand_parts_are_the_most(void **state)
{
    struct message m, back;
    size_t len;
    char *line;

    (void)state;
    fill(&m);
    for (size_t i = 0; i < MESSAGE_PARTS_MAX; i++)
        memset(message_add_part(&m, "n", "text/plain", true, i, NULL)->sha256, 'a', 64);
    line = line_of(&m, &len);
    assert_int_equal(message_parse(line, len, &back, NULL), 0);
    assert_int_equal(back.n_parts, MESSAGE_PARTS_MAX);
    assert_int_equal(back.parts[999].length, 999);
    message_clear(&back);
    free(line);
    memset(message_add_part(&m, "n", "text/plain", true, 1, NULL)->sha256, 'a', 64);
    line = line_of(&m, &len);
    assert_refused("1001 parts", line, len);
    message_clear(&m);
    free(line);
}

static void a_line_has_a_greatest_length(void **state)
{
    struct message m;
    size_t len;
    char *line, *longer;

    (void)state;
    fill(&m);
    memset(message_add_part(&m, "n", "text/plain", true, 0, NULL)->sha256, 'a', 64);
    line = line_of(&m, &len);
    message_clear(&m);
    longer = mem_alloc(MESSAGE_HEADER_MAX + 2);
    memset(longer, ' ', MESSAGE_HEADER_MAX + 2);
    memcpy(longer, line, len);
    assert_int_equal(message_parse(longer, MESSAGE_HEADER_MAX, &m, NULL), 0);
    message_clear(&m);
    assert_refused("longer", longer, MESSAGE_HEADER_MAX + 1);
    free(line);
    free(longer);
}

/* What the session may hand over comes back as it was, whatever characters it holds. */
static void parse_of_format_is_the_same_message(void **state)
{
    static const char *const odd[] = {
        "", " ", "a\tb", "\x01\x1b[31m", "\"\\/", "\xf0\x9f\x98\x80", "\x7f", "x\r\nTo: y",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(odd); i++) {
        struct message m, back;
        struct err err = { 0 };
        size_t len, again_len;
        char *line, *again;

        fill(&m);
        m.kind = MESSAGE_REPORT;
        m.subject = mem_strdup(odd[i]);
        m.date_ms = 1 + (int64_t)i;
        m.flags = MESSAGE_IMPORTANT | MESSAGE_RECEIPT << (i % 2);
        message_add_shown(&m, "Bob@B.com");
        message_add_hop(&m, "x.com");
        memset(message_add_part(&m, i > 1 ? odd[i] : "n", "a/b", false, i, NULL)->sha256, 'a', 64);
        line = line_of(&m, &len);
        assert_null(memchr(line, '\n', len));
        if (message_parse(line, len, &back, &err) < 0)
            fail_msg("%zu: %s", i, err.text);
        assert_string_equal(back.subject, odd[i]);
        again = line_of(&back, &again_len);
        assert_string_equal(again, line);
        message_clear(&m);
        message_clear(&back);
        free(line);
        free(again);
    }
}

static void kinds_and_flags_have_names(void **state)
{
    (void)state;
    assert_string_equal(message_kind_name(MESSAGE_MAIL), "message");
    assert_string_equal(message_kind_name(MESSAGE_REPORT), "report");
    assert_string_equal(message_kind_name((enum message_kind)77), "none");
    assert_null(message_flag_at(0, 0));
    assert_string_equal(message_flag_at(MESSAGE_SECURE | MESSAGE_BLIND, 0), "secure");
    assert_string_equal(message_flag_at(MESSAGE_SECURE | MESSAGE_BLIND, 1), "blind");
    assert_null(message_flag_at(MESSAGE_SECURE | MESSAGE_BLIND, 2));
    assert_null(message_flag_at(1u << 31, 0));
}

static void clear_may_be_repeated(void **state)
{
    struct message m;

    (void)state;
    fill(&m);
    message_clear(&m);
    message_clear(&m);
    assert_int_equal(message_size(&m), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_line_means_what_the_vector_says),
        cmocka_unit_test(an_invalid_line_is_refused),
        cmocka_unit_test(bytes_that_no_json_holds_are_refused),
        cmocka_unit_test(every_cut_of_a_line_is_refused),
        cmocka_unit_test(a_thousand_parts_are_the_most),
        cmocka_unit_test(a_line_has_a_greatest_length),
        cmocka_unit_test(parse_of_format_is_the_same_message),
        cmocka_unit_test(kinds_and_flags_have_names),
        cmocka_unit_test(clear_may_be_repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
