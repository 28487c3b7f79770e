"""The server's doctor: what it reads of the machine, and what it makes of that."""

from __future__ import annotations

import ctypes
import json
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.values import policy, terms
from watchword.edges import host_clock, keeping, listeners
from watchword.edges.firewall import ruleset
from watchword.edges.firewall.tables import seen
from watchword.edges.programs import MemoryPrograms
from watchword.errors import Complaint, HostError
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.services import Proto, Service
from watchword.ports import Completed
from watchword.service.doctor import firewall_diagnosis, server_arrivals, server_diagnosis
from watchword.service.doctor.findings import Finding, Severity
from watchword.service.tool import recent_told

SSH = Service(Proto.TCP, 22)


@pytest.mark.parametrize(
    ("status", "returned", "found"),
    [(0x2001, 0, True), (0x40, 5, False), (0x2041, 5, False), (0, -1, None)],
)
def test_the_kernels_word_on_the_clock_is_taken(
    status: int, returned: int, found: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adjtimex(asked: Any) -> int:
        assert asked._obj.modes == 0  # nothing is to be set
        asked._obj.status = status
        return returned

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(adjtimex=adjtimex))
    assert host_clock.synchronised() is found


def test_the_kernel_answers_here() -> None:
    assert host_clock.synchronised() in (True, False)


def test_a_clock_that_nobody_keeps_right_matters_where_time_stamps_do() -> None:
    found = server_diagnosis.clock(False, 120)
    assert found.severity is Severity.WARNING
    assert "more than 120 seconds off are refused" in found.sentence
    assert "chrony" in found.remedy
    assert server_diagnosis.clock(True, 120).severity is Severity.FINE
    assert server_diagnosis.clock(None, 120).severity is Severity.REMARK
    assert server_diagnosis.clock(False, None).severity is Severity.REMARK


def test_what_waits_for_strangers_is_read_of_the_kernels_tables(tmp_path: Path) -> None:
    net = tmp_path / "self" / "net"
    net.mkdir(parents=True)
    head = "  sl  local_address rem_address   st ... inode\n"
    none = f"{'0' * 32}:0000"
    rest = "00000000:00000000 00:00000000 00000000     0        0"
    (net / "tcp").write_text(
        f"{head}   0: 0100007F:0016 00000000:0000 0A {rest} 41 1 0 100 0 0 10 0\n"
        f"   1: 010071CB:0016 026433C6:9C40 01 {rest} 42 1 0 100 0 0 10 0\n"
    )
    (net / "udp6").write_text(
        f"{head} 10: {'0' * 32}:F2F9 {none} 07 {rest} 43 2 0 0\n"
        f" 11: B80D0120000000000000000001000000:0035 {none} 07 {rest} 44 2 0 0\n"
    )
    process = tmp_path / "77"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("named\n")
    (process / "fd" / "5").symlink_to("socket:[44]")
    (process / "fd" / "6").symlink_to("/dev/null")
    assert listeners.listeners(tmp_path) == [
        listeners.Listener(SSH, IPv4Address("127.0.0.1")),
        listeners.Listener(Service(Proto.UDP, 62201), IPv6Address("::")),
        listeners.Listener(Service(Proto.UDP, 53), IPv6Address("2001:db8::1"), 77, "named"),
    ]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (b"/opt/a b/python\0/opt/a b/fwknopd\0-f\0", "fwknopd"),
        (b"python3\0-m\0watchword\0", "python3"),
        (b"", "python3"),
    ],
)
def test_of_an_interpreter_the_script_is_named(tmp_path: Path, command: bytes, name: str) -> None:
    """Where the path of a script has a blank, the kernel knows it as its interpreter."""
    (tmp_path / "comm").write_text("python3\n")
    (tmp_path / "cmdline").write_bytes(command)
    assert listeners._name(tmp_path) == name


def listed(*things: dict[str, Any]) -> bytes:
    return json.dumps({"nftables": [{"metainfo": {}}, *things]}).encode()


CHAIN = {
    "chain": {
        "family": "ip", "table": "t", "name": "c", "hook": "input", "prio": 5, "policy": "drop",
    }
}  # fmt: skip


