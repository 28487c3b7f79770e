"""What the files of fwknop say of connections that are led on."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from tests.fwknopd_files import configure, fatal, remarks, stanza
from watchword.model.firewalls import Attach, JumpFrom, NamedSet
from watchword.model.openings import Feature, Lead, SourceNat
from watchword.model.policy import NatTerms, Target
from watchword.model.services import Service

ON = "ENABLE_IPT_FORWARDING Y\nENABLE_IPT_LOCAL_NAT Y\n"
INSIDE = ip_address("10.0.0.5")
SEED = "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: 0123456789abcdef;\nREQUIRE_SOURCE_ADDRESS: Y;\n"


def terms(lines: str, config: str = ON) -> NatTerms:
    [found] = configure(config, stanza(lines)).policy.stanzas
    return found.nat


def test_the_server_leads_nobody_on_unless_it_is_told_to() -> None:
    off = configure()
    assert not off.policy.forwarding
    assert not off.policy.local_nat
    assert not off.settings.firewall.leads
    for name, forwarding in (("ENABLE_IPT_FORWARDING", True), ("ENABLE_FIREWD_LOCAL_NAT", False)):
        on = configure(f"{name} Y")
        assert (on.policy.forwarding, on.policy.local_nat) == (forwarding, not forwarding)
        assert on.settings.firewall.leads
    assert configure("ENABLE_NAT_DNS N").policy.nat_names is False


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("10.0.0.5", [Target(ip_network("10.0.0.5"))]),
        ("10.0.0.0/24:443", [Target(ip_network("10.0.0.0/24"), 443)]),
        ("10.0.0.5:22, fd00::5", [
            Target(ip_network("10.0.0.5"), 22), Target(ip_network("fd00::5"))
        ]),
        ("[fd00::5]:22", [Target(ip_network("fd00::5"), 22)]),
        ("[fd00::/64]:22,[fd00::7]", [
            Target(ip_network("fd00::/64"), 22), Target(ip_network("fd00::7"))
        ]),
        ("local:6543,local", [Target(None, 6543), Target(None)]),
    ],
)  # fmt: skip
def test_targets_are_hosts_and_networks_with_and_without_ports(
    text: str, targets: list[Target]
) -> None:
    assert terms(f"NAT_TARGETS {text}").targets == tuple(targets)


@pytest.mark.parametrize(
    "text",
    ["ANY", "10.0.0.5:0", "10.0.0.5:65536", "10.0.0.5:x", "[fd00::5", "[fd00::5]22", "host", ""],
)  # fmt: skip
def test_what_is_no_target_is_refused_with_an_example(text: str) -> None:
    said = fatal(ON, stanza(f"NAT_TARGETS {text},"))
    assert any("NAT_TARGETS" in each for each in said)


def test_a_stanza_without_targets_is_remarked_on_where_it_would_matter() -> None:
    [said] = remarks("ENABLE_IPT_FORWARDING Y")
    assert said.startswith("access.conf:1: access stanza #1 has no NAT_TARGETS")
    assert remarks("ENABLE_IPT_LOCAL_NAT Y") == []
    assert remarks("ENABLE_IPT_FORWARDING Y", stanza("NAT_TARGETS 10.0.0.5")) == []
    assert remarks("ENABLE_IPT_FORWARDING Y", stanza("ENABLE_FORWARD_ACCESS N")) == []
    assert remarks("ENABLE_IPT_FORWARDING Y", stanza("FORCE_NAT 10.0.0.5 80")) == []


def test_a_stanza_of_1_9_opts_in_and_names_networks() -> None:
    config = f"{ON}GUARD_SERVICES tcp/22\n"
    [plain] = configure(config, SEED).policy.stanzas
    assert not plain.nat.enabled
    text = f"{SEED}ENABLE_FORWARD_ACCESS;\nINTERNAL_NET_ACCESS: 10.0.0.0/24, 10.1.0.1;\n"
    [led] = configure(config, text).policy.stanzas
    assert led.nat.enabled
    assert led.nat.targets == (Target(ip_network("10.0.0.0/24")), Target(ip_network("10.1.0.1")))


@pytest.mark.parametrize(
    ("lines", "forced", "sources"),
    [
        ("FORCE_NAT 10.0.0.5 80", [Lead(INSIDE, 80)], []),
        ("FORCE_NAT 10.0.0.5 80, fd00::5 81", [
            Lead(INSIDE, 80), Lead(ip_address("fd00::5"), 81)
        ], []),
        ("FORCE_NAT 10.0.0.5 80\nFORCE_MASQUERADE Y", [Lead(INSIDE, 80)], [None]),
        ("FORCE_NAT 10.0.0.5 80\nFORCE_MASQUERADE Y\nFORCE_SNAT 10.0.0.1", [
            Lead(INSIDE, 80)
        ], ["10.0.0.1"]),
        ("FORCE_NAT 10.0.0.5 80\nFORCE_SNAT 10.0.0.1, fd00::1", [Lead(INSIDE, 80)],
         ["10.0.0.1", "fd00::1"]),
        ("FORWARD_ALL Y\nFORCE_NAT 10.0.0.5 0", [Lead(INSIDE, 0, everything=True)], []),
        ("FORWARD_ALL Y\nDISABLE_DNAT Y\nFORCE_MASQUERADE Y", [
            Lead(None, 0, everything=True)
        ], [None]),
    ],
)  # fmt: skip
def test_what_a_stanza_forces(lines: str, forced: list[Lead], sources: list[str | None]) -> None:
    found = terms(lines)
    assert found.forced == tuple(forced)
    seen = [None if each is None else ip_address(each) for each in sources]
    assert [each.address for each in found.sources] == seen


def test_everything_without_a_source_is_for_who_asks_to_be_led_on() -> None:
    found = terms("FORWARD_ALL Y\nDISABLE_DNAT Y")
    assert found.through
    assert found.forced == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("FORCE_NAT 10.0.0.5", "[*] Fatal: invalid FORCE_NAT arg '10.0.0.5', need <IP> <PORT>"),
        ("FORCE_NAT host 80", "[*] Fatal: invalid FORCE_NAT IP 'host'"),
        ("FORCE_NAT 127.0.0.1 80", "[*] Fatal: invalid FORCE_NAT IP '127.0.0.1'"),
        ("FORCE_NAT 10.0.0.5 65536", "[*] Fatal: invalid FORCE_NAT port '65536'"),
        ("FORCE_NAT 10.0.0.5 x", "[*] Fatal: invalid FORCE_NAT port 'x'"),
        ("FORCE_NAT 10.0.0.5 0", "[*] Fatal: invalid FORCE_NAT port '0'"),
        ("FORCE_NAT 10.0.0.5 80, 10.0.0.6 80", "FORCE_NAT has two addresses of one IP version"),
        ("FORCE_NAT 10.0.0.5 80\nFORCE_SNAT x", "[*] Fatal: invalid FORCE_SNAT IP 'x'"),
        ("FORCE_MASQUERADE Y",
         "[*] FORCE_SNAT/FORCE_MASQUERADE requires either FORCE_NAT or FORWARD_ALL: 'ANY'"),
        ("FORCE_SNAT 10.0.0.1",
         "[*] FORCE_SNAT/FORCE_MASQUERADE requires either FORCE_NAT or FORWARD_ALL: 'ANY'"),
        ("FORWARD_ALL Y", "FORWARD_ALL does not say where everything is to go"),
        ("FORWARD_ALL Y\nFORCE_NAT 0.0.0.0 0", "does not say where everything is to go"),
        ("FORCE_NAT 10.0.0.5 80\nDISABLE_DNAT Y", "DISABLE_DNAT takes away where FORCE_NAT leads"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_the_original_words_where_it_has_some(
    lines: str, said: str
) -> None:
    assert any(said in each for each in fatal(ON, stanza(lines)))


@pytest.mark.parametrize("line", ["FORCE_NAT 10.0.0.5 80", "FORWARD_ALL Y\nDISABLE_DNAT Y"])
def test_a_stanza_forces_nothing_on_a_server_that_leads_nobody_on(line: str) -> None:
    name = line.split(maxsplit=1)[0]
    [said] = fatal("", stanza(line))
    assert (
        f"[*] {name} requires either ENABLE_IPT_FORWARDING or ENABLE_IPT_LOCAL_NAT in fwknopd.conf"
    ) in said


@pytest.mark.requirement("2.17", partial=True)
@pytest.mark.parametrize(
    ("config", "sources"),
    [
        ("ENABLE_IPT_SNAT Y", (SourceNat(),)),
        ("ENABLE_FIREWD_SNAT Y\nSNAT_TRANSLATE_IP 10.0.0.1", (SourceNat(ip_address("10.0.0.1")),)),
        ("ENABLE_IPT_SNAT Y\nSNAT_TRANSLATE_IP 10.0.0.1,fd00::1",
         (SourceNat(ip_address("10.0.0.1")), SourceNat(ip_address("fd00::1")))),
        ("ENABLE_IPT_SNAT N", ()),
    ],
)  # fmt: skip
def test_as_whom_the_inside_sees_callers_of_every_stanza(
    config: str, sources: tuple[SourceNat, ...]
) -> None:
    loaded = configure(f"{ON}{config}", stanza("NAT_TARGETS 10.0.0.5"))
    [found] = loaded.policy.stanzas
    assert found.nat.sources == sources
    named = tuple(each.address for each in sources if each.address)
    assert loaded.settings.firewall.snat == named
    assert (Feature.SOURCE_NAT in loaded.policy.features(found)) is bool(sources)


def test_an_address_to_translate_to_is_one_of_a_host() -> None:
    for text in ("host", "127.0.0.1", "0.0.0.0", "10.0.0.1,10.0.0.2"):
        assert fatal(f"{ON}ENABLE_IPT_SNAT Y\nSNAT_TRANSLATE_IP {text}")
    assert len(remarks("SNAT_TRANSLATE_IP 10.0.0.1")) == 1


def test_there_are_no_more_addresses_to_translate_to_than_a_mark_has_room_for() -> None:
    several = "".join(
        stanza(f"FORCE_NAT 10.0.0.5 80\nFORCE_SNAT 10.0.0.{number}\n") for number in range(1, 8)
    )
    assert any("more than 6 addresses" in each for each in fatal(ON, several))


def test_a_service_that_is_reached_by_another_port_is_hidden_and_the_port_is_not_missed() -> None:
    access = stanza("OPEN_PORTS tcp/110\nNAT_TARGETS local:6543")
    hidden = configure(ON, access).settings.firewall.guarded
    assert Service.parse("tcp/6543") in hidden
    assert remarks(f"{ON}GUARD_SERVICES tcp/6543", access) == [
        each for each in remarks(ON, access) if "hidden" not in each
    ]


def test_how_nftables_hangs_into_the_operators_own_rules() -> None:
    found = configure(
        f"{ON}ENABLE_IPT_OUTPUT Y\nNFT_FORWARD_FROM inet filter forward, ip alone fwd\n"
        "NFT_OUTPUT_FROM inet filter output\nNFT_MARK 0x100\n"
    ).settings.firewall
    assert found.forward_from == (
        JumpFrom("inet", "filter", "forward"),
        JumpFrom("ip", "alone", "fwd"),
    )
    assert found.output_from == (JumpFrom("inet", "filter", "output"),)
    assert found.mark == 0x100
    sets = configure(
        "FIREWALL_ATTACH sets\nNFT_SET4 inet filter a4\nNFT_SET6_TO ip6 filter a6"
    ).settings.firewall
    assert sets.attach is Attach.SETS
    assert sets.sets == (
        NamedSet(4, False, "inet", "filter", "a4"),
        NamedSet(6, True, "ip6", "filter", "a6"),
    )


@pytest.mark.parametrize(
    "config",
    [
        "NFT_FORWARD_FROM inet filter forward",
        "NFT_OUTPUT_FROM inet filter output",
        "ENABLE_IPT_OUTPUT Y",
        "NFT_SET4 inet filter a4",
    ],
)
def test_what_has_no_effect_is_remarked_on(config: str) -> None:
    [said] = remarks(config)
    assert "has no effect" in said
