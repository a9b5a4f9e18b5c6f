/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/render.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/test.h"

#include "base/mem.h"
#include "seal/digest.h"
#include "wire/json.h"
#include "wire/status.h"

#include "unit/mail/desk.h"

#define ID1 "9507ce26-d34e-41cb-9f14-4eeff943e25e"

static struct desk *desk;

static int open_desk(void **state)
{
    (void)state;
    desk = desk_open();
    desk_account(desk, "alice@a.com");
    desk_account(desk, "bob@a.com");
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&desk);
    return 0;
}

/* ---- what is rendered ---- */

struct given {
    const char *name, *type;
    const char *octets;
    size_t n;
};

static char *noise(size_t n)
{
    char *p = mem_alloc(n + 1);
    uint32_t x = 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (char)(x >> 24);
    }
    return p;
}

static char *text(size_t n)
{
    char *p = mem_alloc(n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = i % 60 == 59 ? '\n' : (char)('a' + i % 26);
    return p;
}

/* Deliver it to bob; his entry. The first part is the content. */
static struct entry deliver(const struct given *parts, size_t n)
{
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);

    for (size_t i = 0; i < n; i++)
        desk_part(s, parts[i].name, parts[i].type, i == 0, parts[i].octets, parts[i].n);
    free(desk_done(&s));
    return desk_newest(desk, "bob@a.com", "INBOX");
}

static struct render_request ask(enum render_form form)
{
    return (struct render_request){ .form = form, .to = UINT64_MAX, .folder = "/INBOX" };
}

/* The rendering, read in pieces of about that size; its length was told right. */
static void render(const struct entry *e, const struct render_request *req, size_t piece,
                   struct str *out)
{
    struct render *r = NULL;
    struct err err = { ERR_NONE };
    size_t before = out->len;
    uint64_t length;
    int rc;

    if (render_open(&desk->mail, e, req, &r, &err) < 0)
        fail_msg("%d %s", err.status, err.text);
    length = render_length(r);
    do {
        size_t had = out->len;

        rc = render_read(r, piece, out, &err);
        if (rc < 0)
            fail_msg("%s", err.text);
        assert_true(rc == 0 || out->len > had);
        assert_true(out->len - had <= piece + 78);
    } while (rc == 1);
    assert_int_equal(out->len - before, length);
    render_close(&r);
}

static int open_status(const struct entry *e, const struct render_request *req,
                       enum err_kind *kind_r)
{
    struct render *r = NULL;
    struct err err = { ERR_NONE };
    int rc = render_open(&desk->mail, e, req, &r, &err);

    assert_true((rc == 0) == (r != NULL));
    render_close(&r);
    if (kind_r != NULL)
        *kind_r = err.kind;
    return err.status;
}

/* ---- parts, ranges ---- */

static void a_part_is_its_octets(void **state)
{
    static const size_t sizes[] = { 0, 1, 100, CONTENT_CHUNK, CONTENT_CHUNK + 1, 600000 };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
        char *p = noise(sizes[i]);
        struct given parts[] = { { "text", NULL, "hello", 5 },
                                 { "bin", "image/png", p, sizes[i] } };
        struct entry e = deliver(parts, 2);
        struct render_request req = ask(RENDER_PART);
        struct str out = STR_INIT;

        req.part = "bin";
        render(&e, &req, 65536, &out);
        assert_int_equal(out.len, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(out.s, p, sizes[i]);
        str_clear(&out);
        free(p);
    }
}

/* Any range is what the whole has there: across encodings, units, chunks and pieces. */
static void a_range_is_a_cut_of_the_whole(void **state)
{
    char *p = noise(CONTENT_CHUNK + 1000), *t = text(70000);
    struct given parts[] = { { "text", NULL, "hello\nw\303\266rld", 13 },
                             { "bin", "image/png", p, CONTENT_CHUNK + 1000 },
                             { "empty", "image/png", "", 0 },
                             { "long", "text/plain", t, 70000 },
                             { "one", "application/x", "1", 1 } };
    static const enum render_form forms[] = { RENDER_MIME, RENDER_JSON, RENDER_HEADERS,
                                              RENDER_PART };
    struct entry e = deliver(parts, N_ELEMENTS(parts));

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
        struct render_request req = ask(forms[i]);
        struct str whole = STR_INIT;

        req.part = forms[i] == RENDER_PART ? "bin" : NULL;
        render(&e, &req, 1 << 20, &whole);
        for (size_t step = 0; step < 400; step++) {
            struct str cut = STR_INIT;
            uint32_t r[3];

            random_bytes(r, sizeof r);
            req.from = r[0] % whole.len;
            req.to = step % 8 == 0 ? UINT64_MAX : req.from + r[1] % (step % 2 ? 200 : 300000);
            render(&e, &req, 1 + r[2] % 100000, &cut);
            assert_int_equal(cut.len, MIN(req.to - req.from, whole.len - req.from - 1) + 1);
            assert_memory_equal(cut.s, whole.s + req.from, cut.len);
            str_clear(&cut);
        }
        str_clear(&whole);
    }
    free(p);
    free(t);
}

