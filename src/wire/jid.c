/* SPDX-License-Identifier: MIT */
/*
 * JIDs, XEP-0106 escaping, and the map between JIDs at our component and IMIDs.
 *
 * Escaping is exactly XEP-0106 1.1.1: ten characters, and the backslash only where it begins one
 * of the ten sequences. That makes it reversible: unescape(escape(x)) = x for every x, and two
 * different x never give the same node. Addresses of other domains keep their "@" as "\40", which
 * no local part may hold, so the two kinds cannot be mixed up.
 */
#include "wire/jid.h"

#include "base/mem.h"
#include "base/prep.h"
#include "wire/imid.h"
#include "wire/status.h"

#include <stdlib.h>
#include <string.h>

#define JID_PART_MAX 1023  /* RFC 6122 §2: each of the three parts */

/* XEP-0106 §3: the characters, in the order of their code points. */
static const char specials[] = " \"&'/:<>@\\";

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_PROTOCOL, STATUS_PARAMETER, "not a JID: %s", what);
}

/* ---- the JID itself ---- */

int jid_parse(const char *s, struct jid *jid_r, struct err *err)
{
    const char *slash = strchr(s, '/');
    size_t bare = slash != NULL ? (size_t)(slash - s) : strlen(s);
    const char *at = memchr(s, '@', bare);
    char *node = at != NULL ? mem_strndup(s, (size_t)(at - s)) : NULL;
    size_t host_at = at != NULL ? (size_t)(at - s) + 1 : 0;
    char *host = mem_strndup(s + host_at, bare - host_at);
    int rc = -1;

    *jid_r = (struct jid){ .node = NULL };
    if (slash != NULL && (slash[1] == '\0' || strlen(slash + 1) > JID_PART_MAX ||
                          !str_is_utf8(slash + 1, strlen(slash + 1)))) {
        (void)bad(err, "the resource is empty, too long or not UTF-8");
        goto out;
    }
    if (node != NULL && prep_local(node, &jid_r->node, err) < 0) {
        (void)err_prefix(err, "not a JID");
        goto out;
    }
    if (node != NULL && (*jid_r->node == '\0' || strlen(jid_r->node) > JID_PART_MAX)) {
        (void)bad(err, "the node is empty or too long");
        goto out;
    }
    if (prep_domain(host, &jid_r->host, err) < 0) {
        (void)err_prefix(err, "not a JID");
        goto out;
    }
    if (jid_r->node == NULL)
        jid_r->node = mem_strdup("");
    jid_r->resource = mem_strdup(slash != NULL ? slash + 1 : "");
    rc = 0;
out:
    if (rc < 0)
        jid_clear(jid_r);
    free(node);
    free(host);
    return rc;
}

void jid_clear(struct jid *jid)
{
    free(jid->node);
    free(jid->host);
    free(jid->resource);
    *jid = (struct jid){ .node = NULL };
}

void jid_add_bare(struct str *out, const struct jid *jid)
{
    if (*jid->node != '\0') {
        str_add(out, jid->node);
        str_addc(out, '@');
    }
    str_add(out, jid->host);
}

/* ---- XEP-0106 ---- */

/* The character whose escape sequence stands at p, or 0. Lower-case hex only (§3). */
static char sequence_at(const char *p)
{
    static const char digits[] = "0123456789abcdef";
    const char *hi, *lo;
    char c;

    if (p[0] != '\\' || p[1] == '\0' || p[2] == '\0')
        return 0;
    hi = strchr(digits, p[1]);
    lo = strchr(digits, p[2]);
    if (hi == NULL || lo == NULL)
        return 0;
    c = (char)((hi - digits) * 16 + (lo - digits));
    return c != '\0' && strchr(specials, c) != NULL ? c : 0;
}

