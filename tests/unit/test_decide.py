"""Who may have what: one stanza's rules, each on both sides of its boundary."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.values import NOW, policy, request, terms
from watchword.grant.decide import authorise
from watchword.grant.permits import Permit
from watchword.model.commands import CommandTerms
from watchword.model.crypto import Digest
from watchword.model.outcomes import Refusal
from watchword.model.policy import Policy
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish, ForwardWish, Request
from watchword.model.services import Service


def verdict(rules: Policy, wanted: Request) -> str:
    answer = authorise(rules, wanted, NOW)
    return answer.reason.word if isinstance(answer, Refusal) else "permit"


@pytest.mark.requirement("2.13")
@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, "permit"), (-60, "permit"), (-61, "too-old"), (60, "permit"), (61, "from-the-future")],
)
def test_a_time_stamp_may_lie_as_far_away_as_the_limit_in_both_directions(
    offset: int, expected: str
) -> None:
    rules = policy(terms(), max_age=60)
    assert verdict(rules, request(sent_at=int(NOW.wall) + offset)) == expected


def test_without_ageing_any_time_stamp_will_do() -> None:
    assert verdict(policy(terms(), max_age=None), request(sent_at=0)) == "permit"


@pytest.mark.requirement("9.5")
def test_a_packet_that_names_nobody_opens_for_where_it_came_from() -> None:
    for source in ("198.51.100.2", "2001:db8:2::2"):
        answer = authorise(policy(terms()), request(allow=None, source=source), NOW)
        assert isinstance(answer, Permit)
        assert answer.who == ip_address(source)


@pytest.mark.parametrize(
    ("forwarded", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("192.0.2.7, 192.0.2.8", "198.51.100.2"),
        ("0.0.0.0", "198.51.100.2"),
        ("192.0.2.7%x", "198.51.100.2"),
        ("proxy.example", "198.51.100.2"),
    ],
)
def test_behind_a_trusted_proxy_it_opens_for_the_one_address_that_the_proxy_names(
    forwarded: str, who: str
) -> None:
    asked = request(allow=None, source="198.51.100.2")
    asked = replace(asked, packet=asked.packet._replace(forwarded=forwarded))
    answer = authorise(policy(terms()), asked, NOW)
    assert isinstance(answer, Permit)
    assert answer.who == ip_address(who)
    named = authorise(policy(terms()), replace(asked, allow=ip_address("203.0.113.9")), NOW)
    assert isinstance(named, Permit)
    assert named.who == ip_address("203.0.113.9")


@pytest.mark.requirement("2.8")
def test_a_stanza_may_insist_on_a_named_address() -> None:
    strict = policy(terms(source_required=True))
    assert verdict(strict, request(allow=None)) == "source-address-required"
    assert verdict(strict, request(allow="198.51.100.7")) == "permit"
    assert verdict(strict, request(allow="2001:db8::7")) == "permit"


@pytest.mark.parametrize("who", ["224.0.0.1", "255.255.255.255", "ff02::1"])
def test_an_address_that_is_no_host_gets_nothing(who: str) -> None:
    assert verdict(policy(terms()), request(allow=who)) == "address-not-a-host"


def test_a_family_that_the_firewall_cannot_open_is_refused() -> None:
    only_four = policy(terms(), families=(4,))
    assert verdict(only_four, request(allow="198.51.100.7")) == "permit"
    assert verdict(only_four, request(allow="2001:db8::7")) == "address-family-not-supported"


@pytest.mark.requirement("2.8")
def test_a_required_name_is_compared_exactly() -> None:
    rules = policy(terms(users=frozenset({"root", "alice"})))
    assert verdict(rules, request(user="root")) == "permit"
    assert verdict(rules, request(user="alice")) == "permit"
    for name in ("Root", "root2", "roo", "mallory"):
        assert verdict(rules, request(user=name)) == "wrong-user"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("tcp/22", "permit"),
        ("tcp/22,udp/53", "permit"),
        ("udp/22", "port-not-offered"),
        ("tcp/22,tcp/443", "port-not-offered"),
        ("tcp/22,tcp/22", "permit"),
    ],
)
def test_every_wanted_port_has_to_be_offered(wanted: str, expected: str) -> None:
    offered = frozenset({Service.parse("tcp/22"), Service.parse("udp/53")})
    assert verdict(policy(terms(open_services=offered)), request(services=wanted)) == expected


def test_a_restricted_port_is_refused_even_where_it_is_offered() -> None:
    ssh = frozenset({Service.parse("tcp/22")})
    rules = policy(terms(open_services=ssh, closed_services=ssh))
    assert verdict(rules, request(services="tcp/22")) == "port-restricted"


def test_a_stanza_without_a_list_offers_any_port() -> None:
    assert verdict(policy(terms(open_services=None)), request(services="udp/65535")) == "permit"


@pytest.mark.parametrize(
    ("asked", "default", "limit", "seconds"),
    [
        (0, 30, 300, 30),
        (10, 30, 300, 10),
        (300, 30, 300, 300),
        (1000, 30, 300, 300),
        (0, 60, 20, 20),
    ],
)
def test_the_limit_holds_for_what_is_asked_and_for_the_default(
    asked: int, default: int, limit: int, seconds: int
) -> None:
    rules = policy(terms(default_seconds=default, max_seconds=limit))
    answer = authorise(rules, request(seconds=asked), NOW)
    assert isinstance(answer, Permit)
    assert answer.seconds == seconds


def test_forwarding_and_commands_are_refused_by_name() -> None:
    ssh = (Service.parse("tcp/22"),)
    forward = replace(request(), wish=ForwardWish(ssh, "10.0.0.5", 22, local=False))
    command = replace(request(), wish=CommandWish("reboot"))
    assert verdict(policy(terms()), forward) == "forwarding-not-enabled"
    assert verdict(policy(terms()), command) == "commands-not-enabled"


@pytest.mark.requirement("2.15")
def test_with_the_destination_rule_only_the_address_that_was_knocked_at_opens() -> None:
    wanted = request(destination="203.0.113.1")
    plain = authorise(policy(terms()), wanted, NOW)
    ruled = authorise(policy(terms(), destination_rule=True), wanted, NOW)
    assert isinstance(plain, Permit)
    assert isinstance(ruled, Permit)
    assert plain.destination is None
    assert ruled.destination == ip_address("203.0.113.1")


def test_a_destination_of_the_other_family_or_none_at_all_is_refused_then() -> None:
    ruled = policy(terms(), destination_rule=True)
    other = request(allow="2001:db8::7", destination="203.0.113.1")
    assert verdict(ruled, other) == "address-not-a-host"
    assert verdict(ruled, request(destination="")) == "address-not-a-host"


def test_rules_are_asked_in_the_order_of_the_log() -> None:
    """Age, address, user, ports: the first that says no is the one that is told."""
    rules = policy(
        terms(
            users=frozenset({"root"}),
            source_required=True,
            open_services=frozenset({Service.parse("tcp/80")}),
        )
    )
    wanted = request(sent_at=0, allow=None, user="eve")
    assert verdict(rules, wanted) == Reason.TOO_OLD.word
    wanted = replace(wanted, sent_at=int(NOW.wall))
    assert verdict(rules, wanted) == Reason.SOURCE_REQUIRED.word
    wanted = replace(wanted, allow=ip_address("198.51.100.7"))
    assert verdict(rules, wanted) == Reason.WRONG_USER.word
    assert verdict(rules, replace(wanted, user="root")) == Reason.PORT_NOT_OFFERED.word


@pytest.mark.requirement("8.13")
@pytest.mark.parametrize("allowed", [None, *Digest])
@pytest.mark.parametrize("digest", Digest)
def test_only_packets_with_an_allowed_digest_inside_count(
    digest: Digest, allowed: Digest | None
) -> None:
    rules = policy(digests=None if allowed is None else frozenset({allowed}))
    answer = authorise(rules, request(digest=digest), NOW)
    if allowed in (None, digest):
        assert isinstance(answer, Permit)
    else:
        assert isinstance(answer, Refusal)
        assert (answer.reason, answer.detail) == (Reason.DIGEST_NOT_ALLOWED, digest.name)


NETWORKS = tuple(map(ip_network, ("192.0.2.0/24", "2001:db8:bad::/48")))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "permit"),
        ({"source": "192.0.2.9"}, "blacklisted"),
        ({"source": "2001:db8:bad::9", "allow": "2001:db8::1"}, "blacklisted"),
        ({"allow": "192.0.2.9"}, "blacklisted"),
        ({"allow": "2001:db8:bad::9"}, "blacklisted"),
        ({"allow": None, "source": "192.0.2.9"}, "blacklisted"),
        ({"source": "192.0.3.1"}, "permit"),
    ],
)
def test_nothing_is_done_for_who_is_blacklisted_as_source_or_as_requested_address(
    wanted: dict[str, Any], expected: str
) -> None:
    assert verdict(policy(terms(), blacklist=NETWORKS), request(**wanted)) == expected


def test_the_blacklist_holds_behind_a_trusted_proxy_and_for_commands() -> None:
    rules = policy(terms(commands=CommandTerms()), blacklist=NETWORKS)
    plain = request(allow=None)
    proxied = replace(plain, packet=plain.packet._replace(forwarded="192.0.2.9"))
    assert verdict(rules, proxied) == "blacklisted"
    named = replace(request(), packet=proxied.packet)
    assert verdict(rules, named) == "blacklisted", "who asks by a proxy for another is looked at"
    command = replace(request(source="192.0.2.9"), wish=CommandWish("id"))
    assert verdict(rules, command) == "blacklisted"
    assert verdict(rules, replace(command, packet=plain.packet)) == "permit"
