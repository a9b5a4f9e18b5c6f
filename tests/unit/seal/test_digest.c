/* SPDX-License-Identifier: MIT */
#include "seal/digest.h"

#include <string.h>

#include "base/macros.h"

#include "lib/test.h"

/* FIPS 180-2, appendices A and B. */
static const struct {
    const char *text, *sha1, *sha256;
} rows[] = {
    { "", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void known_texts_have_their_known_digests(void **state)
{
    char hex[65];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        digest_sha256_hex(rows[i].text, strlen(rows[i].text), hex);
        assert_string_equal(hex, rows[i].sha256);
        digest_sha1_hex(rows[i].text, strlen(rows[i].text), hex);
        assert_string_equal(hex, rows[i].sha1);
    }
}

static void a_running_digest_does_not_care_how_the_text_is_cut(void **state)
{
    const char *text = rows[2].text;
    size_t n = strlen(text);
    char hex[65];

    (void)state;
    for (size_t i = 0; i <= n; i++) {
        struct digest *d = digest_create();

        digest_add(d, text, i);
        digest_add(d, text + i, n - i);
        digest_end(&d, hex);
        assert_null(d);
        assert_string_equal(hex, rows[2].sha256);
    }
}

static void a_digest_can_be_given_up(void **state)
{
    struct digest *d = digest_create();

    (void)state;
    digest_add(d, "abc", 3);
    digest_destroy(&d);
    assert_null(d);
    digest_destroy(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_known_digests),
        cmocka_unit_test(a_running_digest_does_not_care_how_the_text_is_cut),
        cmocka_unit_test(a_digest_can_be_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