static void a_range_beyond_the_end_is_no_range(void **state)
{
    struct given parts[] = { { "text", NULL, "hello", 5 }, { "empty", NULL, "", 0 } };
    struct entry e = deliver(parts, 2);
    static const struct { const char *part; uint64_t from, to; int status; } rows[] = {
        { "text", 0, 4, 0 },
        { "text", 4, 4, 0 },
        { "text", 4, 100, 0 },
        { "text", 5, 5, STATUS_PARAMETER },
        { "text", 3, 2, STATUS_PARAMETER },
        { "text", UINT64_MAX, UINT64_MAX, STATUS_PARAMETER },
        { "empty", 0, UINT64_MAX, 0 },
        { "empty", 0, 0, 0 },
        { "empty", 1, 1, STATUS_PARAMETER },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct render_request req = ask(RENDER_PART);
        enum err_kind kind;

        req.part = rows[i].part;
        req.from = rows[i].from;
        req.to = rows[i].to;
        if (open_status(&e, &req, &kind) != rows[i].status)
            fail_msg("row %zu", i);
        assert_true(rows[i].status == 0 || kind == ERR_PERMANENT);
    }
}

static void what_is_not_there_is_not_found(void **state)
{
    struct given parts[] = { { "text", NULL, "hello", 5 } };
    struct entry e = deliver(parts, 1), gone = e;
    struct render_request part = ask(RENDER_PART), json = ask(RENDER_JSON);
    struct render_request sgn = ask(RENDER_SIGNED_JSON), mime = ask(RENDER_MIME);
    enum err_kind kind;

    (void)state;
    part.part = json.part = "nothing";
    gone.content += 1000;
    assert_int_equal(open_status(&e, &part, &kind), STATUS_NOT_FOUND);
    assert_int_equal(kind, ERR_PERMANENT);
    part.part = NULL;
    assert_int_equal(open_status(&e, &part, NULL), STATUS_NOT_FOUND);
    assert_int_equal(open_status(&e, &json, NULL), STATUS_NOT_FOUND);
    assert_int_equal(open_status(&e, &sgn, NULL), STATUS_NOT_FOUND);
    assert_int_equal(open_status(&gone, &mime, NULL), STATUS_NOT_FOUND);
}

/* ---- JSON ---- */

static struct json *render_json(const struct entry *e, const char *part)
{
    struct render_request req = ask(RENDER_JSON);
    struct str out = STR_INIT;
    struct json *j;
    struct err err;

    req.part = part;
    render(e, &req, 1000, &out);
    j = json_parse(out.s, out.len, &err);
    if (j == NULL)
        fail_msg("%s", err.text);
    str_clear(&out);
    return j;
}

