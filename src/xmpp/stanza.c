/* SPDX-License-Identifier: MIT */
/*
 * From reader events to a tree, and from an answer to text.
 *
 * A stream lives on whatever a remote entity sends: what is well-formed but too deep, or has too
 * many attributes or elements, only spoils its own stanza. The tree stops growing, the stanza is
 * delivered with `excess` set, and its sender gets an error. (Closing the stream would let anybody
 * out there cut our link at will. Bytes without end, and what no server may forward, still close it.)
 *
 * Text comes from expat in pieces, one a line; it is gathered and becomes one node.
 */
#include "xmpp/stanza.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/status.h"

struct stanza_builder {
    xmpp_ctx_t *ctx;
    xmpp_mem_t mem;
    xmpp_log_t log;
    xmpp_stanza_t *open[STANZA_DEPTH_MAX + 1];  /* by depth; 0 is not used */
    struct str gathered;  /* text that has not become a node yet */
    struct str text;      /* struct stanza.text */
    size_t n_elements;
    bool keeps_text;      /* the first payload is of NS_IMMP */
    struct stanza st;
};

/* ---- libstrophe's context: our memory, and no log of whole stanzas ---- */

static void *ctx_alloc(size_t size, void *userdata)
{
    (void)userdata;
    return mem_alloc(size);
}

static void ctx_free(void *p, void *userdata)
{
    (void)userdata;
    free(p);
}

static void *ctx_realloc(void *p, size_t size, void *userdata)
{
    (void)userdata;
    return mem_realloc(p, size);
}

static void ctx_log(void *userdata, xmpp_log_level_t level, const char *area, const char *msg)
{
    (void)userdata;
    (void)level;
    (void)area;
    (void)msg;
}

struct stanza_builder *stanza_builder_create(void)
{
    struct stanza_builder *b = mem_zalloc(sizeof(*b));

    b->mem = (xmpp_mem_t){ ctx_alloc, ctx_free, ctx_realloc, NULL };
    b->log = (xmpp_log_t){ ctx_log, NULL };
    b->ctx = xmpp_ctx_new(&b->mem, &b->log);
    return b;
}

static void drop_tree(struct stanza_builder *b)
{
    if (b->st.dom != NULL)
        xmpp_stanza_release(b->st.dom);
    b->st = (struct stanza){ 0 };
}

void stanza_builder_destroy(struct stanza_builder **bp)
{
    struct stanza_builder *b = *bp;

    if (b == NULL)
        return;
    drop_tree(b);
    str_clear(&b->gathered);
    str_clear(&b->text);
    xmpp_ctx_free(b->ctx);
    free(b);
    *bp = NULL;
}

/* ---- reading ---- */

static void begin(struct stanza_builder *b)
{
    drop_tree(b);
    str_truncate(&b->gathered, 0);
    str_truncate(&b->text, 0);
    b->n_elements = 0;
    b->keeps_text = false;
}

static void flush_text(struct stanza_builder *b, size_t depth)
{
    xmpp_stanza_t *node;

    if (b->gathered.len == 0)
        return;
    node = xmpp_stanza_new(b->ctx);
    xmpp_stanza_set_text_with_size(node, b->gathered.s, b->gathered.len);
    xmpp_stanza_add_child_ex(b->open[depth], node, 0);
    str_truncate(&b->gathered, 0);
}

static void set_attrs(xmpp_stanza_t *el, const struct xml_attr *attrs, size_t n)
{
    struct str key = STR_INIT;

    for (size_t i = 0; i < n; i++) {
        if (attrs[i].prefix == NULL) {
            xmpp_stanza_set_attribute(el, attrs[i].name, attrs[i].value);
            continue;
        }
        str_truncate(&key, 0);
        str_add(&key, attrs[i].prefix);
        str_addc(&key, ':');
        str_add(&key, attrs[i].name);
        xmpp_stanza_set_attribute(el, key.s, attrs[i].value);
    }
    str_clear(&key);
}

/* What an answer needs, of a stanza whose attributes are too many to keep. */
static void set_address(xmpp_stanza_t *el, const struct xml_attr *attrs, size_t n)
{
    static const char *const names[] = { "type", "id", "from", "to" };

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < N_ELEMENTS(names) && attrs[i].prefix == NULL; k++)
            if (strcmp(attrs[i].name, names[k]) == 0)
                xmpp_stanza_set_attribute(el, names[k], attrs[i].value);
}

static const char *excess_of(const struct stanza_builder *b, size_t depth, size_t n)
{
    if (depth > STANZA_DEPTH_MAX)
        return "elements nested too deep";
    if (n > STANZA_ATTRS_MAX)
        return "too many attributes";
    if (b->n_elements >= STANZA_ELEMENTS_MAX)
        return "too many elements";
    return NULL;
}

