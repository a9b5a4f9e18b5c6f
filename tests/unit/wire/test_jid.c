/* SPDX-License-Identifier: MIT */
/* JIDs, XEP-0106, and the map to IMIDs (docs/xmpp.md, "JIDs and IMIDs"), by
 * tests/vectors/jid-escape.json and, as properties, by generated IMIDs. */
#include "wire/jid.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/prep.h"
#include "wire/imid.h"
#include "wire/status.h"

#include "lib/test.h"
#include "unit/wire/vectors.h"

static struct json *doc;

static int load(void **state)
{
    (void)state;
    doc = vectors_read("jid-escape.json");
    return doc != NULL ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_destroy(&doc);
    return 0;
}

static const char *str_of(const struct json *row, const char *key)
{
    const char *s = json_get_str(row, key);

    if (s == NULL)
        fail_msg("a row has no \"%s\"", key);
    return s;
}

static void escaping_is_that_of_xep_0106_both_ways(void **state)
{
    const struct json *rows = json_get(doc, "escape");

    (void)state;
    assert_true(json_size(rows) > 30);
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        struct str node = STR_INIT, text = STR_INIT;

        assert_int_equal(jid_escape(&node, str_of(row, "text"), NULL), 0);
        assert_string_equal(str_c(&node), str_of(row, "node"));
        jid_unescape(&text, str_of(row, "node"));
        assert_string_equal(str_c(&text), str_of(row, "text"));
        str_clear(&node);
        str_clear(&text);
    }
    rows = json_get(doc, "unescape");
    for (size_t i = 0; i < json_size(rows); i++) {
        struct str text = STR_INIT;

        jid_unescape(&text, str_of(json_at(rows, i), "node"));
        assert_string_equal(str_c(&text), str_of(json_at(rows, i), "text"));
        str_clear(&text);
    }
}

static void a_space_at_either_end_cannot_be_escaped(void **state)
{
    const struct json *rows = json_get(doc, "unescapable");

    (void)state;
    for (size_t i = 0; i < json_size(rows); i++) {
        struct str out = STR_INIT;
        struct err err = { 0 };

        assert_int_equal(jid_escape(&out, json_str(json_at(rows, i)), &err), -1);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_int_equal(out.len, 0);
        str_clear(&out);
    }
}

static void imids_and_jids_map_both_ways(void **state)
{
    const char *domain = str_of(doc, "domain"), *component = str_of(doc, "component");
    const struct json *rows = json_get(doc, "map");

    (void)state;
    for (size_t i = 0; i < json_size(rows); i++) {
        const struct json *row = json_at(rows, i);
        struct str out = STR_INIT;
        struct jid jid;
        char *address;

        assert_int_equal(jid_from_address(&out, str_of(row, "address"), domain, component, NULL),
                         0);
        assert_string_equal(str_c(&out), str_of(row, "jid"));
        assert_int_equal(jid_parse(str_c(&out), &jid, NULL), 0);
        assert_string_equal(jid.host, component);
        assert_int_equal(jid_to_address(jid.node, domain, &address, NULL), 0);
        assert_string_equal(address, str_of(row, "address"));
        free(address);
        jid_clear(&jid);
        str_clear(&out);
    }
    rows = json_get(doc, "tolerated");
    for (size_t i = 0; i < json_size(rows); i++) {
        char *address;

        assert_int_equal(jid_to_address(str_of(json_at(rows, i), "node"), domain, &address, NULL),
                         0);
        assert_string_equal(address, str_of(json_at(rows, i), "address"));
        free(address);
    }
}

static void nodes_that_name_no_imid_are_refused(void **state)
{
    const struct json *rows = json_get(doc, "nodes_refused");

    (void)state;
    for (size_t i = 0; i < json_size(rows); i++) {
        const char *node = str_of(json_at(rows, i), "node");
        struct err err = { 0 };
        char *address;

        if (jid_to_address(node, "b.com", &address, &err) != -1)
            fail_msg("%s is taken for %s", node, address);
        assert_int_equal(err.status, STATUS_PARAMETER);
        assert_null(address);
    }
}

/* ---- properties over generated IMIDs ---- */

