/* SPDX-License-Identifier: MIT */
/*
 * What sealing costs: seals made and opened, and messages signed and checked, per second on one
 * thread, by the size of the content. Beside them the same by OpenSSL's CMS functions at their best
 * (cms_rival.h), and the primitives that none of them can do without.
 *
 *   seal_bench [SECONDS]   per figure, 0.5 by default; prints a table and then JSON
 *
 * CPU time of the thread is what is counted; each figure is the best of five rounds, because
 * whatever disturbs a round can only make it slower. A round has all figures of a size in turn.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "bench/cms_rival.h"
#include "seal/certificate_private.h"
#include "seal/digest.h"
#include "seal/identity.h"
#include "seal/identity_private.h"
#include "seal/seal.h"

#define ROUNDS 5

static double seconds = 0.5;
static struct identity *a, *b;
static struct str content, armor, rival, signature;
static EVP_PKEY *key;

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void must(int ok)
{
    if (!ok) {
        (void)fprintf(stderr, "seal_bench: a call failed\n");
        exit(1);
    }
}

static void make_one(void)
{
    char hex[SEAL_SHA256_SIZE];

    str_truncate(&armor, 0);
    must(seal_make(a, identity_encrypt_certificate(b), content.s, content.len, &armor, hex, NULL) ==
         0);
}

static void open_one(void)
{
    static struct str out;
    char hex[SEAL_SHA256_SIZE];
    enum refusal why;

    str_truncate(&out, 0);
    must(seal_open(identity_sign_certificate(a), b, armor.s, armor.len, &out, hex, &why, NULL) == 0);
}

static void cms_make_one(void)
{
    str_truncate(&rival, 0);
    must(cms_rival_make(certificate_x509(identity_sign_certificate(a)), identity_sign_key(a),
                        certificate_x509(identity_encrypt_certificate(b)), content.s, content.len,
                        &rival) == 0);
}

static void cms_open_one(void)
{
    static struct str out;

    str_truncate(&out, 0);
    must(cms_rival_open(certificate_x509(identity_sign_certificate(a)),
                        certificate_x509(identity_encrypt_certificate(b)), identity_encrypt_key(b),
                        rival.s, rival.len, &out) == 0);
    must(out.len == content.len && memcmp(out.s, content.s, out.len) == 0);
}

/* Either opens what the other has made, so both do the same work. */
static void check_rival(void)
{
    struct str made = armor;

    cms_make_one();
    armor = rival;
    open_one();
    armor = made;
    rival = made;
    cms_open_one();
    rival = (struct str)STR_INIT;
    cms_make_one();
}

static void sign_one(void)
{
    str_truncate(&signature, 0);
    must(seal_sign_message(a, content.s, content.len, &signature, NULL) == 0);
}

static void check_one(void)
{
    must(seal_check_message(identity_sign_certificate(a), content.s, content.len, signature.s,
                            signature.len, NULL) == 0);
}

/* ---- primitives ---- */

static void ecdsa_sign(void)
{
    uint8_t digest[32] = { 1 }, sig[80];
    size_t n = sizeof sig;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    must(EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, sig, &n, digest, sizeof digest) == 1);
    EVP_PKEY_CTX_free(ctx);
}

static void ecdsa_verify(void)
{
    static uint8_t digest[32] = { 1 }, sig[80];
    static size_t n;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    if (n == 0) {
        n = sizeof sig;
        must(EVP_PKEY_sign_init(ctx) == 1 &&
             EVP_PKEY_sign(ctx, sig, &n, digest, sizeof digest) == 1);
    }
    must(EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_verify(ctx, sig, n, digest, sizeof digest) == 1);
    EVP_PKEY_CTX_free(ctx);
}

static void ecdh(void)
{
    uint8_t secret[32];
    size_t n = sizeof secret;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    must(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer_ex(ctx, key, 0) == 1 &&
         EVP_PKEY_derive(ctx, secret, &n) == 1);
    EVP_PKEY_CTX_free(ctx);
}

