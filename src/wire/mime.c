/* SPDX-License-Identifier: MIT */
/*
 * A message as MIME. Its octets stay what they are: a text part that mail tools can carry goes
 * unchanged, anything else as base64 whose length is known beforehand.
 *
 * Invariant: no text of the message can end a header line or make a new part. Header values are
 * built of checked tokens, quoted strings, encoded words (RFC 2047, Q) or percent-encoding
 * (RFC 2231); a text part with a line that looks like our boundary goes as base64, and
 * message/… and multipart/… types, which readers would open as structure, are named
 * application/octet-stream with the real type beside it.
 *
 * Message-ID is UUID@immp for every domain: IMMP refers to messages by UUID alone, and so threads
 * hold in mail tools too.
 */
#include "config.h"

#include "wire/mime.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/macros.h"
#include "wire/imid.h"

#define LINE_MAX_TEXT   998 /* RFC 5322 §2.1.1 */
#define LINE_WIDTH      76
#define WORD_MAX        75 /* RFC 2047 §2: an encoded word */
#define TYPE_MAX        MESSAGE_NAME_MAX
#define BOUNDARY_PREFIX "=_immp-"

/* ---- types ---- */

/* RFC 2045 §5.1 token. */
static bool is_token(unsigned char c)
{
    return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static const char *skip_token(const char *s)
{
    while (is_token((unsigned char)*s))
        s++;
    return s;
}

static const char *skip_spaces(const char *s)
{
    return s + strspn(s, " ");
}

/* The end of a quoted string of printable ASCII, or NULL. */
static const char *skip_quoted(const char *s)
{
    for (s++; *s != '"'; s++) {
        if (*s == '\\')
            s++;
        if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
            return NULL;
    }
    return s + 1;
}

/* One ";name=value". The end, or NULL. */
static const char *skip_parameter(const char *s)
{
    const char *name = skip_spaces(s + 1);
    const char *value = skip_token(name);

    if (*s != ';' || value == name || *value != '=')
        return NULL;
    value++;
    if (*value == '"')
        return skip_quoted(value);
    s = skip_token(value);
    return s > value ? s : NULL;
}

int mime_type_check(const char *type)
{
    const char *sub = skip_token(type);
    const char *s;

    if (strlen(type) > TYPE_MAX || sub == type || *sub != '/')
        return -1;
    s = skip_token(++sub);
    if (s == sub)
        return -1;
    for (s = skip_spaces(s); *s != '\0'; s = skip_spaces(s)) {
        s = skip_parameter(s);
        if (s == NULL)
            return -1;
    }
    return 0;
}

static bool is_major(const char *type, const char *major)
{
    size_t n = strlen(major);

    return strncasecmp(type, major, n) == 0 && type[n] == '/';
}

static bool has_charset(const char *type)
{
    const char *s = type;

    while ((s = strchr(s, ';')) != NULL) {
        s = skip_spaces(s + 1);
        if (strncasecmp(s, "charset=", 8) == 0)
            return true;
    }
    return false;
}

/* ---- encodings ---- */

/* May these octets stand in a mail as they are? */
static bool is_plain_text(const uint8_t *p, size_t n, bool *is_ascii_r)
{
    size_t line = 0;

    *is_ascii_r = true;
    for (size_t i = 0; i < n; i++) {
        if (line == 0 && n - i >= 4 && memcmp(p + i, "--=_", 4) == 0)
            return false;
        if (p[i] == '\n') {
            line = 0;
            continue;
        }
        if (p[i] == '\r') {
            if (i + 1 == n || p[i + 1] != '\n')
                return false;
            continue;
        }
        if (p[i] == '\0' || ++line > LINE_MAX_TEXT)
            return false;
        *is_ascii_r = *is_ascii_r && p[i] < 0x80;
    }
    return true;
}

enum mime_encoding mime_choose(const char *type, const uint8_t *p, size_t n, uint64_t length)
{
    bool is_ascii;

    if (!is_major(type, "text") || n != length || !is_plain_text(p, n, &is_ascii))
        return MIME_BASE64;
    if (is_ascii)
        return MIME_7BIT;
    return str_is_utf8((const char *)p, n) ? MIME_8BIT : MIME_BASE64;
}

uint64_t mime_base64_length(uint64_t length)
{
    uint64_t chars = (length + 2) / 3 * 4;

    return chars + (chars + LINE_WIDTH - 1) / LINE_WIDTH * 2;
}

/* ---- header values ---- */

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* RFC 2047 §5(3): the letters that stand for themselves everywhere. */
static bool is_q_plain(unsigned char c)
{
    return c < 0x80 && (isalnum(c) || strchr("!*+-/", c) != NULL) && c != '\0';
}

static size_t character_bytes(const char *s, size_t left)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return MIN(n, left);
}

