/* SPDX-License-Identifier: MIT */
/*
 * A message as MIME, read again by a small reader that knows only the RFCs. Holds: every header
 * line is at most 998 long and one of those that we write; the subject comes back (control
 * characters as spaces) and no encoded word cuts a character; there are as many parts as the
 * message has, and each holds exactly its octets, whatever is in them.
 *
 * The input is that of made.h; what follows its fields is shared out among the parts.
 */
#include "config.h"

#include "wire/mime.h"

#include <string.h>

#include "base/mem.h"
#include "seal/digest.h"
#include "wire/imid.h"

#include "fuzz/fuzz.h"
#include "fuzz/made.h"

#define BOUNDARY "--=_immp-9507ce26-d34e-41cb-9f14-4eeff943e25e"

/* ---- writing ---- */

static void share_octets(struct made *made)
{
    uint64_t each = made->n_octets / made->m.n_parts;

    for (size_t i = 0; i < made->m.n_parts; i++)
        made->m.parts[i].length = each;
}

static void add_octets(struct str *out, const uint8_t *p, size_t n, enum mime_encoding enc)
{
    struct str text = STR_INIT;

    if (enc != MIME_BASE64) {
        str_addn(out, p, n);
        return;
    }
    base64_add(&text, p, n, 76);
    for (size_t i = 0; i < text.len; i++)
        str_addf(out, text.s[i] == '\n' ? "\r%c" : "%c", text.s[i]);
    str_clear(&text);
}

static void write_all(struct str *out, const struct made *made)
{
    const uint8_t *p = made->octets;

    for (size_t i = 0; i < made->m.n_parts; i++) {
        size_t n = (size_t)made->m.parts[i].length, before;
        enum mime_encoding enc = mime_choose(made->m.parts[i].type, p, n, n);

        FUZZ_CHECK(mime_choose(made->m.parts[i].type, p, n, n + 1) == MIME_BASE64);
        if (i == 0)
            mime_add_head(out, &made->m, enc);
        mime_add_part_head(out, &made->m, i, enc);
        before = out->len;
        add_octets(out, p, n, enc);
        FUZZ_CHECK(out->len - before == (enc == MIME_BASE64 ? mime_base64_length(n) : n));
        mime_add_part_end(out, &made->m, i);
        p += n;
    }
    mime_add_tail(out, &made->m);
}

/* ---- reading ---- */

static bool is_known_header(const char *line)
{
    static const char *const names[] = {
        "From: ",
        "To: ",
        "Subject: ",
        "Date: ",
        "Message-ID: ",
        "In-Reply-To: ",
        "Expires: ",
        "Auto-Submitted: ",
        "X-IMMP-",
        "Importance: ",
        "MIME-Version: ",
        "Content-",
        " ",
    };

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Past the empty line that ends these headers. The values of subject and encoding, if there. */
static const char *read_headers(const char *p, const char *end, struct str *subject,
                                bool *is_base64_r)
{
    struct str *open = NULL;

    *is_base64_r = false;
    for (;;) {
        const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);

        FUZZ_CHECK(eol != NULL && memchr(p, '\n', (size_t)(eol - p)) == NULL);
        FUZZ_CHECK(memchr(p, '\0', (size_t)(eol - p)) == NULL);
        if (eol == p)
            return eol + 2;
        FUZZ_CHECK(is_known_header(p) && eol - p <= 998 + 2000 * (*p == ' '));
        if (*p != ' ')
            open = str_starts(p, "Subject: ") ? subject : NULL;
        if (open != NULL && *p == ' ')
            str_add(open, "\n");
        if (open != NULL)
            str_addn(open, p + (*p == ' ' ? 0 : 9), (size_t)(eol - p) - (*p == ' ' ? 0 : 9));
        if (str_starts(p, "Content-Transfer-Encoding: base64\r"))
            *is_base64_r = true;
        p = eol + 2;
    }
}

