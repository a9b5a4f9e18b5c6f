/* SPDX-License-Identifier: MIT */
/*
 * IMIDs. Holds: what was parsed, written and parsed again has the same fields; an address comes
 * back from its JID; escaping is reversible for every text.
 */
#include "wire/imid.h"

#include <string.h>

#include "base/mem.h"
#include "wire/jid.h"

#include "fuzz/fuzz.h"

static void check_jid(const struct imid *id)
{
    struct str address = STR_INIT, text = STR_INIT;
    struct jid jid;
    char *back;

    imid_add_address(&address, id);
    if (jid_from_address(&text, str_c(&address), "b.com", "immp.b.com", NULL) == 0) {
        FUZZ_CHECK(jid_parse(str_c(&text), &jid, NULL) == 0);
        FUZZ_CHECK(jid_to_address(jid.node, "b.com", &back, NULL) == 0);
        FUZZ_CHECK(strcmp(back, str_c(&address)) == 0);
        free(back);
        jid_clear(&jid);
    } else {
        FUZZ_CHECK(address.len > 300); /* only its length may forbid a JID */
    }
    str_clear(&address);
    str_clear(&text);
}

static void check_escape(const char *s)
{
    struct str node = STR_INIT, back = STR_INIT;

    if (jid_escape(&node, s, NULL) == 0) {
        jid_unescape(&back, str_c(&node));
        FUZZ_CHECK(strcmp(str_c(&back), s) == 0);
    }
    str_clear(&node);
    str_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *s = mem_strndup((const char *)data, len);
    struct str first = STR_INIT, second = STR_INIT;
    struct imid id, again;

    check_escape(s);
    if (imid_parse(s, &id, NULL) == 0) {
        imid_add(&first, &id);
        FUZZ_CHECK(first.len <= IMID_MAX_BYTES && str_is_utf8(first.s, first.len));
        FUZZ_CHECK(imid_parse(str_c(&first), &again, NULL) == 0);
        imid_add(&second, &again);
        FUZZ_CHECK(strcmp(str_c(&first), str_c(&second)) == 0);
        FUZZ_CHECK(strcmp(id.local, again.local) == 0 && strcmp(id.folder, again.folder) == 0);
        FUZZ_CHECK(strcmp(id.domain, again.domain) == 0 && strcmp(id.path, again.path) == 0);
        FUZZ_CHECK(strcmp(id.msgid, again.msgid) == 0 && id.action == again.action);
        imid_clear(&again);
        check_jid(&id);
        if (imid_path_to_node(&id, NULL) == 0)
            FUZZ_CHECK(*id.path == '\0');
        imid_clear(&id);
    }
    str_clear(&first);
    str_clear(&second);
    free(s);
    return 0;
}
