/* SPDX-License-Identifier: MIT */
/*
 * The folder argument. Holds: a path that was read is a good name, and read again from its plain
 * spelling it is the same; an id never stands beside a selector; no selector value is empty.
 */
#include "wire/folder.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#include "fuzz/fuzz.h"

static void check_again(const struct folder_arg *arg)
{
    struct str text = STR_INIT;
    struct folder_arg again;

    if (arg->owner != NULL)
        str_add(&text, arg->owner);
    str_addf(&text, "/%s", arg->path);
    if (*arg->uuid != '\0')
        str_addf(&text, "#%s", arg->uuid);
    FUZZ_CHECK(folder_arg_parse(str_c(&text), &again, NULL) == 0);
    FUZZ_CHECK(strcmp(again.path, arg->path) == 0 && strcmp(again.uuid, arg->uuid) == 0);
    FUZZ_CHECK((again.owner == NULL) == (arg->owner == NULL));
    FUZZ_CHECK(arg->owner == NULL || strcmp(again.owner, arg->owner) == 0);
    folder_arg_clear(&again);
    str_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *s = mem_strndup((const char *)data, len);
    struct folder_arg arg;

    if (folder_arg_parse(s, &arg, NULL) == 0) {
        FUZZ_CHECK(*arg.path == '\0' || folder_path_check(arg.path, NULL) == 0);
        FUZZ_CHECK(*arg.uuid == '\0' || (!arg.has_selector && *arg.path != '\0'));
        FUZZ_CHECK(arg.has_selector || (arg.select.flags == 0 && arg.select.text == NULL));
        FUZZ_CHECK(arg.select.from == NULL || *arg.select.from != '\0');
        FUZZ_CHECK(arg.select.text == NULL || *arg.select.text != '\0');
        check_again(&arg);
        folder_arg_clear(&arg);
    } else {
        FUZZ_CHECK(arg.path == NULL && arg.owner == NULL);
    }
    free(s);
    return 0;
}
