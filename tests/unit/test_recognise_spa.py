"""Which stanza sealed a packet, and what comes of trying."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from tests.sealing import sealed
from tests.values import KEY, MAC_KEY, NOW, credential, packet, policy, terms
from watchword.model.crypto import Credential, Secret
from watchword.model.outcomes import Refusal
from watchword.model.policy import Policy, Terms
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, CommandWish, ForwardWish, Request, Sealed
from watchword.ports import Recogniser
from watchword.recognise.rows import Kind, Rows
from watchword.recognise.spa import SpaRecogniser
from watchword.wire.spa import rijndael
from watchword.wire.spa.message import MessageType
from watchword.wire.spa.opening import Bunch

_: type[Recogniser] = SpaRecogniser
BOB = Credential(Secret(b"b" * 32), mac_key=Secret(b"c" * 64))
NO_MAC = credential(mac_key=None)


def findings(rules: Policy, payload: bytes, **where: str) -> list[Request | Refusal]:
    found = SpaRecogniser(rules).observe(packet(payload, **where), NOW)
    return [each for each in found if not isinstance(each, Sealed)]


def told(rules: Policy, payload: bytes, **where: str) -> list[str]:
    """``2`` for a request by stanza 2, ``hmac-mismatch 1,2`` for what they refused."""
    return [
        str(each.stanza)
        if isinstance(each, Request)
        else f"{each.reason.word} {','.join(map(str, each.stanzas))}".strip()
        for each in findings(rules, payload, **where)
    ]


def stanzas(*credentials: Credential) -> tuple[Terms, ...]:
    return tuple(terms(number, credential=each) for number, each in enumerate(credentials, 1))


def test_the_stanza_whose_key_fits_has_the_request() -> None:
    rules = policy(*stanzas(BOB, credential()))
    assert told(rules, sealed()) == ["hmac-mismatch 1", "2"]
    assert told(rules, sealed(sealed_with=BOB)) == ["1", "hmac-mismatch 2"]


def test_one_key_in_two_stanzas_is_found_in_both_in_order() -> None:
    rules = policy(*stanzas(credential(), BOB, credential()))
    assert told(rules, sealed()) == ["1", "hmac-mismatch 2", "3"]


def test_stanzas_that_answer_alike_in_a_row_are_one_refusal() -> None:
    rules = policy(*stanzas(*[BOB] * 5))
    assert told(rules, sealed()) == ["hmac-mismatch 1,2,3,4,5"]


def test_nothing_is_decrypted_whose_hmac_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = rijndael.decrypt

    def counted(*arguments: object) -> object:
        calls.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rijndael, "decrypt", counted)
    rules = policy(*stanzas(BOB, BOB, BOB))
    good = sealed()
    told(rules, good)
    told(rules, good[:-1] + (b"A" if good[-1:] != b"A" else b"B"))
    assert calls == []
    told(rules, sealed(sealed_with=BOB))
    assert len(calls) == 3


def test_without_an_hmac_the_key_alone_decides() -> None:
    other = Credential(Secret(b"x" * 32))
    rules = policy(*stanzas(other, NO_MAC))
    assert told(rules, sealed(sealed_with=NO_MAC)) == ["not-decrypted 1", "2"]


def test_only_stanzas_for_the_packet_s_source_are_tried() -> None:
    inside = terms(1, sources=(ip_network("198.51.100.0/24"),))
    six = terms(2, sources=(ip_network("2001:db8::/32"),))
    rules = policy(inside, six)
    assert told(rules, sealed(), source="198.51.100.2") == ["1"]
    assert told(rules, sealed(), source="2001:db8::2") == ["2"]
    assert told(rules, sealed(), source="192.0.2.66") == ["no-stanza-for-source"]


def test_only_stanzas_for_the_packet_s_destination_are_tried() -> None:
    rules = policy(terms(1, destinations=(ip_network("203.0.113.1/32"),)))
    assert told(rules, sealed(), destination="203.0.113.1") == ["1"]
    assert told(rules, sealed(), destination="203.0.113.2") == ["no-stanza-for-source"]
    assert told(rules, sealed(), destination="") == ["no-stanza-for-source"]


def test_an_expired_stanza_refuses_from_its_second_on() -> None:
    for expires, expected in ((NOW.wall, "stanza-expired 1"), (NOW.wall + 1, "1")):
        assert told(policy(terms(1, expires=expires)), sealed()) == [expected]


def test_a_packet_says_what_it_asks_for_and_for_whom() -> None:
    [request] = findings(policy(), sealed("198.51.100.7,tcp/22,udp/53", user="bob"))
    assert isinstance(request, Request)
    assert isinstance(request.wish, AccessWish)
    assert [str(service) for service in request.wish.services] == ["tcp/22", "udp/53"]
    assert (request.user, request.allow) == ("bob", ip_address("198.51.100.7"))


@pytest.mark.requirement("9.5")
def test_all_zeros_mean_the_address_that_the_packet_came_from() -> None:
    [request] = findings(policy(), sealed("0.0.0.0,tcp/22"))
    assert isinstance(request, Request)
    assert request.allow is None


def test_an_ipv6_address_may_be_named_in_the_packet() -> None:
    [request] = findings(policy(), sealed("2001:db8::7,tcp/22"))
    assert isinstance(request, Request)
    assert request.allow == ip_address("2001:db8::7")


def test_every_kind_of_message_becomes_a_wish() -> None:
    [command] = findings(policy(), sealed("198.51.100.2,uptime", type=MessageType.COMMAND))
    assert isinstance(command, Request)
    assert command.wish == CommandWish("uptime")
    for kind, local in ((MessageType.NAT_ACCESS, False), (MessageType.LOCAL_NAT_ACCESS, True)):
        [nat] = findings(policy(), sealed(type=kind, nat="10.0.0.5,80"))
        assert isinstance(nat, Request)
        assert isinstance(nat.wish, ForwardWish)
        assert (nat.wish.host, nat.wish.port, nat.wish.local) == ("10.0.0.5", 80, local)


@pytest.mark.requirement("6.7", partial=True)
@pytest.mark.parametrize("local", [False, True])
def test_a_forwarding_may_name_its_time(local: bool) -> None:
    kind = MessageType.TIMEOUT_LOCAL_NAT_ACCESS if local else MessageType.TIMEOUT_NAT_ACCESS
    [nat] = findings(policy(), sealed(type=kind, nat="10.0.0.5,80", seconds=45))
    assert isinstance(nat, Request)
    assert isinstance(nat.wish, ForwardWish)
    assert (nat.wish.local, nat.seconds) == (local, 45)


def test_the_replay_key_outlives_the_time_stamp_and_is_kept_for_ever_without_ageing() -> None:
    [aged] = findings(policy(max_age=60), sealed(sent_at=int(NOW.wall) + 50))
    [ageless] = findings(policy(max_age=None), sealed())
    assert isinstance(aged, Request)
    assert isinstance(ageless, Request)
    assert aged.key.until is not None
    assert aged.key.sent_at == aged.sent_at == int(NOW.wall) + 50
    assert aged.key.until > NOW.wall + 50 + 60
    assert ageless.key.until is None


def test_a_broken_content_under_the_right_key_is_told_with_libfko_s_number() -> None:
    payload = sealed()
    lock = SpaRecogniser(policy(terms(1, credential=Credential(KEY, mac_key=MAC_KEY))))
    assert isinstance(next(lock.observe(packet(payload), NOW)), Request)
    short_key = policy(terms(1, credential=Credential(Secret(b"z" * 32), mac_key=MAC_KEY)))
    [refusal] = findings(short_key, payload)
    assert isinstance(refusal, Refusal)
    assert refusal.reason in (Reason.NOT_DECRYPTED, Reason.MALFORMED)
    assert refusal.code in (53, 106, 107, 6)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where each search through all the stanzas began."""
    searches: list[int] = []
    real = Bunch.first_fit

    def search(self: Bunch, payload: bytes, start: int = 0) -> int:
        searches.append(start)
        return real(self, payload, start)

    monkeypatch.setattr(Bunch, "first_fit", search)
    return searches


