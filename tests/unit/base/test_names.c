/* SPDX-License-Identifier: MIT */
/* Clock, UUID, maps, secrets and name preparation. */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/prep.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/test.h"

static void rfc3339_goes_both_ways(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "2026-11-24T03:21:48.123Z", "2026-11-24T03:21:48.123Z" },
        { "2026-11-24T03:21:48Z", "2026-11-24T03:21:48.000Z" },
        { "2026-11-24t03:21:48z", "2026-11-24T03:21:48.000Z" },
        { "2026-11-24T03:21:48+01:30", "2026-11-24T01:51:48.000Z" },
        { "2026-11-24T03:21:48-01:00", "2026-11-24T04:21:48.000Z" },
        { "2024-02-29", "2024-02-29T00:00:00.000Z" },
        { "2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z" },
        { "1969-12-31T23:59:59.500Z", "1969-12-31T23:59:59.500Z" },
        { "2026-11-24T03:21:48.1239999Z", "2026-11-24T03:21:48.123Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[CLOCK_RFC3339_SIZE];
        int64_t at;

        assert_int_equal(clock_parse_rfc3339(rows[i].in, &at), 0);
        clock_format_rfc3339(at, out);
        assert_string_equal(out, rows[i].out);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const rows[] = {
        "", "2026", "2026-13-01", "2026-02-29", "2026-00-10", "2026-11-24T", "2026-11-24T25:00:00Z",
        "2026-11-24T03:21:48", "2026-11-24T03:21:48Zx", "2026-11-24T03:21:48.Z",
        "2026-11-24T03:21:48+0100", "26-11-24", "2026-11-31",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t at = 7;

        assert_int_equal(clock_parse_rfc3339(rows[i], &at), -1);
        assert_int_equal(at, 7);
    }
}

static void mail_dates_are_rfc5322(void **state)
{
    char out[CLOCK_RFC5322_SIZE];

    (void)state;
    clock_format_rfc5322(1795490508123, out);
    assert_string_equal(out, "Tue, 24 Nov 2026 03:21:48 +0000");
}

static void a_fake_clock_stands_still(void **state)
{
    struct clock c = clock_fake(1000);

    (void)state;
    assert_int_equal(clock_wall_ms(&c), 1000);
    c.fake_ms += 5;
    assert_int_equal(clock_mono_ms(&c), 1005);
    assert_true(clock_wall_ms(clock_system()) > 1700000000000);
    assert_true(clock_mono_ms(clock_system()) > 0);
}

static void uuids_are_version_7_and_differ(void **state)
{
    char a[UUID_SIZE], b[UUID_SIZE], again[UUID_SIZE];
    uint8_t bytes[UUID_BYTES];

    (void)state;
    uuid_generate(a);
    uuid_generate(b);
    assert_string_not_equal(a, b);
    assert_int_equal(a[14], '7');
    assert_non_null(strchr("89ab", a[19]));
    assert_int_equal(uuid_to_bytes(a, bytes), 0);
    uuid_from_bytes(bytes, again);
    assert_string_equal(a, again);
}

static void uuids_come_in_the_order_of_time(void **state)
{
    char earlier[UUID_SIZE], later[UUID_SIZE];
    const struct timespec pause = { .tv_nsec = 2000000 };

    (void)state;
    uuid_generate(earlier);
    (void)nanosleep(&pause, NULL);
    uuid_generate(later);
    assert_true(strcmp(earlier, later) < 0);
}

static void uuid_text_is_strict(void **state)
{
    static const char *const bad[] = {
        "", "9507ce26-d34e-41cb-9f14-4eeff943e25", "9507ce26-d34e-41cb-9f14-4eeff943e25eX",
        "9507ce26xd34e-41cb-9f14-4eeff943e25e", "9507ce26-d34e-41cb-9f14-4eeff943e25g",
        "{9507ce26-d34e-41cb-9f14-4eeff943e2}",
    };
    char out[UUID_SIZE] = "same";

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(uuid_parse(bad[i], out), -1);
    assert_string_equal(out, "same");
    assert_int_equal(uuid_parse("9507CE26-D34E-41CB-9F14-4EEFF943E25E", out), 0);
    assert_string_equal(out, "9507ce26-d34e-41cb-9f14-4eeff943e25e");
}

static void randomness_of_any_size_comes(void **state)
{
    uint8_t a[1000], b[1000];

    (void)state;
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    for (int i = 0; i < 100; i++) {
        random_bytes(a, 16);
        random_bytes(b, 16);
        assert_memory_not_equal(a, b, 16);
    }
}

