/* SPDX-License-Identifier: MIT */
/*
 * Dialogs as transcripts (the .txt files in dialogs/). Each is played three times: what is
 * said at once in one piece, byte by byte, and in pieces of uneven sizes. After each the store
 * must be sound.
 *
 *   C: text      said, with a LF. Consecutive ones are said at once.
 *   c: text      said, without a LF
 *   S: text      the next reply line. $* is any text, $ID..$IZ takes a UUID when first met and is
 *                that UUID later, in C: lines too
 *   S~ text      its beginning
 *   S… text      reply lines are skipped until this one
 *   O: text      octets, with the LF that ends them, not a reply line
 *   PLAIN        begin before TLS (else in GUEST)
 *   SECURED      TLS is done
 *   LOGIN imid   AUTH, without showing it
 *   FOLDER path  alice gets a folder
 *   CLOSED       the session has closed; OPEN: it has not
 *   TOTAL imid path n    that many messages are there
 *   # and empty lines are comments. In C:, c:, S: and O:, \r \n \t \0 \" \\ and \xHH are escapes.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "unit/session/hall.h"

#include "lib/test.h"

enum how { WHOLE, BYTES, PIECES };

struct play {
    struct hall *hall;
    enum how how;
    const char *file;
    unsigned line;
    struct str said;              /* not sent yet */
    char ids[26][UUID_SIZE];      /* $IA … $IZ */
};

/* ---- text of a line ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void unescape(const char *s, struct str *out)
{
    for (; *s != '\0'; s++) {
        if (*s != '\\') {
            str_addc(out, *s);
            continue;
        }
        s++;
        if (*s == 'x') {
            str_addc(out, (char)(hex(s[1]) * 16 + hex(s[2])));
            s += 2;
        } else {
            static const char names[] = "rnt0", chars[] = "\r\n\t";
            const char *at = strchr(names, *s);

            str_addc(out, at != NULL ? chars[at - names] : *s);
        }
    }
}

/* The place of the variable that stands at p ("$IA"), or NULL. */
static char *variable(struct play *pl, const char *p)
{
    if (p[0] != '$' || p[1] != 'I' || p[2] < 'A' || p[2] > 'Z')
        return NULL;
    return pl->ids[p[2] - 'A'];
}

static void expand(struct play *pl, const char *s, struct str *out)
{
    for (; *s != '\0'; s++) {
        const char *id = variable(pl, s);

        if (id == NULL) {
            str_addc(out, *s);
            continue;
        }
        str_add(out, id);
        s += 2;
    }
}

static bool matches(struct play *pl, const char *pattern, const char *text, bool is_prefix)
{
    while (*pattern != '\0') {
        char *id = variable(pl, pattern);

        if (strncmp(pattern, "$*", 2) == 0) {
            for (;; text++) {
                if (matches(pl, pattern + 2, text, is_prefix))
                    return true;
                if (*text == '\0')
                    return false;
            }
        }
        if (id != NULL) {
            char uuid[UUID_SIZE] = "";

            memcpy(uuid, text, strnlen(text, UUID_SIZE - 1));
            if (uuid_parse(uuid, uuid) < 0 || (*id != '\0' && strcmp(id, uuid) != 0))
                return false;
            memcpy(id, uuid, UUID_SIZE);
            text += UUID_SIZE - 1;
            pattern += 3;
            continue;
        }
        if (*pattern++ != *text++)
            return false;
    }
    return is_prefix || *text == '\0';
}

/* ---- playing ---- */

static void send_pieces(struct play *pl)
{
    static const size_t sizes[] = { 1, 2, 3, 5, 7, 11, 13, 17 };
    const char *p = str_c(&pl->said);
    size_t at = 0, i = pl->line;

    while (at < pl->said.len) {
        size_t n = pl->how == BYTES ? 1 : sizes[i++ % N_ELEMENTS(sizes)];

        n = MIN(n, pl->said.len - at);
        hall_send(pl->hall, p + at, n);
        at += n;
    }
}

/* What was said goes out, and the turn ends. */
static void flush(struct play *pl)
{
    if (pl->said.len == 0)
        return;
    if (pl->how == WHOLE)
        hall_send(pl->hall, pl->said.s, pl->said.len);
    else
        send_pieces(pl);
    str_truncate(&pl->said, 0);
    hall_turn(pl->hall);
}

static void wrong(const struct play *pl, const char *expected, const char *got)
{
    static const char *const names[] = { "whole", "byte by byte", "in pieces" };

    fail_msg("%s:%u (%s): expected \"%s\", got \"%s\"", pl->file, pl->line, names[pl->how],
             expected, got != NULL ? got : "nothing");
}

static void expect(struct play *pl, char kind, const char *raw)
{
    struct str pattern = STR_INIT;
    const char *got = hall_read(pl->hall);

    unescape(raw, &pattern);
    if (kind == '+')
        while (got != NULL && !matches(pl, str_c(&pattern), got, false))
            got = hall_read(pl->hall);
    if (got == NULL || !matches(pl, str_c(&pattern), got, kind == '~'))
        wrong(pl, str_c(&pattern), got);
    str_clear(&pattern);
}

