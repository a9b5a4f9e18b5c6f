/* SPDX-License-Identifier: MIT */
/* MIME (RFC 2045 to 2049, 2047, 2231, 5322): encodings, headers, and what Python's email reads back. */
#include "config.h"

#include "wire/mime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/json.h"

#include "lib/test.h"

#define ID     "9507ce26-d34e-41cb-9f14-4eeff943e25e"
#define PYTHON "/usr/bin/python3"

/* ---- types and encodings ---- */

static void a_type_is_tokens_and_parameters(void **state)
{
    static const struct {
        const char *type;
        int rc;
    } rows[] = {
        { "text/plain",                              0  },
        { "text/plain; charset=utf-8",               0  },
        { "text/plain;charset=utf-8 ; format=flowed", 0 },
        { "a/b; c=\"quoted \\\" ; string\"",         0  },
        { "application/vnd.x+json",                  0  },
        { "",                                        -1 },
        { "text",                                    -1 },
        { "text/",                                   -1 },
        { "/plain",                                  -1 },
        { "text/plain/x",                            -1 },
        { "text /plain",                             -1 },
        { "text/pl\xc3\xa4in",                       -1 },
        { "text/plain\r\nX: y",                      -1 },
        { "text/plain\n",                            -1 },
        { "text/plain;",                             -1 },
        { "text/plain; charset",                     -1 },
        { "text/plain; charset=",                    -1 },
        { "text/plain; =utf-8",                      -1 },
        { "text/plain; a=b c=d",                     -1 },
        { "text/plain; a=\"b",                       -1 },
        { "text/plain; a=\"b\\",                     -1 },
        { "text/plain; a=\"b\nc\"",                  -1 },
        { "text/plain; a=\"b\"c",                    -1 },
    };
    char longest[258];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (mime_type_check(rows[i].type) != rows[i].rc)
            fail_msg("%s: not %d", rows[i].type, rows[i].rc);
    memset(longest, 'a', sizeof(longest));
    longest[1] = '/';
    longest[255] = '\0';
    assert_int_equal(mime_type_check(longest), 0);
    longest[255] = 'a';
    longest[256] = '\0';
    assert_int_equal(mime_type_check(longest), -1);
}

static enum mime_encoding choose(const char *type, const char *s)
{
    return mime_choose(type, (const uint8_t *)s, strlen(s), strlen(s));
}

static void text_goes_as_it_is_where_mail_can_carry_it(void **state)
{
    static const struct {
        const char *type, *text;
        enum mime_encoding enc;
    } rows[] = {
        { "text/plain",       "",                            MIME_7BIT   },
        { "text/plain",       "hello\n",                     MIME_7BIT   },
        { "TEXT/plain",       "a\r\nb\r\n",                  MIME_7BIT   },
        { "text/html",        "gr\xc3\xbc\xc3\x9f\x65\n",    MIME_8BIT   },
        { "text/plain",       "gr\xfc\xdf\x65\n",            MIME_BASE64 },
        { "text/plain",       "bare\rcr",                    MIME_BASE64 },
        { "text/plain",       "cr at the end\r",             MIME_BASE64 },
        { "text/plain",       "a\n--=_immp-x\n",             MIME_BASE64 },
        { "text/plain",       "--=_immp-x",                  MIME_BASE64 },
        { "text/plain",       "a --=_immp-x",                MIME_7BIT   },
        { "text/plain",       "-- \nsignature\n",            MIME_7BIT   },
        { "textual/plain",    "hello",                       MIME_BASE64 },
        { "application/json", "{}",                          MIME_BASE64 },
    };
    char line[1000];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (choose(rows[i].type, rows[i].text) != rows[i].enc)
            fail_msg("row %zu: %s", i, rows[i].text);
    assert_int_equal(mime_choose("text/plain", (const uint8_t *)"a\0b", 3, 3), MIME_BASE64);
    assert_int_equal(mime_choose("text/plain", (const uint8_t *)"ab", 2, 3), MIME_BASE64);
    memset(line, 'x', sizeof(line));
    line[998] = '\0';
    assert_int_equal(choose("text/plain", line), MIME_7BIT); /* RFC 5322 §2.1.1 */
    line[998] = 'x';
    line[999] = '\0';
    assert_int_equal(choose("text/plain", line), MIME_BASE64);
    line[500] = '\n';
    assert_int_equal(choose("text/plain", line), MIME_7BIT);
}

