"""What an operator is told where the guard does not hide: jump, mark, sets, rules of others."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.fwknopd_files import configure, remarks
from watchword.dialects.fwknop.voice import lines as told
from watchword.edges.firewall.nft import adopting
from watchword.edges.firewall.nft.survey import SetSeen, Survey
from watchword.edges.firewall.ruleset import Chain
from watchword.edges.listeners import Listener
from watchword.edges.programs import MemoryPrograms
from watchword.errors import HostError
from watchword.model.daemon_events import Attached
from watchword.model.firewalls import Attach, FirewallSettings, NamedSet
from watchword.model.services import Service
from watchword.model.settings import Settings
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