/* One encoded word at p, its text appended: how long it is. */
static size_t decode_word(const char *p, struct str *out)
{
    size_t from = out->len, n = strlen("=?UTF-8?Q?");

    FUZZ_CHECK(strncmp(p, "=?UTF-8?Q?", n) == 0);
    for (; p[n] != '?'; n++) {
        uint8_t byte;

        FUZZ_CHECK((unsigned char)p[n] > 0x20 && (unsigned char)p[n] < 0x7f);
        if (p[n] == '=') {
            FUZZ_CHECK(str_from_hex(p + n + 1, 2, &byte, 1) == 0);
            str_addc(out, (char)byte);
            n += 2;
        } else {
            str_addc(out, p[n] == '_' ? ' ' : p[n]);
        }
    }
    FUZZ_CHECK(p[n + 1] == '=' && n + 2 <= 75);
    FUZZ_CHECK(str_is_utf8(out->s + from, out->len - from));
    return n + 2;
}

/* RFC 2047 §6.2: the space between two encoded words is no text; a fold elsewhere is its space. */
static void check_subject(const struct str *raw, const char *wanted)
{
    struct str text = STR_INIT;
    const char *p = str_c(raw);

    if (str_starts(p, "=?")) {
        while (*p != '\0') {
            p += decode_word(p, &text);
            p += strspn(p, "\n ");
        }
    } else {
        for (; *p != '\0'; p++)
            if (*p != '\n')
                str_addc(&text, *p);
    }
    FUZZ_CHECK(text.len == strlen(wanted));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)wanted[i];

        FUZZ_CHECK(text.s[i] == (c < 0x20 || c == 0x7f ? ' ' : wanted[i]));
    }
    str_clear(&text);
}

static void check_octets(const char *p, size_t n, bool is_base64, const uint8_t *wanted,
                         size_t length)
{
    struct str out = STR_INIT;

    if (is_base64)
        FUZZ_CHECK(base64_decode(p, n, &out) == 0);
    else
        str_addn(&out, p, n);
    FUZZ_CHECK(out.len == length && (length == 0 || memcmp(out.s, wanted, length) == 0));
    str_clear(&out);
}

static void check_parts(const char *p, const char *end, const struct made *made)
{
    const uint8_t *octets = made->octets;
    struct str none = STR_INIT;

    for (size_t i = 0; i < made->m.n_parts; i++) {
        const char *stop;
        bool is_base64;

        FUZZ_CHECK(str_starts(p, BOUNDARY "\r\n"));
        p = read_headers(p + strlen(BOUNDARY "\r\n"), end, &none, &is_base64);
        stop = memmem(p, (size_t)(end - p), "\r\n" BOUNDARY, strlen("\r\n" BOUNDARY));
        FUZZ_CHECK(stop != NULL);
        check_octets(p, (size_t)(stop - p), is_base64, octets, (size_t)made->m.parts[i].length);
        octets += made->m.parts[i].length;
        p = stop + 2;
    }
    FUZZ_CHECK(strcmp(p, BOUNDARY "--\r\n") == 0 && p + strlen(p) == end);
    str_clear(&none);
}

static void check_message(const struct str *mime, const struct made *made)
{
    const struct message *m = &made->m;
    const char *end = mime->s + mime->len, *p;
    struct str subject = STR_INIT;
    bool is_base64;

    p = read_headers(mime->s, end, &subject, &is_base64);
    check_subject(&subject, m->subject != NULL ? m->subject : "");
    if (m->n_parts == 1)
        check_octets(p, (size_t)(end - p), is_base64, made->octets, (size_t)m->parts[0].length);
    else
        check_parts(p, end, made);
    str_clear(&subject);
}

/* What message_parse() would never have let in. */
static bool is_sound(const struct message *m)
{
    char *address;

    if ((m->subject != NULL && !str_is_utf8(m->subject, strlen(m->subject))) ||
        imid_address(m->from, &address, NULL) < 0)
        return false;
    free(address);
    return strchr(m->from, '/') == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str mime = STR_INIT;
    struct made made;

    made_message(&made, data, len);
    if (is_sound(&made.m)) {
        share_octets(&made);
        write_all(&mime, &made);
        check_message(&mime, &made);
    }
    str_clear(&mime);
    message_clear(&made.m);
    return 0;
}
