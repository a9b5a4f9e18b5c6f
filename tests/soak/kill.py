# SPDX-License-Identifier: MIT
"""Two domains, each a real XMPP server and an immpd. Clients deliver to both domains; meanwhile one
of the four processes after the other is killed -9, at random or just after a client has written
DONE, and started again. In the end every message that was accepted must be in its mailbox exactly
once. With --power the daemons' databases are as of their last sync after a kill.

The seed gives victims, moments and messages; what the clock and the kernel do is theirs."""

import argparse
import os
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import world
from immp import Refused
from ledger import SECRET, Ledger, Sender, check_mailbox
from world import wait_for

DOMAINS = ("a.test", "b.test")
BAD = ("Assertion", "ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer", "ThreadSanitizer",
       "malformed", "disk I/O error")


class Victim:
    """A process that is killed and started again."""

    def __init__(self, name, part, weight):
        self.name, self.part, self.weight, self.kills = name, part, weight, 0

    def is_ready(self):
        if isinstance(self.part, world.Daemon):
            return world.listening(self.part.ip, world.IMMP_PORT)
        return world.listening(self.part.ip, 5347)

    def kill(self, rng, power):
        if not self.part.process.alive():
            raise RuntimeError(f"{self.name} has ended by itself ({self.part.process.child.returncode}):"
                               f"\n{self.part.process.text()[-3000:]}")
        self.part.process.kill()
        self.kills += 1
        if isinstance(self.part, world.Daemon):
            self.part.env["IMMP_POWER_SEED"] = str(rng.getrandbits(31))
            self.part.start(wait=False)
        else:
            self.part.start()


class Log:
    """Counts how often a word was logged, reading on from where it was."""

    def __init__(self, path, word):
        self.path, self.word, self.at, self.n = pathlib.Path(path), word.encode(), 0, 0

    def count(self):
        if self.path.exists():
            with open(self.path, "rb") as f:
                f.seek(self.at)
                data = f.read()
            end = data.rfind(b"\n") + 1
            self.n += data[:end].count(self.word)
            self.at += end
        return self.n


