/* SPDX-License-Identifier: MIT */
/*
 * What is read of CMS and X.509, with the keys of tests/vectors/seal. The first byte says how the
 * rest is read: a seal, an inner envelope (so that decryption is reached without a signature), a
 * message signature, a receipt, a certificate, the text of a seal, an endorsement, what is to be
 * sealed and signed by us, a certificate to seal for, a certificate and what it has signed (two
 * octets for the certificate's length come first), signatures of messages to be checked together,
 * or ECDSA signatures alone (for both: two octets for its length before each).
 *
 * Holds: nobody can make anything that opens but what those keys have signed and encrypted, so
 * whatever opens is the known bundle, header or text; what is refused has a code and lets nothing
 * out; a certificate that is read is the same again when its PEM is read. What we seal or sign
 * opens as what it was, for its receiver alone, and not when one octet of it is another. Whoever
 * has signed a receipt, by whatever key, his certificate alone opens it. What is checked together,
 * or by a table of the key's multiples, holds exactly where it does alone and by the library.
 */
#include "config.h"

#include "seal/seal.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "seal/digest.h"

#include "fuzz/fuzz.h"
#include "seal/certificate_private.h"
#include "seal/enveloped_private.h"
#include "seal/verifier_private.h"

#define TOGETHER_MAX 8

static struct identity *origin, *ours;
static struct str bundle, header, receipt;
static struct verifier *by_table, *by_library;

static void read_vector(const char *name, struct str *out)
{
    const char *top = getenv("top_srcdir");
    struct str path = STR_INIT;
    char buf[4096];
    FILE *f;
    size_t n;

    str_addf(&path, "%s/tests/vectors/seal/%s", top != NULL ? top : ".", name);
    f = fopen(path.s, "rb");
    if (f == NULL) {
        perror(path.s);
        exit(1);
    }
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_addn(out, buf, n);
    (void)fclose(f);
    str_clear(&path);
}

/* Keys are read from files that only we can read, which those of a checkout are not. */
static void copy_key(const char *folder, const char *name)
{
    struct str path = STR_INIT, text = STR_INIT;
    FILE *f;

    read_vector(name, &text);
    str_addf(&path, "%s/%s", folder, name);
    f = fopen(path.s, "wb");
    FUZZ_CHECK(f != NULL && fwrite(text.s, 1, text.len, f) == text.len && fclose(f) == 0);
    str_clear(&path);
    str_clear(&text);
}

/* Of the same key; from here on no other has a table. */
static void open_verifiers(void)
{
    EVP_PKEY *key = certificate_key(identity_sign_certificate(origin));
    const uint8_t none[32] = { 0 };

    by_table = verifier_create(key);
    by_library = verifier_create(key);
    FUZZ_CHECK(by_table != NULL && by_library != NULL);
    verifier_set_limits(1, 1);
    for (int i = 0; i < 3; i++)
        FUZZ_CHECK(!verifier_check(by_table, none, sizeof none, none, sizeof none));
    FUZZ_CHECK(verifier_tables() == 1);
}

static void setup(void)
{
    static const char *const keys[] = { "a.com.sign.pem", "a.com.encrypt.pem", "b.com.sign.pem",
                                        "b.com.encrypt.pem" };
    char folder[] = "/tmp/immp-fuzz-XXXXXX";
    struct identity_files files = { .directory = folder };
    mode_t before = umask(077);

    FUZZ_CHECK(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < N_ELEMENTS(keys); i++)
        copy_key(folder, keys[i]);
    origin = identity_load("a.com", &files, NULL, NULL);
    ours = identity_load("b.com", &files, NULL, NULL);
    FUZZ_CHECK(origin != NULL && ours != NULL);
    for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
        struct str path = STR_INIT;

        str_addf(&path, "%s/%s", folder, keys[i]);
        (void)unlink(path.s);
        str_clear(&path);
    }
    (void)rmdir(folder);
    (void)umask(before);
    read_vector("bundle", &bundle);
    read_vector("header.json", &header);
    read_vector("receipt.json", &receipt);
    open_verifiers();
}

