/* SPDX-License-Identifier: MIT */
/*
 * The one table of status codes. Everything that is said about a code (its text, whether asking
 * again helps) comes from here or from the hundreds it stands in; no other file writes a number.
 */
#include "wire/status.h"

#include "base/macros.h"

#include <stddef.h>

static const struct {
    enum status code;
    const char *name;
    const char *text;
} table[] = {
    { STATUS_LOGON_TEXT,        "LOGON_TEXT",        "IMMP/1.0" },
    { STATUS_SERVER_INFO,       "SERVER_INFO",       "p=IMMP v=1.0" },
    { STATUS_OK,                "OK",                "Done." },
    { STATUS_DELIVERED,         "DELIVERED",         "delivered" },
    { STATUS_QUEUED,            "QUEUED",            "queued" },
    { STATUS_PUSHED,            "PUSHED",            "Pushed." },
    { STATUS_UPGRADING,         "UPGRADING",         "Upgrading." },
    { STATUS_CLOSING,           "CLOSING",           "Closing the connection." },
    { STATUS_AUTHENTICATED,     "AUTHENTICATED",     "Authentication accepted." },
    { STATUS_COOKIE_GOOD,       "COOKIE_GOOD",       "The cookie is good." },
    { STATUS_SETTING,           "SETTING",           "Setting." },
    { STATUS_KEY,               "KEY",               "Key." },
    { STATUS_KEY_PEM,           "KEY_PEM",           "Certificate follows." },
    { STATUS_MAILBOX,           "MAILBOX",           "Mailbox status." },
    { STATUS_JSON,              "JSON",              "JSON follows." },
    { STATUS_MIME,              "MIME",              "MIME follows." },
    { STATUS_INDEX_LINE,        "INDEX_LINE",        "Index." },
    { STATUS_MAILBOX_CHANGED,   "MAILBOX_CHANGED",   "Mailbox changed." },
    { STATUS_AWAIT_DATA,        "AWAIT_DATA",        "Ok, ready to deliver. Give me your DATA." },
    { STATUS_AWAIT_CONTENT,     "AWAIT_CONTENT",     "Saving part" },
    { STATUS_PART_SAVED,        "PART_SAVED",        "Part saved" },
    { STATUS_CANCELLED,         "CANCELLED",         "Message cancelled." },
    { STATUS_SUBSCRIBED,        "SUBSCRIBED",        "Subscribed." },
    { STATUS_SUBSCRIPTION,      "SUBSCRIPTION",      "Subscription." },
    { STATUS_SUBSCRIPTION_END,  "SUBSCRIPTION_END",  "End of subscriptions." },
    { STATUS_UNSUBSCRIBED,      "UNSUBSCRIBED",      "Unsubscribed." },
    { STATUS_PUBLISHED,         "PUBLISHED",         "Published." },
    { STATUS_NODE_CREATED,      "NODE_CREATED",      "Node created." },
    { STATUS_NODE_DELETED,      "NODE_DELETED",      "Node deleted." },
    { STATUS_PUSH,              "PUSH",              "Push." },
    { STATUS_NEW_MAIL,          "NEW_MAIL",          "New mail." },
    { STATUS_AUTH_COOKIE,       "AUTH_COOKIE",       "Cookie authentication request initiated." },
    { STATUS_AUTH_SECRET,       "AUTH_SECRET",
      "Shared secret authentication request initiated." },
    { STATUS_AUTH_NONCES,       "AUTH_NONCES",       "Nonces." },
    { STATUS_AUTH_SASL,         "AUTH_SASL",         "Challenge." },
    { STATUS_SUBSCRIBING,       "SUBSCRIBING",       "Subscribing to publisher" },
    { STATUS_SYNTAX,            "SYNTAX",            "Syntax error." },
    { STATUS_UNKNOWN_COMMAND,   "UNKNOWN_COMMAND",   "Unknown command." },
    { STATUS_PARAMETER,         "PARAMETER",         "Bad or missing parameter." },
    { STATUS_WRONG_PHASE,       "WRONG_PHASE",       "Not in this state." },
    { STATUS_NOT_FOUND,         "NOT_FOUND",         "No such folder or message." },
    { STATUS_UPGRADE_METHOD,    "UPGRADE_METHOD",    "No such upgrade: TLS2 or TLS3." },
    { STATUS_LIMIT,             "LIMIT",             "Over a limit." },
    { STATUS_AUTH_FAILED,       "AUTH_FAILED",       "Authentication failed." },
    { STATUS_COOKIE_REFUSED,    "COOKIE_REFUSED",    "The cookie is refused." },
    { STATUS_TOO_MANY_ATTEMPTS, "TOO_MANY_ATTEMPTS", "Too many failed attempts." },
    { STATUS_UNKNOWN_SETTING,   "UNKNOWN_SETTING",   "Unknown setting." },
    { STATUS_BAD_SETTING,       "BAD_SETTING",       "Bad value for the setting." },
    { STATUS_NO_ACCOUNT,        "NO_ACCOUNT",        "No such account." },
    { STATUS_BLACKLISTED,       "BLACKLISTED",       "The sender is blacklisted." },
    { STATUS_QUOTA,             "QUOTA",             "The mailbox is full." },
    { STATUS_TOO_LARGE,         "TOO_LARGE",         "The message is too large." },
    { STATUS_NO_ROUTE,          "NO_ROUTE",          "No route to that domain." },
    { STATUS_NOT_SECURE,        "NOT_SECURE",        "The way there is not verified as secure." },
    { STATUS_NOT_YOU,           "NOT_YOU",           "That is not your identity." },
    { STATUS_BAD_BASE64,        "BAD_BASE64",        "Not valid base64." },
    { STATUS_BAD_LENGTH,        "BAD_LENGTH",        "The length is wrong." },
    { STATUS_NO_CONTENT,        "NO_CONTENT",        "No part is the content." },
    { STATUS_NO_MESSAGE,        "NO_MESSAGE",        "No message in progress." },
    { STATUS_NO_NODE,           "NO_NODE",           "No such node." },
    { STATUS_NOT_ALLOWED,       "NOT_ALLOWED",       "Not allowed." },
    { STATUS_NO_SUBSCRIPTION,   "NO_SUBSCRIPTION",   "No such subscription." },
    { STATUS_PUSH_REFUSED,      "PUSH_REFUSED",      "The push is refused." },
    { STATUS_INTERNAL,          "INTERNAL",          "Internal error." },
    { STATUS_SHUTTING_DOWN,     "SHUTTING_DOWN",     "The server is shutting down." },
    { STATUS_STORAGE,           "STORAGE",           "The store failed; nothing was kept." },
    { STATUS_OVERLOADED,        "OVERLOADED",        "Overloaded." },
    { STATUS_TIMEOUT,           "TIMEOUT",           "Idle for too long." },
    { STATUS_PEER_UNREACHABLE,  "PEER_UNREACHABLE",  "The other server cannot be reached." },
    { STATUS_PROTOCOL,          "PROTOCOL",          "Protocol error, closing." },
};

