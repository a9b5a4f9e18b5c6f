/* SPDX-License-Identifier: MIT */
/*
 * Templates for the CMS structures that we read. They are decoded by OpenSSL's ASN.1 engine; what
 * is done with them is done here and not by its CMS functions, for reasons that were measured and
 * found:
 *
 * - CMS_decrypt validates the sender's ephemeral key by a scalar multiplication that costs as much
 *   as the key agreement itself (on P-256, being on the curve is enough), and CMS_verify decodes
 *   certificates: both together double the cost of a small seal.
 * - They pass content through chains of BIOs, with a copy and a growing buffer at each.
 * - They have no getters for what has to be checked: the key wrap, the length of the tag.
 *
 * Certificates and unsigned attributes are kept as undecoded bytes: nothing in them counts.
 */
#include "config.h"

#include "seal/cms_private.h"

#include <limits.h>

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>

/*
 * The templates name struct types as the macros' first argument, which they only use in offsetof()
 * and sizeof: the house has no typedef for structs.
 */
#define SEQUENCE_END(name) static_ASN1_SEQUENCE_END_name(struct name, name)
#define CHOICE_END(name)   static_ASN1_CHOICE_END_name(struct name, name)

/* ---- SignedData, RFC 5652 §5 ---- */

ASN1_CHOICE(cms_sid) = {
    ASN1_SIMPLE(struct cms_sid, d.issuer, PKCS7_ISSUER_AND_SERIAL),
    ASN1_IMP(struct cms_sid, d.skid, ASN1_OCTET_STRING, 0),
} CHOICE_END(cms_sid)

ASN1_SEQUENCE(cms_signer) = {
    ASN1_EMBED(struct cms_signer, version, INT32),
    ASN1_SIMPLE(struct cms_signer, sid, cms_sid),
    ASN1_SIMPLE(struct cms_signer, digest, X509_ALGOR),
    ASN1_IMP_SET_OF_OPT(struct cms_signer, signed_attrs, X509_ATTRIBUTE, 0),
    ASN1_SIMPLE(struct cms_signer, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct cms_signer, signature, ASN1_OCTET_STRING),
    ASN1_IMP_SET_OF_OPT(struct cms_signer, unsigned_attrs, ASN1_ANY, 1),
} SEQUENCE_END(cms_signer)

ASN1_SEQUENCE(cms_content) = {
    ASN1_SIMPLE(struct cms_content, type, ASN1_OBJECT),
    ASN1_EXP_OPT(struct cms_content, octets, ASN1_OCTET_STRING, 0),
} SEQUENCE_END(cms_content)

ASN1_SEQUENCE(cms_signed) = {
    ASN1_EMBED(struct cms_signed, version, INT32),
    ASN1_SET_OF(struct cms_signed, digests, X509_ALGOR),
    ASN1_SIMPLE(struct cms_signed, content, cms_content),
    ASN1_IMP_SET_OF_OPT(struct cms_signed, certificates, ASN1_ANY, 0),
    ASN1_IMP_SET_OF_OPT(struct cms_signed, crls, ASN1_ANY, 1),
    ASN1_SET_OF(struct cms_signed, signers, cms_signer),
} SEQUENCE_END(cms_signed)

/* ---- AuthEnvelopedData, RFC 5083 §2.1, with key agreement, RFC 5753 §3.1 ---- */

ASN1_SEQUENCE(cms_originator_key) = {
    ASN1_SIMPLE(struct cms_originator_key, algorithm, X509_ALGOR),
    ASN1_SIMPLE(struct cms_originator_key, key, ASN1_BIT_STRING),
} SEQUENCE_END(cms_originator_key)

ASN1_CHOICE(cms_originator) = {
    ASN1_SIMPLE(struct cms_originator, d.issuer, PKCS7_ISSUER_AND_SERIAL),
    ASN1_IMP(struct cms_originator, d.skid, ASN1_OCTET_STRING, 0),
    ASN1_IMP(struct cms_originator, d.key, cms_originator_key, 1),
} CHOICE_END(cms_originator)

ASN1_SEQUENCE(cms_key_id) = {
    ASN1_SIMPLE(struct cms_key_id, skid, ASN1_OCTET_STRING),
    ASN1_OPT(struct cms_key_id, date, ASN1_GENERALIZEDTIME),
    ASN1_OPT(struct cms_key_id, other, ASN1_ANY),
} SEQUENCE_END(cms_key_id)

