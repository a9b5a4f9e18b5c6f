# SPDX-License-Identifier: MIT
"""Logins with a full TLS 1.3 handshake and a P-256 certificate, beside Dovecot's IMAP: connect,
handshake, authenticate, leave. Ours proves a password by HMAC over a derived secret; Dovecot gets
LOGIN in clear words and compares with a static password, the cheapest it has."""

import measure
import part_local
import rivals
import world

CONNECTIONS = 16
USERS = 8


def run(ctx):
    authority = world.Authority(ctx.folder("ca"))
    d = part_local.lone_daemon(ctx, "login", 1)

    def ours():
        cpu = measure.Cpu(immpd=d.process.pid)
        r = ctx.tools.run("immp_load", "-c", CONNECTIONS, "-t", ctx.seconds(2), d.ip,
                          world.IMMP_PORT, "u0@b.test", "login", secret=part_local.SECRET)
        return dict(r, cpu_us=cpu.us(r["ops"]))

    def theirs(dovecot):
        cpu = measure.Cpu(dovecot=dovecot.pid)
        r = ctx.tools.run("imap_load", "-c", CONNECTIONS, "-t", ctx.seconds(2), "-u", USERS,
                          "127.0.0.1", rivals.IMAPS_PORT, "u%u", "login", secret=rivals.PASSWORD)
        return dict(r, cpu_us=cpu.us(r["ops"]))

    try:
        with rivals.Dovecot(ctx.folder("login.dovecot"), authority) as dovecot:
            a, b = measure.alternate(ctx.turns(3), ours, lambda: theirs(dovecot))
    finally:
        d.stop()
    row = measure.compared(a, b, "per_s")
    measure.say(f"  ours {row['ours']:.0f}/s ({row['ours_cpu_us']:.0f} µs)   Dovecot "
                f"{row['rival']:.0f}/s ({row['rival_cpu_us']:.0f} µs)   ×{row['ratio']:.1f}")
    return [row]
