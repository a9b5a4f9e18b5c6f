# SPDX-License-Identifier: MIT
"""What an idle logged-in TLS session costs in memory (PSS, of all processes), ours at 1 to 10,000,
beside Dovecot's IMAP at some hundreds; and how fast 8 others deliver beside them."""

import subprocess

import measure
import part_local
import rivals
import world

MAX_CONNECTIONS = 10000   # the endpoint's limit: beside so many, no other gets in
SESSIONS = (1, 10, 100, 1000, 9900, 10000)
THEIRS = 300


class Idlers:
    """A load generator that holds sessions until told to go."""

    def __init__(self, ctx, name, *words, secret):
        self.child = subprocess.Popen(ctx.tools.argv(name, *words), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.child.stdin.write(secret + "\n")
        self.child.stdin.flush()
        lines = [self.child.stdout.readline(), self.child.stdout.readline()]
        if lines[1] != "ready\n":
            raise RuntimeError(f"{name}: {lines}")

    def go(self):
        self.child.stdin.close()
        self.child.wait(30)


def total_kb(pid):
    total = 0
    for p in measure.tree(pid):
        try:
            total += measure.memory_kb(p)
        except (OSError, RuntimeError):
            pass  # it has ended meanwhile
    return total


def ours(ctx, d, n):
    def idle(count):
        return Idlers(ctx, "immp_load", "-c", count, d.ip, world.IMMP_PORT, "u0@b.test", "idle",
                      secret=part_local.SECRET)

    def connections():
        return measure.status(d)["connections"]
    # What the first session makes the daemon load is no session's cost.
    idle(1).go()
    measure.wait_until("the first session to go", lambda: connections() == 0)
    before = measure.memory_kb(d.process.pid)
    held = idle(n)
    after = measure.memory_kb(d.process.pid)
    if connections() != n:
        raise RuntimeError(f"{connections()} of {n} sessions")
    row = {"sessions": n, "pss_kb": after}
    if n < MAX_CONNECTIONS:
        row["deliver_per_s"] = part_local.ours(ctx, d, 8, ctx.seconds(2))["per_s"]
    held.go()
    # Of a few, what malloc rounds up says more than the sessions.
    row["kb_each"] = round((after - before) / n, 2) if n >= 100 else None
    return row


def theirs(ctx, n):
    authority = world.Authority(ctx.folder("ca"))
    with rivals.Dovecot(ctx.folder("memory.dovecot"), authority) as dovecot:
        before = total_kb(dovecot.pid)
        held = Idlers(ctx, "imap_load", "-c", n, "-u", 8, "127.0.0.1", rivals.IMAPS_PORT, "u%u",
                      "idle", secret=rivals.PASSWORD)
        after = total_kb(dovecot.pid)
        held.go()
    return {"sessions": n, "kb_each": round((after - before) / n, 1), "pss_kb": after}


def run(ctx):
    rows = []
    for n in SESSIONS:
        d = part_local.lone_daemon(ctx, f"memory-{n}", part_local.USERS if n < MAX_CONNECTIONS else 1)
        try:
            rows.append(dict(ours(ctx, d, n), who="immpd"))
        finally:
            d.stop()
        measure.say(f"  {n:6} sessions: {rows[-1]['kb_each'] or '-'} KB each, {rows[-1]['pss_kb']} KB in "
                    f"all; 8 others deliver {rows[-1].get('deliver_per_s', '-')}/s")
    rows.append(dict(theirs(ctx, THEIRS), who="dovecot"))
    measure.say(f"  Dovecot, {THEIRS} sessions: {rows[-1]['kb_each']} KB each")
    return rows
