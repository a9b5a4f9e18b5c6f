# SPDX-License-Identifier: MIT
"""How the cost of sending grows with the number of peers: the same messages, to 1, 10, 100, 1,000
domains in turn. One tuned Prosody has all components, so that links between servers are not what
is measured; one immpd sends, another is the gateway of all the others, each with its own link and
keys. First contact with each (discovery, keys) is made before the time runs."""

import time

import measure
import part_path
import world

PEERS = (1, 10, 100, 1000)
MESSAGES = 4000
OCTETS = 4096
# A thousand components that come at once want to be let in.
TUNED = "network_settings = { nagle = false, min_wait = 0, tcp_backlog = 2048 }"
DOMAIN = """domain "{d}" {{
  component {{ jid = "immp.{d}" server = "{ip}" port = 5347 secret-file = "b.test.secret" }}
  limits {{ message = "50M" quota = "500G" stanza = 65536 }}
}}
"""


class Many:
    """a.test, and p0.test, p1.test, … by one daemon, on one server."""

    def __init__(self, ctx, n):
        self.ctx, self.n = ctx, n
        self.names = [f"p{i}.test" for i in range(n)]
        folder = ctx.folder(f"peers-{n}")
        self.server = world.XmppServer(
            "prosody", "a.test", folder / "server", world.Authority(ctx.folder("ca")),
            extra=TUNED, components={f"immp.{d}": world.SECRET for d in self.names})
        self.a = world.Daemon("a.test", folder / "a", ctx.build, level="info",
                              extra=part_path.LIMITS)
        self.b = world.Daemon("b.test", folder / "b", ctx.build, level="info")
        self.b.config.write_text(
            f'data-dir = "{self.b.folder}/data"\nlisten {{ address = "{self.b.ip}" port = '
            f'{world.IMMP_PORT} }}\nlog {{ target = "stderr" level = "info" }}\n' +
            "".join(DOMAIN.format(d=d, ip=self.a.ip) for d in self.names))

    def __enter__(self):
        try:
            self.server.start().wait()
            self.b.start(wait=False)   # makes the store, and keys for each domain, synced
            measure.wait_until("the keys", lambda: " start version" in self.b.log_text(), 300, 0.2)
            self.b.stop()
            self.ctx.tools.run("fill", self.b.folder / "data", "bob@p%u.test", "accounts", self.n)
            self.a.start().wait_link()
            self.b.start()
            self.a.add_account(*part_path.ALICE)
            measure.wait_until("all links", lambda: all(
                link["state"] == "up" for link in measure.status(self.b)["links"]), 120, 0.1)
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc):
        for p in (self.a, self.b, self.server):
            p.stop()

    def send(self, messages):
        """From 16 connections, which go through the domains in turn."""
        before = measure.status(self.b)["inbound"]["delivered"]
        sent = measure.status(self.a)["outbound"]["bundles"]
        cpu = measure.Cpu(a=self.a.process.pid, b=self.b.process.pid)
        load = self.ctx.tools.run(
            "immp_load", "-c", part_path.CLIENTS, "-n", messages, "-s", OCTETS, "-r", "-u", self.n,
            "-d", "bob@p%u.test", self.a.ip, world.IMMP_PORT, part_path.ALICE[0], "deliver",
            secret=part_path.ALICE[1], timeout=300)
        measure.wait_until("the queue to empty", lambda: measure.status(self.a)["queued"] == 0, 120)
        took = time.monotonic() - load["began"]
        if measure.status(self.b)["inbound"]["delivered"] - before != messages:
            raise RuntimeError("not all have arrived")
        bundles = measure.status(self.a)["outbound"]["bundles"] - sent
        return {"n": messages, "seconds": round(took, 3), "per_s": round(messages / took, 1),
                "cpu_us": cpu.us(messages), "messages_a_bundle": round(messages / bundles, 2)}


def run(ctx):
    rows = []
    for n in PEERS:
        with Many(ctx, n) as many:
            many.send(max(n, part_path.CLIENTS))
            runs = [many.send(MESSAGES) for _ in range(ctx.turns(3))]
        row = {"peers": n, "per_s": measure.median([r["per_s"] for r in runs]),
               "cpu_us": measure.median([r["cpu_us"]["total"] for r in runs]), "runs": runs}
        rows.append(row)
        measure.say(f"  {n:5} peers: {row['per_s']:.0f}/s, {row['cpu_us']:.0f} µs a message")
    return rows
