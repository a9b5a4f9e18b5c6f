/* SPDX-License-Identifier: MIT */
/*
 * Bundles sealed and opened: encrypted for the destination, then signed by the origin, then
 * armored. A receiver checks in the other order, so that it decrypts nothing that the origin has
 * not signed; and because the origin signs what only the destination can read, and the names of
 * both are inside (wire/bundle.h), a seal can be passed off neither as another's nor to another.
 */
#include "config.h"

#include "seal/seal.h"

#include <openssl/err.h>
#include <openssl/objects.h>

#include "wire/status.h"

#include "seal/armor_private.h"
#include "seal/cms_private.h"
#include "seal/der_private.h"
#include "seal/digest.h"
#include "seal/enveloped_private.h"
#include "seal/signeddata_private.h"

/* Two P-256 keys named by identifiers of 20 octets: 572 and a little for the lengths. */
#define OVERHEAD 640

int seal_make(const struct identity *origin, const struct certificate *destination,
              const void *bundle, size_t len, struct str *armor, char der_sha256[SEAL_SHA256_SIZE],
              struct err *err)
{
    struct der d;
    int rc = -1;

    if (!der_init(&d, SIGNEDDATA_LEFT + enveloped_left(destination),
                  len + ENVELOPED_RIGHT + signeddata_right(origin)))
        return err_set(err, ERR_TEMPORARY, STATUS_OVERLOADED, "no memory for a seal of %zu bytes",
                       len);
    if (enveloped_make(destination, bundle, len, &d, err) == 0 &&
        signeddata_wrap(origin, &d, err) == 0) {
        digest_sha256_hex(d.start, der_len(&d), der_sha256);
        armor_add(armor, ARMOR_CMS, d.start, der_len(&d), 0);
        rc = 0;
    }
    der_clear(&d);
    return rc;
}

/* The outer envelope: signed by signer, over the inner one. */
static int open_outer(const struct certificate *signer, const struct cms_signed *s,
                      enum refusal *why_r, struct err *err)
{
    int type = OBJ_obj2nid(s->content->type);
    const ASN1_OCTET_STRING *inner = s->content->octets;

    if (inner == NULL)
        return cms_refuse(why_r, REFUSED_BAD_SEAL, err, "what is signed is detached");
    if (type != NID_pkcs7_data && type != NID_id_smime_ct_authEnvelopedData)
        return cms_refuse(why_r, REFUSED_BAD_SEAL, err, "what is signed is of an unknown type");
    return signeddata_check(signer, s, ASN1_STRING_get0_data(inner),
                            (size_t)ASN1_STRING_length(inner), why_r, err);
}

/* Whatever is signed by anybody's library. */
static int open_any(const struct certificate *signer, const struct identity *ours,
                    const struct str *der, struct str *bundle, enum refusal *why_r, struct err *err)
{
    struct cms_signed *s = cms_signed_read((const uint8_t *)der->s, der->len);
    int rc = -1;

    if (s == NULL)
        cms_refuse(why_r, REFUSED_BAD_SEAL, err, "it is not CMS SignedData");
    else if (open_outer(signer, s, why_r, err) == 0)
        rc = enveloped_open(ours, ASN1_STRING_get0_data(s->content->octets),
                            (size_t)ASN1_STRING_length(s->content->octets), bundle, why_r, err);
    cms_signed_free(s);
    return rc;
}

int seal_open(const struct certificate *signer, const struct identity *ours, const char *armor,
              size_t len, struct str *bundle, char der_sha256[SEAL_SHA256_SIZE],
              enum refusal *why_r, struct err *err)
{
    struct signeddata_plain plain;
    struct str der = STR_INIT;
    int rc;

    der_sha256[0] = '\0';
    *why_r = REFUSED_NONE;
    if (armor_read(ARMOR_CMS, armor, len, &der, err) < 0) {
        *why_r = REFUSED_BAD_SEAL;
        str_clear(&der);
        return -1;
    }
    digest_sha256_hex(der.s, der.len, der_sha256);
    if (signeddata_plain_read(signer, (const uint8_t *)der.s, der.len, &plain) &&
        plain.content != NULL) {
        rc = signeddata_plain_check(signer, &plain, plain.content, plain.content_len, why_r, err);
        if (rc == 0)
            rc = enveloped_open(ours, plain.content, plain.content_len, bundle, why_r, err);
    } else {
        rc = open_any(signer, ours, &der, bundle, why_r, err);
    }
    str_clear(&der);
    return rc;
}

size_t seal_armor_size(size_t len)
{
    return armor_size(ARMOR_CMS, len + OVERHEAD);
}