ASN1_CHOICE(cms_rid) = {
    ASN1_SIMPLE(struct cms_rid, d.issuer, PKCS7_ISSUER_AND_SERIAL),
    ASN1_IMP(struct cms_rid, d.key_id, cms_key_id, 0),
} CHOICE_END(cms_rid)

ASN1_SEQUENCE(cms_encrypted_key) = {
    ASN1_SIMPLE(struct cms_encrypted_key, rid, cms_rid),
    ASN1_SIMPLE(struct cms_encrypted_key, key, ASN1_OCTET_STRING),
} SEQUENCE_END(cms_encrypted_key)

ASN1_SEQUENCE(cms_agreement) = {
    ASN1_EMBED(struct cms_agreement, version, INT32),
    ASN1_EXP(struct cms_agreement, originator, cms_originator, 0),
    ASN1_EXP_OPT(struct cms_agreement, ukm, ASN1_OCTET_STRING, 1),
    ASN1_SIMPLE(struct cms_agreement, algorithm, X509_ALGOR),
    ASN1_SEQUENCE_OF(struct cms_agreement, keys, cms_encrypted_key),
} SEQUENCE_END(cms_agreement)

ASN1_CHOICE(cms_recipient) = {
    ASN1_SIMPLE(struct cms_recipient, d.transport, ASN1_SEQUENCE),
    ASN1_IMP(struct cms_recipient, d.agreement, cms_agreement, 1),
} CHOICE_END(cms_recipient)

ASN1_SEQUENCE(cms_encrypted) = {
    ASN1_SIMPLE(struct cms_encrypted, type, ASN1_OBJECT),
    ASN1_SIMPLE(struct cms_encrypted, algorithm, X509_ALGOR),
    ASN1_IMP_OPT(struct cms_encrypted, octets, ASN1_OCTET_STRING, 0),
} SEQUENCE_END(cms_encrypted)

ASN1_SEQUENCE(cms_enveloped) = {
    ASN1_EMBED(struct cms_enveloped, version, INT32),
    ASN1_IMP_OPT(struct cms_enveloped, originator, ASN1_SEQUENCE, 0),
    ASN1_SET_OF(struct cms_enveloped, recipients, cms_recipient),
    ASN1_SIMPLE(struct cms_enveloped, encrypted, cms_encrypted),
    ASN1_IMP_SET_OF_OPT(struct cms_enveloped, auth_attrs, ASN1_ANY, 1),
    ASN1_SIMPLE(struct cms_enveloped, mac, ASN1_OCTET_STRING),
    ASN1_IMP_SET_OF_OPT(struct cms_enveloped, unauth_attrs, ASN1_ANY, 2),
} SEQUENCE_END(cms_enveloped)

/* RFC 5084 §3.2. */
ASN1_SEQUENCE(cms_gcm) = {
    ASN1_SIMPLE(struct cms_gcm, nonce, ASN1_OCTET_STRING),
    ASN1_OPT(struct cms_gcm, icv_len, ASN1_INTEGER),
} SEQUENCE_END(cms_gcm)

/* ---- ContentInfo, RFC 5652 §3 ---- */

struct signed_info {
    ASN1_OBJECT *type;
    struct cms_signed *content;
};

ASN1_SEQUENCE(signed_info) = {
    ASN1_SIMPLE(struct signed_info, type, ASN1_OBJECT),
    ASN1_EXP(struct signed_info, content, cms_signed, 0),
} SEQUENCE_END(signed_info)

struct enveloped_info {
    ASN1_OBJECT *type;
    struct cms_enveloped *content;
};

ASN1_SEQUENCE(enveloped_info) = {
    ASN1_SIMPLE(struct enveloped_info, type, ASN1_OBJECT),
    ASN1_EXP(struct enveloped_info, content, cms_enveloped, 0),
} SEQUENCE_END(enveloped_info)

/* SET OF, without sorting: RFC 5652 §5.4 wants DER, and a signer who sent it unsorted signed that. */
ASN1_ITEM_TEMPLATE(attributes) =
    ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SEQUENCE_OF | ASN1_TFLG_IMPTAG | ASN1_TFLG_UNIVERSAL,
                          V_ASN1_SET, attributes, X509_ATTRIBUTE)
