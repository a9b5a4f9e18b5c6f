/* SPDX-License-Identifier: MIT */
/*
 * What the store costs, alone: no sessions, no TLS, no sealing.
 *
 *   store_bench DIR [messages [group [octets]]]
 *
 * DIR must not hold a store yet. Deliveries are made as mail makes them (record, account, folder,
 * content, entry, record), `group` to a commit; then the mailbox is checked, indexed and read, and
 * as many messages go through the queue. Each line is one JSON object: what was done, how often,
 * per second by the wall clock, and microseconds of CPU of this thread for one.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/mem.h"
#include "store/account.h"
#include "store/content.h"
#include "store/entry.h"
#include "store/folder.h"
#include "store/queue.h"
#include "store/record.h"
#include "store/store.h"

struct bench {
    struct store *st;
    struct err err;
    int n, group;
    size_t octets;
    char *body;
    int64_t inbox;
    char uuid[UUID_SIZE];  /* of the last message */
};

static void must(struct bench *b, int rc, const char *what)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, b->err.text);
    exit(1);
}
#define MUST(b, call) must(b, call, #call)

/* ---- the clock ---- */

static double seconds(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct watch {
    double wall, thread, process;
};

static struct watch watch_start(void)
{
    return (struct watch){ seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID),
                           seconds(CLOCK_PROCESS_CPUTIME_ID) };
}

static void watch_say(const struct watch *from, const char *what, int n)
{
    struct watch now = watch_start();
    double wall = now.wall - from->wall;

    (void)printf("{\"what\":\"%s\",\"n\":%d,\"per_s\":%.0f,\"us_wall\":%.2f,\"us_cpu\":%.2f,"
                 "\"us_cpu_all\":%.2f}\n", what, n, n / wall, wall * 1e6 / n,
                 (now.thread - from->thread) * 1e6 / n, (now.process - from->process) * 1e6 / n);
    (void)fflush(stdout);
}

/* ---- a message ---- */

static int64_t put_content(struct bench *b)
{
    static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct str header = STR_INIT;
    struct message m;
    int64_t id;

    message_init(&m);
    m.kind = MESSAGE_MAIL;
    uuid_generate(m.id);
    memcpy(b->uuid, m.id, UUID_SIZE);
    m.origin = mem_strdup("a.example");
    m.destination = mem_strdup("a.example");
    m.from = mem_strdup("bob@a.example");
    message_add_to(&m, "alice@a.example");
    message_add_shown(&m, "alice@a.example");
    m.subject = mem_strdup("A subject as they are");
    message_add_part(&m, "text", "text/plain", true, b->octets, digest);
    message_format(&header, &m);
    MUST(b, content_begin(b->st, 1, &id, &b->err));
    MUST(b, content_append(b->st, id, 0, b->body, b->octets, &b->err));
    MUST(b, content_finish(b->st, id, &m, str_c(&header), NULL, NULL, &b->err));
    message_clear(&m);
    str_clear(&header);
    return id;
}

static void deliver(struct bench *b, int i)
{
    struct record r = { .scope = (char *)"bob@a.example", .seen_ms = i }, seen;
    struct entry e = { .received_ms = i, .size = (int64_t)b->octets }, old;
    struct account a;
    struct folder f;

    MUST(b, store_savepoint(b->st, &b->err));
    uuid_generate(r.uuid);
    MUST(b, record_get(b->st, r.scope, r.uuid, &seen, &b->err));
    e.content = put_content(b);
    memcpy(e.uuid, b->uuid, UUID_SIZE);
    MUST(b, account_get(b->st, "alice@a.example", &a, &b->err));
    MUST(b, folder_get(b->st, a.id, "INBOX", &f, &b->err));
    e.folder = f.id;
    MUST(b, entry_get(b->st, f.id, e.uuid, &old, &b->err));
    MUST(b, entry_put(b->st, &e, &b->err));
    r.results = (char *)"201 alice@a.example id=9507ce26-d34e-41cb-9f14-4eeff943e25e delivered\n";
    memcpy(r.uuid, b->uuid, UUID_SIZE);
    MUST(b, record_put(b->st, &r, &b->err));
    MUST(b, store_release(b->st, &b->err));
    folder_clear(&f);
    account_clear(&a);
}

static void deliver_all(struct bench *b)
{
    struct watch w = watch_start();

    for (int i = 0; i < b->n; i++) {
        deliver(b, i);
        if ((i + 1) % b->group == 0 || i + 1 == b->n)
            MUST(b, store_commit(b->st, &b->err));
    }
    watch_say(&w, "deliver", b->n);
}

/* ---- reading ---- */

static int count_entry(void *ctx, const struct entry *e, const char *summary)
{
    (void)e;
    *(size_t *)ctx += strlen(summary);
    return 0;
}

static void index_some(struct bench *b, const char *what, const struct entry_query *q)
{
    struct watch w = watch_start();
    size_t octets = 0;
    int rounds = 20;

    for (int i = 0; i < rounds; i++)
        MUST(b, entry_each(b->st, q, count_entry, &octets, &b->err));
    watch_say(&w, what, rounds);
}