void stanza_builder_start(struct stanza_builder *b, size_t depth, const char *ns, const char *name,
                          const struct xml_attr *attrs, size_t n)
{
    xmpp_stanza_t *el;

    if (depth == 1)
        begin(b);
    if (b->st.excess != NULL)
        return;
    b->st.excess = excess_of(b, depth, n);
    /* The stanza's own element is always kept: its sender must get an answer. */
    if (b->st.excess != NULL && depth > 1)
        return;
    if (depth > 1)
        flush_text(b, depth - 1);
    b->n_elements++;
    el = xmpp_stanza_new(b->ctx);
    xmpp_stanza_set_name(el, name);
    if (b->st.excess == NULL)
        set_attrs(el, attrs, n);
    else
        set_address(el, attrs, n);
    if (ns != NULL && *ns != '\0')
        xmpp_stanza_set_ns(el, ns);
    b->open[depth] = el;
    if (depth == 1) {
        b->st.dom = el;
        return;
    }
    xmpp_stanza_add_child_ex(b->open[depth - 1], el, 0);
    if (depth == 2 && b->st.n_payloads++ == 0) {
        b->st.payload = el;
        b->keeps_text = ns != NULL && strcmp(ns, NS_IMMP) == 0;
    }
}

void stanza_builder_text(struct stanza_builder *b, size_t depth, const char *s, size_t n)
{
    if (b->st.excess != NULL)
        return;
    if (depth == 2 && b->keeps_text && b->st.n_payloads == 1)
        str_addn(&b->text, s, n);
    else
        str_addn(&b->gathered, s, n);
}

const struct stanza *stanza_builder_end(struct stanza_builder *b, size_t depth, const char *raw,
                                        size_t raw_len)
{
    struct stanza *st = &b->st;

    if (st->excess == NULL)
        flush_text(b, depth);
    if (depth != 1)
        return NULL;
    st->kind = xmpp_stanza_get_name(st->dom);
    st->ns = xmpp_stanza_get_ns(st->dom);
    st->type = stanza_attr(st->dom, "type");
    st->id = stanza_attr(st->dom, "id");
    st->from = stanza_attr(st->dom, "from");
    st->to = stanza_attr(st->dom, "to");
    st->text = str_c(&b->text);
    st->text_len = b->text.len;
    st->raw = raw;
    st->raw_len = raw_len;
    return st;
}

/* ---- looking ---- */

const char *stanza_attr(xmpp_stanza_t *el, const char *name)
{
    return el != NULL ? xmpp_stanza_get_attribute(el, name) : NULL;
}

bool stanza_is(xmpp_stanza_t *el, const char *ns, const char *name)
{
    const char *s;

    return el != NULL && (s = xmpp_stanza_get_name(el)) != NULL && strcmp(s, name) == 0 &&
           (s = xmpp_stanza_get_ns(el)) != NULL && strcmp(s, ns) == 0;
}

static xmpp_stanza_t *first_named(xmpp_stanza_t *el, const char *ns, const char *name)
{
    while (el != NULL && !stanza_is(el, ns, name))
        el = xmpp_stanza_get_next(el);
    return el;
}

xmpp_stanza_t *stanza_child(xmpp_stanza_t *el, const char *ns, const char *name)
{
    return el != NULL ? first_named(xmpp_stanza_get_children(el), ns, name) : NULL;
}

xmpp_stanza_t *stanza_next(xmpp_stanza_t *el, const char *ns, const char *name)
{
    return first_named(xmpp_stanza_get_next(el), ns, name);
}

const char *stanza_text(xmpp_stanza_t *el)
{
    const char *s = NULL;

    for (el = el != NULL ? xmpp_stanza_get_children(el) : NULL; el != NULL && s == NULL;
         el = xmpp_stanza_get_next(el))
        if (xmpp_stanza_is_text(el))
            s = xmpp_stanza_get_text_ptr(el);
    return s != NULL ? s : "";
}

/* ---- writing ---- */

void stanza_add_attr(struct str *out, const char *name, const char *value)
{
    str_addc(out, ' ');
    str_add(out, name);
    str_add(out, "='");
    /* A reader turns bare white space in an attribute into spaces (XML 1.0 §3.3.3). */
    while (*value != '\0') {
        size_t n = strcspn(value, "\t\n\r");

        str_addn_xml(out, value, n);
        value += n;
        if (*value != '\0')
            str_addf(out, "&#%d;", *value++);
    }
    str_addc(out, '\'');
}

void stanza_add_head(struct str *out, const struct stanza_head *h)
{
    str_addc(out, '<');
    str_add(out, h->kind);
    if (h->type != NULL)
        stanza_add_attr(out, "type", h->type);
    stanza_add_attr(out, "from", h->from);
    stanza_add_attr(out, "to", h->to);
    if (h->id != NULL)
        stanza_add_attr(out, "id", h->id);
    str_addc(out, '>');
}

