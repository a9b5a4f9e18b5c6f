# SPDX-License-Identifier: MIT
"""immp, as a person and a program use it."""

import json
import os
import subprocess

import pytest

import world
from conftest import BUILD
from immp import new_id


@pytest.fixture(scope="module")
def a(folder):
    d = world.Daemon("a.test", folder, BUILD, server_port=9).start()
    d.add_account("alice@a.test", "wonder land")
    d.add_account("bob@a.test", "builder")
    yield d
    assert d.stop() == 0, d.log_text()[-3000:]


def immp(a, folder, *argv, secret="wonder land", who="alice@a.test", data=None, code=0):
    env = dict(os.environ, HOME=str(folder), XDG_CONFIG_HOME=str(folder / "config"))
    env.pop("IMMP_SECRET", None)
    if secret is not None:
        env["IMMP_SECRET"] = secret
    done = subprocess.run([BUILD / "immp", "-a", who, "-s", f"{a.ip}:1025", *map(str, argv)], env=env,
                          input=data, capture_output=True, timeout=60)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def test_a_message_is_sent_listed_and_read(a, tmp_path):
    id, picture = new_id(), bytes(range(256)) * 5000
    (tmp_path / "tea.png").write_bytes(picture)
    sent = immp(a, tmp_path, "send", "-S", "Tea", "-A", tmp_path / "tea.png", "--id", id, "bob@a.test",
                data="Dear Bob,\n\x1b[2Jthe kettle\n".encode())
    assert f"id={id} delivered".encode() in sent.stdout and b"first contact" in sent.stderr
    bob = dict(who="bob@a.test", secret="builder")
    check = json.loads(immp(a, tmp_path, "check", "--json", **bob).stdout)
    assert {"folder": "/INBOX", "unread": 1, "total": 1} in check
    assert b"Tea" in immp(a, tmp_path, "list", **bob).stdout
    assert json.loads(immp(a, tmp_path, "--json", "list", "inbox:unread", **bob).stdout)[0]["_id"] == id
    shown = immp(a, tmp_path, "read", "--keep-unread", "latest", **bob)
    assert b"the kettle" in shown.stdout and b"tea.png" in shown.stdout
    assert b"\x1b" not in shown.stdout, "mail cannot move the cursor"
    assert b"first contact" not in shown.stderr, "the pin is remembered"
    assert immp(a, tmp_path, "read", "--part", "tea.png", id, **bob).stdout == picture
    assert b"MIME-Version" in immp(a, tmp_path, "read", "--raw", "1", **bob).stdout
    assert json.loads(immp(a, tmp_path, "check", "--json", "inbox", **bob).stdout)[0]["unread"] == 0


def test_what_fails_has_its_exit_code(a, tmp_path):
    assert b"bob" in immp(a, tmp_path, "send", "-m", "x", "nobody@a.test", "bob@a.test", code=67).stdout
    immp(a, tmp_path, "list", secret="wrong", code=77)
    immp(a, tmp_path, "list", secret=None, code=77)
    immp(a, tmp_path, "dance", code=64)
    immp(a, tmp_path, "send", code=64)
    immp(a, tmp_path, "read", "99", code=66)
    immp(a, tmp_path, "send", "-A", tmp_path / "none", "-m", "x", "bob@a.test", code=66)
    queued = immp(a, tmp_path, "send", "-m", "x", "bob@c.test").stdout
    assert b"bob@c.test" in queued and b"queued" in queued


def test_secrets_come_from_files_and_configuration(a, tmp_path):
    (tmp_path / "secret").write_text("wonder land\n")
    immp(a, tmp_path, "--secret-file", tmp_path / "secret", "check", secret=None)
    (tmp_path / "config" / "immp").mkdir(parents=True, exist_ok=True)
    (tmp_path / "config" / "immp" / "config").write_text(
        f"account = alice@a.test\nserver = {a.ip}\nsecret-file = {tmp_path}/secret\n")
    env = dict(os.environ, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path / "config"))
    env.pop("IMMP_SECRET", None)
    done = subprocess.run([BUILD / "immp", "check"], env=env, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_server_with_another_key_is_refused(a, tmp_path):
    immp(a, tmp_path, "check")
    pins = tmp_path / "config" / "immp" / "pins"
    assert pins.stat().st_mode & 0o077 == 0
    pins.write_text(f"{a.ip}:1025 sha256:{'0' * 64}\n")
    refused = immp(a, tmp_path, "check", code=77)
    assert b"key" in refused.stderr and str(pins).encode() in refused.stderr
    assert f"{a.ip}:1025 sha256:{'0' * 64}" in pins.read_text(), "the pin stays"


def test_a_server_that_is_not_there_is_temporary(a, tmp_path):
    env = dict(os.environ, HOME=str(tmp_path), IMMP_SECRET="x")
    done = subprocess.run([BUILD / "immp", "-a", "x@a.test", "-s", f"{a.ip}:9", "check"], env=env,
                          capture_output=True)
    assert done.returncode == 75 and b"connect" in done.stderr


def test_words_are_found_in_sender_subject_and_text(a, tmp_path):
    ids = {}
    for subject, text in (("Breakfast", "porridge and marmalade"), ("Lunch", "soup; marmalade later"),
                          ("Marmalade", "none"), ("Dinner", "porridge")):
        ids[subject] = new_id()
        immp(a, tmp_path, "send", "-S", subject, "-m", text, "--id", ids[subject], "bob@a.test")

    def found(words):
        done = immp(a, tmp_path, "--json", "list", f"inbox:text={words}", who="bob@a.test", secret="builder")
        return {r["_id"] for r in json.loads(done.stdout)}
    assert found("marmalade") == {ids["Breakfast"], ids["Lunch"], ids["Marmalade"]}
    assert found("Porridge MARMALADE") == {ids["Breakfast"]}
    assert found("alice porridge") == {ids["Breakfast"], ids["Dinner"]}
    assert found("nothing-of-the-kind") == set()
    assert found('soup OR NEAR( *') == set(), "words are words, not operators"
