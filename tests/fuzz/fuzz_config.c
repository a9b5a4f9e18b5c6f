/* SPDX-License-Identifier: MIT */
/*
 * The configuration. Holds: there are settings or there is a fault, never both and never neither;
 * each fault is one printable line that names the file; whatever settings come out lie within the
 * bounds that the daemon relies on.
 *
 * The file is one in memory. Whether other files can be read, and what secrets are in them, is
 * answered here (the linker puts these functions in the place of the real ones), so that an input
 * cannot reach any file of the machine: what "missing" is in cannot be read.
 */
#include "config.h"

#include "daemon/settings.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"

#include "fuzz/fuzz.h"

int __wrap_access(const char *path, int mode);
int __wrap_secret_read_file(const char *path, char **s_r, struct err *err);

int __wrap_access(const char *path, int mode)
{
    (void)mode;
    if (strstr(path, "missing") == NULL)
        return 0;
    errno = ENOENT;
    return -1;
}

int __wrap_secret_read_file(const char *path, char **s_r, struct err *err)
{
    *s_r = NULL;
    if (strstr(path, "bad") != NULL)
        return err_set(err, ERR_PERMANENT, 0, "%s: the file is empty", path);
    *s_r = mem_strdup("secret");
    return 0;
}

static void check_faults(const struct str *faults, const char *path, bool is_good)
{
    size_t n = 0, warnings = 0;

    FUZZ_CHECK(str_is_utf8(str_c(faults), faults->len));
    for (const char *line = str_c(faults); *line != '\0';) {
        const char *lf = strchr(line, '\n');

        FUZZ_CHECK(lf != NULL && strncmp(line, path, strlen(path)) == 0 &&
                   line[strlen(path)] == ':');
        for (const char *p = line; p < lf; p++)
            FUZZ_CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
        warnings += memmem(line, (size_t)(lf - line), ": warning: ", 11) != NULL;
        n++;
        line = lf + 1;
    }
    FUZZ_CHECK(is_good ? n == warnings : n > 0);
}

static void check_domain(const struct settings_domain *d)
{
    FUZZ_CHECK(*d->name != '\0' && *d->component_jid != '\0' && *d->server != '\0');
    FUZZ_CHECK(d->port > 0 && d->secret != NULL && *d->secret != '\0');
    FUZZ_CHECK((d->tls_certificate == NULL) == (d->tls_key == NULL));
    FUZZ_CHECK((d->seal_certificate == NULL) == (d->seal_key == NULL));
    FUZZ_CHECK(d->message_bytes >= 1024 && d->message_bytes <= 1 << 30 && d->quota_bytes >= 1024);
    FUZZ_CHECK(d->stanza_bytes >= 10000 && d->stanza_bytes <= 262144);
    FUZZ_CHECK(d->n_retry > 0 && d->expire_ms > 0);
    for (size_t i = 0; i < d->n_retry; i++)
        FUZZ_CHECK(d->retry_ms[i] > 0);
    for (size_t i = 0; i < d->n_admins; i++)
        FUZZ_CHECK(strchr(d->admins[i], '@') != NULL);
    for (size_t i = 0; i < d->n_routes; i++) {
        FUZZ_CHECK(*d->routes[i].domain != '\0');
        FUZZ_CHECK(d->routes[i].via >= SETTINGS_XMPP && d->routes[i].via <= SETTINGS_REJECT);
        FUZZ_CHECK(d->routes[i].via != SETTINGS_XMPP || *d->routes[i].to != '\0');
    }
}

static void check_settings(const struct settings *c)
{
    FUZZ_CHECK(*c->data_dir != '\0' && str_starts(c->store_url, "sqlite:"));
    FUZZ_CHECK(c->n_listens > 0 && c->n_domains > 0);
    for (size_t i = 0; i < c->n_listens; i++)
        FUZZ_CHECK(*c->listens[i].address != '\0');
    for (size_t i = 0; i < c->n_domains; i++)
        check_domain(&c->domains[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int fd = -1;
    struct str faults = STR_INIT;
    struct settings *c;
    char path[40];

    if (fd < 0)
        fd = memfd_create("immpd.conf", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, len, 0) == (ssize_t)len);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    c = settings_load(path, &faults);
    check_faults(&faults, path, c != NULL);
    if (c != NULL)
        check_settings(c);
    settings_destroy(&c);
    str_clear(&faults);
    return 0;
}
