# SPDX-License-Identifier: MIT
"""Hostile clients and peers (hostile.py), in small: whatever they do, the daemon's memory stays below
a stated figure, and a polite client is served meanwhile. The figures are printed (pytest -s)."""

import json

import pytest

import hostile
from conftest import BUILD

CONNECTIONS, SESSIONS, SECONDS = 600, 20, 1.0
# Sanitizers keep what was freed, and take their time.
SLOW = 12 if b"__asan_init" in (BUILD / "immpd").read_bytes() else 1
MORE_KB = 400000 if SLOW > 1 else 0


@pytest.fixture(scope="module")
def played(folder):
    stage = hostile.Stage(folder / "hostile", BUILD, SECONDS)
    silent, begun = hostile.play(stage, folder / "peer", CONNECTIONS, SESSIONS)
    stage.silent, stage.begun = silent, begun
    print(json.dumps({"rest_kb": stage.rest, **stage.figures}, indent=1))
    yield stage
    assert stage.close() == 0, stage.daemon.log_text()[-3000:]
    for bad in ("ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer"):
        assert bad not in stage.daemon.log_text()


# What each may cost at most, in KB: for each connection, and in all.
@pytest.mark.parametrize("attack, each, in_all", [
    ("silence", 8, 4096),
    ("half-open", 64, 4096),
    ("slow writers", 64, 4096),
    ("slow readers", 768, 8192),            # 256 KiB of output, a chunk at first, TLS
    ("too many slow readers", 0, 3 * 65536),
    ("pipeline flood, unread", 1024, 8192),
    ("pipeline flood", 1024, 8192),
    ("TLS garbage", 0, 8192),
    ("flood of keys", 0, 32768),            # answers that wait: 16 MiB at most, then nothing is read
    ("flood of disco", 0, 32768),
    ("flood of unknown", 0, 32768),
    ("flood of messages", 0, 32768),
    ("flood of presence", 0, 32768),
    ("flood of receipts", 0, 32768),
    ("flood of seals", 0, 32768),
    ("flood of keys, answers unread", 0, 32768),
    ("receipts that never come", 0, 32768),
])
def test_memory_is_bounded_and_others_are_served(played, attack, each, in_all):
    got, before = played.figures[attack], played.figures["before"]
    assert got["grown_kb"] <= each * got.get("connections", 0) + in_all + MORE_KB, got
    for what in ("noop", "deliver"):
        turns = 1 if what == "noop" else 4      # DELIVER is three questions and a commit
        assert got[what]["p50_ms"] <= SLOW * turns * (150 + 10 * before[what]["p50_ms"]), (what, got)
        assert got[what]["p99_ms"] <= SLOW * turns * (1000 + 10 * before[what]["p99_ms"]), (what, got)


def test_who_asks_does_not_wait_for_a_hundred_who_flood(played):
    got = played.figures["pipeline flood"]
    assert got["connections"] >= 100
    assert got["noop"]["p50_ms"] <= SLOW * 60, got


def test_slow_readers_are_bounded_together(played):
    few, many = played.figures["slow readers"], played.figures["too many slow readers"]
    assert few["closed"] == 0 < many["closed"] < many["connections"]


def test_nobody_was_turned_away_and_what_was_no_tls_was_closed(played):
    assert played.figures["silence"]["refused"] == 0
    counts = played.figures["TLS garbage"]["counts"]
    assert counts["closed"] == counts["tried"] > 2


def test_mail_waits_for_receipts_that_never_come(played):
    got = played.figures["receipts that never come"]
    assert got["queued"] == got["messages"]
    assert 0 < got["seals"] <= got["messages"], "not more under way than the window lets"


def test_who_says_nothing_is_sent_away(played):
    closed = hostile.sent_away(played.silent, played.begun + (40 if SLOW == 1 else 80))
    assert closed == len(played.silent) > CONNECTIONS


def test_it_serves_on(played):
    c = hostile.known(played.ip)
    assert c.deliver(hostile.ALICE, "after all that")[0].code == 201
    assert played.daemon.link() == "up"
    c.close()
