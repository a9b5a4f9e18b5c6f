/* SPDX-License-Identifier: MIT */
/* MBOX INDEX and FETCH lines (docs/immp.md, "MBOX"). */
#include "wire/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/json.h"

#include "lib/test.h"

#define ID "9507ce26-d34e-41cb-9f14-4eeff943e25e"

static const struct row_state unread = { "/INBOX", 1795490509000, false, false };
static const struct row_state flagged = { "/INBOX/Lists", 1795490509000, true, true };

static struct message fill(const char *subject)
{
    struct message m;

    message_init(&m);
    memcpy(m.id, ID, sizeof(ID));
    m.kind = MESSAGE_MAIL;
    m.origin = mem_strdup("a.com");
    m.destination = mem_strdup("b.com");
    m.from = mem_strdup("alice@a.com");
    m.date_ms = 1795490508123;
    m.subject = mem_strdup(subject);
    message_add_to(&m, "bob@b.com");
    message_add_to(&m, "carol+Lists@b.com");
    message_add_part(&m, "body.txt", "text/plain", true, 12, NULL);
    message_add_part(&m, "x.bin", "application/octet-stream", false, 30, NULL);
    return m;
}

static void add_json(struct str *out, const struct message *m, const struct row_state *st)
{
    struct str summary = STR_INIT;

    row_summarize(&summary, m);
    assert_true(row_is_summary(str_c(&summary)));
    row_add_json(out, str_c(&summary), st);
    str_clear(&summary);
}

static void add_tabs(struct str *out, const struct message *m, const struct row_state *st)
{
    struct str summary = STR_INIT;

    row_summarize(&summary, m);
    row_add_tabs(out, str_c(&summary), st);
    str_clear(&summary);
}

static void a_json_row_has_the_keys_of_the_table(void **state)
{
    struct message m = fill("Hello \"Bob\"");
    struct str out = STR_INIT;

    (void)state;
    m.flags = MESSAGE_IMPORTANT;
    add_json(&out, &m, &flagged);
    assert_string_equal(str_c(&out),
                        "{\"_id\":\"" ID "\",\"from\":\"alice@a.com\","
                        "\"to\":[\"bob@b.com\",\"carol+Lists@b.com\"],\"subject\":\"Hello \\\"Bob\\\"\","
                        "\"date\":\"2026-11-24T03:21:48.123Z\",\"size\":42,"
                        "\"flags\":[\"important\",\"read\",\"flagged\"],"
                        "\"parts\":[{\"id\":\"body.txt\",\"class\":\"content\",\"type\":\"text/plain\","
                        "\"length\":12},{\"id\":\"x.bin\",\"class\":\"data\","
                        "\"type\":\"application/octet-stream\",\"length\":30}],"
                        "\"folder\":\"/INBOX/Lists\"}");
    str_clear(&out);
    message_clear(&m);
}

static void a_row_with_tabs_has_nine_cells(void **state)
{
    struct message m = fill(NULL);
    struct str out = STR_INIT;

    (void)state;
    add_tabs(&out, &m, &unread);
    assert_string_equal(str_c(&out), ID "\talice@a.com\tbob@b.com,carol+Lists@b.com\t\t"
                                        "2026-11-24T03:21:48.123Z\t42\tunread\t2\t/INBOX");
    str_clear(&out);
    message_clear(&m);
}

static void a_subject_adds_no_cell_and_no_row(void **state)
{
    struct message m = fill("a\tb\r\nc\x1b[31m\x7f\xc3\xbc");
    struct str out = STR_INIT;
    size_t tabs = 0;

    (void)state;
    add_tabs(&out, &m, &unread);
    for (size_t i = 0; i < out.len; i++) {
        tabs += out.s[i] == '\t';
        assert_true((unsigned char)out.s[i] >= 0x20 || out.s[i] == '\t');
    }
    assert_int_equal(tabs, 8);
    assert_non_null(strstr(str_c(&out), "\ta b  c [31m \xc3\xbc\t"));
    str_truncate(&out, 0);
    add_json(&out, &m, &unread);
    assert_null(strpbrk(str_c(&out), "\n\r\t\x1b"));
    str_clear(&out);
    message_clear(&m);
}

