/* SPDX-License-Identifier: MIT */
/*
 * Accounts: making them and setting their secret.
 *
 * The derivation takes a worker some 60 ms, so both are jobs: the request is checked, H(p) is
 * derived on the worker, and only then, in one turn of the loop, the account is looked up and
 * written. So two requests for one address cannot overwrite each other unseen: what holds is
 * what the store says when the result comes. A request that is refused at once goes the same
 * way round (its work does nothing), because a callback never comes within the call.
 */
#include "mail/accounts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "wire/imid.h"
#include "wire/status.h"

#include "mail/accounts_private.h"

struct accounts_job {
    struct work work;          /* first member */
    struct accounts *accounts; /* NULL: forgotten */
    struct accounts_job *next, *prev;
    accounts_fn *fn;
    void *ctx;
    bool is_new;
    char *address; /* prepared; NULL: refused, err says why */
    char *secret;
    uint8_t salt[ACCOUNT_SALT_BYTES];
    struct password_cost cost;
    char h[PASSWORD_H_SIZE];
    struct err err; /* kind NONE: none so far */
};

static void job_free(struct accounts_job *j)
{
    secret_free(&j->secret);
    secret_wipe(j->h, sizeof j->h);
    free(j->address);
    free(j);
}

static void job_unlink(struct accounts_job *j)
{
    if (j->prev != NULL)
        j->prev->next = j->next;
    else
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): in a list it knows whose it is */
        j->accounts->jobs = j->next;
    if (j->next != NULL)
        j->next->prev = j->prev;
    j->next = j->prev = NULL;
    j->accounts = NULL;
}

/* ---- on the worker ---- */

static void job_run(struct work *w)
{
    struct accounts_job *j = (struct accounts_job *)w;

    if (j->err.kind == ERR_NONE)
        (void)password_derive(j->secret, j->salt, sizeof j->salt, j->cost, j->h, &j->err);
}

/* ---- on the loop ---- */

static int seal_verifier(struct mail *m, const struct accounts_job *j, struct account *a,
                         struct err *err)
{
    struct str sealed = STR_INIT;
    int rc = vault_seal(m->vault, j->address, j->h, &sealed, err);

    if (rc == 0 && sealed.len > sizeof a->verifier)
        rc = err_set(err, ERR_TEMPORARY, STATUS_INTERNAL, "sealed verifier has %zu bytes",
                     sealed.len);
    if (rc == 0) {
        memcpy(a->verifier, sealed.s, sealed.len);
        a->verifier_len = sealed.len;
        memcpy(a->salt, j->salt, sizeof a->salt);
        a->n = j->cost.n;
        a->r = j->cost.r;
        a->p = j->cost.p;
    }
    str_clear(&sealed);
    return rc;
}

static int put_account(struct mail *m, const struct accounts_job *j, struct err *err)
{
    struct account a = { .saves_sent = true, .created_ms = clock_wall_ms(m->clock) };
    int rc;

    if (seal_verifier(m, j, &a, err) < 0)
        return -1;
    a.address = j->address;
    rc = account_put(m->store, &a, err);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_PARAMETER, "account %s exists already",
                       j->address);
    return rc;
}

static int update_account(struct mail *m, const struct accounts_job *j, struct err *err)
{
    struct account a = { 0 };
    int rc = account_get(m->store, j->address, &a, err);

    if (rc == 1)
        rc = seal_verifier(m, j, &a, err) < 0 ? -1 : account_update(m->store, &a, err);
    account_clear(&a);
    if (rc == 0)
        return err_set(err, ERR_PERMANENT, STATUS_NO_ACCOUNT, "no account %s", j->address);
    return rc;
}

static int write_account(struct mail *m, const struct accounts_job *j, struct err *err)
{
    int rc;

    if (store_savepoint(m->store, err) < 0)
        return -1;
    rc = j->is_new ? put_account(m, j, err) : update_account(m, j, err);
    if (rc < 0) {
        store_undo(m->store);
        return -1;
    }
    return store_release(m->store, err);
}

