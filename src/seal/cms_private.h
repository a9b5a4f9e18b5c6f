/* SPDX-License-Identifier: MIT */
/*
 * The CMS structures (RFC 5652, 5083, 5084, 5753) that we read, as the library's ASN.1 engine
 * decodes them by the templates in cms.c. All pointers belong to the structure.
 */
#ifndef SEAL_CMS_PRIVATE_H
#define SEAL_CMS_PRIVATE_H

#include "base/err.h"
#include "wire/receipt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/asn1.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

enum { CMS_SID_ISSUER = 0, CMS_SID_SKID = 1 };

struct cms_sid {
    int type;
    union {
        PKCS7_ISSUER_AND_SERIAL *issuer;
        ASN1_OCTET_STRING *skid;
    } d;
};

struct cms_signer {
    int32_t version;
    struct cms_sid *sid;
    X509_ALGOR *digest;
    STACK_OF(X509_ATTRIBUTE) *signed_attrs;  /* NULL: none */
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *signature;
    OPENSSL_STACK *unsigned_attrs;           /* not looked at */
};

struct cms_content {
    ASN1_OBJECT *type;
    ASN1_OCTET_STRING *octets;               /* NULL: detached */
};

struct cms_signed {
    int32_t version;
    STACK_OF(X509_ALGOR) *digests;
    struct cms_content *content;
    OPENSSL_STACK *certificates;             /* not looked at, not decoded: ours are pinned */
    OPENSSL_STACK *crls;
    OPENSSL_STACK *signers;                  /* struct cms_signer */
};

struct cms_originator_key {
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *key;
};

enum { CMS_ORIGINATOR_ISSUER = 0, CMS_ORIGINATOR_SKID, CMS_ORIGINATOR_KEY };

struct cms_originator {
    int type;
    union {
        PKCS7_ISSUER_AND_SERIAL *issuer;
        ASN1_OCTET_STRING *skid;
        struct cms_originator_key *key;
    } d;
};

struct cms_key_id {
    ASN1_OCTET_STRING *skid;
    ASN1_GENERALIZEDTIME *date;
    ASN1_TYPE *other;
};

struct cms_rid {
    int type;                                /* CMS_SID_ISSUER, CMS_SID_SKID */
    union {
        PKCS7_ISSUER_AND_SERIAL *issuer;
        struct cms_key_id *key_id;
    } d;
};

struct cms_encrypted_key {
    struct cms_rid *rid;
    ASN1_OCTET_STRING *key;
};

struct cms_agreement {
    int32_t version;
    struct cms_originator *originator;
    ASN1_OCTET_STRING *ukm;                  /* NULL: none */
    X509_ALGOR *algorithm;
    OPENSSL_STACK *keys;                     /* struct cms_encrypted_key */
};

enum { CMS_RECIPIENT_TRANSPORT = 0, CMS_RECIPIENT_AGREEMENT };

struct cms_recipient {
    int type;
    union {
        ASN1_STRING *transport;              /* RSA: never ours, our key is EC */
        struct cms_agreement *agreement;
    } d;
};

struct cms_encrypted {
    ASN1_OBJECT *type;
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *octets;               /* NULL: detached */
};

struct cms_enveloped {
    int32_t version;
    ASN1_STRING *originator;                 /* not looked at */
    OPENSSL_STACK *recipients;               /* struct cms_recipient */
    struct cms_encrypted *encrypted;
    OPENSSL_STACK *auth_attrs;               /* NULL: none */
    ASN1_OCTET_STRING *mac;
    OPENSSL_STACK *unauth_attrs;             /* not looked at */
};

struct cms_gcm {
    ASN1_OCTET_STRING *nonce;
    ASN1_INTEGER *icv_len;                   /* NULL: the default, 12 */
};

/*
 * Decode the whole of p as ContentInfo of that type. NULL: it is not, or something follows it;
 * the library's error queue says more.
 */
struct cms_signed *cms_signed_read(const uint8_t *p, size_t n);
void cms_signed_free(struct cms_signed *s);
struct cms_enveloped *cms_enveloped_read(const uint8_t *p, size_t n);
void cms_enveloped_free(struct cms_enveloped *e);

/* Is p, from which s was decoded, what encoding it gives? Or BER (cms_exact.c). For cms.c. */
bool cms_signed_is_exact(const uint8_t *p, size_t n, const struct cms_signed *s,
                         const ASN1_ITEM *digests, const ASN1_ITEM *signers);

/* The object that an algorithm is. */
int cms_nid(const X509_ALGOR *algorithm);
/* Set *why_r (may be NULL) and err (ERR_PROTOCOL), empty the library's error queue; returns -1. */
int cms_refuse(enum refusal *why_r, enum refusal why, struct err *err, const char *text);

/* GCMParameters of an AlgorithmIdentifier. NULL: not there, or not that. */
struct cms_gcm *cms_gcm_read(const X509_ALGOR *algorithm);
void cms_gcm_free(struct cms_gcm *g);
/* The AlgorithmIdentifier that is another one's parameter. NULL: it is not. X509_ALGOR_free(). */
X509_ALGOR *cms_algorithm_read(const X509_ALGOR *outer);

/*
 * The signed attributes as they were signed: SET OF, in the order in which they came. Length, and
 * *der_r for OPENSSL_free(); -1: no memory.
 */
int cms_attributes_write(const STACK_OF(X509_ATTRIBUTE) *attrs, uint8_t **der_r);

#endif