static void read_mailbox(struct bench *b)
{
    struct selector unread = { .flags = SELECT_UNREAD, .since_ms = INT64_MIN,
                               .before_ms = INT64_MAX };
    struct entry_query q = { .folder = b->inbox, .limit = 1000 };
    struct folder f;
    struct watch w = watch_start();
    struct str out = STR_INIT;
    struct entry e;
    int rounds = 10000;

    for (int i = 0; i < rounds; i++) {
        MUST(b, folder_get(b->st, 1, "inbox", &f, &b->err));
        folder_clear(&f);
    }
    watch_say(&w, "check", rounds);
    index_some(b, "index of the first 1000", &q);
    q.newest_first = true;
    index_some(b, "index of the last 1000", &q);
    q.select = &unread;
    index_some(b, "index of 1000 unread", &q);
    w = watch_start();
    for (int i = 0; i < rounds; i++) {
        str_truncate(&out, 0);
        MUST(b, entry_get(b->st, b->inbox, b->uuid, &e, &b->err));
        MUST(b, content_chunk(b->st, e.content, 0, &out, &b->err));
    }
    watch_say(&w, "fetch", rounds);
    str_clear(&out);
}

/* ---- the queue ---- */

struct claimed {
    int64_t ids[10000];
    int n;
};

static int keep(void *ctx, const struct queue_entry *q)
{
    struct claimed *c = ctx;

    c->ids[c->n++] = q->id;
    return 0;
}

static void put_queue(struct bench *b)
{
    struct queue_entry q = {
        .origin = (char *)"a.example",
        .destination = (char *)"b.example",
        .sender = (char *)"alice@a.example",
        .expires_ms = INT64_MAX,
        .size = (int64_t)b->octets,
    };
    struct watch w = watch_start();
    char header[600];

    memset(header, 'h', sizeof(header) - 1);
    header[sizeof(header) - 1] = '\0';
    q.header = header;
    for (int i = 0; i < b->n; i++) {
        MUST(b, store_savepoint(b->st, &b->err));
        q.content = put_content(b);
        memcpy(q.message, b->uuid, UUID_SIZE);
        q.due_ms = i;
        MUST(b, queue_put(b->st, &q, &b->err));
        MUST(b, store_release(b->st, &b->err));
        if ((i + 1) % b->group == 0 || i + 1 == b->n)
            MUST(b, store_commit(b->st, &b->err));
    }
    watch_say(&w, "queue put", b->n);
}

static void empty_queue(struct bench *b)
{
    static struct claimed c;
    struct watch w = watch_start();
    double claiming = 0, from;
    int n;

    for (;;) {
        c.n = 0;
        from = seconds(CLOCK_THREAD_CPUTIME_ID);
        MUST(b, n = queue_claim(b->st, "a.example", "b.example", b->n, 1000, b->group, 1 << 30,
                                keep, &c, &b->err));
        claiming += seconds(CLOCK_THREAD_CPUTIME_ID) - from;
        if (n == 0)
            break;
        for (int i = 0; i < c.n; i++)
            MUST(b, queue_del(b->st, c.ids[i], &b->err));
        MUST(b, store_commit(b->st, &b->err));
    }
    watch_say(&w, "queue claim and delete", b->n);
    (void)printf("{\"what\":\"queue claim alone\",\"us_cpu\":%.2f}\n", claiming * 1e6 / b->n);
}

static void say_memory(const char *when)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    (void)printf("{\"what\":\"memory %s\",\"max_rss_kb\":%ld}\n", when, u.ru_maxrss);
}

int main(int argc, char **argv)
{
    struct bench b = { .n = 20000, .group = 32, .octets = 4096 };
    struct account a = { .address = (char *)"alice@a.example" };
    struct folder f;
    struct watch w;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: store_bench DIR [messages [group [octets]]]\n");
        return 2;
    }
    b.n = argc > 2 ? atoi(argv[2]) : b.n;
    b.group = argc > 3 ? atoi(argv[3]) : b.group;
    b.octets = argc > 4 ? (size_t)atol(argv[4]) : b.octets;
    b.body = mem_alloc(b.octets);
    memset(b.body, 'x', b.octets);
    w = watch_start();
    MUST(&b, store_open("sqlite:bench.db", argv[1], &b.st, &b.err));
    watch_say(&w, "open", 1);
    say_memory("after open");
    MUST(&b, account_put(b.st, &a, &b.err));
    MUST(&b, folder_get(b.st, a.id, "INBOX", &f, &b.err));
    b.inbox = f.id;
    folder_clear(&f);
    MUST(&b, store_commit(b.st, &b.err));
    deliver_all(&b);
    read_mailbox(&b);
    put_queue(&b);
    empty_queue(&b);
    say_memory("after all");
    w = watch_start();
    store_close(&b.st);
    watch_say(&w, "close", 1);
    free(b.body);
    return 0;
}
