/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: the session, its pipelines and jobs, and the row of the
 * command table.
 *
 *   bytes -> input.c (lines, octets) -> pipeline.c (which job runs) -> cmd_*.c -> output.c -> owner
 *
 * A job is one command on its way. It is created when its line is read, runs when its pipeline
 * reaches it, and goes when it has given its last reply line (and its octets are all taken).
 */
#ifndef SESSION_SESSION_PRIVATE_H
#define SESSION_SESSION_PRIVATE_H

#include "mail/accounts.h"
#include "mail/submit.h"
#include "session/args.h"
#include "session/session.h"

struct job;
struct input_line;

/* ---- the command table ---- */

enum step {
    STEP_DONE = 1,  /* the last reply line is out */
    STEP_MORE,      /* call again when there is room in the output */
    STEP_INPUT,     /* call again when all octets of its block have come */
};

enum {
    COMMAND_STORE   = 1 << 0,  /* reads or writes the store: its reply may wait for the commit */
    COMMAND_MESSAGE = 1 << 1,  /* about a message in progress: these run in the order they came */
    COMMAND_BLOCK   = 1 << 2,  /* octets may follow its line */
    COMMAND_ALONE   = 1 << 3,  /* runs when every command before it is answered */
};

struct command_row {
    struct session_command pub;
    const struct param *params;   /* ended by a NULL name; NULL: it takes none */
    unsigned flags;               /* COMMAND_… */
    enum step (*start)(struct session *s, struct job *j, const struct args *args);
    enum step (*more)(struct session *s, struct job *j);  /* NULL: never needed */
    void (*octets)(struct session *s, struct job *j, const char *p, size_t n);  /* of its block */
    void (*end)(struct job *j);   /* release j->state; NULL: there is none */
    void (*rest)(struct job *j);  /* give back what `more` can read again; NULL: nothing */
};

/*
 * The row that the tokens begin with; *words_r tokens are its keywords. NULL, and *is_partial_r
 * when the first word is one of ours (so that the answer can say what was meant).
 */
const struct command_row *table_find(const struct token *tokens, size_t n, size_t *words_r,
                                     bool *is_partial_r);
const struct command_row *table_at(size_t i);  /* NULL past the end */

/* ---- a block of octets behind a line ---- */

#define BLOCK_MAX ((uint64_t)INT64_MAX)  /* no LENGTH is more */

enum block_mode {
    BLOCK_UNDECIDED = 0,  /* the job has not started: whether octets follow is not known */
    BLOCK_NONE,           /* no octets belong to it */
    BLOCK_LENGTH,         /* exactly `left` octets */
    BLOCK_TEXT,           /* up to two blank lines */
};

struct block {
    enum block_mode mode;
    bool is_refused;      /* swallow: the answer is given, or is known to be j->err */
    bool is_complete;
    uint64_t left;
    /* TEXT: blank lines are withheld until it is known whether they end it. */
    char blank[4];
    unsigned n_blank;     /* bytes of blank */
    unsigned lines;       /* whole blank lines in it: 0 or 1 */
    bool is_in_line;      /* within a line that is not blank */
};

/* ---- jobs and pipelines ---- */

struct job {
    struct job *next;             /* in its pipeline */
    struct job *next_block;       /* in the order in which blocks come */
    struct pipeline *pipeline;
    struct input_line *line;      /* holds the tokens; NULL: j->err is the answer */
    const struct command_row *row;
    const struct token *tokens;   /* behind the keywords */
    size_t n_tokens;
    struct err err;               /* why it is refused, where that is known before it runs */
    uint64_t number;              /* the order in which commands came */
    bool is_started;
    bool is_answered;             /* its last reply line has been given */
    bool waits_commit;            /* some of its reply waits for this turn's commit */
    struct block block;
    void *state;                  /* the command's own */
};

/* A message in progress (DELIVER … DONE). */
struct draft {
    struct submit *submit;
    bool waits_commit;            /* its 270 or a 272 waits for this turn's commit */
};

struct pipeline {
    struct pipeline *next;
    char name[LINE_PIPELINE_MAX + 1];  /* "" for the main one */
    struct job *head, *tail;
    struct draft draft;           /* submit NULL: none */
};

/* A line and its commands; lives as long as a job of it. */
struct input_line {
    struct line line;
    char *text;
    size_t len;
    size_t refs;
};

/* Where the output stood when a block began; good as long as the owner has got none of it. */
struct mark {
    bool is_good;
    size_t out, held, n_pieces;
};

/* Output that waits for the commit: where a piece begins, and whose it is. */
struct held {
    size_t at;
    bool is_at_stake;             /* not true if the commit fails */
    bool is_last;                 /* ends its command's reply */
    char pipeline[LINE_PIPELINE_MAX + 1];
};

struct session {
    char *domain, *remote;
    const struct session_owner *owner;
    void *ctx;
    struct mail *mail;
    enum phase phase;
    char *account;                /* LOCAL: prepared address; NULL else */
    char *peer;                   /* REMOTE: the domain; NULL else */
    bool has_exporter;
    uint8_t exporter[PASSWORD_EXPORTER_BYTES];

