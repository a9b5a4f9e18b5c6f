# SPDX-License-Identifier: MIT
"""A gateway of another make: slixmpp for the component, openssl(1) for every seal. Written from
docs/xmpp.md alone; it shares nothing with the C code. It keeps no mailboxes: what comes is in
.received, and .answer decides what its receipts say."""

import asyncio
import base64
import datetime
import hashlib
import json
import pathlib
import subprocess
import threading
import uuid
import xml.etree.ElementTree as ET

from slixmpp.componentxmpp import ComponentXMPP

NS = "urn:immp:xmpp:1"


def openssl(*argv, data=None):
    done = subprocess.run(["openssl", *[str(a) for a in argv]], input=data, capture_output=True)
    if done.returncode != 0:
        raise ValueError(done.stderr.decode(errors="replace"))
    return done.stdout


def fingerprint(certificate):
    spki = openssl("x509", "-in", certificate, "-pubkey", "-noout")
    der = openssl("pkey", "-pubin", "-outform", "DER", data=spki)
    return "sha256:" + hashlib.sha256(der).hexdigest()


def now(delta=0):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=delta)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Keys:
    """A domain's two key pairs, by openssl(1)."""

    def __init__(self, domain, folder):
        self.domain, self.folder = domain, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for use, usage in (("sign", "digitalSignature"), ("encrypt", "keyAgreement")):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", self.key(use), "-out", self.certificate(use), "-days", "30",
                    "-subj", f"/CN={domain}", "-addext", f"subjectAltName=DNS:{domain}",
                    "-addext", f"keyUsage={usage}")

    def key(self, use):
        return self.folder / f"{use}.key"

    def certificate(self, use):
        return self.folder / f"{use}.crt"

    def element(self):
        parts = "".join(
            f"<certificate use='{u}' fingerprint='{fingerprint(self.certificate(u))}'>"
            f"{self.certificate(u).read_text()}</certificate>" for u in ("sign", "encrypt"))
        return ET.fromstring(f"<key xmlns='{NS}' domain='{self.domain}'>{parts}</key>")

    def sign(self, data, detached, *flags):
        """CMS SignedData in DER, signer by subject key identifier."""
        return openssl("cms", "-sign", "-binary", "-signer", self.certificate("sign"), "-inkey",
                       self.key("sign"), "-keyid", "-md", "sha256", "-outform", "DER",
                       *([] if detached else ["-nodetach"]), *(flags or ("-nocerts", "-nosmimecap")),
                       data=data)


def armor(der):
    return openssl("cms", "-cmsout", "-inform", "DER", "-outform", "PEM", data=der).decode()


class Seal:
    """A bundle under construction; every field can be made wrong on purpose."""

    def __init__(self, keys, origin, destination, time=None, id=None):
        self.keys, self.origin, self.destination = keys, origin, destination
        self.id, self.time, self.messages = id or str(uuid.uuid4()), time or now(), []

    def add(self, sender, to, body, id=None, **changes):
        body = body.encode() if isinstance(body, str) else body
        header = {"id": id or str(uuid.uuid4()), "kind": "message", "origin": self.origin,
                  "destination": self.destination, "from": sender,
                  "to": [to] if isinstance(to, str) else to, "date": now(), "for": [], "flags": [],
                  "hops": [], "parts": [{"name": "body", "type": "text/plain", "class": "content",
                                         "length": len(body),
                                         "sha256": hashlib.sha256(body).hexdigest()}]}
        header["for"] = header["to"]
        header.update(changes)
        self.messages.append((json.dumps(header), body))
        return header["id"]

    def bundle(self, signer=None):
        head = {"immp": "1.0", "bundle": self.id, "origin": self.origin,
                "destination": self.destination, "time": self.time,
                "messages": len(self.messages), "pad": ""}
        out = json.dumps(head).encode() + b"\n"
        for header, body in self.messages:
            sig = base64.b64encode((signer or self.keys).sign(header.encode(), True))
            out += header.encode() + b"\n" + sig + b"\n" + body
        return out

    def der(self, recipient_certificate, signer=None, bundle=None, flags=()):
        data = bundle if bundle is not None else self.bundle()
        inner = openssl("cms", "-encrypt", "-binary", "-aes-256-gcm", "-recip",
                        recipient_certificate, "-keyopt", "ecdh_kdf_md:sha256", "-aes256-wrap",
                        "-outform", "DER", data=data)
        return (signer or self.keys).sign(inner, False, *flags)