static uint64_t seed = 88172645463325252ull;

static unsigned roll(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

static void add_word(struct str *out)
{
    static const char *const pieces[] = {
        "a", "b", "z", "\\", "\\20", "\\5c", "\\40", "\\2", "5c", "0", "\xc3\xbc", "\xe2\x82\xac",
        "+", "-", "%", "?", ",", ".", "\\2f", "\\2F", "2", "f", "\xf0\x9f\x98\x80", "\xef\xbc\xa1",
        "\xcc\x87", "\xcc\x81", "\xef\xbc\xbc", "\xcd\x85", "\xc3\x9f",
    };

    for (unsigned n = 1 + roll(6); n > 0; n--)
        str_add(out, pieces[roll(N_ELEMENTS(pieces))]);
}

static void generate(struct str *out)
{
    static const char *const domains[] = { "b.com", "c.com", "b.com.org", "immp.b.com", "x" };

    add_word(out);
    for (unsigned n = roll(3); n > 0; n--) {
        str_addc(out, '/');
        add_word(out);
    }
    str_addc(out, '@');
    str_add(out, domains[roll(N_ELEMENTS(domains))]);
}

static int release(void *ctx, const char *key, void *value)
{
    (void)ctx;
    (void)key;
    free(value);
    return 0;
}

/* What an address is when its folder is folded. Caller frees. */
static char *folded(const char *address)
{
    const char *plus = strchr(address, '+'), *at = imid_domain_of(address);
    struct str out = STR_INIT;
    char *folder, *fold;

    if (plus == NULL)
        return mem_strdup(address);
    folder = mem_strndup(plus, (size_t)(at - plus));
    assert_int_equal(prep_fold(folder, &fold, NULL), 0);
    str_addn(&out, address, (size_t)(plus - address));
    str_add(&out, fold);
    str_add(&out, at);
    free(folder);
    free(fold);
    return str_take(&out);
}

/* decode(encode(x)) = x, and a JID stands for one IMID only. */
static void check_one(const char *written, bool has_folder, struct map *seen)
{
    struct str out = STR_INIT;
    char *imid = folded(written), *address = NULL, *other;
    struct jid jid;

    if (jid_from_address(&out, written, "b.com", "immp.b.com", NULL) < 0) {
        if (!has_folder)
            fail_msg("%s has no JID", written);
    } else {
        if (jid_parse(str_c(&out), &jid, NULL) < 0 ||
            jid_to_address(jid.node, "b.com", &address, NULL) < 0)
            fail_msg("%s: %s does not come back", written, str_c(&out));
        assert_string_equal(address, imid);
        other = map_get(seen, str_c(&out));
        if (other == NULL)
            map_put(seen, str_c(&out), mem_strdup(imid));
        else
            assert_string_equal(other, imid);
        free(address);
        jid_clear(&jid);
    }
    free(imid);
    str_clear(&out);
}

static void no_two_imids_share_a_jid_and_each_comes_back(void **state)
{
    struct map *seen = map_create();
    size_t valid = 0;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct str text = STR_INIT, imid = STR_INIT;
        struct imid id;

        generate(&text);
        if (imid_parse(str_c(&text), &id, NULL) == 0) {
            valid++;
            imid_add(&imid, &id);
            check_one(str_c(&imid), *id.folder != '\0', seen);
            imid_clear(&id);
        }
        str_clear(&text);
        str_clear(&imid);
    }
    assert_true(valid > 5000);
    assert_true(map_size(seen) > 3000);
    (void)map_each(seen, release, NULL);
    map_destroy(&seen);
}

static void different_text_never_gives_the_same_node(void **state)
{
    /* Every text of up to five characters over the ones that matter to the backslash rule. */
    static const char chars[] = "\\25c0f@";
    struct map *seen = map_create();
    size_t total = 0;

    (void)state;
    for (size_t n = 1, count = 7; n <= 5; n++, count *= 7) {
        for (size_t k = 0; k < count; k++) {
            char text[6] = "";
            struct str node = STR_INIT, back = STR_INIT;

            for (size_t i = 0, v = k; i < n; i++, v /= 7)
                text[i] = chars[v % 7];
            assert_int_equal(jid_escape(&node, text, NULL), 0);
            jid_unescape(&back, str_c(&node));
            assert_string_equal(str_c(&back), text);
            assert_null(map_get(seen, str_c(&node)));
            map_put(seen, str_c(&node), mem_strdup("x"));
            total++;
            str_clear(&node);
            str_clear(&back);
        }
    }
    assert_int_equal(map_size(seen), total);
    (void)map_each(seen, release, NULL);
    map_destroy(&seen);
}

