/* SPDX-License-Identifier: MIT */
/* What the component asks of mail, by hand: seals are kept for the test, accounts are a list. */
#include "component/scripted.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/keys.h"
#include "mail/mailbox.h"

struct fake_inbound fake_inbound;

void fake_inbound_clear(void)
{
    for (size_t i = 0; i < fake_inbound.n; i++) {
        free((char *)fake_inbound.seals[i].bundle);
        free((char *)fake_inbound.seals[i].origin);
        free((char *)fake_inbound.seals[i].destination);
        free((char *)fake_inbound.seals[i].address);
        free((char *)fake_inbound.seals[i].armor);
    }
    memset(&fake_inbound, 0, sizeof(fake_inbound));
}

void inbound_take(struct inbound *in, const struct inbound_seal *seal, uint64_t token,
                  inbound_answer_fn *fn, void *ctx)
{
    struct inbound_seal *kept;

    (void)in;
    assert_true(fake_inbound.n < FAKE_SEALS_MAX);
    kept = &fake_inbound.seals[fake_inbound.n];
    *kept = *seal;
    kept->bundle = mem_strdup(seal->bundle);
    kept->origin = mem_strdup(seal->origin);
    kept->destination = mem_strdup(seal->destination);
    kept->address = mem_strdup(seal->address);
    kept->armor = mem_strndup(seal->armor, seal->len);
    fake_inbound.tokens[fake_inbound.n++] = token;
    fake_inbound.fn = fn;
    fake_inbound.ctx = ctx;
    if (fake_inbound.receipt != NULL)
        fn(ctx, token, fake_inbound.receipt, strlen(fake_inbound.receipt), NULL);
}

void inbound_forget(struct inbound *in, void *ctx)
{
    (void)in;
    (void)ctx;
}

int mailbox_exists(struct mail *m, const char *recipient, struct err *err)
{
    (void)m;
    if (strcmp(recipient, "broken@b.test") == 0)
        return err_set(err, ERR_TEMPORARY, 702, "the store is broken");
    return strcmp(recipient, "alice@b.test") == 0 || strcmp(recipient, "helpdesk/alice@b.test") == 0;
}

int keys_pinned(struct keys *k, const char *domain, struct keys_pair *pair_r, struct err *err)
{
    (void)k;
    (void)err;
    *pair_r = (struct keys_pair){ 0 };
    return strcmp(domain, "pinned.test") == 0;
}
