/* SPDX-License-Identifier: MIT */
/*
 * Signing. What is written is always the same but for the digest, the time, the name of the key
 * and the signature, so it is put together from constant pieces; the order of the three signed
 * attributes is that of their encodings, as DER wants it.
 *
 * No certificates go in: the verifier has ours pinned, and decoding one would cost it more than
 * the verification does.
 */
#include "config.h"

#include "seal/signeddata_private.h"

#include <string.h>
#include <time.h>

#include "wire/status.h"

#include "seal/certificate_private.h"
#include "seal/identity_private.h"
#include "seal/library_private.h"
#include "seal/signeddata_pieces_private.h"

static const uint8_t version_1[] = { 2, 1, 1 };
static const uint8_t rsa[] = { 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0 };

enum {
    SIGNATURE_MAX = 1024,                              /* RSA of 8192 bits */
    SIGNER_MAX = SIGNATURE_MAX + ATTRIBUTES_MAX + 128, /* without the key's name */
};

/* RFC 5652 §11.3: UTCTime to the end of 2049. */
static void prepend_time(struct der *d, time_t now)
{
    char text[20];
    struct tm tm = { 0 };
    uint8_t *end = d->start;
    bool is_utc = gmtime_r(&now, &tm) != NULL && tm.tm_year < 150;
    size_t n = strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm);
    size_t century = is_utc ? 2 : 0;

    der_prepend(d, text + century, n - century);
    der_wrap_to(d, is_utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, end);
    der_wrap_to(d, DER_SET, end);
    DER_PREPEND(d, oid_signing_time);
    der_wrap_to(d, DER_SEQUENCE, end);
}

/* The value of the SET, to which the caller gives one tag to sign and another to send. */
static void prepend_attributes(struct der *d, const uint8_t digest[DIGEST_BYTES], time_t now)
{
    uint8_t *end = d->start;

    der_prepend(d, digest, DIGEST_BYTES);
    der_wrap_to(d, DER_OCTETS, end);
    der_wrap_to(d, DER_SET, end);
    DER_PREPEND(d, oid_message_digest);
    der_wrap_to(d, DER_SEQUENCE, end);
    prepend_time(d, now);
    DER_PREPEND(d, content_type_is_data);
}

static int sign(const struct identity *id, const uint8_t digest[DIGEST_BYTES], uint8_t *signature,
                size_t *len, struct err *err)
{
    EVP_PKEY_CTX *ctx = identity_signing(id);
    int ok = ctx != NULL && EVP_PKEY_sign(ctx, signature, len, digest, DIGEST_BYTES) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok ? 0 : library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "signing failed");
}

static int digest_and_sign(const struct identity *id, const void *content, size_t n,
                           struct der *attributes, uint8_t *signature, size_t *len, struct err *err)
{
    const EVP_MD *md = library_get()->sha256;
    uint8_t digest[DIGEST_BYTES];
    uint8_t *body;

    if (EVP_Digest(content, n, digest, NULL, md, NULL) != 1)
        return library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "hashing failed");
    prepend_attributes(attributes, digest, time(NULL));
    body = attributes->start;
    der_wrap(attributes, DER_SET);
    if (EVP_Digest(attributes->start, der_len(attributes), digest, NULL, md, NULL) != 1)
        return library_err(err, ERR_TEMPORARY, STATUS_INTERNAL, "hashing failed");
    attributes->start = body;
    return sign(id, digest, signature, len, err);
}

