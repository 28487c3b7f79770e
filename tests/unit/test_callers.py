"""Grants for a part of an address, for the network around it, and for several addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fwknopd_files import STANZA, configure, fatal, remarks
from tests.values import NOW, policy, request, terms
from watchword.dialects.fwknop import client_admit
from watchword.dialects.fwknop.client_settings import Allow, AllowKind, Given
from watchword.edges.firewall.memory import EVERYTHING
from watchword.errors import OperatorError
from watchword.grant import asking
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.permits import Permit
from watchword.grant.warrants import against
from watchword.model.addresses import Address
from watchword.model.callers import Binding, CallerTerms
from watchword.model.commands import CycleTerms
from watchword.model.openings import Caller, Extent, Feature, Hole, Opening
from watchword.model.orders import Wanted
from watchword.model.outcomes import Refusal
from watchword.model.policy import NatTerms, Policy
from watchword.model.requests import AccessWish, CommandWish, ForwardWish, Particulars, Request
from watchword.model.services import Service
from watchword.model.sharing import SharingTerms
from watchword.model.templates import Template
from watchword.service.daemon.assembly import fitted

SSH = Service.parse("tcp/22")
HOME, HOME6 = ip_address("198.51.100.2"), ip_address("2001:db8:2::2")
PREFIXES = ((4, 24), (6, 56), (6, 64))


def allowed(**more: Any) -> Policy:
    return policy(terms(callers=CallerTerms(**more), open_services=frozenset({SSH})))


def admit(words: str, **more: Any) -> Request:
    return replace(request(**more), wish=CommandWish(f"admit {words}"))


def whom(rules: Policy, asked: Request) -> list[str]:
    """Who is let in; or the reason why nobody is, and what is said of it."""
    answer = authorise(rules, asked, NOW)
    if isinstance(answer, Refusal):
        return [answer.reason.word, answer.detail]
    assert isinstance(answer, Permit)
    return [str(Caller(answer.who, answer.extent)), *map(str, answer.also)]


@pytest.mark.requirement("2.23", partial=True)
def test_a_grant_is_bound_to_the_source_port_that_the_packet_declares() -> None:
    rules = allowed(binding=Binding.OFFERED)
    assert whom(rules, admit("tcp/22 port 40123")) == ["198.51.100.2 port 40123"]
    assert whom(rules, request()) == ["198.51.100.2"]
    six = admit("tcp/22 port 40123", allow=None, source=str(HOME6))
    assert whom(rules, six) == ["2001:db8:2::2 port 40123"]


def test_where_binding_is_required_the_whole_address_is_refused_by_the_callers_name() -> None:
    rules = allowed(binding=Binding.REQUIRED)
    assert whom(rules, admit("tcp/22 port 40123")) == ["198.51.100.2 port 40123"]
    assert whom(rules, request(user="mallory")) == ["source-port-required", "mallory"]


def test_where_nothing_of_the_kind_is_offered_the_word_is_a_command_like_any_other() -> None:
    assert whom(allowed(), admit("tcp/22 port 40123"))[0] == "commands-not-enabled"
    assert whom(allowed(prefixes=PREFIXES), admit("tcp/22 port 1"))[0] == "source-port-not-offered"


def test_the_rules_of_every_request_hold_for_what_is_asked_in_words() -> None:
    rules = allowed(binding=Binding.OFFERED)
    assert whom(rules, admit("tcp/23 port 40123")) == ["port-not-offered", "tcp/23"]
    assert whom(rules, admit("tcp/22 port 1", allow="224.0.0.1"))[0] == "address-not-a-host"
    old = replace(admit("tcp/22 port 40123"), sent_at=int(NOW.wall) - 500)
    assert whom(rules, old)[0] == "too-old"
    answer = authorise(rules, admit("tcp/22 port 40123 for 100000"), NOW)
    assert isinstance(answer, Permit)
    assert answer.seconds == 300


@pytest.mark.requirement("2.23", partial=True)
def test_a_prefix_is_let_in_at_the_lengths_that_the_stanza_has_and_at_no_other() -> None:
    rules = allowed(prefixes=PREFIXES)
    assert whom(rules, admit("tcp/22 prefix 24")) == ["198.51.100.0/24"]
    six = {"allow": None, "source": str(HOME6)}
    assert whom(rules, admit("tcp/22 prefix 56", **six)) == ["2001:db8:2::/56"]
    for words, more in (("8", {}), ("25", {}), ("1", {}), ("24", six), ("48", six)):
        said = whom(rules, admit(f"tcp/22 prefix {words}", user="mallory", **more))
        assert said[0] == "prefix-not-offered"
        assert said[1].startswith("mallory: ")


def test_who_asks_for_no_prefix_gets_the_longest_where_the_stanza_widens() -> None:
    rules = allowed(prefixes=PREFIXES, widen=True)
    assert whom(rules, request()) == ["198.51.100.0/24"]
    assert whom(rules, request(allow=None, source=str(HOME6))) == ["2001:db8:2::/64"]
    first = allowed(prefixes=PREFIXES, widen=True, first=True)
    assert whom(first, request()) == ["198.51.100.0/24 (the first that connects)"]


def test_no_prefix_lets_in_who_is_blacklisted() -> None:
    rules = replace(
        allowed(prefixes=PREFIXES, widen=True), blacklist=(ip_network("198.51.100.128/30"),)
    )
    assert whom(rules, admit("tcp/22 prefix 24"))[0] == "blacklisted"
    assert whom(rules, request()) == ["198.51.100.2"]
    hole = Hole(ip_address("198.51.100.0"), SSH, extent=Extent(bits=24))
    assert "blacklisted" in held_against(rules, hole)


@pytest.mark.requirement("2.23", partial=True)
def test_one_packet_lets_in_inner_and_outer_address_and_both_ip_versions() -> None:
    both = allowed(and_source=True)
    assert whom(both, request(allow="10.0.0.7")) == ["10.0.0.7", "198.51.100.2"]
    assert whom(both, request(allow=None)) == ["198.51.100.2"]
    dual = allowed(more=1)
    assert whom(dual, admit(f"tcp/22 also {HOME6}")) == ["198.51.100.2", str(HOME6)]
    widened = allowed(more=1, prefixes=((6, 64),), widen=True)
    assert whom(widened, admit(f"tcp/22 also {HOME6}")) == ["198.51.100.2", "2001:db8:2::/64"]
    bound = allowed(more=1, binding=Binding.REQUIRED)
    assert whom(bound, admit(f"tcp/22 port 9 also {HOME6}"))[1] == "2001:db8:2::2 port 9"


@pytest.mark.requirement("2.23", partial=True)
def test_other_peoples_addresses_are_not_let_in_and_the_line_says_who_asked() -> None:
    rules = allowed(more=2, only=(ip_network("10.0.0.0/8"),))
    mine = {"user": "mallory"}
    assert whom(rules, request(allow="192.0.2.9", **mine)) == [
        "address-not-to-be-named", "mallory: 192.0.2.9",
    ]  # fmt: skip
    assert whom(rules, admit("tcp/22 also 192.0.2.9", **mine))[1] == "mallory: 192.0.2.9"
    assert whom(rules, request(allow="10.1.2.3")) == ["10.1.2.3"]
    assert whom(rules, request(allow="198.51.100.2")) == ["198.51.100.2"]
    assert whom(allowed(only=()), request(allow=None)) == ["198.51.100.2"]
    many = admit("tcp/22 also 10.0.0.1 also 10.0.0.2 also 10.0.0.3", **mine)
    assert whom(rules, many) == ["too-many-addresses", "mallory: 3 where 2 may be named"]
    assert whom(rules, admit("tcp/22 also 224.0.0.1"))[0] == "address-not-a-host"


def test_where_commands_open_nobody_names_other_peoples_addresses_either() -> None:
    cycle = CycleTerms(Template((), ()), None)
    rules = policy(terms(callers=CallerTerms(only=()), cycle=cycle))
    assert whom(rules, request(allow="192.0.2.9"))[0] == "address-not-to-be-named"
    assert whom(rules, request(allow=None)) == ["198.51.100.2"]


def test_each_further_address_is_held_against_what_the_firewall_and_the_blacklist_say() -> None:
    rules = allowed(more=1)
    barred = replace(rules, blacklist=(ip_network("2001:db8:2::/48"),))
    assert whom(barred, admit(f"tcp/22 also {HOME6}"))[0] == "blacklisted"
    only4 = replace(rules, families=(4,))
    assert whom(only4, admit(f"tcp/22 also {HOME6}"))[0] == "address-family-not-supported"
    one = replace(rules, destination_rule=True)
    assert whom(one, admit(f"tcp/22 also {HOME6}"))[0] == "address-not-a-host"


def test_who_is_led_on_is_led_on_from_one_whole_address() -> None:
    nat = NatTerms(enabled=True)
    rules = policy(terms(callers=CallerTerms(prefixes=PREFIXES, widen=True), nat=nat))
    rules = replace(rules, local_nat=True)
    wish = ForwardWish((Service.parse("tcp/2222"),), "", 22, local=True)
    assert whom(rules, replace(request(), wish=wish))[0] == "not-led-on-in-part"


@pytest.mark.parametrize(
    "words",
    [
        "",
        "tcp/22 port",
        "ssh",
        "tcp/22 port 0",
        "tcp/22 port 65536",
        "tcp/22 port x",
        "tcp/22 port 1 port 2",
        "tcp/22 prefix 129",
        "tcp/22 prefix 24 port 1",
        "tcp/22 also nobody",
        "tcp/22 also fe80::1%eth0",
        "tcp/22 until 5",
        "tcp/22 for 0",
        "tcp/22" + " also 192.0.2.1" * 8,
    ],
)
def test_what_cannot_be_read_is_refused_and_not_repeated(words: str) -> None:
    rules = allowed(binding=Binding.OFFERED, prefixes=PREFIXES, more=6)
    assert whom(rules, admit(words))[0] == "admit-unreadable"


@given(
    port=st.integers(0, 65535),
    also=st.lists(st.ip_addresses(), max_size=3, unique=True),
    seconds=st.integers(0, 1000),
)
def test_what_the_client_writes_is_read_as_it_was_meant(
    port: int, also: list[Address], seconds: int
) -> None:
    others = [str(getattr(each, "ipv4_mapped", None) or each).partition("%")[0] for each in also]
    said = client_admit.message(Given(seconds=seconds), "tcp/22,udp/53", port, others)
    wish = CommandWish(said)
    known = terms(callers=CallerTerms(binding=Binding.OFFERED))
    found = asking.spelled_out(known, replace(request(), wish=wish))
    particulars = Particulars(port, 0, tuple(map(ip_address, others)))
    assert found.wish == AccessWish((SSH, Service.parse("udp/53")), particulars)
    assert found.seconds == seconds


def test_the_client_asks_for_a_prefix_unless_it_asks_for_a_port() -> None:
    said = Given(elsewhere={"ASK_PREFIX": "/64"})
    assert client_admit.message(said, "tcp/22", 0, ()) == "admit tcp/22 prefix 64"
    assert client_admit.message(said, "tcp/22", 9, ()) == "admit tcp/22 port 9"
    four = replace(said, allow=Allow(AllowKind.ADDRESS, "192.0.2.1"))
    with pytest.raises(OperatorError, match="more than the 32 bits of 192"):
        client_admit.message(four, "tcp/22", 0, ())
    six = replace(said, allow=Allow(AllowKind.ADDRESS, "2001:db8::1"))
    assert client_admit.message(six, "tcp/22", 0, ()) == "admit tcp/22 prefix 64"
    with pytest.raises(OperatorError, match="cannot be admitted in part"):
        client_admit.message(Given(nat_local=True), "tcp/22", 9, ())


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (client_admit.binding, "Y", "first"),
        (client_admit.binding, "only", "only"),
        (client_admit.binding, "n", "no"),
        (client_admit.binding, "sometimes", None),
        (client_admit.prefix, "/64", 64),
        (client_admit.prefix, "0", None),
        (client_admit.prefix, "129", None),
        (client_admit.also, "Other, 192.0.2.1 other", ("other", "192.0.2.1")),
        (client_admit.also, "me", None),
        (client_admit.also, "fe80::1%eth0", None),
        (client_admit.also, "", None),
        (client_admit.also, "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7", None),
    ],
)
def test_the_clients_variables_are_read(
    read: Callable[[str], object], text: str, value: object
) -> None:
    if value is None:
        with pytest.raises(ValueError):
            read(text)
    else:
        assert read(text) == value


def held_against(rules: Policy, hole: Hole) -> str:
    return against(rules, Wanted(Opening(hole, NOW.steady + 30), 1, HOME), NOW)


@pytest.mark.parametrize(
    ("rules", "extent", "why"),
    [
        (allowed(), Extent(port=9), "binds to no port"),
        (allowed(), Extent(bits=24), "no network of 24 bits"),
        (allowed(prefixes=((4, 28),)), Extent(bits=24), "no network of 24 bits"),
        (allowed(prefixes=((4, 24),), first=True), Extent(bits=24), "another part"),
        (allowed(binding=Binding.REQUIRED), None, "no whole address"),
    ],
)
def test_the_hand_opens_no_part_that_the_stanza_does_not_have(
    rules: Policy, extent: Extent | None, why: str
) -> None:
    assert why in held_against(rules, Hole(ip_address("198.51.100.0"), SSH, extent=extent))


@given(
    terms_=st.builds(
        CallerTerms,
        binding=st.sampled_from(Binding),
        prefixes=st.sampled_from([(), PREFIXES]),
        widen=st.booleans(),
        first=st.booleans(),
        and_source=st.booleans(),
        more=st.integers(0, 2),
        only=st.sampled_from([None, (), (ip_network("10.0.0.0/8"),)]),
    ),
    words=st.sampled_from(
        [None, "tcp/22 port 9", "tcp/22 prefix 24", f"tcp/22 also {HOME6}", "tcp/22 port 9 for 9"]
    ),
    allow=st.sampled_from([None, "198.51.100.2", "10.0.0.1", "192.0.2.9"]),
)
def test_whatever_is_granted_the_hand_opens(
    terms_: CallerTerms, words: str | None, allow: str | None
) -> None:
    rules = policy(terms(callers=terms_, open_services=frozenset({SSH})))
    asked = request(allow=allow) if words is None else admit(words, allow=allow)
    answer = authorise(rules, asked, NOW)
    if isinstance(answer, Permit):
        grant = Ledger().admit(answer, NOW)
        assert [held_against(rules, hole) for hole in grant.holes] == [""] * len(grant.holes)


def test_a_grant_that_is_bound_is_not_counted_and_what_it_falls_back_to_is() -> None:
    callers, sharing = CallerTerms(binding=Binding.OFFERED), SharingTerms(connections=1)
    rules = policy(terms(callers=callers, sharing=sharing))
    for asked, connections in ((admit("tcp/22 port 40123"), None), (request(), 1)):
        answer = authorise(rules, asked, NOW)
        assert isinstance(answer, Permit)
        assert answer.connections == connections


def test_two_ports_of_one_caller_are_two_grants_and_each_ends_by_itself() -> None:
    rules, ledger = allowed(binding=Binding.OFFERED), Ledger()
    made = []
    for port in (1, 2, 1):
        answer = authorise(rules, admit(f"tcp/22 port {port}"), NOW)
        assert isinstance(answer, Permit)
        made.append(ledger.admit(answer, NOW))
    assert made[0].id == made[2].id != made[1].id
    assert {each.hole.extent for each in ledger.openings()} == {Extent(port=1), Extent(port=2)}


def read(lines: str) -> CallerTerms:
    [found] = configure("GUARD_SERVICES ALL", STANZA + lines).policy.stanzas
    return found.callers


def test_the_lines_of_a_stanza_are_read() -> None:
    assert read("") == CallerTerms()
    assert read("BIND_SOURCE_PORT offered").binding is Binding.OFFERED
    assert read("BIND_SOURCE_PORT Required").binding is Binding.REQUIRED
    assert read("PREFIXES_IPV4 28, /24\nPREFIXES_IPV6 64") == CallerTerms(
        prefixes=((4, 24), (4, 28), (6, 64))
    )
    assert read("GRANT_ALSO_SOURCE Y\nMORE_ADDRESSES 2") == CallerTerms(and_source=True, more=2)
    assert read("NAMED_ADDRESSES none").only == ()
    assert read("NAMED_ADDRESSES ANY").only is None
    assert read("NAMED_ADDRESSES 10.0.0.0/8").only == (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("BIND_SOURCE_PORT perhaps", "none of N, offered and required"),
        ("PREFIXES_IPV4 15", "PREFIXES_IPV4 is '15'"),
        ("PREFIXES_IPV4 32", "PREFIXES_IPV4 is '32'"),
        ("PREFIXES_IPV4 24 x", "PREFIXES_IPV4 is '24 x'"),
        ("PREFIXES_IPV6 47", "PREFIXES_IPV6 is '47'"),
        ("PREFIXES_IPV6 48 50 52 54 56", "PREFIXES_IPV6 is"),
        ("MORE_ADDRESSES 7", "MORE_ADDRESSES is '7'"),
        ("NAMED_ADDRESSES me", "NAMED_ADDRESSES"),
        ("BIND_SOURCE_PORT Y\nFORCE_NAT 127.0.0.1 22", "cannot be with FORCE_NAT"),
        ("BIND_SOURCE_PORT Y\nSECRET_PORTS 40000-40999", "cannot be with SECRET_PORTS"),
        ("PREFIXES_IPV4: 24\nFORCE_NAT 127.0.0.1 22", "PREFIXES_IPV4 cannot be with FORCE_NAT"),
        ("PREFIXES_IPV4 24\nEXCLUSIVE_LEASE refuse", "EXCLUSIVE_LEASE cannot be"),
        ("PREFIXES_IPV4 24\nCMD_CYCLE_OPEN /bin/true\nCMD_CYCLE_CLOSE NONE", "commands open"),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(lines: str, told: str) -> None:
    conf = "GUARD_SERVICES ALL\nENABLE_IPT_LOCAL_NAT Y\nENABLE_IPT_FORWARDING Y"
    assert told in "\n".join(fatal(conf, STANZA + lines))


def test_a_line_that_says_no_contradicts_nothing() -> None:
    conf = "GUARD_SERVICES ALL\nENABLE_IPT_LOCAL_NAT Y\nENABLE_IPT_FORWARDING Y"
    lines = "WIDEN_TO_PREFIX no\nGRANT_ALSO_SOURCE N\nMORE_ADDRESSES 0\nFORCE_NAT 10.0.0.5 80"
    assert fatal(conf, STANZA + lines) == []


def test_a_prefix_is_refused_where_grants_are_for_one_destination() -> None:
    told = fatal("GUARD_SERVICES ALL\nENABLE_DESTINATION_RULE Y", STANZA + "PREFIXES_IPV4 24")
    assert "a prefix cannot be let in with ENABLE_DESTINATION_RULE Y" in "\n".join(told)


def test_what_has_no_effect_is_remarked_on() -> None:
    told = remarks("GUARD_SERVICES ALL", STANZA + "WIDEN_TO_PREFIX Y")
    assert "no effect without PREFIXES_IPV4" in "\n".join(told)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"binding": Binding.OFFERED}, "a grant to one source port (BIND_SOURCE_PORT)"),
        ({"prefixes": PREFIXES}, "a grant to a prefix (PREFIXES_IPV4, PREFIXES_IPV6)"),
        ({"prefixes": PREFIXES, "first": True}, "the first of a prefix that connects"),
    ],
)
def test_where_the_backend_has_no_such_openings_the_start_is_refused_at_the_stanza(
    more: dict[str, Any], told: str
) -> None:
    rules = allowed(**more)
    able = EVERYTHING - rules.features(rules.stanzas[0])
    with pytest.raises(OperatorError, match=re.escape(told)) as refused:
        fitted(rules, "ipset", able)
    assert refused.value.complaints[0].place == rules.stanzas[0].place
    assert fitted(rules, "nftables", EVERYTHING).stanzas == rules.stanzas


def test_the_firewall_is_set_up_for_what_the_stanzas_have() -> None:
    lines = "BIND_SOURCE_PORT Y\nPREFIXES_IPV4 24\nFIRST_CONNECTS_ONLY Y"
    found = configure("GUARD_SERVICES ALL", STANZA + lines)
    firewall = found.settings.firewall
    assert (firewall.binds, firewall.prefixes, firewall.firsts) == (True, (), ((4, 24),))
    [stanza] = found.policy.stanzas
    assert found.policy.features(stanza) >= {
        Feature.SOURCE_PORT, Feature.PREFIX, Feature.FIRST,
    }  # fmt: skip
