/* SPDX-License-Identifier: MIT */
/*
 * A tiny IMMP server that plays one script to one connection, in a thread. A script is lines:
 *
 *   S: text         say the line            C: text      hear exactly this line
 *   s: text         say it without a LF     C~ text      hear a line that begins so
 *   GREET           the usual greeting      UPGRADE n    the usual upgrade to TLS n (2, 3)
 *   TLS n           only the handshake      LOGIN secret the usual AUTH SECRET, checked
 *   TAKE n          hear n octets           QUIT         hear QUIT, say 205
 *   GIVE n          say n octets "x"        SILENCE      say nothing until the client goes
 *   LF              say a LF                BOTH a|b     say two lines in one piece
 *
 * At its end the connection is closed. What was not as it should be is the result.
 */
#ifndef TESTS_UNIT_CLIENT_SERVER_H
#define TESTS_UNIT_CLIENT_SERVER_H

#include "base/str.h"

struct server;
struct server *server_start(const char *script);
const char *server_port(const struct server *s);
const char *server_fingerprint(const struct server *s);
/* Wait for its end. Fails the test if the client did not follow the script. */
void server_stop(struct server **sp);
/* What TAKE heard, all together; after server_stop() of the server that set it. */
extern struct str server_taken;

/* The folder that the servers' certificate lies in; both once for all tests. */
void server_setup(void);
void server_teardown(void);

#endif
