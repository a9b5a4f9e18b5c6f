/* SPDX-License-Identifier: MIT */
/*
 * Fill a mailbox at the speed of the store, for what is measured in big ones.
 *
 *   fill DATA-DIR ADDRESS MESSAGES [OCTETS [UNREAD]]
 *   fill DATA-DIR ADDRESS accounts N
 *
 * DATA-DIR is that of an immpd that is not running; the account must be there. Messages go to its
 * INBOX as a local delivery puts them; all but UNREAD (100), evenly from the first on, are marked
 * read, and their words are indexed for searching, as the daemon does in idle turns. accounts: make
 * as many that nobody can log in to; the %u in ADDRESS is the number.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "seal/digest.h"
#include "store/account.h"
#include "store/content.h"
#include "store/entry.h"
#include "store/folder.h"

#define GROUP 1000 /* to a commit */

struct fill {
    struct store *st;
    struct err err;
    struct account account;
    struct folder inbox;
    const char *domain;
    char *body;
    size_t octets;
    char sha256[65];
};

static void must(struct fill *f, int rc, const char *what)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "fill: %s: %s\n", what, f->err.text);
    exit(1);
}
#define MUST(f, call) must(f, call, #call)

static void put(struct fill *f, int64_t now_ms, bool is_read)
{
    struct entry e = { .folder = f->inbox.id, .size = (int64_t)f->octets, .received_ms = now_ms };
    struct str header = STR_INIT;
    struct message m;

    message_init(&m);
    m.kind = MESSAGE_MAIL;
    m.date_ms = now_ms;
    uuid_generate(m.id);
    m.origin = mem_strdup(f->domain);
    m.destination = mem_strdup(f->domain);
    m.from = mem_strdup(f->account.address);
    message_add_to(&m, f->account.address);
    message_add_shown(&m, f->account.address);
    m.subject = mem_strdup("bench");
    message_add_part(&m, "t.txt", "text/plain", true, f->octets, f->sha256);
    message_format(&header, &m);
    memcpy(e.uuid, m.id, UUID_SIZE);
    e.flags = is_read ? ENTRY_READ : 0;
    MUST(f, content_begin(f->st, now_ms, &e.content, &f->err));
    MUST(f, content_append(f->st, e.content, 0, f->body, f->octets, &f->err));
    MUST(f, content_finish(f->st, e.content, &m, str_c(&header), NULL, NULL, &f->err));
    MUST(f, entry_put(f->st, &e, &f->err));
    message_clear(&m);
    str_clear(&header);
}

static void index_texts(struct fill *f)
{
    int rc = 1;

    while (rc > 0) {
        MUST(f, rc = store_tidy(f->st, 0, 0, 1000, &f->err));
        MUST(f, store_commit(f->st, &f->err));
    }
}

static void make_accounts(struct fill *f, const char *address, size_t n)
{
    const char *at = strstr(address, "%u");

    if (at == NULL)
        exit(2);
    for (size_t i = 0; i < n; i++) {
        struct str name = STR_INIT;
        struct account a = { .n = 32768, .r = 8, .p = 1 };

        str_addf(&name, "%.*s%zu%s", (int)(at - address), address, i, at + 2);
        a.address = name.s;
        MUST(f, account_put(f->st, &a, &f->err));
        str_clear(&name);
    }
    MUST(f, store_commit(f->st, &f->err));
    store_close(&f->st);
}

int main(int argc, char **argv)
{
    struct fill f = { .octets = 4096 };
    size_t n, unread, step;
    int64_t now_ms = (int64_t)time(NULL) * 1000;

    if (argc < 4) {
        (void)fputs("usage: fill DATA-DIR ADDRESS MESSAGES [OCTETS [UNREAD]]\n", stderr);
        return 2;
    }
    if (strcmp(argv[3], "accounts") == 0 && argc == 5) {
        MUST(&f, store_open("sqlite:immp.db", argv[1], &f.st, &f.err));
        make_accounts(&f, argv[2], strtoul(argv[4], NULL, 10));
        (void)puts("{\"what\":\"accounts\"}");
        return 0;
    }
    n = strtoul(argv[3], NULL, 10);
    f.octets = argc > 4 ? strtoul(argv[4], NULL, 10) : f.octets;
    unread = argc > 5 ? strtoul(argv[5], NULL, 10) : 100;
    step = unread > 0 && unread < n ? n / unread : 1;
    f.domain = strchr(argv[2], '@');
    if (f.domain++ == NULL || f.octets == 0)
        return 2;
    f.body = mem_alloc(f.octets);
    for (size_t i = 0; i < f.octets; i++)
        f.body[i] = (char)(i % 64 == 63 ? '\n' : 'a' + i % 26);
    digest_sha256_hex(f.body, f.octets, f.sha256);
    MUST(&f, store_open("sqlite:immp.db", argv[1], &f.st, &f.err));
    if (account_get(f.st, argv[2], &f.account, &f.err) != 1 ||
        folder_get(f.st, f.account.id, "INBOX", &f.inbox, &f.err) != 1) {
        (void)fprintf(stderr, "fill: no account %s\n", argv[2]);
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        put(&f, now_ms - (int64_t)(n - i) * 1000, i % step != 0);
        if ((i + 1) % GROUP == 0 || i + 1 == n)
            MUST(&f, store_commit(f.st, &f.err));
    }
    index_texts(&f);
    store_close(&f.st);
    folder_clear(&f.inbox);
    account_clear(&f.account);
    free(f.body);
    (void)puts("{\"what\":\"fill\"}");
    return 0;
}
