/* SPDX-License-Identifier: MIT */
/*
 * Wiring. Order matters both ways: what a room borrows is created before it and destroyed after
 * it. Privileged steps come first (wiring_listen), so that keys and the database belong to the
 * user that the daemon runs as.
 */
#include "config.h"

#include "daemon/wiring.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/stream.h"
#include "mail/accounts.h"
#include "mail/inbound.h"
#include "mail/keys.h"
#include "mail/outbound.h"

#include "daemon/control.h"
#include "daemon/notify.h"

#define TIDY_IDLE_MS   60000            /* between rounds that found nothing to do */
#define TIDY_BUSY_MS   20
#define TIDY_SLICE_MS  5
#define DRAFT_AGE_MS   (24LL * 3600 * 1000)
#define RECORD_AGE_MS  (8LL * 24 * 3600 * 1000)
#define STOP_MS        3000             /* for replies to leave and links to close */
#define STOP_POLL_MS   20

/* ---- domains --------------------------------------------------------------------------- */

static void domain_settings_clear(struct mail_domain *d)
{
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

/* What may change while running; name, component and identity stay. */
static void domain_settings_take(struct mail_domain *d, const struct settings_domain *s)
{
    d->trust = (enum mail_trust)s->trust;
    d->admins = mem_zalloc((s->n_admins + 1) * sizeof(*d->admins));
    d->n_admins = s->n_admins;
    for (size_t i = 0; i < s->n_admins; i++)
        d->admins[i] = mem_strdup(s->admins[i]);
    d->message_bytes = s->message_bytes;
    d->quota_bytes = s->quota_bytes;
    d->stanza_bytes = s->stanza_bytes;
    d->retry_ms = mem_dup(s->retry_ms, s->n_retry * sizeof(*s->retry_ms));
    d->n_retry = s->n_retry;
    d->expire_ms = s->expire_ms;
    d->routes = mem_zalloc((s->n_routes + 1) * sizeof(*d->routes));
    d->n_routes = s->n_routes;
    for (size_t i = 0; i < s->n_routes; i++) {
        d->routes[i].domain = mem_strdup(s->routes[i].domain);
        d->routes[i].via = (enum mail_via)s->routes[i].via;
        d->routes[i].to = mem_strdup(s->routes[i].to);
    }
}

static int open_domain(struct mail_domain *d, const struct settings_domain *s, const char *keys,
                       struct err *err)
{
    struct identity_files files = { keys, s->seal_certificate, s->seal_key };
    bool made = false;

    d->name = mem_strdup(s->name);
    d->component = mem_strdup(s->component_jid);
    domain_settings_take(d, s);
    d->identity = identity_load(d->name, &files, &made, err);
    if (d->identity == NULL)
        return err_prefix(err, "the keys of %s", s->name);
    if (made)
        log_notice("keys.made domain=%s sign=%s encrypt=%s", d->name,
                   certificate_fingerprint(identity_sign_certificate(d->identity)),
                   certificate_fingerprint(identity_encrypt_certificate(d->identity)));
    return 0;
}

static int open_domains(struct wiring *w, struct err *err)
{
    const struct settings *s = w->settings;
    struct str keys = STR_INIT;
    int rc = 0;

    str_addf(&keys, "%s/keys", s->data_dir);
    if (mkdir(keys.s, 0700) < 0 && errno != EEXIST)
        rc = err_errno(err, 0, "%s", keys.s);
    w->mail.domains = mem_zalloc(s->n_domains * sizeof(*w->mail.domains));
    w->mail.n_domains = s->n_domains;
    for (size_t i = 0; i < s->n_domains && rc == 0; i++)
        rc = open_domain(&w->mail.domains[i], &s->domains[i], keys.s, err);
    if (rc == 0) {
        w->context = context_server(s->domains[0].name, keys.s, s->domains[0].tls_certificate,
                                    s->domains[0].tls_key, err);
        if (w->context == NULL)
            rc = err_prefix(err, "the TLS certificate of %s", s->domains[0].name);
    }
    str_clear(&keys);
    return rc;
}

/* ---- links ----------------------------------------------------------------------------- */

static void show_state(struct wiring *w)
{
    size_t up = 0;

    for (size_t i = 0; i < w->mail.n_domains; i++) {
        struct component_status st;

        if (w->components[i] == NULL)
            continue;
        component_status(w->components[i], &st);
        up += st.is_up;
    }
    notify_state("STATUS=%zu of %zu component links up, endpoint on port %u", up,
                 w->mail.n_domains, (unsigned)endpoint_port(w->endpoint));
}

static void link_changed(void *ctx, const struct mail_domain *d, bool is_up)
{
    struct wiring *w = ctx;

    outbound_link_changed(w->mail.outbound, d->name, is_up);
    show_state(w);
}

static int open_links(struct wiring *w, struct err *err)
{
    const struct settings *s = w->settings;
    const struct transport *transport;

    w->components = mem_zalloc(s->n_domains * sizeof(struct component *));
    w->set = component_set_create();
    for (size_t i = 0; i < s->n_domains; i++) {
        struct component_config cfg = {
            .mail = &w->mail,
            .domain = &w->mail.domains[i],
            .server = s->domains[i].server,
            .port = s->domains[i].port,
            .secret = s->domains[i].secret,
            .version = PACKAGE_VERSION,
            .ping_ms = 30000,
            .changed = link_changed,
            .ctx = w,
        };

        w->components[i] = component_create(&cfg, err);
        if (w->components[i] == NULL)
            return err_prefix(err, "the component %s", s->domains[i].component_jid);
        component_set_add(w->set, w->components[i]);
    }
    transport = component_set_transport(w->set);
    keys_set_transport(w->mail.keys, transport);
    outbound_set_transport(w->mail.outbound, transport);
    return 0;
}

/* ---- timers and signals ------------------------------------------------------------------ */

static void tidy(void *ctx)
{
    struct wiring *w = ctx;
    int64_t now = clock_wall_ms(w->mail.clock);
    struct err err = { 0 };
    int more = store_tidy(w->mail.store, now - DRAFT_AGE_MS, now - RECORD_AGE_MS, TIDY_SLICE_MS,
                          &err);

    if (more < 0)
        log_warn("store.tidy failed: %s", err.text);
    loop_timer_set(w->tidy, more > 0 ? TIDY_BUSY_MS : TIDY_IDLE_MS);
}

static void watchdog(void *ctx)
{
    struct wiring *w = ctx;

    notify_state("WATCHDOG=1");
    loop_timer_set(w->watchdog, w->watchdog_ms);
}

static void stop_when_quiet(void *ctx)
{
    struct wiring *w = ctx;

    if (endpoint_connections(w->endpoint) == 0 ||
        clock_mono_ms(w->mail.clock) >= w->stop_until_ms)
        loop_stop(w->mail.loop);
    else
        loop_timer_set(w->stopping, STOP_POLL_MS);
}

static void on_term(void *ctx)
{
    struct wiring *w = ctx;

    if (w->stop_until_ms != 0) {
        log_notice("stop second signal: ending at once");
        loop_stop(w->mail.loop);
        return;
    }
    log_notice("stop");
    notify_state("STOPPING=1");
    w->stop_until_ms = clock_mono_ms(w->mail.clock) + STOP_MS;
    endpoint_stop(w->endpoint);
    for (size_t i = 0; i < w->mail.n_domains; i++)
        component_stop(w->components[i]);
    loop_timer_set(w->stopping, STOP_POLL_MS);
}

static void on_hup(void *ctx)
{
    struct wiring *w = ctx;
    struct err err = { 0 };

    if (wiring_reload(w, &err) < 0)
        log_error("reload failed, the old settings stay: %s", err.text);
}

static int open_signals(struct wiring *w, struct err *err)
{
    if (loop_on_signal(w->mail.loop, SIGTERM, on_term, w, err) < 0 ||
        loop_on_signal(w->mail.loop, SIGINT, on_term, w, err) < 0 ||
        loop_on_signal(w->mail.loop, SIGHUP, on_hup, w, err) < 0)
        return -1;
    w->tidy = loop_timer_create(w->mail.loop, tidy, w);
    loop_timer_set(w->tidy, TIDY_BUSY_MS);
    w->stopping = loop_timer_create(w->mail.loop, stop_when_quiet, w);
    w->watchdog_ms = notify_watchdog_ms() / 2;
    if (w->watchdog_ms > 0) {
        w->watchdog = loop_timer_create(w->mail.loop, watchdog, w);
        loop_timer_set(w->watchdog, w->watchdog_ms);
    }
    return 0;
}

/* ---- life -------------------------------------------------------------------------------- */

/* Ten thousand sessions need as many descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &rl);
    }
}

int wiring_listen(struct wiring *w, struct settings *settings, struct err *err)
{
    struct endpoint_config cfg = { .mail = &w->mail };

    memset(w, 0, sizeof(*w));
    w->mail.clock = clock_system();
    w->mail.allow_sha1 = settings->allow_sha1;
    raise_descriptor_limit();
    w->mail.loop = loop_create(w->mail.clock, err);
    if (w->mail.loop == NULL)
        return -1;
    w->endpoint = endpoint_create(&cfg, err);
    if (w->endpoint == NULL)
        return -1;
    for (size_t i = 0; i < settings->n_listens; i++)
        if (endpoint_listen(w->endpoint, settings->listens[i].address, settings->listens[i].port,
                            err) < 0)
            return -1;
    w->settings = settings;
    return 0;
}

/*
 * Here and now: what SQLite does next would count what is lost as done. On whatever thread this is,
 * and also while the store is being closed.
 */
static void store_broken(void *ctx, const struct err *err)
{
    (void)ctx;
    log_error("store.broken error=%s: immpd ends at once. Nothing that was accepted is lost: it "
              "stands in the log beside the database, and the next start recovers it. Check the "
              "disk and the kernel's log.",
              log_quote(err->text));
    _exit(EX_IOERR);
}

static int open_store(struct wiring *w, struct err *err)
{
    const struct settings *s = w->settings;
    struct str vault = STR_INIT;
    int rc = 0;

    str_addf(&vault, "%s/keys/vault.key", s->data_dir);
    w->mail.vault = vault_open(vault.s, err);
    if (w->mail.vault == NULL)
        rc = -1;
    str_clear(&vault);
    if (rc < 0 || store_open(s->store_url, s->data_dir, &w->mail.store, err) < 0)
        return -1;
    store_on_broken(w->mail.store, store_broken, NULL);
    return 0;
}

int wiring_open(struct wiring *w, struct err *err)
{
    struct mail *m = &w->mail;

    if (open_domains(w, err) < 0 || open_store(w, err) < 0)
        return -1;
    m->worker = worker_create(m->loop, 0, err);
    if (m->worker == NULL)
        return -1;
    stream_set_tls_worker(m->loop, m->worker);
    m->turn = turn_create(m->loop, m->store);
    m->accounts = accounts_create(m);
    m->keys = keys_create(m);
    m->outbound = outbound_create(m);
    m->inbound = inbound_create(m);
    endpoint_set_context(w->endpoint, w->context);
    if (open_links(w, err) < 0 || open_signals(w, err) < 0)
        return -1;
    w->control = control_create(w, err);
    if (w->control == NULL || outbound_rescan(m->outbound, err) < 0)
        return -1;
    w->started_ms = clock_wall_ms(m->clock);
    return 0;
}

void wiring_run(struct wiring *w)
{
    for (size_t i = 0; i < w->mail.n_domains; i++)
        component_start(w->components[i]);
    log_notice("start version=%s pid=%d port=%u domains=%zu data=%s", PACKAGE_VERSION,
               (int)getpid(), (unsigned)endpoint_port(w->endpoint), w->mail.n_domains,
               log_quote(w->settings->data_dir));
    notify_state("READY=1");
    show_state(w);
    loop_run(w->mail.loop);
}

static void close_domains(struct mail *m)
{
    for (size_t i = 0; i < m->n_domains; i++) {
        struct mail_domain *d = &m->domains[i];

        identity_unref(&d->identity);
        domain_settings_clear(d);
        free(d->name);
        free(d->component);
    }
    free(m->domains);
    m->domains = NULL;
    m->n_domains = 0;
}

void wiring_close(struct wiring *w)
{
    struct mail *m = &w->mail;

    control_destroy(&w->control);
    endpoint_destroy(&w->endpoint);
    for (size_t i = 0; i < m->n_domains && w->components != NULL; i++)
        component_destroy(&w->components[i]);
    free(w->components);
    component_set_destroy(&w->set);
    /* Work in progress belongs to the rooms: they forget it before their pool drops it. */
    outbound_destroy(&m->outbound);
    inbound_destroy(&m->inbound);
    keys_destroy(&m->keys);
    accounts_destroy(&m->accounts);
    stream_set_tls_worker(m->loop, NULL);
    worker_destroy(&m->worker);
    loop_timer_destroy(&w->tidy);
    loop_timer_destroy(&w->watchdog);
    loop_timer_destroy(&w->stopping);
    turn_destroy(&m->turn);
    store_close(&m->store);
    vault_close(&m->vault);
    context_destroy(&w->context);
    close_domains(m);
    loop_destroy(&m->loop);
    settings_destroy(&w->settings);
}

/* ---- reload -------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

/* The first thing that only a restart can change, or NULL. */
static const char *needs_restart(const struct settings *a, const struct settings *b)
{
    if (!same(a->data_dir, b->data_dir))
        return "data-dir";
    if (!same(a->user, b->user))
        return "user";
    if (!same(a->store_url, b->store_url))
        return "store";
    if (a->n_listens != b->n_listens)
        return "listen";
    for (size_t i = 0; i < a->n_listens; i++)
        if (!same(a->listens[i].address, b->listens[i].address) ||
            a->listens[i].port != b->listens[i].port)
            return "listen";
    if (a->n_domains != b->n_domains)
        return "domain";
    for (size_t i = 0; i < a->n_domains; i++) {
        const struct settings_domain *x = &a->domains[i], *y = &b->domains[i];

        if (!same(x->name, y->name))
            return "domain";
        if (!same(x->component_jid, y->component_jid) || !same(x->server, y->server) ||
            x->port != y->port || !same(x->secret, y->secret))
            return "component";
        if (!same(x->seal_certificate, y->seal_certificate) || !same(x->seal_key, y->seal_key))
            return "seal";
    }
    return NULL;
}

static void log_faults(const struct str *faults)
{
    char *copy = mem_strdup(str_c(faults)), *save = NULL;

    for (char *l = strtok_r(copy, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
        log_warn("config %s", l);
    free(copy);
}

static int take_settings(struct wiring *w, struct settings *new, struct err *err)
{
    const struct settings_domain *first = &new->domains[0];
    struct str keys = STR_INIT;
    struct context *context;

    str_addf(&keys, "%s/keys", new->data_dir);
    context = context_server(first->name, keys.s, first->tls_certificate, first->tls_key, err);
    str_clear(&keys);
    if (context == NULL)
        return err_prefix(err, "the TLS certificate of %s", first->name);
    endpoint_set_context(w->endpoint, context);
    context_destroy(&w->context);
    w->context = context;
    log_setup(new->log_target, new->log_level);
    w->mail.allow_sha1 = new->allow_sha1;
    for (size_t i = 0; i < w->mail.n_domains; i++) {
        domain_settings_clear(&w->mail.domains[i]);
        domain_settings_take(&w->mail.domains[i], &new->domains[i]);
    }
    return 0;
}

int wiring_reload(struct wiring *w, struct err *err)
{
    struct str faults = STR_INIT;
    struct settings *new;
    const char *restart;
    int rc = -1;

    notify_reloading();
    new = settings_load(w->settings->path, &faults);
    log_faults(&faults);
    str_clear(&faults);
    if (new == NULL) {
        err_set(err, ERR_PERMANENT, 0, "%s has faults", w->settings->path);
    } else if ((restart = needs_restart(w->settings, new)) != NULL) {
        err_set(err, ERR_PERMANENT, 0, "\"%s\" has changed: that needs a restart", restart);
        settings_destroy(&new);
    } else if (take_settings(w, new, err) == 0) {
        settings_destroy(&w->settings);
        w->settings = new;
        log_notice("reload done");
        rc = 0;
    } else {
        settings_destroy(&new);
    }
    notify_state("READY=1");
    return rc;
}
