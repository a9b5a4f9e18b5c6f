/* SPDX-License-Identifier: MIT */
/* IMIDs (docs/immp.md, "IMIDs"), by tests/vectors/imid.json and by generated ones. */
#include "wire/imid.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "wire/status.h"

#include "lib/test.h"
#include "unit/wire/vectors.h"

static struct json *doc;

static int load(void **state)
{
    (void)state;
    doc = vectors_read("imid.json");
    return doc != NULL ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_destroy(&doc);
    return 0;
}

static void assert_field(const struct json *row, const char *key, const char *value)
{
    if (strcmp(json_get_str(row, key), value) != 0)
        fail_msg("%s: %s is \"%s\", not \"%s\"", json_get_str(row, "imid"), key, value,
                 json_get_str(row, key));
}

static const char *action_name(enum imid_action action)
{
    static const char *const names[] = { "", "subscribe", "message", "push" };

    return names[action];
}

static void assert_fields(const struct json *row, const struct imid *id)
{
    assert_field(row, "local", id->local);
    assert_field(row, "folder", id->folder);
    assert_field(row, "domain", id->domain);
    assert_field(row, "path", id->path);
    assert_field(row, "msgid", id->msgid);
    assert_field(row, "action", action_name(id->action));
}

static void valid_imids_are_read_and_written(void **state)
{
    const struct json *rows = json_get(doc, "valid");

    (void)state;
    assert_true(json_size(rows) > 30);
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        struct err err = { 0 };
        struct str out = STR_INIT;
        struct imid id;

        if (imid_parse(json_get_str(row, "imid"), &id, &err) < 0)
            fail_msg("%s: %s", json_get_str(row, "imid"), err.text);
        assert_fields(row, &id);
        imid_add(&out, &id);
        assert_field(row, "written", str_c(&out));
        imid_clear(&id);
        /* What was written gives the same fields. */
        assert_int_equal(imid_parse(str_c(&out), &id, NULL), 0);
        assert_fields(row, &id);
        imid_clear(&id);
        str_clear(&out);
    }
}

static void invalid_imids_are_402(void **state)
{
    const struct json *rows = json_get(doc, "invalid");

    (void)state;
    assert_true(json_size(rows) > 60);
    for (size_t i = 0; i < json_size(rows); i++) {
        const char *s = json_get_str(json_at(rows, i), "imid");
        struct err err = { 0 };
        struct imid id;

        if (imid_parse(s, &id, &err) != -1)
            fail_msg("\"%s\" is taken for an IMID (%s)", s, json_get_str(json_at(rows, i), "why"));
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_int_equal(err.status, STATUS_PARAMETER);
        assert_null(id.local);
    }
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
    static const char *const rows[] = { "a\xff@c", "\xc0\xaf@c", "a@c/\xed\xa0\x80", "a@\x80" };
    struct imid id;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        assert_int_equal(imid_parse(rows[i], &id, NULL), -1);
}

static void a_member_is_within_its_shared_mailbox(void **state)
{
    const struct json *rows = json_get(doc, "within");

    (void)state;
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);

        assert_int_equal(imid_is_within(json_get_str(row, "child"), json_get_str(row, "parent")),
                         json_get_bool(row, "within"));
    }
    assert_false(imid_is_within("helpdesk", "helpdesk@d"));
    assert_false(imid_is_within("", ""));
}

static void a_path_may_name_a_node(void **state)
{
    const struct json *rows = json_get(doc, "node");

    (void)state;
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        struct str out = STR_INIT;
        struct imid id;
        int rc;

        assert_int_equal(imid_parse(json_get_str(row, "imid"), &id, NULL), 0);
        rc = imid_path_to_node(&id, NULL);
        assert_int_equal(rc, json_get_str(row, "node") != NULL ? 0 : -1);
        imid_add(&out, &id);
        if (rc == 0)
            assert_string_equal(str_c(&out), json_get_str(row, "node"));
        str_clear(&out);
        imid_clear(&id);
    }
}

static void an_address_is_the_comparable_part(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "Alice@B.com", "alice@b.com" },
        { "alice+lists@b.com", "alice@b.com" },
        { "imid:helpdesk/alice@b.com", "helpdesk/alice@b.com" },
        { "alice@b.com/INBOX", NULL },
        { "alice@b.com?push", NULL },
        { "alice", NULL },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };
        char *address;
        int rc = imid_address(rows[i].in, &address, &err);

        assert_int_equal(rc, rows[i].out != NULL ? 0 : -1);
        if (rc < 0) {
            assert_null(address);
            assert_int_equal(err.status, STATUS_PARAMETER);
            continue;
        }
        assert_string_equal(address, rows[i].out);
        free(address);
    }
    assert_string_equal(imid_domain_of("helpdesk/alice@b.com"), "b.com");
}

static void a_name_that_grows_beyond_1023_bytes_is_refused(void **state)
{
    struct str in = STR_INIT;
    struct imid id;

    (void)state;
    /* U+FDFA folds to eighteen characters. */
    for (size_t i = 0; i < 300; i++)
        str_add(&in, "\xef\xb7\xba");
    str_add(&in, "@a.com");
    assert_int_equal(imid_parse(str_c(&in), &id, NULL), -1);
    str_clear(&in);
    /* 1021 bytes as written, and a path that makes a node of more than 1023. */
    for (size_t i = 0; i < 510; i++)
        str_addc(&in, 'x');
    str_add(&in, "@a.com/");
    for (size_t i = 0; i < 500; i++)
        str_add(&in, "y");
    assert_int_equal(imid_parse(str_c(&in), &id, NULL), 0);
    assert_int_equal(imid_path_to_node(&id, NULL), 0);
    imid_clear(&id);
    str_clear(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_imids_are_read_and_written),
        cmocka_unit_test(invalid_imids_are_402),
        cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
        cmocka_unit_test(a_member_is_within_its_shared_mailbox),
        cmocka_unit_test(a_path_may_name_a_node),
        cmocka_unit_test(an_address_is_the_comparable_part),
        cmocka_unit_test(a_name_that_grows_beyond_1023_bytes_is_refused),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
