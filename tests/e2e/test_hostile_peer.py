# SPDX-License-Identifier: MIT
"""A gateway of another domain floods, by way of two Prosody (hostile.py plays the server itself)."""

import asyncio
import xml.etree.ElementTree as ET

from slixmpp.exceptions import IqError

import immp
import world
from peer import NS


def test_a_peer_that_floods_gets_an_answer_to_each_and_mail_still_crosses(beside):
    """Questions and nonsense for seals from another gateway, by way of two Prosody."""
    n, peer = 600, beside.peer
    key = f"<key xmlns='{NS}' domain='a.test'/>"
    seal = (f"<seal xmlns='{NS}' bundle='6ba7b810-9dad-41d1-80b4-00c04fd430c8' "
            f"origin='d.test' destination='a.test'>{'A' * 2000}</seal>")

    def ask(i):
        iq = peer.make_iq(id=f"flood{i}", ito="immp.a.test", ifrom=peer.boundjid.bare)
        iq["type"] = "get" if i % 3 else "set"
        iq.append(ET.fromstring(key if i % 3 else seal))
        return iq.send(timeout=50)

    async def flood():
        return await asyncio.gather(*[ask(i) for i in range(n)], return_exceptions=True)

    flooding = asyncio.run_coroutine_threadsafe(flood(), peer.loop)
    alice = immp.session(beside.a, "alice@a.test", "wonder land")
    id = immp.new_id()
    assert alice.deliver("dora@d.test", "in the midst of it", id=id)[0].code == 202
    answers = flooding.result(60)
    for a in answers:
        assert not isinstance(a, Exception) or isinstance(a, IqError), repr(a)
    certificates = [a for a in answers if not isinstance(a, Exception) and
                    a.xml.find(f".//{{{NS}}}certificate") is not None]
    assert len(certificates) == n - n // 3, "each question has its answer"
    world.wait_for("the message", lambda: [h for h, _ in peer.received if h["id"] == id], 30)
    world.wait_for("its receipt", lambda: beside.a.queue() == [], 30)
    assert beside.a.link() == "up"
