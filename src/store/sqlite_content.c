/* SPDX-License-Identifier: MIT */
/*
 * Contents in SQLite: one row for the header, one per chunk. A chunk's key is the content's id and
 * the chunk's number in one integer, so chunks are only ever appended and found by one lookup.
 *
 * What nothing refers to stands in `drafts`, from content_begin() to the first reference: so what
 * a session or a crash left behind is found without a search. (As long as the transaction lasts in
 * which it was begun, it stands in memory: most contents are referred to before that ends.) With its last reference a content
 * goes; if it is big its chunks become such a draft, older than all, because freeing them takes
 * longer than a turn should.
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <sys/types.h>

#include "base/mem.h"
#include "wire/rows.h"
#include "wire/status.h"

#define NUMBER_BITS 20
#define NUMBER_MAX  ((1u << NUMBER_BITS) - 1)
#define WEAR_STEP   8              /* chunks freed in one step of a slice */
#define SMALL_BYTES (256 * 1024)   /* freed at once */
#define ID_MAX      ((INT64_C(1) << (63 - NUMBER_BITS)) - 1)

static int64_t key_of(int64_t id, uint32_t chunk)
{
    return id << NUMBER_BITS | chunk;
}

static bool is_id(int64_t id)
{
    return id > 0 && id <= ID_MAX;
}

static int put_draft(struct sqlite *db, int64_t id, int64_t created_ms, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_CONTENT_BEGIN,
                     "INSERT INTO drafts (content, created_ms) VALUES (?1, ?2)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_int(&q, 2, created_ms);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

static void add_fresh(struct sqlite_fresh *f, int64_t id, int64_t created_ms)
{
    if (f->n == f->max) {
        f->max = f->max == 0 ? 16 : f->max * 2;
        f->drafts = mem_realloc(f->drafts, f->max * sizeof(*f->drafts));
    }
    f->drafts[f->n++] = (struct sqlite_draft){ id, created_ms };
}

/* Its place, or -1. It is one of the last ones: looked for from there. */
static ssize_t find_fresh(const struct sqlite_fresh *f, int64_t id)
{
    for (size_t i = f->n; i-- > 0;)
        if (f->drafts[i].content == id)
            return (ssize_t)i;
    return -1;
}

int sqlite_content_put_fresh(struct sqlite *db, struct err *err)
{
    struct sqlite_fresh *f = &db->fresh;

    for (; f->n > 0; f->n--)
        if (put_draft(db, f->drafts[f->n - 1].content, f->drafts[f->n - 1].created_ms, err) < 0)
            return -1;
    return 0;
}

int sqlite_content_begin(struct store *st, int64_t now_ms, int64_t *id_r, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    int64_t id;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    id = sqlite_txn_next_id(db);
    if (!is_id(id))
        return err_set(err, ERR_PERMANENT, STATUS_STORAGE, "%s: its ids are used up", db->path);
    add_fresh(&db->fresh, id, now_ms);
    *id_r = id;
    return 1;
}

int sqlite_content_append(struct store *st, int64_t id, uint32_t chunk, const void *p, size_t n,
                          struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    if (!is_id(id) || chunk > NUMBER_MAX)
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "no chunk %u of content %lld", chunk,
                       (long long)id);
    /* A part that was given up may have left a chunk of that number. */
    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_CONTENT_APPEND,
                     "INSERT OR REPLACE INTO chunks (id, octets) VALUES (?1, ?2)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, key_of(id, chunk));
    sqlite_bind_blob(&q, 2, p, n);
    return sqlite_query_run(&q, err) < 0 ? -1 : 1;
}

