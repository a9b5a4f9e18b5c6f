/* SPDX-License-Identifier: MIT */
/*
 * Privileges. A daemon started as root makes its folder for its user, opens its sockets, and then
 * is that user for good; a failure to drop ends the start, it never goes on as root.
 */
#include "config.h"

#include "daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int user_of(const char *user, struct passwd **pw_r, struct err *err)
{
    if (user == NULL || strcmp(user, "root") == 0)
        return err_set(err, ERR_PERMANENT, 0,
                       "started as root: name the user to run as (user = \"immpd\")");
    errno = 0;
    *pw_r = getpwnam(user);
    if (*pw_r == NULL)
        return err_set(err, ERR_PERMANENT, 0,
                       "user \"%s\" does not exist: create it (adduser --system --group %s) or set user",
                       user, user);
    return 0;
}

int privilege_prepare(const char *data_dir, const char *user, struct err *err)
{
    struct passwd *pw = NULL;
    struct stat sb;

    if (geteuid() == 0 && user_of(user, &pw, err) < 0)
        return -1;
    if (mkdir(data_dir, 0700) == 0) {
        if (pw != NULL && chown(data_dir, pw->pw_uid, pw->pw_gid) < 0)
            return err_errno(err, 0, "data-dir %s: chown", data_dir);
        return 0;
    }
    if (errno != EEXIST)
        return err_errno(err, 0, "data-dir %s cannot be made", data_dir);
    if (stat(data_dir, &sb) < 0)
        return err_errno(err, 0, "data-dir %s", data_dir);
    if (!S_ISDIR(sb.st_mode))
        return err_set(err, ERR_PERMANENT, 0, "data-dir %s is not a folder", data_dir);
    if (pw != NULL && sb.st_uid != pw->pw_uid)
        return err_set(err, ERR_PERMANENT, 0, "data-dir %s does not belong to %s: chown -R %s: %s",
                       data_dir, user, user, data_dir);
    if (pw == NULL && access(data_dir, R_OK | W_OK | X_OK) < 0)
        return err_errno(err, 0, "data-dir %s", data_dir);
    return 0;
}

int privilege_drop(const char *user, struct err *err)
{
    struct passwd *pw;

    if (geteuid() != 0)
        return 0;
    if (user_of(user, &pw, err) < 0)
        return -1;
    if (initgroups(user, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
        return err_errno(err, 0, "cannot become user %s", user);
    if (setuid(0) == 0)
        return err_set(err, ERR_PERMANENT, 0, "privileges came back after they were dropped");
    /* A core of ours would hold keys; a change of user clears this flag by itself, keep it so. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    return 0;
}
