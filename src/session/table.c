/* SPDX-License-Identifier: MIT */
/*
 * The command table: what may be said, in which phase, with which parameters, and who answers.
 * docs/immp.md's table of what exists is made of it, HELP prints it, and a test walks command by
 * phase. What is not here does not exist: 401.
 */
#include "session/session_private.h"

#include "base/macros.h"

#include <string.h>

#define EVERY (PHASE_PLAIN | PHASE_GUEST | PHASE_LOCAL | PHASE_REMOTE)
#define TLS   (PHASE_GUEST | PHASE_LOCAL | PHASE_REMOTE)
#define KNOWN (PHASE_LOCAL | PHASE_REMOTE)

static const struct command_row table[] = {
    { .pub = { "UPGRADE", "TLS2|TLS3", PHASE_PLAIN, "secure the connection by TLS 1.2 or 1.3" },
      .params = upgrade_params, .flags = COMMAND_ALONE, .start = cmd_upgrade },
    { .pub = { "AUTH SECRET", "account [\"device name\"]", PHASE_GUEST,
               "log in with a shared secret; answered by 303 with what the key is made of" },
      .params = auth_secret_params, .start = cmd_auth_secret },
    { .pub = { "AUTH RESPONSE", "key", PHASE_GUEST, "the key to the last AUTH SECRET" },
      .params = auth_response_params, .start = cmd_auth_response },
    { .pub = { "DELIVER",
               "TO imid [TO imid ...] [FROM imid] [SUBJECT \"text\"] [ID uuid] [INREPLYTO uuid] "
               "[EXPIRES seconds] [+IMPORTANT|-IMPORTANT] [+MULTIPART] [+SECURE] [+ANONYMOUS] "
               "[+BLIND] [+RECEIPT]",
               KNOWN, "begin a message; one in progress in this pipeline is dropped" },
      .params = deliver_params, .flags = COMMAND_STORE | COMMAND_MESSAGE, .start = cmd_deliver },
    { .pub = { "DATA", "[NAME] name [TYPE mime] [LENGTH n] [+BASE64] [+CONTENT]", KNOWN,
               "a part of the message; without LENGTH it ends at two blank lines" },
      .params = data_params, .flags = COMMAND_STORE | COMMAND_MESSAGE | COMMAND_BLOCK,
      .start = cmd_data, .more = cmd_data_more, .octets = cmd_data_octets, .end = cmd_data_end },
    { .pub = { "DONE", "", KNOWN, "send the message; one answer for each recipient" },
      .flags = COMMAND_STORE | COMMAND_MESSAGE, .start = cmd_done },
    { .pub = { "CANCEL", "", KNOWN, "drop the message in progress" },
      .flags = COMMAND_STORE | COMMAND_MESSAGE, .start = cmd_cancel },
    { .pub = { "MBOX CHECK", "folder [+RECURSIVE]", PHASE_LOCAL, "unread and total messages" },
      .params = check_params, .flags = COMMAND_STORE, .start = cmd_mbox_check },
    { .pub = { "MBOX LIST", "[folder]", PHASE_LOCAL, "the folders there are" },
      .params = list_params, .flags = COMMAND_STORE, .start = cmd_mbox_list },
    { .pub = { "MBOX INDEX", "folder[:selector] [+JSON] [LIMIT n] [AFTER uuid] [+REVERSE]",
               PHASE_LOCAL, "one line about each message" },
      .params = index_params, .flags = COMMAND_STORE, .start = cmd_mbox_index,
      .more = cmd_mbox_index_more, .end = cmd_mbox_index_end },
    { .pub = { "MBOX FETCH",
               "folder#uuid|folder:selector [+JSON] [+PRETTY] [-READ] [PART name] [+HEADERS] "
               "[RANGE a-b] [+SIGNED]",
               PHASE_LOCAL, "messages, as MIME or JSON; they count as read then, unless -READ" },
      .params = fetch_params, .flags = COMMAND_STORE, .start = cmd_mbox_fetch,
      .more = cmd_mbox_fetch_more, .end = cmd_mbox_fetch_end,
      .rest = cmd_mbox_fetch_rest },
    { .pub = { "NOOP", "", EVERY, "nothing" }, .start = cmd_noop },
    { .pub = { "HELP", "[command]", TLS, "what may be said" },
      .params = help_params, .start = cmd_help },
    { .pub = { "QUIT", "", EVERY, "close the connection when all is answered" },
      .flags = COMMAND_ALONE, .start = cmd_quit },
};

/* The draft's other word for AUTH. */
static const char *canonical(const struct token *t)
{
    return token_is(t, "AUTHENTICATE") ? "AUTH" : t->text;
}

/* How many tokens the words are, if the tokens begin with them; else 0. */
static size_t match(const char *words, const struct token *tokens, size_t n, bool *first_r)
{
    size_t count = 0;

    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        char word[16] = "";

        memcpy(word, words, MIN(len, sizeof word - 1));
        if (count == n || tokens[count].is_quoted || !str_ieq(canonical(&tokens[count]), word))
            return 0;
        if (count == 0)
            *first_r = true;
        count++;
        words += len + (words[len] == ' ' ? 1 : 0);
    }
    return count;
}

const struct command_row *table_find(const struct token *tokens, size_t n, size_t *words_r,
                                     bool *is_partial_r)
{
    *is_partial_r = false;
    *words_r = 0;
    for (size_t i = 0; i < N_ELEMENTS(table); i++) {
        const char *row = table[i].pub.words;
        size_t words;

        /* Most rows are passed over by their first letter. */
        if (((tokens[0].text[0] ^ row[0]) & ~0x20) != 0)
            continue;
        words = match(row, tokens, n, is_partial_r);
        if (words > 0) {
            *words_r = words;
            return &table[i];
        }
    }
    return NULL;
}

const struct command_row *table_at(size_t i)
{
    return i < N_ELEMENTS(table) ? &table[i] : NULL;
}

const struct session_command *session_command_at(size_t i)
{
    return i < N_ELEMENTS(table) ? &table[i].pub : NULL;
}
