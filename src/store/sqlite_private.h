/* SPDX-License-Identifier: MIT */
/*
 * What the files of the SQLite backend share: the connection, its transaction and its prepared
 * statements. SQL stands beside the code that runs it; a statement is prepared at its first use
 * and kept under its number below.
 */
#ifndef STORE_SQLITE_PRIVATE_H
#define STORE_SQLITE_PRIVATE_H

#include <sqlite3.h>

#include "base/macros.h"
#include "base/uuid.h"

#include "store/store_private.h"

enum sqlite_stmt {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_SAVEPOINT,
    STMT_RELEASE,
    STMT_UNDO,
    STMT_STATE_GET,
    STMT_STATE_PUT,
    STMT_ACCOUNT_PUT,
    STMT_ACCOUNT_GET,
    STMT_ACCOUNT_GET_BY_ID,
    STMT_ACCOUNT_UPDATE,
    STMT_ACCOUNT_USED,
    STMT_ACCOUNT_DEL,
    STMT_ACCOUNT_DEL_FOLDERS,
    STMT_ACCOUNT_EACH,
    STMT_ACCOUNT_EACH_DOMAIN,
    STMT_ACCOUNT_FOLDERS,
    STMT_FOLDER_GET,
    STMT_FOLDER_GET_BY_ID,
    STMT_FOLDER_PUT,
    STMT_FOLDER_EACH,
    STMT_FOLDER_FACTS,
    STMT_FOLDER_STALE,
    STMT_FOLDER_INDEXED,
    STMT_FOLDER_ANY_STALE,
    STMT_FOLDER_COUNT,
    STMT_CONTENT_BEGIN,
    STMT_CONTENT_DRAFT,
    STMT_CONTENT_DRAFT_DEL,
    STMT_CONTENT_APPEND,
    STMT_CONTENT_FINISH,
    STMT_CONTENT_GET,
    STMT_CONTENT_REFS,
    STMT_CONTENT_REF,
    STMT_CONTENT_DEL,
    STMT_CHUNK_GET,
    STMT_CHUNKS_DEL,
    STMT_CHUNKS_DEL_SOME,
    STMT_CERTIFICATE_GET,
    STMT_CERTIFICATE_PUT,
    STMT_ENTRY_PUT,
    STMT_ENTRY_GET,
    STMT_ENTRY_FLAG,
    STMT_ENTRY_DEL,
    STMT_ENTRY_ANY,
    STMT_ENTRY_EACH,
    STMT_ENTRY_EACH_DOWN,
    STMT_ENTRY_UNREAD,
    STMT_ENTRY_UNREAD_DOWN,
    STMT_ENTRY_SEARCH,
    STMT_ENTRY_SEARCH_DOWN,
    STMT_SEARCH_WAITING,
    STMT_SEARCH_PUT,
    STMT_SEARCH_DEL,
    STMT_TRASH_PUT,
    STMT_TRASH_GET,
    STMT_TRASH_DEL,
    STMT_PATH_GET,
    STMT_PATH_PUT,
    STMT_PATH_NAMES,
    STMT_PATH_NEXT,
    STMT_PATH_SUM,
    STMT_QUEUE_PUT,
    STMT_QUEUE_GET,
    STMT_QUEUE_DUE,
    STMT_QUEUE_CLAIM,
    STMT_QUEUE_DEFER,
    STMT_QUEUE_SETTLE,
    STMT_QUEUE_HOLD,
    STMT_QUEUE_UNHOLD,
    STMT_QUEUE_DEL_GET,
    STMT_QUEUE_DEL,
    STMT_QUEUE_EACH,
    STMT_QUEUE_EACH_TO,
    STMT_QUEUE_EXPIRED,
    STMT_QUEUE_NEXT,
    STMT_QUEUE_RELEASE,
    STMT_QUEUE_HURRY,
    STMT_QUEUE_HURRY_TO,
    STMT_PEER_GET,
    STMT_PEER_PUT,
    STMT_PEER_DEL,
    STMT_PEER_EACH,
    STMT_RECORD_GET,
    STMT_RECORD_PUT,
    STMT_TIDY_DRAFTS,
    STMT_TIDY_RECORD_OLDEST,
    STMT_TIDY_RECORDS,
    STMT_TIDY_PATH_ANY,
    STMT_TIDY_PATHS,
    STMT_COUNT
};

/* The one row of table state, in memory while a transaction is open. */
struct sqlite_state {
    int64_t last_id;   /* of contents, entries and queue: never given twice */
    int64_t accounts;
    int64_t messages;  /* entries */
    int64_t queued;
    int64_t bytes;     /* octets of contents, each counted once */
};

