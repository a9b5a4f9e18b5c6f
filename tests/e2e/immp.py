# SPDX-License-Identifier: MIT
"""An IMMP client written from docs/immp.md alone: it shares nothing with the C code."""

import hashlib
import re
import socket
import ssl
import unicodedata
import uuid


class Refused(Exception):
    """A 4xx or 7xx where success was wanted."""

    def __init__(self, replies):
        self.replies = replies
        self.code = replies[-1].code
        super().__init__(" / ".join(str(r) for r in replies))


class Reply:
    def __init__(self, line):
        m = re.fullmatch(r"(?:([A-Za-z0-9._*-]{1,32}): )?(\d{3})(-?) ?(.*)", line)
        if not m:
            raise ValueError(f"no reply line: {line!r}")
        self.pipeline, self.code, self.more, self.text = (m[1] or "", int(m[2]), m[3] == "-", m[4])
        self.octets = None

    def __str__(self):
        return f"{self.pipeline + ': ' if self.pipeline else ''}{self.code}{'-' if self.more else ''} {self.text}"


class Client:
    def __init__(self, host, port=1025, timeout=20, source=None):
        self.sock = socket.create_connection((host, port), timeout=timeout,
                                             source_address=source and (source, 0))
        self.buf = b""
        self.greeting = [self.reply() for _ in range(1)]
        while self.greeting[-1].code != 101:
            self.greeting.append(self.reply())

    # ---- bytes
    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def _fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the server has closed the connection")
        self.buf += data

    def line(self):
        while b"\n" not in self.buf:
            self._fill()
        line, self.buf = self.buf.split(b"\n", 1)
        return line.decode()

    def octets(self, n):
        while len(self.buf) < n:
            self._fill()
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def reply(self):
        r = Reply(self.line())
        m = re.search(r"length=(\d+)$", r.text) if r.code in (251, 231) else None
        if m:
            r.octets = self.octets(int(m[1]))
            assert self.octets(1) == b"\n", "octets are followed by LF"
        return r

    # ---- commands
    def replies(self):
        """The lines of one reply."""
        out = [self.reply()]
        while out[-1].more or 300 <= out[-1].code < 400:
            out.append(self.reply())
        return out

    def ask(self, line):
        self.send(line + "\n")
        return self.replies()

    def must(self, line):
        out = self.ask(line)
        if out[-1].code >= 400:
            raise Refused(out)
        return out

    def upgrade(self, version="TLS3"):
        self.must(f"UPGRADE {version}")
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
        want = {"TLS2": ssl.TLSVersion.TLSv1_2, "TLS3": ssl.TLSVersion.TLSv1_3}[version]
        ctx.minimum_version = ctx.maximum_version = want
        assert not self.buf, "nothing may follow the 204 in clear"
        self.sock = ctx.wrap_socket(self.sock)
        return self

    def login(self, account, password, verb="AUTH"):
        self.send(f'{verb} SECRET {account} "test"\n')
        first, nonces = self.reply(), None
        if first.code != 302:
            raise Refused([first])
        nonces = self.reply()
        assert nonces.code == 303
        v = dict(w.split("=", 1) for w in nonces.text.split())
        import base64
        h = hashlib.scrypt(unicodedata.normalize("NFC", password).encode(),
                           salt=base64.b64decode(v["s"]), n=int(v["N"]), r=int(v["r"]),
                           p=int(v["p"]), dklen=32, maxmem=256 * 1024 * 1024).hex()
        k = hashlib.sha1((h + v["n1"] + v["n2"]).encode()).hexdigest()
        self.must(f"AUTH RESPONSE {k}")
        return self

    def deliver(self, to, body, subject=None, id=None, parts=(), switches="", type="text/plain"):
        """Deliver by LENGTH; the lines of DONE's reply. parts: (name, type, bytes)."""
        to = [to] if isinstance(to, str) else to
        words = "DELIVER " + " ".join(f"TO {t}" for t in to)
        if subject is not None:
            words += f' SUBJECT "{subject}"'
        if id is not None:
            words += f" ID {id}"
        self.must(f"{words} {switches}")
        for name, mime, data, flag in [("body", type, body, "+CONTENT")] + \
                [(n, t, d, "") for n, t, d in parts]:
            data = data.encode() if isinstance(data, str) else data
            self.send(f'DATA "{name}" TYPE {mime} LENGTH {len(data)} {flag}\n')
            self.send(data)
            for want in (271, 272):
                r = self.reply()
                if r.code != want:
                    raise Refused([r])
        return self.ask("DONE")

    def quit(self):
        out = self.ask("QUIT")
        self.sock.close()
        return out

    def close(self):
        self.sock.close()

    # ---- mailbox
    def check(self, folder="/inbox", switches=""):
        """{folder: (unread, total)}"""
        out = {}
        for r in self.must(f"MBOX CHECK {folder} {switches}"):
            m = re.fullmatch(r"(.*):\* u=(\d+) t=(\d+)", r.text)
            out[m[1]] = (int(m[2]), int(m[3]))
        return out

    def index(self, folder="/inbox", switches=""):
        import json
        out = self.must(f"MBOX INDEX {folder} +JSON {switches}")
        assert out[-1].text == f"{len(out) - 1} messages", out[-1]
        return [json.loads(r.text) for r in out[:-1]]

    def fetch(self, folder, id, switches="-READ"):
        r = self.must(f"MBOX FETCH {folder}#{id} {switches}")
        return r[0].octets if r[0].octets is not None else r[0].text


def session(daemon, account, password, version="TLS3"):
    return Client(daemon.ip).upgrade(version).login(account, password)


def new_id():
    return str(uuid.uuid4())
