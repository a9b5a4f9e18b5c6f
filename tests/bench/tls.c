/* SPDX-License-Identifier: MIT */
/*
 * RFC 8446 from the client's side, as far as load generators need it (tls.h). Contexts of OpenSSL's
 * are made once and set anew for each connection: making them is what costs.
 */
#include "config.h"

#include "bench/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench/drive.h"

#define HASH_BYTES   32u
#define KEY_BYTES    16u
#define IV_BYTES     12u
#define TAG_BYTES    16u
#define HEADER_BYTES 5u
#define CLEAR_MAX    16384u
#define RECORD_MAX   (HEADER_BYTES + CLEAR_MAX + 256u)
#define IN_BYTES     (64u * 1024)

enum { REC_CIPHERSPEC = 20, REC_ALERT = 21, REC_HANDSHAKE = 22, REC_DATA = 23 };
enum { MSG_SERVER_HELLO = 2, MSG_FINISHED = 20 };
enum { AES_128_GCM_SHA256 = 0x1301, X25519 = 0x1d, EXT_KEY_SHARE = 51 };

struct direction {
    EVP_CIPHER_CTX *aes; /* NULL until it is first needed */
    uint8_t iv[IV_BYTES];
    uint64_t n;
};

struct tls {
    int fd;
    bool has_keys; /* of the handshake, at least */
    bool is_open;
    struct direction in, out;
    EVP_MD_CTX *transcript;
    uint8_t client_secret[HASH_BYTES]; /* of the handshake's traffic */
    uint8_t server_secret[HASH_BYTES];
    uint8_t master[HASH_BYTES];
    uint8_t exporter[HASH_BYTES];
    struct str messages; /* of the handshake, not yet whole */
    uint8_t *got;        /* received: from at to len; NULL when there is nothing */
    size_t at, len;
    struct str owed;
    struct tls *next; /* unused ones, with their contexts */
};

static struct {
    EVP_MD *sha256;
    EVP_CIPHER *aes;
    EVP_MD_CTX *hash;
    EVP_PKEY *key;
    EVP_PKEY_CTX *agreement;
    uint8_t hello[256];
    size_t hello_len;
    uint8_t none[HASH_BYTES];    /* the hash of nothing */
    uint8_t derived[HASH_BYTES]; /* of the early secret: without a PSK always the same */
    struct tls *unused;
} the;

static void must(bool ok, const char *what)
{
    if (!ok)
        drive_die("TLS", what);
}

/* ---- the key schedule ---- */

static void hmac(const uint8_t key[HASH_BYTES], const void *p, size_t n, uint8_t out[HASH_BYTES])
{
    uint8_t pad[64], inner[HASH_BYTES];

    memset(pad, 0x36, sizeof(pad));
    for (size_t i = 0; i < HASH_BYTES; i++)
        pad[i] ^= key[i];
    must(EVP_DigestInit_ex2(the.hash, the.sha256, NULL) == 1 &&
             EVP_DigestUpdate(the.hash, pad, sizeof(pad)) == 1 &&
             EVP_DigestUpdate(the.hash, p, n) == 1 &&
             EVP_DigestFinal_ex(the.hash, inner, NULL) == 1,
         "no HMAC");
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    must(EVP_DigestInit_ex2(the.hash, the.sha256, NULL) == 1 &&
             EVP_DigestUpdate(the.hash, pad, sizeof(pad)) == 1 &&
             EVP_DigestUpdate(the.hash, inner, sizeof(inner)) == 1 &&
             EVP_DigestFinal_ex(the.hash, out, NULL) == 1,
         "no HMAC");
}

/* HKDF-Expand-Label (RFC 8446 section 7.1) of at most one block. hash NULL: an empty context. */
static void expand(const uint8_t secret[HASH_BYTES], const char *label, const uint8_t *hash,
                   uint8_t *out, size_t n)
{
    size_t label_len = strlen(label), at = 0;
    uint8_t info[80], block[HASH_BYTES];

    info[at++] = 0;
    info[at++] = (uint8_t)n;
    info[at++] = (uint8_t)(label_len + 6);
    memcpy(info + at, "tls13 ", 6);
    memcpy(info + at + 6, label, label_len);
    at += label_len + 6;
    info[at++] = hash != NULL ? HASH_BYTES : 0;
    if (hash != NULL) {
        memcpy(info + at, hash, HASH_BYTES);
        at += HASH_BYTES;
    }
    info[at++] = 1;
    hmac(secret, info, at, block);
    memcpy(out, block, n);
}

