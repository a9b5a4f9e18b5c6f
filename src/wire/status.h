/* SPDX-License-Identifier: MIT */
/*
 * The status codes of IMMP (docs/immp.md, "Codes"), one table: number, name, default text.
 * No other file writes a number.
 */
#ifndef WIRE_STATUS_H
#define WIRE_STATUS_H

#include "base/err.h"

#include <stdbool.h>

enum status {
    STATUS_NONE = 0,
    STATUS_LOGON_TEXT = 100, STATUS_SERVER_INFO = 101,
    STATUS_OK = 200, STATUS_DELIVERED = 201, STATUS_QUEUED = 202, STATUS_PUSHED = 203,
    STATUS_UPGRADING = 204, STATUS_CLOSING = 205,
    STATUS_AUTHENTICATED = 210, STATUS_COOKIE_GOOD = 211,
    STATUS_SETTING = 220, STATUS_KEY = 230, STATUS_KEY_PEM = 231,
    STATUS_MAILBOX = 240, STATUS_JSON = 250, STATUS_MIME = 251, STATUS_INDEX_LINE = 252,
    STATUS_MAILBOX_CHANGED = 260,
    STATUS_AWAIT_DATA = 270, STATUS_AWAIT_CONTENT = 271, STATUS_PART_SAVED = 272,
    STATUS_CANCELLED = 273,
    STATUS_SUBSCRIBED = 280, STATUS_SUBSCRIPTION = 281, STATUS_SUBSCRIPTION_END = 282,
    STATUS_UNSUBSCRIBED = 283, STATUS_PUBLISHED = 284, STATUS_NODE_CREATED = 285,
    STATUS_NODE_DELETED = 286,
    STATUS_PUSH = 290, STATUS_NEW_MAIL = 291,
    STATUS_AUTH_COOKIE = 301, STATUS_AUTH_SECRET = 302, STATUS_AUTH_NONCES = 303,
    STATUS_AUTH_SASL = 304, STATUS_SUBSCRIBING = 380,
    STATUS_SYNTAX = 400, STATUS_UNKNOWN_COMMAND = 401, STATUS_PARAMETER = 402,
    STATUS_WRONG_PHASE = 403, STATUS_NOT_FOUND = 404, STATUS_UPGRADE_METHOD = 405,
    STATUS_LIMIT = 406,
    STATUS_AUTH_FAILED = 410, STATUS_COOKIE_REFUSED = 411, STATUS_TOO_MANY_ATTEMPTS = 412,
    STATUS_UNKNOWN_SETTING = 420, STATUS_BAD_SETTING = 421,
    STATUS_NO_ACCOUNT = 440, STATUS_BLACKLISTED = 441, STATUS_QUOTA = 442, STATUS_TOO_LARGE = 443,
    STATUS_NO_ROUTE = 444, STATUS_NOT_SECURE = 445, STATUS_NOT_YOU = 446,
    STATUS_BAD_BASE64 = 460, STATUS_BAD_LENGTH = 461, STATUS_NO_CONTENT = 462,
    STATUS_NO_MESSAGE = 463,
    STATUS_NO_NODE = 480, STATUS_NOT_ALLOWED = 481, STATUS_NO_SUBSCRIPTION = 483,
    STATUS_PUSH_REFUSED = 485,
    STATUS_INTERNAL = 700, STATUS_SHUTTING_DOWN = 701, STATUS_STORAGE = 702,
    STATUS_OVERLOADED = 703, STATUS_TIMEOUT = 704, STATUS_PEER_UNREACHABLE = 706,
    STATUS_PROTOCOL = 750,
};

/* The default text of a status; "unknown status" for a number that is not in the table. */
const char *status_text(enum status code);
bool status_is_known(int code);

/* 2xx? 4xx or 75x, so that asking again is useless? 70x to 74x, so that it is not? */
bool status_is_success(int code);
bool status_is_permanent(int code);
bool status_is_temporary(int code);

/* What an err says on the wire: its status, or by its kind where it has none. Never STATUS_NONE. */
enum status status_of_err(const struct err *err);

/* The kind of failure that a status from a peer is: PERMANENT or TEMPORARY; NONE for 1xx to 3xx. */
enum err_kind status_err_kind(int code);

/* Table walk for docs and tests: the i-th code and its name; 0 past the end. */
int status_at(size_t i, const char **name_r, const char **text_r);

#endif
