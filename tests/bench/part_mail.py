# SPDX-License-Identifier: MIT
"""Domain to domain by mail: Postfix to Postfix over TLS to Dovecot's LMTP, 4 KB, until all are in
the mailbox; beside it as many through two immpd over tuned Prosody, until all receipts are there."""

import time

import measure
import part_path
import postfix
import rivals
import world

USERS = 4
OCTETS = 4096


def arrived(dovecot):
    return sum(1 for i in range(USERS) for d in ("new", "cur")
               for _ in (dovecot.folder / f"mail/u{i}/Maildir" / d).glob("*"))


def theirs(dovecot, pids, n):
    before, began = arrived(dovecot), time.monotonic()
    cpu = measure.Cpu(postfix_a=pids[0], postfix_b=pids[1], dovecot=dovecot.pid)
    postfix.send(n, OCTETS, USERS)
    accepted = time.monotonic()
    measure.wait_until("the mail to arrive", lambda: arrived(dovecot) - before >= n, 120, 0.05)
    took = time.monotonic() - began
    return {"n": n, "seconds": round(took, 3), "per_s": round(n / took, 1), "cpu_us": cpu.us(n),
            "accepted_per_s": round(n / (accepted - began), 1)}


def run(ctx):
    if ctx.helper is None:
        measure.say("  skipped: only root can start Postfix")
        return []
    n = int(ctx.seconds(8) * 100) // USERS * USERS
    authority = world.Authority(ctx.folder("ca"))
    for domain in ("a.test", "b.test"):
        authority.issue(domain)
    with rivals.Dovecot(ctx.folder("mail.dovecot"), authority, rivals.LOCATIONS[0]) as dovecot:
        pids = ctx.helper.say("up")["pids"]
        try:
            with part_path.Pair(ctx, "tuned") as pair:
                theirs(dovecot, pids, 40)   # the mailboxes are made, the connections warm
                a, b = measure.alternate(ctx.turns(3), lambda: pair.through(n, OCTETS),
                                         lambda: theirs(dovecot, pids, n))
        finally:
            ctx.helper.say("down")
    row = measure.compared(a, b, "per_s")
    measure.say(f"  ours {row['ours']:.0f}/s ({row['ours_cpu_us']:.0f} µs)   Postfix to Dovecot "
                f"{row['rival']:.0f}/s ({row['rival_cpu_us']:.0f} µs)   ×{row['ratio']:.1f}")
    return [row]