static void to_armor(const char *label, const uint8_t *data, size_t len, struct str *out)
{
    str_addf(out, "-----BEGIN %s-----\n", label);
    base64_add(out, data, len, 0);
    str_addf(out, "\n-----END %s-----\n", label);
}

static void check_opened(int rc, enum refusal why, const struct str *out, const struct str *known)
{
    if (rc == 0) {
        FUZZ_CHECK(why == REFUSED_NONE && out->len == known->len);
        FUZZ_CHECK(memcmp(out->s, known->s, out->len) == 0);
    } else {
        FUZZ_CHECK(rc == -1 && out->len == 0 &&
                   (why == REFUSED_BAD_SEAL || why == REFUSED_BAD_SIGNATURE ||
                    why == REFUSED_UNKNOWN_KEY));
    }
}

static void fuzz_text(const uint8_t *data, size_t len)
{
    char hex[SEAL_SHA256_SIZE];
    struct str out = STR_INIT;
    enum refusal why;
    int rc = seal_open(identity_sign_certificate(origin), ours, (const char *)data, len, &out, hex,
                       &why, NULL);

    check_opened(rc, why, &out, &bundle);
    FUZZ_CHECK(strlen(hex) == 64 || (hex[0] == '\0' && why == REFUSED_BAD_SEAL));
    str_clear(&out);
}

static void fuzz_seal(const uint8_t *data, size_t len)
{
    struct str armor = STR_INIT;

    to_armor("CMS", data, len, &armor);
    fuzz_text((const uint8_t *)armor.s, armor.len);
    str_clear(&armor);
}

static void fuzz_inner(const uint8_t *data, size_t len)
{
    struct str out = STR_INIT;
    enum refusal why = REFUSED_NONE;
    int rc = enveloped_open(ours, data, len, &out, &why, NULL);

    check_opened(rc, why, &out, &bundle);
    str_clear(&out);
}

static void fuzz_signature(const uint8_t *data, size_t len)
{
    const struct certificate *c = identity_sign_certificate(origin);
    struct str base64 = STR_INIT;

    base64_add(&base64, data, len, 0);
    if (seal_check_message(c, header.s, header.len, str_c(&base64), base64.len, NULL) == 0)
        FUZZ_CHECK(seal_check_message(c, header.s, header.len - 1, base64.s, base64.len, NULL) < 0);
    str_clear(&base64);
}

static void fuzz_receipt(const uint8_t *data, size_t len)
{
    struct str armor = STR_INIT, out = STR_INIT;

    to_armor("CMS", data, len, &armor);
    if (seal_open_receipt(identity_sign_certificate(ours), armor.s, armor.len, &out, NULL) == 0)
        FUZZ_CHECK(out.len == receipt.len && memcmp(out.s, receipt.s, out.len) == 0);
    else
        FUZZ_CHECK(out.len == 0);
    str_clear(&armor);
    str_clear(&out);
}

static void fuzz_certificate(const uint8_t *data, size_t len)
{
    struct str pem = STR_INIT;
    struct certificate *c, *again;

    to_armor("CERTIFICATE", data, len, &pem);
    c = certificate_parse(pem.s, pem.len, NULL);
    if (c != NULL) {
        FUZZ_CHECK(strlen(certificate_fingerprint(c)) == 64 && !certificate_covers(c, ""));
        again = certificate_parse(certificate_pem(c), strlen(certificate_pem(c)), NULL);
        FUZZ_CHECK(again != NULL);
        FUZZ_CHECK(strcmp(certificate_pem(c), certificate_pem(again)) == 0);
        FUZZ_CHECK(strcmp(certificate_fingerprint(c), certificate_fingerprint(again)) == 0);
        certificate_unref(&again);
    }
    certificate_unref(&c);
    str_clear(&pem);
}

static void fuzz_endorsement(const uint8_t *data, size_t len)
{
    struct str armor = STR_INIT;

    to_armor("CMS", data, len, &armor);
    /* Nobody has signed that these keys follow those of the origin. */
    FUZZ_CHECK(seal_check_endorsement(
                   identity_sign_certificate(origin), "b.com", identity_sign_certificate(ours),
                   identity_encrypt_certificate(ours), armor.s, armor.len, NULL) < 0);
    str_clear(&armor);
}

