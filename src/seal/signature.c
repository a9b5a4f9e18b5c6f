/* SPDX-License-Identifier: MIT */
/*
 * The message signature: detached, over the exact bytes of the header line, which names the
 * digests of the parts. It is kept with the message and must hold years later, so it depends on
 * nothing but the line and the certificate: not on the time, nor on the certificate's expiry.
 */
#include "config.h"

#include "seal/seal.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/objects.h>

#include "base/mem.h"

#include "seal/certificate_private.h"
#include "seal/cms_private.h"
#include "seal/der_private.h"
#include "seal/digest.h"
#include "seal/signeddata_private.h"

int seal_sign_message(const struct identity *origin, const void *header, size_t len,
                      struct str *base64, struct err *err)
{
    struct der d;

    if (signeddata_detach(origin, header, len, &d, err) < 0)
        return -1;
    base64_add(base64, d.start, der_len(&d), 0);
    der_clear(&d);
    return 0;
}

static int check(const struct certificate *origin, const void *header, size_t len,
                 const struct str *der, struct err *err)
{
    struct cms_signed *s = cms_signed_read((const uint8_t *)der->s, der->len);
    int rc = -1;

    if (s == NULL || OBJ_obj2nid(s->content->type) != NID_pkcs7_data)
        err_set(err, ERR_PROTOCOL, 0, "the signature is not CMS SignedData over data");
    else if (s->content->octets != NULL)
        err_set(err, ERR_PROTOCOL, 0, "the signature is not detached");
    else
        rc = signeddata_check(origin, s, header, len, NULL, err);
    ERR_clear_error();
    cms_signed_free(s);
    return rc;
}

int seal_check_message(const struct certificate *origin, const void *header, size_t len,
                       const char *base64, size_t base64_len, struct err *err)
{
    struct signeddata_plain plain;
    struct str der = STR_INIT;
    int rc;

    if (base64_decode(base64, base64_len, &der) < 0)
        rc = err_set(err, ERR_PROTOCOL, 0, "the signature is not base64");
    else if (signeddata_plain_read(origin, (const uint8_t *)der.s, der.len, &plain) &&
             plain.content == NULL)
        rc = signeddata_plain_check(origin, &plain, header, len, NULL, err);
    else
        rc = check(origin, header, len, &der, err);
    str_clear(&der);
    return rc;
}

/*
 * Read the i-th of them, if it is of our own shape and of its header. False: it is for
 * seal_check_message() to judge.
 */
static bool prepare(const struct certificate *origin, const struct seal_signed *m, struct str *der,
                    struct verifier_item *it)
{
    struct signeddata_plain plain;

    return base64_decode(m->base64, m->base64_len, der) == 0 &&
           signeddata_plain_read(origin, (const uint8_t *)der->s, der->len, &plain) &&
           plain.content == NULL && signeddata_plain_prepare(&plain, m->header, m->len, it);
}

size_t seal_check_messages(const struct certificate *origin, const struct seal_signed *messages,
                           size_t n, struct err *err)
{
    struct verifier_item *items = mem_zalloc(n * sizeof *items);
    struct str *ders = mem_zalloc(n * sizeof *ders);
    size_t *which = mem_alloc(n * sizeof *which); /* message of the item */
    size_t prepared = 0, good = n;

    for (size_t i = 0; i < n; i++)
        if (prepare(origin, &messages[i], &ders[i], &items[prepared]))
            which[prepared++] = i;
    if (prepared > 0)
        verifier_check_all(certificate_verifier(origin), items, prepared);
    ERR_clear_error();
    /* What holds is done with; the rest is judged one by one, in order, and says what is wrong. */
    for (size_t i = 0, k = 0; i < n && good == n; i++) {
        const struct seal_signed *m = &messages[i];
        bool is_item = k < prepared && which[k] == i;

        if (is_item && items[k++].holds)
            continue;
        if (seal_check_message(origin, m->header, m->len, m->base64, m->base64_len, err) < 0)
            good = i;
    }
    for (size_t i = 0; i < n; i++)
        str_clear(&ders[i]);
    free(ders);
    free(items);
    free(which);
    return good;
}
