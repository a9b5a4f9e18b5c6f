/* SPDX-License-Identifier: MIT */
/*
 * IMIDs. Everything that compares, routes or stores an address works on the prepared fields that
 * imid_parse() gives, so preparation happens here and nowhere else.
 *
 * Invariant: what was parsed can be written by imid_add() and parsed again to the same fields.
 * Hence the checks after preparation: nodeprep maps full-width characters to their ASCII ones, so
 * "+", "#" and "." can turn up where the text had none. Percent-encoding exists in URIs only (a
 * scheme stands in front), and what it hides may not be a separator.
 */
#include "wire/imid.h"

#include "base/mem.h"
#include "base/prep.h"
#include "wire/folder.h"
#include "wire/status.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const actions[] = {
    [IMID_ACTION_NONE] = "",
    [IMID_ACTION_SUBSCRIBE] = "subscribe",
    [IMID_ACTION_MESSAGE] = "message",
    [IMID_ACTION_PUSH] = "push",
};

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "not an IMID: %s", what);
}

/* Cut s at the first c: the part behind it, or NULL if there is none. */
static char *cut_at(char *s, char c)
{
    char *at = strchr(s, c);

    if (at == NULL)
        return NULL;
    *at = '\0';
    return at + 1;
}

/* ---- the scheme and what comes with it ---- */

static int percent_decode(char *s, const char *forbidden, struct err *err)
{
    char *out = s;

    for (; *s != '\0'; s++) {
        uint8_t byte;

        if (*s != '%') {
            *out++ = *s;
            continue;
        }
        if (s[1] == '\0' || str_from_hex(s + 1, 2, &byte, 1) < 0)
            return bad(err, "\"%\" without two hex digits");
        if (byte < 0x20 || byte == 0x7f || strchr(forbidden, byte) != NULL)
            return bad(err, "a separator or a control is percent-encoded");
        *out++ = (char)byte;
        s += 2;
    }
    *out = '\0';
    return 0;
}

/* Behind the scheme, or s itself. "impp:" is how the draft writes it once. */
static char *skip_scheme(char *s)
{
    static const char *const schemes[] = { "imid:", "immp:", "impp:" };

    for (size_t i = 0; i < N_ELEMENTS(schemes); i++) {
        if (strncasecmp(s, schemes[i], 5) == 0)
            return s + (s[5] == '/' && s[6] == '/' ? 7 : 5);
    }
    return s;
}

/* ---- the fields ---- */

/*
 * Nodeprep composes characters and is not everywhere stable. A segment must stay what it is when
 * it is prepared once more, also behind the "f" that ends an escaped "/" (XEP-0106) in its JID.
 */
static bool is_stable(const char *ready)
{
    struct str text = STR_INIT;
    char *again = NULL;
    bool same = true;

    for (const char *p = ready; same && *p != '\0'; p++)
        same = (unsigned char)*p < 0x80;
    if (same)
        return true;
    str_addc(&text, 'f');
    str_add(&text, ready);
    same = prep_local(str_c(&text), &again, NULL) == 0 && strcmp(again, str_c(&text)) == 0;
    free(again);
    str_clear(&text);
    return same;
}

static int prepare_segment(const char *segment, struct str *out, struct err *err)
{
    char *ready;

    if (*segment == '\0')
        return bad(err, "an empty segment in the local part");
    if (prep_local(segment, &ready, err) < 0)
        return err_prefix(err, "not an IMID");
    if (*ready == '\0' || strcmp(ready, ".") == 0 || strcmp(ready, "..") == 0 ||
        strpbrk(ready, "\"&'/:<>@#+ ") != NULL || !is_stable(ready)) {
        free(ready);
        return bad(err, "a segment of the local part holds what none may hold");
    }
    if (out->len > 0)
        str_addc(out, '/');
    str_add(out, ready);
    free(ready);
    return 0;
}

static int prepare_local(char *local, struct str *out, struct err *err)
{
    while (local != NULL) {
        char *next = cut_at(local, '/');

        if (prepare_segment(local, out, err) < 0)
            return -1;
        local = next;
    }
    return 0;
}

static int check_plus_folder(const char *folder, struct err *err)
{
    if (folder_path_check(folder, err) < 0)
        return err_prefix(err, "not an IMID: the folder after \"+\"");
    if (strpbrk(folder, "@?") != NULL)
        return bad(err, "\"@\" or \"?\" in the folder after \"+\"");
    /* XEP-0106 cannot escape a space at the end of a node. */
    if (folder[0] == ' ' || folder[strlen(folder) - 1] == ' ')
        return bad(err, "a space at the end of the folder after \"+\"");
    return 0;
}

static int read_address(char *local, const char *domain, struct imid *id, struct err *err)
{
    struct str ready = STR_INIT;
    char *folder = cut_at(local, '+');

    if (folder != NULL && check_plus_folder(folder, err) < 0)
        return -1;
    if (prepare_local(local, &ready, err) < 0) {
        str_clear(&ready);
        return -1;
    }
    id->local = str_take(&ready);
    id->folder = mem_strdup(folder != NULL ? folder : "");
    if (prep_domain(domain, &id->domain, err) < 0)
        return err_prefix(err, "not an IMID");
    return 0;
}

