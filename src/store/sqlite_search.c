/* SPDX-License-Identifier: MIT */
/*
 * The index of texts (FTS5, contentless). An entry's text stands there under the entry's own id,
 * with a word for its folder beside it: so a search in one folder reads the lists of that folder's
 * word and of the words asked for, whatever else the store holds, and gives entries in the order in
 * which they are walked.
 *
 * A delivery does not touch it: it only marks the folder as stale, if that is not marked yet.
 * Texts come in later, in slices, and leave it so too (trash).
 */
#include "config.h"

#include "store/sqlite_private.h"

#include <ctype.h>

#include "base/clock.h"

#define ENTRIES_A_STEP 8

/* The folder's word: searched in its own column only, and rare as a word of a text. */
static void add_folder_word(struct str *out, int64_t folder)
{
    str_addf(out, "folder%llx", (unsigned long long)folder);
}

void sqlite_search_words(struct str *out, int64_t folder, const char *words)
{
    str_add(out, "folder : ");
    add_folder_word(out, folder);
    str_add(out, " AND {sender subject body} : (");
    /*
     * Strings side by side must all be there. One without any word in it ("?") is passed over; but
     * if all are, nothing is found: that is what the empty one is for.
     */
    str_add(out, "\"\"");
    while (*words != '\0') {
        if (isspace((unsigned char)*words)) {
            words++;
            continue;
        }
        /* Each word is a string of FTS5's, so that nothing in it is an operator. */
        str_add(out, " \"");
        for (; *words != '\0' && !isspace((unsigned char)*words); words++) {
            if (*words == '"')
                str_addc(out, '"');
            str_addc(out, *words);
        }
        str_addc(out, '"');
    }
    str_addc(out, ')');
}

/* Put an entry's words in, or take them out again. 0 or -1. */
static int change(struct sqlite *db, bool put, int64_t entry, int64_t folder, int64_t content,
                  struct err *err)
{
    struct str word = STR_INIT;
    struct sqlite_text t;
    struct sqlite_query q;
    int rc;

    if (sqlite_text_of(db, content, &t, err) < 0)
        return -1;
    if (put)
        rc = sqlite_query(db, &q, STMT_SEARCH_PUT,
                          "INSERT INTO texts (rowid, folder, sender, subject, body)"
                          " VALUES (?1, ?2, ?3, ?4, ?5)", err);
    else
        rc = sqlite_query(db, &q, STMT_SEARCH_DEL,
                          "INSERT INTO texts (texts, rowid, folder, sender, subject, body)"
                          " VALUES ('delete', ?1, ?2, ?3, ?4, ?5)", err);
    if (rc == 0) {
        add_folder_word(&word, folder);
        sqlite_bind_int(&q, 1, entry);
        sqlite_bind_text(&q, 2, str_c(&word));
        sqlite_bind_text(&q, 3, str_c(&t.sender));
        sqlite_bind_text(&q, 4, str_c(&t.subject));
        sqlite_bind_text(&q, 5, str_c(&t.body));
        rc = sqlite_query_run(&q, err);
    }
    str_clear(&word);
    sqlite_text_clear(&t);
    return rc < 0 ? -1 : 0;
}

/* ---- in ---- */

struct waiting {
    int64_t entry[ENTRIES_A_STEP];
    int64_t content[ENTRIES_A_STEP];
    size_t n;
};

static int get_waiting(struct sqlite *db, int64_t folder, int64_t indexed, struct waiting *w,
                       struct err *err)
{
    struct sqlite_query q;
    int rc;