static void recipients_are_those_that_may_be_seen(void **state)
{
    struct message m = fill("s");
    struct str out = STR_INIT;

    (void)state;
    m.flags = MESSAGE_BLIND;
    add_json(&out, &m, &unread);
    assert_non_null(strstr(str_c(&out), "\"to\":[],"));
    str_truncate(&out, 0);
    add_tabs(&out, &m, &unread);
    assert_null(strstr(str_c(&out), "bob@"));
    str_truncate(&out, 0);
    message_add_shown(&m, "Dave@D.com"); /* a sender's own copy */
    add_json(&out, &m, &unread);
    assert_non_null(strstr(str_c(&out), "\"to\":[\"Dave@D.com\"],"));
    str_clear(&out);
    message_clear(&m);
}

static void an_envelope_is_a_row_and_more(void **state)
{
    struct message m = fill("s");
    struct str row = STR_INIT, envelope = STR_INIT;
    struct json *j;

    (void)state;
    add_json(&row, &m, &unread);
    row_add_envelope(&envelope, &m, &unread);
    assert_memory_equal(row.s, envelope.s, row.len - 1);
    assert_string_equal(envelope.s + row.len - 1,
                        ",\"received\":\"2026-11-24T03:21:49.000Z\",\"kind\":\"message\"}");
    str_truncate(&envelope, 0);
    memcpy(m.in_reply_to, "4933a1ff-0000-4000-8000-0123456789ab", UUID_SIZE);
    m.expires_ms = 1796083200000;
    message_add_shown(&m, "bob@b.com");
    row_add_envelope(&envelope, &m, &unread);
    j = json_parse(envelope.s, envelope.len, NULL);
    assert_string_equal(json_get_str(j, "inreplyto"), "4933a1ff-0000-4000-8000-0123456789ab");
    assert_string_equal(json_get_str(j, "expires"), "2026-12-01T00:00:00.000Z");
    assert_string_equal(json_str(json_at(json_get(j, "for"), 0)), "bob@b.com");
    json_destroy(&j);
    str_clear(&row);
    str_clear(&envelope);
    message_clear(&m);
}

static void every_row_is_json_whatever_its_texts(void **state)
{
    static const char *const odd[] = { "", "\"", "\\", "\x01", "\xff", "\xf0\x9f\x98\x80", "</script>" };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(odd); i++) {
        struct message m = fill(odd[i]);
        struct row_state st = { odd[i], 0, false, true };
        struct str out = STR_INIT;
        struct json *j;

        message_add_part(&m, odd[i], odd[i], false, 0, NULL);
        add_json(&out, &m, &st);
        j = json_parse(out.s, out.len, NULL);
        assert_non_null(j);
        assert_int_equal(json_size(json_get(j, "parts")), 3);
        json_destroy(&j);
        str_clear(&out);
        message_clear(&m);
    }
}

static void a_header_is_no_summary(void **state)
{
    struct message m = fill("{");
    struct str header = STR_INIT;

    (void)state;
    message_format(&header, &m);
    assert_false(row_is_summary(str_c(&header)));
    str_clear(&header);
    message_clear(&m);
}

static void flags_of_both_kinds_stand_in_both_forms(void **state)
{
    static const struct row_state states[] = {
        { "/INBOX", 0, false, false }, { "/INBOX", 0, true, false }, { "/INBOX", 0, false, true },
    };
    static const char *const json[] = {
        "\"flags\":[\"secure\",\"blind\",\"unread\"]", "\"flags\":[\"secure\",\"blind\",\"read\"]",
        "\"flags\":[\"secure\",\"blind\",\"unread\",\"flagged\"]",
    };
    static const char *const tabs[] = {
        "\tsecure,blind,unread\t2\t", "\tsecure,blind,read\t2\t",
        "\tsecure,blind,unread,flagged\t2\t",
    };
    struct message m = fill("s");
    struct str out = STR_INIT;

    (void)state;
    m.flags = MESSAGE_SECURE | MESSAGE_BLIND;
    for (size_t i = 0; i < N_ELEMENTS(states); i++) {
        str_truncate(&out, 0);
        add_json(&out, &m, &states[i]);
        assert_non_null(strstr(str_c(&out), json[i]));
        str_truncate(&out, 0);
        add_tabs(&out, &m, &states[i]);
        assert_non_null(strstr(str_c(&out), tabs[i]));
    }
    str_clear(&out);
    message_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_row_has_the_keys_of_the_table),
        cmocka_unit_test(a_row_with_tabs_has_nine_cells),
        cmocka_unit_test(a_subject_adds_no_cell_and_no_row),
        cmocka_unit_test(recipients_are_those_that_may_be_seen),
        cmocka_unit_test(an_envelope_is_a_row_and_more),
        cmocka_unit_test(every_row_is_json_whatever_its_texts),
        cmocka_unit_test(a_header_is_no_summary),
        cmocka_unit_test(flags_of_both_kinds_stand_in_both_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