/* One character as Q; a control character becomes a space. */
static void add_q(struct str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (is_q_plain(c))
            str_addc(out, (char)c);
        else if (c == ' ' || is_control(c))
            str_addc(out, '_');
        else
            str_addf(out, "=%02X", c);
    }
}

static void add_encoded_words(struct str *out, const char *s)
{
    struct str word = STR_INIT;
    struct str one = STR_INIT;
    size_t left = strlen(s);
    size_t max = WORD_MAX - strlen("=?UTF-8?Q?") - strlen("?=");
    const char *before = "";

    while (left > 0) {
        size_t n = character_bytes(s, left);

        str_truncate(&one, 0);
        add_q(&one, s, n);
        if (word.len + one.len > max) {
            str_addf(out, "%s=?UTF-8?Q?%s?=", before, str_c(&word));
            str_truncate(&word, 0);
            before = "\r\n ";
        }
        str_addn(&word, one.s, one.len);
        s += n;
        left -= n;
    }
    if (word.len > 0)
        str_addf(out, "%s=?UTF-8?Q?%s?=", before, str_c(&word));
    str_clear(&word);
    str_clear(&one);
}

/* Printable ASCII of single-spaced words that fit into folded lines, and not like encoded words? */
static bool is_foldable(const char *s)
{
    size_t word = 0;
    unsigned char last = ' ';

    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (is_control(c) || c >= 0x80 || (c == ' ' && last == ' ') || (c == '?' && last == '='))
            return false;
        word = c == ' ' ? 0 : word + 1;
        if (word > LINE_WIDTH - 10)
            return false;
        last = c;
    }
    return last != ' ';
}

static void add_folded(struct str *out, const char *s, size_t column)
{
    while (*s != '\0') {
        size_t word = strcspn(s + 1, " ") + 1; /* with the space before it */

        if (*s == ' ' && column + word > LINE_WIDTH) {
            str_add(out, "\r\n");
            column = 0;
        }
        str_addn(out, s, word);
        column += word;
        s += word;
    }
}

static void add_subject(struct str *out, const char *subject)
{
    str_add(out, "Subject: ");
    if (is_foldable(subject))
        add_folded(out, subject, strlen("Subject: "));
    else
        add_encoded_words(out, subject);
    str_add(out, "\r\n");
}

static void add_quoted(struct str *out, const char *s, size_t n)
{
    str_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\')
            str_addc(out, '\\');
        str_addc(out, is_control((unsigned char)s[i]) ? ' ' : s[i]);
    }
    str_addc(out, '"');
}

/* RFC 5322 §3.2.3 and RFC 6532: an atom, other characters than ASCII too. */
static bool is_dot_atom(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '.' && i > 0 && i + 1 < n && s[i - 1] != '.')
            continue;
        if (c < 0x80 && !isalnum(c) && (c == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
            return false;
    }
    return n > 0;
}

static void add_address(struct str *out, const char *address)
{
    const char *domain = strrchr(address, '@');
    size_t n = domain != NULL ? (size_t)(domain - address) : strlen(address);

    if (is_dot_atom(address, n))
        str_addn(out, address, n);
    else
        add_quoted(out, address, n);
    str_add(out, domain != NULL ? domain : "@invalid");
}

/* The recipients: all as the sender named them where it did, else those of this domain. */
static void add_recipients(struct str *out, const struct message *m)
{
    char *const *list = m->n_shown > 0 ? m->shown : m->to;
    size_t n = m->n_shown > 0 ? m->n_shown : (m->flags & MESSAGE_BLIND) != 0 ? 0 : m->n_to;
    const char *before = "To: ";

    for (size_t i = 0; i < n; i++) {
        struct imid id;
        struct str address = STR_INIT;

        if (imid_parse(list[i], &id, NULL) < 0)
            continue;
        str_add(&address, id.local);
        if (id.folder[0] != '\0')
            str_addf(&address, "+%s", id.folder);
        str_addf(&address, "@%s", id.domain);
        str_add(out, before);
        add_address(out, str_c(&address));
        str_clear(&address);
        imid_clear(&id);
        before = ",\r\n ";
    }
    str_add(out, before[0] == 'T' ? "To: undisclosed-recipients:;\r\n" : "\r\n");
}

static void add_date(struct str *out, const char *name, int64_t at_ms)
{
    char text[CLOCK_RFC5322_SIZE];

    clock_format_rfc5322(at_ms, text);
    str_addf(out, "%s: %s\r\n", name, text);
}