def test_a_source_that_was_recognised_is_recognised_again_by_one_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [Credential(KEY, mac_key=Secret(b"mac %d" % n)) for n in range(50)]
    recogniser = SpaRecogniser(policy(*stanzas(*others, credential(), BOB)))
    first = next_request(recogniser, sealed())
    recogniser.expect(first)
    searches = counted(monkeypatch)
    again = next_request(recogniser, sealed())
    assert (first.stanza, again.stanza) == (51, 51)
    assert searches == []


def next_request(recogniser: SpaRecogniser, payload: bytes) -> Request:
    found = recogniser.observe(packet(payload), NOW)
    return next(each for each in found if isinstance(each, Request))


def test_what_is_found_is_the_same_with_and_without_that_memory() -> None:
    """Shared keys, stanzas without HMAC, and sources that change their stanza included."""
    tables = [
        stanzas(BOB, credential(), BOB, credential()),
        stanzas(NO_MAC, credential(), BOB),
        stanzas(credential(), BOB, Credential(Secret(b"other"), mac_key=MAC_KEY)),
    ]
    for table in tables:
        rules = policy(*table)
        used = SpaRecogniser(rules)
        for sealed_with in (None, BOB, None, NO_MAC, BOB, None, None):
            payload = sealed(sealed_with=sealed_with)
            fresh = list(SpaRecogniser(rules).observe(packet(payload), NOW))
            found = list(used.observe(packet(payload), NOW))
            assert found == fresh
            for request in found:
                if isinstance(request, Request):
                    used.expect(request)
                    break


def test_what_is_remembered_of_sources_is_bounded() -> None:
    recogniser = SpaRecogniser(policy())
    request = next_request(recogniser, sealed())
    for number in range(70_000):
        where = request.packet._replace(peer=f"source {number}")
        recogniser.expect(replace(request, packet=where))
    assert len(recogniser._usual) == 65_536


def test_the_rows_of_a_policy_go_with_their_last_user_and_its_keys_with_them() -> None:
    """In a circle they would stay until the interpreter looks for circles, which it seldom does."""
    gc.collect()
    gc.disable()
    try:
        rows = Rows((terms(sources=(ip_network("192.0.2.0/24"),)), terms(2)))
        assert rows.row(packet(sealed()), Kind.RIJNDAEL).numbers == (2,)
        gone = weakref.ref(rows)
        del rows
        assert gone() is None
    finally:
        gc.enable()