enum sqlite_txn {
    TXN_NONE = 0,  /* nothing written since the last commit */
    TXN_OPEN,      /* written, or about to be */
    TXN_LOST,      /* SQLite took everything back (disk full, I/O); commit will say so */
};

enum sqlite_savepoint {
    SAVEPOINT_NONE = 0,
    SAVEPOINT_WANTED,  /* asked for; nothing written since */
    SAVEPOINT_FIRST,   /* the transaction began within it: undo is a rollback of all */
    SAVEPOINT_SET,     /* a savepoint of SQLite's */
};

/*
 * Contents that were begun in this transaction and that nothing refers to yet. Most get their
 * reference before it ends, so only those that did not become rows of table drafts.
 */
struct sqlite_fresh {
    struct sqlite_draft {
        int64_t content, created_ms;
    } *drafts;
    size_t n, max;
};

struct sqlite_wal;

struct sqlite {
    struct store store;  /* first member */
    sqlite3 *h;
    char *path;
    sqlite3_stmt *stmts[STMT_COUNT];
    enum sqlite_txn txn;
    enum sqlite_savepoint savepoint;
    struct sqlite_state state;       /* holds while the transaction is open */
    struct sqlite_state disk_state;  /* what the row says */
    struct sqlite_state kept_state;  /* as of the savepoint */
    struct sqlite_fresh fresh;
    struct sqlite_fresh kept_fresh;  /* likewise */
    struct err lost;                 /* why TXN_LOST */
    struct sqlite_wal *wal;
    struct sqlite_disk *disk;
};

static inline struct sqlite *sqlite_of(struct store *st)
{
    return (struct sqlite *)st;
}

/* ---- sqlite_schema.c ---- */

/* Is it a database of ours, or empty, and not newer than we are? 0 or -1. */
int sqlite_schema_check(struct sqlite *db, struct err *err);
/* Bring it up to date. 0 or -1. */
int sqlite_schema_migrate(struct sqlite *db, struct err *err);
extern const int sqlite_schema_version;
/* The number that a pragma, or any such statement, answers with. 0 or -1. */
int sqlite_pragma(struct sqlite *db, const char *sql, int64_t *v_r, struct err *err);
/* SQL that makes version n of version n - 1, from 1; for tests too. */
const char *sqlite_schema_step(int n);

/* ---- sqlite_vfs.c ---- */

/* The name of the file system that databases are opened with; NULL: the default one. */
const char *sqlite_vfs(void);

/* ---- sqlite_disk.c: is the disk below a database to be trusted? Any thread ---- */

struct sqlite_disk;
/* By the database's path, as SQLite names it: the same for all its files. */
struct sqlite_disk *sqlite_disk_ref(const char *path);
void sqlite_disk_unref(struct sqlite_disk **dp);
bool sqlite_disk_is_broken(const struct sqlite_disk *d);
void sqlite_disk_break(struct sqlite_disk *d, const char *why); /* why: a literal */
/* Instead of who has watched before; NULL: nobody. Is called at once when it is broken already. */
void sqlite_disk_watch(struct sqlite_disk *d, store_broken_fn *fn, void *ctx);

/* ---- sqlite_recover.c ---- */

/* Before it is opened: copy what a process that is gone has left in the log. 0 or -1. */
int sqlite_recover(struct sqlite *db, struct err *err);

/* ---- sqlite_txn.c ---- */

/* Before each write: begin the transaction, and the savepoint that was asked for. 0 or -1. */
int sqlite_txn_write(struct sqlite *db, struct err *err);
/* After a failed statement: has SQLite rolled back everything? */
void sqlite_txn_failed(struct sqlite *db, const struct err *err);
int64_t sqlite_txn_next_id(struct sqlite *db);  /* within a transaction */
/* Write what a transaction keeps in memory: state, drafts. The commit does. 0 or -1. */
int sqlite_txn_flush(struct sqlite *db, struct err *err);
bool sqlite_txn_is_dirty(const struct store *st);
int sqlite_txn_commit(struct store *st, struct err *err);
void sqlite_txn_rollback(struct store *st);
int sqlite_txn_savepoint(struct store *st, struct err *err);
int sqlite_txn_release(struct store *st, struct err *err);
void sqlite_txn_undo(struct store *st);
int sqlite_txn_totals(struct store *st, struct store_totals *t_r, struct err *err);

/* ---- sqlite_query.c: one use of a prepared statement ---- */

struct sqlite_query {
    struct sqlite *db;
    sqlite3_stmt *s;
    bool is_spare;  /* the kept one was in use by an outer walk */
};

