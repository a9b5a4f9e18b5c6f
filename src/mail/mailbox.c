/* SPDX-License-Identifier: MIT */
/*
 * Mailboxes: which folder a delivery goes to, whether it fits, and which folder a session means.
 *
 * Invariant: "delivered" is only said when that very message stands in a folder of the recipient.
 * An id is the sender's to choose, so a message that meets its own id in the folder is looked at:
 * only if it is the same message again is it already there.
 *
 * Whoever calls owns the savepoint. Refusals are found before anything is written, so that one
 * full mailbox takes nothing from the other recipients of a message.
 */
#include "mail/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prep.h"
#include "store/content.h"
#include "wire/imid.h"
#include "wire/message.h"
#include "wire/status.h"

/* ---- folders ---- */

/* docs/immp.md, "IMIDs": INBOX, DRAFTS, SENT, JUNK and TRASH are never reached by a plus sign. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = { "inbox", "drafts", "sent", "junk", "trash" };
    char *folded = NULL;
    size_t n;
    bool found = false;

    /* Folded as the store compares: "ſent" is SENT there, so it must be here. */
    if (prep_fold(name, &folded, NULL) < 0)
        return true;
    n = strcspn(folded, "/");
    for (size_t i = 0; i < N_ELEMENTS(reserved) && !found; i++)
        found = strlen(reserved[i]) == n && memcmp(reserved[i], folded, n) == 0;
    free(folded);
    return found;
}

static int inbox(struct mail *m, int64_t account, struct folder *f_r, struct err *err)
{
    int rc = folder_get(m->store, account, "INBOX", f_r, err);

    if (rc == 0)
        return err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "account %lld has no INBOX",
                       (long long)account);
    return rc;
}

int mailbox_target(struct mail *m, int64_t account, const char *plus_folder, struct folder *f_r,
                   struct err *err)
{
    struct str below = STR_INIT;
    int rc = 0;

    memset(f_r, 0, sizeof *f_r);
    if (plus_folder != NULL && plus_folder[0] != '\0' &&
        folder_path_check(plus_folder, NULL) == 0 && !is_reserved(plus_folder)) {
        str_addf(&below, "INBOX/%s", plus_folder);
        if (folder_path_check(str_c(&below), NULL) == 0)
            rc = folder_get(m->store, account, str_c(&below), f_r, err);
        if (rc == 0)
            rc = folder_get(m->store, account, plus_folder, f_r, err);
        str_clear(&below);
    }
    return rc != 0 ? rc : inbox(m, account, f_r, err);
}

int mailbox_open(struct mail *m, const char *account, const struct folder_arg *arg,
                 struct folder *f_r, struct err *err)
{
    const char *owner = arg->owner != NULL ? arg->owner : account;
    struct account a = { 0 };
    int rc;

    memset(f_r, 0, sizeof *f_r);
    /* The same answer whether it is another's or nobody's: names are not to be probed. */
    rc = imid_is_within(owner, account) ? account_get(m->store, owner, &a, err) : 0;
    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_set(err, ERR_DENIED, STATUS_NOT_FOUND, "no mailbox %s that is yours", owner);
    if (arg->path[0] != '\0')
        rc = folder_get(m->store, a.id, arg->path, f_r, err);
    else
        rc = 0;
    if (rc == 0)
        f_r->account = a.id;
    account_clear(&a);
    return rc;
}

/* ---- delivery ---- */

int64_t mailbox_quota(const struct mail *m, const struct account *a)
{
    const struct mail_domain *d = mail_domain_of(m, a->address);

    if (a->quota_bytes > 0)
        return a->quota_bytes;
    return d != NULL ? d->quota_bytes : 0;
}

/* Which account a recipient is, and in folder_r (caller frees) which folder it asks for. */
static int find_account(struct mail *m, const char *recipient, struct account *a_r, char **folder_r,
                        struct err *err)
{
    struct str address = STR_INIT;
    struct imid id;
    int rc;

    *folder_r = NULL;
    if (imid_parse(recipient, &id, err) < 0)
        return -1;
    imid_add_address(&address, &id);
    rc = account_get(m->store, str_c(&address), a_r, err);
    if (rc == 1)
        *folder_r = mem_strdup(id.folder);
    str_clear(&address);
    imid_clear(&id);
    return rc;
}

