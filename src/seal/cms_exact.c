/* SPDX-License-Identifier: MIT */
/*
 * Is the frame of a SignedData the one encoding of what was decoded from it? The signature covers
 * the content and the signed attributes, nothing else; the library's decoder is generous (it takes
 * a SET without its constructed bit, a length in too many octets); so without this a seal could be
 * altered in some bytes and still open, and the digest in its receipt would name one that was
 * never sent.
 *
 * What comes in indefinite lengths (BER, as streaming signers write it) has many encodings by
 * nature and is let pass; so are certificates and CRLs, which nobody looks at. The attributes of
 * a signer are DER in either case (RFC 5652 §5.3).
 */
#include "config.h"

#include "seal/cms_private.h"

#include "seal/der_private.h"

/* What the library would write, at the start or (at_end) at the end of what is left. */
static bool take_item(struct der_cursor *c, const void *value, const ASN1_ITEM *item, bool at_end)
{
    unsigned char *der = NULL;
    int n = ASN1_item_i2d(value, &der, item);
    struct der_cursor here = *c;
    bool ok = n > 0 && (size_t)n <= (size_t)(c->end - c->p);

    if (ok && at_end)
        here.p = c->end - n;
    ok = ok && der_take(&here, der, (size_t)n);
    if (ok && at_end)
        c->end -= n;
    else if (ok)
        *c = here;
    OPENSSL_free(der);
    return ok;
}

static bool is_content_exact(struct der_cursor *c, const struct cms_content *content)
{
    struct der_cursor inside;

    if (!der_enter(c, 0x30, &inside) ||
        !take_item(&inside, content->type, ASN1_ITEM_rptr(ASN1_OBJECT), false))
        return false;
    if (content->octets == NULL)
        return inside.p == inside.end;
    return der_enter_last(&inside, 0xa0) && der_enter_last(&inside, 0x04);
}

bool cms_signed_is_exact(const uint8_t *p, size_t n, const struct cms_signed *s,
                         const ASN1_ITEM *digests, const ASN1_ITEM *signers)
{
    static const uint8_t oid_signed[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2 };
    const uint8_t version[] = { 2, 1, (uint8_t)s->version };
    struct der_cursor c = { p, p + n };

    if (n >= 2 && p[1] == 0x80)
        return true;
    if (!der_enter_last(&c, 0x30) || !der_take(&c, oid_signed, sizeof oid_signed) ||
        !der_enter_last(&c, 0xa0) || !der_enter_last(&c, 0x30))
        return false;
    return der_take(&c, version, sizeof version) && take_item(&c, s->digests, digests, false) &&
           is_content_exact(&c, s->content) && take_item(&c, s->signers, signers, true) &&
           (c.p == c.end || s->certificates != NULL || s->crls != NULL);
}
