/* SPDX-License-Identifier: MIT */
/* See store_suite.h. */
#include "config.h"

#include "contract/store_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lib/store_failing.h"
#include "wire/message.h"

static struct store *as_it_is(struct store *st)
{
    return st;
}

/* The failing store runs the suites too, so that what it forwards is what it was given. */
static const struct backend {
    const char *name;
    const char *url;
    struct store *(*wrap)(struct store *inner);
} backends[] = {
    { "sqlite",          "sqlite:test.db", as_it_is             },
    { "failing(sqlite)", "sqlite:test.db", store_failing_create },
};

static const struct backend *backend = &backends[0];

static void open_store(struct suite *s)
{
    struct store *inner;

    assert_result(s, 0, store_open(backend->url, s->dir, &inner, &s->err));
    s->st = backend->wrap(inner);
}

int suite_setup(void **state)
{
    struct suite *s = mem_zalloc(sizeof(*s));
    struct account a = { .address = mem_strdup("alice@a.example"), .saves_sent = true };
    struct folder f;

    temp_dir_make(s->dir);
    open_store(s);
    assert_result(s, 1, account_put(s->st, &a, &s->err));
    s->account = a.id;
    assert_result(s, 1, folder_get(s->st, a.id, "INBOX", &f, &s->err));
    s->inbox = f.id;
    assert_result(s, 0, store_commit(s->st, &s->err));
    folder_clear(&f);
    account_clear(&a);
    *state = s;
    return 0;
}

int suite_teardown(void **state)
{
    struct suite *s = *state;

    assert_result(s, 1, store_check(s->st, &s->err));
    store_close(&s->st);
    temp_dir_remove(s->dir);
    free(s);
    return 0;
}

void suite_reopen(struct suite *s)
{
    store_close(&s->st);
    open_store(s);
}

int suite_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    int failed = 0;

    for (size_t i = 0; i < N_ELEMENTS(backends); i++) {
        char title[128];

        backend = &backends[i];
        (void)snprintf(title, sizeof(title), "%s over %s", name, backend->name);
        failed += _cmocka_run_group_tests(title, tests, n, NULL, NULL);
    }
    return failed;
}

int64_t suite_content(struct suite *s, const struct text *t, char uuid_r[UUID_SIZE])
{
    const char *body = t->body != NULL ? t->body : "hello";
    struct str header = STR_INIT;
    struct message m;
    int64_t id;

    message_init(&m);
    m.kind = MESSAGE_MAIL;
    if (t->uuid != NULL)
        memcpy(m.id, t->uuid, sizeof(m.id));
    else
        uuid_generate(m.id);
    m.from = mem_strdup(t->from != NULL ? t->from : "bob@b.example");
    m.origin = mem_strdup(strchr(m.from, '@') + 1);
    m.destination = mem_strdup("a.example");
    message_add_to(&m, "alice@a.example");
    m.subject = mem_strdup(t->subject);
    message_add_part(&m, "text", t->type != NULL ? t->type : "text/plain", true, strlen(body),
                     "0000000000000000000000000000000000000000000000000000000000000000");
    message_format(&header, &m);
    assert_result(s, 1, content_begin(s->st, 1000, &id, &s->err));
    assert_result(s, 1, content_append(s->st, id, 0, body, strlen(body), &s->err));
    assert_result(s, 1, content_finish(s->st, id, &m, str_c(&header), NULL, NULL, &s->err));
    if (uuid_r != NULL)
        memcpy(uuid_r, m.id, UUID_SIZE);
    message_clear(&m);
    str_clear(&header);
    return id;
}

int64_t suite_deliver(struct suite *s, int64_t folder, const struct text *t,
                      char uuid_r[UUID_SIZE])
{
    struct entry e = { .folder = folder, .received_ms = 1000 };

    e.content = suite_content(s, t, e.uuid);
    e.size = (int64_t)strlen(t->body != NULL ? t->body : "hello");
    assert_result(s, 1, entry_put(s->st, &e, &s->err));
    if (uuid_r != NULL)
        memcpy(uuid_r, e.uuid, UUID_SIZE);
    return e.id;
}

struct folder suite_folder(struct suite *s, int64_t id)
{
    struct folder f;

    assert_result(s, 1, folder_get_by_id(s->st, id, &f, &s->err));
    free(f.path);
    f.path = NULL;
    return f;
}

int64_t suite_used(struct suite *s)
{
    struct account a;
    int64_t used;

    assert_result(s, 1, account_get_by_id(s->st, s->account, &a, &s->err));
    used = a.used_bytes;
    account_clear(&a);
    return used;
}

struct store_totals suite_totals(struct suite *s)
{
    struct store_totals t;

    assert_result(s, 1, store_totals(s->st, &t, &s->err));
    return t;
}