class Soak:
    def __init__(self, folder, build, kills, seed, servers=("prosody", "prosody"), power=False,
                 leak=30, lies=False, clients=6, pause=0.15, patience=6, bound=330,
                 is_short=False, out=sys.stdout):
        self.kills, self.seed, self.power, self.out = kills, seed, power, out
        self.patience, self.bound, self.is_short = patience, bound, is_short
        self.rng = random.Random(seed)
        self.ledger = Ledger()
        self.folder, self.build = pathlib.Path(folder), pathlib.Path(build)
        self.accounts = {d: [f"u{i}@{d}" for i in range(3)] for d in DOMAINS}
        options = {d: dict(level="info", schedule="1s") for d in DOMAINS}
        for d in DOMAINS if power else ():
            data = (self.folder / f"{d}.immpd/data").resolve()
            options[d].update(immpd="tests/soak/immpd_power", env={
                "IMMP_POWER_DIR": str(data), "IMMP_POWER_LEAK": str(leak), "IMMP_POWER_SEED": "1",
                "IMMP_POWER_LIES": str(int(lies))})
        self.world = world.World(folder, build, dict(zip(DOMAINS, servers)), daemon=options)
        self.victims = [Victim(f"immpd of {d}", self.world.daemons[d], 10) for d in DOMAINS] + \
            [Victim(f"{kind} of {d}", self.world.servers[d], 3 if kind == "prosody" else 0.5)
             for d, kind in zip(DOMAINS, servers)]
        self.crossed = [Log(self.world.daemons[d].log, "outbound.delivered") for d in DOMAINS]
        everybody = [a for d in DOMAINS for a in self.accounts[d]]
        self.senders = [Sender(i, seed, self.world.daemons[DOMAINS[i % 2]],
                               self.accounts[DOMAINS[i % 2]][i // 2 % 3], everybody, self.ledger, pause)
                        for i in range(clients)]

    def say(self, text):
        print(text, file=self.out, flush=True)

    def run(self):
        """The faults that were found: none is what is wanted."""
        with self.world:
            for d, daemon in self.world.daemons.items():
                for a in self.accounts[d]:
                    daemon.add_account(a, SECRET)
            for s in self.senders:
                s.start()
            try:
                self.kill_all()
                if not self.ledger.faults:
                    self.drain()
                if not self.ledger.faults:
                    self.check()
            except (RuntimeError, TimeoutError, Refused) as e:
                self.ledger.fault(str(e))
            finally:
                self.ledger.is_over.set()
        return self.ledger.faults

    # ---- killing

    def crossings(self):
        return sum(log.count() for log in self.crossed)

    def kill_all(self):
        began = shown = time.monotonic()
        for n in range(1, self.kills + 1):
            self.kill_one()
            if self.ledger.faults:
                return
            if time.monotonic() - shown > 5 or n == self.kills:
                shown = time.monotonic()
                self.say(f"{shown - began:6.0f} s  kills {n}/{self.kills}  accepted "
                         f"{self.ledger.answered()}  crossed {self.crossings()}  said again "
                         f"{self.ledger.retries}")

    def kill_one(self):
        rng = self.rng
        ready = [v for v in self.victims if v.is_ready()] or self.victims
        # One that is still starting is hit, too, now and then.
        pool = self.victims if rng.random() < 0.1 else ready
        victim = rng.choices(pool, [v.weight for v in pool])[0]
        if rng.random() < 0.4:
            sender = rng.choice(self.senders)
            sender.wrote_done.clear()
            sender.wrote_done.wait(1)
            time.sleep(rng.choice([0, 0, rng.uniform(0, 0.004)]))
        else:
            time.sleep(rng.uniform(0, 0.2))
        before = self.crossings()
        victim.kill(rng, self.power)
        # Mostly something is to be under way when the next one falls; but not always.
        end = time.monotonic() + rng.choice([0, 0.3, self.patience])
        while time.monotonic() < end and self.crossings() == before:
            time.sleep(0.01)

    # ---- the end

    def drain(self):
        """Everybody gets an answer, and every queue is empty within the bound. A seal that died with
        the other domain is sent again when its answer is overdue, which takes minutes; a short run
        does not wait for that, but ends with both daemons killed at once, as nothing is under way
        after it."""
        for s in self.senders:
            s.stopping.set()
        for s in self.senders:
            s.join(60)
            if s.is_alive():
                self.ledger.fault(f"a client of {s.account} gets no answer")
        if self.is_short:
            for d in DOMAINS:
                self.world.daemons[d].kill()
            for d in DOMAINS:
                self.world.daemons[d].start(wait=False)
        for d in DOMAINS:
            self.world.servers[d].wait()
            self.world.daemons[d].wait()
            self.world.daemons[d].wait_link(60)
        began = time.monotonic()
        try:
            wait_for("the queues to empty", lambda: not self.queued(), self.bound, 0.2)
        except TimeoutError:
            for d in DOMAINS:
                left = self.world.daemons[d].queue()
                self.ledger.fault(f"{len(left)} stuck in the queue of {d}: {left[:3]}")
        self.say(f"the queues were empty after {time.monotonic() - began:.1f} s")

    def queued(self):
        return sum(len(self.world.daemons[d].queue()) for d in DOMAINS)

    def check(self):
        fault = self.ledger.fault
        for d, daemon in self.world.daemons.items():
            there = sum(check_mailbox(self.ledger, daemon, a) for a in self.accounts[d])
            self.say(f"{d}: {there} messages in {len(self.accounts[d])} mailboxes")
            if daemon.stop() != 0:
                fault(f"immpd of {d} ended with {daemon.process.child.returncode}")
            text = daemon.log_text()
            for bad in BAD:
                if bad in text:
                    fault(f"the log of {d} says {bad}: {text[text.index(bad):][:2000]}")
            if "outbound.bounce" in text:
                fault(f"a notice was made: {text[text.index('outbound.bounce'):][:300]}")
            self.check_store(d, daemon.folder / "data")
        for v in self.victims:
            self.say(f"{v.name}: killed {v.kills} times")

    def check_store(self, domain, data):
        done = world.run(self.build / "tests/soak/store_check", data, check=False)
        if done.returncode != 0:
            self.ledger.fault(f"the store of {domain} is not sound: {done.stdout}")
        db = sqlite3.connect(data / "immp.db")
        for pragma, good in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            found = db.execute(f"PRAGMA {pragma}").fetchall()
            if found != good:
                self.ledger.fault(f"{domain}: {pragma} says {found[:5]}")
        db.close()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", required=True)
    p.add_argument("--kills", type=int, default=1000)
    p.add_argument("--seed", type=int, default=None, help="of a run that is to be repeated")
    p.add_argument("--servers", default="prosody,prosody", help="of a.test and b.test")
    p.add_argument("--power", action="store_true", help="a kill of immpd is a power cut")
    p.add_argument("--leak", type=int, default=30, help="percent of sectors written unsynced")
    p.add_argument("--lies", action="store_true", help="syncs do nothing: faults must be found")
    p.add_argument("--clients", type=int, default=6)
    p.add_argument("--pause", type=float, default=0.15, help="of a client between messages, mean")
    p.add_argument("--bound", type=float, default=330, help="seconds for the queues to empty")
    p.add_argument("--keep", action="store_true", help="keep the folder")
    o = p.parse_args()
    seed = o.seed if o.seed is not None else random.SystemRandom().getrandbits(31)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="immp-soak-"))
    print(f"seed {seed}, folder {folder}", flush=True)
    began = time.monotonic()
    soak = Soak(folder, o.build, o.kills, seed, tuple(o.servers.split(",")), o.power or o.lies,
                o.leak, o.lies, o.clients, o.pause, o.bound)
    faults = soak.run()
    for f in faults[:40]:
        print(f"FAULT {f}", flush=True)
    print(f"seed {seed}: {o.kills} kills in {time.monotonic() - began:.0f} s, "
          f"{soak.ledger.answered()} accepted, {soak.crossings()} between the domains, "
          f"{len(faults)} faults", flush=True)
    if o.keep or faults:
        print(f"kept: {folder}", flush=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
