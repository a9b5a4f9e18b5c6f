# SPDX-License-Identifier: MIT
"""What is to be reached: each a figure of one row of a part. at_least is of a ratio (how many times
better than the rival, in the same run), at_most of a figure as it stands. reached: a goal that is
missed, and what it came to; docs/performance.md tells why. A smoke run holds the ratios of its own,
shorter rows against half of the goal, or half of what was reached."""


class Goal:
    def __init__(self, text, part, where, value, at_least=None, at_most=None, unit="×",
                 reached=None):
        self.text, self.part, self.where, self.value = text, part, where, value
        self.at_least, self.at_most, self.unit = at_least, at_most, unit
        self.floor = None if at_least is None else min(at_least, reached or at_least) / 2

    def found(self, result):
        """The figure, or None: it was not measured."""
        for row in result.get(self.part, []):
            if all(row.get(k) in (v if isinstance(v, tuple) else (v,))
                   for k, v in self.where.items()):
                return row.get(self.value)
        return None

    def holds(self, value):
        return value >= self.at_least if self.at_least is not None else value <= self.at_most

    def wanted(self):
        return f"≥ {self.at_least:g}{self.unit}" if self.at_least is not None else \
            f"≤ {self.at_most:g}{self.unit}"


def _path(servers, octets, at_least):
    name = {"prosody": "Prosody, default", "tuned": "Prosody, tuned", "ejabberd": "ejabberd"}[servers]
    size = {512: "512 B", 4096: "4 KB"}[octets]
    return [Goal(f"domain to domain, {name}, {size}, {how}, beside the raw probe", "path",
                 {"servers": servers, "octets": octets}, f"{value}_ratio", at_least)
            for value, how in (("through", "handed in meanwhile"), ("drain", "from the queue"))]


MAILBOX = {"messages": (100000, 10000)}

GOALS = [
    *[Goal(f"DELIVER 4 KB, durable, {c} connections, beside Dovecot LMTP", "local",
           {"connections": c}, "ratio", 10, reached=6) for c in (8, 32)],
    *_path("prosody", 4096, 1.0), *_path("tuned", 4096, 1.3), *_path("tuned", 512, 1.5),
    *_path("ejabberd", 4096, 0.4),
    *[Goal(f"CPU of both daemons a 4 KB message, ejabberd, {how}", "path",
           {"servers": "ejabberd", "octets": 4096}, f"{value}_cpu_us", at_most=400, unit=" µs")
      for value, how in (("through", "handing in counted"), ("drain", "from the queue"))],
    Goal("domain to domain, 4 KB, beside Postfix to Postfix to Dovecot", "mail", {}, "ratio", 20),
    *[Goal(f"seal {what}, {size}, beside CMS_*", "seal", {"what": what, "octets": octets}, "ratio", 1)
      for what in ("make", "open") for octets, size in ((4096, "4 KB"), (1048576, "1 MB"))],
    Goal("logins with a full TLS handshake, beside tuned Dovecot", "login", {}, "ratio", 4,
         reached=1.8),
    Goal("memory of an idle logged-in TLS session, of 10,000", "memory", {"sessions": 10000},
         "kb_each", at_most=20, unit=" KB"),
    Goal("RSS at rest, 1,000,000 messages stored", "start", {"messages": 1000000}, "rss_kb",
         at_most=15000, unit=" KB"),
    Goal("start to link-up, 1,000,000 messages stored", "start", {"messages": 1000000}, "ms",
         at_most=100, unit=" ms"),
    Goal("CHECK after a delivery, beside STATUS, Maildir", "mailbox",
         {"what": "check", **MAILBOX}, "maildir_ratio", 100),
    *[Goal(f"{ours}, beside {theirs}, {kind}", "mailbox", {"what": what, **MAILBOX},
           f"{kind.lower()}_ratio", least)
      for what, ours, theirs, least in (("index", "INDEX of 1,000", "FETCH ENVELOPE", 2),
                                        ("fetch", "FETCH of 4 KB", "FETCH BODY", 1.5))
      for kind in ("Maildir", "sdbox")],
    # Not in small ones: theirs looks at each message behind the first unread one, ours at the unread.
    *[Goal(f"INDEX :unread, beside SEARCH UNSEEN, {kind}", "mailbox",
           {"what": "unread", "messages": 100000}, f"{kind.lower()}_ratio", 5)
      for kind in ("Maildir", "sdbox")],
]


def judge(result):
    """(goal, figure) of all that was measured. Mailboxes: the biggest one's row is last, so the
    rows are looked through from the end."""
    turned = {k: v[::-1] if isinstance(v, list) else v for k, v in result.items()}
    return [(g, v) for g in GOALS if (v := g.found(turned)) is not None]


def below_half(result):
    return [(g, v) for g, v in judge(result) if g.floor is not None and v < g.floor]
