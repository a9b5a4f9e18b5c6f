# SPDX-License-Identifier: MIT
"""immpd and a gateway of another make, whose every seal is openssl(1)'s: what it accepts, and
every way in which a seal or a receipt can be wrong (docs/xmpp.md, "The seal")."""

import base64
import json

import pytest
from slixmpp.exceptions import IqError

import peer as p
import world
from immp import new_id, session
from peer import NS, Keys, Seal, now


@pytest.fixture(scope="module")
def alice(beside):
    return session(beside.a, "alice@a.test", "wonder land")


def our_key(w):
    return w.peer.folder / "a.test.encrypt.crt"


def refused(w):
    return w.a.status()["inbound"]["refused"]


def seal_of(w, to="alice@a.test", body="hello", **changes):
    s = Seal(w.peer.keys, "d.test", "a.test")
    s.last = s.add("dave@d.test", to, body, **changes)
    return s


# ---- what holds

def test_openssl_opens_what_immpd_sealed(beside, alice):
    id = new_id()
    assert alice.deliver("dave@d.test", "over there", "to Dave", id)[0].code == 202
    header, parts = world.wait_for("the seal", lambda: [r for r in beside.peer.received
                                                        if r[0]["id"] == id])[0]
    assert header["from"] == "alice@a.test" and header["to"] == ["dave@d.test"]
    assert header["subject"] == "to Dave" and parts == [b"over there"]
    assert header["origin"] == "a.test" and header["destination"] == "d.test"
    world.wait_for("the queue", lambda: beside.a.queue() == [])


def test_immpd_opens_what_openssl_sealed(beside, alice):
    s = seal_of(beside, body="from openssl", subject="by hand")
    out = beside.peer.send_seal("a.test", s.der(our_key(beside)), s.id)
    assert [(r["id"], r["to"], r["code"]) for r in out["results"]] == [(s.last, "alice@a.test", 201)]
    row = [r for r in alice.index() if r["_id"] == s.last][0]
    assert row["from"] == "dave@d.test" and row["subject"] == "by hand"
    assert alice.fetch("/inbox", s.last, "PART body") == b"from openssl"


def test_certificates_and_further_attributes_inside_are_accepted(beside):
    s = seal_of(beside)
    out = beside.peer.send_seal("a.test", s.der(our_key(beside), flags=["-nosmimecap"]), s.id)
    assert out["results"][0]["code"] == 201
    s = seal_of(beside)
    out = beside.peer.send_seal("a.test", s.der(our_key(beside), flags=["-nocerts"]), s.id)
    assert out["results"][0]["code"] == 201


def test_a_signed_message_can_be_checked_years_later(beside, alice, tmp_path):
    s = seal_of(beside, body="signed for good")
    beside.peer.send_seal("a.test", s.der(our_key(beside)), s.id)
    kept = json.loads(alice.must(f"MBOX FETCH /inbox#{s.last} +SIGNED")[0].text)
    (tmp_path / "sig").write_bytes(base64.b64decode(kept["signature"]))
    (tmp_path / "crt").write_text(kept["certificate"])
    p.openssl("cms", "-verify", "-inform", "DER", "-in", tmp_path / "sig", "-content", "/dev/stdin",
              "-binary", "-noverify", "-nointern", "-certfile", tmp_path / "crt",
              data=kept["header"].encode())
    assert json.loads(kept["header"])["id"] == s.last


def test_several_messages_in_a_bundle_have_results_of_their_own(beside):
    s = Seal(beside.peer.keys, "d.test", "a.test")
    good = s.add("dave@d.test", "alice@a.test", "one")
    lost = s.add("dave@d.test", "nobody@a.test", "two")
    out = beside.peer.send_seal("a.test", s.der(our_key(beside)), s.id)
    assert {(r["id"], r["code"]) for r in out["results"]} == {(good, 201), (lost, 440)}


def test_a_repeat_gets_its_first_answer_and_delivers_nothing(beside, alice):
    s = seal_of(beside)
    der = s.der(our_key(beside))
    first = beside.peer.send_seal("a.test", der, s.id)
    assert beside.peer.send_seal("a.test", der, s.id)["results"] == first["results"]
    again = Seal(beside.peer.keys, "d.test", "a.test")   # the same message in a new bundle
    again.messages = s.messages
    assert beside.peer.send_seal("a.test", again.der(our_key(beside)), again.id)["results"] == first["results"]
    assert len([r for r in alice.index() if r["_id"] == s.last]) == 1


