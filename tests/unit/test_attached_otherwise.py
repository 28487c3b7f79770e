"""What an operator is told where the guard does not hide: jump, mark, sets, rules of others."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests import firewalls
from tests.fwknopd_files import configure, fatal, remarks, stanza
from watchword.dialects.fwknop.voice import lines as told
from watchword.edges.firewall.at_best import at_best
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.firewall.nft import adopting
from watchword.edges.firewall.nft.survey import SetSeen, Survey
from watchword.edges.firewall.ruleset import Chain
from watchword.edges.listeners import Listener
from watchword.edges.programs import MemoryPrograms
from watchword.errors import HostError
from watchword.model.daemon_events import Attached
from watchword.model.firewalls import Attach, FirewallSettings, NamedSet
from watchword.model.openings import Feature
from watchword.model.services import Service
from watchword.model.settings import Settings
from watchword.ports import NotStartedError
from watchword.programs import fwknopd, watchword
from watchword.service.daemon import listing
from watchword.service.daemon.assembly import way_of
from watchword.service.doctor import firewall_diagnosis
from watchword.service.doctor.findings import Severity

JUMP = "FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input"
MARK = "FIREWALL_ATTACH mark\nNFT_TABLE w"
SETS = "FIREWALL_ATTACH sets\nNFT_SET4 inet filter a4\nNFT_SET6 ip6 mine a6"


def firewall(lines: str) -> FirewallSettings:
    return configure(lines).settings.firewall


@pytest.mark.parametrize(
    ("lines", "way", "whose"),
    [
        (JUMP, "jump from inet filter input", "the chains that jump here"),
        (MARK, "mark 0x1000000 in inet w", "your own rules"),
        (SETS, "sets inet filter a4, ip6 mine a6", "your own rules"),
        ("FIREWALL_BACKEND pf", "the anchor fwknop", "your own rules"),
        ("FIREWALL_BACKEND ipset", "jump from filter INPUT to FWKNOP_INPUT", "the chains"),
    ],
)
def test_the_log_says_what_holds_grants_and_whose_rules_hide(
    lines: str, way: str, whose: str
) -> None:
    found = firewall(lines)
    assert way_of(found) == way
    [(_, said)] = told(Attached(found.backend, way_of(found), ()))
    assert f"({found.backend}, {way}), what is hidden is up to {whose}" in said


def test_a_version_of_ip_for_which_no_set_is_named_is_said_to_let_in_nobody() -> None:
    assert not [each for each in remarks(SETS) if "IPv" in each]
    [said] = [each for each in remarks(SETS.replace("NFT_SET6 ip6", "#")) if "IPv" in each]
    assert "there is no NFT_SET6: nobody is let in by IPv6" in said
    only = "FIREWALL_ATTACH sets\nNFT_SET6 ip6 mine a6\nNFT_SET4_TO inet filter t4"
    assert not [each for each in remarks(only) if "IPv" in each]


@pytest.mark.parametrize(
    ("seen", "lacking", "remedy"),
    [
        (None, "there is no set inet filter a4", "make it: nft add set inet filter a4"),
        (SetSeen(1, 1, True, False), "its type is not ipv4_addr . inet_proto", "delete it and"),
        (SetSeen(1, 0, False, False), "it does not have the flag timeout", "delete it and"),
        (SetSeen(1, 0, True, True), "it is a map", "delete it and"),
        (SetSeen(1, 0, True, False), "", ""),
    ],
)
def test_of_a_set_that_does_not_fit_it_is_said_what_it_lacks(
    seen: SetSeen | None, lacking: str, remedy: str
) -> None:
    named = NamedSet(4, False, "inet", "filter", "a4")
    right = adopting.shape(named)[0]
    if seen is not None and not seen.key:
        seen = seen._replace(key=right)
    settings = FirewallSettings(attach=Attach.SETS, sets=(named,))
    found = Survey((None,), (), (seen,), ())
    if not lacking:
        adopting.check(settings, found)
        return
    with pytest.raises(HostError, match=lacking) as error:
        adopting.check(settings, found)
    assert remedy in str(error.value.hint)
    assert "flags timeout; }" in str(error.value.hint)


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (MARK, [("table", "inet", "w")]),
        (SETS, [("set", "inet", "filter", "a4"), ("set", "ip6", "mine", "a6")]),
        (JUMP, [("chain", "inet", "filter", "watchword")]),
    ],
)
def test_what_is_listed_is_what_holds_grants(
    lines: str, asked: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = MemoryPrograms()
    monkeypatch.setattr(listing, "SystemPrograms", lambda: programs)
    settings = Settings(firewall=firewall(lines), state_dir=tmp_path, run_dir=tmp_path)
    listing.grants(settings)
    assert [each.argv[2:] for each in programs.runs] == asked


def test_where_commands_open_no_table_of_ours_is_missed_in_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = MemoryPrograms()
    monkeypatch.setattr(listing, "SystemPrograms", lambda: programs)
    idle = replace(firewall(""), needed=False)
    said = listing.grants(Settings(firewall=idle, state_dir=tmp_path, run_dir=tmp_path))
    assert said.startswith("Listing grants and rules of fwknopd (by commands)...\n")
    assert said.endswith("no stanza opens anything in the firewall: commands do\n")
    assert not programs.runs


@pytest.mark.parametrize("lines", [MARK, SETS])
def test_the_doctor_speaks_of_no_guard_where_there_is_none(lines: str) -> None:
    found = firewall(lines)
    ssh = Listener(Service.parse("tcp/22"), ip_address("0.0.0.0"), program="sshd")
    policy = configure(lines).policy
    [said] = firewall_diagnosis.reach(found, policy, [ssh], [], [])
    assert said.severity is Severity.REMARK
    assert "what strangers reach is for your own rules to say" in said.sentence
    assert [each.severity for each in firewall_diagnosis.rules(found, policy, [])] == [
        Severity.REMARK
    ]


def test_a_table_that_marks_and_is_gone_is_missed() -> None:
    found = firewall(MARK)
    there = Chain("inet", "w", "mark", (), hook="prerouting")
    [said] = firewall_diagnosis.attachment(found, [there], in_step=True)
    assert said.severity is Severity.FINE
    [said] = firewall_diagnosis.attachment(found, [], in_step=True)
    assert "the table inet w is not in the kernel" in said.sentence


def on_the_page() -> dict[str, frozenset[Feature]]:
    """What docs/firewalls.md says of each firewall, as the contract's tests saw it."""
    lines = (firewalls.ROOT / "docs" / "firewalls.md").read_text("utf-8").splitlines()
    found: dict[str, set[Feature]] = {name: set() for name in firewalls.COLUMNS}
    for feature, words in firewalls.ROWS.items():
        [row] = [each for each in lines if each.startswith(f"| {words} |")]
        answers = row.removeprefix(f"| {words} |").strip(" |").split(" | ")
        for name, answer in zip(firewalls.COLUMNS, answers, strict=True):
            found[name] |= {feature} if answer == "yes" else set()
    return {name: frozenset(each) for name, each in found.items()}


