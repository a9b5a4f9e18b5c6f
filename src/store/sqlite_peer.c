/* SPDX-License-Identifier: MIT */
/* Peers in SQLite: one row each, replaced as a whole. */
#include "config.h"

#include "store/sqlite_private.h"

#include "base/mem.h"

#define COLUMNS \
    "domain, component, sign_pem, encrypt_pem, sign_fingerprint, encrypt_fingerprint, trust," \
    " offered_sign, is_blocked, max_stanza, first_seen_ms, last_seen_ms"

/* Texts are borrowed from the row. */
static void read_row(const struct sqlite_query *q, struct peer *p)
{
    *p = (struct peer){
        .domain = sqlite_column_text(q, 0),
        .component = sqlite_column_text(q, 1),
        .sign_pem = sqlite_column_text(q, 2),
        .encrypt_pem = sqlite_column_text(q, 3),
        .sign_fingerprint = sqlite_column_text(q, 4),
        .encrypt_fingerprint = sqlite_column_text(q, 5),
        .trust = (enum peer_trust)sqlite_column_int(q, 6),
        .offered_sign = sqlite_column_text(q, 7),
        .is_blocked = sqlite_column_int(q, 8) != 0,
        .max_stanza = sqlite_column_int(q, 9),
        .first_seen_ms = sqlite_column_int(q, 10),
        .last_seen_ms = sqlite_column_int(q, 11),
    };
}

int sqlite_peer_get(struct store *st, const char *domain, struct peer *p_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(sqlite_of(st), &q, STMT_PEER_GET,
                     "SELECT " COLUMNS " FROM peers WHERE domain = ?1", err) < 0)
        return -1;
    sqlite_bind_text(&q, 1, domain);
    rc = sqlite_query_row(&q, err);
    if (rc > 0) {
        read_row(&q, p_r);
        p_r->domain = mem_strdup(p_r->domain);
        p_r->component = mem_strdup(p_r->component);
        p_r->sign_pem = mem_strdup(p_r->sign_pem);
        p_r->encrypt_pem = mem_strdup(p_r->encrypt_pem);
        p_r->sign_fingerprint = mem_strdup(p_r->sign_fingerprint);
        p_r->encrypt_fingerprint = mem_strdup(p_r->encrypt_fingerprint);
        p_r->offered_sign = mem_strdup(p_r->offered_sign);
    }
    sqlite_query_end(&q);
    return rc;
}

int sqlite_peer_put(struct store *st, const struct peer *p, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_PEER_PUT,
                     "INSERT OR REPLACE INTO peers (" COLUMNS ") VALUES"
                     " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)", err) < 0)
        return -1;
    sqlite_bind_text(&q, 1, p->domain);
    sqlite_bind_text(&q, 2, p->component);
    sqlite_bind_text(&q, 3, p->sign_pem);
    sqlite_bind_text(&q, 4, p->encrypt_pem);
    sqlite_bind_text(&q, 5, p->sign_fingerprint);
    sqlite_bind_text(&q, 6, p->encrypt_fingerprint);
    sqlite_bind_int(&q, 7, p->trust);
    sqlite_bind_text(&q, 8, p->offered_sign);
    sqlite_bind_int(&q, 9, p->is_blocked);
    sqlite_bind_int(&q, 10, p->max_stanza);
    sqlite_bind_int(&q, 11, p->first_seen_ms);
    sqlite_bind_int(&q, 12, p->last_seen_ms);
    return sqlite_query_run(&q, err) < 0 ? -1 : 1;
}

int sqlite_peer_del(struct store *st, const char *domain, struct err *err)
{
    struct sqlite *db = sqlite_of(st);
    struct sqlite_query q;

    if (sqlite_txn_write(db, err) < 0 ||
        sqlite_query(db, &q, STMT_PEER_DEL, "DELETE FROM peers WHERE domain = ?1", err) < 0)
        return -1;
    sqlite_bind_text(&q, 1, domain);
    return sqlite_query_run(&q, err);
}

int sqlite_peer_each(struct store *st, store_peer_fn *fn, void *ctx, struct err *err)
{
    struct sqlite_query q;
    struct peer p;
    int rc, seen = 0;

    if (sqlite_query(sqlite_of(st), &q, STMT_PEER_EACH,
                     "SELECT " COLUMNS " FROM peers ORDER BY domain", err) < 0)
        return -1;
    while ((rc = sqlite_query_row(&q, err)) > 0) {
        seen = 1;
        read_row(&q, &p);
        if (fn(ctx, &p) != 0)
            break;
    }
    sqlite_query_end(&q);
    return rc < 0 ? -1 : seen;
}