static int read_message(struct mail *m, int64_t content, struct message *msg_r, struct err *err)
{
    struct content c = { 0 };
    int rc = content_get(m->store, content, &c, err);

    if (rc == 1 && c.header == NULL)
        rc = 0;
    if (rc == 1 && message_parse(c.header, strlen(c.header), msg_r, err) < 0)
        rc = -1;
    content_clear(&c);
    if (rc == 0)
        return err_set(err, ERR_TEMPORARY, STATUS_STORAGE, "content %lld is gone",
                       (long long)content);
    return rc;
}

static bool is_same(const struct message *a, const struct message *b)
{
    if (strcmp(a->origin, b->origin) != 0 || strcmp(a->from, b->from) != 0 ||
        a->n_parts != b->n_parts)
        return false;
    for (size_t i = 0; i < a->n_parts; i++)
        if (strcmp(a->parts[i].sha256, b->parts[i].sha256) != 0 ||
            strcmp(a->parts[i].name, b->parts[i].name) != 0)
            return false;
    return true;
}

/* That id stands in the folder. Is it this message (1), another (0)? */
static int is_there(struct mail *m, const struct entry *e, struct err *err)
{
    struct entry old = { 0 };
    struct message a, b;
    int rc = entry_get(m->store, e->folder, e->uuid, &old, err);

    if (rc < 1)
        return rc;
    if (old.content == e->content)
        return 1;
    message_init(&a);
    message_init(&b);
    rc = read_message(m, old.content, &a, err);
    if (rc == 1)
        rc = read_message(m, e->content, &b, err);
    if (rc == 1)
        rc = is_same(&a, &b);
    message_clear(&a);
    message_clear(&b);
    return rc;
}

static int put_entry(struct mail *m, struct entry *e, struct err *err)
{
    int rc = entry_put(m->store, e, err);

    if (rc == 0) {
        rc = is_there(m, e, err);
        if (rc == 0)
            return err_set(err, ERR_PERMANENT, STATUS_PARAMETER,
                           "id %s is taken by another message in that mailbox", e->uuid);
    }
    return rc < 0 ? -1 : 0;
}

/* Room for size more? 1, 0 (err says it), -1. A message that is there already needs none. */
static int check_quota(struct mail *m, const struct account *a, const struct entry *e,
                       struct err *err)
{
    struct entry old = { 0 };
    int64_t quota = mailbox_quota(m, a);
    int rc;

    if (quota <= 0 || (e->size <= quota && a->used_bytes <= quota - e->size))
        return 1;
    rc = entry_get(m->store, e->folder, e->uuid, &old, err);
    if (rc == 0)
        err_set(err, ERR_PERMANENT, STATUS_QUOTA, "mailbox full: %lld of %lld bytes are used",
                (long long)a->used_bytes, (long long)quota);
    return rc;
}

int mailbox_deliver(struct mail *m, const char *recipient, int64_t content, const char *uuid,
                    int64_t size, bool is_important, struct err *err)
{
    struct account a = { 0 };
    struct folder f = { 0 };
    struct entry e = { .content = content, .size = size };
    char *plus = NULL;
    int found = find_account(m, recipient, &a, &plus, err);
    int rc = -1;

    if (found == 0)
        err_set(err, ERR_PERMANENT, STATUS_NO_ACCOUNT, "no such account");
    if (found < 1 || mailbox_target(m, a.id, plus, &f, err) < 0)
        goto out;
    e.folder = f.id;
    e.flags = is_important ? ENTRY_IMPORTANT : 0;
    e.received_ms = clock_wall_ms(m->clock);
    memcpy(e.uuid, uuid, sizeof e.uuid);
    if (check_quota(m, &a, &e, err) == 1)
        rc = put_entry(m, &e, err);
out:
    folder_clear(&f);
    account_clear(&a);
    free(plus);
    return rc;
}

int mailbox_copy(struct mail *m, int64_t account, const char *path, int64_t content,
                 const char *uuid, int64_t size, unsigned flags, struct err *err)
{
    struct folder f = { 0 };
    struct entry e = { .content = content, .size = size, .flags = flags };
    int rc = folder_get(m->store, account, path, &f, err);

    if (rc == 0)
        rc = folder_put(m->store, account, path, &f, err);
    if (rc >= 0) {
        e.folder = f.id;
        e.received_ms = clock_wall_ms(m->clock);
        memcpy(e.uuid, uuid, sizeof e.uuid);
        rc = put_entry(m, &e, err);
    }
    folder_clear(&f);
    return rc < 0 ? -1 : 0;
}

int mailbox_exists(struct mail *m, const char *recipient, struct err *err)
{
    struct account a = { 0 };
    char *plus = NULL;
    int rc = find_account(m, recipient, &a, &plus, err);

    account_clear(&a);
    free(plus);
    return rc;
}
