# SPDX-License-Identifier: MIT
"""Kill -9 and power cuts while mail is under way: a short run of tests/soak/kill.py, which "make soak"
runs for 1,000 kills. The seed is printed if it fails; IMMP_SEED repeats it."""

import os
import pathlib
import random
import sys

import pytest

from conftest import BUILD

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "soak"))
import kill

SLOW = b"__asan_init" in (BUILD / "immpd").read_bytes()
SEED = int(os.environ.get("IMMP_SEED", random.SystemRandom().getrandbits(31)))


@pytest.mark.parametrize("kills, servers, power", [
    (5 if SLOW else 15, ("prosody", "prosody"), False),
    (5 if SLOW else 15, ("prosody", "ejabberd"), True),
], ids=["kill", "power"])
def test_what_was_accepted_is_there_once(folder, kills, servers, power):
    soak = kill.Soak(folder / f"soak-{power}", BUILD, kills, SEED, servers, power=power, patience=0.6,
                     bound=90, is_short=True)
    faults = soak.run()
    assert faults == [], f"IMMP_SEED={SEED}"
    assert soak.ledger.answered() > kills and soak.crossings() > 0


def test_a_disk_that_lies_is_noticed(folder):
    soak = kill.Soak(folder / "lies", BUILD, 3, SEED, power=True, lies=True, leak=0, bound=10,
                     is_short=True)
    soak.victims = soak.victims[:2]
    assert soak.run() != []
