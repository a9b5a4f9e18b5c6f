/* SPDX-License-Identifier: MIT */
/* A line out, lines in, over a Unix socket; a daemon that says nothing for 2 minutes is given up. */
#include "config.h"

#include "ctl/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_S 120
#define LINE_MAX_BYTES   (16u * 1024 * 1024)

void request_answer_clear(struct request_answer *a)
{
    json_destroy(&a->rows);
    str_clear(&a->text);
}

static int connect_to(const char *path, struct err *err)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    const struct timeval patience = { .tv_sec = ANSWER_TIMEOUT_S };
    int fd;

    if (strlen(path) >= sizeof(sa.sun_path))
        return err_set(err, ERR_PERMANENT, 0, "%s: the path is too long for a socket", path);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, 0, "socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        err_errno(err, 0, "immpd cannot be reached at %s", path);
        close(fd);
        return -1;
    }
    return fd;
}

static int send_all(int fd, const char *p, size_t n, struct err *err)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return err_errno(err, 0, "immpd hung up");
        p += sent;
        n -= (size_t)sent;
    }
    return 0;
}

/* One line of the answer: 2 go on, else what request_send() returns. */
static int take_line(const char *line, size_t len, struct request_answer *a, struct err *err)
{
    struct json *j = json_parse(line, len, err);
    struct json *row;
    int rc = 2;

    if (j == NULL)
        return err_prefix(err, "immpd's answer cannot be read");
    row = json_get(j, "row");
    if (row != NULL) {
        /* A parsed child belongs to its line: the row is read again as a value of its own. */
        struct str text = STR_INIT;

        json_add(&text, row);
        json_append(a->rows, json_parse(text.s, text.len, NULL));
        str_clear(&text);
    } else if (json_get_str(j, "done") != NULL) {
        str_add(&a->text, json_get_str(j, "done"));
        rc = 0;
    } else {
        const char *why = json_get_str(j, "error");

        err_set(err, ERR_PERMANENT, 0, "%s", why != NULL ? why : "immpd's answer cannot be read");
        rc = 1;
    }
    json_destroy(&j);
    return rc;
}

static int read_answer(int fd, struct request_answer *a, struct err *err)
{
    struct str in = STR_INIT;
    char buf[65536];
    int rc = 2;

    while (rc == 2) {
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        char *lf;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || in.len > LINE_MAX_BYTES) {
            rc = n < 0 ? err_errno(err, 0, "no answer from immpd")
                       : err_set(err, ERR_TEMPORARY, 0, "immpd hung up (see its log)");
            break;
        }
        str_addn(&in, buf, (size_t)n);
        while (rc == 2 && (lf = memchr(in.s, '\n', in.len)) != NULL) {
            size_t len = (size_t)(lf - in.s);

            rc = take_line(in.s, len, a, err);
            memmove(in.s, lf + 1, in.len - len - 1);
            str_truncate(&in, in.len - len - 1);
        }
    }
    str_clear(&in);
    return rc;
}

int request_send(const char *socket_path, const char *words, struct json *args,
                 struct request_answer *answer_r, struct err *err)
{
    struct json *request = json_object_new();
    struct str line = STR_INIT;
    int fd, rc = -1;

    *answer_r = (struct request_answer){ json_array_new(), STR_INIT };
    json_set_str(request, "command", words);
    json_set(request, "args", args);
    json_add(&line, request);
    str_addc(&line, '\n');
    json_destroy(&request);
    fd = connect_to(socket_path, err);
    if (fd >= 0) {
        if (send_all(fd, line.s, line.len, err) == 0)
            rc = read_answer(fd, answer_r, err);
        close(fd);
    }
    str_wipe(&line);
    return rc;
}