/* ---- a whole message, base64 by hand ---- */

static void add_base64(struct str *out, const char *p, size_t n)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t column = 0;

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)p[i] << 16;
        size_t left = n - i;

        v |= left > 1 ? (uint32_t)(uint8_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? (uint8_t)p[i + 2] : 0;
        str_addc(out, set[v >> 18]);
        str_addc(out, set[v >> 12 & 63]);
        str_addc(out, left > 1 ? set[v >> 6 & 63] : '=');
        str_addc(out, left > 2 ? set[v & 63] : '=');
        column += 4;
        if (column == 76 || i + 3 >= n)
            str_add(out, "\r\n");
        column %= 76;
    }
}

static void base64_length_is_known_beforehand(void **state)
{
    char octets[300] = "";
    struct str out = STR_INIT;

    (void)state;
    for (size_t n = 0; n < sizeof(octets); n++) {
        str_truncate(&out, 0);
        add_base64(&out, octets, n);
        assert_int_equal(mime_base64_length(n), out.len);
    }
    str_clear(&out);
}

struct piece {
    const char *name, *type, *octets;
    bool is_content;
};

static struct message message_of(const struct piece *pieces, size_t n, const char *subject)
{
    struct message m;

    message_init(&m);
    memcpy(m.id, ID, sizeof(ID));
    m.kind = MESSAGE_MAIL;
    m.origin = mem_strdup("a.com");
    m.destination = mem_strdup("b.com");
    m.from = mem_strdup("alice@a.com");
    m.date_ms = 1795490508123;
    m.subject = mem_strdup(subject);
    message_add_to(&m, "bob@b.com");
    for (size_t i = 0; i < n; i++)
        message_add_part(&m, pieces[i].name, pieces[i].type, pieces[i].is_content,
                         strlen(pieces[i].octets), NULL);
    return m;
}

static void add_whole(struct str *out, const struct message *m, const struct piece *pieces)
{
    mime_add_head(out, m, choose(pieces[0].type, pieces[0].octets));
    for (size_t i = 0; i < m->n_parts; i++) {
        enum mime_encoding enc = choose(pieces[i].type, pieces[i].octets);

        mime_add_part_head(out, m, i, enc);
        if (enc == MIME_BASE64)
            add_base64(out, pieces[i].octets, strlen(pieces[i].octets));
        else
            str_add(out, pieces[i].octets);
        mime_add_part_end(out, m, i);
    }
    mime_add_tail(out, m);
}

/* Every header line is at most 998 characters, ends in CR LF and has a name or continues one. */
static void assert_lines(const char *head)
{
    const char *end = strstr(head, "\r\n\r\n");

    assert_non_null(end);
    for (const char *line = head; line < end + 2;) {
        const char *eol = strstr(line, "\r\n");
        size_t n = (size_t)(eol - line);

        assert_true(n <= 998 && memchr(line, '\n', n) == NULL && memchr(line, '\r', n) == NULL);
        assert_true(line[0] == ' ' || memchr(line, ':', n) != NULL);
        line = eol + 2;
    }
}

static struct str head_of(const struct message *m)
{
    struct str out = STR_INIT;

    mime_add_head(&out, m, MIME_7BIT);
    assert_lines(str_c(&out));
    return out;
}

static void a_single_part_has_no_boundary(void **state)
{
    static const struct piece one = { "body.txt", "text/plain", "Hello, Bob.\n", true };
    struct message m = message_of(&one, 1, "Hello");
    struct str out = STR_INIT;

    (void)state;
    add_whole(&out, &m, &one);
    assert_string_equal(str_c(&out), "From: alice@a.com\r\n"
                                     "To: bob@b.com\r\n"
                                     "Subject: Hello\r\n"
                                     "Date: Tue, 24 Nov 2026 03:21:48 +0000\r\n"
                                     "Message-ID: <" ID "@immp>\r\n"
                                     "X-IMMP-Kind: message\r\n"
                                     "X-IMMP-Origin: a.com\r\n"
                                     "MIME-Version: 1.0\r\n"
                                     "Content-Type: text/plain; charset=utf-8\r\n"
                                     "Content-Transfer-Encoding: 7bit\r\n"
                                     "Content-Disposition: inline;\r\n"
                                     " filename=\"body.txt\"\r\n"
                                     "\r\n"
                                     "Hello, Bob.\n");
    str_clear(&out);
    message_clear(&m);
}