static void add_flags(struct str *out, unsigned flags)
{
    const char *name;

    if ((flags & (MESSAGE_IMPORTANT | MESSAGE_UNIMPORTANT)) != 0)
        str_addf(out, "Importance: %s\r\n", (flags & MESSAGE_IMPORTANT) != 0 ? "high" : "low");
    for (size_t i = 0; (name = message_flag_at(flags, i)) != NULL; i++)
        str_addf(out, "%s%s", i == 0 ? "X-IMMP-Flags: " : ", ", name);
    if (message_flag_at(flags, 0) != NULL)
        str_add(out, "\r\n");
}

/* RFC 2183 with RFC 2231 where the name is no plain ASCII. */
static void add_disposition(struct str *out, const struct part *p)
{
    bool is_plain = true;

    for (const char *s = p->name; *s != '\0'; s++)
        is_plain = is_plain && (unsigned char)*s < 0x7f && !is_control((unsigned char)*s);
    str_addf(out, "Content-Disposition: %s;\r\n ", p->is_content ? "inline" : "attachment");
    if (is_plain) {
        str_add(out, "filename=");
        add_quoted(out, p->name, strlen(p->name));
    } else {
        str_add(out, "filename*=UTF-8''");
        for (const char *s = p->name; *s != '\0'; s++) {
            unsigned char c = (unsigned char)*s;

            if (c < 0x80 && (isalnum(c) || strchr(".-_", c) != NULL))
                str_addc(out, *s);
            else
                str_addf(out, "%%%02X", c);
        }
    }
    str_add(out, "\r\n");
}

static void add_content_headers(struct str *out, const struct part *p, enum mime_encoding enc)
{
    static const char *const names[] = {
        [MIME_7BIT] = "7bit",
        [MIME_8BIT] = "8bit",
        [MIME_BASE64] = "base64",
    };
    bool is_type = mime_type_check(p->type) == 0;
    bool is_structure = is_major(p->type, "message") || is_major(p->type, "multipart");

    if (!is_type || is_structure)
        str_add(out, "Content-Type: application/octet-stream\r\n");
    else if (is_major(p->type, "text") && !has_charset(p->type))
        str_addf(out, "Content-Type: %s; charset=utf-8\r\n", p->type);
    else
        str_addf(out, "Content-Type: %s\r\n", p->type);
    if (is_type && is_structure)
        str_addf(out, "X-IMMP-Type: %s\r\n", p->type);
    str_addf(out, "Content-Transfer-Encoding: %s\r\n", names[enc]);
    add_disposition(out, p);
}

/* ---- the message ---- */

void mime_add_head(struct str *out, const struct message *m, enum mime_encoding first)
{
    str_add(out, "From: ");
    add_address(out, m->from);
    str_add(out, "\r\n");
    add_recipients(out, m);
    if (m->subject != NULL && m->subject[0] != '\0')
        add_subject(out, m->subject);
    add_date(out, "Date", m->date_ms);
    str_addf(out, "Message-ID: <%s@immp>\r\n", m->id);
    if (m->in_reply_to[0] != '\0')
        str_addf(out, "In-Reply-To: <%s@immp>\r\n", m->in_reply_to);
    if (m->expires_ms != 0)
        add_date(out, "Expires", m->expires_ms);
    if (m->kind == MESSAGE_NOTICE) /* RFC 3834: so that nothing answers it */
        str_add(out, "Auto-Submitted: auto-generated\r\n");
    str_addf(out, "X-IMMP-Kind: %s\r\nX-IMMP-Origin: %s\r\n", message_kind_name(m->kind), m->origin);
    add_flags(out, m->flags);
    str_add(out, "MIME-Version: 1.0\r\n");
    if (m->n_parts == 1)
        add_content_headers(out, &m->parts[0], first);
    else
        str_addf(out,
                 "Content-Type: multipart/mixed;\r\n boundary=\"" BOUNDARY_PREFIX "%s\"\r\n"
                 "Content-Transfer-Encoding: 8bit\r\n",
                 m->id);
    str_add(out, "\r\n");
}

void mime_add_part_head(struct str *out, const struct message *m, size_t part,
                        enum mime_encoding enc)
{
    if (m->n_parts == 1)
        return;
    str_addf(out, "--" BOUNDARY_PREFIX "%s\r\n", m->id);
    add_content_headers(out, &m->parts[part], enc);
    str_add(out, "\r\n");
}

void mime_add_part_end(struct str *out, const struct message *m, size_t part)
{
    (void)part;
    if (m->n_parts != 1)
        str_add(out, "\r\n");
}

void mime_add_tail(struct str *out, const struct message *m)
{
    if (m->n_parts != 1)
        str_addf(out, "--" BOUNDARY_PREFIX "%s--\r\n", m->id);
}