/* SignerInfos: one SignerInfo in a SET, in front of what is in d. */
static void prepend_signers(struct der *d, const struct identity *id, const struct der *attributes,
                            const uint8_t *signature, size_t signature_len)
{
    const struct certificate *c = identity_sign_certificate(id);
    uint8_t *end = d->start, *mark;
    size_t n;
    const uint8_t *name = certificate_skid(c, &n);
    bool has_skid = name != NULL;

    der_prepend(d, signature, signature_len);
    der_wrap_to(d, DER_OCTETS, end);
    if (EVP_PKEY_is_a(identity_sign_key(id), "RSA"))
        DER_PREPEND(d, rsa);
    else
        DER_PREPEND(d, ecdsa_sha256);
    mark = d->start;
    der_prepend(d, attributes->start, der_len(attributes));
    der_wrap_to(d, DER_0_CONSTRUCTED, mark);
    DER_PREPEND(d, sha256);
    if (!has_skid)
        name = certificate_issuer_serial(c, &n);
    mark = d->start;
    der_prepend(d, name, n);
    if (has_skid)
        der_wrap_to(d, DER_0, mark);
    der_prepend(d, has_skid ? version_3 : version_1, sizeof version_1);
    der_wrap_to(d, DER_SEQUENCE, end);
    der_wrap_to(d, DER_SET, end);
}

static size_t name_len(const struct identity *id)
{
    const struct certificate *c = identity_sign_certificate(id);
    size_t n;

    if (certificate_skid(c, &n) == NULL)
        (void)certificate_issuer_serial(c, &n);
    return n;
}

size_t signeddata_right(const struct identity *id)
{
    return SIGNER_MAX + name_len(id);
}

/* All of SignedData's SignerInfos over the content, in a der of its own. */
static int make_signers(const struct identity *id, const void *content, size_t n, struct der *d,
                        struct err *err)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t len = sizeof signature;
    struct der attributes;
    int rc;

    if (!der_init(d, signeddata_right(id), 0) || !der_init(&attributes, ATTRIBUTES_MAX, 0)) {
        der_clear(d);
        return err_set(err, ERR_TEMPORARY, STATUS_OVERLOADED, "no memory to sign");
    }
    rc = digest_and_sign(id, content, n, &attributes, signature, &len, err);
    if (rc == 0)
        prepend_signers(d, id, &attributes, signature, len);
    else
        der_clear(d);
    der_clear(&attributes);
    return rc;
}

/* What stands before the content, or before nothing, and around all of it. */
static void wrap_content_info(struct der *d, const struct identity *id, const uint8_t *content_end)
{
    size_t n;
    bool has_skid = certificate_skid(identity_sign_certificate(id), &n) != NULL;

    DER_PREPEND(d, oid_data);
    der_wrap_to(d, DER_SEQUENCE, content_end);
    der_prepend(d, sha256, sizeof sha256);
    der_wrap_to(d, DER_SET, d->start + sizeof sha256);
    der_prepend(d, has_skid ? version_3 : version_1, sizeof version_1);
    der_wrap(d, DER_SEQUENCE);
    der_wrap(d, DER_0_CONSTRUCTED);
    DER_PREPEND(d, oid_signed);
    der_wrap(d, DER_SEQUENCE);
}

int signeddata_wrap(const struct identity *id, struct der *d, struct err *err)
{
    uint8_t *content_end = d->end;
    struct der signers;

    if (make_signers(id, d->start, der_len(d), &signers, err) < 0)
        return -1;
    der_append(d, signers.start, der_len(&signers));
    der_clear(&signers);
    der_wrap_to(d, DER_OCTETS, content_end);
    der_wrap_to(d, DER_0_CONSTRUCTED, content_end);
    wrap_content_info(d, id, content_end);
    return 0;
}

int signeddata_detach(const struct identity *id, const void *content, size_t n, struct der *d,
                      struct err *err)
{
    struct der signers;
    int rc = -1;

    d->memory = NULL;
    if (make_signers(id, content, n, &signers, err) < 0)
        return -1;
    if (!der_init(d, SIGNEDDATA_LEFT, der_len(&signers))) {
        err_set(err, ERR_TEMPORARY, STATUS_OVERLOADED, "no memory to sign");
    } else {
        der_append(d, signers.start, der_len(&signers));
        wrap_content_info(d, id, d->start);
        rc = 0;
    }
    der_clear(&signers);
    return rc;
}