/* SQL written as the last argument, at the one place where the number is used. 0 or -1. */
int sqlite_query(struct sqlite *db, struct sqlite_query *q, enum sqlite_stmt number,
                 const char *sql, struct err *err);
int sqlite_query_row(struct sqlite_query *q, struct err *err);  /* 1 a row, 0 no more, -1 */
void sqlite_query_end(struct sqlite_query *q);
/* Run a write to its end, and end the query. Returns how many rows it changed, or -1. */
int sqlite_query_run(struct sqlite_query *q, struct err *err);

/* Texts and blobs are borrowed until the query ends. NULL is NULL. */
void sqlite_bind_int(struct sqlite_query *q, int i, int64_t v);
void sqlite_bind_text(struct sqlite_query *q, int i, const char *s);
void sqlite_bind_blob(struct sqlite_query *q, int i, const void *p, size_t n);
int sqlite_bind_uuid(struct sqlite_query *q, int i, const char *uuid);  /* 0, -1 it is none */

int64_t sqlite_column_int(const struct sqlite_query *q, int i);
/* Borrowed until the next row. */
char *sqlite_column_text(const struct sqlite_query *q, int i);
char *sqlite_column_dup(const struct sqlite_query *q, int i);  /* the caller's; NULL is NULL */
void sqlite_column_uuid(const struct sqlite_query *q, int i, char out[UUID_SIZE]);

/* err by SQLite's code: what can pass is temporary, a broken file is not. Returns -1. */
int sqlite_err(struct sqlite *db, int rc, const char *doing, struct err *err);
int sqlite_exec(struct sqlite *db, const char *sql, const char *doing, struct err *err);

/* ---- sqlite_wal.c: checkpoints in a thread of their own ---- */

int sqlite_wal_start(struct sqlite *db, struct err *err);
void sqlite_wal_stop(struct sqlite *db);  /* and copy what is left */

/* ---- by noun ---- */

int sqlite_account_put(struct store *st, struct account *a, struct err *err);
int sqlite_account_get(struct store *st, const char *address, struct account *a_r,
                       struct err *err);
int sqlite_account_get_by_id(struct store *st, int64_t id, struct account *a_r,
                             struct err *err);
int sqlite_account_update(struct store *st, const struct account *a, struct err *err);
int sqlite_account_del(struct store *st, const char *address, struct err *err);
int sqlite_account_each(struct store *st, const char *domain, store_account_fn *fn, void *ctx,
                        struct err *err);
int sqlite_account_use(struct sqlite *db, int64_t account, int64_t bytes, struct err *err);

int sqlite_folder_get(struct store *st, int64_t account, const char *path, struct folder *f_r,
                      struct err *err);
int sqlite_folder_get_by_id(struct store *st, int64_t id, struct folder *f_r, struct err *err);
int sqlite_folder_put(struct store *st, int64_t account, const char *path, struct folder *f_r,
                      struct err *err);
int sqlite_folder_each(struct store *st, int64_t account, const char *path, bool recursive,
                       store_folder_fn *fn, void *ctx, struct err *err);
/* What those who change its entries have to know of a folder. */
struct sqlite_folder_facts {
    int64_t account;
    int64_t indexed;  /* entries up to this id are in the index of texts */
    bool is_stale;    /* there are others */
};
/* 1, 0 no such folder, -1. */
int sqlite_folder_facts(struct sqlite *db, int64_t folder, struct sqlite_folder_facts *f_r,
                        struct err *err);
int sqlite_folder_count(struct sqlite *db, int64_t folder, int unread, int total,
                        struct err *err);

int sqlite_content_begin(struct store *st, int64_t now_ms, int64_t *id_r, struct err *err);
int sqlite_content_append(struct store *st, int64_t id, uint32_t chunk, const void *p, size_t n,
                          struct err *err);
int sqlite_content_finish(struct store *st, int64_t id, const struct message *m,
                          const char *header, const char *signature, const char *certificate,
                          struct err *err);
int sqlite_content_drop(struct store *st, int64_t id, struct err *err);
int sqlite_content_get(struct store *st, int64_t id, struct content *c_r, struct err *err);
int sqlite_content_chunk(struct store *st, int64_t id, uint32_t chunk, struct str *out,
                         struct err *err);
/* A reference more; the content must be finished. 0 or -1. */
int sqlite_content_ref(struct sqlite *db, int64_t id, struct err *err);
/* A reference less; the content goes with the last. 0 or -1. */
int sqlite_content_unref(struct sqlite *db, int64_t id, struct err *err);
/* Give those that were begun in this transaction their rows. 0 or -1. */
int sqlite_content_put_fresh(struct sqlite *db, struct err *err);
/* 1 finished, 0 a draft or nothing, -1. */
int sqlite_content_is_finished(struct sqlite *db, int64_t id, struct err *err);
/* A few chunks of a draft, and the draft with the last of them. 1 there are more, 0 done, -1. */
int sqlite_content_wear(struct sqlite *db, int64_t id, struct err *err);