static void expect_octets(struct play *pl, const char *raw)
{
    struct str octets = STR_INIT;
    const char *got;

    unescape(raw, &octets);
    str_addc(&octets, '\n');
    got = hall_read_octets(pl->hall, octets.len);
    if (memcmp(got, octets.s, octets.len) != 0)
        wrong(pl, str_c(&octets), got);
    str_clear(&octets);
}

static void say(struct play *pl, const char *raw, bool with_lf)
{
    struct str text = STR_INIT;

    expand(pl, raw, &text);
    unescape(str_c(&text), &pl->said);
    if (with_lf)
        str_addc(&pl->said, '\n');
    str_clear(&text);
}

static void expect_total(struct play *pl, const char *s)
{
    char address[64], path[64];
    int n;

    if (sscanf(s, "%63s %63s %d", address, path, &n) != 3)
        wrong(pl, "TOTAL imid path n", s);
    if (hall_total(pl->hall, address, path) != n)
        wrong(pl, s, "another number");
}

static void direct(struct play *pl, const char *s)
{
    static const uint8_t exporter[32] = { 1 };
    struct hall *h = pl->hall;

    if (strcmp(s, "PLAIN") == 0)
        hall_connect(h, true);
    else if (strcmp(s, "SECURED") == 0)
        session_secured(h->session, exporter);
    else if (str_starts(s, "LOGIN "))
        hall_login(h, s + 6);
    else if (str_starts(s, "FOLDER "))
        hall_folder(h, "alice@a.com", s + 7);
    else if (strcmp(s, "CLOSED") == 0 || strcmp(s, "OPEN") == 0)
        assert_int_equal(h->is_closed, *s == 'C');
    else if (str_starts(s, "TOTAL "))
        expect_total(pl, s + 6);
    else
        wrong(pl, "a directive", s);
}

static void play_line(struct play *pl, const char *s)
{
    static const char skip[] = "S\xe2\x80\xa6 ";

    if (*s == '\0' || *s == '#')
        return;
    if (str_starts(s, "C:") || str_starts(s, "c:")) {
        say(pl, s[2] == ' ' ? s + 3 : s + 2, *s == 'C');
        return;
    }
    flush(pl);
    if (str_starts(s, "S:"))
        expect(pl, ':', s[2] == ' ' ? s + 3 : s + 2);
    else if (str_starts(s, "S~ "))
        expect(pl, '~', s + 3);
    else if (str_starts(s, skip))
        expect(pl, '+', s + sizeof skip - 1);
    else if (str_starts(s, "O:"))
        expect_octets(pl, s[2] == ' ' ? s + 3 : s + 2);
    else
        direct(pl, s);
}

static void play(const char *path, enum how how)
{
    struct play pl = { .hall = hall_open(), .how = how, .file = strrchr(path, '/') + 1 };
    FILE *f = fopen(path, "r");
    char line[16384];

    assert_non_null(f);
    hall_connect(pl.hall, false);
    while (fgets(line, sizeof line, f) != NULL) {
        pl.line++;
        line[strcspn(line, "\n")] = '\0';
        play_line(&pl, line);
    }
    (void)fclose(f);
    flush(&pl);
    if (pl.hall->out.len > 0)
        wrong(&pl, "nothing more", hall_read_all(pl.hall));
    session_destroy(&pl.hall->session);
    hall_turn(pl.hall);
    hall_sound(pl.hall);
    str_clear(&pl.said);
    hall_close(&pl.hall);
}

static void play_it(void **state)
{
    for (int how = WHOLE; how <= PIECES; how++)
        play(*state, (enum how)how);
}

static int is_dialog(const struct dirent *e)
{
    const char *dot = strrchr(e->d_name, '.');

    return dot != NULL && strcmp(dot, ".txt") == 0;
}

int main(void)
{
    const char *top = getenv("top_srcdir");
    struct dirent **names;
    struct str dir = STR_INIT;
    struct CMUnitTest *tests;
    int n, rc;

    str_addf(&dir, "%s/tests/unit/session/dialogs", top != NULL ? top : ".");
    n = scandir(str_c(&dir), &names, is_dialog, alphasort);
    if (n <= 0) {
        print_error("no dialogs in %s (set top_srcdir)\n", str_c(&dir));
        return 1;
    }
    tests = mem_zalloc((size_t)n * sizeof *tests);
    for (int i = 0; i < n; i++) {
        struct str path = STR_INIT;

        str_addf(&path, "%s/%s", str_c(&dir), names[i]->d_name);
        tests[i] = (struct CMUnitTest){ .name = names[i]->d_name, .test_func = play_it,
                                        .initial_state = str_take(&path) };
    }
    rc = _cmocka_run_group_tests("dialogs", tests, (size_t)n, NULL, NULL);
    for (int i = 0; i < n; i++) {
        free(tests[i].initial_state);
        free(names[i]);
    }
    free(tests);
    free(names);
    str_clear(&dir);
    return rc;
}
