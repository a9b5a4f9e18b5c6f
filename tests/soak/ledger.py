# SPDX-License-Identifier: MIT
"""What clients have delivered and were answered, and clients that write it down. A client says each
message again, with the same id and the same octets, until every recipient has a 2xx; a few it gives
up after the first failure, as people do."""

import hashlib
import random
import re
import threading
import time
import uuid

from immp import Client, Refused

SECRET = "soak"
SIZES = [60] * 6 + [900] * 3 + [4000] * 3 + [30_000, 120_000]


class Message:
    def __init__(self, rng, sender, to):
        self.id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        self.sender, self.to = sender, to
        self.body = rng.randbytes(rng.choice(SIZES) // 2).hex().encode() + b"\n"
        self.digest = hashlib.sha256(self.body).hexdigest()
        self.answered = False   # every recipient has had a 2xx
        self.tries = 0

    def command(self):
        to = " ".join(f"TO {t}" for t in self.to)
        return (f"DELIVER {to} ID {self.id}\n"
                f"DATA body TYPE text/plain LENGTH {len(self.body)} +CONTENT\n").encode() \
            + self.body + b"DONE\n"


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.messages = []
        self.faults = []
        self.retries = 0
        self.is_over = threading.Event()   # clients give up, whatever they wait for

    def add(self, message):
        with self.lock:
            self.messages.append(message)

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def answered(self):
        return sum(m.answered for m in list(self.messages))


class Sender(threading.Thread):
    """One client on a connection of its own to its domain's endpoint."""

    def __init__(self, number, seed, daemon, account, others, ledger, pause):
        super().__init__(daemon=True)
        self.rng = random.Random(f"{seed} client {number}")
        self.server, self.account, self.others = daemon, account, others
        self.ledger, self.pause = ledger, pause
        self.client = None
        self.stopping = threading.Event()
        self.wrote_done = threading.Event()   # the killer waits for it, and clears it

    def run(self):
        try:
            while not self.stopping.is_set() and not self.ledger.is_over.is_set():
                self.deliver_one()
                time.sleep(self.rng.uniform(0, 2 * self.pause))
        except Exception as e:   # a bug of ours must not look like silence
            self.ledger.fault(f"client of {self.account}: {e!r}")

    def deliver_one(self):
        to = self.rng.sample(self.others, self.rng.choice([1, 1, 1, 2]))
        message = Message(self.rng, self.account, to)
        gives_up = self.rng.random() < 0.05
        self.ledger.add(message)
        while not message.answered and not self.ledger.is_over.is_set():
            message.tries += 1
            try:
                self.attempt(message)
            except (OSError, EOFError) as e:
                self.hang_up()
                if gives_up:
                    return
                self.ledger.retries += 1
                time.sleep(0.01)
            except Refused as e:
                if e.code < 700:
                    self.ledger.fault(f"{message.id} of {self.account} to {message.to}: {e}")
                    self.hang_up()
                    return
                if gives_up:
                    return
                self.ledger.retries += 1
                self.hang_up()
                time.sleep(0.05)

    def attempt(self, message):
        if self.client is None:
            self.client = Client(self.server.ip, timeout=30)
            self.client.upgrade("TLS3").login(self.account, SECRET)
        c = self.client
        c.send(message.command())
        self.wrote_done.set()
        for want in (270, 271, 272):
            r = c.reply()
            if r.code != want:
                raise Refused([r])
        done = c.replies()
        bad = [r for r in done if not 200 <= r.code < 300]
        if bad:
            raise Refused(bad)
        said = {re.match(r"(\S+) id=(\S+)", r.text).groups() for r in done}
        if said != {(t, message.id) for t in message.to}:
            self.ledger.fault(f"{message.id}: answered {[str(r) for r in done]}")
        message.answered = True

    def hang_up(self):
        if self.client is not None:
            self.client.close()
            self.client = None


def check_mailbox(ledger, daemon, account):
    """Everything that was accepted for it is in its inbox once and whole; nothing else is, but what
    was not accepted and yet came. How many messages it has."""
    c = Client(daemon.ip, timeout=120).upgrade("TLS3").login(account, SECRET)
    rows = c.index()
    ids = [r["_id"] for r in rows]
    by_id = {m.id: m for m in ledger.messages if account in m.to}
    for id in {i for i in ids if ids.count(i) > 1} if len(set(ids)) < len(ids) else ():
        ledger.fault(f"{account}: {id} is there {ids.count(id)} times")
    for r in rows:
        if r["_id"] not in by_id:
            ledger.fault(f"{account}: {r['_id']} from {r['from']} was never sent: {r.get('subject')}")
    for m in by_id.values():
        if m.answered and m.id not in set(ids):
            ledger.fault(f"{account}: {m.id} of {m.sender} was accepted (try {m.tries}) and is lost")
    known = [i for i in ids if i in by_id]
    for at in range(0, len(known), 50):
        for id in known[at:at + 50]:
            c.send(f"MBOX FETCH /inbox#{id} PART body -READ\n")
        for id in known[at:at + 50]:
            r = c.replies()[0]
            octets = r.octets if r.octets is not None else b""
            if hashlib.sha256(octets).hexdigest() != by_id[id].digest:
                ledger.fault(f"{account}: {id} has other content than was sent: {r}")
    sent = [r["_id"] for r in c.index("/sent")]
    mine = {m.id: m for m in ledger.messages if m.sender == account}
    if len(set(sent)) < len(sent) or not set(sent) <= set(mine):
        ledger.fault(f"{account}: SENT holds what was not sent, or something twice")
    for m in mine.values():
        if m.answered and m.id not in set(sent):
            ledger.fault(f"{account}: {m.id} is not in SENT")
    c.quit()
    return len(rows)
