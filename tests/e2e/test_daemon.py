# SPDX-License-Identifier: MIT
"""immpd as an operator meets it: faults of the configuration, servers that are away, signals,
restarts, and mail that waits for better times."""

import os
import signal
import socket
import subprocess
import time

import pytest

import world
from conftest import BUILD
from immp import Client, new_id, session


def immpd(*argv):
    return subprocess.run([BUILD / "immpd", *argv], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL)


@pytest.fixture
def daemon(tmp_path):
    """One immpd whose XMPP server is not there."""
    d = world.Daemon("a.test", tmp_path, BUILD)
    yield d
    if d.process is not None:
        d.process.kill()


# ---- configuration: one clear line with file and line

@pytest.mark.parametrize("text, line, says", [
    ('frob = 3\n', 1, "frob"),
    ('data-dir = "x"\nlisten { port = 99999 }\n', 2, "99999"),
    ('data-dir = "x"\nlisten { prot = 1 }\n', 2, "prot"),
    ('domain "a b" {\n}\n', 2, "a b"),
    ('domain "a.test" {\n  component { secret-file = "gone" }\n}\n', 2, "gone"),
    ('domain "a.test" {\n  component { secret = "s" }\n  seal { trust = "blind" }\n}\n', 3, "blind"),
    ('domain "a.test" {\n  component { secret = "s" }\n  retry { schedule = "soon" }\n}\n', 3, "soon"),
    ('domain "a.test" {\n  component { secret = "s" }\n', 2, "end of file"),
])
def test_a_fault_is_said_with_file_and_line(tmp_path, text, line, says):
    conf = tmp_path / "immpd.conf"
    conf.write_text(text)
    for argv in (["-t", "-c", conf], ["-c", conf]):
        done = immpd(*argv)
        assert done.returncode == 1
        hits = [l for l in done.stderr.splitlines() if l.startswith(f"{conf}:") and says in l]
        assert hits, done.stderr
        assert int(hits[0].split(":")[1]) in (line, line + 1), hits[0]


def test_a_missing_configuration_is_one_line(tmp_path):
    done = immpd("-c", tmp_path / "none.conf")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "none.conf" in done.stderr and "No such file" in done.stderr


def test_a_sound_configuration_is_called_so(daemon):
    done = immpd("-t", "-c", daemon.config)
    assert done.returncode == 0 and done.stderr == ""


def test_the_samples_are_sound(tmp_path):
    sample = world.pathlib.Path(__file__).resolve().parents[2] / "conf" / "immpd.conf"
    text = sample.read_text()
    (tmp_path / "immpd.conf").write_text(text)
    for name in set(world.re.findall(r'secret-file\s*=\s*"([^"]+)"', text)):
        (tmp_path / name).write_text("s\n")
    done = immpd("-t", "-c", tmp_path / "immpd.conf")
    assert done.returncode == 0, done.stderr


def test_a_port_in_use_is_one_clear_line(daemon):
    with socket.create_server((daemon.ip, world.IMMP_PORT)):
        done = immpd("-c", daemon.config)
    assert done.returncode == 1
    lines = [l for l in done.stderr.splitlines() if "error" in l]
    assert len(lines) == 1 and str(world.IMMP_PORT) in lines[0] and "in use" in lines[0], done.stderr


def test_version_and_features_are_said():
    done = immpd("-V")
    assert done.returncode == 0 and done.stdout.startswith("immpd ") and "features:" in done.stdout
    assert immpd("-x").returncode == 2


# ---- the XMPP server is away, or says no: it keeps trying, and mail waits

def test_an_unreachable_server_is_said_and_tried_again(daemon):
    daemon.start()
    world.wait_for("a second try", lambda: daemon.log_text().count("link.failed") >= 2, 15)
    link = daemon.status()["links"][0]
    assert link["state"] == "waiting" and "refused" in link["error"] and link["next-try"] > 0
    assert daemon.process.alive()
    assert any("127.0.0.12" in l and "refused" in l.lower() for l in daemon.log_text().splitlines())
    daemon.add_account("alice@a.test", "pw")
    alice = session(daemon, "alice@a.test", "pw")
    assert alice.deliver("bob@b.test", "later")[0].code == 202
    assert alice.deliver("alice@a.test", "now")[0].code == 201
    assert [q["destination"] for q in daemon.queue()] == ["b.test"]
    assert daemon.stop() == 0


def test_a_wrong_secret_is_said_and_tried_again(folder):
    w = world.World(folder / "wrong", BUILD, {"a.test": "prosody"})
    a = w.daemons["a.test"]
    (a.folder / "a.test.secret").write_text("wrong\n")
    w.servers["a.test"].start().wait()
    try:
        a.start()
        error = world.wait_for("the refusal", lambda: a.status()["links"][0].get("error"))
        assert "secret" in error
        lines = [l for l in a.log_text().splitlines() if "secret" in l]
        assert len(lines) == 1, "said once, not at every try"
        assert a.process.alive() and a.status()["links"][0]["next-try"] > 0
    finally:
        w.stop()


# ---- signals

def test_term_ends_it_cleanly_and_says_701(daemon):
    daemon.start()
    c = Client(daemon.ip)
    started = time.monotonic()
    daemon.process.signal(signal.SIGTERM)
    assert c.reply().code == 701
    c.close()
    assert daemon.process.child.wait(5) == 0
    assert time.monotonic() - started < 4