static size_t find(int code)
{
    size_t i = 0;

    while (i < N_ELEMENTS(table) && (int)table[i].code != code)
        i++;
    return i;
}

const char *status_text(enum status code)
{
    size_t i = find((int)code);

    return i < N_ELEMENTS(table) ? table[i].text : "unknown status";
}

bool status_is_known(int code)
{
    return find(code) < N_ELEMENTS(table);
}

bool status_is_success(int code)
{
    return code >= 200 && code <= 299;
}

bool status_is_permanent(int code)
{
    return (code >= 400 && code <= 499) || (code >= 750 && code <= 759);
}

bool status_is_temporary(int code)
{
    return code >= 700 && code <= 749;
}

enum status status_of_err(const struct err *err)
{
    if (err == NULL)
        return STATUS_INTERNAL;
    if (err->status != STATUS_NONE)
        return (enum status)err->status;
    switch (err->kind) {
    case ERR_PROTOCOL:
        return STATUS_SYNTAX;
    case ERR_DENIED:
        return STATUS_NOT_ALLOWED;
    case ERR_PERMANENT:
        return STATUS_PARAMETER;
    case ERR_NONE:
    case ERR_TEMPORARY:
    case ERR_UNCERTAIN:
        break;
    }
    return STATUS_INTERNAL;
}

enum err_kind status_err_kind(int code)
{
    if (code >= 100 && code <= 399)
        return ERR_NONE;
    /* What nobody has defined must not become a bounce: it is tried again until it expires. */
    return status_is_permanent(code) ? ERR_PERMANENT : ERR_TEMPORARY;
}

int status_at(size_t i, const char **name_r, const char **text_r)
{
    if (i >= N_ELEMENTS(table))
        return 0;
    *name_r = table[i].name;
    *text_r = table[i].text;
    return (int)table[i].code;
}
