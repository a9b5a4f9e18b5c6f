/* SPDX-License-Identifier: MIT */
/* See world.h. */
#include "config.h"

#include "lib/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/patience.h"
#include "lib/store_failing.h"
#include "lib/test.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "mail/inbound.h"
#include "mail/keys.h"
#include "mail/outbound.h"
#include "seal/digest.h"
#include "store/account.h"
#include "store/content.h"
#include "store/entry.h"
#include "store/folder.h"
#include "store/queue.h"
#include "wire/imid.h"

/* ---- its clock: the system's, shifted ---- */

static int64_t shifted_wall(const struct clock *c)
{
    return clock_wall_ms(clock_system()) + c->fake_ms;
}

static int64_t shifted_mono(const struct clock *c)
{
    return clock_mono_ms(clock_system()) + c->fake_ms;
}

void world_shift(struct world *w, int64_t ms)
{
    w->clock.fake_ms += ms;
}

/* ---- life ---- */

static void need(bool ok, const struct err *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static void start(struct world *w)
{
    struct mail *m = &w->mail;
    struct err err = { .text = "" };

    m->loop = loop_create(&w->clock, &err);
    need(m->loop != NULL, &err);
    need(store_open("sqlite:immp.db", w->dir, &m->store, &err) == 0, &err);
    if (w->is_failing)
        m->store = store_failing_create(m->store);
    m->worker = worker_create(m->loop, 1, &err);
    need(m->worker != NULL, &err);
    m->turn = turn_create(m->loop, m->store);
    m->keys = keys_create(m);
    m->outbound = outbound_create(m);
    m->inbound = inbound_create(m);
    w->node = fake_connect(w->net, m);
    keys_set_transport(m->keys, fake_transport(w->node));
    outbound_set_transport(m->outbound, fake_transport(w->node));
    need(outbound_rescan(m->outbound, &err) == 0, &err);
}

static void stop(struct world *w)
{
    struct mail *m = &w->mail;

    fake_disconnect(&w->node);
    outbound_destroy(&m->outbound);
    inbound_destroy(&m->inbound);
    keys_destroy(&m->keys);
    worker_destroy(&m->worker);
    turn_destroy(&m->turn);
    store_close(&m->store);
    loop_destroy(&m->loop);
}

struct world *world_create(struct fake_net *net, const char *name)
{
    struct world *w = mem_zalloc(sizeof(*w));
    struct identity_files files;
    struct str component = STR_INIT;
    struct err err;

    temp_dir_make(w->dir);
    w->clock = (struct clock){ .wall_ms = shifted_wall, .mono_ms = shifted_mono };
    w->net = net;
    files = (struct identity_files){ .directory = w->dir };
    str_addf(&component, "immp.%s", name);
    for (size_t i = 0; i < N_ELEMENTS(w->retry_ms); i++)
        w->retry_ms[i] = 30;
    w->domain = (struct mail_domain){
        .name = mem_strdup(name),
        .component = str_take(&component),
        .identity = identity_load(name, &files, NULL, &err),
        .message_bytes = 50 << 20,
        .quota_bytes = 1 << 30,
        .stanza_bytes = 65536,
        .retry_ms = w->retry_ms,
        .n_retry = N_ELEMENTS(w->retry_ms),
        .expire_ms = 5LL * 24 * 3600 * 1000,
    };
    need(w->domain.identity != NULL, &err);
    w->mail.clock = &w->clock;
    w->mail.domains = &w->domain;
    w->mail.n_domains = 1;
    start(w);
    return w;
}

void world_restart(struct world *w)
{
    stop(w);
    start(w);
}

void world_destroy(struct world **wp)
{
    struct world *w = *wp;

    if (w == NULL)
        return;
    stop(w);
    identity_unref(&w->domain.identity);
    free(w->domain.name);
    free(w->domain.component);
    temp_dir_remove(w->dir);
    free(w);
    *wp = NULL;
}

/* ---- time passes ---- */

static void turn_all(struct world *const *worlds)
{
    const struct timespec pause = { .tv_nsec = 100000 };

    for (; *worlds != NULL; worlds++)
        loop_turn((*worlds)->mail.loop, false);
    (void)nanosleep(&pause, NULL);
}

bool world_run(struct world *const *worlds, bool (*done)(void *ctx), void *ctx, int limit_ms)
{
    int64_t until = clock_mono_ms(clock_system()) + patient_ms(limit_ms);

    while (!done(ctx)) {
        if (clock_mono_ms(clock_system()) > until)
            return false;
        turn_all(worlds);
    }
    return true;
}

void world_turns(struct world *const *worlds, int ms)
{
    int64_t until = clock_mono_ms(clock_system()) + ms;

    while (clock_mono_ms(clock_system()) < until)
        turn_all(worlds);
}

/* ---- what is in it ---- */

void world_account(struct world *w, const char *address)
{
    struct account a = { .address = mem_strdup(address), .saves_sent = true };
    struct err err;

    need(account_put(w->mail.store, &a, &err) == 1, &err);
    account_clear(&a);
    need(store_commit(w->mail.store, &err) == 0, &err);
}

static int64_t put_content(struct world *w, struct message *m, size_t size)
{
    struct str octets = STR_INIT, header = STR_INIT;
    char sha256[65];
    struct err err;
    int64_t id;

    for (size_t i = 0; i < size; i++)
        str_addc(&octets, (char)('a' + (i * 7 + (size_t)m->id[0]) % 26));
    digest_sha256_hex(str_c(&octets), size, sha256);
    message_add_part(m, "text.txt", "text/plain", true, size, sha256);
    need(content_begin(w->mail.store, clock_wall_ms(&w->clock), &id, &err) == 1, &err);
    for (uint32_t i = 0; (size_t)i * CONTENT_CHUNK < size; i++)
        need(content_append(w->mail.store, id, i, octets.s + (size_t)i * CONTENT_CHUNK,
                            MIN(size - (size_t)i * CONTENT_CHUNK, CONTENT_CHUNK), &err) >= 0, &err);
    message_format(&header, m);
    need(content_finish(w->mail.store, id, m, str_c(&header), NULL, NULL, &err) >= 0, &err);
    str_clear(&octets);
    str_clear(&header);
    return id;
}

static void add_recipients(struct message *m, const char *to)
{
    char *list = mem_strdup(to), *rest = NULL;

    for (char *a = strtok_r(list, " ", &rest); a != NULL; a = strtok_r(NULL, " ", &rest))
        message_add_to(m, a);
    free(list);
}

const char *world_send(struct world *w, const char *from, const char *to, size_t size,
                       unsigned flags)
{
    static char ids[8][UUID_SIZE];
    static unsigned turn;
    char *id = ids[turn++ % 8];
    struct message m;
    struct str header = STR_INIT;
    struct queue_entry q = { .is_secure = (flags & MESSAGE_SECURE) != 0 };
    struct err err;

    message_init(&m);
    uuid_generate(m.id);
    memcpy(id, m.id, UUID_SIZE);
    m.kind = MESSAGE_MAIL;
    m.flags = flags;
    m.date_ms = clock_wall_ms(&w->clock);
    m.origin = mem_strdup(w->domain.name);
    m.from = mem_strdup(from);
    m.subject = mem_strdup("Lunch");
    add_recipients(&m, to);
    m.destination = mem_strdup(imid_domain_of(m.to[0]));
    q.content = put_content(w, &m, size);
    message_format(&header, &m);
    memcpy(q.message, m.id, sizeof(q.message));
    q.origin = m.origin;
    q.destination = m.destination;
    q.sender = m.from;
    q.header = header.s;
    q.settled = (char *)"";
    q.created_ms = q.due_ms = m.date_ms;
    q.expires_ms = m.date_ms + w->domain.expire_ms;
    q.size = (int64_t)size;
    need(queue_put(w->mail.store, &q, &err) == 1, &err);
    outbound_kick(w->mail.outbound, m.origin, m.destination);
    str_clear(&header);
    message_clear(&m);
    return id;
}

/* What is looked at here does not count as a call. */
static struct store *behind(struct world *w)
{
    return w->is_failing ? store_failing_inner(w->mail.store) : w->mail.store;
}

static int count_one(void *ctx, const struct queue_entry *q)
{
    (void)q;
    ++*(size_t *)ctx;
    return 0;
}

size_t world_queued(struct world *w)
{
    size_t n = 0;
    struct err err;

    need(queue_each(behind(w), NULL, count_one, &n, &err) >= 0, &err);
    return n;
}

static void open_folder(struct world *w, const char *address, const char *path, struct folder *f)
{
    struct account a = { 0 };
    struct err err = { .text = "no such account or folder" };

    need(account_get(behind(w), address, &a, &err) == 1, &err);
    need(folder_get(behind(w), a.id, path, f, &err) == 1, &err);
    account_clear(&a);
}

size_t world_count(struct world *w, const char *address, const char *folder)
{
    struct folder f = { 0 };
    size_t n;

    open_folder(w, address, folder, &f);
    n = (size_t)f.total;
    folder_clear(&f);
    return n;
}

struct search {
    struct store *st;
    const char *needle;
    struct str text;
};

static int look_into(void *ctx, const struct entry *e, const char *summary)
{
    struct search *s = ctx;
    struct err err;

    str_truncate(&s->text, 0);
    str_add(&s->text, summary);
    str_addc(&s->text, '\n');
    for (uint32_t i = 0; content_chunk(s->st, e->content, i, &s->text, &err) == 1; i++)
        ;
    return strstr(str_c(&s->text), s->needle) != NULL ? 1 : 0;
}

const char *world_text(struct world *w, const char *address, const char *needle)
{
    static char text[65536];
    struct search s = { .st = behind(w), .needle = needle, .text = STR_INIT };
    struct folder f = { 0 };
    struct entry_query q = { .newest_first = true };
    struct err err;

    open_folder(w, address, "INBOX", &f);
    q.folder = f.id;
    need(entry_each(behind(w), &q, look_into, &s, &err) >= 0, &err);
    (void)snprintf(text, sizeof(text), "%s", str_c(&s.text));
    if (strstr(text, needle) == NULL)
        text[0] = '\0';
    str_clear(&s.text);
    folder_clear(&f);
    return text;
}

void world_check(struct world *w)
{
    struct err err = { .text = "" };

    if (store_check(behind(w), &err) != 1)
        fail_msg("the store of %s is not sound: %s", w->domain.name, err.text);
}
