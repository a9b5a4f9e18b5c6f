/* SPDX-License-Identifier: MIT */
/* immpctl account: add, passwd, del, list, quota. */
#include "config.h"

#include "daemon/control.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "mail/accounts.h"
#include "store/account.h"
#include "wire/imid.h"

#include "daemon/wiring.h"

/* The derivation runs on a worker; the caller may have gone when it is done. */
static void secret_is_set(void *ctx, const struct err *err, const char *text)
{
    struct control_call *call = control_unpark(ctx);

    if (call == NULL)
        return;
    if (err != NULL)
        control_fail(call, err);
    else
        control_done(call, "%s", text);
}

static void added(void *ctx, const struct err *err)
{
    secret_is_set(ctx, err, "account made");
}

static void changed(void *ctx, const struct err *err)
{
    secret_is_set(ctx, err, "secret changed");
}

static void account_add(struct control_call *call)
{
    const char *account = control_need(call, "account");
    const char *secret = account != NULL ? control_need(call, "secret") : NULL;

    if (secret != NULL)
        accounts_add(control_wiring(call)->mail.accounts, account, secret, added,
                     control_park(call));
}

static void account_passwd(struct control_call *call)
{
    const char *account = control_need(call, "account");
    const char *secret = account != NULL ? control_need(call, "secret") : NULL;

    if (secret != NULL)
        accounts_set_secret(control_wiring(call)->mail.accounts, account, secret, changed,
                            control_park(call));
}

/* The account an argument names, or the call is answered by why not. 0, or -1. */
static int account_of(struct control_call *call, struct account *a)
{
    const char *s = control_need(call, "account");
    struct err err = { 0 };
    char *address = NULL;
    int rc;

    if (s == NULL)
        return -1;
    rc = imid_address(s, &address, &err);
    if (rc == 0) {
        rc = account_get(control_wiring(call)->mail.store, address, a, &err);
        if (rc == 0)
            rc = err_set(&err, ERR_PERMANENT, 440, "there is no account %s", address);
    }
    free(address);
    if (rc < 0) {
        control_fail(call, &err);
        return -1;
    }
    return 0;
}

static void account_delete(struct control_call *call)
{
    struct err err = { 0 };
    struct account a = { 0 };

    if (account_of(call, &a) < 0)
        return;
    if (account_del(control_wiring(call)->mail.store, a.address, &err) < 0) {
        control_fail(call, &err);
    } else {
        log_info("account.deleted account=%s", a.address);
        control_done(call, "account %s and its mail deleted", a.address);
    }
    account_clear(&a);
}

static void account_quota(struct control_call *call)
{
    const char *quota = control_need(call, "quota");
    struct err err = { 0 };
    struct account a = { 0 };
    uint64_t bytes;

    if (quota == NULL)
        return;
    if (str_to_size(quota, &bytes) < 0 || bytes > INT64_MAX) {
        err_set(&err, ERR_PROTOCOL, 0, "%s is no size (as 500M, 2G; 0 is the domain's default)",
                log_quote(quota));
        control_fail(call, &err);
        return;
    }
    if (account_of(call, &a) < 0)
        return;
    a.quota_bytes = (int64_t)bytes;
    if (account_update(control_wiring(call)->mail.store, &a, &err) < 0)
        control_fail(call, &err);
    else
        control_done(call, "quota of %s set", a.address);
    account_clear(&a);
}

static int list_account(void *ctx, const struct account *a)
{
    struct json *row = json_object_new();

    json_set_str(row, "account", a->address);
    json_set_int(row, "used", a->used_bytes);
    json_set_int(row, "quota", a->quota_bytes);
    json_set_bool(row, "login", a->verifier_len > 0);
    json_set_int(row, "created", a->created_ms);
    control_row(ctx, row);
    return 0;
}

static void account_list(struct control_call *call)
{
    struct err err = { 0 };

    if (account_each(control_wiring(call)->mail.store, control_arg(call, "domain"), list_account,
                     call, &err) < 0)
        control_fail(call, &err);
    else
        control_done(call, "%s", "");
}

const struct control_command control_account_commands[] = {
    { "account add",    account_add    },
    { "account passwd", account_passwd },
    { "account del",    account_delete },
    { "account list",   account_list   },
    { "account quota",  account_quota  },
    { NULL,             NULL           },
};
