/* SPDX-License-Identifier: MIT */
/*
 * The functions of seal.h on standard input and output, for scripts that check them against
 * other programs:
 *
 *   seal_tool keys DIR DOMAIN                      make or find its keys
 *   seal_tool seal DIR FROM TO          <bundle    >armor
 *   seal_tool seal-for DIR FROM CERT    <bundle    >armor  (CERT: a file)
 *   seal_tool open DIR FROM TO          <armor     >bundle
 *   seal_tool sign DIR FROM             <header    >base64
 *   seal_tool check DIR FROM HEADER     <base64
 *   seal_tool receipt DIR FROM          <text      >armor
 *   seal_tool open-receipt DIR FROM     <armor     >text
 *   seal_tool endorsed DIR OLD DOMAIN   <armor     (the keys of DOMAIN, by OLD's)
 *
 * Exit 0; 1 refused, with the refusal and the reason on standard error; 2 usage.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "seal/identity.h"
#include "seal/seal.h"

struct arguments {
    const char *folder;
    struct identity *from;
    struct identity *to;  /* NULL: none */
    const char *last;
    struct str in;
    struct str out;
};

static void read_all(FILE *f, struct str *out)
{
    char buf[65536];
    size_t n;

    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_addn(out, buf, n);
}

static int do_keys(struct arguments *a, struct err *err)
{
    (void)a;
    (void)err;
    return 0;
}

static int do_seal(struct arguments *a, struct err *err)
{
    char hex[SEAL_SHA256_SIZE];

    return seal_make(a->from, identity_encrypt_certificate(a->to), str_c(&a->in), a->in.len,
                     &a->out, hex, err);
}

static int read_file(const char *path, struct str *out, struct err *err)
{
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return err_errno(err, 0, "%s", path);
    read_all(f, out);
    (void)fclose(f);
    return 0;
}

static int do_seal_for(struct arguments *a, struct err *err)
{
    struct certificate *c = NULL;
    struct str pem = STR_INIT;
    char hex[SEAL_SHA256_SIZE];
    int rc = read_file(a->last, &pem, err);

    if (rc == 0 && (c = certificate_parse(str_c(&pem), pem.len, err)) == NULL)
        rc = -1;
    if (rc == 0)
        rc = seal_make(a->from, c, str_c(&a->in), a->in.len, &a->out, hex, err);
    certificate_unref(&c);
    str_clear(&pem);
    return rc;
}

static int do_open(struct arguments *a, struct err *err)
{
    char hex[SEAL_SHA256_SIZE];
    enum refusal why;
    int rc = seal_open(identity_sign_certificate(a->from), a->to, str_c(&a->in), a->in.len, &a->out,
                       hex, &why, err);

    if (rc < 0)
        err_prefix(err, "%d", (int)why);
    return rc;
}

static int do_sign(struct arguments *a, struct err *err)
{
    return seal_sign_message(a->from, str_c(&a->in), a->in.len, &a->out, err);
}

static int do_check(struct arguments *a, struct err *err)
{
    struct str header = STR_INIT;
    int rc = read_file(a->last, &header, err);

    if (rc < 0)
        return -1;
    rc = seal_check_message(identity_sign_certificate(a->from), str_c(&header), header.len,
                            str_c(&a->in), a->in.len, err);
    str_clear(&header);
    return rc;
}

static int do_receipt(struct arguments *a, struct err *err)
{
    return seal_make_receipt(a->from, str_c(&a->in), a->in.len, &a->out, err);
}

static int do_open_receipt(struct arguments *a, struct err *err)
{
    return seal_open_receipt(identity_sign_certificate(a->from), str_c(&a->in), a->in.len, &a->out,
                             err);
}

static int do_endorsed(struct arguments *a, struct err *err)
{
    return seal_check_endorsement(identity_sign_certificate(a->from), a->last,
                                  identity_sign_certificate(a->to),
                                  identity_encrypt_certificate(a->to), str_c(&a->in), a->in.len,
                                  err);
}

static const struct {
    const char *name;
    int (*fn)(struct arguments *a, struct err *err);
    int args;        /* after the name */
    bool has_to, has_input;
} commands[] = {
    { "keys", do_keys, 2, false, false },
    { "seal", do_seal, 3, true, true },
    { "seal-for", do_seal_for, 3, false, true },
    { "open", do_open, 3, true, true },
    { "sign", do_sign, 2, false, true },
    { "check", do_check, 3, false, true },
    { "receipt", do_receipt, 2, false, true },
    { "open-receipt", do_open_receipt, 2, false, true },
    { "endorsed", do_endorsed, 3, true, true },
};

static struct identity *load(const char *folder, const char *domain)
{
    struct identity_files files = { .directory = folder };
    struct err err = { 0 };
    struct identity *id = identity_load(domain, &files, NULL, &err);

    if (id == NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return id;
}

static int run(size_t i, char **argv)
{
    struct arguments a = { .folder = argv[2], .last = argv[1 + commands[i].args] };
    struct err err = { 0 };
    int rc;

    a.from = load(a.folder, argv[3]);
    if (commands[i].has_to)
        a.to = load(a.folder, argv[4]);
    if (commands[i].has_input)
        read_all(stdin, &a.in);
    rc = commands[i].fn(&a, &err);
    if (rc < 0)
        (void)fprintf(stderr, "%s\n", err.text);
    else
        (void)fwrite(str_c(&a.out), 1, a.out.len, stdout);
    str_clear(&a.in);
    str_clear(&a.out);
    identity_unref(&a.from);
    identity_unref(&a.to);
    return rc < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < N_ELEMENTS(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0 && argc == 2 + commands[i].args)
            return run(i, argv);
    (void)fprintf(stderr, "usage: see the head of seal_tool.c\n");
    return 2;
}
