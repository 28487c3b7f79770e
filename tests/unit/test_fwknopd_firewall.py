"""Our own variables of fwknopd.conf: which firewall, how attached, what is hidden."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import CONFIG, KEYS, STANZA, configure, fatal, remarks
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import load, settings_only
from watchword.model.firewalls import Attach, ChainUse, JumpFrom, LeadChains
from watchword.model.services import Service


def services(*texts: str) -> tuple[Service, ...]:
    return tuple(Service.parse(each) for each in texts)


BACKENDS = ("iptables", "ipset")
ANY_PORT = f"SOURCE ANY\n{KEYS}REQUIRE_SOURCE_ADDRESS Y\n"
DNS = f"SOURCE 192.0.2.0/24\n{KEYS}REQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS udp/53, tcp/22\n"


@pytest.mark.parametrize(
    ("lines", "backend"),
    [
        ("", "nftables"),
        ("FIREWALL_BACKEND nftables", "nftables"),
        ("FIREWALL_BACKEND memory", "memory"),
        ("FIREWALL_EXE /usr/sbin/nft", "nftables"),
        ("FIREWALL_EXE /sbin/pfctl", "pf"),
        ("FIREWALL_EXE /usr/bin/firewall-cmd", "firewalld"),
        ("FIREWALL_BACKEND firewalld", "firewalld"),
        ("FIREWALL_BACKEND ipset", "ipset"),
        ("FIREWALL_EXE /usr/sbin/iptables", "iptables"),
        ("FIREWALL_EXE /usr/sbin/iptables-legacy", "iptables"),
        ("FIREWALL_BACKEND iptables", "iptables"),
        ("FIREWALL_BACKEND ipset\nFIREWALL_EXE /usr/sbin/nft", "ipset"),
        ("FIREWALL_EXE /usr/sbin/iptables\nFIREWALL_BACKEND nftables", "nftables"),
    ],
)
def test_the_backend_is_the_named_one_or_what_the_tool_belongs_to(lines: str, backend: str) -> None:
    assert configure(lines).settings.firewall.backend == backend


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("FIREWALL_BACKEND nfttables", "FIREWALL_BACKEND is 'nfttables'"),
    ],
)
def test_another_firewall_is_refused_with_one_remedy(line: str, told: str) -> None:
    [said] = fatal(line)
    assert said.startswith(f"fwknopd.conf:2: {told}")
    assert "write FIREWALL_BACKEND nftables" in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("FIREWALL_ATTACH hook", "none of guard, jump, mark and sets"),
        ("FIREWALL_ATTACH jumps", "did you mean jump?"),
        ("FIREWALL_ATTACH jump", "FIREWALL_ATTACH jump needs NFT_JUMP_FROM"),
        ("NFT_TABLE watch-word", "cannot be the name of a table"),
        ("NFT_TABLE x{}", "cannot be the name of a table"),
        ("NFT_TABLE a b", "cannot be the name of a table"),
        ("FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter", "is no chain"),
        ("FIREWALL_ATTACH jump\nNFT_JUMP_FROM bridge filter input", "is no chain"),
        ("FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter in{put", "is no chain"),
        ("FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input,", "is no chain"),
        ("ENABLE_IPT_FORWARDING Y\nNFT_FORWARD_FROM inet forward", "is no chain"),
        ("ENABLE_IPT_OUTPUT Y\nNFT_OUTPUT_FROM filter output", "is no chain"),
        ("FIREWALL_ATTACH sets", "needs NFT_SET4 or NFT_SET6"),
        ("FIREWALL_ATTACH sets\nNFT_SET4 inet filter a b", "is no set"),
        ("NFT_MARK 0x3", "is not one bit of a mark"),
        ("NFT_MARK 0x20000000", "is not one bit of a mark"),
        ("NFT_MARK one", "is not one bit of a mark"),
    ],
)
def test_a_firewall_variable_that_makes_no_sense_is_refused(line: str, told: str) -> None:
    [said] = fatal(line)
    assert told in said


@pytest.mark.parametrize("backend", BACKENDS)
def test_chains_of_iptables_are_called_from_where_the_variables_say(backend: str) -> None:
    lines = f"FIREWALL_BACKEND {backend}\n"
    firewall = configure(lines).settings.firewall
    assert (firewall.attach, firewall.guarded, firewall.jump_from) == (Attach.JUMP, (), ())
    assert firewall.input == ChainUse("INPUT", "FWKNOP_INPUT", "ACCEPT", "filter", 1)
    assert (firewall.output, firewall.exe, firewall.home) == (None, "iptables", "FWKNOP_INPUT")
    assert not firewall.prepend
    assert configure(f"{lines}ENABLE_RULE_PREPEND Y").settings.firewall.prepend
    lines += (
        "FIREWALL_EXE /usr/sbin/iptables-legacy\nENABLE_IPT_OUTPUT Y\n"
        "IPT_INPUT_ACCESS RETURN, raw, MY_IN, 3, MINE, 1\n"
        "FIREWD_OUTPUT_ACCESS ACCEPT, filter, MY_OUT, 0, MINE_OUT, 1\n"
    )
    firewall = configure(lines).settings.firewall
    assert firewall.exe == "/usr/sbin/iptables-legacy"
    assert firewall.input == ChainUse("MY_IN", "MINE", "RETURN", "raw", 3)
    assert firewall.output == ChainUse("MY_OUT", "MINE_OUT", "ACCEPT", "filter", 0)
    assert firewall.home == "MINE"
    assert remarks(lines) == []


def test_the_chains_that_lead_on_have_the_names_that_they_are_given() -> None:
    lines = (
        "FIREWALL_BACKEND iptables\n"
        "IPT_FORWARD_ACCESS ACCEPT, filter, FORWARD, 2, MY_FORWARD, 1\n"
        "IPT_DNAT_ACCESS DNAT, nat, PREROUTING, 3, MY_DNAT, 1\n"
        "IPT_SNAT_ACCESS SNAT, nat, POSTROUTING, 4, MY_SNAT, 1\n"
        "IPT_MASQUERADE_ACCESS MASQUERADE, nat, POSTROUTING, 5, MY_MASQUERADE, 1\n"
    )
    assert configure(lines).settings.firewall.lead_chains == LeadChains(
        ChainUse("FORWARD", "MY_FORWARD", "ACCEPT", "filter", 2),
        ChainUse("PREROUTING", "MY_DNAT", "DNAT", "nat", 3),
        ChainUse("POSTROUTING", "MY_SNAT", "SNAT", "nat", 4),
        ChainUse("POSTROUTING", "MY_MASQUERADE", "MASQUERADE", "nat", 5),
    )
    assert remarks(lines) == []
    assert configure("FIREWALL_BACKEND iptables").settings.firewall.lead_chains == LeadChains()


@pytest.mark.parametrize("backend", BACKENDS)
def test_chains_of_iptables_hide_nothing_themselves(backend: str) -> None:
    lines = f"FIREWALL_BACKEND {backend}\n"
    [told] = fatal(f"{lines}FIREWALL_ATTACH guard")
    assert "FIREWALL_ATTACH guard is for nftables" in told
    assert configure(f"{lines}FIREWALL_ATTACH jump").settings.firewall.attach is Attach.JUMP
    assert configure(lines, ANY_PORT).policy.stanzas[0].open_services is None
    [told] = remarks(f"{lines}NFT_JUMP_FROM inet filter input")
    assert f"NFT_JUMP_FROM has no effect with FIREWALL_BACKEND {backend}" in told
    [told] = remarks(f"{lines}GUARD_SERVICES tcp/22")
    assert "GUARD_SERVICES has no effect where your own chains hide" in told


def test_sets_have_the_name_that_was_asked_for_if_it_can_be_one() -> None:
    lines = "FIREWALL_BACKEND ipset\n"
    assert configure(lines).settings.firewall.set_prefix == "watchword"
    assert configure(f"{lines}IPSET_NAME door").settings.firewall.set_prefix == "door"
    for wrong in ("a b", "x" * 29, "a{}"):
        [told] = fatal(f"{lines}IPSET_NAME {wrong}")
        assert "which names of sets cannot begin with" in told


def test_jumping_needs_chains_and_hides_nothing_itself() -> None:
    firewall = configure(
        "FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input, ip6 my-table in_put\n"
    ).settings.firewall
    assert firewall.attach is Attach.JUMP
    assert firewall.jump_from == (
        JumpFrom("inet", "filter", "input"),
        JumpFrom("ip6", "my-table", "in_put"),
    )
    assert (firewall.guard_all, firewall.guarded, firewall.public) == (False, (), ())


def test_jumping_needs_no_list_of_what_to_hide() -> None:
    lines = "FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input\n"
    assert configure(lines, ANY_PORT).policy.stanzas[0].open_services is None


@pytest.mark.parametrize(
    ("lines", "idle"),
    [
        ("NFT_JUMP_FROM inet filter input", "NFT_JUMP_FROM has no effect"),
        ("GUARD_PUBLIC tcp/80", "GUARD_PUBLIC has no effect without GUARD_SERVICES ALL"),
        (
            "FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input\nGUARD_SERVICES tcp/22",
            "GUARD_SERVICES has no effect where your own chains hide",
        ),
    ],
)
def test_what_belongs_to_the_other_way_of_attaching_is_remarked_on(lines: str, idle: str) -> None:
    [told] = remarks(lines)
    assert idle in told


def test_without_a_list_everything_that_stanzas_open_is_hidden() -> None:
    firewall = configure("", STANZA + DNS).settings.firewall
    assert firewall.attach is Attach.GUARD
    assert firewall.guarded == services("tcp/22", "udp/53")
    assert not firewall.guard_all


def test_a_stanza_that_opens_anything_needs_a_list_of_what_to_hide() -> None:
    [told] = fatal("", STANZA + ANY_PORT)
    assert told.startswith("access.conf:6: this stanza lets its callers ask for any port")
    assert "GUARD_SERVICES" in told
    loaded = configure("GUARD_SERVICES tcp/22,tcp/443", STANZA + ANY_PORT)
    assert loaded.settings.firewall.guarded == services("tcp/22", "tcp/443")
    assert configure("GUARD_SERVICES ALL", ANY_PORT).settings.firewall.guard_all


def test_where_nothing_chooses_a_firewall_and_any_port_may_be_asked_for_it_is_fwknopds() -> None:
    loaded = configure("", ANY_PORT + ANY_PORT, iptables="")
    firewall = loaded.settings.firewall
    assert (firewall.backend, firewall.attach) == ("iptables", Attach.JUMP)
    assert not firewall.guarded
    [said] = [str(each) for each in loaded.complaints if "iptables" in str(each)]
    assert said.startswith("access.conf:1: grants are rules of iptables, as with fwknopd")
    assert "your own rules have to drop what is not granted" in said
    moved = configure("IPT_INPUT_ACCESS DROP, filter, LOCAL, 1, OURS, 1", ANY_PORT, iptables="")
    assert moved.settings.firewall.input == ChainUse("LOCAL", "OURS", "DROP", "filter", 1)
    assert not any("IPT_INPUT_ACCESS" in str(each) for each in moved.complaints)


def test_a_stanza_for_any_port_beside_others_takes_no_guard_away() -> None:
    [told] = fatal("", STANZA + ANY_PORT, iptables="")
    assert "so what to hide is not known" in told


@pytest.mark.parametrize("access", [STANZA, DNS, STANZA + "DISABLE_FW_ACCESS Y\n"])
def test_stanzas_that_name_their_ports_are_hidden_by_us_also_where_there_is_iptables(
    access: str,
) -> None:
    assert configure("", access, iptables="").settings.firewall.backend == "nftables"


@pytest.mark.parametrize(
    ("line", "backend"),
    [
        ("GUARD_SERVICES tcp/22", "nftables"),
        ("FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input", "nftables"),
        ("FIREWALL_BACKEND ipset", "ipset"),
        ("FIREWALL_TYPE ipfw", "ipfw"),
    ],
)
def test_whatever_chooses_a_firewall_is_heeded_before_fwknopds_own_choice(
    line: str, backend: str
) -> None:
    loaded = configure(line, ANY_PORT, iptables="")
    assert loaded.settings.firewall.backend == backend
    assert not any("as with fwknopd" in str(each) for each in loaded.complaints)


@pytest.mark.parametrize(
    "line",
    [
        "FIREWALL_BACKEND nftables",
        "FIREWALL_EXE /usr/sbin/nft",
        "NFT_TABLE doors",
        "GUARD_PUBLIC tcp/80",
    ],
)
def test_who_chooses_nftables_for_any_port_is_asked_what_to_hide(line: str) -> None:
    [told] = fatal(line, STANZA + ANY_PORT, iptables="")
    assert "so what to hide is not known" in told


@pytest.mark.parametrize(
    ("config", "access", "backend"),
    [
        ("", ANY_PORT, "iptables"),
        ("", STANZA, "nftables"),
        ("GUARD_SERVICES ALL", ANY_PORT, "nftables"),
        ("", "SOURCE: ANY;\nKEY: fwknoptest;\n", "iptables"),
        ("", None, "nftables"),
    ],
)
def test_who_lists_and_flushes_finds_the_firewall_that_the_daemon_has(
    config: str, access: str | None, backend: str
) -> None:
    texts = {"f": CONFIG + config, "iptables": ""} | ({} if access is None else {"a": access})
    settings = settings_only(Sources.of(texts), parse(["-c", "f", "-a", "a"]))
    assert settings.firewall.backend == backend


@pytest.mark.parametrize(
    ("more", "backend", "exe"),
    [
        ("", "iptables", "/sbin/iptables-legacy"),
        ("FIREWALL_EXE /usr/sbin/iptables", "iptables", "/usr/sbin/iptables"),
        ("FIREWALL_BACKEND ipset", "ipset", "/sbin/iptables-legacy"),
        ("GUARD_SERVICES ALL", "nftables", "iptables"),
    ],
)
def test_firewall_type_iptables_of_1_9_chooses_it_unless_the_rest_is_for_another(
    more: str, backend: str, exe: str
) -> None:
    chain = "IPT_INPUT_ACCESS ACCEPT, src, filter, LOCAL, 1, OURS, 1\n"
    loaded = configure(f"FIREWALL_TYPE iptables\niptablesCmd /sbin/iptables-legacy\n{chain}{more}")
    firewall = loaded.settings.firewall
    assert (firewall.backend, firewall.exe) == (backend, exe)
    idle = [str(each) for each in loaded.complaints if "has no effect" in str(each)]
    names = ("IPT_INPUT_ACCESS", "FIREWALL_TYPE", "iptablesCmd")
    assert all(any(name in each for each in idle) is (backend == "nftables") for name in names)


def test_with_everything_hidden_the_port_of_the_packets_stays_public() -> None:
    firewall = configure("GUARD_SERVICES all\nGUARD_PUBLIC tcp/80\nUDPSERV_PORT 4000").settings
    assert firewall.firewall.guard_all
    assert firewall.firewall.guarded == ()
    assert firewall.firewall.public == services("tcp/80", "udp/4000")


@pytest.mark.parametrize(
    ("config", "access", "told"),
    [
        ("GUARD_SERVICES tcp/22,udp/62201", STANZA, "GUARD_SERVICES would hide udp/62201"),
        (
            "UDPSERV_PORT 53",
            DNS,
            "OPEN_PORTS would hide udp/53, the port that packets come to, from everybody",
        ),
    ],
)
def test_the_port_of_the_packets_is_never_hidden(config: str, access: str, told: str) -> None:
    [said] = fatal(config, access)
    assert told in said
    assert fatal("GUARD_SERVICES tcp/22\nUDPSERV_PORT 53", DNS) == []


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ("GUARD_SERVICES tcp/443", "add it to GUARD_SERVICES"),
        ("GUARD_SERVICES ALL\nGUARD_PUBLIC tcp/22", "take it out of GUARD_PUBLIC"),
    ],
)
def test_a_port_that_is_granted_and_not_hidden_is_remarked_on(config: str, hint: str) -> None:
    assert remarks(config) == [
        f"access.conf:1: OPEN_PORTS names tcp/22, which is open to everybody anyway ({hint})"
    ]


@pytest.mark.parametrize("value", ["tcp/0x", "icmp", "22", "tcp/22,,udp/53", "everything"])
def test_a_list_of_services_that_cannot_be_read_is_refused(value: str) -> None:
    [told] = fatal(f"GUARD_SERVICES {value}")
    assert told.startswith("fwknopd.conf:2: GUARD_SERVICES is no list of services")


def test_a_stanza_that_lost_its_key_file_keeps_its_ports_hidden() -> None:
    lost = "SOURCE ANY\nOPEN_PORTS tcp/443\n%include_keys gone\n"
    texts = {"f": CONFIG, "a": lost + STANZA}
    loaded = load(Sources.of(texts), parse(["-c", "f", "-a", "a"]))
    assert [each.number for each in loaded.policy.stanzas] == [2]
    assert loaded.policy.terms(2).place.line == 4
    with pytest.raises(IndexError):
        loaded.policy.terms(1)
    assert loaded.settings.firewall.guarded == services("tcp/22", "tcp/443")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("FIREWALL_EXE /bin/ls", "no program for FIREWALL_BACKEND nftables"),
        ("FIREWALL_BACKEND iptables\nFIREWALL_EXE /opt/wrapper", "FIREWALL_BACKEND iptables"),
        ("FIREWALL_BACKEND nftables\nFIREWALL_EXE /sbin/iptables", ""),
        ("FIREWALL_EXE /sbin/iptables", ""),
        ("FIREWALL_EXE /usr/sbin/nft", ""),
        ("FIREWALL_EXE /sbin/pfctl", ""),
    ],
)
def test_a_tool_that_is_named_and_not_run_is_remarked_on(lines: str, told: str) -> None:
    found = [each for each in remarks(lines) if "it is not run" in each]
    assert bool(found) == bool(told)
    assert all(told in each for each in found)
