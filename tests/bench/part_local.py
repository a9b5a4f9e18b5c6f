# SPDX-License-Identifier: MIT
"""DELIVER of 4 KB into local mailboxes, durable, over TLS, beside Dovecot's LMTP in clear: the same
bytes, the same disk, the same number of connections and of mailboxes."""

import contextlib
import sqlite3

import measure
import rivals
import world

CONNECTIONS = (1, 8, 32, 256)
USERS = 32
SECRET = "wonder land"
EXTRA = '  limits { message = "50M" quota = "500G" stanza = 65536 }'


def lone_daemon(ctx, name, users):
    """An immpd of b.test whose component link nobody answers, with accounts u0, u1, …"""
    d = world.Daemon("b.test", ctx.folder(f"{name}.immpd"), ctx.build, server_port=1, level="info",
                     extra=EXTRA).start()
    for i in range(users):
        d.add_account(f"u{i}@b.test", SECRET)
    d.stop()   # scrypt's memory is no cost of what follows
    # LMTP keeps no copy for the sender. What SET GLOBAL SAVESENT=OFF will do.
    with contextlib.closing(sqlite3.connect(d.folder / "data" / "immp.db")) as db, db:
        db.execute("UPDATE accounts SET saves_sent = 0")
    return d.start()


def ours(ctx, d, connections, seconds):
    cpu = measure.Cpu(immpd=d.process.pid)
    r = ctx.tools.run("immp_load", "-c", connections, "-t", seconds, "-u", USERS, "-d", "u%u@b.test",
                      d.ip, world.IMMP_PORT, "u0@b.test", "deliver", secret=SECRET)
    return dict(r, cpu_us=cpu.us(r["ops"]))


def theirs(ctx, dovecot, connections, seconds):
    cpu = measure.Cpu(dovecot=dovecot.pid)
    r = ctx.tools.run("lmtp_load", "-c", connections, "-t", seconds, "-u", USERS, "127.0.0.1",
                      rivals.LMTP_PORT, "u%u@b.test")
    return dict(r, cpu_us=cpu.us(r["ops"]))


def faster_format(ctx, authority):
    """Which of Dovecot's mailbox formats takes more messages a second here."""
    rates = {}
    for location in rivals.LOCATIONS:
        with rivals.Dovecot(ctx.folder(f"try-{location[:5]}"), authority, location) as dovecot:
            rates[location] = theirs(ctx, dovecot, 8, ctx.seconds(2))["per_s"]
    return max(rates, key=rates.get), rates


def run(ctx):
    authority = world.Authority(ctx.folder("ca"))
    location, formats = faster_format(ctx, authority)
    rows = []
    d = lone_daemon(ctx, "local", USERS)
    try:
        with rivals.Dovecot(ctx.folder("local.dovecot"), authority, location) as dovecot:
            for c in (8,) if ctx.smoke else CONNECTIONS:
                a, b = measure.alternate(ctx.turns(3), lambda: ours(ctx, d, c, ctx.seconds(2)),
                                         lambda: theirs(ctx, dovecot, c, ctx.seconds(2)))
                row = measure.compared(a, b, "per_s")
                row.update(connections=c, format=location, formats=formats)
                rows.append(row)
                measure.say(f"  {c:4} connections: ours {row['ours']:8.0f}/s "
                            f"({row['ours_cpu_us']:.0f} µs)   Dovecot {row['rival']:6.0f}/s "
                            f"({row['rival_cpu_us']:.0f} µs)   ×{row['ratio']:.1f}")
    finally:
        d.stop()
    return rows