static void spoil(struct str *armor, uint8_t where)
{
    size_t first = strlen("-----BEGIN CMS-----\n");
    size_t at = first + (armor->len - 2 * first) * where / 256;

    armor->s[at] = armor->s[at] == 'A' ? 'B' : 'A';
}

static void fuzz_our_seal(const uint8_t *data, size_t len)
{
    struct str armor = STR_INIT, out = STR_INIT, known = STR_INIT;
    char made[SEAL_SHA256_SIZE], opened[SEAL_SHA256_SIZE];
    enum refusal why = REFUSED_NONE;

    str_addn(&known, data, len);
    FUZZ_CHECK(
        seal_make(origin, identity_encrypt_certificate(ours), data, len, &armor, made, NULL) == 0);
    FUZZ_CHECK(armor.len <= seal_armor_size(len));
    FUZZ_CHECK(seal_open(identity_sign_certificate(origin), ours, armor.s, armor.len, &out, opened,
                         &why, NULL) == 0);
    FUZZ_CHECK(strcmp(made, opened) == 0);
    check_opened(0, why, &out, &known);
    str_truncate(&out, 0);
    FUZZ_CHECK(seal_open(identity_sign_certificate(origin), origin, armor.s, armor.len, &out,
                         opened, &why, NULL) < 0 &&
               out.len == 0 && why == REFUSED_UNKNOWN_KEY);
    spoil(&armor, len > 0 ? data[0] : 0);
    FUZZ_CHECK(seal_open(identity_sign_certificate(origin), ours, armor.s, armor.len, &out, opened,
                         &why, NULL) < 0 &&
               out.len == 0 && why != REFUSED_NONE);
    str_clear(&armor);
    str_clear(&out);
    str_clear(&known);
}

static void fuzz_our_receipt(const uint8_t *data, size_t len)
{
    const struct certificate *c = identity_sign_certificate(ours);
    struct str armor = STR_INIT, out = STR_INIT, base64 = STR_INIT;

    FUZZ_CHECK(seal_make_receipt(ours, (const char *)data, len, &armor, NULL) == 0);
    FUZZ_CHECK(seal_open_receipt(c, armor.s, armor.len, &out, NULL) == 0);
    FUZZ_CHECK(out.len == len && (len == 0 || memcmp(out.s, data, len) == 0));
    str_truncate(&out, 0);
    FUZZ_CHECK(
        seal_open_receipt(identity_sign_certificate(origin), armor.s, armor.len, &out, NULL) < 0);
    spoil(&armor, len > 0 ? data[0] : 0);
    FUZZ_CHECK(seal_open_receipt(c, armor.s, armor.len, &out, NULL) < 0 && out.len == 0);
    FUZZ_CHECK(seal_sign_message(ours, data, len, &base64, NULL) == 0);
    FUZZ_CHECK(seal_check_message(c, data, len, base64.s, base64.len, NULL) == 0);
    FUZZ_CHECK(len == 0 || seal_check_message(c, data, len - 1, base64.s, base64.len, NULL) < 0);
    str_clear(&armor);
    str_clear(&out);
    str_clear(&base64);
}

static void fuzz_destination(const uint8_t *data, size_t len)
{
    struct str pem = STR_INIT, armor = STR_INIT, out = STR_INIT;
    struct certificate *c;
    char hex[SEAL_SHA256_SIZE];
    enum refusal why;

    to_armor("CERTIFICATE", data, len, &pem);
    c = certificate_parse(pem.s, pem.len, NULL);
    if (c != NULL && seal_make(origin, c, bundle.s, bundle.len, &armor, hex, NULL) == 0) {
        bool is_ours = strcmp(certificate_fingerprint(c),
                              certificate_fingerprint(identity_encrypt_certificate(ours))) == 0;

        FUZZ_CHECK(armor.len <= seal_armor_size(bundle.len) + 1536);
        FUZZ_CHECK(seal_open(identity_sign_certificate(origin), ours, armor.s, armor.len, &out, hex,
                             &why, NULL) < 0 ||
                   is_ours);
    } else {
        FUZZ_CHECK(armor.len == 0);
    }
    certificate_unref(&c);
    str_clear(&pem);
    str_clear(&armor);
    str_clear(&out);
}

