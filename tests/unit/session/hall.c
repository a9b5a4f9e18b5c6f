/* SPDX-License-Identifier: MIT */
/* See hall.h. */
#include "config.h"

#include "unit/session/hall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "lib/store_failing.h"
#include "lib/test.h"
#include "mail/accounts.h"
#include "mail/outbound.h"
#include "mail/submit.h"
#include "seal/password.h"
#include "store/account.h"
#include "store/folder.h"
#include "store/queue.h"

static const struct password_cost cheap = { .n = 2, .r = 1, .p = 1 };

/* In place of the way out: this room ends at the queue. */
void outbound_kick(struct outbound *o, const char *origin, const char *destination)
{
    (void)o;
    (void)origin;
    (void)destination;
}

/* ---- the owner ---- */

static void owner_write(void *ctx, const void *p, size_t n)
{
    struct hall *h = ctx;

    assert_false(h->is_closed);
    str_addn(&h->out, p, n);
}

static size_t owner_pending(void *ctx)
{
    const struct hall *h = ctx;

    return h->stuck + (h->counts_out ? h->out.len : 0);
}

static void owner_start_tls(void *ctx, int version)
{
    ((struct hall *)ctx)->tls = version;
}

static void owner_close(void *ctx)
{
    struct hall *h = ctx;

    assert_false(h->is_closed);
    h->is_closed = true;
}

static void owner_set_idle(void *ctx, int64_t ms)
{
    ((struct hall *)ctx)->idle_ms = ms;
}

static void owner_resume(void *ctx)
{
    struct hall *h = ctx;

    h->resumes++;
    hall_send(h, "", 0);
}

static const struct session_owner owner = {
    .write = owner_write,
    .pending = owner_pending,
    .start_tls = owner_start_tls,
    .close = owner_close,
    .set_idle = owner_set_idle,
    .resume = owner_resume,
};

/* ---- life ---- */