class Peer(ComponentXMPP):
    def __init__(self, domain, server_ip, folder, secret="component-secret", port=5347):
        asyncio.set_event_loop(asyncio.new_event_loop())  # ours; the thread takes it over
        super().__init__(f"immp.{domain}", secret, server_ip, port)
        assert self.loop is asyncio.get_event_loop()
        self.domain, self.folder = domain, pathlib.Path(folder)
        self.keys = Keys(domain, self.folder)
        self.received, self.answer = [], lambda peer, seal, results: results
        self.stanza_error = None      # or a condition: every seal is answered by it
        self.silent = False           # or every seal is left without an answer
        self.sealed = []              # the seal elements that came
        self.register_plugin("xep_0030")
        self["xep_0030"].add_feature(NS)
        self.register_handler(_callback("key", self._key))
        self.register_handler(_callback("seal", self._seal))
        self.up = threading.Event()
        self.add_event_handler("session_start", lambda _: self.up.set())

    # ---- running beside the test
    def start(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        if not self.up.wait(20):
            raise TimeoutError("the peer's component link is not up")
        return self

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.connect()
        self.loop.run_forever()

    def stop(self):
        self.call(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def _end(self):
        await self.disconnect()

    def call(self, coroutine, seconds=40):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    # ---- what comes
    def _key(self, iq):
        if iq["type"] != "get":
            return                    # an answer to a question of ours looks the same
        r = iq.reply()
        r.append(self.keys.element())
        r.send()

    def _seal(self, iq):
        element = iq.xml.find(f"{{{NS}}}seal")
        self.sealed.append(element)
        if self.silent:
            return
        r = iq.reply()
        if self.stanza_error is not None:
            r = iq.reply()
            r["type"] = "error"
            r["error"]["condition"] = self.stanza_error
            r["error"]["type"] = "cancel"
            r.send()
            return
        r.append(self.receipt(element))
        r.send()

    def open(self, text, signer_certificate):
        """The bundle in a seal, by openssl cms -verify and then -decrypt."""
        der = openssl("cms", "-verify", "-inform", "PEM", "-binary", "-noverify", "-certfile",
                      signer_certificate, "-nointern", data=text.encode())
        return openssl("cms", "-decrypt", "-inform", "DER", "-binary", "-inkey",
                       self.keys.key("encrypt"), "-recip", self.keys.certificate("encrypt"),
                       data=der)

    def receipt(self, element):
        origin = element.get("origin")
        bundle = self.open(element.text.strip() + "\n", self.folder / f"{origin}.sign.crt")
        head, _, rest = bundle.partition(b"\n")
        head = json.loads(head)
        results = []
        for _ in range(head["messages"]):
            header, _, rest = rest.partition(b"\n")
            signature, _, rest = rest.partition(b"\n")
            sig = self.folder / "message.sig"
            sig.write_bytes(base64.b64decode(signature))
            openssl("cms", "-verify", "-inform", "DER", "-in", sig, "-content", "/dev/stdin",
                    "-binary", "-noverify", "-nointern", "-certfile",
                    self.folder / f"{origin}.sign.crt", data=header)
            h = json.loads(header)
            parts = []
            for p in h["parts"]:
                data, rest = rest[:p["length"]], rest[p["length"]:]
                assert hashlib.sha256(data).hexdigest() == p["sha256"]
                parts.append(data)
            self.received.append((h, parts))
            results += [{"id": h["id"], "to": t, "code": 201, "text": "delivered"} for t in h["to"]]
        assert rest == b"", "nothing follows the last message"
        der = base64.b64decode("".join(l for l in element.text.splitlines() if "-----" not in l))
        text = {"bundle": element.get("bundle"), "sha256": hashlib.sha256(der).hexdigest(),
                "results": results}
        text = self.answer(self, element, text)
        out = ET.Element(f"{{{NS}}}receipt", bundle=element.get("bundle"))
        out.text = text if isinstance(text, str) else \
            armor(self.keys.sign(json.dumps(text).encode(), False))
        return out

    # ---- what goes
    async def _ask(self, kind, to, element):
        iq = self.make_iq(ito=to, ifrom=self.boundjid.bare)
        iq["type"] = kind
        iq.append(element)
        return await iq.send(timeout=30)

    def fetch_keys(self, domain):
        """Their certificates into files, as a gateway pins them at first contact."""
        answer = self.call(self._ask("get", f"immp.{domain}",
                                     ET.fromstring(f"<key xmlns='{NS}' domain='{domain}'/>")))
        for c in answer.xml.iter(f"{{{NS}}}certificate"):
            path = self.folder / f"{domain}.{c.get('use')}.crt"
            path.write_text(c.text)
            assert c.get("fingerprint") == fingerprint(path)
        return answer.xml

    def send_seal(self, domain, der, bundle, origin=None, destination=None, text=None):
        """The receipt's text, by openssl(1): a dict."""
        element = ET.Element(f"{{{NS}}}seal", bundle=bundle, origin=origin or self.domain,
                             destination=destination or domain)
        element.text = text if text is not None else armor(der)
        answer = self.call(self._ask("set", f"immp.{domain}", element))
        receipt = answer.xml.find(f"{{{NS}}}receipt")
        signed = openssl("cms", "-verify", "-inform", "PEM", "-binary", "-noverify", "-nointern",
                         "-certfile", self.folder / f"{domain}.sign.crt",
                         data=(receipt.text.strip() + "\n").encode())
        out = json.loads(signed)
        assert receipt.get("bundle") == bundle == out["bundle"]
        if der is not None:
            assert out["sha256"] == hashlib.sha256(der).hexdigest()
        return out


def _callback(name, fn):
    from slixmpp.xmlstream.handler import Callback
    from slixmpp.xmlstream.matcher import MatchXPath
    return Callback(name, MatchXPath(f"{{jabber:component:accept}}iq/{{{NS}}}{name}"), fn)
