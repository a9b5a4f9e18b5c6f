# SPDX-License-Identifier: MIT
"""From the start of the process to the link's being up, with few and with a million messages
stored. The XMPP server is there before; the database is in the page cache, as after a restart."""

import time

import measure
import part_mailbox
import world

MESSAGES = (1000, 10000, 100000, 1000000)


def one_start(d):
    began = time.monotonic()
    d.start(wait=False)
    while True:
        try:
            if measure.status(d)["links"][0]["state"] == "up":
                break
        except OSError:
            pass  # not listening yet
        if time.monotonic() - began > 60:
            raise TimeoutError(f"no link: {d.log_text()[-1000:]}")
        time.sleep(0.001)
    took = (time.monotonic() - began) * 1e3
    rss = measure.memory_kb(d.process.pid, "Rss")
    d.stop()
    return {"ms": round(took, 2), "rss_kb": rss}


def run(ctx):
    rows = []
    authority = world.Authority(ctx.folder("ca"))
    server = world.XmppServer("prosody", "b.test", ctx.folder("start.server"), authority)
    server.start()
    try:
        server.wait()
        for n in MESSAGES:
            d = part_mailbox.fill_ours(ctx, f"start-{n}", n, 256, timeout=900)
            d.configure(server_port=5347)
            runs = [one_start(d) for _ in range(ctx.turns(5))]
            row = {"messages": n, "ms": measure.median([r["ms"] for r in runs]),
                   "rss_kb": measure.median([r["rss_kb"] for r in runs]), "runs": runs}
            rows.append(row)
            measure.say(f"  {n:8} messages: link up after {row['ms']:.0f} ms, RSS {row['rss_kb']} KB")
    finally:
        server.stop()
    return rows
