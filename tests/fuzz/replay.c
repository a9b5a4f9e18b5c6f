/* SPDX-License-Identifier: MIT */
/*
 * The main program of a fuzz target where there is no libFuzzer: runs the target over every file
 * of tests/fuzz/corpus/<name>/ (or over the files and folders that are named), so that what was
 * once found stays found under every compiler. An empty corpus is a failure, not a success.
 */
#include "config.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "fuzz/fuzz.h"

static size_t n_inputs;

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct str input = STR_INIT;
    char buf[8192];
    uint8_t *exact;
    size_t n;

    if (f == NULL) {
        perror(path);
        return -1;
    }
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_addn(&input, buf, n);
    (void)fclose(f);
    /* A copy of the very size, so that a sanitizer sees a read beyond it. */
    exact = mem_dup(str_c(&input), input.len);
    (void)LLVMFuzzerTestOneInput(exact, input.len);
    free(exact);
    str_clear(&input);
    n_inputs++;
    return 0;
}

static int run(const char *path);

static int run_folder(const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort), rc = 0;

    if (n < 0) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        struct str file = STR_INIT;

        str_addf(&file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && run(str_c(&file)) < 0)
            rc = -1;
        str_clear(&file);
        free(names[i]);
    }
    free(names);
    return rc;
}

static int run(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        perror(path);
        return -1;
    }
    return S_ISDIR(st.st_mode) ? run_folder(path) : run_file(path);
}

/* The corpus of "…/fuzz_line" is tests/fuzz/corpus/line. */
static int run_own_corpus(const char *program)
{
    const char *top = getenv("top_srcdir"), *slash = strrchr(program, '/');
    const char *name = strstr(slash != NULL ? slash : program, "fuzz_");
    struct str path = STR_INIT;
    int rc;

    str_addf(&path, "%s/tests/fuzz/corpus/%s", top != NULL ? top : ".",
             name != NULL ? name + strlen("fuzz_") : program);
    rc = run(str_c(&path));
    str_clear(&path);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = 0;

    if (argc < 2)
        rc = run_own_corpus(argv[0]);
    for (int i = 1; i < argc; i++)
        rc |= run(argv[i]);
    printf("%zu inputs\n", n_inputs);
    return rc == 0 && n_inputs > 0 ? 0 : 1;
}
