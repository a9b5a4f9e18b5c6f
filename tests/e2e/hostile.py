#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile clients and peers against a real daemon, and what they cost: its memory while each attack
lasts, and how long a polite client waits meanwhile. test_hostile.py plays it in small and asserts;
the long form prints its figures as JSON:

    tests/e2e/enter python3 tests/e2e/hostile.py --build BUILD

The XMPP server is played by this program too, so that nothing between slows an attack down."""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import resource
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import immp  # noqa: E402
import world  # noqa: E402

HERE = pathlib.Path(__file__).resolve()
ALICE, SECRET = "alice@a.test", "wonder land"
NS = "urn:immp:xmpp:1"


def source(i):
    """The i-th address that attacks come from: no address may have more than 1,000 connections."""
    return f"127.1.{i // 250 % 250}.{i % 250 + 1}"


# ---- the polite client, in a process of its own

def login(client, cache={}):
    """As immp.Client.login(), but scrypt is paid once."""
    client.send(f'AUTH SECRET {ALICE} "test"\n')
    assert client.reply().code == 302
    v = dict(w.split("=", 1) for w in client.reply().text.split())
    if v["s"] not in cache:
        cache[v["s"]] = hashlib.scrypt(SECRET.encode(), salt=base64.b64decode(v["s"]),
                                       n=int(v["N"]), r=int(v["r"]), p=int(v["p"]), dklen=32,
                                       maxmem=256 * 1024 * 1024).hex()
    k = hashlib.sha1((cache[v["s"]] + v["n1"] + v["n2"]).encode()).hexdigest()
    client.must(f"AUTH RESPONSE {k}")
    return client


def known(host, from_=None):
    return login(immp.Client(host, source=from_).upgrade())


def figures(ms):
    ms = sorted(ms)
    return {"n": len(ms), "p50_ms": round(ms[len(ms) // 2], 2),
            "p99_ms": round(ms[min(len(ms) - 1, len(ms) * 99 // 100)], 2),
            "max_ms": round(ms[-1], 2)}


def be_polite(host):
    """NOOP, and DELIVER of 1 KB, for as long as a line on stdin says. A line of figures for each."""
    client = known(host)
    print("ready", flush=True)
    for line in sys.stdin:
        end = time.monotonic() + float(line)
        noop, deliver = [], []
        while time.monotonic() < end:
            a = time.monotonic()
            client.must("NOOP")
            b = time.monotonic()
            assert client.deliver(ALICE, "x" * 1024)[0].code == 201
            c = time.monotonic()
            noop.append((b - a) * 1e3)
            deliver.append((c - b) * 1e3)
            time.sleep(0.005)
        print(json.dumps({"noop": figures(noop), "deliver": figures(deliver)}), flush=True)


class Polite:
    def __init__(self, host):
        self.child = subprocess.Popen([sys.executable, HERE, "--polite", host], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.child.stdout.readline() == "ready\n"

    def begin(self, seconds):
        self.child.stdin.write(f"{seconds}\n")
        self.child.stdin.flush()

    def end(self):
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError("the polite client was thrown out")
        return json.loads(line)

    def stop(self):
        self.child.stdin.close()
        self.child.wait(20)


# ---- the XMPP server, played

class Server:
    """One component link: shakes hands with whoever comes. floods: bytes that are sent as fast as
    they are taken; reads: whether what comes back is read. answers: fn(element) -> bytes or None."""

    def __init__(self, address, port=5347):
        self.listener = socket.create_server((address, port))
        self.link, self.reads, self.answer = None, True, None
        self.up, self.got, self.lock = threading.Event(), 0, threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            try:
                self._serve(link)
            except (OSError, ET.ParseError, ValueError):
                pass
            self.up.clear()
            link.close()

    def _serve(self, link):
        parser = ET.XMLPullParser(["start", "end"])
        parser.feed(link.recv(4096))
        link.sendall(b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
                     b"xmlns:stream='http://etherx.jabber.org/streams' from='immp.a.test' id='1'>")
        self.link, depth, root = link, 0, None
        while True:
            while not self.reads:
                time.sleep(0.02)
            data = link.recv(262144)
            if not data:
                return
            self.got += len(data)
            parser.feed(data)
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if event == "start" and depth == 1:
                    root = element
                elif event == "end" and depth == 1:
                    self._take(element)
                    root.clear()

    def _take(self, element):
        if element.tag.endswith("}handshake"):
            self.send(b"<handshake/>")
            self.up.set()
            return
        if element.get("to") == element.get("from"):  # its ping to itself, back to it
            self.send(ET.tostring(element))
            return
        out = self.answer(element) if self.answer is not None else None
        if out is not None:
            self.send(out)

    def send(self, data):
        with self.lock:
            self.link.sendall(data)

    def settle(self):
        """Until nothing more comes back."""
        got = -1
        while got != self.got:
            got = self.got
            time.sleep(0.3)

    def close(self):
        world._hang_up(self.listener, *([self.link] if self.link else []))
        self.listener.close()


def result(element, payload):
    return (f"<iq type='result' from='{element.get('to')}' to='{element.get('from')}' "
            f"id='{element.get('id')}'>{payload}</iq>").encode()


# ---- the stage

class Stage:
    def __init__(self, folder, build, seconds):
        self.seconds = seconds
        self.server = Server(world.ADDRESSES["a.test"])
        self.daemon = world.Daemon("a.test", folder, build, level="info")
        self.daemon.start()
        self.ip = self.daemon.ip
        assert self.server.up.wait(20)
        self.daemon.wait_link()
        self.daemon.add_account(ALICE, SECRET)
        # The password's scrypt took 32 MB once: what is measured begins without it.
        self.daemon.stop()
        self.server.up.clear()
        self.daemon.start()
        assert self.server.up.wait(20)
        self.daemon.wait_link()
        self.polite = Polite(self.ip)
        self.figures = {}
        self.sockets = []
        self.before = self.measure("before")
        self.rest = self.memory()

    def memory(self):
        """Proportional set size in KB; resident, where that is not shown."""
        pid = self.daemon.process.pid
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1])
        except (PermissionError, TypeError):
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
            return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M)[1])

    def measure(self, name, seconds=None, meanwhile=None, **more):
        """The polite client's latencies, and the most memory seen. meanwhile(): called over and
        over. more: goes with the figures."""
        seconds = seconds or self.seconds
        self.polite.begin(seconds)
        end, most = time.monotonic() + seconds, self.memory()
        begun = most
        while time.monotonic() < end:
            if meanwhile is not None:
                meanwhile()
            else:
                time.sleep(0.05)
            most = max(most, self.memory())
        out = self.polite.end()
        out.update(memory_kb=most, **more)
        out["grown_kb"] = most - more.get("base_kb", begun)
        self.figures[name] = out
        return out

    def hold(self, sock):
        self.sockets.append(sock)
        return sock

    def let_go(self):
        for s in self.sockets:
            s.close()
        self.sockets = []

    def connections(self):
        return self.daemon.status().get("connections")

    def close(self):
        self.let_go()
        self.polite.stop()
        status = self.daemon.stop()
        self.server.close()
        return status


def plain(stage, i, greeted=True):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((source(i), 0))
    s.settimeout(20)
    s.connect((stage.ip, world.IMMP_PORT))
    if greeted:
        got = b""
        while b"101 p=IMMP" not in got:
            data = s.recv(4096)
            if not data or got.startswith(b"70"):
                s.close()
                raise immp.Refused([immp.Reply(got.decode().splitlines()[0])])
            got += data
    return s


# ---- the attacks. Each returns its figures.

def silence(stage, n):
    """So many connections that say nothing."""
    base, refused = stage.memory(), 0
    for i in range(n):
        try:
            stage.hold(plain(stage, i // 40))
        except (immp.Refused, ConnectionError):
            refused += 1
    out = stage.measure("silence", connections=n - refused, refused=refused, base_kb=base)
    out["kb_each"] = round(out["grown_kb"] / max(1, n - refused), 2)
    return out


def half_open(stage, n):
    """Half a line, half a ClientHello, or an end of their side alone."""
    base = stage.memory()
    for i in range(n):
        s = stage.hold(plain(stage, 2000 + i // 40))
        if i % 3 == 0:
            s.sendall(b"UPGRADE TL")
        elif i % 3 == 1:
            s.sendall(b"UPGRADE TLS3\n")
            s.recv(4096)
            s.sendall(bytes.fromhex("1603010200010001fc0303") + os.urandom(20))
        else:
            s.shutdown(socket.SHUT_WR)
    return stage.measure("half-open", connections=n, base_kb=base)


def slow_writers(stage, n):
    """A byte at a time, before login and within a part."""
    base = stage.memory()
    writers = [stage.hold(plain(stage, 2500 + i // 40)) for i in range(n)]
    for i in range(min(n, 20)):
        c = known(stage.ip, source(2600 + i))
        c.must(f"DELIVER TO {ALICE}")
        c.send("DATA body LENGTH 1000000 +CONTENT\n")
        writers.append(stage.hold(c.sock))

    def dribble():
        for s in writers:
            try:
                s.send(b"x")
            except OSError:
                pass
        time.sleep(0.2)
    return stage.measure("slow writers", meanwhile=dribble, connections=len(writers), base_kb=base)


def slow_readers(stage, n, name="slow readers", seconds=None, size=2 << 20):
    """Big answers are asked for, over and over, and not read."""
    c = known(stage.ip)
    c.must("MBOX CHECK /inbox")
    id = immp.new_id()
    assert c.deliver(ALICE, "y" * size, id=id)[0].code == 201
    base = stage.memory()
    for i in range(n):
        c = known(stage.ip, source(3000 + i))
        stage.hold(c.sock)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.sock.settimeout(0.2)
        try:
            c.send("".join(f"AS p{k} MBOX FETCH /inbox#{id} -READ\n" for k in range(100)))
        except OSError:
            pass
    out = stage.measure(name, seconds=seconds, connections=n, base_kb=base)
    out["left_kb"] = stage.memory() - base
    out["closed"] = stage.daemon.log_text().count("endpoint.slow")
    return out


def pipeline_flood(stage, n):
    """Commands without an end, in many pipelines; the answers are read by none, then by all."""
    base = stage.memory()
    line = ";".join(f"AS p{k} NOOP" for k in range(30)) + "\n"
    block = (line * 200).encode()
    socks = []
    for i in range(n):
        c = known(stage.ip, source(3500 + i))
        c.sock.setblocking(False)
        socks.append(stage.hold(c.sock))

    def pour(reads):
        for s in socks:
            try:
                s.send(block)
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
                pass
            for _ in range(8 if reads else 0):
                try:
                    s.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    break
    stage.measure("pipeline flood, unread", meanwhile=lambda: pour(False), connections=n,
                  base_kb=base)
    return stage.measure("pipeline flood", meanwhile=lambda: pour(True), connections=n,
                         base_kb=base)


def garbage(stage, n):
    """What is no TLS where TLS is wanted, before and after the handshake, and handshakes alone."""
    base, seen = stage.memory(), {"closed": 0, "tried": 0}

    def one(i=[0]):
        i[0] += 1
        s = plain(stage, 4000 + i[0] % 500)
        s.sendall(b"UPGRADE TLS3\n")
        s.recv(4096)
        if i[0] % 3 == 0:
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
            fd = os.dup(s.fileno())
            t = ctx.wrap_socket(s)
            with socket.socket(fileno=fd) as raw:   # behind TLS's back
                raw.sendall(b"\x17\x03\x03\x10\x00" + os.urandom(0x1000))
            s = t
        else:
            s.sendall(os.urandom(2000) if i[0] % 3 == 1 else b"NOOP\n" * 100)
        seen["tried"] += 1
        s.settimeout(10)
        try:
            while s.recv(4096):
                pass
            seen["closed"] += 1
        except (ConnectionError, ssl.SSLError):
            seen["closed"] += 1
        s.close()
    return stage.measure("TLS garbage", seconds=max(stage.seconds, n / 200), meanwhile=one,
                         base_kb=base, counts=seen)


STANZAS = {
    "keys": f"<iq type='get' from='immp.x%d.test' to='immp.a.test' id='k'>"
            f"<key xmlns='{NS}' domain='a.test'/></iq>",
    "disco": "<iq type='get' from='x%d.test' to='immp.a.test' id='d'>"
             "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    "unknown": "<iq type='set' from='x%d@x.test/r' to='alice@immp.a.test' id='u'><x xmlns='y'/></iq>",
    "messages": "<message from='x%d@x.test/r' to='alice@immp.a.test' type='chat'><body>hello</body>"
                "</message>",
    "presence": "<presence from='x%d@x.test/r' to='immp.a.test' type='subscribe'/>",
    "receipts": f"<iq type='result' from='immp.x%d.test' to='immp.a.test' id='r'>"
                f"<receipt xmlns='{NS}' bundle='6ba7b810-9dad-41d1-80b4-00c04fd430c8'>x</receipt></iq>",
    "seals": f"<iq type='set' from='immp.x%d.test' to='immp.a.test' id='s'>"
             f"<seal xmlns='{NS}' bundle='6ba7b810-9dad-41d1-80b4-00c04fd430c8' origin='x%d.test' "
             f"destination='a.test'>{'A' * 20000}</seal></iq>",
}


def stanza_flood(stage, kind, reads=True):
    """As fast as the daemon takes them, each from another sender."""
    stage.server.settle()
    base = stage.memory()
    stage.server.reads = reads
    stop, sent = threading.Event(), [0, 0]

    def pour():
        i = 0
        try:
            while not stop.is_set():
                block = "".join(STANZAS[kind].replace("%d", str(i + k)) for k in range(50)).encode()
                i += 50
                # Not more at once than leaves when it stops.
                while block and not stop.is_set():
                    if select.select([], [stage.server.link], [], 0.1)[1]:
                        n = stage.server.link.send(block)
                        block, sent[1] = block[n:], sent[1] + n
                sent[0] = i
            if block:
                stage.server.link.setblocking(True)
                while block:
                    block = block[stage.server.link.send(block):]
        except OSError:
            pass
    thread = threading.Thread(target=pour, daemon=True)
    with stage.server.lock:
        thread.start()
        out = stage.measure(f"flood of {kind}" + ("" if reads else ", answers unread"),
                            base_kb=base, stanzas=sent, reads=reads)
        stop.set()
        stage.server.reads = True
        thread.join(20)
    out["stanzas_per_s"] = round(sent[0] / stage.seconds)
    return out


def no_receipts(stage, n, folder):
    """A peer that takes seals and never answers."""
    import peer
    keys = ET.tostring(peer.Keys("d.test", folder).element()).decode()
    seals = [0]

    def answer(element):
        if element.get("type") not in ("get", "set"):
            return None
        payload = element[0].tag
        if payload.endswith("disco#info}query"):
            return result(element, "<query xmlns='http://jabber.org/protocol/disco#info'>"
                                   f"<identity category='gateway' type='immp'/><feature var='{NS}'/>"
                                   "</query>")
        if payload.endswith("}key"):
            return result(element, keys)
        if payload.endswith("}seal"):
            seals[0] += 1
        return None
    stage.server.answer = answer
    base = stage.memory()
    c = known(stage.ip)
    for _ in range(n):
        assert c.deliver("bob@d.test", "z" * 4000)[0].code == 202
    world.wait_for("seals", lambda: seals[0] > 0, 20)
    out = stage.measure("receipts that never come", base_kb=base, messages=n)
    out["seals"], out["queued"] = seals[0], len(stage.daemon.queue())
    c.close()
    return out


def play(stage, folder, connections, sessions):
    """All of it. Returns those who stay silent, or only dribble, before they have logged in, with
    the time at which the last of them came."""
    silence(stage, connections)
    half_open(stage, min(200, max(30, connections // 20)))
    silent = [s for i, s in enumerate(stage.sockets) if i < connections or (i - connections) % 3 < 2]
    stage.sockets = []
    slow_writers(stage, min(200, max(30, connections // 20)))
    silent += [s for s in stage.sockets if not isinstance(s, ssl.SSLSocket)]
    begun, dribblers = time.monotonic(), stage.sockets
    stage.sockets = []
    slow_readers(stage, sessions)
    stage.let_go()
    # More than may hold 64 MiB together, for longer than the 10 s that they are waited for.
    slow_readers(stage, max(350, 4 * sessions), "too many slow readers", seconds=13)
    stage.let_go()
    pipeline_flood(stage, max(100, sessions))
    stage.let_go()
    garbage(stage, sessions)
    for kind in STANZAS:
        stanza_flood(stage, kind)
    stanza_flood(stage, "keys", reads=False)
    no_receipts(stage, connections // 5, folder)
    stage.sockets = dribblers + silent
    return silent, begun


def sent_away(silent, deadline):
    """How many of them the daemon has closed by then."""
    closed = 0
    for s in silent:
        s.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            while s.recv(4096):
                pass
            closed += 1
        except TimeoutError:
            pass
        except OSError:
            closed += 1
    return closed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--polite")
    p.add_argument("--build", default=os.environ.get("IMMP_BUILD", "."))
    p.add_argument("--connections", type=int, default=9400)
    p.add_argument("--sessions", type=int, default=100)
    p.add_argument("--seconds", type=float, default=5)
    a = p.parse_args()
    if a.polite:
        be_polite(a.polite)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="immp-hostile-") as folder:
        stage = Stage(pathlib.Path(folder), a.build, a.seconds)
        try:
            silent, begun = play(stage, pathlib.Path(folder) / "d", a.connections, a.sessions)
            closed = sent_away(silent, begun + 40)
            print(json.dumps({"rest_kb": stage.rest, "silent": len(silent), "sent_away": closed,
                              "sessions": a.sessions, "figures": stage.figures}, indent=1))
        finally:
            stage.close()


if __name__ == "__main__":
    main()