/* Text in UTF-8 is a string, everything else base64; beyond 256 KiB always base64. */
static void json_carries_each_part_in_its_encoding(void **state)
{
    char *big = text(CONTENT_CHUNK + 1), *full = text(CONTENT_CHUNK);
    const struct { struct given part; const char *encoding; } rows[] = {
        { { "p0", NULL, "hello \"w\303\266rld\"\r\n\t\\", 18 }, "utf-8" },
        { { "p1", "text/html; charset=UTF-8", "<p>", 3 }, "utf-8" },
        { { "p2", "text/plain; charset=iso-8859-1", "abc", 3 }, "base64" },
        { { "p3", "text/plain", "\344", 1 }, "base64" },
        { { "p4", "text/plain", "a\0b", 3 }, "base64" },
        { { "p5", "text/plain", "a\033b", 3 }, "base64" },
        { { "p6", "application/json", "{\"a\":1}", 7 }, "utf-8" },
        { { "p7", "application/atom+xml", "<a/>", 4 }, "utf-8" },
        { { "p8", "image/png", "abc", 3 }, "base64" },
        { { "p9", "text/plain", big, CONTENT_CHUNK + 1 }, "base64" },
        { { "p10", "text/plain", full, CONTENT_CHUNK }, "utf-8" },
        { { "p11", "image/png", "", 0 }, "base64" },
        { { "p13", "text/plain", "", 0 }, "utf-8" },
        { { "p12", "application/xjson", "abc", 3 }, "base64" },
    };
    struct given parts[N_ELEMENTS(rows)];
    struct entry e;
    struct json *j, *list;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        parts[i] = rows[i].part;
    e = deliver(parts, N_ELEMENTS(rows));
    j = render_json(&e, NULL);
    assert_string_equal(json_get_str(json_get(j, "envelope"), "_id"), e.uuid);
    assert_string_equal(json_get_str(json_get(j, "envelope"), "folder"), "/INBOX");
    list = json_get(j, "parts");
    assert_int_equal(json_size(list), N_ELEMENTS(rows));
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct json *p = json_at(list, i);
        const char *data = json_get_str(p, "data");
        struct str octets = STR_INIT;
        int64_t length;

        assert_string_equal(json_get_str(p, "id"), rows[i].part.name);
        assert_string_equal(json_get_str(p, "class"), i == 0 ? "content" : "data");
        assert_string_equal(json_get_str(p, "encoding"), rows[i].encoding);
        assert_true(json_get_int(p, "length", &length));
        assert_int_equal(length, rows[i].part.n);
        if (rows[i].encoding[0] == 'u')
            str_add(&octets, data);
        else
            assert_int_equal(base64_decode(data, strlen(data), &octets), 0);
        assert_int_equal(octets.len, rows[i].part.n);
        if (octets.len > 0)
            assert_memory_equal(octets.s, rows[i].part.octets, octets.len);
        str_clear(&octets);
    }
    json_destroy(&j);
    j = render_json(&e, "p8");
    assert_int_equal(json_size(json_get(j, "parts")), 1);
    assert_string_equal(json_get_str(json_at(json_get(j, "parts"), 0), "id"), "p8");
    json_destroy(&j);
    free(big);
    free(full);
}

static void json_says_what_the_mailbox_knows(void **state)
{
    struct given parts[] = { { "text", NULL, "hello", 5 } };
    struct entry e = deliver(parts, 1);
    struct str out = STR_INIT;
    struct render_request req = ask(RENDER_JSON);

    (void)state;
    e.flags = ENTRY_READ | ENTRY_FLAGGED;
    render(&e, &req, 1000, &out);
    assert_non_null(strstr(out.s, "\"read\""));
    assert_non_null(strstr(out.s, "\"flagged\""));
    assert_non_null(strstr(out.s, "\"subject\":\"Lunch\""));
    str_clear(&out);
}

/* ---- what was signed ---- */

static struct entry store_signed(unsigned flags, const char *to2)
{
    struct message m;
    struct str header = STR_INIT;
    struct entry e = { .size = 5 };
    struct account a = { 0 };
    struct folder f = { 0 };

    message_init(&m);
    memcpy(m.id, ID1, sizeof m.id);
    m.kind = MESSAGE_MAIL;
    m.origin = mem_strdup("b.com");
    m.destination = mem_strdup("a.com");
    m.from = mem_strdup("x@b.com");
    message_add_to(&m, "bob@a.com");
    if (to2 != NULL)
        message_add_to(&m, to2);
    m.flags = flags;
    m.date_ms = DESK_NOW;
    message_add_part(&m, "text", "text/plain", true, 5, NULL);
    memset(m.parts[0].sha256, 'a', 64);
    message_format(&header, &m);
    assert_true(content_begin(desk->mail.store, DESK_NOW, &e.content, NULL) >= 0);
    assert_true(content_append(desk->mail.store, e.content, 0, "hello", 5, NULL) >= 0);
    assert_true(content_finish(desk->mail.store, e.content, &m, header.s, "U0lH",
                               "-----BEGIN CERTIFICATE-----\n", NULL) >= 0);
    assert_int_equal(account_get(desk->mail.store, "bob@a.com", &a, NULL), 1);
    assert_int_equal(folder_get(desk->mail.store, a.id, "INBOX", &f, NULL), 1);
    e.folder = f.id;
    memcpy(e.uuid, ID1, sizeof e.uuid);
    assert_int_equal(entry_put(desk->mail.store, &e, NULL), 1);
    folder_clear(&f);
    account_clear(&a);
    str_clear(&header);
    message_clear(&m);
    return e;
}

static void the_signed_form_gives_header_signature_and_certificate(void **state)
{
    struct entry e = store_signed(0, "alice@a.com");
    struct render_request req = ask(RENDER_SIGNED_JSON);
    struct str out = STR_INIT;
    struct content c = { 0 };
    struct json *j;

    (void)state;
    render(&e, &req, 100, &out);
    j = json_parse(out.s, out.len, NULL);
    assert_non_null(j);
    assert_int_equal(content_get(desk->mail.store, e.content, &c, NULL), 1);
    assert_string_equal(json_get_str(j, "header"), c.header);   /* byte for byte */
    assert_string_equal(json_get_str(j, "signature"), "U0lH");
    assert_string_equal(json_get_str(j, "certificate"), "-----BEGIN CERTIFICATE-----\n");
    json_destroy(&j);
    content_clear(&c);
    str_clear(&out);
}

