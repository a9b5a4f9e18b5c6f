# SPDX-License-Identifier: MIT
"""The component link is cut in the midst of what crosses it: within a seal that leaves, within one that
comes, within a receipt either way. Each message arrives exactly once all the same."""

import threading

import pytest

import world
from conftest import BUILD, alice_and_bob
from immp import new_id, session

# Where it is cut: whose link, which way, what is looked for, and how many bytes of it still pass.
CUTS = [
    ("a.test", "out", b"<seal", 0),
    ("a.test", "out", b"<seal", 700),
    ("b.test", "in", b"<seal", 700),
    ("b.test", "out", b"<receipt", 5),
    ("a.test", "in", b"<receipt", 300),
    ("a.test", "in", b"</receipt>", 10),
]


class Scissors:
    """As a Tap's hook: passes all until the mark has come, so many bytes of it, and then nothing."""

    def __init__(self, way, mark, more):
        self.way, self.mark, self.more = way, mark, more
        self.cut = threading.Event()

    def __call__(self, way, data):
        if self.cut.is_set():
            return b""
        at = data.find(self.mark) if way == self.way else -1
        if at < 0:
            return data
        self.cut.set()
        return data[:at + self.more]


@pytest.fixture(scope="module")
def cut(folder):
    w = world.World(folder / "cut", BUILD, {"a.test": "prosody", "b.test": "prosody"},
                    tapped=["a.test", "b.test"])
    with alice_and_bob(w):
        w.alice = session(w.a, "alice@a.test", "wonder land")
        w.bob = session(w.b, "bob@b.test", "builder")
        w.ids = [new_id()]
        assert w.alice.deliver("bob@b.test", "first", id=w.ids[0])[0].code == 202
        world.wait_for("the first", lambda: len(w.bob.index()) == 1)
        yield w


@pytest.mark.parametrize("domain, way, mark, more", CUTS)
def test_a_link_may_be_cut_in_the_midst_of_a_stanza(cut, domain, way, mark, more):
    tap, daemon = cut.taps[domain], cut.daemons[domain]
    for d in cut.daemons.values():
        d.wait_link()
    tap.hook = scissors = Scissors(way, mark, more)
    cut.ids.append(new_id())
    assert cut.alice.deliver("bob@b.test", "x" * 3000, id=cut.ids[-1])[0].code == 202
    assert scissors.cut.wait(30), "it never came by"
    tap.cut()
    world.wait_for("the loss", lambda: daemon.link() != "up")
    tap.hook = None
    daemon.wait_link()
    if domain == "b.test":
        # Nobody tells a.test, which waits four minutes for an answer; a new start does not.
        cut.a.kill()
        cut.a.start().wait_link()
        cut.alice = session(cut.a, "alice@a.test", "wonder land")
    cut.a.ctl("queue", "retry")
    world.wait_for("the message", lambda: sorted(r["_id"] for r in cut.bob.index()) ==
                   sorted(cut.ids), 40)
    world.wait_for("the queue to empty", lambda: cut.a.queue() == [], 40)
    assert len(cut.bob.index()) == len(cut.ids), "once"