int sqlite_entry_put(struct store *st, struct entry *e, struct err *err);
int sqlite_entry_get(struct store *st, int64_t folder, const char *uuid, struct entry *e_r,
                     struct err *err);
int sqlite_entry_flag(struct store *st, int64_t folder, const char *uuid, unsigned set,
                      unsigned clear, struct err *err);
int sqlite_entry_del(struct store *st, int64_t folder, const char *uuid, struct err *err);
int sqlite_entry_each(struct store *st, const struct entry_query *q, store_entry_fn *fn,
                      void *ctx, struct err *err);
/* All entries of a folder, with what they refer to. 0 or -1. */
int sqlite_entry_del_all(struct sqlite *db, int64_t folder, struct err *err);

/* The number of a path, made if wanted (in a transaction): 1, 0 there is none, -1. */
int sqlite_path_id(struct sqlite *db, const char *origin, const char *destination, bool make,
                   int64_t *id_r, struct err *err);

/* ---- sqlite_text.c: what of a content is searched ---- */

struct sqlite_text {
    struct str sender, subject, body;
};
void sqlite_text_clear(struct sqlite_text *t);
/* The same for the same content, always. 0 or -1. A content that is gone has no text. */
int sqlite_text_of(struct sqlite *db, int64_t content, struct sqlite_text *t_r, struct err *err);

int sqlite_search_index(struct store *st, int64_t folder, int64_t budget_ms, struct err *err);
/* Index a few texts of a folder: 1 there are more, 0 all are indexed, -1. */
int sqlite_search_some(struct sqlite *db, int64_t folder, struct err *err);
/* The FTS5 expression for words in a folder. */
void sqlite_search_words(struct str *out, int64_t folder, const char *words);
/* Leave an entry's words, and its reference to the content, to sqlite_trash_some(). 0 or -1. */
int sqlite_trash_put(struct sqlite *db, int64_t entry, int64_t folder, int64_t content,
                     struct err *err);
/* 1 there may be more, 0 there is none, -1. */
int sqlite_trash_some(struct sqlite *db, struct err *err);

int sqlite_queue_put(struct store *st, struct queue_entry *e, struct err *err);
int sqlite_queue_get(struct store *st, int64_t id, struct queue_entry *q_r, struct err *err);
int sqlite_queue_claim(struct store *st, const struct queue_claim_request *req,
                       store_queue_fn *fn, void *ctx, struct err *err);
int sqlite_queue_defer(struct store *st, int64_t id, int64_t due_ms, const char *error,
                       struct err *err);
int sqlite_queue_settle(struct store *st, int64_t id, const char *settled, struct err *err);
int sqlite_queue_hold(struct store *st, int64_t id, bool hold, struct err *err);
int sqlite_queue_del(struct store *st, int64_t id, struct err *err);
int sqlite_queue_each_path(struct store *st, int64_t now_ms, store_path_fn *fn, void *ctx,
                           struct err *err);
int sqlite_queue_next(struct store *st, const char *origin, const char *destination,
                      int64_t *at_ms_r, struct err *err);
int sqlite_queue_release(struct store *st, struct err *err);
int sqlite_queue_each(struct store *st, const char *destination, store_queue_fn *fn, void *ctx,
                      struct err *err);
int sqlite_queue_each_expired(struct store *st, int64_t now_ms, int limit, store_queue_fn *fn,
                              void *ctx, struct err *err);
int sqlite_queue_hurry(struct store *st, const char *destination, int64_t now_ms,
                       struct err *err);

int sqlite_peer_get(struct store *st, const char *domain, struct peer *p_r, struct err *err);
int sqlite_peer_put(struct store *st, const struct peer *p, struct err *err);
int sqlite_peer_del(struct store *st, const char *domain, struct err *err);
int sqlite_peer_each(struct store *st, store_peer_fn *fn, void *ctx, struct err *err);

int sqlite_record_get(struct store *st, const char *scope, const char *uuid,
                      struct record *r_r, struct err *err);
int sqlite_record_put(struct store *st, const struct record *r, struct err *err);

int sqlite_check(struct store *st, struct err *err);
int sqlite_tidy(struct store *st, int64_t drafts_before_ms, int64_t records_before_ms,
                int64_t budget_ms, struct err *err);

#endif
