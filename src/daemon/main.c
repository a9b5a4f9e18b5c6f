/* SPDX-License-Identifier: MIT */
/* immpd(8): read the configuration, open what needs root, become the user, run. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include "daemon/privilege.h"
#include "daemon/settings.h"
#include "daemon/wiring.h"

static const char usage[] =
    "usage: immpd [-c FILE] [-t] [-V] [-h]\n"
    "  -c FILE  configuration (default " SYSCONFDIR "/immpd/immpd.conf)\n"
    "  -t       check the configuration and exit: 0 it is sound, 1 it is not\n"
    "  -V       version and features\n"
    "  -h       this help\n"
    "Runs in the foreground. SIGTERM ends it cleanly, SIGHUP reads the configuration again.\n";

static void print_version(void)
{
    (void)printf("immpd %s: IMMP/1.0 gateway for XMPP servers\n", PACKAGE_VERSION);
    (void)printf("features: xmpp sqlite tls1.2 tls1.3 systemd=%s\n",
#ifdef HAVE_SYSTEMD
                 "yes"
#else
                 "no"
#endif
    );
}

static int run(struct settings *settings)
{
    struct err err = { 0 };
    struct wiring w = { 0 };
    char *user = mem_strdup(settings->user);
    int status = EXIT_FAILURE;

    if (privilege_prepare(settings->data_dir, user, &err) < 0) {
        settings_destroy(&settings);
        goto out;
    }
    if (wiring_listen(&w, settings, &err) < 0) {
        if (w.settings == NULL)
            settings_destroy(&settings);
        goto out;
    }
    if (privilege_drop(user, &err) < 0 || wiring_open(&w, &err) < 0)
        goto out;
    wiring_run(&w);
    status = EXIT_SUCCESS;
out:
    if (status != EXIT_SUCCESS)
        log_error("start failed: %s", err.text);
    wiring_close(&w);
    if (status == EXIT_SUCCESS)
        log_notice("stopped");
    free(user);
    return status;
}

int main(int argc, char **argv)
{
    const char *path = settings_default_path();
    struct str faults = STR_INIT;
    struct settings *settings;
    bool check_only = false;
    int c;

    while ((c = getopt(argc, argv, "c:thV")) != -1) {
        switch (c) {
        case 'c':
            path = optarg;
            break;
        case 't':
            check_only = true;
            break;
        case 'V':
            print_version();
            return EXIT_SUCCESS;
        case 'h':
            (void)fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            (void)fputs(usage, stderr);
            return 2;
        }
    }
    if (optind < argc) {
        (void)fputs(usage, stderr);
        return 2;
    }
    mem_tune();
    umask(077);
    settings = settings_load(path, &faults);
    (void)fputs(str_c(&faults), stderr);
    str_clear(&faults);
    if (settings == NULL)
        return EXIT_FAILURE;
    if (check_only) {
        (void)printf("%s: sound\n", path);
        settings_destroy(&settings);
        return EXIT_SUCCESS;
    }
    log_setup(settings->log_target, settings->log_level);
    return run(settings);
}
