/* SPDX-License-Identifier: MIT */
/*
 * What the contract tests of the store share. Every suite runs over every backend; each test gets
 * an empty store with one account in a directory of its own, and after it the store's own check
 * must find it sound.
 */
#ifndef TESTS_CONTRACT_STORE_SUITE_H
#define TESTS_CONTRACT_STORE_SUITE_H

#include "lib/temp_dir.h"
#include "lib/test.h"
#include "base/macros.h"
#include "store/account.h"
#include "store/content.h"
#include "store/entry.h"
#include "store/folder.h"
#include "store/peer.h"
#include "store/queue.h"
#include "store/record.h"
#include "store/store.h"

struct suite {
    struct store *st;
    char dir[TEMP_DIR_SIZE];
    int64_t account;  /* alice@a.example */
    int64_t inbox;    /* her INBOX */
    struct err err;
};

/* The call did what it should; if not, its error is shown. */
#define assert_result(s, expected, call) \
    do { \
        int result_ = (call); \
        if (result_ != (expected)) \
            print_error("%s: %d, last error: %s\n", #call, result_, (s)->err.text); \
        assert_int_equal(result_, expected); \
    } while (0)

/* Run the tests over each backend. Returns what main() returns. */
int suite_run(const char *name, const struct CMUnitTest *tests, size_t n);
#define SUITE_RUN(tests) suite_run(#tests, tests, N_ELEMENTS(tests))

/* For the table of tests. */
int suite_setup(void **state);
int suite_teardown(void **state);
#define SUITE_TEST(fn) cmocka_unit_test_setup_teardown(fn, suite_setup, suite_teardown)

/* Close and open again, as a restart does. */
void suite_reopen(struct suite *s);

struct text {
    const char *uuid;     /* NULL: a new one */
    const char *from;     /* NULL: bob@b.example */
    const char *subject;
    const char *body;     /* NULL: "hello" */
    const char *type;     /* NULL: text/plain */
};
/* A finished content of one part. Its id; uuid_r (or NULL) gets its message id. */
int64_t suite_content(struct suite *s, const struct text *t, char uuid_r[UUID_SIZE]);
/* The same, in a folder. The entry's id. */
int64_t suite_deliver(struct suite *s, int64_t folder, const struct text *t,
                      char uuid_r[UUID_SIZE]);

struct folder suite_folder(struct suite *s, int64_t id);  /* its path is not kept */
int64_t suite_used(struct suite *s);                      /* alice's used bytes */
struct store_totals suite_totals(struct suite *s);

#endif
