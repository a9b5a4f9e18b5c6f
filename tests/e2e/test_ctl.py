# SPDX-License-Identifier: MIT
"""immpctl against a daemon: every command, for people and for programs, and its exit codes."""

import json
import os
import stat

import pytest

import world
from conftest import BUILD, check_sound
from immp import Client, Refused, new_id, session


@pytest.fixture(scope="module")
def a(folder):
    d = world.Daemon("a.test", folder, BUILD, schedule="1h", server_port=9).start()
    yield d
    assert d.stop() == 0, d.log_text()[-3000:]
    assert "Sanitizer" not in d.log_text() and "runtime error" not in d.log_text()


def test_an_account_lives_and_dies(a):
    a.add_account("Zoe@A.test", "first")
    rows = {r["account"]: r for r in a.ctl_json("account", "list")}
    assert rows["zoe@a.test"]["login"] is True and rows["zoe@a.test"]["used"] == 0
    session(a, "zoe@a.test", "first").quit()
    a.ctl("account", "passwd", "zoe@a.test", secret="second")
    with pytest.raises(Refused):
        session(a, "zoe@a.test", "first")
    c = session(a, "zoe@a.test", "second")
    c.deliver("zoe@a.test", "to myself")
    a.ctl("account", "quota", "zoe@a.test", "1K")
    assert c.deliver("zoe@a.test", "x" * 2000)[0].code == 442
    assert "zoe@a.test" in a.ctl("account", "list").stdout
    a.ctl("account", "del", "zoe@a.test")
    assert "zoe@a.test" not in a.ctl("account", "list").stdout
    with pytest.raises((Refused, EOFError)):
        session(a, "zoe@a.test", "second")


@pytest.mark.parametrize("words, secret, code, says", [
    (["account", "add", "bob@b.test"], "x", 1, "b.test"),
    (["account", "add", "no imid"], "x", 1, ""),
    (["account", "add", "empty@a.test"], "", 2, "secret"),
    (["account", "add"], None, 2, "missing"),
    (["account", "del", "ghost@a.test"], None, 1, "ghost@a.test"),
    (["account", "passwd", "ghost@a.test"], "x", 1, "ghost@a.test"),
    (["queue", "show", "4711"], None, 1, "4711"),
    (["queue", "drop", "nonsense"], None, 1, "nonsense"),
    (["peer", "show", "nobody.test"], None, 1, "nobody.test"),
    (["peer", "forget", "nobody.test"], None, 1, "nobody.test"),
    (["dance"], None, 2, "no such command"),
    (["queue", "list", "x", "y"], None, 2, "too many"),
])
def test_what_cannot_be_done_is_refused_with_its_reason(a, words, secret, code, says):
    done = a.ctl(*words, secret=secret, check=False)
    assert done.returncode == code, done.stdout
    assert says in done.stdout and len(done.stdout.strip().splitlines()) == 1


def test_an_account_is_made_once(a):
    a.add_account("twice@a.test", "x")
    again = a.ctl("account", "add", "twice@a.test", secret="y", check=False)
    assert again.returncode == 1 and "exists" in again.stdout


def test_a_daemon_that_is_not_there_is_exit_3(tmp_path):
    done = world.run(BUILD / "immpctl", "-S", tmp_path / "none", "status", check=False)
    assert done.returncode == 3 and "cannot be reached" in done.stdout


def test_the_queue_is_listed_shown_held_released_and_dropped(a):
    a.add_account("quinn@a.test", "x")
    c = session(a, "quinn@a.test", "x")
    id = new_id()
    assert c.deliver("bob@b.test", "waiting", "a subject", id)[0].code == 202
    row = [r for r in a.queue() if r["message"] == id][0]
    assert row["from"] == "quinn@a.test" and row["to"] == ["bob@b.test"]
    shown = a.ctl_json("queue", "show", id)
    assert shown["subject"] == "a subject" and json.loads(shown["header"])["id"] == id
    text = a.ctl("queue", "list").stdout
    assert "quinn@a.test" in text and "bob@b.test" in text
    number = str(row["id"])
    a.ctl("queue", "hold", number)
    assert a.ctl_json("queue", "show", number)["state"] == "held"
    a.ctl("queue", "release", number)
    assert a.ctl_json("queue", "show", number)["state"] == "queued"
    assert "tried now" in a.ctl("queue", "retry", "b.test").stdout
    a.ctl("queue", "drop", number)
    assert not [r for r in a.queue() if r["message"] == id]
    notice = world.wait_for("the notice", lambda: c.index())[0]
    assert notice["from"] == "mailer-daemon@a.test"


def test_status_shows_what_matters(a):
    s = a.status()
    assert s["links"][0]["domain"] == "a.test" and s["port"] == world.IMMP_PORT
    assert s["accounts"] >= 1 and "refused" in s["inbound"]
    text = a.ctl("status").stdout
    for word in ("immp.a.test", "accounts", "queued"):
        assert word in text


def test_the_keys_are_shown(a):
    key = a.ctl_json("key", "show")[0]
    assert len(key["sign"]) == 64 and key["sign"] != key["encrypt"]
    assert key["sign-certificate"].startswith("-----BEGIN CERTIFICATE-----")


def test_what_is_secret_is_ours_alone(a):
    for path in (a.folder / "data").rglob("*"):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        assert mode & 0o077 == 0, f"{path} has mode {mode:o}"


def test_secrets_are_in_no_log(a):
    text = a.log_text()
    for secret in ("first", "second"):
        assert f'"{secret}"' not in text and f"={secret} " not in text


def test_a_foreign_request_on_the_socket_does_no_harm(a):
    import socket
    for line in (b"\n", b"{}\n", b"not json\n", b'{"command":3}\n', b'{"command":"status","command":"x"}\n'):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(a.folder / "data/immpd.sock"))
        s.settimeout(10)
        s.sendall(line)
        assert b'"error"' in s.recv(4096)
        s.close()
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(a.folder / "data/immpd.sock"))
    s.settimeout(10)
    try:
        s.sendall(b"x" * 200_000)
        assert s.recv(10) == b""
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert a.ctl("status", check=False).returncode == 0
