/* SPDX-License-Identifier: MIT */
/* docs/immp.md's table "What exists" is the command table, row by row. */
#include "session/session.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

static void add_escaped(struct str *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '|')
            str_addc(out, '\\');
        str_addc(out, *s);
    }
}

static void add_row(struct str *out, const struct session_command *c)
{
    static const struct { unsigned phase; char letter; } phases[] = {
        { PHASE_PLAIN, 'P' }, { PHASE_GUEST, 'G' }, { PHASE_LOCAL, 'L' }, { PHASE_REMOTE, 'R' },
    };

    str_addf(out, "| `%s", c->words);
    if (*c->syntax != '\0')
        str_addc(out, ' ');
    add_escaped(out, c->syntax);
    str_add(out, "` | ");
    for (size_t i = 0; i < N_ELEMENTS(phases); i++)
        if (c->phases & phases[i].phase)
            str_addc(out, phases[i].letter);
    str_add(out, " | ");
    add_escaped(out, c->help);
    str_add(out, " |\n");
}

static void the_document_has_the_command_table(void **state)
{
    const char *top = getenv("top_srcdir");
    struct str path = STR_INIT, want = STR_INIT, page = STR_INIT;
    char buf[8192];
    size_t n;
    FILE *f;

    (void)state;
    if (top == NULL)
        skip();
    for (size_t i = 0; session_command_at(i) != NULL; i++)
        add_row(&want, session_command_at(i));
    str_addf(&path, "%s/docs/immp.md", top);
    f = fopen(path.s, "r");
    assert_non_null(f);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        str_addn(&page, buf, n);
    fclose(f);
    str_add(&want, "<!-- end -->");
    if (strstr(page.s, want.s) == NULL)
        fprintf(stderr, "docs/immp.md should have:\n%s\n", want.s);
    assert_non_null(strstr(page.s, want.s));
    str_clear(&path);
    str_clear(&want);
    str_clear(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_has_the_command_table),
    };

    return cmocka_run_group_tests_name("session/document", tests, NULL, NULL);
}