static int count_up_to(void *ctx, const char *key, void *value)
{
    int *n = ctx;

    (void)key;
    (void)value;
    return ++*n == 2;
}

static int delete_each(void *ctx, const char *key, void *value)
{
    assert_ptr_equal(map_del(ctx, key), value);
    return 0;
}

static void a_map_keeps_and_forgets(void **state)
{
    struct map *m = map_create();
    int a = 1, b = 2, n = 0;
    char key[8] = "one";

    (void)state;
    map_put(m, key, &a);
    key[0] = 'x'; /* keys are copied */
    map_put(m, "two", &b);
    map_put(m, "three", &b);
    assert_ptr_equal(map_get(m, "one"), &a);
    map_put(m, "one", &b);
    assert_ptr_equal(map_get(m, "one"), &b);
    assert_int_equal(map_size(m), 3);
    assert_null(map_get(m, "four"));
    assert_null(map_del(m, "four"));
    assert_int_equal(map_each(m, count_up_to, &n), 1);
    assert_int_equal(n, 2);
    assert_int_equal(map_each(m, delete_each, m), 0);
    assert_int_equal(map_size(m), 0);
    map_put(m, "left", &a);
    map_destroy(&m);
    assert_null(m);
    map_destroy(&m);
}

static int sum_ids(void *ctx, uint64_t id, void *value)
{
    (void)value;
    *(uint64_t *)ctx += id;
    return 0;
}

static void ids_are_never_reused(void **state)
{
    struct idmap *m = idmap_create();
    int v;
    uint64_t a = idmap_add(m, &v), b, sum = 0;

    (void)state;
    assert_true(a != 0);
    assert_ptr_equal(idmap_del(m, a), &v);
    assert_null(idmap_del(m, a));
    b = idmap_add(m, &v);
    assert_true(b != a);
    assert_ptr_equal(idmap_get(m, b), &v);
    assert_null(idmap_get(m, a));
    assert_int_equal(idmap_each(m, sum_ids, &sum), 0);
    assert_true(sum == b);
    assert_int_equal(idmap_size(m), 1);
    idmap_destroy(&m);
    idmap_destroy(&m);
}

static void secrets_are_compared_whole(void **state)
{
    char *s = strdup("hidden");

    (void)state;
    assert_true(secret_equal("abc", "abc", 3));
    assert_false(secret_equal("abc", "abd", 3));
    assert_false(secret_equal("bbc", "abc", 3));
    assert_true(secret_equal("", "x", 0));
    secret_free(&s);
    assert_null(s);
    secret_free(&s);
}

static void a_secret_file_gives_its_first_line(void **state)
{
    static const struct { const char *content; const char *secret; } rows[] = {
        { "s3cret\n", "s3cret" }, { "s3cret", "s3cret" }, { "one\r\ntwo\n", "one" }, { "", NULL },
        { "\nsecond\n", NULL },
    };
    char path[] = "/tmp/immpd-test-XXXXXX";
    int fd = mkstemp(path);
    struct err err;
    char *s;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FILE *f = fopen(path, "w");

        fputs(rows[i].content, f);
        fclose(f);
        assert_int_equal(secret_read_file(path, &s, &err), rows[i].secret != NULL ? 0 : -1);
        if (rows[i].secret != NULL)
            assert_string_equal(s, rows[i].secret);
        else
            assert_non_null(strstr(err.text, path));
        secret_free(&s);
    }
    unlink(path);
    assert_int_equal(secret_read_file(path, &s, &err), -1);
    assert_int_equal(err.kind, ERR_PERMANENT);
}

/* RFC 6122: nodeprep folds case and forbids some characters. */
static void local_parts_are_nodeprepped(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "alice", "alice" },     { "Alice", "alice" },
        { "STRASSE", "strasse" }, { "stra\xc3\x9f" "e", "strasse" },
        { "\xc3\x89mile", "\xc3\xa9mile" },
        { "a b", NULL },          { "a@b", NULL },        { "a/b", NULL },
        { "a\"b", NULL },         { "a&b", NULL },        { "a'b", NULL },
        { "a:b", NULL },          { "a<b", NULL },        { "a>b", NULL },
        { "", NULL },             { "a\x07", NULL },      { "\xff", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *out;
        int rc = prep_local(rows[i].in, &out, NULL);

        assert_int_equal(rc, rows[i].out != NULL ? 0 : -1);
        if (rc == 0)
            assert_string_equal(out, rows[i].out);
        free(out);
    }
}