def test_at_best_a_firewall_can_do_what_was_seen_of_it() -> None:
    ways = {"guard": "FIREWALL_ATTACH guard", "jump": JUMP, "mark": MARK, "sets": SETS}
    both = f"{SETS}\nNFT_SET4_TO inet filter t4\nNFT_SET6_TO inet filter t6"
    for name, seen in on_the_page().items():
        backend, _, way = name.partition(" ")
        lines = both if way == "sets" else ways.get(way, "")
        chosen = (
            replace(firewall(lines), backend=backend) if backend != "nftables" else firewall(lines)
        )
        assert at_best(chosen) == seen, name


def test_sets_can_do_what_those_can_that_were_named() -> None:
    four = at_best(firewall("FIREWALL_ATTACH sets\nNFT_SET4 inet filter a4"))
    assert Feature.IPV4 in four
    assert not four & {Feature.IPV6, Feature.DESTINATION}
    direct = at_best(firewall("FIREWALL_BACKEND firewalld\nFIREWALLD_RULES direct"))
    assert Feature.SOURCE_NAT in direct


@pytest.mark.parametrize("asking", [["check"], ["check", "--json"]])
@pytest.mark.parametrize(
    ("config", "line", "lacking"),
    [
        ("FIREWALL_BACKEND iptables", "BIND_SOURCE_PORT required", "one source port"),
        (f"{MARK}", "COUNT_CONNECTIONS Y", "a number of connections"),
        ("FIREWALL_BACKEND aws\nAWS_SECURITY_GROUP sg-0123456789abcdef0\n"
         "ENABLE_DESTINATION_RULE Y", "", "one destination"),
    ],
)  # fmt: skip
def test_what_no_such_firewall_can_do_is_told_before_the_start(
    config: str, line: str, lacking: str, asking: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    files = []
    for option, name, text in (("-c", "fwknopd.conf", config), ("-a", "access.conf", stanza(line))):
        path = tmp_path / name
        path.write_text(f"{text}\n")
        path.chmod(0o600)
        files += [option, str(path)]
    assert watchword.main([*asking, *files]) == 1
    said = capsys.readouterr()
    assert lacking in said.out + said.err
    assert "can be used" not in said.out
    assert fwknopd.main([*files, "--exit-parse-config"]) == 1
    assert lacking in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["ipfw", "pf", "ipf", "netsh"])
def test_where_a_firewalls_program_is_missing_the_remedy_is_told(backend: str) -> None:
    chosen = firewall(f"FIREWALL_BACKEND {backend}")
    missing = NotStartedError(f"{chosen.exe}: cannot be started: No such file or directory")
    with pytest.raises(NotStartedError, match="cannot be started") as error:
        tool_for(chosen, MemoryPrograms([missing] * 3)).check()
    assert "FIREWALL_EXE says where it is" in error.value.hint
    assert "FIREWALL_BACKEND nftables" in error.value.hint
    told = NotStartedError("not allowed", hint="ask AppArmor")
    with pytest.raises(NotStartedError) as error:
        tool_for(chosen, MemoryPrograms([told] * 3)).check()
    assert error.value.hint == "ask AppArmor"


def test_a_chain_with_a_name_that_iptables_cannot_have_is_refused_where_it_is_written() -> None:
    def named(length: int) -> str:
        chain = f"ACCEPT, filter, INPUT, 1, {'X' * length}, 1"
        return f"FIREWALL_BACKEND iptables\nIPT_INPUT_ACCESS {chain}"

    assert firewall(named(28)).input.chain == "X" * 28
    [said] = fatal(named(29))
    assert "Invalid IPT_INPUT_ACCESS specification" in said
    assert "up to 28" in said