# ---- what does not: each refused with its own code, and counted

def refusal(w, s, der=None, **send):
    out = w.peer.send_seal("a.test", der if der is not None else s.der(our_key(w)), s.id, **send)
    assert "results" not in out
    return out["refused"]


def test_each_refusal_is_counted(beside):
    before = refused(beside)
    s = seal_of(beside)
    s.time = now(-8 * 86400)
    assert refusal(beside, s) == "expired"
    assert refused(beside)["expired"] == before["expired"] + 1


def test_a_seal_signed_by_another_key_is_refused(beside, tmp_path):
    s = seal_of(beside)
    other = Keys("d.test", tmp_path / "other")
    assert refusal(beside, s, s.der(our_key(beside), signer=other)) in ("unknown-key", "bad-signature")


def test_a_seal_that_another_domain_resigned_is_refused(beside, tmp_path):
    """An honest seal, its outer signature replaced: origin d.test, names of evil.test inside."""
    s = Seal(beside.peer.keys, "evil.test", "a.test")
    s.add("mallory@evil.test", "alice@a.test", "stolen")
    out = beside.peer.send_seal("a.test", s.der(our_key(beside)), s.id)
    assert out["refused"] == "mismatch"


def test_a_seal_for_another_destination_is_refused(beside):
    s = Seal(beside.peer.keys, "d.test", "b.test")
    s.add("dave@d.test", "bob@b.test", "not for you")
    assert refusal(beside, s) in ("mismatch", "wrong-destination")
    s = seal_of(beside)
    assert refusal(beside, s, destination="b.test") == "wrong-destination"


def test_a_seal_to_a_key_that_is_not_ours_is_refused(beside):
    s = seal_of(beside)
    assert refusal(beside, s, s.der(beside.peer.keys.certificate("encrypt"))) in ("unknown-key", "bad-seal")


def test_a_message_signature_that_does_not_hold_is_refused(beside, tmp_path):
    s = seal_of(beside)
    bundle = s.bundle(signer=Keys("d.test", tmp_path / "k"))
    assert refusal(beside, s, s.der(our_key(beside), bundle=bundle)) == "bad-signature"


def test_a_part_that_was_altered_is_refused(beside):
    s = seal_of(beside, body="pay 100")
    bundle = s.bundle()
    assert refusal(beside, s, s.der(our_key(beside), bundle=bundle[:-3] + b"999")) == "malformed"


@pytest.mark.parametrize("cut", ["head", "twice", "count", "garbage", "empty"])
def test_a_bundle_out_of_grammar_is_refused(beside, cut):
    s = seal_of(beside)
    b = s.bundle()
    bad = {"head": b.replace(b'"immp": "1.0"', b'"immp": "9.0"'), "twice": b + b"more",
           "count": b.replace(b'"messages": 1', b'"messages": 2'), "garbage": b"\x00\xff" * 50,
           "empty": b"\n"}[cut]
    assert refusal(beside, s, s.der(our_key(beside), bundle=bad)) == "malformed"


def test_an_id_reused_with_other_content_is_refused(beside, alice):
    s = seal_of(beside, body="first")
    beside.peer.send_seal("a.test", s.der(our_key(beside)), s.id)
    t = seal_of(beside, body="other", id=s.last)
    assert refusal(beside, t) == "id-reused"
    assert alice.fetch("/inbox", s.last, "PART body") == b"first"


