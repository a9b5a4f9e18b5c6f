/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "daemon/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/test.h"

static char folder[] = "/tmp/immpd-settings-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct settings *load(const char *text, struct str *faults)
{
    put("immpd.conf", text);
    return settings_load(path_of("immpd.conf"), faults);
}

#define DOMAIN "domain \"B.com\" { component { secret = \"s\" } }\n"

static void defaults_are_those_of_the_manual(void **state)
{
    struct str faults = STR_INIT, sock = STR_INIT;
    struct settings *s = load(DOMAIN, &faults);
    const struct settings_domain *d;

    (void)state;
    assert_non_null(s);
    assert_string_equal(str_c(&faults), "");
    assert_string_equal(s->data_dir, "/var/lib/immpd");
    assert_string_equal(s->user, "immpd");
    assert_string_equal(s->store_url, "sqlite:immp.db");
    assert_int_equal(s->log_level, LOG_L_INFO);
    assert_int_equal(s->n_listens, 1);
    assert_string_equal(s->listens[0].address, "::");
    assert_int_equal(s->listens[0].port, 1025);
    assert_true(s->allow_sha1);
    assert_int_equal(s->n_domains, 1);
    d = &s->domains[0];
    assert_string_equal(d->name, "b.com");
    assert_string_equal(d->component_jid, "immp.b.com");
    assert_string_equal(d->server, "127.0.0.1");
    assert_int_equal(d->port, 5347);
    assert_null(d->tls_certificate);
    assert_int_equal(d->trust, SETTINGS_TOFU);
    assert_int_equal(d->message_bytes, 50 << 20);
    assert_int_equal(d->quota_bytes, 1 << 30);
    assert_int_equal(d->stanza_bytes, 65536);
    assert_int_equal(d->n_retry, 7);
    assert_int_equal(d->retry_ms[0], 5 * 60 * 1000);
    assert_int_equal(d->retry_ms[6], 8 * 3600 * 1000);
    assert_int_equal(d->expire_ms, 5LL * 24 * 3600 * 1000);
    settings_socket_path(s, &sock);
    assert_string_equal(sock.s, "/var/lib/immpd/immpd.sock");
    str_clear(&sock);
    settings_destroy(&s);
    settings_destroy(&s);
}

/* The example of the specification, whole. */
static void every_documented_key_is_understood(void **state)
{
    struct str faults = STR_INIT;
    struct settings *s;

    (void)state;
    put("b.com.secret", "hush\nnot this\n");
    put("c.pem", "x");
    s = load("data-dir = \"data\"\n"
             "user = \"immpd\"\n"
             "listen { address = \"::\" port = 1025 }\n"
             "listen { address = \"127.0.0.1\" port = 0 }\n"
             "store { url = \"sqlite:immp.db\" }\n"
             "log { target = \"syslog\" level = \"debug\" }\n"
             "metrics { address = \"127.0.0.1\" port = 9125 }\n"
             "auth { sha1 = false }\n"
             "domain \"b.com\" {\n"
             "  component { jid = \"immp.b.com\" server = \"unix:/run/x\" port = 5347 "
             "secret-file = \"b.com.secret\" }\n"
             "  tls { certificate = \"c.pem\" key = \"c.pem\" }\n"
             "  seal { certificate = \"c.pem\" key = \"c.pem\" trust = \"pinned\" }\n"
             "  admins = { \"Admin@B.com\", \"other@b.com\" }\n"
             "  register = \"local\"\n"
             "  pubsub { auto-create = true service = \"\" }\n"
             "  limits { message = \"1M\" quota = \"2G\" stanza = 20000 }\n"
             "  retry { schedule = \"1s 250ms\" expire = \"1h\" }\n"
             "  route \"c.com\" { via = \"tcp\" to = \"192.0.2.1:1025\" }\n"
             "  route \"D.com\" { via = \"xmpp\" to = \"gw.D.com\" }\n"
             "  route \"e.com\" { via = \"reject\" }\n"
             "  mailbox { endpoint = \"\" }\n"
             "}\n", &faults);
    assert_non_null(s);
    /* What has no effect yet is said, with its line. */
    assert_non_null(strstr(faults.s, "immpd.conf:7: warning: metrics"));
    assert_non_null(strstr(faults.s, "warning: via"));
    assert_int_equal(s->n_listens, 2);
    assert_int_equal(s->log_target, LOG_T_SYSLOG);
    assert_false(s->allow_sha1);
    assert_string_equal(s->domains[0].secret, "hush");
    assert_string_equal(s->domains[0].tls_key, path_of("c.pem"));
    assert_string_equal(s->data_dir, path_of("data"));
    assert_int_equal(s->domains[0].trust, SETTINGS_PINNED);
    assert_int_equal(s->domains[0].n_admins, 2);
    assert_string_equal(s->domains[0].admins[0], "admin@b.com");
    assert_int_equal(s->domains[0].n_retry, 2);
    assert_int_equal(s->domains[0].retry_ms[1], 250);
    assert_int_equal(s->domains[0].n_routes, 3);
    assert_int_equal(s->domains[0].routes[0].via, SETTINGS_TCP);
    assert_string_equal(s->domains[0].routes[1].to, "gw.d.com");
    assert_int_equal(s->domains[0].routes[2].via, SETTINGS_REJECT);
    settings_destroy(&s);
    str_clear(&faults);
}