static void job_done(struct work *w)
{
    struct accounts_job *j = (struct accounts_job *)w;
    struct mail *m;

    if (j->accounts == NULL) {
        job_free(j);
        return;
    }
    m = j->accounts->mail;
    job_unlink(j);
    if (j->err.kind == ERR_NONE)
        (void)write_account(m, j, &j->err);
    j->fn(j->ctx, j->err.kind == ERR_NONE ? NULL : &j->err);
    job_free(j);
}

static void job_drop(struct work *w)
{
    struct accounts_job *j = (struct accounts_job *)w;

    if (j->accounts != NULL)
        job_unlink(j);
    job_free(j);
}

/* ---- requests ---- */

/* The local parts that the server speaks under itself. */
static bool is_reserved(const char *address)
{
    static const char *const names[] = { MAIL_DAEMON, MAIL_ANONYMOUS };
    size_t n = strcspn(address, "/@");

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (strlen(names[i]) == n && memcmp(names[i], address, n) == 0)
            return true;
    return false;
}

static int check_request(struct mail *m, struct accounts_job *j, const char *address,
                         struct err *err)
{
    if (strchr(address, '+') != NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "an account's address has no +folder");
    if (imid_address(address, &j->address, err) < 0)
        return -1;
    if (mail_domain_of(m, j->address) == NULL)
        return err_set(err, ERR_PERMANENT, STATUS_NO_ACCOUNT, "%s is no domain of this server",
                       imid_domain_of(j->address));
    if (j->is_new && is_reserved(j->address))
        return err_set(err, ERR_PERMANENT, STATUS_PARAMETER, "%s is reserved for the server",
                       j->address);
    return 0;
}

static void submit_job(struct accounts *a, const char *address, const char *secret, bool is_new,
                       accounts_fn *fn, void *ctx)
{
    struct accounts_job *j = mem_zalloc(sizeof *j);

    j->work.run = job_run;
    j->work.done = job_done;
    j->work.drop = job_drop;
    j->accounts = a;
    j->fn = fn;
    j->ctx = ctx;
    j->is_new = is_new;
    j->secret = mem_strdup(secret);
    j->cost = (struct password_cost)PASSWORD_COST_DEFAULT;
    random_bytes(j->salt, sizeof j->salt);
    (void)check_request(a->mail, j, address, &j->err);

    j->next = a->jobs;
    if (j->next != NULL)
        j->next->prev = j;
    a->jobs = j;
    worker_submit(a->mail->worker, &j->work);
}

void accounts_add(struct accounts *a, const char *address, const char *secret, accounts_fn *fn,
                  void *ctx)
{
    submit_job(a, address, secret, true, fn, ctx);
}

void accounts_set_secret(struct accounts *a, const char *address, const char *secret,
                         accounts_fn *fn, void *ctx)
{
    submit_job(a, address, secret, false, fn, ctx);
}

/* The job goes to its drop(), now or when it has run; it knows nobody any more by then. */
static void job_cancel(struct accounts *a, struct accounts_job *j)
{
    job_unlink(j);
    worker_cancel(a->mail->worker, j->work.id);
}

void accounts_forget(struct accounts *a, void *ctx)
{
    for (struct accounts_job *j = a->jobs, *next; j != NULL; j = next) {
        next = j->next;
        if (j->ctx == ctx)
            job_cancel(a, j);
    }
}

struct accounts *accounts_create(struct mail *m)
{
    struct accounts *a = mem_zalloc(sizeof *a);

    a->mail = m;
    a->failures = map_create();
    return a;
}

void accounts_destroy(struct accounts **ap)
{
    struct accounts *a = *ap;

    if (a == NULL)
        return;
    while (a->jobs != NULL)
        job_cancel(a, a->jobs);
    login_forget_failures(a);
    map_destroy(&a->failures);
    str_wipe(&a->dummy);
    free(a);
    *ap = NULL;
}