static void a_signed_header_does_not_betray_blind_recipients(void **state)
{
    struct entry e = store_signed(MESSAGE_BLIND, "alice@a.com");
    struct render_request req = ask(RENDER_SIGNED_JSON);

    (void)state;
    assert_int_equal(open_status(&e, &req, NULL), STATUS_NOT_FOUND);
}

/* ---- trouble, memory ---- */

static void a_message_that_goes_while_it_is_read_fails(void **state)
{
    char *p = noise(CONTENT_CHUNK * 2);
    struct given parts[] = { { "bin", "image/png", p, CONTENT_CHUNK * 2 } };
    struct entry e = deliver(parts, 1), sent;
    struct render_request req = ask(RENDER_MIME);
    struct render *r = NULL;
    struct str out = STR_INIT;
    struct err err = { ERR_NONE };

    (void)state;
    assert_int_equal(render_open(&desk->mail, &e, &req, &r, NULL), 0);
    assert_int_equal(render_read(r, 1000, &out, NULL), 1);
    sent = desk_newest(desk, "alice@a.com", "SENT");
    assert_int_equal(entry_del(desk->mail.store, sent.folder, sent.uuid, NULL), 1);
    assert_int_equal(entry_del(desk->mail.store, e.folder, e.uuid, NULL), 1);
    /* What is big goes by and by (store/entry.h). */
    while (store_tidy(desk->mail.store, 0, 0, 1000, NULL) > 0)
        ;
    while (render_read(r, 100000, &out, &err) == 1)
        ;
    assert_int_equal(err.kind, ERR_TEMPORARY);
    assert_int_equal(err.status, STATUS_STORAGE);
    render_close(&r);
    render_close(&r);
    str_clear(&out);
    free(p);
}

/* What it had in memory is read again, and nothing is given twice or left out. */
static void what_rested_goes_on_where_it_was(void **state)
{
    static const enum render_form forms[] = { RENDER_MIME, RENDER_JSON };
    char *p = noise(CONTENT_CHUNK * 2), text[] = "a \"text\", and more of it\n";
    struct given parts[] = {
        {"text", "text/plain", text, sizeof text - 1  },
        { "bin", "image/png",  p,    CONTENT_CHUNK * 2},
    };
    struct entry e = deliver(parts, 2);

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
        struct render_request req = ask(forms[i]);
        struct str whole = STR_INIT, rested = STR_INIT;
        struct render *r = NULL;

        render(&e, &req, 100000, &whole);
        assert_int_equal(render_open(&desk->mail, &e, &req, &r, NULL), 0);
        do
            render_rest(r);
        while (render_read(r, i == 0 ? 5000 : 4999, &rested, NULL) == 1);
        assert_int_equal(rested.len, whole.len);
        assert_memory_equal(rested.s, whole.s, whole.len);
        render_close(&r);
        str_clear(&whole);
        str_clear(&rested);
    }
    free(p);
}

static void fifty_megabytes_are_read_with_bounded_memory(void **state)
{
    const uint64_t total = 50u << 20;
    struct submit *s = desk_submit(desk, "bob@a.com", NULL, NULL);
    char *p = noise(CONTENT_CHUNK);
    struct render_request req = ask(RENDER_MIME);
    struct render *r = NULL;
    struct entry e;
    struct str out = STR_INIT;
    size_t before = 0, most = 0;
    uint64_t got = 0;
    int rc;

    (void)state;
    assert_int_equal(submit_part(s, "a", "video/mp4", true, false, total, NULL), 0);
    for (uint64_t sent = 0; sent < total; sent += CONTENT_CHUNK)
        assert_int_equal(submit_octets(s, p, CONTENT_CHUNK, NULL), 0);
    assert_int_equal(submit_part_end(s, NULL), 0);
    free(desk_done(&s));
    desk_turn(desk);
    e = desk_newest(desk, "bob@a.com", "INBOX");
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_int_equal(render_open(&desk->mail, &e, &req, &r, NULL), 0);
    assert_in_range(render_length(r), total * 4 / 3, total * 4 / 3 * 104 / 100);
    do {
        size_t used;

        str_truncate(&out, 0);
        rc = render_read(r, 65536, &out, NULL);
        got += out.len;
        used = mallinfo2().uordblks + mallinfo2().hblkhd;
        most = MAX(most, used);
    } while (rc == 1);
    assert_int_equal(rc, 0);
    assert_int_equal(got, render_length(r));
    assert_true(most < before + (4u << 20));
    render_close(&r);
    str_clear(&out);
    free(p);
}

