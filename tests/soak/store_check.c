/* SPDX-License-Identifier: MIT */
/* store_check DIRECTORY: is the store of an immpd that does not run sound? 0, or 1 and what is not. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"

int main(int argc, char **argv)
{
    struct store *st = NULL;
    struct err err = { .text = "" };
    int rc;

    if (argc != 2 || store_open("sqlite:immp.db", argv[1], &st, &err) < 0) {
        fprintf(stderr, "store_check DIRECTORY: %s\n", err.text);
        return 2;
    }
    rc = store_check(st, &err);
    if (rc != 1)
        printf("%s\n", err.text);
    store_close(&st);
    return rc == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