def test_hup_reads_the_configuration_again(daemon):
    daemon.start()
    daemon.configure(level="trace")
    daemon.process.signal(signal.SIGHUP)
    world.wait_for("the reload", lambda: "reload done" in daemon.log_text())
    daemon.config.write_text("frob = 1\n")
    daemon.process.signal(signal.SIGHUP)
    world.wait_for("the fault", lambda: "the old settings stay" in daemon.log_text())
    assert "frob" in daemon.log_text() and daemon.process.alive()
    daemon.configure(port=1026)
    assert "restart" in daemon.ctl("reload", check=False).stdout
    daemon.configure(port=world.IMMP_PORT)
    assert daemon.ctl("reload").stdout.strip() == "reloaded"
    assert daemon.stop() == 0


def test_systemd_is_told(daemon, tmp_path):
    path = str(tmp_path / "notify")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(path)
    sock.settimeout(10)
    env = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")
    daemon.process = world.Process([daemon.program("immpd"), "-c", daemon.config], daemon.log, env=env)
    env.pop("WATCHDOG_PID", None)
    got = ""
    while "READY=1" not in got or "WATCHDOG=1" not in got:
        got += sock.recv(4096).decode() + "\n"
    daemon.process.signal(signal.SIGHUP)
    while "RELOADING=1" not in got or got.count("READY=1") < 2:
        got += sock.recv(4096).decode() + "\n"
    daemon.process.signal(signal.SIGTERM)
    while "STOPPING=1" not in got:
        got += sock.recv(4096).decode() + "\n"
    assert daemon.process.child.wait(10) == 0


# ---- the disk

def test_a_checkpoint_that_cannot_be_synced_ends_it_and_loses_nothing(daemon):
    daemon.start()
    daemon.add_account("alice@a.test", "pw")
    assert daemon.stop() == 0
    daemon.immpd = "tests/soak/immpd_power"
    daemon.env = {"IMMP_POWER_DIR": str(daemon.folder / "data"), "IMMP_POWER_BREAK": "1"}
    daemon.start()
    alice, accepted = session(daemon, "alice@a.test", "pw"), {}
    with pytest.raises((EOFError, OSError)):
        for n in range(100):  # of 1 MB: the log is copied from 16 MiB on
            id, body = new_id(), f"{n} ".encode() * 400000
            if alice.deliver("alice@a.test", body, id=id)[0].code == 201:
                accepted[id] = body
    assert daemon.process.child.wait(10) == os.EX_IOERR
    said = [l for l in daemon.log_text().splitlines() if "store.broken" in l]
    assert len(said) == 1 and " error " in said[0] and "immp.db" in said[0] and len(accepted) > 3
    daemon.immpd, daemon.env = "immpd", {}
    daemon.start()
    alice = session(daemon, "alice@a.test", "pw")
    assert set(accepted) <= {r["_id"] for r in alice.index()}
    for id, body in accepted.items():
        assert alice.fetch("/inbox", id, "PART body") == body
    assert daemon.stop() == 0


# ---- restarts

def test_mail_waits_for_the_other_side_and_survives_kills(folder):
    w = world.World(folder / "waits", BUILD, {"a.test": "prosody", "b.test": "prosody"})
    with w:
        a, b = w.daemons["a.test"], w.daemons["b.test"]
        a.add_account("alice@a.test", "pw")
        b.add_account("bob@b.test", "pw")
        alice = session(a, "alice@a.test", "pw")
        b.kill()
        ids = [new_id() for _ in range(5)]
        for id in ids:
            assert alice.deliver("bob@b.test", id, id=id)[0].code == 202
        world.wait_for("a failed try", lambda: any(q.get("error") for q in a.queue()), 30)
        assert sorted(q["message"] for q in a.queue()) == sorted(ids)
        a.kill()
        a.start().wait_link()
        b.start().wait_link()
        a.ctl("queue", "retry")
        bob = session(b, "bob@b.test", "pw")
        world.wait_for("all", lambda: sorted(r["_id"] for r in bob.index()) == sorted(ids), 40)
        world.wait_for("the queue to empty", lambda: a.queue() == [])


def test_the_link_comes_back_when_the_server_does(folder):
    w = world.World(folder / "back", BUILD, {"a.test": "prosody"})
    with w:
        a, server = w.daemons["a.test"], w.servers["a.test"]
        server.process.kill()
        world.wait_for("the loss", lambda: a.link() != "up")
        server.start().wait()
        a.wait_link(20)


def test_expired_mail_comes_back(folder):
    w = world.World(folder / "expired", BUILD, {"a.test": "prosody"},
                    daemon={"a.test": {"expire": "2s", "schedule": "500ms"}})
    with w:
        a = w.daemons["a.test"]
        a.add_account("alice@a.test", "pw")
        alice = session(a, "alice@a.test", "pw")
        id = new_id()
        alice.deliver("bob@c.test", "to nowhere", "nowhere", id)
        notice = world.wait_for("the notice", alice.index, 30)[0]
        assert notice["from"] == "mailer-daemon@a.test"
        text = alice.must(f"MBOX FETCH /inbox#{notice['_id']} +JSON")[0].text
        assert id in text and "bob@c.test" in text
        assert a.queue() == []