def test_an_altered_seal_is_refused_wherever_it_was_altered(beside):
    s = seal_of(beside)
    der = bytearray(s.der(our_key(beside)))
    for at in list(range(0, len(der), max(1, len(der) // 24))):
        bad = bytearray(der)
        bad[at] ^= 0x41
        body = base64.b64encode(bytes(bad)).decode()
        text = "-----BEGIN CMS-----\n" + "\n".join(body[i:i + 64] for i in range(0, len(body), 64)) \
            + "\n-----END CMS-----\n"
        out = beside.peer.send_seal("a.test", None, s.id, text=text)
        assert out.get("refused") in ("bad-seal", "bad-signature", "unknown-key", "malformed"), (at, out)
    good = beside.peer.send_seal("a.test", bytes(der), s.id)
    assert good["results"][0]["code"] == 201


def test_what_is_no_armor_is_refused(beside):
    with pytest.raises(IqError) as refused_iq:
        beside.peer.call(beside.peer._ask("set", "immp.a.test", _element("")))
    assert "<bad-request" in str(refused_iq.value.iq)
    for text in ("nonsense", "-----BEGIN CMS-----\n!!!!\n-----END CMS-----",
                 "-----BEGIN CMS-----\nAAAA\n-----END CMS-----"):
        out = beside.peer.call(beside.peer._ask("set", "immp.a.test", _element(text)))
        receipt = out.xml.find(f"{{{NS}}}receipt")
        assert receipt is not None


def _element(text):
    import xml.etree.ElementTree as ET
    e = ET.Element(f"{{{NS}}}seal", bundle=new_id(), origin="d.test", destination="a.test")
    e.text = text
    return e


# ---- receipts that do not hold: the mail stays queued, and goes when an honest one comes

def lies(kind, w, tmp_path):
    other = Keys("d.test", tmp_path / kind)

    def answer(peer, element, text):
        if kind == "unsigned":
            return json.dumps(text)
        if kind == "other-key":
            return p.armor(other.sign(json.dumps(text).encode(), False))
        if kind == "other-bundle":
            text["bundle"] = new_id()
        if kind == "other-digest":
            text["sha256"] = "0" * 64
        if kind == "no-results":
            text["results"] = []
        return text
    return answer


@pytest.mark.parametrize("kind", ["unsigned", "other-key", "other-bundle", "other-digest", "no-results"])
def test_mail_stays_queued_for_a_receipt_that_does_not_hold(beside, alice, tmp_path, kind):
    id, peer = new_id(), beside.peer
    peer.answer = lies(kind, beside, tmp_path)
    seen = len(peer.sealed)
    try:
        alice.deliver("dave@d.test", kind, id=id)
        world.wait_for("the lie", lambda: len(peer.sealed) > seen)
        world.wait_for("a second try", lambda: len(peer.sealed) > seen + 1, 30)
        assert [q["message"] for q in beside.a.queue()] == [id]
    finally:
        peer.answer = lambda _, __, text: text
    world.wait_for("the honest receipt", lambda: beside.a.queue() == [], 30)
    headers = {json.dumps(h, sort_keys=True) for h, _ in peer.received if h["id"] == id}
    assert len(headers) == 1, "a retry sends the header as the first time"


@pytest.mark.parametrize("condition", ["remote-server-not-found", "service-unavailable",
                                       "internal-server-error", "item-not-found"])
def test_every_stanza_error_is_temporary(beside, alice, condition):
    id, peer = new_id(), beside.peer
    peer.stanza_error = condition
    seen = len(peer.sealed)
    try:
        alice.deliver("dave@d.test", condition, id=id)
        world.wait_for("the error", lambda: len(peer.sealed) > seen)
        assert [q["message"] for q in beside.a.queue()] == [id]
    finally:
        peer.stanza_error = None
    world.wait_for("delivery", lambda: beside.a.queue() == [], 30)


def test_a_permanent_code_in_a_signed_receipt_bounces(beside, alice):
    def answer(peer, element, text):
        for r in text["results"]:
            r.update(code=442, text="the mailbox is full")
        return text
    known = {r["_id"] for r in alice.index()}
    beside.peer.answer = answer
    try:
        id = new_id()
        alice.deliver("dave@d.test", "full?", id=id)
        notice = world.wait_for("the notice", lambda: [r for r in alice.index()
                                                       if r["_id"] not in known])[0]
    finally:
        beside.peer.answer = lambda _, __, text: text
    assert notice["from"] == "mailer-daemon@a.test"
    assert "the mailbox is full" in alice.must(f"MBOX FETCH /inbox#{notice['_id']} +JSON")[0].text
    assert beside.a.queue() == []


def test_the_pin_is_recorded_and_shown(beside):
    peers = {r["domain"]: r for r in beside.a.ctl_json("peer", "list")}
    assert peers["d.test"]["trust"] == "tofu"
    assert "sha256:" + peers["d.test"]["sign"] == p.fingerprint(beside.peer.keys.certificate("sign"))
    shown = beside.a.ctl_json("peer", "show", "d.test")
    assert shown["component"] == "immp.d.test" and shown["paths"]


def test_our_keys_are_what_immpctl_says(beside):
    mine = beside.a.ctl_json("key", "show")[0]
    assert "sha256:" + mine["sign"] == p.fingerprint(beside.peer.folder / "a.test.sign.crt")
    assert "sha256:" + mine["encrypt"] == p.fingerprint(our_key(beside))