/* ---- MIME, read by another program ---- */

static void write_file(const char *name, const void *p, size_t n)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", desk->dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", desk->dir, name);
    assert_int_equal(unlink(path), 0);
}

/* Python's email package must find these octets again under these names and types. */
static void check_with_python(const struct given *parts, size_t n)
{
    const char *top = getenv("top_srcdir");
    struct entry e = deliver(parts, n);
    struct render_request req = ask(RENDER_MIME);
    struct str out = STR_INIT, command = STR_INIT;
    char name[32];

    render(&e, &req, 65536, &out);
    write_file("message.eml", out.s, out.len);
    str_addf(&command, "/usr/bin/python3 '%s/tests/unit/mail/check_mime.py' '%s'",
             top != NULL ? top : ".", desk->dir);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "part-%zu", i);
        write_file(name, parts[i].octets, parts[i].n);
        str_addf(&command, " '%s' '%s'", parts[i].name,
                 parts[i].type != NULL ? parts[i].type : "");
    }
    if (system(str_c(&command)) != 0)
        fail_msg("%s (set top_srcdir)\n%s", str_c(&command), out.len < 5000 ? out.s : "");
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "part-%zu", i);
        remove_file(name);
    }
    remove_file("message.eml");
    str_clear(&command);
    str_clear(&out);
}

static void mail_tools_read_what_we_render(void **state)
{
    char *p = noise(300000), *t = text(CONTENT_CHUNK);
    const struct given one[] = { { "text", NULL, "hello\r\nw\303\266rld\r\n", 15 } };
    const struct given ascii[] = { { "text", NULL, "From here\r\n.\r\n--=_immp-\r\n", 26 } };
    const struct given image[] = { { "l\303\266go.png", "image/png", p, 5000 } };
    const struct given empty[] = { { "text", NULL, "", 0 } };
    const struct given many[] = {
        { "index.html", "text/html", "<p>hello</p>\r\n", 14 },
        { "logo.png", "image/png", p, 300000 },
        { "notes", "text/plain", t, CONTENT_CHUNK },
        { "empty", "application/pdf", "", 0 },
        { "latin", "text/plain; charset=iso-8859-1", "\344\366\374", 3 },
        { "no newline", "text/plain", "no newline", 10 },
    };

    (void)state;
    if (access("/usr/bin/python3", X_OK) != 0)
        skip();
    check_with_python(one, 1);
    check_with_python(ascii, 1);
    check_with_python(image, 1);
    check_with_python(empty, 1);
    check_with_python(many, N_ELEMENTS(many));
    free(p);
    free(t);
}

static void the_head_alone_is_the_beginning_of_the_mime_form(void **state)
{
    const struct given one[] = { { "text", NULL, "hello", 5 } };
    const struct given two[] = { { "text", NULL, "w\303\266rld", 6 }, { "b", NULL, "2", 1 } };
    const struct { const struct given *parts; size_t n; } rows[] = { { one, 1 }, { two, 2 } };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct entry e = deliver(rows[i].parts, rows[i].n);
        struct render_request head = ask(RENDER_HEADERS), mime = ask(RENDER_MIME);
        struct str a = STR_INIT, b = STR_INIT;

        render(&e, &head, 100, &a);
        render(&e, &mime, 100, &b);
        assert_true(b.len > a.len);
        assert_memory_equal(a.s, b.s, a.len);
        assert_string_equal(a.s + a.len - 4, "\r\n\r\n");
        assert_null(strstr(a.s, "hello"));
        str_clear(&a);
        str_clear(&b);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        CASE(a_part_is_its_octets),
        CASE(a_range_is_a_cut_of_the_whole),
        CASE(a_range_beyond_the_end_is_no_range),
        CASE(what_is_not_there_is_not_found),
        CASE(json_carries_each_part_in_its_encoding),
        CASE(json_says_what_the_mailbox_knows),
        CASE(the_signed_form_gives_header_signature_and_certificate),
        CASE(a_signed_header_does_not_betray_blind_recipients),
        CASE(a_message_that_goes_while_it_is_read_fails),
        CASE(what_rested_goes_on_where_it_was),
        CASE(fifty_megabytes_are_read_with_bounded_memory),
        CASE(mail_tools_read_what_we_render),
        CASE(the_head_alone_is_the_beginning_of_the_mime_form),
    };

    return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