static void encode_one(void)
{
    static struct str out;

    str_truncate(&out, 0);
    base64_add(&out, content.s, content.len, 0);
}

static void decode_one(void)
{
    static struct str text, out;

    if (text.len != (content.len + 2) / 3 * 4) {
        str_truncate(&text, 0);
        base64_add(&text, content.s, content.len, 0);
    }
    str_truncate(&out, 0);
    must(base64_decode(text.s, text.len, &out) == 0);
}

static void hash_one(void)
{
    char hex[65];

    digest_sha256_hex(content.s, content.len, hex);
}

/* ---- measuring ---- */

static double one_round(void (*fn)(void))
{
    double start, took;
    size_t n = 0;

    fn();
    start = now();
    do {
        fn();
        n++;
    } while ((took = now() - start) < seconds / ROUNDS);
    return (double)n / took;
}

static const struct {
    const char *name;
    void (*fn)(void);
} figures[] = {
    { "make", make_one },          { "cms-make", cms_make_one },
    { "open", open_one },          { "cms-open", cms_open_one },
    { "sign", sign_one },          { "check", check_one },
    { "base64", encode_one },      { "unbase64", decode_one },
    { "sha256", hash_one },        { "ecdsa-sign", ecdsa_sign },
    { "ecdsa-verify", ecdsa_verify }, { "ecdh", ecdh },
};
static const size_t sizes[] = { 512, 4096, 65536, 1048576 };

static double best[N_ELEMENTS(figures)][N_ELEMENTS(sizes)];

static void measure(size_t i)
{
    str_truncate(&content, 0);
    str_reserve(&content, sizes[i]);
    random_bytes(content.s, sizes[i]);
    content.len = sizes[i];
    make_one();
    sign_one();
    check_rival();
    for (int round = 0; round < ROUNDS; round++)
        for (size_t f = 0; f < N_ELEMENTS(figures); f++)
            best[f][i] = MAX(best[f][i], one_round(figures[f].fn));
}

static void print_table(void)
{
    printf("%-14s", "per second");
    for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
        printf("%12zu", sizes[i]);
    for (size_t f = 0; f < N_ELEMENTS(figures); f++) {
        printf("\n%-14s", figures[f].name);
        for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
            printf("%12.0f", best[f][i]);
    }
    printf("\n\n");
}

static void print_json(void)
{
    for (size_t f = 0; f < N_ELEMENTS(figures); f++)
        for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
            printf("%s{\"name\":\"%s\",\"bytes\":%zu,\"per_s\":%.1f}", f + i > 0 ? "," : "[",
                   figures[f].name, sizes[i], best[f][i]);
    printf("]\n");
}

static void load(const char *folder)
{
    struct identity_files files = { .directory = folder };

    a = identity_load("a.example", &files, NULL, NULL);
    b = identity_load("b.example", &files, NULL, NULL);
    key = EVP_EC_gen("P-256");
    must(a != NULL && b != NULL && key != NULL);
}

static void remove_files(const char *folder)
{
    static const char *const names[] = { "a.example.sign.pem", "a.example.encrypt.pem",
                                         "b.example.sign.pem", "b.example.encrypt.pem" };

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        struct str path = STR_INIT;

        str_addf(&path, "%s/%s", folder, names[i]);
        (void)unlink(path.s);
        str_clear(&path);
    }
    (void)rmdir(folder);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/immp-bench-XXXXXX";

    if (argc > 1)
        seconds = atof(argv[1]);
    mem_tune();
    must(mkdtemp(folder) != NULL && seconds > 0);
    load(folder);
    for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
        measure(i);
    print_table();
    print_json();
    identity_unref(&a);
    identity_unref(&b);
    EVP_PKEY_free(key);
    remove_files(folder);
    return 0;
}
