# SPDX-License-Identifier: MIT
"""The main job on all four pairs of servers: alice hands a message to her domain's endpoint over
TLS; it is sealed, crosses two real XMPP servers, and bob reads it from his mailbox."""

import hashlib
import json
import re

import pytest

import world
from conftest import BUILD, alice_and_bob
from immp import Client, new_id, session

PAIRS = [("prosody", "prosody"), ("ejabberd", "ejabberd"), ("prosody", "ejabberd"),
         ("ejabberd", "prosody")]


@pytest.fixture(scope="module", params=PAIRS, ids=["-".join(p) for p in PAIRS])
def pair(request, folder):
    at = folder / "-".join(request.param)
    w = world.World(at, BUILD, dict(zip(("a.test", "b.test"), request.param)), tapped=["b.test"])
    with alice_and_bob(w):
        yield w


def arrived(bob, id, seconds=30):
    return world.wait_for("the message", lambda: [r for r in bob.index() if r["_id"] == id], seconds)


def test_a_message_crosses_sealed_and_is_read(pair):
    alice = session(pair.a, "alice@a.test", "wonder land")
    bob = session(pair.b, "bob@b.test", "builder")
    id, picture = new_id(), bytes(range(256)) * 40
    before = bob.check()["/inbox"]

    done = alice.deliver("bob@b.test", "Hello Bob,\nthe tea is ready.\n", "Tea at four", id,
                         [("tea.png", "image/png", picture)])
    assert [(r.code, r.text) for r in done] == [(202, f"bob@b.test id={id} queued")]

    row = arrived(bob, id)[0]
    assert row["from"] == "alice@a.test" and row["subject"] == "Tea at four"
    assert row["size"] == len("Hello Bob,\nthe tea is ready.\n") + len(picture)
    assert bob.check()["/inbox"] == (before[0] + 1, before[1] + 1)

    message = json.loads(bob.fetch("/inbox", id, "+JSON -READ"))
    content, data = message["parts"]
    assert content["class"] == "content" and content["data"] == "Hello Bob,\nthe tea is ready.\n"
    import base64
    assert data["encoding"] == "base64" and base64.b64decode(data["data"]) == picture

    mime = bob.fetch("/inbox", id, "")
    import email
    import email.policy
    mail = email.message_from_bytes(mime, policy=email.policy.default)
    assert mail["Subject"] == "Tea at four" and "alice@a.test" in mail["From"]
    assert mail.get_body().get_content().replace("\r\n", "\n") == "Hello Bob,\nthe tea is ready.\n"
    assert [a.get_content() for a in mail.iter_attachments()] == [picture]
    assert bob.check()["/inbox"] == (before[0], before[1] + 1), "FETCH marks it read"

    # The signed receipt has taken it off alice's queue; a copy is in SENT, read.
    world.wait_for("the receipt", lambda: pair.a.queue() == [])
    sent = [r for r in alice.index("/sent") if r["_id"] == id]
    assert len(sent) == 1 and alice.check("/sent")["/sent"][0] == 0
    alice.quit(), bob.quit()


def test_nothing_but_the_seal_is_seen_on_the_wire(pair):
    alice = session(pair.a, "alice@a.test", "wonder land", "TLS2")
    bob = session(pair.b, "bob@b.test", "builder")
    id, secret = new_id(), "the crown jewels are in the oven"
    alice.deliver("bob@b.test", secret, "hush-hush subject", id)
    arrived(bob, id)
    wire = bytes(pair.taps["b.test"].seen["in"])
    assert b"-----BEGIN CMS-----" in wire and b"<seal" in wire
    for clear in (secret.encode(), b"hush-hush", b"alice@a.test", b"bob@b.test"):
        assert clear not in wire
    back = bytes(pair.taps["b.test"].seen["out"])
    assert re.search(rb"<receipt[^>]*>-----BEGIN CMS-----", back)


def test_many_messages_share_seals_and_all_arrive_once(pair):
    alice = session(pair.a, "alice@a.test", "wonder land")
    bob = session(pair.b, "bob@b.test", "builder")
    ids = [new_id() for _ in range(200)]
    for id in ids:
        alice.send(f"DELIVER TO bob@b.test ID {id}\nDATA body TYPE text/plain LENGTH 36 +CONTENT\n{id}DONE\n")
    for id in ids:
        codes = [alice.reply().code for _ in range(4)]
        assert codes == [270, 271, 272, 202]
    world.wait_for("all of them", lambda: set(ids) <= {r["_id"] for r in bob.index()}, 60)
    rows = [r["_id"] for r in bob.index()]
    assert len(rows) == len(set(rows))
    world.wait_for("the queue to empty", lambda: pair.a.queue() == [])
    out = pair.a.status()["outbound"]
    assert out["bundles"] < out["messages"], "small messages travel together"


