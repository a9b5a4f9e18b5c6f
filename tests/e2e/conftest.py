# SPDX-License-Identifier: MIT
"""Worlds for the tests. IMMP_BUILD is the build folder; run through tests/e2e/run."""

import contextlib
import os
import pathlib
import shutil
import tempfile

import pytest

import peer as peer_module
import world as world_module

BUILD = pathlib.Path(os.environ.get("IMMP_BUILD", "."))


def pytest_configure(config):
    if not (BUILD / "immpd").exists():
        pytest.exit(f"there is no immpd in {BUILD.resolve()}: build it, or set IMMP_BUILD", 2)


@pytest.fixture(scope="module")
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="immp-e2e-"))
    yield path
    if os.environ.get("IMMP_KEEP"):
        print(f"kept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def alice_and_bob(w):
    """The world runs, with an account in each domain; at the end both stores are sound."""
    with w:
        w.a, w.b = w.daemons["a.test"], w.daemons["b.test"]
        w.a.add_account("alice@a.test", "wonder land")
        w.b.add_account("bob@b.test", "builder")
        yield w
        check_sound(w)


@pytest.fixture(scope="module")
def pair(folder):
    """Two domains over Prosody, with alice and bob, and a tap on b's component link."""
    w = world_module.World(folder, BUILD, {"a.test": "prosody", "b.test": "prosody"},
                           tapped=["b.test"])
    with alice_and_bob(w):
        yield w


@pytest.fixture(scope="module")
def beside(folder):
    """immpd for a.test, and a gateway of another make for d.test, over two Prosody."""
    w = world_module.World(folder, BUILD, {"a.test": "prosody"})
    other = world_module.XmppServer("prosody", "d.test", folder / "d.server", w.authority)
    w.servers["d.test"] = other
    with w:
        w.a = w.daemons["a.test"]
        w.a.add_account("alice@a.test", "wonder land")
        w.peer = peer_module.Peer("d.test", world_module.ADDRESSES["d.test"], folder / "peer").start()
        w.peer.fetch_keys("a.test")
        yield w
        w.peer.stop()
        check_sound(w)


def check_sound(w):
    """No sanitizer spoke, nobody died, and each daemon ends cleanly."""
    for d in w.daemons.values():
        assert d.process.alive(), d.log_text()[-3000:]
        assert d.stop() == 0, d.log_text()[-3000:]
        text = d.log_text()
        for bad in ("ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer"):
            assert bad not in text, text[-5000:]
