/* SPDX-License-Identifier: MIT */
/*
 * Name preparation. libidn, because nodeprep, nameprep and IDNA 2003 are what the XMPP servers
 * beside us apply: a name that we prepare otherwise than they do would be another person. NFC and
 * case folding for passwords and folder names come from libunistring, which libidn does not have.
 */
#include "config.h"

#include "base/prep.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#include <idn-free.h>
#include <idna.h>
#include <stringprep.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define STATUS_OF_A_BAD_NAME 402
#define LOCAL_MAX            1023
#define DOMAIN_MAX           253

static int refuse(struct err *err, const char *what, const char *why)
{
    return err_set(err, ERR_PROTOCOL, STATUS_OF_A_BAD_NAME, "%s %s", what, why);
}

/* Lower-case ASCII without anything that nodeprep forbids or the profile excludes: the usual case, at no cost. */
static bool is_plain_local(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '.' || *s == '-' ||
            *s == '_' || *s == '+')
            continue;
        return false;
    }
    return true;
}

int prep_local(const char *s, char **out_r, struct err *err)
{
    size_t n = strlen(s);
    char *buf;
    int rc;

    *out_r = NULL;
    if (n == 0 || n > LOCAL_MAX)
        return refuse(err, "a local part", n == 0 ? "is empty" : "is too long");
    if (is_plain_local(s)) {
        *out_r = mem_strdup(s);
        return 0;
    }
    if (!str_is_utf8(s, n))
        return refuse(err, "a local part", "is not UTF-8");
    /* Folding grows a name at most to a few times its length (one letter to three). */
    buf = mem_alloc(4 * n + 16);
    memcpy(buf, s, n + 1);
    rc = stringprep(buf, 4 * n + 16, 0, stringprep_xmpp_nodeprep);
    if (rc != STRINGPREP_OK || buf[0] == '\0' || strlen(buf) > LOCAL_MAX) {
        free(buf);
        return refuse(err, "a local part", "has characters that XMPP names may not have");
    }
    *out_r = buf;
    return 0;
}

static bool is_plain_domain(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '.' || *s == '-')
            continue;
        return false;
    }
    return true;
}

/* Letters, digits, hyphens; labels 1..63, no hyphen at their ends (RFC 1123 §2.1). */
static int check_labels(const char *s, struct err *err)
{
    size_t label = 0;

    for (const char *p = s;; p++) {
        if (*p == '.' || *p == '\0') {
            if (label == 0 || label > 63 || p[-1] == '-' || p[-(long)label] == '-')
                return refuse(err, "a domain", "has an empty, too long or badly hyphened label");
            if (*p == '\0')
                break;
            label = 0;
            continue;
        }
        label++;
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-'))
            return refuse(err, "a domain", "has characters that no domain has");
    }
    return strlen(s) <= DOMAIN_MAX ? 0 : refuse(err, "a domain", "is too long");
}

int prep_domain(const char *s, char **out_r, struct err *err)
{
    size_t n = strlen(s);
    char *ascii = NULL;

    *out_r = NULL;
    if (n == 0 || n > LOCAL_MAX)
        return refuse(err, "a domain", n == 0 ? "is empty" : "is too long");
    if (is_plain_domain(s)) {
        if (check_labels(s, err) < 0)
            return -1;
        *out_r = mem_strdup(s);
        return 0;
    }
    if (!str_is_utf8(s, n) || idna_to_ascii_8z(s, &ascii, 0) != IDNA_SUCCESS)
        return refuse(err, "a domain", "cannot be written as an IDNA name");
    for (char *p = ascii; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    if (check_labels(ascii, err) < 0) {
        idn_free(ascii);
        return -1;
    }
    *out_r = mem_strdup(ascii);
    idn_free(ascii);
    return 0;
}

/* RFC 8265 §4.2.2: any space of category Zs becomes SPACE; controls are not allowed. */
static int map_spaces(const char *s, size_t n, struct str *out)
{
    for (size_t i = 0; i < n;) {
        ucs4_t uc;
        int len = u8_mbtouc(&uc, (const uint8_t *)s + i, n - i);

        if (uc_is_general_category_withtable(uc, UC_CATEGORY_MASK_Cc))
            return -1;
        if (uc_is_general_category_withtable(uc, UC_CATEGORY_MASK_Zs))
            str_addc(out, ' ');
        else
            str_addn(out, s + i, (size_t)len);
        i += (size_t)len;
    }
    return 0;
}

int prep_password(const char *s, char **out_r, struct err *err)
{
    struct str mapped = STR_INIT;
    size_t n = strlen(s);
    uint8_t *nfc;

    *out_r = NULL;
    if (n == 0 || n > LOCAL_MAX)
        return refuse(err, "a password", n == 0 ? "may not be empty" : "is too long");
    if (!str_is_utf8(s, n) || map_spaces(s, n, &mapped) < 0) {
        str_wipe(&mapped);
        return refuse(err, "a password", "must be UTF-8 text without control characters");
    }
    nfc = u8_normalize(UNINORM_NFC, (const uint8_t *)str_c(&mapped), mapped.len, NULL, &n);
    if (nfc != NULL) {
        *out_r = mem_strndup((const char *)nfc, n);
        explicit_bzero(nfc, n);
        free(nfc);
    }
    str_wipe(&mapped);
    return *out_r != NULL ? 0 : refuse(err, "a password", "cannot be normalised");
}

int prep_fold(const char *s, char **out_r, struct err *err)
{
    size_t n = strlen(s);
    uint8_t *folded;
    bool is_ascii = true;

    *out_r = NULL;
    for (size_t i = 0; i < n; i++)
        is_ascii = is_ascii && (unsigned char)s[i] < 0x80;
    if (is_ascii) {
        *out_r = mem_strdup(s);
        for (char *p = *out_r; *p != '\0'; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p + 32);
        return 0;
    }
    if (!str_is_utf8(s, n))
        return refuse(err, "a name", "is not UTF-8");
    folded = u8_casefold((const uint8_t *)s, n, NULL, UNINORM_NFC, NULL, &n);
    if (folded == NULL)
        return refuse(err, "a name", "cannot be folded");
    *out_r = mem_strndup((const char *)folded, n);
    free(folded);
    return 0;
}
