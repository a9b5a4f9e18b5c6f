# SPDX-License-Identifier: MIT
"""A small world of real parts: XMPP servers (Prosody, ejabberd) with TLS between them by a CA of
their own, and an immpd beside each. Used by the end-to-end tests and by the demo; runs inside
tests/e2e/enter. Everything it starts it ends, by pid."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

ADDRESSES = {"a.test": "127.0.0.12", "b.test": "127.0.0.13", "c.test": "127.0.0.14",
             "d.test": "127.0.0.15", "evil.test": "127.0.0.16"}
SECRET = "component-secret"
IMMP_PORT = 1025


def wait_for(what, condition, seconds=20, every=0.05):
    """Poll until condition() is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)


def listening(address, port):
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def run(*argv, check=True, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.STDOUT)
    kw.setdefault("text", True)
    done = subprocess.run([str(a) for a in argv], **kw)
    if check and done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed ({done.returncode}): {done.stdout}")
    return done


class Process:
    """A child in a process group of its own, ended with it."""

    def __init__(self, argv, log, env=None):
        self.log = pathlib.Path(log)
        with open(log, "ab") as out:
            self.child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, env=env, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        if self.alive():
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def stop(self, seconds=10):
        """SIGTERM, and SIGKILL for what does not end. The exit status."""
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.child.returncode

    def text(self):
        return self.log.read_text(errors="replace")


class Authority:
    """A CA, and a P-256 certificate for each domain and what is below it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.crt"
        if not self.certificate.exists():
            self._key("ca")
            run("openssl", "req", "-x509", "-new", "-key", self.folder / "ca.key", "-days", "30",
                "-subj", "/CN=Test CA", "-out", self.certificate)

    def _key(self, name):
        run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out",
            self.folder / f"{name}.key")

    def issue(self, domain):
        crt = self.folder / f"{domain}.crt"
        if not crt.exists():
            self._key(domain)
            csr, ext = self.folder / f"{domain}.csr", self.folder / f"{domain}.ext"
            ext.write_text(f"subjectAltName=DNS:{domain},DNS:*.{domain}\n")
            run("openssl", "req", "-new", "-key", self.folder / f"{domain}.key", "-subj",
                f"/CN={domain}", "-out", csr)
            run("openssl", "x509", "-req", "-in", csr, "-CA", self.certificate, "-CAkey",
                self.folder / "ca.key", "-CAcreateserial", "-days", "30", "-extfile", ext,
                "-out", crt)
        return crt, self.folder / f"{domain}.key"


PROSODY = """pidfile = "{dir}/pid"; data_path = "{dir}/data"; certificates = "{ca}"; daemonize = false
use_ipv6 = false
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{dir}/prosody.log" }} }}
interfaces = {{ "{ip}" }}; c2s_ports = {{ 5222 }}; s2s_ports = {{ 5269 }}
component_interfaces = {{ "{ip}" }}; component_ports = {{ 5347 }}; http_ports = {{}}; https_ports = {{}}
modules_enabled = {{ "disco", "roster", "saslauth", "tls", "dialback", "ping", "presence",
    "message", "iq", "offline", "register", "vcard"{modules} }}
authentication = "internal_hashed"
c2s_require_encryption = false; allow_unencrypted_plain_auth = true -- loopback only
unbound = {{ hoststxt = "/etc/hosts", resolvconf = false }}
s2s_require_encryption = true; s2s_secure_auth = true; ssl = {{ cafile = "{ca}/ca.crt" }}
{extra}
VirtualHost "{domain}"
Component "immp.{domain}"
    component_secret = "{secret}"
{components}
"""

EJABBERD = """loglevel: info
hosts: ["{domain}"]
certfiles: ["{dir}/{domain}.pem"]
ca_file: "{ca}/ca.crt"
auth_password_format: plain
listen:
  - {{port: 5222, ip: "{ip}", module: ejabberd_c2s, starttls: false, shaper: none}}
  - {{port: 5269, ip: "{ip}", module: ejabberd_s2s_in, max_stanza_size: 524288, shaper: none}}
  - port: 5347
    ip: "{ip}"
    module: ejabberd_service
    global_routes: false
    hosts:
      immp.{domain}: {{password: "{secret}"}}
{components}
s2s_use_starttls: required
outgoing_s2s_families: [ipv4]
s2s_max_retry_delay: 1
acl: {{admin: {{user: ["admin@{domain}"]}}, local: {{user_regexp: ""}}}}
access_rules: {{local: {{allow: local}}, pubsub_createnode: {{allow: all}}}}
modules:
  mod_disco: {{}}
  mod_roster: {{}}
  mod_ping: {{}}
  mod_s2s_dialback: {{}}
  mod_offline: {{}}