static void several_parts_stand_between_boundaries(void **state)
{
    static const struct piece two[] = {
        { "body.txt", "text/plain", "Hello", true },
        { "x.bin", "application/octet-stream", "\x01\x02", false },
    };
    struct message m = message_of(two, 2, "Hello");
    struct str out = STR_INIT;

    (void)state;
    add_whole(&out, &m, two);
    assert_string_equal(strstr(str_c(&out), "MIME-Version"),
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: multipart/mixed;\r\n boundary=\"=_immp-" ID "\"\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n\r\n"
                        "--=_immp-" ID "\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 7bit\r\n"
                        "Content-Disposition: inline;\r\n filename=\"body.txt\"\r\n\r\n"
                        "Hello\r\n"
                        "--=_immp-" ID "\r\n"
                        "Content-Type: application/octet-stream\r\n"
                        "Content-Transfer-Encoding: base64\r\n"
                        "Content-Disposition: attachment;\r\n filename=\"x.bin\"\r\n\r\n"
                        "AQI=\r\n\r\n"
                        "--=_immp-" ID "--\r\n");
    str_clear(&out);
    message_clear(&m);
}

static void what_else_a_message_has_is_in_its_head(void **state)
{
    static const struct piece one = { "b", "text/plain; charset=us-ascii", "", true };
    struct message m = message_of(&one, 1, "s");
    struct str out;

    (void)state;
    m.flags = MESSAGE_IMPORTANT | MESSAGE_SECURE;
    m.expires_ms = 1796083200000;
    m.kind = MESSAGE_NOTICE;
    memcpy(m.in_reply_to, "4933a1ff-0000-4000-8000-0123456789ab", UUID_SIZE);
    message_add_shown(&m, "Bob+Lists@B.com");
    message_add_shown(&m, "immp://helpdesk/carol@c.com");
    out = head_of(&m);
    assert_non_null(strstr(out.s, "To: bob+Lists@b.com,\r\n helpdesk/carol@c.com\r\n"));
    assert_non_null(strstr(out.s, "In-Reply-To: <4933a1ff-0000-4000-8000-0123456789ab@immp>\r\n"));
    assert_non_null(strstr(out.s, "Expires: Tue, 01 Dec 2026 00:00:00 +0000\r\n"));
    assert_non_null(strstr(out.s, "Auto-Submitted: auto-generated\r\n"));
    assert_non_null(strstr(out.s, "Importance: high\r\nX-IMMP-Flags: important, secure\r\n"));
    assert_non_null(strstr(out.s, "Content-Type: text/plain; charset=us-ascii\r\n"));
    str_clear(&out);
    message_clear(&m);
}

static void blind_recipients_are_not_shown(void **state)
{
    static const struct piece one = { "b", "text/plain", "", true };
    struct message m = message_of(&one, 1, NULL);
    struct str out;

    (void)state;
    m.flags = MESSAGE_BLIND | MESSAGE_UNIMPORTANT;
    out = head_of(&m);
    assert_non_null(strstr(out.s, "To: undisclosed-recipients:;\r\n"));
    assert_non_null(strstr(out.s, "Importance: low\r\n"));
    assert_null(strstr(out.s, "bob@"));
    assert_null(strstr(out.s, "Subject"));
    str_clear(&out);
    message_clear(&m);
}

