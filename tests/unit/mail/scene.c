/* SPDX-License-Identifier: MIT */
/* See scene.h. */
#include "config.h"

#include "unit/mail/scene.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#include "base/mem.h"
#include "mail/outbound.h"

static enum fake_action hook(void *ctx, struct fake_packet *p)
{
    struct scene *s = ctx;

    if (p->kind == FAKE_SEAL) {
        str_truncate(&s->last_seal, 0);
        str_addn(&s->last_seal, p->armor.s, p->armor.len);
        s->largest = MAX(s->largest, p->armor.len);
    }
    if (p->kind != s->kind || s->times == 0)
        return FAKE_PASS;
    s->times--;
    if (s->change != NULL)
        s->change(s, p);
    return s->action;
}

int scene_setup(void **state)
{
    struct scene *s = mem_zalloc(sizeof(*s));

    s->net = fake_net_create();
    s->worlds[0] = s->a = world_create(s->net, "a.test");
    s->worlds[1] = s->b = world_create(s->net, "b.test");
    world_account(s->a, "alice@a.test");
    world_account(s->b, "bob@b.test");
    world_account(s->b, "carol@b.test");
    fake_set_hook(s->net, hook, s);
    *state = s;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *s = *state;

    world_check(s->a);
    if (s->b != NULL)
        world_check(s->b);
    world_destroy(&s->a);
    world_destroy(&s->b);
    fake_net_destroy(&s->net);
    str_clear(&s->last_seal);
    free(s);
    return 0;
}

void scene_hook(struct scene *s, enum fake_kind kind, int times, enum fake_action action,
                void (*change)(struct scene *s, struct fake_packet *p))
{
    s->kind = kind;
    s->times = times;
    s->action = action;
    s->change = change;
}

bool scene_is_sent(void *scene)
{
    return world_queued(((struct scene *)scene)->a) == 0;
}

void scene_deliver(struct scene *s)
{
    if (!world_run(s->worlds, scene_is_sent, s, 60000))
        fail_msg("%zu still queued, path is %s: %s", world_queued(s->a), scene_state(s),
                 scene_path(s) != NULL && scene_path(s)->last_error != NULL
                     ? scene_path(s)->last_error
                     : "");
    world_turns(s->worlds, 2);
}

static void keep(void *ctx, const struct outbound_path *p)
{
    if (strcmp(p->destination, "b.test") == 0)
        *(struct outbound_path *)ctx = *p;
}

const struct outbound_path *scene_path(struct scene *s)
{
    static struct outbound_path path;

    memset(&path, 0, sizeof(path));
    outbound_each(s->a->mail.outbound, keep, &path);
    return path.state != NULL ? &path : NULL;
}

const char *scene_state(struct scene *s)
{
    const struct outbound_path *p = scene_path(s);

    return p != NULL ? p->state : "none";
}