"""


class XmppServer:
    """One real server for one domain. components: {jid: secret} beside immp.DOMAIN."""

    def __init__(self, kind, domain, folder, authority, extra="", modules="", components=None):
        self.kind, self.domain = kind, domain
        self.ip = ADDRESSES[domain]
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "server.out"
        self.process = None
        crt, key = authority.issue(domain)
        more = "".join(f'Component "{jid}"\n    component_secret = "{s}"\n' if kind == "prosody"
                       else f'      {jid}: {{password: "{s}"}}\n'
                       for jid, s in (components or {}).items())
        values = dict(dir=self.folder, ca=authority.folder, domain=domain, ip=self.ip,
                      secret=SECRET, extra=extra, components=more.rstrip("\n"), modules=modules)
        if kind == "prosody":
            (self.folder / "data").mkdir(exist_ok=True)
            self.config = self.folder / "prosody.cfg.lua"
            self.config.write_text(PROSODY.format(**values))
        else:
            pem = self.folder / f"{domain}.pem"
            pem.write_text(key.read_text() + crt.read_text() + authority.certificate.read_text())
            self.config = self.folder / "ejabberd.yml"
            self.config.write_text(EJABBERD.format(**values))

    def start(self):
        if self.kind == "prosody":
            self.process = Process(["prosody", "--config", self.config, "-F"], self.log)
            return self
        (self.folder / "logs").mkdir(exist_ok=True)
        env = dict(os.environ, HOME=str(self.folder), ERL_LIBS=_erlang_libraries(),
                   EJABBERD_CONFIG_PATH=str(self.config), ERL_CRASH_DUMP_BYTES="0",
                   EJABBERD_LOG_PATH=str(self.folder / "logs" / "ejabberd.log"))
        self.process = Process(["erl", "+K", "true", "+S", "2", "-mnesia", "dir",
                                f'"{self.folder}/spool"', "-noinput", "-s", "ejabberd"],
                               self.log, env=env)
        return self

    def wait(self, seconds=40):
        def up():
            if not self.process.alive():
                raise RuntimeError(f"{self.kind} {self.domain} ended: {self.process.text()[-2000:]}")
            return listening(self.ip, 5347) and listening(self.ip, 5269)
        wait_for(f"{self.kind} of {self.domain}", up, seconds)
        return self

    def stop(self):
        if self.process is not None:
            # Nothing of a test world is worth waiting for while Erlang ends in its own time.
            self.process.kill() if self.kind == "ejabberd" else self.process.stop(5)


def _erlang_libraries():
    for folder in pathlib.Path("/usr/lib").glob("*-linux-gnu*"):
        if list(folder.glob("ejabberd-[0-9]*")):
            return str(folder)
    raise RuntimeError("ejabberd is not installed")


CONFIG = """data-dir = "{dir}/data"
listen {{ address = "{ip}" port = {port} }}
log    {{ target = "stderr" level = "{level}" }}
domain "{domain}" {{
  component {{ jid = "immp.{domain}" server = "{server}" port = {server_port} secret-file = "{domain}.secret" }}
  admins    = {{ "admin@{domain}" }}
  retry     {{ schedule = "{schedule}" expire = "{expire}" }}
{extra}
}}
"""


class Daemon:
    """An immpd for a domain; the programs are those of a build folder."""

    def __init__(self, domain, folder, build, server=None, server_port=5347, level="debug",
                 schedule="1s 2s 5s", expire="5d", extra="", immpd="immpd", env=None):
        self.domain, self.build = domain, pathlib.Path(build)
        self.immpd, self.env = immpd, env or {}
        self.ip = ADDRESSES[domain]
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "immpd.conf"
        self.values = dict(dir=self.folder, ip=self.ip, port=IMMP_PORT, level=level, domain=domain,
                           server=server or self.ip, server_port=server_port, schedule=schedule,
                           expire=expire, extra=extra)
        (self.folder / f"{domain}.secret").write_text(SECRET + "\n")
        self.configure()
        self.log = self.folder / "immpd.log"
        self.process = None

    def configure(self, **changes):
        self.values.update(changes)
        self.config.write_text(CONFIG.format(**self.values))

    def program(self, name):
        return self.build / name

    def start(self, wait=True):
        self.process = Process([self.program(self.immpd), "-c", self.config], self.log,
                               env={**os.environ, **self.env})
        if wait:
            self.wait()
        return self

    def wait(self):
        def up():
            if not self.process.alive():
                raise RuntimeError(f"immpd of {self.domain} ended:\n{self.process.text()[-3000:]}")
            return listening(self.ip, IMMP_PORT) and (self.folder / "data/immpd.sock").exists()
        wait_for(f"immpd of {self.domain}", up, 20)

    def link(self):
        return self.status()["links"][0]["state"]

    def wait_link(self, seconds=30):
        wait_for(f"link of {self.domain}", lambda: self.link() == "up", seconds)
        return self

    def stop(self):
        return self.process.stop() if self.process is not None else None

    def kill(self):
        self.process.kill()

    def ctl(self, *words, secret=None, check=True):
        kw = {"input": secret + "\n"} if secret is not None else {"stdin": subprocess.DEVNULL}
        return run(self.program("immpctl"), "-c", self.config, *words, check=check, **kw)

    def ctl_json(self, *words):
        return json.loads(self.ctl("--json", *words).stdout)

    def status(self):
        done = self.ctl("--json", "status", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {"links": [{"state": "?"}]}

    def add_account(self, address, secret):
        self.ctl("account", "add", address, secret=secret)

    def queue(self):
        return self.ctl_json("queue", "list")

    def log_text(self):
        return self.log.read_text(errors="replace")


class Tap:
    """A proxy on a component link that keeps what passes and may change it: hook(direction, bytes).
    "out" is from the daemon to its server, "in" the reverse."""

    def __init__(self, address, port, to_address, to_port, hook=None):
        self.hook, self.to = hook, (to_address, to_port)
        self.seen = {"in": bytearray(), "out": bytearray()}
        self.listener = socket.create_server((address, port))
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.to)
            except OSError:
                client.close()
                continue
            self.open += [client, server]
            for direction, a, b in (("out", client, server), ("in", server, client)):
                threading.Thread(target=self._pump, args=(direction, a, b), daemon=True).start()

    def _pump(self, direction, a, b):
        try:
            while data := a.recv(65536):
                self.seen[direction] += data
                if self.hook:
                    data = self.hook(direction, data)
                b.sendall(data)
        except OSError:
            pass
        _hang_up(a, b)

    def cut(self):
        _hang_up(*self.open)
        self.open = []

    def close(self):
        _hang_up(self.listener)  # wakes the thread in accept(), which holds the port
        self.listener.close()
        self.cut()


def _hang_up(*sockets):
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class World:
    """Domains with a server and a daemon each: World(folder, build, {"a.test": "prosody", …}).
    tapped: the domains whose component link passes a Tap. daemon, server: options by domain."""

    def __init__(self, folder, build, servers, tapped=(), daemon=None, server=None):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(self.folder / "ca")
        self.servers, self.daemons, self.taps = {}, {}, {}
        for domain, kind in servers.items():
            self.servers[domain] = XmppServer(kind, domain, self.folder / f"{domain}.server",
                                              self.authority, **((server or {}).get(domain, {})))
            options = dict((daemon or {}).get(domain, {}))
            if domain in tapped:
                ip = ADDRESSES[domain]
                self.taps[domain] = Tap(ip, 5348, ip, 5347)
                options["server_port"] = 5348
            self.daemons[domain] = Daemon(domain, self.folder / f"{domain}.immpd", build, **options)

    def start(self):
        for s in self.servers.values():
            s.start()
        for s in self.servers.values():
            s.wait()
        for d in self.daemons.values():
            d.start()
        for d in self.daemons.values():
            d.wait_link()
        return self

    def stop(self):
        for part in (self.daemons, self.servers):
            for p in part.values():
                p.stop()
        for t in self.taps.values():
            t.close()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exc):
        self.stop()
