# SPDX-License-Identifier: MIT
"""Reading a big mailbox, beside Dovecot's IMAP over TLS: a check after one delivery, the index of
1,000, one message of 4 KB, the unread. The median time of each, in mailboxes of several sizes.

Both mailboxes hold the same: messages of 4 KB, the last 100 unread. Dovecot's indexes and caches
are warm (everything was listed once). Its mailbox is measured as Maildir and as sdbox."""

import os
import re
import socket
import ssl
import time

import measure
import part_local
import rivals
import world

MESSAGES = (1000, 10000, 100000)
UNREAD = 100
LINE_MAX = 1000   # bytes of a line that ends an answer


class Talk:
    """A connection and its lines, the same for both protocols: how Python is slow, both are."""

    def __init__(self, host, port, tls=True):
        self.sock = socket.create_connection((host, port), timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.secure()

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def ask(self, line, end):
        """Send, and read until the bytes match `end`; they."""
        if line:
            self.sock.sendall(line)
        got, looked = bytearray(), 0
        while not end.search(got, max(0, looked - LINE_MAX)):
            looked = len(got)
            more = self.sock.recv(65536)
            if not more:
                raise EOFError(f"hung up after {line!r}: {bytes(got[-200:])!r}")
            got += more
        return got

    def timed(self, line, end):
        began = time.perf_counter()
        self.ask(line, end)
        return (time.perf_counter() - began) * 1e3


TAGGED = re.compile(rb"(^|\n)a (OK|NO|BAD)[^\n]*\n")


class Imap(Talk):
    def __init__(self, user):
        super().__init__("127.0.0.1", rivals.IMAPS_PORT)
        self.ask(b"", re.compile(rb"\* OK[^\n]*\n"))
        self.must(f"LOGIN {user} {rivals.PASSWORD}")

    def must(self, command):
        got = self.ask(f"a {command}\r\n".encode(), TAGGED)
        if b"a OK" not in got:
            raise RuntimeError(f"{command}: {got[-200:]!r}")
        return got


class Lmtp(Talk):
    LINE = re.compile(rb"(^|\n)\d{3} [^\n]*\n")

    def __init__(self):
        super().__init__("127.0.0.1", rivals.LMTP_PORT, tls=False)
        self.ask(b"", self.LINE)
        self.ask(b"LHLO bench\r\n", self.LINE)

    def deliver(self, user, body):
        self.ask(b"MAIL FROM:<bench@a.test>\r\n", self.LINE)
        self.ask(f"RCPT TO:<{user}@b.test>\r\n".encode(), self.LINE)
        self.ask(b"DATA\r\n", self.LINE)
        self.ask(body + b".\r\n", re.compile(rb"(^|\n)250 [^\n]*\n"))


def content(octets):
    line = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij"
    return b"From: <bench@a.test>\r\nSubject: bench\r\nContent-Type: text/plain\r\n\r\n" + \
        (line + b"\r\n") * (octets // 64)


def fill_maildir(folder, n):
    """So many messages of 4 KB in cur/, of which 100, from the first on, are unread. No fsync: it is
    not measured."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    body = content(4096)
    stamp = int(time.time()) - n
    for i in range(n):
        text = b"Message-ID: <%09d@a.test>\r\n" % i + body
        flags = "" if i % (n // UNREAD) == 0 else "S"
        name = f"{stamp + i}.M{i}P1.bench,S={len(text)},W={len(text)}:2,{flags}"
        fd = os.open(folder / "cur" / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, text)
        os.close(fd)


def fill_dovecot(dovecot, n, source):
    """The mailbox of user "big": n messages, or those of the Maildir source by Dovecot's import."""
    if source is None:
        fill_maildir(dovecot.folder / "mail/big/Maildir", n)
    else:
        world.run("doveadm", "-c", dovecot.config, "-o", "mail_fsync=never", "import", "-u", "big",
                  f"maildir:{source}", "", "all")
    imap = Imap("big")
    imap.must("SELECT INBOX")
    imap.must("FETCH 1:* (ENVELOPE FLAGS)")
    got = imap.must("STATUS INBOX (MESSAGES UNSEEN)")
    counts = re.search(rb"MESSAGES (\d+) UNSEEN (\d+)", got)
    if int(counts[1]) < n or int(counts[1]) - int(counts[2]) != n - UNREAD:
        raise RuntimeError(f"the rival's mailbox is not as wanted: {got!r}")
    imap.must("LOGOUT")


def their_figures(ctx, dovecot, n):
    def ask(command, times):
        return ctx.tools.run("imap_load", "-n", times, "127.0.0.1", rivals.IMAPS_PORT, "big", "ask",
                             command, secret=rivals.PASSWORD)["p50_ms"]
    imap, lmtp, checks = Imap("big"), Lmtp(), []
    body = content(4096)
    for _ in range(ctx.checks):
        lmtp.deliver("big", body)
        checks.append(imap.timed(b"a STATUS INBOX (MESSAGES UNSEEN)\r\n", TAGGED))
    imap.must("LOGOUT")
    first = max(1, n - 999)
    # Once untimed: the index learns of the deliveries above.
    ask(f"FETCH {first}:{n} (ENVELOPE FLAGS)", 1)
    return {"check": measure.median(checks),
            "index": ask(f"FETCH {first}:{n} (ENVELOPE FLAGS)", 20),
            "fetch": ask(f"FETCH {n // 2} BODY.PEEK[]", 300),
            "unread": ask("SEARCH UNSEEN", 50)}


def our_figures(ctx, d):
    import immp

    def ask(command, times):
        return ctx.tools.run("immp_load", "-n", times, d.ip, world.IMMP_PORT, "u0@b.test", "ask",
                             command, secret=part_local.SECRET)["p50_ms"]
    c = immp.session(d, "u0@b.test", part_local.SECRET)
    talk, other = Talk.__new__(Talk), immp.session(d, "u0@b.test", part_local.SECRET)
    talk.sock = c.sock
    middle = c.index("/inbox", "LIMIT 1")[0]["_id"]
    checks, body = [], content(4096)
    end = re.compile(rb"(^|\n)[247]\d\d [^\n]*\n")
    for _ in range(ctx.checks):
        other.deliver("u0@b.test", body)
        checks.append(talk.timed(b"MBOX CHECK /inbox\n", end))
    for x in (c, other):
        x.close()
    return {"check": measure.median(checks),
            "index": ask("MBOX INDEX /inbox +JSON +REVERSE LIMIT 1000", 20),
            "fetch": ask(f"MBOX FETCH /inbox#{middle} -READ", 300),
            "unread": ask("MBOX INDEX /inbox:unread", 50)}


def fill_ours(ctx, name, n, octets=4096, timeout=600):
    d = part_local.lone_daemon(ctx, name, 1)
    d.stop()
    ctx.tools.run("fill", d.folder / "data", "u0@b.test", n, octets, UNREAD, timeout=timeout)
    return d


def deliveries(ctx, tool, *words, **kw):
    """Into the big mailbox from 8 connections, a second."""
    return ctx.tools.run(tool, "-c", 8, "-t", ctx.seconds(2), *words, **kw)["per_s"]


def one_size(ctx, authority, n):
    d = fill_ours(ctx, f"mailbox-{n}", n)
    rows, ours, theirs, source, rates = [], [], {}, None, {}
    d.start()
    try:
        for location in rivals.LOCATIONS[:1] if ctx.smoke else rivals.LOCATIONS:
            kind = location.split(":")[0]
            folder = ctx.folder(f"mailbox-{n}-{kind}")
            with rivals.Dovecot(folder, authority, location) as dovecot:
                fill_dovecot(dovecot, n, source)
                source = folder / "mail/big/Maildir"
                a, theirs[kind] = measure.alternate(ctx.turns(3), lambda: our_figures(ctx, d),
                                                    lambda: their_figures(ctx, dovecot, n))
                ours += a
                if not ctx.smoke:
                    rates[f"{kind}_per_s"] = deliveries(ctx, "lmtp_load", "127.0.0.1",
                                                        rivals.LMTP_PORT, "big@b.test")
        if not ctx.smoke:
            rates["ours_per_s"] = deliveries(ctx, "immp_load", d.ip, world.IMMP_PORT, "u0@b.test",
                                             "deliver", secret=part_local.SECRET)
    finally:
        d.stop()
    for what in ("check", "index", "fetch", "unread"):
        a = measure.median([r[what] for r in ours])
        row = {"what": what, "messages": n, "ours_ms": a, "ours_runs": [r[what] for r in ours]}
        for kind, runs in theirs.items():
            b = measure.median([r[what] for r in runs])
            row[f"{kind}_ms"], row[f"{kind}_runs"] = b, [r[what] for r in runs]
            row[f"{kind}_ratio"] = round(b / a, 2)
        rows.append(row)
        measure.say(f"  {n:7} messages, {what:6}: ours {a:8.3f} ms   " + "   ".join(
            f"{k} {row[k + '_ms']:8.3f} ms ×{row[k + '_ratio']:.1f}" for k in theirs))
    if rates:
        rows.append({"what": "deliver", "messages": n, **rates})
        measure.say(f"  {n:7} messages, deliver from 8 connections, a second: {rates}")
    return rows


def run(ctx):
    authority = world.Authority(ctx.folder("ca"))
    ctx.checks = 10
    rows = []
    for n in ctx.choice("messages", (10000,) if ctx.smoke else MESSAGES):
        rows += one_size(ctx, authority, n)
    return rows