static void local_parts_that_are_no_atom_are_quoted(void **state)
{
    static const struct piece one = { "b", "text/plain", "", true };
    struct message m = message_of(&one, 1, NULL);
    struct str out;

    (void)state;
    free(m.from);
    m.from = mem_strdup("a(b)\\@a.com");
    message_add_shown(&m, ".dot.@b.com");
    message_add_shown(&m, "j\xc3\xbcrgen@b.com");
    message_add_shown(&m, "bob+My Lists@b.com");
    out = head_of(&m);
    assert_non_null(strstr(out.s, "From: \"a(b)\\\\\"@a.com\r\n"));
    assert_non_null(strstr(out.s, "To: \".dot.\"@b.com,\r\n j\xc3\xbcrgen@b.com,\r\n"
                                  " \"bob+My Lists\"@b.com\r\n"));
    str_clear(&out);
    message_clear(&m);
}

/* RFC 2047: no subject makes a line of its own, each word is short and holds whole characters. */
static void subjects_are_folded_or_encoded(void **state)
{
    static const struct piece one = { "b", "text/plain", "", true };
    static const struct {
        const char *subject, *line;
    } rows[] = {
        { "plain",          "Subject: plain\r\n"                          },
        { "gr\xc3\xbc\xc3\x9f", "Subject: =?UTF-8?Q?gr=C3=BC=C3=9F?=\r\n" },
        { "a\r\nBcc: x@y.z", "Subject: =?UTF-8?Q?a__Bcc=3A_x=40y=2Ez?=\r\n" },
        { "a  b",           "Subject: =?UTF-8?Q?a__b?=\r\n"               },
        { " a",             "Subject: =?UTF-8?Q?_a?=\r\n"                 },
        { "a ",             "Subject: =?UTF-8?Q?a_?=\r\n"                 },
        { "=?UTF-8?Q?x?=",  "Subject: =?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fx=3F=3D?=\r\n" },
        { "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789",
          "Subject: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\r\n"
          " 0123456789\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct message m = message_of(&one, 1, rows[i].subject);
        struct str out = head_of(&m);

        if (strstr(out.s, rows[i].line) == NULL)
            fail_msg("%s:\n%s", rows[i].line, out.s);
        str_clear(&out);
        message_clear(&m);
    }
}

static void names_and_types_cannot_end_a_header(void **state)
{
    static const struct piece evil[] = {
        { "a\r\nX-Evil: 1\".txt", "text/plain\r\nX-Evil: 1", "x", false },
        { "say \"hi\" \\ now",    "image/png",               "x", false },
        { "b\xc3\xbc ro.txt",     "message/rfc822",          "x", false },
        { "m",                    "multipart/mixed; boundary=a", "x", true },
    };
    struct message m = message_of(evil, N_ELEMENTS(evil), "x\nX-Evil: 1");
    struct str out = STR_INIT;

    (void)state;
    free(m.from);
    m.from = mem_strdup("x\r\nX-Evil: 1@a.com");
    add_whole(&out, &m, evil);
    assert_null(strstr(str_c(&out), "\nX-Evil"));
    assert_null(strstr(str_c(&out), "\rX-Evil"));
    assert_non_null(strstr(str_c(&out), "filename*=UTF-8''a%0D%0AX-Evil%3A%201%22.txt\r\n"));
    assert_non_null(strstr(str_c(&out), "filename=\"say \\\"hi\\\" \\\\ now\"\r\n"));
    assert_non_null(strstr(str_c(&out), "filename*=UTF-8''b%C3%BC%20ro.txt\r\n"));
    assert_non_null(strstr(str_c(&out), "Content-Type: application/octet-stream\r\n"
                                        "X-IMMP-Type: message/rfc822\r\n"));
    assert_null(strstr(str_c(&out), "Content-Type: multipart/mixed; boundary=a"));
    str_clear(&out);
    message_clear(&m);
}

/* ---- another implementation reads it ---- */

static const char script[] =
    "import sys,json,email,email.policy\n"
    "m=email.message_from_binary_file(open(sys.argv[1],'rb'),policy=email.policy.default)\n"
    "p=list(m.walk()) if not m.is_multipart() else list(m.walk())[1:]\n"
    "print(json.dumps(dict(subject=m['subject'],sender=m['from'].addresses[0].addr_spec,\n"
    " to=[a.addr_spec for a in m['to'].addresses],date=m['date'].datetime.isoformat(),\n"
    " defects=[str(d) for x in m.walk() for d in x.defects],\n"
    " parts=[dict(type=x.get_content_type(),name=x.get_filename(),\n"
    "  disposition=x.get_content_disposition(),octets=x.get_payload(decode=True).hex()) for x in p])))\n";

static struct json *read_by_python(const struct str *mail)
{
    char path[] = "/tmp/test_mime_XXXXXX";
    struct str command = STR_INIT, text = STR_INIT;
    struct json *doc;
    char buf[4096];
    int fd = mkstemp(path);
    size_t n;
    FILE *f;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, mail->s, mail->len), (ssize_t)mail->len);
    assert_int_equal(close(fd), 0);
    str_addf(&command, PYTHON " -c \"%s\" %s", script, path);
    f = popen(str_c(&command), "r");
    assert_non_null(f);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        str_addn(&text, buf, n);
    assert_int_equal(pclose(f), 0);
    assert_int_equal(unlink(path), 0);
    doc = json_parse(str_c(&text), text.len, NULL);
    assert_non_null(doc);
    str_clear(&command);
    str_clear(&text);
    return doc;
}