static void set_key(struct direction *d, const uint8_t secret[HASH_BYTES], bool encrypts)
{
    uint8_t key[KEY_BYTES];
    bool is_new = d->aes == NULL;

    expand(secret, "key", NULL, key, sizeof(key));
    expand(secret, "iv", NULL, d->iv, sizeof(d->iv));
    d->n = 0;
    if (is_new)
        d->aes = EVP_CIPHER_CTX_new();
    must(d->aes != NULL &&
             EVP_CipherInit_ex2(d->aes, is_new ? the.aes : NULL, key, NULL, encrypts, NULL) == 1,
         "no cipher");
}

static void transcript_hash(const struct tls *t, uint8_t out[HASH_BYTES])
{
    must(EVP_MD_CTX_copy_ex(the.hash, t->transcript) == 1 &&
             EVP_DigestFinal_ex(the.hash, out, NULL) == 1,
         "no transcript");
}

static bool agree(const uint8_t share[32], uint8_t out[32])
{
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, share, 32);
    size_t n = 32;
    bool ok = peer != NULL && EVP_PKEY_derive_set_peer_ex(the.agreement, peer, 0) == 1 &&
              EVP_PKEY_derive(the.agreement, out, &n) == 1;

    EVP_PKEY_free(peer);
    return ok;
}

static void begin_keys(struct tls *t, const uint8_t shared[32])
{
    static const uint8_t zeros[HASH_BYTES];
    uint8_t secret[HASH_BYTES], hash[HASH_BYTES], derived[HASH_BYTES];

    hmac(the.derived, shared, 32, secret);
    transcript_hash(t, hash);
    expand(secret, "c hs traffic", hash, t->client_secret, HASH_BYTES);
    expand(secret, "s hs traffic", hash, t->server_secret, HASH_BYTES);
    expand(secret, "derived", the.none, derived, HASH_BYTES);
    hmac(derived, zeros, sizeof(zeros), t->master);
    set_key(&t->in, t->server_secret, false);
    set_key(&t->out, t->client_secret, true);
    t->has_keys = true;
}

/* ---- records ---- */

static void next_nonce(struct direction *d, uint8_t nonce[IV_BYTES])
{
    uint64_t n = d->n++;

    memcpy(nonce, d->iv, IV_BYTES);
    for (size_t i = IV_BYTES - 1; n != 0; i--, n >>= 8)
        nonce[i] ^= (uint8_t)n;
}

static void put_header(uint8_t *to, unsigned kind, size_t n)
{
    const uint8_t header[HEADER_BYTES] = { (uint8_t)kind, 3, 3, (uint8_t)(n >> 8), (uint8_t)n };

    memcpy(to, header, sizeof(header));
}

/* to: room for n and HEADER_BYTES + 1 + TAG_BYTES more. Returns what it has become. */
static size_t encrypt(struct tls *t, unsigned kind, const void *p, size_t n, uint8_t *to)
{
    const uint8_t last = (uint8_t)kind;
    uint8_t nonce[IV_BYTES];
    int len;

    next_nonce(&t->out, nonce);
    put_header(to, REC_DATA, n + 1 + TAG_BYTES);
    must(EVP_CipherInit_ex2(t->out.aes, NULL, NULL, nonce, -1, NULL) == 1 &&
             EVP_CipherUpdate(t->out.aes, NULL, &len, to, HEADER_BYTES) == 1 &&
             EVP_CipherUpdate(t->out.aes, to + HEADER_BYTES, &len, p, (int)n) == 1 &&
             EVP_CipherUpdate(t->out.aes, to + HEADER_BYTES + n, &len, &last, 1) == 1 &&
             EVP_CipherFinal_ex(t->out.aes, to + HEADER_BYTES + n + 1, &len) == 1 &&
             EVP_CIPHER_CTX_ctrl(t->out.aes, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES,
                                 to + HEADER_BYTES + n + 1) == 1,
         "encrypting failed");
    return HEADER_BYTES + n + 1 + TAG_BYTES;
}

