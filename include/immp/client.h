/* SPDX-License-Identifier: MIT */
/*
 * libimmp: a client's connection to an IMMP server (docs/immp.md).
 *
 * A connection is blocking and belongs to one thread at a time; different connections may be used
 * in different threads. The caller ignores SIGPIPE. Strings are UTF-8, ended by NUL.
 *
 *   struct immp_options opt = { .host = "mail.b.com", .check_key = my_pin_check };
 *   struct immp_client *c = immp_client_open(&opt, &err);
 *   if (c != NULL && immp_client_login(c, "bob@b.com", secret, NULL, &err) == 0)
 *       immp_client_command(c, "MBOX CHECK /inbox", &handler, &err);
 *   immp_client_close(&c);
 */
#ifndef IMMP_CLIENT_H
#define IMMP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define IMMP_API __attribute__((visibility("default")))
#else
#define IMMP_API
#endif

#define IMMP_PORT          "1025"
#define IMMP_UUID_SIZE     37  /* 36 characters and NUL */
#define IMMP_TIMEOUT_MS    60000
#define IMMP_REPLY_MAX     (128u * 1024 * 1024)  /* bytes of one reply line (a message as JSON is one) */

/* What kind of failure it was: it decides whether to try again. */
enum immp_kind {
    IMMP_OK = 0,
    IMMP_TEMPORARY,  /* try again later: server away, overloaded, disk full */
    IMMP_PERMANENT,  /* trying again is useless: no such account, too large */
    IMMP_PROTOCOL,   /* the other side does not speak IMMP, or not well */
    IMMP_DENIED,     /* wrong secret, key refused, not allowed */
    IMMP_UNCERTAIN,  /* a delivery may have been taken: repeat it under the same id */
};

struct immp_error {
    enum immp_kind kind;
    int status;      /* the reply code that said so (440, 703, …); 0: none did */
    char text[256];  /* for people */
};

/* ---- a connection ---- */

struct immp_client;

struct immp_options {
    const char *host;  /* name or address */
    const char *port;  /* number or service; NULL: 1025 */
    int timeout_ms;    /* of connecting, and of each wait for the server; 0: IMMP_TIMEOUT_MS */
    /*
     * Is this the server that is meant? Called once the TLS handshake is done and before anything
     * else is said. fingerprint: SHA-256 of the certificate's SubjectPublicKeyInfo, 64 lower-case
     * hex digits. 0 yes; anything else ends the connection (IMMP_DENIED). Certificates are not
     * verified in any other way, so NULL, which takes every key, is for tests only.
     */
    int (*check_key)(void *ctx, const char *fingerprint);
    void *ctx;         /* for check_key */
};

/*
 * Connect, read the greeting and upgrade to TLS 1.3, or to 1.2 where the server offers no 1.3.
 * Returns a connection in the unauthenticated state, owned by the caller; NULL: err.
 */
IMMP_API struct immp_client *immp_client_open(const struct immp_options *opt,
                                              struct immp_error *err);
/* Say QUIT where that is possible, close, release; sets *cp to NULL. *cp may be NULL. */
IMMP_API void immp_client_close(struct immp_client **cp);

/* The domain that the greeting named ("" if none), and the server's fingerprint. Borrowed. */
IMMP_API const char *immp_client_domain(const struct immp_client *c);
IMMP_API const char *immp_client_fingerprint(const struct immp_client *c);

/*
 * AUTH SECRET: proves knowledge of the password without sending it. The key is bound to the TLS
 * connection where the server takes that (HMAC with the tls-exporter), else the draft's SHA-1.
 * device: a name for the server's log, or NULL. Takes about 0.1 s of computing (scrypt).
 * 0; -1: err, IMMP_DENIED when the secret is wrong.
 */
IMMP_API int immp_client_login(struct immp_client *c, const char *account, const char *password,
                               const char *device, struct immp_error *err);

/* ---- commands ---- */

struct immp_reply {
    int code;
    bool has_more;      /* more lines of this reply follow */
    const char *text;   /* borrowed for the call */
    bool has_octets;    /* exactly so many octets follow this line */
    uint64_t octets;
};

struct immp_handler {
    /* Each line of the reply, in order. */
    int (*line)(void *ctx, const struct immp_reply *reply);
    /* Octets of the line before, in pieces as they come; NULL drops them. */
    int (*octets)(void *ctx, const void *p, size_t n);
    void *ctx;
};

/*
 * Send one command line (without LF, at most 8190 bytes; "AS" and ";" are not for this function)
 * and read its reply to the end. A handler function returns 0; anything else gives up: the
 * connection is closed, since the rest of the reply is still on its way.
 *
 * handler may be NULL. Lines of an error reply are handed on too. Unsolicited lines are dropped.
 * Returns the last line's code (2xx, or 303, 304, 271, which await something), or -1: err, with
 * the server's code and text if it said no (the connection can be used on), and otherwise status
 * 0 (it cannot).
 */
IMMP_API int immp_client_command(struct immp_client *c, const char *line,
                                 const struct immp_handler *handler, struct immp_error *err);

/*
 * Write s as one token of a command line into out (size bytes), quoted where it has to be.
 * Returns its length, or -1: no room, or s holds a line end, or a quote that no token can hold.
 */
IMMP_API long immp_token(const char *s, char *out, size_t size);

/* ---- delivering ---- */

enum immp_flag {
    IMMP_IMPORTANT   = 1 << 0,
    IMMP_UNIMPORTANT = 1 << 1,
    IMMP_SECURE      = 1 << 2,  /* only over verified links and keys */
    IMMP_ANONYMOUS   = 1 << 3,  /* the sender shows as anonymous@domain */
    IMMP_BLIND       = 1 << 4,  /* recipients do not see each other */
    IMMP_RECEIPT     = 1 << 5,  /* a notice when it is delivered */
};

struct immp_part {
    const char *name;    /* 1 to 255 bytes, no quote */
    const char *type;    /* "text/plain" */
    bool is_content;     /* at least one part of a message is */
    uint64_t length;     /* octets, exactly what read will give */
    /* Up to n octets into buf: how many, 0 at the end, -1 cannot be read. */
    long (*read)(void *ctx, void *buf, size_t n);
    void *ctx;
};

struct immp_message {
    const char *const *to;
    size_t n_to;
    const char *from;         /* NULL: the account */
    const char *subject;      /* NULL: none */
    const char *id;           /* NULL: a new one (immp_uuid()); the same id is delivered once */
    const char *in_reply_to;  /* a UUID, or NULL */
    uint64_t expires_s;       /* 0: never */
    unsigned flags;           /* enum immp_flag */
    const struct immp_part *parts;
    size_t n_parts;
};

/* What became of one recipient: 201 delivered, 202 queued, or why not. Strings are borrowed. */
typedef void immp_result_fn(void *ctx, const char *to, int code, const char *text);

/*
 * Deliver a message. result (may be NULL) is called once for each recipient, in order, if the
 * server took the message. Returns 0 when it was taken (see the results), or -1: err. With
 * IMMP_UNCERTAIN it may have been taken; repeating it with the same id is safe.
 */
IMMP_API int immp_client_deliver(struct immp_client *c, const struct immp_message *m,
                                 immp_result_fn *result, void *ctx, struct immp_error *err);

IMMP_API void immp_uuid(char out[IMMP_UUID_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
