/* SPDX-License-Identifier: MIT */
/*
 * Exit codes. A script decides by them whether to try again (75) or to tell somebody, so what a
 * later attempt may change is always 75, whatever else it is.
 */
#include "config.h"

#include "client/exits.h"

#include <sysexits.h>

#include "base/macros.h"
#include "wire/status.h"

static const struct {
    int status, code;
} rows[] = {
    { STATUS_SYNTAX, EX_PROTOCOL },       { STATUS_UNKNOWN_COMMAND, EX_PROTOCOL },
    { STATUS_PARAMETER, EX_DATAERR },     { STATUS_WRONG_PHASE, EX_PROTOCOL },
    { STATUS_NOT_FOUND, EX_NOINPUT },     { STATUS_UPGRADE_METHOD, EX_PROTOCOL },
    { STATUS_LIMIT, EX_DATAERR },         { STATUS_AUTH_FAILED, EX_NOPERM },
    { STATUS_COOKIE_REFUSED, EX_NOPERM }, { STATUS_TOO_MANY_ATTEMPTS, EX_NOPERM },
    { STATUS_NO_ACCOUNT, EX_NOUSER },     { STATUS_BLACKLISTED, EX_NOPERM },
    { STATUS_QUOTA, EX_CANTCREAT },       { STATUS_TOO_LARGE, EX_DATAERR },
    { STATUS_NO_ROUTE, EX_NOHOST },       { STATUS_NOT_SECURE, EX_UNAVAILABLE },
    { STATUS_NOT_YOU, EX_NOPERM },        { STATUS_BAD_BASE64, EX_DATAERR },
    { STATUS_BAD_LENGTH, EX_DATAERR },    { STATUS_NO_CONTENT, EX_DATAERR },
    { STATUS_NOT_ALLOWED, EX_NOPERM },    { STATUS_PUSH_REFUSED, EX_NOPERM },
    { STATUS_NO_NODE, EX_NOINPUT },       { STATUS_PROTOCOL, EX_PROTOCOL },
};

int exits_of_status(int status)
{
    if (status_is_success(status))
        return EX_OK;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (rows[i].status == status)
            return rows[i].code;
    return status_is_temporary(status) ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

int exits_of_error(const struct immp_error *error)
{
    if (error->status != 0)
        return exits_of_status(error->status);
    switch (error->kind) {
    case IMMP_OK:
        return EX_OK;
    case IMMP_PERMANENT:
        return EX_UNAVAILABLE;
    case IMMP_PROTOCOL:
        return EX_PROTOCOL;
    case IMMP_DENIED:
        return EX_NOPERM;
    case IMMP_TEMPORARY:
    case IMMP_UNCERTAIN:
        break;
    }
    return EX_TEMPFAIL;
}