def test_the_same_id_is_delivered_once_and_answered_the_same(pair):
    alice = session(pair.a, "alice@a.test", "wonder land")
    bob = session(pair.b, "bob@b.test", "builder")
    id = new_id()
    answers = [[(r.code, r.text) for r in alice.deliver("bob@b.test", "once", id=id)]
               for _ in range(3)]
    assert answers[0] == answers[1] == answers[2] == [(202, f"bob@b.test id={id} queued")]
    arrived(bob, id)
    assert len([r for r in bob.index() if r["_id"] == id]) == 1


def test_bob_answers_and_it_comes_back(pair):
    alice = session(pair.a, "alice@a.test", "wonder land")
    bob = session(pair.b, "bob@b.test", "builder")
    first, second = new_id(), new_id()
    alice.deliver("bob@b.test", "ping", id=first)
    arrived(bob, first)
    bob.must(f"DELIVER TO alice@a.test INREPLYTO {first} ID {second} SUBJECT \"Re: ping\"")
    bob.send("DATA body TYPE text/plain LENGTH 4 +CONTENT\npong")
    assert [bob.reply().code for _ in range(2)] == [271, 272]
    assert bob.ask("DONE")[0].code == 202
    arrived(alice, second)
    envelope = json.loads(alice.fetch("/inbox", second, "+JSON"))["envelope"]
    assert envelope["inreplyto"] == first


def test_an_unknown_recipient_comes_back_as_a_notice(pair):
    alice = session(pair.a, "alice@a.test", "wonder land")
    id = new_id()
    known = {r["_id"] for r in alice.index()}
    done = alice.deliver("nobody@b.test", "anyone?", "lost", id)
    assert done[0].code == 202, "only b.test knows its accounts"
    notice = world.wait_for("the notice", lambda: [r for r in alice.index() if r["_id"] not in known
                                                   and r["from"] == "mailer-daemon@a.test"])[0]
    message = json.loads(alice.fetch("/inbox", notice["_id"], "+JSON"))
    reason = json.loads([p for p in message["parts"] if p["type"] == "application/json"][0]["data"])
    assert id in json.dumps(reason) and "nobody@b.test" in json.dumps(reason)
    assert "440" in json.dumps(reason)
    assert pair.a.queue() == []


def test_the_largest_that_crosses_does_and_a_larger_one_is_refused_at_once(pair):
    alice = session(pair.a, "alice@a.test", "wonder land")
    bob = session(pair.b, "bob@b.test", "builder")
    id, body = new_id(), b"x" * 100_000
    assert alice.deliver("bob@b.test", body, id=id)[0].code == 202
    arrived(bob, id, 60)
    part = bob.fetch("/inbox", id, "PART body")
    assert hashlib.sha256(part).digest() == hashlib.sha256(body).digest()
    too_large = alice.deliver("bob@b.test", b"y" * 400_000)
    assert too_large[0].code == 443 and "bob@b.test" in too_large[0].text


def test_a_message_to_both_domains_and_a_folder(pair):
    alice = session(pair.a, "alice@a.test", "wonder land")
    bob = session(pair.b, "bob@b.test", "builder")
    id = new_id()
    done = alice.deliver(["alice@a.test", "bob+receipts@b.test"], "to us both", id=id)
    assert [(r.code, r.more) for r in done] == [(201, True), (202, False)]
    row = arrived(bob, id)[0]
    assert {"alice@a.test", "bob+receipts@b.test"} <= set(
        json.loads(bob.fetch("/inbox", id, "+JSON"))["envelope"].get("for", row["to"]))
    assert [r for r in alice.index() if r["_id"] == id]


def test_the_endpoint_speaks_both_tls_versions_and_no_older(pair):
    for version in ("TLS2", "TLS3"):
        c = Client(pair.a.ip)
        assert [r.text for r in c.greeting][2] == "TLS2 TLS3"
        assert c.greeting[3].text == "p=IMMP v=1.0 d=a.test"
        c.upgrade(version)
        assert c.ask("NOOP")[0].code == 200
        c.quit()
    c = Client(pair.a.ip)
    assert c.ask("UPGRADE SSLv3")[0].code == 405
    assert c.ask("MBOX CHECK /inbox")[0].code == 403
    assert c.ask("NOOP")[0].code == 200
    c.quit()
