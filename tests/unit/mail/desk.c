/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "unit/mail/desk.h"

#include <stdlib.h>
#include <string.h>

#include "lib/store_failing.h"
#include "lib/test.h"

#include "base/mem.h"
#include "mail/outbound.h"
#include "store/queue.h"

static struct desk *the_desk;

void outbound_kick(struct outbound *o, const char *origin, const char *destination)
{
    (void)o;
    str_addf(&the_desk->kicked, "%s>%s ", origin, destination);
}

static void set_domain(struct mail_domain *md, const char *name)
{
    static int64_t retry_ms[] = { 300000, 900000 };
    struct str component = STR_INIT;

    str_addf(&component, "immp.%s", name);
    *md = (struct mail_domain){
        .name = mem_strdup(name),
        .component = str_take(&component),
        .message_bytes = 50 << 20,
        .quota_bytes = 1 << 30,
        .stanza_bytes = 65536,
        .retry_ms = retry_ms,
        .n_retry = 2,
        .expire_ms = INT64_C(5) * 24 * 3600 * 1000,
    };
}

struct desk *desk_open(void)
{
    struct desk *d = mem_zalloc(sizeof *d);
    struct str vault = STR_INIT;
    struct err err = { ERR_NONE };

    the_desk = d;
    temp_dir_make(d->dir);
    d->clock = clock_fake(DESK_NOW);
    set_domain(&d->domains[0], "a.com");
    set_domain(&d->domains[1], "a.org");
    d->mail.domains = d->domains;
    d->mail.n_domains = 2;
    d->mail.clock = &d->clock;
    d->mail.allow_sha1 = true;
    d->mail.loop = loop_create(&d->clock, &err);
    assert_non_null(d->mail.loop);
    if (store_open("sqlite:immp.db", d->dir, &d->mail.store, &err) < 0)
        fail_msg("%s", err.text);
    d->mail.store = store_failing_create(d->mail.store);
    d->mail.turn = turn_create(d->mail.loop, d->mail.store);
    str_addf(&vault, "%s/vault.key", d->dir);
    d->mail.vault = vault_open(str_c(&vault), &err);
    assert_non_null(d->mail.vault);
    str_clear(&vault);
    return d;
}

void desk_close(struct desk **dp)
{
    struct desk *d = *dp;

    vault_close(&d->mail.vault);
    turn_destroy(&d->mail.turn);
    store_close(&d->mail.store);
    loop_destroy(&d->mail.loop);
    for (size_t i = 0; i < 2; i++) {
        free(d->domains[i].name);
        free(d->domains[i].component);
    }
    temp_dir_remove(d->dir);
    str_clear(&d->kicked);
    free(d);
    *dp = NULL;
}

int64_t desk_account(struct desk *d, const char *address)
{
    struct account a = { .address = mem_strdup(address), .saves_sent = true };
    int64_t id;

    assert_int_equal(account_put(d->mail.store, &a, NULL), 1);
    id = a.id;
    account_clear(&a);
    return id;
}

void desk_quota(struct desk *d, const char *address, int64_t bytes)
{
    struct account a = { 0 };

    assert_int_equal(account_get(d->mail.store, address, &a, NULL), 1);
    a.quota_bytes = bytes;
    assert_int_equal(account_update(d->mail.store, &a, NULL), 1);
    account_clear(&a);
}

void desk_turn(struct desk *d)
{
    loop_turn(d->mail.loop, false);
}

void desk_sound(struct desk *d)
{
    struct err err = { ERR_NONE };

    if (store_check(d->mail.store, &err) != 1)
        fail_msg("the store is not sound: %s", err.text);
}

static int get_folder(struct desk *d, const char *address, const char *path, struct folder *f)
{
    struct account a = { 0 };
    int rc;

    assert_int_equal(account_get(d->mail.store, address, &a, NULL), 1);
    rc = folder_get(d->mail.store, a.id, path, f, NULL);
    account_clear(&a);
    return rc;
}

int64_t desk_total(struct desk *d, const char *address, const char *path)
{
    struct folder f = { 0 };
    int64_t total = get_folder(d, address, path, &f) == 1 ? f.total : -1;

    folder_clear(&f);
    return total;
}

int64_t desk_unread(struct desk *d, const char *address, const char *path)
{
    struct folder f = { 0 };
    int64_t unread = get_folder(d, address, path, &f) == 1 ? f.unread : -1;

    folder_clear(&f);
    return unread;
}

static int count_entry(void *ctx, const struct queue_entry *q)
{
    (void)q;
    ++*(int64_t *)ctx;
    return 0;
}

int64_t desk_queued(struct desk *d)
{
    int64_t n = 0;

    assert_true(queue_each(d->mail.store, NULL, count_entry, &n, NULL) >= 0);
    return n;
}

static int take_entry(void *ctx, const struct entry *e, const char *summary)
{
    (void)summary;
    *(struct entry *)ctx = *e;
    return 1;
}

struct entry desk_newest(struct desk *d, const char *address, const char *path)
{
    struct folder f = { 0 };
    struct entry e = { 0 };
    struct entry_query q = { .newest_first = true };

    assert_int_equal(get_folder(d, address, path, &f), 1);
    q.folder = f.id;
    assert_true(entry_each(d->mail.store, &q, take_entry, &e, NULL) >= 0);
    assert_true(e.id != 0);
    folder_clear(&f);
    return e;
}

struct submit *desk_submit(struct desk *d, const char *to, const char *to2, const char *id)
{
    const char *list[] = { to, to2 };
    struct submit_request req = {
        .account = "alice@a.com",
        .to = list,
        .n_to = to2 != NULL ? 2 : 1,
        .subject = "Lunch",
        .id = id,
    };
    struct submit *s = NULL;
    struct err err = { ERR_NONE };

    if (submit_begin(&d->mail, &req, &s, &err) < 0)
        fail_msg("%d %s", err.status, err.text);
    return s;
}

void desk_part(struct submit *s, const char *name, const char *type, bool is_content,
               const void *p, size_t n)
{
    struct err err = { ERR_NONE };

    if (submit_part(s, name, type, is_content, false, n, &err) < 0 ||
        submit_octets(s, p, n, &err) < 0 || submit_part_end(s, &err) < 0)
        fail_msg("%d %s", err.status, err.text);
}

char *desk_done(struct submit **sp)
{
    struct submit_result *r = NULL;
    struct err err = { ERR_NONE };
    struct str out = STR_INIT;
    size_t n = 0;

    if (submit_done(*sp, &r, &n, &err) < 0)
        str_addf(&out, "-%d", err.status);
    for (size_t i = 0; i < n; i++)
        str_addf(&out, "%s%d %s %s", i > 0 ? "|" : "", r[i].code, r[i].to, r[i].text);
    submit_results_free(&r, n);
    submit_destroy(sp);
    return str_take(&out);
}
