# SPDX-License-Identifier: MIT
"""The demo: two domains, each a real XMPP server and a gateway, on loopback; alice's message to
bob, told step by step. Run by ./quickstart demo inside tests/e2e/enter."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import world

BOLD, DIM, GREEN, OFF = ("\033[1m", "\033[2m", "\033[32m", "\033[0m") \
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "", "", "")
SECRETS = {"alice@a.test": "wonder land", "bob@b.test": "can we fix it"}


def say(text):
    print(f"\n{BOLD}{text}{OFF}", flush=True)


def show(text, indent="    "):
    for line in text.rstrip("\n").splitlines():
        print(f"{DIM}{indent}{line}{OFF}", flush=True)


def immp(daemon, folder, who, *argv, data=None):
    """The user's own client, with its output shown."""
    print(f"  $ immp -a {who} {' '.join(argv)}", flush=True)
    env = dict(os.environ, IMMP_SECRET=SECRETS[who], XDG_CONFIG_HOME=str(folder / who),
               HOME=str(folder / who))
    done = subprocess.run([daemon.program("immp"), "-a", who, "-s",
                           f"{daemon.ip}:{world.IMMP_PORT}", *argv], env=env, input=data, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    show(done.stdout)
    if done.returncode != 0:
        raise RuntimeError(f"immp ended with {done.returncode}")
    return done.stdout


def armored(data, element):
    m = re.search(rb"<" + element + rb"[ >].*?</" + element + rb">", bytes(data), re.S)
    return m.group(0).decode() if m else ""


def shorten(text, head=6, tail=2):
    lines = re.sub(r"(.{96}).{20,}", r"\1…", text.replace("&#10;", "\n")).splitlines()
    if len(lines) > head + tail + 1:
        lines = lines[:head] + [f"… {len(lines) - head - tail} more lines …"] + lines[-tail:]
    return "\n".join(lines)


def story(w, folder):
    a, b = w.daemons["a.test"], w.daemons["b.test"]
    for d, who in ((a, "alice@a.test"), (b, "bob@b.test")):
        d.add_account(who, SECRETS[who])
        print(f"  $ immpctl account add {who}", flush=True)

    say("alice hands a message to her domain's endpoint, over TLS")
    immp(a, folder, "alice@a.test", "send", "-S", "Tea at four", "bob@b.test",
         data="Dear Bob,\nthe kettle is on. Bring the biscuits.\nAlice\n")

    say("it crosses the two XMPP servers as this, and nothing else is seen of it")
    tap = w.taps["b.test"]
    world.wait_for("the seal", lambda: armored(tap.seen["in"], b"seal"))
    show(shorten(armored(tap.seen["in"], b"seal")))
    if b"kettle" in bytes(tap.seen["in"]) or b"Tea at four" in bytes(tap.seen["in"]):
        raise RuntimeError("the message was seen in clear")

    say("b.test answers with a signed receipt; only that takes it off a.test's queue")
    world.wait_for("the receipt", lambda: armored(tap.seen["out"], b"receipt"))
    receipt = armored(tap.seen["out"], b"receipt")
    show(shorten(receipt))
    text = re.search(r"-----BEGIN CMS-----.*-----END CMS-----", receipt, re.S).group(0)
    cert = folder / "b.sign.crt"
    cert.write_text(b.ctl_json("key", "show")[0]["sign-certificate"])
    print("  $ openssl cms -verify -certfile b.sign.crt …", flush=True)
    opened = subprocess.run(["openssl", "cms", "-verify", "-inform", "PEM", "-binary", "-noverify",
                             "-nointern", "-certfile", str(cert)], input=text + "\n", text=True,
                            capture_output=True)
    show(opened.stdout)
    if opened.returncode != 0:
        raise RuntimeError("the receipt's signature does not hold")
    world.wait_for("the queue to empty", lambda: a.queue() == [])
    print("  $ immpctl queue list", flush=True)
    show(a.ctl("queue", "list").stdout)

    say("bob's mailbox")
    immp(b, folder, "bob@b.test", "check")
    immp(b, folder, "bob@b.test", "list")
    read = immp(b, folder, "bob@b.test", "read", "latest")
    if "the kettle is on" not in read:
        raise RuntimeError("bob has not got the message")


def main():
    ap = argparse.ArgumentParser(prog="quickstart demo")
    ap.add_argument("--server", choices=["prosody", "ejabberd", "both"], default="prosody")
    ap.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    ap.add_argument("--build", required=True, help=argparse.SUPPRESS)
    o = ap.parse_args()
    kinds = {"prosody": ("prosody", "prosody"), "ejabberd": ("ejabberd", "ejabberd"),
             "both": ("prosody", "ejabberd")}[o.server]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="immp-demo-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    say(f"two domains: a.test on {kinds[0]}, b.test on {kinds[1]}, an immpd beside each")
    try:
        with world.World(folder, o.build, dict(zip(("a.test", "b.test"), kinds)),
                         tapped=["b.test"]) as w:
            print(f"  up after {time.monotonic() - began:.1f} s", flush=True)
            story(w, folder)
            say(f"{GREEN}done{OFF}{BOLD} in {time.monotonic() - began:.1f} s")
            if o.keep:
                for d in w.daemons.values():
                    print(f"  {d.domain}: endpoint {d.ip}:{world.IMMP_PORT}, "
                          f"immpctl -c {d.config}", flush=True)
                print("  to get in:  nsenter -t", os.getpid(), "-m -n -U  (Ctrl-C ends all)", flush=True)
                signal.pause()
    except KeyboardInterrupt:
        print()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