static void need(bool ok, const struct err *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static void add_account(struct hall *h, const char *address)
{
    struct account a = { .address = mem_strdup(address), .saves_sent = true, .n = cheap.n,
                         .r = cheap.r, .p = cheap.p, .created_ms = HALL_NOW };
    struct str sealed = STR_INIT;
    char verifier[PASSWORD_H_SIZE];
    struct err err = { .text = "" };

    memset(a.salt, 7, sizeof a.salt);
    need(password_derive(HALL_SECRET, a.salt, sizeof a.salt, cheap, verifier, &err) == 0, &err);
    need(vault_seal(h->mail.vault, address, verifier, &sealed, &err) == 0, &err);
    assert_true(sealed.len <= sizeof a.verifier);
    memcpy(a.verifier, sealed.s, sealed.len);
    a.verifier_len = sealed.len;
    need(account_put(h->mail.store, &a, &err) == 1, &err);
    str_clear(&sealed);
    account_clear(&a);
}

struct hall *hall_open(void)
{
    static int64_t retry_ms[] = { 300000 };
    struct hall *h = mem_zalloc(sizeof *h);
    struct str vault = STR_INIT;
    struct err err = { .text = "" };
    struct store *st;

    log_setup(LOG_T_NONE, LOG_L_TRACE);
    temp_dir_make(h->dir);
    h->clock = clock_fake(HALL_NOW);
    h->domain = (struct mail_domain){
        .name = mem_strdup("a.com"),
        .component = mem_strdup("immp.a.com"),
        .message_bytes = HALL_LIMIT,
        .quota_bytes = 1 << 30,
        .stanza_bytes = 65536,
        .retry_ms = retry_ms,
        .n_retry = 1,
        .expire_ms = INT64_C(5) * 24 * 3600 * 1000,
    };
    h->mail.domains = &h->domain;
    h->mail.n_domains = 1;
    h->mail.clock = &h->clock;
    h->mail.allow_sha1 = true;
    h->mail.loop = loop_create(&h->clock, &err);
    need(h->mail.loop != NULL, &err);
    need(store_open("sqlite:immp.db", h->dir, &st, &err) == 0, &err);
    h->mail.store = store_failing_create(st);
    h->mail.turn = turn_create(h->mail.loop, h->mail.store);
    str_addf(&vault, "%s/vault.key", h->dir);
    h->mail.vault = vault_open(str_c(&vault), &err);
    need(h->mail.vault != NULL, &err);
    str_clear(&vault);
    h->mail.accounts = accounts_create(&h->mail);
    add_account(h, "alice@a.com");
    add_account(h, "bob@a.com");
    add_account(h, "helpdesk@a.com");
    add_account(h, "helpdesk/alice@a.com");
    need(store_commit(h->mail.store, &err) == 0, &err);
    return h;
}

void hall_close(struct hall **hp)
{
    struct hall *h = *hp;

    session_destroy(&h->session);
    accounts_destroy(&h->mail.accounts);
    vault_close(&h->mail.vault);
    turn_destroy(&h->mail.turn);
    store_close(&h->mail.store);
    loop_destroy(&h->mail.loop);
    free(h->domain.name);
    free(h->domain.component);
    temp_dir_remove(h->dir);
    str_clear(&h->out);
    str_clear(&h->left);
    free(h);
    *hp = NULL;
}

/* ---- connections ---- */

void hall_connect(struct hall *h, bool is_plain)
{
    const struct session_config cfg = {
        .mail = &h->mail, .domain = "a.com", .remote = "192.0.2.1", .is_plain = is_plain,
    };

    session_destroy(&h->session);
    str_truncate(&h->out, 0);
    str_truncate(&h->left, 0);
    h->is_closed = false;
    h->tls = 0;
    h->stuck = 0;
    h->counts_out = false;
    h->session = session_create(&cfg, &owner, h);
    if (!is_plain)
        str_truncate(&h->out, 0);
}

/* The value of " name=…" in a line. */
static void take_value(const char *line, const char *name, char *out, size_t size)
{
    const char *at = strstr(line, name);

    assert_non_null(at);
    at += strlen(name);
    assert_true(strcspn(at, " ") < size);
    memcpy(out, at, strcspn(at, " "));
    out[strcspn(at, " ")] = '\0';
}

void hall_key(const char *nonces, char k_r[41])
{
    uint8_t salt[ACCOUNT_SALT_BYTES];
    char verifier[PASSWORD_H_SIZE], n1[40], n2[24];

    memset(salt, 7, sizeof salt);
    assert_int_equal(password_derive(HALL_SECRET, salt, sizeof salt, cheap, verifier, NULL), 0);
    take_value(nonces, "n1=", n1, sizeof n1);
    take_value(nonces, "n2=", n2, sizeof n2);
    password_k_sha1(verifier, n1, n2, k_r);
}

void hall_login(struct hall *h, const char *address)
{
    struct str line = STR_INIT;
    char k[41];

    str_addf(&line, "AUTH SECRET %s", address);
    hall_say(h, str_c(&line));
    assert_string_equal(hall_read(h), "302 Shared secret authentication request initiated.");
    hall_key(hall_read(h), k);
    str_truncate(&line, 0);
    str_addf(&line, "AUTH RESPONSE %s", k);
    hall_say(h, str_c(&line));
    str_truncate(&line, 0);
    str_addf(&line, "210 Authentication accepted for %s", address);
    assert_string_equal(hall_read(h), str_c(&line));
    assert_int_equal(session_phase(h->session), PHASE_LOCAL);
    str_clear(&line);
}

void hall_enter(struct hall *h, const char *address)
{
    hall_connect(h, false);
    hall_login(h, address);
}

/* ---- talking ---- */

void hall_send(struct hall *h, const void *p, size_t n)
{
    size_t taken;

    str_addn(&h->left, p, n);
    taken = session_input(h->session, str_c(&h->left), h->left.len);
    assert_true(taken <= h->left.len);
    if (taken > 0) {
        memmove(h->left.s, h->left.s + taken, h->left.len - taken);
        str_truncate(&h->left, h->left.len - taken);
    }
}

void hall_say(struct hall *h, const char *line)
{
    struct str text = STR_INIT;

    str_add(&text, line);
    str_addc(&text, '\n');
    hall_send(h, text.s, text.len);
    str_clear(&text);
}

void hall_turn(struct hall *h)
{
    loop_turn(h->mail.loop, false);
}

void hall_drain(struct hall *h)
{
    h->stuck = 0;
    session_drained(h->session);
    hall_send(h, "", 0);
}

static const char *cut(struct hall *h, size_t n)
{
    static struct str text;

    str_truncate(&text, 0);
    str_addn(&text, str_c(&h->out), n);
    if (n > 0)
        memmove(h->out.s, h->out.s + n, h->out.len - n);
    str_truncate(&h->out, h->out.len - n);
    return str_c(&text);
}

const char *hall_read(struct hall *h)
{
    const char *lf = h->out.len > 0 ? memchr(h->out.s, '\n', h->out.len) : NULL;
    char *line;

    if (lf == NULL)
        return NULL;
    line = (char *)cut(h, (size_t)(lf - h->out.s) + 1);
    line[strlen(line) - 1] = '\0';
    return line;
}

const char *hall_read_all(struct hall *h)
{
    return cut(h, h->out.len);
}

const char *hall_read_octets(struct hall *h, size_t n)
{
    if (h->out.len < n)
        fail_msg("%zu octets are there, not %zu", h->out.len, n);
    return cut(h, n);
}

void hall_expect(struct hall *h, const char *say, const char *replies)
{
    hall_say(h, say);
    hall_turn(h);
    assert_string_equal(hall_read_all(h), replies);
}

/* ---- what is on disk ---- */

void hall_sound(struct hall *h)
{
    struct err err = { .text = "" };

    if (store_check(h->mail.store, &err) != 1)
        fail_msg("the store is not sound: %s", err.text);
}

static int get_folder(struct hall *h, const char *address, const char *path, struct folder *f)
{
    struct store *st = store_failing_inner(h->mail.store);
    struct account a = { 0 };
    int rc;

    assert_int_equal(account_get(st, address, &a, NULL), 1);
    rc = folder_get(st, a.id, path, f, NULL);
    account_clear(&a);
    return rc;
}

int64_t hall_total(struct hall *h, const char *address, const char *path)
{
    struct folder f = { 0 };
    int64_t total = get_folder(h, address, path, &f) == 1 ? f.total : -1;

    folder_clear(&f);
    return total;
}

int64_t hall_unread(struct hall *h, const char *address, const char *path)
{
    struct folder f = { 0 };
    int64_t unread = get_folder(h, address, path, &f) == 1 ? f.unread : -1;

    folder_clear(&f);
    return unread;
}

static int count_one(void *ctx, const struct queue_entry *q)
{
    (void)q;
    ++*(int64_t *)ctx;
    return 0;
}

int64_t hall_queued(struct hall *h)
{
    int64_t n = 0;

    assert_true(queue_each(store_failing_inner(h->mail.store), NULL, count_one, &n, NULL) >= 0);
    return n;
}

void hall_folder(struct hall *h, const char *address, const char *path)
{
    struct account a = { 0 };
    struct folder f = { 0 };

    assert_int_equal(account_get(h->mail.store, address, &a, NULL), 1);
    assert_true(folder_put(h->mail.store, a.id, path, &f, NULL) >= 0);
    assert_int_equal(store_commit(h->mail.store, NULL), 0);
    folder_clear(&f);
    account_clear(&a);
}

const char *hall_message(struct hall *h, const char *to, const char *subject, const char *text)
{
    static char ids[8][UUID_SIZE];
    static unsigned turn;
    char *id = ids[turn++ % 8];
    struct submit_request req = {
        .account = "bob@a.com", .to = &to, .n_to = 1, .subject = subject,
    };
    struct submit *s = NULL;
    struct submit_result *results;
    struct err err = { .text = "" };
    size_t n;

    need(submit_begin(&h->mail, &req, &s, &err) == 0, &err);
    memcpy(id, submit_id(s), UUID_SIZE);
    need(submit_part(s, "text.txt", "text/plain", true, false, UINT64_MAX, &err) == 0 &&
             submit_octets(s, text, strlen(text), &err) == 0 && submit_part_end(s, &err) == 0,
         &err);
    need(submit_done(s, &results, &n, &err) == 0, &err);
    submit_results_free(&results, n);
    submit_destroy(&s);
    hall_turn(h);
    return id;
}
