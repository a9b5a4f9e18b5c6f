# SPDX-License-Identifier: MIT
"""Two Postfix, a.test handing on to b.test over TLS, b.test to Dovecot's LMTP. Postfix insists on
being started by root, and all else here is not: so a part of the benchmark stays root, in the same
namespace, and knows two words, "up" and "down", said over a socket."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

import world

PORT = 2525

# No DNS, no slowing down of senders, connections and TLS sessions kept where Postfix can. Its
# queue is synced as always; that cannot be switched off.
MAIN = """compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log
maillog_file_prefixes = /
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mail.{domain}
mydestination =
local_recipient_maps =
relay_domains = b.test
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_tls_cert_file = {crt}
smtpd_tls_key_file = {key}
smtpd_tls_session_cache_database = btree:{dir}/data/smtpd_scache
smtp_tls_session_cache_database = btree:{dir}/data/smtp_scache
smtp_tls_connection_reuse = yes
alias_maps =
alias_database =
"""
ONE = {"a.test": "relayhost = [127.0.0.13]:2525\nsmtp_tls_security_level = encrypt\n",
       "b.test": "smtpd_tls_security_level = encrypt\n"
                 "relay_transport = lmtp:inet:127.0.0.1:{lmtp}\n"}
MASTER = """{ip}:2525 inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One Postfix; run by root."""

    def __init__(self, domain, folder, ca, lmtp_port):
        self.folder, self.ip = pathlib.Path(folder), world.ADDRESSES[domain]
        shutil.rmtree(self.folder, ignore_errors=True)
        config = self.folder / "etc"
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir(parents=True)
        os.chmod(self.folder, 0o755)
        shutil.chown(self.folder / "data", "postfix")
        for end in ("crt", "key"):   # of the other user's CA
            shutil.copy(pathlib.Path(ca) / f"{domain}.{end}", config)
            os.chmod(config / f"{domain}.{end}", 0o600)
        (config / "main.cf").write_text(
            MAIN.format(dir=self.folder, ip=self.ip, domain=domain, crt=config / f"{domain}.crt",
                        key=config / f"{domain}.key") + ONE[domain].format(lmtp=lmtp_port))
        (config / "master.cf").write_text(MASTER.format(ip=self.ip))
        world.run("postfix", "-c", config, "check")
        self.process = world.Process(["/usr/lib/postfix/sbin/master", "-d", "-c", config],
                                     self.folder / "out")

    def wait(self):
        world.wait_for("postfix", lambda: world.listening(self.ip, PORT), 20)


def serve(sock, folder, lmtp_port):
    """Root's side, until the other hangs up."""
    running = []
    for line in sock.makefile("r"):
        try:
            if line == "up\n":
                running = [Postfix(d, folder / f"postfix-{d}", folder / "ca", lmtp_port)
                           for d in ("a.test", "b.test")]
                for p in running:
                    p.wait()
                answer = {"pids": [p.process.pid for p in running]}
            else:
                for p in running:
                    p.process.stop()
                running, answer = [], {}
        except (OSError, RuntimeError, TimeoutError) as e:
            answer = {"error": str(e)}
        sock.sendall(json.dumps(answer).encode() + b"\n")
    for p in running:
        p.process.stop()


class Helper:
    """The other side."""

    def __init__(self, sock):
        self.sock, self.lines = sock, sock.makefile("r")

    def say(self, word):
        self.sock.sendall(word.encode() + b"\n")
        answer = json.loads(self.lines.readline())
        if "error" in answer:
            raise RuntimeError(f"postfix: {answer['error']}")
        return answer


def split(user, folder, lmtp_port):
    """As root: fork. The child becomes the user and gets a Helper; the parent serves it, and ends
    with its status."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        return Helper(theirs)
    theirs.close()
    serve(ours, folder, lmtp_port)
    _, status = os.waitpid(pid, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def send(n, octets, users):
    """n messages from 20 sessions, to users u0, u1, … of b.test, each by a smtp-source of its own."""
    sources = [subprocess.Popen(
        ["smtp-source", "-s", str(20 // users), "-l", str(octets), "-m", str(n // users), "-f",
         "bench@a.test", "-t", f"u{i}@b.test", f"{world.ADDRESSES['a.test']}:{PORT}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for i in range(users)]
    for s in sources:
        text = s.communicate(timeout=120)[0]
        if s.returncode != 0:
            raise RuntimeError(f"smtp-source: {text[-300:]}")