static_ASN1_ITEM_TEMPLATE_END(attributes)

ASN1_ITEM_TEMPLATE(digests) = ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SET_OF, 0, digests, X509_ALGOR)
static_ASN1_ITEM_TEMPLATE_END(digests)

ASN1_ITEM_TEMPLATE(signers) = ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SET_OF, 0, signers, cms_signer)
static_ASN1_ITEM_TEMPLATE_END(signers)

static void *read_whole(const uint8_t *p, size_t n, const ASN1_ITEM *item)
{
    const unsigned char *at = p;
    ASN1_VALUE *v = n <= LONG_MAX ? ASN1_item_d2i(NULL, &at, (long)n, item) : NULL;

    if (v != NULL && at != p + n) {
        ASN1_item_free(v, item);
        v = NULL;
    }
    return v;
}

struct cms_signed *cms_signed_read(const uint8_t *p, size_t n)
{
    struct signed_info *info = read_whole(p, n, ASN1_ITEM_rptr(signed_info));
    struct cms_signed *content = NULL;

    if (info != NULL && OBJ_obj2nid(info->type) == NID_pkcs7_signed &&
        cms_signed_is_exact(p, n, info->content, ASN1_ITEM_rptr(digests),
                            ASN1_ITEM_rptr(signers))) {
        content = info->content;
        info->content = NULL;
    }
    ASN1_item_free((ASN1_VALUE *)info, ASN1_ITEM_rptr(signed_info));
    return content;
}

void cms_signed_free(struct cms_signed *s)
{
    ASN1_item_free((ASN1_VALUE *)s, ASN1_ITEM_rptr(cms_signed));
}

struct cms_enveloped *cms_enveloped_read(const uint8_t *p, size_t n)
{
    struct enveloped_info *info = read_whole(p, n, ASN1_ITEM_rptr(enveloped_info));
    struct cms_enveloped *content = NULL;

    if (info != NULL && OBJ_obj2nid(info->type) == NID_id_smime_ct_authEnvelopedData) {
        content = info->content;
        info->content = NULL;
    }
    ASN1_item_free((ASN1_VALUE *)info, ASN1_ITEM_rptr(enveloped_info));
    return content;
}

void cms_enveloped_free(struct cms_enveloped *e)
{
    ASN1_item_free((ASN1_VALUE *)e, ASN1_ITEM_rptr(cms_enveloped));
}

int cms_nid(const X509_ALGOR *algorithm)
{
    const ASN1_OBJECT *oid;

    X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
    return OBJ_obj2nid(oid);
}

int cms_refuse(enum refusal *why_r, enum refusal why, struct err *err, const char *text)
{
    if (why_r != NULL)
        *why_r = why;
    ERR_clear_error();
    return err_set(err, ERR_PROTOCOL, 0, "%s", text);
}

/* The bytes of an algorithm's parameter, if that is a SEQUENCE. */
static const ASN1_STRING *parameter(const X509_ALGOR *algorithm)
{
    const void *value;
    int type;

    X509_ALGOR_get0(NULL, &type, &value, algorithm);
    return type == V_ASN1_SEQUENCE ? value : NULL;
}

struct cms_gcm *cms_gcm_read(const X509_ALGOR *algorithm)
{
    const ASN1_STRING *s = parameter(algorithm);

    if (s == NULL)
        return NULL;
    return read_whole(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s),
                      ASN1_ITEM_rptr(cms_gcm));
}

void cms_gcm_free(struct cms_gcm *g)
{
    ASN1_item_free((ASN1_VALUE *)g, ASN1_ITEM_rptr(cms_gcm));
}

X509_ALGOR *cms_algorithm_read(const X509_ALGOR *outer)
{
    const ASN1_STRING *s = parameter(outer);

    if (s == NULL)
        return NULL;
    return read_whole(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s),
                      ASN1_ITEM_rptr(X509_ALGOR));
}

int cms_attributes_write(const STACK_OF(X509_ATTRIBUTE) *attrs, uint8_t **der_r)
{
    *der_r = NULL;
    return ASN1_item_i2d((const ASN1_VALUE *)attrs, der_r, ASN1_ITEM_rptr(attributes));
}