/* A whole record of n bytes behind its header, to out. Its kind, or -1. */
static int decrypt(struct tls *t, uint8_t *record, size_t n, uint8_t *out, size_t *n_r)
{
    uint8_t nonce[IV_BYTES];
    int len;

    if (n < TAG_BYTES + 1)
        return -1;
    n -= TAG_BYTES;
    next_nonce(&t->in, nonce);
    if (EVP_CipherInit_ex2(t->in.aes, NULL, NULL, nonce, -1, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(t->in.aes, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES,
                            record + HEADER_BYTES + n) != 1 ||
        EVP_CipherUpdate(t->in.aes, NULL, &len, record, HEADER_BYTES) != 1 ||
        EVP_CipherUpdate(t->in.aes, out, &len, record + HEADER_BYTES, (int)n) != 1 ||
        EVP_CipherFinal_ex(t->in.aes, out + len, &len) != 1)
        return -1;
    while (n > 0 && out[n - 1] == 0)
        n--;
    *n_r = n > 0 ? n - 1 : 0;
    return n > 0 ? out[n - 1] : -1;
}

static size_t record_bytes(const struct tls *t)
{
    const uint8_t *p = t->got + t->at;

    return t->len - t->at < HEADER_BYTES ? RECORD_MAX : HEADER_BYTES + ((size_t)p[3] << 8 | p[4]);
}

bool tls_has_record(const struct tls *t)
{
    return t->got != NULL && t->len - t->at >= record_bytes(t);
}

/* 1 something came, 0 nothing yet, -1 nothing comes any more. */
static int receive(struct tls *t)
{
    long got;

    if (t->got == NULL) {
        t->got = mem_alloc(IN_BYTES);
        t->at = t->len = 0;
    } else if (t->at > 0) {
        memmove(t->got, t->got + t->at, t->len - t->at);
        t->len -= t->at;
        t->at = 0;
    }
    got = recv(t->fd, t->got + t->len, IN_BYTES - t->len, 0);
    if (got > 0)
        t->len += (size_t)got;
    return got > 0 ? 1 : got < 0 && errno == EAGAIN ? 0 : -1;
}

/* The next record in clear. Its kind, 0 would block, -1. */
static int next_record(struct tls *t, uint8_t *out, size_t *n_r)
{
    size_t n;
    uint8_t *record;
    int kind;

    while (!tls_has_record(t)) {
        int rc = t->got != NULL && t->len - t->at >= RECORD_MAX ? -1 : receive(t);

        if (rc <= 0)
            return rc;
    }
    record = t->got + t->at;
    n = record_bytes(t) - HEADER_BYTES;
    t->at += HEADER_BYTES + n;
    kind = record[0];
    if (n > RECORD_MAX - HEADER_BYTES) {
        kind = -1;
    } else if (kind == REC_DATA && t->has_keys) {
        kind = decrypt(t, record, n, out, n_r);
    } else {
        memcpy(out, record + HEADER_BYTES, n);
        *n_r = n;
    }
    if (t->at == t->len) {
        free(t->got);
        t->got = NULL;
    }
    return kind;
}

/* ---- the handshake ---- */

static void add_u16(struct str *out, size_t n)
{
    str_addc(out, (char)(n >> 8));
    str_addc(out, (char)n);
}

static void make_hello(void)
{
    static const uint8_t extensions[] = {
        0, 43, 0, 3,  2, 3,  4,            /* supported_versions: TLS 1.3 */
        0, 10, 0, 4,  0, 2,  0, 29,        /* supported_groups: x25519 */
        0, 13, 0, 4,  0, 2,  4, 3,         /* signature_algorithms: ecdsa_secp256r1_sha256 */
        0, 51, 0, 38, 0, 36, 0, 29, 0, 32, /* key_share: x25519 */
    };
    struct str body = STR_INIT, hello = STR_INIT;
    uint8_t share[32];
    size_t n = sizeof(share);

    must(EVP_PKEY_get_raw_public_key(the.key, share, &n) == 1, "no key share");
    add_u16(&body, 0x0303);
    for (int i = 0; i < 32; i++)
        str_addc(&body, 0); /* the random, set for each connection */
    str_addc(&body, 0);     /* no session */
    add_u16(&body, 2);
    add_u16(&body, AES_128_GCM_SHA256);
    add_u16(&body, 0x0100); /* no compression */
    add_u16(&body, sizeof(extensions) + sizeof(share));
    str_addn(&body, extensions, sizeof(extensions));
    str_addn(&body, share, sizeof(share));
    str_addn(&hello, "\x16\x03\x01", 3);
    add_u16(&hello, body.len + 4);
    add_u16(&hello, 0x0100); /* client_hello */
    add_u16(&hello, body.len);
    str_addn(&hello, body.s, body.len);
    must(hello.len <= sizeof(the.hello), "a long hello");
    memcpy(the.hello, hello.s, hello.len);
    the.hello_len = hello.len;
    str_clear(&body);
    str_clear(&hello);
}

void tls_setup(void)
{
    static const uint8_t zeros[HASH_BYTES];
    uint8_t early[HASH_BYTES];

    the.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    the.aes = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    the.hash = EVP_MD_CTX_new();
    the.key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    must(the.sha256 != NULL && the.aes != NULL && the.hash != NULL && the.key != NULL,
         "no OpenSSL");
    the.agreement = EVP_PKEY_CTX_new(the.key, NULL);
    must(the.agreement != NULL && EVP_PKEY_derive_init(the.agreement) == 1, "no X25519");
    must(EVP_Digest("", 0, the.none, NULL, the.sha256, NULL) == 1, "no hash");
    hmac(zeros, zeros, sizeof(zeros), early);
    expand(early, "derived", the.none, the.derived, HASH_BYTES);
    make_hello();
}

static size_t u16(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* The server's share in its hello's body; NULL: it is not what was asked for. */
static const uint8_t *share_of(const uint8_t *p, size_t n)
{
    size_t at = 2 + 32; /* version, random */

    if (n < at + 1)
        return NULL;
    at += 1 + (size_t)p[at]; /* session */
    if (n < at + 5 || u16(p + at) != AES_128_GCM_SHA256)
        return NULL;
    for (at += 5; at + 4 <= n; at += 4 + u16(p + at + 2))
        if (u16(p + at) == EXT_KEY_SHARE && u16(p + at + 2) == 36 && at + 4 + 36 <= n &&
            u16(p + at + 4) == X25519 && u16(p + at + 6) == 32)
            return p + at + 8;
    return NULL;
}

/* The server's Finished is in the transcript: ours, and the keys of what follows. */
static void finish(struct tls *t)
{
    uint8_t hash[HASH_BYTES], key[HASH_BYTES], secret[HASH_BYTES];
    uint8_t message[4 + HASH_BYTES] = { MSG_FINISHED, 0, 0, HASH_BYTES };
    uint8_t record[HEADER_BYTES + sizeof(message) + 1 + TAG_BYTES];

    transcript_hash(t, hash);
    expand(t->client_secret, "finished", NULL, key, sizeof(key));
    hmac(key, hash, sizeof(hash), message + 4);
    str_addn(&t->owed, record, encrypt(t, REC_HANDSHAKE, message, sizeof(message), record));
    expand(t->master, "exp master", hash, t->exporter, HASH_BYTES);
    expand(t->master, "s ap traffic", hash, secret, sizeof(secret));
    set_key(&t->in, secret, false);
    expand(t->master, "c ap traffic", hash, secret, sizeof(secret));
    set_key(&t->out, secret, true);
    t->is_open = true;
}

/* Whole messages are taken off. 0, or -1. */
static int take_messages(struct tls *t)
{
    const uint8_t *p = (const uint8_t *)t->messages.s;
    size_t at = 0, len = t->messages.len;

    while (!t->is_open && len - at >= 4) {
        size_t n = (size_t)p[at + 1] << 16 | u16(p + at + 2);
        uint8_t shared[32];

        if (len - at < 4 + n)
            break;
        must(EVP_DigestUpdate(t->transcript, p + at, 4 + n) == 1, "no transcript");
        if (p[at] == MSG_SERVER_HELLO) {
            const uint8_t *share = share_of(p + at + 4, n);

            if (share == NULL || !agree(share, shared))
                return -1;
            begin_keys(t, shared);
        } else if (p[at] == MSG_FINISHED) {
            finish(t);
        }
        at += 4 + n;
    }
    memmove(t->messages.s, t->messages.s + at, len - at);
    str_truncate(&t->messages, len - at);
    return 0;
}

int tls_shake(struct tls *t)
{
    static uint8_t clear[RECORD_MAX];
    size_t n;
    int kind;

    while (!t->is_open) {
        kind = next_record(t, clear, &n);
        if (kind == 0)
            return 0;
        if (kind == REC_CIPHERSPEC)
            continue;
        if (kind != REC_HANDSHAKE)
            return -1;
        str_addn(&t->messages, clear, n);
        if (take_messages(t) < 0)
            return -1;
    }
    return 1;
}

/* ---- life ---- */

struct tls *tls_open(int fd)
{
    struct tls *t = the.unused;

    if (t != NULL) {
        the.unused = t->next;
    } else {
        t = mem_zalloc(sizeof(*t));
        t->transcript = EVP_MD_CTX_new();
    }
    t->fd = fd;
    t->has_keys = t->is_open = false;
    must(RAND_bytes(the.hello + HEADER_BYTES + 4 + 2, 32) == 1 &&
             EVP_DigestInit_ex2(t->transcript, the.sha256, NULL) == 1 &&
             EVP_DigestUpdate(t->transcript, the.hello + HEADER_BYTES,
                              the.hello_len - HEADER_BYTES) == 1,
         "no hello");
    str_addn(&t->owed, the.hello, the.hello_len);
    (void)tls_write(t, "", 0);
    return t;
}

void tls_close(struct tls **tp)
{
    static const uint8_t close_notify[] = { 1, 0 };
    struct tls *t = *tp;
    uint8_t record[HEADER_BYTES + sizeof(close_notify) + 1 + TAG_BYTES];

    if (t == NULL)
        return;
    *tp = NULL;
    if (t->is_open) {
        str_addn(&t->owed, record,
                 encrypt(t, REC_ALERT, close_notify, sizeof(close_notify), record));
        (void)tls_write(t, "", 0);
    }
    str_clear(&t->owed);
    str_clear(&t->messages);
    free(t->got);
    t->got = NULL;
    t->next = the.unused;
    the.unused = t;
}

/* ---- use ---- */

long tls_read(struct tls *t, void *p, size_t n)
{
    static uint8_t clear[RECORD_MAX];
    size_t len = 0;
    int kind;

    for (;;) {
        kind = next_record(t, clear, &len);
        if (kind == 0)
            return 0;
        if (kind == REC_HANDSHAKE || kind == REC_CIPHERSPEC || (kind == REC_DATA && len == 0))
            continue; /* a ticket: we do not come back */
        if (kind != REC_DATA || len > n)
            return -1;
        memcpy(p, clear, len);
        return (long)len;
    }
}

bool tls_owes(const struct tls *t)
{
    return t->owed.len > 0;
}

/* What is owed; false: the peer has gone. */
static bool pay(struct tls *t)
{
    long sent = send(t->fd, t->owed.s, t->owed.len, MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN;
    if ((size_t)sent < t->owed.len) {
        memmove(t->owed.s, t->owed.s + sent, t->owed.len - (size_t)sent);
        str_truncate(&t->owed, t->owed.len - (size_t)sent);
    } else {
        str_clear(&t->owed);
    }
    return true;
}

long tls_write(struct tls *t, const void *p, size_t n)
{
    size_t done = 0;

    /* Our Finished waits for company; other debts first. */
    if (t->owed.len > RECORD_MAX) {
        if (!pay(t))
            return -1;
        if (t->owed.len > RECORD_MAX)
            return 0;
    }
    while (done < n && t->owed.len < IN_BYTES) {
        size_t piece = MIN(n - done, CLEAR_MAX);

        str_reserve(&t->owed, RECORD_MAX);
        t->owed.len += encrypt(t, REC_DATA, (const uint8_t *)p + done, piece,
                               (uint8_t *)t->owed.s + t->owed.len);
        done += piece;
    }
    if (t->owed.len > 0 && !pay(t))
        return -1;
    return (long)done;
}

void tls_exporter(struct tls *t, uint8_t out[TLS_EXPORTER_BYTES])
{
    uint8_t secret[HASH_BYTES];

    expand(t->exporter, "EXPORTER-Channel-Binding", the.none, secret, sizeof(secret));
    expand(secret, "exporter", the.none, out, TLS_EXPORTER_BYTES);
}