/* ---- JIDs ---- */

static void a_jid_is_split_and_prepared(void **state)
{
    static const struct {
        const char *in, *node, *host, *resource, *bare;
    } rows[] = {
        { "b.com", "", "b.com", "", "b.com" },
        { "Alice@B.com", "alice", "b.com", "", "alice@b.com" },
        { "alice@b.com/Phone", "alice", "b.com", "Phone", "alice@b.com" },
        { "b.com/x@y/z", "", "b.com", "x@y/z", "b.com" },
        { "bob\\40c.com@immp.b.com/a b", "bob\\40c.com", "immp.b.com", "a b",
          "bob\\40c.com@immp.b.com" },
        { "A\\5C@b.com", "a\\5c", "b.com", "", "a\\5c@b.com" },
        { "j\xc3\x9crgen@B\xc3\xbc" "cher.example", "j\xc3\xbcrgen", "xn--bcher-kva.example", "",
          "j\xc3\xbcrgen@xn--bcher-kva.example" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str bare = STR_INIT;
        struct jid jid;

        assert_int_equal(jid_parse(rows[i].in, &jid, NULL), 0);
        assert_string_equal(jid.node, rows[i].node);
        assert_string_equal(jid.host, rows[i].host);
        assert_string_equal(jid.resource, rows[i].resource);
        jid_add_bare(&bare, &jid);
        assert_string_equal(str_c(&bare), rows[i].bare);
        str_clear(&bare);
        jid_clear(&jid);
    }
}

static void what_is_no_jid_is_refused(void **state)
{
    static const char *const rows[] = {
        "", "@b.com", "alice@", "alice@/x", "/x", "alice@b.com/", "a b@b.com", "a@b@c", "a\"@b.com",
        "a<b@c", "alice@b com", "alice@b.com/\xff", "\xff@b.com", "alice@-b",
    };
    struct str big = STR_INIT;
    struct jid jid;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = { 0 };

        if (jid_parse(rows[i], &jid, &err) != -1)
            fail_msg("%s is taken for a JID", rows[i]);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        assert_null(jid.host);
    }
    str_add(&big, "b.com/");
    for (size_t i = 0; i < 1023; i++)
        str_addc(&big, 'r');
    assert_int_equal(jid_parse(str_c(&big), &jid, NULL), 0);
    jid_clear(&jid);
    str_addc(&big, 'r');
    assert_int_equal(jid_parse(str_c(&big), &jid, NULL), -1);
    str_clear(&big);
}

static void a_node_that_grows_beyond_1023_bytes_is_refused(void **state)
{
    struct str address = STR_INIT, out = STR_INIT;
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < 400; i++)
        str_add(&address, i == 0 ? "a" : "/a");
    str_add(&address, "@b.com");
    assert_int_equal(jid_from_address(&out, str_c(&address), "b.com", "immp.b.com", &err), -1);
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_int_equal(out.len, 0);
    assert_int_equal(jid_from_address(&out, "nobody", "b.com", "immp.b.com", &err), -1);
    str_clear(&address);
    str_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escaping_is_that_of_xep_0106_both_ways),
        cmocka_unit_test(a_space_at_either_end_cannot_be_escaped),
        cmocka_unit_test(imids_and_jids_map_both_ways),
        cmocka_unit_test(nodes_that_name_no_imid_are_refused),
        cmocka_unit_test(no_two_imids_share_a_jid_and_each_comes_back),
        cmocka_unit_test(different_text_never_gives_the_same_node),
        cmocka_unit_test(a_jid_is_split_and_prepared),
        cmocka_unit_test(what_is_no_jid_is_refused),
        cmocka_unit_test(a_node_that_grows_beyond_1023_bytes_is_refused),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