def rule(*expressions: dict[str, Any]) -> ruleset.Rule:
    thing = {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": list(expressions)}}
    [chain] = ruleset.parse(listed(CHAIN, thing))
    assert (str(chain), chain.hook, chain.priority, chain.policy) == ("ip t c", "input", 5, "drop")
    [found] = chain.rules
    return found


def dport(right: Any, protocol: str = "tcp", op: str = "==") -> dict[str, Any]:
    left = {"payload": {"protocol": protocol, "field": "dport"}}
    return {"match": {"op": op, "left": left, "right": right}}


def test_a_rule_is_understood_as_far_as_ports_and_verdicts_go() -> None:
    drop = {"drop": None}
    assert rule(drop) == ruleset.Rule("drop", None, conditional=False)
    ssh = ruleset.Rule("drop", frozenset({SSH}), conditional=False)
    assert rule(dport(22), {"counter": {}}, drop) == ssh
    several = rule(dport({"set": [22, {"range": [80, 81]}]}), drop).services
    assert several == frozenset(Service(Proto.TCP, each) for each in (22, 80, 81))
    both = frozenset(Service(proto, 53) for proto in Proto)
    assert rule(dport(53, "th"), drop).services == both
    for other in (dport("@named"), dport(22, op="!="), dport({"range": [0, 65535]}),
                  {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 1}},
                  {"xt": {"type": "match", "name": "recent"}}):  # fmt: skip
        assert rule(other, drop).conditional
    assert rule(dport(80), {"xt": {"type": "target", "name": "DNAT"}}).translates
    assert rule(dport(80), {"dnat": {"addr": "10.0.0.1"}}).translates
    assert rule({"jump": {"target": "watchword"}}).target == "watchword"


def all_but(*services: Service) -> dict[str, Any]:
    port = {"payload": {"protocol": "th", "field": "dport"}}
    left = {"concat": [{"meta": {"key": "l4proto"}}, port]}
    right = {"set": [{"concat": [str(each.proto), each.port]} for each in services]}
    return {"match": {"op": "!=", "left": left, "right": right}}


def test_the_guard_of_another_program_of_ours_is_in_the_way_of_what_it_hides_only() -> None:
    firewall = FirewallSettings(guarded=(SSH,))

    def beside(*hidden: Service) -> list[Finding]:
        rules = (rule(all_but(*hidden), {"accept": None}), rule({"drop": None}))
        other = ruleset.Chain("inet", "watchword_knockd", "guard", rules, hook="prerouting")
        return list(firewall_diagnosis._around_guard(firewall, [other]))

    assert beside(Service(Proto.TCP, 10001)) == []
    said = only(beside(SSH, Service(Proto.TCP, 10001)), Severity.FAULT)
    assert "the chain inet watchword_knockd guard drops tcp/22" in said.sentence
    assert "knockd --flush" in said.remedy
    stricter = rule(all_but(SSH), dport(80), {"accept": None})
    assert (stricter.conditional, stricter.spared) == (True, None)


@pytest.mark.parametrize(
    "said", [b"", b"[]", b"{}", b'{"nftables": [{"rule": {"family": "ip"}}]}', b'{"nftables": 5}']
)
def test_a_listing_that_cannot_be_read_is_the_hosts_trouble(said: bytes) -> None:
    with pytest.raises(HostError):
        ruleset.parse(said)


def test_without_the_right_to_look_the_remedy_is_to_be_root() -> None:
    programs = MemoryPrograms([Completed(1, b"", b"Operation not permitted\nmore")])
    with pytest.raises(HostError, match=r"Operation not permitted$") as error:
        ruleset.chains(programs)
    assert error.value.hint == "run the doctor as root"


def only(found: Any, severity: Severity) -> Finding:
    [one] = found
    assert one.severity is severity
    assert isinstance(one, Finding)
    return one


def test_of_the_attachment_the_daemons_own_word_counts_too() -> None:
    firewall = FirewallSettings(guarded=(SSH,))
    guard = ruleset.Chain("inet", "watchword", "guard", (), hook="prerouting")
    attached = firewall_diagnosis.attachment
    only(attached(firewall, [guard], True), Severity.FINE)
    only(attached(firewall, [guard], None), Severity.FINE)
    said = only(attached(firewall, [guard], False), Severity.FAULT)
    assert "does not have what fwknopd wants" in said.sentence
    only(attached(firewall, [], True), Severity.FAULT)
    only(attached(FirewallSettings(needed=False), [], None), Severity.REMARK)


def test_a_jumps_reach_is_for_the_probe_to_find_out() -> None:
    firewall = FirewallSettings(attach=Attach.JUMP)
    told = only(firewall_diagnosis.reach(firewall, policy(), [], [], []), Severity.REMARK)
    assert "--probe" in told.remedy