    struct login *login;          /* between AUTH SECRET and AUTH RESPONSE */
    char *device;
    unsigned failures;

    struct linebuf *lines;
    struct input_line *pending;   /* read, not all of its commands are jobs yet */
    size_t pending_at;
    struct job *blocks, *blocks_tail;
    bool wants_tls;               /* between 204 and session_secured() */

    struct pipeline main;         /* first of the list */
    size_t n_jobs;
    size_t bytes_jobs;            /* of the lines that are held for them */
    size_t n_drafts;
    uint64_t next_number;
    struct job *streaming;        /* in the midst of an octet block: nobody else may write */
    struct mark mark;             /* where that block began */

    struct str out;               /* to the owner at the end of the call */
    struct str held;              /* to the owner after the commit */
    struct held *pieces;
    size_t n_pieces, cap_pieces;
    bool is_closing;              /* close when held is empty */
    bool is_closed;               /* the owner was told */
};

/* ---- session.c ---- */

/* The one place where a phase changes. */
void session_enter(struct session *s, enum phase phase);
/* Protocol error or trouble within a block: close, with a line where one can be said. */
void session_stop(struct session *s, enum status why, const char *text);

/* ---- input.c ---- */

void input_clear(struct session *s);          /* drop what was read and not yet run */
void input_line_unref(struct session *s, struct input_line **lp);
size_t input_take(struct session *s, const char *p, size_t n);
/* The job's block: LENGTH (n octets) or TEXT; is_refused swallows it. */
void block_expect(struct job *j, enum block_mode mode, uint64_t n, bool is_refused);

/* ---- pipeline.c ---- */

struct pipeline *pipeline_get(struct session *s, const char *name);
void pipeline_settle(struct session *s, struct pipeline *p);  /* release it if nothing is in it */
struct job *job_create(struct session *s, struct pipeline *p);
/* Run what can run. */
void jobs_run(struct session *s);
/* Give every job up (the session ends). */
void jobs_clear(struct session *s);
/* The commit failed: jobs whose reply was at stake are answered with err and end. */
void jobs_turn_failed(struct session *s, const struct err *err);

/* ---- output.c ---- */

/* Room for more output now? */
bool output_has_room(const struct session *s);
/* One reply line of j (NULL: of nobody, on the main pipeline). */
void session_reply(struct session *s, struct job *j, enum status code, bool has_more,
                   const char *fmt, ...) PRINTF_LIKE(5, 6);
void session_reply_text(struct session *s, struct job *j, enum status code, bool has_more,
                        const char *text);
/* A reply line without "-" after which j goes on (271). */
void session_progress(struct session *s, struct job *j, enum status code, const char *text);
/* The last reply line, from an error. Returns STEP_DONE. */
enum step session_fail(struct session *s, struct job *j, const struct err *err);
/* Where j's raw octets go; is_last: they end its reply. */
struct str *output_for(struct session *s, struct job *j, bool is_last);
/* A block begins here. */
void output_mark(struct session *s);
/* Take back what was given since the mark. False: the owner has got some of it. */
bool output_retract(struct session *s);
void output_flush(struct session *s);
void output_clear(struct session *s);

/* ---- cmd_*.c ---- */

extern const struct param upgrade_params[], help_params[], auth_secret_params[],
    auth_response_params[], deliver_params[], data_params[], check_params[], list_params[],
    index_params[], fetch_params[];

enum step cmd_upgrade(struct session *s, struct job *j, const struct args *args);
enum step cmd_noop(struct session *s, struct job *j, const struct args *args);
enum step cmd_help(struct session *s, struct job *j, const struct args *args);
enum step cmd_quit(struct session *s, struct job *j, const struct args *args);

enum step cmd_auth_secret(struct session *s, struct job *j, const struct args *args);
enum step cmd_auth_response(struct session *s, struct job *j, const struct args *args);
void auth_clear(struct session *s);

enum step cmd_deliver(struct session *s, struct job *j, const struct args *args);
enum step cmd_done(struct session *s, struct job *j, const struct args *args);
enum step cmd_cancel(struct session *s, struct job *j, const struct args *args);
/* The draft that a command in that pipeline acts on, and whose it is; NULL: none. */
struct pipeline *draft_owner(struct session *s, struct pipeline *p);
void draft_drop(struct session *s, struct pipeline *p);

enum step cmd_data(struct session *s, struct job *j, const struct args *args);
enum step cmd_data_more(struct session *s, struct job *j);
void cmd_data_octets(struct session *s, struct job *j, const char *p, size_t n);
void cmd_data_end(struct job *j);

enum step cmd_mbox_check(struct session *s, struct job *j, const struct args *args);
enum step cmd_mbox_list(struct session *s, struct job *j, const struct args *args);
enum step cmd_mbox_index(struct session *s, struct job *j, const struct args *args);
enum step cmd_mbox_index_more(struct session *s, struct job *j);
void cmd_mbox_index_end(struct job *j);
enum step cmd_mbox_fetch(struct session *s, struct job *j, const struct args *args);
enum step cmd_mbox_fetch_more(struct session *s, struct job *j);
void cmd_mbox_fetch_end(struct job *j);
void cmd_mbox_fetch_rest(struct job *j);

#endif