int jid_escape(struct str *out, const char *local, struct err *err)
{
    size_t len = strlen(local);

    if (len > 0 && (local[0] == ' ' || local[len - 1] == ' '))
        return bad(err, "a space at either end cannot be escaped");
    for (const char *p = local; *p != '\0'; p++) {
        bool escape = *p == '\\' ? sequence_at(p) != 0 : strchr(specials, *p) != NULL;

        if (escape)
            str_addf(out, "\\%02x", (unsigned)*p);
        else
            str_addc(out, *p);
    }
    return 0;
}

void jid_unescape(struct str *out, const char *node)
{
    for (const char *p = node; *p != '\0'; p++) {
        char c = sequence_at(p);

        /* XEP-0106 §3: \20 neither begins nor ends a node, so there it is only text. */
        if (c == 0 || (c == ' ' && (p == node || p[3] == '\0'))) {
            str_addc(out, *p);
            continue;
        }
        str_addc(out, c);
        p += 2;
    }
}

/* ---- the map ---- */

/* What XMPP servers make of the node must still be read as the text that was escaped. */
static bool survives_preparation(const char *node, const char *text)
{
    struct str back = STR_INIT;
    char *prepared;
    bool same;

    if (prep_local(node, &prepared, NULL) < 0)
        return false;
    jid_unescape(&back, prepared);
    same = strcmp(str_c(&back), text) == 0;
    str_clear(&back);
    free(prepared);
    return same;
}

/*
 * Local parts are prepared and imid.c sees to it that they stay so behind an escaped "/". A
 * folder is as somebody wrote it: it is folded here, since servers will fold the node anyway.
 */
static int escape_folder(struct str *node, char *text, struct err *err)
{
    char *plus = strchr(text, '+'), *folded;
    struct str whole = STR_INIT;
    int rc = -1;

    if (prep_fold(plus, &folded, err) < 0)
        return -1;
    str_addn(&whole, text, (size_t)(plus - text));
    str_add(&whole, folded);
    if (jid_escape(node, str_c(&whole), err) == 0)
        rc = survives_preparation(str_c(node), str_c(&whole))
                 ? 0
                 : bad(err, "XMPP would read the folder behind \"+\" differently");
    str_clear(&whole);
    free(folded);
    return rc;
}

int jid_from_address(struct str *out, const char *address, const char *domain,
                     const char *component, struct err *err)
{
    const char *its_domain = imid_domain_of(address);
    struct str node = STR_INIT;
    char *text;
    int rc;

    if (its_domain == address)
        return bad(err, "the address has no \"@\"");
    text = strcmp(its_domain, domain) == 0
               ? mem_strndup(address, (size_t)(its_domain - address) - 1)
               : mem_strdup(address);
    rc = strchr(text, '+') == NULL ? jid_escape(&node, text, err) : escape_folder(&node, text, err);
    free(text);
    if (rc == 0 && node.len > JID_PART_MAX)
        rc = bad(err, "longer than 1023 bytes when escaped");
    if (rc == 0) {
        str_addn(out, node.s, node.len);
        str_addc(out, '@');
        str_add(out, component);
    }
    str_clear(&node);
    return rc;
}

int jid_to_address(const char *node, const char *domain, char **address_r, struct err *err)
{
    struct str text = STR_INIT;
    struct imid id;
    size_t len = strlen(node);
    int rc;

    *address_r = NULL;
    if (str_starts(node, "\\20") || (len >= 3 && strcmp(node + len - 3, "\\20") == 0))
        return bad(err, "\\20 at either end");
    jid_unescape(&text, node);
    if (strchr(str_c(&text), '@') == NULL) {
        str_addc(&text, '@');
        str_add(&text, domain);
    }
    rc = imid_parse(str_c(&text), &id, err);
    str_clear(&text);
    if (rc < 0)
        return -1;
    if (*id.path != '\0' || id.action != IMID_ACTION_NONE) {
        imid_clear(&id);
        return bad(err, "more than an address in the node");
    }
    imid_add(&text, &id);
    imid_clear(&id);
    *address_r = str_take(&text);
    return 0;
}
