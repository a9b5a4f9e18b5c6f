/* SPDX-License-Identifier: MIT */
/* Shared by accounts.c and login.c: the object, and the count of failed logins. */
#ifndef MAIL_ACCOUNTS_PRIVATE_H
#define MAIL_ACCOUNTS_PRIVATE_H

#include "base/map.h"
#include "base/str.h"
#include "mail/accounts.h"

struct accounts_job;

struct accounts {
    struct mail *mail;
    struct accounts_job *jobs;    /* under way on the worker */
    struct map *failures;         /* text key -> struct failure, least recently failed first */
    struct str dummy;             /* the sealed verifier of nobody, see login.c; empty until used */
};

void login_forget_failures(struct accounts *a);

#endif
