# SPDX-License-Identifier: MIT
"""Dovecot, and Postfix, each with folders and ports of its own on loopback. What is tuned for them
stands here, and docs/performance.md tells it."""

import grp
import os
import pathlib
import pwd

import world

IMAPS_PORT, LMTP_PORT = 9993, 9024
PASSWORD = "bench"
LOCATIONS = ("maildir:~/Maildir", "sdbox:~/sdbox")

# Dovecot as its manual says for speed: login processes that serve many connections each and are
# there before they are needed, mail processes that are used again, no statistics kept. fsync is as
# its default says (optimized: whenever mail would be lost without), which LMTP obeys.
DOVECOT = """base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_process_limit = 1200
default_client_limit = 4000
ssl = yes
ssl_cert = <{crt}
ssl_key = <{key}
ssl_options = no_ticket
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
auth_mechanisms = plain
auth_cache_size = 10M
auth_cache_ttl = 1 hour
mail_fsync = optimized
mail_location = {location}
mail_max_userip_connections = 0
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={dir}/mail/%n
}}
protocol lmtp {{
  postmaster_address = postmaster@b.test
  auth_username_format = %n
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  {login}
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  {imap}
}}
service lmtp {{
  {lmtp}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service auth {{
  client_limit = 5000
}}
"""
TUNED = {"login": "service_count = 0\n  process_min_avail = 2\n  client_limit = 2000",
         "imap": "service_count = 1000\n  process_min_avail = 4",
         "lmtp": "service_count = 0\n  process_min_avail = 8"}
DEFAULT = {"login": "", "imap": "", "lmtp": ""}


class Dovecot:
    """One Dovecot. location: "maildir:~/Maildir" or "sdbox:~/sdbox"."""

    def __init__(self, folder, authority, location="sdbox:~/sdbox", tuned=True):
        self.folder = pathlib.Path(folder)
        for name in ("run", "state", "mail"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        crt, key = authority.issue("b.test")
        user = pwd.getpwuid(os.getuid()).pw_name
        self.config = self.folder / "dovecot.conf"
        self.config.write_text(DOVECOT.format(
            dir=self.folder, user=user, group=grp.getgrgid(os.getgid()).gr_name, crt=crt, key=key,
            location=location, password=PASSWORD, imaps=IMAPS_PORT, lmtp_port=LMTP_PORT,
            **(TUNED if tuned else DEFAULT)))
        self.location, self.process = location, None

    def __enter__(self):
        self.process = world.Process(["dovecot", "-F", "-c", self.config], self.folder / "out")
        world.wait_for("dovecot", self._up, 20)
        return self

    def _up(self):
        if not self.process.alive():
            raise RuntimeError(f"dovecot ended: {self.process.text()} {self._log()}")
        return world.listening("127.0.0.1", LMTP_PORT) and world.listening("127.0.0.1", IMAPS_PORT)

    def _log(self):
        log = self.folder / "dovecot.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def __exit__(self, *exc):
        self.process.stop()

    @property
    def pid(self):
        return self.process.pid
