# SPDX-License-Identifier: MIT
"""A real disk that is full: both daemons keep their data on one small file system, which is filled to
the last block while they work. Clients are told 70x, nobody is told what is not so, reading goes on;
when there is room again they serve on without a restart, and all arrives exactly once."""

import os
import pathlib

import pytest

import world
from conftest import BUILD, alice_and_bob
from immp import new_id, session

SMALL = os.environ.get("IMMP_SMALL_DISK")
BLOCK = b"\0" * 4096


class Filler:
    """A file that takes all the room there is."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "filler"

    def fill(self):
        with open(self.path, "ab", buffering=0) as f:
            try:
                while f.write(BLOCK):
                    pass
            except OSError:
                pass

    def free(self):
        self.path.unlink()


@pytest.fixture
def full(tmp_path):
    if not SMALL or not os.path.ismount(SMALL):
        pytest.skip("tests/e2e/enter could not mount a small file system")
    w = world.World(tmp_path, BUILD, {"a.test": "prosody", "b.test": "prosody"})
    for domain, d in w.daemons.items():
        data = pathlib.Path(SMALL) / domain
        data.mkdir(mode=0o700)
        (d.folder / "data").symlink_to(data)
    w.filler = Filler(SMALL)
    with alice_and_bob(w):
        yield w


def deliver(client, to, body, id):
    """The code of the answer: of the part that was refused, or of DONE."""
    try:
        return client.deliver(to, body, id=id)[0].code
    except Exception as e:
        code = getattr(e, "code", None)
        if code is None:
            raise
        client.ask("CANCEL")
        return code


def until_full(filler, alice, to, size, wanted=5):
    """Fill the disk and deliver until so many were refused. ({accepted ids}, [refused ids])"""
    accepted, refused = set(), []
    for _ in range(400):
        filler.fill()
        id = new_id()
        code = deliver(alice, to, "x" * size, id)
        if code in (201, 202):
            accepted.add(id)
        else:
            assert code == 702, code
            refused.append(id)
            if len(refused) == wanted:
                return accepted, refused
    raise AssertionError("the disk is full, and everything was accepted")


def ids(client):
    return sorted(r["_id"] for r in client.index())


def test_a_full_disk_refuses_loses_nothing_and_is_left_by_itself(full):
    alice = session(full.a, "alice@a.test", "wonder land")
    bob = session(full.b, "bob@b.test", "builder")
    want_bob, want_alice = [new_id()], [new_id()]
    assert deliver(alice, "bob@b.test", "the first", want_bob[0]) == 202
    assert deliver(alice, "alice@a.test", "to myself", want_alice[0]) == 201
    world.wait_for("the first", lambda: ids(bob) == want_bob)

    # Both are full. What waits in a's queue waits on; b refuses what comes in.
    accepted, refused = until_full(full.filler, alice, "bob@b.test", 3000)
    mine, not_mine = until_full(full.filler, alice, "alice@a.test", 70000)
    big, not_big = until_full(full.filler, alice, "alice@a.test", 700000, wanted=2)
    assert full.a.process.alive() and full.b.process.alive()
    # Reading needs no room; new sessions come in.
    assert want_alice[0] in ids(alice)
    assert b"to myself" in alice.fetch("/inbox", want_alice[0])
    assert session(full.a, "alice@a.test", "wonder land").check()["/inbox"][1] >= 1
    assert "disk" in full.a.log_text(), "the operator is told what to do"
    done = full.a.ctl("account", "add", "carol@a.test", secret="s", check=False)
    assert done.returncode == 1 and "full" in done.stdout, done.stdout

    full.filler.free()
    full.a.add_account("carol@a.test", "s")
    for id in refused:
        assert deliver(alice, "bob@b.test", "x" * 3000, id) == 202
    for id, size in [(i, 70000) for i in not_mine] + [(i, 700000) for i in not_big]:
        assert deliver(alice, "alice@a.test", "x" * size, id) == 201
    want_bob = sorted(want_bob + list(accepted) + refused)
    world.wait_for("bob's mail", lambda: ids(bob) == want_bob, 60)
    world.wait_for("the queue to empty", lambda: full.a.queue() == [], 30)
    assert ids(alice) == sorted(want_alice + list(mine | big) + not_mine + not_big)

    # Once more, and killed while it is full.
    more, refused = until_full(full.filler, alice, "alice@a.test", 3000)
    full.a.kill()
    full.filler.free()
    full.a.start().wait_link()
    alice = session(full.a, "alice@a.test", "wonder land")
    assert more <= set(ids(alice)), "what was accepted is there"
    for id in refused:
        assert deliver(alice, "alice@a.test", "x" * 3000, id) == 201
    have = ids(alice)
    assert len(have) == len(set(have)) and set(refused) <= set(have)


def test_a_start_without_room_is_said_in_one_line(tmp_path):
    if not SMALL or not os.path.ismount(SMALL):
        pytest.skip("tests/e2e/enter could not mount a small file system")
    d = world.Daemon("c.test", tmp_path, BUILD)
    data = pathlib.Path(SMALL) / "c.test"
    data.mkdir(mode=0o700)
    (d.folder / "data").symlink_to(data)
    filler = Filler(SMALL)
    filler.fill()
    try:
        d.start(wait=False)
        assert d.process.child.wait(20) == 1
        said = [l for l in d.log_text().splitlines() if "error" in l]
        assert len(said) == 1 and ("space" in said[0] or "full" in said[0]), d.log_text()
    finally:
        filler.free()
    # What the failed start has left behind is no hindrance.
    d.start()
    assert d.stop() == 0
