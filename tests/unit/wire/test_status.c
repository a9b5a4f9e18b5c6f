/* SPDX-License-Identifier: MIT */
/* The codes of docs/immp.md, "Codes". */
#include "wire/status.h"

#include <string.h>

#include "base/macros.h"

#include "lib/test.h"

static void every_code_of_the_specification_is_in_the_table(void **state)
{
    static const int codes[] = {
        100, 101, 200, 201, 202, 203, 204, 205, 210, 211, 220, 230, 231, 240, 250, 251, 252, 260,
        270, 271, 272, 273, 280, 281, 282, 283, 284, 285, 286, 290, 291, 301, 302, 303, 304, 380,
        400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 420, 421, 440, 441, 442, 443, 444, 445,
        446, 460, 461, 462, 463, 480, 481, 483, 485, 700, 701, 702, 703, 704, 706, 750,
    };
    const char *name, *text;
    size_t n = 0;
    int code, last = 0;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(codes); i++)
        assert_true(status_is_known(codes[i]));
    while ((code = status_at(n, &name, &text)) != 0) {
        assert_true(code > last);
        assert_true(*name != '\0' && *text != '\0');
        assert_string_equal(status_text((enum status)code), text);
        assert_null(strpbrk(text, "\r\n"));
        last = code;
        n++;
    }
    assert_int_equal(n, N_ELEMENTS(codes));
    assert_false(status_is_known(199));
    assert_string_equal(status_text((enum status)599), "unknown status");
}

static void a_code_says_whether_asking_again_helps(void **state)
{
    static const struct {
        int code;
        bool success, permanent, temporary;
        enum err_kind kind;
    } rows[] = {
        { 100, false, false, false, ERR_NONE },
        { 200, true, false, false, ERR_NONE },
        { 202, true, false, false, ERR_NONE },
        { 380, false, false, false, ERR_NONE },
        { 400, false, true, false, ERR_PERMANENT },
        { 440, false, true, false, ERR_PERMANENT },
        { 700, false, false, true, ERR_TEMPORARY },
        { 749, false, false, true, ERR_TEMPORARY },
        { 750, false, true, false, ERR_PERMANENT },
        /* Undefined ones are tried again, because a bounce cannot be taken back. */
        { 0, false, false, false, ERR_TEMPORARY },
        { 599, false, false, false, ERR_TEMPORARY },
        { 760, false, false, false, ERR_TEMPORARY },
        { -1, false, false, false, ERR_TEMPORARY },
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(status_is_success(rows[i].code), rows[i].success);
        assert_int_equal(status_is_permanent(rows[i].code), rows[i].permanent);
        assert_int_equal(status_is_temporary(rows[i].code), rows[i].temporary);
        assert_int_equal(status_err_kind(rows[i].code), rows[i].kind);
    }
}

static void an_error_always_has_a_code_that_is_no_success(void **state)
{
    struct err err = { .kind = ERR_PERMANENT, .status = STATUS_QUOTA };

    (void)state;
    assert_int_equal(status_of_err(&err), STATUS_QUOTA);
    assert_int_equal(status_of_err(NULL), STATUS_INTERNAL);
    for (int kind = ERR_NONE; kind <= ERR_UNCERTAIN; kind++) {
        err = (struct err){ .kind = (enum err_kind)kind };
        assert_true(status_of_err(&err) >= 400);
        if (kind == ERR_TEMPORARY || kind == ERR_UNCERTAIN)
            assert_true(status_is_temporary((int)status_of_err(&err)));
        if (kind == ERR_PERMANENT || kind == ERR_DENIED || kind == ERR_PROTOCOL)
            assert_true(status_is_permanent((int)status_of_err(&err)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_of_the_specification_is_in_the_table),
        cmocka_unit_test(a_code_says_whether_asking_again_helps),
        cmocka_unit_test(an_error_always_has_a_code_that_is_no_success),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