/* Bytes of the character at s if XML 1.0 can carry it (§2.2), else 0. */
static size_t xml_char(const char *s, size_t left)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (n == 1)
        return c >= 0x20 || c == '\t' || c == '\n' || c == '\r' ? 1 : 0;
    if (n > left || !str_is_utf8(s, n))
        return 0;
    if (n == 3 && memcmp(s, "\xef\xbf", 2) == 0 && (unsigned char)s[2] >= 0xbe)
        return 0;  /* U+FFFE, U+FFFF */
    return n;
}

void stanza_add_text(struct str *out, const char *s)
{
    size_t left = strlen(s);

    while (left > 0) {
        size_t n = xml_char(s, left);

        if (n > 0)
            str_addn_xml(out, s, n);
        else
            str_addc(out, '?');
        s += n > 0 ? n : 1;
        left -= n > 0 ? n : 1;
    }
}

/* ---- errors ---- */

/* The first line that fits; kind ERR_NONE and status STATUS_NONE fit anything. */
static const struct {
    enum err_kind kind;
    enum status status;
    const char *type;
    const char *condition;
} conditions[] = {
    { ERR_NONE,      STATUS_UNKNOWN_COMMAND,  "cancel", "service-unavailable"   },
    { ERR_NONE,      STATUS_NO_ACCOUNT,       "cancel", "item-not-found"        },
    { ERR_NONE,      STATUS_NOT_FOUND,        "cancel", "item-not-found"        },
    { ERR_NONE,      STATUS_NO_NODE,          "cancel", "item-not-found"        },
    { ERR_NONE,      STATUS_COOKIE_REFUSED,   "cancel", "item-not-found"        },
    { ERR_NONE,      STATUS_NOT_ALLOWED,      "cancel", "not-allowed"           },
    { ERR_NONE,      STATUS_AUTH_FAILED,      "auth",   "not-authorized"        },
    { ERR_NONE,      STATUS_LIMIT,            "modify", "policy-violation"      },
    { ERR_NONE,      STATUS_TOO_LARGE,        "modify", "policy-violation"      },
    { ERR_NONE,      STATUS_OVERLOADED,       "wait",   "resource-constraint"   },
    { ERR_NONE,      STATUS_QUOTA,            "wait",   "resource-constraint"   },
    { ERR_NONE,      STATUS_TIMEOUT,          "wait",   "remote-server-timeout" },
    { ERR_NONE,      STATUS_PEER_UNREACHABLE, "wait",   "remote-server-timeout" },
    { ERR_PROTOCOL,  STATUS_NONE,             "modify", "bad-request"           },
    { ERR_DENIED,    STATUS_NONE,             "auth",   "forbidden"             },
    { ERR_PERMANENT, STATUS_NONE,             "cancel", "not-acceptable"        },
    { ERR_NONE,      STATUS_NONE,             "wait",   "internal-server-error" },
};

void stanza_add_error(struct str *out, const struct err *err)
{
    size_t i = 0;

    while ((conditions[i].kind != ERR_NONE && conditions[i].kind != err->kind) ||
           (conditions[i].status != STATUS_NONE && (int)conditions[i].status != err->status))
        i++;
    str_addf(out, "<error type='%s'><%s xmlns='" NS_STANZAS "'/>", conditions[i].type,
             conditions[i].condition);
    if (err->text[0] != '\0') {
        str_add(out, "<text xmlns='" NS_STANZAS "' xml:lang='en'>");
        stanza_add_text(out, err->text);
        str_add(out, "</text>");
    }
    str_add(out, "</error>");
}

int stanza_read_error(const struct stanza *st, struct err *err)
{
    xmpp_stanza_t *error = stanza_child(st->dom, NS_COMPONENT, "error");
    const char *condition = "an error without a condition", *text = "", *s;
    xmpp_stanza_t *el = error != NULL ? xmpp_stanza_get_children(error) : NULL;

    for (; el != NULL; el = xmpp_stanza_get_next(el)) {
        if ((s = xmpp_stanza_get_ns(el)) == NULL || strcmp(s, NS_STANZAS) != 0)
            continue;
        if (stanza_is(el, NS_STANZAS, "text"))
            text = stanza_text(el);
        else
            condition = xmpp_stanza_get_name(el);
    }
    return err_set(err, ERR_TEMPORARY, STATUS_PEER_UNREACHABLE, "%.100s answered %.40s%s%.80s",
                   st->from != NULL ? st->from : "the server", condition,
                   text[0] != '\0' ? ": " : "", text);
}