static int read_path(const char *path, const char *msgid, struct imid *id, struct err *err)
{
    if (path != NULL && folder_path_check(path, err) < 0)
        return err_prefix(err, "not an IMID");
    if (path != NULL && *path == '\0')
        return bad(err, "an empty path");
    if (path != NULL && strchr(path, '?') != NULL)
        return bad(err, "\"?\" in the path");
    if (msgid != NULL && (path == NULL || uuid_parse(msgid, id->msgid) < 0))
        return bad(err, "what follows \"#\" is no message id, or no path precedes it");
    id->path = mem_strdup(path != NULL ? path : "");
    return 0;
}

static int read_action(const char *action, struct imid *id, struct err *err)
{
    if (action == NULL)
        return 0;
    for (size_t i = IMID_ACTION_SUBSCRIBE; i < N_ELEMENTS(actions); i++) {
        if (str_ieq(action, actions[i])) {
            id->action = (enum imid_action)i;
            return 0;
        }
    }
    return bad(err, "the action is none of ?subscribe, ?message, ?push");
}

/* s is cut in place: address [ "/" path [ "#" msgid ] ] [ "?" action ] */
static int read_fields(char *s, bool is_uri, struct imid *id, struct err *err)
{
    char *domain = cut_at(s, '@');
    char *action, *msgid, *path;

    if (domain == NULL)
        return bad(err, "there is no \"@\"");
    action = cut_at(domain, '?');
    msgid = cut_at(domain, '#');
    path = cut_at(domain, '/');
    if (is_uri && (percent_decode(s, "@+#", err) < 0 || percent_decode(domain, "/@?#", err) < 0 ||
                   (path != NULL && percent_decode(path, "/?#", err) < 0)))
        return -1;
    if (is_uri && (!str_is_utf8(s, strlen(s)) || !str_is_utf8(domain, strlen(domain))))
        return bad(err, "percent-encoding of what is not UTF-8");
    if (read_address(s, domain, id, err) < 0 || read_path(path, msgid, id, err) < 0)
        return -1;
    return read_action(action, id, err);
}

static int check_length(const struct imid *id, struct err *err)
{
    struct str whole = STR_INIT;
    size_t len;

    imid_add(&whole, id);
    len = whole.len;
    str_clear(&whole);
    return len <= IMID_MAX_BYTES ? 0 : bad(err, "longer than 1023 bytes when prepared");
}

int imid_parse(const char *s, struct imid *id_r, struct err *err)
{
    char *copy, *p;
    int rc;

    *id_r = (struct imid){ .local = NULL };
    if (strlen(s) > IMID_MAX_BYTES)
        return bad(err, "longer than 1023 bytes");
    if (!str_is_utf8(s, strlen(s)))
        return bad(err, "not valid UTF-8");
    copy = mem_strdup(s);
    p = skip_scheme(copy);
    rc = read_fields(p, p != copy, id_r, err);
    if (rc == 0)
        rc = check_length(id_r, err);
    if (rc < 0)
        imid_clear(id_r);
    free(copy);
    return rc;
}

void imid_clear(struct imid *id)
{
    free(id->local);
    free(id->folder);
    free(id->domain);
    free(id->path);
    *id = (struct imid){ .local = NULL };
}

/* ---- writing ---- */

void imid_add_address(struct str *out, const struct imid *id)
{
    str_add(out, id->local);
    str_addc(out, '@');
    str_add(out, id->domain);
}

void imid_add(struct str *out, const struct imid *id)
{
    str_add(out, id->local);
    if (*id->folder != '\0') {
        str_addc(out, '+');
        str_add(out, id->folder);
    }
    str_addc(out, '@');
    str_add(out, id->domain);
    if (*id->path != '\0') {
        str_addc(out, '/');
        str_add(out, id->path);
    }
    if (*id->msgid != '\0') {
        str_addc(out, '#');
        str_add(out, id->msgid);
    }
    if (id->action != IMID_ACTION_NONE) {
        str_addc(out, '?');
        str_add(out, actions[id->action]);
    }
}

/* ---- addresses ---- */

int imid_address(const char *s, char **address_r, struct err *err)
{
    struct str out = STR_INIT;
    struct imid id;

    *address_r = NULL;
    if (imid_parse(s, &id, err) < 0)
        return -1;
    if (*id.path != '\0' || id.action != IMID_ACTION_NONE) {
        imid_clear(&id);
        return bad(err, "only a plain address can stand here, without path and action");
    }
    imid_add_address(&out, &id);
    imid_clear(&id);
    *address_r = str_take(&out);
    return 0;
}

const char *imid_domain_of(const char *address)
{
    const char *at = strrchr(address, '@');

    return at == NULL ? address : at + 1;
}

bool imid_is_within(const char *child, const char *parent)
{
    size_t local = strcspn(parent, "@");

    if (strncmp(child, parent, local) != 0 || (child[local] != '/' && child[local] != '@'))
        return false;
    return strchr(child, '@') != NULL && parent[local] == '@' &&
           strcmp(imid_domain_of(child), parent + local + 1) == 0;
}

int imid_path_to_node(struct imid *id, struct err *err)
{
    struct str node = STR_INIT;
    char *path;
    int rc;

    if (*id->path == '\0')
        return 0;
    if (*id->msgid != '\0')
        return bad(err, "a node has no message id");
    str_add(&node, id->local);
    path = mem_strdup(id->path);
    rc = prepare_local(path, &node, err);
    free(path);
    if (rc == 0 && node.len + 1 + strlen(id->domain) > IMID_MAX_BYTES)
        rc = bad(err, "longer than 1023 bytes");
    if (rc == 0) {
        free(id->local);
        id->local = str_take(&node);
        *id->path = '\0';
    }
    str_clear(&node);
    return rc;
}