static void domains_become_lower_case_a_labels(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "b.com", "b.com" },       { "B.Com", "b.com" },
        { "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
        { "B\xc3\x9c" "CHER.Example", "xn--bcher-kva.example" },
        { "localhost", "localhost" },
        { "", NULL },               { ".com", NULL },      { "a..b", NULL },  { "a.", NULL },
        { "-a.com", NULL },         { "a-.com", NULL },    { "a_b.com", NULL },
        { "a b.com", NULL },        { "a/b", NULL },       { "\xff.com", NULL },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *out;
        int rc = prep_domain(rows[i].in, &out, NULL);

        assert_int_equal(rc, rows[i].out != NULL ? 0 : -1);
        if (rc == 0)
            assert_string_equal(out, rows[i].out);
        free(out);
    }
}

/* RFC 8265 §4.2: spaces become SPACE, NFC, case kept, controls refused. */
static void passwords_are_opaque_strings(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "correct horse", "correct horse" },
        { "Correct", "Correct" },
        { "e\xcc\x81t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
        { "a\xc2\xa0" "b", "a b" },
        { "a\xe1\x9a\x80" "b", "a b" },
        { "", NULL }, { "tab\t", NULL }, { "\xff", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *out;
        int rc = prep_password(rows[i].in, &out, NULL);

        assert_int_equal(rc, rows[i].out != NULL ? 0 : -1);
        if (rc == 0)
            assert_string_equal(out, rows[i].out);
        free(out);
    }
}

static void folder_names_fold(void **state)
{
    static const struct { const char *a, *b; } same[] = {
        { "INBOX/Lists", "inbox/lists" },
        { "\xc3\x89t\xc3\xa9", "e\xcc\x81T\xc3\x89" },
        { "Stra\xc3\x9f" "e", "STRASSE" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        char *a, *b;

        assert_int_equal(prep_fold(same[i].a, &a, NULL), 0);
        assert_int_equal(prep_fold(same[i].b, &b, NULL), 0);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
}

static void what_is_quoted_for_the_log_stays_one_line(void **state)
{
    (void)state;
    assert_string_equal(log_quote("a\nb"), "\"a\\x0ab\"");
    assert_string_equal(log_quote(NULL), "-");
}

static void log_levels_have_names(void **state)
{
    enum log_level level;

    (void)state;
    assert_int_equal(log_level_parse("Notice", &level), 0);
    assert_int_equal(level, LOG_L_NOTICE);
    assert_int_equal(log_level_parse("loud", &level), -1);
    log_setup(LOG_T_NONE, LOG_L_TRACE);
    assert_false(log_enabled(LOG_L_ERROR));
    log_setup(LOG_T_STDERR, LOG_L_WARN);
    assert_true(log_enabled(LOG_L_WARN));
    assert_false(log_enabled(LOG_L_INFO));
}

static void a_log_line_is_one_line_of_the_asked_level(void **state)
{
    int fds[2], saved = dup(STDERR_FILENO);
    char got[4096];
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    log_setup(LOG_T_STDERR, LOG_L_INFO);
    log_info("deliver.ok msg=%s", "a\nb");
    log_debug("not this");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    n = read(fds[0], got, sizeof(got) - 1);
    close(fds[0]);
    assert_true(n > 0);
    got[n] = '\0';
    assert_non_null(strstr(got, " info   deliver.ok msg=a b\n"));
    assert_null(strstr(got, "not this"));
    assert_ptr_equal(strchr(got, '\n'), got + n - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_goes_both_ways),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(mail_dates_are_rfc5322),
        cmocka_unit_test(a_fake_clock_stands_still),
        cmocka_unit_test(uuids_are_version_7_and_differ),
        cmocka_unit_test(uuids_come_in_the_order_of_time),
        cmocka_unit_test(uuid_text_is_strict),
        cmocka_unit_test(randomness_of_any_size_comes),
        cmocka_unit_test(a_map_keeps_and_forgets),
        cmocka_unit_test(ids_are_never_reused),
        cmocka_unit_test(secrets_are_compared_whole),
        cmocka_unit_test(a_secret_file_gives_its_first_line),
        cmocka_unit_test(local_parts_are_nodeprepped),
        cmocka_unit_test(domains_become_lower_case_a_labels),
        cmocka_unit_test(passwords_are_opaque_strings),
        cmocka_unit_test(folder_names_fold),
        cmocka_unit_test(what_is_quoted_for_the_log_stays_one_line),
        cmocka_unit_test(log_levels_have_names),
        cmocka_unit_test(a_log_line_is_one_line_of_the_asked_level),
    };

    return cmocka_run_group_tests_name("base/names", tests, NULL, NULL);
}
