/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints. What is committed stands in the write-ahead log; somebody has to copy it into the
 * database, or the log grows for ever. That is slow disk work with an fsync of its own, so a
 * thread does it on a connection of its own, and the loop thread only wakes it.
 *
 * The log starts anew only when a checkpoint has reached its end while nobody writes. Under steady
 * load that never happens by itself: from HIGH_BYTES on the thread takes the write lock for the
 * last, short stretch (a few milliseconds; the loop thread waits in its BEGIN).
 *
 * A checkpoint syncs the log, copies pages from it into the database, and syncs that. What fails
 * before a sync (a full disk while pages are written, reading) is tried again with the next
 * megabytes: it is logged here, once until it works again, for there is no caller to return it to,
 * and nothing is lost by it; the log grows meanwhile. A sync that fails is the end of this process
 * (sqlite_disk.c says why; sqlite_vfs.c sees that of the database). That of the log is not needed
 * for what is copied, which its commits have synced; but a system that tells of an error only once
 * tells it here, instead of the commit that is under way.
 *
 * A commit whose own sync of the log fails is no such end, and nothing to mend: SQLite counts a
 * transaction's frames only after their sync, so these are not read, and the next transaction
 * writes its own over them, from the first one on. What of them is on disk, or only in the system's
 * memory, is a whole transaction or none, by its checksums: whoever sent it heard that it failed,
 * sends it again under its id, and gets one copy. sqlite_recover.c has the rest of it: a process
 * that ends before the next commit.
 *
 * The only shared state is below the mutex.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "wire/status.h"

#define STEP_BYTES  (16 << 20)   /* new in the log: worth a checkpoint */
#define HIGH_BYTES  (64 << 20)   /* at this size the log is made to start anew */
#define STACK_BYTES (256 * 1024)
#define BUSY_MS     1000

struct sqlite_wal {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int pages;       /* in the log, as of the last commit */
    int done_pages;  /* of these, already copied */
    int step_pages, high_pages;
    bool stop;
    sqlite3 *h;      /* the thread's, once it runs */
    struct sqlite_disk *disk; /* the database's */
    char *path;
    bool has_failed;
};

/* After each commit, on the thread that committed. */
static int committed(void *ctx, sqlite3 *h, const char *name, int pages)
{
    struct sqlite_wal *w = ctx;

    (void)h;
    (void)name;
    (void)pthread_mutex_lock(&w->mutex);
    if (pages < w->pages)
        w->done_pages = 0;  /* it has started anew */
    w->pages = pages;
    if (pages - w->done_pages >= w->step_pages)
        (void)pthread_cond_signal(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
    return SQLITE_OK;
}

static void note(struct sqlite_wal *w, sqlite3 *h, int rc)
{
    /* Of the log, or known already. */
    if (rc == SQLITE_IOERR_FSYNC)
        sqlite_disk_break(w->disk, "a sync of its log failed");
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY) {
        w->has_failed = false;
    } else if (!w->has_failed && !sqlite_disk_is_broken(w->disk)) {
        w->has_failed = true;
        log_warn("store.checkpoint failed path=%s error=%s", log_quote(w->path),
                 log_quote(sqlite3_errmsg(h)));
    }
}

static void checkpoint(struct sqlite_wal *w)
{
    int pages = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(w->h, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &done);

    if (rc == SQLITE_OK && pages >= w->high_pages)
        rc = sqlite3_wal_checkpoint_v2(w->h, NULL, SQLITE_CHECKPOINT_FULL, &pages, &done);
    note(w, w->h, rc);
    (void)pthread_mutex_lock(&w->mutex);
    /* Also after a failure: the next try comes with the next megabytes. */
    w->done_pages = rc == SQLITE_OK ? done : w->pages;
    (void)pthread_mutex_unlock(&w->mutex);
}

static void *run(void *arg)
{
    struct sqlite_wal *w = arg;

    (void)pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (!w->stop && w->pages - w->done_pages < w->step_pages)
            (void)pthread_cond_wait(&w->cond, &w->mutex);
        if (w->stop)
            break;
        (void)pthread_mutex_unlock(&w->mutex);
        checkpoint(w);
        (void)pthread_mutex_lock(&w->mutex);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return NULL;
}

static int open_own(struct sqlite_wal *w, struct sqlite *db, struct err *err)
{
    int rc = sqlite3_open_v2(w->path, &w->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             sqlite_vfs());

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(w->h, "PRAGMA synchronous = FULL; PRAGMA cache_size = -64", NULL, NULL,
                          NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(w->h, BUSY_MS);
    (void)sqlite3_extended_result_codes(w->h, 1);
    return rc == SQLITE_OK ? 0 : sqlite_err(db, rc, "open for checkpoints", err);
}

int sqlite_wal_start(struct sqlite *db, struct err *err)
{
    struct sqlite_wal *w = mem_zalloc(sizeof(*w));
    pthread_attr_t attr;
    sigset_t all, old;
    int64_t page_bytes = 0;
    int rc;

    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->cond, NULL);
    w->path = mem_strdup(db->path);
    w->disk = db->disk;
    if (open_own(w, db, err) < 0 || sqlite_pragma(db, "PRAGMA page_size", &page_bytes, err) < 0)
        goto fail;
    w->step_pages = (int)(STEP_BYTES / page_bytes);
    w->high_pages = (int)(HIGH_BYTES / page_bytes);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    /* Signals are the loop thread's. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&w->thread, &attr, run, w);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    if (rc != 0) {
        (void)err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "no thread for checkpoints: %s",
                      strerror(rc));
        goto fail;
    }
    (void)sqlite3_wal_hook(db->h, committed, w);
    db->wal = w;
    return 0;
fail:
    (void)sqlite3_close(w->h);
    free(w->path);
    free(w);
    return -1;
}

void sqlite_wal_stop(struct sqlite *db)
{
    struct sqlite_wal *w = db->wal;

    if (w == NULL)
        return;
    (void)sqlite3_wal_hook(db->h, NULL, NULL);
    (void)pthread_mutex_lock(&w->mutex);
    w->stop = true;
    (void)pthread_cond_signal(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
    (void)pthread_join(w->thread, NULL);
    (void)sqlite3_close(w->h);
    note(w, db->h, sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    (void)pthread_cond_destroy(&w->cond);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w->path);
    free(w);
    db->wal = NULL;
}