/* 1 it is a draft, 0 not. */
static int is_draft(struct sqlite *db, int64_t id, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (find_fresh(&db->fresh, id) >= 0)
        return 1;
    if (sqlite_query(db, &q, STMT_CONTENT_DRAFT, "SELECT 1 FROM drafts WHERE content = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    rc = sqlite_query_row(&q, err);
    sqlite_query_end(&q);
    return rc;
}

static int del_draft(struct sqlite *db, int64_t id, struct err *err)
{
    ssize_t i = find_fresh(&db->fresh, id);
    struct sqlite_query q;

    if (i >= 0) {
        db->fresh.drafts[i] = db->fresh.drafts[--db->fresh.n];
        return 1;
    }
    if (sqlite_query(db, &q, STMT_CONTENT_DRAFT_DEL, "DELETE FROM drafts WHERE content = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    return sqlite_query_run(&q, err);
}

/* Chunks from a number on. */
static int cut_chunks(struct sqlite *db, int64_t id, uint32_t from, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_CHUNKS_DEL, "DELETE FROM chunks WHERE id >= ?1 AND id < ?2",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, key_of(id, from));
    sqlite_bind_int(&q, 2, key_of(id + 1, 0));
    return sqlite_query_run(&q, err);
}

/* Each certificate is kept once: peers have few keys and send many messages. NULL: 0. */
static int certificate_id(struct sqlite *db, const char *pem, int64_t *id_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    *id_r = 0;
    if (pem == NULL)
        return 0;
    if (sqlite_query(db, &q, STMT_CERTIFICATE_GET, "SELECT id FROM certificates WHERE pem = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_text(&q, 1, pem);
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *id_r = sqlite_column_int(&q, 0);
    sqlite_query_end(&q);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    *id_r = sqlite_txn_next_id(db);
    if (sqlite_query(db, &q, STMT_CERTIFICATE_PUT,
                     "INSERT INTO certificates (id, pem) VALUES (?1, ?2)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, *id_r);
    sqlite_bind_text(&q, 2, pem);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

static int insert(struct sqlite *db, int64_t id, const struct message *m, const char *header,
                  const char *signature, int64_t certificate, struct err *err)
{
    struct str summary = STR_INIT;
    uint32_t first, n;
    struct sqlite_query q;
    int rc;

    content_part_chunks(m, m->n_parts, &first, &n);
    if (sqlite_query(db, &q, STMT_CONTENT_FINISH,
                     "INSERT INTO contents (id, refs, size, chunks, certificate, uuid, sender,"
                     " header, signature, summary) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_int(&q, 2, (int64_t)message_size(m));
    sqlite_bind_int(&q, 3, first);
    if (certificate != 0)
        sqlite_bind_int(&q, 4, certificate);
    if (sqlite_bind_uuid(&q, 5, m->id) < 0) {
        sqlite_query_end(&q);
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "\"%s\" is no message id", m->id);
    }
    sqlite_bind_text(&q, 6, m->from == NULL ? "" : m->from);
    sqlite_bind_text(&q, 7, header);
    sqlite_bind_text(&q, 8, signature);
    row_summarize(&summary, m);
    sqlite_bind_text(&q, 9, str_c(&summary));
    rc = sqlite_query_run(&q, err);
    str_clear(&summary);
    if (rc < 0)
        return -1;
    db->state.bytes += (int64_t)message_size(m);
    /* What a part that was given up has left behind the last one. */
    return cut_chunks(db, id, first, err) < 0 ? -1 : 1;
}

int sqlite_content_finish(struct store *st, int64_t id, const struct message *m,
                          const char *header, const char *signature, const char *certificate,
                          struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    int64_t pem;
    int rc;

    if (sqlite_txn_write(db, err) < 0)
        return -1;
    rc = is_draft(db, id, err);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "content %lld is no draft",
                       (long long)id);
    if (rc < 0 || certificate_id(db, certificate, &pem, err) < 0)
        return -1;
    return insert(db, id, m, header, signature, pem, err);
}

/* refs and size of a finished content: 1, 0 none, -1. */
static int get_refs(struct sqlite *db, int64_t id, int64_t *refs_r, int64_t *size_r,
                    struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_CONTENT_REFS, "SELECT refs, size FROM contents WHERE id = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    rc = sqlite_query_row(&q, err);
    if (rc > 0) {
        *refs_r = sqlite_column_int(&q, 0);
        *size_r = sqlite_column_int(&q, 1);
    }
    sqlite_query_end(&q);
    return rc;
}

int sqlite_content_is_finished(struct sqlite *db, int64_t id, struct err *err)
{
    int64_t refs, size;

    return get_refs(db, id, &refs, &size, err);
}

static int add_refs(struct sqlite *db, int64_t id, int n, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_CONTENT_REF,
                     "UPDATE contents SET refs = refs + ?2 WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    sqlite_bind_int(&q, 2, n);
    return sqlite_query_run(&q, err);
}

int sqlite_content_ref(struct sqlite *db, int64_t id, struct err *err)
{
    int rc = add_refs(db, id, 1, err);

    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_INTERNAL, "there is no content %lld",
                       (long long)id);
    return rc < 0 ? -1 : del_draft(db, id, err);
}

static int del(struct sqlite *db, int64_t id, int64_t size, struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_CONTENT_DEL, "DELETE FROM contents WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    if (sqlite_query_run(&q, err) < 0)
        return -1;
    db->state.bytes -= size;
    if (size > SMALL_BYTES)
        return put_draft(db, id, INT64_MIN, err);
    return cut_chunks(db, id, 0, err) < 0 ? -1 : 0;
}

int sqlite_content_wear(struct sqlite *db, int64_t id, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_CHUNKS_DEL_SOME,
                     "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE id >= ?1 AND"
                     " id < ?2 LIMIT ?3)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, key_of(id, 0));
    sqlite_bind_int(&q, 2, key_of(id + 1, 0));
    sqlite_bind_int(&q, 3, WEAR_STEP);
    rc = sqlite_query_run(&q, err);
    if (rc < 0 || rc == WEAR_STEP)
        return rc < 0 ? -1 : 1;
    return del_draft(db, id, err) < 0 ? -1 : 0;
}

int sqlite_content_unref(struct sqlite *db, int64_t id, struct err *err)
{
    int64_t refs = 0, size = 0;
    int rc = get_refs(db, id, &refs, &size, err);

    if (rc <= 0)
        return rc;
    if (refs <= 1)
        return del(db, id, size, err);
    return add_refs(db, id, -1, err) < 0 ? -1 : 0;
}

int sqlite_content_drop(struct store *st, int64_t id, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    int64_t refs = 0, size = 0;
    int rc;

    if (!is_id(id))
        return 0;
    if (sqlite_txn_write(db, err) < 0)
        return -1;
    rc = get_refs(db, id, &refs, &size, err);
    if (rc < 0 || refs > 0)
        return rc < 0 ? -1 : 0;
    if (del_draft(db, id, err) < 0)
        return -1;
    if (rc > 0)
        return del(db, id, size, err);
    return cut_chunks(db, id, 0, err) < 0 ? -1 : 0;
}

int sqlite_content_get(struct store *st, int64_t id, struct content *c_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(sqlite_of(st), &q, STMT_CONTENT_GET,
                     "SELECT c.id, c.uuid, c.header, c.signature, x.pem, c.size FROM contents c"
                     " LEFT JOIN certificates x ON x.id = c.certificate WHERE c.id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, id);
    rc = sqlite_query_row(&q, err);
    if (rc > 0) {
        c_r->id = sqlite_column_int(&q, 0);
        sqlite_column_uuid(&q, 1, c_r->uuid);
        c_r->header = sqlite_column_dup(&q, 2);
        c_r->signature = sqlite_column_dup(&q, 3);
        c_r->certificate = sqlite_column_dup(&q, 4);
        c_r->size = sqlite_column_int(&q, 5);
    }
    sqlite_query_end(&q);
    return rc;
}

int sqlite_content_chunk(struct store *st, int64_t id, uint32_t chunk, struct str *out,
                         struct err *err)
{
    struct sqlite_query q;
    const void *p;
    int rc;

    if (!is_id(id) || chunk > NUMBER_MAX)
        return 0;
    if (sqlite_query(sqlite_of(st), &q, STMT_CHUNK_GET, "SELECT octets FROM chunks WHERE id = ?1",
                     err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, key_of(id, chunk));
    rc = sqlite_query_row(&q, err);
    if (rc > 0 && (p = sqlite3_column_blob(q.s, 0)) != NULL)
        str_addn(out, p, (size_t)sqlite3_column_bytes(q.s, 0));
    sqlite_query_end(&q);
    return rc;
}