static void assert_part(const struct json *part, const struct piece *piece)
{
    struct str hex = STR_INIT;

    str_add_hex(&hex, (const uint8_t *)piece->octets, strlen(piece->octets));
    assert_string_equal(json_get_str(part, "octets"), str_c(&hex));
    assert_string_equal(json_get_str(part, "name"), piece->name);
    assert_string_equal(json_get_str(part, "disposition"),
                        piece->is_content ? "inline" : "attachment");
    str_clear(&hex);
}

static void python_reads_it_back(void **state)
{
    static const struct piece pieces[] = {
        { "body.txt",               "text/plain",                "Hello,\n\nBob.\n\n",        true  },
        { "K\xc3\xb6rper.html",     "text/html",                 "<p>gr\xc3\xbc\xc3\x9f\x65</p>", true },
        { "a \"quoted\" name.bin",  "application/octet-stream",  "\x01\x80\xff\r\n--=_immp-", false },
        { "fake",                   "text/plain",                "\n--=_immp-" ID "\n\nx",    false },
        { "empty",                  "application/x-empty",       "",                          false },
    };
    const char *subject = "Gr\xc3\xbc\xc3\x9f\x65 an alle, \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e "
                          "and more words than a line can hold, said twice: more words than a line";

    (void)state;
    if (access(PYTHON, X_OK) != 0)
        skip();
    for (size_t n = 1; n <= N_ELEMENTS(pieces); n++) {
        struct message m = message_of(pieces, n, subject);
        struct str mail = STR_INIT;
        struct json *doc;

        message_add_to(&m, "helpdesk/carol+Lists@b.com");
        add_whole(&mail, &m, pieces);
        doc = read_by_python(&mail);
        assert_string_equal(json_get_str(doc, "subject"), subject);
        assert_string_equal(json_get_str(doc, "sender"), "alice@a.com");
        assert_string_equal(json_get_str(doc, "date"), "2026-11-24T03:21:48+00:00");
        assert_string_equal(json_str(json_at(json_get(doc, "to"), 1)), "helpdesk/carol+Lists@b.com");
        assert_int_equal(json_size(json_get(doc, "defects")), 0);
        assert_int_equal(json_size(json_get(doc, "parts")), n);
        for (size_t i = 0; i < n; i++)
            assert_part(json_at(json_get(doc, "parts"), i), &pieces[i]);
        json_destroy(&doc);
        str_clear(&mail);
        message_clear(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_is_tokens_and_parameters),
        cmocka_unit_test(text_goes_as_it_is_where_mail_can_carry_it),
        cmocka_unit_test(base64_length_is_known_beforehand),
        cmocka_unit_test(a_single_part_has_no_boundary),
        cmocka_unit_test(several_parts_stand_between_boundaries),
        cmocka_unit_test(what_else_a_message_has_is_in_its_head),
        cmocka_unit_test(blind_recipients_are_not_shown),
        cmocka_unit_test(local_parts_that_are_no_atom_are_quoted),
        cmocka_unit_test(subjects_are_folded_or_encoded),
        cmocka_unit_test(names_and_types_cannot_end_a_header),
        cmocka_unit_test(python_reads_it_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
