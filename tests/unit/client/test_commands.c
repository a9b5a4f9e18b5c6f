/* SPDX-License-Identifier: MIT */
/* The commands of immp against a scripted server: what they say, what they print, how they end. */
#include "config.h"

#include "client/commands.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <immp/client.h>

#include "base/mem.h"

#include "lib/patience.h"
#include "lib/temp_dir.h"
#include "lib/test.h"
#include "unit/client/server.h"

#define ID   "9507ce26-d34e-41cb-9f14-4eeff943e25e"
#define ROW1 "{\"_id\":\"" ID "\",\"from\":\"bob@b.test\",\"to\":[\"alice@a.test\"],\"subject\":\"Tea\","     \
             "\"date\":\"2026-11-24T03:21:48.000Z\",\"size\":12,\"flags\":[\"unread\"],"                        \
             "\"parts\":[{\"id\":\"body.txt\",\"class\":\"content\",\"type\":\"text/plain\",\"length\":5},"      \
             "{\"id\":\"x.bin\",\"class\":\"data\",\"type\":\"a/b\",\"length\":7}],\"folder\":\"/INBOX\"}"

/* A run of a command: its exit code, and what it printed. */
struct outcome {
    int code;
    char *text;
    size_t len;
};

static int parse(struct options *o, const char *words)
{
    static char copy[2048];
    static char *argv[32];
    struct str text = STR_INIT;
    char *save = NULL;
    int argc = 1, rc;

    memset(copy, 0, sizeof(copy));
    memcpy(copy, words, strlen(words));
    argv[0] = (char *)"immp";
    for (char *w = strtok_r(copy, "|", &save); w != NULL; w = strtok_r(NULL, "|", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    rc = options_parse(argc, argv, o, &text);
    if (rc != 1)
        fail_msg("%s: %s", words, str_c(&text));
    return rc;
}

static int run_command(struct run *r, struct outgoing *out)
{
    switch (r->options->command) {
    case COMMAND_SEND:
        return command_send(r, out);
    case COMMAND_CHECK:
        return command_check(r);
    case COMMAND_LIST:
        return command_list(r);
    default:
        return command_read(r);
    }
}

static struct outcome run_at(const char *words, const char *script, size_t width)
{
    struct options o;
    struct outcome result = { 0, NULL, 0 };
    struct str whole = STR_INIT;
    struct outgoing *out = NULL;
    struct server *s;
    struct immp_error err;
    struct run r = { .options = &o, .look = { false, width }, .now_ms = INT64_C(1795490508123) };
    struct immp_options opt = { .host = "127.0.0.1", .timeout_ms = (int)patient_ms(20000) };

    (void)parse(&o, words);
    if (o.command == COMMAND_SEND)
        out = outgoing_create(&o, stdin, NULL);
    str_addf(&whole, "GREET\nUPGRADE 3\n%s", script);
    s = server_start(str_c(&whole));
    opt.port = server_port(s);
    r.client = immp_client_open(&opt, &err);
    assert_non_null(r.client);
    r.out = open_memstream(&result.text, &result.len);
    result.code = run_command(&r, out);
    assert_int_equal(fclose(r.out), 0);
    immp_client_close(&r.client);
    server_stop(&s);
    outgoing_destroy(&out);
    options_clear(&o);
    str_clear(&whole);
    return result;
}

static void assert_run(const char *words, const char *script, int code, const char *text)
{
    struct outcome o = run_at(words, script, 0);

    if (o.code != code || strcmp(o.text, text) != 0)
        fail_msg("%s: %d\n%s\nnot %d\n%s", words, o.code, o.text, code, text);
    free(o.text);
}

/* ---- check, list ---- */

static void check_asks_for_one_folder_or_all(void **state)
{
    (void)state;
    assert_run("check", "C: MBOX CHECK \"/\" +RECURSIVE\nS: 240- /INBOX:* u=1 t=2\n"
                        "S: 240 /SENT:* u=0 t=0\nQUIT",
               0, "FOLDER   UNREAD    TOTAL\n/INBOX        1        2\n/SENT         0        0\n");
    assert_run("check|My Mail|--json", "C: MBOX CHECK \"/My Mail\"\nS: 240 /My Mail:* u=1 t=2\nQUIT", 0,
               "[\n  {\n    \"folder\": \"/My Mail\",\n    \"unread\": 1,\n    \"total\": 2\n  }\n]\n");
    assert_run("check|-r|x", "C: MBOX CHECK \"/x\" +RECURSIVE\nS: 404 no folder x\nQUIT", EX_NOINPUT, "");
    assert_run("check|x", "C~ MBOX\nS: 240 nonsense\nQUIT", EX_PROTOCOL, "");
    assert_run("check|a\"b", "QUIT", EX_UNAVAILABLE, "");
    assert_run("check|x", "C~ MBOX\nS: 703 later", EX_TEMPFAIL, "");
}

static void list_asks_for_rows_newest_first(void **state)
{
    (void)state;
    assert_run("list", "C: MBOX INDEX \"/inbox\" +JSON +REVERSE LIMIT 20\nS: 250- " ROW1
                       "\nS: 250 1 messages\nQUIT",
               0, "   #        DATE            SIZE  FROM        SUBJECT\n"
                  "   1  N  @  24 Nov 03:21    12 B  bob@b.test  Tea\n");
    assert_run("list|inbox:unread|-n|3",
               "C: MBOX INDEX \"/inbox:unread\" +JSON +REVERSE LIMIT 3\nS: 250 0 messages\nQUIT", 0,
               "no messages\n");
    assert_run("list|--json", "C~ MBOX INDEX\nS: 250- {\"_id\":\"x\"}\nS: 250 1\nQUIT", 0,
               "[\n  {\n    \"_id\": \"x\"\n  }\n]\n");
    assert_run("list|--json", "C~ MBOX INDEX\nS: 250 0 messages\nQUIT", 0, "[]\n");
    assert_run("list", "C~ MBOX INDEX\nS: 250- {broken\nS: 250 1\nQUIT", EX_PROTOCOL, "");
    assert_run("list", "C~ MBOX INDEX\nS: 402 no such selector\nQUIT", EX_DATAERR, "");
}

/* ---- read ---- */

#define INDEX1 "C: MBOX INDEX \"/inbox\" +JSON +REVERSE LIMIT 1\nS: 250- " ROW1 "\nS: 250 1 messages\n"
#define HEAD   "From:    bob@b.test\nTo:      alice@a.test\nDate:    2026-11-24T03:21:48.000Z\n" \
               "Subject: Tea\nFlags:   unread\nId:      " ID "\n\n"
#define HINT   "\n[x.bin, a/b, 7 B: immp read " ID " --part 'x.bin' > FILE]\n"

static void read_latest_fetches_only_what_it_shows(void **state)
{
    (void)state;
    assert_run("read|latest",
               INDEX1 "C: MBOX FETCH \"/inbox#" ID "\" PART \"body.txt\"\nS: 251 " ID " length=5\n"
                      "S: he\x1blo\nQUIT",
               0, HEAD "he\xef\xbf\xbdlo\n" HINT);
    assert_run("read|1|-k",
               INDEX1 "C: MBOX FETCH \"/inbox#" ID "\" PART \"body.txt\" -READ\nS: 404 gone\nQUIT",
               EX_NOINPUT, HEAD HINT);
}

static void read_counts_within_the_selection(void **state)
{
    (void)state;
    assert_run("read|2|-f|inbox:unread",
               "C: MBOX INDEX \"/inbox:unread\" +JSON +REVERSE LIMIT 2\nS: 250- {\"_id\":\"x\"}\n"
               "S: 250- {\"_id\":\"" ID "\",\"subject\":\"s\",\"parts\":[]}\nS: 250 2\n"
               "C: MBOX FETCH \"/inbox#" ID "\" +HEADERS\nS: 251 " ID " length=3\nS: abc\nQUIT",
               0, "Subject: s\nId:      " ID "\n\n");
    assert_run("read|3", "C: MBOX INDEX \"/inbox\" +JSON +REVERSE LIMIT 3\nS: 250- " ROW1
                         "\nS: 250 1\nQUIT", EX_NOINPUT, "");
    assert_run("read|latest", "C~ MBOX INDEX\nS: 250 0 messages\nQUIT", EX_NOINPUT, "");
    assert_run("read|latest", "C~ MBOX INDEX\nS: 250- {\"_id\":\"no uuid\"}\nS: 250 1\nQUIT", EX_PROTOCOL, "");
}

static void read_by_id_takes_the_document(void **state)
{
    (void)state;
    assert_run("read|" ID,
               "C: MBOX FETCH \"/inbox#" ID "\" +JSON\nS: 250 {\"envelope\":" ROW1
               ",\"parts\":[{\"id\":\"a\",\"class\":\"content\",\"type\":\"text/plain\","
               "\"encoding\":\"utf-8\",\"data\":\"hello\"},{\"id\":\"b\",\"class\":\"content\","
               "\"type\":\"text/plain\",\"encoding\":\"base64\",\"data\":\"G1szMW0=\"},"
               "{\"id\":\"x.bin\",\"class\":\"data\",\"type\":\"a/b\",\"length\":7}]}\nQUIT",
               0, HEAD "hello\n\n\xef\xbf\xbd[31m\n" HINT);
    assert_run("read|" ID "|--json|-f|Junk", "C: MBOX FETCH \"/Junk#" ID "\" +JSON\nS: 250 {\"x\":1}\nQUIT",
               0, "{\"x\":1}\n");
    assert_run("read|" ID, "C~ MBOX FETCH\nS: 250 {broken\nQUIT", EX_PROTOCOL, "");
    assert_run("read|" ID, "C~ MBOX FETCH\nS: 404 no message\nQUIT", EX_NOINPUT, "");
}

static void octets_go_to_programs_as_they_are_and_to_terminals_harmless(void **state)
{
    static const char raw[] = "C: MBOX FETCH \"/inbox#" ID "\"\nS: 251 " ID " length=4\nS: a\x1b\xff" "c\nQUIT";
    static const char part[] = "C: MBOX FETCH \"/inbox#" ID "\" PART \"x y\"\nS: 251 " ID " length=2\nS: hi\nQUIT";
    struct outcome o;

    (void)state;
    assert_run("read|" ID "|--raw", raw, 0, "a\x1b\xff" "c");
    assert_run("read|" ID "|--part|x y", part, 0, "hi");
    o = run_at("read|" ID "|--raw", raw, 80);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.text, "a\xef\xbf\xbd\xef\xbf\xbd" "c");
    free(o.text);
    o = run_at("read|" ID "|--raw", "C~ MBOX FETCH\nS: 251 " ID " length=17000000\nGIVE 100000000", 80);
    assert_int_equal(o.code, EX_IOERR);
    free(o.text);
}

/* ---- send ---- */

#define BODY "C: DATA NAME \"body.txt\" TYPE \"text/plain\" LENGTH 3 +CONTENT\nS: 271 go\nTAKE 3\nS: 272 ok\n"

static void send_says_what_became_of_each_recipient(void **state)
{
    (void)state;
    assert_run("send|-m|hi|-S|Tea|--id|" ID "|bob@b.test|no@b.test|--receipt|--expires|60",
               "C: DELIVER TO \"bob@b.test\" TO \"no@b.test\" SUBJECT \"Tea\" ID \"" ID "\" EXPIRES 60 "
               "+RECEIPT\nS: 270 go\n" BODY
               "C: DONE\nS: 202- bob@b.test id=" ID " queued\nS: 440 no@b.test no such account\nQUIT",
               EX_NOUSER, "bob@b.test  id=" ID " queued\nno@b.test  no such account (440)\n");
    assert_string_equal(str_c(&server_taken), "hi\n");
    assert_run("send|-m|hi|--id|" ID "|bob@b.test|--json",
               "C~ DELIVER\nS: 270 go\n" BODY "C: DONE\nS: 201 bob@b.test done\nQUIT", 0,
               "{\n  \"id\": \"" ID "\",\n  \"results\": [\n    {\n      \"to\": \"bob@b.test\",\n"
               "      \"code\": 201,\n      \"text\": \"done\"\n    }\n  ]\n}\n");
}

/* A permanent failure is told before a temporary one, and both before success. */
static void the_exit_code_is_that_of_the_worst(void **state)
{
    static const struct {
        int first, second, code;
    } rows[] = {
        { 201, 202, EX_OK }, { 201, 703, EX_TEMPFAIL }, { 703, 440, EX_NOUSER },
        { 440, 703, EX_NOUSER }, { 440, 446, EX_NOUSER }, { 446, 201, EX_NOPERM },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct str script = STR_INIT;
        struct outcome o;

        str_addf(&script, "C~ DELIVER\nS: 270 go\n" BODY "C: DONE\nS: %d- a@b x\nS: %d c@b x\nQUIT",
                 rows[i].first, rows[i].second);
        o = run_at("send|-m|hi|a@b|c@b", str_c(&script), 0);
        assert_int_equal(o.code, rows[i].code);
        free(o.text);
        str_clear(&script);
    }
}

static void failures_of_a_whole_message_are_told(void **state)
{
    (void)state;
    assert_run("send|-m|hi|a@b", "C~ DELIVER\nS: 402 no IMID\nQUIT", EX_DATAERR, "");
    assert_run("send|-m|hi|a@b|--json", "C~ DELIVER\nS: 270 go\n" BODY "C: DONE", EX_TEMPFAIL, "");
}

static void attachments_follow_the_text(void **state)
{
    char folder[TEMP_DIR_SIZE];
    struct str words = STR_INIT;
    struct outcome o;
    FILE *f;

    (void)state;
    temp_dir_make(folder);
    str_addf(&words, "%s/a \"b\".PNG", folder);
    f = fopen(str_c(&words), "w");
    assert_non_null(f);
    assert_true(fputs("image", f) >= 0);
    assert_int_equal(fclose(f), 0);
    str_truncate(&words, 0);
    str_addf(&words, "send|-m|hi|a@b|-A|%s/a \"b\".PNG|-S|say \"x\"\ny", folder);
    o = run_at(str_c(&words),
               "C~ DELIVER TO \"a@b\" SUBJECT \"say \xe2\x80\x9dx\xe2\x80\x9d y\" ID \n"
               "S: 270 go\n" BODY
               "C: DATA NAME \"a _b_.PNG\" TYPE \"image/png\" LENGTH 5\nS: 271 go\nTAKE 5\nS: 272 ok\n"
               "C: DONE\nS: 201 a@b ok\nQUIT", 0);
    assert_int_equal(o.code, 0);
    assert_string_equal(str_c(&server_taken), "hi\nimage");
    free(o.text);
    str_clear(&words);
    temp_dir_remove(folder);
}

static void what_cannot_be_sent_is_told_before_there_is_a_connection(void **state)
{
    static const struct {
        const char *words, *in;
        int code;
    } rows[] = {
        { "send|a@b|-A|/no/such/file", "",         EX_NOINPUT },
        { "send|a@b|-A|/",             "",         EX_NOINPUT },
        { "send|a@b",                  "bad \xff", EX_DATAERR },
        { "send|a@b|-m|bad \xff",      "",         EX_DATAERR },
        { "send|a@b|-m|x|-S|\xff",     "",         EX_DATAERR },
        { "send|a\xff@b|-m|x",         "",         EX_DATAERR },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct options o;
        struct err err = { ERR_NONE };
        FILE *in = tmpfile();

        assert_non_null(in);
        assert_true(fputs(rows[i].in, in) >= 0);
        rewind(in);
        (void)parse(&o, rows[i].words);
        assert_null(outgoing_create(&o, in, &err));
        assert_int_equal(err.status, rows[i].code);
        assert_true(strlen(err.text) > 0);
        options_clear(&o);
        assert_int_equal(fclose(in), 0);
    }
}

static void the_text_comes_from_standard_input(void **state)
{
    struct options o;
    struct outgoing *out;
    FILE *in = tmpfile();
    char text[64];
    const struct immp_message *m;

    (void)state;
    assert_non_null(in);
    assert_true(fputs("from here\nand there\n", in) >= 0);
    rewind(in);
    (void)parse(&o, "send|a@b");
    out = outgoing_create(&o, in, NULL);
    assert_non_null(out);
    m = outgoing_message(out);
    assert_int_equal(m->n_parts, 1);
    assert_true(m->parts[0].is_content);
    assert_int_equal(m->parts[0].length, 20);
    assert_int_equal(m->parts[0].read(m->parts[0].ctx, text, sizeof(text)), 20);
    assert_memory_equal(text, "from here\nand there\n", 20);
    assert_int_equal(m->parts[0].read(m->parts[0].ctx, text, sizeof(text)), 0);
    assert_int_equal(strlen(m->id), 36);
    assert_null(m->subject);
    outgoing_destroy(&out);
    options_clear(&o);
    assert_int_equal(fclose(in), 0);
}

static int setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("TZ", "UTC", 1);
    tzset();
    server_setup();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_teardown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_asks_for_one_folder_or_all),
        cmocka_unit_test(list_asks_for_rows_newest_first),
        cmocka_unit_test(read_latest_fetches_only_what_it_shows),
        cmocka_unit_test(read_counts_within_the_selection),
        cmocka_unit_test(read_by_id_takes_the_document),
        cmocka_unit_test(octets_go_to_programs_as_they_are_and_to_terminals_harmless),
        cmocka_unit_test(send_says_what_became_of_each_recipient),
        cmocka_unit_test(the_exit_code_is_that_of_the_worst),
        cmocka_unit_test(failures_of_a_whole_message_are_told),
        cmocka_unit_test(attachments_follow_the_text),
        cmocka_unit_test(what_cannot_be_sent_is_told_before_there_is_a_connection),
        cmocka_unit_test(the_text_comes_from_standard_input),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
