# SPDX-License-Identifier: MIT
"""Domain to domain: two immpd over two XMPP servers, beside a raw probe through the same servers.

through: messages are handed in over TLS while the path carries what came before; the time is from
the first DELIVER to the last receipt. drain: all are in the queue before, and the link comes up;
the time is from the link's being up to the last receipt. In both, all are in the mailbox at the
end. The probe sends payloads of the same size, one an IQ, neither sealed nor stored."""

import itertools
import time

import measure
import world

TUNED = 'network_settings = { nagle = false, min_wait = 0 }'
PAIRS = {"prosody": ("prosody", ""), "tuned": ("prosody", TUNED), "ejabberd": ("ejabberd", "")}
SHARE = {"prosody": 1.2, "tuned": 1.2, "ejabberd": 0.5}   # of the probe's rate, for a turn's length
SIZES = (512, 4096, 65536)
WINDOWS = (1, 16, 64, 256)
ALICE, BOB = ("alice@a.test", "wonder land"), ("bob@b.test", "builder")
LIMITS = '  limits { message = "50M" quota = "500G" stanza = 65536 }'
CLIENTS = 16
FOLDERS = itertools.count()   # other parts have pairs of the same servers


class Pair:
    """Two domains over servers of a kind, and the probe's components beside the gateways'."""

    def __init__(self, ctx, name):
        kind, extra = PAIRS[name]
        self.ctx = ctx
        domains = ("a.test", "b.test")
        self.world = world.World(
            ctx.folder(f"path-{name}-{next(FOLDERS)}"), ctx.build, dict.fromkeys(domains, kind),
            daemon={d: {"level": "info", "extra": LIMITS} for d in domains},
            server={d: {"extra": extra if kind == "prosody" else "",
                        "components": {f"raw.{d}": world.SECRET}} for d in domains})

    def __enter__(self):
        self.world.__enter__()
        self.a, self.b = (self.world.daemons[d] for d in ("a.test", "b.test"))
        self.a.add_account(*ALICE)
        self.b.add_account(*BOB)
        self.submit(10, 100)   # first contact: both links of the servers, the keys
        self.settled(10)
        return self

    def __exit__(self, *exc):
        self.world.__exit__(*exc)

    def probe(self, size, window, seconds):
        return self.ctx.tools.run(
            "probe", "-s", size, "-w", window, "-t", seconds, "raw.a.test", self.a.ip,
            "raw.b.test", self.b.ip, secret=world.SECRET)

    def submit(self, n, size):
        return self.ctx.tools.run(
            "immp_load", "-c", min(CLIENTS, n), "-n", n, "-s", size, "-d", BOB[0], self.a.ip,
            world.IMMP_PORT, ALICE[0], "deliver", secret=ALICE[1], timeout=300)

    def link(self):
        return measure.status(self.a)["links"][0]["state"]

    def delivered(self):
        return measure.status(self.b)["inbound"]["delivered"]

    def settled(self, seconds=240):
        """Wait until the last receipt is settled; when it was seen."""
        measure.wait_until("the queue to empty",
                           lambda: measure.status(self.a)["queued"] == 0, seconds)
        return time.monotonic()

    def _took(self, n, began, ended, cpu, before, sent):
        if self.delivered() - before != n:
            raise RuntimeError(f"{self.delivered() - before} of {n} messages are in the mailbox")
        out, now = measure.status(self.a)["outbound"], measure.control(self.a, "peer show",
                                                                       domain="b.test")
        path = now[0]["paths"][0]
        bundles = out["bundles"] - sent
        return {"n": n, "seconds": round(ended - began, 3), "per_s": round(n / (ended - began), 1),
                "cpu_us": cpu.us(n), "messages_a_bundle": round(n / max(bundles, 1), 2),
                "window": path["window"], "stanza": path["stanza"], "failures": out["failures"]}

    def through(self, n, size):
        before, sent = self.delivered(), measure.status(self.a)["outbound"]["bundles"]
        cpu = measure.Cpu(a=self.a.process.pid, b=self.b.process.pid)
        load = self.submit(n, size)
        ended = self.settled()
        return dict(self._took(n, load["began"], ended, cpu, before, sent),
                    handed_in_per_s=load["per_s"])

    def drain(self, n, size):
        """The daemon of a.test is given a port where no server is, the messages, and the real port."""
        port = self.a.values["server_port"]
        self.a.stop()
        self.a.configure(server_port=1)
        self.a.start()
        self.submit(n, size)
        self.a.stop()
        self.a.configure(server_port=port)
        before = self.delivered()
        self.a.start()
        cpu = measure.Cpu(a=self.a.process.pid, b=self.b.process.pid)
        measure.wait_until("the link", lambda: self.link() == "up", 30, 0.002)
        began = time.monotonic()
        ended = self.settled()
        return self._took(n, began, ended, cpu, before, 0)


def one_size(ctx, pair, name, size, turns, seconds, drains):
    scan = {w: pair.probe(size, w, seconds / 3)["per_s"] for w in WINDOWS}
    best = max(scan, key=scan.get)
    n = max(40, int(scan[best] * seconds * SHARE[name]))
    out = {"servers": name, "octets": size, "probe_windows": scan, "window": best,
           "probe": [], "through": [], "drain": []}
    for _ in range(turns):
        out["probe"].append(pair.probe(size, best, seconds))
        out["through"].append(pair.through(n, size))
        if drains:
            out["drain"].append(pair.drain(n, size))
    raw = measure.median([p["per_s"] for p in out["probe"]])
    for kind in ("through", "drain"):
        if out[kind]:
            rate = measure.median([r["per_s"] for r in out[kind]])
            out[f"{kind}_per_s"], out[f"{kind}_ratio"] = rate, round(rate / raw, 3)
            out[f"{kind}_cpu_us"] = measure.median([r["cpu_us"]["total"] for r in out[kind]])
    out["probe_per_s"] = raw
    last = out["through"][-1]
    measure.say(f"  {name:9} {size:6} B: probe {raw:8.0f}/s (window {best})   "
                f"through {out['through_per_s']:8.0f}/s ×{out['through_ratio']:.2f} "
                f"{out['through_cpu_us']:.0f} µs" +
                (f"   drain {out['drain_per_s']:8.0f}/s ×{out['drain_ratio']:.2f} "
                 f"{out['drain_cpu_us']:.0f} µs" if drains else "") +
                f"   stanza {last['stanza']} window {last['window']}, "
                f"{last['messages_a_bundle']} a bundle, a {last['cpu_us']['a']} b {last['cpu_us']['b']}")
    return out


def run(ctx):
    """Every pair of servers and size, or those of --pairs and --sizes."""
    rows = []
    for name in ctx.choice("pairs", ("tuned", "ejabberd") if ctx.smoke else PAIRS):
        with Pair(ctx, name) as pair:
            for size in ctx.choice("sizes", (4096,) if ctx.smoke else SIZES):
                rows.append(one_size(ctx, pair, name, size, ctx.turns(3), ctx.seconds(3),
                                     not ctx.smoke))
    return rows
