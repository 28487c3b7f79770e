"""Ports that only the knocker knows: which it is, who may choose it, and what it may lead to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import NOW, policy, replay_key, request, terms
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.permits import Permit
from watchword.grant.warrants import against
from watchword.model.addresses import canonical
from watchword.model.openings import Hole, Lead, Opening
from watchword.model.orders import Wanted
from watchword.model.outcomes import Refusal
from watchword.model.policy import NatTerms, Policy, Target
from watchword.model.reasons import Reason
from watchword.model.requests import ForwardWish
from watchword.model.secret_ports import assigned
from watchword.model.services import Service
from watchword.model.sharing import SharingTerms

SSH = Service.parse("tcp/22")
PORTS = (40000, 59999)


def rules(sharing: SharingTerms | None = None, **more: Any) -> Policy:
    more.setdefault("open_services", frozenset({SSH}))
    return policy(terms(sharing=sharing or SharingTerms(secret_ports=PORTS), **more))


def led(found: Policy, **more: Any) -> tuple[str, str]:
    """What is connected to, and where it leads; or the reason why not, and the rest."""
    answer = authorise(found, request(**more), NOW)
    if isinstance(answer, Refusal):
        return answer.reason.word, answer.detail
    assert isinstance(answer, Permit)
    return ",".join(map(str, answer.services)), str(answer.lead)


def chosen(port: int, inside: int = 22, host: str = "") -> ForwardWish:
    """As fwknop --nat-rand-port asks."""
    return ForwardWish((Service.parse(f"tcp/{port}"),), host, inside, local=not host)


def test_the_rule_is_the_one_that_is_written_down() -> None:
    """Worked out with OpenSSL: whoever changes the rule locks out every client there is."""
    digest = bytes(range(32))
    assert assigned(digest, SSH, (40000, 59999)) == 52681


@given(st.binary(min_size=32, max_size=32), st.integers(1024, 65000), st.integers(255, 500))
def test_a_port_is_always_one_of_those_there_are(digest: bytes, low: int, more: int) -> None:
    high = min(65535, low + more)
    assert low <= assigned(digest, SSH, (low, high)) <= high


def test_each_packet_has_a_port_of_its_own_that_leads_to_the_service() -> None:
    key = replay_key()
    port = assigned(key.plaintext, SSH, PORTS)
    assert led(rules(), key=key) == (f"tcp/{port}", "here:22")
    assert len({led(rules())[0] for _ in range(50)}) > 45


def test_a_service_that_is_not_offered_has_no_secret_port() -> None:
    assert led(rules(), services="tcp/23")[0] == Reason.PORT_NOT_OFFERED.word


def test_a_secret_port_leads_to_one_service() -> None:
    both = frozenset({SSH, Service.parse("tcp/80")})
    found = rules(open_services=both)
    assert led(found, services="tcp/22,tcp/80") == ("one-service-only", "tcp/22,tcp/80")


def test_a_client_may_choose_one_of_them_and_no_other_port() -> None:
    found = rules()
    asked = replace(request(), wish=chosen(45678))
    answer = authorise(found, asked, NOW)
    assert isinstance(answer, Permit)
    assert (answer.services, answer.lead) == ((Service.parse("tcp/45678"),), Lead(None, 22))
    for port in (39999, 60000, 22):
        refused = authorise(found, replace(asked, wish=chosen(port)), NOW)
        assert isinstance(refused, Refusal)
        assert (refused.reason, refused.detail) == (Reason.PORT_NOT_SECRET, f"tcp/{port}")
    refused = authorise(found, replace(asked, wish=chosen(45678, 23)), NOW)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.NAT_TARGET_NOT_ALLOWED


def test_it_leads_to_another_host_where_the_stanza_says_so() -> None:
    inside = Lead(canonical("10.0.0.5"), 80)
    forced = rules(nat=NatTerms(forced=(inside,)))
    service, where = led(forced)
    assert where == "10.0.0.5:80"
    assert 40000 <= int(service.partition("/")[2]) <= 59999


@pytest.mark.parametrize("connections", [None, 2])
@pytest.mark.parametrize("forced", [False, True])
def test_whatever_is_granted_the_hand_opens(connections: int | None, forced: bool) -> None:
    nat = NatTerms(forced=(Lead(canonical("10.0.0.5"), 80),)) if forced else NatTerms()
    found = rules(
        SharingTerms(secret_ports=PORTS, connections=connections, door_seconds=5), nat=nat
    )
    asked = request()
    permit = authorise(found, asked, NOW)
    assert isinstance(permit, Permit)
    grant = Ledger().admit(permit, NOW)
    for hole in grant.holes:
        wanted = Wanted(Opening(hole, grant.shuts), 1, grant.source)
        assert against(found, wanted, NOW) == ""
        later = Wanted(Opening(hole, grant.shuts + 2), 1, grant.source)
        assert "more than the 5 of its stanza's door" in against(found, later, NOW)


@pytest.mark.parametrize(
    ("service", "lead", "ticket", "why"),
    [
        ("tcp/22", None, 0, "its stanza opens ports from 40000 to 59999"),
        ("tcp/45000", None, 0, "its stanza opens no port that leads nowhere"),
        ("tcp/45000", Lead(None, 23), 0, "its stanza does not offer tcp/23"),
        ("tcp/45000", Lead(canonical("10.0.0.9"), 22), 0, "its stanza leads nobody to 10.0.0.9:22"),
        ("tcp/45000", Lead(None, 22), 0, ""),
        ("tcp/45000", Lead(None, 22), -1, "its stanza lets in any number of connections"),
    ],
)
def test_the_hand_opens_no_port_that_the_stanza_would_not_lead_on(
    service: str, lead: Lead | None, ticket: int, why: str
) -> None:
    hole = Hole(canonical("198.51.100.2"), Service.parse(service), lead=lead, ticket=ticket)
    wanted = Wanted(Opening(hole, NOW.steady + 30), 1, canonical("198.51.100.2"))
    assert against(rules(), wanted, NOW) == why


@pytest.mark.parametrize(
    ("ticket", "why"),
    [
        (0, "its stanza lets in a number of connections"),
        (-1, ""),
        (1, ""),
        (64, ""),
    ],
)
def test_the_hand_opens_nothing_uncounted_where_the_stanza_counts(ticket: int, why: str) -> None:
    found = rules(SharingTerms(connections=1))
    hole = Hole(canonical("198.51.100.2"), SSH, ticket=ticket)
    wanted = Wanted(Opening(hole, NOW.steady + 30), 1, canonical("198.51.100.2"))
    assert against(found, wanted, NOW) == why


def test_a_target_among_the_stanzas_may_be_led_to() -> None:
    target = (Target(None, 8080),)
    found = rules(nat=NatTerms(targets=target))
    hole = Hole(canonical("198.51.100.2"), Service.parse("tcp/45000"), lead=Lead(None, 8080))
    wanted = Wanted(Opening(hole, NOW.steady + 30), 1, canonical("198.51.100.2"))
    assert against(found, wanted, NOW) == ""