static void fuzz_any_receipt(const uint8_t *data, size_t len)
{
    size_t n = len >= 2 ? (size_t)data[0] << 8 | data[1] : SIZE_MAX;
    struct str pem = STR_INIT, armor = STR_INIT, out = STR_INIT;
    struct certificate *c;

    if (len < 2 || n > len - 2)
        return;
    to_armor("CERTIFICATE", data + 2, n, &pem);
    to_armor("CMS", data + 2 + n, len - 2 - n, &armor);
    c = certificate_parse(pem.s, pem.len, NULL);
    if (c != NULL && seal_open_receipt(c, armor.s, armor.len, &out, NULL) == 0)
        FUZZ_CHECK(
            strcmp(certificate_fingerprint(c),
                   certificate_fingerprint(identity_sign_certificate(ours))) == 0 ||
            seal_open_receipt(identity_sign_certificate(ours), armor.s, armor.len, &out, NULL) < 0);
    else
        FUZZ_CHECK(out.len == 0);
    certificate_unref(&c);
    str_clear(&pem);
    str_clear(&armor);
    str_clear(&out);
}

/* The next piece; NULL: that was all. */
static const uint8_t *take_piece(const uint8_t **p, size_t *left, size_t *n_r)
{
    const uint8_t *piece = *p + 2;

    if (*left < 2)
        return NULL;
    *n_r = MIN((size_t)((*p)[0] << 8 | (*p)[1]), *left - 2);
    *p += 2 + *n_r;
    *left -= 2 + *n_r;
    return piece;
}

static void fuzz_messages(const uint8_t *data, size_t len)
{
    const struct certificate *c = identity_sign_certificate(origin);
    struct seal_signed messages[TOGETHER_MAX];
    struct str base64[TOGETHER_MAX] = { STR_INIT };
    size_t n = 0, good = 0, size;
    const uint8_t *p;

    while (n < TOGETHER_MAX && (p = take_piece(&data, &len, &size)) != NULL) {
        base64_add(&base64[n], p, size, 0);
        messages[n] =
            (struct seal_signed){ header.s, header.len, str_c(&base64[n]), base64[n].len };
        n++;
    }
    while (good < n && seal_check_message(c, header.s, header.len, messages[good].base64,
                                          messages[good].base64_len, NULL) == 0)
        good++;
    FUZZ_CHECK(n == 0 || seal_check_messages(c, messages, n, NULL) == good);
    for (size_t i = 0; i < n; i++)
        str_clear(&base64[i]);
}

/* Of the first 32 octets as the digest. */
static void fuzz_ecdsa(const uint8_t *data, size_t len)
{
    struct verifier_item items[TOGETHER_MAX] = { { .len = 0 } };
    const uint8_t *digest = data;
    size_t n = 0;

    if (len < 32)
        return;
    data += 32;
    len -= 32;
    while (n < TOGETHER_MAX &&
           (items[n].signature = take_piece(&data, &len, &items[n].len)) != NULL) {
        memcpy(items[n].digest, digest, 32);
        items[n++].digest_len = 32;
    }
    verifier_check_all(by_table, items, n);
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(items[i].holds ==
                   verifier_check(by_library, digest, 32, items[i].signature, items[i].len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const kinds[])(const uint8_t *, size_t) = {
        fuzz_seal,        fuzz_inner,       fuzz_signature, fuzz_receipt,     fuzz_certificate,
        fuzz_text,        fuzz_endorsement, fuzz_our_seal,  fuzz_our_receipt, fuzz_destination,
        fuzz_any_receipt, fuzz_messages,    fuzz_ecdsa,
    };

    if (origin == NULL)
        setup();
    if (len > 0)
        kinds[data[0] % N_ELEMENTS(kinds)](data + 1, len - 1);
    return 0;
}