static void each_fault_is_said_with_its_line(void **state)
{
    static const struct { const char *text; int line; const char *says; } rows[] = {
        { "frob = 3\n" DOMAIN, 1, "frob" },
        { "\n\nlisten { prot = 1 }\n" DOMAIN, 3, "prot" },
        { "listen { port = 70000 }\n" DOMAIN, 1, "70000" },
        { "listen { address = \"\" }\n" DOMAIN, 1, "address" },
        { "log { level = \"loud\" }\n" DOMAIN, 1, "loud" },
        { "log { target = \"paper\" }\n" DOMAIN, 1, "paper" },
        { "store { url = \"postgresql://x\" }\n" DOMAIN, 1, "postgresql" },
        { "data-dir = \"\"\n" DOMAIN, 0, "data-dir" },
        { "user = \"x\"\n", 0, "no domain" },
        { "domain \"b..com\" { component { secret = \"s\" } }\n", 1, "b..com" },
        { "domain \"b.com\" { }\n", 1, "secret" },
        { "domain \"b.com\" { component { secret = \"s\" secret-file = \"immpd.conf\" } }\n", 1, "one of" },
        { "domain \"b.com\" { component { secret-file = \"gone\" } }\n", 1, "gone" },
        { "domain \"b.com\" { component { secret = \"s\" server = \"\" } }\n", 1, "server" },
        { "domain \"b.com\" { component { secret = \"s\" port = 0 } }\n", 1, "port" },
        { "domain \"b.com\" { component { secret = \"s\" jid = \"a b\" } }\n", 1, "jid" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n tls { certificate = \"immpd.conf\" }\n}\n", 3, "both" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n seal { trust = \"blind\" }\n}\n", 3, "blind" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n admins = { \"me\" }\n}\n", 4, "admins" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n limits { message = \"big\" }\n}\n", 3, "big" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n limits { stanza = 100 }\n}\n", 3, "100" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n retry { schedule = \"5m soon\" }\n}\n", 3, "soon" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n retry { schedule = \"\" }\n}\n", 3, "schedule" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n retry { expire = \"never\" }\n}\n", 3, "never" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n route \"c.com\" { via = \"air\" }\n}\n", 3, "air" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n route \"c.com\" { via = \"xmpp\" }\n}\n", 3, "to" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n register = \"maybe\"\n}\n", 4, "maybe" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n pubsub { service = \"p.b.com\" }\n}\n", 3, "service" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n mailbox { endpoint = \"x\" }\n}\n", 3, "endpoint" },
        { "domain \"b.com\" {\n component { secret = \"s\" }\n", 3, "end of file" },
        { "domain \"b.com\" {\n component { secret = \"s\n", 0, "end of file" },
        { "end-of-file = true\nfrob\n" DOMAIN, 2, "frob" },
        { DOMAIN DOMAIN, 2, "B.com" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str faults = STR_INIT;
        struct settings *s = load(rows[i].text, &faults);
        char *line, *save = NULL;
        bool found = false;

        if (s != NULL)
            print_message("row %zu was taken: %s\n", i, rows[i].text);
        assert_null(s);
        for (line = strtok_r(faults.s, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
            size_t n = strlen(path_of("immpd.conf"));

            assert_int_equal(strncmp(line, path_of("immpd.conf"), n), 0);
            assert_int_equal(line[n], ':');
            /* libconfuse counts a section's line at its start or its end */
            if (strstr(line + n, rows[i].says) != NULL && (rows[i].line == 0 || abs(atoi(line + n + 1) - rows[i].line) <= 1))
                found = true;
        }
        if (!found)
            print_message("row %zu: %s says %s\n", i, rows[i].text, faults.s);
        assert_true(found);
        str_clear(&faults);
    }
}

static void what_has_no_effect_yet_is_warned_of(void **state)
{
    struct str faults = STR_INIT;
    struct settings *s = load("domain \"b.com\" {\n component { secret = \"s\" }\n"
                              " seal { trust = \"pkix\" }\n}\n", &faults);

    (void)state;
    assert_non_null(s);
    assert_int_equal(s->domains[0].trust, SETTINGS_PKIX);
    assert_non_null(strstr(str_c(&faults), "warning: trust"));
    settings_destroy(&s);
    str_clear(&faults);
}

static void a_fault_is_one_line_whatever_the_file_holds(void **state)
{
    struct str faults = STR_INIT;
    struct settings *s = load("domain \"a\\n\\x1bb c\" { }\nstore { url = \"\\xff\" }\n", &faults);

    (void)state;
    assert_null(s);
    assert_non_null(strstr(str_c(&faults), "a\\x0a\\x1bb c"));
    assert_non_null(strstr(str_c(&faults), "\"\\xff\""));
    for (const char *p = str_c(&faults); *p != '\0'; p++)
        assert_true(*p == '\n' || ((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f));
    str_clear(&faults);
}

static void all_faults_are_said_in_one_run(void **state)
{
    struct str faults = STR_INIT;
    int lines = 0;

    (void)state;
    assert_null(load("log { level = \"x\" target = \"y\" }\nlisten { port = -1 }\n", &faults));
    for (const char *p = faults.s; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 4); /* and no domain */
    str_clear(&faults);
}

static void a_file_that_is_not_there_is_one_line(void **state)
{
    struct str faults = STR_INIT;

    (void)state;
    assert_null(settings_load("/nonexistent/immpd.conf", &faults));
    assert_string_equal(faults.s, "/nonexistent/immpd.conf: No such file or directory\n");
    str_clear(&faults);
}

/* immpd.conf(5) has every key, and the sample is sound. */
static void the_manual_names_every_key(void **state)
{
    const char *top = getenv("top_srcdir");
    struct str path = STR_INIT, page = STR_INIT;
    char buf[4096];
    size_t n;
    FILE *f;

    (void)state;
    if (top == NULL)
        skip();
    str_addf(&path, "%s/docs/man/immpd.conf.5", top);
    f = fopen(path.s, "r");
    assert_non_null(f);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        str_addn(&page, buf, n);
    fclose(f);
    for (size_t i = 0; settings_key_at(i) != NULL; i++) {
        const char *key = strrchr(settings_key_at(i), '/');

        key = key != NULL ? key + 1 : settings_key_at(i);
        if (strstr(page.s, key) == NULL)
            print_message("immpd.conf(5) does not name %s\n", settings_key_at(i));
        assert_non_null(strstr(page.s, key));
    }
    str_clear(&page);
    str_clear(&path);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = { "immpd.conf", "b.com.secret", "c.pem" };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_manual),
        cmocka_unit_test(every_documented_key_is_understood),
        cmocka_unit_test(each_fault_is_said_with_its_line),
        cmocka_unit_test(what_has_no_effect_yet_is_warned_of),
        cmocka_unit_test(a_fault_is_one_line_whatever_the_file_holds),
        cmocka_unit_test(all_faults_are_said_in_one_run),
        cmocka_unit_test(a_file_that_is_not_there_is_one_line),
        cmocka_unit_test(the_manual_names_every_key),
    };

    return cmocka_run_group_tests_name("daemon/settings", tests, make_folder, remove_folder);
}
