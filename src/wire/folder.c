/* SPDX-License-Identifier: MIT */
/*
 * The folder argument of MBOX and its selectors. The path is kept as it was written, because
 * replies repeat the client's spelling; what it names is decided by the store's folding.
 *
 * Path and selector are told apart by characters that no folder name may hold (":" and "#"), so
 * the first of them ends the path, whatever the selector behind it contains.
 */
#include "wire/folder.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/prep.h"
#include "base/str.h"
#include "wire/imid.h"
#include "wire/status.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 16

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "%s", what);
}

/* ---- names ---- */

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

        /* C1 controls are U+0080 to U+009F: C2 80 to C2 9F. */
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next <= 0x9f))
            return true;
    }
    return false;
}

static bool is_good_segment(const char *s, size_t n)
{
    return n > 0 && !(n == 1 && s[0] == '.') && !(n == 2 && s[0] == '.' && s[1] == '.');
}

int folder_path_check(const char *path, struct err *err)
{
    size_t segments = 0;

    if (strlen(path) > FOLDER_PATH_MAX)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "a folder's name is longer than %d bytes", FOLDER_PATH_MAX);
    if (!str_is_utf8(path, strlen(path)) || has_control(path) || strpbrk(path, ":#\",") != NULL)
        return bad(err, "a folder's name holds a control or one of : # \" ,");
    for (const char *p = path;; p++) {
        size_t n = strcspn(p, "/");

        if (!is_good_segment(p, n))
            return bad(err, "a folder's name has a segment that is empty, \".\" or \"..\"");
        if (++segments > SEGMENTS_MAX)
            return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                           "a folder is more than %d levels deep", SEGMENTS_MAX);
        p += n;
        if (*p == '\0')
            return 0;
    }
}

/* ---- selectors ---- */

static int read_flag(const char *item, struct selector *sel)
{
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {
        { "*", 0 },
        { "unread", SELECT_UNREAD },
        { "read", SELECT_READ },
        { "important", SELECT_IMPORTANT },
        { "flagged", SELECT_FLAGGED },
    };

    for (size_t i = 0; i < N_ELEMENTS(flags); i++) {
        if (str_ieq(item, flags[i].name)) {
            sel->flags |= flags[i].flag;
            return 0;
        }
    }
    return -1;
}

static int read_from(const char *value, struct selector *sel, struct err *err)
{
    if (sel->from != NULL)
        return bad(err, "from= is given twice");
    /* A whole address is compared in its prepared form; a part of one can only be folded. */
    if (imid_address(value, &sel->from, NULL) == 0)
        return 0;
    return prep_fold(value, &sel->from, err);
}

static int read_text(const char *value, struct selector *sel)
{
    struct str both = STR_INIT;

    if (sel->text != NULL) {
        str_add(&both, sel->text);
        str_addc(&both, ' ');
        free(sel->text);
    }
    str_add(&both, value);
    sel->text = str_take(&both);
    return 0;
}

static int read_date(const char *value, bool is_since, struct selector *sel, struct err *err)
{
    int64_t at_ms;

    if (clock_parse_rfc3339(value, &at_ms) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER,
                       "not a date: \"%.40s\" (2026-11-24 or 2026-11-24T03:21:48Z)", value);
    if (is_since)
        sel->since_ms = MAX(sel->since_ms, at_ms);
    else
        sel->before_ms = MIN(sel->before_ms, at_ms);
    return 0;
}

static int read_item(char *item, struct selector *sel, struct err *err)
{
    char *value;

    if (read_flag(item, sel) == 0)
        return 0;
    value = strchr(item, '=');
    if (value == NULL)
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "unknown selector \"%.40s\"", item);
    *value++ = '\0';
    if (*value == '\0')
        return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "nothing after %.40s=", item);
    if (str_ieq(item, "from"))
        return read_from(value, sel, err);
    if (str_ieq(item, "text"))
        return read_text(value, sel);
    if (str_ieq(item, "since"))
        return read_date(value, true, sel, err);
    if (str_ieq(item, "before"))
        return read_date(value, false, sel, err);
    return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "unknown selector \"%.40s=\"", item);
}

static int read_selector(char *s, struct selector *sel, struct err *err)
{
    if (*s == ':')
        s++;
    for (;;) {
        char *comma = strchr(s, ',');

        if (comma != NULL)
            *comma = '\0';
        if (read_item(s, sel, err) < 0)
            return -1;
        if (comma == NULL)
            return 0;
        s = comma + 1;
    }
}

/* ---- the argument ---- */

/* Where the path begins, its slash left out; the owner before it is taken. NULL: err. */
static char *read_owner(char *s, struct folder_arg *arg, struct err *err)
{
    char *at, *slash;

    /* ":inbox/Lists" is the draft's spelling. */
    if (*s == '/' || *s == ':')
        return s + 1;
    at = strchr(s, '@');
    slash = at != NULL ? strchr(at, '/') : NULL;
    if (slash == NULL) {
        (void)bad(err, "a folder is [owner@domain]/path[:selector|#uuid]");
        return NULL;
    }
    *slash = '\0';
    return imid_address(s, &arg->owner, err) < 0 ? NULL : slash + 1;
}

static int read_argument(char *s, struct folder_arg *arg, struct err *err)
{
    char *path = read_owner(s, arg, err);
    char *mark, kind;

    if (path == NULL)
        return -1;
    mark = path + strcspn(path, ":#");
    kind = *mark;
    *mark = '\0';
    if (*path != '\0' && folder_path_check(path, err) < 0)
        return -1;
    arg->path = mem_strdup(path);
    if (kind == ':') {
        arg->has_selector = true;
        return read_selector(mark + 1, &arg->select, err);
    }
    if (kind == '#' && *path == '\0')
        return bad(err, "a message is named by its folder too: /inbox#uuid");
    if (kind == '#' && uuid_parse(mark + 1, arg->uuid) < 0)
        return bad(err, "what follows \"#\" is not a message id (a UUID)");
    return 0;
}

int folder_arg_parse(const char *s, struct folder_arg *arg_r, struct err *err)
{
    char *copy;
    int rc;

    *arg_r = (struct folder_arg){ .select = { .since_ms = INT64_MIN, .before_ms = INT64_MAX } };
    if (!str_is_utf8(s, strlen(s)))
        return bad(err, "the folder is not valid UTF-8");
    copy = mem_strdup(s);
    rc = read_argument(copy, arg_r, err);
    free(copy);
    if (rc < 0)
        folder_arg_clear(arg_r);
    return rc;
}

void folder_arg_clear(struct folder_arg *arg)
{
    free(arg->owner);
    free(arg->path);
    free(arg->select.from);
    free(arg->select.text);
    *arg = (struct folder_arg){ .owner = NULL };
}
