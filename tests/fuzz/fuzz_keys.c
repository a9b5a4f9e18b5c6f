/* SPDX-License-Identifier: MIT */
/*
 * The files that a domain's keys are read from: certificate and private key in PEM, made by us or
 * given by the operator.
 *
 *   first byte   bit 0 the operator's, else our own; bit 1 the operator's key stands in a file of
 *                its own; bit 2 others may read the file; bit 3 the file is larger than a key is;
 *                bit 4 there is no key to decrypt yet, so that one is made
 *   the rest     the file; a NUL ends the certificate's, then comes the key's
 *
 * Holds: what is refused has a reason, and nothing is written over; a file that others can read is
 * never used; what is loaded is for that domain, and what it signs, seals and receipts opens with
 * its certificate.
 */
#include "config.h"

#include "seal/identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "seal/seal.h"

#include "fuzz/fuzz.h"

#define DOMAIN     "b.com"
#define BIG_OCTETS (64 * 1024)

enum { IS_OPERATORS = 1, HAS_KEY_FILE = 2, IS_OPEN = 4, IS_BIG = 8, IS_NEW = 16 };

static char folder[] = "/tmp/immp-fuzz-XXXXXX";
static char certificate_path[64], key_path[64], ours_path[64], encrypt_path[64];
static char encrypt_key[4096];
static size_t encrypt_len;

static void clean_up(void)
{
    (void)unlink(certificate_path);
    (void)unlink(key_path);
    (void)unlink(ours_path);
    (void)unlink(encrypt_path);
    (void)rmdir(folder);
}

static void setup(void)
{
    const char *top = getenv("top_srcdir");
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/tests/vectors/seal/b.com.encrypt.pem",
                   top != NULL ? top : ".");
    f = fopen(path, "rb");
    FUZZ_CHECK(f != NULL);
    encrypt_len = fread(encrypt_key, 1, sizeof encrypt_key, f);
    (void)fclose(f);
    FUZZ_CHECK(encrypt_len > 0 && mkdtemp(folder) != NULL);
    (void)snprintf(certificate_path, sizeof certificate_path, "%s/certificate", folder);
    (void)snprintf(key_path, sizeof key_path, "%s/key", folder);
    (void)snprintf(ours_path, sizeof ours_path, "%s/" DOMAIN ".sign.pem", folder);
    (void)snprintf(encrypt_path, sizeof encrypt_path, "%s/" DOMAIN ".encrypt.pem", folder);
    (void)atexit(clean_up);
}

static void put_file(const char *path, mode_t mode, const void *p, size_t n, size_t fill)
{
    static const char blanks[BIG_OCTETS];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    FUZZ_CHECK(fd >= 0 && fchmod(fd, mode) == 0);
    FUZZ_CHECK(write(fd, p, n) == (ssize_t)n && write(fd, blanks, fill) == (ssize_t)fill);
    (void)close(fd);
}

static void check_seals(const struct identity *id)
{
    const struct certificate *c = identity_sign_certificate(id);
    struct str base64 = STR_INIT, armor = STR_INIT, out = STR_INIT;
    char hex[SEAL_SHA256_SIZE];
    enum refusal why;

    FUZZ_CHECK(strcmp(identity_domain(id), DOMAIN) == 0 && certificate_covers(c, DOMAIN));
    FUZZ_CHECK(certificate_covers(identity_encrypt_certificate(id), DOMAIN));
    FUZZ_CHECK(seal_sign_message(id, "header", 6, &base64, NULL) == 0);
    FUZZ_CHECK(seal_check_message(c, "header", 6, base64.s, base64.len, NULL) == 0);
    FUZZ_CHECK(seal_check_message(c, "heade", 5, base64.s, base64.len, NULL) < 0);
    FUZZ_CHECK(seal_make_receipt(id, "text", 4, &armor, NULL) == 0);
    FUZZ_CHECK(seal_open_receipt(c, armor.s, armor.len, &out, NULL) == 0 && out.len == 4);
    str_truncate(&armor, 0);
    str_truncate(&out, 0);
    FUZZ_CHECK(seal_make(id, identity_encrypt_certificate(id), "bundle", 6, &armor, hex, NULL) ==
               0);
    FUZZ_CHECK(seal_open(c, id, armor.s, armor.len, &out, hex, &why, NULL) == 0 && out.len == 6);
    str_clear(&base64);
    str_clear(&armor);
    str_clear(&out);
}

static void check_unchanged(const char *path, const void *p, size_t n)
{
    char buf[BIG_OCTETS];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    FUZZ_CHECK(fd >= 0);
    got = read(fd, buf, sizeof buf);
    (void)close(fd);
    FUZZ_CHECK(got >= 0 && (size_t)got >= MIN(n, sizeof buf) &&
               memcmp(buf, p, MIN(n, sizeof buf)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct identity_files files = { .directory = folder };
    const uint8_t *nul;
    struct identity *id;
    struct err err = { ERR_NONE };
    unsigned flags;
    size_t n;

    if (len < 1 || len > BIG_OCTETS)
        return 0;
    if (*certificate_path == '\0')
        setup();
    flags = *data++;
    len--;
    nul = memchr(data, '\0', len);
    n = nul != NULL ? (size_t)(nul - data) : len;
    if ((flags & IS_OPERATORS) != 0)
        files.certificate = certificate_path;
    if ((flags & HAS_KEY_FILE) != 0)
        files.key = key_path;
    put_file(certificate_path, (flags & IS_OPEN) != 0 ? 0666 : 0640, data, n,
             (flags & IS_BIG) != 0 ? BIG_OCTETS : 0);
    put_file(key_path, 0640, nul != NULL ? nul + 1 : data, nul != NULL ? len - n - 1 : 0, 0);
    put_file(ours_path, (flags & IS_OPEN) != 0 ? 0644 : 0600, data, n, 0);
    (void)unlink(encrypt_path);
    if ((flags & IS_NEW) == 0)
        put_file(encrypt_path, 0600, encrypt_key, encrypt_len, 0);
    id = identity_load(DOMAIN, &files, NULL, &err);
    FUZZ_CHECK(id != NULL || (err.kind != ERR_NONE && err.text[0] != '\0'));
    FUZZ_CHECK(id == NULL || (flags & IS_OPEN) == 0);
    if (id != NULL)
        check_seals(id);
    check_unchanged(ours_path, data, n);
    identity_unref(&id);
    return 0;
}
