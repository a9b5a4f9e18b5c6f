# SPDX-License-Identifier: MIT
"""A daemon whose address space is bounded. Sizes that are only announced cost nothing and get their
code; where memory really runs out it ends with one line, and nothing that was accepted is lost: until
then nobody is told anything that is not so."""

import os
import re
import resource
import signal
import ssl

import pytest

import hostile
import world
from conftest import BUILD
from immp import Client, Refused, new_id

SANITIZED = b"__asan_init" in (BUILD / "immpd").read_bytes()
pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer's own address space is not bounded")


def space(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmSize:\s+(\d+) kB", f.read())[1]) * 1024


@pytest.fixture
def bounded(tmp_path):
    """A daemon that may grow by 64 MiB, and the link that this test holds."""
    server = hostile.Server(world.ADDRESSES["a.test"])
    d = world.Daemon("a.test", tmp_path, BUILD)
    d.start().wait_link()
    d.add_account(hostile.ALICE, hostile.SECRET)
    d.server = server
    bound(d, 64 << 20)
    yield d
    if d.process.alive():
        assert d.stop() == 0
    server.close()


def bound(daemon, more):
    pid = daemon.process.pid
    resource.prlimit(pid, resource.RLIMIT_AS, (space(pid) + more, resource.RLIM_INFINITY))
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY))


def test_a_length_that_is_announced_costs_nothing(bounded):
    for length, code in [(2 ** 31, 443), (2 ** 32 + 1, 443), (10 ** 18, 443), (2 ** 63, 461),
                         (2 ** 64, 461), (10 ** 40, 461), (-1, 461), (50 * 2 ** 20 + 1, 443)]:
        for how in ("", " +BASE64"):
            c = hostile.known(bounded.ip)
            c.must(f"DELIVER TO {hostile.ALICE}")
            replies = c.ask(f"DATA body LENGTH {length}{how} +CONTENT")
            # Of base64 it is not known before it comes how much of it is white space.
            codes = (code, 271) if how and code == 443 else (code,)
            assert replies[-1].code in codes, (length, how, [str(r) for r in replies])
            c.close()
    assert hostile.known(bounded.ip).deliver(hostile.ALICE, "still here")[0].code == 201


def test_lines_and_counts_have_their_limits(bounded):
    c = hostile.known(bounded.ip)
    assert c.ask("NOOP " + "x" * 9000)[-1].code == 406
    assert c.ask("DELIVER " + " ".join(["TO a@a.test"] * 101))[-1].code == 406
    c.must(f"DELIVER TO {hostile.ALICE}")
    for i in range(1000):
        c.send(f"DATA p{i} LENGTH 0\n")
        assert (c.reply().code, c.reply().code) == (271, 272)
    assert c.ask("DATA p1000 LENGTH 0")[-1].code == 406
    assert bounded.process.alive()


STANZAS = {
    "deep": "<iq type='set' from='x.test' to='immp.a.test' id='1'>" + "<a>" * 400000,
    "attributes": "<iq type='set' from='x.test' to='immp.a.test' id='1'><a " +
                   " ".join(f"a{i}='1'" for i in range(20000)) + "/></iq>",
    "an endless attribute": "<iq id='" + "x" * (4 << 20),
    "an endless text": "<message from='x.test' to='immp.a.test'><body>" + "x" * (4 << 20),
    "an endless name": "<" + "x" * (4 << 20),
    "entities": "<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'>]>",
    "many elements": "<iq type='set' from='x.test' to='immp.a.test' id='1'><a>" + "<b/>" * 400000,
}


@pytest.mark.parametrize("name", STANZAS)
def test_stanzas_have_their_limits(bounded, name):
    """What is more than a stanza may be ends the stream, and the link comes back."""
    try:
        bounded.server.send(STANZAS[name].encode() + b"<<")
    except OSError:
        pass  # closed while it was sent
    assert hostile.known(bounded.ip).deliver(hostile.ALICE, name)[0].code == 201
    world.wait_for("the end of the stream", lambda: "link.down" in bounded.log_text())
    assert bounded.process.alive()
    if name == "deep":
        bounded.wait_link()


def squeeze(daemon, accepted):
    """Deliver big messages on many connections at once until the daemon says no. True if it is gone."""
    open_ = []
    try:
        for i in range(60):
            c = hostile.known(daemon.ip, hostile.source(i))
            open_.append(c)
            id = new_id()
            for r in c.deliver(hostile.ALICE, os.urandom(200000), id=id):
                assert r.code == 201 or 700 <= r.code < 750, r
                if r.code == 201:
                    accepted.append(id)
            # And leave an answer unread, and a part half sent.
            c.send("MBOX FETCH /inbox:* -READ\n")
            c = hostile.known(daemon.ip, hostile.source(i))
            open_.append(c)
            c.must(f"DELIVER TO {hostile.ALICE}")
            c.send("DATA body LENGTH 250000 +CONTENT\n")
            c.send(os.urandom(249999))
    except Refused as e:
        assert 700 <= e.code < 750, e
    except (EOFError, ConnectionError, ssl.SSLEOFError):
        return True
    except ssl.SSLError as e:
        # A handshake for which there was no memory: an alert says so, or there was none for that either.
        assert isinstance(e, ssl.SSLZeroReturnError) or "INTERNAL_ERROR" in str(e), e
    finally:
        for c in open_:
            c.close()
    return False


@pytest.mark.parametrize("more", [0, 1 << 20, 4 << 20, 16 << 20])
def test_out_of_memory_loses_nothing_that_was_accepted(bounded, more):
    accepted = []
    first = new_id()
    assert hostile.known(bounded.ip).deliver(hostile.ALICE, "before", id=first)[0].code == 201
    bound(bounded, more)
    if squeeze(bounded, accepted):
        assert bounded.process.child.wait(20) == -signal.SIGABRT
        assert "out of memory" in bounded.log_text()
        bounded.start().wait_link()
    else:
        resource.prlimit(bounded.process.pid, resource.RLIMIT_AS,
                         (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    c = hostile.known(bounded.ip)
    have = [r["_id"] for r in c.index()]
    assert len(have) == len(set(have))
    assert set(accepted) | {first} <= set(have)
    for id in have:     # whole, each of them
        c.fetch("/inbox", id)
    # What was promised before is answered as it was.
    for id in accepted[:3]:
        assert c.deliver(hostile.ALICE, "again", id=id)[0].code in (201, 443, 460, 402)
    assert Client(bounded.ip).greeting[-1].code == 101