def test_a_command_that_opens_is_no_reason_to_hide_by_the_firewall() -> None:
    firewall = FirewallSettings(guarded=())
    waits = [listeners.Listener(SSH, IPv4Address("0.0.0.0"), 1, "sshd")]
    offers = policy(terms(open_services=frozenset({SSH})))
    only(firewall_diagnosis.reach(firewall, offers, waits, [], []), Severity.FAULT)
    anything = policy(terms())
    only(firewall_diagnosis.reach(firewall, anything, waits, [], []), Severity.REMARK)
    only(firewall_diagnosis.reach(firewall, anything, waits, [], [SSH]), Severity.FINE)


def test_what_somebody_else_owns_can_be_changed_by_others(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o600)
    assert keeping.looseness(file) is None
    assert keeping.looseness(tmp_path / "missing") is None
    file.chmod(0o640)
    assert keeping.looseness(file) == keeping.Looseness(file, readable=True, writable=False)
    sticky = tmp_path / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    assert list(keeping.loose_folders(sticky / "file")) == []
    sticky.chmod(0o777)
    assert list(keeping.loose_folders(sticky / "file")) == [sticky]


def test_room_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert keeping.room(tmp_path / "not" / "yet") is not None
    assert server_diagnosis.disk(tmp_path, None).severity is Severity.REMARK
    much = keeping.Room(10 << 30, None)
    assert server_diagnosis.disk(tmp_path, much).severity is Severity.FINE


def test_complaints_of_the_files_reader_are_findings_and_keys_are_told_apart() -> None:
    remedy = "make new keys with fwknop --key-gen"
    weak = Complaint("KEY follows a simple pattern", None, remedy, fatal=False)
    odd = Complaint("VERBOSE is '0x'", fatal=False)
    wrong = Complaint("no", hint="yes")
    found = list(server_diagnosis.configuration([weak, odd, wrong]))
    assert [(each.severity.word, each.topic) for each in found] == [
        ("warning", "keys"), ("remark", "configuration"), ("fault", "configuration")
    ]  # fmt: skip


def test_tables_of_the_other_make_of_iptables_are_remarked_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = tmp_path / "names"
    names.write_text("nat\nfilter\n", "ascii")
    (tmp_path / "none").write_bytes(b"")
    for files, told in (
        ({"iptables-legacy": names, "ip6tables-legacy": tmp_path / "none"}, ["(filter, nat)"]),
        ({"iptables-legacy": tmp_path / "not there", "ip6tables-legacy": names}, ["ip6tables"]),
        ({"iptables-legacy": tmp_path / "none", "ip6tables-legacy": tmp_path / "none"}, []),
    ):
        monkeypatch.setattr(seen, "_OLD", files)
        found = list(server_diagnosis.old_tables(seen.old_tables()))
        assert [want in each.sentence for want, each in zip(told, found, strict=True)] == [
            True for _ in told
        ]
        assert all(each.severity is Severity.REMARK for each in found)
    rule = ruleset.Rule("drop", None, conditional=False)
    there = [
        ruleset.Chain("inet", "other", "first", (rule,), hook="input"),
        ruleset.Chain("inet", "other", "called", (rule,)),
        ruleset.Chain("inet", "other", "empty", (), hook="input"),
    ]
    [found_new] = server_diagnosis.new_tables(there)
    assert "(inet other first)" in found_new.sentence
    assert list(server_diagnosis.new_tables(there[1:])) == []


@pytest.mark.parametrize("heard", [True, False])
def test_a_daemon_on_a_busy_host_is_asked_often_enough_before_it_is_called_deaf(
    monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    """Here each of its answers takes longer than all of the patience."""
    now, asked = [0.0], [0]

    def events(*_: Any, after: int, **_more: Any) -> list[list[dict[str, Any]]]:
        now[0] += 3.0
        asked[0] += 1
        told = heard and asked[0] == 20
        one = {"number": after + 1, "source": "127.0.0.1", "source_port": 4711}
        return [[one]] if told else [[]]

    monkeypatch.setattr(recent_told, "events", events)
    monkeypatch.setattr(
        server_arrivals,
        "time",
        SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: None),
    )
    refusals = server_arrivals._Refusals(Path("/nowhere"))
    assert refusals.have(4711, 0) is heard
