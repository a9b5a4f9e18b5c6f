/* SPDX-License-Identifier: MIT */
/* Listening and connecting: addresses, Unix sockets, pauses, and running out of descriptors. */
#include "config.h"

#include "loop/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macros.h"

#include "lib/test.h"
#include "pair.h"

struct fixture {
    struct pair *client; /* its loop is everybody's */
    struct pair server;
    struct stream_listener *listener;
    int n_accepted;
    int last_fd;
    bool keeps; /* make a stream of what is accepted */
    char folder[64];
};

static void on_accepted(void *ctx, int fd)
{
    struct fixture *f = ctx;

    f->n_accepted++;
    f->last_fd = fd;
    if (f->keeps && f->server.stream == NULL)
        f->server.stream = stream_accept(f->client->loop, fd, &pair_events, &f->server);
    else
        close(fd);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->client = pair_of(-1, -1);
    f->server = (struct pair){ .loop = f->client->loop, .peer = -1, .takes = true, .closes = true };
    f->keeps = true;
    strcpy(f->folder, "/tmp/immp-loop-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    stream_listener_close(&f->listener);
    stream_listener_close(&f->listener);
    stream_close(&f->server.stream, false);
    str_clear(&f->server.got);
    str_clear(&f->server.trail);
    pair_destroy(&f->client);
    rmdir(f->folder);
    free(f);
    return 0;
}

static void listen_at(struct fixture *f, const char *address)
{
    struct err err = { 0 };

    f->listener = stream_listen(f->client->loop, address, 0, 0600, on_accepted, f, &err);
    if (f->listener == NULL)
        fail_msg("%s", err.text);
}

static void connect_to(struct fixture *f, const char *host)
{
    struct err err = { 0 };

    f->client->stream = stream_connect(f->client->loop, host, stream_listener_port(f->listener),
                                       &pair_events, f->client, &err);
    if (f->client->stream == NULL)
        fail_msg("%s", err.text);
}

static void say_hello(struct fixture *f)
{
    stream_write(f->client->stream, "hello",
                 5); /* before it is connected: leaves as soon as it is */
    pair_turns(f->client, 5);
    assert_string_equal(str_c(&f->client->trail), "C");
    assert_string_equal(str_c(&f->server.got), "hello");
    stream_write(f->server.stream, "hi", 2);
    pair_turns(f->client, 2);
    assert_string_equal(str_c(&f->client->got), "hi");
}

static void addresses_and_names_are_connected_to(void **state)
{
    static const struct {
        const char *listen, *connect, *peer;
    } rows[] = {
        {"127.0.0.1",  "127.0.0.1", "127.0.0.1"},
        { "127.0.0.1", "localhost", "127.0.0.1"}, /* ::1 may come first, and refuses */
        { "::",        "127.0.0.1", "127.0.0.1"}, /* not as ::ffff:127.0.0.1 */
        { "localhost", "localhost", NULL       },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct fixture *f;
        int on = 0;
        socklen_t len = sizeof(on);

        if (i > 0)
            assert_int_equal(setup(state), 0);
        f = *state;
        listen_at(f, rows[i].listen);
        assert_int_not_equal(stream_listener_port(f->listener), 0);
        connect_to(f, rows[i].connect);
        say_hello(f);
        if (rows[i].peer != NULL) {
            assert_string_equal(stream_address(f->server.stream), rows[i].peer);
            assert_string_equal(stream_address(f->client->stream), rows[i].peer);
        }
        assert_int_equal(getsockopt(f->last_fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        assert_int_not_equal(on, 0);
        assert_int_equal(stream_listener_counters(f->listener)->accepted, 1);
        if (i + 1 < N_ELEMENTS(rows))
            teardown(state);
    }
}

static void a_unix_socket_knows_its_peer_and_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    char address[100];
    struct stat st;
    uint32_t uid;

    snprintf(address, sizeof(address), "unix:%s/control", f->folder);
    listen_at(f, address);
    assert_int_equal(stat(address + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    connect_to(f, address);
    say_hello(f);
    assert_int_equal(stream_peer_uid(f->server.stream, &uid), 0);
    assert_int_equal(uid, getuid());
    assert_string_equal(stream_address(f->server.stream), "unix");
    stream_listener_close(&f->listener);
    assert_int_equal(stat(address + 5, &st), -1);
}

static void a_stale_socket_file_is_replaced_one_in_use_is_not(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct err err;
    char address[100];
    int fd;

    snprintf(address, sizeof(address), "unix:%s/control", f->folder);
    strcpy(un.sun_path, address + 5);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    close(fd); /* what a daemon that was killed leaves */
    listen_at(f, address);
    assert_null(stream_listen(f->client->loop, address, 0, 0600, on_accepted, f, &err));
    assert_int_equal(err.kind, ERR_PERMANENT);
    assert_non_null(strstr(err.text, "another process listens there"));
}

static void what_cannot_be_listened_on_is_said(void **state)
{
    static const struct {
        const char *address;
        const char *text;
    } rows[] = {
        {"192.0.2.1",                        "listen on 192.0.2.1 port 0: "               },
        { "no such name",                    "listen on no such name port 0: "            },
        { "unix:/nonexistent/folder/socket", "listen on unix:/nonexistent/folder/socket: "},
    };
    struct fixture *f = *state;
    struct err err;
    char too_long[200];
    uint16_t port;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_null(stream_listen(f->client->loop, rows[i].address, 0, 0600, on_accepted, f, &err));
        assert_true(str_starts(err.text, rows[i].text));
    }
    memset(too_long, 'x', sizeof(too_long));
    memcpy(too_long, "unix:", 5);
    too_long[sizeof(too_long) - 1] = '\0';
    assert_null(stream_listen(f->client->loop, too_long, 0, 0600, on_accepted, f, &err));
    assert_null(stream_connect(f->client->loop, too_long, 0, &pair_events, f->client, &err));
    listen_at(f, "127.0.0.1");
    port = stream_listener_port(f->listener);
    assert_null(stream_listen(f->client->loop, "127.0.0.1", port, 0, on_accepted, f, &err));
    assert_non_null(strstr(err.text, "in use"));
}

static void what_refuses_is_closed_with_a_reason(void **state)
{
    struct fixture *f = *state;
    struct err err;

    listen_at(f, "127.0.0.1");
    connect_to(f, "127.0.0.1");
    stream_close(&f->client->stream, false);
    {
        uint16_t port = stream_listener_port(f->listener);

        stream_listener_close(&f->listener);
        pair_turns(f->client, 2);
        f->client->stream =
            stream_connect(f->client->loop, "127.0.0.1", port, &pair_events, f->client, &err);
    }
    assert_non_null(f->client->stream);
    pair_turns(f->client, 4);
    assert_string_equal(str_c(&f->client->trail), "X");
    assert_non_null(strstr(f->client->why.text, "refused"));
    assert_null(stream_connect(f->client->loop, "name.invalid", 1, &pair_events, f->client, &err));
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_true(str_starts(err.text, "no address for name.invalid: "));
    assert_null(
        stream_connect(f->client->loop, "unix:/nonexistent/s", 1, &pair_events, f->client, &err));
    assert_true(str_starts(err.text, "connect to unix:/nonexistent/s: "));
}

static int raw_connect(struct fixture *f)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(stream_listener_port(f->listener)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static void a_paused_listener_leaves_them_waiting(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->keeps = false;
    listen_at(f, "127.0.0.1");
    stream_listener_pause(f->listener, true);
    fd = raw_connect(f);
    pair_turns(f->client, 3);
    assert_int_equal(f->n_accepted, 0);
    stream_listener_pause(f->listener, false);
    stream_listener_pause(f->listener, false);
    pair_turns(f->client, 3);
    assert_int_equal(f->n_accepted, 1);
    close(fd);
}

static void accept_and_pause(void *ctx, int fd)
{
    struct fixture *f = ctx;

    close(fd);
    f->n_accepted++;
    stream_listener_pause(f->listener, true);
}

static void accept_and_close(void *ctx, int fd)
{
    struct fixture *f = ctx;

    close(fd);
    f->n_accepted++;
    stream_listener_close(&f->listener);
}

static void a_listener_may_be_paused_and_closed_in_its_own_call(void **state)
{
    struct fixture *f = *state;
    struct stream_listener *second;
    int fd[3];

    f->listener = stream_listen(f->client->loop, "127.0.0.1", 0, 0, accept_and_pause, f, NULL);
    for (int i = 0; i < 3; i++)
        fd[i] = raw_connect(f);
    pair_turns(f->client, 3);
    assert_int_equal(f->n_accepted, 1);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    second = f->listener;
    f->listener = stream_listen(f->client->loop, "127.0.0.1", 0, 0, accept_and_close, f, NULL);
    fd[0] = raw_connect(f);
    pair_turns(f->client, 3);
    assert_null(f->listener);
    assert_int_equal(f->n_accepted, 2);
    close(fd[0]);
    stream_listener_close(&second);
}

static void out_of_descriptors_a_listener_rests(void **state)
{
    struct fixture *f = *state;
    const struct stream_listener_counters *c;
    struct rlimit old, few;
    int taken[256], n = 0, fd[3];

    f->keeps = false;
    listen_at(f, "127.0.0.1");
    c = stream_listener_counters(f->listener);
    for (int i = 0; i < 3; i++)
        fd[i] = raw_connect(f);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < (int)N_ELEMENTS(taken) && (taken[n] = dup(0)) >= 0)
        n++;
    pair_turns(f->client, 5);
    assert_int_equal(c->starved, 1); /* once, not five times */
    f->client->clock.fake_ms += 99;
    pair_turns(f->client, 2);
    assert_int_equal(c->starved, 1);
    f->client->clock.fake_ms += 1;
    pair_turns(f->client, 2);
    assert_int_equal(c->starved, 2);
    while (n > 0)
        close(taken[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    f->client->clock.fake_ms += 100;
    pair_turns(f->client, 3);
    assert_int_equal(c->starved, 2);
    assert_in_range(f->n_accepted, 1, 3); /* valgrind loses the two that met the limit */
    for (int i = 0; i < 3; i++)
        close(fd[i]);
}

static void a_burst_is_accepted_in_portions(void **state)
{
    struct fixture *f = *state;
    int fd[150];

    f->keeps = false;
    listen_at(f, "127.0.0.1");
    for (size_t i = 0; i < N_ELEMENTS(fd); i++)
        fd[i] = raw_connect(f);
    pair_turns(f->client, 1);
    assert_in_range(f->n_accepted, 1, 64);
    for (int i = 0; i < 100 && f->n_accepted < 150; i++)
        pair_turns(f->client, 1);
    assert_int_equal(f->n_accepted, 150);
    for (size_t i = 0; i < N_ELEMENTS(fd); i++)
        close(fd[i]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(addresses_and_names_are_connected_to),
        T(a_unix_socket_knows_its_peer_and_leaves_no_file),
        T(a_stale_socket_file_is_replaced_one_in_use_is_not),
        T(what_cannot_be_listened_on_is_said),
        T(what_refuses_is_closed_with_a_reason),
        T(a_paused_listener_leaves_them_waiting),
        T(a_listener_may_be_paused_and_closed_in_its_own_call),
        T(out_of_descriptors_a_listener_rests),
        T(a_burst_is_accepted_in_portions),
    };

    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