    w->n = 0;
    if (sqlite_query(db, &q, STMT_SEARCH_WAITING,
                     "SELECT id, content FROM entries WHERE folder = ?1 AND id > ?2"
                     " ORDER BY id LIMIT ?3", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    sqlite_bind_int(&q, 2, indexed);
    sqlite_bind_int(&q, 3, ENTRIES_A_STEP);
    while ((rc = sqlite_query_row(&q, err)) > 0) {
        w->entry[w->n] = sqlite_column_int(&q, 0);
        w->content[w->n++] = sqlite_column_int(&q, 1);
    }
    sqlite_query_end(&q);
    return rc;
}

static int set_indexed(struct sqlite *db, int64_t folder, int64_t indexed, bool is_stale,
                       struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_FOLDER_INDEXED,
                     "UPDATE folders SET indexed = ?2, is_stale = ?3 WHERE id = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, folder);
    sqlite_bind_int(&q, 2, indexed);
    sqlite_bind_int(&q, 3, is_stale);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

int sqlite_search_some(struct sqlite *db, int64_t folder, struct err *err)
{
    struct sqlite_folder_facts f = { 0 };
    struct waiting w;
    int rc = sqlite_folder_facts(db, folder, &f, err);

    if (rc <= 0 || !f.is_stale)
        return rc < 0 ? -1 : 0;
    /* Another process may index the same folder: look again, now that nobody else can write. */
    if (sqlite_txn_write(db, err) < 0 || sqlite_folder_facts(db, folder, &f, err) < 0 ||
        get_waiting(db, folder, f.indexed, &w, err) < 0)
        return -1;
    for (size_t i = 0; i < w.n; i++) {
        if (change(db, true, w.entry[i], folder, w.content[i], err) < 0)
            return -1;
        f.indexed = w.entry[i];
    }
    rc = w.n == ENTRIES_A_STEP;
    return set_indexed(db, folder, f.indexed, rc, err) < 0 ? -1 : rc;
}

int sqlite_search_index(struct store *st, int64_t folder, int64_t budget_ms, struct err *err)
{
    const struct clock *clock = clock_system();
    int64_t from_ms = clock_mono_ms(clock);
    int rc;

    do
        rc = sqlite_search_some(sqlite_of(st), folder, err);
    while (rc > 0 && clock_mono_ms(clock) - from_ms < budget_ms);
    return rc;
}

/* ---- out ---- */

int sqlite_trash_put(struct sqlite *db, int64_t entry, int64_t folder, int64_t content,
                     struct err *err)
{
    struct sqlite_query q;

    if (sqlite_query(db, &q, STMT_TRASH_PUT,
                     "INSERT INTO trash (entry, folder, content) VALUES (?1, ?2, ?3)", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, entry);
    sqlite_bind_int(&q, 2, folder);
    sqlite_bind_int(&q, 3, content);
    return sqlite_query_run(&q, err) < 0 ? -1 : 0;
}

struct trash {
    int64_t entry, folder, content;
};

/* 1, 0 there is none, -1. */
static int get_trash(struct sqlite *db, struct trash *t_r, struct err *err)
{
    struct sqlite_query q;
    int rc;

    if (sqlite_query(db, &q, STMT_TRASH_GET,
                     "SELECT entry, folder, content FROM trash ORDER BY entry LIMIT 1", err) < 0)
        return -1;
    rc = sqlite_query_row(&q, err);
    if (rc > 0)
        *t_r = (struct trash){ sqlite_column_int(&q, 0), sqlite_column_int(&q, 1),
                               sqlite_column_int(&q, 2) };
    sqlite_query_end(&q);
    return rc;
}

int sqlite_trash_some(struct sqlite *db, struct err *err)
{
    struct trash t;
    struct sqlite_query q;
    int rc = get_trash(db, &t, err);

    if (rc <= 0)
        return rc;
    /* As above: what another process has just emptied must not be taken out twice. */
    if (sqlite_txn_write(db, err) < 0)
        return -1;
    rc = get_trash(db, &t, err);
    if (rc <= 0)
        return rc;
    if (change(db, false, t.entry, t.folder, t.content, err) < 0 ||
        sqlite_query(db, &q, STMT_TRASH_DEL, "DELETE FROM trash WHERE entry = ?1", err) < 0)
        return -1;
    sqlite_bind_int(&q, 1, t.entry);
    if (sqlite_query_run(&q, err) < 0 || sqlite_content_unref(db, t.content, err) < 0)
        return -1;
    return 1;
}
