/* SPDX-License-Identifier: MIT */
/*
 * The configuration: tables of keys for libconfuse, then one function per section that checks what
 * it read and copies it into our structs. Faults are collected, not stopped at, so that one run of
 * `immpd -t` shows them all; each has the line of the section or key that it is about.
 */
#include "config.h"

#include "daemon/settings.h"

#include "base/mem.h"
#include "base/prep.h"
#include "base/secret.h"
#include "wire/imid.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <confuse.h>

#define STANZA_MIN 10000   /* RFC 6120 §13.12: what every server takes */
#define STANZA_MAX 262144

static cfg_opt_t listen_keys[] = {
    CFG_STR("address", "::", CFGF_NONE),
    CFG_INT("port", 1025, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t store_keys[] = {
    CFG_STR("url", "sqlite:immp.db", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t log_keys[] = {
    CFG_STR("target", "stderr", CFGF_NONE),
    CFG_STR("level", "info", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t metrics_keys[] = {
    CFG_STR("address", "127.0.0.1", CFGF_NONE),
    CFG_INT("port", 0, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t component_keys[] = {
    CFG_STR("jid", NULL, CFGF_NONE),
    CFG_STR("server", "127.0.0.1", CFGF_NONE),
    CFG_INT("port", 5347, CFGF_NONE),
    CFG_STR("secret-file", NULL, CFGF_NONE),
    CFG_STR("secret", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t tls_keys[] = {
    CFG_STR("certificate", NULL, CFGF_NONE),
    CFG_STR("key", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t seal_keys[] = {
    CFG_STR("certificate", NULL, CFGF_NONE),
    CFG_STR("key", NULL, CFGF_NONE),
    CFG_STR("trust", "tofu", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t pubsub_keys[] = {
    CFG_BOOL("auto-create", cfg_true, CFGF_NONE),
    CFG_STR("service", "", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t limits_keys[] = {
    CFG_STR("message", "50M", CFGF_NONE),
    CFG_STR("quota", "1G", CFGF_NONE),
    CFG_INT("stanza", 65536, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t retry_keys[] = {
    CFG_STR("schedule", "5m 15m 30m 1h 2h 4h 8h", CFGF_NONE),
    CFG_STR("expire", "5d", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t route_keys[] = {
    CFG_STR("via", NULL, CFGF_NONE),
    CFG_STR("to", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t mailbox_keys[] = {
    CFG_STR("endpoint", "", CFGF_NONE),
    CFG_END(),
};
/* libconfuse wants a default that it could write to. */
static char no_admins[] = "{}";

static cfg_opt_t domain_keys[] = {
    CFG_SEC("component", component_keys, CFGF_NONE),
    CFG_SEC("tls", tls_keys, CFGF_NONE),
    CFG_SEC("seal", seal_keys, CFGF_NONE),
    CFG_STR_LIST("admins", no_admins, CFGF_NONE),
    CFG_STR("register", "local", CFGF_NONE),
    CFG_SEC("pubsub", pubsub_keys, CFGF_NONE),
    CFG_SEC("limits", limits_keys, CFGF_NONE),
    CFG_SEC("retry", retry_keys, CFGF_NONE),
    CFG_SEC("route", route_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("mailbox", mailbox_keys, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t auth_keys[] = {
    CFG_BOOL("sha1", cfg_true, CFGF_NONE),
    CFG_END(),
};
/*
 * libconfuse takes the end of the file for the end of any section. The text is read with this key
 * behind its last line: where a section was not closed, it stands in the wrong place.
 */
#define END_KEY "end-of-file"

static cfg_opt_t top_keys[] = {
    CFG_STR("data-dir", "/var/lib/immpd", CFGF_NONE),
    CFG_STR("user", IMMPD_USER, CFGF_NONE),
    CFG_SEC("listen", listen_keys, CFGF_MULTI),
    CFG_SEC("store", store_keys, CFGF_NONE),
    CFG_SEC("log", log_keys, CFGF_NONE),
    CFG_SEC("metrics", metrics_keys, CFGF_NODEFAULT),
    CFG_SEC("auth", auth_keys, CFGF_NONE),
    CFG_SEC("domain", domain_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_BOOL(END_KEY, cfg_false, CFGF_NONE),
    CFG_END(),
};

/* ---- faults ---------------------------------------------------------------------------- */

struct reading {
    struct str *faults;
    const char *path;
    char *folder;      /* of the file: relative names are below it */
    size_t n_faults;
};

/* libconfuse reports through a function without a context; one file is read at a time. */
static struct reading *now_reading;

/* A fault is one line whatever the file holds: "\n" in a string of it is a line end. */
static void add_printable(struct str *out, const char *s)
{
    bool is_utf8 = str_is_utf8(s, strlen(s));

    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
            str_addf(out, "\\x%02x", c);
        else
            str_addc(out, *s);
    }
}

static void fault(cfg_t *at, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fault(cfg_t *at, const char *fmt, ...)
{
    struct str text = STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    str_addf(now_reading->faults, "%s:%d: ", now_reading->path, at->line);
    add_printable(now_reading->faults, str_c(&text));
    str_addc(now_reading->faults, '\n');
    str_clear(&text);
    now_reading->n_faults++;
}

/* Understood, and without effect in this version: said, not refused. */
static void warning(cfg_t *at, const char *text)
{
    str_addf(now_reading->faults, "%s:%d: warning: %s\n", now_reading->path, at->line, text);
}

static void from_libconfuse(cfg_t *at, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void from_libconfuse(cfg_t *at, const char *fmt, va_list ap)
{
    struct str text = STR_INIT;

    str_vaddf(&text, fmt, ap);
    if (strstr(str_c(&text), END_KEY) != NULL)
        fault(at, "premature end of file: the } of section \"%s\" is missing", cfg_name(at));
    else
        fault(at, "%s", str_c(&text));
    str_clear(&text);
}

/* ---- values ---------------------------------------------------------------------------- */

static const char *text(cfg_t *sec, const char *key)
{
    const char *s = cfg_getstr(sec, key);

    return s != NULL && *s != '\0' ? s : NULL;
}

/* A path of the configuration: below the file's folder unless absolute. NULL stays NULL. */
static char *path_of(cfg_t *sec, const char *key)
{
    const char *s = text(sec, key);
    struct str p = STR_INIT;

    if (s == NULL)
        return NULL;
    if (s[0] != '/')
        str_addf(&p, "%s/", now_reading->folder);
    str_add(&p, s);
    if (access(p.s, R_OK) < 0)
        fault(sec, "%s: cannot read %s: %s", key, p.s, strerror(errno));
    return str_take(&p);
}

static uint16_t port_of(cfg_t *sec, long min)
{
    long port = cfg_getint(sec, "port");

    if (port < min || port > 65535) {
        fault(sec, "port: %ld is no port (%ld to 65535)", port, min);
        return 0;
    }
    return (uint16_t)port;
}

static int64_t size_of(cfg_t *sec, const char *key, uint64_t min, uint64_t max)
{
    const char *s = text(sec, key);
    uint64_t v;

    if (s == NULL || str_to_size(s, &v) < 0 || v < min || v > max) {
        fault(sec, "%s: \"%s\" is no size from %llu to %llu bytes (as \"50M\")", key,
              s != NULL ? s : "", (unsigned long long)min, (unsigned long long)max);
        return 0;
    }
    return (int64_t)v;
}

/* Index of the word in words (NULL-ended), or a fault and -1. */
static int word_of(cfg_t *sec, const char *key, const char *const *words)
{
    const char *s = text(sec, key);
    struct str all = STR_INIT;

    for (int i = 0; words[i] != NULL; i++) {
        if (s != NULL && strcmp(s, words[i]) == 0) {
            str_clear(&all);
            return i;
        }
        str_addf(&all, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    fault(sec, "%s: \"%s\" is none of %s", key, s != NULL ? s : "", str_c(&all));
    str_clear(&all);
    return -1;
}

static char *domain_of(cfg_t *sec, const char *what, const char *s)
{
    struct err err = { 0 };
    char *out = NULL;

    if (prep_domain(s, &out, &err) < 0)
        fault(sec, "%s: \"%s\" is no domain: %s", what, s, err.text);
    return out;
}

/* ---- sections -------------------------------------------------------------------------- */

static void read_component(cfg_t *dom, struct settings_domain *d)
{
    cfg_t *sec = cfg_getsec(dom, "component");
    const char *jid = text(sec, "jid");
    char *file = path_of(sec, "secret-file");
    struct err err = { 0 };

    if (jid != NULL) {
        d->component_jid = domain_of(sec, "jid", jid);
    } else {
        struct str s = STR_INIT;

        str_addf(&s, "immp.%s", d->name);
        d->component_jid = str_take(&s);
    }
    d->server = mem_strdup(text(sec, "server"));
    if (d->server == NULL)
        fault(sec, "server: the address of the XMPP server is missing");
    d->port = port_of(sec, 1);
    if (text(sec, "secret") != NULL && file != NULL)
        fault(sec, "secret and secret-file: give one of them");
    else if (text(sec, "secret") != NULL)
        d->secret = mem_strdup(text(sec, "secret"));
    else if (file == NULL)
        fault(sec, "component: its secret is missing: secret-file = \"FILE\"");
    else if (access(file, R_OK) == 0 && secret_read_file(file, &d->secret, &err) < 0)
        fault(sec, "secret-file: %s", err.text);
    free(file);
}

static void read_pair(cfg_t *sec, char **certificate_r, char **key_r)
{
    *certificate_r = path_of(sec, "certificate");
    *key_r = path_of(sec, "key");
    if ((*certificate_r == NULL) != (*key_r == NULL))
        fault(sec, "certificate and key: give both, or none to have them made");
}

static void read_admins(cfg_t *dom, struct settings_domain *d)
{
    d->n_admins = cfg_size(dom, "admins");
    d->admins = mem_zalloc((d->n_admins + 1) * sizeof(*d->admins));
    for (unsigned i = 0; i < d->n_admins; i++) {
        struct err err = { 0 };

        if (imid_address(cfg_getnstr(dom, "admins", i), &d->admins[i], &err) < 0)
            fault(dom, "admins: \"%s\": %s", cfg_getnstr(dom, "admins", i), err.text);
    }
}

static void read_retry(cfg_t *dom, struct settings_domain *d)
{
    cfg_t *sec = cfg_getsec(dom, "retry");
    char *schedule = mem_strdup(cfg_getstr(sec, "schedule")), *save = NULL;
    const char *expire = text(sec, "expire");

    for (char *w = strtok_r(schedule, " ,", &save); w != NULL; w = strtok_r(NULL, " ,", &save)) {
        int64_t ms;

        if (str_to_duration(w, &ms) < 0 || ms < 1) {
            fault(sec, "schedule: \"%s\" is no time (as 5m, 1h)", w);
            continue;
        }
        d->retry_ms = mem_realloc(d->retry_ms, (d->n_retry + 1) * sizeof(*d->retry_ms));
        d->retry_ms[d->n_retry++] = ms;
    }
    if (d->n_retry == 0)
        fault(sec, "schedule: at least one time is needed (as \"5m 15m 1h\")");
    if (expire == NULL || str_to_duration(expire, &d->expire_ms) < 0 || d->expire_ms < 1)
        fault(sec, "expire: \"%s\" is no time (as 5d)", expire != NULL ? expire : "");
    free(schedule);
}

static void read_route(cfg_t *sec, struct settings_route *r)
{
    static const char *const vias[] = { "xmpp", "tcp", "reject", NULL };
    const char *to = text(sec, "to");
    int via = word_of(sec, "via", vias);

    r->domain = domain_of(sec, "route", cfg_title(sec));
    if (via < 0)
        return;
    r->via = (enum settings_via)(via + 1);
    if (r->via == SETTINGS_REJECT)
        return;
    if (to == NULL)
        fault(sec, "to: a route via %s needs it", vias[via]);
    else if (r->via == SETTINGS_XMPP)
        r->to = domain_of(sec, "to", to);
    if (r->via == SETTINGS_TCP)
        warning(sec, "via: this version carries mail over XMPP only; mail for this domain is refused");
}

static void read_later(cfg_t *dom)
{
    static const char *const registers[] = { "local", "open", "closed", NULL };
    cfg_t *pubsub = cfg_getsec(dom, "pubsub");
    cfg_t *mailbox = cfg_getsec(dom, "mailbox");

    (void)word_of(dom, "register", registers);
    if (text(pubsub, "service") != NULL)
        fault(pubsub, "service: this version has no pubsub on other services");
    if (text(mailbox, "endpoint") != NULL)
        fault(mailbox, "endpoint: this version keeps mailboxes in its own store only");
}

static void read_domain(cfg_t *dom, struct settings_domain *d)
{
    static const char *const trusts[] = { "tofu", "pkix", "pinned", NULL };
    cfg_t *limits = cfg_getsec(dom, "limits");
    long stanza = cfg_getint(limits, "stanza");
    int trust;

    d->name = domain_of(dom, "domain", cfg_title(dom));
    if (d->name == NULL)
        return;
    read_component(dom, d);
    read_pair(cfg_getsec(dom, "tls"), &d->tls_certificate, &d->tls_key);
    read_pair(cfg_getsec(dom, "seal"), &d->seal_certificate, &d->seal_key);
    trust = word_of(cfg_getsec(dom, "seal"), "trust", trusts);
    d->trust = trust > 0 ? (enum settings_trust)trust : SETTINGS_TOFU;
    if (d->trust == SETTINGS_PKIX)
        warning(cfg_getsec(dom, "seal"), "trust: this version does not check chains to a CA; "
                                         "\"pkix\" takes what was pinned before, as \"pinned\" does");
    read_admins(dom, d);
    d->message_bytes = size_of(limits, "message", 1024, 1u << 30);
    d->quota_bytes = size_of(limits, "quota", 1024, UINT64_MAX >> 2);
    if (stanza < STANZA_MIN || stanza > STANZA_MAX)
        fault(limits, "stanza: %ld is not from %d to %d bytes", stanza, STANZA_MIN, STANZA_MAX);
    d->stanza_bytes = (size_t)stanza;
    read_retry(dom, d);
    d->n_routes = cfg_size(dom, "route");
    d->routes = mem_zalloc((d->n_routes + 1) * sizeof(*d->routes));
    for (unsigned i = 0; i < d->n_routes; i++)
        read_route(cfg_getnsec(dom, "route", i), &d->routes[i]);
    read_later(dom);
}

static void read_log(cfg_t *top, struct settings *c)
{
    static const char *const targets[] = { "stderr", "syslog", NULL };
    cfg_t *sec = cfg_getsec(top, "log");
    const char *level = text(sec, "level");
    int target = word_of(sec, "target", targets);

    c->log_target = target == 1 ? LOG_T_SYSLOG : LOG_T_STDERR;
    c->log_level = LOG_L_INFO;
    if (level == NULL || log_level_parse(level, &c->log_level) < 0)
        fault(sec, "level: \"%s\" is none of error, warn, notice, info, debug, trace",
              level != NULL ? level : "");
}

static void read_listens(cfg_t *top, struct settings *c)
{
    c->n_listens = cfg_size(top, "listen");
    c->listens = mem_zalloc((c->n_listens + 1) * sizeof(*c->listens));
    for (unsigned i = 0; i < c->n_listens; i++) {
        cfg_t *sec = cfg_getnsec(top, "listen", i);

        c->listens[i].address = mem_strdup(text(sec, "address"));
        c->listens[i].port = port_of(sec, 0);
        if (c->listens[i].address == NULL)
            fault(sec, "address: missing (\"::\" is every address)");
    }
    if (c->n_listens == 0) {
        c->listens[0] = (struct settings_listen){ mem_strdup("::"), 1025 };
        c->n_listens = 1;
    }
}

static void read_top(cfg_t *top, struct settings *c)
{
    const char *data_dir = text(top, "data-dir");
    struct str p = STR_INIT;

    if (data_dir == NULL)
        fault(top, "data-dir: missing");
    else if (data_dir[0] != '/')
        str_addf(&p, "%s/", now_reading->folder);
    str_add(&p, data_dir != NULL ? data_dir : "");
    c->data_dir = str_take(&p);
    c->user = mem_strdup(text(top, "user"));
    c->store_url = mem_strdup(cfg_getstr(cfg_getsec(top, "store"), "url"));
    if (!str_starts(c->store_url, "sqlite:"))
        fault(cfg_getsec(top, "store"), "url: \"%s\": this version has the backend \"sqlite:FILE\" only",
              c->store_url);
    c->allow_sha1 = cfg_getbool(cfg_getsec(top, "auth"), "sha1") == cfg_true;
    if (cfg_size(top, "metrics") > 0 && cfg_getint(cfg_getsec(top, "metrics"), "port") != 0)
        warning(cfg_getsec(top, "metrics"), "metrics: this version does not serve them");
    read_log(top, c);
    read_listens(top, c);
    c->n_domains = cfg_size(top, "domain");
    c->domains = mem_zalloc((c->n_domains + 1) * sizeof(*c->domains));
    for (unsigned i = 0; i < c->n_domains; i++)
        read_domain(cfg_getnsec(top, "domain", i), &c->domains[i]);
    if (c->n_domains == 0)
        fault(top, "no domain: at least one  domain \"example.org\" { … }  is needed");
}

/* The folder of the file, absolute, so that a daemon that changes its folder still finds things. */
static char *folder_of(const char *path)
{
    char *real = realpath(path, NULL);
    char *slash;

    if (real == NULL)
        return mem_strdup(".");
    slash = strrchr(real, '/');
    if (slash == real)
        slash++;
    *slash = '\0';
    return real;
}

#define FILE_MAX_BYTES (1024 * 1024)

/* The file's text with END_KEY behind it. 0, or -1 and errno. */
static int read_text(const char *path, struct str *text)
{
    FILE *f = fopen(path, "re");
    char buf[8192];
    size_t n;
    int rc;

    if (f == NULL)
        return -1;
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0 && text->len < FILE_MAX_BYTES)
        str_addn(text, buf, n);
    rc = ferror(f) ? -1 : 0;
    (void)fclose(f);
    if (text->len > 0 && text->s[text->len - 1] != '\n')
        str_addc(text, '\n');
    str_add(text, END_KEY " = true\n");
    return rc;
}

static int parse(cfg_t *top, const char *path)
{
    struct str text = STR_INIT;
    FILE *f = NULL;
    int rc = CFG_FILE_ERROR;

    if (read_text(path, &text) == 0 && (f = fmemopen(text.s, text.len, "r")) != NULL) {
        rc = cfg_parse_fp(top, f);
        (void)fclose(f);
    }
    str_clear(&text);
    return rc;
}

struct settings *settings_load(const char *path, struct str *faults)
{
    struct reading rd = { faults, path, NULL, 0 };
    struct settings *c = mem_zalloc(sizeof(*c));
    cfg_t *top;
    int rc;

    now_reading = &rd;
    rd.folder = folder_of(path);
    c->path = mem_strdup(path);
    top = cfg_init(top_keys, CFGF_NONE);
    cfg_set_error_function(top, from_libconfuse);
    rc = parse(top, path);
    if (rc == CFG_FILE_ERROR) {
        str_addf(faults, "%s: %s\n", path, strerror(errno));
        rd.n_faults++;
    } else if (rc == CFG_PARSE_ERROR && rd.n_faults == 0) {
        fault(top, "the file cannot be understood from here on");
    } else if (rc == CFG_SUCCESS) {
        read_top(top, c);
    }
    cfg_free(top);
    free(rd.folder);
    now_reading = NULL;
    if (rd.n_faults > 0)
        settings_destroy(&c);
    return c;
}

static void domain_clear(struct settings_domain *d)
{
    free(d->name);
    free(d->component_jid);
    free(d->server);
    secret_free(&d->secret);
    free(d->tls_certificate);
    free(d->tls_key);
    free(d->seal_certificate);
    free(d->seal_key);
    for (size_t i = 0; i < d->n_admins; i++)
        free(d->admins[i]);
    free(d->admins);
    free(d->retry_ms);
    for (size_t i = 0; i < d->n_routes; i++) {
        free(d->routes[i].domain);
        free(d->routes[i].to);
    }
    free(d->routes);
}

void settings_destroy(struct settings **cp)
{
    struct settings *c = *cp;

    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_domains; i++)
        domain_clear(&c->domains[i]);
    for (size_t i = 0; i < c->n_listens; i++)
        free(c->listens[i].address);
    free(c->domains);
    free(c->listens);
    free(c->path);
    free(c->data_dir);
    free(c->user);
    free(c->store_url);
    free(c);
    *cp = NULL;
}

void settings_socket_path(const struct settings *c, struct str *out)
{
    str_addf(out, "%s/immpd.sock", c->data_dir);
}

const char *settings_default_path(void)
{
    return SYSCONFDIR "/immpd/immpd.conf";
}

/* Depth-first over the tables; *left counts down to the key that is wanted. */
static bool find_key(const cfg_opt_t *keys, struct str *prefix, size_t *left)
{
    size_t at = prefix->len;

    for (; keys->name != NULL && strcmp(keys->name, END_KEY) != 0; keys++) {
        str_addf(prefix, "%s%s", at > 0 ? "/" : "", keys->name);
        if (keys->type == CFGT_SEC ? find_key(keys->subopts, prefix, left) : (*left)-- == 0)
            return true;
        str_truncate(prefix, at);
    }
    return false;
}

const char *settings_key_at(size_t i)
{
    static struct str name;

    str_truncate(&name, 0);
    return find_key(top_keys, &name, &i) ? name.s : NULL;
}
