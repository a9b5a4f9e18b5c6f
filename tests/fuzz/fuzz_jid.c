/* SPDX-License-Identifier: MIT */
/*
 * JIDs and their map to addresses. Holds: a JID that was read and written is read as the same; the
 * address that a node stands for comes back from the JID that is made of it; a node that no address
 * can be leaves nothing behind.
 */
#include "wire/jid.h"

#include <string.h>

#include "base/mem.h"
#include "wire/imid.h"

#include "fuzz/fuzz.h"

#define OURS      "b.com"
#define COMPONENT "immp.b.com"

static void check_jid(const char *s)
{
    struct str text = STR_INIT;
    struct jid jid, again;

    if (jid_parse(s, &jid, NULL) < 0) {
        FUZZ_CHECK(jid.node == NULL && jid.host == NULL && jid.resource == NULL);
        return;
    }
    FUZZ_CHECK(*jid.host != '\0' && strpbrk(jid.host, "@/") == NULL);
    FUZZ_CHECK(strpbrk(jid.node, "@/") == NULL && strlen(jid.node) <= 1023);
    FUZZ_CHECK(str_is_utf8(jid.resource, strlen(jid.resource)) && strlen(jid.resource) <= 1023);
    jid_add_bare(&text, &jid);
    if (*jid.resource != '\0')
        str_addf(&text, "/%s", jid.resource);
    FUZZ_CHECK(jid_parse(str_c(&text), &again, NULL) == 0);
    FUZZ_CHECK(strcmp(jid.node, again.node) == 0 && strcmp(jid.host, again.host) == 0);
    FUZZ_CHECK(strcmp(jid.resource, again.resource) == 0);
    jid_clear(&again);
    jid_clear(&jid);
    str_clear(&text);
}

/* A folder that no server keeps as it is may have no JID; any other address of theirs has one. */
static void check_node(const char *node)
{
    struct str text = STR_INIT;
    struct jid jid;
    char *address, *back;

    if (jid_to_address(node, OURS, &address, NULL) < 0) {
        FUZZ_CHECK(address == NULL);
        return;
    }
    if (jid_from_address(&text, address, OURS, COMPONENT, NULL) == 0) {
        FUZZ_CHECK(jid_parse(str_c(&text), &jid, NULL) == 0);
        FUZZ_CHECK(strcmp(jid.host, COMPONENT) == 0 && *jid.resource == '\0');
        FUZZ_CHECK(jid_to_address(jid.node, OURS, &back, NULL) == 0);
        if (strchr(address, '+') == NULL)
            FUZZ_CHECK(strcmp(address, back) == 0);
        FUZZ_CHECK(strcmp(imid_domain_of(address), imid_domain_of(back)) == 0);
        free(back);
        jid_clear(&jid);
    } else {
        FUZZ_CHECK(text.len == 0);
        FUZZ_CHECK(strchr(address, '+') != NULL || strlen(address) > 300);
    }
    free(address);
    str_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *s = mem_strndup((const char *)data, len);
    struct str node = STR_INIT, plain = STR_INIT;

    check_jid(s);
    check_node(s);
    jid_unescape(&plain, s);
    if (jid_escape(&node, str_c(&plain), NULL) == 0) {
        struct str back = STR_INIT;

        jid_unescape(&back, str_c(&node));
        FUZZ_CHECK(strcmp(str_c(&back), str_c(&plain)) == 0);
        str_clear(&back);
    } else {
        FUZZ_CHECK(node.len == 0 && (plain.s[0] == ' ' || plain.s[plain.len - 1] == ' '));
    }
    str_clear(&node);
    str_clear(&plain);
    free(s);
    return 0;
}
