/* SPDX-License-Identifier: MIT */
/*
 * Receipts, and the endorsement of new keys: text that a domain has signed, in the armor. The
 * text is inside the signature, so it cannot be read without the check.
 */
#include "config.h"

#include "seal/seal.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>

#include "wire/status.h"

#include "seal/armor_private.h"
#include "seal/cms_private.h"
#include "seal/der_private.h"
#include "seal/signeddata_private.h"

int seal_make_receipt(const struct identity *destination, const char *text, size_t len,
                      struct str *armor, struct err *err)
{
    struct der d;
    int rc = -1;

    if (!der_init(&d, SIGNEDDATA_LEFT, len + signeddata_right(destination)))
        return err_set(err, ERR_TEMPORARY, STATUS_OVERLOADED, "no memory for a receipt");
    der_append(&d, text, len);
    if (signeddata_wrap(destination, &d, err) == 0) {
        armor_add(armor, ARMOR_CMS, d.start, der_len(&d), 0);
        rc = 0;
    }
    der_clear(&d);
    return rc;
}

/* NULL: err. Plain data only, so that nothing else that the key has signed passes for text. */
static struct cms_signed *read_data(const struct str *der, struct err *err)
{
    struct cms_signed *s = cms_signed_read((const uint8_t *)der->s, der->len);

    if (s != NULL && OBJ_obj2nid(s->content->type) == NID_pkcs7_data)
        return s;
    cms_signed_free(s);
    ERR_clear_error();
    cms_refuse(NULL, REFUSED_BAD_SEAL, err, "it is not CMS SignedData over data");
    return NULL;
}

static int open_any(const struct certificate *destination, const struct str *der, struct str *text,
                    struct err *err)
{
    struct cms_signed *s = read_data(der, err);
    const ASN1_OCTET_STRING *content = s != NULL ? s->content->octets : NULL;
    int rc = -1;

    if (s != NULL && content == NULL) {
        err_set(err, ERR_PROTOCOL, 0, "the text that was signed is not inside");
    } else if (s != NULL) {
        const uint8_t *p = ASN1_STRING_get0_data(content);
        size_t n = (size_t)ASN1_STRING_length(content);

        rc = signeddata_check(destination, s, p, n, NULL, err);
        if (rc == 0)
            str_addn(text, p, n);
    }
    cms_signed_free(s);
    return rc;
}

int seal_open_receipt(const struct certificate *destination, const char *armor, size_t len,
                      struct str *text, struct err *err)
{
    struct signeddata_plain plain;
    struct str der = STR_INIT;
    int rc = armor_read(ARMOR_CMS, armor, len, &der, err);

    if (rc == 0 && signeddata_plain_read(destination, (const uint8_t *)der.s, der.len, &plain) &&
        plain.content != NULL) {
        rc = signeddata_plain_check(destination, &plain, plain.content, plain.content_len, NULL,
                                    err);
        if (rc == 0)
            str_addn(text, plain.content, plain.content_len);
    } else if (rc == 0) {
        rc = open_any(destination, &der, text, err);
    }
    str_clear(&der);
    return rc;
}

int seal_check_endorsement(const struct certificate *old_key, const char *domain,
                           const struct certificate *sign, const struct certificate *encrypt,
                           const char *armor, size_t len, struct err *err)
{
    struct str der = STR_INIT, text = STR_INIT;
    struct cms_signed *s =
        armor_read(ARMOR_CMS, armor, len, &der, err) == 0 ? read_data(&der, err) : NULL;
    const ASN1_OCTET_STRING *inside = s != NULL ? s->content->octets : NULL;
    int rc = -1;

    str_clear(&der);
    if (s == NULL)
        return -1;
    str_addf(&text, "%s\nsign %s\nencrypt %s\n", domain, certificate_fingerprint(sign),
             certificate_fingerprint(encrypt));
    if (inside != NULL && ((size_t)ASN1_STRING_length(inside) != text.len ||
                           memcmp(ASN1_STRING_get0_data(inside), text.s, text.len) != 0))
        err_set(err, ERR_PROTOCOL, 0, "the endorsement is not of these keys for %s", domain);
    else
        rc = signeddata_check(old_key, s, text.s, text.len, NULL, err);
    str_clear(&text);
    cms_signed_free(s);
    return rc;
}
