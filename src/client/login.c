/* SPDX-License-Identifier: MIT */
/*
 * AUTH SECRET (docs/immp.md, "AUTH"). What is sent is K, never the password; and K is bound to
 * this TLS connection where the server takes that, so that one in between cannot use it. How much
 * computing a server may ask for is bounded below too: a K made cheaply is a password to guess.
 */
#include "config.h"

#include "client/client_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "seal/digest.h"
#include "seal/password.h"
#include "wire/status.h"

#define SALT_MAX 64

/* What 303 says. */
struct challenge {
    char *n1, *n2, *hash, *keys;
    struct str salt;
    struct password_cost cost;
    bool is_bad;  /* an item cannot be read */
};

static void challenge_clear(struct challenge *ch)
{
    free(ch->n1);
    free(ch->n2);
    free(ch->hash);
    free(ch->keys);
    str_clear(&ch->salt);
}

static void replace(char **s, const char *value)
{
    free(*s);
    *s = mem_strdup(value);
}

static int read_number(const char *value, uint32_t *v_r)
{
    uint64_t v;

    if (str_to_u64(value, &v) < 0 || v > UINT32_MAX)
        return -1;
    *v_r = (uint32_t)v;
    return 0;
}

/* One "name=value". What is not known is passed over: a later version may say more. */
static int read_item(struct challenge *ch, char *item)
{
    char *value = strchr(item, '=');

    if (value == NULL)
        return 0;
    *value++ = '\0';
    if (strcmp(item, "n1") == 0)
        replace(&ch->n1, value);
    else if (strcmp(item, "n2") == 0)
        replace(&ch->n2, value);
    else if (strcmp(item, "h") == 0)
        replace(&ch->hash, value);
    else if (strcmp(item, "k") == 0)
        replace(&ch->keys, value);
    else if (strcmp(item, "s") == 0)
        return base64_decode(value, strlen(value), &ch->salt) < 0 || ch->salt.len > SALT_MAX ? -1 : 0;
    else if (strcmp(item, "N") == 0)
        return read_number(value, &ch->cost.n);
    else if (strcmp(item, "r") == 0)
        return read_number(value, &ch->cost.r);
    else if (strcmp(item, "p") == 0)
        return read_number(value, &ch->cost.p);
    return 0;
}

static int read_challenge(void *ctx, const struct immp_reply *reply)
{
    struct challenge *ch = ctx;
    char *copy, *save = NULL;

    if (reply->code != STATUS_AUTH_NONCES)
        return 0;
    copy = mem_strdup(reply->text);
    for (char *item = strtok_r(copy, " ", &save); item != NULL; item = strtok_r(NULL, " ", &save))
        ch->is_bad = read_item(ch, item) < 0 || ch->is_bad;
    free(copy);
    return 0;
}

static int check_challenge(const struct challenge *ch, struct err *err)
{
    if (ch->is_bad)
        return err_set(err, ERR_PROTOCOL, 0, "the server's challenge cannot be read");
    if (ch->n1 == NULL || ch->n2 == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "the server sent no nonces");
    if (ch->hash == NULL || strcmp(ch->hash, "scrypt") != 0)
        return err_set(err, ERR_PROTOCOL, 0, "the server wants a password hash that is not known here");
    if (ch->salt.len == 0)
        return err_set(err, ERR_PROTOCOL, 0, "the server sent no salt");
    return password_check_cost(ch->cost, err);
}

static bool is_offered(const struct challenge *ch, const char *name)
{
    size_t n = strlen(name);

    /* The draft knows SHA-1 only and does not say so. */
    if (ch->keys == NULL)
        return strcmp(name, "sha1") == 0;
    for (const char *s = ch->keys; (s = strstr(s, name)) != NULL; s++)
        if ((s == ch->keys || s[-1] == ',') && (s[n] == '\0' || s[n] == ','))
            return true;
    return false;
}

static int make_key(struct immp_client *c, const struct challenge *ch, const char *password,
                    char key[65], struct err *err)
{
    uint8_t exporter[PASSWORD_EXPORTER_BYTES];
    bool has_exporter = transport_exporter(c->transport, exporter, NULL) == 0;
    char h[PASSWORD_H_SIZE];
    int rc = 0;

    if (password_derive(password, (const uint8_t *)ch->salt.s, ch->salt.len, ch->cost, h, err) < 0)
        return -1;
    if (has_exporter && is_offered(ch, "hmac-sha256"))
        password_k_hmac(h, ch->n1, ch->n2, exporter, key);
    else if (is_offered(ch, "sha1"))
        password_k_sha1(h, ch->n1, ch->n2, key);
    else
        rc = err_set(err, ERR_PROTOCOL, 0, "no kind of key that both sides know");
    secret_wipe(h, sizeof(h));
    return rc;
}

static int ask(struct immp_client *c, const char *account, const char *device,
               struct challenge *ch, struct immp_error *error)
{
    struct immp_handler handler = { .line = read_challenge, .ctx = ch };
    struct str line = STR_INIT;
    struct err err = { ERR_NONE };
    int code;

    str_add(&line, "AUTH SECRET ");
    if (client_add_token(&line, account) == 0 && device != NULL) {
        str_addc(&line, ' ');
        (void)client_add_token(&line, device); /* a name that cannot be said is left out */
    }
    code = immp_client_command(c, str_c(&line), &handler, error);
    str_clear(&line);
    if (code < 0)
        return -1;
    if (code == STATUS_AUTH_NONCES && check_challenge(ch, &err) == 0)
        return 0;
    if (err.kind == ERR_NONE)
        (void)err_set(&err, ERR_PROTOCOL, 0, "the server answers AUTH SECRET with %d", code);
    return client_fail(c, &err, error);
}

static int answer(struct immp_client *c, const char *key, struct immp_error *error)
{
    struct err err = { ERR_NONE };
    struct str line = STR_INIT;
    int code;

    str_addf(&line, "AUTH RESPONSE %s", key);
    code = immp_client_command(c, str_c(&line), NULL, error);
    str_wipe(&line);
    if (code < 0)
        return -1;
    if (code == STATUS_AUTHENTICATED)
        return 0;
    (void)err_set(&err, ERR_PROTOCOL, 0, "the server answers AUTH RESPONSE with %d", code);
    return client_fail(c, &err, error);
}

int immp_client_login(struct immp_client *c, const char *account, const char *password,
                      const char *device, struct immp_error *error)
{
    struct challenge ch = { .n1 = NULL };
    struct err err = { ERR_NONE };
    char key[65] = "";
    int rc = -1;

    if (ask(c, account, device, &ch, error) < 0)
        goto out;
    if (make_key(c, &ch, password, key, &err) < 0) {
        rc = client_fail(c, &err, error);
        goto out;
    }
    rc = answer(c, key, error);
out:
    secret_wipe(key, sizeof(key));
    challenge_clear(&ch);
    return rc;
}
