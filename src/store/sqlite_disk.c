/* SPDX-License-Identifier: MIT */
/*
 * Whether the disk below a database is to be trusted: one answer for all files of one database in
 * this process, found by the database's path, for as long as any of them is open.
 *
 * A sync that fails is not to be tried again. The system may have taken the pages that it could not
 * write for clean, so that the next sync says yes without them; it may even have dropped them, and
 * reads what was on disk before. So what a checkpoint has copied and could not sync is neither to
 * be counted as copied nor to be read: the disk is broken from then on, every call of the database
 * and of its log fails, and only another process, which reads the log from its beginning, goes on
 * (sqlite_recover.c). Who watches is told at that moment, before SQLite knows.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/status.h"

struct sqlite_disk {
    char *path; /* of the database, as SQLite names it */
    unsigned refs;
    atomic_bool is_broken;
    const char *why;
    store_broken_fn *fn;
    void *ctx;
    struct sqlite_disk *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sqlite_disk *disks;

struct sqlite_disk *sqlite_disk_ref(const char *path)
{
    struct sqlite_disk *d;

    (void)pthread_mutex_lock(&lock);
    for (d = disks; d != NULL && strcmp(d->path, path) != 0; d = d->next)
        ;
    if (d == NULL) {
        d = mem_zalloc(sizeof(*d));
        d->path = mem_strdup(path);
        d->next = disks;
        disks = d;
    }
    d->refs++;
    (void)pthread_mutex_unlock(&lock);
    return d;
}

void sqlite_disk_unref(struct sqlite_disk **dp)
{
    struct sqlite_disk *d = *dp;

    *dp = NULL;
    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&lock);
    if (--d->refs > 0) {
        d = NULL;
    } else {
        for (struct sqlite_disk **at = &disks; *at != NULL; at = &(*at)->next)
            if (*at == d) {
                *at = d->next;
                break;
            }
    }
    (void)pthread_mutex_unlock(&lock);
    if (d == NULL)
        return;
    free(d->path);
    free(d);
}

bool sqlite_disk_is_broken(const struct sqlite_disk *d)
{
    return atomic_load_explicit(&d->is_broken, memory_order_acquire);
}

/* Under the lock: whoever watches hears it once, and is still there while it hears it. */
static void tell(struct sqlite_disk *d)
{
    store_broken_fn *fn = d->fn;
    struct err err;

    d->fn = NULL;
    if (fn == NULL)
        return;
    (void)err_set(&err, ERR_TEMPORARY, STATUS_STORAGE, "%s: %s", d->path, d->why);
    fn(d->ctx, &err);
}

void sqlite_disk_break(struct sqlite_disk *d, const char *why)
{
    (void)pthread_mutex_lock(&lock);
    if (!sqlite_disk_is_broken(d)) {
        d->why = why;
        atomic_store_explicit(&d->is_broken, true, memory_order_release);
        tell(d);
    }
    (void)pthread_mutex_unlock(&lock);
}

void sqlite_disk_watch(struct sqlite_disk *d, store_broken_fn *fn, void *ctx)
{
    (void)pthread_mutex_lock(&lock);
    d->fn = fn;
    d->ctx = ctx;
    if (sqlite_disk_is_broken(d))
        tell(d);
    (void)pthread_mutex_unlock(&lock);
}
